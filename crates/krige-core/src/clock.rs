//! Where the time comes from: not from this crate.

use crate::Timestamp;

/// Tells the time; the caller chooses whether it is the machine's or a test's.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;
}
