//! Log expected improvement over a known best value.

use super::OfMoments;
use crate::regression::GaussianProcess;
use crate::special::log_h;

/// `ln E[(f(u) - best)^+]`. Ament et al. 2023, eq. 9.
#[derive(Debug, Clone, Copy)]
pub struct LogEi<'a> {
    /// Model of the objective, larger is better.
    pub gp: &'a GaussianProcess,
    /// The value to improve on, in the model's units.
    pub best: f64,
}

impl OfMoments for LogEi<'_> {
    fn gp(&self) -> &GaussianProcess {
        self.gp
    }

    fn evaluate(&self, mean: f64, variance: f64) -> (f64, f64, f64) {
        let sigma = variance.sqrt();
        let u = (mean - self.best) / sigma;
        let (log_h, slope) = log_h(u);
        (sigma.ln() + log_h, slope / sigma, (1.0 - u * slope) / (2.0 * variance))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acquisition::Acquisition;
    use crate::acquisition::testing::{check_gradient, model};

    #[test]
    fn gradient_matches_central_differences() {
        let gp = model(0.01);
        for best in [-0.5, 0.8, 3.0] {
            check_gradient(&LogEi { gp: &gp, best });
        }
    }

    #[test]
    fn value_matches_quadrature() {
        let gp = model(0.01);
        let at = gp.posterior(&[0.5, 0.4]);
        let sigma = at.variance.sqrt();
        let sum: f64 = (-80_000..80_000)
            .map(|i| {
                let z = (f64::from(i) + 0.5) * 1e-4;
                (at.mean + sigma * z - 0.6).max(0.0) * crate::special::normal_pdf(z) * 1e-4
            })
            .sum();
        let value = LogEi { gp: &gp, best: 0.6 }.value(&[0.5, 0.4]);
        assert!((value - sum.ln()).abs() < 1e-6, "{value} {}", sum.ln());
    }
    /// However hopeless or certain an improvement is, the value is finite and the gradient leads upwards.
    #[test]
    fn extremes_are_finite_decreasing_and_can_be_climbed() {
        let gp = model(0.01);
        let up = (0..=90).map(|i| 10f64.powf(0.1 * f64::from(i)));
        let bests: Vec<f64> = up.clone().map(|best| -best).rev().chain(up).collect();
        for u in [[0.5, 0.4], [0.05, 0.95]] {
            let mut previous = f64::INFINITY;
            for &best in &bests {
                let ei = LogEi { gp: &gp, best };
                let mut gradient = [0.0; 2];
                let value = ei.add_gradient(&u, 1.0, &mut gradient);
                assert!(value.is_finite() && value < previous, "{best:e}: {value:e}");
                let size = gradient[0].hypot(gradient[1]);
                assert!(size.is_finite() && size > 0.0, "{best:e}: {gradient:?}");
                let step = |k: usize| u[k] + 1e-4 * gradient[k] / size;
                assert!(ei.value(&[step(0), step(1)]) > value, "{best:e}");
                previous = value;
            }
        }
    }
}
