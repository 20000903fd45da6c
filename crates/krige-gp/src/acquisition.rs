//! Acquisition functions: how much an evaluation at a point is worth, as logarithms to be maximized.

mod baseline;
pub mod ehvi;
mod ehvi_cells;
pub mod feasibility;
pub mod log_ei;
pub mod log_nei;
mod posterior_mean;

pub use posterior_mean::PosteriorMean;

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

/// A weighted sum: logarithms of independent factors, or an objective with a tie-break.
pub struct WeightedSum<'a> {
    /// Weights and terms.
    pub terms: Vec<(f64, Box<dyn Acquisition + 'a>)>,
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
