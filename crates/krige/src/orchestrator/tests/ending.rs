//! How runs end, and how the next one goes on.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use krige_core::search_space::Parameter;
use krige_core::trial::{Arm, TrialStatus};
use krige_runner::{FunctionRunner, MetadataMetric};
use krige_testkit::{Answer, Launch, Stop};

use super::*;
use crate::error::Error;
use crate::orchestrator::{EndReason, Results, StopSignal};

/// Takes results until nothing comes any more.
#[track_caller]
fn exhaust(results: &mut Results<'_>) -> Vec<usize> {
    results.map(|result| result.expect("no error").trial.index).collect()
}

#[test]
fn too_many_failures_end_the_run_with_what_failed() {
    let lab = Lab::new("failures", |run| match run.trial_index {
        0 | 1 => Script::default(),
        _ => Script::fails_after(0),
    });
    let mut store = lab.begin();
    let options = OrchestratorOptions {
        tolerated_trial_failure_rate: 0.5,
        min_failed_trials_for_failure_rate_check: 2,
        ..until(50, 1)
    };
    let error = lab.orchestrator(&mut store, options.clone()).run().expect_err("too many");
    assert_eq!(
        error.to_string(),
        "3 of 5 trials of this run failed, more than the tolerated rate of 0.5; the last: scripted failure"
    );
    assert!(matches!(error, Error::FailureRateExceeded { failed: 3, total: 5, .. }));
    // Another run counts its own trials only.
    let again = lab.orchestrator(&mut store, options).run().expect_err("too many");
    assert!(matches!(again, Error::FailureRateExceeded { failed: 2, total: 2, .. }), "{again}");
    assert_eq!(store.experiment().trials.len(), 7);
}

#[test]
fn a_strategy_that_waits_for_data_that_never_comes_stalls_the_run() {
    let lab = Lab::new("stalls", |_| Script::default());
    let first = GenerationNode::new("First", Sobol::default()).budget(2, 3, "Second");
    let second = GenerationNode::new("Second", Sobol::default());
    let strategy = GenerationStrategy::new("s", vec![first, second]).expect("a strategy");
    let mut store = begin(lab.journal.clone(), square(), strategy);
    let report = lab.orchestrator(&mut store, until(5, 4)).run().expect("ends");
    assert_eq!(
        report.ended,
        EndReason::Stalled(
            "no trial can be proposed now: node `First` proposed all of its 2 trials, and the next node needs more \
             of their data: complete some of them first"
                .into()
        )
    );
    assert_eq!((report.finished, report.running), (2, 0));
}

#[test]
fn a_search_space_in_which_nothing_is_left_stalls_the_run() {
    for parallelism in [1, 2] {
        let lab = Lab::new(&format!("exhausted {parallelism}"), |_| Script::completes_after(1));
        let parameters =
            vec![Parameter::float("x1", 0.0, 2.0).step(1.0), Parameter::fixed("x2", 0.5)];
        let space = SearchSpace::new(parameters, &[]).expect("a search space");
        let sobol = GenerationNode::new("Sobol", Sobol::default());
        let strategy = GenerationStrategy::new("Sobol", vec![sobol]).expect("a strategy");
        let mut store = begin(lab.journal.clone(), space, strategy);
        let report = lab.orchestrator(&mut store, until(5, parallelism)).run().expect("ends");
        assert_eq!(
            report.ended,
            EndReason::Stalled(
                "node `Sobol` cannot propose a trial: the search space is exhausted: all of its points were tried \
                 or are under way"
                    .into()
            )
        );
        assert_eq!(statuses(store.experiment()), [TrialStatus::Completed; 3]);
    }
}

