//! The posterior mean as an acquisition function: pure exploitation.

use super::Acquisition;
use crate::regression::GaussianProcess;

/// The posterior mean: pure exploitation.
#[derive(Debug, Clone, Copy)]
pub struct PosteriorMean<'a> {
    /// Model of the objective, larger is better.
    pub gp: &'a GaussianProcess,
}

impl Acquisition for PosteriorMean<'_> {
    fn value(&self, u: &[f64]) -> f64 {
        self.gp.posterior_mean(u, None)
    }

    fn add_gradient(&self, u: &[f64], weight: f64, gradient: &mut [f64]) -> f64 {
        self.gp.posterior_mean(u, Some((weight, gradient)))
    }
}
