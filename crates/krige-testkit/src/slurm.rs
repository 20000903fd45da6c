//! A real Slurm on loopback, for as long as a test needs it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use crate::services::Services;

/// A running Slurm: controller, nodes that are all this machine, and accounting where it is asked for.
///
/// `tests/slurm/slurm-stack` starts it, on free ports and in a temporary folder, and stops it when this value is dropped or
/// the process ends, however it ends. The first use on a machine that has no Slurm unpacks Debian's in `target/`.
#[derive(Debug)]
pub struct SlurmStack {
    services: Services,
    environment: BTreeMap<String, String>,
}

impl SlurmStack {
    /// Starts one, under settings of `slurm-stack` (`("SLURM_STACK_ACCOUNTING", "1")`).
    ///
    /// # Panics
    /// If it does not start.
    pub fn start(settings: &[(&str, &str)]) -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/slurm/slurm-stack");
        let services = Services::start(path, &["run"], &[], settings, "slurm is up");
        let written = services.written("env");
        let environment = written
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Self { services, environment }
    }

    /// Two nodes of 8 CPUs without accounting, for all tests of a process at once: nobody does anything to its daemons, and
    /// each looks only at its own jobs.
    ///
    /// # Panics
    /// If it does not start.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<SlurmStack> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&[("SLURM_STACK_NODES", "2")]))
    }

    /// What Slurm's commands need in their environment to reach it.
    pub fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
    }

    /// One of Slurm's commands, set up to reach it.
    pub fn command(&self, program: &str) -> Command {
        // The program is looked for in this process's PATH, unless it is found here.
        let found = self.environment.get("PATH").and_then(|path| {
            path.split(':').map(|folder| Path::new(folder).join(program)).find(|path| path.exists())
        });
        let mut command = Command::new(found.unwrap_or_else(|| program.into()));
        command.envs(&self.environment);
        command
    }

    /// The folder with its configuration, logs and state.
    pub fn folder(&self) -> &Path {
        self.services.folder()
    }

    /// Does something to one daemon (`slurmctld`, `slurmd-0`, `slurmdbd`): `start`, `stop` or `kill`; waits until it is done
    /// and, where a controller or a database starts, until it answers.
    ///
    /// # Panics
    /// If `slurm-stack` cannot do it.
    pub fn service(&self, action: &str, name: &str) {
        self.services.act(&["svc", action, name]);
    }

    /// Brings nodes back into service that are drained or down.
    ///
    /// # Panics
    /// If a node is not up after a while.
    pub fn resume(&self) {
        self.services.act(&["resume"]);
    }
}
