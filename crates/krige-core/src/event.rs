//! The events that an experiment is the fold of: the stored form, and the only way to change an experiment.
//!
//! Stored events are never rewritten. A new kind of event or a new optional field is a new version of the
//! format (see `docs/journal.md`); a field is never renamed and never changes its meaning.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::control::Control;
use crate::generation::GenerationStrategy;
use crate::objective::OptimizationConfig;
use crate::observation::Observation;
use crate::search_space::SearchSpace;
use crate::stopping::{EarlyStopping, GlobalStopping};
use crate::trial::{Arm, Generation, TrialEvent, TrialIndex};

/// One change of an experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// The experiment began; always the first event, and only there.
    ExperimentCreated {
        /// Unique over all experiments; part of every run's key.
        id: String,
        /// Unique within its journal.
        name: String,
        /// For people.
        description: Option<String>,
        /// Everything random follows from it.
        seed: u64,
        /// What may be tried.
        search_space: SearchSpace,
    },
    /// What is optimized, under which constraints; replaces the former.
    OptimizationConfigured {
        /// The objective and the outcome constraints.
        optimization: OptimizationConfig,
    },
    /// How points are proposed; replaces the former.
    GenerationStrategyConfigured {
        /// The graph of nodes.
        strategy: GenerationStrategy,
    },
    /// What runs trials; replaces the former.
    RunnerConfigured {
        /// The runner's own configuration, tagged with its type.
        runner: serde_json::Value,
    },
    /// What is measured; adds to the known metrics or replaces those of the same name.
    MetricsConfigured {
        /// The metrics.
        metrics: Vec<MetricDefinition>,
    },
    /// A node of the generation strategy proposed a trial.
    TrialGenerated {
        /// Its number.
        trial: TrialIndex,
        /// What to try.
        arm: Arm,
        /// What the node said of it.
        generation: Generation,
    },
    /// A person or another program added a trial.
    TrialAttached {
        /// Its number.
        trial: TrialIndex,
        /// What to try.
        arm: Arm,
        /// Whether it is what relative constraints compare with.
        baseline: bool,
    },
    /// A trial changed its state.
    Trial {
        /// Its number.
        trial: TrialIndex,
        /// The change.
        event: TrialEvent,
    },
    /// Something was measured; a newer value of the same metric and progression replaces the older.
    ObservationsAttached {
        /// The trial.
        trial: TrialIndex,
        /// What was measured.
        observations: Vec<Observation>,
        /// Whether the trial had ended before it came: it is kept as evidence and replaces nothing; of a trial that gave no
        /// result in time no model sees it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        late: bool,
    },
    /// How trials are run; replaces the former.
    OrchestrationConfigured {
        /// The orchestrator's own options.
        options: serde_json::Value,
    },
    /// When trials are stopped before their end, and when the experiment is; replaces the former.
    StoppingConfigured {
        /// Which running trials are stopped.
        early: Option<EarlyStopping>,
        /// When no more trials are proposed.
        global: Option<GlobalStopping>,
    },
    /// A process has taken over running the trials; whatever the former leader stores after it follows from this.
    Led {
        /// The process, unique over all that ever led: `host:pid:…`.
        leader: String,
    },
    /// A person or a program asks the run for something.
    Controlled {
        /// What.
        control: Control,
    },
    /// A person or a program has something to say.
    NoteAdded {
        /// About which trial; `None` is the experiment.
        trial: Option<TrialIndex>,
        /// The note.
        text: String,
    },
}

/// A metric by name, and how it is fetched where krige shall fetch it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricDefinition {
    /// Its name.
    pub name: String,
    /// The metric's own configuration, tagged with its type; `None` where a person or a program attaches data.
    pub fetch: Option<serde_json::Value>,
}

impl Event {
    /// The word that files and tables use.
    pub fn kind(&self) -> String {
        match self {
            Self::ExperimentCreated { .. } => "experiment_created".into(),
            Self::OptimizationConfigured { .. } => "optimization_configured".into(),
            Self::GenerationStrategyConfigured { .. } => "generation_strategy_configured".into(),
            Self::RunnerConfigured { .. } => "runner_configured".into(),
            Self::MetricsConfigured { .. } => "metrics_configured".into(),
            Self::TrialGenerated { .. } => "trial_generated".into(),
            Self::TrialAttached { .. } => "trial_attached".into(),
            Self::Trial { event, .. } => format!("trial_{}", event.name()),
            Self::ObservationsAttached { .. } => "observations_attached".into(),
            Self::OrchestrationConfigured { .. } => "orchestration_configured".into(),
            Self::StoppingConfigured { .. } => "stopping_configured".into(),
            Self::Led { .. } => "led".into(),
            Self::Controlled { .. } => "controlled".into(),
            Self::NoteAdded { .. } => "note_added".into(),
        }
    }

    /// The trial that the event is about, if it is about one.
    pub const fn trial(&self) -> Option<TrialIndex> {
        match self {
            Self::TrialGenerated { trial, .. }
            | Self::TrialAttached { trial, .. }
            | Self::Trial { trial, .. }
            | Self::ObservationsAttached { trial, .. } => Some(*trial),
            Self::ExperimentCreated { .. }
            | Self::OptimizationConfigured { .. }
            | Self::GenerationStrategyConfigured { .. }
            | Self::RunnerConfigured { .. }
            | Self::MetricsConfigured { .. }
            | Self::OrchestrationConfigured { .. }
            | Self::StoppingConfigured { .. }
            | Self::Led { .. }
            | Self::Controlled { .. } => None,
            Self::NoteAdded { trial, .. } => *trial,
        }
    }
}

/// An event in its place: what a journal stores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Its place in the experiment's journal, from 1, without gaps.
    pub sequence: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// What happened.
    pub event: Event,
}

#[cfg(test)]
mod tests;
