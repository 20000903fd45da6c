//! A trial: one arm, the one state it is in, and what was observed of it.
//!
//! | from \ event | launching | running | completed | failed | abandoned | early_stopped | stale | retried |
//! |---|---|---|---|---|---|---|---|---|
//! | candidate | staged | – | – | – | abandoned | – | stale | – |
//! | staged | – | running | – | failed | abandoned | – | – | candidate |
//! | running | – | – | completed | failed | abandoned | early_stopped | – | candidate |
//! | completed | – | – | – | – | – | – | – | – |
//! | failed | – | – | – | – | – | – | – | – |
//! | abandoned | – | – | – | – | – | – | – | – |
//! | early_stopped | – | – | – | – | – | – | – | – |
//! | stale | – | – | – | – | – | – | – | – |
//!
//! A failed arm may be proposed again, an abandoned one never is; a stale trial never ran.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::observation::Observation;
use crate::value::Parameterization;

/// The number of a trial within its experiment, from 0.
pub type TrialIndex = usize;

/// A named parameterization.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arm {
    /// `{trial}_0`, or the name that it was attached under; the same parameters keep the same name.
    pub name: String,
    /// One value for every parameter of the search space.
    pub parameters: Parameterization,
}

/// What a runner wants to remember of a trial that it started: a JSON object, stored before the next call.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Metadata(pub serde_json::Map<String, serde_json::Value>);

impl Metadata {
    /// Makes metadata of one entry; [`Metadata::with`] adds more.
    pub fn of(name: &str, value: impl Into<serde_json::Value>) -> Self {
        Self::default().with(name, value)
    }

    /// Adds an entry.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// The entry as text, where it is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(serde_json::Value::as_str)
    }

    /// The entry as a whole number, where it is one.
    pub fn integer(&self, name: &str) -> Option<i64> {
        self.0.get(name).and_then(serde_json::Value::as_i64)
    }
}

/// One run of a trial on the far side: its identity there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrialRun {
    /// The trial's number.
    pub trial_index: TrialIndex,
    /// 1 for the first run of the trial, then rising.
    pub attempt: u32,
    /// Names this run on the far side: unique over all experiments, of the characters `a-z 0-9 -`.
    pub key: String,
}

impl TrialRun {
    /// The run of a trial of the experiment of that id.
    pub fn new(experiment_id: &str, trial_index: TrialIndex, attempt: u32) -> Self {
        Self { trial_index, attempt, key: format!("krige-{experiment_id}-{trial_index}-{attempt}") }
    }
}

/// A run that the far side has accepted.
#[derive(Debug, Clone, PartialEq)]
pub struct Launch {
    /// Which run.
    pub run: TrialRun,
    /// When the acceptance was recorded.
    pub since: Timestamp,
    /// What the runner gave back.
    pub metadata: Metadata,
    /// Whether a person or another program runs it, and no runner knows of it.
    pub by_hand: bool,
}

/// The state of a trial, with the data that belongs to it.
#[derive(Debug, Clone, PartialEq)]
pub enum TrialState {
    /// Proposed; nothing was started.
    Candidate,
    /// Its launch is decided and recorded; whether the far side has it is not known yet.
    Staged {
        /// The run that is being launched.
        run: TrialRun,
        /// When that was recorded.
        since: Timestamp,
    },
    /// The far side has accepted it.
    Running(Launch),
    /// It ended well and its observations are in.
    Completed {
        /// How it ran.
        launch: Launch,
        /// When it ended.
        at: Timestamp,
    },
    /// It ended without a usable result; its arm may be proposed again.
    Failed {
        /// How it ran, unless the launch itself failed.
        launch: Option<Launch>,
        /// When that was known.
        at: Timestamp,
        /// Why, for a person.
        reason: String,
    },
    /// A person or a rule gave it up; its arm is never proposed again.
    Abandoned {
        /// How it ran, if it did.
        launch: Option<Launch>,
        /// When.
        at: Timestamp,
        /// Why, where it was said.
        reason: Option<String>,
    },
    /// It was stopped because it was not promising; what was observed counts.
    EarlyStopped {
        /// How it ran.
        launch: Launch,
        /// When.
        at: Timestamp,
        /// Why, where it was said.
        reason: Option<String>,
    },
    /// It was proposed and never ran in its time.
    Stale {
        /// When it lapsed.
        at: Timestamp,
    },
}

