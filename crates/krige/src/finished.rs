//! What a run tells of a trial that has ended.

use krige_core::trial::Trial;

/// A trial that has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct FinishedTrial {
    /// The trial.
    pub trial: Trial,
    /// Its value of the objective, in the metric's own units, where there is a single objective and the trial has data.
    pub value: Option<f64>,
    /// The best value so far, this trial included.
    pub best: Option<f64>,
}
