//! Log noisy expected improvement: the value to improve on is itself uncertain.

use super::Acquisition;
use super::baseline::{Baseline, Draw, HALF_CELL, Moments, Slopes};
use crate::linalg::{NotPositiveDefinite, axpy, dot};
use crate::regression::GaussianProcess;
use crate::sobol::Sobol;
use crate::special::{log_h, ndtri};

/// Joint draws of the function at the baseline.
const SAMPLES: usize = 128;

/// `ln E[(f(u) - max_b f(b))^+]` over a baseline of uncertain points b: measured ones under noise,
/// pending ones always.
///
/// The function is drawn jointly at the baseline alone. Given a draw, f(u) is Gaussian and its expected
/// improvement is exact, so the average over draws has neither the variance of Letham et al. 2019, eq. 6,
/// nor flat regions where no draw of f(u) improves. A baseline of one point is done in closed form.
#[derive(Debug, Clone)]
pub struct LogNei<'a> {
    gp: &'a GaussianProcess,
    baseline: Baseline<'a>,
    /// Each with its best value.
    draws: Vec<(Draw, f64)>,
    /// Only the single point, no certain best: closed form. Mean and variance there.
    single: Option<(f64, f64)>,
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
        let single = (b == 1 && certain == f64::NEG_INFINITY).then(|| {
            let at = gp.posterior(&baseline[0]);
            (at.mean, at.variance)
        });
        let baseline = Baseline::new(gp, baseline)?;
        let sobol = Sobol::scrambled(b.min(crate::sobol::MAX_DIMENSION), seed)
            .expect("the dimension is capped at the size of the table");
        let draws = sobol
            .points_from(0)
            .take(SAMPLES)
            .map(|uniform| {
                let mut z: Vec<f64> = uniform.iter().map(|u| ndtri(u + HALF_CELL)).collect();
                z.resize(b, 0.0);
                let draw = baseline.draw(&z);
                let best = draw.values.iter().copied().fold(certain, f64::max);
                (draw, best)
            })
            .collect();
        Ok(Self { gp, baseline, draws, single })
    }

    fn evaluate(&self, Moments { mean, variance, c }: &Moments) -> (f64, Slopes) {
        if let Some((other_mean, other_variance)) = self.single {
            // The variance of the difference cannot be larger than rounding where u is the baseline.
            let floor = 1e-14 * self.gp.kernel().outputscale;
            let variance = (variance + other_variance - 2.0 * c[0]).max(floor);
            let sigma = variance.sqrt();
            let u = (mean - other_mean) / sigma;
            let (log_h, slope) = log_h(u);
            let d_variance = (1.0 - u * slope) / (2.0 * variance);
            let slopes =
                Slopes { mean: slope / sigma, variance: d_variance, c: vec![-2.0 * d_variance] };
            return (sigma.ln() + log_h, slopes);
        }
        let (variance, white) = self.baseline.remaining(*variance, c);
        let sigma = variance.sqrt();
        let terms: Vec<(f64, f64, f64)> = self
            .draws
            .iter()
            .map(|(draw, best)| {
                let u = (mean + dot(c, &draw.weights) - best) / sigma;
                let (log_h, slope) = log_h(u);
                (log_h, slope, u)
            })
            .collect();
        let largest = terms.iter().map(|t| t.0).fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = terms.iter().map(|t| (t.0 - largest).exp()).sum();
        let mut slopes = Slopes { mean: 0.0, variance: 0.0, c: vec![0.0; c.len()] };
        for ((log_h, slope, u), (draw, _)) in terms.iter().zip(&self.draws) {
            let share = (log_h - largest).exp() / total;
            slopes.mean += share * slope / sigma;
            slopes.variance += share * (1.0 - u * slope) / (2.0 * variance);
            axpy(share * slope / sigma, &draw.weights, &mut slopes.c);
        }
        self.baseline.add_remaining(&white, slopes.variance, &mut slopes.c);
        (sigma.ln() + largest + (total / self.draws.len() as f64).ln(), slopes)
    }
}

impl Acquisition for LogNei<'_> {
    fn value(&self, u: &[f64]) -> f64 {
        let at = self.gp.posterior(u);
        self.evaluate(&self.baseline.moments(u, &at).0).0
    }

    fn values(&self, points: &[Vec<f64>]) -> Vec<f64> {
        self.baseline.moments_of(points).map(|at| self.evaluate(&at).0).collect()
    }

    fn add_gradient(&self, u: &[f64], weight: f64, gradient: &mut [f64]) -> f64 {
        let at = self.gp.posterior(u);
        let (moments, h) = self.baseline.moments(u, &at);
        let (value, slopes) = self.evaluate(&moments);
        self.baseline.add_gradient(u, &at, &h, slopes.times(weight), gradient);
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
        let joint = Baseline::new(&gp, &points).unwrap();
        let n = 1 << 16;
        let sum: f64 = Sobol::scrambled(4, 8)
            .unwrap()
            .points_from(0)
            .take(n)
            .map(|uniform| {
                let z: Vec<f64> = uniform.iter().map(|u| ndtri(u + HALF_CELL)).collect();
                let f = joint.draw(&z).values;
                (f[3] - f[0].max(f[1]).max(f[2])).max(0.0)
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
