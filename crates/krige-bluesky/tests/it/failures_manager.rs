//! What becomes of trials when the RE Manager, its worker, its database or its operators do something in the middle.
//!
//! Each test has a stack of its own, to which it does something. What is asserted is the runner's part: the trial's status, a
//! reason that tells an operator what happened, that nothing ran twice, and that the next trial works.

mod environment;
mod finding;
mod operators;
mod outages;
mod plans;
mod redis;
mod relay;
mod stopping;

use std::panic::resume_unwind;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use krige::prelude::*;
use krige_bluesky::manager::{Item, ReManager, ReState};
use krige_bluesky::metadata::{ITEM_UID, KEYS};
use krige_bluesky::{Actuator, ManagerAccess, QueueserverRunner, Session, TiledAccess};
use krige_testkit::BlueskyStack;
use serde_json::Value;

use crate::keys::TILED_KEY;

/// Longer than anything takes that a test waits for, on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The id of the experiment: every test has a far side of its own.
const EXPERIMENT: &str = "e";

/// Runs a test that fails instead of hanging.
#[track_caller]
fn bounded(test: impl FnOnce() + Send + 'static) {
    const LIMIT: Duration = Duration::from_secs(180);
    let (tell, ended) = mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        let _told_when_it_ends = tell;
        test();
    });
    match ended.recv_timeout(LIMIT) {
        Err(RecvTimeoutError::Timeout) => panic!("it hangs: not ended after {LIMIT:?}"),
        Ok(()) | Err(RecvTimeoutError::Disconnected) => {
            if let Err(panic) = thread.join() {
                resume_unwind(panic);
            }
        }
    }
}

#[track_caller]
fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "{what}: not after {PATIENCE:?}");
        pause();
    }
}

/// Between two looks at the far side.
fn pause() {
    std::thread::park_timeout(Duration::from_millis(50));
}

/// A manager without anything that takes its documents.
fn manager_only() -> BlueskyStack {
    BlueskyStack::start(Some("redis manager"), &[])
}

/// All that brings data to Tiled.
fn with_tiled() -> BlueskyStack {
    BlueskyStack::start(Some("redis docproxy tiled manager bridge"), &[])
}

/// An operator's console.
fn operator(stack: &BlueskyStack) -> ReManager {
    let address = &stack.addresses().control_addr;
    ReManager::connect(address).user("operator").build().expect("an address")
}

fn runner(stack: &BlueskyStack, plan: &str) -> QueueserverRunner {
    QueueserverRunner::new(
        ManagerAccess::new(&stack.addresses().control_addr),
        plan,
        [Actuator::new("motor1"), Actuator::new("motor2")],
        ["himmel_det"],
    )
}

/// Its plan takes so many seconds.
fn slow(stack: &BlueskyStack, seconds: f64) -> QueueserverRunner {
    let kwargs = [("dwell".to_owned(), Value::from(seconds))].into_iter().collect();
    QueueserverRunner { kwargs, ..runner(stack, "slow_acquire") }
}

fn tiled(stack: &BlueskyStack) -> Option<TiledAccess> {
    let access = TiledAccess::new(&stack.addresses().tiled_url);
    Some(TiledAccess { api_key_variable: TILED_KEY.into(), ..access })
}

/// A copy of a runner that keeps nothing of what the other has seen, as another process has it.
fn apart(runner: &QueueserverRunner) -> QueueserverRunner {
    QueueserverRunner { session: Session::default(), ..runner.clone() }
}

fn point() -> Parameterization {
    [("motor1", 1.0), ("motor2", 2.0)].into()
}

fn run_of(trial: TrialIndex) -> TrialRun {
    TrialRun::new(EXPERIMENT, trial, 1)
}

#[track_caller]
fn launch(runner: &QueueserverRunner, trial: TrialIndex) -> Metadata {
    runner.run_trial(&run_of(trial), &point()).expect("it is launched")
}

/// Why a launch is refused, and that it is refused for good.
#[track_caller]
fn refused(runner: &QueueserverRunner, parameters: &Parameterization) -> String {
    match runner.run_trial(&run_of(0), parameters) {
        Err(RunnerError::Permanent(cause)) => cause.to_string(),
        other => panic!("expected a permanent error, found {other:?}"),
    }
}

#[track_caller]
fn poll(runner: &QueueserverRunner, trial: TrialIndex, metadata: &Metadata) -> RunStatus {
    runner.poll_trial(&run_of(trial), metadata).expect("it is polled")
}

/// The status with which a trial ends.
#[track_caller]
fn end(runner: &QueueserverRunner, trial: TrialIndex, metadata: &Metadata) -> RunStatus {
    wait_for("the end of the trial", || {
        Some(poll(runner, trial, metadata)).filter(|status| *status != RunStatus::Running)
    })
}

/// Why a trial fails.
#[track_caller]
fn failure(runner: &QueueserverRunner, trial: TrialIndex, metadata: &Metadata) -> String {
    match end(runner, trial, metadata) {
        RunStatus::Failed { reason } => reason,
        other => panic!("expected the trial to fail, found {other:?}"),
    }
}

/// Launches another trial, which runs to its end.
#[track_caller]
fn completes(runner: &QueueserverRunner, trial: TrialIndex) {
    let metadata = launch(runner, trial);
    assert_eq!(end(runner, trial, &metadata), RunStatus::Completed);
}

fn uid(metadata: &Metadata) -> &str {
    metadata.text(ITEM_UID).expect("the runner wrote it")
}

/// Waits until the plan of an item runs.
#[track_caller]
fn wait_until_it_runs(manager: &ReManager, metadata: &Metadata) {
    let runs = manager.wait_for(Instant::now() + PATIENCE, |status| {
        status.running_item_uid.as_deref() == Some(uid(metadata))
            && status.re_state == Some(ReState::Running)
    });
    runs.expect("its plan runs");
}

/// How many items of a run the manager has: of those that ended, the one that runs, and those that wait.
#[track_caller]
fn items_of(manager: &ReManager, trial: TrialIndex) -> usize {
    let key = run_of(trial).key;
    let is_its =
        |item: &&Item| item.meta[KEYS].as_array().is_some_and(|k| k.contains(&key.as_str().into()));
    let (queue, history) =
        (manager.queue_get().expect("a queue"), manager.history_get().expect("a history"));
    let all = queue.items.iter().chain(&queue.running_item).chain(&history.items);
    all.filter(is_its).count()
}

/// An experiment on the runner that needs no data.
fn experiment(runner: QueueserverRunner) -> Client {
    let mut client = Client::in_memory().with_seed(1);
    let parameters = ["motor1", "motor2"].map(|name| Parameter::float(name, -5.0, 5.0));
    let config =
        parameters.into_iter().fold(ExperimentConfig::new("e"), ExperimentConfig::parameter);
    client.configure_experiment(config).expect("an experiment");
    client.configure_optimization("-y", &[]).expect("an objective");
    let number = FunctionMetric::new(|run, _| Ok(run.trial_index as f64));
    client.configure_metric("y", number).expect("a metric");
    client.configure_runner(runner).expect("a runner");
    client
}

/// Trials one after the other, tried again soon.
fn options(trials: usize, max_attempts: u32) -> OrchestratorOptions {
    OrchestratorOptions {
        max_attempts,
        init_seconds_between_polls: 0.05,
        max_seconds_between_polls: 0.1,
        init_seconds_between_retries: 0.2,
        max_seconds_between_retries: 1.0,
        ..OrchestratorOptions::trials(trials, 1)
    }
}
