//! A real Bluesky stack on loopback, for as long as a test needs it.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use serde::Deserialize;

use crate::services::Services;

/// Where a [`BlueskyStack`] listens, and its keys.
#[derive(Debug, Clone, Deserialize)]
pub struct BlueskyAddresses {
    /// Control socket of the RE Manager, as `tcp://host:port`.
    pub control_addr: String,
    /// Info socket of the RE Manager, as `tcp://host:port`.
    pub info_addr: String,
    /// Public key of the control socket, if it is encrypted: 40 characters of Z85.
    pub curve_public_key: Option<String>,
    /// Output of the document proxy, as `tcp://host:port`.
    pub doc_out_addr: String,
    /// The document stream again, in JSON and under the prefix `json`.
    pub doc_json_addr: String,
    /// The HTTP server before the RE Manager, as `http://host:port`.
    pub http_url: String,
    /// Its key.
    pub http_api_key: String,
    /// The Tiled server, as `http://host:port`.
    pub tiled_url: String,
    /// Its key.
    pub tiled_api_key: String,
}

/// A running stack: Redis, document proxy, RE Manager with its environment open, HTTP server, Tiled, bridge.
///
/// `tests/bluesky/stack.sh` starts it, on free ports and in a temporary folder, and stops it when this value is dropped
/// or the process ends, however it ends. A service that ends without [`Self::service`] is told of on standard error, with its
/// exit status and the end of its log, and is started again, a few times. The first use on a machine installs the Python
/// packages in `target/`, unless `STACK_VENV` names a folder that has them.
#[derive(Debug)]
pub struct BlueskyStack {
    services: Services,
    addresses: BlueskyAddresses,
}

impl BlueskyStack {
    /// Starts all services, or only the named ones (`"redis manager"`), under settings of `stack.sh`.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start(only: Option<&str>, settings: &[(&str, &str)]) -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/bluesky/stack.sh");
        let only = only.map(|only| ["--services", only]);
        let services = Services::start(
            path,
            &["run", "--auto-ports", "--open-env", "--purge", "--dir"],
            only.as_ref().map_or(&[], |only| only),
            settings,
            "stack is up",
        );
        let addresses = serde_json::from_str(&services.written("stack.json"));
        Self { addresses: addresses.expect("stack.sh writes these fields"), services }
    }

    /// The whole stack under its default settings, one for all tests of a process; each has it for itself while it
    /// holds the guard, with all its services running, and leaves it as it found it.
    ///
    /// # Panics
    /// If it does not start.
    pub fn shared() -> MutexGuard<'static, Self> {
        static SHARED: OnceLock<Mutex<BlueskyStack>> = OnceLock::new();
        // A test that failed in the middle is no reason for others to fail: not for a lock that it poisoned, nor for a
        // service that it stopped.
        let stack = SHARED
            .get_or_init(|| Mutex::new(Self::start(None, &[])))
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        stack.services.act(&["heal", "--dir"]);
        stack
    }

    /// Where it listens.
    pub fn addresses(&self) -> &BlueskyAddresses {
        &self.addresses
    }

    /// The folder with its logs and data.
    pub fn folder(&self) -> &Path {
        self.services.folder()
    }

    /// Does something to one service: `start`, `stop`, `kill`, `restart`, `pause` or `cont`; waits until it is done
    /// and, where something starts, until it answers.
    ///
    /// # Panics
    /// If `stack.sh` cannot do it.
    pub fn service(&self, action: &str, name: &str) {
        self.services.act(&["svc", action, name, "--dir"]);
    }
}
