//! Frames of a real RunEngine, and frames that are none.

use proptest::prelude::*;
use serde_json::json;

use super::*;

macro_rules! recorded {
    ($name:literal) => {
        include_bytes!(concat!("../../tests/recorded/doc_", $name, ".frame"))
    };
}

const FORMATS: [DocumentFormat; 3] =
    [DocumentFormat::Json, DocumentFormat::Msgpack, DocumentFormat::Pickle];

#[test]
fn a_run_is_the_same_in_json_and_pickle() {
    for (json, pickle) in [
        (&recorded!("start_0.json")[..], &recorded!("start_0.pickle")[..]),
        (recorded!("stop_0.json"), recorded!("stop_0.pickle")),
    ] {
        let json = Document::from_frame(json, DocumentFormat::Json).unwrap();
        let pickle = Document::from_frame(pickle, DocumentFormat::Pickle).unwrap();
        assert_eq!((json.prefix.as_str(), pickle.prefix.as_str()), ("json", ""));
        assert_eq!((json.name, &json.body), (pickle.name, &pickle.body));
    }
}

#[test]
fn start_and_stop_are_typed() {
    let frame = recorded!("start_0.pickle");
    let Body::Start(start) = Document::from_frame(frame, DocumentFormat::Pickle).unwrap().body
    else {
        panic!("a start document")
    };
    assert_eq!(start.uid, "f0d51f06-7c75-4f62-b236-5adf57718d84");
    assert_eq!(start.time, 1795291561.1126394);
    assert_eq!(start.scan_id, Some(7));
    assert_eq!(start.plan_name.as_deref(), Some("default_acquire"));
    assert_eq!(start.metadata["correlation_uid"], "fixture");
    assert_eq!(start.metadata["blop_suggestions"][0]["motor1"], 3.0);

    let frame = recorded!("stop_0.json");
    let stop = RunStop {
        uid: Some("ed6bd2e4-496d-419f-acdc-2bcfb150d8b5".to_owned()),
        run_start: start.uid,
        exit_status: ExitStatus::Success,
        reason: String::new(),
        num_events: BTreeMap::from([("primary".to_owned(), 2)]),
    };
    let body = Document::from_frame(frame, DocumentFormat::Json).unwrap().body;
    assert_eq!(body, Body::Stop(stop));
}

#[test]
fn other_documents_come_as_they_are_or_undecoded() {
    for (json, pickle, name) in [
        (&recorded!("descriptor_0.json")[..], &recorded!("descriptor_0.pickle")[..], "descriptor"),
        (recorded!("event_0.json"), recorded!("event_0.pickle"), "event"),
        (recorded!("event_1.json"), recorded!("event_1.pickle"), "event"),
    ] {
        let json = Document::from_frame(json, DocumentFormat::Json).unwrap();
        assert_eq!(json.name.to_string(), name);
        let Body::Other(body) = json.body else { panic!("{name} is decoded") };
        assert!(body["uid"].is_string());
        let pickle = Document::from_frame(pickle, DocumentFormat::Pickle).unwrap();
        assert_eq!((pickle.name, pickle.body), (json.name, Body::Undecoded));
    }
}

#[test]
fn msgpack_has_the_same_documents() {
    let stop = json!({ "run_start": "a b", "exit_status": "fail", "reason": "no beam" });
    let mut frame = b" stop ".to_vec();
    frame.extend(rmp_serde::to_vec_named(&stop).unwrap());
    let Body::Stop(stop) = Document::from_frame(&frame, DocumentFormat::Msgpack).unwrap().body
    else {
        panic!("a stop document")
    };
    assert_eq!((stop.run_start.as_str(), stop.uid), ("a b", None));
    assert_eq!((stop.exit_status, stop.reason.as_str()), (ExitStatus::Fail, "no beam"));
}

#[test]
fn errors_name_the_document() {
    let error =
        |frame: &[u8]| Document::from_frame(frame, DocumentFormat::Json).unwrap_err().to_string();
    assert!(error(b"start").starts_with("expected a document as one frame"));
    assert!(error(b"\xff start {}").starts_with("expected a document as one frame"));
    assert_eq!(error(b" begin {}"), "expected the name of a document, found `begin`");
    assert!(error(b" start {}").contains("`start` cannot be read: missing field `uid`"));
    assert!(error(b" stop []").contains("`stop` cannot be read: expected a map"));
    let stop = br#" stop {"run_start": "", "exit_status": "won"}"#;
    assert!(error(stop).contains("unknown variant `won`"));
    let large = [&b" event "[..], &vec![b' '; MAX_DOCUMENT + 1]].concat();
    assert!(error(&large).contains("`event` of 4194305 bytes"));
}

proptest! {
    #[test]
    fn any_bytes_are_taken_or_refused(
        name in prop::sample::select(DocumentName::ALL.to_vec()),
        payload in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let frame = [b" ", name.as_str().as_bytes(), b" ", &payload].concat();
        for format in FORMATS {
            let _ = Document::from_frame(&frame, format);
            let _ = Document::from_frame(&payload, format);
        }
    }
}
