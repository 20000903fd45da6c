//! Stationary covariance functions with one lengthscale per dimension, over mixed dimensions.
//!
//! All depend on `r2 = sum_k (u_k - v_k)^2 / l_k^2`, where a categorical dimension contributes `1 / l_k^2` if
//! the categories differ. That is a one-hot encoding with a shared lengthscale, hence positive definite.

use nalgebra::DMatrix;

use crate::linalg::column;

/// The shape of the covariance as a function of distance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KernelKind {
    /// `(1 + s + s^2 / 3) exp(-s)` with `s = sqrt(5 r2)`: twice differentiable. Rasmussen and Williams 2006, eq. 4.17.
    Matern52,
    /// `exp(-r2 / 2)`: infinitely smooth.
    Rbf,
}

/// A covariance function.
#[derive(Debug, Clone, PartialEq)]
pub struct Kernel {
    /// The shape.
    pub kind: KernelKind,
    /// Positive, shape `[d]`.
    pub lengthscales: Vec<f64>,
    /// The variance at distance 0.
    pub outputscale: f64,
    /// Which dimensions compare by equality, shape `[d]`.
    pub categorical: Vec<bool>,
}

/// Whether two categorical coordinates name different levels.
pub(crate) fn differs(a: f64, b: f64) -> bool {
    (a - b).abs() > 1e-9
}

impl Kernel {
    /// Returns the variance and the slope at `r2`: `k` and `h = -2 dk/dr2`.
    fn at(&self, r2: f64) -> (f64, f64) {
        match self.kind {
            KernelKind::Matern52 => {
                let s = (5.0 * r2).sqrt();
                let e = self.outputscale * (-s).exp();
                ((1.0 + s + s * s / 3.0) * e, 5.0 / 3.0 * (1.0 + s) * e)
            }
            KernelKind::Rbf => {
                let k = self.outputscale * (-0.5 * r2).exp();
                (k, k)
            }
        }
    }

    /// Writes `r2` between `u`, shape `[d]`, and the rows `from..` of `X`, shape `[n, d]`.
    fn squared_distances(
        &self,
        u: impl Fn(usize) -> f64,
        X: &DMatrix<f64>,
        from: usize,
        r2: &mut [f64],
    ) {
        r2.fill(0.0);
        for (k, lengthscale) in self.lengthscales.iter().enumerate() {
            let (u, x) = (u(k), column(X, k, from));
            let weight = 1.0 / (lengthscale * lengthscale);
            if self.categorical[k] {
                for (r2, x) in r2.iter_mut().zip(x) {
                    *r2 += if differs(u, *x) { weight } else { 0.0 };
                }
            } else {
                for (r2, x) in r2.iter_mut().zip(x) {
                    let difference = u - x;
                    *r2 += weight * difference * difference;
                }
            }
        }
    }

    /// Returns the covariances `k` between `u`, shape `[d]`, and the rows of `X`, shape `[n, d]`, and the
    /// slopes `h = -2 dk/dr2`. Both have shape `[n]`.
    pub fn cross(&self, u: &[f64], X: &DMatrix<f64>) -> (Vec<f64>, Vec<f64>) {
        let mut k = vec![0.0; X.nrows()];
        self.squared_distances(|k| u[k], X, 0, &mut k);
        let mut h = vec![0.0; k.len()];
        for (k, h) in k.iter_mut().zip(&mut h) {
            (*k, *h) = self.at(*k);
        }
        (k, h)
    }

    /// Returns the lower triangles of the covariances and the slopes `h = -2 dk/dr2` among the rows of `X`,
    /// shape `[n, d]`. Both have shape `[n, n]`.
    pub fn gram(&self, X: &DMatrix<f64>) -> (DMatrix<f64>, DMatrix<f64>) {
        let n = X.nrows();
        let mut K = DMatrix::zeros(n, n);
        let mut H = DMatrix::zeros(n, n);
        for j in 0..n {
            let k = &mut K.as_mut_slice()[j * n + j..(j + 1) * n];
            let h = &mut H.as_mut_slice()[j * n + j..(j + 1) * n];
            self.squared_distances(|dimension| X[(j, dimension)], X, j, k);
            for (k, h) in k.iter_mut().zip(h) {
                (*k, *h) = self.at(*k);
            }
        }
        (K, H)
    }

    /// Adds the gradient with respect to `u` of `sum_i weights_i k(u, x_i)`, given the slopes `h`, to
    /// `gradient`, shape `[d]`. Categorical dimensions have no gradient.
    pub fn add_gradient(
        &self,
        u: &[f64],
        X: &DMatrix<f64>,
        h: &[f64],
        weights: &[f64],
        gradient: &mut [f64],
    ) {
        let weighted: Vec<f64> = weights.iter().zip(h).map(|(w, h)| w * h).collect();
        for (k, lengthscale) in self.lengthscales.iter().enumerate() {
            if !self.categorical[k] {
                let x = column(X, k, 0);
                let sum: f64 = weighted.iter().zip(x).map(|(w, x)| w * (u[k] - x)).sum();
                gradient[k] -= sum / (lengthscale * lengthscale);
            }
        }
    }

