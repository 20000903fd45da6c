//! The fold against a simple model of what it must do, under random events, most of them illegal somewhere.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::Timestamp;
use crate::control::{Control, Ending};
use crate::event::{Event, MetricDefinition};
use crate::generation::StrategyOptions;
use crate::lab::Lab;
use crate::observation::Observation;
use crate::search_space::Parameter;
use crate::stopping::{EarlyStopping, GlobalStopping};
use crate::trial::{Arm, Generation, Metadata, TrialEvent, TrialStatus};

fn space() -> SearchSpace {
    SearchSpace::new([Parameter::int("k", 0, 2)], &[]).unwrap()
}

fn arm(name: &str, k: i64) -> Arm {
    Arm { name: name.into(), parameters: [("k", k)].into() }
}

/// What an experiment is, as simply as it can be said.
#[derive(Debug, Clone, PartialEq, Default)]
struct Reference {
    metrics: Vec<String>,
    trials: Vec<ReferenceTrial>,
    baseline: Option<usize>,
    leader: Option<String>,
    paused: bool,
    ending: Option<&'static str>,
    parallelism: Option<usize>,
    notes: Vec<(Option<usize>, String)>,
    stopping: (bool, bool),
    orchestration: Option<serde_json::Value>,
    applied: u64,
}

#[derive(Debug, Clone, PartialEq)]
struct ReferenceTrial {
    arm: Arm,
    status: &'static str,
    attempts: u32,
    late: bool,
    /// By metric and progression; the final value has none.
    observed: BTreeMap<(String, Option<i64>), f64>,
}

impl Reference {
    fn learn(&mut self, metric: &str) {
        if !self.metrics.iter().any(|known| known == metric) {
            self.metrics.push(metric.to_owned());
        }
    }

    fn add(&mut self, trial: usize, arm: &Arm) -> bool {
        let k = arm.parameters.int("k").unwrap();
        let clash = self
            .trials
            .iter()
            .any(|known| known.arm.name == arm.name && known.arm.parameters != arm.parameters);
        let legal = trial == self.trials.len() && (0..=2).contains(&k) && !clash;
        if legal {
            self.trials.push(ReferenceTrial {
                arm: arm.clone(),
                status: "candidate",
                attempts: 0,
                late: false,
                observed: BTreeMap::new(),
            });
        }
        legal
    }

    /// Whether the event is legal; if so, it is done.
    fn apply(&mut self, event: &Event) -> bool {
        let legal = match event {
            Event::ExperimentCreated { .. } => false,
            Event::GenerationStrategyConfigured { .. } | Event::RunnerConfigured { .. } => true,
            Event::OptimizationConfigured { optimization } => {
                optimization.metrics().into_iter().for_each(|metric| self.learn(metric));
                true
            }
            Event::MetricsConfigured { metrics } => {
                metrics.iter().for_each(|metric| self.learn(&metric.name));
                true
            }
            Event::TrialGenerated { trial, arm, .. } => self.add(*trial, arm),
            Event::TrialAttached { trial, arm, baseline } => {
                let second = *baseline && self.baseline.is_some();
                let legal = !second && self.add(*trial, arm);
                if legal && *baseline {
                    self.baseline = Some(*trial);
                }
                legal
            }
            Event::Trial { trial, event } => match self.trials.get_mut(*trial) {
                Some(trial) => match (trial.status, event.name()) {
                    ("candidate", "launching") => {
                        let TrialEvent::Launching { run } = event else { unreachable!() };
                        let next = run.attempt == trial.attempts + 1;
                        if next {
                            trial.attempts += 1;
                            trial.status = "staged";
                        }
                        next
                    }
                    ("staged" | "running", "retried") => set(&mut trial.status, "candidate"),
                    ("candidate", "stale") => set(&mut trial.status, "stale"),
                    ("staged", "running") => set(&mut trial.status, "running"),
                    ("staged" | "running", "failed") => set(&mut trial.status, "failed"),
                    ("candidate" | "staged" | "running", "abandoned") => {
                        set(&mut trial.status, "abandoned")
                    }
                    ("running", "completed") => set(&mut trial.status, "completed"),
                    ("running", "early_stopped") => set(&mut trial.status, "early_stopped"),
                    _ => false,
                },
                None => false,
            },
            Event::OrchestrationConfigured { options } => {
                self.orchestration = Some(options.clone());
                true
            }
            Event::StoppingConfigured { early, global } => {
                self.stopping = (early.is_some(), global.is_some());
                true
            }
            Event::Led { leader } => {
                self.leader = Some(leader.clone());
                self.ending = None;
                true
            }
            Event::Controlled { control } => {
                match control {
                    Control::Pause => self.paused = true,
                    Control::Resume => self.paused = false,
                    Control::Drain if self.ending == Some("stop") => {}
                    Control::Drain => self.ending = Some("drain"),
                    Control::Stop => self.ending = Some("stop"),
                    Control::Parallelism { trials } => self.parallelism = Some(*trials),
                }
                true
            }
            Event::NoteAdded { trial, text } => {
                let legal = trial.is_none_or(|trial| trial < self.trials.len());
                if legal {
                    self.notes.push((*trial, text.clone()));
                }
                legal
            }
            Event::ObservationsAttached { trial, observations, late } => {
                let finite = |o: &Observation| {
                    let sem = o.sem.unwrap_or(0.0);
                    let numbers = [o.mean, sem, o.progression.unwrap_or(0.0)];
                    numbers.iter().all(|x| x.is_finite()) && sem >= 0.0
                };
                let legal = *trial < self.trials.len() && observations.iter().all(finite);
                if legal {
                    self.trials[*trial].late |= late;
                    for o in observations {
                        self.learn(&o.metric);
                        let slot = (o.metric.clone(), o.progression.map(|p| p as i64));
                        let observed = &mut self.trials[*trial].observed;
                        if !late || !observed.contains_key(&slot) {
                            observed.insert(slot, o.mean);
                        }
                    }
                }
                legal
            }
        };
        self.applied += u64::from(legal);
        legal
    }

