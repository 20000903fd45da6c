//! What a rule would have done to the trials of the past: to be looked at before it is used.

use super::curves::{Evidence, Quantity};
use super::early::EarlyStopping;
use super::error::StoppingError;
use crate::Timestamp;
use crate::experiment::Experiment;
use crate::trial::{TrialIndex, TrialStatus};

/// What a rule would have stopped.
#[derive(Debug, Clone, PartialEq)]
pub struct Replay {
    /// The trials that it would have stopped, each with the progression, in the order in which it would have.
    pub stopped: Vec<(TrialIndex, f64)>,
    /// The best completed trial by the single objective, the first of equals; `None` where there is none.
    pub best: Option<TrialIndex>,
}

impl Replay {
    /// Where the best trial would have been stopped: if it is not `None`, the rule did harm.
    pub fn best_stopped_at(&self) -> Option<f64> {
        self.stopped.iter().find(|(trial, _)| Some(*trial) == self.best).map(|(_, at)| *at)
    }
}

impl EarlyStopping {
    /// Tries the rule on what was observed: which trials it would have stopped, and whether the best one is among them.
    ///
    /// The observations come in again in the order of their times, as if each trial's progression had passed evenly from
    /// 0 (or its first progression, if that is below 0) at its launch to its last at its end; a trial that still runs ends
    /// with the latest of all. After each, the rule is asked about its trial, and sees nothing of what comes later, nor
    /// of what a stopped trial did after it was stopped. A completed trial is not asked about at its last progression,
    /// where there was nothing left to stop.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn replay(&self, experiment: &Experiment) -> Result<Replay, StoppingError> {
        self.check(experiment)?;
        let mut evidence = Evidence::new(experiment, self.metrics())?;
        let steps = steps(experiment, &evidence);
        evidence.forget();
        let mut stopped: Vec<(TrialIndex, f64)> = Vec::new();
        for Step { trial, progression, is_end, .. } in steps {
            if stopped.iter().any(|(gone, _)| *gone == trial) {
                continue;
            }
            evidence.know(trial, progression);
            if !is_end && self.judge(&evidence, trial).is_some() {
                stopped.push((trial, progression));
            }
        }
        Ok(Replay { stopped, best: best(experiment) })
    }
}

/// One observation of the past.
struct Step {
    /// In seconds after the first trial was proposed.
    time: f64,
    trial: TrialIndex,
    progression: f64,
    /// Whether the trial was completed with it.
    is_end: bool,
}

/// All observations in the order of their times, as well as that is known.
fn steps(experiment: &Experiment, evidence: &Evidence) -> Vec<Step> {
    let trials = &experiment.trials;
    let Some(first) = trials.iter().map(|trial| trial.created_at).min() else { return Vec::new() };
    let seconds = |at: Timestamp| at.duration_since(first).as_secs_f64();
    let times = trials.iter().flat_map(|trial| {
        [trial.state.launch().map(|launch| launch.since), trial.state.ended_at()]
    });
    let latest = times.flatten().max().map_or(0.0, seconds);
    let mut steps = Vec::new();
    for trial in trials {
        let Some(launch) = trial.state.launch() else { continue };
        let progressions = evidence.progressions(trial.index);
        let (Some(&low), Some(&high)) = (progressions.first(), progressions.last()) else {
            continue;
        };
        let (low, start) = (low.min(0.0), seconds(launch.since));
        let duration = trial.state.ended_at().map_or(latest, seconds) - start;
        for progression in progressions {
            let part = if high > low { (progression - low) / (high - low) } else { 1.0 };
            steps.push(Step {
                time: start + part * duration,
                trial: trial.index,
                progression,
                is_end: progression == high && trial.status() == TrialStatus::Completed,
            });
        }
    }
    steps.sort_by(|a, b| a.time.total_cmp(&b.time));
    steps
}

fn best(experiment: &Experiment) -> Option<TrialIndex> {
    let objective = Quantity::new(experiment, None).ok()?;
    experiment
        .trials_in(&[TrialStatus::Completed])
        .filter_map(|trial| Some((objective.last(trial)?, trial.index)))
        .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)))
        .map(|(_, index)| index)
}
