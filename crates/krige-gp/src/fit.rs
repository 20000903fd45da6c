//! Hyperparameters by maximum a posteriori.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::covariance::Covariance;
use crate::kernel::KernelKind;
use crate::linalg::NotPositiveDefinite;
use crate::observations::Observations;
use crate::optimize::lbfgsb::LbfgsB;
use crate::priors::{NOISE_CEILING, OUTPUTSCALE_RANGE, Priors};
use crate::regression::{Hyperparameters, Mean, likelihood};
use crate::rotation::{Rotation, Turn, planes};
use crate::sampling::normal;

/// Below this many points the posterior of the hyperparameters often has several modes.
const FEW_POINTS: usize = 15;

/// Directions, and sums of functions of one dimension, converge slowly; the next fit goes on from where this one ends.
const SLOW_ITERATIONS: usize = 40;

/// The problem of finding the hyperparameters of largest posterior density.
#[derive(Debug, Clone, Copy)]
pub struct MapEstimate<'a> {
    /// What to explain.
    pub data: &'a Observations,
    /// Which dimensions are categorical, shape `[d]`.
    pub categorical: &'a [bool],
    /// The shape of the kernel.
    pub kernel: KernelKind,
    /// What is believed beforehand.
    pub priors: &'a Priors,
    /// Whether the directions of the lengthscales are fitted too, all being as likely; else they are those of each start.
    pub turns: bool,
    /// Stops when no derivative with respect to a log parameter is larger.
    pub gradient_tolerance: f64,
    /// Stops when a step gains less than this, relative.
    pub value_tolerance: f64,
}

/// A solution of [`MapEstimate`].
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// Where the density is largest.
    pub hyperparameters: Hyperparameters,
    /// Log likelihood plus log prior there, with all constants.
    pub log_posterior: f64,
    /// How often the likelihood was evaluated.
    pub evaluations: usize,
}

impl<'a> MapEstimate<'a> {
    /// Poses the problem with tolerances that are good enough for suggestions.
    pub fn new(
        data: &'a Observations,
        categorical: &'a [bool],
        kernel: KernelKind,
        priors: &'a Priors,
    ) -> Self {
        let (gradient_tolerance, value_tolerance) = (1e-3, 1e-5);
        let turns = false;
        Self { data, categorical, kernel, priors, turns, gradient_tolerance, value_tolerance }
    }

    /// Returns the start that the priors suggest.
    pub fn prior_mode(&self) -> Hyperparameters {
        Hyperparameters {
            kernel: self.kernel,
            lengthscales: vec![self.priors.lengthscale.mode(); self.categorical.len()],
            rotation: None,
            outputscale: 1.0,
            noise_variance: self.priors.noise_start,
        }
    }

    /// Maximizes from the prior mode (with two random draws from the prior when points are few) and
    /// from `starts`; the best result counts.
    pub fn solve(&self, starts: &[Hyperparameters]) -> Result<Fit, NotPositiveDefinite> {
        let mut all = vec![self.prior_mode()];
        all.extend_from_slice(starts);
        if self.data.len() < FEW_POINTS {
            let mut rng = ChaCha8Rng::seed_from_u64(0);
            for _ in 0..2 {
                let mut start = self.prior_mode();
                for l in &mut start.lengthscales {
                    // Half the prior's spread: its upper tail is flat and ends searches early.
                    let prior = self.priors.lengthscale.body;
                    *l = (prior.mode().ln() + 0.5 * prior.scale * (normal(&mut rng) + 1.0)).exp();
                }
                all.push(start);
            }
        }
        self.solve_from(&all)
    }

    /// Maximizes from `starts` alone; the best result counts, the first of equal ones.
    pub fn solve_from(&self, starts: &[Hyperparameters]) -> Result<Fit, NotPositiveDefinite> {
        let mut best: Option<Fit> = None;
        let mut failure = None;
        let mut evaluations = 0;
        for start in starts {
            match self.climb(start) {
                Ok(fit) => {
                    evaluations += fit.evaluations;
                    if best.as_ref().is_none_or(|best| fit.log_posterior > best.log_posterior) {
                        best = Some(fit);
                    }
                }
                Err(error) => failure = Some(error),
            }
        }
        match (best, failure) {
            (Some(fit), _) => Ok(Fit { evaluations, ..fit }),
            (None, Some(error)) => Err(error),
            (None, None) => self.solve_from(&[self.prior_mode()]),
        }
    }

