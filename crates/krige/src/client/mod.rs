//! The client: Ax's methods, on an experiment that is stored as it goes.

mod ask_tell;
mod automation;
mod configure;
mod control;
mod persistence;
mod results;
mod stopping;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use indexmap::IndexMap;
use krige_core::clock::Clock;
use krige_core::experiment::Experiment;
use krige_core::journal::{Journal, MemoryJournal};
use krige_runner::{IMetric, IRunner};

pub(crate) use ask_tell::completion;
pub use configure::ExperimentConfig;
pub use results::{BestParameterization, Estimate};

use crate::clock::SystemClock;
use crate::error::Error;
use crate::store::ExperimentStore;

/// Runs an experiment, or lets you run it: configure, then ask and tell, or let it run trials by itself.
///
/// ```
/// use krige::prelude::*;
///
/// let mut client = Client::in_memory().with_seed(7);
/// client.configure_experiment(
///     ExperimentConfig::new("booth")
///         .parameter(Parameter::float("x1", -10.0, 10.0))
///         .parameter(Parameter::float("x2", -10.0, 10.0)),
/// )?;
/// client.configure_optimization("-booth", &[])?;
/// for _ in 0..8 {
///     for (trial, parameters) in client.get_next_trials(1)? {
///         let (x1, x2) = (parameters.float("x1")?, parameters.float("x2")?);
///         let booth = (x1 + 2.0 * x2 - 7.0).powi(2) + (2.0 * x1 + x2 - 5.0).powi(2);
///         client.complete_trial(trial, [("booth", booth)])?;
///     }
/// }
/// let best = client.get_best_parameterization(true)?;
/// println!("{} at {}", best.metrics["booth"].mean, best.parameters);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Client {
    state: State,
    clock: Arc<dyn Clock>,
    seed: Option<u64>,
    runner: Option<Arc<dyn IRunner>>,
    metrics: IndexMap<String, Arc<dyn IMetric>>,
}

/// Before and after `configure_experiment`.
enum State {
    Empty(Box<dyn Journal>),
    Ready(Box<ExperimentStore>),
    /// Only while `configure_experiment` runs.
    Moving,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let experiment = self.experiment().ok().map(|experiment| &experiment.name);
        f.debug_struct("Client").field("experiment", &experiment).finish_non_exhaustive()
    }
}

impl Client {
    /// A client whose experiment is kept in memory only.
    pub fn in_memory() -> Self {
        Self::with_journal(MemoryJournal::new())
    }

    /// A client whose experiment is kept in a journal.
    pub fn with_journal(journal: impl Journal + 'static) -> Self {
        Self {
            state: State::Empty(Box::new(journal)),
            clock: Arc::new(SystemClock),
            seed: None,
            runner: None,
            metrics: IndexMap::new(),
        }
    }

    /// Sets the seed from which everything random follows; without it, one is drawn and stored.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Takes the time from another clock than the machine's.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        if let State::Ready(store) = &mut self.state {
            store.set_clock(Arc::clone(&self.clock));
        }
        self
    }

    /// The experiment as of the last call.
    ///
    /// # Errors
    /// [`Error::NoExperiment`] before `configure_experiment`.
    pub fn experiment(&self) -> Result<&Experiment, Error> {
        match &self.state {
            State::Ready(store) => Ok(store.experiment()),
            State::Empty(_) | State::Moving => Err(Error::NoExperiment),
        }
    }

    /// Takes in what other processes have stored; calls that change the experiment do so by themselves.
    ///
    /// # Errors
    /// Before `configure_experiment`, or if the journal cannot be read.
    pub fn refresh(&mut self) -> Result<(), Error> {
        self.store()?.refresh()
    }

    fn store(&mut self) -> Result<&mut ExperimentStore, Error> {
        match &mut self.state {
            State::Ready(store) => Ok(store),
            State::Empty(_) | State::Moving => Err(Error::NoExperiment),
        }
    }
}
