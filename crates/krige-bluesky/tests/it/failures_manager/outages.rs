//! The manager hangs, or it or its worker is killed.

use std::process::Command;

use krige::prelude::*;
use krige_bluesky::QueueserverRunner;

use super::relay::{Relay, Then};
use super::*;
use crate::bounded::history;

/// A copy of a runner that soon gives up a request.
fn hasty(runner: &QueueserverRunner) -> QueueserverRunner {
    let mut hasty = apart(runner);
    hasty.manager.timeout_seconds = 0.5;
    hasty
}

/// Who is who among the manager's processes: the watchdog starts the manager first, and a worker with each environment.
#[derive(Debug, Clone, Copy)]
enum Process {
    Manager,
    Worker,
}

/// Kills a process of the manager, as the system does when it is out of memory.
fn kill(stack: &BlueskyStack, process: Process) {
    let recorded =
        std::fs::read_to_string(stack.folder().join("run/manager.pid")).expect("it runs");
    let watchdog = recorded.split(' ').next().expect("the file has a pid");
    let mut children: Vec<(u64, String)> = std::fs::read_dir("/proc")
        .expect("Linux")
        .filter_map(|entry| {
            let pid = entry.ok()?.file_name().into_string().ok()?;
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            // proc_pid_stat(5): after the name, which may hold anything, state is 3, ppid 4, starttime 22.
            let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
            (fields[1] == watchdog && fields[0] != "Z")
                .then(|| Some((fields[19].parse().ok()?, pid)))?
        })
        .collect();
    children.sort();
    let pids: Vec<&String> = children.iter().map(|(_, pid)| pid).collect();
    let &[manager, worker] = &pids[..] else {
        panic!("expected manager and worker, found {pids:?}")
    };
    let pid = match process {
        Process::Manager => manager,
        Process::Worker => worker,
    };
    let status = Command::new("kill").args(["-KILL", pid]).status().expect("kill starts");
    assert!(status.success(), "kill: {status}");
}

#[test]
fn a_trial_completes_whose_manager_hung_for_a_while() {
    bounded(|| {
        let stack = manager_only();
        let (manager, runner) = (operator(&stack), slow(&stack, 2.0));
        let launched = launch(&runner, 0);
        wait_until_it_runs(&manager, &launched);
        stack.service("pause", "manager");
        let hasty = hasty(&runner);
        for _ in 0..4 {
            assert_eq!(poll(&hasty, 0, &launched), RunStatus::Running);
            assert_eq!(hasty.free_slots().expect("it answers"), Some(0));
        }
        stack.service("cont", "manager");
        assert_eq!(end(&runner, 0, &launched), RunStatus::Completed);
        assert_eq!(items_of(&manager, 0), 1);
        completes(&runner, 1);
    });
}

/// What is silent for longer than the runner's patience is an error, which says so.
#[test]
fn a_manager_that_stays_silent_is_an_error_for_now() {
    bounded(|| {
        let stack = manager_only();
        let runner = slow(&stack, 0.0);
        let launched = launch(&runner, 0);
        stack.service("pause", "manager");
        let hasty = QueueserverRunner { patience_seconds: 1.0, ..hasty(&runner) };
        let silent =
            wait_for("the end of its patience", || hasty.poll_trial(&run_of(0), &launched).err());
        let RunnerError::Transient(cause) = &silent else { panic!("{silent:?}") };
        assert!(cause.to_string().starts_with("no reply to `status` within 0.5 s"), "{cause}");
        assert!(matches!(hasty.free_slots(), Err(RunnerError::Transient(_))));
        stack.service("cont", "manager");
        assert_eq!(end(&runner, 0, &launched), RunStatus::Completed);
    });
}

#[test]
fn a_trial_completes_whose_manager_was_killed_and_restarted_by_its_watchdog() {
    bounded(|| {
        let stack = manager_only();
        let (manager, runner) = (operator(&stack), slow(&stack, 3.0));
        let launched = launch(&runner, 0);
        wait_until_it_runs(&manager, &launched);
        kill(&stack, Process::Manager);
        assert_eq!(end(&hasty(&runner), 0, &launched), RunStatus::Completed);
        assert_eq!(items_of(&manager, 0), 1);
        completes(&runner, 1);
    });
}

