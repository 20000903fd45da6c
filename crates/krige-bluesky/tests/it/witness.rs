//! Who else tells how a plan stands: documents, Tiled's websocket, the manager's console.

use std::process::Command;
use std::time::{Duration, Instant};

use krige_bluesky::documents::DocumentFormat;
use krige_bluesky::manager::{ReManager, Status, WorkerState};
use krige_bluesky::metadata::ITEM_UID;
use krige_bluesky::{Actuator, ManagerAccess, QueueserverRunner, TiledAccess, Witness};
use krige_core::trial::TrialRun;
use krige_core::value::Parameterization;
use krige_runner::{IRunner, RunStatus, RunnerError};
use krige_testkit::{BlueskyAddresses, BlueskyStack};

use crate::bounded::PATIENCE;
use crate::keys::TILED_KEY;

fn runner(addresses: &BlueskyAddresses, witness: Option<Witness>) -> QueueserverRunner {
    let tiled = TiledAccess {
        api_key_variable: TILED_KEY.into(),
        ..TiledAccess::new(&addresses.tiled_url)
    };
    QueueserverRunner {
        tiled: Some(tiled),
        witnesses: witness.into_iter().collect(),
        ..QueueserverRunner::new(
            ManagerAccess {
                info_address: Some(addresses.info_addr.clone()),
                ..ManagerAccess::new(&addresses.control_addr)
            },
            "default_acquire",
            [Actuator::new("motor1"), Actuator::new("motor2")],
            ["himmel_det"],
        )
    }
}

/// Runs trials until one is known to be completed before the manager's history has it.
fn assert_ahead_of_the_history(name: &str, witness: Witness) {
    let stack = BlueskyStack::shared();
    // A plan that lasts: one that is over before its launch returns is known to the manager by then.
    let runner = QueueserverRunner {
        plan: "slow_acquire".into(),
        ..runner(stack.addresses(), Some(witness))
    };
    let manager = ReManager::connect(&stack.addresses().control_addr).build().expect("a client");
    let deadline = Instant::now() + Duration::from_secs(90);
    for trial in 0.. {
        assert!(Instant::now() < deadline, "{name} is never ahead of the history");
        let run = TrialRun::new(name, trial, 1);
        let point = Parameterization::from([("motor1", 1.0), ("motor2", trial as f64 / 100.0)]);
        let metadata = runner.run_trial(&run, &point).expect("launched");
        while runner.poll_trial(&run, &metadata).expect("polled") == RunStatus::Running {
            assert!(Instant::now() < deadline, "{name}: trial {trial} does not end");
            std::thread::park_timeout(Duration::from_millis(5));
        }
        let history = manager.history_get().expect("the history");
        let uid = metadata.text(ITEM_UID).expect("it has one");
        if history.items.iter().all(|item| item.item_uid != uid) {
            return;
        }
    }
}

#[test]
fn documents_tell_the_end_of_a_plan_before_the_manager_does() {
    let address = BlueskyStack::shared().addresses().doc_out_addr.clone();
    let (prefix, format) = (String::new(), DocumentFormat::Pickle);
    assert_ahead_of_the_history("documents", Witness::Documents { address, prefix, format });
}

/// Sends a signal to the manager, and not to its worker, which it started later.
fn signal_manager(stack: &BlueskyStack, signal: &str) {
    let watchdog =
        std::fs::read_to_string(stack.folder().join("run/manager.pid")).expect("it runs");
    let watchdog = watchdog.split(' ').next().expect("the file has a pid");
    let script = "kill -s \"$0\" \"$(pgrep -P \"$1\" | head -n 1)\"";
    let status = Command::new("sh").args(["-c", script, signal, watchdog]).status();
    assert!(status.expect("a shell").success());
}

#[test]
fn tiled_tells_the_end_of_a_plan_while_the_manager_hangs() {
    let stack = BlueskyStack::start(None, &[]);
    let runner = QueueserverRunner {
        plan: "slow_acquire".into(),
        ..runner(stack.addresses(), Some(Witness::TiledStream))
    };
    let run = TrialRun::new("hangs", 0, 1);
    let point = Parameterization::from([("motor1", 1.0), ("motor2", 2.0)]);
    let metadata = runner.run_trial(&run, &point).expect("launched");
    let manager = ReManager::connect(&stack.addresses().control_addr).build().expect("a client");
    let deadline = Instant::now() + PATIENCE;
    let executes = |status: &Status| status.worker_environment_state == WorkerState::ExecutingPlan;
    manager.wait_for(deadline, executes).expect("it runs");
    signal_manager(&stack, "STOP");
    // Not to wait long for a manager that says nothing.
    let control = &stack.addresses().control_addr;
    let hasty = ManagerAccess { timeout_seconds: 0.5, ..ManagerAccess::new(control) };
    let runner = QueueserverRunner { manager: hasty, ..runner };
    while runner.poll_trial(&run, &metadata).expect("polled") == RunStatus::Running {
        assert!(Instant::now() < deadline, "it does not end");
    }
    manager.status().expect_err("it hangs");
    signal_manager(&stack, "CONT");
}

#[test]
fn a_witness_that_is_not_there_is_done_without() {
    let stack = BlueskyStack::shared();
    let (prefix, format) = ("nobody".to_owned(), DocumentFormat::Json);
    let witness = Witness::Documents { address: "tcp://127.0.0.1:1".into(), prefix, format };
    let runner = runner(stack.addresses(), Some(witness));
    let run = TrialRun::new("alone", 0, 1);
    let point = Parameterization::from([("motor1", 1.0), ("motor2", 2.0)]);
    let metadata = runner.run_trial(&run, &point).expect("launched");
    let deadline = Instant::now() + Duration::from_secs(60);
    while runner.poll_trial(&run, &metadata).expect("polled") == RunStatus::Running {
        assert!(Instant::now() < deadline, "it does not end");
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

#[test]
fn why_an_environment_does_not_open_is_told_from_the_console() {
    let stack = BlueskyStack::start(Some("redis manager"), &[]);
    let manager = ReManager::connect(&stack.addresses().control_addr).build().expect("a client");
    manager.environment_close().expect("accepted");
    let deadline = Instant::now() + Duration::from_secs(60);
    manager.wait_for(deadline, |status| !status.worker_environment_exists).expect("closed");
    let script = stack.folder().join("startup/99_broken.py");
    std::fs::write(&script, "raise RuntimeError('the shutter is not there')\n").expect("written");
    let runner = QueueserverRunner { tiled: None, ..runner(stack.addresses(), None) };
    let point = Parameterization::from([("motor1", 1.0), ("motor2", 2.0)]);
    let error =
        runner.run_trial(&TrialRun::new("broken", 0, 1), &point).expect_err("no environment");
    let RunnerError::Transient(cause) = error else { panic!("{error:?}") };
    assert!(cause.to_string().contains("the shutter is not there"), "{cause}");
    // Once it is mended, the same trial is run.
    std::fs::remove_file(script).expect("removed");
    runner.run_trial(&TrialRun::new("broken", 0, 1), &point).expect("launched");
}
