//! krige on a Slurm cluster: trials as batch jobs, by Slurm's command line.
//!
//! - [`SlurmRunner`]: has any program run as trials, each as a batch job.
//! - [`Resources`]: what each job asks for; [`Retries`]: how often a trial is run again that Slurm lost.
//!
//! It needs `sbatch`, `squeue` and `scancel` where krige runs, as on a login node, and a folder that the nodes share. `sacct` is used
//! where there is accounting.

mod notice;
mod queue;
mod resources;
mod retry;
mod runner;
mod script;
mod slurm;
mod state;

pub use resources::{Resources, ResourcesError};
pub use retry::Retries;
pub use runner::{Session, SlurmRunner, SlurmRunnerError};
pub use slurm::SlurmError;
