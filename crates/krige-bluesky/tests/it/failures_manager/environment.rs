//! Environments that are closed, destroyed, or cannot be opened.

use krige::prelude::*;
use krige_bluesky::QueueserverRunner;
use krige_bluesky::manager::{ManagerState, Status};

use super::*;

fn is_gone(status: &Status) -> bool {
    status.manager_state == ManagerState::Idle && !status.worker_environment_exists
}

fn close(manager: &ReManager) {
    manager.environment_close().expect("it is idle");
    manager.wait_for(Instant::now() + PATIENCE, is_gone).expect("it closes");
}

#[test]
fn a_closed_environment_is_opened_unless_that_is_not_wanted() {
    bounded(|| {
        let stack = manager_only();
        let manager = operator(&stack);
        close(&manager);
        let closed =
            QueueserverRunner { open_environment: false, ..runner(&stack, "default_acquire") };
        match closed.run_trial(&run_of(0), &point()) {
            Err(RunnerError::Transient(cause)) => assert_eq!(
                cause.to_string(),
                "the RE Manager has no environment, and this runner may not open one: open it, or set `open_environment`"
            ),
            other => panic!("expected an error for now, found {other:?}"),
        }
        assert!(is_gone(&manager.status().expect("a status")));
        completes(&runner(&stack, "default_acquire"), 0);
        close(&manager);
        completes(&runner(&stack, "default_acquire"), 1);
    });
}

#[test]
fn a_trial_fails_with_the_reason_where_the_environment_cannot_be_opened() {
    bounded(|| {
        let stack = manager_only();
        let manager = operator(&stack);
        close(&manager);
        let broken = stack.folder().join("startup/99_broken.py");
        std::fs::write(&broken, "raise RuntimeError('no such crate')\n")
            .expect("a folder of our own");
        let mut client = experiment(runner(&stack, "default_acquire"));
        client.run_trials(options(1, 2)).expect("it runs");
        let trial = &client.experiment().expect("there").trials[0];
        assert_eq!(trial.status(), TrialStatus::Failed);
        let reason = trial.state.reason().expect("a reason");
        assert!(reason.contains("the RE Manager did not open its environment"), "{reason}");
        assert_eq!(manager.history_get().expect("a history").items, []);
        std::fs::remove_file(&broken).expect("it is there");
        client.run_trials(options(1, 2)).expect("it runs");
        let trial = &client.experiment().expect("there").trials[1];
        assert_eq!((trial.status(), trial.state.reason()), (TrialStatus::Completed, None));
    });
}

#[test]
fn a_trial_fails_whose_environment_an_operator_destroys() {
    bounded(|| {
        let stack = manager_only();
        let (manager, runner) = (operator(&stack), slow(&stack, 60.0));
        let runs = [0, 1].map(|trial| (run_of(trial), point()));
        let both: Vec<Metadata> = runner
            .run_trials(&runs)
            .into_iter()
            .map(|launched| launched.expect("launched"))
            .collect();
        wait_until_it_runs(&manager, &both[0]);
        manager.environment_destroy().expect("it is open");
        for (trial, launched) in both.iter().enumerate() {
            let reason = failure(&runner, trial, launched);
            assert_eq!(
                reason,
                "the environment of the RE Manager was destroyed while the plan ran"
            );
        }
        completes(&super::runner(&stack, "default_acquire"), 2);
    });
}

/// The worker of an environment that is destroyed while it opens may live on and take, or break, what the next one is
/// given: anything may come of it, but it comes, and a restart of the manager cures it.
#[test]
fn what_a_worker_takes_that_nobody_sees_ends_all_the_same() {
    bounded(|| {
        let stack = manager_only();
        let manager = operator(&stack);
        close(&manager);
        manager.environment_open().expect("it is closed");
        let opening = |status: &Status| status.manager_state == ManagerState::CreatingEnvironment;
        manager.wait_for(Instant::now() + PATIENCE, opening).expect("it opens");
        manager.environment_destroy().expect("it opens");
        manager.wait_for(Instant::now() + PATIENCE, is_gone).expect("it is destroyed");
        let limited =
            QueueserverRunner { plan_timeout_seconds: 10.0, ..runner(&stack, "default_acquire") };
        match limited.run_trial(&run_of(0), &point()) {
            Ok(launched) => match end(&limited, 0, &launched) {
                RunStatus::Completed => {}
                RunStatus::Failed { reason } => assert!(
                    [
                        "neither in the queue nor in the history",
                        "while its worker is idle",
                        "for longer than 10 s"
                    ]
                    .iter()
                    .any(|known| reason.contains(known)),
                    "{reason}"
                ),
                other => panic!("expected it to complete or to fail, found {other:?}"),
            },
            Err(RunnerError::Transient(cause)) => {
                let reason = cause.to_string();
                assert!(reason.contains("did not open its environment"), "{reason}");
            }
            Err(other) => panic!("expected an error for now, found {other:?}"),
        }
        stack.service("restart", "manager");
        completes(&runner(&stack, "default_acquire"), 1);
    });
}
