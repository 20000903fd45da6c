//! Calls that do not come back, or too late.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use krige_core::trial::Metadata;
use krige_runner::{Found, MetricError, RunStatus, RunnerError, Stopped};

use super::puppet::{Counts, Gate, Stage, Strings};
use super::*;
use crate::orchestrator::{EndReason, StopSignal};

#[test]
fn calls_that_block_delay_nobody_and_a_launch_that_answers_late_is_taken_in() {
    let stage = Stage::new();
    let gate = Gate::default();
    let (launches, polls, fetches) = (Counts::default(), Counts::default(), Counts::default());
    let finds = Counts::default();
    // Every call that blocks is overdue as soon as it does. Five block at a time, and there are five threads.
    let block = {
        let (time, gate) = (stage.time.clone(), gate.clone());
        move || {
            time.pass(300);
            gate.pass();
        }
    };
    let strings = Strings {
        launch: {
            let (launches, block) = (launches.clone(), block.clone());
            Arc::new(move |run| {
                launches.count(&run);
                if run.trial_index < 3 {
                    block();
                }
                Ok(Metadata::default())
            })
        },
        poll: {
            let (polls, block) = (polls.clone(), block.clone());
            Arc::new(move |run| {
                if run.trial_index == 3 && polls.count(&run) == 1 {
                    block();
                    return Ok(RunStatus::Failed { reason: "too late to be heard".into() });
                }
                Ok(RunStatus::Completed)
            })
        },
        fetch: {
            let (fetches, block) = (fetches.clone(), block.clone());
            Arc::new(move |run| {
                if run.trial_index == 4 && fetches.count(&run) == 1 {
                    block();
                    return Err(MetricError::permanent("too late to be heard"));
                }
                Ok((run.trial_index as f64).into())
            })
        },
        // All others have ended before the launches come back.
        find: {
            let (finds, journal, gate) = (finds.clone(), stage.journal.clone(), gate.clone());
            Arc::new(move |run| {
                let store = ExperimentStore::open(journal.clone(), "e").expect("opened");
                let ended = store.experiment().trials.iter().skip(3);
                let ended = ended.filter(|trial| trial.status().is_terminal()).count();
                finds.count(&run);
                if ended == 3 && finds.of(0..3).iter().all(|&count| count > 1) {
                    gate.open();
                }
                Ok(Found::Absent)
            })
        },
        ..Strings::default()
    };
    let mut store = stage.begin();
    let mut results = stage.results(&mut store, strings, &[], until(6, 4));
    let finished: Vec<usize> =
        results.by_ref().map(|result| result.expect("no error").trial.index).collect();
    assert_eq!(results.report().ended, EndReason::Done);
    drop(results);
    let (mut first, mut last) = (finished[..3].to_vec(), finished[3..].to_vec());
    first.sort_unstable();
    last.sort_unstable();
    assert_eq!((first, last), (vec![3, 4, 5], vec![0, 1, 2]));
    assert_eq!(launches.of(0..6), [1; 6]);
    for trial in &store.experiment().trials {
        assert_eq!(trial.status(), TrialStatus::Completed, "{:?}", trial.state);
        assert_eq!(trial.observation("y").map(|y| y.mean), Some(trial.index as f64));
    }
    assert_replay_is_live(&mut store);
}

#[test]
fn a_launch_that_answers_late_with_an_error_is_made_again() {
    let stage = Stage::new();
    let (launches, gate) = (Counts::default(), Gate::default());
    let strings = Strings {
        launch: {
            let (launches, time, gate) = (launches.clone(), stage.time.clone(), gate.clone());
            Arc::new(move |run| {
                if launches.count(&run) == 1 {
                    time.pass(300);
                    gate.pass();
                    return Err(RunnerError::transient("the line was cut"));
                }
                Ok(Metadata::default())
            })
        },
        find: Arc::new(move |_| {
            gate.open();
            Ok(Found::Absent)
        }),
        ..Strings::default()
    };
    let mut store = stage.begin();
    let results = stage.results(&mut store, strings, &[], until(1, 1));
    results.for_each(|result| drop(result.expect("no error")));
    assert_eq!(statuses(store.experiment()), [TrialStatus::Completed]);
    assert_eq!(launches.of(0..1), [2]);
}

#[test]
fn a_run_of_which_the_launch_never_answers_is_found_by_its_key() {
    let stage = Stage::new();
    let (launches, gate) = (Counts::default(), Gate::default());
    let strings = Strings {
        launch: {
            let (launches, time, gate) = (launches.clone(), stage.time.clone(), gate.clone());
            Arc::new(move |run| {
                launches.count(&run);
                time.pass(300);
                gate.pass();
                Ok(Metadata::of("job", "late"))
            })
        },
        find: Arc::new(|_| Ok(Found::Exists(Metadata::of("job", "found")))),
        ..Strings::default()
    };
    let mut store = stage.begin();
    let options = OrchestratorOptions { shutdown_grace: Duration::ZERO, ..until(2, 1) };
    let mut results = stage.results(&mut store, strings, &[], options);
    for trial in 0..2 {
        let ended = results.next().expect("one ends").expect("no error").trial;
        assert_eq!((ended.index, ended.status()), (trial, TrialStatus::Completed));
        let metadata = ended.state.launch().map(|launch| &launch.metadata);
        assert_eq!(metadata, Some(&Metadata::of("job", "found")));
    }
    assert!(results.next().is_none());
    drop(results);
    gate.open();
    assert_eq!(launches.of(0..2), [1, 1]);
}

