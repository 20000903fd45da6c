//! What becomes of one trial, whatever runner and metric do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use indexmap::IndexMap;
use krige_core::trial::{Metadata, Trial, TrialEvent, TrialRun, TrialStatus};
use krige_runner::{
    FunctionRunner, IMetric, Measurement, MetadataMetric, MetricError, RunStatus, RunnerError,
};
use krige_testkit::{Answer, Fetch, Find, Launch, Lists, Script, ScriptedRunner};
use serde::{Deserialize, Serialize};

use super::*;
use crate::orchestrator::EndReason;

/// Runs one trial as scripted, with three attempts for each step, next to honest ones.
fn run_one(name: &str, script: Script) -> (Trial, Lab) {
    let lab = Lab::new(name, move |run| match run.trial_index {
        1 => script.clone(),
        _ => Script::completes_after(1),
    });
    let mut store = lab.begin();
    let options = OrchestratorOptions { max_attempts: 3, ..until(3, 2) };
    let report = lab.orchestrator(&mut store, options).run().expect("ran to the end");
    assert_eq!((report.ended, report.finished, report.running), (EndReason::Done, 3, 0));
    assert_replay_is_live(&mut store);
    let trials = &store.experiment().trials;
    for honest in [0, 2] {
        assert_eq!(trials[honest].status(), TrialStatus::Completed, "{:?}", trials[honest].state);
    }
    (trials[1].clone(), lab)
}

#[track_caller]
fn completes(name: &str, script: Script) -> Trial {
    let (trial, lab) = run_one(name, script);
    assert_eq!(trial.status(), TrialStatus::Completed, "{:?}", trial.state);
    let expected = bowl(&trial.arm.parameters).expect("a point");
    assert_eq!(trial.observation("y").map(|y| y.mean.to_bits()), Some(expected.to_bits()));
    lab.assert_each_started_once(3);
    trial
}

#[track_caller]
fn fails(name: &str, script: Script, reason: &str) -> Lab {
    let (trial, lab) = run_one(name, script);
    assert_eq!(trial.status(), TrialStatus::Failed, "{:?}", trial.state);
    let found = trial.state.reason().unwrap_or_default();
    assert!(found.contains(reason), "expected `{reason}` in `{found}`");
    assert_eq!(trial.observations, [], "a failed trial has no data");
    lab
}

#[test]
fn all_trials_complete_one_after_the_other_and_side_by_side() {
    for parallelism in [1, 4] {
        let lab = Lab::new(&format!("complete {parallelism}"), |run| {
            Script::completes_after(run.trial_index % 3)
        });
        let mut store = lab.begin();
        let mut most = 0;
        let mut results = lab.orchestrator(&mut store, until(9, parallelism)).results();
        let mut finished = 0;
        while let Some(result) = results.next() {
            let result = result.expect("no error");
            finished += 1;
            assert_eq!(result.trial.status(), TrialStatus::Completed);
            assert_eq!(result.value, bowl(&result.trial.arm.parameters).ok());
            assert!(result.best <= result.value, "the best is minimal: {result:?}");
            let open = [TrialStatus::Staged, TrialStatus::Running];
            most = most.max(results.experiment().trials_in(&open).count());
        }
        let report = results.report();
        assert_eq!((report.ended, report.finished, report.running), (EndReason::Done, 9, 0));
        drop(results);
        assert_eq!(finished, 9);
        assert!(most <= parallelism, "{most} of {parallelism} slots");
        assert_eq!(store.experiment().trials.len(), 9);
        lab.assert_each_started_once(9);
        assert_replay_is_live(&mut store);
    }
}

#[test]
fn what_fails_for_now_is_tried_again() {
    let accepted = Answer::Gives(Launch::Accepted);
    completes(
        "launch later",
        Script {
            launch: vec![Answer::Transient, Answer::Transient, accepted.clone()],
            ..Script::default()
        },
    );
    completes(
        "launch later, found unknown",
        Script {
            launch: vec![Answer::Transient, Answer::Transient, accepted],
            find: vec![Answer::Gives(Find::Unknown)],
            ..Script::default()
        },
    );
    let done = || Answer::Gives(RunStatus::Completed);
    completes(
        "poll later",
        Script { poll: vec![Answer::Transient, Answer::Transient, done()], ..Script::default() },
    );
    // An answer in between starts the count again.
    let running = || Answer::Gives(RunStatus::Running);
    let poll = vec![
        Answer::Transient,
        Answer::Transient,
        running(),
        Answer::Transient,
        Answer::Transient,
        running(),
        done(),
    ];
    completes("poll now and then", Script { poll, ..Script::default() });
    completes(
        "fetch later",
        Script {
            fetch: vec![Answer::Transient, Answer::Transient, Answer::Gives(Fetch::Value)],
            ..Script::default()
        },
    );
    // What is not there yet is waited for, however often that is said.
    let mut fetch = vec![Answer::Gives(Fetch::NotYet); 9];
    fetch.push(Answer::Gives(Fetch::Value));
    completes("value later", Script { fetch, ..Script::default() });
}

