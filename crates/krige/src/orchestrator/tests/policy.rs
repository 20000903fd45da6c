//! Time to live, further runs, stopping rules, and what a run leaves behind.

use krige_core::stopping::{EarlyStopping, GlobalStopping};
use krige_core::trial::Metadata;
use krige_runner::{FunctionMetric, Measurement, RunStatus};
use krige_testkit::{Answer, ManualClock};

use super::super::{EndReason, IdleCallback};
use super::puppet::{Stage, Strings};
use super::*;

fn lost_after(polls: usize) -> Script {
    Script::ends_after(polls, RunStatus::Lost { reason: "its node failed".into() })
}

/// Ten seconds pass whenever a poll brings nothing new.
fn passing(clock: &ManualClock) -> Option<IdleCallback> {
    let clock = clock.clone();
    Some(IdleCallback::new(move |_| clock.advance(std::time::Duration::from_secs(10))))
}

#[test]
fn a_trial_past_its_time_fails_and_what_it_gives_later_is_kept_as_late() {
    let lab = Lab::new("ttl", |run| match run.trial_index {
        0 => Script::completes_after(8),
        1 => lost_after(8),
        _ => Script::completes_after(30),
    });
    let mut store = lab.begin();
    // The experiment was begun just now.
    let clock = ManualClock::at(krige_core::Timestamp::now());
    store.set_clock(std::sync::Arc::new(clock.clone()));
    let options = OrchestratorOptions {
        ttl_seconds_for_trials: Some(50.0),
        idle_callback: passing(&clock),
        ..until(1, 1)
    };
    // The third trial keeps the run going while the first is late, and the second lost too late to be run again.
    let longer = OrchestratorOptions { total_trials: Some(3), ..options };
    let outcome = lab.orchestrator(&mut store, longer).run();
    outcome.expect("done");
    let trials = &store.experiment().trials;
    assert_eq!(statuses(store.experiment()), [TrialStatus::Failed; 3]);
    assert!(trials[0].state.reason().expect("a reason").contains("50 s"));
    assert!(trials[0].late && trials[0].observation("y").is_some());
    assert!(trials.iter().all(|trial| trial.attempts == 1));
    lab.assert_each_started_once(3);
    assert_replay_is_live(&mut store);
}

#[test]
fn a_failed_run_is_followed_by_another_under_another_key() {
    let lab = Lab::new("runs again", |run| match (run.trial_index, run.attempt) {
        (0, 1) | (1, _) => Script::fails_after(1),
        _ => Script::completes_after(1),
    });
    let mut store = lab.begin();
    let options = OrchestratorOptions { max_runs_per_trial: 2, ..until(3, 2) };
    lab.orchestrator(&mut store, options).run().expect("done");
    use TrialStatus::{Completed, Failed};
    assert_eq!(statuses(store.experiment()), [Completed, Failed, Completed]);
    let attempts: Vec<u32> = store.experiment().trials.iter().map(|t| t.attempts).collect();
    assert_eq!(attempts, [2, 2, 1]);
    // Five runs, each once.
    lab.assert_each_started_once(5);
    assert_replay_is_live(&mut store);
}

#[test]
fn a_lost_run_is_followed_by_another_whatever_the_options_say_of_failures() {
    let lab = Lab::new("lost", |run| match (run.trial_index, run.attempt) {
        (0 | 1, 1 | 2) => lost_after(1),
        (1, _) => Script::fails_after(1),
        _ => Script::completes_after(1),
    });
    let mut store = lab.begin();
    let options = OrchestratorOptions { max_runs_per_trial: 1, ..until(3, 2) };
    lab.orchestrator(&mut store, options).run().expect("done");
    use TrialStatus::{Completed, Failed};
    assert_eq!(statuses(store.experiment()), [Completed, Failed, Completed]);
    let trials = &store.experiment().trials;
    assert_eq!(trials.iter().map(|trial| trial.attempts).collect::<Vec<_>>(), [3, 3, 1]);
    assert_eq!(trials[1].state.reason(), Some("scripted failure"));
    lab.assert_each_started_once(7);
    let retried = krige_core::trial::TrialEvent::Retried { reason: "its node failed".into() };
    let retried = Event::Trial { trial: 0, event: retried };
    let records = store.records().expect("read");
    assert_eq!(records.iter().filter(|record| record.event == retried).count(), 2);
    assert_replay_is_live(&mut store);
}

