//! Bringing a rounded point back into the parameter constraints.

use super::SearchSpace;
use super::constraint::ParameterConstraint;
use super::grid::Grid;
use super::parameter::{Parameter, RangeKind, RangeParameter};
use crate::value::{ParameterValue, Parameterization};

/// After how many moves a point is given up.
const MOVE_LIMIT: usize = 100;

impl Parameter {
    /// The value of a numeric parameter that is nearest to a number.
    pub(super) fn nearest(&self, x: f64) -> ParameterValue {
        match self {
            Self::Range(range) => match (Grid::of(range), range.digits) {
                (Some(grid), _) => range.value(grid.value(grid.nearest(x))),
                (None, Some(digits)) => ParameterValue::Float(range.round(x, digits)),
                (None, None) => range.value(x.clamp(range.lower, range.upper)),
            },
            Self::Choice(choice) => {
                let distance = |value: &ParameterValue| {
                    value.as_number().map_or(f64::INFINITY, |number| (number - x).abs())
                };
                let nearest =
                    choice.values.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
                nearest.expect("a checked choice has values").clone()
            }
            Self::Fixed(fixed) => fixed.value.clone(),
        }
    }

    /// The value that lies beyond a number in the direction of `sign` and is nearest to it, or
    /// else the last one in that direction.
    fn beyond(&self, x: f64, sign: f64) -> ParameterValue {
        let reached = |value: &ParameterValue| {
            value.as_number().is_some_and(|number| (number - x) * sign >= 0.0)
        };
        match self {
            Self::Range(range) => {
                let nearest = self.nearest(x);
                match reached(&nearest) {
                    true => nearest,
                    false => self.nearest(x + sign * range.spacing()),
                }
            }
            Self::Choice(choice) if sign > 0.0 => {
                let found = choice.values.iter().find(|value| reached(value));
                found.or(choice.values.last()).expect("a checked choice has values").clone()
            }
            Self::Choice(choice) => {
                let found = choice.values.iter().rfind(|value| reached(value));
                found.or(choice.values.first()).expect("a checked choice has values").clone()
            }
            Self::Fixed(fixed) => fixed.value.clone(),
        }
    }
}

impl RangeParameter {
    /// The distance between neighbouring values; 0 for a continuous range.
    pub(super) fn spacing(&self) -> f64 {
        match (self.step, self.digits, self.kind) {
            (Some(step), _, _) => step,
            (None, Some(digits), _) => 10f64.powi(-(digits as i32)),
            (None, None, RangeKind::Int) => 1.0,
            (None, None, RangeKind::Float) => 0.0,
        }
    }
}

impl SearchSpace {
    /// By how much a constraint is violated, beyond rounding and as a part of its tolerance.
    fn violation(&self, constraint: &ParameterConstraint, point: &Parameterization) -> f64 {
        let tolerance = constraint.tolerance(self.parameters());
        constraint.excess(point).map_or(f64::INFINITY, |excess| (excess / tolerance - 1.0).max(0.0))
    }

    /// Moves values of movable parameters until the constraints hold, each time the one value that
    /// helps most; gives the point back as it is if they hold, and as far as it got if no move
    /// helps.
    pub(super) fn repair(
        &self,
        mut point: Parameterization,
        movable: impl Fn(&str) -> bool,
    ) -> Parameterization {
        let total = |point: &Parameterization| -> f64 {
            self.constraints().iter().map(|constraint| self.violation(constraint, point)).sum()
        };
        let mut current = total(&point);
        for _ in 0..MOVE_LIMIT {
            if current == 0.0 {
                break;
            }
            let candidates = self.moves(&point, &movable).map(|moved| (total(&moved), moved));
            match candidates.min_by(|(a, _), (b, _)| a.total_cmp(b)) {
                Some((violation, moved)) if violation < current => {
                    (current, point) = (violation, moved);
                }
                _ => break,
            }
        }
        point
    }

    /// The points at which one movable value has been moved just beyond a violated constraint.
    fn moves(
        &self,
        point: &Parameterization,
        movable: impl Fn(&str) -> bool,
    ) -> impl Iterator<Item = Parameterization> {
        let mut moves = Vec::new();
        for constraint in self.constraints() {
            let Some(excess) = constraint.excess(point) else {
                continue;
            };
            if self.violation(constraint, point) == 0.0 {
                continue;
            }
            for (name, coefficient) in constraint.terms() {
                let (Some(parameter), Ok(x)) = (self.parameter(name), point.float(name)) else {
                    continue;
                };
                if movable(name) {
                    let value = parameter.beyond(x - excess / coefficient, -coefficient.signum());
                    let mut moved = point.clone();
                    moved.insert(name.as_str(), value);
                    moves.push(moved);
                }
            }
        }
        moves.into_iter()
    }
}
