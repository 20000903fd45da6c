//! The environment: the worker process in which plans run.

use serde_json::json;

use super::method::Method;
use super::{ReManager, Result};

/// Success means that the request was accepted. Whether it comes about shows in the [status](super::Status).
impl ReManager {
    /// Starts a worker. Its status is then `creating_environment`, later `idle`; an environment that could not be
    /// opened also ends in `idle`, with `worker_environment_exists` false, and the manager's log has the reason.
    ///
    /// # Errors
    /// See [`ManagerError`](super::ManagerError).
    pub fn environment_open(&self) -> Result<()> {
        self.tell(Method::EnvironmentOpen, json!({}))
    }

    /// Ends the worker, which must be idle.
    ///
    /// # Errors
    /// See [`ManagerError`](super::ManagerError).
    pub fn environment_close(&self) -> Result<()> {
        self.tell(Method::EnvironmentClose, json!({}))
    }

    /// Kills the worker, whatever it does. A running plan ends without a stop document, and goes back into the queue.
    ///
    /// Never to be called while the environment is being opened: the worker would live on, unseen, and take the next
    /// plan.
    ///
    /// # Errors
    /// See [`ManagerError`](super::ManagerError).
    pub fn environment_destroy(&self) -> Result<()> {
        self.tell(Method::EnvironmentDestroy, json!({}))
    }
}
