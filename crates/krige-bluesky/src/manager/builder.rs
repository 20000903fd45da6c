//! How an [`ReManager`] is reached, and in whose name it is used.

use std::env;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::error::ManagerError;
use super::http::HttpTransport;
use super::transport::Transport;
use super::zmq::{Encoding, ZmqTransport};
use super::{ReManager, Result};
use crate::zmtp::Security;

/// Where bluesky's own client looks for the key of the control socket.
const PUBLIC_KEY_VARIABLE: &str = "QSERVER_ZMQ_PUBLIC_KEY";
/// Where the HTTP server itself looks for its key.
const API_KEY_VARIABLE: &str = "QSERVER_HTTP_SERVER_SINGLE_USER_API_KEY";

/// Settings of an [`ReManager`] to be.
#[derive(Clone)]
pub struct ReManagerBuilder {
    way: Way,
    encoding: Encoding,
    public_key: Option<String>,
    api_key: Option<String>,
    user: String,
    user_group: String,
    lock_key: Option<String>,
    timeout: Duration,
}

#[derive(Debug, Clone)]
enum Way {
    Address(String),
    Transport(Arc<dyn Transport>),
}

impl fmt::Debug for ReManagerBuilder {
    /// Without the keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReManagerBuilder")
            .field("way", &self.way)
            .field("encoding", &self.encoding)
            .field("user", &self.user)
            .field("user_group", &self.user_group)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl ReManager {
    /// The manager at `tcp://host:port` (its control socket), or behind the HTTP server at `http://host:port` or
    /// `https://host:port`. Nothing is connected before the first call.
    pub fn connect(address: impl Into<String>) -> ReManagerBuilder {
        ReManagerBuilder::new(Way::Address(address.into()))
    }

    /// A manager that is reached in another way.
    pub fn over(transport: Arc<dyn Transport>) -> ReManagerBuilder {
        ReManagerBuilder::new(Way::Transport(transport))
    }
}

impl ReManagerBuilder {
    fn new(way: Way) -> Self {
        Self {
            way,
            encoding: Encoding::Json,
            public_key: None,
            api_key: None,
            user: "krige".to_owned(),
            user_group: "primary".to_owned(),
            lock_key: None,
            timeout: Duration::from_secs(5),
        }
    }

    /// How the control socket writes; JSON by default. HTTP is JSON whatever the manager speaks.
    pub fn encoding(mut self, encoding: Encoding) -> Self {
        self.encoding = encoding;
        self
    }

    /// The public key of an encrypted control socket, as 40 characters of Z85. By default that in the environment
    /// variable `QSERVER_ZMQ_PUBLIC_KEY`; without either, nothing is encrypted.
    pub fn public_key(mut self, key: impl Into<String>) -> Self {
        self.public_key = Some(key.into());
        self
    }

    /// The key of the HTTP server. By default that in the environment variable
    /// `QSERVER_HTTP_SERVER_SINGLE_USER_API_KEY`.
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = Some(key.into());
        self
    }

    /// Who submits: any text, `krige` by default. The HTTP server sets its own.
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = user.into();
        self
    }

    /// The group whose permissions count, `primary` by default. The HTTP server sets its own.
    pub fn user_group(mut self, group: impl Into<String>) -> Self {
        self.user_group = group.into();
        self
    }

    /// The key of a lock that the manager is under.
    pub fn lock_key(mut self, key: impl Into<String>) -> Self {
        self.lock_key = Some(key.into());
        self
    }

    /// How long a call may take, connecting included; 5 s by default. An HTTP server gives up after 2 s of its own.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The client. Nothing is connected.
    ///
    /// # Errors
    /// [`Misconfigured`](ManagerError::Misconfigured) if the address or the key cannot be, or does not go with the
    /// other.
    pub fn build(self) -> Result<ReManager> {
        let transport = match self.way {
            Way::Transport(transport) => transport,
            Way::Address(ref address) => {
                self.transport(address).map_err(|what| ManagerError::Misconfigured { what })?
            }
        };
        Ok(ReManager {
            transport,
            user: self.user,
            user_group: self.user_group,
            lock_key: self.lock_key,
            timeout: self.timeout,
        })
    }

    fn transport(&self, address: &str) -> std::result::Result<Arc<dyn Transport>, String> {
        match address.split_once("://") {
            Some(("tcp", _)) => {
                if self.api_key.is_some() {
                    return Err(format!(
                        "`api_key` is for HTTP, found `{address}`; leave it out, or give the address of the HTTP server"
                    ));
                }
                let security =
                    match self.public_key.clone().or_else(|| variable(PUBLIC_KEY_VARIABLE)) {
                        None => Security::Null,
                        Some(key) => Security::Curve(
                            key.parse()
                                .map_err(|error| format!("public key of the manager: {error}"))?,
                        ),
                    };
                Ok(Arc::new(ZmqTransport::new(address, self.encoding, security)))
            }
            Some(("http" | "https", _)) => {
                if self.public_key.is_some() {
                    return Err(format!(
                        "`public_key` is for 0MQ, found `{address}`; leave it out, or give the address of the control socket"
                    ));
                }
                let key = self.api_key.clone().or_else(|| variable(API_KEY_VARIABLE));
                Ok(Arc::new(HttpTransport::new(address, key)))
            }
            _ => Err(format!(
                "expected the address of an RE Manager, `tcp://host:port`, or of its HTTP server, `http://host:port`, found `{address}`"
            )),
        }
    }
}

/// What an environment variable says, unless nothing.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}
