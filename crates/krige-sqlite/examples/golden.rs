//! Writes a journal that has every kind of event in it, and a second experiment that has hardly begun.
//!
//! `cargo run -p krige-sqlite --example golden -- FILE`
//!
//! The golden files under `tests/golden` were made with it, each by the release that brought its version.

use std::error::Error;

use krige_core::Timestamp;
use krige_core::control::Control;
use krige_core::event::{Event, MetricDefinition, Record};
use krige_core::experiment::Experiment;
use krige_core::generation::StrategyOptions;
use krige_core::journal::{Journal, LeaseRequest};
use krige_core::objective::OptimizationConfig;
use krige_core::observation::Observation;
use krige_core::search_space::{Parameter, SearchSpace};
use krige_core::stopping::{EarlyStopping, GlobalStopping};
use krige_core::trial::{Arm, Metadata, TrialEvent};
use krige_core::value::Parameterization;
use krige_sqlite::SqliteJournal;
use serde_json::json;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// An experiment and its journal; a clock that goes on by 10.25 s with each event.
struct Lab {
    journal: SqliteJournal,
    experiment: Experiment,
}

impl Lab {
    fn create(mut journal: SqliteJournal, event: Event) -> Result<Self> {
        let experiment = Experiment::create(&event)?;
        journal.append(&experiment.name, 0, &[Record { sequence: 1, at: at(1), event }])?;
        Ok(Self { journal, experiment })
    }

    fn record(&mut self, event: Event) -> Result<()> {
        let (after, name) = (self.experiment.sequence, self.experiment.name.clone());
        let record = Record { sequence: after + 1, at: at(after + 1), event };
        let _kept = self.experiment.apply(record.at, &record.event)?;
        Ok(self.journal.append(&name, after, &[record])?)
    }

    fn change(&mut self, trial: usize, event: TrialEvent) -> Result<()> {
        self.record(Event::Trial { trial, event })
    }

    /// Asks the strategy for the next trial and starts it.
    fn start(&mut self) -> Result<usize> {
        let strategy = self.experiment.strategy.clone().ok_or("configured before")?;
        let proposed = strategy.generate(&self.experiment, 1, &Parameterization::default())?;
        let (parameters, generation) = proposed.into_iter().next().ok_or("at least one")?;
        let trial = self.experiment.trials.len();
        let arm = Arm { name: self.experiment.arm_name(trial, &parameters), parameters };
        self.record(Event::TrialGenerated { trial, arm, generation })?;
        let run = self.experiment.next_run(trial);
        self.change(trial, TrialEvent::Launching { run })?;
        let metadata = Metadata::of("job", 4400 + trial as i64);
        self.change(trial, TrialEvent::Running { metadata, by_hand: false })?;
        Ok(trial)
    }

    /// What would have been measured, with a noise of 0.1.
    fn observe(&mut self, trial: usize, progression: Option<f64>) -> Result<()> {
        let parameters = &self.experiment.trial(trial)?.arm.parameters;
        let (temperature, layers) = (parameters.float("temperature")?, parameters.float("layers")?);
        let growth = -((temperature - 640.0) / 100.0).powi(2) + layers / 3.0;
        let mut observations = vec![
            Observation::new("yield", growth * progression.map_or(1.0, |p| p / 60.0)).with_sem(0.1),
            Observation::new("cost", temperature * layers / 1e4),
        ];
        for observation in &mut observations {
            observation.progression = progression;
        }
        self.record(Event::ObservationsAttached { trial, observations, late: false })
    }
}

fn at(sequence: u64) -> Timestamp {
    Timestamp::from_millisecond(1_795_269_600_250 + 10_250 * sequence as i64)
        .expect("a time in November 2026")
}

