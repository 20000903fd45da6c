//! The only place that maps between natural units and the unit cube.
//!
//! | parameter | coordinate u of a value |
//! |---|---|
//! | float | (x - lower) / (upper - lower) |
//! | float, log | the same of logarithms |
//! | int, or float with a step | middle of the value's bin, of `count` equal bins |
//! | int, log | logarithms, the range widened by half an integer on both sides |
//! | choice of ordered numbers | (x - first) / (last - first), decoded to the nearest |
//! | other ordered choice, bool | middle of the value's bin |
//! | unordered choice | middle of the value's bin; the order means nothing |
//! | fixed | none |
//!
//! Bins, and not grid points from 0 to 1, so that uniform points fall on each value equally often.

use krige_gp::domain::{Dimension, Domain, LinearConstraint};

use super::SearchSpace;
use super::error::MembershipError;
use super::grid::Grid;
use super::parameter::{ChoiceParameter, LEVEL_LIMIT, Parameter, RangeKind, RangeParameter, Scale};
use crate::value::{ParameterValue, Parameterization};

/// By how much an encoded constraint is relaxed for each level in it, in roundings of its scale: a
/// level on the boundary must not be lost. Less than the tolerance with which points are validated.
const LEVEL_SLACK: f64 = 16.0 * f64::EPSILON;

