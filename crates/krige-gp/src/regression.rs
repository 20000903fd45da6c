//! Exact Gaussian-process regression: likelihood, posterior, leave-one-out, and their gradients.

use std::f64::consts::PI;

use nalgebra::{DMatrix, DVector};

use crate::covariance::{Covariance, CovarianceGradient};
use crate::kernel::{Kernel, KernelKind, PointPanels};
use crate::lanes::{LANES, Lanes, Tile, ZERO, add_product, add_scaled, sum, to_panels, transposed};
use crate::linalg::NotPositiveDefinite;
use crate::linalg::panels::{
    ColumnPanels, RowPanels, by_columns, by_rows, inner, multiply, multiply_blocks,
    multiply_transposed, squared_columns,
};
use crate::observations::Observations;
use crate::rotation::Rotation;
use crate::vectorize::{Vectorized, widest};

/// Noise below this share of the outputscale is raised to it: some hundred times what rounding leaves of a covariance. More would
/// blur the last digits of an optimum, and where a constraint begins.
pub(crate) const RELATIVE_NOISE_FLOOR: f64 = 1e-13;

/// How many blocks of eight points read the matrix together: their covariances just fit into a cache.
const TOGETHER: usize = 4;

/// The parameters that a fit finds; plain data that a caller can store and give back.
#[derive(Debug, Clone, PartialEq)]
pub struct Hyperparameters {
    /// The shape of the kernel.
    pub kernel: KernelKind,
    /// In units of the cube, shape `[d]`.
    pub lengthscales: Vec<f64>,
    /// What the lengthscales are along, where it is not the axes of the cube.
    pub rotation: Option<Rotation>,
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
    /// Derivatives with respect to the angles by which direction k turns towards direction l, skew-symmetric, shape
    /// `[d * d]`; empty where the lengthscales are along the axes.
    pub turns: Vec<f64>,
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
    /// The inputs in units of the lengthscales.
    points: PointPanels,
    residual: DVector<f64>,
    noise: Vec<f64>,
    mean: f64,
    profiled: bool,
    /// `L^-1`, both ways; beyond the matrix it is 0.
    rows: RowPanels,
    columns: ColumnPanels,
    alpha: Vec<Lanes>,
    jitter: f64,
}

/// The posterior at a point, with what its gradient needs.
#[derive(Debug, Clone)]
pub struct Posterior {
    /// Expected value of the function.
    pub mean: f64,
    /// Variance of the function (without noise), positive.
    pub variance: f64,
    /// Slopes of the kernel.
    h: Vec<Lanes>,
    /// `L^-1 k`.
    t: Vec<Lanes>,
}

