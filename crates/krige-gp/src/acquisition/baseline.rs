//! Joint draws of a function at uncertain points, and what is known of it elsewhere, given a draw.

use nalgebra::DMatrix;

use crate::kernel::PointPanels;
use crate::lanes::{LANES, Lanes, add_scaled, to_panels};
use crate::linalg::{
    Cholesky, NotPositiveDefinite, axpy, cholesky, dot, inverse_lower, multiply_lower,
    multiply_lower_transposed,
};
use crate::regression::{GaussianProcess, Posterior};

/// Half the spacing of the Sobol grid: keeps quantiles finite.
pub(crate) const HALF_CELL: f64 = 0.5 / (1u64 << 32) as f64;

/// The points where a function is drawn: measured ones under noise, pending ones always.
///
/// Given a draw, the function is Gaussian everywhere else; its mean depends on the draw, and its variance does not.
#[derive(Debug, Clone)]
pub(crate) struct Baseline<'a> {
    gp: &'a GaussianProcess,
    /// The b points in units of the lengthscales, their posteriors and `K^-1 k(X, b)`.
    B: PointPanels,
    posteriors: Vec<Posterior>,
    solved: Vec<Vec<Lanes>>,
    /// Factor of the posterior covariance S of the points.
    L: DMatrix<f64>,
    L_inverse: DMatrix<f64>,
}

/// The function at the points, shape `[b]`, in one draw.
#[derive(Debug, Clone)]
pub(crate) struct Draw {
    pub(crate) values: Vec<f64>,
    /// `S^-1 (values - means)`: how much a covariance with the points shifts the mean elsewhere.
    pub(crate) weights: Vec<f64>,
}

/// Mean and variance at another point, and its covariances with the b points.
#[derive(Debug, Clone)]
pub(crate) struct Moments {
    pub(crate) mean: f64,
    pub(crate) variance: f64,
    pub(crate) c: Vec<f64>,
}

/// Derivatives with respect to [`Moments`].
#[derive(Debug, Clone)]
pub(crate) struct Slopes {
    pub(crate) mean: f64,
    pub(crate) variance: f64,
    pub(crate) c: Vec<f64>,
}

impl Slopes {
    pub(crate) fn times(mut self, factor: f64) -> Self {
        self.mean *= factor;
        self.variance *= factor;
        self.c.iter_mut().for_each(|d| *d *= factor);
        self
    }
}

impl<'a> Baseline<'a> {
    /// Prepares draws at `points`, shape `[b][d]`, with any b.
    pub(crate) fn new(
        gp: &'a GaussianProcess,
        points: &[Vec<f64>],
    ) -> Result<Self, NotPositiveDefinite> {
        let b = points.len();
        let d = points.first().map_or(0, Vec::len);
        let B = gp.scale_points(&DMatrix::from_fn(b, d, |i, k| points[i][k]));
        let posteriors: Vec<Posterior> = points.iter().map(|u| gp.posterior(u)).collect();
        let mut S = DMatrix::zeros(b, b);
        for (j, u) in points.iter().enumerate() {
            let (c, _) = gp.covariances(u, &posteriors[j], &B, &posteriors);
            S.column_mut(j).copy_from_slice(&c.as_flattened()[..b]);
            S[(j, j)] = posteriors[j].variance;
        }
        let scale = posteriors.iter().map(|p| p.variance).fold(0.0, f64::max);
        let L = if b == 0 { S } else { cholesky(&S, scale).map(|Cholesky { L, .. }| L)? };
        let L_inverse = inverse_lower(&L);
        let solved = posteriors.iter().map(|at| gp.solve_at(at)).collect();
        Ok(Self { gp, B, posteriors, solved, L, L_inverse })
    }

    /// The draw that belongs to standard normal numbers, shape `[b]`.
    pub(crate) fn draw(&self, z: &[f64]) -> Draw {
        let value = |i: usize| {
            self.posteriors[i].mean + (0..=i).map(|j| self.L[(i, j)] * z[j]).sum::<f64>()
        };
        Draw {
            values: (0..z.len()).map(value).collect(),
            weights: multiply_lower_transposed(&self.L_inverse, z),
        }
    }

    pub(crate) fn posterior(&self, u: &[f64]) -> Posterior {
        self.gp.posterior(u)
    }

    pub(crate) fn moments(&self, u: &[f64], at: &Posterior) -> (Moments, Vec<Lanes>) {
        let b = self.posteriors.len();
        let (c, h) = if b == 0 {
            (Vec::new(), Vec::new())
        } else {
            self.gp.covariances(u, at, &self.B, &self.posteriors)
        };
        let c = c.as_flattened()[..b].to_vec();
        (Moments { mean: at.mean, variance: at.variance, c }, h)
    }

    /// As [`Baseline::moments`], at the rows of `points`, shape `[.][d]`.
    pub(crate) fn moments_of(&self, points: &[Vec<f64>]) -> impl Iterator<Item = Moments> {
        let blocks = points.chunks(LANES).zip(self.gp.posterior_blocks(points));
        blocks.flat_map(|(points, at)| {
            let c = if self.posteriors.is_empty() {
                Vec::new()
            } else {
                self.gp.covariances_block(points, &at, &self.B, &self.posteriors)
            };
            (0..points.len()).map(move |p| Moments {
                mean: at.mean[p],
                variance: at.variance[p],
                c: c.iter().map(|c| c[p]).collect(),
            })
        })
    }

    /// The variance that is left once a draw is known, and `L^-1 c`.
    pub(crate) fn remaining(&self, variance: f64, c: &[f64]) -> (f64, Vec<f64>) {
        let white = multiply_lower(&self.L_inverse, c);
        let floor = 1e-14 * self.gp.kernel().outputscale;
        ((variance - dot(&white, &white)).max(floor), white)
    }

    /// Adds what the remaining variance, whose slope is `d_variance`, says about the covariances: it is
    /// variance - c^T S^-1 c.
    pub(crate) fn add_remaining(&self, white: &[f64], d_variance: f64, d_c: &mut [f64]) {
        axpy(-2.0 * d_variance, &multiply_lower_transposed(&self.L_inverse, white), d_c);
    }

    /// Adds the gradient with respect to `u` of a function of the moments there; `at` and `h` are what
    /// [`Baseline::moments`] was given and gave.
    pub(crate) fn add_gradient(
        &self,
        u: &[f64],
        at: &Posterior,
        h: &[Lanes],
        slopes: Slopes,
        gradient: &mut [f64],
    ) {
        if self.posteriors.is_empty() {
            self.gp.add_gradient(u, at, slopes.mean, slopes.variance, None, gradient);
            return;
        }
        // c_b = k(u, b) - k(u, X) K^-1 k(X, b): one part moves with the baseline, one with the inputs.
        let kernel = self.gp.kernel();
        kernel.add_gradient(&kernel.scale_point(u), &self.B, h, &to_panels(&slopes.c), gradient);
        let mut extra = vec![[0.0; LANES]; self.solved[0].len()];
        for (d, solved) in slopes.c.iter().zip(&self.solved) {
            for (extra, solved) in extra.iter_mut().zip(solved) {
                add_scaled(extra, -d, solved);
            }
        }
        self.gp.add_gradient(u, at, slopes.mean, slopes.variance, Some(&extra), gradient);
    }
}