/// A change of one trial's state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TrialEvent {
    /// The intent: the runner is about to be called.
    Launching {
        /// The run's identity on the far side.
        run: TrialRun,
    },
    /// The outcome: the runner accepted the trial, or it was handed out.
    Running {
        /// What the runner gave back.
        metadata: Metadata,
        /// Whether a person or another program runs it, and no runner knows of it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        by_hand: bool,
    },
    /// The trial ended and its observations are in.
    Completed,
    /// The trial ended without a usable result.
    Failed {
        /// Why.
        reason: String,
    },
    /// The trial is given up.
    Abandoned {
        /// Why, where it was said.
        reason: Option<String>,
    },
    /// The trial was stopped before its end.
    EarlyStopped {
        /// Why, where it was said.
        reason: Option<String>,
    },
    /// The trial was never run.
    Stale,
    /// The run gave no result, and the trial is to be run again, under another key.
    Retried {
        /// Why the run gave no result.
        reason: String,
    },
}

/// The state of a trial without its data, for filters and for display.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrialStatus {
    /// See [`TrialState::Candidate`].
    Candidate,
    /// See [`TrialState::Staged`].
    Staged,
    /// See [`TrialState::Running`].
    Running,
    /// See [`TrialState::Completed`].
    Completed,
    /// See [`TrialState::Failed`].
    Failed,
    /// See [`TrialState::Abandoned`].
    Abandoned,
    /// See [`TrialState::EarlyStopped`].
    EarlyStopped,
    /// See [`TrialState::Stale`].
    Stale,
}

impl TrialStatus {
    /// Every status, in the order of a trial's life.
    pub const ALL: [Self; 8] = [
        Self::Candidate,
        Self::Staged,
        Self::Running,
        Self::Completed,
        Self::Failed,
        Self::Abandoned,
        Self::EarlyStopped,
        Self::Stale,
    ];

    /// The word that files and tables use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Candidate => "candidate",
            Self::Staged => "staged",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Abandoned => "abandoned",
            Self::EarlyStopped => "early_stopped",
            Self::Stale => "stale",
        }
    }

    /// Whether nothing can change it any more.
    pub const fn is_terminal(self) -> bool {
        match self {
            Self::Candidate | Self::Staged | Self::Running => false,
            Self::Completed | Self::Failed | Self::Abandoned | Self::EarlyStopped | Self::Stale => {
                true
            }
        }
    }

    /// Whether its observations are for the model: it runs, completed, or was stopped early.
    pub const fn expects_data(self) -> bool {
        match self {
            Self::Running | Self::Completed | Self::EarlyStopped => true,
            Self::Candidate | Self::Staged | Self::Failed | Self::Abandoned | Self::Stale => false,
        }
    }
}

impl fmt::Display for TrialStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A change that the trial's state does not allow; the trial is as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("trial {trial} is {from}: it cannot become {to}{}", remedy(*from, *to))]
pub struct IllegalTransition {
    /// The trial.
    pub trial: TrialIndex,
    /// The status it is in.
    pub from: TrialStatus,
    /// The status that was asked for.
    pub to: TrialStatus,
}

fn remedy(from: TrialStatus, to: TrialStatus) -> &'static str {
    if from.is_terminal() {
        "; it has ended (data may still be attached to it)"
    } else if to == TrialStatus::Completed || to == TrialStatus::EarlyStopped {
        "; only a running trial can"
    } else {
        ""
    }
}

