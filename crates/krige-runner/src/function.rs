//! Closures as runners and metrics, for objectives that are a function of this program.

use std::fmt;
use std::sync::Arc;

use krige_core::trial::{Metadata, TrialRun};
use krige_core::value::Parameterization;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Cause, MetricError, RunnerError};
use crate::metric::{IMetric, Measurement};
use crate::runner::{Found, IRunner, RunStatus};

type Run = dyn Fn(&Parameterization) -> Result<Metadata, RunnerError> + Send + Sync;
type Fetch = dyn Fn(&TrialRun, &Metadata) -> Result<Measurement, MetricError> + Send + Sync;

/// Runs a trial by calling a closure, which gives the trial's measurements by name.
///
/// The call blocks the worker thread until it is done; the measurements are stored in the trial's metadata, where
/// [`MetadataMetric`](crate::MetadataMetric) reads them.
///
/// ```
/// use krige_runner::FunctionRunner;
///
/// let one = FunctionRunner::new(|p| Ok([("y", p.float("x")?.powi(2))]));
/// // With standard errors of the mean:
/// let two = FunctionRunner::new(|p| Ok([("y", (p.float("x")?, 0.1)), ("z", (1.0, 0.0))]));
/// ```
///
/// # After a restart
/// A call that was under way when its process died has left nothing behind, so the trial is run again: the closure
/// must be harmless to repeat. The closure itself cannot be stored: what is read back from a journal answers for
/// the trials that have run, and fails every new one with [`ClosureLost`] until the application gives the closure again.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionRunner {
    #[serde(skip)]
    function: Option<Arc<Run>>,
}

impl FunctionRunner {
    /// Makes a runner of a closure; it may be called from several threads at once.
    ///
    /// An error of the closure fails the trial. To have the call repeated instead, return a
    /// [`RunnerError::Transient`].
    pub fn new<F, I, S, M>(function: F) -> Self
    where
        F: Fn(&Parameterization) -> Result<I, Cause> + Send + Sync + 'static,
        I: IntoIterator<Item = (S, M)>,
        S: Into<String>,
        M: Into<Measurement>,
    {
        let run = move |parameters: &Parameterization| {
            let measurements = function(parameters).map_err(|cause| {
                cause.downcast::<RunnerError>().map_or_else(RunnerError::Permanent, |error| *error)
            })?;
            let mut metadata = Metadata::default();
            for (metric, measurement) in measurements {
                let metric = metric.into();
                if metadata.0.contains_key(&metric) {
                    return Err(RunnerError::permanent(MeasuredTwice { metric }));
                }
                metadata = metadata.with(&metric, measurement.into());
            }
            Ok(metadata)
        };
        Self { function: Some(Arc::new(run)) }
    }
}

/// Two measurements of one trial have one name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the closure gave two values of metric `{metric}`: expected one; give their mean")]
pub struct MeasuredTwice {
    /// The name.
    pub metric: String,
}

/// A closure was to be called that a journal could not keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClosureLost {
    /// That of a [`FunctionRunner`].
    #[error(
        "this runner was a closure, which a journal cannot keep: give it again with configure_runner"
    )]
    Runner,
    /// That of a [`FunctionMetric`].
    #[error(
        "this metric was a closure, which a journal cannot keep: give it again with configure_metrics"
    )]
    Metric,
}

/// Tells whether the stored configuration of a runner or metric is that of a closure, which has to be given again.
pub fn is_closure(configuration: &Value) -> bool {
    configuration.get("type").is_some_and(|tag| tag == "function")
}

#[typetag::serde(name = "function")]
impl IRunner for FunctionRunner {
    fn run_trial(
        &self,
        _run: &TrialRun,
        parameters: &Parameterization,
    ) -> Result<Metadata, RunnerError> {
        let function =
            self.function.as_ref().ok_or_else(|| RunnerError::permanent(ClosureLost::Runner))?;
        function(parameters)
    }

    /// Always [`RunStatus::Completed`]: what has metadata has run.
    fn poll_trial(&self, _run: &TrialRun, _metadata: &Metadata) -> Result<RunStatus, RunnerError> {
        Ok(RunStatus::Completed)
    }

    /// Always [`Found::Absent`]: a call does not outlive its process, and may be repeated.
    fn find_trial(&self, _run: &TrialRun) -> Result<Found, RunnerError> {
        Ok(Found::Absent)
    }
}

impl fmt::Debug for FunctionRunner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug(f, "FunctionRunner", self.function.is_some())
    }
}

/// Reads a metric by calling a closure.
///
/// As with [`FunctionRunner`], the closure cannot be stored: the metric that is read back fails with [`ClosureLost`]
/// until the application gives the closure again.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionMetric {
    #[serde(skip)]
    function: Option<Arc<Fetch>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    while_running: bool,
}

impl FunctionMetric {
    /// Makes a metric of a closure; it may be called from several threads at once.
    pub fn new<F, M>(function: F) -> Self
    where
        F: Fn(&TrialRun, &Metadata) -> Result<M, MetricError> + Send + Sync + 'static,
        M: Into<Measurement>,
    {
        let fetch =
            move |run: &TrialRun, metadata: &Metadata| function(run, metadata).map(Into::into);
        Self { function: Some(Arc::new(fetch)), while_running: false }
    }

    /// Says that the closure can be called while a trial runs; it then gives how far the trial has come with each value.
    #[must_use]
    pub fn available_while_running(self) -> Self {
        Self { while_running: true, ..self }
    }
}

#[typetag::serde(name = "function")]
impl IMetric for FunctionMetric {
    fn fetch(&self, run: &TrialRun, metadata: &Metadata) -> Result<Measurement, MetricError> {
        let function =
            self.function.as_ref().ok_or_else(|| MetricError::permanent(ClosureLost::Metric))?;
        function(run, metadata)
    }

    fn available_while_running(&self) -> bool {
        self.while_running
    }
}

impl fmt::Debug for FunctionMetric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug(f, "FunctionMetric", self.function.is_some())
    }
}

fn debug(f: &mut fmt::Formatter<'_>, name: &str, has_closure: bool) -> fmt::Result {
    f.debug_tuple(name)
        .field(&format_args!("{}", if has_closure { "closure" } else { "closure lost" }))
        .finish()
}

#[cfg(test)]
mod tests;
