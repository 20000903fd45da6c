//! What a model learns from: trials as points of the unit cube, metrics as outcomes.

use indexmap::IndexMap;
use krige_gp::suggest::{ConstraintData, Outcomes};

use super::generator::GeneratorError;
use crate::experiment::Experiment;
use crate::expression::Relation;
use crate::objective::OutcomeConstraint;
use crate::trial::{Trial, TrialStatus};

/// A weighted sum of metrics, at every trial that has data for all of them.
pub(crate) struct Series {
    /// The trials' points of the cube, shape `[n][d]`.
    pub(crate) x: Vec<Vec<f64>>,
    /// The sums, with their variances where known.
    pub(crate) outcomes: Outcomes,
}

/// The points and values of a weighted sum of metrics, in the order of the trials whatever order they ended in.
pub(crate) fn series(experiment: &Experiment, weights: &IndexMap<String, f64>) -> Series {
    let mut series = Series { x: Vec::new(), outcomes: Outcomes::default() };
    for trial in experiment.trials.iter().filter(|trial| trial.status().expects_data()) {
        let Some((y, variance)) = weighted(trial, weights) else { continue };
        series.x.push(encode(experiment, trial));
        series.outcomes.y.push(y);
        series.outcomes.noise_variance.push(variance);
    }
    series
}

fn weighted(trial: &Trial, weights: &IndexMap<String, f64>) -> Option<(f64, Option<f64>)> {
    let (mut sum, mut variance) = (0.0, Some(0.0));
    for (metric, weight) in weights {
        let observation = trial.observation(metric)?;
        sum += weight * observation.mean;
        variance =
            variance.zip(observation.sem).map(|(variance, sem)| variance + (weight * sem).powi(2));
    }
    Some((sum, variance))
}

pub(crate) fn encode(experiment: &Experiment, trial: &Trial) -> Vec<f64> {
    experiment
        .search_space
        .encode(&trial.arm.parameters)
        .expect("an arm is checked against the search space before it is added")
}

/// The outcome constraints with their data.
///
/// # Errors
/// If a constraint is relative to a baseline that has no data.
pub(crate) fn constraints(experiment: &Experiment) -> Result<Vec<ConstraintData>, GeneratorError> {
    let Some(optimization) = &experiment.optimization else { return Ok(Vec::new()) };
    optimization.feasibility_constraints().map(|c| constraint(experiment, c)).collect()
}

/// The bound of a constraint as a number.
///
/// # Errors
/// If it is relative to a baseline that has no data.
pub(crate) fn bound(
    experiment: &Experiment,
    constraint: &OutcomeConstraint,
) -> Result<f64, GeneratorError> {
    let baseline = experiment.baseline.map(|index| &experiment.trials[index]);
    constraint
        .bound_value(|metric| Some(baseline?.observation(metric)?.mean))
        .ok_or_else(|| GeneratorError::NoBaseline { constraint: constraint.to_string() })
}

fn constraint(
    experiment: &Experiment,
    constraint: &OutcomeConstraint,
) -> Result<ConstraintData, GeneratorError> {
    let bound = bound(experiment, constraint)?;
    let Series { x, outcomes } = series(experiment, constraint.weights());
    let (lower, upper) = match constraint.relation() {
        Relation::AtMost => (None, Some(bound)),
        Relation::AtLeast => (Some(bound), None),
    };
    Ok(ConstraintData { x, outcomes, lower, upper })
}

/// Points whose outcome is open or will never be known: under way, or abandoned. The model gains nothing by
/// trying them again now, so they count as pending.
pub(crate) fn pending(experiment: &Experiment, metrics: &[&str]) -> Vec<Vec<f64>> {
    experiment
        .trials
        .iter()
        .filter(|trial| match trial.status() {
            TrialStatus::Candidate | TrialStatus::Staged | TrialStatus::Abandoned => true,
            TrialStatus::Running | TrialStatus::Completed | TrialStatus::EarlyStopped => {
                !Experiment::has_data(trial, metrics)
            }
            TrialStatus::Failed | TrialStatus::Stale => false,
        })
        .map(|trial| encode(experiment, trial))
        .collect()
}

/// Points whose trials failed, in the order of the trials: where that happens is learned.
pub(crate) fn failed(experiment: &Experiment) -> Vec<Vec<f64>> {
    let failed = experiment.trials.iter().filter(|trial| trial.status() == TrialStatus::Failed);
    failed.map(|trial| encode(experiment, trial)).collect()
}

/// Points that must not be proposed again: every arm but those that failed or never ran.
pub(crate) fn taken(experiment: &Experiment) -> Vec<Vec<f64>> {
    experiment
        .trials
        .iter()
        .filter(|trial| !matches!(trial.status(), TrialStatus::Failed | TrialStatus::Stale))
        .map(|trial| encode(experiment, trial))
        .collect()
}
