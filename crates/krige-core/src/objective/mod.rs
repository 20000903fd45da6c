//! What an experiment is optimized for: objectives to maximize and constraints on outcomes.

mod config;
mod outcome_constraint;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

pub use config::{OptimizationConfig, OptimizationConfigError};
pub use outcome_constraint::{OutcomeBound, OutcomeConstraint};

use crate::expression::{
    Dialect, ExpressionError, ExpressionErrorKind as Kind, LinearExpression, Symbol, parse_list,
    write_name, write_sum,
};

/// A weighted sum of metrics, to be maximized; a metric to be minimized has a negative weight.
#[derive(Debug, Clone, PartialEq)]
pub struct ScalarObjective {
    weights: IndexMap<String, f64>,
}

impl ScalarObjective {
    /// Reads metrics and weights in order: at least one, each finite and not zero.
    pub fn weights(&self) -> &IndexMap<String, f64> {
        &self.weights
    }

    /// Reads metric and weight of an objective with one metric.
    pub fn single_metric(&self) -> Option<(&str, f64)> {
        single(&self.weights)
    }

    /// Tells whether it is one metric that is minimized, and is best shown with its own sign.
    pub fn is_minimized(&self) -> bool {
        self.single_metric().is_some_and(|(_, weight)| weight < 0.0)
    }

    /// Computes the weighted sum, larger being better; `None` if `mean` knows not all metrics.
    pub fn value(&self, mean: impl Fn(&str) -> Option<f64>) -> Option<f64> {
        weighted_sum(&self.weights, mean)
    }
}

impl fmt::Display for ScalarObjective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_weights(f, &self.weights)
    }
}

/// One or several objectives, all maximized.
///
/// Its stored form is its text.
///
/// ```
/// use krige_core::objective::Objective;
///
/// let objective: Objective = "accuracy - 0.1*variance, -latency".parse()?;
/// assert!(objective.is_multi_objective());
/// assert!(objective.expressions()[1].is_minimized());
/// # Ok::<(), krige_core::expression::ExpressionError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Objective {
    expressions: Vec<ScalarObjective>,
}

impl Objective {
    /// Reads the objectives in order: at least one, no metric in two.
    pub fn expressions(&self) -> &[ScalarObjective] {
        &self.expressions
    }

    /// Tells whether there are several objectives.
    pub fn is_multi_objective(&self) -> bool {
        self.expressions.len() > 1
    }

    /// Iterates over the metrics in order, each once.
    pub fn metrics(&self) -> impl Iterator<Item = &str> {
        let keys = self.expressions.iter().flat_map(|objective| objective.weights.keys());
        keys.map(String::as_str)
    }
}

impl FromStr for Objective {
    type Err = ExpressionError;

    fn from_str(text: &str) -> Result<Self, ExpressionError> {
        let mut expressions: Vec<ScalarObjective> = Vec::new();
        for expression in parse_list(text, Dialect::Metrics)? {
            for (symbol, term) in &expression.terms {
                if let Symbol::Name(name) = symbol
                    && expressions.iter().any(|earlier| earlier.weights.contains_key(name))
                {
                    let kind = Kind::RepeatedMetric { name: name.clone() };
                    return Err(ExpressionError::new(text, term.span.clone(), kind));
                }
            }
            if expression.constant != 0.0 && !expression.terms.is_empty() {
                let kind = Kind::ConstantTerm { value: expression.constant };
                return Err(ExpressionError::new(text, expression.span, kind));
            }
            expressions.push(ScalarObjective { weights: weights(text, expression)? });
        }
        Ok(Self { expressions })
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, objective) in self.expressions.iter().enumerate() {
            let separator = if i == 0 { "" } else { ", " };
            write!(f, "{separator}{objective}")?;
        }
        Ok(())
    }
}

impl TryFrom<String> for Objective {
    type Error = ExpressionError;

    fn try_from(text: String) -> Result<Self, ExpressionError> {
        text.parse()
    }
}

impl From<Objective> for String {
    fn from(objective: Objective) -> Self {
        objective.to_string()
    }
}

/// The weights of an expression over metrics: at least one, none zero.
fn weights(
    text: &str,
    expression: LinearExpression,
) -> Result<IndexMap<String, f64>, ExpressionError> {
    if expression.terms.is_empty() {
        let kind = Kind::ConstantAlone { noun: "a metric", value: expression.constant };
        return Err(ExpressionError::new(text, expression.span, kind));
    }
    let mut weights = IndexMap::new();
    for (symbol, term) in expression.terms {
        let kind = match symbol {
            Symbol::Baseline => Kind::MisplacedBaseline,
            Symbol::Name(name) if term.coefficient == 0.0 => Kind::ZeroCoefficient { name },
            Symbol::Name(name) => {
                weights.insert(name, term.coefficient);
                continue;
            }
        };
        return Err(ExpressionError::new(text, term.span, kind));
    }
    Ok(weights)
}

fn single(weights: &IndexMap<String, f64>) -> Option<(&str, f64)> {
    match weights.first() {
        Some((name, weight)) if weights.len() == 1 => Some((name, *weight)),
        _ => None,
    }
}

fn weighted_sum(
    weights: &IndexMap<String, f64>,
    mean: impl Fn(&str) -> Option<f64>,
) -> Option<f64> {
    let mut sum = 0.0;
    for (name, weight) in weights {
        sum += weight * mean(name)?;
    }
    Some(sum)
}

fn write_weights(f: &mut fmt::Formatter<'_>, weights: &IndexMap<String, f64>) -> fmt::Result {
    write_sum(f, weights.iter().map(|(name, weight)| (Quoted(name), *weight)))
}

/// A metric's name as it stands in an expression.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_name(f, self.0)
    }
}
