//! How to reach the services of a beamline: plain data, stored with the experiment, without secrets.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::manager::{Encoding, ManagerError, ReManager};
use crate::tiled::{API_KEY_VARIABLE, TiledClient, TiledError};

/// The environment variable with the API key of the HTTP server, unless another is named.
pub const HTTP_API_KEY_VARIABLE: &str = "QSERVER_HTTP_SERVER_SINGLE_USER_API_KEY";

/// How to reach an RE Manager.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManagerAccess {
    /// `tcp://host:port` of the control socket, or `http://…` of the HTTP server.
    pub address: String,
    /// How messages are written on the control socket; what the manager was started with.
    #[serde(default)]
    pub encoding: Encoding,
    /// The manager's public key (40 characters of Z85), if its control socket is encrypted. It is stored as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// The environment variable with the API key of the HTTP server.
    #[serde(default = "http_api_key_variable")]
    pub api_key_variable: String,
    /// `tcp://host:port` of the info socket, from which it is told why an environment did not open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info_address: Option<String>,
    /// Who submits items, for people.
    #[serde(default = "user")]
    pub user: String,
    /// By which group's permissions.
    #[serde(default = "user_group")]
    pub user_group: String,
    /// The environment variable with the key of a lock that is held for this experiment, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock_key_variable: Option<String>,
    /// How long one request may take, in seconds.
    #[serde(default = "timeout_seconds")]
    pub timeout_seconds: f64,
}

fn http_api_key_variable() -> String {
    HTTP_API_KEY_VARIABLE.into()
}

fn user() -> String {
    "krige".into()
}

fn user_group() -> String {
    "primary".into()
}

const fn timeout_seconds() -> f64 {
    5.0
}

impl ManagerAccess {
    /// An RE Manager at an address, with JSON, without encryption, as `krige` of the group `primary`.
    pub fn new(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            encoding: Encoding::default(),
            public_key: None,
            api_key_variable: http_api_key_variable(),
            info_address: None,
            user: user(),
            user_group: user_group(),
            lock_key_variable: None,
            timeout_seconds: timeout_seconds(),
        }
    }

    /// The client; nothing is connected yet.
    ///
    /// # Errors
    /// If the address or the key is none.
    pub fn client(&self) -> Result<ReManager, ManagerError> {
        let seconds = self.timeout_seconds;
        let timeout = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::from_secs(5));
        let mut builder = ReManager::connect(&self.address)
            .encoding(self.encoding)
            .user(&self.user)
            .user_group(&self.user_group)
            .timeout(timeout.max(Duration::from_millis(100)));
        if let Some(key) = &self.public_key {
            builder = builder.public_key(key);
        }
        // On the control socket there is no such key.
        if self.address.starts_with("http")
            && let Ok(key) = std::env::var(&self.api_key_variable)
        {
            builder = builder.api_key(key);
        }
        if let Some(key) = self.lock_key() {
            builder = builder.lock_key(key);
        }
        builder.build()
    }

    /// The key of the lock that is held for this experiment, if there is one.
    pub(crate) fn lock_key(&self) -> Option<String> {
        self.lock_key_variable.as_deref().and_then(|name| std::env::var(name).ok())
    }
}

/// How to reach a Tiled server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TiledAccess {
    /// Address of the server, with or without `/api/v1`.
    pub url: String,
    /// Below which path the runs are mounted; empty is the root.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    /// The environment variable with the API key; without one, requests are made without a key.
    #[serde(default = "tiled_api_key_variable")]
    pub api_key_variable: String,
}

fn tiled_api_key_variable() -> String {
    API_KEY_VARIABLE.into()
}

impl TiledAccess {
    /// A server whose runs are at its root.
    pub fn new(url: impl Into<String>) -> Self {
        let (prefix, api_key_variable) = (String::new(), tiled_api_key_variable());
        Self { url: url.into(), prefix, api_key_variable }
    }

    /// The client; nothing is connected yet.
    ///
    /// # Errors
    /// If the address is none.
    pub fn client(&self) -> Result<TiledClient, TiledError> {
        Ok(TiledClient::new(&self.url)?.prefix(&self.prefix).api_key_from(&self.api_key_variable))
    }
}