#[test]
fn the_first_request_to_stop_lets_running_trials_end() {
    let lab = Lab::new("drain", |run| Script::completes_after(5 * run.trial_index));
    let mut store = lab.begin();
    let stop = StopSignal::new();
    let options = OrchestratorOptions { stop: stop.clone(), ..until(20, 3) };
    let mut results = lab.orchestrator(&mut store, options).results();
    assert_eq!(results.next().expect("one ends").expect("no error").trial.index, 0);
    stop.request();
    let started = results.experiment().trials.len();
    exhaust(&mut results);
    let report = results.report();
    assert_eq!((report.ended, report.running), (EndReason::Stopped, 0));
    drop(results);
    assert_eq!(store.experiment().trials.len(), started, "nothing was proposed any more");
    let open = [TrialStatus::Staged, TrialStatus::Running];
    assert_eq!(store.experiment().trials_in(&open).count(), 0);
    // What was proposed and not started is started first by the next run.
    let report = lab.orchestrator(&mut store, until(5, 3)).run().expect("goes on");
    assert_eq!((report.ended, report.running), (EndReason::Done, 0));
    lab.assert_each_started_once(5);
}

#[test]
fn the_second_request_to_stop_stops_what_runs_and_leaves_what_cannot_be_stopped() {
    let lab = Lab::new("stop twice", |run| match run.trial_index {
        0 => Script::default(),
        1 => Script::never_ends(),
        _ => Script { stop: vec![Answer::Gives(Stop::Unsupported)], ..Script::completes_after(20) },
    });
    let mut store = lab.begin();
    let stop = StopSignal::new();
    let options = OrchestratorOptions { stop: stop.clone(), ..until(6, 3) };
    let mut results = lab.orchestrator(&mut store, options).results();
    results.next().expect("one ends").expect("no error");
    while results.experiment().count_in(&[TrialStatus::Running]) < 3 {
        results.turn().expect("no error");
    }
    stop.request();
    stop.request();
    exhaust(&mut results);
    assert_eq!(results.report().ended, EndReason::Stopped);
    drop(results);
    use TrialStatus::{Completed, Failed, Running};
    assert_eq!(statuses(store.experiment()), [Completed, Failed, Running, Running]);
    let reason = store.experiment().trials[1].state.reason();
    assert_eq!(reason, Some("the run was stopped before it ended"));
    // What could not be stopped is not lost.
    let report = lab.orchestrator(&mut store, until(4, 3)).run().expect("goes on");
    assert_eq!((report.ended, report.finished), (EndReason::Done, 2));
    assert_eq!(statuses(store.experiment()), [Completed, Failed, Completed, Completed]);
    lab.assert_each_started_once(4);
}

#[test]
fn suggestions_made_ahead_are_the_same_in_every_run_and_fill_a_slot_at_once() {
    let run = |name: &str| {
        let lab = Lab::new(name, |run| Script::completes_after(1 + run.trial_index % 3));
        let mut store = lab.begin();
        let options = OrchestratorOptions { suggestions_ahead: 2, ..until(12, 1) };
        let mut results = lab.orchestrator(&mut store, options).results();
        let mut ready = Vec::new();
        while let Some(ended) = results.next() {
            ended.expect("no error");
            ready.push(results.experiment().count_in(&[TrialStatus::Candidate]));
        }
        drop(results);
        lab.assert_each_started_once(12);
        let arms = store.experiment().trials.iter().map(|trial| trial.arm.parameters.clone());
        (ready, arms.collect::<Vec<_>>())
    };
    let (ready, arms) = run("ahead 1");
    assert_eq!(ready, [2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 0]);
    assert_eq!(run("ahead 2").1, arms);
}

#[test]
fn the_third_request_to_stop_leaves_at_once_and_the_next_run_goes_on() {
    let lab = Lab::new("leave", |run| match run.trial_index {
        0 => Script::default(),
        _ => Script::completes_after(40),
    });
    let mut store = lab.begin();
    let stop = StopSignal::new();
    let options = OrchestratorOptions { stop: stop.clone(), ..until(6, 3) };
    let mut results = lab.orchestrator(&mut store, options).results();
    results.next().expect("one ends").expect("no error");
    stop.request();
    stop.request();
    stop.request();
    assert!(results.next().is_none());
    let report = results.report();
    assert_eq!((report.ended, report.finished), (EndReason::Stopped, 1));
    assert!(report.running > 0);
    drop(results);
    let left = store.experiment().trials_in(&[TrialStatus::Running]).count();
    assert!(left > 0, "{:?}", statuses(store.experiment()));

    let mut store = lab.reopen();
    let report = lab.orchestrator(&mut store, until(6, 3)).run().expect("goes on");
    assert_eq!((report.ended, report.finished), (EndReason::Done, 5));
    assert_eq!(statuses(store.experiment()), [TrialStatus::Completed; 6]);
    lab.assert_each_started_once(6);
}

