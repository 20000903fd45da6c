//! The probability that constraints hold.

use super::{Acquisition, OfMoments};
use crate::regression::GaussianProcess;
use crate::special::log_diff_ndtr;

/// An outcome that must lie between two bounds, in the units of its model; a bound may be infinite.
#[derive(Debug, Clone, Copy)]
pub struct ModelledConstraint<'a> {
    /// Model of the outcome.
    pub gp: &'a GaussianProcess,
    /// Lower bound.
    pub lower: f64,
    /// Upper bound.
    pub upper: f64,
}

impl ModelledConstraint<'_> {
    /// Value, and derivatives with respect to the posterior mean and variance.
    fn evaluate(&self, mean: f64, variance: f64) -> (f64, f64, f64) {
        let sigma = variance.sqrt();
        let (a, b) = ((self.lower - mean) / sigma, (self.upper - mean) / sigma);
        let (value, d_a, d_b) = log_diff_ndtr(a, b);
        // An infinite bound has derivative 0, and 0 times infinity must not become NaN.
        let scaled = |d: f64, u: f64| if d == 0.0 { 0.0 } else { d * u };
        let d_variance = -(scaled(d_a, a) + scaled(d_b, b)) / (2.0 * variance);
        (value, -(d_a + d_b) / sigma, d_variance)
    }
}

/// `ln P(all constraints hold)` for independent constraints. Gardner et al. 2014, eq. 7.
#[derive(Debug, Clone)]
pub struct LogFeasibility<'a> {
    /// The constraints.
    pub constraints: Vec<ModelledConstraint<'a>>,
}

/// By how much an outcome exceeds a bound, `distance` standard deviations counted as well: at most 0 where the bound holds with
/// as much confidence.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Margin<'a> {
    gp: &'a GaussianProcess,
    bound: f64,
    /// 1 for an upper bound, -1 for a lower one.
    sign: f64,
    distance: f64,
}

impl OfMoments for Margin<'_> {
    fn gp(&self) -> &GaussianProcess {
        self.gp
    }

    fn evaluate(&self, mean: f64, variance: f64) -> (f64, f64, f64) {
        let sigma = variance.sqrt();
        let excess = self.sign * (mean - self.bound) + self.distance * sigma;
        (excess, self.sign, 0.5 * self.distance / sigma)
    }
}

impl<'a> LogFeasibility<'a> {
    /// Returns the margins of all finite bounds.
    pub(crate) fn margins(&self, distance: f64) -> Vec<Margin<'a>> {
        let of = |c: &ModelledConstraint<'a>| {
            [(c.lower, -1.0), (c.upper, 1.0)].map(|(bound, sign)| Margin {
                gp: c.gp,
                bound,
                sign,
                distance,
            })
        };
        self.constraints.iter().flat_map(of).filter(|margin| margin.bound.is_finite()).collect()
    }
}

impl Acquisition for LogFeasibility<'_> {
    fn value(&self, u: &[f64]) -> f64 {
        self.values(&[u.to_vec()])[0]
    }

    fn values(&self, points: &[Vec<f64>]) -> Vec<f64> {
        let mut sums = vec![0.0; points.len()];
        for constraint in &self.constraints {
            let mean_and_variance = constraint.gp.means_and_variances(points);
            for (sum, (mean, variance)) in sums.iter_mut().zip(mean_and_variance) {
                *sum += constraint.evaluate(mean, variance).0;
            }
        }
        sums
    }

    fn add_gradient(&self, u: &[f64], weight: f64, gradient: &mut [f64]) -> f64 {
        let mut sum = 0.0;
        for constraint in &self.constraints {
            let at = constraint.gp.posterior(u);
            let (value, d_mean, d_variance) = constraint.evaluate(at.mean, at.variance);
            let (d_mean, d_variance) = (weight * d_mean, weight * d_variance);
            constraint.gp.add_gradient(u, &at, d_mean, d_variance, None, gradient);
            sum += value;
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acquisition::testing::{check_gradient, model};
    use crate::special::normal_cdf;

    #[test]
    fn gradient_matches_central_differences() {
        let gp = model(0.01);
        for (lower, upper) in [
            (f64::NEG_INFINITY, 0.3),
            (0.1, f64::INFINITY),
            (-0.2, 0.9),
            (0.2, 0.21),
            (4.0, f64::INFINITY),
            (f64::NEG_INFINITY, -6.0),
        ] {
            let constraints = vec![ModelledConstraint { gp: &gp, lower, upper }];
            check_gradient(&LogFeasibility { constraints });
        }
    }

    #[test]
    fn margins_are_at_most_0_where_bounds_hold_with_confidence() {
        let gp = model(0.01);
        let constraints = vec![
            ModelledConstraint { gp: &gp, lower: f64::NEG_INFINITY, upper: 0.5 },
            ModelledConstraint { gp: &gp, lower: -0.4, upper: 1.0 },
        ];
        let margins = LogFeasibility { constraints }.margins(2.0);
        assert_eq!(margins.len(), 3);
        let at = gp.posterior(&[0.5, 0.4]);
        let sigma = at.variance.sqrt();
        let expected = [
            at.mean + 2.0 * sigma - 0.5,
            -0.4 - at.mean + 2.0 * sigma,
            at.mean + 2.0 * sigma - 1.0,
        ];
        for (margin, expected) in margins.iter().zip(expected) {
            check_gradient(margin);
            assert!((margin.value(&[0.5, 0.4]) - expected).abs() < 1e-14);
        }
    }

    #[test]
    fn value_is_the_product_of_probabilities() {
        let gp = model(0.01);
        let u = [0.5, 0.4];
        let at = gp.posterior(&u);
        let z = |bound: f64| (bound - at.mean) / at.variance.sqrt();
        let expected = normal_cdf(z(0.5)) * (normal_cdf(z(1.0)) - normal_cdf(z(-0.4)));
        let constraints = vec![
            ModelledConstraint { gp: &gp, lower: f64::NEG_INFINITY, upper: 0.5 },
            ModelledConstraint { gp: &gp, lower: -0.4, upper: 1.0 },
        ];
        let value = LogFeasibility { constraints }.value(&u);
        assert!((value - expected.ln()).abs() < 1e-12);
    }
}