    /// The same view of the real experiment.
    fn of(experiment: &Experiment) -> Self {
        let trial = |trial: &Trial| ReferenceTrial {
            arm: trial.arm.clone(),
            status: trial.status().name(),
            attempts: trial.attempts,
            late: trial.late,
            observed: trial
                .observations
                .iter()
                .map(|o| ((o.metric.clone(), o.progression.map(|p| p as i64)), o.mean))
                .collect(),
        };
        Self {
            metrics: experiment.metrics.keys().cloned().collect(),
            trials: experiment.trials.iter().map(trial).collect(),
            baseline: experiment.baseline,
            leader: experiment.leader.clone(),
            paused: experiment.controls.paused,
            ending: experiment.controls.ending.map(|ending| match ending {
                Ending::Drain => "drain",
                Ending::Stop => "stop",
            }),
            parallelism: experiment.controls.parallelism,
            notes: experiment.notes.iter().map(|note| (note.trial, note.text.clone())).collect(),
            stopping: (experiment.early_stopping.is_some(), experiment.global_stopping.is_some()),
            orchestration: experiment.orchestration.clone(),
            applied: experiment.sequence - 1,
        }
    }
}

fn set(status: &mut &'static str, to: &'static str) -> bool {
    *status = to;
    true
}

fn metric() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["y", "y", "z", "w", "v"]).prop_map(str::to_owned)
}

fn observation() -> impl Strategy<Value = Observation> {
    let mean = prop_oneof![9 => -1e3..1e3, 1 => Just(f64::NAN)];
    let sem = prop::option::of(prop_oneof![9 => 0.0..1.0, 1 => Just(-1.0)]);
    let progression = prop::option::of((0..3).prop_map(f64::from));
    (metric(), mean, sem, progression).prop_map(|(metric, mean, sem, progression)| Observation {
        metric,
        mean,
        sem,
        progression,
    })
}

fn trial_event() -> impl Strategy<Value = TrialEvent> {
    let reason = || prop::option::of(Just("r".to_owned()));
    prop_oneof![
        4 => (1..3_u32)
            .prop_map(|attempt| TrialEvent::Launching { run: TrialRun::new("e", 0, attempt) }),
        4 => Just(TrialEvent::Running { metadata: Metadata::of("job", 1), by_hand: false }),
        1 => Just(TrialEvent::Completed),
        1 => Just(TrialEvent::Failed { reason: "r".into() }),
        1 => reason().prop_map(|reason| TrialEvent::Abandoned { reason }),
        1 => reason().prop_map(|reason| TrialEvent::EarlyStopped { reason }),
        1 => Just(TrialEvent::Stale),
        2 => Just(TrialEvent::Retried { reason: "r".into() }),
    ]
}

