//! The covariance matrix of training data: its factor, its inverse, and the gradient of the likelihood.

use nalgebra::DMatrix;

use crate::kernel::{Kernel, PointPanels};
use crate::lanes::{LANES, Lanes, ZERO, add_outer, sum};
use crate::linalg::panels::{
    BadPivot, ColumnPanels, Diagonal, RowPanels, factorize, invert, multiply_transposed,
    solve_lower,
};
use crate::linalg::{JitterLadder, NotPositiveDefinite};
use crate::rotation::planes;
use crate::vectorize::{Vectorized, widest};

/// The covariance of one set of points under changing hyperparameters; memory is reused.
#[derive(Debug, Clone, Default)]
pub(crate) struct Covariance {
    points: PointPanels,
    /// In units of the lengthscales.
    scaled: PointPanels,
    L: RowPanels,
    /// The slopes that the gradient needs, one matrix or one for each dimension ([`Kernel::slopes`]); none where it is not
    /// asked for.
    H: Vec<RowPanels>,
    has_gradient: bool,
    diagonal: Diagonal,
    L_inverse: ColumnPanels,
    jitter: f64,
}

impl Covariance {
    /// Prepares for the rows of `X`, shape `[n, d]`.
    pub(crate) fn new(X: &DMatrix<f64>) -> Self {
        Self { has_gradient: true, ..Self::without_gradient(X) }
    }

    /// The same, if [`Covariance::gradient`] is not asked for: its slopes are as large as the factor, or as many such as
    /// there are dimensions.
    pub(crate) fn without_gradient(X: &DMatrix<f64>) -> Self {
        Self { points: PointPanels::new(X), ..Self::default() }
    }

    /// Factorizes the covariance with `noise`, shape `[n]`, on its diagonal, with jitter where needed.
    pub(crate) fn factorize(
        &mut self,
        kernel: &Kernel,
        noise: &[f64],
    ) -> Result<(), NotPositiveDefinite> {
        kernel.scale_points(&self.points, &mut self.scaled);
        let slopes = if self.has_gradient { kernel.slopes() } else { 0 };
        self.H.resize_with(slopes, RowPanels::default);
        let mut ladder = JitterLadder::new(kernel.outputscale);
        loop {
            match widest(Build(&mut *self, kernel, noise, ladder.jitter())) {
                Ok(()) => break,
                Err(BadPivot { row, pivot }) => ladder.climb(row, pivot)?,
            }
        }
        self.jitter = ladder.jitter();
        widest(InvertFactor(&mut *self));
        Ok(())
    }

    /// Returns what had to be added to the diagonal; 0 when nothing.
    pub(crate) fn jitter(&self) -> f64 {
        self.jitter
    }

    /// Returns the points in units of the lengthscales.
    pub(crate) fn scaled(&self) -> &PointPanels {
        &self.scaled
    }

    /// Returns the inverse of the factor; beyond the matrix it is the identity.
    pub(crate) fn factor_inverse(&self) -> &ColumnPanels {
        &self.L_inverse
    }

    /// Returns the logarithm of the factor's determinant.
    pub(crate) fn log_determinant(&self) -> f64 {
        // A pivot below 1e-15 of its diagonal is refused, so that a product of eight cannot overflow.
        let product = |r: &Lanes| r.iter().product::<f64>();
        -self.diagonal.reciprocals.iter().map(|r| product(r).ln()).sum::<f64>()
    }

    /// Replaces `b` by `L^-1 b`.
    pub(crate) fn whiten(&self, b: &mut [Lanes]) {
        widest(Whiten(self, b));
    }

    /// Returns `L^-T b`.
    pub(crate) fn color(&self, b: &[Lanes]) -> Vec<Lanes> {
        widest(Color(self, b))
    }

    /// Returns `tr(W dK) / 2` with `W = alpha alpha^T - K^-1` for the derivatives dK.
    pub(crate) fn gradient(&self, kernel: &Kernel, alpha: &[Lanes]) -> CovarianceGradient {
        assert!(self.has_gradient, "it was not prepared for");
        widest(Gradient(self, kernel, alpha))
    }
}

/// The derivatives of a likelihood that the covariance passes on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CovarianceGradient {
    /// With respect to the log lengthscales, shape `[d]`.
    pub(crate) lengthscales: Vec<f64>,
    /// With respect to the angles by which directions turn towards each other, skew-symmetric, shape `[d * d]`; empty where
    /// the kernel is along the axes.
    pub(crate) turns: Vec<f64>,
    /// The diagonal of `K^-1`.
    pub(crate) diagonal: Vec<Lanes>,
}

struct Build<'a>(&'a mut Covariance, &'a Kernel, &'a [f64], f64);

