//! Directions of the cube other than its axes.

/// Orthonormal directions along which a kernel has its lengthscales, in place of the axes.
///
/// Where knobs act together, the function varies along directions that belong to none of them: with a lengthscale for each
/// axis alone it looks rough. (Vivarelli and Williams 1999 fit such a metric; here it is kept apart from the lengthscales,
/// whose prior stays what it is.)
#[derive(Debug, Clone, PartialEq)]
pub struct Rotation {
    d: usize,
    /// The directions, one after the other.
    rows: Vec<f64>,
}

/// How far from orthonormal directions may be that were stored.
const TOLERANCE: f64 = 1e-6;

impl Rotation {
    /// Returns the axes of a cube of `d` dimensions.
    pub fn identity(d: usize) -> Self {
        let mut rows = vec![0.0; d * d];
        rows.iter_mut().step_by(d + 1).for_each(|diagonal| *diagonal = 1.0);
        Self { d, rows }
    }

    /// Takes directions one after the other, `d` numbers each; `None` where they are not orthonormal or not d of d numbers.
    pub fn from_rows(d: usize, rows: Vec<f64>) -> Option<Self> {
        if rows.len() != d * d {
            return None;
        }
        let found = Self { d, rows };
        let product = |i: usize, j: usize| -> f64 {
            found.row(i).iter().zip(found.row(j)).map(|(a, b)| a * b).sum()
        };
        let off = |i: usize, j: usize| (product(i, j) - f64::from(u8::from(i == j))).abs();
        let orthonormal = (0..d).all(|i| (0..=i).all(|j| off(i, j) <= TOLERANCE));
        orthonormal.then_some(found)
    }

    /// Returns the directions one after the other, shape `[d * d]`.
    pub fn rows(&self) -> &[f64] {
        &self.rows
    }

    /// Returns direction k, shape `[d]`.
    pub(crate) fn row(&self, k: usize) -> &[f64] {
        &self.rows[k * self.d..(k + 1) * self.d]
    }

    /// Returns the coordinates of `u`, shape `[d]`, along the directions.
    pub fn apply(&self, u: &[f64]) -> Vec<f64> {
        (0..self.d).map(|k| self.row(k).iter().zip(u).map(|(r, u)| r * u).sum()).collect()
    }

    /// Adds to `out`, shape `[d]`, the vector whose coordinates along the directions are `along`, shape `[d]`.
    pub(crate) fn add_back(&self, along: &[f64], out: &mut [f64]) {
        for (k, along) in along.iter().enumerate() {
            for (out, r) in out.iter_mut().zip(self.row(k)) {
                *out += along * r;
            }
        }
    }

    /// Returns these directions turned by `turn`.
    pub(crate) fn turned(&self, turn: &Turn) -> Self {
        let mut rows = vec![0.0; self.rows.len()];
        for k in 0..self.d {
            for i in 0..self.d {
                // The Cayley transform (I - S/2)^-1 (I + S/2) is 2 (I - S/2)^-1 - I.
                let q = 2.0 * turn.inverse[k * self.d + i] - f64::from(u8::from(k == i));
                for (out, r) in rows[k * self.d..(k + 1) * self.d].iter_mut().zip(self.row(i)) {
                    *out += q * r;
                }
            }
        }
        Self { d: self.d, rows }
    }
}

/// A rotation near the identity by its angles: the Cayley transform of the skew-symmetric matrix S that they fill.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    d: usize,
    /// Which directions turn into which; the upper triangle of S.
    pairs: Vec<(usize, usize)>,
    /// `(I - S/2)^-1`.
    inverse: Vec<f64>,
}

/// Returns the pairs of directions that may turn into each other: those of ordered dimensions. `categorical` has shape `[d]`.
pub(crate) fn planes(categorical: &[bool]) -> Vec<(usize, usize)> {
    let ordered: Vec<usize> = (0..categorical.len()).filter(|&k| !categorical[k]).collect();
    let with = |(i, &k): (usize, &usize)| {
        ordered[i + 1..].iter().map(move |&l| (k, l)).collect::<Vec<_>>()
    };
    ordered.iter().enumerate().flat_map(with).collect()
}

impl Turn {
    /// Turns by `angles`, one for each of [`planes`].
    pub(crate) fn new(categorical: &[bool], angles: &[f64]) -> Self {
        let (d, pairs) = (categorical.len(), planes(categorical));
        let mut matrix = Rotation::identity(d).rows;
        for (&(k, l), angle) in pairs.iter().zip(angles) {
            matrix[k * d + l] -= 0.5 * angle;
            matrix[l * d + k] += 0.5 * angle;
        }
        Self { d, pairs, inverse: invert(d, matrix) }
    }

