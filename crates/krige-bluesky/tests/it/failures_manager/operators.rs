//! What operators do on their console while a trial's plan runs.

use krige::prelude::*;
use krige_bluesky::manager::{ManagerError, ManagerState, PauseOption};

use super::*;

fn pause_its_plan(manager: &ReManager, metadata: &Metadata) {
    wait_until_it_runs(manager, metadata);
    manager.re_pause(PauseOption::Immediate).expect("it runs");
    let paused =
        |status: &krige_bluesky::manager::Status| status.manager_state == ManagerState::Paused;
    manager.wait_for(Instant::now() + PATIENCE, paused).expect("it pauses");
}

#[test]
fn a_trial_whose_plan_an_operator_ends_is_abandoned_with_the_reason() {
    type End = fn(&ReManager) -> Result<(), ManagerError>;
    let ends: [(End, &str); 3] = [
        (ReManager::re_abort, "an operator aborted the plan"),
        (ReManager::re_halt, "an operator halted the plan"),
        (ReManager::re_stop, "an operator stopped the plan before its end"),
    ];
    bounded(move || {
        let stack = manager_only();
        let (manager, runner) = (operator(&stack), slow(&stack, 60.0));
        for (trial, (end_it, reason)) in ends.into_iter().enumerate() {
            let launched = launch(&runner, trial);
            pause_its_plan(&manager, &launched);
            assert_eq!(poll(&runner, trial, &launched), RunStatus::Running);
            end_it(&manager).expect("it is paused");
            let reason = reason.to_owned();
            assert_eq!(end(&runner, trial, &launched), RunStatus::Abandoned { reason });
            assert_eq!(items_of(&manager, trial), 1);
        }
        completes(&super::runner(&stack, "default_acquire"), 3);
    });
}

#[test]
fn a_plan_that_is_paused_and_resumed_completes_and_nothing_is_launched_meanwhile() {
    bounded(|| {
        let stack = manager_only();
        let (manager, runner) = (operator(&stack), slow(&stack, 1.0));
        let launched = launch(&runner, 0);
        pause_its_plan(&manager, &launched);
        assert_eq!(runner.free_slots().expect("it answers"), Some(0));
        assert_eq!(poll(&runner, 0, &launched), RunStatus::Running);
        manager.re_resume().expect("it is paused");
        assert_eq!(end(&runner, 0, &launched), RunStatus::Completed);
        completes(&runner, 1);
        assert_eq!((items_of(&manager, 0), items_of(&manager, 1)), (1, 1));
    });
}

/// The history is everybody's to clear, also while plans run. A trial whose record was cleared says so, and the plan of
/// another trial that runs by then is left alone.
#[test]
fn a_trial_whose_record_was_cleared_fails_and_leaves_the_plan_of_another_alone() {
    bounded(|| {
        let stack = manager_only();
        let (manager, runner) = (operator(&stack), slow(&stack, 6.0));
        let quick = super::runner(&stack, "default_acquire");
        let first = launch(&quick, 0);
        let end_of_plan = |status: &krige_bluesky::manager::Status| status.items_in_history == 1;
        manager.wait_for(Instant::now() + PATIENCE, end_of_plan).expect("it ends");
        manager.history_clear(&krige_bluesky::manager::Forget::All).expect("it is cleared");
        let second = launch(&runner, 1);
        wait_until_it_runs(&manager, &second);
        let reason = failure(&runner, 0, &first);
        assert!(reason.contains("neither in the queue nor in the history"), "{reason}");
        assert_eq!(end(&runner, 1, &second), RunStatus::Completed);
        completes(&quick, 2);
    });
}