/// An event; `next` says to use the number that a new trial would have.
fn event() -> impl Strategy<Value = (bool, Event)> {
    let index = || 0..4_usize;
    let any_arm = || {
        (prop::sample::select(vec!["a", "b", "c", "d"]), -1..4_i64)
            .prop_map(|(name, k)| arm(name, k))
    };
    let generation = Generation {
        node: "Sobol".into(),
        method: "sobol".into(),
        prediction: None,
        degraded: None,
        state: serde_json::Value::Null,
    };
    let objectives = vec!["y", "-z", "y, w", "w - y"];
    let kind = prop_oneof![
        1 => Just(Event::ExperimentCreated {
            id: "e".into(),
            name: "n".into(),
            description: None,
            seed: 1,
            search_space: space(),
        }),
        1 => (prop::sample::select(objectives), any::<bool>()).prop_map(|(objective, bounded)| {
            let constraints: &[&str] = if bounded { &["v <= 1.5*baseline"] } else { &[] };
            let optimization = OptimizationConfig::parse(objective, constraints).unwrap();
            Event::OptimizationConfigured { optimization }
        }),
        1 => prop::option::of(0..9_usize).prop_map(|initialization_budget| {
            let options = StrategyOptions { initialization_budget, ..StrategyOptions::default() };
            Event::GenerationStrategyConfigured { strategy: options.strategy() }
        }),
        1 => (0..3).prop_map(|n| Event::RunnerConfigured { runner: serde_json::json!({ "n": n }) }),
        1 => prop::collection::vec((metric(), prop::option::of(0..3)), 0..3).prop_map(|metrics| {
            let metrics = metrics
                .into_iter()
                .map(|(name, fetch)| MetricDefinition { name, fetch: fetch.map(Into::into) })
                .collect();
            Event::MetricsConfigured { metrics }
        }),
        2 => (index(), any_arm()).prop_map(move |(trial, arm)| {
            Event::TrialGenerated { trial, arm, generation: generation.clone() }
        }),
        2 => (index(), any_arm(), any::<bool>())
            .prop_map(|(trial, arm, baseline)| Event::TrialAttached { trial, arm, baseline }),
        8 => (index(), trial_event()).prop_map(|(trial, event)| Event::Trial { trial, event }),
        1 => (0..3).prop_map(|n| {
            Event::OrchestrationConfigured { options: serde_json::json!({ "n": n }) }
        }),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(early, global)| Event::StoppingConfigured {
            early: early.then(|| EarlyStopping::Any { of: Vec::new() }),
            global: global.then_some(GlobalStopping::WallTime { seconds: 1.0 }),
        }),
        1 => (0..3).prop_map(|n| Event::Led { leader: format!("host:{n}") }),
        2 => prop_oneof![
            Just(Control::Pause),
            Just(Control::Resume),
            Just(Control::Drain),
            Just(Control::Stop),
            (1..5_usize).prop_map(|trials| Control::Parallelism { trials }),
        ]
        .prop_map(|control| Event::Controlled { control }),
        1 => prop::option::of(index())
            .prop_map(|trial| Event::NoteAdded { trial, text: "look".into() }),
        4 => (index(), prop::collection::vec(observation(), 0..4)).prop_map(
            |(trial, observations)| Event::ObservationsAttached {
                trial,
                observations,
                late: trial == 1,
            }
        ),
    ];
    (prop::bool::weighted(0.8), kind)
}

