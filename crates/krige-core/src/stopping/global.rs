//! When further trials are not worth their price any more.

use serde::{Deserialize, Serialize};

/// A rule that ends an experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum GlobalStopping {
    /// The best value has hardly improved over the last trials.
    Improvement {
        /// So many of the last trials.
        window: usize,
        /// Not before so many trials with data.
        min_trials: usize,
        /// Improvement, as a part of the interquartile range of all values, that is worth going on for.
        bar: f64,
    },
    /// The newest models expected no trial to improve the objective by as much.
    ExpectedRegret {
        /// In units of the objective.
        tolerance: f64,
        /// So many of the last trials.
        window: usize,
        /// Not before so many trials with data.
        min_trials: usize,
    },
    /// The sum of a metric over all trials, such as their cost, has been reached.
    Budget {
        /// The metric.
        metric: String,
        /// The sum.
        total: f64,
    },
    /// So much time has passed since the first trial was proposed.
    WallTime {
        /// In seconds.
        seconds: f64,
    },
    /// Ends when all of the rules do.
    All {
        /// The rules.
        of: Vec<Self>,
    },
    /// Ends when one of the rules does.
    Any {
        /// The rules.
        of: Vec<Self>,
    },
}
