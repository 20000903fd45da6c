//! What the words mean that Slurm has for a job's state.

use std::fmt;

/// What becomes of a job.
///
/// | in Slurm's words | here |
/// |---|---|
/// | `PENDING` `CONFIGURING` `REQUEUED` `REQUEUE_FED` `REQUEUE_HOLD` `RESV_DEL_HOLD` `SPECIAL_EXIT` | [`Waits`](Self::Waits) |
/// | `RUNNING` `COMPLETING` `STAGE_OUT` `SIGNALING` `RESIZING` `SUSPENDED` `STOPPED` | [`Runs`](Self::Runs) |
/// | `COMPLETED` | [`Completed`](Self::Completed) |
/// | `FAILED` | [`Failed`](Self::Failed) |
/// | `TIMEOUT` `DEADLINE` | [`TimeLimit`](Self::TimeLimit) |
/// | `OUT_OF_MEMORY` | [`OutOfMemory`](Self::OutOfMemory) |
/// | `NODE_FAIL` | [`NodeFailure`](Self::NodeFailure) |
/// | `PREEMPTED` | [`Preempted`](Self::Preempted) |
/// | `BOOT_FAIL` | [`BootFailure`](Self::BootFailure) |
/// | `LAUNCH_FAILED` | [`LaunchFailure`](Self::LaunchFailure) |
/// | `CANCELLED` (`sacct`: `CANCELLED by 1000`) | [`Cancelled`](Self::Cancelled) |
/// | `REVOKED` | [`Revoked`](Self::Revoked) |
/// | any other | [`Unknown`](Self::Unknown) |
///
/// A job that waits may have run before: it was put back because it was preempted, its node failed, or somebody asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JobState {
    /// It has not started, or is to start again.
    Waits,
    /// It runs, or is about to be over.
    Runs,
    /// Its script ended with status 0.
    Completed,
    /// Its script ended with another, or did not start.
    Failed,
    /// It was killed at its time limit, or had one too long for its deadline.
    TimeLimit,
    /// It was killed because it took more memory than it was given.
    OutOfMemory,
    /// A node of it failed.
    NodeFailure,
    /// It had to make room for another.
    Preempted,
    /// Its node did not boot.
    BootFailure,
    /// Its node could not start it.
    LaunchFailure,
    /// Somebody cancelled it.
    Cancelled,
    /// Another cluster of the federation runs it.
    Revoked,
    /// A word that is not in the table: it is taken to run until Slurm or the run's folder says more.
    Unknown,
}

impl JobState {
    /// Reads what `squeue` and `sacct` print.
    pub(crate) fn of(text: &str) -> Self {
        // `CANCELLED by 1000`; and `sacct` cuts words to its column's width, with a `+`, where it is not asked for `-P`.
        match text.split(' ').next().unwrap_or_default() {
            "PENDING" | "CONFIGURING" | "REQUEUED" | "REQUEUE_FED" | "REQUEUE_HOLD"
            | "RESV_DEL_HOLD" | "SPECIAL_EXIT" => Self::Waits,
            "RUNNING" | "COMPLETING" | "STAGE_OUT" | "SIGNALING" | "RESIZING" | "SUSPENDED"
            | "STOPPED" => Self::Runs,
            "COMPLETED" => Self::Completed,
            "FAILED" => Self::Failed,
            "TIMEOUT" | "DEADLINE" => Self::TimeLimit,
            "OUT_OF_MEMORY" => Self::OutOfMemory,
            "NODE_FAIL" => Self::NodeFailure,
            "PREEMPTED" => Self::Preempted,
            "BOOT_FAIL" => Self::BootFailure,
            "LAUNCH_FAILED" => Self::LaunchFailure,
            "CANCELLED" => Self::Cancelled,
            "REVOKED" => Self::Revoked,
            _ => Self::Unknown,
        }
    }

    /// Whether Slurm has nothing more to do with it.
    pub(crate) const fn is_over(self) -> bool {
        match self {
            Self::Waits | Self::Runs | Self::Unknown => false,
            Self::Completed
            | Self::Failed
            | Self::TimeLimit
            | Self::OutOfMemory
            | Self::NodeFailure
            | Self::Preempted
            | Self::BootFailure
            | Self::LaunchFailure
            | Self::Cancelled
            | Self::Revoked => true,
        }
    }
}

