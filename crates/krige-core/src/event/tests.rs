//! The stored form of every kind of event: these texts are in journals, and stay as they are.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::generation::{Effort, GenerationNode, Gp, Noise, Sobol, StrategyOptions};
use crate::search_space::Parameter;
use crate::trial::{Metadata, Prediction, TrialRun};

/// Keys under which anything may stand.
const FREE: [&str; 5] = ["parameters", "metadata", "runner", "fetch", "state"];

/// The places of all objects whose keys are fixed.
fn strict_objects(value: &Value, place: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            found.push(place.to_owned());
            for (key, value) in object {
                if !FREE.contains(&key.as_str()) || value.is_array() {
                    strict_objects(value, &format!("{place}/{key}"), found);
                }
            }
        }
        Value::Array(array) => {
            for (i, value) in array.iter().enumerate() {
                strict_objects(value, &format!("{place}/{i}"), found);
            }
        }
        _ => {}
    }
}

#[track_caller]
fn check(event: Event, kind: &str, trial: Option<TrialIndex>, text: &str) {
    assert_eq!(serde_json::to_string(&event).unwrap(), text);
    assert_eq!(serde_json::from_str::<Event>(text).unwrap(), event);
    assert_eq!((event.kind().as_str(), event.trial()), (kind, trial));
    let stored: Value = serde_json::from_str(text).unwrap();
    let mut places = Vec::new();
    strict_objects(&stored, "", &mut places);
    assert!(places.len() >= 2, "{places:?}");
    for place in places {
        let mut changed = stored.clone();
        changed.pointer_mut(&place).unwrap()["unknown"] = Value::Null;
        let read = serde_json::from_value::<Event>(changed);
        assert!(read.is_err(), "an unknown field at `{place}` is read over");
    }
}

#[test]
fn experiment_created() {
    let search_space = SearchSpace::new(
        [
            Parameter::float("x", 0.1, 2.0),
            Parameter::float("l", 1e-6, 1.0).log(),
            Parameter::float("s", 0.0, 1.0).step(0.25),
            Parameter::float("d", 0.0, 1.0).digits(2),
            Parameter::int("k", 1, 9),
            Parameter::choice("c", ["a", "b", "c"]),
            Parameter::bool("b"),
            Parameter::fixed("f", 3),
        ],
        &["x + k <= 5"],
    )
    .unwrap();
    let event = Event::ExperimentCreated {
        id: "1f".into(),
        name: "n".into(),
        description: Some("d".into()),
        seed: u64::MAX,
        search_space,
    };
    check(
        event,
        "experiment_created",
        None,
        concat!(
            r#"{"experiment_created":{"id":"1f","name":"n","description":"d","#,
            r#""seed":18446744073709551615,"search_space":{"parameters":["#,
            r#"{"type":"range","name":"x","kind":"float","lower":0.1,"upper":2.0,"#,
            r#""scale":"linear"},"#,
            r#"{"type":"range","name":"l","kind":"float","lower":1e-6,"upper":1.0,"#,
            r#""scale":"log"},"#,
            r#"{"type":"range","name":"s","kind":"float","lower":0.0,"upper":1.0,"#,
            r#""scale":"linear","step":0.25},"#,
            r#"{"type":"range","name":"d","kind":"float","lower":0.0,"upper":1.0,"#,
            r#""scale":"linear","digits":2},"#,
            r#"{"type":"range","name":"k","kind":"int","lower":1.0,"upper":9.0,"#,
            r#""scale":"linear"},"#,
            r#"{"type":"choice","name":"c","values":["a","b","c"],"ordered":false},"#,
            r#"{"type":"choice","name":"b","values":[false,true],"ordered":true},"#,
            r#"{"type":"fixed","name":"f","value":3}],"constraints":["x + k <= 5"]}}}"#,
        ),
    );
}

#[test]
fn optimization_configured() {
    let optimization =
        OptimizationConfig::parse("a - 0.5*b", &["c <= 0.9*baseline", "a + c >= 1"]).unwrap();
    check(
        Event::OptimizationConfigured { optimization },
        "optimization_configured",
        None,
        concat!(
            r#"{"optimization_configured":{"optimization":{"objective":"a - 0.5*b","#,
            r#""outcome_constraints":["c <= 0.9*baseline","a + c >= 1"]}}}"#,
        ),
    );
}

