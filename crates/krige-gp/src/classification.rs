//! Gaussian process classification: how likely each of two outcomes is.

use nalgebra::linalg::Cholesky;
use nalgebra::{DMatrix, DVector, Dyn};

use crate::kernel::{KernelKind, differs};
use crate::linalg::NotPositiveDefinite;
use crate::observations::Observations;
use crate::optimize::lbfgsb::LbfgsB;
use crate::priors::{LogNormal, Priors};
use crate::regression::{GaussianProcess, Hyperparameters, Mean, kernel_of};
use crate::special::log_ndtr;

/// Expectation propagation stops when the log evidence changes by less than this, or after so many sweeps.
const CHANGE: f64 = 1e-6;
const SWEEPS: usize = 40;

/// Smallest precision of a site: with less an observation says nothing.
const LEAST_PRECISION: f64 = 1e-10;

/// Largest and smallest variance of the latent function, and what is believed of it beforehand.
const OUTPUTSCALE: LogNormal = LogNormal { location: 5.0, scale: 1.0 };
const OUTPUTSCALE_BOUNDS: (f64, f64) = (1e-2, 1e4);

/// The mean of the latent function is normally distributed around 0 with this standard deviation, beforehand.
const MEAN_SD: f64 = 1.0;
const MEAN_BOUNDS: (f64, f64) = (-5.0, 5.0);

/// Points with one of two outcomes each.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Labels {
    /// Shape `[n][d]`.
    pub(crate) x: Vec<Vec<f64>>,
    /// 1 or -1, shape `[n]`.
    pub(crate) y: Vec<f64>,
}

/// What is fitted: the covariance and the mean of the latent function.
#[derive(Debug, Clone)]
pub(crate) struct Latent {
    hyperparameters: Hyperparameters,
    mean: f64,
}

impl Latent {
    /// Reads log lengthscales, log outputscale and mean.
    fn unpack(theta: &[f64]) -> Self {
        let d = theta.len() - 2;
        let hyperparameters = Hyperparameters {
            kernel: KernelKind::Matern52,
            lengthscales: theta[..d].iter().map(|t| t.exp()).collect(),
            rotation: None,
            outputscale: theta[d].exp(),
            noise_variance: 0.0,
        };
        Self { hyperparameters, mean: theta[d + 1] }
    }

    /// Returns the latent function whose approximate evidence for `labels` times its prior is largest, and the log evidence.
    pub(crate) fn fit(labels: &Labels, categorical: &[bool]) -> (Self, f64) {
        let d = categorical.len();
        let priors = Priors::low_noise_objective(d);
        let (shortest, longest) = priors.lengthscale_bounds;
        let (least, most) = OUTPUTSCALE_BOUNDS;
        let bounds = |length: f64, scale: f64, mean: f64| {
            [vec![length.ln(); d], vec![scale.ln(), mean]].concat()
        };
        let mut solver = LbfgsB::new(
            bounds(shortest, least, MEAN_BOUNDS.0),
            bounds(longest, most, MEAN_BOUNDS.1),
        );
        solver.gradient_tolerance = 1e-2;
        solver.value_tolerance = 1e-4;
        let start = bounds(priors.lengthscale.mode(), OUTPUTSCALE.mode(), 0.0);
        let mut sites = Sites::new(labels.y.len());
        let minimum = solver.minimize(&start, |theta, gradient| {
            let value = log_posterior(labels, theta, categorical, &priors, &mut sites, gradient);
            gradient.iter_mut().for_each(|g| *g = -*g);
            value.map_or(f64::INFINITY, |value| -value)
        });
        let latent = Self::unpack(&minimum.x);
        let (K, _) = gram(labels, &latent.hyperparameters, categorical);
        let found = sites.propagate(&labels.y, &K, latent.mean);
        (latent, found.map_or(f64::NEG_INFINITY, |(_, evidence)| evidence))
    }

