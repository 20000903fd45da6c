//! Waiting that ends: a test that would hang fails instead.

use std::time::{Duration, Instant};

use krige::prelude::*;
use krige_bluesky::manager::{History, ReManager};
use krige_bluesky::{AgentRun, QueueserverAgent};

/// Longer than anything takes on a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Asks until there is an answer.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "{what}: not after {PATIENCE:?}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// Waits for the end of a run that has to come to a good one.
#[track_caller]
pub(crate) fn finish(run: AgentRun) -> (QueueserverAgent, RunReport) {
    wait_for("the end of the run", || run.is_finished().then_some(()));
    run.wait().expect("the run comes to its end")
}

/// What was run, once nothing runs any more: a trial may end before the manager knows that its plan has.
#[track_caller]
pub(crate) fn history(manager: &ReManager) -> History {
    let deadline = Instant::now() + PATIENCE;
    manager
        .wait_for(deadline, |status| status.running_item_uid.is_none())
        .expect("it comes to rest");
    manager.history_get().expect("a history")
}
