//! Programs of this machine as trials.

mod slots;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use krige_core::trial::{Metadata, TrialRun};
use krige_core::value::Parameterization;
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use crate::error::RunnerError;
use crate::program::{Process, Program, ProgramError, RunFolder};
use crate::runner::{Found, IRunner, RunStatus, Stopped};
use slots::Slots;

/// Runs any program as a trial, on this machine.
///
/// Each run has a [folder](RunFolder) of its own, `WORK/KEY`, in which the program runs and its output stays. What it gave
/// is read from there.
///
/// ```no_run
/// use krige_runner::CommandRunner;
/// use krige_runner::program::Program;
///
/// let train = Program::new("python3").args(["train.py", "--rate", "{rate}"]).file("train.py");
/// // Two at a time, each on a GPU of its own.
/// let runner = CommandRunner::new("work", train.env("CUDA_VISIBLE_DEVICES", "{krige.slot}"))
///     .slots(["0", "1"]);
/// ```
///
/// # When the optimizer dies
/// Programs go on, and are found again: a run whose lock is held is alive, and one that has ended left a file that says
/// how. No run is ever started twice, whoever asks for it. A run that is gone without such a file, because everything
/// was killed or the machine lost its power, is [lost](RunStatus::Lost): its trial is run again, until it has had
/// [`max_runs_if_lost`](Self::max_runs_if_lost) runs.
///
/// # What it needs
/// `sh`, the GNU coreutils' `timeout`, and a work folder on a file system that can lock files. All processes that drive
/// the experiment must run on the same machine. For programs on other machines, have the program be what reaches them:
/// `examples/ssh.sh` and `examples/kubernetes.sh` are two that do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandRunner {
    /// Where the runs have their folders.
    pub work: PathBuf,
    /// The program.
    pub program: Program,
    /// What a run is given one of, such as the numbers of the machine's GPUs: as many runs at a time as there are slots.
    /// All runners with this work folder share those of one name. None: as many as are asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slots: Vec<String>,
    /// How many runs a trial gets in all where they are lost; 3.
    #[serde(default = "max_runs_if_lost")]
    pub max_runs_if_lost: u32,
}

const fn max_runs_if_lost() -> u32 {
    3
}

/// Why a run cannot be started or told of.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// All slots are taken.
    #[error("all {slots} slots are taken: a run must end first, and all that it has started")]
    Full {
        /// How many there are.
        slots: usize,
    },
    /// Somebody else starts this run at the moment.
    #[error("the run {key} is being started by another process")]
    Starting {
        /// Its key.
        key: String,
    },
    /// There is no shell.
    #[error("cannot start `sh`, which runs every program")]
    Shell {
        /// Why.
        source: std::io::Error,
    },
    /// It could not be signalled.
    #[error("cannot signal process {pid}")]
    Signal {
        /// The process.
        pid: i32,
        /// Why.
        source: std::io::Error,
    },
    /// The metadata are not of this runner.
    #[error("expected the entry `folder` in the trial's metadata, as CommandRunner writes it")]
    NoFolder,
}

impl CommandRunner {
    /// A runner of a program, with the runs' folders in `work`; a relative path counts from the present folder, now and
    /// for ever.
    pub fn new(work: impl AsRef<Path>, program: Program) -> Self {
        let work = work.as_ref();
        Self {
            work: std::path::absolute(work).unwrap_or_else(|_| work.to_owned()),
            program,
            slots: Vec::new(),
            max_runs_if_lost: max_runs_if_lost(),
        }
    }

    /// Gives each run one of these, in `KRIGE_SLOT` and as `{krige.slot}`, and runs as many at a time as there are.
    #[must_use]
    pub fn slots<S: Into<String>>(self, slots: impl IntoIterator<Item = S>) -> Self {
        Self { slots: slots.into_iter().map(Into::into).collect(), ..self }
    }

    /// Runs so many at a time at most, and one at least, whatever the orchestrator allows: slots `0`, `1`, ….
    #[must_use]
    pub fn concurrency(self, runs: usize) -> Self {
        self.slots((0..runs.max(1)).map(|slot| slot.to_string()))
    }

    /// What a run is that has ended without saying how.
    fn lost(&self, run: &TrialRun, what: &str) -> RunStatus {
        let reason = format!(
            "{what}: it was killed with all that belonged to it, or the machine stopped, or the disk was full"
        );
        if run.attempt < self.max_runs_if_lost {
            RunStatus::Lost { reason }
        } else {
            RunStatus::Failed { reason }
        }
    }

    fn slot_locks(&self) -> Slots<'_> {
        Slots { work: &self.work, names: &self.slots }
    }
}

/// What a run is known by: its folder, and its slot.
fn metadata(folder: &RunFolder) -> Result<Metadata, RunnerError> {
    let slot = std::fs::read_to_string(folder.own("slot")).ok();
    let metadata = folder.metadata();
    Ok(match slot {
        Some(slot) => metadata.with("slot", slot),
        None => metadata,
    })
}

