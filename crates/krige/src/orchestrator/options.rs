//! The options of a run; names and defaults are those of Ax's orchestrator where it has them.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::lease::LONGEST;
use super::stop::StopSignal;
use crate::error::Error;
use crate::progress::Progress;
use krige_core::experiment::Experiment;
use krige_core::value::Parameterization;
use serde::{Deserialize, Serialize};

/// What is called whenever a poll brought nothing new.
#[derive(Clone)]
pub struct IdleCallback(Arc<dyn Fn(&Experiment) + Send + Sync>);

impl IdleCallback {
    /// Makes one of a closure that sees the experiment.
    pub fn new(callback: impl Fn(&Experiment) + Send + Sync + 'static) -> Self {
        Self(Arc::new(callback))
    }

    pub(crate) fn call(&self, experiment: &Experiment) {
        (self.0)(experiment);
    }
}

impl fmt::Debug for IdleCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdleCallback")
    }
}

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
    /// How often a call that fails for now is made in all before its trial fails: 8 by default, which with the pauses in
    /// between is more than a minute, the time that a service or a machine takes to start anew.
    pub max_attempts: u32,
    /// The pause before the second attempt; each further one is twice as long. At random, but the same for the same
    /// experiment, a pause is between a half and the whole of that, so that trials that failed together are not tried
    /// again together.
    pub init_seconds_between_retries: f64,
    /// The longest pause between two attempts.
    pub max_seconds_between_retries: f64,
    /// After how many seconds on the far side a trial has failed, counted from the moment at which its start was
    /// recorded; `None` waits for ever. What it gives later is still taken while the run goes on, marked as late, and
    /// no model sees it. The far side is not asked to stop it.
    pub ttl_seconds_for_trials: Option<f64>,
    /// How often a trial is run in all when its runs fail on the far side; each run has a key of its own. A run that the
    /// far side lost ([`RunStatus::Lost`](krige_runner::RunStatus::Lost)) is followed by another whatever this says, and
    /// is one of the runs that were made when a later one fails.
    pub max_runs_per_trial: u32,
    /// Whether the run lasts until what it launched has ended; otherwise a later run takes it up.
    pub wait_for_running_trials: bool,
    /// Called by the loop, on its own thread, whenever a poll brought nothing new.
    pub idle_callback: Option<IdleCallback>,
    /// A file to which every line of the run's progress is appended, each with its time.
    pub log_file: Option<PathBuf>,
    /// How long one call of the runner or a metric may take; 5 minutes, because by the contract a call takes seconds, and
    /// hardly any server or proxy lets a client wait longer than that.
    ///
    /// A call that takes longer has failed for now, and another thread takes over the work of the one that blocks. A
    /// launch is awaited all the same, since there may be a run: its trial is looked for by
    /// [`find_trial`](krige_runner::IRunner::find_trial) in the meantime, and never started again while the call is out.
    /// So a closure may take as long as it wants.
    pub call_timeout: Duration,
    /// How long the end of a run waits for calls that are under way; 10 seconds, which is what supervisors give a
    /// process before they kill it. A launch that takes longer leaves its trial staged, and a later run looks for it.
    pub shutdown_grace: Duration,
    /// How long a metric of a completed run may say that its value is not there yet, before the trial fails (a metric
    /// that is not optimized is left out instead); 1 hour, which is
    /// longer than results take from an instrument to a file share. It counts anew in every run.
    pub metric_timeout: Duration,
    /// Whether trials that can be launched together are, by one call of
    /// [`run_trials`](krige_runner::IRunner::run_trials); not by default, because only few far sides take several at
    /// once, and one call for each goes out side by side.
    pub run_trials_in_batches: bool,
    /// How many trials are proposed before there is a free slot for them, while others run; none by default.
    ///
    /// A slot that becomes free is then filled at once, also where a proposal takes long (thousands of results) against
    /// a trial. The price is that each proposal knows as many results less. It is the experiment as recorded that a
    /// proposal follows from, so a run with a seed is as repeatable as without.
    pub suggestions_ahead: usize,
    /// How many slots must be free before trials are proposed for them; 1 by default, so that none is free for long. As many
    /// as `max_pending_trials` makes rounds: a batch is proposed when the one before it has ended as a whole, for far
    /// sides that run a batch as one.
    pub min_free_slots: usize,
    /// Values that every proposal of this run has: parameters that are held, or that nobody can set, such as the temperature
    /// of the room.
    pub fixed_parameters: Parameterization,
    /// The pause from one launch to the next, in seconds: for far sides that limit how often they are called. A call for
    /// several trials counts as one. None by default.
    pub min_seconds_between_launches: f64,
    /// When to leave, whatever is under way; running trials go on, and a later run finds them.
    pub timeout: Option<Duration>,
    /// How long nobody else takes over the driving of the experiment after this process has last said that it lives, which it
    /// does three times as often; from 0.1 s to 5 minutes. It should be longer than proposing takes.
    pub lease: Duration,
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
            max_attempts: 8,
            init_seconds_between_retries: 1.0,
            max_seconds_between_retries: 60.0,
            ttl_seconds_for_trials: None,
            max_runs_per_trial: 1,
            wait_for_running_trials: true,
            idle_callback: None,
            log_file: None,
            call_timeout: Duration::from_secs(300),
            shutdown_grace: Duration::from_secs(10),
            metric_timeout: Duration::from_secs(3600),
            run_trials_in_batches: false,
            suggestions_ahead: 0,
            min_free_slots: 1,
            fixed_parameters: Parameterization::default(),
            min_seconds_between_launches: 0.0,
            timeout: None,
            lease: Duration::from_secs(30),
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
        if !(1..=self.max_pending_trials).contains(&self.min_free_slots) {
            let found = self.min_free_slots.to_string();
            return fail("min_free_slots", "from 1 to max_pending_trials", found);
        }
        let rate = self.tolerated_trial_failure_rate;
        if !(0.0..=1.0).contains(&rate) {
            return fail("tolerated_trial_failure_rate", "a number from 0 to 1", rate.to_string());
        }
        for (option, seconds) in [
            ("init_seconds_between_polls", self.init_seconds_between_polls),
            ("max_seconds_between_polls", self.max_seconds_between_polls),
            ("init_seconds_between_retries", self.init_seconds_between_retries),
            ("max_seconds_between_retries", self.max_seconds_between_retries),
            ("min_seconds_between_launches", self.min_seconds_between_launches),
        ] {
            if !(seconds.is_finite() && (0.0..=86_400.0).contains(&seconds)) {
                return fail(option, "seconds, from 0 to 86400", seconds.to_string());
            }
        }
        let factor = self.seconds_between_polls_backoff_factor;
        if !(factor.is_finite() && factor >= 1.0) {
            return fail("seconds_between_polls_backoff_factor", "at least 1", factor.to_string());
        }
        if !(Duration::from_millis(100)..=LONGEST).contains(&self.lease) {
            return fail("lease", "0.1 s to 5 minutes", format!("{:?}", self.lease));
        }
        for (option, number) in
            [("max_attempts", self.max_attempts), ("max_runs_per_trial", self.max_runs_per_trial)]
        {
            if number == 0 {
                return fail(option, "at least 1", "0".into());
            }
        }
        if let Some(ttl) = self.ttl_seconds_for_trials
            && !(ttl.is_finite() && ttl > 0.0)
        {
            return fail("ttl_seconds_for_trials", "seconds, above 0", ttl.to_string());
        }
        if self.call_timeout.is_zero() {
            return fail("call_timeout", "more than 0 s", "0 s".into());
        }
        Ok(())
    }
}