/// What the experiment looks up is what going through all of its trials gives.
#[track_caller]
fn check_lookup(experiment: &Experiment) {
    let indices = |trials: Vec<&Trial>| trials.iter().map(|t| t.index).collect::<Vec<_>>();
    let all = |holds: &dyn Fn(&Trial) -> bool| {
        indices(experiment.trials.iter().filter(|trial| holds(trial)).collect())
    };
    let metrics = experiment.optimization.as_ref().map(|o| o.metrics()).unwrap_or_default();
    let observed = |trial: &Trial| {
        !trial.observations.is_empty() && metrics.iter().all(|m| trial.observation(m).is_some())
    };
    for statuses in TrialStatus::ALL.map(|s| vec![s]).iter().chain([&TrialStatus::ALL.to_vec()]) {
        let within = |trial: &Trial| statuses.contains(&trial.status());
        let found = indices(experiment.trials_in(statuses).collect());
        assert_eq!(found, all(&within), "{statuses:?}");
        assert_eq!(experiment.count_in(statuses), found.len());
        let with_data = experiment.count(statuses, None, true);
        assert_eq!(with_data, all(&|trial| within(trial) && observed(trial)).len());
        for node in ["Sobol", "manual", "GP"] {
            let of_node = |trial: &Trial| within(trial) && trial.node() == node;
            let count = |with_data| experiment.count(statuses, Some(node), with_data);
            assert_eq!(count(false), all(&of_node).len(), "{statuses:?} of {node}");
            assert_eq!(count(true), all(&|trial| of_node(trial) && observed(trial)).len());
        }
    }
    for node in ["Sobol", "manual", "GP"] {
        let of_node = all(&|trial| trial.node() == node);
        assert_eq!(indices(experiment.trials_of(node).collect()), of_node);
    }
    for parameters in (0..3).map(|k| Parameterization::from([("k", k)])) {
        let alike = all(&|trial| trial.arm.parameters == parameters);
        assert_eq!(indices(experiment.trials_at(&parameters).collect()), alike);
    }
    for name in ["a", "b", "c", "d"] {
        let first = experiment.trials.iter().find(|trial| trial.arm.name == name);
        assert_eq!(experiment.trial_of_arm(name), first);
    }
    let ranked = |trial: &&Trial| {
        trial.status() == TrialStatus::Completed
            && experiment.is_feasible(trial)
            && experiment.utility(trial).is_some()
    };
    let best = experiment.trials.iter().filter(ranked).rev().max_by(|a, b| {
        let [a, b] = [a, b].map(|trial| experiment.utility(trial).unwrap());
        a.total_cmp(&b)
    });
    assert_eq!(experiment.best_observed(), best.map(|trial| trial.index));
}

/// Equal, and the metrics in the same order, which equality does not look at.
#[track_caller]
fn check_equal(experiment: &Experiment, expected: &Experiment) {
    assert_eq!(experiment, expected);
    let order =
        |experiment: &Experiment| -> Vec<String> { experiment.metrics.keys().cloned().collect() };
    assert_eq!(order(experiment), order(expected));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_fold_does_what_a_simple_model_does(events in prop::collection::vec(event(), 1..80)) {
        let mut lab = Lab::new(space());
        let mut reference = Reference::default();
        let mut history = Vec::new();
        for (n, (next, mut event)) in events.into_iter().enumerate() {
            if let (true, Event::TrialGenerated { trial, .. } | Event::TrialAttached { trial, .. }) =
                (next, &mut event)
            {
                *trial = lab.experiment.trials.len();
            }
            let at = Timestamp::from_second(n as i64).unwrap();
            let before = lab.experiment.clone();
            match lab.experiment.apply(at, &event) {
                Ok(undo) => {
                    prop_assert!(reference.apply(&event), "{event:?} is illegal");
                    let after = lab.experiment.clone();
                    lab.experiment.undo(undo);
                    check_equal(&lab.experiment, &before);
                    let undo = lab.experiment.apply(at, &event).unwrap();
                    check_equal(&lab.experiment, &after);
                    lab.records.push(Record { sequence: after.sequence, at, event });
                    for (trial, after) in before.trials.iter().zip(&after.trials) {
                        if trial.status().is_terminal() {
                            prop_assert_eq!(&trial.state, &after.state);
                        }
                    }
                    history.push((before, undo));
                }
                Err(error) => {
                    prop_assert!(!reference.apply(&event), "{event:?} is legal: {error}");
                    check_equal(&lab.experiment, &before);
                }
            }
            prop_assert_eq!(&Reference::of(&lab.experiment), &reference);
            check_lookup(&lab.experiment);
        }
        check_equal(&Experiment::replay(&lab.records).unwrap(), &lab.experiment);
        check_equal(&lab.resumed().experiment, &lab.experiment);
        while let Some((before, undo)) = history.pop() {
            lab.experiment.undo(undo);
            check_equal(&lab.experiment, &before);
        }
    }
}

