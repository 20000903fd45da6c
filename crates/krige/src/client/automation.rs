//! Letting the client run trials by itself.

use std::sync::Arc;
use std::time::Duration;

use super::Client;
use crate::error::Error;
use crate::orchestrator::{Orchestrator, OrchestratorOptions, RunReport};
use crate::restore;

impl Client {
    /// Runs trials with the configured runner and metrics until the options' limits are reached.
    ///
    /// Trials of an earlier run that are still under way are taken up first: they are polled, not started again.
    ///
    /// # Errors
    /// If the runner or a metric is missing, the journal fails, or too many trials do.
    pub fn run_trials(&mut self, options: OrchestratorOptions) -> Result<RunReport, Error> {
        self.orchestrator(options)?.run()
    }

    /// An orchestrator of the client's experiment, for those who want its results as they come.
    ///
    /// # Errors
    /// If the runner or a metric is missing, or an option makes no sense.
    pub fn orchestrator(
        &mut self,
        options: OrchestratorOptions,
    ) -> Result<Orchestrator<'_>, Error> {
        self.store()?.refresh()?;
        let experiment = self.experiment()?;
        let runner = match &self.runner {
            Some(runner) => Arc::clone(runner),
            None => restore::runner(experiment)?,
        };
        let metrics = restore::metrics(experiment, &self.metrics)?;
        Orchestrator::new(self.store()?, runner, metrics, options)
    }
}

impl OrchestratorOptions {
    /// The options for a run of `max_trials` new trials, so many at a time: Ax's `run_trials(max_trials, parallelism)`.
    pub fn trials(max_trials: usize, parallelism: usize) -> Self {
        Self { max_trials: Some(max_trials), max_pending_trials: parallelism, ..Self::default() }
    }

    /// The options for going on until the experiment has `total` trials in all, so many at a time.
    pub fn until(total: usize, parallelism: usize) -> Self {
        Self { total_trials: Some(total), max_pending_trials: parallelism, ..Self::default() }
    }

    /// Sets the pause between polls: the first one, and the longest.
    #[must_use]
    pub fn poll_every(mut self, first: Duration, longest: Duration) -> Self {
        self.init_seconds_between_polls = first.as_secs_f64();
        self.max_seconds_between_polls = longest.as_secs_f64();
        self
    }
}