impl Vectorized for Build<'_> {
    type Output = Result<(), BadPivot>;

    #[inline(always)]
    fn run(self) -> Self::Output {
        let Self(covariance, kernel, noise, jitter) = self;
        let Covariance { scaled, L, H, diagonal, .. } = covariance;
        kernel.gram(scaled, L, H);
        for (i, noise) in noise.iter().enumerate() {
            L.panel_mut(i / LANES)[i][i % LANES] += noise + jitter;
        }
        factorize(L, diagonal)
    }
}

struct InvertFactor<'a>(&'a mut Covariance);

impl Vectorized for InvertFactor<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) -> Self::Output {
        let Self(covariance) = self;
        let Covariance { L, diagonal, L_inverse, .. } = covariance;
        invert(L, diagonal, L_inverse);
    }
}

struct Whiten<'a>(&'a Covariance, &'a mut [Lanes]);

impl Vectorized for Whiten<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) -> Self::Output {
        let Self(covariance, b) = self;
        solve_lower(&covariance.L, &covariance.diagonal, b);
    }
}

struct Color<'a>(&'a Covariance, &'a [Lanes]);

impl Vectorized for Color<'_> {
    type Output = Vec<Lanes>;

    #[inline(always)]
    fn run(self) -> Self::Output {
        let Self(covariance, b) = self;
        let mut out = Vec::with_capacity(b.len());
        multiply_transposed(&covariance.L_inverse, b, &mut out);
        out
    }
}

struct Gradient<'a>(&'a Covariance, &'a Kernel, &'a [Lanes]);

