//! Live tests of `krige_bluesky::tiled`.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use krige_bluesky::tiled::{
    Comparison, Query, Slice, StreamEvent, Structure, TiledClient, TiledError,
};
use krige_testkit::BlueskyStack;
use serde_json::{Value, json};

/// Longer than anything takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Points and their values of Himmelblau's function, by hand: (x² + y - 11)² + (x + y² - 7)².
const POINTS_OF_THREE: [(f64, f64); 3] = [(3.0, 2.0), (0.0, 0.0), (1.0, 1.0)];
const VALUES_OF_THREE: [f64; 3] = [0.0, 170.0, 106.0];

fn client(stack: &BlueskyStack) -> TiledClient {
    let addresses = stack.addresses();
    let tiled = TiledClient::new(&addresses.tiled_url).expect("an address");
    tiled.api_key(&addresses.tiled_api_key)
}

/// A key that no other run has.
fn fresh_key() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("krige-tiled-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

#[track_caller]
fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "{what}: not after {PATIENCE:?}");
        pause();
    }
}

/// Between two looks at the far side.
fn pause() {
    std::thread::park_timeout(Duration::from_millis(50));
}

/// Runs a plan of some points and waits for the manager; the key in its start document.
#[track_caller]
fn acquire(stack: &BlueskyStack, plan: &str, points: &[(f64, f64)], sensors: &[&str]) -> String {
    let key = fresh_key();
    submit(stack, plan, points, sensors, &key);
    key
}

#[track_caller]
fn submit(stack: &BlueskyStack, plan: &str, points: &[(f64, f64)], sensors: &[&str], key: &str) {
    let addresses = stack.addresses();
    let authorization = format!("ApiKey {}", addresses.http_api_key);
    let idle = || {
        let status: Value = ureq::get(format!("{}/api/status", addresses.http_url))
            .header("Authorization", &authorization)
            .call()
            .expect("a status")
            .body_mut()
            .read_json()
            .expect("JSON");
        (status["manager_state"] == "idle").then_some(())
    };
    let suggestions: Vec<_> = points
        .iter()
        .enumerate()
        .map(|(id, (x, y))| json!({"_id": id, "motor1": x, "motor2": y}))
        .collect();
    let arguments = json!([suggestions, ["motor1", "motor2"], sensors]);
    let item =
        json!({"item_type": "plan", "name": plan, "args": arguments, "meta": {"krige_key": key}});
    wait_for("an idle manager", idle);
    let reply: Value = ureq::post(format!("{}/api/queue/item/execute", addresses.http_url))
        .header("Authorization", &authorization)
        .send_json(json!({"item": item}))
        .expect("an answer")
        .body_mut()
        .read_json()
        .expect("JSON");
    assert_eq!(reply["success"], true, "{reply}");
    wait_for("an idle manager", idle);
}

/// The uids of the runs of a key, oldest first, once so many have a stop.
#[track_caller]
fn runs(tiled: &TiledClient, key: &str, number: usize) -> Vec<String> {
    let query = Query::new().eq("start.krige_key", key).sort("start.time").select("stop");
    wait_for("runs with a stop", || {
        let found = tiled.search("", &query).expect("an answer");
        let ended = found.iter().filter(|run| !run.metadata.is_null()).count();
        (ended == number).then(|| found.into_iter().map(|run| run.id).collect())
    })
}

