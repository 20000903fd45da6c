//! Whether a parameter is well formed, and its canonical form.

use std::cmp::Ordering;

use super::error::SearchSpaceError;
use super::grid::Grid;
use super::parameter::{
    ChoiceParameter, LEVEL_LIMIT, Parameter, RangeKind, RangeParameter, Scale, rounded_bounds,
};
use crate::value::ParameterValue;

/// The largest magnitude of an integer bound: each integer up to it is a distinct float.
const INT_LIMIT: f64 = 9_007_199_254_740_991.0;

impl Parameter {
    /// Checks the definition and puts it into its canonical form: numbers and bools of a choice
    /// sorted, two values ordered, one value fixed.
    pub(super) fn checked(self) -> Result<Self, SearchSpaceError> {
        if self.name().is_empty() {
            return Err(SearchSpaceError::EmptyName);
        }
        match self {
            Self::Range(range) => range.check().map(|()| Self::Range(range)),
            Self::Choice(choice) => choice.checked(),
            Self::Fixed(fixed) => match check_finite(&fixed.name, &fixed.value) {
                Ok(()) => Ok(Self::Fixed(fixed)),
                Err(error) => Err(error),
            },
        }
    }
}

impl RangeParameter {
    fn check(&self) -> Result<(), SearchSpaceError> {
        let &Self { ref name, kind, lower, upper, scale, step, digits } = self;
        let name = || name.clone();
        for bound in [lower, upper] {
            if !bound.is_finite() {
                return Err(SearchSpaceError::NonFiniteBound { name: name(), bound });
            }
            if kind == RangeKind::Int && bound.fract() != 0.0 {
                return Err(SearchSpaceError::FractionalBound { name: name(), bound });
            }
            if kind == RangeKind::Int && bound.abs() > INT_LIMIT {
                return Err(SearchSpaceError::IntBoundTooLarge { name: name(), bound });
            }
        }
        if upper <= lower {
            return Err(SearchSpaceError::EmptyRange { name: name(), lower, upper });
        }
        if !(upper - lower).is_finite() {
            return Err(SearchSpaceError::RangeTooWide { name: name(), lower, upper });
        }
        if scale == Scale::Log && lower <= 0.0 {
            return Err(SearchSpaceError::LogOfNonPositive { name: name(), lower });
        }
        if let Some(step) = step {
            self.check_step(step)?;
        }
        match digits {
            Some(digits) if kind == RangeKind::Int || step.is_some() => {
                Err(SearchSpaceError::UselessDigits { name: name(), digits })
            }
            Some(digits) => {
                let (first, last) = rounded_bounds(lower, upper, digits);
                match first < last {
                    true => Ok(()),
                    false => {
                        Err(SearchSpaceError::TooFewDigits { name: name(), digits, lower, upper })
                    }
                }
            }
            None => Ok(()),
        }
    }

    fn check_step(&self, step: f64) -> Result<(), SearchSpaceError> {
        let &Self { ref name, kind, lower, upper, scale, .. } = self;
        let name = name.clone();
        if scale == Scale::Log {
            return Err(SearchSpaceError::StepOnLogScale { name });
        }
        if !(step > 0.0 && step.is_finite()) {
            return Err(SearchSpaceError::NonPositiveStep { name, step });
        }
        if kind == RangeKind::Int && step.fract() != 0.0 {
            return Err(SearchSpaceError::FractionalStep { name, step });
        }
        let steps = (upper - lower) / step;
        if steps > INT_LIMIT {
            return Err(SearchSpaceError::StepTooSmall { name, step });
        }
        // A quotient of decimal fractions misses a whole number by roundings only.
        let rounding = 4.0 * f64::EPSILON * (steps + lower.abs().max(upper.abs()) / step);
        let slack = 1e-6 + rounding;
        if steps < 1.0 - slack {
            return Err(SearchSpaceError::StepTooLarge { name, width: upper - lower, step });
        }
        if (steps - steps.round()).abs() > slack {
            let last = Grid { lower, upper, step, count: steps.floor() + 2.0 }.value(steps.floor());
            return Err(SearchSpaceError::UnevenStep { name, lower, upper, step, last });
        }
        Ok(())
    }
}

impl ChoiceParameter {
    fn checked(mut self) -> Result<Parameter, SearchSpaceError> {
        let name = || self.name.clone();
        let Some(first) = self.values.first() else {
            return Err(SearchSpaceError::NoChoices { name: name() });
        };
        if self.values.len() > LEVEL_LIMIT {
            let (found, limit) = (self.values.len(), LEVEL_LIMIT);
            return Err(SearchSpaceError::TooManyChoices { name: name(), found, limit });
        }
        let expected = first.parameter_type();
        for (i, value) in self.values.iter().enumerate() {
            let found = value.parameter_type();
            if found != expected {
                let value = value.clone();
                return Err(SearchSpaceError::MixedChoices {
                    name: name(),
                    expected,
                    found,
                    value,
                });
            }
            check_finite(&self.name, value)?;
            if self.values[..i].contains(value) {
                let value = value.clone();
                return Err(SearchSpaceError::DuplicateChoice { name: name(), value });
            }
        }
        self.values.sort_by(|a, b| match (a, b) {
            (ParameterValue::Float(a), ParameterValue::Float(b)) => a.total_cmp(b),
            (ParameterValue::Int(a), ParameterValue::Int(b)) => a.cmp(b),
            (ParameterValue::Bool(a), ParameterValue::Bool(b)) => a.cmp(b),
            // Strings keep the order in which they were given.
            _ => Ordering::Equal,
        });
        self.ordered |= self.values.len() == 2;
        if let [value] = self.values.as_slice() {
            return Ok(Parameter::fixed(self.name, value.clone()));
        }
        if let (true, Some(levels)) = (self.ordered, self.numeric_levels())
            && let Some(i) = levels
                .windows(2)
                .position(|pair| pair[0].partial_cmp(&pair[1]) != Some(Ordering::Less))
        {
            let [first, second] = [self.values[i].clone(), self.values[i + 1].clone()];
            return Err(SearchSpaceError::ChoicesTooClose { name: self.name, first, second });
        }
        Ok(Parameter::Choice(self))
    }
}

fn check_finite(name: &str, value: &ParameterValue) -> Result<(), SearchSpaceError> {
    match value {
        ParameterValue::Float(x) if !x.is_finite() => {
            let (name, value) = (name.to_owned(), value.clone());
            Err(SearchSpaceError::NonFiniteValue { name, value })
        }
        _ => Ok(()),
    }
}
