//! Live tests of `krige_bluesky::manager`: the same over every way to a manager.

// Clippy takes the steps of these tests, which are functions of their own, for no tests.
#![allow(clippy::unwrap_used)]

mod everything;

use std::time::{Duration, Instant};

use krige_bluesky::manager::{
    Encoding, ManagerError, ManagerState, Place, PlanItem, ReManager, ReManagerBuilder,
    RefusalKind, Status,
};
use krige_bluesky::zmtp::{Requester, Security};
use krige_testkit::BlueskyStack;
use serde_json::json;

use self::everything::everything;
use crate::bounded::PATIENCE;

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn idle(status: &Status) -> bool {
    status.manager_state == ManagerState::Idle
}

fn kind(error: ManagerError) -> RefusalKind {
    match error {
        ManagerError::Refused { kind, .. } => kind,
        other => panic!("expected a refusal, found {other:?}"),
    }
}

/// One point after the other, at `(x, 0)`.
fn plan(name: &str, points: &[f64]) -> PlanItem {
    let suggestions: Vec<_> = points
        .iter()
        .enumerate()
        .map(|(id, x)| json!({"_id": id, "motor1": x, "motor2": 0.0}))
        .collect();
    PlanItem::new(name)
        .arg(&suggestions)
        .unwrap()
        .arg(&["motor1", "motor2"])
        .unwrap()
        .arg(&["himmel_det"])
        .unwrap()
}

/// What a manager that does not answer, and one that is not there, look like.
fn absences(stack: &BlueskyStack, connect: impl Fn() -> ReManagerBuilder, over_http: bool) {
    let manager = connect().timeout(PATIENCE).build().unwrap();
    let hasty = connect().timeout(Duration::from_millis(500)).build().unwrap();
    let acquire = plan("default_acquire", &[1.0]);
    assert!(idle(&manager.status().unwrap()));

    stack.service("pause", "manager");
    let read = hasty.status().unwrap_err();
    assert!(matches!(read, ManagerError::Timeout { .. }), "{read:?}");
    assert!(!read.may_have_been_executed());
    let add = hasty.queue_item_add(&acquire, Place::Back).unwrap_err();
    // Over 0MQ the request was not even sent: the manager does not shake hands. The HTTP server has taken it.
    assert!(
        matches!(add, ManagerError::Timeout { may_have_been_executed, .. } if may_have_been_executed == over_http),
        "{add:?}"
    );
    if over_http {
        // The server itself waits for 2 s.
        let add = manager.queue_item_add(&acquire, Place::Back).unwrap_err();
        assert!(add.to_string().contains("HTTP 408: Request timeout"), "{add}");
        assert!(matches!(add, ManagerError::Timeout { may_have_been_executed: true, .. }));
    }
    stack.service("cont", "manager");
    manager.wait_for(soon(), idle).unwrap();
    manager.queue_clear().unwrap();

    stack.service("kill", "manager");
    let gone = hasty.status().unwrap_err();
    match over_http {
        true => assert!(matches!(gone, ManagerError::Timeout { .. }), "{gone:?}"),
        false => assert!(matches!(gone, ManagerError::Unreachable { .. }), "{gone:?}"),
    }
    assert!(gone.is_transient() && !gone.may_have_been_executed());
    stack.service("start", "manager");
    manager.wait_for(soon(), idle).unwrap();
    stack.service("restart", "manager");
    // The connection that was kept is gone.
    assert!(idle(&manager.status().unwrap()));
    let refused = manager.queue_start().unwrap_err();
    assert_eq!(kind(refused), RefusalKind::EnvironmentMissing);
}

/// A manager that hangs while its socket still takes requests; its watchdog starts another.
fn a_manager_that_hangs(connect: impl Fn() -> ReManagerBuilder) {
    // The watchdog takes about 5 s.
    let manager = connect().timeout(Duration::from_millis(1500)).build().unwrap();
    let acquire = plan("default_acquire", &[1.0]);
    for error in [
        manager.manager_kill().unwrap_err(),
        manager.queue_item_add(&acquire, Place::Back).unwrap_err(),
    ] {
        assert!(
            matches!(error, ManagerError::Timeout { may_have_been_executed: true, .. }),
            "{error:?}"
        );
        assert!(error.is_transient());
    }
    let manager = connect().build().unwrap();
    manager.wait_for(soon(), idle).unwrap();
    manager.queue_clear().unwrap();
}