#[test]
fn a_column_an_image_and_a_short_list_are_read_where_tiled_has_them() {
    let stack = BlueskyStack::shared();
    let tiled = client(&stack);
    let sensors = ["himmel_det", "image_det", "vec3_det", "nan_det"];
    let key = acquire(&stack, "default_acquire", &POINTS_OF_THREE, &sensors);
    let uid = &runs(&tiled, &key, 1)[0];

    let scalar = tiled.stream_array(uid, "primary", "himmel_det").expect("a column");
    assert_eq!((scalar.shape, scalar.data), (vec![3], VALUES_OF_THREE.to_vec()));
    let counted = tiled.stream_array(uid, "primary", "seq_num").expect("integers");
    assert_eq!(counted.data, [1.0, 2.0, 3.0]);
    let list = tiled.stream_array(uid, "primary", "vec3_det").expect("a column of lists");
    assert_eq!((list.shape, &list.data[..3]), (vec![3, 3], &[3.0, 2.0, 0.0][..]));
    let nan = tiled.stream_array(uid, "primary", "nan_det").expect("a column");
    assert!(nan.data.iter().all(|value| value.is_nan()), "{nan:?}");

    let image = tiled.stream_array(uid, "primary", "image_det").expect("an array");
    assert_eq!(image.shape, [3, 24, 32]);
    // The spot of the second event, at the origin: exp(-((r - 11.5)² + (c - 15.5)²) / 18).
    let (row, column) = (11, 15);
    let expected = (-0.5f64 / 18.0).exp();
    assert!((image.data[(24 + row) * 32 + column] - expected).abs() < 1e-15);
    let path = format!("{uid}/primary/image_det");
    let slices = [Slice::Index(1), Slice::Range(row, row + 1), Slice::Range(column, 99)];
    let part = tiled.array_slice(&path, &slices).expect("a slice");
    assert_eq!(part.shape, [1, 17]);
    assert_eq!(part.data, image.data[(24 + row) * 32 + column..][..17]);
    let beyond = tiled.array_slice(&path, &[Slice::Index(3)]).expect_err("three events");
    assert!(matches!(beyond, TiledError::Protocol { .. }), "{beyond:?}");

    let table = format!("{uid}/primary/internal");
    let columns = tiled.table_columns(&table).expect("a table");
    assert!(columns.iter().any(|column| column == "ts_himmel_det"), "{columns:?}");
    let values = tiled.table(&table, &["himmel_det", "nan_det"]).expect("columns");
    assert_eq!(values["himmel_det"], [json!(0.0), json!(170.0), json!(106.0)]);
    assert_eq!(values["nan_det"], [Value::Null, Value::Null, Value::Null]);
    assert_eq!(values.len(), 2);
}

#[test]
fn a_run_is_described_by_its_documents_and_its_children() {
    let stack = BlueskyStack::shared();
    let tiled = client(&stack);
    let key = acquire(&stack, "default_acquire", &POINTS_OF_THREE[..1], &["himmel_det"]);
    let uid = &runs(&tiled, &key, 1)[0];
    let start = tiled.run_start(uid).expect("a start document");
    assert_eq!((start["uid"].as_str(), start["krige_key"].as_str()), (Some(&**uid), Some(&*key)));
    let stop = tiled.run_stop(uid).expect("an answer").expect("a stop document");
    assert!(stop.succeeded() && stop.num_events["primary"] == 1, "{stop:?}");
    let node = tiled.metadata(uid).expect("a node");
    assert_eq!(node.structure, Structure::Container);
    assert_eq!(node.specs[0].name, "BlueskyRun");
    assert_eq!(node.metadata["start"], Value::Object(start));
    let children = tiled.children(&format!("{uid}/primary")).expect("children");
    assert!(matches!(&children[..], [table] if table.id == "internal"), "{children:?}");
    // With the run as the folder, the same paths are shorter.
    let within = tiled.clone().prefix(uid);
    assert_eq!(within.metadata("primary/internal").expect("a node"), children[0]);
}

#[test]
fn what_is_not_there_is_told_from_what_is_of_another_kind() {
    let stack = BlueskyStack::shared();
    let tiled = client(&stack);
    let key =
        acquire(&stack, "default_acquire", &POINTS_OF_THREE[..1], &["himmel_det", "image_det"]);
    let uid = &runs(&tiled, &key, 1)[0];
    let missing = tiled.metadata("nothing/100 %/ä?b#c").expect_err("no such node");
    let TiledError::NotFound { detail, .. } = &missing else { panic!("{missing:?}") };
    assert!(detail.contains("'nothing', '100 %', 'ä?b#c'"), "{detail}");

    let error = tiled.stream_array(uid, "primary", "nothing").expect_err("no such key");
    let TiledError::NoSuchKey { known, .. } = &error else { panic!("{error:?}") };
    assert!(
        ["himmel_det", "image_det"].iter().all(|key| known.iter().any(|k| k == key)),
        "{error}"
    );
    let error = tiled.stream_array(uid, "baseline", "himmel_det").expect_err("no such stream");
    assert!(matches!(error, TiledError::NotFound { .. }), "{error:?}");
    let table = format!("{uid}/primary/internal");
    let error = tiled.table(&table, &["nothing"]).expect_err("no such column");
    assert!(matches!(error, TiledError::NoSuchKey { .. }), "{error:?}");
    for (error, found) in [
        (tiled.array(&table).expect_err("a table"), "a table"),
        (tiled.array(uid).expect_err("a container"), "a container"),
        (tiled.table_columns(uid).expect_err("a container"), "Container"),
    ] {
        assert!(error.to_string().contains(found), "{error}");
    }
}

