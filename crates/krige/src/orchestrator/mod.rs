//! The closed loop: propose, launch, poll, fetch, and again.
//!
//! In two parts: [`plan`](plan::plan) decides, as a pure function of the experiment, the options and the board of what
//! is under way; [`Results`] does what it says. One thread owns the experiment and its journal; the runner and the
//! metrics are called on worker threads, which answer with an [`Outcome`](calls::Outcome). So user code that blocks or
//! panics cannot stop the loop.

mod board;
mod calls;
mod drive;
mod elapsed;
mod lease;
mod options;
mod plan;
mod retry;
mod stop;
#[cfg(test)]
mod tests;
mod workers;

use std::path::Path;
use std::sync::Arc;

use indexmap::IndexMap;
use krige_core::event::Event;
use krige_core::generation::StrategyOptions;
use krige_runner::{IMetric, IRunner};

pub use drive::{EndReason, Results, RunReport};
pub use options::{IdleCallback, OrchestratorOptions};
pub use stop::StopSignal;

use crate::error::Error;
use crate::progress::Reporter;
use crate::restore;
use crate::store::ExperimentStore;

/// Runs trials of an experiment with a runner and metrics.
#[derive(Debug)]
pub struct Orchestrator<'a> {
    store: &'a mut ExperimentStore,
    runner: Arc<dyn IRunner>,
    metrics: IndexMap<String, Arc<dyn IMetric>>,
    options: OrchestratorOptions,
    reporter: Reporter,
}

impl<'a> Orchestrator<'a> {
    /// Makes an orchestrator; a strategy that is not configured becomes the default one.
    ///
    /// # Errors
    /// If an option makes no sense, nothing is configured to be optimized, or a metric of the optimization cannot be
    /// fetched.
    pub fn new(
        store: &'a mut ExperimentStore,
        runner: Arc<dyn IRunner>,
        metrics: IndexMap<String, Arc<dyn IMetric>>,
        options: OrchestratorOptions,
    ) -> Result<Self, Error> {
        options.check()?;
        let log = options.log_file.as_deref();
        let reporter = Reporter::new(options.progress, log).map_err(|source| {
            let path = log.map(Path::to_path_buf).unwrap_or_default();
            Error::LogFile { path, source }
        })?;
        store.decide(|experiment| {
            let optimization = experiment.optimization.as_ref().ok_or(Error::NoOptimization)?;
            let missing: Vec<String> = optimization
                .metrics()
                .into_iter()
                .filter(|metric| !metrics.contains_key(*metric))
                .map(ToOwned::to_owned)
                .collect();
            if !missing.is_empty() {
                return Err(Error::NoMetric { missing });
            }
            let mut events = match experiment.strategy {
                Some(_) => Vec::new(),
                None => vec![Event::GenerationStrategyConfigured {
                    strategy: StrategyOptions::default().strategy(),
                }],
            };
            let stored = options.to_stored();
            if experiment.orchestration.as_ref() != Some(&stored) {
                events.push(Event::OrchestrationConfigured { options: stored });
            }
            Ok((events, ()))
        })?;
        Ok(Self { store, runner, metrics, options, reporter })
    }

    /// As [`new`](Self::new), with the runner and the metrics that the experiment stores.
    ///
    /// # Errors
    /// As there; also if the runner, or a metric of the optimization, cannot be found again.
    pub fn from_stored(
        store: &'a mut ExperimentStore,
        options: OrchestratorOptions,
    ) -> Result<Self, Error> {
        store.refresh()?;
        let runner = restore::runner(store.experiment())?;
        let metrics = restore::metrics(store.experiment(), &IndexMap::new())?;
        Self::new(store, runner, metrics, options)
    }

    /// Runs trials; an iterator over those that end, as they end.
    pub fn results(self) -> Results<'a> {
        Results::start(self.store, self.runner, self.metrics, self.options, self.reporter)
    }

    /// Runs trials to the end.
    ///
    /// # Errors
    /// If the journal fails, or too many trials do.
    pub fn run(self) -> Result<RunReport, Error> {
        let mut results = self.results();
        for result in &mut results {
            result?;
        }
        Ok(results.report())
    }
}
