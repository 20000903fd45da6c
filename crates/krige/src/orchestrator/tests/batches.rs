//! Launches that go out in one call.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use krige_core::trial::Metadata;
use krige_runner::{Found, RunnerError};

use super::puppet::{Answers, Counts, Launches, Stage, Strings};
use super::*;

fn batches(total: usize, parallelism: usize) -> OrchestratorOptions {
    OrchestratorOptions { run_trials_in_batches: true, ..until(total, parallelism) }
}

/// Trials of each call of `run_trials`, in order; its clones are the same.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<Vec<usize>>>>);

impl Calls {
    /// How many calls there were, this one included.
    fn add(&self, runs: &Launches) -> usize {
        let mut calls = self.0.lock().expect("no panic");
        calls.push(runs.iter().map(|(run, _)| run.trial_index).collect());
        calls.len()
    }

    fn all(&self) -> Vec<Vec<usize>> {
        self.0.lock().expect("no panic").clone()
    }
}

fn accepted(runs: &Launches) -> Answers {
    runs.iter().map(|_| Ok(Metadata::default())).collect()
}

#[test]
fn launches_go_out_together_with_their_intents_stored_and_only_the_failed_again() {
    let stage = Stage::new();
    let calls = Calls::default();
    let launch_many = {
        let (calls, journal) = (calls.clone(), stage.journal.clone());
        move |runs: Launches| {
            let store = ExperimentStore::open(journal.clone(), "e").expect("opened");
            for (run, _) in &runs {
                let status = store.experiment().trials[run.trial_index].status();
                assert_eq!(status, TrialStatus::Staged, "the intent comes first");
            }
            let mut answers = accepted(&runs);
            if calls.add(&runs) == 1 {
                answers[1] = Err(RunnerError::transient("the queue of the second is full"));
                answers[2] = Err(RunnerError::permanent("the third is too large"));
            }
            answers
        }
    };
    let strings = Strings { launch_many: Some(Arc::new(launch_many)), ..Strings::default() };
    let mut store = stage.begin();
    let results = stage.results(&mut store, strings, &[], batches(4, 4));
    results.for_each(|result| drop(result.expect("no error")));
    let expected = [
        TrialStatus::Completed,
        TrialStatus::Completed,
        TrialStatus::Failed,
        TrialStatus::Completed,
    ];
    assert_eq!(statuses(store.experiment()), expected);
    assert_eq!(
        store.experiment().trials[2].state.reason(),
        Some("it could not be started: the runner failed: the third is too large")
    );
    assert_eq!(calls.all(), [vec![0, 1, 2, 3], vec![1]]);
}

#[test]
fn no_more_are_launched_together_than_there_are_slots() {
    let stage = Stage::new();
    let calls = Calls::default();
    let launch_many = {
        let calls = calls.clone();
        move |runs: Launches| {
            calls.add(&runs);
            accepted(&runs)
        }
    };
    let launch_many: Option<Arc<_>> = Some(Arc::new(launch_many));
    let strings = Strings {
        launch_many: launch_many.map(|l| l as _),
        slots: Arc::new(|()| Some(2)),
        ..Strings::default()
    };
    let mut store = stage.begin();
    let results = stage.results(&mut store, strings, &[], batches(5, 5));
    results.for_each(|result| drop(result.expect("no error")));
    assert_eq!(statuses(store.experiment()), [TrialStatus::Completed; 5]);
    let calls = calls.all();
    assert_eq!(calls[0], [0, 1]);
    assert!(calls.iter().all(|call| (1..=2).contains(&call.len())), "{calls:?}");
    assert_eq!(calls.iter().map(Vec::len).sum::<usize>(), 5, "{calls:?}");
}

/// As where a far side runs a batch as one, and is busy with the last for a moment longer.
#[test]
fn what_a_full_far_side_did_not_try_is_not_looked_for_and_still_goes_out_together() {
    let stage = Stage::new();
    let (calls, finds, looks) =
        (Calls::default(), Counts::default(), Arc::<AtomicUsize>::default());
    let launch_many = {
        let calls = calls.clone();
        move |runs: Launches| {
            if !runs.is_empty() {
                calls.add(&runs);
            }
            accepted(&runs)
        }
    };
    let launch_many: Option<Arc<_>> = Some(Arc::new(launch_many));
    let counted = finds.clone();
    let strings = Strings {
        launch_many: launch_many.map(|l| l as _),
        slots: Arc::new(move |()| (looks.fetch_add(1, Ordering::SeqCst) < 5).then_some(0)),
        find: Arc::new(move |run| {
            counted.count(&run);
            Ok(Found::Absent)
        }),
        ..Strings::default()
    };
    let mut store = stage.begin();
    let results = stage.results(&mut store, strings, &[], batches(3, 3));
    results.for_each(|result| drop(result.expect("no error")));
    assert_eq!(calls.all(), [[0, 1, 2]]);
    assert_eq!(finds.of(0..3), [0; 3]);
}

#[test]
fn after_a_call_that_went_wrong_each_trial_is_looked_up_and_what_is_absent_is_started_alone() {
    for wrong in ["panics", "too short", "too long", "blocks"] {
        let stage = Stage::new();
        let (calls, launches, finds) = (Calls::default(), Counts::default(), Counts::default());
        let gate = super::puppet::Gate::default();
        let launch_many = {
            let (calls, time, gate) = (calls.clone(), stage.time.clone(), gate.clone());
            move |runs: Launches| {
                let mut answers = accepted(&runs);
                if calls.add(&runs) > 1 {
                    return answers;
                }
                match wrong {
                    "panics" => panic!("scripted to panic"),
                    "too short" => answers.truncate(1),
                    "too long" => answers.push(Ok(Metadata::default())),
                    _ => {
                        time.pass(300);
                        gate.pass();
                        return runs.iter().map(|_| Err(RunnerError::transient("late"))).collect();
                    }
                }
                answers
            }
        };
        let strings = Strings {
            launch_many: Some(Arc::new(launch_many)),
            launch: {
                let launches = launches.clone();
                Arc::new(move |run| {
                    launches.count(&run);
                    Ok(Metadata::default())
                })
            },
            find: {
                let (finds, gate) = (finds.clone(), gate.clone());
                Arc::new(move |run| {
                    finds.count(&run);
                    Ok(match run.trial_index {
                        // One was started all the same.
                        0 => Found::Exists(Metadata::default()),
                        1 if wrong != "blocks" => Found::Unknown,
                        _ => {
                            gate.open();
                            Found::Absent
                        }
                    })
                })
            },
            ..Strings::default()
        };
        let mut store = stage.begin();
        let results = stage.results(&mut store, strings, &[], batches(3, 3));
        results.for_each(|result| drop(result.expect("no error")));
        assert_eq!(calls.all()[0], [0, 1, 2], "{wrong}");
        let trials = &store.experiment().trials;
        assert_eq!(trials[0].status(), TrialStatus::Completed, "{wrong}");
        assert_eq!(trials[2].status(), TrialStatus::Completed, "{wrong}");
        if wrong == "blocks" {
            assert_eq!(trials[1].status(), TrialStatus::Completed);
        } else {
            // Nobody can tell whether it runs.
            assert_eq!(trials[1].status(), TrialStatus::Failed, "{wrong}");
            assert_eq!(launches.of(0..3), [0, 0, 1], "{wrong}");
            assert_eq!(calls.all().len(), 1, "{wrong}");
            assert_eq!(finds.of(0..3), [1; 3], "{wrong}");
        }
    }
}
