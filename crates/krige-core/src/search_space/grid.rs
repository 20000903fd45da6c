//! Evenly spaced numbers: integers, and ranges with a step.

use super::parameter::{RangeKind, RangeParameter, Scale, round_to_digits};

/// The numbers `lower, lower + step, ..., upper`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Grid {
    pub(super) lower: f64,
    pub(super) upper: f64,
    pub(super) step: f64,
    /// How many numbers there are; whole, and below 2^54.
    pub(super) count: f64,
}

impl Grid {
    /// The grid of a linear range; `None` for a range that is continuous or logarithmic.
    pub(super) fn of(range: &RangeParameter) -> Option<Self> {
        let &RangeParameter { kind, lower, upper, scale, step, .. } = range;
        let step = match (kind, step) {
            (_, Some(step)) => step,
            (RangeKind::Int, None) => 1.0,
            (RangeKind::Float, None) => return None,
        };
        let count = ((upper - lower) / step).round() + 1.0;
        (scale == Scale::Linear).then_some(Self { lower, upper, step, count })
    }

    /// The number at a whole index, clamped to the grid.
    ///
    /// The last one is the upper bound itself. The others are rounded to the digits that lower
    /// bound and step are written with: 0.3, not 0.30000000000000004.
    pub(super) fn value(&self, index: f64) -> f64 {
        if index <= 0.0 {
            return self.lower;
        }
        if index >= self.count - 1.0 {
            return self.upper;
        }
        let x = self.lower + index * self.step;
        match decimals(self.lower).max(decimals(self.step)) {
            digits @ 1..=15 => round_to_digits(x, digits),
            _ => x,
        }
    }

    /// The index of the number nearest to `x`.
    pub(super) fn nearest(&self, x: f64) -> f64 {
        ((x - self.lower) / self.step).round().clamp(0.0, self.count - 1.0)
    }
}

/// How many digits after the decimal point the shortest text of a float has.
fn decimals(x: f64) -> u32 {
    let text = x.to_string();
    text.split_once('.').map_or(0, |(_, fraction)| fraction.len() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search_space::Parameter;

    fn grid(parameter: Parameter) -> Grid {
        match parameter {
            Parameter::Range(range) => Grid::of(&range).unwrap(),
            _ => unreachable!(),
        }
    }

    #[test]
    fn values_are_decimal_fractions_and_never_overshoot() {
        let grid = grid(Parameter::float("x", 8.0, 9.8).step(0.1));
        let values: Vec<f64> = (0..grid.count as i32).map(|i| grid.value(i.into())).collect();
        assert_eq!(values.len(), 19);
        assert_eq!(values[..4], [8.0, 8.1, 8.2, 8.3]);
        assert_eq!(values[18], 9.8);
        assert_eq!(grid.value(19.0), 9.8);
        assert_eq!(grid.value(-1.0), 8.0);
    }

    #[test]
    fn steps_without_a_short_decimal_text_are_kept() {
        let grid = grid(Parameter::float("x", 0.0, 1.0).step(1.0 / 3.0));
        assert_eq!(grid.value(1.0), 1.0 / 3.0);
        assert_eq!(grid.nearest(0.6), 2.0);
    }

    #[test]
    fn integers_step_from_the_lower_bound() {
        let grid = grid(Parameter::int("k", -3, 9).step(4));
        assert_eq!((0..4).map(|i| grid.value(i.into())).collect::<Vec<_>>(), [-3.0, 1.0, 5.0, 9.0]);
        assert_eq!(grid.nearest(100.0), 3.0);
    }
}