/// The posteriors at eight points.
#[derive(Debug, Clone)]
pub(crate) struct PosteriorBlock {
    pub(crate) mean: Lanes,
    pub(crate) variance: Lanes,
    /// `L^-1 k`: for each panel and point eight rows.
    t: Vec<Tile>,
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

/// What is left of the outputs once mean and covariance are taken out.
struct Residuals {
    mean: f64,
    /// `L^-1 (y - mean)`.
    whitened: Vec<Lanes>,
    alpha: Vec<Lanes>,
}

fn residuals(data: &Observations, covariance: &Covariance, mean: Mean) -> Residuals {
    let mut whitened = to_panels(data.y.as_slice());
    let mut ones = to_panels(&vec![1.0; data.len()]);
    covariance.whiten(&mut whitened);
    covariance.whiten(&mut ones);
    let mean = match mean {
        Mean::Fixed(mean) => mean,
        Mean::Profiled => inner(&ones, &whitened) / inner(&ones, &ones),
    };
    for (whitened, one) in whitened.iter_mut().zip(&ones) {
        add_scaled(whitened, -mean, one);
    }
    let alpha = covariance.color(&whitened);
    Residuals { mean, whitened, alpha }
}

pub(crate) fn kernel_of(hyperparameters: &Hyperparameters, categorical: &[bool]) -> Kernel {
    Kernel {
        kind: hyperparameters.kernel,
        lengthscales: hyperparameters.lengthscales.clone(),
        rotation: hyperparameters.rotation.clone(),
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
    let mut covariance = Covariance::new(&data.X);
    likelihood(data, &mut covariance, hyperparameters, categorical, mean)
}

/// As [`log_marginal_likelihood`], with a `covariance` made for the inputs of `data`.
pub(crate) fn likelihood(
    data: &Observations,
    covariance: &mut Covariance,
    hyperparameters: &Hyperparameters,
    categorical: &[bool],
    mean: Mean,
) -> Result<Likelihood, NotPositiveDefinite> {
    let n = data.len();
    let kernel = kernel_of(hyperparameters, categorical);
    let (noise, at_floor) = noise(data, hyperparameters);
    covariance.factorize(&kernel, &noise)?;
    let Residuals { whitened, alpha, .. } = residuals(data, covariance, mean);
    let squares = inner(&whitened, &whitened);
    let mut value =
        -0.5 * squares - covariance.log_determinant() - 0.5 * n as f64 * (2.0 * PI).ln();
    // With W = alpha alpha^T - K^-1 the derivative with respect to anything in K is tr(W dK) / 2.
    let CovarianceGradient { lengthscales, turns, diagonal } = covariance.gradient(&kernel, &alpha);
    let (alpha, K_inverse) = (alpha.as_flattened(), diagonal.as_flattened());

    // tr(W (K - noise)) without the matrix product: tr(W K) = alpha . (y - mean) - n.
    let mut outputscale = 0.5 * (squares - n as f64);
    let mut noise_variance = 0.0;
    for i in 0..n {
        let part = 0.5 * (alpha[i] * alpha[i] - K_inverse[i]) * noise[i];
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
    Ok(Likelihood { value, lengthscales, turns, outputscale, noise_variance, mean })
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
        let (noise, _) = noise(data, hyperparameters);
        let mut covariance = Covariance::without_gradient(&data.X);
        covariance.factorize(&kernel, &noise)?;
        let Residuals { mean: estimate, alpha, .. } = residuals(data, &covariance, mean);
        let rows = by_rows(covariance.factor_inverse(), data.len());
        Ok(Self {
            kernel,
            X: data.X.clone(),
            points: covariance.scaled().clone(),
            residual: data.y.add_scalar(-estimate),
            noise,
            mean: estimate,
            profiled: mean == Mean::Profiled,
            columns: by_columns(&rows),
            rows,
            alpha,
            jitter: covariance.jitter(),
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
        widest(AtPoint(self, u))
    }

    /// Returns the posterior mean at `u`, shape `[d]`, and adds its gradient times a weight, if asked to:
    /// both without the variance, which costs most.
    pub(crate) fn posterior_mean(&self, u: &[f64], gradient: Option<(f64, &mut [f64])>) -> f64 {
        widest(MeanAtPoint(self, u, gradient))
    }

    /// Returns the posteriors at the rows of `points`, shape `[.][d]`, eight by eight: to the last bit those
    /// of [`GaussianProcess::posterior`], but the matrix is read once for many.
    pub(crate) fn posterior_blocks(
        &self,
        points: &[Vec<f64>],
    ) -> impl Iterator<Item = PosteriorBlock> {
        points.chunks(TOGETHER * LANES).flat_map(|points| widest(AtBlocks(self, points)))
    }

    /// Returns posterior means and variances at the rows of `points`, shape `[.][d]`.
    pub(crate) fn means_and_variances(
        &self,
        points: &[Vec<f64>],
    ) -> impl Iterator<Item = (f64, f64)> {
        let blocks = points.chunks(LANES).zip(self.posterior_blocks(points));
        blocks.flat_map(|(points, at)| (0..points.len()).map(move |p| (at.mean[p], at.variance[p])))
    }

    /// Rounding can make the difference negative where the data pin the function down.
    #[inline(always)]
    fn variance(&self, explained: f64) -> f64 {
        let prior = self.kernel.outputscale;
        (prior - explained).max(1e-14 * prior)
    }

    /// Adds the gradient of `mean_weight * mean + variance_weight * variance + extra . k` with respect to
    /// `u` to `gradient`, shape `[d]`, where `k` are the covariances with the inputs, in panels of eight.
    pub(crate) fn add_gradient(
        &self,
        u: &[f64],
        at: &Posterior,
        mean_weight: f64,
        variance_weight: f64,
        extra: Option<&[Lanes]>,
        gradient: &mut [f64],
    ) {
        let weights = (mean_weight, variance_weight, extra);
        widest(AddGradient(self, u, at, weights, gradient));
    }

    /// Returns `points`, shape `[., d]`, in units of the lengthscales.
    pub(crate) fn scale_points(&self, points: &DMatrix<f64>) -> PointPanels {
        let mut out = PointPanels::default();
        self.kernel.scale_points(&PointPanels::new(points), &mut out);
        out
    }

    /// Returns the posterior covariances of the function between `u`, at which the posterior is `at`, and
    /// the b points `B` in units of the lengthscales, at which it is `others`; and the slopes of the kernel.
    pub(crate) fn covariances(
        &self,
        u: &[f64],
        at: &Posterior,
        B: &PointPanels,
        others: &[Posterior],
    ) -> (Vec<Lanes>, Vec<Lanes>) {
        widest(WithOthers(self, u, at, B, others))
    }

    /// Returns for each point of `B` its posterior covariances with the eight of a block.
    pub(crate) fn covariances_block(
        &self,
        points: &[Vec<f64>],
        at: &PosteriorBlock,
        B: &PointPanels,
        others: &[Posterior],
    ) -> Vec<Lanes> {
        widest(BlockWithOthers(self, points, at, B, others))
    }

    /// Returns `K^-1 k(X, u)`, in panels of eight: how the posterior covariance with `u` depends on the
    /// covariances with the inputs.
    pub(crate) fn solve_at(&self, at: &Posterior) -> Vec<Lanes> {
        let mut out = Vec::new();
        multiply_transposed(&self.columns, &at.t, &mut out);
        out
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
        self.rows.reshape(n + 1);
        let panel = self.rows.panel_mut(n / LANES);
        for (column, z) in panel.iter_mut().zip(&z.as_flattened()[..n]) {
            column[n % LANES] = -z / pivot;
        }
        panel[n][n % LANES] = 1.0 / pivot;
        self.columns = by_columns(&self.rows);
        self.X.resize_vertically_mut(n + 1, 0.0);
        for (k, value) in u.iter().enumerate() {
            self.X[(n, k)] = *value;
        }
        self.points = self.scale_points(&self.X);
        self.residual.resize_vertically_mut(n + 1, y - self.mean);
        self.noise.push(noise);
        let mut whitened = Vec::new();
        multiply(&self.rows, &to_panels(self.residual.as_slice()), &mut whitened);
        multiply_transposed(&self.columns, &whitened, &mut self.alpha);
    }

    /// Returns the mean and variance (with noise) that each output is predicted with from all others,
    /// shape `[n]`. Rasmussen and Williams 2006, eq. 5.12; a profiled mean is estimated anew without the
    /// output that is left out.
    ///
    /// With a single input and a profiled mean nothing can be predicted and the variance is infinite.
    pub fn leave_one_out(&self) -> Vec<(f64, f64)> {
        let n = self.X.nrows();
        let (mut ones, mut K_inverse_one) = (Vec::new(), Vec::new());
        multiply(&self.rows, &to_panels(&vec![1.0; n]), &mut ones);
        multiply_transposed(&self.columns, &ones, &mut K_inverse_one);
        let K_inverse_one = K_inverse_one.as_flattened();
        let total = inner(&ones, &ones);
        let squares = squared_columns(&self.columns);
        (0..n)
            .map(|i| {
                let mut precision = squares.as_flattened()[i];
                if self.profiled {
                    precision -= K_inverse_one[i] * K_inverse_one[i] / total;
                }
                let variance = 1.0 / precision.max(0.0);
                let y = self.residual[i] + self.mean;
                (y - self.alpha.as_flattened()[i] * variance, variance)
            })
            .collect()
    }
}

struct AtPoint<'a>(&'a GaussianProcess, &'a [f64]);

impl Vectorized for AtPoint<'_> {
    type Output = Posterior;

    #[inline(always)]
    fn run(self) -> Self::Output {
        let Self(gp, u) = self;
        let count = gp.alpha.len();
        let (mut k, mut h) = (Vec::with_capacity(count), Vec::with_capacity(count));
        gp.kernel.cross_panels(&gp.kernel.scale_point(u), &gp.points, &mut k, &mut h);
        let mut t = Vec::with_capacity(count);
        multiply(&gp.rows, &k, &mut t);
        Posterior {
            mean: gp.mean + inner(&k, &gp.alpha),
            variance: gp.variance(inner(&t, &t)),
            h,
            t,
        }
    }
}

struct MeanAtPoint<'a>(&'a GaussianProcess, &'a [f64], Option<(f64, &'a mut [f64])>);

impl Vectorized for MeanAtPoint<'_> {
    type Output = f64;