#[test]
fn generation_strategy_configured() {
    check(
        Event::GenerationStrategyConfigured { strategy: StrategyOptions::default().strategy() },
        "generation_strategy_configured",
        None,
        concat!(
            r#"{"generation_strategy_configured":{"strategy":{"name":"Center+Sobol+GP","nodes":["#,
            r#"{"name":"Center","generator":{"generator":"center","only_if_first":true},"#,
            r#""transitions":[{"to":"Sobol","when":["after_generation"]}],"pauses":[]},"#,
            r#"{"name":"Sobol","generator":{"generator":"sobol","seed":null},"#,
            r#""transitions":[{"to":"GP","when":[{"min_trials":{"threshold":5,"of":{"statuses":"#,
            r#"["candidate","staged","running","completed","early_stopped"],"#,
            r#""this_node_only":false,"with_data":false}}},"#,
            r#"{"min_trials":{"threshold":2,"of":{"statuses":["completed"],"#,
            r#""this_node_only":false,"with_data":true}}}]},"#,
            r#"{"to":"GP","when":[{"min_trials":{"threshold":10,"of":{"statuses":"#,
            r#"["candidate","staged","running","completed","early_stopped","failed"],"#,
            r#""this_node_only":false,"with_data":false}}},"#,
            r#"{"min_trials":{"threshold":2,"of":{"statuses":["completed"],"#,
            r#""this_node_only":false,"with_data":true}}}]}],"#,
            r#""pauses":[{"awaiting_data":{"budget":5,"of":{"statuses":"#,
            r#"["candidate","staged","running","completed","early_stopped"],"#,
            r#""this_node_only":false,"with_data":false}}}]},"#,
            r#"{"name":"GP","generator":{"generator":"gp","noise":"unknown"},"#,
            r#""transitions":[],"pauses":[]}]}}}"#,
        ),
    );
    let nodes = vec![
        GenerationNode::new("a", Sobol { seed: Some(7) }).max_parallelism(3),
        GenerationNode::new(
            "b",
            Gp { noise: Noise::Deterministic, budget: Some(40), effort: Effort::Quality },
        ),
    ];
    let strategy = GenerationStrategy::new("own", nodes).unwrap();
    check(
        Event::GenerationStrategyConfigured { strategy },
        "generation_strategy_configured",
        None,
        concat!(
            r#"{"generation_strategy_configured":{"strategy":{"name":"own","nodes":["#,
            r#"{"name":"a","generator":{"generator":"sobol","seed":7},"transitions":[],"#,
            r#""pauses":[{"max_parallelism":{"limit":3}}]},"#,
            r#"{"name":"b","generator":{"generator":"gp","noise":"deterministic","#,
            r#""budget":40,"effort":"quality"},"#,
            r#""transitions":[],"pauses":[]}]}}}"#,
        ),
    );
}

#[test]
fn runner_and_metrics_configured() {
    check(
        Event::RunnerConfigured { runner: serde_json::json!({ "runner": "shell", "n": 1.5 }) },
        "runner_configured",
        None,
        r#"{"runner_configured":{"runner":{"runner":"shell","n":1.5}}}"#,
    );
    let fetch = Some(serde_json::json!({ "metric": "file" }));
    let metrics = vec![
        MetricDefinition { name: "y".into(), fetch },
        MetricDefinition { name: "z".into(), fetch: None },
    ];
    check(
        Event::MetricsConfigured { metrics },
        "metrics_configured",
        None,
        concat!(
            r#"{"metrics_configured":{"metrics":[{"name":"y","fetch":{"metric":"file"}},"#,
            r#"{"name":"z","fetch":null}]}}"#,
        ),
    );
}

fn arm() -> Arm {
    let mut parameters = crate::value::Parameterization::from([("x", 1.0)]);
    parameters.insert("k", 1);
    parameters.insert("c", "a");
    parameters.insert("b", true);
    Arm { name: "4_0".into(), parameters }
}

