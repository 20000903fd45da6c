//! The manager's database goes away and comes back.

use std::sync::mpsc;

use krige::prelude::*;
use krige_bluesky::manager::{ManagerState, ReState, Status};
use krige_bluesky::{QueueserverRunner, Sharing};

use super::relay::{Relay, Then};
use super::*;

#[test]
fn launches_wait_for_a_database_that_is_away() {
    bounded(|| {
        let stack = manager_only();
        let (tell, asked) = mpsc::channel();
        let relay = Relay::start(&stack, "history_get", move || {
            tell.send(()).expect("the test waits for it");
            Then::Forward
        });
        let mut through = runner(&stack, "default_acquire");
        through.manager.address = relay.address().to_owned();
        let mut client = experiment(through);
        stack.service("stop", "redis");
        let driven = std::thread::spawn(move || {
            let report = client.run_trials(options(3, 30));
            (client, report)
        });
        asked.recv_timeout(PATIENCE).expect("it looks, and finds no database");
        stack.service("start", "redis");
        let (client, report) = driven.join().expect("no panic");
        assert_eq!(report.expect("it runs").finished, 3);
        let trials = &client.experiment().expect("there").trials;
        assert!(trials.iter().all(|trial| trial.status() == TrialStatus::Completed), "{trials:?}");
        assert_eq!(operator(&stack).history_get().expect("a history").items.len(), 3);
    });
}

/// Restarts the database while a plan runs, which ends meanwhile: the manager cannot write that down.
#[track_caller]
fn lose_its_record(stack: &BlueskyStack, manager: &ReManager) {
    stack.service("stop", "redis");
    let mut looks = 0;
    let ended = |status: &Status| {
        looks += usize::from(status.re_state == Some(ReState::Idle));
        // The manager asks its worker every half second, in which there are ten looks.
        looks > 30
    };
    manager.wait_for(Instant::now() + PATIENCE, ended).expect("the plan ends");
    stack.service("start", "redis");
    assert!(is_stuck(&manager.status().expect("a status")));
}

fn is_stuck(status: &Status) -> bool {
    status.manager_state == ManagerState::ExecutingQueue && status.re_state == Some(ReState::Idle)
}

/// The manager says for ever that the plan runs. The data say that it ended, for each trial of it.
#[test]
fn a_plan_whose_record_was_lost_completes_by_its_data() {
    bounded(|| {
        let stack = with_tiled();
        let manager = operator(&stack);
        let dedicated = QueueserverRunner { tiled: tiled(&stack), ..slow(&stack, 2.0) };
        let runs = [0, 1].map(|trial| (run_of(trial), point()));
        let both: Vec<Metadata> = dedicated
            .run_trials(&runs)
            .into_iter()
            .map(|launched| launched.expect("launched"))
            .collect();
        wait_until_it_runs(&manager, &both[0]);
        lose_its_record(&stack, &manager);
        let polled: Vec<_> = (0..).map(run_of).zip(both.iter().cloned()).collect();
        let mut ended = [None, None];
        wait_for("the end of both trials", || {
            for (known, status) in ended.iter_mut().zip(dedicated.poll_trials(&polled)) {
                let status = status.expect("it is polled");
                if known.is_none() && status != RunStatus::Running {
                    *known = Some(status);
                }
            }
            ended.iter().all(Option::is_some).then_some(())
        });
        assert_eq!(ended, [Some(RunStatus::Completed), Some(RunStatus::Completed)]);
        // A process that died before it had recorded that hears the same.
        let anew = apart(&dedicated);
        assert_eq!(end(&anew, 1, &both[1]), RunStatus::Completed);
        let quick = QueueserverRunner {
            kwargs: Default::default(),
            plan: "default_acquire".into(),
            ..dedicated
        };
        completes(&quick, 2);
        assert_eq!(manager.queue_get().expect("a queue").items, []);
    });
}

/// Where others use the manager, its operators make it usable again; the copy of the plan that the manager then puts into
/// the queue does not run.
#[test]
fn a_returned_copy_of_a_plan_that_completed_never_runs() {
    bounded(|| {
        let stack = with_tiled();
        let manager = operator(&stack);
        let settings = QueueserverRunner { tiled: tiled(&stack), ..slow(&stack, 2.0) };
        let shared = QueueserverRunner { sharing: Sharing::Shared, ..settings };
        let launched = launch(&shared, 0);
        wait_until_it_runs(&manager, &launched);
        lose_its_record(&stack, &manager);
        assert_eq!(end(&shared, 0, &launched), RunStatus::Completed);
        assert!(is_stuck(&manager.status().expect("a status")), "it is not ours to destroy");
        manager.environment_destroy().expect("it is open");
        let gone = |status: &Status| status.manager_state == ManagerState::Idle;
        manager.wait_for(Instant::now() + PATIENCE, gone).expect("it is destroyed");
        assert_eq!(manager.queue_get().expect("a queue").items.len(), 1);
        completes(&shared, 1);
        assert_eq!(manager.queue_get().expect("a queue").items, []);
        assert_eq!((items_of(&manager, 0), items_of(&manager, 1)), (1, 1));
    });
}
