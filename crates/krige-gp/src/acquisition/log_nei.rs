//! Log noisy expected improvement: the value to improve on is itself uncertain.

use nalgebra::DMatrix;

use super::Acquisition;
use crate::kernel::PointPanels;
use crate::lanes::{LANES, Lanes, add_scaled, to_panels};
use crate::linalg::{
    Cholesky, NotPositiveDefinite, axpy, cholesky, dot, inverse_lower, multiply_lower,
    multiply_lower_transposed,
};
use crate::regression::{GaussianProcess, Posterior};
use crate::sobol::Sobol;
use crate::special::{log_h, ndtri};

/// Joint draws of the function at the baseline.
const SAMPLES: usize = 128;

/// Half the spacing of the Sobol grid: keeps quantiles finite.
const HALF_CELL: f64 = 0.5 / (1u64 << 32) as f64;

/// `ln E[(f(u) - max_b f(b))^+]` over a baseline of uncertain points b: measured ones under noise,
/// pending ones always.
///
/// The function is drawn jointly at the baseline alone. Given a draw, f(u) is Gaussian and its expected
/// improvement is exact, so the average over draws has neither the variance of Letham et al. 2019, eq. 6,
/// nor flat regions where no draw of f(u) improves. A baseline of one point is done in closed form.
#[derive(Debug, Clone)]
pub struct LogNei<'a> {
    gp: &'a GaussianProcess,
    /// The b points of the baseline in units of the lengthscales, their posteriors and `K^-1 k(X, b)`.
    B: PointPanels,
    posteriors: Vec<Posterior>,
    solved: Vec<Vec<Lanes>>,
    L_inverse: DMatrix<f64>,
    /// One per draw: `S^-1 (f_b - mu_b)`, shape `[b]`, and the best value.
    draws: Vec<(Vec<f64>, f64)>,
    /// Only the single point, no certain best: closed form.
    single: bool,
}

impl<'a> LogNei<'a> {
    /// Makes the function for `baseline`, shape `[b][d]` with b >= 1, where `certain` is the best value
    /// known without doubt (-inf when there is none), in the model's units. `seed` determines the draws.
    pub fn new(
        gp: &'a GaussianProcess,
        baseline: &[Vec<f64>],
        certain: f64,
        seed: u64,
    ) -> Result<Self, NotPositiveDefinite> {
        let b = baseline.len();
        let B = gp.scale_points(&DMatrix::from_fn(b, baseline[0].len(), |i, k| baseline[i][k]));
        let posteriors: Vec<Posterior> = baseline.iter().map(|u| gp.posterior(u)).collect();
        let mut S = DMatrix::zeros(b, b);
        for (j, u) in baseline.iter().enumerate() {
            let (c, _) = gp.covariances(u, &posteriors[j], &B, &posteriors);
            S.column_mut(j).copy_from_slice(&c.as_flattened()[..b]);
            S[(j, j)] = posteriors[j].variance;
        }
        let scale = posteriors.iter().map(|p| p.variance).fold(0.0, f64::max);
        let Cholesky { L, .. } = cholesky(&S, scale)?;
        let L_inverse = inverse_lower(&L);
        let sobol = Sobol::scrambled(b.min(crate::sobol::MAX_DIMENSION), seed)
            .expect("the dimension is capped at the size of the table");
        let draws = sobol
            .points_from(0)
            .take(SAMPLES)
            .map(|uniform| {
                let mut z: Vec<f64> = uniform.iter().map(|u| ndtri(u + HALF_CELL)).collect();
                z.resize(b, 0.0);
                let best = (0..b)
                    .map(|i| posteriors[i].mean + (0..=i).map(|j| L[(i, j)] * z[j]).sum::<f64>())
                    .fold(certain, f64::max);
                (multiply_lower_transposed(&L_inverse, &z), best)
            })
            .collect();
        let solved = posteriors.iter().map(|at| gp.solve_at(at)).collect();
        let single = b == 1 && certain == f64::NEG_INFINITY;
        Ok(Self { gp, B, posteriors, solved, L_inverse, draws, single })
    }

