//! Runners and metrics that are found again from the journal alone.

use krige_core::event::MetricDefinition;
use krige_core::trial::{Metadata, TrialRun};
use krige_runner::{
    FunctionMetric, FunctionRunner, Measurement, MetadataMetric, MetricError, RunStatus,
    RunnerError,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::*;
use crate::client::{Client, ExperimentConfig};
use crate::error::Error;
use crate::orchestrator::EndReason;

/// A runner as a user writes it: plain data under a tag.
#[derive(Debug, Serialize, Deserialize)]
struct Oven {
    offset: f64,
}

#[typetag::serde(name = "test_oven")]
impl IRunner for Oven {
    fn run_trial(
        &self,
        _run: &TrialRun,
        parameters: &Parameterization,
    ) -> Result<Metadata, RunnerError> {
        Ok(Metadata::of("baked", bowl(parameters)? + self.offset))
    }

    fn poll_trial(&self, _run: &TrialRun, _metadata: &Metadata) -> Result<RunStatus, RunnerError> {
        Ok(RunStatus::Completed)
    }
}

/// A metric as a user writes it.
#[derive(Debug, Serialize, Deserialize)]
struct Thermometer {
    unit: String,
}

#[typetag::serde(name = "test_thermometer")]
impl IMetric for Thermometer {
    fn fetch(&self, _run: &TrialRun, metadata: &Metadata) -> Result<Measurement, MetricError> {
        assert_eq!(self.unit, "K");
        let baked = metadata.0.get("baked").and_then(Value::as_f64);
        baked.map(Measurement::from).ok_or(MetricError::NotYet)
    }
}

fn client(journal: &SharedJournal) -> Client {
    let mut client = Client::with_journal(journal.clone()).with_seed(3);
    let config = ["x1", "x2"].iter().fold(ExperimentConfig::new("e"), |config, &name| {
        config.parameter(Parameter::float(name, -5.0, 5.0))
    });
    client.configure_experiment(config).expect("configured");
    client.configure_optimization("-y", &[]).expect("configured");
    client
}

fn reopened(journal: &SharedJournal) -> Client {
    Client::load_from_journal(journal.clone(), "e").expect("loaded")
}

#[track_caller]
fn refused(journal: &SharedJournal) -> Error {
    let error = reopened(journal).run_trials(until(2, 1)).expect_err("refused");
    let mut store = ExperimentStore::open(journal.clone(), "e").expect("opened");
    let from_stored = Orchestrator::from_stored(&mut store, until(2, 1)).expect_err("refused");
    assert_eq!(from_stored.to_string(), error.to_string());
    error
}

#[test]
fn a_resumed_experiment_finds_runner_and_metrics_by_their_tags() {
    let journal = SharedJournal::new();
    let mut first = client(&journal);
    first.configure_runner(Oven { offset: 2.0 }).expect("configured");
    first.configure_metric("y", Thermometer { unit: "K".into() }).expect("configured");
    first.run_trials(until(1, 1)).expect("ran");
    drop(first);

    reopened(&journal).run_trials(until(2, 1)).expect("ran");
    let mut store = ExperimentStore::open(journal, "e").expect("opened");
    let orchestrator = Orchestrator::from_stored(&mut store, until(3, 1)).expect("restored");
    assert_eq!(orchestrator.run().expect("ran").ended, EndReason::Done);
    for trial in &store.experiment().trials {
        let expected = bowl(&trial.arm.parameters).expect("a point") + 2.0;
        assert_eq!(trial.observation("y").map(|y| y.mean), Some(expected));
    }
    assert_eq!(store.experiment().trials.len(), 3);
}

#[test]
fn a_closure_has_to_be_configured_again() {
    let journal = SharedJournal::new();
    let mut first = client(&journal);
    let runner = || FunctionRunner::new(|p| Ok([("y", bowl(p)?)]));
    first.configure_runner(runner()).expect("configured");
    let metric = || {
        FunctionMetric::new(|_, metadata| {
            metadata.0.get("y").and_then(Value::as_f64).ok_or(MetricError::NotYet)
        })
    };
    first.configure_metric("y", metric()).expect("configured");
    first.run_trials(until(1, 1)).expect("ran");
    drop(first);

    assert_eq!(
        refused(&journal).to_string(),
        "the experiment's runner was a closure, which cannot be stored: configure it again, or write a type that \
         implements the trait"
    );
    let mut again = reopened(&journal);
    again.configure_runner(runner()).expect("configured");
    let error = again.run_trials(until(2, 1)).expect_err("the metric is missing");
    assert!(matches!(&error, Error::Closure { what } if what == "metric `y`"), "{error}");
    again.configure_metric("y", metric()).expect("configured");
    again.run_trials(until(2, 1)).expect("ran");
    assert_eq!(statuses(again.experiment().expect("there is one")), [TrialStatus::Completed; 2]);
}

/// An experiment whose runner and metrics are stored so.
fn with_stored(runner: Value, metrics: &[(&str, Value)]) -> SharedJournal {
    let journal = SharedJournal::new();
    drop(client(&journal));
    let mut store = ExperimentStore::open(journal.clone(), "e").expect("opened");
    let metrics = metrics
        .iter()
        .map(|(name, fetch)| MetricDefinition { name: (*name).into(), fetch: Some(fetch.clone()) })
        .collect();
    store
        .record([Event::RunnerConfigured { runner }, Event::MetricsConfigured { metrics }])
        .expect("stored");
    journal
}

#[test]
fn a_type_that_this_program_does_not_have_is_named() {
    let oven = || json!({"type": "test_oven", "offset": 0.0});
    let thermometer = || json!({"type": "test_thermometer", "unit": "K"});
    let foreign = || json!({"type": "of another crate"});

    let error = refused(&with_stored(foreign(), &[("y", thermometer())]));
    assert_eq!(
        error.to_string(),
        "the experiment's runner is of a type that this program does not know: link the crate that defines it, or \
         configure another"
    );
    let Error::UnknownType { source, .. } = &error else { panic!("{error:?}") };
    assert!(source.to_string().contains("of another crate"), "{source}");

    let error = refused(&with_stored(oven(), &[("y", foreign())]));
    assert!(matches!(&error, Error::UnknownType { what, .. } if what == "metric `y`"), "{error}");
}

#[test]
fn what_is_only_recorded_does_not_stop_a_run_when_it_cannot_be_restored() {
    let oven = json!({"type": "test_oven", "offset": 0.0});
    let thermometer = json!({"type": "test_thermometer", "unit": "K"});
    let picture = json!({"type": "of another crate"});
    let sound = json!({"type": "function"});
    let journal = with_stored(oven, &[("y", thermometer), ("picture", picture), ("sound", sound)]);
    reopened(&journal).run_trials(until(1, 1)).expect("ran");
    let mut store = ExperimentStore::open(journal, "e").expect("opened");
    let orchestrator = Orchestrator::from_stored(&mut store, until(2, 1)).expect("restored");
    orchestrator.run().expect("ran");
    assert_eq!(statuses(store.experiment()), [TrialStatus::Completed; 2]);
}

#[test]
fn what_is_missing_is_said() {
    let journal = SharedJournal::new();
    let mut client = client(&journal);
    assert_eq!(
        client.run_trials(until(1, 1)).expect_err("no runner").to_string(),
        "there is no runner: call configure_runner first"
    );
    client.configure_runner(Oven { offset: 0.0 }).expect("configured");
    client.configure_optimization("-y", &["heat <= 3", "noise <= 2"]).expect("configured");
    client.configure_metric("heat", MetadataMetric::new("baked")).expect("configured");
    assert_eq!(
        client.run_trials(until(1, 1)).expect_err("no metric").to_string(),
        "no way to fetch `y`, `noise`: call configure_metrics for each metric of the objective and its constraints"
    );
    assert!(client.experiment().expect("there is one").trials.is_empty());

    let mut idle = Client::in_memory();
    assert!(matches!(idle.run_trials(until(1, 1)), Err(Error::NoExperiment)));
    idle.configure_experiment(
        ExperimentConfig::new("e").parameter(Parameter::float("x1", 0.0, 1.0)),
    )
    .expect("configured");
    idle.configure_runner(Oven { offset: 0.0 }).expect("configured");
    assert!(matches!(idle.run_trials(until(1, 1)), Err(Error::NoOptimization)));
}
