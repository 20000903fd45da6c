//! What Python and `serde-pickle` write, and programs that nobody should run.

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// `pickle.dumps(document, protocol)` of Python 3.11 with the protocols 2 and 4, of
/// ```python
/// shared = [1.5]
/// {"a": [shared, shared, ()], "b": (True, False, None, -1, 255, 65535, 2**40, -2**62), "c": ("x",), "d": (1, 2),
///  "e": {"k": {}}, "t": (1, 2, 3), "ä": "ü", "n": float("inf"), 5: 6}
/// ```
const PROTOCOL_2: &[u8] = b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01]q\x02(]q\x03G?\xf8\x00\x00\x00\x00\x00\x00ah\x03)eX\
    \x01\x00\x00\x00bq\x04(\x88\x89NJ\xff\xff\xff\xffK\xffM\xff\xff\x8a\x06\x00\x00\x00\x00\x00\x01\x8a\x08\x00\x00\x00\
    \x00\x00\x00\x00\xc0tq\x05X\x01\x00\x00\x00cq\x06X\x01\x00\x00\x00xq\x07\x85q\x08X\x01\x00\x00\x00dq\tK\x01K\x02\
    \x86q\nX\x01\x00\x00\x00eq\x0b}q\x0cX\x01\x00\x00\x00kq\r}q\x0esX\x01\x00\x00\x00tq\x0fK\x01K\x02K\x03\x87q\x10X\
    \x02\x00\x00\x00\xc3\xa4q\x11X\x02\x00\x00\x00\xc3\xbcq\x12X\x01\x00\x00\x00nq\x13G\x7f\xf0\x00\x00\x00\x00\x00\x00\
    K\x05K\x06u.";
const PROTOCOL_4: &[u8] = b"\x80\x04\x95\x8a\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01a\x94]\x94(]\x94G?\xf8\x00\x00\
    \x00\x00\x00\x00ah\x03)e\x8c\x01b\x94(\x88\x89NJ\xff\xff\xff\xffK\xffM\xff\xff\x8a\x06\x00\x00\x00\x00\x00\x01\x8a\
    \x08\x00\x00\x00\x00\x00\x00\x00\xc0t\x94\x8c\x01c\x94\x8c\x01x\x94\x85\x94\x8c\x01d\x94K\x01K\x02\x86\x94\x8c\x01e\
    \x94}\x94\x8c\x01k\x94}\x94s\x8c\x01t\x94K\x01K\x02K\x03\x87\x94\x8c\x02\xc3\xa4\x94\x8c\x02\xc3\xbc\x94\x8c\x01n\
    \x94G\x7f\xf0\x00\x00\x00\x00\x00\x00K\x05K\x06u.";

#[test]
fn python_s_plain_data() {
    let expected = json!({
        "a": [[1.5], [1.5], []], "b": [true, false, null, -1, 255, 65535, 1_i64 << 40, -1_i64 << 62],
        "c": ["x"], "d": [1, 2], "e": { "k": {} }, "t": [1, 2, 3], "ä": "ü", "n": null, "5": 6
    });
    for pickle in [PROTOCOL_2, PROTOCOL_4] {
        assert_eq!(decode(pickle), Ok(expected.clone()));
        for cut in 0..pickle.len() {
            assert!(decode(&pickle[..cut]).is_err());
        }
    }
}

#[test]
fn nothing_is_looked_up_or_called() {
    // pickle.dumps(os.system) and pickle.dumps({"x": numpy.float64(1)}, protocol=4), Python 3.11, in part.
    for pickle in [
        &b"\x80\x04\x95\x14\0\0\0\0\0\0\0\x8c\x05posix\x94\x8c\x06system\x94\x93\x94."[..],
        b"\x80\x04}\x94\x8c\x01x\x94\x8c\x16numpy._core.multiarray\x94\x8c\x06scalar\x94\x93\x94.",
        b"cposix\nsystem\n(S'ls'\ntR.",
    ] {
        assert!(decode(pickle).unwrap_err().starts_with("it holds more than plain data"));
    }
}

#[test]
fn bombs_do_not_go_off() {
    let nested = |depth| [&b"]".repeat(depth)[..], &b"a".repeat(depth - 1), b"."].concat();
    assert!(decode(&nested(MAX_DEPTH)).is_ok());
    for depth in [MAX_DEPTH + 1, 1_000_000] {
        assert_eq!(decode(&nested(depth)), Err("it is nested too deeply".to_owned()));
    }
    // A list in itself.
    assert_eq!(decode(b"]q\0h\0a."), Err("it is nested too deeply".to_owned()));
    // Each list holds the last one twice; the last would have 2^40 ends.
    let mut doubled = b"]q\0".to_vec();
    for last in 0..40 {
        doubled.extend([b']', b'h', last, b'a', b'h', last, b'a', b'q', last + 1]);
    }
    // A text of a thousand bytes is used ten thousand times.
    let text = [&b"X\xe8\x03\0\0"[..], &[b'x'; 1000], b"q\0]"].concat();
    let repeated = [text, b"h\0a".repeat(10_000)].concat();
    for program in [doubled, repeated] {
        let bomb = [&program[..], b"."].concat();
        assert_eq!(decode(&bomb), Err("it is larger than its bytes".to_owned()));
    }
}

#[test]
fn programs_that_reach_too_far_are_refused() {
    for program in [
        &b"."[..],
        b"N(.",
        b"]](at.",
        b"NN(\x86t.",
        b"]NaN",
        b"t.",
        b"h\0.",
        b"}Ns.",
        b"NNs.",
        b"]}NNs",
    ] {
        assert!(decode(program).is_err(), "{}", program.escape_ascii());
    }
}

proptest! {
    #[test]
    fn any_bytes_are_taken_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes);
    }

    #[test]
    fn damage_is_taken_or_refused(place: prop::sample::Index, byte: u8) {
        let mut bytes = PROTOCOL_4.to_vec();
        *place.get_mut(&mut bytes) = byte;
        let _ = decode(&bytes);
    }

    #[test]
    fn programs_are_taken_or_refused(
        program in prop::collection::vec(prop::sample::select(b"(]})NK\x01\x94h\0q\x85\x86\x87taesu.".to_vec()), 0..60),
    ) {
        let _ = decode(&program);
    }

    #[test]
    fn what_serde_pickle_writes_is_read(document in document()) {
        let pickle = serde_pickle::to_vec(&document, serde_pickle::SerOptions::new()).unwrap();
        prop_assert_eq!(decode(&pickle), Ok(document));
    }
}

fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e300..1e300).prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
        "x{300}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,4}", inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}
