//! What the RE Manager is doing.

use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::json;

use super::error::ManagerError;
use super::method::Method;
use super::queue::QueueMode;
use super::words::words;
use super::{ReManager, Result};

words! {
    /// What the manager is doing.
    ManagerState {
        /// It is starting.
        Initializing = "initializing",
        /// It takes requests of all kinds.
        Idle = "idle",
        /// A plan is paused.
        Paused = "paused",
        /// A worker is starting.
        CreatingEnvironment = "creating_environment",
        /// The first plan is about to run.
        StartingQueue = "starting_queue",
        /// A plan is running.
        ExecutingQueue = "executing_queue",
        /// A function or script is running.
        ExecutingTask = "executing_task",
        /// The worker is ending.
        ClosingEnvironment = "closing_environment",
        /// The worker is being killed.
        DestroyingEnvironment = "destroying_environment",
    }
}

words! {
    /// What the worker is doing, as the manager last heard: it asks every half second.
    WorkerState {
        /// There is none.
        Closed = "closed",
        /// It is starting.
        Initializing = "initializing",
        /// It waits for work.
        Idle = "idle",
        /// It did not start.
        Failed = "failed",
        /// It belongs to another client of its IPython kernel.
        Reserved = "reserved",
        /// It runs a plan.
        ExecutingPlan = "executing_plan",
        /// It runs a function or script.
        ExecutingTask = "executing_task",
        /// It is ending.
        Closing = "closing",
    }
}

words! {
    /// What the RunEngine is doing.
    ReState {
        /// It waits for a plan.
        Idle = "idle",
        /// It runs a plan.
        Running = "running",
        /// It is about to pause.
        Pausing = "pausing",
        /// Its plan is paused.
        Paused = "paused",
        /// Its plan is being halted.
        Halting = "halting",
        /// Its plan is being stopped.
        Stopping = "stopping",
        /// Its plan is being aborted.
        Aborting = "aborting",
        /// It waits for a condition, such as beam.
        Suspending = "suspending",
        /// It is of no further use.
        Panicked = "panicked",
    }
}

/// What is locked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Locked {
    /// The environment and all that runs in it.
    pub environment: bool,
    /// The queue and the history.
    pub queue: bool,
}

/// The status of an RE Manager.
///
/// Texts that end in `_uid` change whenever what they stand for changes, and sometimes when it does not.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Status {
    /// Name and version of the manager.
    #[serde(default)]
    pub msg: String,
    /// When something of the status last changed, in the manager's local time: not now.
    #[serde(default)]
    pub time: String,
    /// What the manager is doing.
    pub manager_state: ManagerState,
    /// Number of items in the queue, without the running one.
    pub items_in_queue: usize,
    /// Number of items in the history.
    pub items_in_history: usize,
    /// The running item.
    pub running_item_uid: Option<String>,
    /// Whether the queue stops after the running plan.
    #[serde(default)]
    pub queue_stop_pending: bool,
    /// Whether the queue starts by itself.
    #[serde(default)]
    pub queue_autostart_enabled: bool,
    /// Whether there is a worker.
    pub worker_environment_exists: bool,
    /// What the worker is doing.
    pub worker_environment_state: WorkerState,
    /// Number of functions and scripts that run in the background.
    #[serde(default)]
    pub worker_background_tasks: usize,
    /// What the RunEngine is doing; `None` if there is no worker.
    pub re_state: Option<ReState>,
    /// Whether the plan pauses at its next checkpoint.
    #[serde(default)]
    pub pause_pending: bool,
    /// How the queue goes on after a plan.
    #[serde(default)]
    pub plan_queue_mode: QueueMode,
    /// What is locked.
    #[serde(default)]
    pub lock: Locked,
    /// Of the runs of the running plan.
    #[serde(default)]
    pub run_list_uid: String,
    /// Of the queue.
    #[serde(default)]
    pub plan_queue_uid: String,
    /// Of the history.
    #[serde(default)]
    pub plan_history_uid: String,
    /// Of the allowed devices.
    #[serde(default)]
    pub devices_allowed_uid: String,
    /// Of the allowed plans.
    #[serde(default)]
    pub plans_allowed_uid: String,
    /// Of the results of functions and scripts.
    #[serde(default)]
    pub task_results_uid: String,
    /// Of the lock.
    #[serde(default)]
    pub lock_info_uid: String,
}

/// What is waited for may happen at any time; a manager answers a status in less than a millisecond.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

