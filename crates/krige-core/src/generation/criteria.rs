//! When a node hands over to the next one, and when it waits.

use serde::{Deserialize, Serialize};

use crate::experiment::Experiment;
use crate::trial::TrialStatus;

/// Which trials are counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrialCount {
    /// Those in one of these statuses.
    pub statuses: Vec<TrialStatus>,
    /// Only those that the node itself proposed, or all of the experiment's.
    pub this_node_only: bool,
    /// Only those that have a value for every metric of the optimization.
    pub with_data: bool,
}

impl TrialCount {
    /// Counts all trials that were not lost: everything but failed, abandoned and stale ones.
    pub fn kept() -> Self {
        let lost = [TrialStatus::Failed, TrialStatus::Abandoned, TrialStatus::Stale];
        Self {
            statuses: TrialStatus::ALL.into_iter().filter(|s| !lost.contains(s)).collect(),
            this_node_only: false,
            with_data: false,
        }
    }

    /// Counts all trials that were or will be tried: everything but abandoned and stale ones.
    pub fn tried() -> Self {
        let mut tried = Self::kept();
        tried.statuses.push(TrialStatus::Failed);
        tried
    }

    /// Counts completed trials that have data.
    pub fn observed() -> Self {
        Self { statuses: vec![TrialStatus::Completed], this_node_only: false, with_data: true }
    }

    /// Counts trials that are proposed or under way.
    pub fn under_way() -> Self {
        let statuses = vec![TrialStatus::Candidate, TrialStatus::Staged, TrialStatus::Running];
        Self { statuses, this_node_only: false, with_data: false }
    }

    /// Narrows the count to trials that the node itself proposed.
    #[must_use]
    pub fn of_this_node(mut self) -> Self {
        self.this_node_only = true;
        self
    }

    /// How many trials there are, for a node of that name.
    pub fn count(&self, experiment: &Experiment, node: &str) -> usize {
        experiment.count(&self.statuses, self.this_node_only.then_some(node), self.with_data)
    }
}

/// A condition for handing over to another node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TransitionCriterion {
    /// At least `threshold` trials.
    MinTrials {
        /// How many.
        threshold: usize,
        /// Of which.
        of: TrialCount,
    },
    /// The node has proposed a trial.
    AfterGeneration,
}

impl TransitionCriterion {
    /// Whether the condition holds for a node of that name.
    pub fn is_met(&self, experiment: &Experiment, node: &str) -> bool {
        match self {
            Self::MinTrials { threshold, of } => of.count(experiment, node) >= *threshold,
            Self::AfterGeneration => experiment.trials_of(node).next().is_some(),
        }
    }
}

/// A condition for waiting; transitions come first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PausingCriterion {
    /// `limit` trials of the node are under way: wait until one of them ends.
    MaxParallelism {
        /// How many.
        limit: usize,
    },
    /// `budget` trials are proposed, and the transition still lacks data: wait for it.
    AwaitingData {
        /// How many.
        budget: usize,
        /// Of which.
        of: TrialCount,
    },
}

impl PausingCriterion {
    /// How many more trials the node may propose now.
    pub fn allowance(&self, experiment: &Experiment, node: &str) -> usize {
        match self {
            Self::MaxParallelism { limit } => {
                limit.saturating_sub(TrialCount::under_way().of_this_node().count(experiment, node))
            }
            Self::AwaitingData { budget, of } => budget.saturating_sub(of.count(experiment, node)),
        }
    }
}
