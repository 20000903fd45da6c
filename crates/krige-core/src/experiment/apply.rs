//! The one function that changes an experiment, and its inverse.

use jiff::Timestamp;

use super::lookup::{Lookup, Standing};
use super::{Experiment, Note, UnknownTrial};
use crate::control::Controls;
use crate::event::{Event, MetricDefinition};
use crate::generation::GenerationStrategy;
use crate::objective::OptimizationConfig;
use crate::observation::{Observation, ObservationError};
use crate::search_space::MembershipError;
use crate::stopping::{EarlyStopping, GlobalStopping};
use crate::trial::{Arm, IllegalTransition, Origin, Trial, TrialEvent, TrialIndex, TrialState};

/// Why an event does not fit an experiment; the experiment is as it was.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// There are no events.
    #[error("the journal is empty: expected the experiment's creation")]
    Empty,
    /// The first event is not the creation.
    #[error("the journal begins with {kind}: expected experiment_created")]
    NotCreated {
        /// What the first event is.
        kind: String,
    },
    /// The experiment is created a second time.
    #[error("experiment `{name}` is created already")]
    CreatedTwice {
        /// Its name.
        name: String,
    },
    /// A new trial does not have the next number.
    #[error("a new trial has number {found}: expected {expected}")]
    TrialNumber {
        /// The next number.
        expected: TrialIndex,
        /// The number of the event.
        found: TrialIndex,
    },
    /// The arm is not of the search space.
    #[error(transparent)]
    Membership(#[from] MembershipError),
    /// Another arm has the name.
    #[error(
        "an arm named `{name}` exists with other parameters (trial {trial}): choose another name"
    )]
    ArmName {
        /// The name.
        name: String,
        /// The trial that has it.
        trial: TrialIndex,
    },
    /// A second baseline is attached.
    #[error("trial {trial} is the baseline already: a baseline cannot be replaced")]
    BaselineTwice {
        /// The baseline.
        trial: TrialIndex,
    },
    /// No such trial.
    #[error(transparent)]
    UnknownTrial(#[from] UnknownTrial),
    /// The trial's state does not allow it.
    #[error(transparent)]
    Transition(#[from] IllegalTransition),
    /// A run of a trial does not have the next number.
    #[error("trial {trial} is to be run for the time number {found}: expected {expected}")]
    Attempt {
        /// The trial.
        trial: TrialIndex,
        /// The next number.
        expected: u32,
        /// The number of the event.
        found: u32,
    },
    /// A number that no model can use.
    #[error("trial {trial}, {source}")]
    Observation {
        /// The trial.
        trial: TrialIndex,
        /// What is wrong.
        source: ObservationError,
    },
}

/// What takes an applied event back.
///
/// An event whose append failed must leave no trace; this is kept until the append is known to have worked.
#[derive(Debug)]
#[must_use]
pub struct Undo(Inverse);

#[derive(Debug)]
enum Inverse {
    Optimization(Option<OptimizationConfig>, usize),
    Strategy(Option<GenerationStrategy>),
    Runner(Option<serde_json::Value>),
    Metrics(indexmap::IndexMap<String, Option<serde_json::Value>>),
    PopTrial { baseline: Option<TrialIndex> },
    State { trial: TrialIndex, state: TrialState, attempts: u32 },
    Observations(FormerObservations),
    Orchestration(Option<serde_json::Value>),
    Stopping(Option<EarlyStopping>, Option<GlobalStopping>),
    Led(Option<String>, Controls),
    Controls(Controls),
    PopNote,
}

/// What takes the observations of one event back; those of earlier events are not touched.
#[derive(Debug)]
struct FormerObservations {
    trial: TrialIndex,
    /// What was replaced, with its place, in the order in which that was done.
    replaced: Vec<(usize, Observation)>,
    /// How many there were.
    count: usize,
    metrics: usize,
    late: bool,
}

impl Experiment {
    /// The experiment as its first event makes it.
    ///
    /// # Errors
    /// If the event is another than [`Event::ExperimentCreated`].
    pub fn create(event: &Event) -> Result<Self, ApplyError> {
        match event {
            Event::ExperimentCreated { id, name, description, seed, search_space } => Ok(Self {
                id: id.clone(),
                name: name.clone(),
                description: description.clone(),
                seed: *seed,
                search_space: search_space.clone(),
                optimization: None,
                strategy: None,
                runner: None,
                metrics: indexmap::IndexMap::new(),
                baseline: None,
                trials: Vec::new(),
                orchestration: None,
                early_stopping: None,
                global_stopping: None,
                leader: None,
                controls: Controls::default(),
                notes: Vec::new(),
                sequence: 1,
                lookup: Lookup::default(),
            }),
            other => Err(ApplyError::NotCreated { kind: other.kind() }),
        }
    }

    /// Changes the experiment as the event says; every change goes through here.
    ///
    /// # Errors
    /// If the event does not fit; the experiment is as it was then.
    pub fn apply(&mut self, at: Timestamp, event: &Event) -> Result<Undo, ApplyError> {
        let inverse = match event {
            Event::ExperimentCreated { .. } => {
                return Err(ApplyError::CreatedTwice { name: self.name.clone() });
            }
            Event::OptimizationConfigured { optimization } => {
                let known = self.metrics.len();
                for metric in optimization.metrics() {
                    self.metrics.entry(metric.to_owned()).or_insert(None);
                }
                let former = self.optimization.replace(optimization.clone());
                self.look_again();
                Inverse::Optimization(former, known)
            }
            Event::GenerationStrategyConfigured { strategy } => {
                Inverse::Strategy(self.strategy.replace(strategy.clone()))
            }
            Event::RunnerConfigured { runner } => {
                Inverse::Runner(self.runner.replace(runner.clone()))
            }
            Event::MetricsConfigured { metrics } => {
                let former = self.metrics.clone();
                for MetricDefinition { name, fetch } in metrics {
                    self.metrics.insert(name.clone(), fetch.clone());
                }
                Inverse::Metrics(former)
            }
            Event::TrialGenerated { trial, arm, generation } => {
                self.check_new_trial(*trial, arm)?;
                self.push_trial(at, arm, Origin::Generated(generation.clone()))
            }
            Event::TrialAttached { trial, arm, baseline } => {
                if let (true, Some(trial)) = (baseline, self.baseline) {
                    return Err(ApplyError::BaselineTwice { trial });
                }
                self.check_new_trial(*trial, arm)?;
                let inverse = self.push_trial(at, arm, Origin::Attached);
                if *baseline {
                    self.baseline = Some(*trial);
                }
                inverse
            }
            Event::Trial { trial, event } => {
                let state = self.trial(*trial)?.state.apply(*trial, at, event)?;
                let attempts = self.trials[*trial].attempts;
                if let TrialEvent::Launching { run } = event {
                    if run.attempt != attempts + 1 {
                        let (expected, found) = (attempts + 1, run.attempt);
                        return Err(ApplyError::Attempt { trial: *trial, expected, found });
                    }
                    self.trials[*trial].attempts = run.attempt;
                }
                let before = self.standing(&self.trials[*trial]);
                let state = std::mem::replace(&mut self.trials[*trial].state, state);
                self.follow(*trial, before);
                Inverse::State { trial: *trial, state, attempts }
            }
            Event::ObservationsAttached { trial, observations, late } => {
                self.trial(*trial)?;
                for observation in observations {
                    observation
                        .check()
                        .map_err(|source| ApplyError::Observation { trial: *trial, source })?;
                }
                let metrics = self.metrics.len();
                for observation in observations {
                    if !self.metrics.contains_key(&observation.metric) {
                        self.metrics.insert(observation.metric.clone(), None);
                    }
                }
                let before = self.standing(&self.trials[*trial]);
                let changed = &mut self.trials[*trial];
                let (count, was_late) = (changed.observations.len(), changed.late);
                let mut replaced = Vec::new();
                for observation in observations {
                    let held = &mut changed.observations;
                    match held.iter().position(|known| known.same_slot(observation)) {
                        // What came in time stands.
                        Some(_) if *late => {}
                        Some(place) => {
                            let former = std::mem::replace(&mut held[place], observation.clone());
                            replaced.push((place, former));
                        }
                        None => held.push(observation.clone()),
                    }
                }
                changed.late |= late;
                self.follow_observations(*trial, before);
                Inverse::Observations(FormerObservations {
                    trial: *trial,
                    replaced,
                    count,
                    metrics,
                    late: was_late,
                })
            }
            Event::OrchestrationConfigured { options } => {
                Inverse::Orchestration(self.orchestration.replace(options.clone()))
            }
            Event::StoppingConfigured { early, global } => Inverse::Stopping(
                std::mem::replace(&mut self.early_stopping, early.clone()),
                std::mem::replace(&mut self.global_stopping, global.clone()),
            ),
            Event::Led { leader } => {
                let controls = self.controls.clone();
                self.controls.begin_run();
                Inverse::Led(self.leader.replace(leader.clone()), controls)
            }
            Event::Controlled { control } => {
                let former = self.controls.clone();
                self.controls.apply(control);
                Inverse::Controls(former)
            }
            Event::NoteAdded { trial, text } => {
                if let Some(trial) = trial {
                    self.trial(*trial)?;
                }
                self.notes.push(Note { at, trial: *trial, text: text.clone() });
                Inverse::PopNote
            }
        };
        self.sequence += 1;
        Ok(Undo(inverse))
    }

    /// Takes the last applied event back.
    pub fn undo(&mut self, undo: Undo) {
        match undo.0 {
            Inverse::Optimization(former, metrics) => {
                self.optimization = former;
                self.metrics.truncate(metrics);
                self.look_again();
            }
            Inverse::Strategy(former) => self.strategy = former,
            Inverse::Runner(former) => self.runner = former,
            Inverse::Metrics(former) => self.metrics = former,
            Inverse::PopTrial { baseline } => {
                if let Some(trial) = self.trials.pop() {
                    self.lookup.pop(&trial, self.standing(&trial));
                }
                self.baseline = baseline;
            }
            Inverse::State { trial, state, attempts } => {
                let before = self.standing(&self.trials[trial]);
                self.trials[trial].state = state;
                self.trials[trial].attempts = attempts;
                self.follow(trial, before);
            }
            Inverse::Observations(former) => {
                let FormerObservations { trial, replaced, count, metrics, late } = former;
                let before = self.standing(&self.trials[trial]);
                let changed = &mut self.trials[trial];
                for (place, observation) in replaced.into_iter().rev() {
                    changed.observations[place] = observation;
                }
                changed.observations.truncate(count);
                changed.late = late;
                self.metrics.truncate(metrics);
                self.follow_observations(trial, before);
            }
            Inverse::Orchestration(former) => self.orchestration = former,
            Inverse::Stopping(early, global) => {
                self.early_stopping = early;
                self.global_stopping = global;
            }
            Inverse::Led(leader, controls) => {
                self.leader = leader;
                self.controls = controls;
            }
            Inverse::Controls(former) => self.controls = former,
            Inverse::PopNote => {
                self.notes.pop();
            }
        }
        self.sequence -= 1;
    }

    fn check_new_trial(&self, trial: TrialIndex, arm: &Arm) -> Result<(), ApplyError> {
        let expected = self.trials.len();
        if trial != expected {
            return Err(ApplyError::TrialNumber { expected, found: trial });
        }
        self.search_space.validate(&arm.parameters)?;
        match self.trial_of_arm(&arm.name) {
            Some(known) if known.arm.parameters != arm.parameters => {
                Err(ApplyError::ArmName { name: arm.name.clone(), trial: known.index })
            }
            _ => Ok(()),
        }
    }

    /// Has the indices follow a change of a trial that stood so before.
    fn follow(&mut self, trial: TrialIndex, before: Standing) {
        let after = self.standing(&self.trials[trial]);
        self.lookup.change(&self.trials[trial], before, after);
    }

    /// The same for a change of what was observed of it, which may matter to others.
    fn follow_observations(&mut self, trial: TrialIndex, before: Standing) {
        if self.baseline == Some(trial) && self.compares_with_baseline() {
            self.look_again();
        } else {
            self.follow(trial, before);
        }
    }

    fn push_trial(&mut self, at: Timestamp, arm: &Arm, origin: Origin) -> Inverse {
        let trial = Trial {
            index: self.trials.len(),
            arm: arm.clone(),
            origin,
            created_at: at,
            state: TrialState::Candidate,
            observations: Vec::new(),
            attempts: 0,
            late: false,
        };
        self.lookup.push(&trial, self.standing(&trial));
        self.trials.push(trial);
        Inverse::PopTrial { baseline: self.baseline }
    }
}
