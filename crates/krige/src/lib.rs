#![doc = include_str!("../../../README.md")]

mod client;
mod clock;
mod error;
mod finished;
pub mod health;
mod orchestrator;
pub mod prelude;
mod progress;
mod restore;
mod store;
mod summary;
mod value;

pub use client::{BestParameterization, Client, Estimate, ExperimentConfig};
pub use clock::SystemClock;
pub use error::Error;
pub use finished::FinishedTrial;
pub use orchestrator::{
    EndReason, IdleCallback, Orchestrator, OrchestratorOptions, Results, RunReport, StopSignal,
};
pub use progress::Progress;
pub use store::{ExperimentDefinition, ExperimentStore};
pub use summary::Summary;

pub use {krige_core as core, krige_gp as gp, krige_runner as runner, krige_sqlite as sqlite};

/// Has the code of the guide tested.
#[cfg(all(doctest, unix))]
#[doc = include_str!("../../../docs/guides/programs.md")]
mod guide_to_programs {}
