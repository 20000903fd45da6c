//! The experiment: the fold of its events, and nothing else.

mod apply;
mod feasibility;
mod lookup;
#[cfg(test)]
mod tests;

pub use apply::{ApplyError, Undo};

use indexmap::IndexMap;
use jiff::Timestamp;

use crate::control::Controls;
use crate::event::Record;
use crate::generation::GenerationStrategy;
use crate::objective::OptimizationConfig;
use crate::search_space::SearchSpace;
use crate::stopping::{EarlyStopping, GlobalStopping};
use crate::trial::{Trial, TrialIndex, TrialRun};
use crate::value::Parameterization;
use lookup::Lookup;

/// Everything that is known of one experiment.
///
/// Made by folding [`Event`](crate::event::Event)s with [`Experiment::apply`]; its fields are for reading.
#[derive(Debug, Clone, PartialEq)]
pub struct Experiment {
    /// Unique over all experiments; part of every run's key.
    pub id: String,
    /// Unique within its journal.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// Everything random follows from it.
    pub seed: u64,
    /// What may be tried.
    pub search_space: SearchSpace,
    /// What is optimized, once that is configured.
    pub optimization: Option<OptimizationConfig>,
    /// How points are proposed, once that is configured.
    pub strategy: Option<GenerationStrategy>,
    /// The runner's own configuration, once there is one.
    pub runner: Option<serde_json::Value>,
    /// Every known metric, and the configuration of those that krige fetches.
    pub metrics: IndexMap<String, Option<serde_json::Value>>,
    /// The trial that relative constraints compare with.
    pub baseline: Option<TrialIndex>,
    /// All trials; a trial's index is its place.
    pub trials: Vec<Trial>,
    /// The orchestrator's own options, once they are configured.
    pub orchestration: Option<serde_json::Value>,
    /// Which running trials are stopped.
    pub early_stopping: Option<EarlyStopping>,
    /// When no more trials are proposed.
    pub global_stopping: Option<GlobalStopping>,
    /// The process that took over last to run the trials.
    pub leader: Option<String>,
    /// What the run is asked for.
    pub controls: Controls,
    /// What people and programs had to say, oldest first.
    pub notes: Vec<Note>,
    /// How many events made it.
    pub sequence: u64,
    lookup: Lookup,
}

/// What a person or a program had to say.
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    /// When.
    pub at: Timestamp,
    /// About which trial; `None` is the experiment.
    pub trial: Option<TrialIndex>,
    /// The note.
    pub text: String,
}

/// No trial has that number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no trial {trial} in experiment `{experiment}`: it has {}", range(*.count))]
pub struct UnknownTrial {
    /// The number that was asked for.
    pub trial: TrialIndex,
    /// The experiment.
    pub experiment: String,
    /// How many trials there are.
    pub count: usize,
}

fn range(count: usize) -> String {
    match count {
        0 => "no trials yet".into(),
        1 => "trial 0 only".into(),
        n => format!("trials 0 to {}", n - 1),
    }
}

impl Experiment {
    /// The fold of a whole journal.
    ///
    /// # Errors
    /// If the journal does not begin with the experiment's creation, or an event does not fit what is before it.
    pub fn replay(records: &[Record]) -> Result<Self, ApplyError> {
        let (first, rest) = records.split_first().ok_or(ApplyError::Empty)?;
        let mut experiment = Self::create(&first.event)?;
        for record in rest {
            let _applied = experiment.apply(record.at, &record.event)?;
        }
        Ok(experiment)
    }

    /// The trial of that number.
    ///
    /// # Errors
    /// [`UnknownTrial`] says which there are.
    pub fn trial(&self, index: TrialIndex) -> Result<&Trial, UnknownTrial> {
        self.trials.get(index).ok_or_else(|| UnknownTrial {
            trial: index,
            experiment: self.name.clone(),
            count: self.trials.len(),
        })
    }

    /// The identity that the next run of a trial has on the far side.
    pub fn next_run(&self, trial: TrialIndex) -> TrialRun {
        let attempts = self.trials.get(trial).map_or(0, |trial| trial.attempts);
        TrialRun::new(&self.id, trial, attempts + 1)
    }

    /// The name of an arm of those parameters: that of the same arm if it was tried before, or else `{trial}_0`, or
    /// the first of `{trial}_1`, `{trial}_2`, … where an attached arm has that name.
    pub fn arm_name(&self, trial: TrialIndex, parameters: &Parameterization) -> String {
        if let Some(known) = self.trials_at(parameters).next() {
            return known.arm.name.clone();
        }
        (0_usize..)
            .map(|i| format!("{trial}_{i}"))
            .find(|name| self.trial_of_arm(name).is_none())
            .expect("one of more names than there are trials is free")
    }

    /// Whether a trial has a value for every one of the metrics.
    pub fn has_data(trial: &Trial, metrics: &[&str]) -> bool {
        metrics.iter().all(|metric| trial.observations.iter().any(|o| o.metric == *metric))
    }
}