impl TrialEvent {
    /// The status that the event leads to.
    pub const fn target(&self) -> TrialStatus {
        match self {
            Self::Launching { .. } => TrialStatus::Staged,
            Self::Running { .. } => TrialStatus::Running,
            Self::Completed => TrialStatus::Completed,
            Self::Failed { .. } => TrialStatus::Failed,
            Self::Abandoned { .. } => TrialStatus::Abandoned,
            Self::EarlyStopped { .. } => TrialStatus::EarlyStopped,
            Self::Stale => TrialStatus::Stale,
            Self::Retried { .. } => TrialStatus::Candidate,
        }
    }

    /// The word that files and tables use.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Launching { .. } => "launching",
            Self::Running { .. } => "running",
            Self::Completed => "completed",
            Self::Failed { .. } => "failed",
            Self::Abandoned { .. } => "abandoned",
            Self::EarlyStopped { .. } => "early_stopped",
            Self::Stale => "stale",
            Self::Retried { .. } => "retried",
        }
    }
}

impl TrialState {
    /// The state without its data.
    pub const fn status(&self) -> TrialStatus {
        match self {
            Self::Candidate => TrialStatus::Candidate,
            Self::Staged { .. } => TrialStatus::Staged,
            Self::Running(_) => TrialStatus::Running,
            Self::Completed { .. } => TrialStatus::Completed,
            Self::Failed { .. } => TrialStatus::Failed,
            Self::Abandoned { .. } => TrialStatus::Abandoned,
            Self::EarlyStopped { .. } => TrialStatus::EarlyStopped,
            Self::Stale { .. } => TrialStatus::Stale,
        }
    }

    /// The accepted run, where there is one.
    pub const fn launch(&self) -> Option<&Launch> {
        match self {
            Self::Running(launch)
            | Self::Completed { launch, .. }
            | Self::EarlyStopped { launch, .. } => Some(launch),
            Self::Failed { launch, .. } | Self::Abandoned { launch, .. } => launch.as_ref(),
            Self::Candidate | Self::Staged { .. } | Self::Stale { .. } => None,
        }
    }

