//! Live tests of `krige_bluesky::tiled` and `krige_bluesky::metric`.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use krige_bluesky::TiledMetric;
use krige_bluesky::metadata::{CORRELATION, POINT_ID, POINTS, RUN_UIDS};
use krige_bluesky::metric::{Reduce, register_reduction};
use krige_bluesky::tiled::{
    Comparison, Query, Slice, StreamEvent, Structure, TiledClient, TiledError,
};
use krige_core::trial::{Metadata, TrialRun};
use krige_runner::{IMetric, Measurement, MetricError, check_metric};
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

fn metric(stack: &BlueskyStack, data_key: &str) -> TiledMetric {
    let key = std::env::var(KEY_VARIABLE).ok();
    assert_eq!(key.as_ref(), Some(&stack.addresses().tiled_api_key), "{KEY_VARIABLE}");
    let url = stack.addresses().tiled_url.clone();
    TiledMetric { api_key_variable: KEY_VARIABLE.into(), ..TiledMetric::new(url, data_key) }
}

/// Cargo sets it: see `.cargo/config.toml`.
const KEY_VARIABLE: &str = "KRIGE_TEST_TILED_KEY";

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
        json!({"item_type": "plan", "name": plan, "args": arguments, "meta": {CORRELATION: key}});
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

fn run() -> TrialRun {
    TrialRun::new("tiled", 0, 1)
}

fn by_key(key: &str) -> Metadata {
    Metadata::of(CORRELATION, key)
}

/// The value once it is there, or why there is none.
#[track_caller]
fn fetch(metric: &TiledMetric, metadata: &Metadata) -> Result<Measurement, MetricError> {
    wait_for("a value or an error", || match metric.fetch(&run(), metadata) {
        Err(MetricError::NotYet) => None,
        answer => Some(answer),
    })
}

#[track_caller]
fn permanent(answer: Result<Measurement, MetricError>) -> String {
    match answer {
        Err(MetricError::Permanent(cause)) => match cause.source() {
            Some(source) => format!("{cause}: {source}"),
            None => cause.to_string(),
        },
        other => panic!("expected a permanent error, found {other:?}"),
    }
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
    let measured = metric(&stack, "himmel_det").fetch(&run(), &by_key("any"));
    stack.service("start", "tiled");
    for answer in [asked, streamed] {
        let error = answer.expect_err("it is gone");
        assert!(
            matches!(error, TiledError::Unreachable { .. }) && error.is_transient(),
            "{error:?}"
        );
    }
    assert!(matches!(measured, Err(MetricError::Transient(_))), "{measured:?}");
    works().expect("it works again");
    let end = Instant::now() + PATIENCE;
    let last = std::iter::from_fn(|| match stream.receive(end) {
        Ok(Some(StreamEvent::Closed { .. })) | Err(_) => None,
        Ok(event) => event,
    })
    .last();
    assert_eq!(last, Some(StreamEvent::Schema { family: "container".into() }));
}

#[test]
fn many_are_answered_at_once() {
    let stack = BlueskyStack::shared();
    let key = acquire(&stack, "default_acquire", &POINTS_OF_THREE, &["himmel_det"]);
    let uid = &runs(&client(&stack), &key, 1)[0];
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let tiled = client(&stack);
                for _ in 0..20 {
                    let read = tiled.stream_array(uid, "primary", "himmel_det");
                    assert_eq!(read.expect("a column").data, VALUES_OF_THREE);
                }
            });
        }
    });
}

#[test]
fn a_metric_reads_its_trials_value() {
    let stack = BlueskyStack::shared();
    let key =
        acquire(&stack, "default_acquire", &POINTS_OF_THREE[..1], &["himmel_det", "image_det"]);
    let scalar = metric(&stack, "himmel_det");
    let measured = check_metric(&scalar, &run(), &by_key(&key), pause);
    assert_eq!(measured, Measurement::from(0.0));
    // The spot's largest pixels are half a pixel away from its centre in both directions.
    let largest = TiledMetric { reduce: Reduce::Max, ..metric(&stack, "image_det") };
    let measured = check_metric(&largest, &run(), &by_key(&key), pause);
    assert!((measured.mean - (-0.5f64 / 18.0).exp()).abs() < 1e-15, "{measured:?}");

    let by_uid = Metadata::of(RUN_UIDS, runs(&client(&stack), &key, 1));
    assert_eq!(check_metric(&scalar, &run(), &by_uid, pause), Measurement::from(0.0));
    register_reduction("live", |values| {
        assert_eq!(values.shape, [1, 24, 32]);
        Ok((values.data.len() as f64, 0.5).into())
    });
    let custom = TiledMetric { reduce: Reduce::Custom("live".into()), ..largest };
    let measured = check_metric(&custom, &run(), &by_uid, pause);
    assert_eq!(measured, Measurement::from((768.0, 0.5)));
}

