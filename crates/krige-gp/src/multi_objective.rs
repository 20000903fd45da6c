//! The next points for several objectives: those that promise most additional hypervolume.
//!
//! The objectives are modelled independently and without output warps: a warp would change what their trade-offs are
//! worth against each other. The front is known where there is no noise; under noise it is drawn jointly at the points
//! that may belong to it, and so is it at the pending points always.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::acquisition::ehvi::LogEhvi;
use crate::acquisition::{Acquisition, WeightedSum};
use crate::chooser::Chooser;
use crate::domain::Domain;
use crate::model::{FitError, ModelOptions, OutcomeState};
use crate::observations::{distinct, same_point};
use crate::optimize::multistart::{Found, Search};
use crate::outcome_model::{Measurements, OutcomeModel, Role};
use crate::pareto::non_dominated;
use crate::problem::{validate, validate_outcomes};
use crate::regression::GaussianProcess;
use crate::suggest::{
    AcquisitionKind, ConstraintData, Effort, Model, ModelState, Outcomes, Prediction, Problem,
    SuggestError, collect,
};

/// Points of the front that candidates are drawn around.
const INCUMBENTS: usize = 5;

/// Measured points at which an uncertain front is drawn, and how many standard deviations they may be short of it.
const BASELINE: usize = 32;
const PLAUSIBLE: f64 = 2.0;

/// What an objective is modelled as: an outcome without bounds, which no warp is chosen for.
const UNBOUNDED: Role = Role::Constraint { lower: f64::NEG_INFINITY, upper: f64::INFINITY };

/// Measurements of one objective, larger being better.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ObjectiveData {
    /// Where it was measured, shape `[n][d]`.
    pub x: Vec<Vec<f64>>,
    /// What was measured.
    pub outcomes: Outcomes,
    /// The worst value that is still of interest; inferred from the front where it is not given.
    pub threshold: Option<f64>,
}

/// What is stored of the models, to be given back as a warm start.
#[derive(Debug, Clone, PartialEq)]
pub struct MultiModelState {
    /// Of the objectives, in their order.
    pub objectives: Vec<OutcomeState>,
    /// Of the constraints, in their order.
    pub constraints: Vec<OutcomeState>,
}

/// Everything that suggestions for several objectives depend on; fields of the same names mean what they mean in
/// [`Problem`].
#[derive(Debug, Clone, Copy)]
pub struct MultiProblem<'a> {
    /// Where suggestions may lie.
    pub domain: &'a Domain,
    /// At least two. The cost grows steeply with their number; up to four are meant.
    pub objectives: &'a [ObjectiveData],
    /// What else has to hold.
    pub constraints: &'a [ConstraintData],
    /// Points under evaluation, shape `[.][d]`.
    pub pending: &'a [Vec<f64>],
    /// Points whose evaluation failed without a value, the newest last, shape `[.][d]`.
    pub failed: &'a [Vec<f64>],
    /// Coordinates that every suggestion must have: index and value.
    pub fixed: &'a [(usize, f64)],
    /// Points that must never be suggested, shape `[.][d]`.
    pub avoid: &'a [Vec<f64>],
    /// How to model.
    pub options: ModelOptions,
    /// Determines every random choice.
    pub seed: u64,
    /// The models of an earlier call.
    pub warm_start: Option<&'a MultiModelState>,
    /// How hard to look.
    pub effort: Effort,
}

/// A point to evaluate.
#[derive(Debug, Clone, PartialEq)]
pub struct MultiSuggested {
    /// The point, shape `[d]`.
    pub u: Vec<f64>,
    /// The logarithm of the acquisition value.
    pub log_acquisition: f64,
    /// What is expected of each objective, in natural units; empty before the first measurement.
    pub objectives: Vec<Prediction>,
    /// Why this point.
    pub kind: AcquisitionKind,
}

