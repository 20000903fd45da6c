//! What the manager's answers mean for an item, case by case.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;

/// A recorded reply, read as what it is after some of it was changed.
macro_rules! recorded {
    ($name:literal $(, $pointer:literal = $value:expr)*) => {
        changed(include_str!(concat!("../../../tests/recorded/", $name)), &[$(($pointer, json!($value))),*])
    };
}

fn changed<T: DeserializeOwned>(text: &str, changes: &[(&str, Value)]) -> T {
    let mut reply: Value = serde_json::from_str(text).unwrap();
    for (pointer, value) in changes {
        *reply.pointer_mut(pointer).unwrap() = value.clone();
    }
    serde_json::from_value(reply).unwrap()
}

/// The first item of the recorded history, which is also the one of the recorded queue.
const KNOWN: &str = "609e7344-aebb-4cbf-ad5e-fd16c2376fbf";
/// The one that runs in the recorded statuses.
const RUNNING: &str = "f079ba28-3184-4fdb-ba22-dbb82f35ae1e";

fn look(status: Status, history: History, queue: Queue) -> Look {
    Look { status, history: Arc::new(history), queue: Arc::new(queue) }
}

fn no_history() -> History {
    recorded!("history_get.json", "/items" = [(); 0])
}

fn no_queue() -> Queue {
    recorded!("queue_get.json", "/items" = [(); 0])
}

/// The verdict on an item that neither waits nor has ended.
fn by_status(status: Status, uid: &str) -> Verdict {
    look(status, no_history(), no_queue()).verdict(uid)
}

/// The verdict on an item that ended.
fn ended_as(status: &str, msg: &str, run_uids: &[&str]) -> Verdict {
    let history: History = recorded!(
        "history_get.json",
        "/items/0/result/exit_status" = status,
        "/items/0/result/msg" = msg,
        "/items/0/result/run_uids" = run_uids
    );
    look(recorded!("status_idle.json"), history, no_queue()).verdict(KNOWN)
}

#[test]
fn recorded_ends_are_told() {
    let look = look(
        recorded!("status_idle.json"),
        recorded!("history_get.json"),
        recorded!("queue_get.after_failure.json"),
    );
    assert_eq!(look.verdict(KNOWN), Verdict::Completed);
    let failed = Verdict::Failed("Plan failed: simulated failure after 1 points".to_owned());
    assert_eq!(look.verdict("ada2c12f-42b5-40cb-a7e4-968c911755d4"), failed);
}

#[test]
fn every_exit_status_has_its_verdict() {
    let failed = |why: &str| Verdict::Failed(why.to_owned());
    let taken_away = |why: &str| Verdict::TakenAway(why.to_owned());
    for (status, msg, run_uids, expected) in [
        ("completed", "", &["r"][..], Verdict::Completed),
        (
            "completed",
            "",
            &[],
            failed("the plan completed without opening a run, so there are no data"),
        ),
        ("failed", " Plan failed: no beam\n", &["r"], failed("Plan failed: no beam")),
        ("failed", "", &[], failed("no reason was given")),
        (
            "failed",
            "RE Worker environment was destroyed",
            &[],
            Verdict::Lost("the environment of the RE Manager was destroyed while the plan ran"),
        ),
        ("aborted", "", &["r"], taken_away("an operator aborted the plan")),
        ("halted", "", &["r"], taken_away("an operator halted the plan")),
        ("stopped", "", &["r"], taken_away("an operator stopped the plan before its end")),
        (
            "unknown",
            "Plan exit status was lost due to restart of the RE Manager process",
            &[],
            Verdict::Lost(
                "the RE Manager was restarted while the plan ran, and does not know how it ended",
            ),
        ),
        ("dreamt", "of beam", &["r"], failed("the plan ended with `dreamt`: of beam")),
    ] {
        assert_eq!(ended_as(status, msg, run_uids), expected, "{status} {msg}");
    }
    let history: History = recorded!("history_get.json", "/items/0/result" = ());
    let verdict = look(recorded!("status_idle.json"), history, no_queue()).verdict(KNOWN);
    let silent = "the history of the RE Manager does not say how the plan ended";
    assert_eq!(verdict, Verdict::Lost(silent));
}

#[test]
fn what_waits_or_runs_has_not_ended() {
    let waiting = look(recorded!("status_running.json"), no_history(), recorded!("queue_get.json"));
    assert_eq!(waiting.verdict(KNOWN), Verdict::Waits);
    assert_eq!(waiting.verdict(RUNNING), Verdict::Runs);
    assert_eq!(by_status(recorded!("status_paused.json"), RUNNING), Verdict::Runs);
    // It began to run after the status was fetched.
    let queue: Queue = recorded!(
        "queue_get.json",
        "/items" = [(); 0],
        "/running_item" = json!({"item_type": "plan", "name": "count", "item_uid": KNOWN})
    );
    let began = look(recorded!("status_idle.json"), no_history(), queue);
    assert_eq!(began.verdict(KNOWN), Verdict::Runs);
}

#[test]
fn a_plan_that_runs_while_manager_and_worker_have_nothing_to_do_is_lost() {
    let stuck: Status = recorded!(
        "status_running.json",
        "/re_state" = "idle",
        "/worker_environment_state" = "idle"
    );
    assert_eq!(by_status(stuck, RUNNING), Verdict::Lost(STUCK));
    for almost in [
        recorded!("status_running.json", "/re_state" = "idle"),
        recorded!("status_running.json", "/worker_environment_state" = "idle"),
        recorded!("status_idle.json", "/running_item_uid" = RUNNING),
    ] {
        assert_eq!(by_status(almost, RUNNING), Verdict::Runs);
    }
}

#[test]
fn what_is_nowhere_is_lost_unless_it_is_on_its_way() {
    for status in [
        recorded!("status_idle.json"),
        // Another one runs, or is paused.
        recorded!("status_running.json"),
        recorded!("status_paused.json"),
    ] {
        let Verdict::Lost(why) = by_status(status, KNOWN) else { panic!("it is nowhere") };
        assert!(why.contains("neither in the queue nor in the history"), "{why}");
    }
    for state in ["starting_queue", "executing_queue"] {
        let between: Status = recorded!("status_idle.json", "/manager_state" = state);
        assert_eq!(by_status(between, KNOWN), Verdict::Runs, "{state}");
    }
}