    fn of_baseline<'c>(&self, c: &'c [Lanes]) -> &'c [f64] {
        &c.as_flattened()[..self.posteriors.len()]
    }

    /// Value, and derivatives with respect to posterior mean, variance and covariances with the baseline.
    fn evaluate(&self, mean: f64, variance: f64, c: &[f64]) -> (f64, f64, f64, Vec<f64>) {
        if self.single {
            let other = &self.posteriors[0];
            // The variance of the difference cannot be larger than rounding where u is the baseline.
            let floor = 1e-14 * self.gp.kernel().outputscale;
            let variance = (variance + other.variance - 2.0 * c[0]).max(floor);
            let sigma = variance.sqrt();
            let u = (mean - other.mean) / sigma;
            let (log_h, slope) = log_h(u);
            let d_variance = (1.0 - u * slope) / (2.0 * variance);
            return (sigma.ln() + log_h, slope / sigma, d_variance, vec![-2.0 * d_variance]);
        }
        let white = multiply_lower(&self.L_inverse, c);
        let floor = 1e-14 * self.gp.kernel().outputscale;
        let variance = (variance - dot(&white, &white)).max(floor);
        let sigma = variance.sqrt();
        let terms: Vec<(f64, f64, f64)> = self
            .draws
            .iter()
            .map(|(weights, best)| {
                let u = (mean + dot(c, weights) - best) / sigma;
                let (log_h, slope) = log_h(u);
                (log_h, slope, u)
            })
            .collect();
        let largest = terms.iter().map(|t| t.0).fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = terms.iter().map(|t| (t.0 - largest).exp()).sum();
        let (mut d_mean, mut d_variance) = (0.0, 0.0);
        let mut d_c = vec![0.0; c.len()];
        for ((log_h, slope, u), (weights, _)) in terms.iter().zip(&self.draws) {
            let share = (log_h - largest).exp() / total;
            d_mean += share * slope / sigma;
            d_variance += share * (1.0 - u * slope) / (2.0 * variance);
            axpy(share * slope / sigma, weights, &mut d_c);
        }
        // The conditional variance is variance - c^T S^-1 c.
        axpy(-2.0 * d_variance, &multiply_lower_transposed(&self.L_inverse, &white), &mut d_c);
        let value = sigma.ln() + largest + (total / self.draws.len() as f64).ln();
        (value, d_mean, d_variance, d_c)
    }
}