#[test]
fn what_keeps_failing_fails_the_trial_and_says_how_often_it_was_tried() {
    let lab = fails(
        "never launched",
        Script { launch: vec![Answer::Transient], ..Script::default() },
        "it could not be started, 3 times: scripted to fail in Launch",
    );
    assert_eq!(lab.far_side.deployments().len(), 2);
    fails(
        "never polled",
        Script { poll: vec![Answer::Transient], ..Script::default() },
        "its status could not be read, 3 times: scripted to fail in Poll",
    );
    fails(
        "never fetched",
        Script { fetch: vec![Answer::Transient], ..Script::default() },
        "metric `y` could not be fetched, 3 times: the metric failed for now: scripted to fail in Fetch",
    );
}

#[test]
fn what_fails_for_good_fails_the_trial_at_once() {
    fails(
        "not launched",
        Script { launch: vec![Answer::Permanent], ..Script::default() },
        "it could not be started: the runner failed: scripted to fail in Launch",
    );
    fails(
        "not polled",
        Script { poll: vec![Answer::Permanent], ..Script::default() },
        "its status could not be read: the runner failed: scripted to fail in Poll",
    );
    fails(
        "not fetched",
        Script { fetch: vec![Answer::Permanent], ..Script::default() },
        "metric `y`: scripted to fail in Fetch",
    );
    fails("said to fail", Script::fails_after(2), "scripted failure");
}

#[test]
fn panics_are_failures_of_their_trial_only() {
    fails(
        "launch panics",
        Script { launch: vec![Answer::Panics], ..Script::default() },
        "it could not be started: the runner failed: it panicked: scripted to panic in Launch",
    );
    fails(
        "poll panics",
        Script { poll: vec![Answer::Panics], ..Script::default() },
        "its status could not be read: the runner failed: it panicked: scripted to panic in Poll",
    );
    fails(
        "fetch panics",
        Script { fetch: vec![Answer::Panics], ..Script::default() },
        "metric `y`: it panicked: scripted to panic in Fetch",
    );
}

#[test]
fn a_value_that_is_no_number_fails_the_trial() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let fetch = vec![Answer::Gives(Fetch::Other(value))];
        fails(
            &format!("value {value}"),
            Script { fetch, ..Script::default() },
            &format!("metric `y`: expected a finite mean, found {value}"),
        );
    }
}

#[test]
fn what_the_far_side_takes_away_is_abandoned() {
    let abandoned = RunStatus::Abandoned { reason: "the sample broke".into() };
    let (trial, _lab) = run_one("abandoned", Script::ends_after(1, abandoned));
    assert_eq!(trial.status(), TrialStatus::Abandoned);
    assert_eq!(trial.state.reason(), Some("the sample broke"));
}

#[test]
fn a_launch_that_was_accepted_and_denied_is_not_made_again() {
    let launch = vec![Answer::Gives(Launch::AcceptedButDenied), Answer::Gives(Launch::Accepted)];
    completes("accepted but denied", Script { launch, ..Script::default() });
}

#[test]
fn a_far_side_that_takes_back_what_it_said_is_believed_once() {
    // Completed, then running; and completed over and over, while the value is not there yet.
    let status = |status| Answer::Gives(status);
    let back_and_forth = vec![status(RunStatus::Completed), status(RunStatus::Running)];
    let not_yet = || vec![Answer::Gives(Fetch::NotYet), Answer::Gives(Fetch::Value)];
    for (name, poll) in [("back", back_and_forth), ("again", vec![status(RunStatus::Completed); 3])]
    {
        completes(name, Script { poll, fetch: not_yet(), ..Script::default() });
    }
}

#[test]
fn a_run_that_is_said_to_run_for_ever_holds_up_nobody_and_is_never_ended_by_guess() {
    let lab = Lab::new("for ever", |run| match run.trial_index {
        0 => Script::never_ends(),
        _ => Script::completes_after(1),
    });
    let mut store = lab.begin();
    let finished: Vec<_> = lab
        .orchestrator(&mut store, until(4, 2))
        .results()
        .take(3)
        .map(|finished| finished.expect("runs").trial.index)
        .collect();
    assert_eq!(finished, [1, 2, 3]);
    assert_eq!(store.experiment().trials[0].status(), TrialStatus::Running);
    lab.assert_each_started_once(4);
    let records = store.records().expect("read");
    assert_eq!(krige_testkit::check_invariants(&records), Ok(()));
}

#[test]
fn a_far_side_without_a_free_slot_is_waited_for() {
    let lab = Lab::new("slots", |_| Script::completes_after(20));
    lab.far_side.limit_slots(1);
    let mut store = lab.begin();
    let options = OrchestratorOptions { max_attempts: 2, ..until(5, 4) };
    lab.orchestrator(&mut store, options).run().expect("ran to the end");
    assert_eq!(statuses(store.experiment()), [TrialStatus::Completed; 5]);
    lab.assert_each_started_once(5);
}

