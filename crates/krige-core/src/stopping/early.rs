//! Which running trials are not worth their time any more.

use serde::{Deserialize, Serialize};

/// A rule that stops running trials, by the progressions that were observed.
///
/// A rule looks at one metric: the objective's own where none is named. Values at equal progressions are compared, in
/// the direction in which the objective improves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum EarlyStopping {
    /// Stops a trial that is worse than a percentile of all curves at its progression.
    Percentile {
        /// The metric; `None` is the objective's.
        #[serde(default)]
        metric: Option<String>,
        /// From 0 to 100: the worst so many per cent are stopped.
        percentile: f64,
        /// Not before this progression.
        min_progression: f64,
        /// Not after this progression, where there is one.
        #[serde(default)]
        max_progression: Option<f64>,
        /// How many curves must have come as far.
        min_curves: usize,
        /// Over how much progression it must have been worse.
        #[serde(default)]
        patience: f64,
        /// So many of the best trials are never stopped.
        #[serde(default)]
        keep_best: usize,
    },
    /// Stops a trial whose metric is worse than a value.
    Threshold {
        /// The metric; `None` is the objective's.
        #[serde(default)]
        metric: Option<String>,
        /// The value that it must reach.
        threshold: f64,
        /// Not before this progression.
        min_progression: f64,
    },
    /// Asynchronous successive halving (Li et al. 2020, ASHA): at each rung, `min_progression * factor^k`, a trial goes on
    /// only if it is among the best of `1 / factor` that came to that rung.
    SuccessiveHalving {
        /// The metric; `None` is the objective's.
        #[serde(default)]
        metric: Option<String>,
        /// The first rung, above 0.
        min_progression: f64,
        /// Which part goes on: at least 2.
        factor: f64,
    },
    /// Stops what each of the rules stops.
    All {
        /// The rules.
        of: Vec<Self>,
    },
    /// Stops what one of the rules stops.
    Any {
        /// The rules.
        of: Vec<Self>,
    },
}
