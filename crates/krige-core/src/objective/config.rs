//! Objective and outcome constraints together.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::outcome_constraint::{OutcomeBound, OutcomeConstraint};
use super::{Objective, ScalarObjective};
use crate::expression::{ExpressionError, Relation};

/// What to optimize and which outcomes are acceptable; the parts have been checked to fit.
///
/// With several objectives, a constraint on the metric of one of them in its improving direction
/// is that objective's threshold, the worst value that is still of interest; any other constraint
/// limits feasibility.
///
/// ```
/// use krige_core::objective::OptimizationConfig;
///
/// let config = OptimizationConfig::parse("yield, -cost", &["cost <= 12", "purity >= 0.95"])?;
/// assert_eq!(config.metrics(), ["yield", "cost", "purity"]);
/// assert_eq!(config.objective_threshold(1).map(ToString::to_string).as_deref(), Some("cost <= 12"));
/// # Ok::<(), krige_core::objective::OptimizationConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "OptimizationConfigData", into = "OptimizationConfigData")]
pub struct OptimizationConfig {
    objective: Objective,
    outcome_constraints: Vec<OutcomeConstraint>,
}

/// The stored form, before it is checked.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OptimizationConfigData {
    objective: Objective,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    outcome_constraints: Vec<OutcomeConstraint>,
}

/// The reasons why objective and outcome constraints do not fit together.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum OptimizationConfigError {
    /// A text is not an objective or not an outcome constraint.
    #[error(transparent)]
    Expression(#[from] ExpressionError),
    /// The metric of the only objective is constrained.
    #[error(
        "expected constraints on other metrics than the objective, found `{constraint}` (the \
         objective is improved as far as possible anyway; remove the constraint)"
    )]
    ConstrainedObjective {
        /// The constraint.
        constraint: String,
    },
    /// Two constraints bound the same sum from the same side.
    #[error("expected one bound from each side, found `{first}` and `{second}` (keep one)")]
    DuplicateConstraint {
        /// The first.
        first: String,
        /// The second.
        second: String,
    },
    /// The lower bound of a sum is not below its upper bound.
    #[error("expected a lower bound below the upper bound, found `{lower}` and `{upper}`")]
    InconsistentBounds {
        /// The constraint with the lower bound.
        lower: String,
        /// The constraint with the upper bound.
        upper: String,
    },
}

impl OptimizationConfig {
    /// Puts an objective and constraints together.
    ///
    /// # Errors
    /// The metric of the only objective is constrained; or a sum of metrics is bounded twice from
    /// one side, or from below and above with no room between two absolute bounds.
    pub fn new(
        objective: Objective,
        outcome_constraints: Vec<OutcomeConstraint>,
    ) -> Result<Self, OptimizationConfigError> {
        if let [only] = objective.expressions()
            && let Some((metric, _)) = only.single_metric()
            && let Some(constraint) =
                outcome_constraints.iter().find(|c| c.single_metric() == Some(metric))
        {
            let constraint = constraint.to_string();
            return Err(OptimizationConfigError::ConstrainedObjective { constraint });
        }
        for (i, second) in outcome_constraints.iter().enumerate() {
            for first in &outcome_constraints[..i] {
                check_pair(first, second)?;
            }
        }
        Ok(Self { objective, outcome_constraints })
    }

    /// Parses an objective and constraints.
    ///
    /// # Errors
    /// A text is not understood, or as for [`new`](Self::new).
    pub fn parse(
        objective: &str,
        outcome_constraints: &[&str],
    ) -> Result<Self, OptimizationConfigError> {
        let constraints: Vec<OutcomeConstraint> =
            outcome_constraints.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
        Self::new(objective.parse()?, constraints)
    }

    /// Reads the objective.
    pub fn objective(&self) -> &Objective {
        &self.objective
    }

    /// Reads all outcome constraints in order, objective thresholds among them.
    pub fn outcome_constraints(&self) -> &[OutcomeConstraint] {
        &self.outcome_constraints
    }

    /// Tells whether there are several objectives.
    pub fn is_multi_objective(&self) -> bool {
        self.objective.is_multi_objective()
    }

    /// Lists the metrics of objective and constraints in order, each once.
    pub fn metrics(&self) -> Vec<&str> {
        let mut metrics: Vec<&str> = Vec::new();
        let constrained = self.outcome_constraints.iter().flat_map(OutcomeConstraint::metrics);
        for metric in self.objective.metrics().chain(constrained) {
            if !metrics.contains(&metric) {
                metrics.push(metric);
            }
        }
        metrics
    }

    /// Finds the threshold of the objective with an index; only an objective of one metric, among
    /// several, has one.
    pub fn objective_threshold(&self, index: usize) -> Option<&OutcomeConstraint> {
        let objective = self.objective.expressions().get(index)?;
        self.outcome_constraints.iter().find(|c| self.is_multi_objective() && bounds(c, objective))
    }

    /// Iterates over the constraints that limit feasibility: all but objective thresholds.
    pub fn feasibility_constraints(&self) -> impl Iterator<Item = &OutcomeConstraint> {
        self.outcome_constraints.iter().filter(|constraint| {
            let objectives = self.objective.expressions();
            !(self.is_multi_objective() && objectives.iter().any(|o| bounds(constraint, o)))
        })
    }
}

/// Whether a constraint is on the metric of an objective, in its improving direction.
fn bounds(constraint: &OutcomeConstraint, objective: &ScalarObjective) -> bool {
    match (constraint.single_metric(), objective.single_metric()) {
        (Some(constrained), Some((metric, weight))) => {
            let improving = if weight > 0.0 { Relation::AtLeast } else { Relation::AtMost };
            constrained == metric && constraint.relation() == improving
        }
        _ => false,
    }
}

/// Checks two constraints against each other; only those on the same sum can be in conflict.
fn check_pair(
    first: &OutcomeConstraint,
    second: &OutcomeConstraint,
) -> Result<(), OptimizationConfigError> {
    if first.weights() != second.weights() {
        return Ok(());
    }
    let (lower, upper) = match (first.relation(), second.relation()) {
        (Relation::AtLeast, Relation::AtMost) => (first, second),
        (Relation::AtMost, Relation::AtLeast) => (second, first),
        _ => {
            let (first, second) = (first.to_string(), second.to_string());
            return Err(OptimizationConfigError::DuplicateConstraint { first, second });
        }
    };
    match (lower.bound(), upper.bound()) {
        // Relative bounds change order with the sign of the baseline, which is not known yet.
        (OutcomeBound::Absolute(low), OutcomeBound::Absolute(high)) if low >= high => {
            let (lower, upper) = (lower.to_string(), upper.to_string());
            Err(OptimizationConfigError::InconsistentBounds { lower, upper })
        }
        _ => Ok(()),
    }
}

impl TryFrom<OptimizationConfigData> for OptimizationConfig {
    type Error = OptimizationConfigError;

    fn try_from(data: OptimizationConfigData) -> Result<Self, OptimizationConfigError> {
        Self::new(data.objective, data.outcome_constraints)
    }
}

impl From<OptimizationConfig> for OptimizationConfigData {
    fn from(config: OptimizationConfig) -> Self {
        Self { objective: config.objective, outcome_constraints: config.outcome_constraints }
    }
}
