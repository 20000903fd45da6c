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
        self.gp.posterior(u).mean
    }

    fn add_gradient(&self, u: &[f64], weight: f64, gradient: &mut [f64]) -> f64 {
        let at = self.gp.posterior(u);
        self.gp.add_gradient(u, &at, weight, 0.0, None, gradient);
        at.mean
    }
}
