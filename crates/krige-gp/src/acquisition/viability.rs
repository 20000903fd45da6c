//! The probability that a measurement succeeds at all, learned from those that failed.

use libm::lgamma;

use super::OfMoments;
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
///
/// They may also fail by chance, anywhere. Both are as likely before; after what was seen each counts as much as its evidence:
/// that of the classifier, and for chance that of a rate of which any is as likely.
#[derive(Debug, Clone)]
pub(crate) struct Viability {
    gp: GaussianProcess,
    /// The probability that the point matters.
    matters: f64,
    /// The share that succeeds if it does not.
    rate: f64,
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
        let labels = newest(FITTED);
        let (latent, evidence) = Latent::fit(&labels, categorical);
        let successes = labels.y.iter().filter(|y| **y > 0.0).count() as f64;
        let count = labels.y.len() as f64;
        let factorial = |n: f64| lgamma(n + 1.0);
        let chance = factorial(successes) + factorial(count - successes) - factorial(count + 1.0);
        Ok(Some(Self {
            gp: latent.condition(&newest(MOST), categorical)?,
            matters: 1.0 / (1.0 + (chance - evidence).exp()),
            rate: (successes + 1.0) / (count + 2.0),
        }))
    }
}

impl OfMoments for &Viability {
    fn gp(&self) -> &GaussianProcess {
        &self.gp
    }

    fn evaluate(&self, mean: f64, variance: f64) -> (f64, f64, f64) {
        let scale = (1.0 + variance).sqrt();
        let z = mean / scale;
        let (log, slope) = log_ndtr(z);
        let at_point = self.matters * log.exp();
        let all = at_point + (1.0 - self.matters) * self.rate;
        let (value, slope) =
            if self.matters < 1.0 { (all.ln(), slope * at_point / all) } else { (log, slope) };
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::acquisition::Acquisition;
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
        let viability = Viability::new(&succeeded, &failed, &[false; 2]).unwrap().unwrap();
        for matters in [0.4, 1.0] {
            check_gradient(&&Viability { matters, ..viability.clone() });
        }
    }

    #[test]
    fn where_measurements_fail_is_learned() {
        let (succeeded, failed) = square(40);
        let viability = &Viability::new(&succeeded, &failed, &[false; 2]).unwrap().unwrap();
        let (good, bad) = square(240);
        let right =
            good[succeeded.len()..].iter().filter(|u| viability.value(u) > 0.5f64.ln()).count()
                + bad[failed.len()..].iter().filter(|u| viability.value(u) < 0.5f64.ln()).count();
        assert!(right >= 186, "{right} of 200");
    }

    #[test]
    fn failures_by_chance_say_nothing_of_points() {
        let (good, bad) = square(40);
        let all = [good.clone(), bad.clone()].concat();
        let by_chance = |i: &usize| [2, 3, 5, 8, 13, 21, 27, 34].contains(i);
        let of = |fails: bool| -> Vec<Vec<f64>> {
            let chosen = (0..all.len()).filter(|i| by_chance(i) == fails);
            chosen.map(|i| all[i].clone()).collect()
        };
        let chance = &Viability::new(&of(false), &of(true), &[false; 2]).unwrap().unwrap();
        let bounded = Viability::new(&good, &bad, &[false; 2]).unwrap().unwrap();
        assert!(chance.matters < 0.5, "{}", chance.matters);
        assert!(bounded.matters > 0.99, "{}", bounded.matters);
        for u in &all {
            let p = chance.value(u).exp();
            assert!((0.3..0.95).contains(&p), "{p}");
        }
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
            if let Some(viability) = &viability {
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