impl Vectorized for Gradient<'_> {
    type Output = CovarianceGradient;

    #[inline(always)]
    fn run(self) -> Self::Output {
        let Self(covariance, kernel, alpha) = self;
        let Covariance { scaled, H, L_inverse, .. } = covariance;
        let mut sums = vec![[0.0; LANES]; kernel.lengthscales.len()];
        let planes = kernel.rotation.as_ref().map_or(Vec::new(), |_| planes(&kernel.categorical));
        let mut products = vec![[0.0; LANES]; planes.len()];
        let mut diagonal = Vec::with_capacity(alpha.len());
        for I in 0..alpha.len() {
            for J in 0..=I {
                let mut inverse = ZERO;
                add_outer(&mut inverse, L_inverse.panel_from(I, I), L_inverse.panel_from(J, I));
                // Tiles on the diagonal hold every pair twice.
                let weight = if I == J { 0.5 } else { 1.0 };
                let mut W = ZERO;
                for j in 0..LANES {
                    for i in 0..LANES {
                        W[j][i] = alpha[I][i] * alpha[J][j] - inverse[j][i];
                    }
                }
                let (a, b) = (scaled.panel(I), scaled.panel(J));
                let mut G = ZERO;
                for (k, sum) in sums.iter_mut().enumerate() {
                    // Where dimensions have no slope of their own they share the first.
                    if let Some(H) = H.get(k) {
                        let h = &H.panel(I)[LANES * J..LANES * (J + 1)];
                        for j in 0..LANES {
                            for i in 0..LANES {
                                G[j][i] = weight * h[j][i] * W[j][i];
                            }
                        }
                    }
                    kernel.add_weighted_distances(k, &G, &a[k], &b[k], sum);
                }
                Kernel::add_weighted_products(&G, a, b, &planes, &mut products);
                if I == J {
                    diagonal.push(std::array::from_fn(|i| inverse[i][i]));
                }
            }
        }
        let d = kernel.lengthscales.len();
        let mut turns = vec![0.0; kernel.rotation.as_ref().map_or(0, |_| d * d)];
        for (&(k, l), product) in planes.iter().zip(products) {
            // Towards a direction of a shorter lengthscale the function varies more.
            let ratio = kernel.lengthscales[k] / kernel.lengthscales[l];
            let turn = sum(product) * (ratio - 1.0 / ratio);
            (turns[k * d + l], turns[l * d + k]) = (turn, -turn);
        }
        CovarianceGradient { lengthscales: sums.into_iter().map(sum).collect(), turns, diagonal }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::KernelKind;

    fn kernel(kind: KernelKind, mixed: bool) -> Kernel {
        Kernel {
            kind,
            lengthscales: vec![0.4, 0.7, 1.1],
            rotation: None,
            outputscale: 1.3,
            categorical: vec![false, false, mixed],
        }
    }

    fn inputs(n: usize) -> DMatrix<f64> {
        DMatrix::from_fn(n, 3, |i, k| match k {
            2 => (i % 3) as f64 / 2.0,
            _ => 0.5 + 0.5 * ((7 * i * i + 3 * k + i) as f64).sin(),
        })
    }

    fn alpha(n: usize) -> Vec<Lanes> {
        crate::lanes::to_panels(&(0..n).map(|i| (i as f64).cos()).collect::<Vec<f64>>())
    }

    /// `tr(W dK) / 2` from the definition, with the inverse of nalgebra.
    #[test]
    fn gradients_agree_with_the_definition() {
        for n in [1, 2, 7, 8, 9, 15, 16, 17, 31, 40, 65] {
            for kind in [KernelKind::Matern52, KernelKind::Rbf] {
                for mixed in [false, true] {
                    let kernel = kernel(kind, mixed);
                    let X = inputs(n);
                    let mut covariance = Covariance::new(&X);
                    covariance.factorize(&kernel, &vec![0.1; n]).unwrap();
                    let CovarianceGradient { lengthscales: found, turns, diagonal } =
                        covariance.gradient(&kernel, &alpha(n));
                    assert!(turns.is_empty());
                    let (mut K, mut H) = (DMatrix::zeros(n, n), DMatrix::zeros(n, n));
                    for i in 0..n {
                        let u: Vec<f64> = X.row(i).iter().copied().collect();
                        let (k, h) = kernel.cross(&u, &X);
                        K.column_mut(i).copy_from_slice(&k);
                        H.column_mut(i).copy_from_slice(&h);
                        K[(i, i)] += 0.1;
                    }
                    let determinant = K.clone().determinant();
                    let half = 0.5 * determinant.ln();
                    assert!((covariance.log_determinant() - half).abs() < 1e-9, "{n}");
                    let inverse = K.try_inverse().unwrap();
                    let alpha = alpha(n);
                    let alpha = alpha.as_flattened();
                    for i in 0..n {
                        assert!((diagonal.as_flattened()[i] - inverse[(i, i)]).abs() < 1e-10);
                    }
                    for k in 0..3 {
                        let mut expected = 0.0;
                        for i in 0..n {
                            for j in 0..n {
                                let difference = X[(i, k)] - X[(j, k)];
                                let squared = if kernel.categorical[k] {
                                    f64::from(u8::from(difference != 0.0))
                                } else {
                                    difference * difference
                                };
                                let r2 = squared / kernel.lengthscales[k].powi(2);
                                let W = alpha[i] * alpha[j] - inverse[(i, j)];
                                expected += 0.5 * W * H[(i, j)] * r2;
                            }
                        }
                        let error = (found[k] - expected).abs();
                        assert!(error < 1e-9 * (1.0 + expected.abs()), "{n} {k}: {error}");
                    }
                }
            }
        }
    }

    /// A stored experiment continues with the same bits on another machine.
    #[test]
    fn wide_vectors_change_no_bit() {
        let turn = crate::rotation::Turn::new(&[false, false, true], &[0.9]);
        let turned = crate::rotation::Rotation::identity(3).turned(&turn);
        for (n, kind, rotation) in [
            (5, KernelKind::Matern52, None),
            (24, KernelKind::Matern52, Some(turned.clone())),
            (61, KernelKind::Rbf, Some(turned)),
            (61, KernelKind::AdditiveMatern52, None),
            (24, KernelKind::AdditiveRbf, None),
        ] {
            let kernel = Kernel { rotation, ..kernel(kind, true) };
            let mut wide = Covariance::new(&inputs(n));
            wide.factorize(&kernel, &vec![1e-3; n]).unwrap();
            let mut plain = Covariance::new(&inputs(n));
            kernel.scale_points(&plain.points, &mut plain.scaled);
            plain.H = vec![RowPanels::default(); kernel.slopes()];
            Build(&mut plain, &kernel, &vec![1e-3; n], 0.0).run().unwrap();
            InvertFactor(&mut plain).run();
            assert_eq!(wide.L_inverse, plain.L_inverse);
            assert_eq!(
                wide.gradient(&kernel, &alpha(n)),
                Gradient(&plain, &kernel, &alpha(n)).run()
            );
        }
    }
    #[test]
    fn jitter_is_added_only_where_needed_and_reported() {
        let kernel = kernel(KernelKind::Matern52, false);
        let X = inputs(12);
        let mut covariance = Covariance::new(&X);
        covariance.factorize(&kernel, &[0.0; 12]).unwrap();
        assert_eq!(covariance.jitter(), 0.0);
        // Every point twice, without noise: singular.
        let twice = DMatrix::from_fn(24, 3, |i, k| X[(i % 12, k)]);
        let mut covariance = Covariance::new(&twice);
        covariance.factorize(&kernel, &[0.0; 24]).unwrap();
        assert_eq!(covariance.jitter(), 1e-12 * kernel.outputscale);
        // Nothing that is tried makes up for that.
        let failure = covariance.factorize(&kernel, &[-1.0; 24]).unwrap_err();
        assert!((failure.jitter / (1e-4 * kernel.outputscale) - 1.0).abs() < 1e-9, "{failure}");
    }
}
