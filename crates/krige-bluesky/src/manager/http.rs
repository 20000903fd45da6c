//! Requests over HTTP, to bluesky-httpserver before the manager.

use std::fmt;
use std::io::ErrorKind;
use std::time::Duration;

use serde_json::{Map, Value};
use ureq::Timeout;
use ureq::http::StatusCode;

use super::Result;
use super::error::ManagerError;
use super::method::Method;
use super::transport::Transport;
use crate::json::from_python;

/// The largest reply that is taken, in bytes.
const MAX_REPLY: u64 = 64 << 20;

/// The HTTP server before an RE Manager.
///
/// It sets user and user group by its key, and drops those of the request.
pub struct HttpTransport {
    url: String,
    api_key: Option<String>,
    agent: ureq::Agent,
}

impl fmt::Debug for HttpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpTransport").field("url", &self.url).finish_non_exhaustive()
    }
}

impl HttpTransport {
    /// The server at `http://host:port` or `https://host:port`, and the key that it asks for. Nothing is connected yet.
    pub fn new(url: &str, api_key: Option<String>) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            // A kept connection may be one that the server has just closed, and nothing could then be said about
            // the request.
            .max_idle_connections(0)
            .build();
        Self { url: url.trim_end_matches('/').to_owned(), api_key, agent: config.into() }
    }

    fn exchange(
        &self,
        method: Method,
        path: &str,
        params: &Value,
        timeout: Duration,
    ) -> std::result::Result<(StatusCode, Vec<u8>), ureq::Error> {
        let url = format!("{}{path}", self.url);
        // GET, too, takes its parameters in a body, and some methods must have one.
        let request = match method.is_get() {
            true => self.agent.get(url).force_send_body(),
            false => self.agent.post(url),
        };
        let request = request
            .config()
            .timeout_global(Some(timeout))
            .timeout_resolve(Some(timeout))
            .timeout_connect(Some(timeout))
            .build();
        let request = match &self.api_key {
            Some(key) => request.header("Authorization", format!("ApiKey {key}")),
            None => request,
        };
        let mut response = request.content_type("application/json").send(params.to_string())?;
        let body = response.body_mut().with_config().limit(MAX_REPLY).read_to_vec()?;
        Ok((response.status(), body))
    }

    fn error(&self, method: Method, timeout: Duration, error: ureq::Error) -> ManagerError {
        let address = self.url.clone();
        let detail = error.to_string();
        match error {
            ureq::Error::Timeout(phase) => ManagerError::Timeout {
                method,
                timeout,
                may_have_been_executed: !matches!(phase, Timeout::Resolve | Timeout::Connect)
                    && !method.is_read(),
                detail,
            },
            ureq::Error::HostNotFound
            | ureq::Error::ConnectionFailed
            | ureq::Error::Tls(_)
            | ureq::Error::Rustls(_) => ManagerError::Unreachable { address, detail },
            ureq::Error::Io(error) if error.kind() == ErrorKind::ConnectionRefused => {
                ManagerError::Unreachable { address, detail }
            }
            ureq::Error::BadUri(_) | ureq::Error::Http(_) => ManagerError::Misconfigured {
                what: format!(
                    "expected the address of an HTTP server, found `{address}`: {detail}"
                ),
            },
            ureq::Error::BodyExceedsLimit(_) | ureq::Error::Protocol(_) => {
                ManagerError::Protocol { method, what: detail }
            }
            _ => ManagerError::ConnectionLost {
                method,
                may_have_been_executed: !method.is_read(),
                detail,
            },
        }
    }

    /// What the server's refusals mean.
    fn refusal(
        &self,
        method: Method,
        timeout: Duration,
        status: StatusCode,
        body: &[u8],
    ) -> ManagerError {
        let detail = format!("HTTP {}: {}", status.as_u16(), detail(body));
        let address = self.url.clone();
        let may_have_been_executed = !method.is_read();
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ManagerError::Unauthorized {
                address,
                detail,
                remedy: "give its key (`api_key`, or the environment variable `QSERVER_HTTP_SERVER_SINGLE_USER_API_KEY`)",
            },
            // The server itself waited for the manager in vain, or for the rest of the request.
            StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => {
                ManagerError::Timeout { method, timeout, may_have_been_executed, detail }
            }
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE => {
                ManagerError::ConnectionLost { method, may_have_been_executed, detail }
            }
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => ManagerError::Unsupported {
                method,
                detail: format!("{detail}; see whether `{address}` is a bluesky-httpserver"),
            },
            StatusCode::INTERNAL_SERVER_ERROR => ManagerError::Protocol {
                method,
                what: format!(
                    "expected HTTP 200, found {detail}; see the log of the server. It fails so on a queue or history that holds NaN, which the manager itself (tcp://) gives, and lets you remove"
                ),
            },
            _ => ManagerError::Protocol {
                method,
                what: format!("expected HTTP 200, found {detail}"),
            },
        }
    }
}

/// The server's explanation, shortened.
fn detail(body: &[u8]) -> String {
    let text = match from_python(body) {
        Ok(reply) => match &reply["detail"] {
            Value::String(detail) => detail.clone(),
            Value::Null => reply.to_string(),
            detail => detail.to_string(),
        },
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    text.chars().take(500).collect()
}

/// What the server takes: it sets the user by itself and refuses what it does not expect; and what it keeps of its
/// own, which may be 0.4 s old, it reads again.
fn accepted(method: Method, params: &Map<String, Value>) -> Value {
    let mut params = params.clone();
    params.retain(|name, _| name != "user" && name != "user_group");
    match method {
        Method::Status
        | Method::Ping
        | Method::QueueGet
        | Method::HistoryGet
        | Method::ReRuns
        | Method::DevicesAllowed
        | Method::LockInfo => {
            params.insert("reload".to_owned(), Value::Bool(true));
        }
        _ => {}
    }
    Value::Object(params)
}

impl Transport for HttpTransport {
    fn call(
        &self,
        method: Method,
        params: &Map<String, Value>,
        timeout: Duration,
    ) -> Result<Value> {
        let Some(path) = method.path() else {
            let detail = "bluesky-httpserver does not pass it on; ask the manager itself (tcp://)";
            return Err(ManagerError::Unsupported { method, detail: detail.to_owned() });
        };
        let (status, body) = self
            .exchange(method, &path, &accepted(method, params), timeout)
            .map_err(|error| self.error(method, timeout, error))?;
        if status != StatusCode::OK {
            return Err(self.refusal(method, timeout, status, &body));
        }
        from_python(&body).map_err(|error| ManagerError::Protocol {
            method,
            what: format!(
                "expected JSON, found {error}; see whether `{}` is a bluesky-httpserver",
                self.url
            ),
        })
    }
}

#[cfg(test)]
mod tests;