#[test]
fn trial_generated_and_attached() {
    let generation = Generation {
        node: "GP".into(),
        method: "log_ei".into(),
        prediction: Some(Prediction { mean: -1.0, sem: 0.25 }),
        degraded: Some("why".into()),
        state: serde_json::json!({ "next_index": 3 }),
    };
    check(
        Event::TrialGenerated { trial: 4, arm: arm(), generation },
        "trial_generated",
        Some(4),
        concat!(
            r#"{"trial_generated":{"trial":4,"arm":{"name":"4_0","#,
            r#""parameters":{"x":1.0,"k":1,"c":"a","b":true}},"generation":{"node":"GP","#,
            r#""method":"log_ei","prediction":{"mean":-1.0,"sem":0.25},"degraded":"why","#,
            r#""state":{"next_index":3}}}}"#,
        ),
    );
    check(
        Event::TrialAttached { trial: 4, arm: arm(), baseline: true },
        "trial_attached",
        Some(4),
        concat!(
            r#"{"trial_attached":{"trial":4,"arm":{"name":"4_0","#,
            r#""parameters":{"x":1.0,"k":1,"c":"a","b":true}},"baseline":true}}"#,
        ),
    );
}

#[test]
fn trial_changes() {
    let run = TrialRun::new("1f", 2, 1);
    let metadata = Metadata::of("job", 7).with("host", "a");
    let reason = || Some("r".to_owned());
    for (event, kind, text) in [
        (
            TrialEvent::Launching { run },
            "trial_launching",
            r#"{"launching":{"run":{"trial_index":2,"attempt":1,"key":"krige-1f-2-1"}}}"#,
        ),
        (
            TrialEvent::Running { metadata, by_hand: false },
            "trial_running",
            r#"{"running":{"metadata":{"job":7,"host":"a"}}}"#,
        ),
        (
            TrialEvent::Running { metadata: Metadata::default(), by_hand: true },
            "trial_running",
            r#"{"running":{"metadata":{},"by_hand":true}}"#,
        ),
        (TrialEvent::Completed, "trial_completed", r#""completed""#),
        (TrialEvent::Failed { reason: "r".into() }, "trial_failed", r#"{"failed":{"reason":"r"}}"#),
        (
            TrialEvent::Abandoned { reason: None },
            "trial_abandoned",
            r#"{"abandoned":{"reason":null}}"#,
        ),
        (
            TrialEvent::EarlyStopped { reason: reason() },
            "trial_early_stopped",
            r#"{"early_stopped":{"reason":"r"}}"#,
        ),
        (TrialEvent::Stale, "trial_stale", r#""stale""#),
    ] {
        let text = format!(r#"{{"trial":{{"trial":2,"event":{text}}}}}"#);
        check(Event::Trial { trial: 2, event }, kind, Some(2), &text);
    }
}

#[test]
fn observations_attached() {
    let observations =
        vec![Observation::new("y", 1.0), Observation::new("z", -0.5).with_sem(0.0).at(3.0)];
    check(
        Event::ObservationsAttached { trial: 2, observations, late: false },
        "observations_attached",
        Some(2),
        concat!(
            r#"{"observations_attached":{"trial":2,"observations":["#,
            r#"{"metric":"y","mean":1.0,"sem":null,"progression":null},"#,
            r#"{"metric":"z","mean":-0.5,"sem":0.0,"progression":3.0}]}}"#,
        ),
    );
}

#[test]
fn a_record_has_its_place_and_its_time() {
    let record = Record {
        sequence: 3,
        at: "2024-02-29T12:00:00.123456789Z".parse().unwrap(),
        event: Event::Trial { trial: 0, event: TrialEvent::Stale },
    };
    let text = concat!(
        r#"{"sequence":3,"at":"2024-02-29T12:00:00.123456789Z","#,
        r#""event":{"trial":{"trial":0,"event":"stale"}}}"#,
    );
    assert_eq!(serde_json::to_string(&record).unwrap(), text);
    assert_eq!(serde_json::from_str::<Record>(text).unwrap(), record);
    let unknown = text.replacen('{', r#"{"unknown":1,"#, 1);
    assert!(serde_json::from_str::<Record>(&unknown).is_err());
}

#[test]
fn what_a_run_is_asked_for_and_led_by() {
    let check_whole = |event: Event, kind, trial, text: &str| {
        assert_eq!(serde_json::to_string(&event).unwrap(), text);
        assert_eq!(serde_json::from_str::<Event>(text).unwrap(), event);
        assert_eq!((event.kind().as_str(), event.trial()), (kind, trial));
    };
    for (control, text) in [
        (Control::Pause, r#""pause""#),
        (Control::Resume, r#""resume""#),
        (Control::Drain, r#""drain""#),
        (Control::Stop, r#""stop""#),
        (Control::Parallelism { trials: 3 }, r#"{"parallelism":{"trials":3}}"#),
    ] {
        let text = format!(r#"{{"controlled":{{"control":{text}}}}}"#);
        check_whole(Event::Controlled { control }, "controlled", None, &text);
    }
    check(
        Event::Led { leader: "host:7:ab".into() },
        "led",
        None,
        r#"{"led":{"leader":"host:7:ab"}}"#,
    );
    check(
        Event::NoteAdded { trial: Some(2), text: "a spill".into() },
        "note_added",
        Some(2),
        r#"{"note_added":{"trial":2,"text":"a spill"}}"#,
    );
    check_whole(
        Event::OrchestrationConfigured { options: serde_json::json!({ "max_pending_trials": 4 }) },
        "orchestration_configured",
        None,
        r#"{"orchestration_configured":{"options":{"max_pending_trials":4}}}"#,
    );
    check(
        Event::StoppingConfigured {
            early: Some(EarlyStopping::Threshold {
                metric: None,
                threshold: 0.5,
                min_progression: 2.0,
            }),
            global: Some(GlobalStopping::WallTime { seconds: 60.0 }),
        },
        "stopping_configured",
        None,
        concat!(
            r#"{"stopping_configured":{"early":{"threshold":{"metric":null,"threshold":0.5,"#,
            r#""min_progression":2.0}},"global":{"wall_time":{"seconds":60.0}}}}"#,
        ),
    );
    check(
        Event::Trial { trial: 1, event: TrialEvent::Retried { reason: "preempted".into() } },
        "trial_retried",
        Some(1),
        r#"{"trial":{"trial":1,"event":{"retried":{"reason":"preempted"}}}}"#,
    );
    check(
        Event::ObservationsAttached {
            trial: 1,
            observations: vec![Observation::new("y", 1.5)],
            late: true,
        },
        "observations_attached",
        Some(1),
        concat!(
            r#"{"observations_attached":{"trial":1,"observations":[{"metric":"y","mean":1.5,"#,
            r#""sem":null,"progression":null}],"late":true}}"#,
        ),
    );
}

proptest! {
    #[test]
    fn floats_survive_bit_for_bit(
        x in prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO,
    ) {
        let arm = Arm { name: "0_0".into(), parameters: [("x", x)].into() };
        let generation = Generation {
            node: "GP".into(),
            method: "log_ei".into(),
            prediction: Some(Prediction { mean: x, sem: x }),
            degraded: None,
            state: serde_json::json!({ "lengthscales": [x] }),
        };
        let observation = Observation::new("y", x).with_sem(x).at(x);
        for event in [
            Event::TrialGenerated { trial: 0, arm, generation },
            Event::ObservationsAttached { trial: 0, observations: vec![observation], late: false },
        ] {
            let text = serde_json::to_string(&event).unwrap();
            let back: Event = serde_json::from_str(&text).unwrap();
            // The text names the bits: equality would take -0.0 for 0.0.
            prop_assert_eq!(serde_json::to_string(&back).unwrap(), text);
            let floats = match back {
                Event::TrialGenerated { arm, generation, .. } => {
                    let prediction = generation.prediction.unwrap();
                    let stored = generation.state["lengthscales"][0].as_f64().unwrap();
                    let parameter = arm.parameters.float("x").unwrap();
                    vec![parameter, prediction.mean, prediction.sem, stored]
                }
                Event::ObservationsAttached { observations, .. } => {
                    let o = &observations[0];
                    vec![o.mean, o.sem.unwrap(), o.progression.unwrap()]
                }
                other => panic!("{other:?}"),
            };
            prop_assert!(floats.iter().all(|float| float.to_bits() == x.to_bits()), "{:?}", floats);
        }
    }
}