#[test]
fn rows_of_one_trial_are_repeats_of_it() {
    let stack = BlueskyStack::shared();
    let key = acquire(&stack, "default_acquire", &POINTS_OF_THREE, &["himmel_det", "vec3_det"]);
    let measured = check_metric(&metric(&stack, "himmel_det"), &run(), &by_key(&key), pause);
    // numpy 2.4.6: [0, 170, 106]: mean(), std(ddof=1) / sqrt(3)
    assert_eq!(measured.mean, 92.0);
    assert!(
        (measured.sem.expect("three rows") - 49.571_497_186_723_484).abs() < 1e-9,
        "{measured:?}"
    );
    for (reduce, value) in [
        (Reduce::Last, 106.0),
        (Reduce::Min, 0.0),
        (Reduce::Max, 170.0),
        // Each event is [motor1, motor2, himmel_det].
        (Reduce::Sum, 5.0 + 170.0 + 108.0),
    ] {
        let metric = TiledMetric { reduce, ..metric(&stack, "vec3_det") };
        let measured = fetch(&metric, &by_key(&key)).expect("a value");
        assert_eq!(measured, Measurement::from(value), "{metric:?}");
    }
}

#[test]
fn each_trial_of_a_batch_has_its_own_rows() {
    let stack = BlueskyStack::shared();
    let tiled = client(&stack);
    for (plan, number) in
        [("default_acquire", 1), ("reordered_acquire", 1), ("multi_run_acquire", 3)]
    {
        let key = acquire(&stack, plan, &POINTS_OF_THREE, &["himmel_det", "image_det"]);
        let listed = Metadata::of(RUN_UIDS, runs(&tiled, &key, number));
        for metadata in [by_key(&key), listed] {
            for (id, value) in VALUES_OF_THREE.into_iter().enumerate() {
                let metadata = metadata.clone().with(POINT_ID, id).with(POINTS, 3);
                let measured = fetch(&metric(&stack, "himmel_det"), &metadata);
                assert_eq!(measured.expect("a value"), Measurement::from(value), "{plan} {id}");
            }
        }
        // The spot is in its own place on each image.
        let spot = |values: &krige_bluesky::tiled::ArrayData| {
            let largest = values.data.iter().copied().fold(0.0, f64::max);
            let place =
                values.data.iter().position(|value| *value == largest).expect("it is there");
            Ok((place as f64).into())
        };
        register_reduction("spot", spot);
        let image =
            TiledMetric { reduce: Reduce::Custom("spot".into()), ..metric(&stack, "image_det") };
        for (id, (x, y)) in POINTS_OF_THREE.into_iter().enumerate() {
            let metadata = by_key(&key).with(POINT_ID, id).with(POINTS, 3);
            let place = fetch(&image, &metadata).expect("a value").mean;
            assert_eq!(place, (11.0 + y) * 32.0 + 15.0 + x, "{plan} {id}");
        }
    }
}

#[test]
fn a_run_without_a_value_fails_the_trial_and_says_why() {
    let stack = BlueskyStack::shared();
    let himmel = metric(&stack, "himmel_det");
    let key = acquire(&stack, "fail_mid_run", &POINTS_OF_THREE, &["himmel_det"]);
    let said = permanent(fetch(&himmel, &by_key(&key)));
    assert!(said.contains("`fail`: simulated failure after 1 points"), "{said}");

    let key = acquire(&stack, "default_acquire", &POINTS_OF_THREE[..1], &["himmel_det", "nan_det"]);
    let said = permanent(fetch(&metric(&stack, "nan_det"), &by_key(&key)));
    assert!(
        said.contains("data key `nan_det`") && said.contains("found NaN in event 1 of 1"),
        "{said}"
    );
    let said = permanent(fetch(&metric(&stack, "nothing"), &by_key(&key)));
    assert!(said.contains("`nothing`") && said.contains("`himmel_det`"), "{said}");
    let baseline = TiledMetric { stream: "baseline".into(), ..himmel.clone() };
    let said = permanent(fetch(&baseline, &by_key(&key)));
    assert!(said.contains("`baseline`") && said.contains("primary"), "{said}");
    let lost = TiledMetric { reduce: Reduce::Custom("lost".into()), ..himmel.clone() };
    let said = permanent(fetch(&lost, &by_key(&key)));
    assert!(said.contains("`lost`") && said.contains("register_reduction"), "{said}");

    let no_key =
        TiledMetric { api_key_variable: "KRIGE_TEST_NO_SUCH_KEY".into(), ..himmel.clone() };
    let said = permanent(fetch(&no_key, &by_key(&key)));
    assert!(said.contains("KRIGE_TEST_NO_SUCH_KEY is not set"), "{said}");
    for nobody in [by_key("nobody"), Metadata::of(RUN_UIDS, json!(["nobody"]))] {
        let answer = himmel.fetch(&run(), &nobody);
        assert!(matches!(answer, Err(MetricError::NotYet)), "{answer:?}");
    }
}

#[test]
fn the_newest_run_of_a_key_counts() {
    let stack = BlueskyStack::shared();
    let key = acquire(&stack, "fail_mid_run", &POINTS_OF_THREE, &["himmel_det"]);
    submit(&stack, "default_acquire", &POINTS_OF_THREE[1..2], &["himmel_det"], &key);
    runs(&client(&stack), &key, 2);
    let measured = fetch(&metric(&stack, "himmel_det"), &by_key(&key)).expect("a value");
    assert_eq!(measured, Measurement::from(170.0));
}
