//! The problem that suggestions solve, and what can be wrong with it.

use thiserror::Error;

use crate::domain::{Domain, TOLERANCE};
use crate::model::{FitError, ModelOptions, OutcomeState};

/// Measurements of one outcome.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outcomes {
    /// Values; of an objective larger is better. Shape `[n]`.
    pub y: Vec<f64>,
    /// Variances of the values where known, shape `[n]`.
    pub noise_variance: Vec<Option<f64>>,
}

/// An outcome that has to lie between bounds, in natural units.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ConstraintData {
    /// Where it was measured, shape `[n][d]`; need not be where the objective was.
    pub x: Vec<Vec<f64>>,
    /// What was measured.
    pub outcomes: Outcomes,
    /// Smallest feasible value.
    pub lower: Option<f64>,
    /// Largest feasible value.
    pub upper: Option<f64>,
}

/// What is stored of the models, to be given back as a warm start.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelState {
    /// Of the objective.
    pub objective: OutcomeState,
    /// Of the constraints, in their order.
    pub constraints: Vec<OutcomeState>,
}

/// How hard points are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Effort {
    /// Enough that more rarely finds a better point; the points of a batch are chosen one after the other.
    #[default]
    Fast,
    /// Four times the candidates and three times the local searches; the points of a batch are chosen again, each
    /// given the others, until they improve most together.
    Quality,
}

/// Everything that suggestions depend on: the same problem gives the same bits.
#[derive(Debug, Clone, Copy)]
pub struct Problem<'a> {
    /// Where suggestions may lie.
    pub domain: &'a Domain,
    /// Where the objective was measured, shape `[n][d]`.
    pub x: &'a [Vec<f64>],
    /// What was measured there.
    pub objective: &'a Outcomes,
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
    /// The models of an earlier call. Part of the problem: another warm start may give other bits.
    pub warm_start: Option<&'a ModelState>,
    /// How many more points will be asked for, this call's included, where that is known: the last ones
    /// are spent on the digits of the best point.
    pub remaining: Option<usize>,
    /// How hard to look.
    pub effort: Effort,
}

impl<'a> Problem<'a> {
    /// Poses the problem without constraints, pending points or anything else optional, with seed 0.
    pub fn new(domain: &'a Domain, x: &'a [Vec<f64>], objective: &'a Outcomes) -> Self {
        Self {
            domain,
            x,
            objective,
            constraints: &[],
            pending: &[],
            failed: &[],
            fixed: &[],
            avoid: &[],
            options: ModelOptions::default(),
            seed: 0,
            warm_start: None,
            remaining: None,
            effort: Effort::Fast,
        }
    }
}

/// Points could not be suggested, or a model not be fitted.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum SuggestError {
    /// Two arrays that belong together have different lengths.
    #[error("expected {expected} {what} to match the rest, found {found}")]
    Shape {
        /// Which array.
        what: &'static str,
        /// The length it should have.
        expected: usize,
        /// The length it has.
        found: usize,
    },
    /// A number is NaN or infinite.
    #[error(
        "expected finite {what}, found {value} at index {index}; leave failed measurements out"
    )]
    NonFinite {
        /// Which array.
        what: &'static str,
        /// Where in it.
        index: usize,
        /// What is there.
        value: f64,
    },
    /// A dimension has no level to choose from.
    #[error("expected at least one level in dimension {dimension}, found none")]
    NoLevels {
        /// The dimension.
        dimension: usize,
    },
    /// A fixed coordinate does not exist.
    #[error("expected a fixed coordinate below {d}, found {index}")]
    NoSuchCoordinate {
        /// The index given.
        index: usize,
        /// The number of coordinates.
        d: usize,
    },
    /// A fixed coordinate has a value that is not allowed.
    #[error("expected coordinate {index} fixed inside of the cube and on a level, found {value}")]
    FixedOutside {
        /// The coordinate.
        index: usize,
        /// The value given.
        value: f64,
    },
    /// No point of the domain satisfies its constraints.
    #[error("no point of the domain satisfies its linear constraints and fixed values")]
    Infeasible,
    /// Every point of the domain is taken.
    #[error(
        "every point of the domain has been suggested; {found} of {wanted} new ones were found"
    )]
    Exhausted {
        /// How many points were asked for.
        wanted: usize,
        /// How many could be found.
        found: usize,
    },
    /// A model could not be fitted.
    #[error("no model could be fitted")]
    Fit(#[from] FitError),
}

