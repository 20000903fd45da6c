//! The probability that a measurement succeeds at all, learned from those that failed.

use super::Acquisition;
use crate::classification::{Labels, Latent};
use crate::linalg::NotPositiveDefinite;
use crate::regression::GaussianProcess;
use crate::special::log_ndtr;

/// At most so many measurements are learned from, and hyperparameters from as many as this: the newest.
const MOST: usize = 200;
const FITTED: usize = 64;

/// `ln P(a measurement succeeds)`.
///
/// Experiments that fail without a value (a simulation that diverges, a sample that breaks, a device that trips) seldom do
/// so just anywhere: where they do is a hidden constraint. The expected improvement times the probability of success is
/// what a measurement is expected to gain (Lee et al. 2011; Bachoc et al. 2020).
#[derive(Debug, Clone)]
pub(crate) struct Viability {
    gp: GaussianProcess,
}

impl Viability {
    /// Learns from where measurements `succeeded` and `failed`, shape `[.][d]`, the newest last; `None` if none failed.
    /// `categorical` has shape `[d]`.
    ///
    /// # Errors
    /// If the covariance of the points cannot be factorized.
    pub(crate) fn new(
        succeeded: &[Vec<f64>],
        failed: &[Vec<f64>],
        categorical: &[bool],
    ) -> Result<Option<Self>, NotPositiveDefinite> {
        if failed.is_empty() {
            return Ok(None);
        }
        let newest = |count| newest(succeeded, failed, count);
        let latent = Latent::fit(&newest(FITTED), categorical);
        Ok(Some(Self { gp: latent.condition(&newest(MOST), categorical)? }))
    }

    /// The log probability, and its derivatives with respect to mean and variance of the latent function.
    fn evaluate(mean: f64, variance: f64) -> (f64, f64, f64) {
        let scale = (1.0 + variance).sqrt();
        let z = mean / scale;
        let (value, slope) = log_ndtr(z);
        (value, slope / scale, -0.5 * slope * z / (1.0 + variance))
    }
}

/// The newest `count` measurements, of the rarer outcome up to half of them.
fn newest(succeeded: &[Vec<f64>], failed: &[Vec<f64>], count: usize) -> Labels {
    let share = |of: &[Vec<f64>], others: &[Vec<f64>]| {
        of.len().min((count / 2).max(count.saturating_sub(others.len())))
    };
    let last = |of: &[Vec<f64>], share: usize| of[of.len() - share..].to_vec();
    let (successes, failures) = (share(succeeded, failed), share(failed, succeeded));
    Labels {
        x: [last(succeeded, successes), last(failed, failures)].concat(),
        y: [vec![1.0; successes], vec![-1.0; failures]].concat(),
    }
}

impl Acquisition for Viability {
    fn value(&self, u: &[f64]) -> f64 {
        let at = self.gp.posterior(u);
        Self::evaluate(at.mean, at.variance).0
    }

    fn values(&self, points: &[Vec<f64>]) -> Vec<f64> {
        let moments = self.gp.means_and_variances(points);
        moments.map(|(mean, variance)| Self::evaluate(mean, variance).0).collect()
    }

    fn add_gradient(&self, u: &[f64], weight: f64, gradient: &mut [f64]) -> f64 {
        let at = self.gp.posterior(u);
        let (value, d_mean, d_variance) = Self::evaluate(at.mean, at.variance);
        self.gp.add_gradient(u, &at, weight * d_mean, weight * d_variance, None, gradient);
        value
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::acquisition::testing::check_gradient;
    use crate::sobol::Sobol;

    /// Points of a square of which one side of a line fails.
    fn square(n: usize) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
        let sobol = Sobol::scrambled(2, 5).unwrap();
        let points: Vec<Vec<f64>> = sobol.points_from(0).take(n).map(|u| u.to_vec()).collect();
        points.into_iter().partition(|u| u[0] + u[1] < 1.2)
    }

    #[test]
    fn gradients_match_central_differences() {
        let (succeeded, failed) = square(20);
        check_gradient(&Viability::new(&succeeded, &failed, &[false; 2]).unwrap().unwrap());
    }

    #[test]
    fn where_measurements_fail_is_learned() {
        let (succeeded, failed) = square(40);
        let viability = Viability::new(&succeeded, &failed, &[false; 2]).unwrap().unwrap();
        let (good, bad) = square(240);
        let right =
            good[succeeded.len()..].iter().filter(|u| viability.value(u) > 0.5f64.ln()).count()
                + bad[failed.len()..].iter().filter(|u| viability.value(u) < 0.5f64.ln()).count();
        assert!(right >= 186, "{right} of 200");
    }

    #[test]
    fn the_newest_measurements_count_and_neither_outcome_is_crowded_out() {
        let points = |from: usize, to: usize| -> Vec<Vec<f64>> {
            (from..to).map(|i| vec![i as f64]).collect()
        };
        for (succeeded, failed, successes, failures) in
            [(100, 3, 61, 3), (5, 90, 5, 59), (100, 90, 32, 32), (10, 20, 10, 20)]
        {
            let labels = newest(&points(0, succeeded), &points(1000, 1000 + failed), 64);
            let expected = [
                points(succeeded - successes, succeeded),
                points(1000 + failed - failures, 1000 + failed),
            ];
            assert_eq!(labels.x, expected.concat());
            assert_eq!(labels.y.iter().filter(|y| **y > 0.0).count(), successes);
            assert_eq!(labels.y.iter().filter(|y| **y < 0.0).count(), failures);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Repeated and nearly repeated points, either outcome alone or both at one point, in any proportion.
        #[test]
        fn whatever_failed_probabilities_are_finite(
            points in prop::collection::vec((0..4u8, 0..4u8, 0..3u8, prop::bool::ANY), 1..80),
            categorical in prop::array::uniform2(prop::bool::ANY),
        ) {
            let near = [0.0, 1e-12, 1e-7];
            let point = |&(a, b, shift, _): &(u8, u8, u8, bool)| {
                vec![f64::from(a) / 3.0 + near[usize::from(shift)], f64::from(b) / 3.0]
            };
            let of = |success: bool| -> Vec<Vec<f64>> {
                points.iter().filter(|p| p.3 == success).map(point).collect()
            };
            let viability = Viability::new(&of(true), &of(false), &categorical).unwrap();
            prop_assert_eq!(viability.is_none(), of(false).is_empty());
            if let Some(viability) = viability {
                for u in points.iter().map(point).chain([vec![0.5, 0.5], vec![1.0, 0.1]]) {
                    let mut gradient = [0.0; 2];
                    let value = viability.add_gradient(&u, 1.0, &mut gradient);
                    prop_assert!(value.is_finite() && value <= 0.0);
                    prop_assert!(gradient.iter().all(|g| g.is_finite()));
                }
            }
        }
    }
}