    #[inline(always)]
    fn run(self) -> Self::Output {
        let Self(gp, u, gradient) = self;
        let count = gp.alpha.len();
        let (mut k, mut h) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let u = gp.kernel.scale_point(u);
        gp.kernel.cross_panels(&u, &gp.points, &mut k, &mut h);
        if let Some((weight, gradient)) = gradient {
            let weights: Vec<Lanes> = gp.alpha.iter().map(|a| a.map(|a| weight * a)).collect();
            gp.kernel.add_gradient(&u, &gp.points, &h, &weights, gradient);
        }
        gp.mean + inner(&k, &gp.alpha)
    }
}

struct AtBlocks<'a>(&'a GaussianProcess, &'a [Vec<f64>]);

impl Vectorized for AtBlocks<'_> {
    type Output = Vec<PosteriorBlock>;

    #[inline(always)]
    fn run(self) -> Self::Output {
        let Self(gp, points) = self;
        let count = gp.alpha.len();
        let mut k = Vec::with_capacity(TOGETHER);
        for points in points.chunks(LANES) {
            let mut k_block = Vec::with_capacity(LANES * count);
            gp.kernel.cross_block(&block_panel(gp, points), &gp.points, &mut k_block);
            k.push(k_block);
        }
        let mut t = vec![Vec::with_capacity(count); k.len()];
        multiply_blocks(&gp.rows, &k, &mut t);
        let mut blocks = Vec::with_capacity(k.len());
        for (k, t) in k.iter().zip(t) {
            let mut means = ZERO;
            for (k, alpha) in k.chunks_exact(LANES).zip(&gp.alpha) {
                for j in 0..LANES {
                    add_scaled(&mut means[j], alpha[j], &k[j]);
                }
            }
            let means = transposed(&means);
            let mut squares = ZERO;
            for t in &t {
                for p in 0..LANES {
                    add_product(&mut squares[p], &t[p], &t[p]);
                }
            }
            let mut block = PosteriorBlock { mean: [0.0; LANES], variance: [0.0; LANES], t };
            for p in 0..LANES {
                block.mean[p] = gp.mean + sum(means[p]);
                block.variance[p] = gp.variance(sum(squares[p]));
            }
            blocks.push(block);
        }
        blocks
    }
}

