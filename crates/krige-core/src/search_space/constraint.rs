//! Parameter constraints: linear inequalities between parameters, in natural units.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::error::ConstraintError;
use super::parameter::{Parameter, RangeParameter, Scale};
use crate::expression::{
    Dialect, ExpressionError, ExpressionErrorKind, Relation, Symbol, parse_comparison,
};
use crate::value::{ParameterType, Parameterization};

/// The part of a continuous parameter's range that counts as nothing.
const TOLERANCE: f64 = 1e-8;

/// The part of a parameter's largest magnitude that counts as rounding.
const ROUNDING: f64 = 64.0 * f64::EPSILON;

/// A linear inequality between parameters, `lc + lp <= 4`; parsed from its text, stored as its text.
///
/// `<=` and `>=` are understood, with any arrangement of parameters on both sides. Whether the
/// parameters exist and can be constrained is checked by the search space.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ParameterConstraint {
    text: String,
    terms: Vec<(String, f64)>,
    bound: f64,
}

impl ParameterConstraint {
    /// Reads the text as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Reads parameters and their coefficients, none zero, of the form `sum <= bound`.
    pub fn terms(&self) -> &[(String, f64)] {
        &self.terms
    }

    /// Reads the bound of the form `sum <= bound`.
    pub fn bound(&self) -> f64 {
        self.bound
    }

    /// Computes how far the sum is above the bound; `None` if a parameter has no numeric value.
    pub fn excess(&self, parameterization: &Parameterization) -> Option<f64> {
        let mut sum = 0.0;
        for (name, coefficient) in &self.terms {
            sum += coefficient * parameterization.get(name)?.as_number()?;
        }
        Some(sum - self.bound)
    }

    /// The excess that still counts as none: the roundings of computing the sum and, of continuous
    /// parameters, a small part of what they span.
    pub(super) fn tolerance(&self, parameters: &[Parameter]) -> f64 {
        let term_tolerance = |(name, coefficient): &(String, f64)| {
            let parameter = parameters.iter().find(|parameter| parameter.name() == name);
            let (lower, upper, free) = match parameter {
                Some(Parameter::Range(range)) => {
                    let free = range.spacing() == 0.0;
                    (range.lower, range.upper, if free { range.upper - range.lower } else { 0.0 })
                }
                Some(Parameter::Choice(choice)) => {
                    let numbers = choice.numbers().unwrap_or_default();
                    let end = |number: Option<&f64>| number.copied().unwrap_or_default();
                    (end(numbers.first()), end(numbers.last()), 0.0)
                }
                Some(Parameter::Fixed(_)) | None => (0.0, 0.0, 0.0),
            };
            coefficient.abs() * (TOLERANCE * free + ROUNDING * lower.abs().max(upper.abs()))
        };
        self.terms.iter().map(term_tolerance).sum()
    }

    /// Checks that every parameter exists and can stand in a linear constraint.
    pub(super) fn check(&self, parameters: &[Parameter]) -> Result<(), ConstraintError> {
        for (name, _) in &self.terms {
            let (constraint, name) = (self.text.clone(), name.clone());
            let parameter = parameters.iter().find(|parameter| parameter.name() == name);
            match parameter {
                None => {
                    let known = parameters.iter().map(|p| p.name().to_owned()).collect();
                    return Err(ConstraintError::UnknownParameter { constraint, name, known });
                }
                Some(Parameter::Fixed(fixed)) => {
                    let value = fixed.value.clone();
                    return Err(ConstraintError::FixedParameter { constraint, name, value });
                }
                Some(Parameter::Range(RangeParameter { scale: Scale::Log, .. })) => {
                    return Err(ConstraintError::LogParameter { constraint, name });
                }
                Some(Parameter::Range(_)) => {}
                Some(Parameter::Choice(choice)) => match parameter.map(Parameter::parameter_type) {
                    Some(found @ (ParameterType::Bool | ParameterType::String)) => {
                        return Err(ConstraintError::NotNumeric { constraint, name, found });
                    }
                    _ if !choice.ordered => {
                        return Err(ConstraintError::UnorderedChoice { constraint, name });
                    }
                    _ => {}
                },
            }
        }
        Ok(())
    }
}

impl FromStr for ParameterConstraint {
    type Err = ExpressionError;

    fn from_str(text: &str) -> Result<Self, ExpressionError> {
        let comparison = parse_comparison(text, Dialect::Parameters)?;
        let whole = comparison.left.span.start..comparison.right.span.end;
        let error = |kind| ExpressionError::new(text, whole, kind);
        let mut sum = comparison.left;
        sum.add(&comparison.right, -1.0);
        if comparison.relation == Relation::AtLeast {
            sum.scale(-1.0);
        }
        if !sum.is_finite() {
            return Err(error(ExpressionErrorKind::NumberTooLarge));
        }
        let terms: Vec<(String, f64)> = sum
            .terms
            .into_iter()
            .filter_map(|(symbol, term)| match symbol {
                Symbol::Name(name) => (term.coefficient != 0.0).then_some((name, term.coefficient)),
                Symbol::Baseline => None,
            })
            .collect();
        if terms.is_empty() {
            return Err(error(ExpressionErrorKind::NothingRemains { noun: "a parameter" }));
        }
        // `+ 0.0` turns `-0.0` into `0.0`.
        Ok(Self { text: text.trim().to_owned(), terms, bound: -sum.constant + 0.0 })
    }
}

impl TryFrom<String> for ParameterConstraint {
    type Error = ExpressionError;

    fn try_from(text: String) -> Result<Self, ExpressionError> {
        text.parse()
    }
}

impl From<ParameterConstraint> for String {
    fn from(constraint: ParameterConstraint) -> Self {
        constraint.text
    }
}

impl fmt::Display for ParameterConstraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
