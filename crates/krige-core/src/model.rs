//! What the experiment's data say about points that were not tried, and about those that were.

use indexmap::IndexMap;
use krige_gp::model::ModelOptions;
use krige_gp::special::normal_cdf;
use krige_gp::suggest::{Model as Engine, Problem, SuggestError, fit_model};

use crate::experiment::Experiment;
use crate::expression::Relation;
use crate::generation::{Series, series};
use crate::objective::OutcomeConstraint;
use crate::search_space::{MembershipError, SearchSpace};
use crate::trial::{Prediction, Trial};
use crate::value::Parameterization;

/// A Gaussian process for each metric.
#[derive(Debug, Clone)]
pub struct Model {
    search_space: SearchSpace,
    metrics: IndexMap<String, (Engine, f64)>,
}

/// Why there is no model.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// No metric has data.
    #[error("no trial has data yet: complete some trials first")]
    NoData,
    /// A model cannot be fitted.
    #[error("no model of metric `{metric}` can be fitted")]
    Engine {
        /// The metric.
        metric: String,
        /// Why.
        source: SuggestError,
    },
    /// The point is not of the search space.
    #[error(transparent)]
    Membership(#[from] MembershipError),
}

impl Model {
    /// Fits a model of each of the metrics that has data.
    ///
    /// # Errors
    /// If none has, or a model cannot be fitted.
    pub fn fit(experiment: &Experiment, metrics: &[&str]) -> Result<Self, ModelError> {
        let domain = experiment.search_space.domain();
        let noise = experiment.strategy.as_ref().map(|strategy| strategy.noise());
        let noise = noise.unwrap_or_default().into();
        let options = ModelOptions { noise, ..ModelOptions::default() };
        let mut models = IndexMap::new();
        for &metric in metrics {
            // An objective is modelled as the engine models it when it proposes: larger is better.
            let sign = sign(experiment, metric);
            let weights = IndexMap::from([(metric.to_owned(), sign)]);
            let Series { x, outcomes } = series(experiment, &weights);
            if x.is_empty() {
                continue;
            }
            let problem = Problem { options, ..Problem::new(&domain, &x, &outcomes) };
            let engine = fit_model(&problem)
                .map_err(|source| ModelError::Engine { metric: metric.to_owned(), source })?;
            models.insert(metric.to_owned(), (engine, sign));
        }
        if models.is_empty() {
            return Err(ModelError::NoData);
        }
        Ok(Self { search_space: experiment.search_space.clone(), metrics: models })
    }

    /// What is expected at a point: mean and standard deviation of the noise-free value of each metric.
    ///
    /// # Errors
    /// If the point is not of the search space.
    pub fn predict(
        &self,
        parameters: &Parameterization,
    ) -> Result<IndexMap<String, Prediction>, ModelError> {
        let u = vec![self.search_space.encode(parameters)?];
        let predict = |(metric, (engine, sign)): (&String, &(Engine, f64))| {
            let predicted = engine.predict(&u).first().copied()?;
            let prediction = Prediction { mean: sign * predicted.mean, sem: predicted.sd };
            Some((metric.clone(), prediction))
        };
        Ok(self.metrics.iter().filter_map(predict).collect())
    }

    /// The probability that a trial keeps every outcome constraint.
    ///
    /// Where a constraint's metrics are measured without noise, what was observed of the trial decides, as
    /// [`Experiment::is_feasible`] has it: 0 or 1. Under noise a measurement may have been lucky, and it is what the model
    /// expects, with its uncertainty. A trial without the data has probability 0.
    ///
    /// # Errors
    /// If the trial's arm is not of the search space.
    pub fn probability_feasible(
        &self,
        experiment: &Experiment,
        trial: &Trial,
    ) -> Result<f64, ModelError> {
        let Some(optimization) = &experiment.optimization else { return Ok(0.0) };
        let predicted = self.predict(&trial.arm.parameters)?;
        let baseline = experiment.baseline_trial();
        let baseline = baseline.map(|trial| self.predict(&trial.arm.parameters)).transpose()?;
        let probability = |constraint: &OutcomeConstraint| {
            let weights = constraint.weights();
            let is_noisy =
                |metric: &String| self.metrics.get(metric).is_some_and(|m| m.0.is_noisy());
            if !weights.keys().any(is_noisy) {
                return f64::from(u8::from(experiment.keeps(trial, constraint)));
            }
            let of = |metric: &str| predicted.get(metric).map(|p| p.mean);
            let bound = constraint.bound_value(|metric| Some(baseline.as_ref()?.get(metric)?.mean));
            let (Some(bound), Some(value)) = (bound, constraint.value(of)) else { return 0.0 };
            let variance = |(metric, weight): (&String, &f64)| {
                Some((weight * predicted.get(metric)?.sem).powi(2))
            };
            let sd = weights.iter().filter_map(variance).sum::<f64>().sqrt();
            let margin = match constraint.relation() {
                Relation::AtMost => bound - value,
                Relation::AtLeast => value - bound,
            };
            normal_cdf(margin / sd.max(f64::MIN_POSITIVE))
        };
        let constraints = optimization.feasibility_constraints();
        Ok(constraints.map(probability).product())
    }
}

/// -1 for a metric that is minimized, else 1.
fn sign(experiment: &Experiment, metric: &str) -> f64 {
    let objectives = experiment.optimization.as_ref().map(|o| o.objective().expressions());
    let weight = objectives.and_then(|objectives| {
        objectives.iter().find_map(|objective| objective.weights().get(metric))
    });
    weight.map_or(1.0, |weight| weight.signum())
}

#[cfg(test)]
mod tests;