#[test]
fn a_search_is_exact_whatever_is_in_its_values_and_however_many_pages_it_has() {
    let stack = BlueskyStack::shared();
    let tiled = client(&stack);
    let key = fresh_key() + r#" "& +%20#ä[]='\"#;
    for _ in 0..5 {
        submit(&stack, "default_acquire", &POINTS_OF_THREE[..1], &["himmel_det"], &key);
    }
    let made = runs(&tiled, &key, 5);
    let query = Query::new().eq("start.krige_key", &*key);
    let ids = |query: &Query| -> Vec<String> {
        let found = tiled.search("", query).expect("an answer");
        found.into_iter().map(|run| run.id).collect()
    };
    for size in [1, 2, 5, 6] {
        assert_eq!(ids(&query.clone().page_size(size)), made, "by cursor, {size} a page");
        let newest: Vec<_> = made.iter().rev().cloned().collect();
        let sorted = query.clone().newest_first().page_size(size);
        assert_eq!(ids(&sorted), newest, "by offset, {size} a page");
        assert_eq!(ids(&sorted.limit(3)), newest[..3], "a part, {size} a page");
    }
    assert!(ids(&query.clone().limit(0)).is_empty());

    let first = tiled.run_start(&made[0]).expect("a start document");
    let number = first["scan_id"].clone();
    for (found, query) in [
        (1, query.clone().eq("start.scan_id", number.clone())),
        (4, query.clone().ne("start.scan_id", number.clone())),
        (4, query.clone().compare("start.scan_id", Comparison::Gt, number.clone())),
        (5, query.clone().compare("start.scan_id", Comparison::Ge, number.clone())),
        (0, query.clone().compare("start.scan_id", Comparison::Lt, number.clone())),
        (1, query.clone().compare("start.scan_id", Comparison::Le, number.clone())),
        (5, query.clone().contains("start.blop_acquisition_order", 0)),
        (0, query.clone().contains("start.blop_acquisition_order", 1)),
        (2, query.clone().one_of("start.uid", [&*made[1], &*made[3], "no such uid"])),
        (5, query.clone().like("start.plan_name", "default%")),
        (0, query.clone().like("start.plan_name", "efault%")),
        (5, query.clone().present("start.blop_suggestions")),
        (0, query.clone().present("start.nothing")),
        (5, query.clone().full_text("default_acquire")),
        (0, query.clone().full_text("nowhere")),
    ] {
        assert_eq!(ids(&query).len(), found, "{query:?}");
    }
    let refused =
        tiled.search("", &query.clone().regex("start.plan_name", "def.*")).expect_err("SQL");
    assert!(matches!(refused, TiledError::Refused { status: 400, .. }), "{refused:?}");
    let refused = tiled.search("", &query.page_size(301)).expect_err("too large a page");
    assert!(matches!(refused, TiledError::Refused { status: 422, .. }), "{refused:?}");
}

#[test]
fn a_wrong_key_and_a_missing_one_say_what_to_set() {
    let stack = BlueskyStack::shared();
    let url = &stack.addresses().tiled_url;
    let none = TiledClient::new(&format!("{url}/api/v1/")).expect("an address");
    let none = none.api_key_from("KRIGE_TEST_NO_SUCH_KEY");
    let wrong = none.clone().api_key("wrongkey");
    for (tiled, said) in
        [(none, "KRIGE_TEST_NO_SUCH_KEY is not set"), (wrong, "the key that was given")]
    {
        let asked = tiled.search("", &Query::new()).map(|_| ());
        for answer in [asked, tiled.timeout(PATIENCE / 20).stream("", None).map(|_| ())] {
            let error = answer.expect_err("no access");
            assert!(matches!(error, TiledError::Unauthorized { .. }), "{error:?}");
            assert!(error.to_string().contains(said), "{error}");
            assert!(!format!("{error} {error:?}").contains("wrongkey"), "{error:?}");
        }
    }
}