impl fmt::Display for JobState {
    /// What happened to the job, as the end of "Slurm says that the job …".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Waits => "waits",
            Self::Runs => "runs",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::TimeLimit => "was killed at its time limit",
            Self::OutOfMemory => "was killed because it took more memory than it was given",
            Self::NodeFailure => "was lost with a node that failed",
            Self::Preempted => "was preempted",
            Self::BootFailure => "was not run because its node did not boot",
            Self::LaunchFailure => "could not be started by its node",
            Self::Cancelled => "was cancelled",
            Self::Revoked => "was taken over by another cluster",
            Self::Unknown => "is in a state that krige does not know",
        })
    }
}

/// Why a job waits that will not start by itself any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stuck {
    /// What it asks for is not to be had.
    Impossible,
    /// Its node could not start it, and Slurm put it back for an operator to look at.
    Held,
}

/// Whether a job that waits for this reason waits in vain.
///
/// `PartitionNodeLimit`, `BadConstraints` and `ReqNodeNotAvail` are not among these, because Slurm also says so where nodes are down or
/// drained; a request that is wrong in itself is refused by `sbatch --test-only`. What a person held, a person can release.
pub(crate) fn stuck(reason: &str) -> Option<Stuck> {
    // What follows after these words is different from version to version.
    let word = reason.trim_matches(['(', ')']).split([',', ' ', ':']).next().unwrap_or_default();
    match word {
        "PartitionConfig"
        | "PartitionTimeLimit"
        | "DependencyNeverSatisfied"
        | "InvalidAccount"
        | "InvalidQOS"
        | "AccountNotAllowed"
        | "QOSNotAllowed" => Some(Stuck::Impossible),
        "launch_failed_requeued_held" | "JobHoldMaxRequeue" => Some(Stuck::Held),
        _ if reason.starts_with("launch failed requeued held") => Some(Stuck::Held),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_of_slurm_has_a_meaning() {
        let over = [
            "BOOT_FAIL",
            "CANCELLED",
            "COMPLETED",
            "DEADLINE",
            "FAILED",
            "LAUNCH_FAILED",
            "NODE_FAIL",
            "OUT_OF_MEMORY",
            "PREEMPTED",
            "REVOKED",
            "TIMEOUT",
            "CANCELLED by 1000",
        ];
        for word in over {
            assert!(JobState::of(word).is_over(), "{word}");
        }
        let going_on = [
            "COMPLETING",
            "CONFIGURING",
            "PENDING",
            "REQUEUED",
            "REQUEUE_FED",
            "REQUEUE_HOLD",
            "RESIZING",
            "RESV_DEL_HOLD",
            "RUNNING",
            "SIGNALING",
            "SPECIAL_EXIT",
            "STAGE_OUT",
            "STOPPED",
            "SUSPENDED",
        ];
        for word in going_on {
            let state = JobState::of(word);
            assert!(!state.is_over() && state != JobState::Unknown, "{word}: {state:?}");
        }
        for word in ["", "EXPEDITING", "completed", "COMPLETED+"] {
            assert_eq!(JobState::of(word), JobState::Unknown, "{word}");
        }
    }

    #[test]
    fn only_what_never_changes_by_itself_is_waited_for_in_vain() {
        for reason in ["PartitionConfig", "(PartitionTimeLimit)", "InvalidQOS", "AccountNotAllowed"]
        {
            assert_eq!(stuck(reason), Some(Stuck::Impossible), "{reason}");
        }
        for reason in ["launch failed requeued held", "launch_failed_requeued_held"] {
            assert_eq!(stuck(reason), Some(Stuck::Held), "{reason}");
        }
        let hopeful = [
            "Priority",
            "Resources",
            "Dependency",
            "BeginTime",
            "JobHeldUser",
            "JobHeldAdmin",
            "ReqNodeNotAvail, UnavailableNodes:n1",
            "PartitionDown",
            "PartitionNodeLimit",
            "None",
            "BadConstraints",
            "AssocMaxJobsLimit",
            "QOSMaxJobsPerUserLimit",
            "",
            "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions",
        ];
        for reason in hopeful {
            assert_eq!(stuck(reason), None, "{reason}");
        }
    }
}
