//! What a caller asks for: which points to evaluate next, and what the model predicts.

use crate::acquisition::feasibility::{LogFeasibility, ModelledConstraint};
use crate::acquisition::{Acquisition, Viability};
use crate::chooser::Chooser;
use crate::model::FitError;
use crate::outcome_model::{Measurements, OutcomeModel, Role};
use crate::problem::validate;
pub use crate::problem::{ConstraintData, Effort, ModelState, Outcomes, Problem, SuggestError};

/// Why a point was suggested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AcquisitionKind {
    /// Largest expected improvement over the best point.
    LogEi,
    /// Largest expected improvement over an uncertain best, with noise or pending points.
    LogNei,
    /// Largest expected growth of the hypervolume that the front of several objectives covers.
    LogEhvi,
    /// Most likely to satisfy the constraints, because no point is known to.
    Feasibility,
    /// Largest posterior mean near the best point, to gain its last digits.
    GreedyPolish,
    /// Farthest from all other points, because the objective is constant or was never measured; the
    /// acquisition value is the log of the distance.
    SpaceFilling,
}

/// A point to evaluate.
#[derive(Debug, Clone, PartialEq)]
pub struct Suggested {
    /// The point, shape `[d]`.
    pub u: Vec<f64>,
    /// The logarithm of the acquisition value.
    pub log_acquisition: f64,
    /// Expected objective, in natural units; NaN before the first measurement.
    pub mean: f64,
    /// Standard deviation of the objective without noise, in natural units; NaN before the first measurement.
    pub sd: f64,
    /// Why this point.
    pub kind: AcquisitionKind,
}

/// The answer of [`suggest`].
#[derive(Debug, Clone, PartialEq)]
pub struct Suggestions {
    /// The points, in the order in which they were chosen.
    pub points: Vec<Suggested>,
    /// The models behind them, or `None` before the first measurement.
    pub model: Option<ModelState>,
}

/// What the model expects at a point, in natural units of the objective, without noise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// The median, which is the mean where outputs are not warped.
    pub mean: f64,
    /// Half the distance between the quantiles at one standard deviation.
    pub sd: f64,
}

/// Models of the objective and the constraints.
#[derive(Debug, Clone)]
pub struct Model {
    pub(crate) objective: OutcomeModel,
    pub(crate) constraints: Vec<OutcomeModel>,
    bounds: Vec<(f64, f64)>,
    pub(crate) viability: Option<Viability>,
}

/// Fits the models of a problem; needs at least one measurement of every outcome.
pub fn fit_model(problem: &Problem<'_>) -> Result<Model, SuggestError> {
    validate(problem)?;
    Ok(Model::fit(problem, Role::Objective)?)
}

/// Returns the `q` points that are best to evaluate next.
///
/// Points are chosen one after the other, each treating the ones before it as pending: what counts is what it adds to
/// them. With [`Effort::Quality`] they are then chosen again, each given all others. A point is never
/// one of `avoid`; where the objective is (nearly) free of noise, it is none that was measured, failed or is
/// pending either.
pub fn suggest(problem: &Problem<'_>, q: usize) -> Result<Suggestions, SuggestError> {
    validate(problem)?;
    let model = if problem.objective.y.is_empty() {
        None
    } else {
        Some(Model::fit(problem, Role::Objective)?)
    };
    let mut chooser = Chooser::new(problem, model.as_ref());
    let mut points = collect(problem, q, || chooser.next())?;
    if problem.effort == Effort::Quality {
        chooser.refine(&mut points)?;
    }
    Ok(Suggestions { points, model: model.map(|model| model.state()) })
}

/// Takes `q` points of a chooser, or says why there are fewer.
pub(crate) fn collect<T>(
    problem: &Problem<'_>,
    q: usize,
    mut next: impl FnMut() -> Result<Option<T>, SuggestError>,
) -> Result<Vec<T>, SuggestError> {
    let mut points = Vec::with_capacity(q);
    while points.len() < q {
        match next()? {
            Some(point) => points.push(point),
            None if points.is_empty()
                && problem.domain.sample(1, problem.fixed, problem.seed).is_empty() =>
            {
                return Err(SuggestError::Infeasible);
            }
            None => {
                return Err(SuggestError::Exhausted { wanted: q, found: points.len() });
            }
        }
    }
    Ok(points)
}