#[test]
fn undo_forgets_only_the_metrics_that_the_event_brought() {
    let mut lab = Lab::new(space()).optimize("y", &[]);
    lab.attach([("k", 1)]);
    let before = lab.experiment.clone();
    let names =
        |experiment: &Experiment| -> Vec<String> { experiment.metrics.keys().cloned().collect() };
    let observations = vec![Observation::new("z", 1.0), Observation::new("y", 2.0)];
    let optimization = OptimizationConfig::parse("w", &["y <= 1", "z >= 2"]).unwrap();
    let fetch = Some(serde_json::json!("by hand"));
    let y = MetricDefinition { name: "y".into(), fetch };
    let events = [
        Event::ObservationsAttached { trial: 0, observations, late: false },
        Event::OptimizationConfigured { optimization },
        Event::MetricsConfigured { metrics: vec![y] },
    ];
    let mut undo = Vec::new();
    for event in &events {
        undo.push(lab.experiment.apply(Timestamp::UNIX_EPOCH, event).unwrap());
    }
    assert_eq!(names(&lab.experiment), ["y", "z", "w"]);
    undo.into_iter().rev().for_each(|undo| lab.experiment.undo(undo));
    check_equal(&lab.experiment, &before);
    assert_eq!(lab.experiment.metrics["y"], None);
}

#[test]
fn a_newer_value_of_the_same_metric_and_progression_replaces_the_older() {
    let mut lab = Lab::new(space());
    lab.attach([("k", 1)]);
    let mut attach = |observation: Observation| {
        lab.push(Event::ObservationsAttached {
            trial: 0,
            observations: vec![observation],
            late: false,
        });
    };
    attach(Observation::new("y", 1.0));
    attach(Observation::new("y", 2.0).at(1.0));
    attach(Observation::new("z", 3.0));
    attach(Observation::new("y", 4.0).with_sem(0.5));
    attach(Observation::new("y", 5.0).at(1.0));
    attach(Observation::new("y", 6.0).at(2.0));
    assert_eq!(
        lab.experiment.trials[0].observations,
        [
            Observation::new("y", 4.0).with_sem(0.5),
            Observation::new("y", 5.0).at(1.0),
            Observation::new("z", 3.0),
            Observation::new("y", 6.0).at(2.0),
        ]
    );
    assert_eq!(lab.experiment.trials[0].observation("y").unwrap().mean, 4.0);
}

#[test]
fn one_bad_number_refuses_all_of_its_event() {
    let mut lab = Lab::new(space());
    lab.attach([("k", 1)]);
    let before = lab.experiment.clone();
    let observations = vec![Observation::new("y", 1.0), Observation::new("z", f64::INFINITY)];
    let event = Event::ObservationsAttached { trial: 0, observations, late: false };
    let error = lab.experiment.apply(Timestamp::UNIX_EPOCH, &event).unwrap_err();
    assert_eq!(
        error.to_string(),
        "trial 0, metric `z`: expected a finite mean, found inf; mark the trial as failed if it \
         gave no result"
    );
    check_equal(&lab.experiment, &before);
}

#[track_caller]
fn check_refused(lab: &mut Lab, event: &Event, text: &str) {
    let before = lab.experiment.clone();
    let error = lab.experiment.apply(Timestamp::UNIX_EPOCH, event).unwrap_err();
    assert_eq!(error.to_string(), text);
    check_equal(&lab.experiment, &before);
}

#[test]
fn refusals_say_what_was_expected() {
    let mut lab = Lab::new(space());
    let created = lab.records[0].event.clone();
    check_refused(&mut lab, &created, "experiment `lab` is created already");
    let attached = |trial, arm, baseline| Event::TrialAttached { trial, arm, baseline };
    check_refused(
        &mut lab,
        &attached(1, arm("a", 1), false),
        "a new trial has number 1: expected 0",
    );
    let launch =
        Event::Trial { trial: 0, event: TrialEvent::Launching { run: TrialRun::new("e", 0, 1) } };
    check_refused(&mut lab, &launch, "no trial 0 in experiment `lab`: it has no trials yet");
    lab.push(attached(0, arm("a", 1), true));
    check_refused(
        &mut lab,
        &attached(1, arm("b", 2), true),
        "trial 0 is the baseline already: a baseline cannot be replaced",
    );
    check_refused(
        &mut lab,
        &attached(1, arm("a", 2), false),
        "an arm named `a` exists with other parameters (trial 0): choose another name",
    );
    lab.push(attached(1, arm("a", 1), false));
    let completed = Event::Trial { trial: 9, event: TrialEvent::Completed };
    check_refused(&mut lab, &completed, "no trial 9 in experiment `lab`: it has trials 0 to 1");
}

