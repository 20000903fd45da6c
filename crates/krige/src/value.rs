//! How good a trial is, as a person wants to see it.

use krige_core::experiment::Experiment;
use krige_core::objective::ScalarObjective;
use krige_core::trial::Trial;

/// The only objective of an experiment, where it has just one.
pub(crate) fn single_objective(experiment: &Experiment) -> Option<&ScalarObjective> {
    match experiment.optimization.as_ref()?.objective().expressions() {
        [objective] => Some(objective),
        _ => None,
    }
}

/// What the objective is called in lines and tables: its metric, or its expression.
pub(crate) fn label(objective: &ScalarObjective) -> String {
    objective.single_metric().map_or_else(|| objective.to_string(), |(metric, _)| metric.to_owned())
}

/// An objective's value as it is shown: a single metric with its own sign and size.
pub(crate) fn shown(objective: &ScalarObjective, value: f64) -> f64 {
    objective.single_metric().map_or(value, |(_, weight)| value / weight)
}

/// The value of the single objective, larger is better, where the trial has data for it.
pub(crate) fn utility(objective: &ScalarObjective, trial: &Trial) -> Option<f64> {
    objective.value(|metric| trial.observation(metric).map(|observation| observation.mean))
}

/// A trial's value of the single objective, as it is shown.
pub(crate) fn value(experiment: &Experiment, trial: &Trial) -> Option<f64> {
    let objective = single_objective(experiment)?;
    Some(shown(objective, utility(objective, trial)?))
}

/// The best value so far, as it is shown.
pub(crate) fn best_value(experiment: &Experiment) -> Option<f64> {
    value(experiment, &experiment.trials[experiment.best_observed()?])
}
