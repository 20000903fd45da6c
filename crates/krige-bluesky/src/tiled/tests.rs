//! What Tiled said once, and what a server might say that is not Tiled or not well.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use proptest::prelude::*;

use super::array::{decode, sliced};
use super::search::next_page;
use super::stream::event;
use super::*;

macro_rules! recorded {
    ($name:literal) => {
        include_bytes!(concat!("../../tests/recorded/", $name))
    };
}

/// A server that gives these answers, one to each request, and the client of it.
pub(crate) fn canned(answers: Vec<(u16, &'static [u8])>) -> TiledClient {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for (status, body) in answers {
            let Ok((mut connection, _)) = listener.accept() else { return };
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                let Ok(1) = connection.read(&mut byte) else { return };
                request.extend(byte);
            }
            let head = format!(
                "HTTP/1.1 {status} Said\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            let _ = connection.write_all(head.as_bytes());
            let _ = connection.write_all(body);
        }
    });
    TiledClient::new(&format!("http://{address}")).expect("an address").api_key("secret")
}

#[test]
fn recorded_nodes_are_read() {
    let tiled = canned(vec![
        (200, recorded!("tiled_metadata_run.json")),
        (200, recorded!("tiled_metadata_column.json")),
        (200, recorded!("tiled_metadata_image.json")),
        (200, recorded!("tiled_search_children.json")),
        (200, recorded!("tiled_search_filter.json")),
    ]);
    let run = tiled.metadata("run").expect("a run");
    assert_eq!(
        (run.structure, run.specs[0].version.as_deref()),
        (Structure::Container, Some("3.0"))
    );
    assert_eq!(run.metadata["start"]["scan_id"], 7);
    let data_type = DataType { endianness: Endianness::Little, kind: 'f', itemsize: 8 };
    for shape in [vec![1], vec![1, 24, 32]] {
        let node = tiled.metadata("array").expect("an array");
        assert_eq!(node.structure, Structure::Array(ArrayStructure { shape, data_type }));
    }
    let children = tiled.children("run/primary").expect("children");
    let Structure::Table(table) = &children[0].structure else { panic!("{children:?}") };
    assert_eq!(table.columns[..3], ["seq_num", "time", "himmel_det"]);
    let query =
        Query::new().eq("start.correlation_uid", "fixture").select("{uid: start.uid, stop: stop}");
    let found = tiled.search("", &query).expect("a run");
    assert_eq!(found[0].metadata["uid"], found[0].id.as_str());
    let stop = RunStop::read("run", &found[0].metadata["stop"]).expect("valid").expect("there");
    assert!(stop.succeeded() && stop.num_events["primary"] == 2, "{stop:?}");
}

#[test]
fn recorded_values_are_read() {
    let tiled = canned(vec![
        (200, recorded!("tiled_metadata_column.json")),
        (200, &[0; 8]),
        (200, recorded!("tiled_table.json")),
    ]);
    let array = tiled.array("column").expect("numbers");
    assert_eq!((array.shape, array.data), (vec![1], vec![0.0]));
    let data_type = DataType { endianness: Endianness::Little, kind: 'f', itemsize: 8 };
    let column = decode(data_type, recorded!("tiled_column.bin")).expect("floats");
    let in_json: Vec<f64> = serde_json::from_slice(recorded!("tiled_column.json")).expect("JSON");
    assert_eq!(column, in_json);
}