#[test]
fn calls_that_never_answer_fail_their_trial_with_the_time_that_they_had() {
    let (calls, limit) = (3, "it did not answer within 300 s");
    for (blocks, reason) in [
        ("find", format!("it could not be looked up, {calls} times: {limit}")),
        ("poll", format!("its status could not be read, {calls} times: {limit}")),
        (
            "fetch",
            format!(
                "metric `y` could not be fetched, {calls} times: the metric failed for now: {limit}"
            ),
        ),
    ] {
        let stage = Stage::new();
        let gate = Gate::default();
        let block = {
            let (time, gate) = (stage.time.clone(), gate.clone());
            move |run: &TrialRun, call| {
                if call == blocks && run.trial_index == 0 {
                    time.pass(300);
                    gate.pass();
                }
            }
        };
        let (in_find, in_poll, in_fetch) = (block.clone(), block.clone(), block);
        let launches = Counts::default();
        let strings = Strings {
            launch: Arc::new(move |run| match (blocks, launches.count(&run)) {
                ("find", 1) => Err(RunnerError::transient("so it is looked up")),
                _ => Ok(Metadata::default()),
            }),
            find: Arc::new(move |run| {
                in_find(&run, "find");
                Ok(Found::Absent)
            }),
            poll: Arc::new(move |run| {
                in_poll(&run, "poll");
                Ok(RunStatus::Completed)
            }),
            fetch: Arc::new(move |run| {
                in_fetch(&run, "fetch");
                Ok(0.0.into())
            }),
            ..Strings::default()
        };
        let mut store = stage.begin();
        let options =
            OrchestratorOptions { max_attempts: 3, shutdown_grace: Duration::ZERO, ..until(3, 2) };
        let results = stage.results(&mut store, strings, &[], options);
        results.for_each(|result| drop(result.expect("no error")));
        gate.open();
        let expected = [TrialStatus::Failed, TrialStatus::Completed, TrialStatus::Completed];
        assert_eq!(statuses(store.experiment()), expected, "{blocks}");
        assert_eq!(store.experiment().trials[0].state.reason(), Some(&*reason));
    }
}

#[test]
fn a_metric_that_blocks_and_is_not_optimized_cannot_spoil_a_trial() {
    let stage = Stage::new();
    let gate = Gate::default();
    let picture = Strings {
        fetch: {
            let (time, gate) = (stage.time.clone(), gate.clone());
            Arc::new(move |_| {
                time.pass(300);
                gate.pass();
                Ok(0.0.into())
            })
        },
        ..Strings::default()
    };
    let mut store = stage.begin();
    let options =
        OrchestratorOptions { max_attempts: 2, shutdown_grace: Duration::ZERO, ..until(2, 1) };
    let others = [("picture", picture)];
    let results = stage.results(&mut store, Strings::default(), &others, options);
    results.for_each(|result| drop(result.expect("no error")));
    gate.open();
    assert_eq!(statuses(store.experiment()), [TrialStatus::Completed; 2]);
    for trial in &store.experiment().trials {
        assert!(trial.observation("y").is_some() && trial.observation("picture").is_none());
    }
}

#[test]
fn a_call_that_blocks_does_not_hold_up_the_end_and_its_trial_is_found_by_the_next_run() {
    let stage = Stage::new();
    let (launches, gate) = (Counts::default(), Gate::default());
    let stop = StopSignal::new();
    let strings = Strings {
        launch: {
            let (launches, gate, stop) = (launches.clone(), gate.clone(), stop.clone());
            Arc::new(move |run| {
                launches.count(&run);
                (0..3).for_each(|_| stop.request());
                gate.pass();
                Ok(Metadata::default())
            })
        },
        find: Arc::new(|_| Ok(Found::Exists(Metadata::default()))),
        ..Strings::default()
    };
    let mut store = stage.begin();
    let options = OrchestratorOptions { stop, shutdown_grace: Duration::ZERO, ..until(1, 1) };
    let mut results = stage.results(&mut store, strings.clone(), &[], options);
    assert!(results.next().is_none());
    drop(results);
    assert_eq!(statuses(store.experiment()), [TrialStatus::Staged]);
    let results = stage.results(&mut store, strings, &[], until(1, 1));
    results.for_each(|result| drop(result.expect("no error")));
    gate.open();
    assert_eq!(statuses(store.experiment()), [TrialStatus::Completed]);
    assert_eq!(launches.of(0..1), [1]);
}

