//! What a lab or a cluster implements: [`IRunner`] starts trials, [`IMetric`] reads what came of them.
//!
//! For programs there are a runner and metrics already: [`CommandRunner`], [`JsonMetric`] and the like; [`FunctionRunner`] is
//! for closures.
//!
//! Both traits are blocking and are called from worker threads; an implementation is plain data that is stored
//! with the experiment, so that a resumed experiment finds its runner and metrics again. A complete pair:
//!
//! ```
//! use std::path::PathBuf;
//! use std::process::{Command, Stdio};
//!
//! use krige_core::trial::{Metadata, TrialRun};
//! use krige_core::value::Parameterization;
//! use krige_runner::{IMetric, IRunner, Measurement, MetricError, RunStatus, RunnerError};
//! use serde::{Deserialize, Serialize};
//!
//! /// Starts `simulate X1 X2 > FOLDER/KEY` and does not wait for it.
//! #[derive(Debug, Clone, Serialize, Deserialize)]
//! struct Simulation {
//!     folder: PathBuf,
//! }
//!
//! #[typetag::serde(name = "simulation")]
//! impl IRunner for Simulation {
//!     fn run_trial(
//!         &self,
//!         run: &TrialRun,
//!         parameters: &Parameterization,
//!     ) -> Result<Metadata, RunnerError> {
//!         let output = self.folder.join(&run.key);
//!         let child = Command::new("simulate")
//!             .arg(parameters.float("x1")?.to_string())
//!             .arg(parameters.float("x2")?.to_string())
//!             .stdout(std::fs::File::create(&output).map_err(RunnerError::transient)?)
//!             .stdin(Stdio::null())
//!             .spawn()
//!             .map_err(RunnerError::permanent)?;
//!         Ok(Metadata::of("pid", child.id()).with("output", output.display().to_string()))
//!     }
//!
//!     fn poll_trial(&self, _run: &TrialRun, metadata: &Metadata) -> Result<RunStatus, RunnerError> {
//!         let path = metadata.text("output").unwrap_or_default();
//!         let written = std::fs::read_to_string(path).map_err(RunnerError::transient)?;
//!         Ok(if written.ends_with('\n') { RunStatus::Completed } else { RunStatus::Running })
//!     }
//! }
//!
//! /// The number that the simulation wrote.
//! #[derive(Debug, Clone, Serialize, Deserialize)]
//! struct Output;
//!
//! #[typetag::serde(name = "output")]
//! impl IMetric for Output {
//!     fn fetch(&self, _run: &TrialRun, metadata: &Metadata) -> Result<Measurement, MetricError> {
//!         let path = metadata.text("output").unwrap_or_default();
//!         let written = std::fs::read_to_string(path).map_err(MetricError::transient)?;
//!         let value: f64 = written.trim().parse().map_err(MetricError::permanent)?;
//!         Ok(value.into())
//!     }
//! }
//! # // The stored form is plain data under a tag:
//! # let stored = serde_json::to_value(&Simulation { folder: "out".into() } as &dyn IRunner);
//! # assert_eq!(stored.ok(), Some(serde_json::json!({"type": "simulation", "folder": "out"})));
//! ```

#[cfg(unix)]
mod command;
mod contract;
mod error;
mod function;
mod metadata;
mod metric;
#[cfg(unix)]
mod output;
#[cfg(unix)]
pub mod program;
mod runner;

#[cfg(unix)]
pub use command::{CommandError, CommandRunner};
pub use contract::{check_metric, check_runner};
pub use error::{Cause, MetricError, RunnerError};
pub use function::{ClosureLost, FunctionMetric, FunctionRunner, MeasuredTwice, is_closure};
pub use metadata::{MetadataError, MetadataMetric, NotAMeasurement};
pub use metric::{IMetric, Measurement};
#[cfg(unix)]
pub use output::{
    FileMetric, JsonMetric, OutputError, PatternError, RegexMetric, RunMetric, SizeMetric,
};
pub use runner::{Found, IRunner, RunStatus, Stopped};
