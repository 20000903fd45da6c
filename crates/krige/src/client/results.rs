//! What is known: the best trial, predictions, the table.

use indexmap::IndexMap;
use krige_core::experiment::Experiment;
use krige_core::model::Model;
use krige_core::objective::OptimizationConfig;
use krige_core::trial::{Prediction, Trial, TrialIndex, TrialStatus};
use krige_core::value::Parameterization;

use super::Client;
use crate::error::Error;
use crate::summary::{Summary, summarize};
use crate::value::{single_objective, utility};

/// A metric's value with its uncertainty.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// Its standard error; `None` is unknown.
    pub sem: Option<f64>,
}

/// The best trial.
#[derive(Debug, Clone, PartialEq)]
pub struct BestParameterization {
    /// What was tried.
    pub parameters: Parameterization,
    /// The value of each metric of the optimization there: predicted or observed.
    pub metrics: IndexMap<String, Estimate>,
    /// Whether the values are the model's predictions.
    pub from_model: bool,
    /// The trial.
    pub trial_index: TrialIndex,
    /// The trial's arm.
    pub arm_name: String,
}

impl Client {
    /// The best of the trials that were run.
    ///
    /// With `use_model_predictions`, the one of which the model expects most, and the model's values for it: under noise the
    /// luckiest measurement is not the best trial. What it expects counts from the worst trial on, times the probability that
    /// the outcome constraints hold. Without, or where there is no usable model, the one with the best observed value.
    ///
    /// # Errors
    /// If there are several objectives, or no trial that could be the best.
    pub fn get_best_parameterization(
        &self,
        use_model_predictions: bool,
    ) -> Result<BestParameterization, Error> {
        let experiment = self.experiment()?;
        let optimization = experiment.optimization.as_ref().ok_or(Error::NoOptimization)?;
        if optimization.is_multi_objective() {
            return Err(Error::ManyObjectives);
        }
        if use_model_predictions
            && let Ok(model) = Model::fit(experiment, &optimization.metrics())
            && let Some(best) = best_by_model(experiment, &model)
        {
            return Ok(best);
        }
        let index = experiment.best_observed().ok_or_else(|| no_best(experiment))?;
        let trial = &experiment.trials[index];
        Ok(best(trial, observed_metrics(trial, optimization), false))
    }

    /// The trials of which no other is at least as good in every objective and better in one.
    ///
    /// With `use_model_predictions`, by what the model expects of them, and the model's values: under noise lucky measurements
    /// hide trials that are as good. Trials that more likely break the outcome constraints than not are left out. Without, or
    /// where there is no usable model, by what was observed.
    ///
    /// # Errors
    /// If there is only one objective, or no trial with data.
    pub fn get_pareto_frontier(
        &self,
        use_model_predictions: bool,
    ) -> Result<Vec<BestParameterization>, Error> {
        let experiment = self.experiment()?;
        let optimization = experiment.optimization.as_ref().ok_or(Error::NoOptimization)?;
        if !optimization.is_multi_objective() {
            return Err(Error::OneObjective);
        }
        if use_model_predictions && let Ok(model) = Model::fit(experiment, &optimization.metrics())
        {
            let frontier = non_dominated(expected(experiment, optimization, &model));
            if !frontier.is_empty() {
                return Ok(frontier);
            }
        }
        let frontier = non_dominated(observed(experiment, optimization));
        if frontier.is_empty() { Err(no_best(experiment)) } else { Ok(frontier) }
    }

    /// What the model expects at some points, for every metric that has data.
    ///
    /// # Errors
    /// If a point is not of the search space, or there is too little data for a model.
    pub fn predict(
        &self,
        points: &[Parameterization],
    ) -> Result<Vec<IndexMap<String, Prediction>>, Error> {
        let experiment = self.experiment()?;
        let points: Vec<Parameterization> = points
            .iter()
            .map(|point| Ok(experiment.search_space.cast(point.clone())?))
            .collect::<Result<_, Error>>()?;
        let metrics: Vec<&str> = experiment.metrics.keys().map(String::as_str).collect();
        let model = Model::fit(experiment, &metrics)?;
        points.iter().map(|point| Ok(model.predict(point)?)).collect()
    }

    /// The table of all trials.
    ///
    /// # Errors
    /// Before `configure_experiment`.
    pub fn summarize(&self) -> Result<Summary, Error> {
        Ok(summarize(self.experiment()?))
    }
}

/// No trial has data, or none of those that have is feasible.
fn no_best(experiment: &Experiment) -> Error {
    let metrics = experiment.optimization.as_ref().map(|o| o.metrics()).unwrap_or_default();
    let mut completed = experiment.trials_in(&[TrialStatus::Completed]);
    Error::NoBest { infeasible: completed.any(|trial| Experiment::has_data(trial, &metrics)) }
}

