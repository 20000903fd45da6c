//! Acquisition functions: how much an evaluation at a point is worth, as logarithms to be maximized.

mod baseline;
pub mod ehvi;
mod ehvi_cells;
pub mod feasibility;
pub mod log_ei;
pub mod log_nei;
mod posterior_mean;
mod viability;

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

impl<A: Acquisition> Acquisition for &A {
    fn value(&self, u: &[f64]) -> f64 {
        A::value(self, u)
    }

    fn values(&self, points: &[Vec<f64>]) -> Vec<f64> {
        A::values(self, points)
    }

    fn add_gradient(&self, u: &[f64], weight: f64, gradient: &mut [f64]) -> f64 {
        A::add_gradient(self, u, weight, gradient)
    }
}

/// The power of the probability of success. An improvement is expected of the next measurement alone, and a large one where
/// success is unlikely would be tried again and again; 1 loses a fifth more trials.
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
