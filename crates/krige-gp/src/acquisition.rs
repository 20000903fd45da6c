//! Acquisition functions: how much an evaluation at a point is worth, as logarithms to be maximized.

mod baseline;
pub mod ehvi;
mod ehvi_cells;
pub mod feasibility;
pub mod log_ei;
pub mod log_nei;
mod posterior_mean;
mod viability;

use crate::regression::GaussianProcess;
pub use posterior_mean::PosteriorMean;
pub(crate) use viability::Viability;

/// A function of a point of the cube, to be maximized.
pub trait Acquisition {
    /// Returns the value at `u`, shape `[d]`.
    fn value(&self, u: &[f64]) -> f64;

    /// Returns the values at the rows of `points`, shape `[.][d]`; many together cost less than one by one.
    fn values(&self, points: &[Vec<f64>]) -> Vec<f64> {
        points.iter().map(|u| self.value(u)).collect()
    }

    /// Returns the value at `u` and adds `weight` times the gradient to `gradient`, both shape `[d]`.
    /// Categorical coordinates have no gradient.
    fn add_gradient(&self, u: &[f64], weight: f64, gradient: &mut [f64]) -> f64;
}

/// A function of the posterior mean and variance of one process alone.
pub trait OfMoments {
    /// Returns the process.
    fn gp(&self) -> &GaussianProcess;

    /// Returns the value, and its derivatives with respect to mean and variance.
    fn evaluate(&self, mean: f64, variance: f64) -> (f64, f64, f64);
}

impl<F: OfMoments> Acquisition for F {
    fn value(&self, u: &[f64]) -> f64 {
        let at = self.gp().posterior(u);
        self.evaluate(at.mean, at.variance).0
    }

    fn values(&self, points: &[Vec<f64>]) -> Vec<f64> {
        let moments = self.gp().means_and_variances(points);
        moments.map(|(mean, variance)| self.evaluate(mean, variance).0).collect()
    }

    fn add_gradient(&self, u: &[f64], weight: f64, gradient: &mut [f64]) -> f64 {
        let at = self.gp().posterior(u);
        let (value, d_mean, d_variance) = self.evaluate(at.mean, at.variance);
        self.gp().add_gradient(u, &at, weight * d_mean, weight * d_variance, None, gradient);
        value
    }
}

/// The power of the probability of success. An improvement is expected of the next measurement alone, and a large one where
/// success is unlikely would be tried again and again; 1 loses a sixth more trials.
const CAUTION: f64 = 3.0;

/// A weighted sum: logarithms of independent factors, or an objective with a tie-break.
pub struct WeightedSum<'a> {
    /// Weights and terms.
    pub terms: Vec<(f64, Box<dyn Acquisition + 'a>)>,
}

impl<'a> WeightedSum<'a> {
    /// Multiplies an acquisition function by the cube of the probability of success, where that is in question.
    pub(crate) fn times_viability(mut self, viability: Option<&'a Viability>) -> Self {
        if let Some(viability) = viability {
            self.terms.push((CAUTION, Box::new(viability)));
        }
        self
    }
}

impl Acquisition for WeightedSum<'_> {
    fn value(&self, u: &[f64]) -> f64 {
        self.terms.iter().map(|(weight, term)| weight * term.value(u)).sum()
    }

    fn values(&self, points: &[Vec<f64>]) -> Vec<f64> {
        let mut sums = vec![0.0; points.len()];
        for (weight, term) in &self.terms {
            for (sum, value) in sums.iter_mut().zip(term.values(points)) {
                *sum += weight * value;
            }
        }
        sums
    }

    fn add_gradient(&self, u: &[f64], weight: f64, gradient: &mut [f64]) -> f64 {
        self.terms
            .iter()
            .map(|(factor, term)| factor * term.add_gradient(u, weight * factor, gradient))
            .sum()
    }
}

#[cfg(test)]
mod testing;
