//! Requests over 0MQ, to the control socket of the manager.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::Result;
use super::error::ManagerError;
use super::method::Method;
use super::transport::Transport;
use crate::json::from_python;
use crate::zmtp::{Phase, Requester, Security, ZmtpError};

/// How requests and replies are written. Both sides must be set up alike: it is not negotiated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// As text; the manager's default.
    #[default]
    Json,
    /// As msgpack.
    Msgpack,
}

impl Encoding {
    fn encode(self, request: &Value) -> Vec<u8> {
        match self {
            Self::Json => request.to_string().into_bytes(),
            Self::Msgpack => rmp_serde::to_vec_named(request)
                .expect("a JSON value has nothing that msgpack does not have"),
        }
    }

    fn decode(self, reply: &[u8]) -> std::result::Result<Value, String> {
        let decoded = match self {
            Self::Json => from_python(reply).map_err(|error| error.to_string()),
            Self::Msgpack => rmp_serde::from_slice(reply).map_err(|error| error.to_string()),
        };
        match decoded {
            Ok(reply) if reply.is_object() => Ok(reply),
            Ok(_) => Err(self.expected("something else")),
            Err(error) => Err(self.expected(&error)),
        }
    }

    fn expected(self, found: &str) -> String {
        let name = match self {
            Self::Json => "JSON",
            Self::Msgpack => "msgpack",
        };
        format!(
            "expected an object in {name}, found {found}; see whether the manager runs with another `--zmq-encoding`"
        )
    }
}

/// The control socket of an RE Manager.
///
/// The connection is kept for reading. What changes something goes out on a new one, so that a request is never
/// written to a connection whose peer is gone, about which nothing could be said afterwards.
#[derive(Debug)]
pub struct ZmqTransport {
    address: String,
    encoding: Encoding,
    security: Security,
    /// The connection, while no call uses it.
    kept: Mutex<Option<Requester>>,
}

impl ZmqTransport {
    /// The manager at `tcp://host:port`. Nothing is connected yet.
    pub fn new(address: impl Into<String>, encoding: Encoding, security: Security) -> Self {
        Self { address: address.into(), encoding, security, kept: Mutex::new(None) }
    }

    fn exchange(
        &self,
        method: Method,
        request: &[u8],
        deadline: Instant,
    ) -> std::result::Result<Vec<u8>, ZmtpError> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(requester) = kept.filter(|_| method.is_read()) {
            match self.request(requester, request, deadline) {
                // The manager was restarted since; to read twice does no harm.
                Err(ZmtpError::Closed { .. } | ZmtpError::Io(_)) => {}
                result => return result,
            }
        }
        let requester = Requester::connect(&self.address, &self.security, deadline)?;
        self.request(requester, request, deadline)
    }

    fn request(
        &self,
        mut requester: Requester,
        request: &[u8],
        deadline: Instant,
    ) -> std::result::Result<Vec<u8>, ZmtpError> {
        // A requester that failed is dropped, and with it a reply that comes late.
        let reply = requester.request(request, deadline)?;
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(requester);
        Ok(reply)
    }

    fn error(&self, method: Method, timeout: Duration, error: ZmtpError) -> ManagerError {
        let address = self.address.clone();
        let detail = error.to_string();
        match error {
            ZmtpError::BadEndpoint { .. } => ManagerError::Misconfigured { what: detail },
            ZmtpError::Unreachable { source, .. } => {
                ManagerError::Unreachable { address, detail: source.to_string() }
            }
            ZmtpError::TimedOut { phase } => ManagerError::Timeout {
                method,
                timeout,
                may_have_been_executed: reached(phase) && !method.is_read(),
                detail: phase.to_string(),
            },
            ZmtpError::Closed { phase: Phase::CurveHandshake }
            | ZmtpError::MechanismMismatch { .. }
            | ZmtpError::Refused { .. }
            | ZmtpError::Crypto { .. } => ManagerError::Unauthorized {
                address,
                detail,
                remedy: "give the public key of the manager's control socket (`public_key`, or the environment variable `QSERVER_ZMQ_PUBLIC_KEY`), and none if it is not encrypted",
            },
            ZmtpError::Closed { phase } => ManagerError::ConnectionLost {
                method,
                may_have_been_executed: reached(phase) && !method.is_read(),
                detail,
            },
            ZmtpError::WrongSocket { .. }
            | ZmtpError::Protocol { .. }
            | ZmtpError::TooLarge { .. } => ManagerError::Protocol { method, what: detail },
            // Whatever it was, it may have come after the request had gone.
            _ => ManagerError::ConnectionLost {
                method,
                may_have_been_executed: !method.is_read(),
                detail,
            },
        }
    }
}

/// Whether the request may have reached the manager in this phase.
fn reached(phase: Phase) -> bool {
    !matches!(
        phase,
        Phase::Resolving | Phase::Connecting | Phase::Handshake | Phase::CurveHandshake
    )
}

impl Transport for ZmqTransport {
    fn call(
        &self,
        method: Method,
        params: &Map<String, Value>,
        timeout: Duration,
    ) -> Result<Value> {
        let request = self.encoding.encode(&json!({"method": method.name(), "params": params}));
        let reply = self
            .exchange(method, &request, Instant::now() + timeout)
            .map_err(|error| self.error(method, timeout, error))?;
        self.encoding.decode(&reply).map_err(|what| ManagerError::Protocol { method, what })
    }
}

#[cfg(test)]
mod tests;
