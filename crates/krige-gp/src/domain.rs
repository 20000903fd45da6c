//! Where suggestions may lie: the unit cube, with grids, categories and linear constraints.

use crate::polytope::Polytope;

/// One coordinate of the unit cube.
#[derive(Debug, Clone, PartialEq)]
pub enum Dimension {
    /// Any value in `[0, 1]`.
    Continuous,
    /// Ordered levels, ascending in `[0, 1]`; the distance between levels is meaningful to the kernel.
    Discrete {
        /// Positions of the levels, strictly ascending.
        levels: Vec<f64>,
    },
    /// Unordered levels; only whether two points agree matters to the kernel.
    Categorical {
        /// Positions of the levels, strictly ascending; they name the level, nothing more.
        levels: Vec<f64>,
    },
}

/// The half-space `coefficients · u <= bound` of the unit cube. Categorical coordinates have coefficient 0.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearConstraint {
    /// One coefficient per dimension, shape `[d]`.
    pub coefficients: Vec<f64>,
    /// The right-hand side.
    pub bound: f64,
}

/// The set that suggestions are chosen from.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Domain {
    /// The coordinates.
    pub dimensions: Vec<Dimension>,
    /// All must hold.
    pub constraints: Vec<LinearConstraint>,
    /// A point well inside of the constraints (the Chebyshev centre, say), where known: the start of
    /// hit-and-run sampling when rejection is hopeless. Shape `[d]`.
    pub interior: Option<Vec<f64>>,
}

/// How far a coordinate may lie from its level, and a constraint be exceeded (relative to its size).
pub const TOLERANCE: f64 = 1e-9;

impl Dimension {
    /// Returns the levels, or `None` for a continuous coordinate.
    pub fn levels(&self) -> Option<&[f64]> {
        match self {
            Dimension::Continuous => None,
            Dimension::Discrete { levels } | Dimension::Categorical { levels } => Some(levels),
        }
    }

    /// Whether the levels of this coordinate have no order.
    pub fn is_categorical(&self) -> bool {
        matches!(self, Dimension::Categorical { .. })
    }

    /// Returns the allowed value that is nearest to `value`; the lower one of two.
    pub fn nearest(&self, value: f64) -> f64 {
        match self.levels() {
            None => value.clamp(0.0, 1.0),
            Some(levels) => levels[nearest_level(levels, value)],
        }
    }

    /// Maps a uniform number of `[0, 1)` to an allowed value, all levels equally likely.
    pub fn draw(&self, uniform: f64) -> f64 {
        match self.levels() {
            None => uniform,
            Some(levels) => {
                levels[((uniform * levels.len() as f64) as usize).min(levels.len() - 1)]
            }
        }
    }
}

/// Returns the index of the level nearest to `value`. `levels` is not empty.
pub(crate) fn nearest_level(levels: &[f64], value: f64) -> usize {
    let above = levels.partition_point(|level| *level < value).min(levels.len() - 1);
    let below = above.saturating_sub(1);
    if (value - levels[below]).abs() <= (levels[above] - value).abs() { below } else { above }
}

impl LinearConstraint {
    /// Whether `u` satisfies the constraint to within [`TOLERANCE`].
    pub fn holds(&self, u: &[f64]) -> bool {
        let product: f64 = self.coefficients.iter().zip(u).map(|(a, u)| a * u).sum();
        let size = self.coefficients.iter().map(|a| a.abs()).fold(self.bound.abs(), f64::max);
        product <= self.bound + TOLERANCE * size
    }
}

impl Domain {
    /// Returns the number of coordinates d.
    pub fn len(&self) -> usize {
        self.dimensions.len()
    }

    /// Whether there is no coordinate.
    pub fn is_empty(&self) -> bool {
        self.dimensions.is_empty()
    }

    /// Moves each coordinate of `u`, shape `[d]`, to its nearest allowed value. Constraints are not looked at.
    pub fn snap(&self, u: &mut [f64]) {
        for (value, dimension) in u.iter_mut().zip(&self.dimensions) {
            *value = dimension.nearest(*value);
        }
    }

    /// Whether `u` has shape `[d]`, lies in the cube and on the levels, and satisfies every constraint.
    pub fn contains(&self, u: &[f64]) -> bool {
        u.len() == self.len()
            && u.iter()
                .zip(&self.dimensions)
                .all(|(u, dimension)| (u - dimension.nearest(*u)).abs() <= TOLERANCE)
            && self.constraints.iter().all(|constraint| constraint.holds(u))
    }

