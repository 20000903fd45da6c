//! How models are to be fitted, and what is kept of them.

use thiserror::Error;

use crate::linalg::NotPositiveDefinite;
use crate::regression::Hyperparameters;
use crate::warp::Warp;

/// What is known about the noise of measurements without a given variance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NoiseAssumption {
    /// Nothing: the model for clean data is used until the data show noise.
    #[default]
    Unknown,
    /// There is none to speak of.
    Deterministic,
    /// There is noise, of whatever size: what counts is the improvement over an uncertain best, and points may be measured again.
    Noisy,
}

/// Which family of models to fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ModelKind {
    /// Matern-5/2 with free outputscale, output warp by evidence, and noise handled as assumed; for an objective with little
    /// noise or none RBF, and lengthscales along other directions than the axes, where the evidence for these is strong.
    #[default]
    Evidence,
    /// The default of Ax 1.3: RBF, outputscale 1, its noise prior, winsorized outputs.
    AxDefault,
}

/// How models are to be fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ModelOptions {
    /// The family.
    pub kind: ModelKind,
    /// The noise.
    pub noise: NoiseAssumption,
}

/// What was found for one outcome; plain data to be stored and given back as a warm start.
#[derive(Debug, Clone, PartialEq)]
pub struct OutcomeState {
    /// The maximum a posteriori.
    pub hyperparameters: Hyperparameters,
    /// The shape of the output transform.
    pub warp: Warp,
    /// Whether the data showed noise, so that the model for noisy data was used.
    pub noisy: bool,
    /// What had to be added to the diagonal of the covariance; 0 when nothing.
    pub jitter: f64,
    /// How many measurements the hyperparameters were fitted to.
    pub fitted_to: usize,
}

/// No model could be made.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum FitError {
    /// There is nothing to learn from.
    #[error("expected at least one measurement, found none")]
    NoMeasurements,
    /// The covariance matrix of the measurements has no factor.
    #[error("the covariance of {n} measurements cannot be factorized")]
    Singular {
        /// How many measurements there are.
        n: usize,
        /// Where factorization stopped.
        #[source]
        source: NotPositiveDefinite,
    },
}