#[test]
fn a_run_ends_when_its_time_is_over() {
    let lab = Lab::new("timeout", |_| Script::never_ends());
    let mut store = lab.begin();
    let timeout = |timeout| OrchestratorOptions { timeout: Some(timeout), ..until(2, 2) };
    let report = lab.orchestrator(&mut store, timeout(Duration::ZERO)).run().expect("ends");
    assert_eq!((report.ended, report.running), (EndReason::TimedOut, 0));
    assert_eq!(store.experiment().trials.len(), 0);
    let patient = timeout(Duration::from_millis(200));
    let report = lab.orchestrator(&mut store, patient).run().expect("ends");
    assert_eq!((report.ended, report.running), (EndReason::TimedOut, 2));
    assert!(store.experiment().trials_in(&[TrialStatus::Failed]).next().is_none());
}

#[test]
fn a_run_that_is_dropped_in_the_middle_is_gone_on_with() {
    let lab = Lab::new("dropped", |run| Script::completes_after(run.trial_index % 4));
    drop(lab.begin());
    let mut runs = 0;
    loop {
        let mut store = lab.reopen();
        let mut results = lab.orchestrator(&mut store, until(10, 3)).results();
        let Some(result) = results.next() else {
            assert_eq!(results.report().ended, EndReason::Done);
            break;
        };
        result.expect("no error");
        runs += 1;
    }
    assert!(runs <= 10, "{runs}");
    let mut store = lab.reopen();
    assert_eq!(statuses(store.experiment()), [TrialStatus::Completed; 10]);
    assert_replay_is_live(&mut store);
    lab.assert_each_started_once(10);
}

#[test]
fn a_closure_that_was_called_when_the_run_was_dropped_is_not_called_again() {
    let calls: Arc<Mutex<HashMap<String, usize>>> = Arc::default();
    let lab = Lab::new("dropped closures", |_| Script::default());
    drop(lab.begin());
    let counted = Arc::clone(&calls);
    let runner: Arc<dyn IRunner> = Arc::new(FunctionRunner::new(move |p| {
        *counted.lock().expect("no panic").entry(p.to_string()).or_insert(0) += 1;
        Ok([("y", bowl(p)?)])
    }));
    let metric: Arc<dyn IMetric> = Arc::new(MetadataMetric::new("y"));
    loop {
        let mut store = lab.reopen();
        let metrics = IndexMap::from([("y".to_owned(), Arc::clone(&metric))]);
        let mut results = Orchestrator::new(&mut store, Arc::clone(&runner), metrics, until(12, 4))
            .expect("can be run")
            .results();
        match results.next() {
            Some(result) => {
                assert_eq!(result.expect("no error").trial.status(), TrialStatus::Completed)
            }
            None => break,
        }
    }
    let calls = calls.lock().expect("no panic");
    assert_eq!(calls.len(), 12);
    assert!(calls.values().all(|&count| count == 1), "{calls:?}");
}

#[test]
fn a_run_that_is_told_to_leave_starts_nothing_that_waits_for_a_thread() {
    let lab = Lab::new("waiting", |_| Script {
        launch: vec![Answer::Late(Launch::Accepted)],
        ..Script::never_ends()
    });
    let mut store = lab.begin();
    let stop = StopSignal::new();
    let options = OrchestratorOptions { stop: stop.clone(), ..until(60, 60) };
    let (far_side, request) = (lab.far_side.clone(), stop.clone());
    let threads = 32;
    let stopper = std::thread::spawn(move || {
        far_side.wait_until_late(threads);
        (0..3).for_each(|_| request.request());
    });
    let mut results = lab.orchestrator(&mut store, options).results();
    assert!(results.next().is_none());
    stopper.join().expect("no panic");
    lab.far_side.release();
    drop(results);
    lab.assert_each_started_once(threads);
    // What was started is known to be started.
    assert_eq!(store.experiment().trials_in(&[TrialStatus::Running]).count(), threads);
}

