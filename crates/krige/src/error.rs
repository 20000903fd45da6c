//! Everything that can go wrong for a caller of this crate.

use std::path::PathBuf;

use krige_core::experiment::{ApplyError, UnknownTrial};
use krige_core::generation::{GenerationError, StrategyError};
use krige_core::journal::JournalError;
use krige_core::model::ModelError;
use krige_core::objective::OptimizationConfigError;
use krige_core::search_space::{MembershipError, SearchSpaceError};
use krige_core::stopping::StoppingError;
use krige_core::trial::TrialIndex;

/// Why a call failed; the experiment is as it was before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The client has no experiment yet.
    #[error("there is no experiment yet: call configure_experiment first")]
    NoExperiment,
    /// The client has an experiment already.
    #[error(
        "the client has experiment `{name}` already: make another client for another experiment"
    )]
    ExperimentConfigured {
        /// Its name.
        name: String,
    },
    /// An experiment must have a name.
    #[error("an experiment needs a name that is not empty: it is found again by it")]
    UnnamedExperiment,
    /// The journal has an experiment of that name.
    #[error(
        "{location} has an experiment `{name}` already: choose another name, or go on with it (load_from_database)"
    )]
    ExperimentExists {
        /// Its name.
        name: String,
        /// The journal.
        location: String,
    },
    /// It is not known what to optimize.
    #[error("what to optimize is not configured: call configure_optimization first")]
    NoOptimization,
    /// No runner is configured.
    #[error("there is no runner: call configure_runner first")]
    NoRunner,
    /// The stored runner or metric is of a type that this program does not have.
    #[error(
        "the experiment's {what} is of a type that this program does not know: link the crate that defines it, or configure another"
    )]
    UnknownType {
        /// `runner`, or which metric.
        what: String,
        /// What deserialization said.
        source: serde_json::Error,
    },
    /// The runner or metric cannot be stored.
    #[error("the {what} cannot be stored as JSON")]
    NotStorable {
        /// `runner`, or which metric.
        what: String,
        /// What serialization said.
        source: serde_json::Error,
    },
    /// The stored runner or metric was a closure.
    #[error(
        "the experiment's {what} was a closure, which cannot be stored: configure it again, or write a type that implements the trait"
    )]
    Closure {
        /// `runner`, or which metric.
        what: String,
    },
    /// Metrics that the optimization needs cannot be fetched.
    #[error(
        "no way to fetch {}: call configure_metrics for each metric of the objective and its constraints",
        quoted(.missing)
    )]
    NoMetric {
        /// Their names.
        missing: Vec<String>,
    },
    /// A trial cannot be completed without these metrics.
    #[error(
        "trial {trial} has no value for {}, only for {}: attach what is missing, or mark the trial as failed",
        quoted(.missing),
        quoted(.given)
    )]
    MissingData {
        /// The trial.
        trial: TrialIndex,
        /// Which are missing.
        missing: Vec<String>,
        /// Which are there.
        given: Vec<String>,
    },
    /// A trial without data cannot be stopped early.
    #[error(
        "trial {trial} has no data, so nothing would count of it: attach some (attach_data), or mark it as failed or abandoned"
    )]
    NothingObserved {
        /// The trial.
        trial: TrialIndex,
    },
    /// Only a single objective has a best trial.
    #[error(
        "the experiment has several objectives, so no single trial is best: use get_pareto_frontier"
    )]
    ManyObjectives,
    /// Only several objectives have a frontier.
    #[error(
        "the experiment has a single objective, so there is no frontier: use get_best_parameterization"
    )]
    OneObjective,
    /// No trial can be the best one.
    #[error("no trial has a value for every metric of the optimization{}", .infeasible.then_some(" and keeps the outcome constraints").unwrap_or_default())]
    NoBest {
        /// Whether there are trials with data, but none is feasible.
        infeasible: bool,
    },
    /// The model cannot be fitted.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Too many trials failed.
    #[error(
        "{failed} of {total} trials of this run failed, more than the tolerated rate of {tolerated}; the last: {reason}"
    )]
    FailureRateExceeded {
        /// Failed or abandoned trials.
        failed: usize,
        /// Trials of this run.
        total: usize,
        /// The tolerated rate.
        tolerated: f64,
        /// Why the last one failed.
        reason: String,
    },
    /// Another process drives the experiment now.
    #[error("`{leader}` has taken over the trials of this experiment: nothing was stored")]
    Superseded {
        /// That process.
        leader: String,
    },
    /// An option makes no sense.
    #[error("option {option}: expected {expected}, found {found}")]
    Option {
        /// Its name.
        option: &'static str,
        /// What was expected.
        expected: &'static str,
        /// What was found.
        found: String,
    },
    /// The log file of a run cannot be opened.
    #[error("the log file {} cannot be opened: name a file in a folder that can be written to", .path.display())]
    LogFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// No run has left its options, or they cannot be read.
    #[error("experiment `{experiment}` remembers no options of a run that can be read: give some")]
    StoredOptions {
        /// The experiment.
        experiment: String,
        /// What is wrong with those that it remembers, if it does.
        source: Option<serde_json::Error>,
    },
    /// A snapshot file cannot be read or written.
    #[error("snapshot {}: {action} failed", .path.display())]
    SnapshotFile {
        /// The file.
        path: PathBuf,
        /// `reading` or `writing`.
        action: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// A snapshot's content is not one.
    #[error("{} is not a krige snapshot of version {supported} or older", .path.display())]
    Snapshot {
        /// The file.
        path: PathBuf,
        /// The newest version that is understood.
        supported: u32,
        /// What deserialization said.
        source: serde_json::Error,
    },
    /// A trial that does not exist.
    #[error(transparent)]
    UnknownTrial(#[from] UnknownTrial),
    /// An event does not fit the experiment.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The journal failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The search space is not one.
    #[error(transparent)]
    SearchSpace(#[from] SearchSpaceError),
    /// Values are not of the search space.
    #[error(transparent)]
    Membership(#[from] MembershipError),
    /// The objective or an outcome constraint makes no sense.
    #[error(transparent)]
    Optimization(#[from] OptimizationConfigError),
    /// A stopping rule makes no sense.
    #[error(transparent)]
    Stopping(#[from] StoppingError),
    /// A generation strategy makes no sense.
    #[error(transparent)]
    Strategy(#[from] StrategyError),
    /// No trial could be proposed.
    #[error(transparent)]
    Generation(#[from] GenerationError),
}

pub(crate) fn quoted(names: &[String]) -> String {
    if names.is_empty() {
        return "nothing".into();
    }
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}
