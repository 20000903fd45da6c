//! How runners and metrics fail: only they know whether trying again can help.

use krige_core::value::ParameterError;

/// What a runner or metric reports beneath its own classification.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A runner's call failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunnerError {
    /// It may work later: the network was down, the queue was full. The call is repeated.
    #[error("the runner failed for now")]
    Transient(#[source] Cause),
    /// It will not work: the trial fails with this reason.
    #[error("the runner failed")]
    Permanent(#[source] Cause),
}

impl RunnerError {
    /// An error after which the same call may work.
    pub fn transient(cause: impl Into<Cause>) -> Self {
        Self::Transient(cause.into())
    }

    /// An error after which the same call will not work either.
    pub fn permanent(cause: impl Into<Cause>) -> Self {
        Self::Permanent(cause.into())
    }
}

impl From<ParameterError> for RunnerError {
    fn from(error: ParameterError) -> Self {
        Self::permanent(error)
    }
}

/// A metric's value cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MetricError {
    /// The value is not there yet: the metric is asked again later.
    #[error("the value is not there yet")]
    NotYet,
    /// It may work later: the service is down. The call is repeated.
    #[error("the metric failed for now")]
    Transient(#[source] Cause),
    /// There is no value and there will be none: the trial fails with this reason.
    #[error("the metric failed")]
    Permanent(#[source] Cause),
}

impl MetricError {
    /// An error after which the same call may work.
    pub fn transient(cause: impl Into<Cause>) -> Self {
        Self::Transient(cause.into())
    }

    /// An error after which the same call will not work either.
    pub fn permanent(cause: impl Into<Cause>) -> Self {
        Self::Permanent(cause.into())
    }
}
