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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acquisition::WeightedSum;
    use crate::acquisition::log_ei::LogEi;
    use crate::acquisition::testing::{check_gradient, model};

    #[test]
    fn gradients_match_central_differences() {
        let gp = model(0.01);
        let mean = PosteriorMean { gp: &gp };
        check_gradient(&mean);
        let ei = LogEi { gp: &gp, best: 0.8 };
        check_gradient(&WeightedSum { terms: vec![(0.7, Box::new(ei)), (-2.0, Box::new(mean))] });
    }
}