/// The coordinates of up to eight points in units of the lengthscales, shape `[d]`.
#[inline(always)]
fn block_panel(gp: &GaussianProcess, points: &[Vec<f64>]) -> Vec<Lanes> {
    let mut panel = vec![[0.0; LANES]; gp.kernel.lengthscales.len()];
    for (p, u) in points.iter().enumerate() {
        for (lanes, u) in panel.iter_mut().zip(gp.kernel.scale_point(u)) {
            lanes[p] = u;
        }
    }
    panel
}

struct AddGradient<'a>(
    &'a GaussianProcess,
    &'a [f64],
    &'a Posterior,
    (f64, f64, Option<&'a [Lanes]>),
    &'a mut [f64],
);

impl Vectorized for AddGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) -> Self::Output {
        let Self(gp, u, at, (mean_weight, variance_weight, extra), gradient) = self;
        let mut weights: Vec<Lanes> = gp.alpha.iter().map(|a| a.map(|a| mean_weight * a)).collect();
        if variance_weight != 0.0 {
            let mut z = Vec::with_capacity(weights.len());
            multiply_transposed(&gp.columns, &at.t, &mut z);
            for (weight, z) in weights.iter_mut().zip(&z) {
                add_scaled(weight, -2.0 * variance_weight, z);
            }
        }
        if let Some(extra) = extra {
            for (weight, extra) in weights.iter_mut().zip(extra) {
                add_scaled(weight, 1.0, extra);
            }
        }
        gp.kernel.add_gradient(&gp.kernel.scale_point(u), &gp.points, &at.h, &weights, gradient);
    }
}

struct WithOthers<'a>(
    &'a GaussianProcess,
    &'a [f64],
    &'a Posterior,
    &'a PointPanels,
    &'a [Posterior],
);

impl Vectorized for WithOthers<'_> {
    type Output = (Vec<Lanes>, Vec<Lanes>);

    #[inline(always)]
    fn run(self) -> Self::Output {
        let Self(gp, u, at, B, others) = self;
        let (mut k, mut h) = (Vec::new(), Vec::new());
        gp.kernel.cross_panels(&gp.kernel.scale_point(u), B, &mut k, &mut h);
        for (k, other) in k.as_flattened_mut().iter_mut().zip(others) {
            *k -= inner(&at.t, &other.t);
        }
        (k, h)
    }
}

struct BlockWithOthers<'a>(
    &'a GaussianProcess,
    &'a [Vec<f64>],
    &'a PosteriorBlock,
    &'a PointPanels,
    &'a [Posterior],
);

impl Vectorized for BlockWithOthers<'_> {
    type Output = Vec<Lanes>;

    #[inline(always)]
    fn run(self) -> Self::Output {
        let Self(gp, points, at, B, others) = self;
        let mut k = Vec::new();
        gp.kernel.cross_block(&block_panel(gp, points), B, &mut k);
        k.truncate(others.len());
        for (k, other) in k.iter_mut().zip(others) {
            let mut products = ZERO;
            for (t, other) in at.t.iter().zip(&other.t) {
                for p in 0..LANES {
                    add_product(&mut products[p], &t[p], other);
                }
            }
            for p in 0..LANES {
                k[p] -= sum(products[p]);
            }
        }
        k
    }
}

#[cfg(test)]
#[path = "regression_tests.rs"]
mod tests;