/// The options that an experiment remembers, so that a run without options of its own goes on as the last one did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Stored {
    max_trials: Option<usize>,
    total_trials: Option<usize>,
    max_pending_trials: usize,
    tolerated_trial_failure_rate: f64,
    min_failed_trials_for_failure_rate_check: usize,
    init_seconds_between_polls: f64,
    seconds_between_polls_backoff_factor: f64,
    max_seconds_between_polls: f64,
    max_attempts: u32,
    init_seconds_between_retries: f64,
    max_seconds_between_retries: f64,
    ttl_seconds_for_trials: Option<f64>,
    max_runs_per_trial: u32,
    wait_for_running_trials: bool,
    suggestions_ahead: usize,
    min_free_slots: usize,
    fixed_parameters: Parameterization,
}

impl Default for Stored {
    fn default() -> Self {
        Self::of(&OrchestratorOptions::default())
    }
}

impl Stored {
    fn of(options: &OrchestratorOptions) -> Self {
        Self {
            max_trials: options.max_trials,
            total_trials: options.total_trials,
            max_pending_trials: options.max_pending_trials,
            tolerated_trial_failure_rate: options.tolerated_trial_failure_rate,
            min_failed_trials_for_failure_rate_check: options
                .min_failed_trials_for_failure_rate_check,
            init_seconds_between_polls: options.init_seconds_between_polls,
            seconds_between_polls_backoff_factor: options.seconds_between_polls_backoff_factor,
            max_seconds_between_polls: options.max_seconds_between_polls,
            max_attempts: options.max_attempts,
            init_seconds_between_retries: options.init_seconds_between_retries,
            max_seconds_between_retries: options.max_seconds_between_retries,
            ttl_seconds_for_trials: options.ttl_seconds_for_trials,
            max_runs_per_trial: options.max_runs_per_trial,
            wait_for_running_trials: options.wait_for_running_trials,
            suggestions_ahead: options.suggestions_ahead,
            min_free_slots: options.min_free_slots,
            fixed_parameters: options.fixed_parameters.clone(),
        }
    }
}

