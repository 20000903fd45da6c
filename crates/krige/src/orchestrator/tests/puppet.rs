//! A runner and a metric on strings, a gate at which calls block, and time that is set by hand.

use std::fmt;
use std::sync::{Condvar, MutexGuard, PoisonError};
use std::time::Duration;

use krige_core::trial::Metadata;
use krige_runner::{Found, Measurement, MetricError, RunStatus, RunnerError, Stopped};
use serde::{Deserialize, Serialize};

use super::*;
use crate::orchestrator::Results;
use crate::orchestrator::elapsed::Elapsed;

type Pull<A, T> = Arc<dyn Fn(A) -> T + Send + Sync>;
pub(super) type Launches = Vec<(TrialRun, Parameterization)>;
pub(super) type Answers = Vec<Result<Metadata, RunnerError>>;

/// What each call does; by default all goes well at once.
#[derive(Clone)]
pub(super) struct Strings {
    pub(super) launch: Pull<TrialRun, Result<Metadata, RunnerError>>,
    pub(super) launch_many: Option<Pull<Launches, Answers>>,
    pub(super) poll: Pull<TrialRun, Result<RunStatus, RunnerError>>,
    pub(super) find: Pull<TrialRun, Result<Found, RunnerError>>,
    pub(super) stop: Pull<(TrialRun, String), Result<Stopped, RunnerError>>,
    pub(super) fetch: Pull<TrialRun, Result<Measurement, MetricError>>,
    pub(super) slots: Pull<(), Option<usize>>,
    /// Whether the metric can be fetched while its trial runs.
    pub(super) watched: bool,
}

impl Default for Strings {
    fn default() -> Self {
        Self {
            launch: Arc::new(|_| Ok(Metadata::default())),
            launch_many: None,
            poll: Arc::new(|_| Ok(RunStatus::Completed)),
            find: Arc::new(|_| Ok(Found::Absent)),
            stop: Arc::new(|_| Ok(Stopped::Requested)),
            fetch: Arc::new(|run| Ok((run.trial_index as f64).into())),
            slots: Arc::new(|()| None),
            watched: false,
        }
    }
}

/// Does what its strings say.
#[derive(Serialize, Deserialize)]
pub(super) struct Puppet {
    #[serde(skip)]
    pub(super) strings: Strings,
}

impl fmt::Debug for Puppet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Puppet")
    }
}

#[typetag::serde(name = "test_puppet")]
impl IRunner for Puppet {
    fn run_trial(&self, run: &TrialRun, _: &Parameterization) -> Result<Metadata, RunnerError> {
        (self.strings.launch)(run.clone())
    }

    fn poll_trial(&self, run: &TrialRun, _: &Metadata) -> Result<RunStatus, RunnerError> {
        (self.strings.poll)(run.clone())
    }

    fn stop_trial(
        &self,
        run: &TrialRun,
        _: &Metadata,
        reason: &str,
    ) -> Result<Stopped, RunnerError> {
        (self.strings.stop)((run.clone(), reason.to_owned()))
    }

    fn run_trials(&self, runs: &[(TrialRun, Parameterization)]) -> Answers {
        match &self.strings.launch_many {
            Some(launch_many) => launch_many(runs.to_vec()),
            None => runs.iter().map(|(run, _)| (self.strings.launch)(run.clone())).collect(),
        }
    }

    fn free_slots(&self) -> Result<Option<usize>, RunnerError> {
        Ok((self.strings.slots)(()))
    }

    fn find_trial(&self, run: &TrialRun) -> Result<Found, RunnerError> {
        (self.strings.find)(run.clone())
    }
}

#[typetag::serde(name = "test_puppet")]
impl IMetric for Puppet {
    fn fetch(&self, run: &TrialRun, _: &Metadata) -> Result<Measurement, MetricError> {
        (self.strings.fetch)(run.clone())
    }

    fn available_while_running(&self) -> bool {
        self.strings.watched
    }
}

/// An experiment whose runner and metric `y` are on strings, with time that is set by hand.
pub(super) struct Stage {
    pub(super) journal: SharedJournal,
    pub(super) time: Time,
}

impl Stage {
    pub(super) fn new() -> Self {
        Self { journal: SharedJournal::new(), time: Time::default() }
    }

    pub(super) fn begin(&self) -> ExperimentStore {
        let sobol = GenerationNode::new("Sobol", Sobol::default());
        let strategy = GenerationStrategy::new("Sobol", vec![sobol]).expect("a strategy");
        begin(self.journal.clone(), square(), strategy)
    }

    pub(super) fn results<'a>(
        &self,
        store: &'a mut ExperimentStore,
        strings: Strings,
        others: &[(&str, Strings)],
        options: OrchestratorOptions,
    ) -> Results<'a> {
        options.check().expect("options that make sense");
        let runner: Arc<dyn IRunner> = Arc::new(Puppet { strings: strings.clone() });
        let metric = |strings: &Strings| -> Arc<dyn IMetric> {
            Arc::new(Puppet { strings: strings.clone() })
        };
        let others = others.iter().map(|(name, strings)| ((*name).to_owned(), metric(strings)));
        let metrics = others.chain([("y".to_owned(), metric(&strings))]).collect();
        let time = self.time.clone();
        Results::start_at(store, runner, metrics, options, Elapsed::told_by(move || time.now()))
    }
}

/// Time that passes when the test says so; its clones are the same.
#[derive(Clone, Default)]
pub(super) struct Time(Arc<std::sync::Mutex<Duration>>);

impl Time {
    pub(super) fn now(&self) -> Duration {
        *self.0.lock().expect("no panic")
    }

    pub(super) fn pass(&self, seconds: u64) {
        *self.0.lock().expect("no panic") += Duration::from_secs(seconds);
    }
}

/// Where calls block until it is opened; its clones are the same.
#[derive(Clone, Default)]
pub(super) struct Gate(Arc<(std::sync::Mutex<bool>, Condvar)>);

impl Gate {
    fn is_open(&self) -> MutexGuard<'_, bool> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn pass(&self) {
        let open = self.0.1.wait_while(self.is_open(), |open| !*open);
        drop(open.unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn open(&self) {
        *self.is_open() = true;
        self.0.1.notify_all();
    }
}

/// Counts by trial; its clones are the same.
#[derive(Clone, Default)]
pub(super) struct Counts(Arc<std::sync::Mutex<std::collections::BTreeMap<usize, usize>>>);

impl Counts {
    /// How often the trial was counted, this time included.
    pub(super) fn count(&self, run: &TrialRun) -> usize {
        let mut counts = self.0.lock().expect("no panic");
        let count = counts.entry(run.trial_index).or_insert(0);
        *count += 1;
        *count
    }

    pub(super) fn of(&self, trials: std::ops::Range<usize>) -> Vec<usize> {
        let counts = self.0.lock().expect("no panic");
        trials.map(|trial| counts.get(&trial).copied().unwrap_or(0)).collect()
    }
}
