//! Training data, with repeated measurements of one point merged into sufficient statistics.

use nalgebra::{DMatrix, DVector};

/// Points closer than this in every coordinate are one point.
const SAME: f64 = 1e-9;

/// Coordinates further out are moved here: nothing correlates over such a distance, and squares stay finite.
const FAR: f64 = 1e6;

/// What a regression is trained on, shape n after merging.
///
/// Measurements of one point whose noise variance is to be inferred become their mean, and what they say
/// about the noise is kept, so that the likelihood is that of the separate measurements. Measurements of
/// known variance become their precision-weighted mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Observations {
    /// Inputs, shape `[n, d]`.
    pub X: DMatrix<f64>,
    /// Outputs, shape `[n]`.
    pub y: DVector<f64>,
    /// Variance of each output where it is known, shape `[n]`.
    pub known_noise: Vec<Option<f64>>,
    /// How many measurements each row stands for, shape `[n]`; 1 where the noise is known.
    pub replicates: Vec<f64>,
    /// Sum of the squared deviations of the measurements from their mean, shape `[n]`.
    pub deviations: Vec<f64>,
}

impl Observations {
    /// Merges `x`, shape `[n][d]`, with outputs `y` and known noise variances, both shape `[n]`.
    pub fn new(x: &[Vec<f64>], y: &[f64], known_noise: &[Option<f64>]) -> Self {
        debug_assert!(x.len() == y.len() && y.len() == known_noise.len());
        let groups = group(x, known_noise);
        let d = x.first().map_or(0, Vec::len);
        let n = groups.len();
        let mut merged = Self {
            X: DMatrix::from_fn(n, d, |i, k| x[groups[i][0]][k].clamp(-FAR, FAR)),
            y: DVector::zeros(n),
            known_noise: vec![None; n],
            replicates: vec![1.0; n],
            deviations: vec![0.0; n],
        };
        for (i, members) in groups.iter().enumerate() {
            let first = members[0];
            if members.len() == 1 {
                merged.y[i] = y[first];
                merged.known_noise[i] = known_noise[first];
            } else if known_noise[first].is_some() {
                // An exact measurement would have infinite precision; this keeps the ratio finite.
                let precision = |m: usize| 1.0 / known_noise[m].unwrap_or(0.0).max(1e-12);
                let total: f64 = members.iter().map(|&m| precision(m)).sum();
                merged.y[i] = members.iter().map(|&m| precision(m) * y[m]).sum::<f64>() / total;
                merged.known_noise[i] = Some(1.0 / total);
            } else {
                let count = members.len() as f64;
                let mean = members.iter().map(|&m| y[m]).sum::<f64>() / count;
                merged.y[i] = mean;
                merged.replicates[i] = count;
                merged.deviations[i] = members.iter().map(|&m| (y[m] - mean).powi(2)).sum();
            }
        }
        merged
    }

    /// Returns the number of distinct points n.
    pub fn len(&self) -> usize {
        self.y.len()
    }

    /// Whether there is no observation.
    pub fn is_empty(&self) -> bool {
        self.y.is_empty()
    }

    /// Whether any noise variance has to be inferred.
    pub fn infers_noise(&self) -> bool {
        self.known_noise.iter().any(Option::is_none)
    }

    /// Returns row `i` of `X`, shape `[d]`.
    pub fn point(&self, i: usize) -> Vec<f64> {
        self.X.row(i).iter().copied().collect()
    }
}

/// Returns the indices that belong together, in order of first appearance.
fn group(x: &[Vec<f64>], known_noise: &[Option<f64>]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (i, u) in x.iter().enumerate() {
        let same = |members: &Vec<usize>| {
            known_noise[members[0]].is_some() == known_noise[i].is_some()
                && same_point(&x[members[0]], u)
        };
        match groups.iter_mut().find(|members| same(members)) {
            Some(members) => members.push(i),
            None => groups.push(vec![i]),
        }
    }
    groups
}

/// Whether two points, shape `[d]`, are one.
pub(crate) fn same_point(a: &[f64], b: &[f64]) -> bool {
    a.iter().zip(b).all(|(a, b)| (a - b).abs() <= SAME)
}

/// Returns the distinct points of `x`, shape `[.][d]`, in order of first appearance.
pub(crate) fn distinct(x: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let mut points: Vec<Vec<f64>> = Vec::new();
    for u in x {
        if !points.iter().any(|p| same_point(p, u)) {
            points.push(u.clone());
        }
    }
    points
}