impl OrchestratorOptions {
    /// What the experiment is to remember: all but the time-out, the callback, the files and the signal, which are the
    /// process's own.
    pub(crate) fn to_stored(&self) -> serde_json::Value {
        serde_json::to_value(Stored::of(self)).expect("numbers and words become JSON")
    }

    /// The options that an experiment remembers.
    ///
    /// # Errors
    /// [`Error::StoredOptions`] if there are none, or they cannot be read.
    pub fn from_stored(experiment: &Experiment) -> Result<Self, Error> {
        let name = || experiment.name.clone();
        let Some(stored) = &experiment.orchestration else {
            return Err(Error::StoredOptions { experiment: name(), source: None });
        };
        let stored: Stored = serde_json::from_value(stored.clone())
            .map_err(|source| Error::StoredOptions { experiment: name(), source: Some(source) })?;
        Ok(Self {
            max_trials: stored.max_trials,
            total_trials: stored.total_trials,
            max_pending_trials: stored.max_pending_trials,
            tolerated_trial_failure_rate: stored.tolerated_trial_failure_rate,
            min_failed_trials_for_failure_rate_check: stored
                .min_failed_trials_for_failure_rate_check,
            init_seconds_between_polls: stored.init_seconds_between_polls,
            seconds_between_polls_backoff_factor: stored.seconds_between_polls_backoff_factor,
            max_seconds_between_polls: stored.max_seconds_between_polls,
            max_attempts: stored.max_attempts,
            init_seconds_between_retries: stored.init_seconds_between_retries,
            max_seconds_between_retries: stored.max_seconds_between_retries,
            ttl_seconds_for_trials: stored.ttl_seconds_for_trials,
            max_runs_per_trial: stored.max_runs_per_trial,
            wait_for_running_trials: stored.wait_for_running_trials,
            suggestions_ahead: stored.suggestions_ahead,
            min_free_slots: stored.min_free_slots,
            fixed_parameters: stored.fixed_parameters,
            ..Self::default()
        })
    }
}
