//! Whether a value belongs to a parameter.

use super::error::MembershipError;
use super::grid::Grid;
use super::parameter::{
    ChoiceParameter, Parameter, RangeKind, RangeParameter, Scale, round_to_digits, rounded_bounds,
};
use crate::value::{ParameterType, ParameterValue};

/// How far outside of a bound, or off a step, a number may be: a part of the range or of the step.
const TOLERANCE: f64 = 1.5e-7;

impl Parameter {
    /// Puts a value into the parameter's type and exactly into its bounds or onto its grid.
    ///
    /// # Errors
    /// The value is not one of the parameter's, up to rounding.
    pub(super) fn cast(&self, value: &ParameterValue) -> Result<ParameterValue, MembershipError> {
        let expected = self.parameter_type();
        let typed = match (expected, value) {
            (ParameterType::Float, ParameterValue::Int(k)) => ParameterValue::Float(*k as f64),
            (ParameterType::Int, ParameterValue::Float(x)) if is_exact_int(*x) => {
                ParameterValue::Int(*x as i64)
            }
            _ => value.clone(),
        };
        if typed.parameter_type() != expected {
            return Err(MembershipError::WrongType {
                name: self.name().to_owned(),
                expected,
                found: value.parameter_type(),
                value: value.clone(),
            });
        }
        if let ParameterValue::Float(x) = typed
            && !x.is_finite()
        {
            let name = self.name().to_owned();
            return Err(MembershipError::NonFinite { name, value: typed });
        }
        match self {
            Self::Range(range) => range.cast(typed),
            Self::Choice(choice) => choice.cast(typed),
            Self::Fixed(fixed) if agree(&fixed.value, &typed) => Ok(fixed.value.clone()),
            Self::Fixed(fixed) => Err(MembershipError::NotTheFixedValue {
                name: fixed.name.clone(),
                value: typed,
                fixed: fixed.value.clone(),
            }),
        }
    }
}

impl RangeParameter {
    fn cast(&self, value: ParameterValue) -> Result<ParameterValue, MembershipError> {
        let &Self { ref name, kind, lower, upper, scale, step, digits } = self;
        let x = value.as_number().expect("the value has the type of the range");
        // On a log scale a part of the width could reach zero; a part of the bound cannot.
        let (below, above) = match (kind, scale) {
            (RangeKind::Int, _) => (0.0, 0.0),
            (RangeKind::Float, Scale::Linear) => [TOLERANCE * (upper - lower); 2].into(),
            (RangeKind::Float, Scale::Log) => (TOLERANCE * lower, TOLERANCE * upper),
        };
        if x < lower - below {
            let (name, bound) = (name.clone(), self.value(lower));
            return Err(MembershipError::BelowLower { name, value, bound });
        }
        if x > upper + above {
            let (name, bound) = (name.clone(), self.value(upper));
            return Err(MembershipError::AboveUpper { name, value, bound });
        }
        if let (Some(step), Some(grid)) = (step, Grid::of(self)) {
            let nearest = grid.value(grid.nearest(x));
            let rounding = 4.0 * f64::EPSILON * lower.abs().max(upper.abs());
            // Beyond the bounds the wider tolerance of the bounds has been applied.
            if (lower..=upper).contains(&x) && (x - nearest).abs() > TOLERANCE * step + rounding {
                let (name, nearest) = (name.clone(), self.value(nearest));
                return Err(MembershipError::OffGrid { name, value, step, nearest });
            }
            return Ok(self.value(nearest));
        }
        if kind == RangeKind::Int {
            return Ok(value);
        }
        Ok(ParameterValue::Float(match digits {
            Some(digits) => self.round(x, digits),
            None => x.clamp(lower, upper),
        }))
    }

    /// Rounds to the nearest number of so many digits between the bounds.
    pub(super) fn round(&self, x: f64, digits: u32) -> f64 {
        let (first, last) = rounded_bounds(self.lower, self.upper, digits);
        round_to_digits(x, digits).clamp(first, last)
    }
}

impl ChoiceParameter {
    fn cast(&self, value: ParameterValue) -> Result<ParameterValue, MembershipError> {
        match self.index_of(&value) {
            Some(index) => Ok(self.values[index].clone()),
            None => Err(MembershipError::NotAChoice {
                name: self.name.clone(),
                value,
                choices: self.values.clone(),
            }),
        }
    }

    /// The index of a value; of the same value exactly, if there is one.
    pub(super) fn index_of(&self, value: &ParameterValue) -> Option<usize> {
        let exact = self.values.iter().position(|choice| choice == value);
        exact.or_else(|| self.values.iter().position(|choice| agree(choice, value)))
    }
}

/// Whether two values are the same but for the rounding of a computed float.
fn agree(a: &ParameterValue, b: &ParameterValue) -> bool {
    match (a, b) {
        (ParameterValue::Float(a), ParameterValue::Float(b)) => {
            (a - b).abs() <= 4.0 * f64::EPSILON * a.abs()
        }
        _ => a == b,
    }
}

fn is_exact_int(x: f64) -> bool {
    x.fract() == 0.0 && x.abs() <= 2f64.powi(53)
}
