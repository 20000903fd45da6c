//! Log expected hypervolume improvement: what a point may add to a front of several objectives.

use super::Acquisition;
use super::baseline::{Baseline, Draw, HALF_CELL, Moments, Slopes};
use super::ehvi_cells::{Evaluation, OpenSpace};
use crate::linalg::{NotPositiveDefinite, axpy, dot};
use crate::pareto::open_cells;
use crate::regression::GaussianProcess;
use crate::sobol::Sobol;
use crate::special::ndtri;

/// Joint draws of an uncertain front of two objectives; with more of them each has many cells, and half as many draws do.
const DRAWS: usize = 16;

/// `ln E[(volume that f(u) adds to a front)^+]` for independent objectives.
///
/// Exact in any number of objectives where the front is known: the part of the space that it leaves open is cut into
/// cells, and over a cell the expectation is a product of differences of expected improvements, `prod_j EI_j(lower) -
/// EI_j(upper)` (Yang et al. 2019). Products, sums and differences are taken of logarithms, so that nothing underflows.
///
/// Where the front is not known (measured under noise, or pending) the objectives are drawn jointly at its points, as in
/// Daulton et al. 2021, eq. 3; but given a draw the expectation is exact, also over f(u).
#[derive(Debug, Clone)]
pub struct LogEhvi<'a> {
    baselines: Vec<Baseline<'a>>,
    fronts: Vec<Front>,
}

/// One draw.
#[derive(Debug, Clone)]
struct Front {
    open: OpenSpace,
    /// For each objective the weights of its draw, shape `[m][b]`.
    weights: Vec<Vec<f64>>,
}

impl<'a> LogEhvi<'a> {
    /// Makes the function for the models of m >= 2 objectives, larger being better: `certain` are the values of points that
    /// are known, shape `[.][m]`, `uncertain` the points that are not, shape `[b][d]`, and `reference` is what the
    /// volume lies above, shape `[m]`; all in the models' units. `seed` determines the draws.
    ///
    /// # Errors
    /// If the covariance of the uncertain points cannot be factorized.
    pub fn new(
        gps: &[&'a GaussianProcess],
        certain: &[Vec<f64>],
        uncertain: &[Vec<f64>],
        reference: &[f64],
        seed: u64,
    ) -> Result<Self, NotPositiveDefinite> {
        let (m, b) = (gps.len(), uncertain.len());
        let baselines = gps.iter().map(|gp| Baseline::new(gp, uncertain));
        let baselines: Vec<Baseline<'a>> = baselines.collect::<Result<_, _>>()?;
        let front = |z: &[f64]| {
            let draws: Vec<Draw> =
                (0..m).map(|j| baselines[j].draw(&z[j * b..(j + 1) * b])).collect();
            let drawn = (0..b).map(|i| draws.iter().map(|draw| draw.values[i]).collect());
            let values: Vec<Vec<f64>> = certain.iter().cloned().chain(drawn).collect();
            let open = OpenSpace::new(&open_cells(&values, reference));
            Front { open, weights: draws.into_iter().map(|draw| draw.weights).collect() }
        };
        if b == 0 {
            return Ok(Self { fronts: vec![front(&[])], baselines });
        }
        // One sequence for all objectives: two of them, each scrambled anew, would not be independent.
        let sobol = Sobol::scrambled((m * b).min(crate::sobol::MAX_DIMENSION), seed)
            .expect("the dimension is capped at the size of the table");
        let draws = if m == 2 { DRAWS } else { DRAWS / 2 };
        let fronts = sobol.points_from(0).take(draws).map(|uniform| {
            let mut z: Vec<f64> = uniform.iter().map(|u| ndtri(u + HALF_CELL)).collect();
            z.resize(m * b, 0.0);
            front(&z)
        });
        Ok(Self { fronts: fronts.collect(), baselines })
    }

    fn evaluate(&self, moments: &[Moments]) -> (f64, Vec<Slopes>) {
        let remaining: Vec<(f64, Vec<f64>)> = (self.baselines.iter().zip(moments))
            .map(|(baseline, at)| baseline.remaining(at.variance, &at.c))
            .collect();
        let evaluations: Vec<Evaluation> = self
            .fronts
            .iter()
            .map(|front| {
                let given = moments.iter().zip(&front.weights).zip(&remaining);
                let at: Vec<(f64, f64)> = given
                    .map(|((at, weights), (variance, _))| {
                        (at.mean + dot(&at.c, weights), *variance)
                    })
                    .collect();
                front.open.evaluate(&at)
            })
            .collect();
        let largest = evaluations.iter().map(|e| e.value).fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = evaluations.iter().map(|e| (e.value - largest).exp()).sum();
        let value = largest + (total / evaluations.len() as f64).ln();
        let slopes = (0..moments.len()).map(|j| {
            let mut slopes = Slopes { mean: 0.0, variance: 0.0, c: vec![0.0; moments[j].c.len()] };
            for (e, front) in evaluations.iter().zip(&self.fronts) {
                let share = (e.value - largest).exp() / total;
                slopes.mean += share * e.d_mean[j];
                slopes.variance += share * e.d_variance[j];
                axpy(share * e.d_mean[j], &front.weights[j], &mut slopes.c);
            }
            self.baselines[j].add_remaining(&remaining[j].1, slopes.variance, &mut slopes.c);
            slopes
        });
        (value, slopes.collect())
    }
}

impl Acquisition for LogEhvi<'_> {
    fn value(&self, u: &[f64]) -> f64 {
        self.values(&[u.to_vec()])[0]
    }

    fn values(&self, points: &[Vec<f64>]) -> Vec<f64> {
        let mut moments: Vec<_> =
            self.baselines.iter().map(|baseline| baseline.moments_of(points)).collect();
        let next = |_| {
            let of = moments.iter_mut().filter_map(Iterator::next);
            self.evaluate(&of.collect::<Vec<_>>()).0
        };
        points.iter().map(next).collect()
    }

    fn add_gradient(&self, u: &[f64], weight: f64, gradient: &mut [f64]) -> f64 {
        let (posteriors, (moments, h)): (Vec<_>, (Vec<_>, Vec<_>)) = (self.baselines.iter())
            .map(|baseline| {
                let at = baseline.posterior(u);
                let moments = baseline.moments(u, &at);
                (at, moments)
            })
            .unzip();
        let (value, slopes) = self.evaluate(&moments);
        for (j, slopes) in slopes.into_iter().enumerate() {
            let slopes = slopes.times(weight);
            self.baselines[j].add_gradient(u, &posteriors[j], &h[j], slopes, gradient);
        }
        value
    }
}

#[cfg(test)]
#[path = "ehvi_tests.rs"]
mod tests;