#[test]
fn recorded_messages_of_the_websocket_are_read() {
    let read = |lines: &'static [u8]| -> Vec<StreamEvent> {
        let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| event("", line).expect("an event")).collect()
    };
    match &read(recorded!("tiled_stream_root.jsonl"))[..] {
        [
            StreamEvent::Schema { family },
            StreamEvent::ChildCreated { sequence: 1, key, metadata },
            StreamEvent::ChildMetadataUpdated { sequence: 2, stop: Some(stop), .. },
        ] => {
            assert_eq!((&**family, &metadata["start"]["uid"]), ("container", &(&**key).into()));
            assert!(stop.succeeded(), "{stop:?}");
        }
        other => panic!("{other:?}"),
    }
    match &read(recorded!("tiled_stream_table.jsonl"))[..] {
        [StreamEvent::Schema { .. }, StreamEvent::TableData { append: true, columns, .. }] => {
            assert_eq!(columns["vec3_det"], serde_json::json!([[3.0, 2.0, 0.0]]));
        }
        other => panic!("{other:?}"),
    }
    let unknown = event("", br#"{"type":"news","x":1}"#).expect("an event");
    assert_eq!(unknown, StreamEvent::Other(serde_json::json!({"type": "news", "x": 1})));
    for wrong in [&b"[]"[..], b"", br#"{"type":"table-data"}"#, b"\xff"] {
        let error = event("run", wrong).expect_err("no event");
        assert!(matches!(error, TiledError::Protocol { .. }), "{error:?}");
    }
}

