//! How a request reaches the RE Manager.

use std::fmt::Debug;
use std::time::Duration;

use serde_json::{Map, Value};

use super::error::ManagerError;
use super::method::Method;

/// Carries requests to an RE Manager, and replies back.
pub trait Transport: Debug + Send + Sync {
    /// Sends one request and gives the reply as it is, also one that says `success: false`.
    ///
    /// Takes no longer than `timeout`. May be called from several threads at once.
    ///
    /// # Errors
    /// If there is no reply, or none that can be understood. A request that changes something is never sent twice.
    fn call(
        &self,
        method: Method,
        params: &Map<String, Value>,
        timeout: Duration,
    ) -> Result<Value, ManagerError>;
}
