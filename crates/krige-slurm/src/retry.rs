//! How often a trial is run again that Slurm lost.

use krige_core::trial::TrialRun;
use krige_runner::RunStatus;
use serde::{Deserialize, Serialize};

/// How many runs a trial gets in all, by what ended the last of them; 1 is no other.
///
/// The runs that a trial has had count, whatever ended them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retries {
    /// A node failed, or the job vanished with its program. 3.
    pub node_failure: u32,
    /// The job was preempted, and not requeued by Slurm itself. 3.
    pub preemption: u32,
    /// The node did not boot. 3.
    pub boot_failure: u32,
    /// The node could not start the job: no folder there, a prolog that fails. 3.
    pub launch_failure: u32,
    /// The job came to its time limit. 1: it would again.
    pub time_limit: u32,
    /// The job took more memory than it was given. 1: it would again.
    pub out_of_memory: u32,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            node_failure: 3,
            preemption: 3,
            boot_failure: 3,
            launch_failure: 3,
            time_limit: 1,
            out_of_memory: 1,
        }
    }
}

/// Lost while there were fewer runs than allowed, else failed.
pub(crate) fn lost(run: &TrialRun, allowed: u32, reason: String) -> RunStatus {
    if run.attempt < allowed { RunStatus::Lost { reason } } else { RunStatus::Failed { reason } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_run_that_is_allowed_fails() {
        let status = |attempt| lost(&TrialRun::new("e", 0, attempt), 3, "why".into());
        for attempt in [1, 2] {
            assert_eq!(status(attempt), RunStatus::Lost { reason: "why".into() });
        }
        for attempt in [3, 4] {
            assert_eq!(status(attempt), RunStatus::Failed { reason: "why".into() });
        }
    }

    #[test]
    fn what_is_not_given_is_the_default() {
        let read: Retries = serde_json::from_str(r#"{"time_limit": 2}"#).expect("it is whole");
        assert_eq!(read, Retries { time_limit: 2, ..Retries::default() });
    }
}
