//! Outcome constraints: linear inequalities between metrics and a bound.

use std::fmt;
use std::str::FromStr;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::{single, weighted_sum, weights, write_weights};
use crate::expression::{
    Dialect, ExpressionError, ExpressionErrorKind as Kind, LinearExpression, Relation, Symbol,
    parse_comparison, write_number,
};

/// What the metrics of an outcome constraint are compared with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum OutcomeBound {
    /// A number in the unit of the metrics.
    Absolute(f64),
    /// The same weighted sum at the baseline arm, times a positive number.
    RelativeToBaseline {
        /// What the sum at the baseline arm is multiplied by.
        multiplier: f64,
    },
}

/// A weighted sum of metrics and the bound that it must keep.
///
/// A single metric has the weight 1: `-2*a >= -6` reads as `a <= 3`. The stored form is the text.
///
/// ```
/// use krige_core::objective::OutcomeConstraint;
///
/// let constraint: OutcomeConstraint = "0.9 * baseline >= latency".parse()?;
/// assert_eq!(constraint.to_string(), "latency <= 0.9*baseline");
/// # Ok::<(), krige_core::expression::ExpressionError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OutcomeConstraint {
    weights: IndexMap<String, f64>,
    relation: Relation,
    bound: OutcomeBound,
}

impl OutcomeConstraint {
    /// Reads metrics and weights in order: at least one, each finite and not zero.
    pub fn weights(&self) -> &IndexMap<String, f64> {
        &self.weights
    }

    /// Reads on which side of the bound the sum must be.
    pub fn relation(&self) -> Relation {
        self.relation
    }

    /// Reads the bound.
    pub fn bound(&self) -> OutcomeBound {
        self.bound
    }

    /// Iterates over the metrics in order.
    pub fn metrics(&self) -> impl Iterator<Item = &str> {
        self.weights.keys().map(String::as_str)
    }

    /// Reads the metric of a constraint with one metric.
    pub fn single_metric(&self) -> Option<&str> {
        single(&self.weights).map(|(name, _)| name)
    }

    /// Computes the weighted sum; `None` if `mean` knows not all metrics.
    pub fn value(&self, mean: impl Fn(&str) -> Option<f64>) -> Option<f64> {
        weighted_sum(&self.weights, mean)
    }

    /// Computes the bound as a number; `None` if it is relative and `baseline_mean`, the means at
    /// the baseline arm, knows not all metrics.
    pub fn bound_value(&self, baseline_mean: impl Fn(&str) -> Option<f64>) -> Option<f64> {
        match self.bound {
            OutcomeBound::Absolute(bound) => Some(bound),
            OutcomeBound::RelativeToBaseline { multiplier } => {
                Some(multiplier * self.value(baseline_mean)?)
            }
        }
    }

    fn normalized(
        mut weights: IndexMap<String, f64>,
        mut relation: Relation,
        mut bound: OutcomeBound,
    ) -> Self {
        if let [weight] = *weights.values().copied().collect::<Vec<f64>>() {
            if weight < 0.0 {
                relation = relation.flipped();
            }
            if let OutcomeBound::Absolute(bound) = &mut bound {
                // `+ 0.0` turns `-0.0` into `0.0`.
                *bound = *bound / weight + 0.0;
            }
            weights.values_mut().for_each(|weight| *weight = 1.0);
        }
        Self { weights, relation, bound }
    }
}

impl FromStr for OutcomeConstraint {
    type Err = ExpressionError;

    fn from_str(text: &str) -> Result<Self, ExpressionError> {
        let comparison = parse_comparison(text, Dialect::MetricsAndBaseline)?;
        let (mut left, mut relation, mut right) =
            (comparison.left, comparison.relation, comparison.right);
        let names = |side: &LinearExpression| {
            side.terms.keys().any(|symbol| matches!(symbol, Symbol::Name(_)))
        };
        if !names(&left) {
            (left, relation, right) = (right, relation.flipped(), left);
        }
        let whole = left.span.start.min(right.span.start)..left.span.end.max(right.span.end);
        let error = |span, kind| Err(ExpressionError::new(text, span, kind));
        if let Some(baseline) = left.terms.get(&Symbol::Baseline) {
            return error(baseline.span.clone(), Kind::MisplacedBaseline);
        }
        if let Some(baseline) = right.terms.get(&Symbol::Baseline) {
            let multiplier = baseline.coefficient;
            if right.terms.len() > 1 || right.constant != 0.0 {
                return error(baseline.span.clone(), Kind::MisplacedBaseline);
            }
            if !names(&left) || left.constant != 0.0 {
                return error(left.span, Kind::BaselineComparedWithConstant);
            }
            if multiplier <= 0.0 {
                return error(right.span, Kind::BaselineMultiplier { multiplier });
            }
            let bound = OutcomeBound::RelativeToBaseline { multiplier };
            return Ok(Self::normalized(weights(text, left)?, relation, bound));
        }
        if !names(&left) {
            let kind = Kind::ConstantAlone { noun: "a metric", value: left.constant };
            return error(left.span, kind);
        }
        left.add(&right, -1.0);
        left.span = whole.clone();
        let bound = -left.constant + 0.0;
        let constraint =
            Self::normalized(weights(text, left)?, relation, OutcomeBound::Absolute(bound));
        let finite = match constraint.bound {
            OutcomeBound::Absolute(bound) => bound.is_finite(),
            OutcomeBound::RelativeToBaseline { .. } => true,
        };
        match finite && constraint.weights.values().all(|weight| weight.is_finite()) {
            true => Ok(constraint),
            false => error(whole, Kind::NumberTooLarge),
        }
    }
}

impl fmt::Display for OutcomeConstraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_weights(f, &self.weights)?;
        write!(f, " {} ", self.relation)?;
        match self.bound {
            OutcomeBound::Absolute(bound) => write_number(f, bound),
            OutcomeBound::RelativeToBaseline { multiplier } => {
                if multiplier != 1.0 {
                    write_number(f, multiplier)?;
                    f.write_str("*")?;
                }
                f.write_str("baseline")
            }
        }
    }
}

impl TryFrom<String> for OutcomeConstraint {
    type Error = ExpressionError;

    fn try_from(text: String) -> Result<Self, ExpressionError> {
        text.parse()
    }
}

impl From<OutcomeConstraint> for String {
    fn from(constraint: OutcomeConstraint) -> Self {
        constraint.to_string()
    }
}