#[test]
fn lists_of_the_wrong_length_fail_the_polled_trials_with_their_length() {
    for (lists, found) in [(Lists::TooShort, 1), (Lists::TooLong, 3)] {
        let mut lab = Lab::new(&format!("{lists:?}"), |_| Script::default());
        let far_side = format!("{lists:?}");
        // Both are launched before either is polled.
        lab.runner = Arc::new(ScriptedRunner { far_side, lists });
        let mut store = lab.begin();
        let report = lab.orchestrator(&mut store, until(2, 2)).run().expect("ran to the end");
        assert_eq!(report.ended, EndReason::Done);
        lab.assert_each_started_once(2);
        for trial in &store.experiment().trials {
            assert_eq!(trial.status(), TrialStatus::Failed);
            let reason = trial.state.reason().unwrap_or_default();
            assert!(
                reason.contains(&format!("poll_trials answered for {found} of 2 trials"))
                    || reason.contains(&format!("poll_trials answered for {} of 1", found - 1)),
                "{reason}"
            );
        }
    }
}

/// Fails as it is told to.
#[derive(Debug, Serialize, Deserialize)]
enum Unfetchable {
    ForNow,
    ForGood,
}

#[typetag::serde(name = "test_unfetchable")]
impl IMetric for Unfetchable {
    fn fetch(&self, _run: &TrialRun, _metadata: &Metadata) -> Result<Measurement, MetricError> {
        Err(match self {
            Self::ForNow => MetricError::transient("the camera is off"),
            Self::ForGood => MetricError::permanent("there is no camera"),
        })
    }
}

#[test]
fn a_metric_that_is_not_optimized_cannot_spoil_a_trial() {
    for metric in [Unfetchable::ForNow, Unfetchable::ForGood] {
        let mut lab = Lab::new(&format!("{metric:?}"), |_| Script::default());
        lab.metrics.insert("picture".into(), Arc::new(metric));
        let mut store = lab.begin();
        lab.orchestrator(&mut store, until(2, 1)).run().expect("ran to the end");
        assert_eq!(statuses(store.experiment()), [TrialStatus::Completed; 2]);
        for trial in &store.experiment().trials {
            assert!(trial.observation("y").is_some() && trial.observation("picture").is_none());
        }
    }
}

#[test]
fn a_trial_that_another_process_ends_is_let_go() {
    let lab = Lab::new("ended elsewhere", |run| match run.trial_index {
        0 => Script::never_ends(),
        _ => Script::default(),
    });
    let mut store = lab.begin();
    let mut elsewhere = lab.reopen();
    let mut results = lab.orchestrator(&mut store, until(4, 2)).results();
    let first = results.next().expect("one ends").expect("no error");
    assert_ne!(first.trial.index, 0);
    let event = TrialEvent::Abandoned { reason: Some("by hand".into()) };
    elsewhere
        .decide(|_| Ok((vec![Event::Trial { trial: 0, event: event.clone() }], ())))
        .expect("stored");
    for result in &mut results {
        assert_eq!(result.expect("no error").trial.status(), TrialStatus::Completed);
    }
    assert_eq!(results.report().ended, EndReason::Done);
    drop(results);
    assert_eq!(store.experiment().trials[0].status(), TrialStatus::Abandoned);
    assert_eq!(store.experiment().trials_in(&[TrialStatus::Completed]).count(), 3);
}

#[test]
fn a_closure_that_fails_or_panics_fails_its_trial() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let runner = FunctionRunner::new(move |p| {
        match counted.fetch_add(1, Ordering::SeqCst) {
            0 => return Err("no beam".into()),
            1 => panic!("out of range"),
            2 => return Err(RunnerError::transient("beam coming back").into()),
            _ => {}
        }
        Ok([("y", bowl(p)?)])
    });
    let metric: Arc<dyn IMetric> = Arc::new(MetadataMetric::new("y"));
    let lab = Lab::new("closure", |_| Script::default());
    let mut store = lab.begin();
    let metrics = IndexMap::from([("y".to_owned(), metric)]);
    let options = until(3, 1);
    let orchestrator =
        Orchestrator::new(&mut store, Arc::new(runner), metrics, options).expect("can be run");
    orchestrator.run().expect("ran to the end");
    let outcomes: Vec<_> =
        store.experiment().trials.iter().map(|t| (t.status(), t.state.reason())).collect();
    assert_eq!(
        outcomes,
        [
            (TrialStatus::Failed, Some("it could not be started: the runner failed: no beam")),
            (
                TrialStatus::Failed,
                Some("it could not be started: the runner failed: it panicked: out of range")
            ),
            (TrialStatus::Completed, None),
        ]
    );
    assert_eq!(calls.load(Ordering::SeqCst), 4);
}
