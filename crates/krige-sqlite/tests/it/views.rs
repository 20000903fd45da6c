//! The views say of any legal sequence of events what its replay says.

use std::collections::BTreeMap;

use krige_core::Timestamp;
use krige_core::event::{Event, MetricDefinition, Record};
use krige_core::experiment::Experiment;
use krige_core::generation::StrategyOptions;
use krige_core::journal::Journal;
use krige_core::objective::OptimizationConfig;
use krige_core::observation::Observation;
use krige_core::search_space::{Parameter, SearchSpace};
use krige_core::trial::{Arm, Generation, Metadata, Trial, TrialEvent, TrialState};
use krige_core::value::{ParameterValue, Parameterization};
use krige_sqlite::SqliteJournal;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use rusqlite::Connection;
use rusqlite::types::Value;
use serde_json::json;

/// What happens next, if the experiment allows it; trials are picked among those that exist.
#[derive(Debug, Clone)]
enum Step {
    Configure { event: Event },
    Generate { arm: Parameterization, node: &'static str, degraded: Option<String> },
    Attach { arm: Parameterization, baseline: bool },
    AttachAgain { of: Index },
    Launch { trial: Index },
    Change { trial: Index, event: TrialEvent },
    Observe { trial: Index, observations: Vec<Observation>, late: bool },
    Note { trial: Option<Index>, text: String },
}

fn parameters() -> impl Strategy<Value = Parameterization> {
    (-1e3..1e3, 0..100_i64, any::<bool>(), select(vec!["water", "it's \"hot\"", "Öl"])).prop_map(
        |(x, n, b, s)| {
            let mut parameters = Parameterization::default();
            parameters.insert("x", x);
            parameters.insert("n", n);
            parameters.insert("b", b);
            parameters.insert("s", s);
            parameters
        },
    )
}

fn text() -> impl Strategy<Value = String> {
    // SQLite's text functions end at a NUL.
    "[^\u{0}]{0,12}"
}

fn observation() -> impl Strategy<Value = Observation> {
    let metric = select(vec!["yield", "cost \"€\"", "x.y'z"]);
    let number = prop_oneof![-1e3..1e3, -1e300..1e300, select(vec![0.0, -0.0, 1e-300, 0.1])];
    let sem = proptest::option::of(0.0..10.0);
    let progression =
        select(vec![None, None, Some(-0.0), Some(0.0), Some(1.0), Some(2.5), Some(10.0)]);
    (metric, number, sem, progression).prop_map(|(metric, mean, sem, progression)| Observation {
        metric: metric.into(),
        mean,
        sem,
        progression,
    })
}

fn change() -> impl Strategy<Value = TrialEvent> {
    let reason = || proptest::option::of(text());
    prop_oneof![
        4 => text().prop_map(|job| TrialEvent::Running { metadata: Metadata::of("job", job), by_hand: false }),
        2 => Just(TrialEvent::Completed),
        1 => text().prop_map(|reason| TrialEvent::Failed { reason }),
        1 => reason().prop_map(|reason| TrialEvent::Abandoned { reason }),
        1 => reason().prop_map(|reason| TrialEvent::EarlyStopped { reason }),
        1 => Just(TrialEvent::Stale),
        3 => text().prop_map(|reason| TrialEvent::Retried { reason }),
    ]
}

fn configuration() -> impl Strategy<Value = Event> {
    let objective = select(vec!["yield", "-cost", "yield, -cost", "yield + 2*purity"]);
    prop_oneof![
        3 => objective.prop_map(|objective| Event::OptimizationConfigured {
            optimization: OptimizationConfig::parse(objective, &[]).expect("well formed"),
        }),
        1 => Just(Event::GenerationStrategyConfigured {
            strategy: StrategyOptions::default().strategy(),
        }),
        1 => text().prop_map(|text| Event::RunnerConfigured { runner: json!({ "type": text }) }),
        1 => text().prop_map(|name| Event::MetricsConfigured {
            metrics: vec![MetricDefinition { name, fetch: None }],
        }),
        1 => text().prop_map(|leader| Event::Led { leader }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let trial = any::<Index>();
    prop_oneof![
        1 => configuration().prop_map(|event| Step::Configure { event }),
        3 => (parameters(), select(vec!["Center", "Sobol", "GP"]), proptest::option::of(text()))
            .prop_map(|(arm, node, degraded)| Step::Generate { arm, node, degraded }),
        1 => (parameters(), any::<bool>())
            .prop_map(|(arm, baseline)| Step::Attach { arm, baseline }),
        1 => trial.clone().prop_map(|of| Step::AttachAgain { of }),
        4 => trial.clone().prop_map(|trial| Step::Launch { trial }),
        8 => (trial.clone(), change()).prop_map(|(trial, event)| Step::Change { trial, event }),
        6 => (trial, proptest::collection::vec(observation(), 0..6), any::<bool>())
            .prop_map(|(trial, observations, late)| Step::Observe { trial, observations, late }),
        1 => (proptest::option::of(any::<Index>()), text())
            .prop_map(|(trial, text)| Step::Note { trial, text }),
    ]
}

fn space() -> SearchSpace {
    let parameters = [
        Parameter::float("x", -1e3, 1e3),
        Parameter::int("n", 0, 100),
        Parameter::bool("b"),
        Parameter::choice("s", ["water", "it's \"hot\"", "Öl"]),
    ];
    SearchSpace::new(parameters, &[]).expect("well formed")
}

impl Step {
    /// The event, unless it needs a trial and there is none.
    fn event(self, experiment: &Experiment) -> Option<Event> {
        let next = experiment.trials.len();
        let pick = |index: Index| (next > 0).then(|| index.index(next));
        let arm = |parameters: Parameterization| Arm {
            name: experiment.arm_name(next, &parameters),
            parameters,
        };
        Some(match self {
            Self::Configure { event } => event,
            Self::Generate { arm: parameters, node, degraded } => {
                let (method, state) = (node.to_lowercase(), json!({ "position": next }));
                let generation =
                    Generation { node: node.into(), method, prediction: None, degraded, state };
                Event::TrialGenerated { trial: next, arm: arm(parameters), generation }
            }
            Self::Attach { arm: parameters, baseline } => {
                Event::TrialAttached { trial: next, arm: arm(parameters), baseline }
            }
            Self::AttachAgain { of } => {
                let arm = experiment.trials[pick(of)?].arm.clone();
                Event::TrialAttached { trial: next, arm, baseline: false }
            }
            Self::Launch { trial } => {
                let trial = pick(trial)?;
                let run = experiment.next_run(trial);
                Event::Trial { trial, event: TrialEvent::Launching { run } }
            }
            Self::Change { trial, event } => Event::Trial { trial: pick(trial)?, event },
            Self::Observe { trial, observations, late } => {
                Event::ObservationsAttached { trial: pick(trial)?, observations, late }
            }
            Self::Note { trial, text } => Event::NoteAdded { trial: trial.and_then(pick), text },
        })
    }
}

/// The records of those steps that the experiment allows, 1.7 s apart.
fn legal(name: &str, description: Option<String>, steps: Vec<Step>) -> Vec<Record> {
    let at = |sequence: u64| {
        Timestamp::from_millisecond(1_795_269_802_123 + 1_700 * sequence as i64)
            .expect("within range")
    };
    let created = Event::ExperimentCreated {
        id: "k3x".into(),
        name: name.into(),
        description,
        seed: 7,
        search_space: space(),
    };
    let mut experiment = Experiment::create(&created).expect("an experiment");
    let mut records = vec![Record { sequence: 1, at: at(1), event: created }];
    for step in steps {
        let sequence = experiment.sequence + 1;
        if let Some(event) = step.event(&experiment)
            && experiment.apply(at(sequence), &event).is_ok()
        {
            records.push(Record { sequence, at: at(sequence), event });
        }
    }
    records
}

/// All rows of a query about an experiment.
fn rows(file: &Connection, experiment: &Experiment, sql: &str) -> Vec<Vec<Value>> {
    let mut statement = file.prepare(sql).expect("prepared");
    let columns = statement.column_count();
    statement
        .query_map([&experiment.name], |row| (0..columns).map(|i| row.get(i)).collect())
        .expect("asked")
        .collect::<Result<_, _>>()
        .expect("answered")
}

fn text_or_null<T: ToString>(text: Option<T>) -> Value {
    text.map_or(Value::Null, |text| Value::Text(text.to_string()))
}

fn number(value: &Value) -> f64 {
    match value {
        Value::Real(x) => *x,
        other => panic!("no number: {other:?}"),
    }
}

/// SQLite reads decimals to about 17 digits; the last bits are in the event's body.
#[track_caller]
fn close(found: f64, expected: f64) {
    let tolerance = 4.0 * f64::EPSILON * expected.abs();
    assert!((found - expected).abs() <= tolerance, "{found:e} is not {expected:e}");
}

#[track_caller]
fn json_of(value: &Value) -> serde_json::Value {
    match value {
        Value::Text(text) => serde_json::from_str(text).expect("JSON"),
        Value::Null => serde_json::Value::Null,
        other => panic!("no JSON: {other:?}"),
    }
}

fn clock(at: Timestamp) -> Value {
    Value::Text(at.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

fn started(trial: &Trial) -> Value {
    trial.state.launch().map_or(Value::Null, |launch| clock(launch.since))
}

fn check_trials(file: &Connection, experiment: &Experiment) {
    let found = rows(
        file,
        experiment,
        "SELECT experiment, trial, status, node, arm, created, started, ended, reason, method, degraded, \
         parameters, results, metadata, attempts FROM trial WHERE experiment = ?1",
    );
    assert_eq!(found.len(), experiment.trials.len());
    for (row, trial) in found.iter().zip(&experiment.trials) {
        let generation = trial.generation();
        let plain = [
            Value::Text(experiment.name.clone()),
            Value::Integer(trial.index as i64),
            Value::Text(trial.status().name().into()),
            Value::Text(trial.node().into()),
            Value::Text(trial.arm.name.clone()),
            clock(trial.created_at),
            started(trial),
            trial.state.ended_at().map_or(Value::Null, clock),
            text_or_null(trial.state.reason()),
            text_or_null(generation.map(|generation| &generation.method)),
            text_or_null(generation.and_then(|generation| generation.degraded.as_ref())),
        ];
        assert_eq!(row[..11], plain);

        // The text of the body, so exact.
        let parameters: Parameterization =
            serde_json::from_value(json_of(&row[11])).expect("parameters");
        assert_eq!(parameters, trial.arm.parameters);

        let last: BTreeMap<&str, f64> = trial
            .observations
            .iter()
            .filter_map(|o| Some((o.metric.as_str(), trial.observation(&o.metric)?.mean)))
            .collect();
        let results = json_of(&row[12]);
        let results = results.as_object().cloned().unwrap_or_default();
        assert_eq!(results.len(), last.len());
        for (metric, mean) in last {
            close(results[metric].as_f64().expect("a number"), mean);
        }

        let metadata = trial.state.launch().map(|launch| json!(launch.metadata));
        assert_eq!(json_of(&row[13]), metadata.unwrap_or_default());
        assert_eq!(row[14], Value::Integer(trial.attempts.into()));
    }
}

fn check_observations(file: &Connection, experiment: &Experiment, records: &[Record]) {
    let found = rows(
        file,
        experiment,
        "SELECT experiment, trial, metric, mean, sem, progression, at, late FROM observation \
         WHERE experiment = ?1 ORDER BY trial, metric, progression",
    );
    let mut expected: Vec<(&Trial, &Observation)> = experiment
        .trials
        .iter()
        .flat_map(|trial| trial.observations.iter().map(move |o| (trial, o)))
        .collect();
    // NULL sorts first, in SQLite as in Rust's `Option`.
    expected.sort_by(|(t, a), (u, b)| {
        (t.index, &a.metric)
            .cmp(&(u.index, &b.metric))
            .then(a.progression.partial_cmp(&b.progression).expect("finite"))
    });
    assert_eq!(found.len(), expected.len());
    for (row, (trial, observation)) in found.iter().zip(expected) {
        let attached = records.iter().filter_map(|record| match &record.event {
            Event::ObservationsAttached { trial: t, observations, late }
                if *t == trial.index && observations.iter().any(|o| o.same_slot(observation)) =>
            {
                Some((record.at, *late))
            }
            _ => None,
        });
        // What is late replaces nothing.
        let (late, in_time): (Vec<_>, Vec<_>) = attached.partition(|(_, late)| *late);
        let stands = in_time.last().or(late.first()).copied();
        let (at, late) = stands.expect("it was attached");
        assert_eq!(row[0], Value::Text(experiment.name.clone()));
        assert_eq!(row[1], Value::Integer(trial.index as i64));
        assert_eq!(row[2], Value::Text(observation.metric.clone()));
        close(number(&row[3]), observation.mean);
        match observation.sem {
            Some(sem) => close(number(&row[4]), sem),
            None => assert_eq!(row[4], Value::Null),
        }
        match observation.progression {
            Some(progression) => close(number(&row[5]), progression),
            None => assert_eq!(row[5], Value::Null),
        }
        assert_eq!(row[6], clock(at));
        assert_eq!(row[7], Value::Integer(late.into()));
    }
}

fn check_parameters(file: &Connection, experiment: &Experiment) {
    // In the order in which they were given, as nothing sorts them.
    let found = rows(
        file,
        experiment,
        "SELECT experiment, trial, parameter, value FROM parameter WHERE experiment = ?1",
    );
    let expected: Vec<_> = experiment
        .trials
        .iter()
        .flat_map(|trial| {
            trial.arm.parameters.iter().map(move |(name, value)| (trial, name, value))
        })
        .collect();
    assert_eq!(found.len(), expected.len());
    for (row, (trial, name, value)) in found.iter().zip(expected) {
        assert_eq!(row[0], Value::Text(experiment.name.clone()));
        assert_eq!(row[1], Value::Integer(trial.index as i64));
        assert_eq!(row[2], Value::Text(name.into()));
        match value {
            ParameterValue::Float(x) => close(number(&row[3]), *x),
            ParameterValue::Int(n) => assert_eq!(row[3], Value::Integer(*n)),
            ParameterValue::Bool(b) => assert_eq!(row[3], Value::Text(b.to_string())),
            ParameterValue::String(s) => assert_eq!(row[3], Value::Text(s.clone())),
        }
    }
}

fn check_arms(file: &Connection, experiment: &Experiment) {
    let mut expected: Vec<(&Arm, Vec<usize>)> = Vec::new();
    for trial in &experiment.trials {
        match expected.iter_mut().find(|(arm, _)| arm.name == trial.arm.name) {
            Some((_, trials)) => trials.push(trial.index),
            None => expected.push((&trial.arm, vec![trial.index])),
        }
    }
    let found = rows(
        file,
        experiment,
        "SELECT experiment, arm, trials, parameters FROM arm WHERE experiment = ?1",
    );
    assert_eq!(found.len(), expected.len());
    for (row, (arm, trials)) in found.iter().zip(expected) {
        assert_eq!(row[0], Value::Text(experiment.name.clone()));
        assert_eq!(row[1], Value::Text(arm.name.clone()));
        assert_eq!(json_of(&row[2]), json!(trials));
        let parameters: Parameterization =
            serde_json::from_value(json_of(&row[3])).expect("parameters");
        assert_eq!(parameters, arm.parameters);
    }
}

fn check_experiment(file: &Connection, experiment: &Experiment, created: Timestamp) {
    let completed = experiment
        .trials
        .iter()
        .filter(|t| matches!(t.state, TrialState::Completed { .. }))
        .count();
    let expected = vec![
        Value::Text(experiment.name.clone()),
        clock(created),
        text_or_null(experiment.optimization.as_ref().map(|config| config.objective())),
        Value::Integer(experiment.trials.len() as i64),
        Value::Integer(completed as i64),
        text_or_null(experiment.description.as_ref()),
    ];
    let sql = "SELECT name, created, objective, trials, completed, description \
               FROM experiment WHERE name = ?1";
    assert_eq!(rows(file, experiment, sql), [expected]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn the_views_agree_with_the_replay(
        names in (text(), text()).prop_filter("names differ", |(a, b)| a != b),
        description in proptest::option::of(text()),
        many in proptest::collection::vec(step(), 0..120),
        few in proptest::collection::vec(step(), 0..20),
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("lab.db");
        let mut journal = SqliteJournal::open(&path).expect("opened");
        let journals = [
            (&names.0, legal(&names.0, description, many)),
            (&names.1, legal(&names.1, None, few)),
        ];
        for (name, records) in &journals {
            journal.append(name, 0, records).expect("appended");
        }

        let file = Connection::open(&path).expect("opened");
        for (_, records) in &journals {
            let experiment = Experiment::replay(records).expect("legal");
            check_experiment(&file, &experiment, records[0].at);
            check_trials(&file, &experiment);
            check_observations(&file, &experiment, records);
            check_parameters(&file, &experiment);
            check_arms(&file, &experiment);
        }
    }
}
