//! What msgpack-numpy writes, and what it could not have written.

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// `msgpack.packb(document, default=msgpack_numpy.encode)` of Python 3.11, msgpack 1.2.4, msgpack-numpy 0.4.8 and
/// numpy 2, of
/// ```python
/// {"f": np.float64(1.5), "i": np.int16(-2), "b": np.bool_(True), "u": np.uint64(2**64 - 1),
///  "a": np.array([[1, 2, 3], [4, 5, -6]], dtype="<i4"), "g": np.array([1.5, np.nan], dtype=">f4"),
///  "e": np.zeros((0, 3)), "z": np.array(7.0), "t": np.array([True, False]), "n": float("inf"), "m": {1: None},
///  "s": np.str_("x")}
/// ```
const NUMPY: &str = "\
    8ca166cb3ff8000000000000a16983c4026e64c2c40474797065a33c6932c40464617461c402feffa16283c4026e64c2c40474797065a37c\
    6231c40464617461c40101a17583c4026e64c2c40474797065a33c7538c40464617461c408ffffffffffffffffa16185c4026e64c3c40474\
    797065a33c6934c4046b696e64c400c4057368617065920203c40464617461c4180100000002000000030000000400000005000000faffff\
    ffa16785c4026e64c3c40474797065a33e6634c4046b696e64c400c40573686170659102c40464617461c4083fc000007fc00000a16585c4\
    026e64c3c40474797065a33c6638c4046b696e64c400c4057368617065920003c40464617461c400a17a85c4026e64c3c40474797065a33c\
    6638c4046b696e64c400c405736861706590c40464617461c4080000000000001c40a17485c4026e64c3c40474797065a37c6231c4046b69\
    6e64c400c40573686170659102c40464617461c4020100a16ecb7ff0000000000000a16d8101c0a173a178";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.chars().map(|c| c.to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

#[test]
fn numpy_becomes_numbers_and_lists() {
    let expected = json!({
        "f": 1.5, "i": -2, "b": true, "u": u64::MAX, "a": [[1, 2, 3], [4, 5, -6]], "g": [1.5, null],
        "e": [], "z": 7.0, "t": [true, false], "n": null, "m": { "1": null }, "s": "x"
    });
    assert_eq!(decode(&bytes(NUMPY)), Ok(expected));
}

/// A map of an array as msgpack-numpy writes it.
fn array(kind: &str, shape: &[u64], data: &[u8]) -> Vec<u8> {
    let key = |name: &[u8]| Packed::Binary(name.to_vec());
    let packed = Packed::Map(vec![
        (key(b"nd"), true.into()),
        (key(b"type"), kind.into()),
        (key(b"shape"), Packed::Array(shape.iter().map(|&length| length.into()).collect())),
        (key(b"data"), Packed::Binary(data.to_vec())),
    ]);
    let mut out = Vec::new();
    rmpv::encode::write_value(&mut out, &packed).unwrap();
    out
}

#[test]
fn arrays_that_are_none_are_refused() {
    assert_eq!(decode(&array("<u2", &[2], &[1, 0, 2, 0])), Ok(json!([1, 2])));
    let huge = u64::MAX / 2;
    for (kind, shape) in [
        ("<u2", &[3][..]),
        ("<u2", &[huge, huge]),
        ("<u2", &[]),
        ("<c16", &[2]),
        ("<U1", &[1]),
        ("", &[2]),
        ("ä", &[2]),
        ("<f2", &[2]),
        ("|O", &[2]),
    ] {
        assert!(decode(&array(kind, shape, &[1, 0, 2, 0])).is_err(), "{kind} {shape:?}");
    }
    // An empty array does not become as many lists as it claims to have.
    assert_eq!(decode(&array("<f8", &[1 << 40, 0], &[])), Ok(json!([])));
}

#[test]
fn bytes_and_deep_nesting_are_refused() {
    assert!(decode(b"\xc4\x01x").unwrap_err().contains("bytes"));
    assert!(decode(b"\xc0\xc0").unwrap_err().contains("1 bytes after"));
    assert!(decode(&[0x91; 100_000]).is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_taken_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes);
    }

    /// One byte changed in what is well-formed reaches further.
    #[test]
    fn damage_is_taken_or_refused(place: prop::sample::Index, byte: u8) {
        let mut bytes = bytes(NUMPY);
        *place.get_mut(&mut bytes) = byte;
        let _ = decode(&bytes);
    }
}
