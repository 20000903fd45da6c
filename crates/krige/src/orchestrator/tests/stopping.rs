//! Asking the far side to stop a run.

use std::sync::Mutex;

use krige_runner::{RunStatus, RunnerError, Stopped};

use super::puppet::{Counts, Stage, Strings};
use super::*;

/// Runs one trial that ends only when a request to stop it was made `calls` times, and gives the notes on it.
fn stop(
    calls: usize,
    answer: impl Fn(usize) -> Result<Stopped, RunnerError> + Send + Sync + 'static,
) -> Vec<String> {
    let stage = Stage::new();
    let (counts, asked) = (Counts::default(), Counts::default());
    let reasons: Arc<Mutex<Vec<String>>> = Arc::default();
    let strings = Strings {
        poll: {
            let asked = asked.clone();
            Arc::new(move |run| {
                let reason = "stopped".to_owned();
                let ended = run.trial_index == 0 || asked.of(1..2)[0] >= calls;
                Ok(if ended { RunStatus::Failed { reason } } else { RunStatus::Running })
            })
        },
        stop: {
            let (asked, reasons) = (asked.clone(), Arc::clone(&reasons));
            Arc::new(move |(run, reason)| {
                reasons.lock().expect("no panic").push(reason);
                asked.count(&run);
                answer(counts.count(&run))
            })
        },
        ..Strings::default()
    };
    let mut store = stage.begin();
    let options = OrchestratorOptions { max_attempts: 3, ..until(2, 2) };
    let mut results = stage.results(&mut store, strings, &[], options);
    let first = results.next().expect("one ends").expect("no error");
    assert_eq!(first.trial.index, 0);
    while results.experiment().trials[1].status() != TrialStatus::Running {
        results.turn().expect("no error");
    }
    results.stop_on_far_side(1, "its time is over");
    results.by_ref().for_each(|result| drop(result.expect("no error")));
    drop(results);
    assert_eq!(statuses(store.experiment()), [TrialStatus::Failed; 2]);
    assert_eq!(*reasons.lock().expect("no panic"), vec!["its time is over"; calls]);
    let notes =
        store.records().expect("read").into_iter().filter_map(|record| match record.event {
            Event::NoteAdded { trial, text } => {
                assert_eq!(trial, Some(1));
                Some(text)
            }
            _ => None,
        });
    notes.collect()
}

#[test]
fn a_request_to_stop_is_made_again_while_it_fails_for_now_and_noted_where_it_fails() {
    assert!(stop(1, |_| Ok(Stopped::Requested)).is_empty());
    assert!(stop(1, |_| Ok(Stopped::Unsupported)).is_empty());
    let later = |count| match count {
        3 => Ok(Stopped::Requested),
        _ => Err(RunnerError::transient("the line is busy")),
    };
    assert!(stop(3, later).is_empty());
    assert_eq!(
        stop(3, |_| Err(RunnerError::transient("the line is busy"))),
        [
            "it could not be stopped on the far side, 3 times: the runner failed for now: the line is busy"
        ]
    );
    assert_eq!(
        stop(1, |_| Err(RunnerError::permanent("it is welded shut"))),
        ["it could not be stopped on the far side, once: the runner failed: it is welded shut"]
    );
    assert_eq!(
        stop(1, |_| panic!("out of range")),
        [
            "it could not be stopped on the far side, once: the runner failed: it panicked: out of range"
        ]
    );
}