#[test]
fn a_status_is_an_error_that_says_whether_to_try_again() {
    for (status, body, transient, said) in [
        (404, &recorded!("tiled_404.json")[..], false, "No such entry: ['nope']"),
        (401, br#"{"detail":"Invalid API key"}"#, false, "refused access (Invalid API key)"),
        (403, b"", false, "an empty answer"),
        (406, br#"{"detail":"Supported: text/html"}"#, false, "Supported: text/html"),
        (
            422,
            br#"{"detail":[{"msg":"too large"}]}"#,
            false,
            "status 422: [{\"msg\":\"too large\"}]",
        ),
        (429, b"slowly", true, "status 429: \"slowly\""),
        (500, br#"{"detail":"Internal server error"}"#, true, "status 500: Internal server error"),
        (503, b"<html>proxy</html>", true, "<html>proxy</html>"),
        (200, b"<html>login</html>", false, "expected a node, found \"<html>login</html>\""),
        (200, b"{\"data\": null}", false, "expected a node"),
        (204, b"", false, "status 204"),
    ] {
        let error = canned(vec![(status, body)]).metadata("run").expect_err("no node");
        assert_eq!(error.is_transient(), transient, "{error:?}");
        assert!(error.to_string().contains(said), "{error}");
        assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    }
}

#[test]
fn a_server_that_refuses_to_stream_says_what_it_lacks() {
    for (status, said) in
        [(500, "`streaming_cache`"), (401, "refused access"), (404, "nothing to give")]
    {
        let error = canned(vec![(status, b"")]).stream("", Some(0)).expect_err("no upgrade");
        assert!(error.to_string().contains(said), "{error}");
        assert!(!error.is_transient(), "{error:?}");
    }
}

#[test]
fn bytes_that_do_not_fit_the_structure_are_no_numbers() {
    for bytes in [&[0; 7][..], &[0; 9], &[0; 16], &[]] {
        let tiled = canned(vec![(200, recorded!("tiled_metadata_column.json")), (200, bytes)]);
        let error = tiled.array("column").expect_err("one number has 8 bytes");
        assert!(matches!(error, TiledError::Protocol { .. }), "{error:?}");
    }
}

#[test]
fn arrays_that_are_no_numbers_or_too_many_are_not_asked_for() {
    let array = |structure: &str| {
        let node = format!(
            r#"{{"data":{{"id":"a","attributes":{{"structure_family":"array","specs":[],"structure":{structure}}}}}}}"#
        );
        let node: &'static [u8] = node.leak().as_bytes();
        canned(vec![(200, node)]).array("a").expect_err("no numbers")
    };
    let text = r#"{"shape":[2],"data_type":{"endianness":"little","kind":"U","itemsize":12}}"#;
    assert!(array(text).to_string().contains("found kind `U` of 12 bytes"), "{}", array(text));
    let half = r#"{"shape":[2],"data_type":{"endianness":"little","kind":"f","itemsize":2}}"#;
    assert!(matches!(array(half), TiledError::DataType { .. }));
    let record = r#"{"shape":[2],"data_type":{"itemsize":12,"fields":[]}}"#;
    assert!(matches!(array(record), TiledError::DataType { .. }));
    let large = r#"{"shape":[4000000000,4000000000],"data_type":{"endianness":"big","kind":"u","itemsize":4}}"#;
    assert!(matches!(array(large), TiledError::TooLarge { .. }));
}

/// numpy 2.4.6: `np.array(values).astype(dtype).tobytes().hex()`
#[test]
fn numbers_are_what_numpy_wrote() {
    use Endianness::{Big, Little, NotApplicable};
    for (endianness, kind, itemsize, hex, values) in [
        (Little, 'f', 8, "000000000000f03f00000000000000c0", [1.0, -2.0]),
        (Big, 'f', 8, "3ff0000000000000c000000000000000", [1.0, -2.0]),
        (Little, 'f', 4, "cdcccc3d000020c0", [0.10000000149011612, -2.5]),
        (Big, 'f', 4, "3f800000c0000000", [1.0, -2.0]),
        (Little, 'i', 2, "0100feff", [1.0, -2.0]),
        (Big, 'i', 2, "0001fffe", [1.0, -2.0]),
        (Little, 'i', 8, "0100000000000000feffffffffffffff", [1.0, -2.0]),
        (NotApplicable, 'i', 1, "01fe", [1.0, -2.0]),
        (NotApplicable, 'u', 1, "01c8", [1.0, 200.0]),
        (Little, 'u', 4, "01000000c8000000", [1.0, 200.0]),
        (Big, 'u', 8, "000000000000000100000000000000c8", [1.0, 200.0]),
        (NotApplicable, 'b', 1, "0100", [1.0, 0.0]),
    ] {
        let bytes: Vec<u8> = (0..hex.len())
            .step_by(2)
            .map(|place| u8::from_str_radix(&hex[place..place + 2], 16).expect("hex"))
            .collect();
        let data_type = DataType { endianness, kind, itemsize };
        assert_eq!(decode(data_type, &bytes).as_deref(), Some(&values[..]), "{data_type:?}");
    }
}

#[test]
fn slices_leave_what_python_leaves() {
    use Slice::{All, Index, Range};
    for (slices, left) in [
        (&[][..], Some(vec![3, 24, 32])),
        (&[Index(2)], Some(vec![24, 32])),
        (&[Index(3)], None),
        (&[Range(1, 3), All, Range(30, 40)], Some(vec![2, 24, 2])),
        (&[Range(2, 1)], Some(vec![0, 24, 32])),
        (&[All, All, All, All], None),
    ] {
        assert_eq!(sliced(&[3, 24, 32], slices), left, "{slices:?}");
    }
}

#[test]
fn an_address_is_taken_as_people_write_it() {
    for url in ["http://h:8000", "http://h:8000/", "http://h:8000/api/v1", "http://h:8000/api/v1/"]
    {
        let tiled = TiledClient::new(url).expect("an address").prefix("/raw/2026/");
        assert_eq!(tiled.address_of("search", ""), "http://h:8000/api/v1/search/raw/2026");
        assert_eq!(
            tiled.address_of("metadata", "a/b"),
            "http://h:8000/api/v1/metadata/raw/2026/a/b"
        );
    }
    let behind = TiledClient::new("https://lab.example/tiled").expect("an address");
    assert_eq!(behind.address_of("search", ""), "https://lab.example/tiled/api/v1/search/");
    let over_tls = behind.stream("", None).expect_err("no TLS");
    assert!(matches!(over_tls, TiledError::StreamOverTls), "{over_tls:?}");
    for url in [
        "h:8000",
        "ftp://h",
        "http://",
        "http://h/?api_key=secret",
        "http://me:secret@h",
        "http://a b",
    ] {
        let error = TiledClient::new(url).expect_err("no address");
        assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    }
}

#[test]
fn the_key_is_never_shown() {
    let tiled = TiledClient::new("http://h").expect("an address").api_key("secret");
    assert!(!format!("{tiled:?}").contains("secret"), "{tiled:?}");
    let broken = tiled.api_key("secret\n").metadata("run").expect_err("no header");
    assert!(matches!(broken, TiledError::Unauthorized { .. }), "{broken:?}");
    assert!(!format!("{broken} {broken:?}").contains("secret"), "{broken:?}");
}

#[test]
fn a_server_that_trickles_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        // One byte whenever the client takes one, and never an end.
        while let Ok((mut connection, _)) = listener.accept() {
            std::thread::spawn(move || {
                let _ = connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 999999\r\n\r\n");
                while connection.write_all(b" ").is_ok() {
                    std::thread::park_timeout(Duration::from_millis(5));
                }
            });
        }
    });
    let tiled = TiledClient::new(&format!("http://{address}")).expect("an address");
    let error = tiled.timeout(Duration::from_millis(200)).metadata("run").expect_err("no end");
    assert!(matches!(error, TiledError::Timeout { .. }) && error.is_transient(), "{error:?}");
}

