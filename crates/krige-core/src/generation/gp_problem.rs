//! What a Gaussian process is asked: one objective as it is, up to four by hypervolume, more by random weights.

use krige_gp::domain::Domain;
use krige_gp::model::ModelOptions;
use krige_gp::multi_objective::{MultiProblem, MultiSuggested, ObjectiveData, suggest_multi};
use krige_gp::suggest::{
    AcquisitionKind, ConstraintData, Effort, Problem, SuggestError, Suggested, suggest,
};

use super::chebyshev::scalarize;
use super::data::{Series, bound, constraints, failed, pending, series, taken};
use super::generator::{GeneratorError, Request, derive_seed};
use super::gp::Gp;
use super::gp_state::{StoredModel, modelled_outcomes, newest_model, separate_outcomes};
use crate::experiment::Experiment;
use crate::objective::{OptimizationConfig, ScalarObjective};
use crate::trial::Prediction;

/// The cells that a front of more objectives leaves open are too many.
const HYPERVOLUME: usize = 4;

/// The values of the objective, or of each.
enum Objectives {
    One(Series),
    Several(Vec<ObjectiveData>),
}

/// A question that can be put again, for fewer points.
pub(super) struct GpProblem<'a> {
    optimization: &'a OptimizationConfig,
    domain: Domain,
    objectives: Objectives,
    constraints: Vec<ConstraintData>,
    pending: Vec<Vec<f64>>,
    failed: Vec<Vec<f64>>,
    fixed: Vec<(usize, f64)>,
    avoid: Vec<Vec<f64>>,
    options: ModelOptions,
    seed: u64,
    remaining: Option<usize>,
    effort: Effort,
    /// What is modelled, and the newest model of that.
    outcomes: Vec<String>,
    warm: Option<StoredModel>,
}

/// A point of the cube that was chosen.
pub(super) struct Chosen {
    pub(super) u: Vec<f64>,
    pub(super) method: &'static str,
    pub(super) prediction: Option<Prediction>,
}

impl<'a> GpProblem<'a> {
    /// The question that follows from an experiment; `None` while an objective has no data.
    pub(super) fn new(gp: &Gp, request: &Request<'a>) -> Result<Option<Self>, GeneratorError> {
        let experiment = request.experiment;
        let optimization =
            experiment.optimization.as_ref().ok_or(GeneratorError::NoOptimization)?;
        let fixed = experiment.search_space.fixed(request.fixed)?;
        let seed = derive_seed(experiment.seed, request.node, experiment.trials.len() as u64);
        let several = 2..=HYPERVOLUME;
        let (objectives, outcomes) = match optimization.objective().expressions() {
            [only] => (
                Objectives::One(series(experiment, only.weights())),
                modelled_outcomes(optimization),
            ),
            few if several.contains(&few.len()) => {
                let data = few.iter().enumerate();
                let data = data.map(|(j, one)| objective(experiment, optimization, j, one));
                (
                    Objectives::Several(data.collect::<Result<_, _>>()?),
                    separate_outcomes(optimization),
                )
            }
            many => {
                let one = scalarize(experiment, many, seed);
                (Objectives::One(one), modelled_outcomes(optimization))
            }
        };
        let is_empty = match &objectives {
            Objectives::One(series) => series.x.is_empty(),
            Objectives::Several(data) => data.iter().any(|objective| objective.x.is_empty()),
        };
        if is_empty {
            return Ok(None);
        }
        Ok(Some(Self {
            optimization,
            domain: experiment.search_space.domain(),
            objectives,
            constraints: constraints(experiment)?,
            pending: pending(experiment, &optimization.metrics()),
            failed: failed(experiment),
            fixed,
            avoid: taken(experiment),
            options: ModelOptions { noise: gp.noise.into(), ..ModelOptions::default() },
            seed,
            remaining: gp.remaining(experiment),
            effort: gp.effort.into(),
            warm: newest_model(experiment, request.node, &outcomes),
            outcomes,
        }))
    }