#[test]
fn a_trial_of_which_every_run_is_lost_fails_in_the_end_with_the_reason() {
    let lab = Lab::new("always lost", |run| match run.trial_index {
        0 => lost_after(0),
        _ => Script::completes_after(1),
    });
    let mut store = lab.begin();
    lab.orchestrator(&mut store, until(2, 1)).run().expect("done");
    assert_eq!(statuses(store.experiment()), [TrialStatus::Failed, TrialStatus::Completed]);
    let reason = store.experiment().trials[0].state.reason();
    assert_eq!(reason, Some("its node failed; it was run 100 times"));
    lab.assert_each_started_once(101);
}

#[test]
fn a_run_that_is_lost_while_nobody_looks_is_run_again_by_the_next() {
    let lab = Lab::new("lost meanwhile", |run| match run.attempt {
        1 => lost_after(0),
        _ => Script::completes_after(1),
    });
    let leaves = OrchestratorOptions { wait_for_running_trials: false, ..until(2, 2) };
    let report = lab.orchestrator(&mut lab.begin(), leaves).run().expect("left");
    assert_eq!((report.ended, report.running), (EndReason::Left, 2));
    let mut store = lab.reopen();
    let report = lab.orchestrator(&mut store, until(2, 2)).run().expect("done");
    assert_eq!((report.ended, report.finished), (EndReason::Done, 2));
    assert_eq!(statuses(store.experiment()), [TrialStatus::Completed; 2]);
    lab.assert_each_started_once(4);
    assert_replay_is_live(&mut store);
}

#[test]
fn what_is_lost_again_and_again_is_run_again_later_each_time() {
    let stage = Stage::new();
    let launched = Arc::new(std::sync::Mutex::new(Vec::new()));
    let strings = Strings {
        launch: {
            let (launched, time) = (launched.clone(), stage.time.clone());
            Arc::new(move |_| {
                launched.lock().expect("no panic").push(time.now().as_secs());
                Ok(Metadata::default())
            })
        },
        poll: Arc::new(|run| {
            let reason = "preempted".to_owned();
            Ok(if run.attempt < 4 { RunStatus::Lost { reason } } else { RunStatus::Completed })
        }),
        ..Strings::default()
    };
    let mut store = stage.begin();
    let options = OrchestratorOptions { init_seconds_between_retries: 8.0, ..until(1, 1) };
    let mut results = stage.results(&mut store, strings, &[], options);
    // A second passes only where nothing but the pause is left to wait for.
    while results.report().finished == 0 {
        results.turn().expect("no error");
        let trial = results.experiment().trials.first();
        if trial.is_some_and(|trial| trial.status() == TrialStatus::Candidate) {
            stage.time.pass(1);
        }
    }
    drop(results);
    let launched = launched.lock().expect("no panic").clone();
    let pauses: Vec<u64> = launched.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let [first, second, third] = pauses[..] else { panic!("three pauses: {pauses:?}") };
    assert!((4..=9).contains(&first), "{pauses:?}");
    assert!((8..=17).contains(&second), "{pauses:?}");
    assert!((16..=33).contains(&third), "{pauses:?}");
    assert_eq!(statuses(store.experiment()), [TrialStatus::Completed]);
}

#[test]
fn a_rule_over_all_trials_ends_the_run_with_its_reason() {
    let lab = Lab::new("global stopping", |_| Script::completes_after(1));
    let mut store = lab.begin();
    let global = Some(GlobalStopping::Budget { metric: "y".into(), total: 1e-9 });
    store.record([Event::StoppingConfigured { early: None, global }]).expect("stored");
    let report = lab.orchestrator(&mut store, until(50, 1)).run().expect("done");
    assert!(matches!(&report.ended, EndReason::GloballyStopped(_)), "{report:?}");
    assert!(store.experiment().trials.len() < 3);
}

/// The value so far, of a learning curve that rises by the trial's number at each look.
fn curve() -> FunctionMetric {
    let looks = std::sync::Mutex::new(std::collections::HashMap::<usize, f64>::new());
    FunctionMetric::new(move |run: &TrialRun, _: &Metadata| {
        let mut looks = looks.lock().expect("no test panics here");
        let step = looks.entry(run.trial_index).or_default();
        *step += 1.0;
        Ok(Measurement::from(*step * run.trial_index as f64).at(*step))
    })
    .available_while_running()
}

