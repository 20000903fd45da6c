//! Slurm's commands: each ends in time, and says what went wrong.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

/// Why a command of Slurm gave no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SlurmError {
    /// It cannot be started.
    #[error(
        "cannot start `{command}`: krige must run where Slurm's commands are, as on a login node"
    )]
    Missing {
        /// The command.
        command: String,
        /// Why.
        source: io::Error,
    },
    /// It took too long and was killed.
    #[error("`{command}` did not answer within {seconds} s")]
    TimedOut {
        /// The command.
        command: String,
        /// How long it was waited for.
        seconds: f64,
    },
    /// Slurm cannot be reached or is too busy.
    #[error("Slurm does not answer `{command}`: {said}")]
    Silent {
        /// The command.
        command: String,
        /// What it said.
        said: String,
    },
    /// It said no.
    #[error("Slurm refuses `{command}`: {said}")]
    Refused {
        /// The command.
        command: String,
        /// What it said.
        said: String,
    },
    /// It said what cannot be understood.
    #[error("`{command}`: expected {expected}, found {said:?}")]
    Garbled {
        /// The command.
        command: String,
        /// What it should have said.
        expected: &'static str,
        /// What it said.
        said: String,
    },
}

impl SlurmError {
    /// Whether it may work later; what was asked for may have been done all the same.
    pub fn is_transient(&self) -> bool {
        match self {
            // A garbled answer may be that of a job that was made.
            Self::TimedOut { .. } | Self::Silent { .. } | Self::Garbled { .. } => true,
            Self::Missing { .. } | Self::Refused { .. } => false,
        }
    }
}

impl From<SlurmError> for krige_runner::RunnerError {
    fn from(error: SlurmError) -> Self {
        if error.is_transient() { Self::transient(error) } else { Self::permanent(error) }
    }
}

/// What Slurm's commands say where the controller is down, busy, taken over by its stand-in, or hangs up in the middle. The rest is about the request.
const SILENT: [&str; 26] = [
    "Unable to contact slurm controller",
    "Unable to contact the slurm controller",
    "Communication connection failure",
    "Message send failure",
    "Message receive failure",
    "Communication shutdown failure",
    "Unexpected missing socket error",
    "Unexpected message received",
    "Header lengths are longer than data received",
    "Insane message length",
    "Rate limit exceeded",
    "Socket timed out",
    "Zero Bytes were transmitted",
    "Connection refused",
    "Connection reset",
    "Connection timed out",
    "Transport endpoint is not connected",
    "Slurm controller not responding",
    "temporarily unable to accept job",
    "Resource temporarily unavailable",
    "I/O error writing script/environment to file",
    "Protocol authentication error",
    "Slurm backup controller in standby mode",
    "slurmdbd: Unable to connect",
    "Unable to connect to database",
    "Job violates accounting/QOS policy (job submit limit",
];

/// Variables that would change what the commands print, or make a job of another kind; and those of the job in which this
/// process itself may run.
fn is_foreign(name: &str) -> bool {
    let keeps = ["SLURM_CONF", "SLURM_JWT", "SLURM_CONF_SERVER"];
    let changes =
        ["SBATCH_ARRAY_INX", "SBATCH_WAIT", "SBATCH_CLUSTERS", "SBATCH_TEST_ONLY", "SCANCEL_BATCH"];
    (name.starts_with("SLURM_") || name.starts_with("SQUEUE_") || name.starts_with("SACCT_"))
        && !keeps.contains(&name)
        || changes.contains(&name)
}

/// The way to Slurm's commands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slurm<'a> {
    /// What is added to this process's environment.
    pub(crate) environment: &'a BTreeMap<String, String>,
    /// How long a command may take.
    pub(crate) timeout: Duration,
}

impl Slurm<'_> {
    /// Runs a command to its end; gives what it printed.
    pub(crate) fn run<S: AsRef<str>>(
        &self,
        command: &str,
        arguments: &[S],
        stdin: Option<File>,
    ) -> Result<String, SlurmError> {
        let (output, errors, is_success) = self.complete(command, arguments, stdin)?;
        if is_success {
            return Ok(output);
        }
        let said = said(&errors, &output);
        let command = command.to_owned();
        Err(if SILENT.iter().any(|sign| said.contains(sign)) {
            SlurmError::Silent { command, said }
        } else {
            SlurmError::Refused { command, said }
        })
    }

    fn complete<S: AsRef<str>>(
        &self,
        command: &str,
        arguments: &[S],
        stdin: Option<File>,
    ) -> Result<(String, String, bool), SlurmError> {
        let deadline = Instant::now() + self.timeout;
        let missing = |source| SlurmError::Missing { command: command.to_owned(), source };
        let mut child = self.child(command, arguments, stdin).spawn().map_err(missing)?;
        let output = read(child.stdout.take());
        let errors = read(child.stderr.take());
        let texts = received(&output, deadline).zip(received(&errors, deadline));
        match texts.zip(ended(&mut child, deadline)) {
            Some(((output, errors), is_success)) => Ok((output, errors, is_success)),
            None => {
                // It may have ended in between; then there is nothing to kill.
                let _ = child.kill();
                let _ = child.wait();
                let seconds = self.timeout.as_secs_f64();
                Err(SlurmError::TimedOut { command: command.to_owned(), seconds })
            }
        }
    }

    fn child<S: AsRef<str>>(&self, command: &str, arguments: &[S], stdin: Option<File>) -> Command {
        let mut child = Command::new(self.path(command));
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(is_foreign) {
                child.env_remove(name);
            }
        }
        child
            .args(arguments.iter().map(AsRef::as_ref))
            .envs(self.environment)
            // What is looked for in its messages is in English.
            .env("LC_ALL", "C")
            .stdin(stdin.map_or_else(Stdio::null, Stdio::from))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // Ctrl-C in the terminal is for the optimizer: a submission is not cut short.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut child, 0);
        child
    }

    /// Where the command is, if the environment to be has a `PATH` of its own.
    fn path(&self, command: &str) -> std::path::PathBuf {
        let folders = self.environment.get("PATH").map(String::as_str).unwrap_or_default();
        let mut found = folders.split(':').filter(|folder| !folder.is_empty());
        let found = found.find_map(|folder| {
            let path = Path::new(folder).join(command);
            path.is_file().then_some(path)
        });
        found.unwrap_or_else(|| command.into())
    }
}

/// What a command said went wrong: the lines that say so, without what is only a hint.
fn said(errors: &str, output: &str) -> String {
    let text = if errors.trim().is_empty() { output } else { errors };
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let said = if lines.is_empty() { "nothing".into() } else { lines.join("; ") };
    said.chars().take(1000).collect()
}

/// Reads a pipe to its end, on a thread of its own.
fn read(pipe: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    let reader = move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe
            && pipe.read_to_end(&mut bytes).is_ok()
        {
            // Nobody listens any more once the deadline has passed.
            let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
        }
    };
    // Without a thread, the sender is gone and nothing is received.
    let _ = thread::Builder::new().name("krige-slurm".into()).stack_size(128 * 1024).spawn(reader);
    receiver
}

fn received(receiver: &Receiver<String>, deadline: Instant) -> Option<String> {
    receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()
}

/// Whether a child ended well; it has closed its pipes and is about to end.
fn ended(child: &mut Child, deadline: Instant) -> Option<bool> {
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status.success());
        }
        if Instant::now() >= deadline {
            return None;
        }
        thread::park_timeout(Duration::from_millis(1));
    }
}

#[cfg(test)]
mod tests;
