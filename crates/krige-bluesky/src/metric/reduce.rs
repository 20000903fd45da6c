//! From the values of a trial to one number.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use krige_runner::{Cause, Measurement, MetricError};
use serde::{Deserialize, Serialize};

use crate::tiled::ArrayData;

/// How the values of a trial, shape `[events][...]`, become a measurement.
///
/// Each rule is used twice: on the elements of each event, and on the numbers that the events then have. All values have
/// to be finite.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reduce {
    /// The mean. With two or more events, its standard error is their sample standard deviation by the root of their
    /// number, which is 0 where all are the same; with one event it is unknown.
    #[default]
    Mean,
    /// The last: of the last event, the element whose indices are all the largest.
    Last,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// The sum.
    Sum,
    /// A function of the application, by the name that it gave it in [`register_reduction`].
    Custom(String),
}

type Function = Arc<dyn Fn(&ArrayData) -> Result<Measurement, Cause> + Send + Sync>;

/// A code user's functions cannot be stored, and a metric that is read back has to find them.
static FUNCTIONS: Mutex<BTreeMap<String, Function>> = Mutex::new(BTreeMap::new());

/// Gives a name to a function that makes a measurement of the values of a trial, shape `[events][...]`, for
/// [`Reduce::Custom`] in this process; the name's last function counts.
///
/// The function sees all values as they are, also NaN. An error of it fails the trial; to have it tried again, return a
/// [`MetricError`]. It must be registered again after a restart, before the experiment goes on.
///
/// ```
/// use krige_bluesky::metric::{Reduce, TiledMetric, register_reduction};
///
/// register_reduction("span", |values| {
///     let (low, high) = values.data.iter().fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
///     Ok((high - low).into())
/// });
/// let metric = TiledMetric {
///     reduce: Reduce::Custom("span".into()),
///     ..TiledMetric::new("http://tiled.example:8000", "detector")
/// };
/// ```
pub fn register_reduction(
    name: impl Into<String>,
    function: impl Fn(&ArrayData) -> Result<Measurement, Cause> + Send + Sync + 'static,
) {
    functions().insert(name.into(), Arc::new(function));
}

fn functions() -> MutexGuard<'static, BTreeMap<String, Function>> {
    FUNCTIONS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why values give no measurement.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ReductionError {
    /// The function is not known in this process.
    #[error(
        "the reduction `{name}` is a function, which a journal cannot keep: give it again with register_reduction, \
         before the experiment goes on"
    )]
    Unregistered {
        /// Its name.
        name: String,
    },
    /// A detector gave something that is no number.
    #[error("expected finite values, found {found} in event {event} of {events}")]
    NotFinite {
        /// The value.
        found: f64,
        /// The event among the trial's, from 1.
        event: usize,
        /// How many the trial has.
        events: usize,
    },
    /// The values are of finite size and what they come to is not, or there are none.
    #[error("expected a finite result of values of shape {shape:?}, found {found}")]
    Result {
        /// The shape of the values.
        shape: Vec<usize>,
        /// What they come to.
        found: f64,
    },
}

impl Reduce {
    /// What these values, shape `[events][...]`, come to.
    ///
    /// # Errors
    /// [`MetricError::Permanent`] of a [`ReductionError`] or of what the function gave; the function's own
    /// [`MetricError`].
    pub fn measure(&self, values: &ArrayData) -> Result<Measurement, MetricError> {
        if let Self::Custom(name) = self {
            let function = functions().get(name).cloned();
            let unregistered = || ReductionError::Unregistered { name: name.clone() };
            let function = function.ok_or_else(|| MetricError::permanent(unregistered()))?;
            return function(values).map_err(|cause| {
                cause.downcast::<MetricError>().map_or_else(MetricError::Permanent, |error| *error)
            });
        }
        self.built_in(values).map_err(MetricError::permanent)
    }

    fn built_in(&self, values: &ArrayData) -> Result<Measurement, ReductionError> {
        let ArrayData { shape, data } = values;
        let events = shape.first().copied().unwrap_or(1);
        let size = data.len().checked_div(events).unwrap_or(0);
        if let Some(place) = data.iter().position(|value| !value.is_finite()) {
            let (found, event) = (data[place], place / size + 1);
            return Err(ReductionError::NotFinite { found, event, events });
        }
        let numbers: Vec<f64> = if size == 0 {
            Vec::new()
        } else {
            data.chunks(size).map(|event| self.once(event)).collect()
        };
        let mean = self.once(&numbers);
        if !mean.is_finite() {
            return Err(ReductionError::Result { shape: shape.clone(), found: mean });
        }
        let sem = (*self == Self::Mean && events >= 2).then(|| standard_error(&numbers, mean));
        Ok(Measurement { mean, sem, progression: None })
    }

    /// NaN for no values.
    fn once(&self, values: &[f64]) -> f64 {
        let any = !values.is_empty();
        match self {
            Self::Sum if any => values.iter().sum(),
            Self::Mean if any => values.iter().sum::<f64>() / values.len() as f64,
            Self::Min => values.iter().copied().reduce(f64::min).unwrap_or(f64::NAN),
            Self::Max => values.iter().copied().reduce(f64::max).unwrap_or(f64::NAN),
            Self::Last => values.last().copied().unwrap_or(f64::NAN),
            Self::Sum | Self::Mean | Self::Custom(_) => f64::NAN,
        }
    }
}

/// Standard error of the mean of a sample of two or more.
fn standard_error(sample: &[f64], mean: f64) -> f64 {
    let n = sample.len() as f64;
    let squares: f64 = sample.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / (n - 1.0) / n).sqrt()
}

#[cfg(test)]
mod tests;