    /// Why the trial ended as it did, where that was said.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Failed { reason, .. } => Some(reason),
            Self::Abandoned { reason, .. } | Self::EarlyStopped { reason, .. } => reason.as_deref(),
            Self::Candidate
            | Self::Staged { .. }
            | Self::Running(_)
            | Self::Completed { .. }
            | Self::Stale { .. } => None,
        }
    }

    /// When the trial ended, if it did.
    pub const fn ended_at(&self) -> Option<Timestamp> {
        match self {
            Self::Completed { at, .. }
            | Self::Failed { at, .. }
            | Self::Abandoned { at, .. }
            | Self::EarlyStopped { at, .. }
            | Self::Stale { at } => Some(*at),
            Self::Candidate | Self::Staged { .. } | Self::Running(_) => None,
        }
    }

    /// The state that follows by the table of this module.
    ///
    /// # Errors
    /// [`IllegalTransition`] where the table has a dash.
    pub fn apply(
        &self,
        trial: TrialIndex,
        at: Timestamp,
        event: &TrialEvent,
    ) -> Result<Self, IllegalTransition> {
        use TrialEvent as E;
        let illegal = || Err(IllegalTransition { trial, from: self.status(), to: event.target() });
        match (self, event) {
            (Self::Candidate, E::Launching { run }) => {
                Ok(Self::Staged { run: run.clone(), since: at })
            }
            (Self::Candidate, E::Abandoned { reason }) => {
                Ok(Self::Abandoned { launch: None, at, reason: reason.clone() })
            }
            (Self::Candidate, E::Stale) => Ok(Self::Stale { at }),
            (
                Self::Candidate,
                E::Running { .. }
                | E::Completed
                | E::Failed { .. }
                | E::EarlyStopped { .. }
                | E::Retried { .. },
            ) => illegal(),
            (Self::Staged { .. } | Self::Running(_), E::Retried { .. }) => Ok(Self::Candidate),

            (Self::Staged { run, .. }, E::Running { metadata, by_hand }) => {
                Ok(Self::Running(Launch {
                    run: run.clone(),
                    since: at,
                    metadata: metadata.clone(),
                    by_hand: *by_hand,
                }))
            }
            (Self::Staged { .. }, E::Failed { reason }) => {
                Ok(Self::Failed { launch: None, at, reason: reason.clone() })
            }
            (Self::Staged { .. }, E::Abandoned { reason }) => {
                Ok(Self::Abandoned { launch: None, at, reason: reason.clone() })
            }
            (
                Self::Staged { .. },
                E::Launching { .. } | E::Completed | E::EarlyStopped { .. } | E::Stale,
            ) => illegal(),

            (Self::Running(launch), E::Completed) => {
                Ok(Self::Completed { launch: launch.clone(), at })
            }
            (Self::Running(launch), E::Failed { reason }) => {
                Ok(Self::Failed { launch: Some(launch.clone()), at, reason: reason.clone() })
            }
            (Self::Running(launch), E::Abandoned { reason }) => {
                Ok(Self::Abandoned { launch: Some(launch.clone()), at, reason: reason.clone() })
            }
            (Self::Running(launch), E::EarlyStopped { reason }) => {
                Ok(Self::EarlyStopped { launch: launch.clone(), at, reason: reason.clone() })
            }
            (Self::Running(_), E::Launching { .. } | E::Running { .. } | E::Stale) => illegal(),

            (
                Self::Completed { .. }
                | Self::Failed { .. }
                | Self::Abandoned { .. }
                | Self::EarlyStopped { .. }
                | Self::Stale { .. },
                _,
            ) => illegal(),
        }
    }
}

/// What the generator said of the point that it proposed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generation {
    /// The node of the generation strategy.
    pub node: String,
    /// How the point was chosen: `sobol`, `center`, `log_ei`…
    pub method: String,
    /// What the model expected there, in units of the objective, where there was a model.
    pub prediction: Option<Prediction>,
    /// Why a lesser method than the node's own was used, where that happened.
    pub degraded: Option<String>,
    /// What the node wants to find again at the next point: fitted hyperparameters, a sequence's position.
    pub state: serde_json::Value,
}

/// A mean and its standard deviation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prediction {
    /// The predicted mean.
    pub mean: f64,
    /// Its standard deviation (of the noise-free value).
    pub sem: f64,
}

/// Where a trial came from.
#[derive(Debug, Clone, PartialEq)]
pub enum Origin {
    /// A node of the generation strategy proposed it.
    Generated(Generation),
    /// A person or another program attached it.
    Attached,
}

/// One trial of an experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// Its number.
    pub index: TrialIndex,
    /// What is tried.
    pub arm: Arm,
    /// Where it came from.
    pub origin: Origin,
    /// When it was proposed.
    pub created_at: Timestamp,
    /// The state it is in.
    pub state: TrialState,
    /// What was observed; the newest of each (metric, progression).
    pub observations: Vec<Observation>,
    /// How many runs of it were launched, the present one included.
    pub attempts: u32,
    /// Whether something was observed of it that came when it had ended already: evidence, which replaces nothing; of a
    /// trial that gave no result in time no model sees it.
    pub late: bool,
}

impl Trial {
    /// The state without its data.
    pub const fn status(&self) -> TrialStatus {
        self.state.status()
    }

    /// The node that proposed it, or `manual`.
    pub fn node(&self) -> &str {
        match &self.origin {
            Origin::Generated(generation) => &generation.node,
            Origin::Attached => "manual",
        }
    }

    /// The generation record, where a node proposed the trial.
    pub const fn generation(&self) -> Option<&Generation> {
        match &self.origin {
            Origin::Generated(generation) => Some(generation),
            Origin::Attached => None,
        }
    }

