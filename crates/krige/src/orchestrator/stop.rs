//! Asking a run to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Asks a run to end: the first request lets running trials end, the second has them stopped on the far side, the
/// third leaves at once.
///
/// Clones share the request. Nothing is lost in any way: trials that still run, because their runner cannot stop them or
/// because the run was left, are found by the next run.
#[derive(Debug, Clone, Default)]
pub struct StopSignal(Arc<AtomicU8>);

/// How urgent the request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum StopLevel {
    /// Not asked for.
    No,
    /// Start nothing; wait for what runs.
    Drain,
    /// Stop what runs.
    Stop,
    /// Leave.
    Leave,
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

    /// Asks the run to end; each of the first three requests is more urgent than the one before.
    pub fn request(&self) {
        // Never wraps: further requests change nothing.
        let more = |level: u8| (level < 3).then_some(level + 1);
        let _unchanged = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more);
    }

    pub(crate) fn level(&self) -> StopLevel {
        match self.0.load(Ordering::SeqCst) {
            0 => StopLevel::No,
            1 => StopLevel::Drain,
            2 => StopLevel::Stop,
            _ => StopLevel::Leave,
        }
    }
}