#[test]
fn a_run_that_is_started_when_its_trial_has_ended_is_stopped() {
    let stage = Stage::new();
    let (late, stopped) = (Gate::default(), Gate::default());
    let reasons: Arc<std::sync::Mutex<Vec<(usize, String)>>> = Arc::default();
    let strings = Strings {
        launch: {
            let (time, late, stopped) = (stage.time.clone(), late.clone(), stopped.clone());
            Arc::new(move |run| {
                if run.trial_index == 0 {
                    time.pass(300);
                    late.pass();
                } else {
                    stopped.pass();
                }
                Ok(Metadata::default())
            })
        },
        find: {
            let journal = stage.journal.clone();
            Arc::new(move |run| {
                let mut elsewhere = ExperimentStore::open(journal.clone(), "e").expect("opened");
                let event = krige_core::trial::TrialEvent::Abandoned { reason: None };
                let event = Event::Trial { trial: run.trial_index, event };
                elsewhere.decide(|_| Ok((vec![event.clone()], ()))).expect("stored");
                late.open();
                Ok(Found::Absent)
            })
        },
        stop: {
            let reasons = Arc::clone(&reasons);
            Arc::new(move |(run, reason)| {
                reasons.lock().expect("no panic").push((run.trial_index, reason));
                stopped.open();
                Ok(Stopped::Requested)
            })
        },
        ..Strings::default()
    };
    let mut store = stage.begin();
    let results = stage.results(&mut store, strings, &[], until(2, 1));
    results.for_each(|result| drop(result.expect("no error")));
    assert_eq!(statuses(store.experiment()), [TrialStatus::Abandoned, TrialStatus::Completed]);
    let reason = "its trial ended before the runner answered that it was started";
    assert_eq!(*reasons.lock().expect("no panic"), [(0, reason.to_owned())]);
}

#[test]
fn a_curve_whose_metric_blocks_takes_one_thread_however_long_it_does() {
    let stage = Stage::new();
    let (gate, blocked, polls) = (Gate::default(), Counts::default(), Counts::default());
    let opened = Arc::<AtomicBool>::default();
    let strings = Strings {
        fetch: {
            let (gate, blocked, opened) = (gate.clone(), blocked.clone(), Arc::clone(&opened));
            Arc::new(move |run| {
                if run.trial_index == 0 && !opened.load(Ordering::SeqCst) {
                    blocked.count(&run);
                    gate.pass();
                }
                Ok(0.0.into())
            })
        },
        // At each poll of trial 1, which is after that of trial 0, time passes.
        poll: {
            let (time, gate, opened) = (stage.time.clone(), gate.clone(), Arc::clone(&opened));
            Arc::new(move |run| {
                if run.trial_index == 1 && !opened.load(Ordering::SeqCst) {
                    time.pass(100);
                    if polls.count(&run) == 40 {
                        opened.store(true, Ordering::SeqCst);
                        gate.open();
                    }
                    return Ok(RunStatus::Running);
                }
                Ok(if opened.load(Ordering::SeqCst) {
                    RunStatus::Completed
                } else {
                    RunStatus::Running
                })
            })
        },
        watched: true,
        ..Strings::default()
    };
    let mut store = stage.begin();
    let results = stage.results(&mut store, strings, &[], until(2, 2));
    results.for_each(|result| drop(result.expect("no error")));
    assert_eq!(statuses(store.experiment()), [TrialStatus::Completed; 2]);
    assert_eq!(blocked.of(0..1), [1]);
}

#[test]
fn a_value_that_does_not_come_fails_its_trial_with_the_time_since_when_it_was_awaited() {
    let never = |stage: &Stage| {
        let time = stage.time.clone();
        Strings {
            fetch: Arc::new(move |_| {
                time.pass(250);
                Err(MetricError::NotYet)
            }),
            ..Strings::default()
        }
    };
    let stage = Stage::new();
    let mut store = stage.begin();
    let results = stage.results(&mut store, never(&stage), &[], until(1, 1));
    results.for_each(|result| drop(result.expect("no error")));
    let trial = &store.experiment().trials[0];
    let reason = trial.state.reason().expect("it failed");
    assert!(reason.starts_with("metric `y` has been awaited since 2"), "{reason}");
    assert!(reason.ends_with("Z, for 3750 s, and is still not there"), "{reason}");

    // What is not optimized is left out.
    let stage = Stage::new();
    let mut store = stage.begin();
    let others = [("picture", never(&stage))];
    let results = stage.results(&mut store, Strings::default(), &others, until(1, 1));
    results.for_each(|result| drop(result.expect("no error")));
    let trial = &store.experiment().trials[0];
    assert_eq!(trial.status(), TrialStatus::Completed);
    assert!(trial.observation("y").is_some() && trial.observation("picture").is_none());
}
