//! Metrics over what a program left in its run's folder, whoever started it, here or on a cluster.
//!
//! The folder is the entry `folder` of the run's metadata. While the run goes on, files grow in it; once it has ended,
//! `krige/ended` says so, and how long its output is. Files may lie on a shared file system that shows them late.

mod backwards;
mod error;
mod file;
mod folder;
mod json;
#[cfg(test)]
mod lab;
mod last;
mod pattern;
mod run;

pub use error::OutputError;
pub use file::FileMetric;
pub use json::JsonMetric;
pub use pattern::{PatternError, RegexMetric};
pub use run::{RunMetric, SizeMetric};

#[cfg(test)]
mod tests;
