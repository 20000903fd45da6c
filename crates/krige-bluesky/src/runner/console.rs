//! What the RE Manager printed: the only place where it says why an environment did not open.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::access::ManagerAccess;
use crate::zmtp::{Security, Subscriber};

/// The last so many lines are told.
const LINES: usize = 4;

/// Listens to the manager's console, if there is an address for it and somebody there.
pub(super) struct Console(Option<Subscriber>);

impl Console {
    /// Begins to listen. The info socket is never encrypted.
    pub(super) fn listen(access: &ManagerAccess) -> Self {
        let deadline = Instant::now() + Duration::from_secs(1);
        let connected = access.info_address.as_ref().and_then(|address| {
            let mut subscriber = Subscriber::connect(address, &Security::Null, deadline).ok()?;
            subscriber.subscribe(b"QS_Console", deadline).ok()?;
            Some(subscriber)
        });
        Self(connected)
    }

    /// The last lines that were printed since and that speak of an error.
    pub(super) fn errors(self) -> Option<String> {
        let mut subscriber = self.0?;
        let mut lines = Vec::new();
        // What was printed last is still on its way.
        let deadline = Instant::now() + Duration::from_secs(1);
        while let Ok(Some(frames)) = subscriber.receive(deadline) {
            let said = frames.get(1).and_then(|frame| serde_json::from_slice::<Value>(frame).ok());
            let text = said.as_ref().and_then(|said| said["msg"].as_str()).unwrap_or_default();
            let speaks = |line: &&str| line.contains("Error") || line.contains("Exception");
            lines.extend(text.lines().map(str::trim).filter(speaks).map(ToOwned::to_owned));
        }
        // It prints the same twice: as the worker's and as its own.
        lines.dedup();
        let last = lines.len().saturating_sub(LINES);
        (!lines.is_empty()).then(|| lines[last..].join(" | "))
    }
}
