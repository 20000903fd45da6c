//! Exact Gaussian-process regression: likelihood, posterior, leave-one-out, and their gradients.

use std::f64::consts::PI;

use nalgebra::{DMatrix, DVector};

use crate::kernel::{Kernel, KernelKind};
use crate::linalg::{
    Cholesky, NotPositiveDefinite, axpy, cholesky, column, dot, inverse_from_factor, inverse_lower,
    multiply_lower, multiply_lower_transposed,
};
use crate::observations::Observations;

/// Noise below this share of the outputscale is raised to it, to keep the factorization meaningful.
const RELATIVE_NOISE_FLOOR: f64 = 1e-10;

/// The parameters that a fit finds; plain data that a caller can store and give back.
#[derive(Debug, Clone, PartialEq)]
pub struct Hyperparameters {
    /// The shape of the kernel.
    pub kernel: KernelKind,
    /// In units of the cube, shape `[d]`.
    pub lengthscales: Vec<f64>,
    /// Prior variance of the function, in standardized units.
    pub outputscale: f64,
    /// Variance of the noise where it is not known, in standardized units.
    pub noise_variance: f64,
}

/// The constant mean of the prior.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mean {
    /// The value that maximizes the likelihood: generalized least squares.
    Profiled,
    /// A given value.
    Fixed(f64),
}

/// The log marginal likelihood and its gradient. Rasmussen and Williams 2006, eq. 2.30 and 5.9.
#[derive(Debug, Clone, PartialEq)]
pub struct Likelihood {
    /// The logarithm of the density of the observations.
    pub value: f64,
    /// Derivatives with respect to the log lengthscales, shape `[d]`.
    pub lengthscales: Vec<f64>,
    /// Derivative with respect to the log outputscale.
    pub outputscale: f64,
    /// Derivative with respect to the log noise variance.
    pub noise_variance: f64,
    /// Derivative with respect to the mean; 0 when it is profiled.
    pub mean: f64,
}

/// A trained Gaussian process.
#[derive(Debug, Clone)]
pub struct GaussianProcess {
    kernel: Kernel,
    X: DMatrix<f64>,
    residual: DVector<f64>,
    noise: Vec<f64>,
    mean: f64,
    profiled: bool,
    L_inverse: DMatrix<f64>,
    alpha: Vec<f64>,
    jitter: f64,
}

/// The posterior at a point, with what its gradient needs.
#[derive(Debug, Clone)]
pub struct Posterior {
    /// Expected value of the function.
    pub mean: f64,
    /// Variance of the function (without noise), positive.
    pub variance: f64,
    /// Slopes of the kernel, shape `[n]`.
    h: Vec<f64>,
    /// `L^-1 k`, shape `[n]`.
    t: Vec<f64>,
}

/// The noise of each row, and whether it is held at the floor (and so moves with the outputscale).
fn noise(data: &Observations, hyperparameters: &Hyperparameters) -> (Vec<f64>, Vec<bool>) {
    let floor = RELATIVE_NOISE_FLOOR * hyperparameters.outputscale;
    data.known_noise
        .iter()
        .zip(&data.replicates)
        .map(|(known, replicates)| {
            let variance = known.unwrap_or(hyperparameters.noise_variance / replicates);
            (variance.max(floor), variance < floor)
        })
        .unzip()
}

struct Factor {
    H: DMatrix<f64>,
    L: DMatrix<f64>,
    L_inverse: DMatrix<f64>,
    noise: Vec<f64>,
    at_floor: Vec<bool>,
    jitter: f64,
    mean: f64,
    /// `L^-1 (y - mean)`, shape `[n]`.
    whitened: Vec<f64>,
    alpha: Vec<f64>,
}

fn factorize(
    data: &Observations,
    kernel: &Kernel,
    hyperparameters: &Hyperparameters,
    mean: Mean,
) -> Result<Factor, NotPositiveDefinite> {
    let n = data.len();
    let (mut K, H) = kernel.gram(&data.X);
    let (noise, at_floor) = noise(data, hyperparameters);
    for (i, noise) in noise.iter().enumerate() {
        K[(i, i)] += noise;
    }
    let Cholesky { L, jitter } = cholesky(&K, kernel.outputscale)?;
    let L_inverse = inverse_lower(&L);
    let white_y = multiply_lower(&L_inverse, data.y.as_slice());
    let white_one = multiply_lower(&L_inverse, &vec![1.0; n]);
    let mean = match mean {
        Mean::Fixed(mean) => mean,
        Mean::Profiled => dot(&white_one, &white_y) / dot(&white_one, &white_one),
    };
    let mut whitened = white_y;
    axpy(-mean, &white_one, &mut whitened);
    let alpha = multiply_lower_transposed(&L_inverse, &whitened);
    Ok(Factor { H, L, L_inverse, noise, at_floor, jitter, mean, whitened, alpha })
}

