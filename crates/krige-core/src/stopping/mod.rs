//! When a running trial is stopped before its end, and when an experiment is.

mod early;
mod global;

pub use early::EarlyStopping;
pub use global::GlobalStopping;
