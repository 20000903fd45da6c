//! Runs against far sides that behave as scripted.

mod batches;
mod blocking;
mod busy;
mod control;
mod crashes;
mod ending;
mod policy;
mod puppet;
mod restoring;
mod stopping;
mod takeover;
mod trials;

use std::sync::Arc;

use indexmap::IndexMap;
use krige_core::event::Event;
use krige_core::experiment::Experiment;
use krige_core::generation::{GenerationNode, GenerationStrategy, Sobol};
use krige_core::objective::OptimizationConfig;
use krige_core::search_space::{Parameter, SearchSpace};
use krige_core::trial::{TrialRun, TrialStatus};
use krige_core::value::{ParameterError, Parameterization};
use krige_runner::{IMetric, IRunner};
use krige_testkit::{FarSide, Script, ScriptedMetric, ScriptedRunner, SharedJournal};

use super::{Orchestrator, OrchestratorOptions};
use crate::progress::Progress;
use crate::store::{ExperimentDefinition, ExperimentStore};

/// A far side, a runner and a metric that reach it, and a journal that outlives the stores opened on it.
struct Lab {
    name: String,
    far_side: FarSide,
    journal: SharedJournal,
    runner: Arc<dyn IRunner>,
    metrics: IndexMap<String, Arc<dyn IMetric>>,
}

/// What is minimized, with its optimum at (1, -0.5).
fn bowl(parameters: &Parameterization) -> Result<f64, ParameterError> {
    let (x1, x2) = (parameters.float("x1")?, parameters.float("x2")?);
    Ok((x1 - 1.0).powi(2) + (x2 + 0.5).powi(2))
}

impl Lab {
    /// A laboratory under a name of its own.
    fn new(name: &str, script: impl Fn(&TrialRun) -> Script + Send + Sync + 'static) -> Self {
        let evaluate = |p: &Parameterization| Ok(vec![("y".to_owned(), bowl(p)?)]);
        let metric: Arc<dyn IMetric> = Arc::new(ScriptedMetric::new(name, "y"));
        Self {
            name: name.to_owned(),
            far_side: FarSide::new(name, evaluate, script),
            journal: SharedJournal::new(),
            runner: Arc::new(ScriptedRunner::new(name)),
            metrics: IndexMap::from([("y".to_owned(), metric)]),
        }
    }

    /// The experiment, begun with Sobol points for ever.
    fn begin(&self) -> ExperimentStore {
        let sobol = GenerationNode::new("Sobol", Sobol::default());
        let strategy = GenerationStrategy::new("Sobol", vec![sobol]).expect("a strategy");
        begin(self.journal.clone(), square(), strategy)
    }

    /// The experiment, as another process opens it.
    fn reopen(&self) -> ExperimentStore {
        ExperimentStore::open(self.journal.clone(), "e").expect("opened")
    }

    fn orchestrator<'a>(
        &self,
        store: &'a mut ExperimentStore,
        options: OrchestratorOptions,
    ) -> Orchestrator<'a> {
        let (runner, metrics) = (Arc::clone(&self.runner), self.metrics.clone());
        Orchestrator::new(store, runner, metrics, options).expect("can be run")
    }

    #[track_caller]
    fn assert_each_started_once(&self, trials: usize) {
        let deployments = self.far_side.deployments();
        assert!(deployments.values().all(|&count| count == 1), "{deployments:?}");
        assert_eq!(deployments.len(), trials, "{deployments:?}");
    }
}

fn square() -> SearchSpace {
    let parameters = ["x1", "x2"].map(|name| Parameter::float(name, -5.0, 5.0));
    SearchSpace::new(parameters.to_vec(), &[]).expect("a search space")
}

fn begin(
    journal: impl krige_core::journal::Journal + 'static,
    search_space: SearchSpace,
    strategy: GenerationStrategy,
) -> ExperimentStore {
    let (name, description) = ("e".to_owned(), None);
    let definition = ExperimentDefinition { name, description, search_space, seed: Some(7) };
    let mut store = ExperimentStore::create(journal, definition).expect("created");
    let optimization = OptimizationConfig::parse("-y", &[]).expect("an objective");
    store
        .record([
            Event::OptimizationConfigured { optimization },
            Event::GenerationStrategyConfigured { strategy },
        ])
        .expect("configured");
    store
}

/// Until there are so many trials, without pauses, whatever the trials come to.
fn until(total: usize, parallelism: usize) -> OrchestratorOptions {
    OrchestratorOptions {
        init_seconds_between_polls: 0.0,
        init_seconds_between_retries: 0.0,
        max_seconds_between_polls: 0.0,
        tolerated_trial_failure_rate: 1.0,
        progress: Progress::Silent,
        ..OrchestratorOptions::until(total, parallelism)
    }
}

fn statuses(experiment: &Experiment) -> Vec<TrialStatus> {
    experiment.trials.iter().map(krige_core::trial::Trial::status).collect()
}

#[track_caller]
fn assert_replay_is_live(store: &mut ExperimentStore) {
    let records = store.records().expect("read");
    assert_eq!(Experiment::replay(&records).as_ref(), Ok(store.experiment()));
}