/// The answer of [`suggest_multi`].
#[derive(Debug, Clone, PartialEq)]
pub struct MultiSuggestions {
    /// The points, in the order in which they were chosen.
    pub points: Vec<MultiSuggested>,
    /// The models behind them, or `None` while an objective was not measured.
    pub model: Option<MultiModelState>,
}

/// Returns the `q` points that are best to evaluate next; each is chosen with the ones before it pending.
///
/// # Errors
/// As [`suggest`](crate::suggest::suggest); also if there are fewer than two objectives.
pub fn suggest_multi(
    problem: &MultiProblem<'_>,
    q: usize,
) -> Result<MultiSuggestions, SuggestError> {
    let found = problem.objectives.len();
    if found < 2 {
        return Err(SuggestError::Shape { what: "objectives", expected: 2, found });
    }
    validate(&problem.first())?;
    for objective in problem.objectives {
        let d = problem.domain.len();
        validate_outcomes("measured points of an objective", &objective.x, &objective.outcomes, d)?;
    }
    let measured = problem.objectives.iter().all(|objective| !objective.x.is_empty());
    let models = if measured { Some(Models::fit(problem)?) } else { None };
    let mut choice = Choice::new(problem, models.as_ref());
    let points = collect(&problem.first(), q, || choice.next())?;
    Ok(MultiSuggestions { points, model: models.map(|models| models.state()) })
}

impl<'a> MultiProblem<'a> {
    /// The problem of the first objective alone.
    fn first(&self) -> Problem<'a> {
        let first = &self.objectives[0];
        Problem {
            constraints: self.constraints,
            pending: self.pending,
            failed: self.failed,
            fixed: self.fixed,
            avoid: self.avoid,
            options: self.options,
            seed: self.seed,
            effort: self.effort,
            ..Problem::new(self.domain, &first.x, &first.outcomes)
        }
    }
}

/// Models of all objectives and constraints.
struct Models {
    /// The first objective and the constraints.
    first: Model,
    others: Vec<OutcomeModel>,
}

impl Models {
    fn fit(problem: &MultiProblem<'_>) -> Result<Self, FitError> {
        let warm = problem.warm_start.and_then(|warm| {
            let objective = warm.objectives.first()?.clone();
            Some(ModelState { objective, constraints: warm.constraints.clone() })
        });
        let first =
            Model::fit(&Problem { warm_start: warm.as_ref(), ..problem.first() }, UNBOUNDED)?;
        let categorical = problem.domain.categorical();
        let others = problem.objectives.iter().enumerate().skip(1).map(|(j, objective)| {
            let ObjectiveData { x, outcomes: Outcomes { y, noise_variance }, .. } = objective;
            let warm = problem.warm_start.and_then(|warm| warm.objectives.get(j));
            let measurements = Measurements { x, y, noise_variance };
            OutcomeModel::fit(measurements, &categorical, UNBOUNDED, problem.options, warm)
        });
        Ok(Self { first, others: others.collect::<Result<_, _>>()? })
    }

    fn objectives(&self) -> impl Iterator<Item = &OutcomeModel> {
        std::iter::once(&self.first.objective).chain(&self.others)
    }

    /// Mean and variance of each objective at the rows of `points`, shape `[.][m]`.
    fn moments(&self, points: &[Vec<f64>]) -> Vec<Vec<(f64, f64)>> {
        let mut rows = vec![Vec::new(); points.len()];
        for model in self.objectives() {
            for (row, at) in rows.iter_mut().zip(model.gp.means_and_variances(points)) {
                row.push(at);
            }
        }
        rows
    }

    fn state(&self) -> MultiModelState {
        MultiModelState {
            objectives: self.objectives().map(|model| model.state.clone()).collect(),
            constraints: self.first.state().constraints,
        }
    }
}

/// Chooses points one after the other.
struct Choice<'a> {
    problem: &'a MultiProblem<'a>,
    models: Option<&'a Models>,
    /// Measured points of all objectives, each once.
    measured: Vec<Vec<f64>>,
    /// Pending points, then those chosen here.
    pending: Vec<Vec<f64>>,
    refused: Vec<Vec<f64>>,
    noisy: bool,
    seed: u64,
}

