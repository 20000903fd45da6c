//! What holds of every journal, whatever happened to the processes that wrote it.

use std::collections::{HashMap, HashSet};

use krige_core::Timestamp;
use krige_core::event::{Event, Record};
use krige_core::experiment::{ApplyError, Experiment};
use krige_core::trial::{TrialEvent, TrialIndex};

/// Something that no journal of one experiment contains.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// The records are not numbered 1, 2, 3, …
    #[error("record {found} stands where {expected} was expected")]
    Gap {
        /// The number of that place.
        expected: u64,
        /// The record's.
        found: u64,
    },
    /// A record is older than the one before it.
    #[error("record {sequence}: it is of {at}, and the one before it of {before}")]
    Time {
        /// The record.
        sequence: u64,
        /// Its time.
        at: Timestamp,
        /// The time of the one before it.
        before: Timestamp,
    },
    /// A trial runs of which no launch was decided.
    #[error("record {sequence}: trial {trial} runs, and no launch of it is open")]
    NotLaunched {
        /// The record.
        sequence: u64,
        /// The trial.
        trial: TrialIndex,
    },
    /// A trial is launched while a run of it may be under way.
    #[error("record {sequence}: trial {trial} is launched while a run of it is open")]
    LaunchedWhileOpen {
        /// The record.
        sequence: u64,
        /// The trial.
        trial: TrialIndex,
    },
    /// A run is launched a second time.
    #[error("record {sequence}: run {key} is launched a second time")]
    LaunchedTwice {
        /// The record.
        sequence: u64,
        /// The run's key.
        key: String,
    },
    /// The runs of a trial are not numbered 1, 2, 3, …
    #[error("record {sequence}: run {found} of trial {trial} follows, expected was {expected}")]
    Attempt {
        /// The record.
        sequence: u64,
        /// The trial.
        trial: TrialIndex,
        /// The next run's number.
        expected: u32,
        /// The record's.
        found: u32,
    },
    /// The state of a trial changes that has ended.
    #[error("record {sequence}: trial {trial} has ended, and is {event} now")]
    Ended {
        /// The record.
        sequence: u64,
        /// The trial.
        trial: TrialIndex,
        /// The change.
        event: &'static str,
    },
    /// A number was observed that no model can use.
    #[error("record {sequence}: {source}")]
    NotFinite {
        /// The record.
        sequence: u64,
        /// What is wrong.
        source: krige_core::observation::ObservationError,
    },
    /// Data came late to a trial that had not ended.
    #[error("record {sequence}: late data for trial {trial}, which has not ended")]
    NotLate {
        /// The record.
        sequence: u64,
        /// The trial.
        trial: TrialIndex,
    },
    /// The records do not make an experiment.
    #[error("no replay: {0}")]
    Replay(ApplyError),
}

/// What is followed of one trial.
#[derive(Debug, Default)]
struct Life {
    attempts: u32,
    launched: bool,
    running: bool,
    ended: bool,
}

/// Checks all records of one experiment: numbers without gaps, times that do not fall, every run launched before it
/// runs and once only, ended trials that stay ended, finite observations, late data after the end only, and a replay
/// that succeeds.
///
/// It follows the trials by itself, so it also finds what [`Experiment::apply`] would wrongly let pass.
///
/// # Errors
/// Everything that was found, in the order of the records.
pub fn check_invariants(records: &[Record]) -> Result<(), Vec<Violation>> {
    let mut found = Vec::new();
    let mut lives: HashMap<TrialIndex, Life> = HashMap::new();
    let mut keys = HashSet::new();
    let mut before: Option<Timestamp> = None;
    for (expected, record) in (1..).zip(records) {
        let (sequence, at) = (record.sequence, record.at);
        if sequence != expected {
            found.push(Violation::Gap { expected, found: sequence });
        }
        if let Some(before) = before.filter(|before| *before > at) {
            found.push(Violation::Time { sequence, at, before });
        }
        before = Some(at);
        match &record.event {
            Event::Trial { trial, event } => {
                if let TrialEvent::Launching { run } = event
                    && !keys.insert(&run.key)
                {
                    found.push(Violation::LaunchedTwice { sequence, key: run.key.clone() });
                }
                let life = lives.entry(*trial).or_default();
                life.follow(sequence, *trial, event, &mut found);
            }
            Event::ObservationsAttached { trial, observations, late } => {
                let wrong = observations.iter().filter_map(|o| o.check().err());
                found.extend(wrong.map(|source| Violation::NotFinite { sequence, source }));
                if *late && !lives.get(trial).is_some_and(|life| life.ended) {
                    found.push(Violation::NotLate { sequence, trial: *trial });
                }
            }
            Event::ExperimentCreated { .. }
            | Event::OptimizationConfigured { .. }
            | Event::GenerationStrategyConfigured { .. }
            | Event::RunnerConfigured { .. }
            | Event::MetricsConfigured { .. }
            | Event::TrialGenerated { .. }
            | Event::TrialAttached { .. }
            | Event::OrchestrationConfigured { .. }
            | Event::StoppingConfigured { .. }
            | Event::Led { .. }
            | Event::Controlled { .. }
            | Event::NoteAdded { .. } => {}
        }
    }
    if let Err(error) = Experiment::replay(records) {
        found.push(Violation::Replay(error));
    }
    if found.is_empty() { Ok(()) } else { Err(found) }
}

impl Life {
    fn follow(
        &mut self,
        sequence: u64,
        trial: TrialIndex,
        event: &TrialEvent,
        found: &mut Vec<Violation>,
    ) {
        if self.ended {
            found.push(Violation::Ended { sequence, trial, event: event.name() });
        }
        match event {
            TrialEvent::Launching { run } => {
                if self.launched || self.running {
                    found.push(Violation::LaunchedWhileOpen { sequence, trial });
                }
                let expected = self.attempts + 1;
                if run.attempt != expected {
                    found.push(Violation::Attempt {
                        sequence,
                        trial,
                        expected,
                        found: run.attempt,
                    });
                }
                self.attempts = run.attempt;
                self.launched = true;
            }
            TrialEvent::Running { .. } => {
                if !self.launched {
                    found.push(Violation::NotLaunched { sequence, trial });
                }
                (self.launched, self.running) = (false, true);
            }
            TrialEvent::Retried { .. } => (self.launched, self.running) = (false, false),
            TrialEvent::Completed
            | TrialEvent::Failed { .. }
            | TrialEvent::Abandoned { .. }
            | TrialEvent::EarlyStopped { .. }
            | TrialEvent::Stale => self.ended = true,
        }
    }
}

#[cfg(test)]
mod tests;
