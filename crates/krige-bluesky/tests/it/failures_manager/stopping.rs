//! Trials that are stopped by krige itself.

use krige::prelude::*;
use krige_bluesky::{QueueserverRunner, Sharing};

use super::*;

#[test]
fn a_running_plan_is_aborted() {
    bounded(|| {
        let stack = manager_only();
        let (manager, runner) = (operator(&stack), slow(&stack, 600.0));
        let launched = launch(&runner, 0);
        wait_until_it_runs(&manager, &launched);
        let stopped = runner.stop_trial(&run_of(0), &launched, "it is worse than the others");
        assert_eq!(stopped.expect("it is asked"), Stopped::Requested);
        let reason = "an operator aborted the plan".to_owned();
        assert_eq!(end(&runner, 0, &launched), RunStatus::Abandoned { reason });
        // It has ended: to stop it again is nothing.
        let stopped = runner.stop_trial(&run_of(0), &launched, "once more");
        assert_eq!(stopped.expect("it is asked"), Stopped::Requested);
        completes(&super::runner(&stack, "default_acquire"), 1);
        assert_eq!(items_of(&manager, 0), 1);
    });
}

/// The plan is not paused before it runs: the request is made again until it is taken.
#[test]
fn a_plan_is_aborted_that_was_launched_a_moment_ago() {
    bounded(|| {
        let stack = manager_only();
        let runner = slow(&stack, 600.0);
        let launched = launch(&runner, 0);
        let stopped = runner.stop_trial(&run_of(0), &launched, "a test");
        assert_eq!(stopped.expect("it is asked"), Stopped::Requested);
        assert!(matches!(end(&runner, 0, &launched), RunStatus::Abandoned { .. }));
        completes(&super::runner(&stack, "default_acquire"), 1);
    });
}

#[test]
fn an_item_that_waits_is_removed_and_one_of_several_points_is_left() {
    bounded(|| {
        let stack = manager_only();
        let manager = operator(&stack);
        let shared = QueueserverRunner { sharing: Sharing::Shared, ..slow(&stack, 2.0) };
        let runs = [0, 1].map(|trial| (run_of(trial), point()));
        let both: Vec<Metadata> = shared
            .run_trials(&runs)
            .into_iter()
            .map(|launched| launched.expect("launched"))
            .collect();
        assert_eq!(uid(&both[0]), uid(&both[1]));
        wait_until_it_runs(&manager, &both[0]);
        let waiting = launch(&shared, 2);
        assert_eq!(poll(&shared, 2, &waiting), RunStatus::Running);
        let stopped = shared.stop_trial(&run_of(2), &waiting, "a test").expect("it is asked");
        assert_eq!(stopped, Stopped::Requested);
        assert_eq!(items_of(&manager, 2), 0);
        let stopped = shared.stop_trial(&run_of(1), &both[1], "a test").expect("it is asked");
        assert_eq!(stopped, Stopped::Unsupported);
        for (trial, launched) in both.iter().enumerate() {
            assert_eq!(end(&shared, trial, launched), RunStatus::Completed);
        }
        let reason = failure(&shared, 2, &waiting);
        assert!(reason.contains("somebody removed it"), "{reason}");
        completes(&shared, 3);
    });
}
