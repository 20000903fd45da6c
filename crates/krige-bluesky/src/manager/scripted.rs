//! A manager for tests that says what it was told to say.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Map, Value};

use super::{ManagerError, Method, ReManager, Result, Transport};
use crate::json;

/// A recorded reply.
macro_rules! recorded {
    ($name:literal) => {
        include_str!(concat!("../../tests/recorded/", $name))
    };
}
pub(super) use recorded;

/// A transport that gives one reply after the other; `timeout` is none.
#[derive(Debug)]
pub(super) struct Scripted {
    replies: Mutex<VecDeque<String>>,
    /// What was asked for.
    pub(super) requests: Mutex<Vec<(Method, Value)>>,
}

impl Transport for Scripted {
    fn call(
        &self,
        method: Method,
        params: &Map<String, Value>,
        timeout: Duration,
    ) -> Result<Value> {
        self.requests.lock().unwrap().push((method, Value::Object(params.clone())));
        let reply = self.replies.lock().unwrap().pop_front().expect("a reply is left");
        if reply == "timeout" {
            return Err(ManagerError::Timeout {
                method,
                timeout,
                may_have_been_executed: !method.is_read(),
                detail: "scripted".to_owned(),
            });
        }
        json::from_python(reply.as_bytes())
            .map_err(|error| ManagerError::Protocol { method, what: error.to_string() })
    }
}

/// What gives these replies.
pub(super) fn transport(replies: &[&str]) -> Arc<Scripted> {
    let replies = replies.iter().map(|&reply| reply.to_owned()).collect();
    Arc::new(Scripted { replies: Mutex::new(replies), requests: Mutex::default() })
}

/// A client of it.
pub(super) fn scripted(replies: &[&str]) -> ReManager {
    ReManager::over(transport(replies)).build().unwrap()
}
