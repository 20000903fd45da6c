//! The options of a run; names and defaults are those of Ax's orchestrator where it has them.

use std::time::Duration;

use super::stop::StopSignal;
use crate::error::Error;
use crate::progress::Progress;

/// Options of a run.
#[derive(Debug, Clone)]
pub struct OrchestratorOptions {
    /// How many new trials this run proposes at most.
    pub max_trials: Option<usize>,
    /// How many trials the experiment has in all when it is done, whatever came of them.
    pub total_trials: Option<usize>,
    /// How many trials may be under way at a time.
    pub max_pending_trials: usize,
    /// Which part of this run's trials may fail or be abandoned, from 0 to 1.
    pub tolerated_trial_failure_rate: f64,
    /// How many trials must have failed before the rate counts.
    pub min_failed_trials_for_failure_rate_check: usize,
    /// The first pause between two polls; short, because it grows while nothing happens.
    pub init_seconds_between_polls: f64,
    /// What the pause is multiplied by after each poll that brought nothing new.
    pub seconds_between_polls_backoff_factor: f64,
    /// The longest pause between two polls.
    pub max_seconds_between_polls: f64,
    /// How often a call that fails for now is made in all before its trial fails.
    pub max_attempts: u32,
    /// When to leave, whatever is under way; running trials go on, and a later run finds them.
    pub timeout: Option<Duration>,
    /// How to ask the run to end.
    pub stop: StopSignal,
    /// What a person sees of the run.
    pub progress: Progress,
}

impl Default for OrchestratorOptions {
    fn default() -> Self {
        Self {
            max_trials: None,
            total_trials: None,
            max_pending_trials: 10,
            tolerated_trial_failure_rate: 0.5,
            min_failed_trials_for_failure_rate_check: 5,
            init_seconds_between_polls: 0.1,
            seconds_between_polls_backoff_factor: 1.5,
            max_seconds_between_polls: 60.0,
            max_attempts: 5,
            timeout: None,
            stop: StopSignal::default(),
            progress: Progress::default(),
        }
    }
}

impl OrchestratorOptions {
    pub(crate) fn check(&self) -> Result<(), Error> {
        let fail = |option, expected, found: String| Err(Error::Option { option, expected, found });
        if self.max_trials.is_none() && self.total_trials.is_none() {
            return fail("max_trials", "max_trials or total_trials", "neither".into());
        }
        if self.max_pending_trials == 0 {
            return fail("max_pending_trials", "at least 1", "0".into());
        }
        let rate = self.tolerated_trial_failure_rate;
        if !(0.0..=1.0).contains(&rate) {
            return fail("tolerated_trial_failure_rate", "a number from 0 to 1", rate.to_string());
        }
        for (option, seconds) in [
            ("init_seconds_between_polls", self.init_seconds_between_polls),
            ("max_seconds_between_polls", self.max_seconds_between_polls),
        ] {
            if !(seconds.is_finite() && (0.0..=86_400.0).contains(&seconds)) {
                return fail(option, "seconds, from 0 to 86400", seconds.to_string());
            }
        }
        let factor = self.seconds_between_polls_backoff_factor;
        if !(factor.is_finite() && factor >= 1.0) {
            return fail("seconds_between_polls_backoff_factor", "at least 1", factor.to_string());
        }
        if self.max_attempts == 0 {
            return fail("max_attempts", "at least 1", "0".into());
        }
        Ok(())
    }
}