fn folder_of(metadata: &Metadata) -> Result<RunFolder, RunnerError> {
    RunFolder::of(metadata).ok_or_else(|| RunnerError::permanent(CommandError::NoFolder))
}

#[typetag::serde(name = "command")]
impl IRunner for CommandRunner {
    fn run_trial(
        &self,
        run: &TrialRun,
        parameters: &Parameterization,
    ) -> Result<Metadata, RunnerError> {
        let folder = RunFolder::new(&self.work, run);
        let Some(lock) = folder.lock()? else {
            if folder.began()?.is_some() {
                return metadata(&folder);
            }
            return Err(RunnerError::transient(CommandError::Starting { key: run.key.clone() }));
        };
        if folder.began()?.is_some() {
            return metadata(&folder);
        }
        let slot = self.slot_locks().take()?;
        folder.prepare(&self.program, run, parameters, slot.as_ref().map(|(name, _)| *name))?;
        if let Some((name, _)) = &slot {
            let path = folder.own("slot");
            std::fs::write(&path, name).map_err(|source| {
                RunnerError::from(ProgramError::File { action: "write", path, source })
            })?;
        }
        let path = folder.own("run.log");
        let log = std::fs::File::create(&path).map_err(|source| {
            RunnerError::from(ProgramError::File { action: "write", path, source })
        })?;
        let mut command = Command::new("sh");
        command
            .args(RunFolder::arguments(&self.program, &[]))
            .current_dir(folder.path())
            .stdin(Stdio::from(lock))
            .stdout(slot.map_or_else(Stdio::null, |(_, lock)| Stdio::from(lock)))
            .stderr(Stdio::from(log));
        // Ctrl-C in the terminal is for the optimizer, not for what it has started.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command
            .spawn()
            .map_err(|source| RunnerError::transient(CommandError::Shell { source }))?;
        // Somebody must take its exit status, or it stays as a zombie; if no thread can be had, the end of this process does.
        let _ = std::thread::Builder::new()
            .name("krige-run".into())
            .stack_size(64 * 1024)
            .spawn(move || child.wait());
        metadata(&folder)
    }

    fn poll_trial(&self, run: &TrialRun, metadata: &Metadata) -> Result<RunStatus, RunnerError> {
        let folder = folder_of(metadata)?;
        if let Some(ended) = folder.ended()? {
            return Ok(folder.verdict(&self.program, &ended)?);
        }
        if folder.is_locked()? {
            return Ok(RunStatus::Running);
        }
        // It may have ended in between.
        if let Some(ended) = folder.ended()? {
            return Ok(folder.verdict(&self.program, &ended)?);
        }
        Ok(match (folder.began()?, folder.stopped()?) {
            (_, Some(reason)) => RunStatus::Failed { reason: format!("stopped: {reason}") },
            (Some(_), None) => self.lost(run, "the program is gone and has not left how it ended"),
            // Whether anything runs cannot be told any more, so it is not run again.
            (None, None) if !folder.own("lock").exists() => RunStatus::Failed {
                reason: format!(
                    "the run's folder {} is gone, or its part `krige`: a program must leave that alone",
                    folder.path().display()
                ),
            },
            (None, None) => self.lost(run, "the program was never started"),
        })
    }

    fn stop_trial(
        &self,
        _run: &TrialRun,
        metadata: &Metadata,
        reason: &str,
    ) -> Result<Stopped, RunnerError> {
        let folder = folder_of(metadata)?;
        if folder.ended()?.is_some() {
            return Ok(Stopped::Requested);
        }
        // First the note: what is only about to begin looks for it.
        folder.request_stop(reason)?;
        if let Some(process) = folder.processes()?.iter().find(|process| process.is_alive()) {
            terminate(process)?;
        }
        Ok(Stopped::Requested)
    }

    fn free_slots(&self) -> Result<Option<usize>, RunnerError> {
        if self.slots.is_empty() {
            return Ok(None);
        }
        self.slot_locks().free().map(Some)
    }

    fn find_trial(&self, run: &TrialRun) -> Result<Found, RunnerError> {
        let folder = RunFolder::new(&self.work, run);
        if folder.is_locked()? || folder.began()?.is_some() {
            return Ok(Found::Exists(metadata(&folder)?));
        }
        Ok(Found::Absent)
    }
}

/// Asks the script, or what it started, to end the program: SIGTERM, and SIGKILL when the grace is over.
fn terminate(process: &Process) -> Result<(), RunnerError> {
    let Some(pid) = Pid::from_raw(process.pid) else { return Ok(()) };
    match kill_process(pid, Signal::TERM) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => {
            let source = error.into();
            Err(RunnerError::permanent(CommandError::Signal { pid: process.pid, source }))
        }
    }
}

impl From<ProgramError> for RunnerError {
    /// What the disk says may pass; what is wrong with the program's description does not.
    fn from(error: ProgramError) -> Self {
        match error {
            ProgramError::File { .. } => Self::transient(error),
            other => Self::permanent(other),
        }
    }
}

#[cfg(test)]
mod tests;