fn best(
    trial: &Trial,
    metrics: IndexMap<String, Estimate>,
    from_model: bool,
) -> BestParameterization {
    BestParameterization {
        parameters: trial.arm.parameters.clone(),
        metrics,
        from_model,
        trial_index: trial.index,
        arm_name: trial.arm.name.clone(),
    }
}

/// A trial with the value of each objective, larger being better.
type Candidate = (Vec<f64>, BestParameterization);

/// The feasible trials with all data, by what was observed.
fn observed(experiment: &Experiment, optimization: &OptimizationConfig) -> Vec<Candidate> {
    let objectives = optimization.objective().expressions();
    let feasible = experiment
        .trials_in(&[TrialStatus::Completed])
        .filter(|trial| experiment.is_feasible(trial));
    feasible
        .filter_map(|trial| {
            let utilities = objectives.iter().map(|objective| utility(objective, trial));
            let metrics = observed_metrics(trial, optimization);
            Some((utilities.collect::<Option<_>>()?, best(trial, metrics, false)))
        })
        .collect()
}

/// The trials with all data that are likely to be feasible, by what is expected of them.
fn expected(
    experiment: &Experiment,
    optimization: &OptimizationConfig,
    model: &Model,
) -> Vec<Candidate> {
    let objectives = optimization.objective().expressions();
    let metrics = optimization.metrics();
    let measured = experiment
        .trials_in(&[TrialStatus::Completed])
        .filter(|trial| Experiment::has_data(trial, &metrics));
    measured
        .filter_map(|trial| {
            let predicted = model.predict(&trial.arm.parameters).ok()?;
            let of = |metric: &str| predicted.get(metric).map(|p| p.mean);
            let utilities: Vec<f64> =
                objectives.iter().map(|objective| objective.value(of)).collect::<Option<_>>()?;
            let likely = model.probability_feasible(experiment, trial).ok()?;
            (likely >= 0.5).then(|| (utilities, best(trial, estimates(predicted), true)))
        })
        .collect()
}

/// Those of which no other is at least as good in everything and better in something.
fn non_dominated(candidates: Vec<Candidate>) -> Vec<BestParameterization> {
    let dominates = |a: &[f64], b: &[f64]| {
        a.iter().zip(b).all(|(a, b)| a >= b) && a.iter().zip(b).any(|(a, b)| a > b)
    };
    let is_best =
        |(value, _): &&Candidate| !candidates.iter().any(|(other, _)| dominates(other, value));
    candidates.iter().filter(is_best).map(|(_, candidate)| candidate.clone()).collect()
}

fn observed_metrics(
    trial: &Trial,
    optimization: &OptimizationConfig,
) -> IndexMap<String, Estimate> {
    let metrics = optimization.metrics().into_iter().filter_map(|metric| {
        let observation = trial.observation(metric)?;
        Some((metric.to_owned(), Estimate { mean: observation.mean, sem: observation.sem }))
    });
    metrics.collect()
}

fn estimates(predicted: IndexMap<String, Prediction>) -> IndexMap<String, Estimate> {
    let estimate = |p: Prediction| Estimate { mean: p.mean, sem: Some(p.sem) };
    predicted.into_iter().map(|(metric, p)| (metric, estimate(p))).collect()
}

/// A trial that is less likely to be feasible than this is not recommended.
const LIKELY_ENOUGH: f64 = 0.05;

/// The completed trial whose predicted objective is the furthest above the worst one, times the probability that it is
/// feasible, as Ax has it (its `best_point_method` is `max_utility`).
fn best_by_model(experiment: &Experiment, model: &Model) -> Option<BestParameterization> {
    let objective = single_objective(experiment)?;
    let metrics = experiment.optimization.as_ref()?.metrics();
    let candidates: Vec<_> = experiment
        .trials_in(&[TrialStatus::Completed])
        .filter(|trial| Experiment::has_data(trial, &metrics))
        .filter_map(|trial| {
            let predicted = model.predict(&trial.arm.parameters).ok()?;
            let utility = objective.value(|metric| predicted.get(metric).map(|p| p.mean))?;
            let likely = model.probability_feasible(experiment, trial).ok()?;
            Some((utility, likely, trial, predicted))
        })
        .collect();
    let worst = candidates.iter().map(|c| c.0).fold(f64::INFINITY, f64::min);
    candidates
        .into_iter()
        .filter(|(_, likely, ..)| *likely >= LIKELY_ENOUGH)
        .max_by(|a, b| {
            let worth = |(utility, likely, ..): &(f64, f64, _, _)| (utility - worst) * likely;
            // Beside a worst trial that is far below, the last digits of the best ones are lost.
            let by_utility = || a.0.total_cmp(&b.0).then(b.2.index.cmp(&a.2.index));
            worth(a).total_cmp(&worth(b)).then_with(by_utility)
        })
        .map(|(_, _, trial, predicted)| best(trial, estimates(predicted), true))
}