impl Acquisition for LogNei<'_> {
    fn value(&self, u: &[f64]) -> f64 {
        let at = self.gp.posterior(u);
        let (c, _) = self.gp.covariances(u, &at, &self.B, &self.posteriors);
        self.evaluate(at.mean, at.variance, self.of_baseline(&c)).0
    }

    fn values(&self, points: &[Vec<f64>]) -> Vec<f64> {
        let mut values = Vec::with_capacity(points.len());
        for points in points.chunks(LANES) {
            let at = self.gp.posterior_block(points);
            let c = self.gp.covariances_block(points, &at, &self.B, &self.posteriors);
            for p in 0..points.len() {
                let c: Vec<f64> = c.iter().map(|c| c[p]).collect();
                values.push(self.evaluate(at.mean[p], at.variance[p], &c).0);
            }
        }
        values
    }

    fn add_gradient(&self, u: &[f64], weight: f64, gradient: &mut [f64]) -> f64 {
        let at = self.gp.posterior(u);
        let (c, h) = self.gp.covariances(u, &at, &self.B, &self.posteriors);
        let (value, d_mean, d_variance, mut d_c) =
            self.evaluate(at.mean, at.variance, self.of_baseline(&c));
        // c_b = k(u, b) - k(u, X) K^-1 k(X, b): one part moves with the baseline, one with the inputs.
        d_c.iter_mut().for_each(|d| *d *= weight);
        let kernel = self.gp.kernel();
        kernel.add_gradient(&kernel.scale_point(u), &self.B, &h, &to_panels(&d_c), gradient);
        let mut extra = vec![[0.0; LANES]; self.solved[0].len()];
        for (d, solved) in d_c.iter().zip(&self.solved) {
            for (extra, solved) in extra.iter_mut().zip(solved) {
                add_scaled(extra, -d, solved);
            }
        }
        let (d_mean, d_variance) = (weight * d_mean, weight * d_variance);
        self.gp.add_gradient(u, &at, d_mean, d_variance, Some(&extra), gradient);
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acquisition::log_ei::LogEi;
    use crate::acquisition::testing::{check_gradient, model};

    const BASELINE: [[f64; 2]; 3] = [[0.9, 0.1], [0.7, 0.5], [0.2, 0.1]];

    fn baseline() -> Vec<Vec<f64>> {
        BASELINE.map(|u| u.to_vec()).to_vec()
    }

    #[test]
    fn gradients_match_central_differences() {
        let gp = model(0.1);
        check_gradient(&LogNei::new(&gp, &baseline(), f64::NEG_INFINITY, 1).unwrap());
        check_gradient(&LogNei::new(&gp, &baseline(), 0.9, 1).unwrap());
        check_gradient(&LogNei::new(&gp, &baseline()[..1], f64::NEG_INFINITY, 1).unwrap());
    }

    #[test]
    fn one_point_in_closed_form_agrees_with_draws() {
        let gp = model(0.1);
        let exact = LogNei::new(&gp, &baseline()[..1], f64::NEG_INFINITY, 1).unwrap();
        let drawn = LogNei::new(&gp, &baseline()[..1], -1e9, 1).unwrap();
        for u in [[0.3, 0.3], [0.8, 0.2], [0.1, 0.9]] {
            assert!((exact.value(&u) - drawn.value(&u)).abs() < 0.02);
        }
    }

    #[test]
    fn many_plain_draws_agree() {
        let gp = model(0.1);
        let nei = LogNei::new(&gp, &baseline(), f64::NEG_INFINITY, 3).unwrap();
        let u = [0.6, 0.2];
        let mut points = baseline();
        points.push(u.to_vec());
        let all = gp.scale_points(&DMatrix::from_fn(4, 2, |i, k| points[i][k]));
        let posteriors: Vec<_> = points.iter().map(|p| gp.posterior(p)).collect();
        let mut S = DMatrix::zeros(4, 4);
        for j in 0..4 {
            let c = gp.covariances(&points[j], &posteriors[j], &all, &posteriors).0;
            S.column_mut(j).copy_from_slice(&c.as_flattened()[..4]);
        }
        let L = cholesky(&S, 1.0).unwrap().L;
        let n = 1 << 16;
        let sum: f64 = Sobol::scrambled(4, 8)
            .unwrap()
            .points_from(0)
            .take(n)
            .map(|uniform| {
                let z = nalgebra::DVector::from_iterator(
                    4,
                    uniform.iter().map(|u| ndtri(u + HALF_CELL)),
                );
                let f = &L * z;
                let at = |i: usize| posteriors[i].mean + f[i];
                (at(3) - at(0).max(at(1)).max(at(2))).max(0.0)
            })
            .sum();
        let expected = (sum / n as f64).ln();
        assert!((nei.value(&u) - expected).abs() < 0.05, "{} {expected}", nei.value(&u));
    }

    /// Where the baseline is certain, noisy improvement is improvement.
    #[test]
    fn certain_baselines_give_expected_improvement() {
        let gp = model(1e-8);
        let nei = LogNei::new(&gp, &baseline()[..2], f64::NEG_INFINITY, 1).unwrap();
        let best = gp.posterior(&BASELINE[0]).mean;
        for u in [[0.8, 0.3], [0.5, 0.1], [0.3, 0.9]] {
            assert!((nei.value(&u) - LogEi { gp: &gp, best }.value(&u)).abs() < 1e-3);
        }
    }

    #[test]
    fn pending_points_are_avoided() {
        let gp = model(1e-6);
        let best = gp.posterior(&BASELINE[0]).mean;
        let pending = vec![0.85, 0.3];
        let without = LogEi { gp: &gp, best };
        let with = LogNei::new(&gp, std::slice::from_ref(&pending), best, 1).unwrap();
        assert!(with.value(&pending) < without.value(&pending) - 3.0);
        let far = [0.1, 0.9];
        assert!((with.value(&far) - without.value(&far)).abs() < 0.5);
    }
}