fn kernel_of(hyperparameters: &Hyperparameters, categorical: &[bool]) -> Kernel {
    Kernel {
        kind: hyperparameters.kernel,
        lengthscales: hyperparameters.lengthscales.clone(),
        outputscale: hyperparameters.outputscale,
        categorical: categorical.to_vec(),
    }
}

/// Returns the log marginal likelihood of `data`; `categorical` has shape `[d]`.
pub fn log_marginal_likelihood(
    data: &Observations,
    hyperparameters: &Hyperparameters,
    categorical: &[bool],
    mean: Mean,
) -> Result<Likelihood, NotPositiveDefinite> {
    let n = data.len();
    let kernel = kernel_of(hyperparameters, categorical);
    let Factor { H, L, L_inverse, noise, at_floor, whitened, alpha, .. } =
        factorize(data, &kernel, hyperparameters, mean)?;
    let mut value = -0.5 * dot(&whitened, &whitened)
        - (0..n).map(|i| L[(i, i)].ln()).sum::<f64>()
        - 0.5 * n as f64 * (2.0 * PI).ln();

    // With W = alpha alpha^T - K^-1 the derivative with respect to anything in K is tr(W dK) / 2.
    let K_inverse = inverse_from_factor(&L_inverse);
    let mut G = H;
    for j in 0..n {
        let inverse = column(&K_inverse, j, j + 1);
        let g = &mut G.as_mut_slice()[j * n + j + 1..(j + 1) * n];
        for (g, (inverse, alpha_i)) in g.iter_mut().zip(inverse.iter().zip(&alpha[j + 1..])) {
            *g *= alpha_i * alpha[j] - inverse;
        }
    }
    let lengthscales = kernel.weighted_distances(&G, &data.X).iter().map(|g| 0.5 * g).collect();

    // tr(W (K - noise)) without the matrix product: tr(W K) = alpha . (y - mean) - n.
    let mut outputscale = 0.5 * (dot(&whitened, &whitened) - n as f64);
    let mut noise_variance = 0.0;
    for i in 0..n {
        let part = 0.5 * (alpha[i] * alpha[i] - K_inverse[(i, i)]) * noise[i];
        outputscale -= part;
        if at_floor[i] {
            outputscale += part;
        } else if data.known_noise[i].is_none() {
            noise_variance += part;
        }
        let (r, deviations) = (data.replicates[i], data.deviations[i]);
        if r > 1.0 {
            // What the scatter of r measurements around their mean says about the noise.
            let sn = hyperparameters.noise_variance;
            value -= 0.5 * ((r - 1.0) * (2.0 * PI * sn).ln() + deviations / sn + r.ln());
            noise_variance += 0.5 * (deviations / sn - (r - 1.0));
        }
    }
    let mean = match mean {
        Mean::Profiled => 0.0,
        Mean::Fixed(_) => alpha.iter().sum(),
    };
    Ok(Likelihood { value, lengthscales, outputscale, noise_variance, mean })
}

impl GaussianProcess {
    /// Conditions on `data`; `categorical` has shape `[d]`.
    pub fn new(
        data: &Observations,
        hyperparameters: &Hyperparameters,
        categorical: &[bool],
        mean: Mean,
    ) -> Result<Self, NotPositiveDefinite> {
        let kernel = kernel_of(hyperparameters, categorical);
        let factor = factorize(data, &kernel, hyperparameters, mean)?;
        Ok(Self {
            kernel,
            X: data.X.clone(),
            residual: data.y.add_scalar(-factor.mean),
            noise: factor.noise,
            mean: factor.mean,
            profiled: mean == Mean::Profiled,
            L_inverse: factor.L_inverse,
            alpha: factor.alpha,
            jitter: factor.jitter,
        })
    }

    /// Returns the covariance function.
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// Returns the inputs that are conditioned on, shape `[n, d]`.
    pub fn inputs(&self) -> &DMatrix<f64> {
        &self.X
    }

    /// Returns the outputs that are conditioned on, shape `[n]`.
    pub fn outputs(&self) -> Vec<f64> {
        self.residual.iter().map(|residual| residual + self.mean).collect()
    }

    /// Returns the constant mean of the prior.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// Returns what had to be added to the diagonal to factorize; 0 when nothing.
    pub fn jitter(&self) -> f64 {
        self.jitter
    }

