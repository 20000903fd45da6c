//! The scripts of `examples/` by which a program runs elsewhere, as trials of `CommandRunner` and by hand.

mod kubernetes;
mod ssh;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use krige::prelude::*;

use crate::root;
use crate::wait::wait_until;

/// How long something may take on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(120);

/// What shells, option parsers and formats are afraid of.
const HOSTILE: [&str; 22] = [
    "",
    " ",
    " a  b ",
    "'",
    "\"",
    "\n",
    "\na\n\n",
    "a\nKRIGE_PARAM_b=c",
    ";touch CANARY;",
    "$(touch CANARY)",
    "`touch CANARY`",
    "$KRIGE_KEY ${KRIGE_KEY} $(KRIGE_KEY) $$",
    "\\",
    "\\n\\0",
    "&touch CANARY&",
    "|",
    "-n",
    "--",
    "*",
    "%s%n",
    "\t\r\u{1}\u{7f}",
    "é漢\u{1f52c}\u{202e}",
];

fn run() -> TrialRun {
    TrialRun::new("far", 0, 1)
}

/// The hostile texts as parameters, and as arguments for them.
fn hostile() -> (Parameterization, Vec<String>) {
    let name = |(number, text): (usize, &&str)| (format!("p{number}"), serde_json::json!(text));
    let parameters: serde_json::Map<_, _> = HOSTILE.iter().enumerate().map(name).collect();
    let arguments = parameters.keys().map(|name| format!("{{{name}}}")).collect();
    (serde_json::from_value(parameters.into()).expect("parameters"), arguments)
}

/// The texts in a file, each ended by NUL.
#[track_caller]
fn texts(path: &Path) -> Vec<String> {
    read(path).split_terminator('\0').map(ToOwned::to_owned).collect()
}

#[track_caller]
fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Waits until a file has that text.
#[track_caller]
fn wait_for(path: &Path, text: &str) {
    let what = format!("{} has {text:?}", path.display());
    wait_until(&what, PATIENCE, || {
        fs::read_to_string(path).is_ok_and(|found| found == text).then_some(())
    });
}

/// How a run ended.
#[track_caller]
fn ended(runner: &CommandRunner, metadata: &Metadata) -> RunStatus {
    wait_until("the run has ended", PATIENCE, || {
        let status = runner.poll_trial(&run(), metadata).expect("its status");
        (status != RunStatus::Running).then_some(status)
    })
}

#[track_caller]
fn reason(status: RunStatus) -> String {
    match status {
        RunStatus::Failed { reason } => reason,
        other => panic!("expected a failed run, found {other:?}"),
    }
}

/// A script in a folder of its own, to be started there by hand.
struct ByHand {
    folder: PathBuf,
    arguments: Vec<String>,
    variables: Vec<(&'static str, String)>,
}

impl ByHand {
    fn new(
        folder: &Path,
        arguments: &[&str],
        variables: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Self {
        let folder = folder.to_owned();
        fs::create_dir(&folder).expect("made");
        fs::write(folder.join("parameters.json"), "{}").expect("written");
        fs::copy(script(arguments[0]), folder.join(arguments[0])).expect("copied");
        let arguments = arguments.iter().map(ToString::to_string).collect();
        let variables = variables.into_iter().chain([("KRIGE_KEY", run().key)]).collect();
        Self { folder, arguments, variables }
    }

    fn stdout(&self) -> PathBuf {
        self.folder.join("stdout")
    }

    /// Starts it, with what it prints at the end of a file.
    fn start(&self) -> Child {
        let append = |name| {
            let file = fs::File::options().append(true).create(true).open(self.folder.join(name));
            Stdio::from(file.expect("a file"))
        };
        Command::new("sh")
            .args(&self.arguments)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(append("stdout"))
            .stderr(append("stderr"))
            .spawn()
            .expect("it starts")
    }

    /// Kills it without warning as soon as something is there.
    #[track_caller]
    fn start_and_kill_at(&self, path: &Path) {
        let mut script = self.start();
        wait_until(&format!("{} is there", path.display()), PATIENCE, || {
            path.exists().then_some(())
        });
        script.kill().expect("it is killed");
        script.wait().expect("it is gone");
    }
}

fn script(name: &str) -> PathBuf {
    root().join("examples").join(name)
}

/// The number of a process that a program has written.
#[track_caller]
fn pid_in(path: &Path) -> i32 {
    wait_until("a program says who it is", PATIENCE, || {
        fs::read_to_string(path).ok()?.strip_suffix('\n')?.parse().ok()
    })
}

/// Waits until there is no process of that number, other than a zombie.
#[track_caller]
fn wait_until_gone(pid: i32) {
    wait_until("a process is gone", PATIENCE, || {
        let output = Command::new("ps").args(["-o", "stat=", "-p", &pid.to_string()]).output();
        let state = String::from_utf8(output.expect("ps").stdout).expect("text");
        (state.trim().is_empty() || state.starts_with(['Z', 'X'])).then_some(())
    });
}