impl ReManager {
    /// The status.
    ///
    /// # Errors
    /// If there is no reply, or none that can be understood.
    pub fn status(&self) -> Result<Status> {
        self.call(Method::Status, json!({}))
    }

    /// The status, asked for under the name that says nothing else is wanted.
    ///
    /// # Errors
    /// If there is no reply, or none that can be understood.
    pub fn ping(&self) -> Result<Status> {
        self.call(Method::Ping, json!({}))
    }

    /// Asks for the status until `condition` holds, and gives the status for which it did. A manager that does not
    /// answer is asked again.
    ///
    /// # Errors
    /// [`DeadlinePassed`](ManagerError::DeadlinePassed) if it does not hold before the deadline; the last error if the
    /// manager did not answer then; at once if it answers with something that time does not cure.
    pub fn wait_for(
        &self,
        deadline: Instant,
        mut condition: impl FnMut(&Status) -> bool,
    ) -> Result<Status> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            // One answer is always waited for, so that the error can say what the manager does.
            let timeout = self.timeout.min(left.max(POLL_INTERVAL));
            let error = match self.call_within(Method::Status, json!({}), timeout) {
                Ok(status) if condition(&status) => return Ok(status),
                Ok(status) => ManagerError::DeadlinePassed { status: Box::new(status) },
                Err(error) if error.is_transient() => error,
                Err(error) => return Err(error),
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(error);
            }
            // Whoever unparks the thread only makes it look sooner.
            thread::park_timeout(POLL_INTERVAL.min(left));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manager::scripted::{recorded, scripted};

    #[test]
    fn recorded_statuses_are_read() {
        let manager = scripted(&[
            recorded!("status_idle.json"),
            recorded!("status_running.json"),
            recorded!("status_paused.json"),
        ]);
        let idle = manager.status().unwrap();
        assert_eq!(idle.manager_state, ManagerState::Idle);
        assert_eq!(idle.re_state, Some(ReState::Idle));
        assert_eq!(idle.running_item_uid, None);
        assert!(idle.worker_environment_exists);
        assert_eq!(idle.plan_history_uid, "ca7b4e3b-c817-4c1c-9a0b-e7698c56c4d7");
        let running = manager.status().unwrap();
        assert_eq!(running.manager_state, ManagerState::ExecutingQueue);
        assert_eq!(running.worker_environment_state, WorkerState::ExecutingPlan);
        assert_eq!(
            running.running_item_uid.as_deref(),
            Some("f079ba28-3184-4fdb-ba22-dbb82f35ae1e")
        );
        let paused = manager.status().unwrap();
        assert_eq!(paused.manager_state, ManagerState::Paused);
        assert_eq!(paused.re_state, Some(ReState::Paused));
        assert_eq!(paused.items_in_history, 2);
    }

    #[test]
    fn new_words_new_fields_and_nulls_break_nothing() {
        let manager = scripted(&[r#"{
            "manager_state": "dreaming", "re_state": null, "worker_environment_state": "half_open",
            "worker_environment_exists": false, "items_in_queue": 0, "items_in_history": 0,
            "running_item_uid": null, "plan_queue_mode": null, "lock": null, "new": {"field": [1]}
        }"#]);
        let status = manager.status().unwrap();
        assert_eq!(status.manager_state, ManagerState::Other("dreaming".to_owned()));
        assert_eq!(status.manager_state.to_string(), "dreaming");
        assert_eq!(status.worker_environment_state.as_str(), "half_open");
        assert_eq!(status.re_state, None);
        assert_eq!(status.lock, Locked::default());
    }

    #[test]
    fn waiting_ends_with_the_condition_or_says_what_was_last_seen() {
        let manager = scripted(&[
            recorded!("status_running.json"),
            "timeout",
            recorded!("status_paused.json"),
            recorded!("status_running.json"),
            "not json",
        ]);
        let far = Instant::now() + Duration::from_secs(3600);
        let paused = manager.wait_for(far, |s| s.manager_state == ManagerState::Paused).unwrap();
        assert_eq!(paused.manager_state, ManagerState::Paused);

        let error = manager.wait_for(Instant::now(), |_| false).unwrap_err();
        let ManagerError::DeadlinePassed { status } = &error else { panic!("{error:?}") };
        assert_eq!(status.manager_state, ManagerState::ExecutingQueue);
        assert_eq!(
            error.to_string(),
            "the deadline passed; the RE Manager is `executing_queue`, its RunEngine `running`, its environment open"
        );

        let error = manager.wait_for(far, |_| true).unwrap_err();
        assert!(matches!(error, ManagerError::Protocol { .. }), "{error:?}");
    }
}
