//! Asking a run to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Asks a run to end: the first request lets running trials end, the second leaves at once.
///
/// Clones share the request. Nothing is lost either way: trials that still run are found by the next run.
#[derive(Debug, Clone, Default)]
pub struct StopSignal(Arc<AtomicU8>);

/// How urgent the request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum StopLevel {
    /// Not asked for.
    No,
    /// Start nothing; wait for what runs.
    Drain,
    /// Leave.
    Now,
}

impl StopSignal {
    /// A signal that nobody has given yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A signal that Ctrl-C (and a request to terminate) gives.
    ///
    /// # Errors
    /// If the process has another handler for Ctrl-C.
    pub fn on_ctrl_c() -> Result<Self, ctrlc::Error> {
        let signal = Self::new();
        let given = signal.clone();
        ctrlc::set_handler(move || given.request())?;
        Ok(signal)
    }

    /// Asks the run to end; a second request is more urgent than the first.
    pub fn request(&self) {
        // Never wraps: further requests change nothing.
        let more = |level: u8| (level < 2).then_some(level + 1);
        let _unchanged = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more);
    }

    pub(crate) fn level(&self) -> StopLevel {
        match self.0.load(Ordering::SeqCst) {
            0 => StopLevel::No,
            1 => StopLevel::Drain,
            _ => StopLevel::Now,
        }
    }
}
