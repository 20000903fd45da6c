//! What the RE Manager's answers mean for an item: a pure function.

use std::sync::Arc;

use crate::manager::{
    ExitStatus, History, Item, ManagerState, Queue, ReState, Status, WorkerState,
};

/// One look at the RE Manager.
#[derive(Debug, Clone)]
pub(super) struct Look {
    pub(super) status: Status,
    /// Fetched after the status.
    pub(super) history: Arc<History>,
    /// Fetched after the history.
    pub(super) queue: Arc<Queue>,
}

/// How an item stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It waits in the queue.
    Waits,
    /// Its plan runs.
    Runs,
    /// Its plan came to its end and opened a run.
    Completed,
    /// Its plan failed.
    Failed(String),
    /// An operator ended its plan.
    TakenAway(String),
    /// The manager has lost track of it; what came of it can only be told from the data.
    Lost(&'static str),
}

/// The manager polls its worker every half second and may stay as it was for longer under load.
const STUCK: &str = "the RE Manager says that the plan runs while its worker is idle; its records were lost, as after a \
     restart of Redis";

/// What bluesky-queueserver 0.0.25 says of the plan that runs when the environment is destroyed.
const DESTROYED: &str = "RE Worker environment was destroyed";

impl Look {
    /// How the item of that uid stands.
    pub(super) fn verdict(&self, item_uid: &str) -> Verdict {
        let known = self.history.items.iter().rev().find(|item| item.item_uid == item_uid);
        if let Some(item) = known {
            return ended(item);
        }
        let running = self.queue.running_item.as_ref().map(|item| item.item_uid.as_str());
        if self.status.running_item_uid.as_deref() == Some(item_uid) || running == Some(item_uid) {
            return if self.is_stuck() { Verdict::Lost(STUCK) } else { Verdict::Runs };
        }
        if self.queue.items.iter().any(|item| item.item_uid == item_uid) {
            return Verdict::Waits;
        }
        match (&self.status.manager_state, &self.status.running_item_uid) {
            // Between the queue and its start, and between its end and the history, it is in neither for a moment.
            (ManagerState::Idle | ManagerState::Paused, _) | (_, Some(_)) => Verdict::Lost(
                "the item is neither in the queue nor in the history of the RE Manager: somebody removed it, or the manager \
                 lost it",
            ),
            (_, None) => Verdict::Runs,
        }
    }

    /// As a manager is after a restart of its database in the middle of a plan: busy, and nothing to do.
    pub(super) fn is_stuck(&self) -> bool {
        self.status.manager_state == ManagerState::ExecutingQueue
            && self.status.re_state == Some(ReState::Idle)
            && self.status.worker_environment_state == WorkerState::Idle
    }
}

fn ended(item: &Item) -> Verdict {
    let Some(result) = &item.result else {
        return Verdict::Lost("the history of the RE Manager does not say how the plan ended");
    };
    let said = result.msg.trim();
    let why = if said.is_empty() { "no reason was given" } else { said };
    match &result.exit_status {
        ExitStatus::Completed if result.run_uids.is_empty() => Verdict::Failed(
            "the plan completed without opening a run, so there are no data".to_owned(),
        ),
        ExitStatus::Completed => Verdict::Completed,
        // The plan may have come to its end before, where the manager had lost track of it.
        ExitStatus::Failed if said.contains(DESTROYED) => {
            Verdict::Lost("the environment of the RE Manager was destroyed while the plan ran")
        }
        ExitStatus::Failed => Verdict::Failed(why.to_owned()),
        ExitStatus::Aborted => Verdict::TakenAway("an operator aborted the plan".to_owned()),
        ExitStatus::Halted => Verdict::TakenAway("an operator halted the plan".to_owned()),
        ExitStatus::Stopped => {
            Verdict::TakenAway("an operator stopped the plan before its end".to_owned())
        }
        ExitStatus::Unknown => Verdict::Lost(
            "the RE Manager was restarted while the plan ran, and does not know how it ended",
        ),
        ExitStatus::Other(word) => Verdict::Failed(format!("the plan ended with `{word}`: {why}")),
    }
}

#[cfg(test)]
mod tests;