    fn climb(&self, start: &Hyperparameters) -> Result<Fit, NotPositiveDefinite> {
        let d = self.categorical.len();
        let (shortest, longest) = self.priors.lengthscale_bounds;
        let mut lower = vec![shortest.ln(); d];
        let mut upper = vec![longest.ln(); d];
        let mut theta: Vec<f64> = start.lengthscales.iter().map(|l| l.ln()).collect();
        theta.resize(d, self.priors.lengthscale.mode().ln());
        if self.priors.outputscale.is_some() {
            lower.push(-OUTPUTSCALE_RANGE.ln());
            upper.push(OUTPUTSCALE_RANGE.ln());
            theta.push(start.outputscale.ln());
        }
        if self.data.infers_noise() {
            lower.push(self.priors.noise_floor.ln());
            upper.push(NOISE_CEILING.ln());
            theta.push(start.noise_variance.ln());
        }
        let from = match &start.rotation {
            None if self.turns => Some(Rotation::identity(d)),
            rotation => rotation.clone(),
        };
        if self.turns {
            let angles = planes(self.categorical).len();
            lower.extend(vec![f64::NEG_INFINITY; angles]);
            upper.extend(vec![f64::INFINITY; angles]);
            theta.extend(vec![0.0; angles]);
        }
        let mut solver = LbfgsB::new(lower, upper);
        solver.gradient_tolerance = self.gradient_tolerance;
        solver.value_tolerance = self.value_tolerance;
        if self.turns || self.kernel.is_additive() {
            solver.max_iterations = SLOW_ITERATIONS;
        }
        let mut failure = None;
        let mut covariance = Covariance::new(&self.data.X);
        let minimum = solver.minimize(&theta, |theta, gradient| {
            match self.log_posterior(theta, from.as_ref(), &mut covariance, gradient) {
                Ok(value) => {
                    gradient.iter_mut().for_each(|g| *g = -*g);
                    -value
                }
                Err(error) => {
                    failure = Some(error);
                    f64::INFINITY
                }
            }
        });
        if !minimum.value.is_finite() {
            let row_of = |error: Option<NotPositiveDefinite>| {
                error.unwrap_or(NotPositiveDefinite { row: 0, pivot: f64::NAN, jitter: 0.0 })
            };
            return Err(row_of(failure));
        }
        Ok(Fit {
            hyperparameters: self.unpack(&minimum.x, from.as_ref()).0,
            log_posterior: -minimum.value,
            evaluations: minimum.evaluations,
        })
    }

    /// Reads what [`MapEstimate::climb`] arranges: logarithms, then angles by which directions turn that were `from`.
    fn unpack(&self, theta: &[f64], from: Option<&Rotation>) -> (Hyperparameters, Option<Turn>) {
        let d = self.categorical.len();
        let scales = usize::from(self.priors.outputscale.is_some());
        let logarithms = d + scales + usize::from(self.data.infers_noise());
        let turn = self.turns.then(|| Turn::new(self.categorical, &theta[logarithms..]));
        let rotation = match (from, &turn) {
            (Some(from), Some(turn)) => Some(from.turned(turn)),
            (from, _) => from.cloned(),
        };
        let mut rest = theta[d..logarithms].iter().map(|t| t.exp());
        let hyperparameters = Hyperparameters {
            kernel: self.kernel,
            lengthscales: theta[..d].iter().map(|t| t.exp()).collect(),
            rotation,
            outputscale: self.priors.outputscale.and_then(|_| rest.next()).unwrap_or(1.0),
            noise_variance: rest.next().unwrap_or(self.priors.noise_floor),
        };
        (hyperparameters, turn)
    }

    /// Returns the log posterior at the logarithms and angles `theta` and writes its gradient.
    fn log_posterior(
        &self,
        theta: &[f64],
        from: Option<&Rotation>,
        covariance: &mut Covariance,
        gradient: &mut [f64],
    ) -> Result<f64, NotPositiveDefinite> {
        let d = self.categorical.len();
        let (hyperparameters, turn) = self.unpack(theta, from);
        let likelihood =
            likelihood(self.data, covariance, &hyperparameters, self.categorical, Mean::Profiled)?;
        let mut value = likelihood.value;
        for (k, lengthscale) in hyperparameters.lengthscales.iter().enumerate() {
            let (density, derivative) = self.priors.lengthscale.log_density(*lengthscale);
            value += density;
            gradient[k] = likelihood.lengthscales[k] + derivative;
        }
        let mut next = d;
        if let Some(prior) = self.priors.outputscale {
            let (density, derivative) = prior.log_density(theta[next]);
            value += density;
            gradient[next] = likelihood.outputscale + derivative;
            next += 1;
        }
        if self.data.infers_noise() {
            let (density, derivative) =
                self.priors.noise.log_density(hyperparameters.noise_variance);
            value += density;
            gradient[next] = likelihood.noise_variance + derivative;
            next += 1;
        }
        if let Some(turn) = turn {
            gradient[next..].copy_from_slice(&turn.derivatives(&likelihood.turns));
        }
        Ok(value)
    }
}

#[cfg(test)]
#[path = "fit_tests.rs"]
mod tests;