    /// The last word on a metric: the final observation, or else the one of the furthest progression.
    pub fn observation(&self, metric: &str) -> Option<&Observation> {
        self.observations.iter().filter(|o| o.metric == metric).max_by(|a, b| {
            let furthest = |o: &Observation| o.progression.unwrap_or(f64::INFINITY);
            furthest(a).total_cmp(&furthest(b))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch() -> Launch {
        Launch {
            run: TrialRun::new("e", 0, 1),
            since: Timestamp::UNIX_EPOCH,
            metadata: Metadata::of("job", 7),
            by_hand: false,
        }
    }

    fn states() -> Vec<TrialState> {
        let at = Timestamp::UNIX_EPOCH;
        vec![
            TrialState::Candidate,
            TrialState::Staged { run: TrialRun::new("e", 0, 1), since: at },
            TrialState::Running(launch()),
            TrialState::Completed { launch: launch(), at },
            TrialState::Failed { launch: None, at, reason: "r".into() },
            TrialState::Abandoned { launch: None, at, reason: None },
            TrialState::EarlyStopped { launch: launch(), at, reason: None },
            TrialState::Stale { at },
        ]
    }

    fn events() -> Vec<TrialEvent> {
        vec![
            TrialEvent::Launching { run: TrialRun::new("e", 0, 1) },
            TrialEvent::Running { metadata: Metadata::default(), by_hand: false },
            TrialEvent::Completed,
            TrialEvent::Failed { reason: "r".into() },
            TrialEvent::Abandoned { reason: None },
            TrialEvent::EarlyStopped { reason: None },
            TrialEvent::Stale,
            TrialEvent::Retried { reason: "r".into() },
        ]
    }

    #[test]
    fn the_documented_table_is_what_apply_does() {
        let header: Vec<_> = events().iter().map(|e| e.name().to_owned()).collect();
        let mut table = vec![
            format!("| from \\ event | {} |", header.join(" | ")),
            format!("|{}", "---|".repeat(header.len() + 1)),
        ];
        for state in states() {
            let cells: Vec<_> = events()
                .iter()
                .map(|event| {
                    state
                        .apply(0, Timestamp::UNIX_EPOCH, event)
                        .map_or("–".to_owned(), |next| next.status().to_string())
                })
                .collect();
            table.push(format!("| {} | {} |", state.status(), cells.join(" | ")));
        }
        let documented: Vec<_> = include_str!("trial.rs")
            .lines()
            .filter_map(|line| line.strip_prefix("//! |").map(|row| format!("|{row}")))
            .collect();
        assert_eq!(documented, table);
    }

    #[test]
    fn a_refused_change_says_from_what_to_what() {
        let error = TrialState::Candidate
            .apply(3, Timestamp::UNIX_EPOCH, &TrialEvent::Completed)
            .expect_err("refused");
        assert_eq!(
            error.to_string(),
            "trial 3 is candidate: it cannot become completed; only a running trial can"
        );
    }

    #[test]
    fn the_final_observation_outranks_progressions() {
        let mut trial = Trial {
            index: 0,
            arm: Arm { name: "0_0".into(), parameters: Parameterization::default() },
            origin: Origin::Attached,
            created_at: Timestamp::UNIX_EPOCH,
            state: TrialState::Candidate,
            observations: vec![
                Observation::new("y", 1.0).at(10.0),
                Observation::new("y", 2.0).at(3.0),
            ],
            attempts: 0,
            late: false,
        };
        assert_eq!(trial.observation("y").map(|o| o.mean), Some(1.0));
        trial.observations.push(Observation::new("y", 5.0));
        trial.observations.push(Observation::new("y", 4.0).at(99.0));
        assert_eq!(trial.observation("y").map(|o| o.mean), Some(5.0));
        assert_eq!(trial.observation("z"), None);
    }
}
