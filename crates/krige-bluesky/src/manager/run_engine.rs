//! The RunEngine: pausing and ending the running plan, and its runs.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::method::Method;
use super::{ReManager, Result};

/// When a plan pauses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PauseOption {
    /// At its next checkpoint. If there is none any more, the plan completes instead.
    Deferred,
    /// At once. What was done since the last checkpoint is done again when the plan resumes.
    Immediate,
}

/// Which runs of the running plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WhichRuns {
    /// All.
    Active,
    /// Those that are open.
    Open,
    /// Those that are closed.
    Closed,
}

/// A run of the running plan.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Run {
    /// UID of its start document.
    pub uid: String,
    /// Its number, which starts at 1 again with each environment.
    pub scan_id: Option<i64>,
    /// Whether it is open.
    pub is_open: bool,
    /// How it ended, in the word of its stop document: `success`, `abort` or `fail`.
    pub exit_status: Option<String>,
}

/// Success means that the request was accepted. Whether it comes about shows in the [status](super::Status).
impl ReManager {
    /// Pauses the running plan.
    ///
    /// # Errors
    /// See [`ManagerError`](super::ManagerError).
    pub fn re_pause(&self, option: PauseOption) -> Result<()> {
        self.tell(Method::RePause, json!({"option": option}))
    }

    /// Lets a paused plan go on.
    ///
    /// # Errors
    /// See [`ManagerError`](super::ManagerError).
    pub fn re_resume(&self) -> Result<()> {
        self.tell(Method::ReResume, json!({}))
    }

    /// Ends a paused plan. Its runs count as successes, whatever they hold, and it is not put back into the queue.
    ///
    /// # Errors
    /// See [`ManagerError`](super::ManagerError).
    pub fn re_stop(&self) -> Result<()> {
        self.tell(Method::ReStop, json!({}))
    }

    /// Ends a paused plan as a failure. If it came from the queue, it is put back.
    ///
    /// # Errors
    /// See [`ManagerError`](super::ManagerError).
    pub fn re_abort(&self) -> Result<()> {
        self.tell(Method::ReAbort, json!({}))
    }

    /// Ends a paused plan as a failure, without the plan's own cleaning up. If it came from the queue, it is put back.
    ///
    /// # Errors
    /// See [`ManagerError`](super::ManagerError).
    pub fn re_halt(&self) -> Result<()> {
        self.tell(Method::ReHalt, json!({}))
    }

    /// Runs of the running plan; there are none once it has ended.
    ///
    /// # Errors
    /// See [`ManagerError`](super::ManagerError).
    pub fn re_runs(&self, which: WhichRuns) -> Result<Vec<Run>> {
        self.field(Method::ReRuns, json!({"option": which}), "run_list")
    }

    /// The metadata that the RunEngine adds to all runs.
    ///
    /// # Errors
    /// See [`ManagerError`](super::ManagerError). The HTTP server does not have it.
    pub fn re_metadata(&self) -> Result<Map<String, Value>> {
        self.field(Method::ReMetadata, json!({}), "re_metadata")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manager::scripted::{recorded, scripted};

    #[test]
    fn recorded_runs_are_read() {
        let manager = scripted(&[recorded!("re_pause.json"), recorded!("re_runs.json")]);
        manager.re_pause(PauseOption::Deferred).unwrap();
        let run = Run {
            uid: "c6d38363-a74a-45ba-a3c1-c7105b6ca35c".to_owned(),
            scan_id: Some(9),
            is_open: true,
            exit_status: None,
        };
        assert_eq!(manager.re_runs(WhichRuns::Active).unwrap(), [run]);
    }

    #[test]
    fn options_are_the_words_of_the_wire() {
        assert_eq!(
            json!([PauseOption::Deferred, PauseOption::Immediate]),
            json!(["deferred", "immediate"])
        );
        assert_eq!(
            json!([WhichRuns::Active, WhichRuns::Open, WhichRuns::Closed]),
            json!(["active", "open", "closed"])
        );
    }
}
