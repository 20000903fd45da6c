//! `examples/kubernetes.sh` against a stand-in for kubectl, `kubectl.py`, whose Jobs are processes of this machine;
//! without Python it is said that nothing was tested.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use krige::prelude::*;
use tempfile::TempDir;

use super::{
    ByHand, HOSTILE, PATIENCE, ended, hostile, pid_in, read, reason, run, script, texts, wait_for,
    wait_until_gone,
};
use crate::root;
use crate::wait::wait_until;

/// A cluster that is this machine.
struct Cluster {
    folder: TempDir,
}

impl Cluster {
    /// Nothing where there is no Python.
    fn new() -> Option<Self> {
        let python = Command::new("python3").arg("--version").stdout(Stdio::null()).status();
        if let Err(error) = python {
            eprintln!("not tested: python3 cannot be started: {error}");
            return None;
        }
        let cluster = Self { folder: tempfile::tempdir().expect("a folder") };
        fs::create_dir(cluster.path("state")).expect("made");
        Some(cluster)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file of the run's Job.
    fn there(&self, name: &str) -> PathBuf {
        self.path("state/lab").join(run().key).join(name)
    }

    /// A file of the run, here.
    fn here(&self, name: &str) -> PathBuf {
        self.path("work").join(run().key).join(name)
    }

    fn variables(&self) -> [(&'static str, String); 3] {
        let kubectl = root().join("tests/it/far_programs/kubectl.py");
        [
            ("KRIGE_KUBECTL", format!("python3 {}", kubectl.display())),
            ("KRIGE_NAMESPACE", "lab".into()),
            ("KUBECTL_STATE", self.path("state").display().to_string()),
        ]
    }

    fn runner<S: Into<String>>(&self, arguments: impl IntoIterator<Item = S>) -> CommandRunner {
        let program = Program::new("sh").args(["kubernetes.sh", "image:1"]).args(arguments);
        let program = program.file(script("kubernetes.sh"));
        let variables = self.variables().into_iter();
        let program = variables.fold(program, |program, (name, value)| program.env(name, value));
        CommandRunner::new(self.path("work"), program)
    }

    /// Has something go wrong.
    fn set(&self, what: &str) {
        fs::write(self.path("state").join(what), "").expect("written");
    }

    fn unset(&self, what: &str) {
        fs::remove_file(self.path("state").join(what)).expect("removed");
    }

    /// A line for `sh` that notes its start, prints 1, waits for the file `go`, prints 2, and ends with status 3.
    fn slow(&self) -> String {
        let folder = self.folder.path().display();
        // Without the folder, the test is over.
        format!(
            "echo >>{folder}/starts; echo 1; while [ -d {folder} ] && [ ! -e {folder}/go ]; do sleep 0.1; done; echo 2; exit 3"
        )
    }

    fn go(&self) {
        fs::write(self.path("go"), "").expect("written");
    }
}

#[test]
fn hostile_values_arrive_unchanged() {
    let Some(cluster) = Cluster::new() else { return };
    let (parameters, arguments) = hostile();
    let line = r#"printf '%s\0' "$@" "$KRIGE_KEY" "$KRIGE_TRIAL" "$KRIGE_ATTEMPT" "$KRIGE_PARAMETERS_JSON""#;
    let program = ["sh", "-c", line, "sh"].map(ToOwned::to_owned).into_iter().chain(arguments);
    let runner = cluster.runner(program);
    let metadata = runner.run_trial(&run(), &parameters).expect("it starts");
    assert_eq!(ended(&runner, &metadata), RunStatus::Completed);
    let key = run().key;
    let json = read(&cluster.here("parameters.json"));
    let others = [&*key, "0", "1", json.trim_end()];
    assert_eq!(texts(&cluster.here("stdout.log")), [&HOSTILE[..], &others].concat());
    assert_eq!(read(&cluster.there("image")), "image:1");
    assert_eq!(read(&cluster.here("stderr.log")), "");
}

#[test]
fn a_server_that_cannot_be_reached_costs_nothing() {
    let Some(cluster) = Cluster::new() else { return };
    // The Job is made, and its maker not told so.
    cluster.set("lost");
    let runner = cluster.runner(["sh", "-c", &cluster.slow()]);
    let metadata = runner.run_trial(&run(), &Parameterization::default()).expect("it starts");
    // It is printed here while the program runs there.
    wait_for(&cluster.here("stdout.log"), "1\n");
    let log = cluster.here("kubernetes.log");
    assert!(read(&log).contains("AlreadyExists"));
    cluster.set("unreachable");
    wait_until("it was not reached", PATIENCE, || read(&log).contains("refused").then_some(()));
    cluster.go();
    wait_until("the program has ended", PATIENCE, || cluster.there("code").exists().then_some(()));
    cluster.unset("unreachable");
    let why = reason(ended(&runner, &metadata));
    assert_eq!(why, "the program ended with exit status 3");
    assert_eq!(read(&cluster.here("stdout.log")), "1\n2\n");
    assert_eq!(read(&cluster.path("starts")), "\n", "it was started once");
}

#[test]
fn a_script_that_is_killed_and_started_again_goes_on() {
    let Some(cluster) = Cluster::new() else { return };
    let arguments = ["kubernetes.sh", "image:1", "sh", "-c", &cluster.slow()];
    let script = ByHand::new(&cluster.path("by-hand"), &arguments, cluster.variables());
    script.start_and_kill_at(&cluster.there("output"));
    let mut killed = script.start();
    wait_for(&script.stdout(), "1\n");
    killed.kill().expect("it is killed");
    killed.wait().expect("it is gone");
    cluster.go();
    // Also one that comes when all is over.
    for _ in 0..2 {
        assert_eq!(script.start().wait().expect("it ends").code(), Some(3));
        assert_eq!(read(&script.stdout()), "1\n2\n");
    }
    assert_eq!(read(&cluster.path("starts")), "\n", "it was started once");
}

#[test]
fn a_run_that_is_stopped_has_its_job_deleted() {
    let Some(cluster) = Cluster::new() else { return };
    let line = format!("echo $$ >{}/self; sleep 600", cluster.folder.path().display());
    let runner = cluster.runner(["sh", "-c", &line]);
    let metadata = runner.run_trial(&run(), &Parameterization::default()).expect("it starts");
    let pid = pid_in(&cluster.path("self"));
    runner.stop_trial(&run(), &metadata, "enough").expect("it is stopped");
    // A shell may say that its child was terminated.
    let why = reason(ended(&runner, &metadata));
    assert!(why.starts_with("stopped: enough"), "{why}");
    wait_until_gone(pid);
    assert!(!cluster.there("").exists());
}

#[test]
fn a_job_that_was_deleted_is_not_waited_for() {
    check_lost("is gone: it was deleted", |cluster| {
        fs::rename(cluster.there(""), cluster.path("deleted")).expect("renamed");
    });
}

#[test]
fn a_job_that_has_lost_its_pod_is_not_waited_for() {
    check_lost("left no exit status: Job has reached the specified backoff limit", |cluster| {
        fs::write(cluster.there("evicted"), "").expect("written");
    });
}

/// A run whose Job is lost fails, and says so.
#[track_caller]
fn check_lost(expected: &str, lose: impl FnOnce(&Cluster)) {
    let Some(cluster) = Cluster::new() else { return };
    let runner = cluster.runner(["sh", "-c", &cluster.slow()]);
    let metadata = runner.run_trial(&run(), &Parameterization::default()).expect("it starts");
    wait_for(&cluster.path("starts"), "\n");
    lose(&cluster);
    let why = reason(ended(&runner, &metadata));
    assert!(why.contains(expected), "{why}");
}

#[test]
fn a_job_that_may_not_be_made_says_why() {
    let Some(cluster) = Cluster::new() else { return };
    cluster.set("forbidden");
    let runner = cluster.runner(["true"]);
    let metadata = runner.run_trial(&run(), &Parameterization::default()).expect("it starts");
    let why = reason(ended(&runner, &metadata));
    assert!(why.contains("(exit status 126)") && why.contains("quota is used up"), "{why}");
}
