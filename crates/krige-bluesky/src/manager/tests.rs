//! The typed layer against replies that were written down.

use serde_json::json;

use super::scripted::{scripted, transport};
use super::*;

#[test]
fn a_lock_key_goes_with_what_a_lock_guards() {
    let transport = transport(&[r#"{"success": true}"#, "{\"success\": true, \"items\": []}"]);
    let manager = ReManager::over(Arc::clone(&transport) as Arc<dyn Transport>)
        .user("alice")
        .user_group("restricted")
        .lock_key("secret")
        .build()
        .unwrap();
    manager.queue_start().unwrap();
    manager.queue_item_add_batch(&[PlanItem::new("count")], Place::Index(1)).unwrap();
    let plan = json!({"item_type": "plan", "name": "count", "args": [], "kwargs": {}});
    assert_eq!(
        *transport.requests.lock().unwrap(),
        [
            (Method::QueueStart, json!({"lock_key": "secret"})),
            (
                Method::QueueItemAddBatch,
                json!({"items": [plan], "pos": 1, "lock_key": "secret", "user": "alice", "user_group": "restricted"})
            ),
        ]
    );
}

#[test]
fn no_key_is_shown() {
    let builder = ReManager::connect("http://localhost:1").api_key("secret").lock_key("secret");
    assert!(!format!("{builder:?} {:?}", builder.clone().build()).contains("secret"));
    let key = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";
    let builder = ReManager::connect("tcp://localhost:1").public_key(key);
    assert!(!format!("{builder:?} {:?}", builder.clone().build()).contains("rq:rM"));
}

#[test]
fn addresses_and_keys_must_go_together() {
    let what = |builder: ReManagerBuilder| builder.build().unwrap_err().to_string();
    assert_eq!(
        what(ReManager::connect("localhost:60615")),
        "expected the address of an RE Manager, `tcp://host:port`, or of its HTTP server, `http://host:port`, \
         found `localhost:60615`"
    );
    assert!(
        what(ReManager::connect("tcp://h:1").api_key("k")).starts_with("`api_key` is for HTTP")
    );
    assert!(
        what(ReManager::connect("http://h:1").public_key("k"))
            .starts_with("`public_key` is for 0MQ")
    );
    assert!(
        what(ReManager::connect("tcp://h:1").public_key("short"))
            .starts_with("public key of the manager: ")
    );
}

#[test]
fn an_error_says_whether_there_may_have_been_an_effect() {
    let manager = scripted(&["timeout", "timeout", "[]", r#"{"success": true}"#, "{}"]);
    let error = manager.queue_start().unwrap_err();
    assert!(error.may_have_been_executed() && error.is_transient());
    assert_eq!(
        error.to_string(),
        "no reply to `queue_start` within 5 s (scripted); the request may still be carried out: \
         look at the queue and the history before sending it again"
    );
    let error = manager.status().unwrap_err();
    assert!(!error.may_have_been_executed() && error.is_transient());
    assert!(error.to_string().ends_with("it had no effect and may be tried again"));
    // A reply that cannot be understood says nothing about the effect.
    let error = manager.queue_item_execute(&PlanItem::new("count")).unwrap_err();
    assert!(matches!(error, ManagerError::Protocol { .. }) && error.may_have_been_executed());
    let error = manager.queue_item_execute(&PlanItem::new("count")).unwrap_err();
    assert!(error.to_string().contains("expected a field `item`"), "{error}");
    assert!(matches!(manager.status(), Err(ManagerError::Protocol { .. })));
}

#[test]
fn refusals_say_what_to_do() {
    let manager = scripted(&[
        r#"{"success": false, "msg": "RE Worker environment does not exist."}"#,
        include_str!("../../tests/recorded/unknown_method.json"),
    ]);
    let error = manager.queue_start().unwrap_err();
    assert_eq!(
        error.to_string(),
        "the RE Manager refused `queue_start`: RE Worker environment does not exist.; open the environment first"
    );
    assert!(!error.is_transient() && !error.may_have_been_executed());
    let error = manager.re_metadata().unwrap_err();
    assert!(matches!(error, ManagerError::Refused { kind: RefusalKind::Unsupported, .. }));
}
