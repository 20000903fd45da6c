//! The trait that reads what a trial gave.

use std::fmt;

use krige_core::trial::{Metadata, TrialRun};

use crate::error::MetricError;

/// A measured value: what [`IMetric::fetch`] gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measurement {
    /// The mean, in the metric's own units.
    pub mean: f64,
    /// Standard error of the mean; `None` is unknown.
    pub sem: Option<f64>,
    /// How far the trial had come; `None` is the final value.
    pub progression: Option<f64>,
}

impl From<f64> for Measurement {
    /// A final value of unknown noise.
    fn from(mean: f64) -> Self {
        Self { mean, sem: None, progression: None }
    }
}

impl From<(f64, f64)> for Measurement {
    /// A final value: mean and standard error of the mean.
    fn from((mean, sem): (f64, f64)) -> Self {
        Self { mean, sem: Some(sem), progression: None }
    }
}

impl Measurement {
    /// Says how far the trial had come.
    #[must_use]
    pub fn at(self, progression: f64) -> Self {
        Self { progression: Some(progression), ..self }
    }
}

/// Reads one number that a trial gave.
///
/// # Contract
/// - Called from worker threads, after the runner said that the run is completed (and while it runs, if
///   [`available_while_running`](IMetric::available_while_running)); it may block, and should return within seconds.
///   A panic is an error of that call.
/// - Fetching must change nothing; it is repeated after a restart.
/// - A value that is not finite fails the trial; the model never sees it.
/// - The implementation is stored as [`IRunner`](crate::IRunner)'s is.
#[typetag::serde(tag = "type")]
pub trait IMetric: fmt::Debug + Send + Sync {
    /// The value that a run gave; `metadata` is what the runner gave back when it started the run.
    ///
    /// # Errors
    /// [`MetricError::NotYet`] and [`MetricError::Transient`] are tried again; [`MetricError::Permanent`] fails
    /// the trial.
    fn fetch(&self, run: &TrialRun, metadata: &Metadata) -> Result<Measurement, MetricError>;

    /// Whether it can be fetched while the trial runs. The default is no.
    fn available_while_running(&self) -> bool {
        false
    }
}
