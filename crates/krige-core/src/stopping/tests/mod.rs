//! Rules on hand-made curves, against reference values and against a second implementation.

mod early;
mod global;
mod halving;
mod reference;
mod replay;

use super::{EarlyStopping, GlobalStopping, StoppingError};
use crate::event::Event;
use crate::experiment::Experiment;
use crate::lab::Lab;
use crate::observation::Observation;
use crate::search_space::{Parameter, SearchSpace};
use crate::trial::{TrialEvent, TrialIndex};

/// No trial is to be stopped.
const NONE: [TrialIndex; 0] = [];

fn lab(objective: &str) -> Lab {
    let space = SearchSpace::new([Parameter::int("k", 0, 1000)], &[]).unwrap();
    Lab::new(space).optimize(objective, &[])
}

/// Adds values of a metric at progressions.
fn report(lab: &mut Lab, trial: TrialIndex, metric: &str, curve: &[(f64, f64)]) {
    let observations =
        curve.iter().map(|&(p, mean)| Observation::new(metric, mean).at(p)).collect();
    lab.push(Event::ObservationsAttached { trial, observations, late: false });
}

/// A trial that runs and has a curve of `y`.
fn running(lab: &mut Lab, curve: &[(f64, f64)]) -> TrialIndex {
    let trial = lab.attach([("k", lab.experiment.trials.len() as i64)]);
    lab.start(trial);
    report(lab, trial, "y", curve);
    trial
}

/// An experiment of running trials with these curves of `y`.
fn running_all(objective: &str, curves: &[Vec<(f64, f64)>]) -> Lab {
    let mut lab = lab(objective);
    for curve in curves {
        running(&mut lab, curve);
    }
    lab
}

/// The trials that are to be stopped.
fn stopped(rule: &EarlyStopping, experiment: &Experiment) -> Vec<TrialIndex> {
    (0..experiment.trials.len()).filter(|&t| rule.verdict(experiment, t).is_some()).collect()
}

/// The worse half of at least 3 curves, from progression 4 on.
fn worse_half() -> EarlyStopping {
    percentile(50.0, 4.0, 3, 0.0, 0)
}

fn percentile(
    percentile: f64,
    min_progression: f64,
    min_curves: usize,
    patience: f64,
    keep_best: usize,
) -> EarlyStopping {
    EarlyStopping::Percentile {
        metric: None,
        percentile,
        min_progression,
        max_progression: None,
        min_curves,
        patience,
        keep_best,
    }
}

fn threshold(metric: Option<&str>, threshold: f64) -> EarlyStopping {
    EarlyStopping::Threshold { metric: metric.map(Into::into), threshold, min_progression: 4.0 }
}

fn halving(min_progression: f64, factor: f64) -> EarlyStopping {
    EarlyStopping::SuccessiveHalving { metric: None, min_progression, factor }
}

/// Values at progressions 1, 2, 3, …
fn steps(values: &[f64]) -> Vec<(f64, f64)> {
    (1..).map(f64::from).zip(values.iter().copied()).collect()
}