    /// Returns the approximate posterior given `labels`: that of a regression on the sites of expectation propagation.
    /// The outcome at u is 1 with the probability `Phi(f(u))`.
    pub(crate) fn condition(
        &self,
        labels: &Labels,
        categorical: &[bool],
    ) -> Result<GaussianProcess, NotPositiveDefinite> {
        let singular = NotPositiveDefinite { row: 0, pivot: f64::NAN, jitter: 0.0 };
        let (K, _) = gram(labels, &self.hyperparameters, categorical);
        let mut sites = Sites::new(labels.y.len());
        sites.propagate(&labels.y, &K, self.mean).ok_or(singular)?;
        let precision = sites.precision.map(|tau| tau.max(LEAST_PRECISION));
        let targets: Vec<f64> =
            sites.shift.iter().zip(&precision).map(|(nu, tau)| nu / tau + self.mean).collect();
        let noise: Vec<Option<f64>> = precision.iter().map(|tau| Some(1.0 / tau)).collect();
        let data = Observations::new(&labels.x, &targets, &noise);
        GaussianProcess::new(&data, &self.hyperparameters, categorical, Mean::Fixed(self.mean))
    }
}

/// The covariances of the points, and the slopes of the kernel.
fn gram(
    labels: &Labels,
    hyperparameters: &Hyperparameters,
    categorical: &[bool],
) -> (DMatrix<f64>, DMatrix<f64>) {
    let kernel = kernel_of(hyperparameters, categorical);
    let n = labels.x.len();
    let X = DMatrix::from_fn(n, categorical.len(), |i, k| labels.x[i][k]);
    let (mut K, mut H) = (DMatrix::zeros(n, n), DMatrix::zeros(n, n));
    for (i, u) in labels.x.iter().enumerate() {
        let (k, h) = kernel.cross(u, &X);
        K.set_column(i, &DVector::from_vec(k));
        H.set_column(i, &DVector::from_vec(h));
    }
    (K, H)
}

/// The likelihood as a product of Gaussians, one for each observation, of the latent function without its mean.
#[derive(Debug, Clone)]
struct Sites {
    /// Shape `[n]`.
    precision: DVector<f64>,
    /// Precision times mean, shape `[n]`.
    shift: DVector<f64>,
}

/// What the sites make of the prior.
struct Approximation {
    covariance: DMatrix<f64>,
    mean: DVector<f64>,
    /// The root of the precisions S, and the factor of `B = I + sqrt(S) K sqrt(S)`.
    root: DVector<f64>,
    factor: Cholesky<f64, Dyn>,
}

impl Approximation {
    fn new(K: &DMatrix<f64>, sites: &Sites) -> Option<Self> {
        let n = K.nrows();
        let root = sites.precision.map(f64::sqrt);
        let unit = |i: usize, j: usize| f64::from(u8::from(i == j));
        let B = DMatrix::from_fn(n, n, |i, j| root[i] * K[(i, j)] * root[j] + unit(i, j));
        let factor = Cholesky::new(B)?;
        let mut V = DMatrix::from_fn(n, n, |i, j| root[i] * K[(i, j)]);
        factor.l_dirty().solve_lower_triangular_mut(&mut V);
        let covariance = K - V.tr_mul(&V);
        let mean = &covariance * &sites.shift;
        Some(Self { covariance, mean, root, factor })
    }

    /// `sqrt(S) B^-1 sqrt(S)`.
    fn R(&self) -> DMatrix<f64> {
        let mut R = self.factor.inverse();
        for (j, mut column) in R.column_iter_mut().enumerate() {
            column.component_mul_assign(&self.root);
            column *= self.root[j];
        }
        R
    }
}

impl Sites {
    /// Sites of `n` observations that say nothing.
    fn new(n: usize) -> Self {
        Self { precision: DVector::zeros(n), shift: DVector::zeros(n) }
    }

    /// Expectation propagation for the labels `y` and the prior covariance `K` around `prior_mean`, on from where the
    /// sites are. Returns the approximation and the log evidence. Rasmussen and Williams 2006, algorithm 3.5.
    fn propagate(
        &mut self,
        y: &[f64],
        K: &DMatrix<f64>,
        prior_mean: f64,
    ) -> Option<(Approximation, f64)> {
        let mut at = Approximation::new(K, self)?;
        let mut evidence = f64::NEG_INFINITY;
        for _ in 0..SWEEPS {
            for (i, y) in y.iter().enumerate() {
                self.update(i, *y, prior_mean, &mut at);
            }
            // Rounding errors of the updates end here.
            at = Approximation::new(K, self)?;
            let before = evidence;
            evidence = self.log_evidence(y, &at, prior_mean);
            if (evidence - before).abs() < CHANGE {
                break;
            }
        }
        evidence.is_finite().then_some((at, evidence))
    }

    /// Precision and mean of f at an observation without what its own site says.
    fn cavity(&self, i: usize, at: &Approximation) -> (f64, f64) {
        let variance = at.covariance[(i, i)];
        let precision = 1.0 / variance - self.precision[i];
        (precision, (at.mean[i] / variance - self.shift[i]) / precision)
    }