/// Checks shapes and numbers.
pub(crate) fn validate(problem: &Problem<'_>) -> Result<(), SuggestError> {
    let d = problem.domain.len();
    for (dimension, coordinate) in problem.domain.dimensions.iter().enumerate() {
        if coordinate.levels().is_some_and(<[f64]>::is_empty) {
            return Err(SuggestError::NoLevels { dimension });
        }
        check_finite("levels", coordinate.levels().unwrap_or_default().iter().copied())?;
    }
    for constraint in &problem.domain.constraints {
        check_length("coefficients of a linear constraint", d, constraint.coefficients.len())?;
        check_finite("linear constraints", constraint.coefficients.iter().copied())?;
        check_finite("bounds of linear constraints", [constraint.bound])?;
    }
    validate_outcomes("measured points", problem.x, problem.objective, d)?;
    for (index, ConstraintData { x, outcomes, lower, upper }) in
        problem.constraints.iter().enumerate()
    {
        validate_outcomes("measured points of a constraint", x, outcomes, d)?;
        if let Some(value) = [*lower, *upper].into_iter().flatten().find(|bound| bound.is_nan()) {
            return Err(SuggestError::NonFinite { what: "bounds of constraints", index, value });
        }
    }
    check_rows("pending points", problem.pending, d)?;
    check_rows("failed points", problem.failed, d)?;
    check_rows("points to avoid", problem.avoid, d)?;
    if let Some(&(index, _)) = problem.fixed.iter().find(|(index, _)| *index >= d) {
        return Err(SuggestError::NoSuchCoordinate { index, d });
    }
    check_finite("fixed values", problem.fixed.iter().map(|(_, value)| *value))?;
    let allowed = |index: usize, value: f64| {
        (problem.domain.dimensions[index].nearest(value) - value).abs() <= TOLERANCE
    };
    match problem.fixed.iter().find(|(index, value)| !allowed(*index, *value)) {
        None => Ok(()),
        Some(&(index, value)) => Err(SuggestError::FixedOutside { index, value }),
    }
}

/// Checks measurements in `d` dimensions; `what` names their points.
pub(crate) fn validate_outcomes(
    what: &'static str,
    x: &[Vec<f64>],
    outcomes: &Outcomes,
    d: usize,
) -> Result<(), SuggestError> {
    check_rows(what, x, d)?;
    check_outcomes(outcomes, x.len())
}

fn check_length(what: &'static str, expected: usize, found: usize) -> Result<(), SuggestError> {
    if expected == found { Ok(()) } else { Err(SuggestError::Shape { what, expected, found }) }
}

fn check_finite(
    what: &'static str,
    values: impl IntoIterator<Item = f64>,
) -> Result<(), SuggestError> {
    match values.into_iter().enumerate().find(|(_, value)| !value.is_finite()) {
        None => Ok(()),
        Some((index, value)) => Err(SuggestError::NonFinite { what, index, value }),
    }
}

fn check_rows(what: &'static str, rows: &[Vec<f64>], d: usize) -> Result<(), SuggestError> {
    for (index, row) in rows.iter().enumerate() {
        check_length(what, d, row.len())?;
        if let Some(value) = row.iter().find(|value| !value.is_finite()) {
            return Err(SuggestError::NonFinite { what, index, value: *value });
        }
    }
    Ok(())
}

fn check_outcomes(outcomes: &Outcomes, n: usize) -> Result<(), SuggestError> {
    check_length("outcome values", n, outcomes.y.len())?;
    check_length("noise variances", n, outcomes.noise_variance.len())?;
    check_finite("outcome values", outcomes.y.iter().copied())?;
    check_finite("noise variances", outcomes.noise_variance.iter().map(|v| v.unwrap_or(0.0)))
}