impl<'a> Choice<'a> {
    fn new(problem: &'a MultiProblem<'a>, models: Option<&'a Models>) -> Self {
        let points = problem.objectives.iter().flat_map(|objective| objective.x.iter().cloned());
        let measured = distinct(&points.collect::<Vec<_>>());
        let noisy = models.is_some_and(|models| models.objectives().any(|model| model.noisy));
        let mut refused = problem.avoid.to_vec();
        if !noisy {
            refused.extend_from_slice(&measured);
            refused.extend_from_slice(problem.pending);
            refused.extend_from_slice(problem.failed);
        }
        let pending = distinct(problem.pending);
        Self { problem, models, measured, pending, refused, noisy, seed: problem.seed }
    }

    fn next(&mut self) -> Result<Option<MultiSuggested>, SuggestError> {
        let Some((Found { u, value }, kind)) = self.choose()? else {
            return Ok(None);
        };
        let predict = |model: &OutcomeModel| {
            let (mean, sd) = model.predict(&u);
            Prediction { mean, sd }
        };
        let objectives = self.models.map(|models| models.objectives().map(predict).collect());
        let objectives = objectives.unwrap_or_default();
        if !self.pending.iter().any(|other| same_point(other, &u)) {
            self.pending.push(u.clone());
        }
        if !self.noisy {
            self.refused.push(u.clone());
        }
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        Ok(Some(MultiSuggested { u, log_acquisition: value, objectives, kind }))
    }