fn storage(stack: &BlueskyStack, manager: &ReManager) {
    stack.service("kill", "redis");
    let refused = manager.queue_item_add(&plan("default_acquire", &[1.0]), Place::Back);
    let refused = refused.unwrap_err();
    assert!(refused.is_transient(), "{refused}");
    assert_eq!(kind(refused), RefusalKind::StorageDown);
    stack.service("start", "redis");
}

/// Another client's NaN is in every reply about the queue.
fn nan_of_others(stack: &BlueskyStack, manager: &ReManager, over_http: bool) {
    let request =
        br#"{"method": "queue_item_add", "params": {"user": "u", "user_group": "primary", "item":
        {"item_type": "plan", "name": "default_acquire", "args": [[{"motor1": NaN}], []]}}}"#;
    let control = &stack.addresses().control_addr;
    let mut raw = Requester::connect(control, &Security::Null, soon()).unwrap();
    let reply = raw.request(request, soon()).unwrap();
    assert!(String::from_utf8_lossy(&reply).contains("NaN"));
    if over_http {
        // The server cannot pass it on, and says no more.
        let error = manager.queue_get().unwrap_err();
        assert!(error.to_string().contains("holds NaN"), "{error}");
        assert!(!error.is_transient());
    } else {
        let items = manager.queue_get().unwrap().items;
        assert_eq!(items[0].args, [json!([{"motor1": null}]), json!([])]);
    }
    manager.queue_clear().unwrap();
}

#[test]
fn a_manager_over_json() {
    let stack = BlueskyStack::start(Some("redis manager"), &[]);
    let connect = || ReManager::connect(&stack.addresses().control_addr);
    everything(connect, false);
    nan_of_others(&stack, &connect().build().unwrap(), false);
    let wrong = connect().encoding(Encoding::Msgpack).build().unwrap().status().unwrap_err();
    assert!(wrong.to_string().contains("--zmq-encoding"), "{wrong}");
    let key = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";
    let encrypted = connect().public_key(key).build().unwrap().status().unwrap_err();
    assert!(matches!(encrypted, ManagerError::Unauthorized { .. }), "{encrypted:?}");
    storage(&stack, &connect().build().unwrap());
    a_manager_that_hangs(connect);
    absences(&stack, connect, false);
}

#[test]
fn a_manager_over_msgpack_and_curve() {
    let settings = [("STACK_ENCODING", "msgpack"), ("STACK_CURVE", "1")];
    let stack = BlueskyStack::start(Some("redis manager"), &settings);
    let key = stack.addresses().curve_public_key.as_ref().expect("it was asked for");
    let in_clear =
        || ReManager::connect(&stack.addresses().control_addr).encoding(Encoding::Msgpack);
    let connect = || in_clear().public_key(key);
    everything(connect, false);
    let wrong = connect().encoding(Encoding::Json).build().unwrap().status().unwrap_err();
    assert!(wrong.to_string().contains("--zmq-encoding"), "{wrong}");
    let refused = in_clear().build().unwrap().queue_start().unwrap_err();
    assert!(matches!(refused, ManagerError::Unauthorized { .. }), "{refused:?}");
    assert!(refused.to_string().contains("QSERVER_ZMQ_PUBLIC_KEY"), "{refused}");
    a_manager_that_hangs(connect);
    absences(&stack, connect, false);
}

#[test]
fn a_manager_over_http() {
    let stack = BlueskyStack::start(Some("redis manager http"), &[]);
    let addresses = stack.addresses();
    let anybody = || ReManager::connect(&addresses.http_url);
    let connect = || anybody().api_key(&addresses.http_api_key);
    everything(connect, true);
    nan_of_others(&stack, &connect().build().unwrap(), true);
    for stranger in [anybody(), anybody().api_key("wrong")] {
        let refused = stranger.build().unwrap().queue_start().unwrap_err();
        assert!(matches!(refused, ManagerError::Unauthorized { .. }), "{refused:?}");
        assert!(refused.to_string().contains("`api_key`"), "{refused}");
    }
    let elsewhere = ReManager::connect(format!("{}/nosuch", addresses.http_url));
    let refused = elsewhere.build().unwrap().status().unwrap_err();
    assert!(matches!(refused, ManagerError::Unsupported { .. }), "{refused:?}");
    a_manager_that_hangs(connect);
    absences(&stack, connect, true);
    stack.service("stop", "http");
    let gone = connect().build().unwrap().queue_start().unwrap_err();
    assert!(matches!(gone, ManagerError::Unreachable { .. }), "{gone:?}");
}