/// How one parameter is laid out on its coordinate.
#[derive(Debug, Clone)]
enum Coding<'a> {
    Linear(&'a RangeParameter),
    Log(&'a RangeParameter),
    Grid(&'a RangeParameter, Grid),
    LogInt(&'a RangeParameter),
    Numbers(&'a ChoiceParameter, Vec<f64>),
    Bins(&'a ChoiceParameter),
}

impl<'a> Coding<'a> {
    /// For a fixed parameter, which has no coordinate, its value instead.
    fn of(parameter: &'a Parameter) -> Result<Self, &'a ParameterValue> {
        match parameter {
            Parameter::Range(range) => Ok(match (range.kind, range.scale, Grid::of(range)) {
                (_, _, Some(grid)) => Self::Grid(range, grid),
                (RangeKind::Int, Scale::Log, None) => Self::LogInt(range),
                (_, Scale::Log, None) => Self::Log(range),
                (_, Scale::Linear, None) => Self::Linear(range),
            }),
            Parameter::Choice(choice) => Ok(match choice.numeric_levels() {
                Some(levels) if choice.ordered => Self::Numbers(choice, levels),
                _ => Self::Bins(choice),
            }),
            Parameter::Fixed(fixed) => Err(&fixed.value),
        }
    }

    /// The coordinate of a value that has been cast to the parameter.
    fn encode(&self, value: &ParameterValue) -> f64 {
        let x = value.as_number().unwrap_or_default();
        match self {
            Self::Linear(range) => (x - range.lower) / (range.upper - range.lower),
            Self::Log(range) => log_fraction(x, range.lower, range.upper),
            Self::Grid(_, grid) => (grid.nearest(x) + 0.5) / grid.count,
            Self::LogInt(range) => log_fraction(x, range.lower - 0.5, range.upper + 0.5),
            Self::Numbers(choice, levels) => {
                levels[choice.index_of(value).expect("a cast value is a choice")]
            }
            Self::Bins(choice) => {
                let index = choice.index_of(value).expect("a cast value is a choice");
                bin_middle(index, choice.values.len())
            }
        }
        .clamp(0.0, 1.0)
    }

    /// The value at a coordinate, or the nearest to it.
    fn decode(&self, u: f64) -> ParameterValue {
        let u = u.clamp(0.0, 1.0);
        match self {
            Self::Linear(range) => {
                // Exact at both ends.
                let x = if u == 1.0 {
                    range.upper
                } else {
                    range.lower + u * (range.upper - range.lower)
                };
                ParameterValue::Float(range.settle(x))
            }
            Self::Log(range) => {
                let x = match u {
                    0.0 => range.lower,
                    1.0 => range.upper,
                    u => log_value(u, range.lower, range.upper),
                };
                ParameterValue::Float(range.settle(x))
            }
            Self::Grid(range, grid) => range.value(grid.value((u * grid.count).floor())),
            Self::LogInt(range) => {
                let x = log_value(u, range.lower - 0.5, range.upper + 0.5);
                range.value(x.round().clamp(range.lower, range.upper))
            }
            Self::Numbers(choice, levels) => {
                let above = levels.partition_point(|level| *level < u).min(levels.len() - 1);
                let below = above.saturating_sub(1);
                let nearest = if u - levels[below] < levels[above] - u { below } else { above };
                choice.values[nearest].clone()
            }
            Self::Bins(choice) => {
                let n = choice.values.len();
                choice.values[((u * n as f64) as usize).min(n - 1)].clone()
            }
        }
    }

    /// Whether decoding maps many coordinates to one value.
    fn is_rounding(&self) -> bool {
        match self {
            Self::Linear(range) | Self::Log(range) => range.digits.is_some(),
            Self::Grid(..) | Self::LogInt(_) | Self::Numbers(..) | Self::Bins(_) => true,
        }
    }

    fn dimension(&self) -> Dimension {
        let few = |count: f64| count <= LEVEL_LIMIT as f64;
        match self {
            Self::Grid(_, grid) if few(grid.count) => {
                let count = grid.count as usize;
                Dimension::Discrete { levels: (0..count).map(|i| bin_middle(i, count)).collect() }
            }
            Self::LogInt(range) if few(range.upper - range.lower + 1.0) => {
                let integers = range.lower as i64..=range.upper as i64;
                let level = |k| self.encode(&ParameterValue::Int(k));
                Dimension::Discrete { levels: integers.map(level).collect() }
            }
            Self::Linear(_) | Self::Log(_) | Self::Grid(..) | Self::LogInt(_) => {
                Dimension::Continuous
            }
            Self::Numbers(_, levels) => Dimension::Discrete { levels: levels.clone() },
            Self::Bins(choice) => {
                let n = choice.values.len();
                let levels = (0..n).map(|i| bin_middle(i, n)).collect();
                match choice.ordered {
                    true => Dimension::Discrete { levels },
                    false => Dimension::Categorical { levels },
                }
            }
        }
    }

    /// The numbers (a, b) such that the value at coordinate u is a + b u, where it is linear.
    fn line(&self) -> Option<(f64, f64)> {
        match self {
            Self::Linear(range) => Some((range.lower, range.upper - range.lower)),
            // The value of index i stands at u = (i + 1/2) / count.
            Self::Grid(_, grid) => Some((grid.lower - grid.step / 2.0, grid.step * grid.count)),
            Self::Numbers(choice, _) => {
                let numbers = choice.numbers()?;
                let (first, last) = (*numbers.first()?, *numbers.last()?);
                Some((first, last - first))
            }
            Self::Log(_) | Self::LogInt(_) | Self::Bins(_) => None,
        }
    }

    /// The middle in scaled space, ties upward.
    fn centre(&self) -> ParameterValue {
        match self {
            Self::Linear(_) | Self::Log(_) | Self::Grid(..) => self.decode(0.5),
            // The geometric mean of the bounds themselves, not of the widened range.
            Self::LogInt(range) => {
                range.value((log_value(0.5, range.lower, range.upper) + 0.5).floor())
            }
            Self::Numbers(choice, _) | Self::Bins(choice) => {
                choice.values[choice.values.len() / 2].clone()
            }
        }
    }
}

impl RangeParameter {
    /// Brings a computed number of a continuous range to its digits and into its bounds.
    fn settle(&self, x: f64) -> f64 {
        match self.digits {
            Some(digits) => self.round(x, digits),
            None => x.clamp(self.lower, self.upper),
        }
    }
}

fn bin_middle(index: usize, count: usize) -> f64 {
    (index as f64 + 0.5) / count as f64
}

fn log_fraction(x: f64, lower: f64, upper: f64) -> f64 {
    (x.ln() - lower.ln()) / (upper.ln() - lower.ln())
}

fn log_value(u: f64, lower: f64, upper: f64) -> f64 {
    ((1.0 - u) * lower.ln() + u * upper.ln()).exp()
}

impl SearchSpace {
    fn codings(&self) -> impl Iterator<Item = (&str, Coding<'_>)> {
        let parameters = self.parameters().iter();
        parameters.filter_map(|parameter| Some((parameter.name(), Coding::of(parameter).ok()?)))
    }

    /// Lays the space out as a part of the unit cube, one dimension for each parameter that is not
    /// fixed, in order.
    ///
    /// At most 1000 values become levels; more become a continuous coordinate that is rounded when
    /// decoded.
    pub fn domain(&self) -> Domain {
        Domain {
            dimensions: self.codings().map(|(_, coding)| coding.dimension()).collect(),
            constraints: self.encoded_constraints(),
            interior: self.interior.clone(),
        }
    }

    /// The parameter constraints in cube coordinates.
    pub(super) fn encoded_constraints(&self) -> Vec<LinearConstraint> {
        let codings: Vec<(&str, Coding<'_>)> = self.codings().collect();
        let mut encoded = Vec::with_capacity(self.constraints().len());
        for constraint in self.constraints() {
            let mut coefficients = vec![0.0; codings.len()];
            let mut bound = constraint.bound();
            let mut slack = 0.0;
            for (name, coefficient) in constraint.terms() {
                let found = codings.iter().position(|(other, _)| other == name);
                let index = found.expect("a checked constraint names parameters that vary");
                let coding = &codings[index].1;
                let (a, b) = coding.line().expect("a checked constraint is over linear scales");
                coefficients[index] = coefficient * b;
                bound -= coefficient * a;
                if matches!(coding.dimension(), Dimension::Discrete { .. }) {
                    slack += LEVEL_SLACK * coefficient.abs() * (a.abs() + b.abs());
                }
            }
            encoded.push(LinearConstraint { coefficients, bound: bound + slack });
        }
        encoded
    }

    /// Maps a point of the space to the unit cube, shape `[d]`.
    ///
    /// # Errors
    /// It is not a point of the space; parameter constraints are not checked.
    pub fn encode(&self, parameterization: &Parameterization) -> Result<Vec<f64>, MembershipError> {
        let cast = self.cast(parameterization.clone())?;
        let encode = |(name, coding): (&str, Coding<'_>)| {
            coding.encode(cast.get(name).expect("a cast point has every parameter"))
        };
        Ok(self.codings().map(encode).collect())
    }

    /// Maps a point of the unit cube, shape `[d]`, to the value nearest to it of each parameter, and
    /// adds the fixed ones.
    ///
    /// The result is within bounds, on its grid, and undoes [`encode`](Self::encode): exactly for
    /// choices, steps and integers (of fewer than 2^50 values; on a log scale below 2^40), else up
    /// to a few roundings of the larger bound. Where rounding a coordinate breaks a parameter
    /// constraint, rounded values are moved to a neighbour that satisfies it if that can be found.
    ///
    /// Coordinates outside of the cube are moved to its wall; none may be NaN.
    ///
    /// # Panics
    /// The point has not one coordinate per dimension.
    pub fn decode(&self, u: &[f64]) -> Parameterization {
        let mut coordinates = u.iter();
        let mut rounded = Vec::new();
        let mut point = Parameterization::default();
        for parameter in self.parameters() {
            let value = match Coding::of(parameter) {
                Ok(coding) => {
                    let u = *coordinates.next().expect("one coordinate per dimension");
                    let value = coding.decode(u);
                    if coding.is_rounding() && coding.encode(&value) != u {
                        rounded.push(parameter.name());
                    }
                    value
                }
                Err(fixed) => fixed.clone(),
            };
            point.insert(parameter.name(), value);
        }
        assert!(coordinates.next().is_none(), "one coordinate per dimension");
        if rounded.is_empty() {
            return point;
        }
        // Values that stood on their level were chosen by the caller, and stay.
        self.repair(point, |name| rounded.contains(&name))
    }

    /// Maps values of some parameters to coordinates, as (dimension, coordinate) in ascending order.
    ///
    /// # Errors
    /// A name is not in the space, or a value is not one of its parameter's.
    pub fn fixed(
        &self,
        parameterization: &Parameterization,
    ) -> Result<Vec<(usize, f64)>, MembershipError> {
        self.check_names(parameterization)?;
        let mut fixed = Vec::new();
        let mut dimension = 0;
        for parameter in self.parameters() {
            let coding = Coding::of(parameter);
            if let Some(value) = parameterization.get(parameter.name()) {
                let value = parameter.cast(value)?;
                if let Ok(coding) = &coding {
                    fixed.push((dimension, coding.encode(&value)));
                }
            }
            dimension += usize::from(coding.is_ok());
        }
        Ok(fixed)
    }

    /// Finds the middle of the space.
    ///
    /// That is the middle of each range in scaled space and the middle of each choice, ties
    /// upward; where the parameter constraints forbid it, the point deepest inside of them, brought
    /// to the grid; else any point that satisfies them. `None` if none was found.
    pub fn centre(&self) -> Option<Parameterization> {
        let mut middle = Parameterization::default();
        for parameter in self.parameters() {
            let value = match Coding::of(parameter) {
                Ok(coding) => coding.centre(),
                Err(fixed) => fixed.clone(),
            };
            middle.insert(parameter.name(), value);
        }
        let deepest = || self.interior.as_ref().map(|u| self.repair(self.decode(u), |_| true));
        let any = || self.feasible_point(&middle).map(|point| self.repair(point, |_| true));
        let feasible = |point: &Parameterization| self.validate(point).is_ok();
        Some(middle.clone())
            .filter(feasible)
            .or_else(|| deepest().filter(feasible))
            .or_else(|| any().filter(feasible))
    }
}
