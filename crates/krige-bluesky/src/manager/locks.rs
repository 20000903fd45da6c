//! Locks: who may change the environment and the queue.

use serde::Deserialize;
use serde_json::{Value, json};

use super::item::null_is_default;
use super::method::Method;
use super::status::Locked;
use super::{ReManager, Result};

/// What is locked, by whom and why.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct LockInfo {
    /// Whether the environment and all that runs in it is locked.
    pub environment: bool,
    /// Whether the queue and the history are locked.
    pub queue: bool,
    /// Who locked it.
    #[serde(default, deserialize_with = "null_is_default")]
    pub user: String,
    /// When, in seconds since 1970.
    pub time: Option<f64>,
    /// What people should know about it.
    #[serde(default, deserialize_with = "null_is_default")]
    pub note: String,
    /// Whether there is a second key that unlocks everything.
    #[serde(default)]
    pub emergency_lock_key_is_set: bool,
}

/// A lock lasts until somebody unlocks it, also when the manager is restarted.
impl ReManager {
    /// Locks what is asked for, which must be something: from now on it takes the key
    /// ([`lock_key`](super::ReManagerBuilder::lock_key)) to change it. With the same key, a lock can be changed.
    ///
    /// # Errors
    /// See [`ManagerError`](super::ManagerError); [`RefusalKind::Locked`](super::RefusalKind::Locked) if it is locked
    /// with another key, with a message that says by whom.
    pub fn lock(&self, lock_key: &str, what: Locked, note: Option<&str>) -> Result<LockInfo> {
        let params = json!({
            "lock_key": lock_key,
            "environment": what.environment,
            "queue": what.queue,
            "note": note,
            "user": self.user,
        });
        self.field(Method::Lock, without_null(params), "lock_info")
    }

    /// Unlocks everything.
    ///
    /// # Errors
    /// See [`ManagerError`](super::ManagerError); [`RefusalKind::Locked`](super::RefusalKind::Locked) if the key is
    /// wrong.
    pub fn unlock(&self, lock_key: &str) -> Result<LockInfo> {
        self.field(Method::Unlock, json!({"lock_key": lock_key}), "lock_info")
    }

    /// What is locked.
    ///
    /// # Errors
    /// See [`ManagerError`](super::ManagerError); with a key, also [`RefusalKind::Locked`](super::RefusalKind::Locked)
    /// if it does not fit.
    pub fn lock_info(&self, lock_key: Option<&str>) -> Result<LockInfo> {
        self.field(Method::LockInfo, without_null(json!({"lock_key": lock_key})), "lock_info")
    }
}

/// The HTTP server passes on no nulls.
fn without_null(mut params: Value) -> Value {
    if let Value::Object(fields) = &mut params {
        fields.retain(|_, value| !value.is_null());
    }
    params
}
