//! The examples as programs, for the tests that start them.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use krige::core::event::Record;
use krige::core::experiment::Experiment;
use krige::core::journal::Journal;
use krige::core::trial::{Trial, TrialStatus};
use krige::prelude::Client;
use krige::sqlite::SqliteJournal;
use krige_testkit::check_invariants;
use serde_json::Value;

use crate::root;

/// How long a program may take that is not expected to hang.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

/// Every example's program by its name, built once for all tests, as the tests themselves were built.
static PROGRAMS: LazyLock<HashMap<String, PathBuf>> = LazyLock::new(|| {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it lies in the target");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--package", "krige-examples", "--examples"]);
    cargo.args(["--message-format", "json-render-diagnostics", "--target-dir"]).arg(target);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let output =
        cargo.current_dir(root()).stderr(Stdio::inherit()).output().expect("cargo can be started");
    assert!(output.status.success(), "the examples cannot be built: {}", output.status);
    let messages = String::from_utf8(output.stdout).expect("cargo speaks UTF-8");
    messages
        .lines()
        .filter_map(|line| {
            let message: Value = serde_json::from_str(line).ok()?;
            let is_example = message["target"]["kind"][0] == "example";
            let program = message["executable"].as_str().filter(|_| is_example)?;
            Some((message["target"]["name"].as_str()?.to_owned(), program.into()))
        })
        .collect()
});

/// The program of an example.
#[track_caller]
pub(crate) fn program(example: &str) -> &'static Path {
    PROGRAMS.get(example).unwrap_or_else(|| panic!("no example {example} was built"))
}

/// What a program printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// What it printed, of a program that must have ended well.
    #[track_caller]
    pub(crate) fn success(self) -> Self {
        assert!(self.status.success(), "{}\n{}\n{}", self.status, self.stdout, self.stderr);
        self
    }

    #[track_caller]
    pub(crate) fn last_line(&self) -> &str {
        self.stdout.lines().last().unwrap_or_else(|| panic!("it prints a line: {self:?}"))
    }
}

/// A program under way. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    /// All of standard output, once it is closed.
    stdout: Receiver<String>,
    stderr: PathBuf,
}

impl Running {
    /// Starts a program; its standard error is appended to a file.
    pub(crate) fn start(command: &mut Command, stderr: &Path) -> Self {
        let log = File::options().create(true).append(true).open(stderr).expect("a log");
        let mut child = command
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the program can be started");
        let mut pipe = child.stdout.take().expect("it is piped");
        let (sender, stdout) = channel();
        std::thread::spawn(move || {
            let mut text = String::new();
            pipe.read_to_string(&mut text).expect("it prints UTF-8");
            // Nobody waits for the output of a test that has failed.
            let _nobody = sender.send(text);
        });
        Self { child, stdout, stderr: stderr.to_owned() }
    }

    /// Waits for the end; kills it after that time. How it ended, and what it printed.
    pub(crate) fn end_within(mut self, limit: Duration) -> (ExitStatus, String) {
        let stdout = match self.stdout.recv_timeout(limit) {
            Ok(stdout) => stdout,
            Err(RecvTimeoutError::Timeout) => {
                self.child.kill().expect("a child can be killed");
                self.stdout.recv().expect("a killed process prints no more")
            }
            Err(RecvTimeoutError::Disconnected) => unreachable!("the reader sends what it read"),
        };
        (self.child.wait().expect("a child can be waited for"), stdout)
    }

    /// Waits for the end.
    #[track_caller]
    pub(crate) fn end(self) -> Ended {
        let log = self.stderr.clone();
        let (status, stdout) = self.end_within(PATIENCE);
        let stderr = fs::read_to_string(log).expect("a log");
        assert_ne!(status.signal(), Some(9), "it did not end within {PATIENCE:?}:\n{stderr}");
        Ended { status, stdout, stderr }
    }

    /// The id of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Presses Ctrl-C; whether it was still there.
    pub(crate) fn interrupt(&mut self) -> bool {
        if self.child.try_wait().expect("a child can be looked at").is_some() {
            return false;
        }
        // Until it is waited for, the child keeps its id.
        signal("INT", &self.child.id().to_string());
        true
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended long ago.
        let _gone = self.child.kill();
        let _waited = self.child.wait();
    }
}

/// Sends a signal to a process that is there, by the shell's own `kill`.
#[track_caller]
pub(crate) fn signal(name: &str, pid: &str) {
    let mut shell = Command::new("sh");
    let sent = shell.args(["-c", "kill -s \"$0\" \"$1\"", name, pid]).status().expect("a shell");
    assert!(sent.success(), "no {name} could be sent to process {pid}");
}

/// Runs an example in a folder until it ends by itself.
#[track_caller]
pub(crate) fn run<A: AsRef<OsStr>>(
    example: &str,
    folder: &Path,
    arguments: impl IntoIterator<Item = A>,
) -> Ended {
    let log = folder.join(format!("{example}.stderr"));
    let mut command = Command::new(program(example));
    let ended = Running::start(command.args(arguments).current_dir(folder), &log).end();
    fs::remove_file(log).expect("the log is there");
    ended
}

/// The arguments of the command that a run told as the one to resume with.
#[track_caller]
pub(crate) fn resume_arguments(stderr: &str) -> Vec<String> {
    let told = stderr.lines().find_map(|line| line.strip_prefix("resume with: "));
    let told = told.unwrap_or_else(|| panic!("it tells how to resume: {stderr}"));
    let (_, arguments) = told.split_once(" -- ").expect("arguments follow `--`");
    arguments.split_whitespace().map(ToOwned::to_owned).collect()
}

/// The records of an experiment in a database, of which all holds that must hold whatever happened.
#[track_caller]
pub(crate) fn sound(database: &Path, experiment: &str) -> Vec<Record> {
    let mut journal = SqliteJournal::open_existing(database).expect("it is there");
    let records = journal.read(experiment, 0).expect("it can be read");
    assert_eq!(check_invariants(&records), Ok(()), "{}", database.display());
    records
}

/// The experiment in a database as it is stored, whose records are [`sound`].
#[track_caller]
pub(crate) fn stored(database: &Path, experiment: &str) -> Experiment {
    sound(database, experiment);
    let client = Client::load_from_database(database, experiment).expect("it is there");
    client.experiment().expect("it is loaded").clone()
}

/// The trials of an experiment that are in a status.
pub(crate) fn count(trials: &[Trial], status: TrialStatus) -> usize {
    trials.iter().filter(|trial| trial.status() == status).count()
}

/// The trials that the external system of `hartmann6` deployed, in order.
pub(crate) fn deployments(work: &Path) -> Vec<usize> {
    let log = fs::read_to_string(work.join("deployments.log")).unwrap_or_default();
    let trial = |line: &str| line.split(' ').next().and_then(|trial| trial.parse().ok());
    log.lines()
        .map(|line| trial(line).unwrap_or_else(|| panic!("a trial's number: {line}")))
        .collect()
}

#[test]
fn every_example_is_built() {
    let mut files: Vec<_> = fs::read_dir(root().join("examples"))
        .expect("the folder of examples")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned())
        .collect();
    files.sort();
    let mut built: Vec<_> = PROGRAMS.keys().cloned().collect();
    built.sort();
    assert_eq!(built, files);
}