#[test]
fn a_trial_that_is_not_worth_its_time_is_stopped_early() {
    let mut lab = Lab::new("early stopping", |run| match run.trial_index {
        0 => Script::never_ends(),
        _ => Script::completes_after(6),
    });
    lab.metrics.insert("acc".into(), Arc::new(curve()));
    let mut store = lab.begin();
    let early = Some(EarlyStopping::Threshold {
        metric: Some("acc".into()),
        threshold: 0.5,
        min_progression: 3.0,
    });
    let optimization = OptimizationConfig::parse("acc", &[]).expect("an objective");
    store
        .record([
            Event::OptimizationConfigured { optimization },
            Event::StoppingConfigured { early, global: None },
        ])
        .expect("stored");
    lab.orchestrator(&mut store, until(2, 2)).run().expect("done");
    use TrialStatus::{Completed, EarlyStopped};
    assert_eq!(statuses(store.experiment()), [EarlyStopped, Completed]);
    assert_eq!(store.experiment().trials[0].observation("acc").map(|o| o.mean), Some(0.0));
    let launch = store.experiment().trials[0].state.launch().expect("it ran");
    let far = lab.runner.poll_trial(&launch.run, &launch.metadata).expect("polled");
    assert!(matches!(far, RunStatus::Failed { .. }), "it still runs there");
    assert_replay_is_live(&mut store);
}

#[test]
fn what_a_run_holds_fixed_is_proposed_so_and_the_experiment_remembers_it() {
    let lab = Lab::new("fixed", |_| Script::completes_after(1));
    let mut store = lab.begin();
    let fixed_parameters = Parameterization::from([("x2", 0.5)]);
    let options = OrchestratorOptions { fixed_parameters, min_free_slots: 2, ..until(4, 2) };
    let orchestrator = lab.orchestrator(&mut store, options.clone());
    orchestrator.run().expect("done");
    for trial in &store.experiment().trials {
        assert_eq!(trial.arm.parameters.float("x2"), Ok(0.5));
    }
    let event = Event::OrchestrationConfigured { options: options.to_stored() };
    store.record([event]).expect("stored");
    let stored = OrchestratorOptions::from_stored(store.experiment()).expect("stored");
    assert_eq!(stored.fixed_parameters, options.fixed_parameters);
    assert_eq!(stored.min_free_slots, 2);
}

#[test]
fn a_run_that_does_not_wait_leaves_what_it_launched_to_the_next() {
    let lab = Lab::new("leaves", |_| Script::completes_after(3));
    let mut store = lab.begin();
    let options = OrchestratorOptions { wait_for_running_trials: false, ..until(3, 3) };
    let report = lab.orchestrator(&mut store, options).run().expect("left");
    assert_eq!((report.ended, report.running), (EndReason::Left, 3));
    lab.orchestrator(&mut store, until(3, 3)).run().expect("done");
    assert_eq!(statuses(store.experiment()), [TrialStatus::Completed; 3]);
    lab.assert_each_started_once(3);
}

#[test]
fn the_experiment_remembers_the_options_and_the_log_every_trial() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("run.log");
    let lab =
        Lab::new("remembers", |_| Script { fetch: vec![Answer::Transient], ..Script::default() });
    let mut store = lab.begin();
    let options = OrchestratorOptions {
        max_attempts: 2,
        ttl_seconds_for_trials: Some(7.5),
        log_file: Some(log.clone()),
        ..until(2, 2)
    };
    lab.orchestrator(&mut store, options.clone()).run().expect("done");
    let stored = OrchestratorOptions::from_stored(store.experiment()).expect("remembered");
    assert_eq!(stored.to_stored(), options.to_stored());
    let lines = std::fs::read_to_string(&log).expect("written");
    assert!(lines.lines().filter(|line| line.contains("failed")).count() >= 2, "{lines}");

    let nowhere = OrchestratorOptions { log_file: Some(folder.path().into()), ..options };
    let (runner, metrics) = (Arc::clone(&lab.runner), lab.metrics.clone());
    let refused = Orchestrator::new(&mut store, runner, metrics, nowhere).expect_err("a folder");
    assert!(refused.to_string().contains("log file"), "{refused}");
}