    /// Returns, per dimension, `sum_ij G_ij r2_ij,k` with `r2_ij,k` the contribution of dimension k, for a
    /// symmetric `G` of which the strict lower triangle is read. Shape `[d]`.
    ///
    /// With `G = W * H` elementwise this is twice the gradient of the log likelihood with respect to the
    /// log lengthscales.
    pub fn weighted_distances(&self, G: &DMatrix<f64>, X: &DMatrix<f64>) -> Vec<f64> {
        let n = X.nrows();
        let mut sums = vec![0.0; self.lengthscales.len()];
        for j in 0..n {
            let g = column(G, j, j + 1);
            for (k, sum) in sums.iter_mut().enumerate() {
                let (u, x) = (X[(j, k)], column(X, k, j + 1));
                *sum += if self.categorical[k] {
                    g.iter().zip(x).map(|(g, x)| if differs(u, *x) { *g } else { 0.0 }).sum::<f64>()
                } else {
                    weighted_squares(g, x, u)
                };
            }
        }
        for (sum, lengthscale) in sums.iter_mut().zip(&self.lengthscales) {
            *sum *= 2.0 / (lengthscale * lengthscale);
        }
        sums
    }
}

/// Returns `sum_i g_i (x_i - u)^2`, in four interleaved parts.
fn weighted_squares(g: &[f64], x: &[f64], u: f64) -> f64 {
    let mut parts = [0.0; 4];
    let (g_chunks, x_chunks) = (g.chunks_exact(4), x.chunks_exact(4));
    let term = |g: f64, x: f64| g * (x - u) * (x - u);
    let rest: f64 =
        g_chunks.remainder().iter().zip(x_chunks.remainder()).map(|(g, x)| term(*g, *x)).sum();
    for (g, x) in g_chunks.zip(x_chunks) {
        for i in 0..4 {
            parts[i] += term(g[i], x[i]);
        }
    }
    (parts[0] + parts[1]) + (parts[2] + parts[3]) + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kernel(kind: KernelKind) -> Kernel {
        Kernel {
            kind,
            lengthscales: vec![0.3, 0.7, 1.5],
            outputscale: 2.0,
            categorical: vec![false, false, true],
        }
    }

    #[test]
    fn hand_values() {
        let X = DMatrix::from_row_slice(1, 3, &[0.3, 0.0, 0.0]);
        // Only the first dimension differs, by one lengthscale.
        let (k, h) = kernel(KernelKind::Rbf).cross(&[0.6, 0.0, 0.0], &X);
        assert!((k[0] - 2.0 * (-0.5f64).exp()).abs() < 1e-15);
        assert_eq!(k, h);
        let s = 5f64.sqrt();
        let (k, _) = kernel(KernelKind::Matern52).cross(&[0.6, 0.0, 0.0], &X);
        assert!((k[0] - 2.0 * (1.0 + s + 5.0 / 3.0) * (-s).exp()).abs() < 1e-15);
        // A different category counts like one lengthscale of 1.5.
        let (k, _) = kernel(KernelKind::Rbf).cross(&[0.3, 0.0, 0.9], &X);
        assert!((k[0] - 2.0 * (-0.5f64 / 2.25).exp()).abs() < 1e-15);
    }

    proptest! {
        #[test]
        fn grams_are_symmetric_and_positive_semidefinite(
            rows in prop::collection::vec((0.0..1.0f64, 0.0..1.0f64, 0u8..3), 2..12),
        ) {
            let X = DMatrix::from_fn(rows.len(), 3, |i, k| match k {
                0 => rows[i].0,
                1 => rows[i].1,
                _ => f64::from(rows[i].2),
            });
            for kind in [KernelKind::Matern52, KernelKind::Rbf] {
                let kernel = kernel(kind);
                let (K, _) = kernel.gram(&X);
                let full = DMatrix::from_fn(rows.len(), rows.len(), |i, j| K[(i.max(j), i.min(j))]);
                prop_assert!(full.clone().symmetric_eigenvalues().min() > -1e-12);
                for i in 0..rows.len() {
                    let u: Vec<f64> = X.row(i).iter().copied().collect();
                    let (k, _) = kernel.cross(&u, &X);
                    for j in 0..rows.len() {
                        prop_assert!((k[j] - full[(i, j)]).abs() < 1e-14);
                    }
                }
            }
        }

        #[test]
        fn gradients_match_central_differences(
            u in prop::collection::vec(0.05..0.95f64, 2),
            x in prop::collection::vec(0.0..1.0f64, 8),
        ) {
            let X = DMatrix::from_fn(4, 3, |i, k| if k < 2 { x[2 * i + k] } else { (i % 2) as f64 });
            let weights = [1.0, -0.5, 0.3, 2.0];
            for kind in [KernelKind::Matern52, KernelKind::Rbf] {
                let kernel = kernel(kind);
                let value = |u: &[f64]| -> f64 {
                    kernel.cross(u, &X).0.iter().zip(weights).map(|(k, w)| k * w).sum()
                };
                let point = [u[0], u[1], 1.0];
                let (_, h) = kernel.cross(&point, &X);
                let mut gradient = [0.0; 3];
                kernel.add_gradient(&point, &X, &h, &weights, &mut gradient);
                for k in 0..2 {
                    let (mut up, mut down) = (point, point);
                    up[k] += 1e-6;
                    down[k] -= 1e-6;
                    let difference = (value(&up) - value(&down)) / 2e-6;
                    prop_assert!((gradient[k] - difference).abs() < 1e-7);
                }
                prop_assert_eq!(gradient[2], 0.0);
            }
        }
    }
}
