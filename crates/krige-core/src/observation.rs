//! What was measured: a mean, perhaps its standard error, perhaps how far the trial had come.

use serde::{Deserialize, Serialize};

/// One measured value of one metric of one trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observation {
    /// The metric's name.
    pub metric: String,
    /// The measured mean, finite, in the metric's own units.
    pub mean: f64,
    /// Standard error of the mean, in the same units; `None` is unknown, `Some(0.0)` is noiseless.
    pub sem: Option<f64>,
    /// How far the trial had come (epochs, seconds, rows); `None` is the final value.
    pub progression: Option<f64>,
}

/// Why an observation cannot be accepted.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ObservationError {
    /// The mean is NaN or infinite.
    #[error(
        "metric `{metric}`: expected a finite mean, found {mean}; mark the trial as failed if it gave no result"
    )]
    Mean {
        /// The metric.
        metric: String,
        /// What was found.
        mean: f64,
    },
    /// The standard error is NaN, infinite or negative.
    #[error(
        "metric `{metric}`: expected a standard error of zero or more, found {sem}; leave it out if it is unknown"
    )]
    Sem {
        /// The metric.
        metric: String,
        /// What was found.
        sem: f64,
    },
    /// The progression is NaN or infinite.
    #[error("metric `{metric}`: expected a finite progression, found {progression}")]
    Progression {
        /// The metric.
        metric: String,
        /// What was found.
        progression: f64,
    },
}

impl Observation {
    /// Makes a final observation of unknown noise.
    pub fn new(metric: impl Into<String>, mean: f64) -> Self {
        Self { metric: metric.into(), mean, sem: None, progression: None }
    }

    /// Gives the observation a standard error of the mean.
    #[must_use]
    pub fn with_sem(mut self, sem: f64) -> Self {
        self.sem = Some(sem);
        self
    }

    /// Says how far the trial had come.
    #[must_use]
    pub fn at(mut self, progression: f64) -> Self {
        self.progression = Some(progression);
        self
    }

    /// Checks that every number in it can be modelled.
    ///
    /// # Errors
    /// Names the metric and the number that is not finite (or, for a standard error, negative).
    pub fn check(&self) -> Result<(), ObservationError> {
        let metric = || self.metric.clone();
        if !self.mean.is_finite() {
            return Err(ObservationError::Mean { metric: metric(), mean: self.mean });
        }
        if let Some(sem) = self.sem
            && !(sem.is_finite() && sem >= 0.0)
        {
            return Err(ObservationError::Sem { metric: metric(), sem });
        }
        match self.progression {
            Some(progression) if !progression.is_finite() => {
                Err(ObservationError::Progression { metric: metric(), progression })
            }
            _ => Ok(()),
        }
    }

    /// Whether `other` is a measurement of the same thing, which a newer one replaces.
    pub fn same_slot(&self, other: &Self) -> bool {
        self.metric == other.metric && self.progression == other.progression
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_no_model_can_use_are_refused() {
        assert!(Observation::new("y", 1.0).with_sem(0.0).at(3.0).check().is_ok());
        for bad in [
            Observation::new("y", f64::NAN),
            Observation::new("y", f64::INFINITY),
            Observation::new("y", 1.0).with_sem(-1e-9),
            Observation::new("y", 1.0).with_sem(f64::NAN),
            Observation::new("y", 1.0).at(f64::NEG_INFINITY),
        ] {
            let error = bad.check().expect_err("refused");
            assert!(error.to_string().contains("`y`"), "{error}");
        }
    }
}
