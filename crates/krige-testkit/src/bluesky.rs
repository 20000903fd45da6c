//! A real Bluesky stack on loopback, for as long as a test needs it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use serde::Deserialize;

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
/// exit status and the end of its log, and is started again, a few times. The first use on a machine installs the Python packages in `target/`, unless
/// `STACK_VENV` names a folder that has them.
#[derive(Debug)]
pub struct BlueskyStack {
    script: Child,
    /// The script stops the stack when this closes.
    lifeline: Option<ChildStdin>,
    folder: PathBuf,
    addresses: BlueskyAddresses,
}

impl BlueskyStack {
    /// Starts all services, or only the named ones (`"redis manager"`), under settings of `stack.sh`.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start(services: Option<&str>, settings: &[(&str, &str)]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("krige-bluesky-{}-{number}", std::process::id()));
        let mut command = Self::script();
        command.args(["run", "--auto-ports", "--open-env", "--purge", "--dir"]).arg(&folder);
        if let Some(services) = services {
            command.args(["--services", services]);
        }
        let mut script = command
            .envs(settings.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("bash starts");
        let lifeline = script.stdin.take();
        let mut said = Vec::new();
        let mut lines = BufReader::new(script.stdout.take().expect("it is piped")).lines();
        while !said.last().is_some_and(|line: &String| line.starts_with("stack is up")) {
            match lines.next() {
                Some(Ok(line)) => said.push(line),
                end => panic!("the Bluesky stack did not start ({end:?}): {}", said.join("\n")),
            }
        }
        let written = std::fs::read_to_string(folder.join("stack.json"))
            .expect("a stack that is up has written its addresses");
        let addresses = serde_json::from_str(&written).expect("stack.sh writes these fields");
        Self { script, lifeline, folder, addresses }
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
        stack.run(&["heal"]);
        stack
    }

    /// Where it listens.
    pub fn addresses(&self) -> &BlueskyAddresses {
        &self.addresses
    }

    /// The folder with its logs and data.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Does something to one service: `start`, `stop`, `kill`, `restart`, `pause` or `cont`; waits until it is done
    /// and, where something starts, until it answers.
    ///
    /// # Panics
    /// If `stack.sh` cannot do it.
    pub fn service(&self, action: &str, name: &str) {
        self.run(&["svc", action, name]);
    }

    fn run(&self, action: &[&str]) {
        let status = Self::script()
            .args(action)
            .arg("--dir")
            .arg(&self.folder)
            .stdout(Stdio::null())
            .status()
            .expect("bash starts");
        assert!(status.success(), "stack.sh {}: {status}", action.join(" "));
    }

    fn script() -> Command {
        let mut command = Command::new("bash");
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/bluesky/stack.sh"));
        #[cfg(unix)]
        {
            use std::os::unix::process::CommandExt;
            // Ctrl-C in the terminal reaches the test; the script then sees its end and can still tidy up.
            command.process_group(0);
        }
        command
    }
}

impl Drop for BlueskyStack {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        // A stack that does not stop is named by its script; there is nobody to give an error to.
        let _ = self.script.wait();
    }
}
