//! Live tests of `krige_bluesky::documents`: what a RunEngine publishes while it runs a plan.

use std::time::{Duration, Instant};

use krige_bluesky::documents::{
    Body, Document, DocumentError, DocumentFormat, DocumentName, DocumentSubscriber, ExitStatus,
};
use krige_bluesky::zmtp::{Requester, Security};
use krige_testkit::BlueskyStack;
use serde_json::{Value, json};

fn within(seconds: u64) -> Instant {
    Instant::now() + Duration::from_secs(seconds)
}

fn subscribe(address: &str, prefix: &str, format: DocumentFormat) -> DocumentSubscriber {
    DocumentSubscriber::connect(address, prefix, format, &Security::Null, within(10))
        .expect("the stream is there")
}

/// A method of the RE Manager.
fn call(stack: &BlueskyStack, method: &str, params: Value) -> Value {
    let control = &stack.addresses().control_addr;
    let mut manager = Requester::connect(control, &Security::Null, within(10)).expect("it is up");
    let request = json!({ "method": method, "params": params }).to_string();
    let reply = manager.request(request.as_bytes(), within(10)).expect("it answers");
    serde_json::from_slice(&reply).expect("it answers in JSON")
}

/// Starts a plan of two points with a detector, as soon as the manager is idle.
fn execute(stack: &BlueskyStack, key: &str, detector: &str) {
    let item = json!({
        "item_type": "plan", "name": "default_acquire", "meta": { "correlation_uid": key },
        "args": [
            [{ "_id": 0, "motor1": 3.0, "motor2": 2.0 }, { "_id": 1, "motor1": 0.0, "motor2": 0.0 }],
            ["motor1", "motor2"],
            [detector]
        ]
    });
    let params = json!({ "item": item, "user": "krige", "user_group": "primary" });
    let deadline = within(30);
    loop {
        let reply = call(stack, "queue_item_execute", params.clone());
        if reply["success"] == true {
            return;
        }
        // The manager is busy for half a second after a run that the documents say has ended.
        let busy = reply["msg"].as_str().is_some_and(|msg| msg.contains("busy"));
        assert!(busy && Instant::now() < deadline, "{reply}");
    }
}

/// The documents of a run, from the start that has the key to the stop. Earlier runs may still be under way.
fn run(stream: &mut DocumentSubscriber, key: &str) -> Vec<Document> {
    let mut documents: Vec<Document> = Vec::new();
    loop {
        let document = stream.receive(within(30)).expect("it is readable").expect("the plan runs");
        let begins = match &document.body {
            Body::Start(start) => start.metadata.get("correlation_uid") == Some(&key.into()),
            Body::Stop(_) | Body::Other(_) | Body::Undecoded => false,
        };
        if documents.is_empty() && !begins {
            continue;
        }
        let ends = document.name == DocumentName::Stop;
        documents.push(document);
        if ends {
            return documents;
        }
    }
}

/// Checks the order of the documents, and that start and stop belong together; their events.
fn check(documents: &[Document]) -> Vec<&Body> {
    use DocumentName::{Descriptor, Event, Start, Stop};
    let names: Vec<_> = documents.iter().map(|document| document.name).collect();
    assert_eq!(names, [Start, Descriptor, Event, Event, Stop]);
    let (Body::Start(start), Body::Stop(stop)) = (&documents[0].body, &documents[4].body) else {
        panic!("start and stop are decoded")
    };
    assert_eq!(start.plan_name.as_deref(), Some("default_acquire"));
    assert_eq!(stop.run_start, start.uid);
    assert_eq!(stop.exit_status, ExitStatus::Success);
    assert_eq!(stop.num_events["primary"], 2);
    documents[2..4].iter().map(|document| &document.body).collect()
}

/// Runs plans until both ends of a stream know of each other: a publisher hears of a subscription a moment after it.
fn warm_up(stack: &BlueskyStack, streams: &mut [&mut DocumentSubscriber]) {
    for stream in streams {
        let deadline = within(30);
        loop {
            assert!(Instant::now() < deadline, "no document came");
            execute(stack, "warm-up", "himmel_det");
            let soon = Instant::now() + Duration::from_millis(500);
            if let Ok(Some(_)) = stream.receive(soon) {
                break;
            }
        }
    }
}

#[test]
fn a_run_in_pickle_and_its_copy_in_json() {
    let stack = BlueskyStack::shared();
    let addresses = stack.addresses();
    let mut pickle = subscribe(&addresses.doc_out_addr, "", DocumentFormat::Pickle);
    let mut json = subscribe(&addresses.doc_json_addr, "json", DocumentFormat::Json);
    let mut other = subscribe(&addresses.doc_json_addr, "jso", DocumentFormat::Json);
    warm_up(&stack, &mut [&mut pickle, &mut json]);

    execute(&stack, "one", "himmel_det");
    let (pickle, json) = (run(&mut pickle, "one"), run(&mut json, "one"));
    assert_eq!(check(&pickle), [&Body::Undecoded; 2]);
    for (event, expected) in check(&json).into_iter().zip([0.0, 170.0]) {
        let Body::Other(event) = event else { panic!("events in JSON are decoded") };
        assert_eq!(event["data"]["himmel_det"], expected);
    }
    assert_eq!((&pickle[0].body, &pickle[4].body), (&json[0].body, &json[4].body));
    // A prefix is the whole prefix.
    assert!(other.receive(Instant::now()).expect("it is up").is_none());
}

#[test]
fn a_run_in_msgpack() {
    let stack = BlueskyStack::start(
        Some("redis docproxy manager"),
        &[("STACK_SERIALIZER", "msgpack"), ("STACK_PREFIX", "lab")],
    );
    let address = &stack.addresses().doc_out_addr;
    let mut stream = subscribe(address, "lab", DocumentFormat::Msgpack);
    warm_up(&stack, &mut [&mut stream]);

    execute(&stack, "two", "image_det");
    let documents = run(&mut stream, "two");
    for event in check(&documents) {
        let Body::Other(event) = event else { panic!("events in msgpack are decoded") };
        // A numpy array of 24 rows and 32 columns.
        let rows = event["data"]["image_det"].as_array().expect("it is a list");
        assert_eq!(rows.len(), 24);
        for row in rows {
            let row = row.as_array().expect("it is a list of lists");
            assert!(row.len() == 32 && row.iter().all(Value::is_number));
        }
    }

    // The wrong format is an error of each document, and no end.
    let mut wrong = subscribe(address, "lab", DocumentFormat::Json);
    let deadline = within(30);
    loop {
        assert!(Instant::now() < deadline, "no document came");
        execute(&stack, "three", "himmel_det");
        match wrong.receive(Instant::now() + Duration::from_millis(500)) {
            Ok(None) => {}
            read => {
                let error = read.expect_err("msgpack is no JSON").to_string();
                assert!(error.contains("cannot be read"), "{error}");
                break;
            }
        }
    }

    // The proxy goes and comes back.
    stack.service("restart", "docproxy");
    let gap = loop {
        match stream.receive(within(30)) {
            Ok(Some(_)) => {}
            end => break end,
        }
    };
    assert!(matches!(gap, Err(DocumentError::Gap { .. })), "{gap:?}");
    warm_up(&stack, &mut [&mut stream]);
    execute(&stack, "four", "himmel_det");
    check(&run(&mut stream, "four"));
}