#[test]
fn a_page_that_leads_nowhere_is_an_error() {
    let page = recorded!("tiled_search_page.json");
    let error =
        canned(vec![(200, page), (200, page)]).children("").expect_err("the same page again");
    assert!(error.to_string().contains("a next page that leads on"), "{error}");
    let empty = br#"{"data":[],"links":{"next":"http://h/?page[offset]=2"}}"#;
    let error = canned(vec![(200, empty)]).children("").expect_err("nothing, and more of it");
    assert!(error.to_string().contains("a next page that leads on"), "{error}");
    let next = |value: &str| Some(("page[offset]".to_owned(), value.to_owned()));
    let links: [(&str, Option<(String, String)>); 4] = [
        ("http://h/api/v1/search/?page[offset]=2&page[limit]=2", next("2")),
        ("http://h/?page%5Blimit%5D=2&page%5Boffset%5D=4", next("4")),
        ("http://h/?page[limit]=2", None),
        ("http://h/", None),
    ];
    for (link, expected) in links {
        assert_eq!(next_page(link), expected, "{link}");
    }
}

proptest! {
    #[test]
    fn every_key_is_one_segment_of_the_address(keys in prop::collection::vec("[^/]{1,9}", 1..4)) {
        let tiled = TiledClient::new("http://h").expect("an address");
        let address = tiled.address_of("metadata", &keys.join("/"));
        let path = address.strip_prefix("http://h/api/v1/metadata/").expect("the endpoint");
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%/".contains(&byte);
        prop_assert!(path.bytes().all(plain), "{}", path);
        let decoded: Vec<_> = path
            .split('/')
            .map(|key| percent_encoding::percent_decode_str(key).decode_utf8().expect("UTF-8").into_owned())
            .collect();
        prop_assert_eq!(decoded, keys);
    }

    #[test]
    fn a_condition_has_its_field_as_it_is_and_its_value_in_json(field: String, value: String) {
        let query = Query::new().eq(&field, &*value).regex(&field, &value);
        let [(key, f), (name, v), (_, g), (pattern, p)] = &query.filters[..] else { panic!("{query:?}") };
        prop_assert_eq!((&**key, &**name), ("filter[eq][condition][key]", "filter[eq][condition][value]"));
        prop_assert_eq!(&**pattern, "filter[regex][condition][pattern]");
        prop_assert_eq!((f, g, p), (&field, &field, &value));
        prop_assert_eq!(serde_json::from_str::<String>(v).expect("JSON"), value);
    }

    #[test]
    fn any_bytes_are_numbers_or_none(bytes: Vec<u8>, itemsize in 0usize..20, kind: char) {
        for endianness in [Endianness::Little, Endianness::Big] {
            let decoded = decode(DataType { endianness, kind, itemsize }, &bytes);
            prop_assert!(decoded.is_none_or(|numbers| numbers.len() * itemsize == bytes.len()));
        }
    }

    #[test]
    fn floats_survive_in_both_orders(numbers: Vec<f64>) {
        let little: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        let big: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
        for (endianness, bytes) in [(Endianness::Little, little), (Endianness::Big, big)] {
            let data_type = DataType { endianness, kind: 'f', itemsize: 8 };
            prop_assert_eq!(decode(data_type, &bytes).expect("floats"), numbers.clone());
        }
    }
}