    /// Returns the derivatives with respect to the angles. `rates`, shape `[d * d]` and skew-symmetric, says how fast a
    /// value grows as direction k, now, turns towards direction l.
    ///
    /// With C = (I - S/2)^-1 a change dS turns the directions by C dS C^T.
    pub(crate) fn derivatives(&self, rates: &[f64]) -> Vec<f64> {
        let (d, C) = (self.d, &self.inverse);
        let mut half = vec![0.0; d * d];
        for i in 0..d {
            for k in 0..d {
                for l in 0..d {
                    half[k * d + l] += C[i * d + k] * rates[i * d + l];
                }
            }
        }
        let entry =
            |&(k, l): &(usize, usize)| (0..d).map(|i| half[k * d + i] * C[i * d + l]).sum::<f64>();
        self.pairs.iter().map(entry).collect()
    }
}

/// Inverts a matrix whose symmetric part is positive definite, for which elimination needs no pivots.
fn invert(d: usize, mut matrix: Vec<f64>) -> Vec<f64> {
    let mut inverse = Rotation::identity(d).rows;
    for p in 0..d {
        let pivot = matrix[p * d + p];
        for l in 0..d {
            matrix[p * d + l] /= pivot;
            inverse[p * d + l] /= pivot;
        }
        for i in (0..d).filter(|i| *i != p) {
            let factor = matrix[i * d + p];
            for l in 0..d {
                matrix[i * d + l] -= factor * matrix[p * d + l];
                inverse[i * d + l] -= factor * inverse[p * d + l];
            }
        }
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn turned_directions_stay_orthonormal(angles in prop::collection::vec(-3.0..3.0f64, 6)) {
            let ordered = [false; 4];
            let found = Rotation::identity(4).turned(&Turn::new(&ordered, &angles));
            prop_assert!(Rotation::from_rows(4, found.rows().to_vec()).is_some());
            let u = [0.3, -0.2, 0.9, 0.5];
            let mut back = [0.0; 4];
            found.add_back(&found.apply(&u), &mut back);
            prop_assert!(back.iter().zip(u).all(|(a, b)| (a - b).abs() < 1e-12));
        }

        /// The rates of sum_kl W_kl R_kl are those of W R^T, made skew-symmetric.
        #[test]
        fn derivatives_match_central_differences(
            angles in prop::collection::vec(-2.0..2.0f64, 3),
            weights in prop::collection::vec(-1.0..1.0f64, 16),
        ) {
            let categorical = [false, true, false, false];
            let start = Rotation::identity(4).turned(&Turn::new(&categorical, &[0.3, -0.4, 0.8]));
            let value = |angles: &[f64]| -> f64 {
                let found = start.turned(&Turn::new(&categorical, angles));
                found.rows().iter().zip(&weights).map(|(r, w)| r * w).sum()
            };
            let turn = Turn::new(&categorical, &angles);
            let found = start.turned(&turn);
            let B = |k: usize, l: usize| -> f64 {
                weights[4 * k..4 * k + 4].iter().zip(found.row(l)).map(|(w, r)| w * r).sum()
            };
            let rates: Vec<f64> = (0..16).map(|i| B(i / 4, i % 4) - B(i % 4, i / 4)).collect();
            for (i, derivative) in turn.derivatives(&rates).into_iter().enumerate() {
                let (mut up, mut down) = (angles.clone(), angles.clone());
                up[i] += 1e-6;
                down[i] -= 1e-6;
                let difference = (value(&up) - value(&down)) / 2e-6;
                prop_assert!((derivative - difference).abs() < 1e-6, "{derivative} {difference}");
            }
        }
    }

    #[test]
    fn categories_are_not_turned_and_what_is_no_rotation_is_refused() {
        let categorical = [false, true, false];
        assert_eq!(planes(&categorical), [(0, 2)]);
        let found = Rotation::identity(3).turned(&Turn::new(&categorical, &[0.7]));
        assert_eq!(found.row(1), [0.0, 1.0, 0.0]);
        assert_eq!(found.apply(&[0.0, 0.4, 0.0])[1], 0.4);
        assert_eq!(Rotation::from_rows(2, vec![1.0, 0.0, 0.0]), None);
        assert_eq!(Rotation::from_rows(2, vec![1.0, 0.0, 0.1, 1.0]), None);
        assert_eq!(Rotation::from_rows(2, vec![1.0, f64::NAN, 0.0, 1.0]), None);
    }
}
