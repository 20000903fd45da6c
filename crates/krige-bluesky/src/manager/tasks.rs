//! Functions and scripts that the worker runs besides plans.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::item::null_is_default;
use super::method::Method;
use super::words::words;
use super::{ReManager, Result};

words! {
    /// How far a task is.
    TaskState {
        /// It runs.
        Running = "running",
        /// It has ended, well or not.
        Completed = "completed",
        /// There is none of this UID, or there was one and it is forgotten: a result is kept for two minutes.
        NotFound = "not_found",
    }
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct TaskOutcome {
    /// Whether it ended without an exception.
    pub success: bool,
    /// What the function gave; null for a script, or if it failed.
    #[serde(default)]
    pub return_value: Value,
    /// Why it failed; empty if it did not.
    #[serde(default, deserialize_with = "null_is_default")]
    pub msg: String,
    /// Where in the Python code it failed; empty if it did not.
    #[serde(default, deserialize_with = "null_is_default")]
    pub traceback: String,
}

/// Where a task is, and how it ended if it has.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskResult {
    /// How far it is.
    pub status: TaskState,
    /// How it ended, once it is completed.
    pub outcome: Option<TaskOutcome>,
}

/// Settings of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScriptOptions {
    /// Whether the lists of plans and devices are made anew afterwards.
    pub update_lists: bool,
    /// Whether a RunEngine that the script makes replaces the present one.
    pub update_re: bool,
    /// Whether it runs beside plans, in a thread of its own.
    pub run_in_background: bool,
}

impl Default for ScriptOptions {
    /// The manager's own defaults.
    fn default() -> Self {
        Self { update_lists: true, update_re: false, run_in_background: false }
    }
}

#[derive(Deserialize)]
struct Reply {
    status: TaskState,
    #[serde(default)]
    result: Value,
}

impl ReManager {
    /// Calls a function of the worker, and gives the UID of the task. In the background it runs beside plans, in a
    /// thread of its own.
    ///
    /// # Errors
    /// See [`ManagerError`](super::ManagerError). The function itself fails later, in its
    /// [result](Self::task_result).
    pub fn function_execute(
        &self,
        name: &str,
        args: &[Value],
        kwargs: &Map<String, Value>,
        run_in_background: bool,
    ) -> Result<String> {
        let item = json!({"item_type": "function", "name": name, "args": args, "kwargs": kwargs});
        let params = self.as_user(json!({"item": item, "run_in_background": run_in_background}));
        self.field(Method::FunctionExecute, params, "task_uid")
    }

    /// Runs Python code in the worker, and gives the UID of the task.
    ///
    /// # Errors
    /// See [`ManagerError`](super::ManagerError). The script itself fails later, in its [result](Self::task_result).
    pub fn script_upload(&self, script: &str, options: ScriptOptions) -> Result<String> {
        let params = json!({
            "script": script,
            "update_lists": options.update_lists,
            "update_re": options.update_re,
            "run_in_background": options.run_in_background,
        });
        self.field(Method::ScriptUpload, params, "task_uid")
    }

    /// How far a task is. The manager asks its worker every half second.
    ///
    /// # Errors
    /// See [`ManagerError`](super::ManagerError).
    pub fn task_status(&self, task_uid: &str) -> Result<TaskState> {
        self.field(Method::TaskStatus, json!({"task_uid": task_uid}), "status")
    }

    /// How far a task is, and how it ended if it has.
    ///
    /// # Errors
    /// See [`ManagerError`](super::ManagerError).
    pub fn task_result(&self, task_uid: &str) -> Result<TaskResult> {
        let reply: Reply = self.call(Method::TaskResult, json!({"task_uid": task_uid}))?;
        let outcome = match reply.status {
            TaskState::Completed => Some(self.typed(Method::TaskResult, reply.result)?),
            TaskState::Running | TaskState::NotFound | TaskState::Other(_) => None,
        };
        Ok(TaskResult { status: reply.status, outcome })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manager::scripted::scripted;

    /// Replies of bluesky-queueserver 0.0.25.
    #[test]
    fn results_are_read() {
        let manager = scripted(&[
            r#"{"success": true, "msg": "", "task_uid": "t", "status": "running",
                "result": {"task_uid": "t", "time_start": 1.5, "run_in_background": false}}"#,
            r#"{"success": true, "msg": "", "task_uid": "t", "status": "completed",
                "result": {"success": true, "msg": "", "return_value": {"motor1": 3.0}, "traceback": "",
                "task_uid": "t", "time_start": 1.5, "time_stop": 2.5}}"#,
            r#"{"success": true, "msg": "", "task_uid": "t", "status": "not_found", "result": {}}"#,
        ]);
        let task = || manager.task_result("t").unwrap();
        assert_eq!(task(), TaskResult { status: TaskState::Running, outcome: None });
        let completed = task();
        assert_eq!(completed.status, TaskState::Completed);
        assert_eq!(completed.outcome.unwrap().return_value, json!({"motor1": 3.0}));
        assert_eq!(task(), TaskResult { status: TaskState::NotFound, outcome: None });
    }
}