    /// The best points to try next, and the models behind them.
    pub(super) fn suggest(
        &self,
        count: usize,
    ) -> Result<(Vec<Chosen>, Option<StoredModel>), SuggestError> {
        match &self.objectives {
            Objectives::One(series) => self.suggest_for_one(series, count),
            Objectives::Several(objectives) => self.suggest_for_several(objectives, count),
        }
    }

    fn suggest_for_one(
        &self,
        Series { x, outcomes }: &Series,
        count: usize,
    ) -> Result<(Vec<Chosen>, Option<StoredModel>), SuggestError> {
        let warm = self.warm.as_ref().map(StoredModel::to_engine);
        let problem = Problem {
            domain: &self.domain,
            x,
            objective: outcomes,
            constraints: &self.constraints,
            pending: &self.pending,
            failed: &self.failed,
            fixed: &self.fixed,
            avoid: &self.avoid,
            options: self.options,
            seed: self.seed,
            warm_start: warm.as_ref(),
            remaining: self.remaining,
            effort: self.effort,
        };
        let suggestions = suggest(&problem, count)?;
        let chosen = suggestions.points.into_iter().map(|point| {
            let prediction = self.prediction(&point);
            Chosen { u: point.u, method: method(point.kind), prediction }
        });
        let model = suggestions.model.as_ref();
        let model = model.map(|model| StoredModel::from_engine(self.outcomes.clone(), model));
        Ok((chosen.collect(), model))
    }

    fn suggest_for_several(
        &self,
        objectives: &[ObjectiveData],
        count: usize,
    ) -> Result<(Vec<Chosen>, Option<StoredModel>), SuggestError> {
        let warm = self.warm.as_ref().map(StoredModel::to_multi);
        let problem = MultiProblem {
            domain: &self.domain,
            objectives,
            constraints: &self.constraints,
            pending: &self.pending,
            failed: &self.failed,
            fixed: &self.fixed,
            avoid: &self.avoid,
            options: self.options,
            seed: self.seed,
            warm_start: warm.as_ref(),
            effort: self.effort,
        };
        let suggestions = suggest_multi(&problem, count)?;
        // The record has room for the prediction of one objective.
        let chosen = suggestions.points.into_iter().map(|MultiSuggested { u, kind, .. }| Chosen {
            u,
            method: method(kind),
            prediction: None,
        });
        let model = suggestions.model.as_ref();
        let model = model.and_then(|model| StoredModel::from_multi(self.outcomes.clone(), model));
        Ok((chosen.collect(), model))
    }

    /// What the model expects, in the units in which the objective is shown.
    fn prediction(&self, point: &Suggested) -> Option<Prediction> {
        let [only] = self.optimization.objective().expressions() else { return None };
        let weight = only.single_metric().map_or(1.0, |(_, weight)| weight);
        let (mean, sem) = (point.mean / weight, point.sd / weight.abs());
        (mean.is_finite() && sem.is_finite()).then_some(Prediction { mean, sem })
    }
}

/// The values of one of several objectives, and its threshold where it has one; larger is better.
fn objective(
    experiment: &Experiment,
    optimization: &OptimizationConfig,
    index: usize,
    objective: &ScalarObjective,
) -> Result<ObjectiveData, GeneratorError> {
    let Series { x, outcomes } = series(experiment, objective.weights());
    let threshold = match (optimization.objective_threshold(index), objective.single_metric()) {
        (Some(constraint), Some((_, weight))) => Some(weight * bound(experiment, constraint)?),
        _ => None,
    };
    Ok(ObjectiveData { x, outcomes, threshold })
}

const fn method(kind: AcquisitionKind) -> &'static str {
    match kind {
        AcquisitionKind::LogEi => "log_ei",
        AcquisitionKind::LogNei => "log_nei",
        AcquisitionKind::LogEhvi => "log_ehvi",
        AcquisitionKind::Feasibility => "feasibility",
        AcquisitionKind::GreedyPolish => "greedy_polish",
        AcquisitionKind::SpaceFilling => "space_filling",
    }
}