impl Model {
    pub(crate) fn fit(problem: &Problem<'_>, role: Role) -> Result<Self, FitError> {
        let categorical = problem.domain.categorical();
        let fit = |x, outcomes: &Outcomes, role, warm| {
            let measurements =
                Measurements { x, y: &outcomes.y, noise_variance: &outcomes.noise_variance };
            OutcomeModel::fit(measurements, &categorical, role, problem.options, warm)
        };
        let warm = problem.warm_start;
        let objective = fit(problem.x, problem.objective, role, warm.map(|w| &w.objective))?;
        let bounds: Vec<(f64, f64)> = problem
            .constraints
            .iter()
            .map(|c| (c.lower.unwrap_or(f64::NEG_INFINITY), c.upper.unwrap_or(f64::INFINITY)))
            .collect();
        let constraints = problem
            .constraints
            .iter()
            .zip(&bounds)
            .enumerate()
            .map(|(i, (constraint, &(lower, upper)))| {
                let warm = warm.and_then(|w| w.constraints.get(i));
                fit(&constraint.x, &constraint.outcomes, Role::Constraint { lower, upper }, warm)
            })
            .collect::<Result<_, _>>()?;
        let viability = Viability::new(problem.x, problem.failed, &categorical)
            .map_err(|source| FitError::Singular { n: problem.x.len(), source })?;
        Ok(Self { objective, constraints, bounds, viability })
    }

    /// Returns what to store, and to give back as a warm start.
    pub fn state(&self) -> ModelState {
        ModelState {
            objective: self.objective.state.clone(),
            constraints: self.constraints.iter().map(|c| c.state.clone()).collect(),
        }
    }

    /// Whether the objective was measured with noise that matters, so that a measurement is not the truth at its point.
    pub fn is_noisy(&self) -> bool {
        self.objective.noisy
    }

    /// Returns the expected objective at each row of `points`, shape `[.][d]`.
    pub fn predict(&self, points: &[Vec<f64>]) -> Vec<Prediction> {
        predictions(&self.objective, points)
    }

    /// Returns the expected outcome of the `constraint`-th constraint at each row of `points`, or `None`
    /// when there is no such constraint.
    pub fn predict_constraint(
        &self,
        constraint: usize,
        points: &[Vec<f64>],
    ) -> Option<Vec<Prediction>> {
        Some(predictions(self.constraints.get(constraint)?, points))
    }

    /// Returns the probability that all constraints hold at each row of `points`, shape `[.][d]`.
    pub fn feasibility(&self, points: &[Vec<f64>]) -> Vec<f64> {
        let feasibility = self.log_feasibility();
        points.iter().map(|u| feasibility.value(u).exp()).collect()
    }

    pub(crate) fn log_feasibility(&self) -> LogFeasibility<'_> {
        let modelled = |(model, (lower, upper)): (&'_ OutcomeModel, &(f64, f64))| {
            (model.transform.forward(*lower), model.transform.forward(*upper))
        };
        let constraints = self
            .constraints
            .iter()
            .zip(&self.bounds)
            .map(|pair| {
                let (lower, upper) = modelled(pair);
                ModelledConstraint { gp: &pair.0.gp, lower, upper }
            })
            .collect();
        LogFeasibility { constraints }
    }

    /// Whether the expected outcomes at `u` satisfy all constraints.
    pub(crate) fn expects_feasible(&self, u: &[f64]) -> bool {
        self.log_feasibility().constraints.iter().all(|c| {
            let mean = c.gp.posterior_mean(u, None);
            // A point on the bound is feasible; rounding must not change that.
            mean >= c.lower - 1e-6 && mean <= c.upper + 1e-6
        })
    }
}

fn predictions(model: &OutcomeModel, points: &[Vec<f64>]) -> Vec<Prediction> {
    points
        .iter()
        .map(|u| {
            let (mean, sd) = model.predict(u);
            Prediction { mean, sd }
        })
        .collect()
}

#[cfg(test)]
#[path = "suggest_tests.rs"]
mod tests;
