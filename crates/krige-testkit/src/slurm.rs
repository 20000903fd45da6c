//! A real Slurm on loopback, for as long as a test needs it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// A running Slurm: controller, nodes that are all this machine, and accounting where it is asked for.
///
/// `tests/slurm/slurm-stack` starts it, on free ports and in a temporary folder, and stops it when this value is dropped or
/// the process ends, however it ends. The first use on a machine that has no Slurm unpacks Debian's in `target/`.
#[derive(Debug)]
pub struct SlurmStack {
    script: Child,
    /// The script stops the stack when this closes.
    lifeline: Option<ChildStdin>,
    folder: PathBuf,
    environment: BTreeMap<String, String>,
}

impl SlurmStack {
    /// Starts one, under settings of `slurm-stack` (`("SLURM_STACK_ACCOUNTING", "1")`).
    ///
    /// # Panics
    /// If it does not start.
    pub fn start(settings: &[(&str, &str)]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("krige-slurm-{}-{number}", std::process::id()));
        let mut script = Self::script()
            .arg("run")
            .arg(&folder)
            .envs(settings.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("bash starts");
        let lifeline = script.stdin.take();
        let mut said = BufReader::new(script.stdout.take().expect("it is piped")).lines();
        match said.next() {
            Some(Ok(line)) if line == "slurm is up" => {}
            other => panic!("Slurm did not start ({other:?}); its script says why"),
        }
        let written = std::fs::read_to_string(folder.join("env"))
            .expect("a stack that is up has written its environment");
        let environment = written
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Self { script, lifeline, folder, environment }
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
        &self.folder
    }

    /// Does something to one daemon (`slurmctld`, `slurmd-0`, `slurmdbd`): `start`, `stop` or `kill`; waits until it is done
    /// and, where a controller or a database starts, until it answers.
    ///
    /// # Panics
    /// If `slurm-stack` cannot do it.
    pub fn service(&self, action: &str, name: &str) {
        self.act(&["svc", action, name]);
    }

    /// Brings nodes back into service that are drained or down.
    ///
    /// # Panics
    /// If a node is not up after a while.
    pub fn resume(&self) {
        self.act(&["resume"]);
    }

    fn act(&self, arguments: &[&str]) {
        let status = Self::script()
            .args(arguments)
            .arg(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .expect("bash starts");
        assert!(status.success(), "slurm-stack {arguments:?}: {status}");
    }

    fn script() -> Command {
        let mut command = Command::new("bash");
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/slurm/slurm-stack"));
        #[cfg(unix)]
        {
            use std::os::unix::process::CommandExt;
            // Ctrl-C in the terminal reaches the test; the script then sees its end and can still tidy up.
            command.process_group(0);
        }
        command
    }
}

impl Drop for SlurmStack {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        // A stack that does not stop is named by its script; there is nobody to give an error to.
        let _ = self.script.wait();
    }
}
