//! What applications need, in one line: `use krige::prelude::*;`.

pub use krige_core::control::Control;
pub use krige_core::generation::{
    Center, GenerationMethod, GenerationNode, GenerationStrategy, Gp, Noise, Sobol, StrategyOptions,
};
pub use krige_core::search_space::{Parameter, SearchSpace};
pub use krige_core::stopping::{EarlyStopping, GlobalStopping};
pub use krige_core::trial::{Metadata, TrialIndex, TrialRun, TrialStatus};
pub use krige_core::value::{ParameterValue, Parameterization};
pub use krige_runner::{
    Found, FunctionMetric, FunctionRunner, IMetric, IRunner, Measurement, MetadataMetric,
    MetricError, RunStatus, RunnerError, Stopped,
};

#[cfg(unix)]
pub use krige_runner::{
    CommandRunner, FileMetric, JsonMetric, RegexMetric, RunMetric, SizeMetric,
    program::{Limits, Program},
};

pub use crate::{
    BestParameterization, Client, EndReason, Error, Estimate, ExperimentConfig,
    ExperimentDefinition, ExperimentStore, FinishedTrial, IdleCallback, Orchestrator,
    OrchestratorOptions, Progress, RunReport, StopSignal, Summary,
};
