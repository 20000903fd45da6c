//! What every test begins with: a runner on a stack, with a folder of its own, and waiting for what Slurm does.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use krige_core::trial::{Metadata, TrialRun};
use krige_core::value::Parameterization;
use krige_runner::program::{Program, RunFolder};
use krige_runner::{Found, IRunner, RunStatus};
use krige_slurm::{Resources, SlurmRunner};
use krige_testkit::SlurmStack;
use tempfile::TempDir;

/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(180);

/// Looks again and again until there is an answer.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = look() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain for {what}");
        pause();
    }
}

pub(crate) fn pause() {
    thread::park_timeout(Duration::from_millis(50));
}

/// A runner on a stack.
pub(crate) struct Bed {
    pub(crate) stack: &'static SlurmStack,
    pub(crate) runner: SlurmRunner,
    /// The id of the experiment that this test is.
    pub(crate) experiment: String,
    pub(crate) folder: TempDir,
}

impl Bed {
    /// Runs a line of shell on the stack that all tests share.
    pub(crate) fn shared(line: &str) -> Self {
        Self::on(SlurmStack::shared(), line)
    }

    pub(crate) fn on(stack: &'static SlurmStack, line: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let program = Program::shell(line);
        let mut runner =
            SlurmRunner::new(folder.path().join("work"), program, Resources::default());
        runner.environment = stack.environment().clone();
        runner.query_interval_seconds = 0.1;
        runner.grace_seconds = 3.0;
        fs::create_dir_all(&runner.work).expect("a folder");
        // The folder's name is nobody else's.
        let name = folder.path().file_name().expect("it has a name").to_string_lossy();
        let experiment = name.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "");
        Self { stack, runner, experiment, folder }
    }

    /// The runner as another process would have it.
    pub(crate) fn reopened(&self) -> SlurmRunner {
        let text = serde_json::to_string(&self.runner).expect("it is plain data");
        serde_json::from_str(&text).expect("it was just written")
    }

    pub(crate) fn run(&self, trial: usize) -> TrialRun {
        TrialRun::new(&self.experiment, trial, 1)
    }

    pub(crate) fn parameters(&self) -> Parameterization {
        [("x", 0.5)].into()
    }

    #[track_caller]
    pub(crate) fn launch(&self, run: &TrialRun) -> Metadata {
        self.runner.run_trial(run, &self.parameters()).expect("Slurm takes it")
    }

    #[track_caller]
    pub(crate) fn poll(&self, run: &TrialRun, metadata: &Metadata) -> RunStatus {
        self.runner.poll_trial(run, metadata).expect("it can be told")
    }

    /// What a run comes to.
    #[track_caller]
    pub(crate) fn end(&self, run: &TrialRun, metadata: &Metadata) -> RunStatus {
        wait_for("the end of a run", || {
            Some(self.poll(run, metadata)).filter(|status| *status != RunStatus::Running)
        })
    }

    /// Launches a run, and gives what it comes to.
    #[track_caller]
    pub(crate) fn ends(&self, trial: usize) -> RunStatus {
        let run = self.run(trial);
        let metadata = self.launch(&run);
        self.end(&run, &metadata)
    }

    /// Waits until the program runs.
    #[track_caller]
    pub(crate) fn begun(&self, metadata: &Metadata) {
        let folder = RunFolder::of(metadata).expect("it has a folder");
        wait_for("the beginning of a run", || folder.own("leader").exists().then_some(()));
    }

    #[track_caller]
    pub(crate) fn find(&self, run: &TrialRun) -> Found {
        self.reopened().find_trial(run).expect("it can be told")
    }

    /// What a command of Slurm prints.
    #[track_caller]
    pub(crate) fn slurm(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.stack.command(program).args(arguments).output().expect("it starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments:?}: {said}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// The state and reason of a job, as `squeue` has them.
    #[track_caller]
    pub(crate) fn state(&self, metadata: &Metadata) -> String {
        let job = metadata.text("job").expect("it has a job");
        self.slurm("squeue", &["-h", "-r", "-t", "all", "-o", "%T %r", "-j", job])
    }
}

/// What a file of a run's folder has in it; nothing, if there is none.
pub(crate) fn file(metadata: &Metadata, name: &str) -> String {
    let folder = metadata.text("folder").expect("it has a folder");
    fs::read_to_string(Path::new(folder).join(name)).unwrap_or_default()
}

/// Whether a run's folder has such a file.
pub(crate) fn exists(metadata: &Metadata, name: &str) -> Option<()> {
    let folder = metadata.text("folder").expect("it has a folder");
    Path::new(folder).join(name).exists().then_some(())
}

/// Kills the program and the script that would leave how it ended.
pub(crate) fn kill(metadata: &Metadata) {
    let (script, program) = processes(metadata);
    signal("-KILL", &[&script, &program]);
}

/// Kills the program; the script leaves how it ended.
pub(crate) fn kill_program(metadata: &Metadata) {
    let (_, program) = processes(metadata);
    signal("-KILL", &[&program]);
}

/// Kills all that belongs to a run at once, and what of Slurm starts it, as when its node loses its power.
pub(crate) fn crash(metadata: &Metadata) {
    let (script, program) = processes(metadata);
    let batch = parent(&script);
    signal("-KILL", &[&parent(&batch), &batch, &script, &program]);
}

/// Sends SIGTERM to the job's script, as Slurm does, without Slurm's knowing.
pub(crate) fn terminate(metadata: &Metadata) {
    let (script, _) = processes(metadata);
    signal("-TERM", &[&parent(&script)]);
}

/// The process that runs the script, and the process group of the program.
fn processes(metadata: &Metadata) -> (String, String) {
    let line = |name: &str, number: usize| {
        let text = file(metadata, name);
        text.lines().nth(number).map(ToOwned::to_owned).expect("it has begun")
    };
    (line("krige/began", 1), format!("-{}", line("krige/leader", 0)))
}

fn signal(name: &str, processes: &[&str]) {
    let status =
        Command::new("kill").args([name, "--"]).args(processes).status().expect("it starts");
    assert!(status.success());
}

/// The process that started another.
fn parent(pid: &str) -> String {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it is alive");
    let (_, rest) = stat.rsplit_once(") ").expect("the name is in parentheses");
    rest.split(' ').nth(1).expect("it has a parent").to_owned()
}

/// A stack of its own, for as long as the tests run.
pub(crate) fn own_stack(settings: &[(&str, &str)]) -> &'static SlurmStack {
    Box::leak(Box::new(SlurmStack::start(settings)))
}

/// The reason of a run that failed.
#[track_caller]
pub(crate) fn failure(status: RunStatus) -> String {
    match status {
        RunStatus::Failed { reason } => reason,
        other => panic!("expected a failure, found {other:?}"),
    }
}

/// The reason of a run that was lost.
#[track_caller]
pub(crate) fn loss(status: RunStatus) -> String {
    match status {
        RunStatus::Lost { reason } => reason,
        other => panic!("expected a loss, found {other:?}"),
    }
}