    /// Moves one site, so that the approximation has the moments that cavity and likelihood have there.
    fn update(&mut self, i: usize, y: f64, prior_mean: f64, at: &mut Approximation) {
        let (precision, mean) = self.cavity(i, at);
        let variance = 1.0 / precision;
        let scale = (1.0 + variance).sqrt();
        let z = y * (mean + prior_mean) / scale;
        let ratio = log_ndtr(z).1;
        let new_mean = mean + y * variance * ratio / scale;
        // The variance is smaller by this part.
        let shrunk = variance / (1.0 + variance) * ratio * (z + ratio);
        let new_precision = precision * shrunk / (1.0 - shrunk);
        let new_shift = new_mean * (precision + new_precision) - mean * precision;
        let change = new_precision - self.precision[i];
        let shift_change = new_shift - self.shift[i];
        (self.precision[i], self.shift[i]) = (new_precision, new_shift);

        let s = at.covariance.column(i).clone_owned();
        let factor = change / (1.0 + change * s[i]);
        let moved = shift_change - factor * (at.mean[i] + shift_change * s[i]);
        at.covariance.ger(-factor, &s, &s, 1.0);
        at.mean.axpy(moved, &s, 1.0);
    }

    /// Rasmussen and Williams 2006, eq. 3.65, with the terms 3.73 and 3.74.
    fn log_evidence(&self, y: &[f64], at: &Approximation, prior_mean: f64) -> f64 {
        let half_log_determinant: f64 = at.factor.l_dirty().diagonal().iter().map(|l| l.ln()).sum();
        let mut value = 0.5 * self.shift.dot(&at.mean) - half_log_determinant;
        for (i, y) in y.iter().enumerate() {
            let (precision, mean) = self.cavity(i, at);
            let (own, shift) = (self.precision[i], self.shift[i]);
            let z = y * (mean + prior_mean) / (1.0 + 1.0 / precision).sqrt();
            value += log_ndtr(z).0 + 0.5 * (own / precision).ln_1p();
            let outer = mean * precision * (own * mean - 2.0 * shift) - shift * shift;
            value += 0.5 * outer / (precision + own);
        }
        value
    }
}

/// The logarithm of the approximate evidence times the prior at `theta` (see [`Latent::unpack`]), and its gradient. Starts from
/// `sites` and leaves there what it found. Rasmussen and Williams 2006, algorithm 5.2.
fn log_posterior(
    labels: &Labels,
    theta: &[f64],
    categorical: &[bool],
    priors: &Priors,
    sites: &mut Sites,
    gradient: &mut [f64],
) -> Option<f64> {
    let (n, d) = (labels.x.len(), categorical.len());
    let Latent { hyperparameters, mean } = Latent::unpack(theta);
    let (K, H) = gram(labels, &hyperparameters, categorical);
    let Some((at, evidence)) = sites.propagate(&labels.y, &K, mean) else {
        *sites = Sites::new(n);
        return None;
    };
    let R = at.R();
    let b = &sites.shift - &R * (&K * &sites.shift);
    // The derivative with respect to anything in K is tr(W dK) / 2.
    let W = &b * b.transpose() - R;
    let mut value = evidence;
    let sloped = W.component_mul(&H);
    for (k, lengthscale) in hyperparameters.lengthscales.iter().enumerate() {
        let squared = |i: usize, j: usize| {
            let (u, v) = (labels.x[i][k], labels.x[j][k]);
            if categorical[k] { f64::from(u8::from(differs(u, v))) } else { (u - v) * (u - v) }
        };
        let pairs = (0..n).flat_map(|j| (0..n).map(move |i| (i, j)));
        let sum: f64 = pairs.map(|(i, j)| sloped[(i, j)] * squared(i, j)).sum();
        let (density, derivative) = priors.lengthscale.log_density(*lengthscale);
        value += density;
        gradient[k] = 0.5 * sum / (lengthscale * lengthscale) + derivative;
    }
    let (density, derivative) = OUTPUTSCALE.log_density(hyperparameters.outputscale);
    value += density;
    gradient[d] = 0.5 * W.dot(&K) + derivative;
    let z = mean / MEAN_SD;
    value -= 0.5 * z * z;
    gradient[d + 1] = b.sum() - z / MEAN_SD;
    Some(value)
}

#[cfg(test)]
#[path = "classification_tests.rs"]
mod tests;