#[test]
fn candidates_of_an_earlier_run_are_started_before_anything_is_proposed() {
    let lab = Lab::new("candidates", |_| Script::completes_after(1));
    let mut store = lab.begin();
    let arm =
        |x: f64| Arm { name: format!("by hand {x}"), parameters: [("x1", x), ("x2", x)].into() };
    store
        .record((0..3).map(|trial| Event::TrialAttached {
            trial,
            arm: arm(trial as f64),
            baseline: false,
        }))
        .expect("stored");
    // One at a time, because of two that are launched at once either may come first.
    let report = lab.orchestrator(&mut store, until(4, 1)).run().expect("ran to the end");
    assert_eq!((report.ended, report.finished), (EndReason::Done, 4));
    let launched: Vec<_> = lab.far_side.launched().iter().map(|run| run.trial_index).collect();
    assert_eq!(launched, [0, 1, 2, 3]);
    lab.assert_each_started_once(4);
}

#[test]
fn a_limit_on_new_trials_does_not_count_those_of_earlier_runs() {
    let lab = Lab::new("max_trials", |_| Script::default());
    let mut store = lab.begin();
    for expected in [2, 4] {
        let options =
            OrchestratorOptions { max_trials: Some(2), total_trials: None, ..until(0, 2) };
        let report = lab.orchestrator(&mut store, options).run().expect("ran to the end");
        assert_eq!((report.ended, report.finished), (EndReason::Done, 2));
        assert_eq!(store.experiment().trials.len(), expected);
    }
    let report = lab.orchestrator(&mut store, until(3, 2)).run().expect("ran to the end");
    assert_eq!((report.ended, report.finished), (EndReason::Done, 0), "there are 4 of 3 already");
}

#[test]
fn options_that_make_no_sense_are_refused_by_name() {
    let lab = Lab::new("options", |_| Script::default());
    let mut store = lab.begin();
    let mut refused = |options: OrchestratorOptions| {
        let (runner, metrics) = (Arc::clone(&lab.runner), lab.metrics.clone());
        Orchestrator::new(&mut store, runner, metrics, options).expect_err("refused").to_string()
    };
    for (options, expected) in [
        (
            OrchestratorOptions { total_trials: None, ..until(1, 1) },
            "option max_trials: expected max_trials or total_trials, found neither",
        ),
        (until(1, 0), "option max_pending_trials: expected at least 1, found 0"),
        (
            OrchestratorOptions { tolerated_trial_failure_rate: 1.5, ..until(1, 1) },
            "option tolerated_trial_failure_rate: expected a number from 0 to 1, found 1.5",
        ),
        (
            OrchestratorOptions { init_seconds_between_polls: f64::NAN, ..until(1, 1) },
            "option init_seconds_between_polls: expected seconds, from 0 to 86400, found NaN",
        ),
        (
            OrchestratorOptions { max_seconds_between_polls: 1e9, ..until(1, 1) },
            "option max_seconds_between_polls: expected seconds, from 0 to 86400, found 1000000000",
        ),
        (
            OrchestratorOptions { seconds_between_polls_backoff_factor: 0.5, ..until(1, 1) },
            "option seconds_between_polls_backoff_factor: expected at least 1, found 0.5",
        ),
        (
            OrchestratorOptions { min_seconds_between_launches: -1.0, ..until(1, 1) },
            "option min_seconds_between_launches: expected seconds, from 0 to 86400, found -1",
        ),
        (
            OrchestratorOptions { call_timeout: Duration::ZERO, ..until(1, 1) },
            "option call_timeout: expected more than 0 s, found 0 s",
        ),
        (
            OrchestratorOptions { max_attempts: 0, ..until(1, 1) },
            "option max_attempts: expected at least 1, found 0",
        ),
    ] {
        assert_eq!(refused(options), expected);
    }
}

#[test]
fn a_steep_backoff_stays_within_the_longest_pause() {
    let lab = Lab::new("backoff", |_| Script::completes_after(3));
    let mut store = lab.begin();
    let options = OrchestratorOptions {
        init_seconds_between_polls: 1e-6,
        max_seconds_between_polls: 1e-4,
        seconds_between_polls_backoff_factor: 1e300,
        ..until(1, 1)
    };
    let report = lab.orchestrator(&mut store, options).run().expect("ran to the end");
    assert_eq!(report.ended, EndReason::Done);
}