    /// Returns, per coordinate, whether it is categorical. Shape `[d]`.
    pub fn categorical(&self) -> Vec<bool> {
        self.dimensions.iter().map(Dimension::is_categorical).collect()
    }

    /// Returns the number of points, when every coordinate that is not fixed has levels and the number
    /// fits; constraints are not looked at.
    pub fn cardinality(&self, fixed: &[(usize, f64)]) -> Option<usize> {
        self.dimensions
            .iter()
            .enumerate()
            .filter(|(k, _)| !fixed.iter().any(|(index, _)| index == k))
            .try_fold(1usize, |count, (_, dimension)| count.checked_mul(dimension.levels()?.len()))
    }

    /// Visits every combination of levels; `fixed` coordinates have the value given, continuous ones 0.
    pub(crate) fn for_each_combination(
        &self,
        fixed: &[(usize, f64)],
        mut visit: impl FnMut(&[f64]),
    ) {
        let mut choices: Vec<Vec<f64>> =
            self.dimensions.iter().map(|d| d.levels().unwrap_or(&[0.0]).to_vec()).collect();
        for (index, value) in fixed {
            choices[*index] = vec![*value];
        }
        let mut digits = vec![0usize; choices.len()];
        let mut u: Vec<f64> = choices.iter().map(|c| c[0]).collect();
        loop {
            visit(&u);
            let Some(k) = (0..digits.len()).rev().find(|&k| digits[k] + 1 < choices[k].len())
            else {
                return;
            };
            digits[k] += 1;
            u[k] = choices[k][digits[k]];
            for j in k + 1..digits.len() {
                digits[j] = 0;
                u[j] = choices[j][0];
            }
        }
    }

    /// Returns the box and the half-spaces with the coordinates of `fixed` held, and all that have levels
    /// too when `hold_levels_at` gives their values.
    pub(crate) fn polytope(
        &self,
        fixed: &[(usize, f64)],
        hold_levels_at: Option<&[f64]>,
    ) -> Polytope {
        let mut lower = vec![0.0; self.len()];
        let mut upper = vec![1.0; self.len()];
        if let Some(u) = hold_levels_at {
            for (k, dimension) in self.dimensions.iter().enumerate() {
                if dimension.levels().is_some() {
                    (lower[k], upper[k]) = (u[k], u[k]);
                }
            }
        }
        for (index, value) in fixed {
            (lower[*index], upper[*index]) = (*value, *value);
        }
        Polytope {
            lower,
            upper,
            coefficients: self.constraints.iter().map(|c| c.coefficients.clone()).collect(),
            bounds: self.constraints.iter().map(|c| c.bound).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mixed() -> Domain {
        Domain {
            dimensions: vec![
                Dimension::Continuous,
                Dimension::Discrete { levels: vec![0.0, 0.3, 1.0] },
                Dimension::Categorical { levels: vec![0.25, 0.75] },
            ],
            constraints: vec![LinearConstraint { coefficients: vec![1.0, 1.0, 0.0], bound: 1.0 }],
            interior: None,
        }
    }

    #[test]
    fn snap_moves_to_the_nearest_allowed_value() {
        let mut u = [1.2, 0.6, 0.1];
        mixed().snap(&mut u);
        assert_eq!(u, [1.0, 0.3, 0.25]);
        let mut u = [-0.2, 0.7, 0.6];
        mixed().snap(&mut u);
        assert_eq!(u, [0.0, 1.0, 0.75]);
    }

    #[test]
    fn contains_looks_at_box_levels_and_constraints() {
        let domain = mixed();
        assert!(domain.contains(&[0.7, 0.3, 0.75]));
        assert!(domain.contains(&[0.7 + 1e-10, 0.3, 0.75]));
        assert!(!domain.contains(&[0.71, 0.3, 0.75]));
        assert!(!domain.contains(&[0.1, 0.31, 0.75]));
        assert!(!domain.contains(&[-0.1, 0.3, 0.75]));
        assert!(!domain.contains(&[0.1, 0.3]));
    }

    #[test]
    fn combinations_are_counted_and_visited() {
        let domain = mixed();
        assert_eq!(domain.cardinality(&[]), None);
        assert_eq!(domain.cardinality(&[(0, 0.5)]), Some(6));
        let mut seen = Vec::new();
        domain.for_each_combination(&[(0, 0.5)], |u| seen.push(u.to_vec()));
        assert_eq!(seen.len(), 6);
        assert_eq!(seen[1], [0.5, 0.0, 0.75]);
        assert_eq!(seen[5], [0.5, 1.0, 0.75]);
    }
}
