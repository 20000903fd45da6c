//! When a running trial is stopped before its end, and when an experiment is.
//!
//! Rules are data, stored with the experiment. What they say follows from the experiment alone, and for wall time from
//! the time that is passed in: [`EarlyStopping::verdict`], [`GlobalStopping::verdict`]. They say why; whoever runs the
//! trials stops them. [`EarlyStopping::replay`] tries a rule on trials of the past.

mod curves;
mod early;
mod error;
mod global;
mod replay;
#[cfg(test)]
mod tests;

pub use early::EarlyStopping;
pub use error::StoppingError;
pub use global::GlobalStopping;
pub use replay::Replay;
