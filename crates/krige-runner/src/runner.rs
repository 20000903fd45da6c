//! The trait that starts trials on some system and watches them.

use std::fmt;

use krige_core::trial::{Metadata, TrialRun};
use krige_core::value::Parameterization;

use crate::error::RunnerError;

/// What a runner sees of a trial that it started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunStatus {
    /// Not ended yet: queued, starting or running.
    Running,
    /// It ended well; metrics can be fetched.
    Completed,
    /// It ended without a usable result.
    Failed {
        /// Why, for an operator.
        reason: String,
    },
    /// Somebody took it away on the far side; its arm is not to be tried again.
    Abandoned {
        /// Why, for an operator.
        reason: String,
    },
    /// The far side lost it through no fault of its parameters (a node failed, it was preempted): nothing of it runs
    /// any more, and it is worth running again.
    ///
    /// The trial is run again under another key, whatever `max_runs_per_trial` of the orchestrator's options says of
    /// runs that fail. How often is for the runner to say, which sees [`TrialRun::attempt`] and answers
    /// [`Failed`](Self::Failed) once it was enough; a trial's 100th run is its last in any case.
    Lost {
        /// Why, for an operator.
        reason: String,
    },
}

/// Whether the far side knows a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// It has the run; this is what [`IRunner::run_trial`] would have given back.
    Exists(Metadata),
    /// It certainly does not have it, or running it again under its key does no harm.
    Absent,
    /// It cannot be told.
    Unknown,
}

/// What came of the request to stop a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// It is stopped, or will be.
    Requested,
    /// This runner cannot stop trials; it goes on to its end.
    Unsupported,
}

/// Starts trials on some system, and watches them.
///
/// # Contract
/// - All methods are called from worker threads, several at a time; they may block, and should return within
///   seconds. A panic is an error of that call.
/// - [`run_trial`](IRunner::run_trial) is called once per run, after the intent to do so is stored. What it gives
///   back is stored before anything else is done with the trial, and is handed to every later call, also by
///   another process after a restart.
/// - If the optimizer dies between the intent and its outcome, [`find_trial`](IRunner::find_trial) is asked, and
///   `run_trial` is called again only if the answer is [`Found::Absent`]. So that this can be answered, put
///   [`TrialRun::key`] where the far side shows it: a job's name, a file's name, an item's metadata.
/// - The implementation is stored as JSON under its `typetag` name, which must never change, and is found again
///   when the experiment is resumed. It must not hold secrets: name the environment variable instead.
/// - [`RunnerError::Transient`] is retried; [`RunnerError::Permanent`] fails the trial.
///
/// The [crate] documentation shows a complete implementation; [`check_runner`](crate::check_runner) holds one to
/// this contract.
#[typetag::serde(tag = "type")]
pub trait IRunner: fmt::Debug + Send + Sync {
    /// Starts a run, without waiting for its end.
    ///
    /// # Errors
    /// If it could not be started; then nothing of it may be running.
    fn run_trial(
        &self,
        run: &TrialRun,
        parameters: &Parameterization,
    ) -> Result<Metadata, RunnerError>;

    /// How a run stands. Asking must change nothing.
    ///
    /// # Errors
    /// If it could not be told.
    fn poll_trial(&self, run: &TrialRun, metadata: &Metadata) -> Result<RunStatus, RunnerError>;

    /// Asks the far side to stop a run. The default cannot.
    ///
    /// # Errors
    /// If the request did not get through.
    fn stop_trial(
        &self,
        run: &TrialRun,
        metadata: &Metadata,
        reason: &str,
    ) -> Result<Stopped, RunnerError> {
        let _ = (run, metadata, reason);
        Ok(Stopped::Unsupported)
    }

    /// Starts several runs; one answer for each, in order. The default calls [`run_trial`](IRunner::run_trial) for
    /// one after the other.
    fn run_trials(
        &self,
        runs: &[(TrialRun, Parameterization)],
    ) -> Vec<Result<Metadata, RunnerError>> {
        runs.iter().map(|(run, parameters)| self.run_trial(run, parameters)).collect()
    }

    /// How several runs stand; one answer for each, in order. Override it where the far side can be asked for many
    /// at once. The default calls [`poll_trial`](IRunner::poll_trial) for one after the other.
    fn poll_trials(&self, runs: &[(TrialRun, Metadata)]) -> Vec<Result<RunStatus, RunnerError>> {
        runs.iter().map(|(run, metadata)| self.poll_trial(run, metadata)).collect()
    }

    /// How many more runs the far side would take now; while there is none, no run is started. The default is `None`:
    /// it does not say.
    ///
    /// # Errors
    /// If it could not be told.
    fn free_slots(&self) -> Result<Option<usize>, RunnerError> {
        Ok(None)
    }

    /// Whether the far side has a run, by its key. The default is [`Found::Unknown`]: after a crash in the moment of
    /// the launch, the trial then fails instead of running twice.
    ///
    /// # Errors
    /// If it could not be asked; it is asked again.
    fn find_trial(&self, run: &TrialRun) -> Result<Found, RunnerError> {
        let _ = run;
        Ok(Found::Unknown)
    }
}