fn anneal(journal: SqliteJournal) -> Result<()> {
    let space = SearchSpace::new(
        [
            Parameter::float("temperature", 400.0, 900.0),
            Parameter::float("pressure", 1e-3, 10.0).log(),
            Parameter::int("layers", 1, 8),
            Parameter::choice("gas", ["argon", "nitrogen", "vacuum"]),
            Parameter::bool("rotate"),
            Parameter::fixed("substrate", "sapphire"),
        ],
        &["temperature + 50*layers <= 1100"],
    )?;
    let mut lab = Lab::create(
        journal,
        Event::ExperimentCreated {
            id: "7f3k2m".into(),
            name: "anneal".into(),
            description: Some("films on sapphire, chamber 2".into()),
            seed: 12_345_678_901_234_567_890,
            search_space: space,
        },
    )?;
    let optimization = OptimizationConfig::parse("yield", &["cost <= 0.6"])?;
    lab.record(Event::OptimizationConfigured { optimization })?;
    let options = StrategyOptions { initialization_budget: Some(4), ..StrategyOptions::default() };
    lab.record(Event::GenerationStrategyConfigured { strategy: options.strategy() })?;
    let runner = json!({ "type": "subprocess", "command": ["./anneal", "{temperature}"] });
    lab.record(Event::RunnerConfigured { runner })?;
    let fetch = json!({ "type": "from_metadata", "entry": "yield" });
    let metrics = vec![
        MetricDefinition { name: "yield".into(), fetch: Some(fetch) },
        MetricDefinition { name: "cost".into(), fetch: None },
    ];
    lab.record(Event::MetricsConfigured { metrics })?;

    let mut parameters = Parameterization::default();
    parameters.insert("temperature", 550.0);
    parameters.insert("pressure", 0.1);
    parameters.insert("layers", 3);
    parameters.insert("gas", "argon");
    parameters.insert("rotate", false);
    parameters.insert("substrate", "sapphire");
    let arm = Arm { name: "status quo".into(), parameters };
    lab.record(Event::TrialAttached { trial: 0, arm, baseline: true })?;
    lab.observe(0, None)?;
    let run = lab.experiment.next_run(0);
    lab.change(0, TrialEvent::Launching { run })?;
    lab.change(0, TrialEvent::Running { metadata: Metadata::default(), by_hand: true })?;
    lab.change(0, TrialEvent::Completed)?;

    let failed = lab.start()?;
    lab.change(failed, TrialEvent::Failed { reason: "the \"shutter\" did not open".into() })?;
    let stopped = lab.start()?;
    lab.observe(stopped, Some(10.0))?;
    lab.observe(stopped, Some(20.0))?;
    lab.observe(stopped, Some(20.0))?;
    lab.change(stopped, TrialEvent::EarlyStopped { reason: Some("below the median".into()) })?;
    let abandoned = lab.start()?;
    lab.change(abandoned, TrialEvent::Abandoned { reason: None })?;
    for _ in 0..4 {
        let trial = lab.start()?;
        lab.observe(trial, None)?;
        lab.change(trial, TrialEvent::Completed)?;
    }
    let arm = lab.experiment.trial(1)?.arm.clone();
    let stale = lab.experiment.trials.len();
    lab.record(Event::TrialAttached { trial: stale, arm, baseline: false })?;
    lab.change(stale, TrialEvent::Stale)?;
    // What came when a trial had ended, and what a run is asked for.
    let late = vec![Observation::new("cost", 0.25)];
    lab.record(Event::ObservationsAttached { trial: stopped, observations: late, late: true })?;
    let options = json!({ "max_pending_trials": 4 });
    lab.record(Event::OrchestrationConfigured { options })?;
    let (metric, threshold, min_progression) = (None, 0.5, 20.0);
    lab.record(Event::StoppingConfigured {
        early: Some(EarlyStopping::Threshold { metric, threshold, min_progression }),
        global: Some(GlobalStopping::WallTime { seconds: 604_800.0 }),
    })?;
    let leader = "lab1:4711:c0ffee";
    lab.record(Event::Led { leader: leader.into() })?;
    lab.record(Event::Controlled { control: Control::Parallelism { trials: 3 } })?;
    lab.record(Event::NoteAdded { trial: Some(1), text: "the \"shutter\" was repaired".into() })?;
    lab.record(Event::NoteAdded { trial: None, text: "a new sapphire from here on".into() })?;
    // One is under way when the journal is closed, for the second time.
    let last = lab.start()?;
    lab.change(last, TrialEvent::Retried { reason: "the power went".into() })?;
    let run = lab.experiment.next_run(last);
    lab.change(last, TrialEvent::Launching { run })?;
    let metadata = Metadata::of("job", 5400);
    lab.change(last, TrialEvent::Running { metadata, by_hand: false })?;
    let holder = leader.to_owned();
    let until = "2026-11-21T15:00:00.25Z".parse()?;
    lab.journal.lease("anneal", &LeaseRequest { holder, now: at(0), until })?;
    Ok(())
}

fn begun(journal: SqliteJournal) -> Result<()> {
    let search_space = SearchSpace::new([Parameter::float("x", 0.0, 1.0)], &[])?;
    let (id, name) = ("q08d5x".into(), "begun".into());
    let created = Event::ExperimentCreated { id, name, description: None, seed: 1, search_space };
    Lab::create(journal, created)?;
    Ok(())
}

fn main() -> Result<()> {
    let file = std::env::args_os().nth(1).ok_or("expected the name of the file to write")?;
    anneal(SqliteJournal::open(&file)?)?;
    begun(SqliteJournal::open(&file)?)
}