    /// Returns the posterior at `u`, shape `[d]`. Rasmussen and Williams 2006, eq. 2.25 and 2.26.
    pub fn posterior(&self, u: &[f64]) -> Posterior {
        let (k, h) = self.kernel.cross(u, &self.X);
        let t = multiply_lower(&self.L_inverse, &k);
        let prior = self.kernel.outputscale;
        Posterior {
            mean: self.mean + dot(&k, &self.alpha),
            // Rounding can make the difference negative where the data pin the function down.
            variance: (prior - dot(&t, &t)).max(1e-14 * prior),
            h,
            t,
        }
    }

    /// Adds the gradient of `mean_weight * mean + variance_weight * variance + extra . k` with respect to
    /// `u` to `gradient`, shape `[d]`, where `k` are the covariances with the inputs, shape `[n]`.
    pub fn add_gradient(
        &self,
        u: &[f64],
        at: &Posterior,
        mean_weight: f64,
        variance_weight: f64,
        extra: Option<&[f64]>,
        gradient: &mut [f64],
    ) {
        let mut weights: Vec<f64> = self.alpha.iter().map(|a| mean_weight * a).collect();
        if variance_weight != 0.0 {
            let z = multiply_lower_transposed(&self.L_inverse, &at.t);
            axpy(-2.0 * variance_weight, &z, &mut weights);
        }
        if let Some(extra) = extra {
            axpy(1.0, extra, &mut weights);
        }
        self.kernel.add_gradient(u, &self.X, &at.h, &weights, gradient);
    }

    /// Returns the posterior covariances of the function between `u`, at which the posterior is `at`, and
    /// the rows of `B`, shape `[b, d]`, at which it is `others`; and the slopes of the kernel. Both have
    /// shape `[b]`.
    pub fn covariances(
        &self,
        u: &[f64],
        at: &Posterior,
        B: &DMatrix<f64>,
        others: &[Posterior],
    ) -> (Vec<f64>, Vec<f64>) {
        let (mut k, h) = self.kernel.cross(u, B);
        for (k, other) in k.iter_mut().zip(others) {
            *k -= dot(&at.t, &other.t);
        }
        (k, h)
    }

    /// Returns `K^-1 k(X, u)`, shape `[n]`: how the posterior covariance with `u` depends on the
    /// covariances with the inputs.
    pub(crate) fn solve_at(&self, at: &Posterior) -> Vec<f64> {
        multiply_lower_transposed(&self.L_inverse, &at.t)
    }

    /// Conditions on one more point with output `y` and noise variance `noise`, in O(n^2).
    ///
    /// With the posterior mean as `y` (the "kriging believer") the mean does not change and the variance
    /// shrinks.
    pub fn append(&mut self, u: &[f64], y: f64, noise: f64) {
        let n = self.X.nrows();
        let at = self.posterior(u);
        let floor = RELATIVE_NOISE_FLOOR * self.kernel.outputscale;
        let noise = noise.max(floor);
        let pivot = (at.variance + noise).sqrt();
        let z = self.solve_at(&at);
        self.L_inverse.resize_mut(n + 1, n + 1, 0.0);
        for (j, z) in z.iter().enumerate() {
            self.L_inverse[(n, j)] = -z / pivot;
        }
        self.L_inverse[(n, n)] = 1.0 / pivot;
        self.X.resize_vertically_mut(n + 1, 0.0);
        for (k, value) in u.iter().enumerate() {
            self.X[(n, k)] = *value;
        }
        self.residual.resize_vertically_mut(n + 1, y - self.mean);
        self.noise.push(noise);
        let whitened = multiply_lower(&self.L_inverse, self.residual.as_slice());
        self.alpha = multiply_lower_transposed(&self.L_inverse, &whitened);
    }

    /// Returns the mean and variance (with noise) that each output is predicted with from all others,
    /// shape `[n]`. Rasmussen and Williams 2006, eq. 5.12; a profiled mean is estimated anew without the
    /// output that is left out.
    ///
    /// With a single input and a profiled mean nothing can be predicted and the variance is infinite.
    pub fn leave_one_out(&self) -> Vec<(f64, f64)> {
        let n = self.X.nrows();
        let ones = multiply_lower(&self.L_inverse, &vec![1.0; n]);
        let K_inverse_one = multiply_lower_transposed(&self.L_inverse, &ones);
        let total = dot(&ones, &ones);
        (0..n)
            .map(|i| {
                let column = column(&self.L_inverse, i, i);
                let mut precision = dot(column, column);
                if self.profiled {
                    precision -= K_inverse_one[i] * K_inverse_one[i] / total;
                }
                let variance = 1.0 / precision.max(0.0);
                let y = self.residual[i] + self.mean;
                (y - self.alpha[i] * variance, variance)
            })
            .collect()
    }
}

#[cfg(test)]
#[path = "regression_tests.rs"]
mod tests;