    fn choose(&self) -> Result<Option<(Found, AcquisitionKind)>, SuggestError> {
        let Some(models) = self.models else {
            return self.without_front(None);
        };
        let feasible = |u: &&Vec<f64>| models.first.expects_feasible(u);
        let constant = models.objectives().all(|model| model.constant);
        if constant || !self.measured.iter().any(|u| feasible(&u)) {
            return self.without_front(Some(&models.first));
        }
        let measured: Vec<Vec<f64>> = self.measured.iter().filter(feasible).cloned().collect();
        let pending: Vec<Vec<f64>> = self.pending.iter().filter(feasible).cloned().collect();
        let known = [&measured[..], &pending].concat();
        let moments = models.moments(&known);
        let values: Vec<Vec<f64>> =
            moments.iter().map(|at| at.iter().map(|(mean, _)| *mean).collect()).collect();
        let front = non_dominated(&values);
        let reference = self.reference(models, &values, &front);
        let (certain, mut uncertain) = if self.noisy {
            let plausible = plausible(&moments[..measured.len()]);
            (&values[..0], plausible.into_iter().map(|i| measured[i].clone()).collect())
        } else {
            (&values[..measured.len()], Vec::new())
        };
        for u in pending {
            if !uncertain.iter().any(|other| same_point(other, &u)) {
                uncertain.push(u);
            }
        }
        let gps: Vec<&GaussianProcess> = models.objectives().map(|model| &model.gp).collect();
        let improvement = LogEhvi::new(&gps, certain, &uncertain, &reference, self.seed)
            .map_err(|source| FitError::Singular { n: measured.len(), source })?;
        let mut terms = vec![(1.0, Box::new(improvement) as Box<dyn Acquisition + '_>)];
        if !self.problem.constraints.is_empty() {
            terms.push((1.0, Box::new(models.first.log_feasibility())));
        }

        let incumbents =
            self.incumbents(front.iter().map(|&i| (&known[i], values[i][0])).collect());
        let shortest = |k: usize| {
            gps.iter().map(|gp| gp.kernel().lengthscales[k]).fold(f64::INFINITY, f64::min)
        };
        let lengthscales: Vec<f64> = (0..self.problem.domain.len()).map(shortest).collect();
        let search = Search {
            domain: self.problem.domain,
            fixed: self.problem.fixed,
            refused: &self.refused,
            incumbents: &incumbents,
            lengthscales: &lengthscales,
            seed: self.seed,
            effort: self.problem.effort,
        };
        let acquisition = WeightedSum { terms }.times_viability(models.first.viability.as_ref());
        let found = search.maximize(&acquisition);
        Ok(found.map(|found| (found, AcquisitionKind::LogEhvi)))
    }

    /// The point most likely to be feasible, or far from all others: no objective has a say in that.
    fn without_front(
        &self,
        first: Option<&Model>,
    ) -> Result<Option<(Found, AcquisitionKind)>, SuggestError> {
        let problem = Problem {
            pending: &self.pending,
            avoid: &self.refused,
            seed: self.seed,
            ..self.problem.first()
        };
        let suggested = Chooser::new(&problem, first).next()?;
        Ok(suggested.map(|point| (Found { u: point.u, value: point.log_acquisition }, point.kind)))
    }

    /// The thresholds that are given; for the others a value below the worst of the front by a tenth of the range of all
    /// values. In the models' units.
    ///
    /// Ax takes a tenth of the front's own range. A front that happens to be short, or a single point, would stay so:
    /// what lies to its sides is worse than the reference, and nothing is expected of it.
    fn reference(&self, models: &Models, values: &[Vec<f64>], front: &[usize]) -> Vec<f64> {
        let inferred = |j: usize| {
            let lowest = |low: f64, y: &Vec<f64>| low.min(y[j]);
            let highest = values.iter().map(|y| y[j]).fold(f64::NEG_INFINITY, f64::max);
            let range = highest - values.iter().fold(f64::INFINITY, lowest);
            let nadir = front.iter().map(|&i| &values[i]).fold(f64::INFINITY, lowest);
            // A standard deviation, where all are equal.
            nadir - 0.1 * if range > 0.0 { range } else { 1.0 }
        };
        let given = self.problem.objectives.iter().zip(models.objectives());
        given
            .enumerate()
            .map(|(j, (data, model))| match data.threshold {
                Some(threshold) => model.transform.forward(threshold),
                None => inferred(j),
            })
            .collect()
    }

    /// Points spread over the front, other ones each time, moved into the domain.
    fn incumbents(&self, mut front: Vec<(&Vec<f64>, f64)>) -> Vec<Vec<f64>> {
        front.sort_by(|a, b| a.1.total_cmp(&b.1));
        let count = front.len().min(INCUMBENTS);
        let turn = self.measured.len() + self.pending.len();
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(3);
        (0..count)
            .map(|i| front[(i * front.len() / count + turn) % front.len()].0)
            .filter_map(|u| self.problem.domain.repair(u, self.problem.fixed, &mut rng))
            .collect()
    }
}

/// Returns which of the points with these means and variances, shape `[.][m]`, may belong to the front: those that no
/// mean dominates, or would not if all their objectives were better by up to [`PLAUSIBLE`] standard deviations; those
/// that need least come first, and there are at most [`BASELINE`].
fn plausible(moments: &[Vec<(f64, f64)>]) -> Vec<usize> {
    let means: Vec<Vec<f64>> =
        moments.iter().map(|at| at.iter().map(|(mean, _)| *mean).collect()).collect();
    let front = non_dominated(&means);
    let missing = |i: usize| {
        let to_reach = |k: &usize| {
            let pairs = moments[i].iter().zip(&means[*k]);
            let one = pairs.map(|((mean, variance), other)| (other - mean) / variance.sqrt());
            one.fold(f64::INFINITY, f64::min)
        };
        front.iter().filter(|k| **k != i).map(to_reach).fold(f64::NEG_INFINITY, f64::max)
    };
    let mut order: Vec<(f64, usize)> = (0..moments.len()).map(|i| (missing(i), i)).collect();
    order.retain(|(missing, _)| *missing <= PLAUSIBLE);
    order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    order.into_iter().take(BASELINE).map(|(_, i)| i).collect()
}

#[cfg(test)]
#[path = "multi_objective_tests.rs"]
mod tests;
