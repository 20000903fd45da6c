//! What a run is asked for while it runs, from elsewhere and through the journal.

use std::sync::Mutex;

use krige_core::control::Control;
use krige_core::trial::TrialEvent;
use krige_runner::RunStatus;

use super::super::{EndReason, IdleCallback};
use super::*;

/// Stores events from another process's side, once, when a poll brought nothing new.
fn once_idle(lab: &Lab, events: Vec<Event>) -> Option<IdleCallback> {
    let waiting = Mutex::new(Some((lab.journal.clone(), events)));
    Some(IdleCallback::new(move |_| {
        if let Some((journal, events)) = waiting.lock().expect("no test panics here").take() {
            let mut elsewhere = ExperimentStore::open(journal, "e").expect("opened");
            elsewhere.record(events).expect("stored");
        }
    }))
}

fn control(control: Control) -> Event {
    Event::Controlled { control }
}

fn poll(lab: &Lab, store: &ExperimentStore, trial: usize) -> RunStatus {
    let launch = store.experiment().trials[trial].state.launch().expect("it ran");
    lab.runner.poll_trial(&launch.run, &launch.metadata).expect("polled")
}

#[test]
fn a_stop_ends_every_run_on_the_far_side_too() {
    let lab = Lab::new("control stop", |_| Script::never_ends());
    let mut store = lab.begin();
    let idle_callback = once_idle(&lab, vec![control(Control::Stop)]);
    let options = OrchestratorOptions { idle_callback, ..until(9, 3) };
    let report = lab.orchestrator(&mut store, options).run().expect("stopped");
    assert_eq!(report.ended, EndReason::Stopped);
    assert_eq!(statuses(store.experiment()), [TrialStatus::Failed; 3]);
    for trial in 0..3 {
        assert!(matches!(poll(&lab, &store, trial), RunStatus::Failed { .. }));
    }
    assert_replay_is_live(&mut store);
}

#[test]
fn a_drain_lets_end_what_runs_and_is_of_one_run_alone() {
    let lab = Lab::new("control drain", |_| Script::completes_after(4));
    let mut store = lab.begin();
    let idle_callback = once_idle(&lab, vec![control(Control::Drain)]);
    let options = OrchestratorOptions { idle_callback, ..until(9, 2) };
    let report = lab.orchestrator(&mut store, options).run().expect("drained");
    assert_eq!(report.ended, EndReason::Stopped);
    assert_eq!(statuses(store.experiment()), [TrialStatus::Completed; 2]);
    // Whoever leads next was not asked to end.
    store.record([Event::Led { leader: "another".into() }]).expect("stored");
    assert_eq!(store.experiment().controls.ending, None);
}

#[test]
fn an_abandoned_trial_is_stopped_on_the_far_side_and_the_others_go_on() {
    let lab = Lab::new("control abandon", |run| match run.trial_index {
        0 => Script::never_ends(),
        _ => Script::completes_after(3),
    });
    let mut store = lab.begin();
    let abandoned = TrialEvent::Abandoned { reason: Some("a leak".into()) };
    let idle_callback = once_idle(&lab, vec![Event::Trial { trial: 0, event: abandoned }]);
    let options = OrchestratorOptions { idle_callback, ..until(3, 3) };
    lab.orchestrator(&mut store, options).run().expect("done");
    use TrialStatus::{Abandoned, Completed};
    assert_eq!(statuses(store.experiment()), [Abandoned, Completed, Completed]);
    assert!(matches!(poll(&lab, &store, 0), RunStatus::Failed { .. }));
}

#[test]
fn parallelism_changes_while_it_runs() {
    let lab = Lab::new("control parallelism", |_| Script::completes_after(2));
    let mut store = lab.begin();
    store.record([control(Control::Parallelism { trials: 1 })]).expect("stored");
    let mut results = lab.orchestrator(&mut store, until(4, 3)).results();
    while let Some(result) = results.next() {
        let _finished = result.expect("no error");
        let running = results.experiment().trials_in(&[TrialStatus::Running, TrialStatus::Staged]);
        assert!(running.count() <= 1);
    }
}