#[test]
fn the_websocket_tells_of_a_run_its_end_and_its_rows() {
    let stack = BlueskyStack::shared();
    let tiled = client(&stack);
    let mut stream = tiled.stream("", None).expect("a connection");
    let end = Instant::now() + PATIENCE;
    let mut next = || stream.receive(end).expect("an event").expect("an event in time");
    assert_eq!(next(), StreamEvent::Schema { family: "container".into() });
    let key = acquire(&stack, "default_acquire", &POINTS_OF_THREE, &["himmel_det", "image_det"]);
    let (uid, begun) = match next() {
        StreamEvent::ChildCreated { sequence, key: uid, metadata } => {
            assert_eq!(
                (&metadata["start"]["krige_key"], metadata.get("stop")),
                (&json!(key), None)
            );
            (uid, sequence)
        }
        other => panic!("{other:?}"),
    };
    match next() {
        StreamEvent::ChildMetadataUpdated { sequence, key, stop: Some(stop), .. } => {
            assert_eq!((key, sequence), (uid.clone(), begun + 1));
            assert_eq!(Some(stop), tiled.run_stop(&uid).expect("an answer"));
        }
        other => panic!("{other:?}"),
    }
    let nothing = stream.receive(Instant::now()).expect("no error");
    assert_eq!(nothing, None);

    // From the beginning, as far as Tiled remembers; it closes what has ended.
    let replay = |path: &str| {
        let mut stream = tiled.stream(path, Some(0)).expect("a connection");
        let mut events = Vec::new();
        loop {
            let event = stream.receive(end).expect("an event").expect("an event in time");
            let closed = matches!(event, StreamEvent::Closed { .. });
            events.push(event);
            if closed {
                assert_eq!(stream.receive(end).expect("no error").as_ref(), events.last());
                return events;
            }
        }
    };
    match &replay(&format!("{uid}/primary/internal"))[..] {
        [
            StreamEvent::Schema { .. },
            StreamEvent::TableData { append: true, columns, .. },
            StreamEvent::Closed { code: 1000, .. },
        ] => assert_eq!(columns["himmel_det"], json!(VALUES_OF_THREE)),
        other => panic!("{other:?}"),
    }
    match &replay(&format!("{uid}/primary/image_det"))[..] {
        [StreamEvent::Schema { family }, StreamEvent::ArrayData { shape, payload, .. }, _] => {
            assert_eq!((&**family, &shape[..]), ("array", &[3, 24, 32][..]));
            assert_eq!(payload[2][23].as_array().map(Vec::len), Some(32));
        }
        other => panic!("{other:?}"),
    }
    let missing = tiled.stream("nothing", None).expect_err("no such node");
    assert!(matches!(missing, TiledError::NotFound { .. }), "{missing:?}");
    let column =
        tiled.stream(&format!("{uid}/primary/internal/himmel_det"), None).expect_err("a column");
    assert!(matches!(column, TiledError::NotStreaming { .. }), "{column:?}");
}

#[test]
fn a_server_that_hangs_costs_the_time_out_and_one_that_is_gone_nothing() {
    let stack = BlueskyStack::shared();
    let tiled = client(&stack).timeout(Duration::from_secs(1));
    let mut stream = tiled.stream("", None).expect("a connection");
    let works = || client(&stack).search("", &Query::new().limit(1)).map(|_| ());
    works().expect("it works");

    stack.service("pause", "tiled");
    let asked = tiled.search("", &Query::new()).map(|_| ());
    let streamed = tiled.stream("", None).map(|_| ());
    stack.service("cont", "tiled");
    for answer in [asked, streamed] {
        let error = answer.expect_err("it hangs");
        assert!(matches!(error, TiledError::Timeout { .. }) && error.is_transient(), "{error:?}");
    }
    works().expect("it works again");

    stack.service("stop", "tiled");
    let asked = tiled.search("", &Query::new()).map(|_| ());
    let streamed = tiled.stream("", None).map(|_| ());
    stack.service("start", "tiled");
    for answer in [asked, streamed] {
        let error = answer.expect_err("it is gone");
        assert!(
            matches!(error, TiledError::Unreachable { .. }) && error.is_transient(),
            "{error:?}"
        );
    }
    works().expect("it works again");
    let end = Instant::now() + PATIENCE;
    let last = std::iter::from_fn(|| match stream.receive(end) {
        Ok(Some(StreamEvent::Closed { .. })) | Err(_) => None,
        Ok(event) => event,
    })
    .last();
    assert_eq!(last, Some(StreamEvent::Schema { family: "container".into() }));
}