#[test]
fn a_journal_begins_with_the_creation() {
    assert_eq!(Experiment::replay(&[]), Err(ApplyError::Empty));
    let mut lab = Lab::new(space());
    lab.attach([("k", 1)]);
    assert_eq!(
        Experiment::replay(&lab.records[1..]),
        Err(ApplyError::NotCreated { kind: "trial_attached".into() })
    );
    let stopped_early = Experiment::replay(&lab.records[..1]).unwrap();
    assert_eq!((stopped_early.trials.len(), stopped_early.sequence), (0, 1));
}

#[test]
fn the_same_parameters_keep_their_name() {
    let mut lab = Lab::new(space());
    lab.attach_arm([("k", 1)], Some("mine"), false);
    assert_eq!(lab.experiment.arm_name(1, &[("k", 1)].into()), "mine");
    assert_eq!(lab.experiment.arm_name(1, &[("k", 2)].into()), "1_0");
    lab.attach_arm([("k", 0)], Some("2_0"), false);
    assert_eq!(lab.experiment.arm_name(2, &[("k", 2)].into()), "2_1");
}

#[test]
fn a_trial_is_feasible_if_its_confidence_interval_reaches_every_bound() {
    let mut lab = Lab::new(space());
    let trial = lab.attach([("k", 0)]);
    assert!(!lab.experiment.is_feasible(&lab.experiment.trials[trial]), "nothing is optimized");
    let mut lab = lab.optimize("y", &["w <= 3", "v >= 0.5 * baseline"]);
    let attached = lab.attach_arm([("k", 1)], Some("baseline"), true);
    lab.complete(attached, &[("v", 4.0)]);
    let mut feasible = |w: Observation, v: f64| {
        let observations = vec![w, Observation::new("v", v)];
        lab.push(Event::ObservationsAttached { trial, observations, late: false });
        lab.experiment.is_feasible(&lab.experiment.trials[trial])
    };
    assert!(feasible(Observation::new("w", 3.0), 2.0));
    assert!(!feasible(Observation::new("w", 3.01), 2.0));
    assert!(!feasible(Observation::new("w", 3.0), 1.99));
    assert!(feasible(Observation::new("w", 4.9).with_sem(1.0), 2.0));
    assert!(!feasible(Observation::new("w", 5.0).with_sem(1.0), 2.0));
    assert!(!lab.experiment.is_feasible(&lab.experiment.trials[attached]), "it has no `w`");
}

#[test]
fn the_best_trial_follows_values_constraints_and_the_baseline() {
    let mut lab = Lab::new(space()).optimize("y", &["v <= 2*baseline"]);
    let baseline = lab.attach_arm([("k", 0)], Some("baseline"), true);
    let (first, second) = (lab.attach([("k", 1)]), lab.attach([("k", 2)]));
    lab.complete(first, &[("y", 5.0), ("v", 3.0)]);
    lab.complete(second, &[("y", 5.0), ("v", 1.0)]);
    assert_eq!(lab.experiment.best_observed(), None, "there is nothing to compare with");
    let before = lab.experiment.clone();
    let of_baseline = |v| Event::ObservationsAttached {
        trial: baseline,
        observations: vec![Observation::new("v", v)],
        late: false,
    };
    let undo = lab.experiment.apply(Timestamp::UNIX_EPOCH, &of_baseline(2.0)).unwrap();
    assert_eq!(lab.experiment.best_observed(), Some(first), "the first of equals");
    lab.experiment.undo(undo);
    check_equal(&lab.experiment, &before);
    lab.push(of_baseline(1.0));
    assert_eq!(lab.experiment.best_observed(), Some(second), "the first breaks the constraint");
    lab.observe(first, &[("v", 2.0), ("y", 5.5)]);
    assert_eq!(lab.experiment.best_observed(), Some(first), "a late value counts");
    lab.push(Event::OptimizationConfigured {
        optimization: OptimizationConfig::parse("-v", &[]).unwrap(),
    });
    assert_eq!(lab.experiment.best_observed(), Some(second), "something else is wanted");
    check_lookup(&lab.experiment);
}

#[test]
fn zeros_of_both_signs_are_one_arm() {
    let space = SearchSpace::new([Parameter::float("x", -1.0, 1.0)], &[]).unwrap();
    let mut lab = Lab::new(space);
    lab.attach([("x", 0.0)]);
    assert_eq!(lab.experiment.arm_name(1, &[("x", -0.0)].into()), "0_0");
    assert_eq!(lab.experiment.arm_name(1, &[("x", 0.5)].into()), "1_0");
}