#[test]
fn a_trial_fails_whose_manager_was_killed_with_all_its_processes() {
    bounded(|| {
        let stack = manager_only();
        let (manager, runner) = (operator(&stack), slow(&stack, 60.0));
        let launched = launch(&runner, 0);
        wait_until_it_runs(&manager, &launched);
        stack.service("kill", "manager");
        assert_eq!(poll(&hasty(&runner), 0, &launched), RunStatus::Running);
        stack.service("start", "manager");
        let reason = failure(&runner, 0, &launched);
        assert_eq!(
            reason,
            "the RE Manager was restarted while the plan ran, and does not know how it ended"
        );
        completes(&super::runner(&stack, "default_acquire"), 1);
        assert_eq!(items_of(&manager, 0), 1);
    });
}

/// The manager does not notice; the runner's limit on plans does.
#[test]
fn a_trial_fails_whose_worker_was_killed() {
    bounded(|| {
        let stack = manager_only();
        let manager = operator(&stack);
        let limited = QueueserverRunner { plan_timeout_seconds: 4.0, ..slow(&stack, 60.0) };
        let runs = [0, 1].map(|trial| (run_of(trial), point()));
        let both: Vec<Metadata> = limited
            .run_trials(&runs)
            .into_iter()
            .map(|launched| launched.expect("launched"))
            .collect();
        wait_until_it_runs(&manager, &both[0]);
        kill(&stack, Process::Worker);
        let polled: Vec<_> = (0..).map(run_of).zip(both.iter().cloned()).collect();
        let ended = wait_for("the end of the trials", || {
            let statuses: Vec<_> = limited
                .poll_trials(&polled)
                .into_iter()
                .map(|status| status.expect("polled"))
                .collect();
            (!statuses.contains(&RunStatus::Running)).then_some(statuses)
        });
        let reason = "the plan has been running for longer than 4 s".to_owned();
        assert_eq!(ended, vec![RunStatus::Failed { reason }; 2]);
        completes(&super::runner(&stack, "default_acquire"), 2);
        assert_eq!(manager.queue_get().expect("a queue").items, []);
    });
}

/// The manager does not notice that either, and takes plans for a worker that is not there.
#[test]
fn a_trial_ends_that_is_launched_on_a_worker_that_was_killed() {
    bounded(|| {
        let stack = manager_only();
        let manager = operator(&stack);
        let plain = runner(&stack, "default_acquire");
        let limited = QueueserverRunner { plan_timeout_seconds: 10.0, ..apart(&plain) };
        kill(&stack, Process::Worker);
        let launched = launch(&limited, 0);
        let reason = failure(&limited, 0, &launched);
        assert!(reason.contains("neither in the queue nor in the history"), "{reason}");
        completes(&plain, 1);
        assert_eq!(manager.queue_get().expect("a queue").items, []);
    });
}

/// The manager is stopped when the request to execute has reached it: it is carried out when nobody waits for it any more.
#[test]
fn a_launch_that_is_carried_out_late_is_found_and_not_repeated() {
    bounded(|| {
        let stack = std::sync::Arc::new(manager_only());
        let hung = std::sync::Arc::clone(&stack);
        let relay = Relay::start(&stack, "queue_item_execute", move || {
            hung.service("pause", "manager");
            Then::Forward
        });
        let mut through = hasty(&slow(&stack, 0.1));
        through.manager.address = relay.address().to_owned();
        let mut client = experiment(through);
        let driven = std::thread::spawn(move || {
            let report = client.run_trials(options(2, 20));
            (client, report)
        });
        relay.wait_for_connections_after_it(2);
        stack.service("cont", "manager");
        let (client, report) = driven.join().expect("no panic");
        assert_eq!(report.expect("it runs").finished, 2);
        each_completed_and_ran_once(&client, &operator(&stack));
    });
}

#[test]
fn a_launch_whose_reply_is_lost_is_found_and_not_repeated() {
    bounded(|| {
        let stack = manager_only();
        let relay = Relay::start(&stack, "queue_item_execute", || Then::LoseReply);
        let mut through = hasty(&slow(&stack, 0.1));
        through.manager.address = relay.address().to_owned();
        let mut client = experiment(through);
        assert_eq!(client.run_trials(options(2, 20)).expect("it runs").finished, 2);
        each_completed_and_ran_once(&client, &operator(&stack));
    });
}

#[track_caller]
fn each_completed_and_ran_once(client: &Client, manager: &ReManager) {
    let trials = &client.experiment().expect("there").trials;
    let history = history(manager);
    assert_eq!((trials.len(), history.items.len()), (2, 2));
    for trial in trials {
        assert_eq!((trial.status(), trial.state.reason()), (TrialStatus::Completed, None));
        let key = &trial.state.launch().expect("it was launched").run.key;
        let its = history.items.iter().filter(|item| item.meta["krige_key"] == key.as_str());
        assert_eq!(its.count(), 1);
    }
}
