//! A client of the RE Manager, the process that runs plans (bluesky-queueserver).
//!
//! [`ReManager`] has a method for each of the manager's, over its 0MQ socket or over the HTTP server before it. Calls
//! block, but never longer than their time-out. A reply proves that a request was accepted, not that it came about:
//! see the [`Status`]. An error says whether the request [may have been executed all the
//! same](ManagerError::may_have_been_executed); what changes something is never sent twice.
//!
//! ```no_run
//! use std::time::{Duration, Instant};
//!
//! use krige_bluesky::manager::{ManagerState, PlanItem, ReManager};
//!
//! let manager = ReManager::connect("tcp://localhost:60615").user("alice").build()?;
//! let item = manager.queue_item_execute(&PlanItem::new("count").arg(&["himmel_det"])?)?;
//! let deadline = Instant::now() + Duration::from_secs(60);
//! manager.wait_for(deadline, |status| status.manager_state == ManagerState::Idle)?;
//! let history = manager.history_get()?;
//! let ended = history.items.iter().find(|ended| ended.item_uid == item.item_uid);
//! # Ok::<(), krige_bluesky::manager::ManagerError>(())
//! ```

mod administration;
mod builder;
mod catalog;
mod environment;
mod error;
mod history;
mod http;
mod item;
mod locks;
mod method;
mod queue;
mod refusal;
mod run_engine;
#[cfg(test)]
mod scripted;
mod status;
mod tasks;
mod transport;
mod words;
mod zmq;

use std::sync::Arc;
use std::time::Duration;

use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Map, Value};

pub use self::builder::ReManagerBuilder;
pub use self::catalog::{Annotation, Device, ParameterKind, Plan, PlanParameter};
pub use self::error::ManagerError;
pub use self::history::{Forget, History};
pub use self::http::HttpTransport;
pub use self::item::{ExitStatus, Item, ItemResult, PlanItem};
pub use self::locks::LockInfo;
pub use self::method::Method;
pub use self::queue::{ItemRef, Place, Queue, QueueMode};
pub use self::refusal::RefusalKind;
pub use self::run_engine::{PauseOption, Run, WhichRuns};
pub use self::status::{Locked, ManagerState, ReState, Status, WorkerState};
pub use self::tasks::{ScriptOptions, TaskOutcome, TaskResult, TaskState};
pub use self::transport::Transport;
pub use self::zmq::{Encoding, ZmqTransport};

/// What the calls of this module give.
type Result<T> = std::result::Result<T, ManagerError>;

/// A client of an RE Manager. Copies share one transport; all may be used from several threads at once.
#[derive(Clone)]
pub struct ReManager {
    transport: Arc<dyn Transport>,
    user: String,
    user_group: String,
    lock_key: Option<String>,
    timeout: Duration,
}

impl std::fmt::Debug for ReManager {
    /// Without the lock key, which is a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReManager")
            .field("transport", &self.transport)
            .field("user", &self.user)
            .field("user_group", &self.user_group)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl ReManager {
    /// Calls a method and gives all of its reply.
    fn call<T: DeserializeOwned>(&self, method: Method, params: Value) -> Result<T> {
        self.call_within(method, params, self.timeout)
    }

    /// Calls a method and gives one field of its reply.
    fn field<T: DeserializeOwned>(&self, method: Method, params: Value, name: &str) -> Result<T> {
        let mut reply: Map<String, Value> = self.call(method, params)?;
        match reply.remove(name) {
            Some(value) => self.typed(method, value),
            None => Err(ManagerError::Protocol {
                method,
                what: format!("expected a field `{name}`, found none"),
            }),
        }
    }

    /// Calls a method whose reply says nothing more than that it succeeded.
    fn tell(&self, method: Method, params: Value) -> Result<()> {
        self.call::<IgnoredAny>(method, params).map(drop)
    }

    fn call_within<T: DeserializeOwned>(
        &self,
        method: Method,
        mut params: Value,
        timeout: Duration,
    ) -> Result<T> {
        if let Some(key) = self.lock_key.as_ref().filter(|_| method.takes_lock_key()) {
            params["lock_key"] = Value::from(key.as_str());
        }
        let params = params.as_object().expect("parameters are made as objects");
        let mut reply = self.transport.call(method, params, timeout)?;
        // The status has no such field.
        if reply["success"] == false {
            return Err(refused(method, &reply));
        }
        if let Value::Object(fields) = &mut reply {
            // Python's None stands for what is left out.
            fields.retain(|_, value| !value.is_null());
        }
        self.typed(method, reply)
    }

    fn typed<T: DeserializeOwned>(&self, method: Method, value: Value) -> Result<T> {
        serde_json::from_value(value)
            .map_err(|error| ManagerError::Protocol { method, what: error.to_string() })
    }

    /// Adds who submits.
    fn as_user(&self, mut params: Value) -> Value {
        params["user"] = Value::from(self.user.as_str());
        params["user_group"] = Value::from(self.user_group.as_str());
        params
    }
}

/// The error that a reply says, with the reasons for each item of a batch.
fn refused(method: Method, reply: &Value) -> ManagerError {
    let words =
        |reply: &Value| refusal::without_plan(reply["msg"].as_str().unwrap_or_default()).to_owned();
    let mut message = words(reply);
    let mut kind = RefusalKind::of(&message);
    for (place, result) in reply["results"].as_array().into_iter().flatten().enumerate() {
        if result["success"] == false {
            let reason = words(result);
            message += &format!("; item {place}: {reason}");
            kind = RefusalKind::of(&reason);
        }
    }
    ManagerError::Refused { method, message, kind }
}

#[cfg(test)]
mod tests;
