//! `examples/ssh.sh` against a real sshd, one process a connection; without sshd it is said that nothing was tested.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use krige::prelude::*;
use tempfile::TempDir;

use super::{
    ByHand, HOSTILE, PATIENCE, ended, hostile, pid_in, read, reason, run, script, texts, wait_for,
    wait_until_gone,
};
use crate::example::signal;
use crate::wait::wait_until;

/// A machine that is reached by ssh, which is this one: each connection is an sshd of its own that `ssh` starts.
struct Far {
    folder: TempDir,
}

impl Far {
    /// Nothing where there is no sshd.
    fn new() -> Option<Self> {
        let path = env::var_os("PATH").unwrap_or_default();
        // It is for administrators, whose folders others need not look into.
        let mut folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
        let Some(sshd) =
            folders.find_map(|folder| Some(folder.join("sshd")).filter(|p| p.exists()))
        else {
            eprintln!("not tested: there is no sshd");
            return None;
        };
        // Where sshd shuts itself in, if it runs as root; its package makes it when the machine starts.
        let _ = fs::create_dir("/run/sshd");
        let far = Self { folder: tempfile::tempdir().expect("a folder") };
        for key in ["host", "key"] {
            let mut keygen = Command::new("ssh-keygen");
            keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(far.path(key));
            assert!(keygen.status().expect("ssh-keygen").success());
        }
        let at = |name| far.path(name).display().to_string();
        let daemon = format!(
            "HostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\nPidFile none\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n",
            at("host"),
            at("key.pub"),
        );
        fs::write(far.path("sshd_config"), daemon).expect("written");
        let connection = format!(
            "[ ! -e {} ] || {{ echo 'no route to host' >&2; exit 1; }}\n\
             echo $$ >>{}\nexec {} -i -f {} 2>>{}\n",
            at("down"),
            at("connections"),
            sshd.display(),
            at("sshd_config"),
            at("sshd.log"),
        );
        fs::write(far.path("connection.sh"), connection).expect("written");
        let client = format!(
            "Host *\nProxyCommand sh {}\nIdentityFile {}\nIdentitiesOnly yes\n\
             UserKnownHostsFile {}\nStrictHostKeyChecking accept-new\nLogLevel ERROR\n",
            at("connection.sh"),
            at("key"),
            at("known_hosts"),
        );
        fs::write(far.path("ssh_config"), client).expect("written");
        Some(far)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file of the run, there.
    fn there(&self, name: &str) -> PathBuf {
        self.path("remote").join(run().key).join(name)
    }

    /// A file of the run, here.
    fn here(&self, name: &str) -> PathBuf {
        self.path("work").join(run().key).join(name)
    }

    fn variables(&self) -> [(&'static str, String); 2] {
        [
            ("KRIGE_SSH", format!("ssh -F {}", self.path("ssh_config").display())),
            ("KRIGE_REMOTE", self.path("remote").display().to_string()),
        ]
    }

    fn program<S: Into<String>>(&self, arguments: impl IntoIterator<Item = S>) -> Program {
        let program = Program::new("sh").args(["ssh.sh", "far"]).args(arguments);
        self.variables()
            .into_iter()
            .fold(program.file(script("ssh.sh")), |program, (name, value)| program.env(name, value))
    }

    fn runner(&self, program: Program) -> CommandRunner {
        CommandRunner::new(self.path("work"), program)
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

    /// Cuts the connection that there is, or the next.
    #[track_caller]
    fn cut(&self) {
        let attempts = || {
            let log = fs::read_to_string(self.here("ssh.log")).unwrap_or_default();
            log.matches("another attempt").count()
        };
        let before = attempts();
        wait_until("a connection was cut", PATIENCE, || {
            let connections = fs::read_to_string(self.path("connections")).unwrap_or_default();
            // It may have ended by itself.
            kill(connections.lines().last()?);
            (attempts() > before).then_some(())
        });
    }
}

/// Kills a process, or a group of that number with a minus, if it is there.
fn kill(pid: &str) {
    let mut shell = Command::new("sh");
    shell.args(["-c", "kill -s KILL -- \"$0\" 2>/dev/null || :", pid]);
    assert!(shell.status().expect("a shell").success());
}

#[test]
fn hostile_values_arrive_unchanged_in_all_the_ways_that_a_program_has_here() {
    let Some(far) = Far::new() else { return };
    let (parameters, arguments) = hostile();
    let line = r#"printf '%s\0' "$@" "$KRIGE_KEY" "$KRIGE_ATTEMPT" "${{KRIGE_PARAM_b-none}}" "$KRIGE_PARAM_p6." "$(cat)"
        cmp "$KRIGE_PARAMETERS" "$KRIGE_FOLDER/parameters.json"; pwd >&2"#;
    let program = ["sh", "-c", line, "sh"].map(ToOwned::to_owned).into_iter().chain(arguments);
    // What is sent first lacks its end, which is in the arguments.
    let sent = far.path("sent").display().to_string();
    let lossy = format!(
        "[ ! -e {sent} ] || exec ssh \"$@\"\ncat >{sent}\nhead -c $(($(wc -c <{sent}) - 50)) {sent} | ssh \"$@\"\n"
    );
    fs::write(far.path("lossy.sh"), lossy).expect("written");
    let [lossy, config] = ["lossy.sh", "ssh_config"].map(|name| far.path(name));
    let command = format!("sh {} -F {}", lossy.display(), config.display());
    let runner = far.runner(far.program(program).env("KRIGE_SSH", command));
    let metadata = runner.run_trial(&run(), &parameters).expect("it starts");
    assert_eq!(ended(&runner, &metadata), RunStatus::Completed);
    assert!(read(&far.here("ssh.log")).contains("status 5, another attempt"));
    let key = run().key;
    let json = read(&far.here("parameters.json"));
    let others = [&key, "1", "none", &format!("{}.", HOSTILE[6]), json.trim_end()];
    assert_eq!(texts(&far.here("stdout.log")), [&HOSTILE[..], &others].concat());
    let home = read(&far.here("stderr.log"));
    let is_home = home.lines().count() == 1 && !home.contains("remote");
    assert!(is_home, "it starts in the home folder, and not in {home}");
}

#[test]
fn connections_that_break_cost_nothing() {
    let Some(far) = Far::new() else { return };
    let runner = far.runner(far.program(["sh", "-c", &far.slow()]));
    let metadata = runner.run_trial(&run(), &Parameterization::default()).expect("it starts");
    // While it is being started, and then while it is watched.
    far.cut();
    for name in ["ssh.sh", "began"] {
        wait_until("it gets on", PATIENCE, || far.there(name).exists().then_some(()));
        far.cut();
    }
    // It is printed here while the program runs there.
    wait_for(&far.here("stdout.log"), "1\n");
    far.cut();
    far.go();
    let why = reason(ended(&runner, &metadata));
    assert_eq!(why, "the program ended with exit status 3");
    assert_eq!(read(&far.here("stdout.log")), "1\n2\n");
    assert_eq!(read(&far.path("starts")), "\n", "it was started once");
}

#[test]
fn a_script_that_is_killed_and_started_again_goes_on() {
    let Some(far) = Far::new() else { return };
    let arguments = ["ssh.sh", "far", "sh", "-c", &far.slow()];
    let script = ByHand::new(&far.path("by-hand"), &arguments, far.variables());
    for name in ["ssh.sh", "began"] {
        script.start_and_kill_at(&far.there(name));
    }
    let mut killed = script.start();
    wait_for(&script.stdout(), "1\n");
    killed.kill().expect("it is killed");
    killed.wait().expect("it is gone");
    far.go();
    // Also one that comes when all is over.
    for _ in 0..2 {
        assert_eq!(script.start().wait().expect("it ends").code(), Some(3));
        assert_eq!(read(&script.stdout()), "1\n2\n");
    }
    assert_eq!(read(&far.path("starts")), "\n", "it was started once");
    // What else was in a file is not taken for output of the program.
    fs::rename(script.stdout(), script.folder.join("earlier")).expect("renamed");
    fs::write(script.stdout(), "something else\n").expect("written");
    assert_eq!(script.start().wait().expect("it ends").code(), Some(3));
    assert_eq!(read(&script.stdout()), "something else\n1\n2\n");
}

#[test]
fn of_several_at_once_one_starts_it_and_all_tell_of_it() {
    let Some(far) = Far::new() else { return };
    far.go();
    let arguments = ["ssh.sh", "far", "sh", "-c", &far.slow()];
    let scripts =
        ["a", "b", "c", "d"].map(|name| ByHand::new(&far.path(name), &arguments, far.variables()));
    let started: Vec<_> = scripts.iter().map(ByHand::start).collect();
    for (script, mut started) in scripts.iter().zip(started) {
        assert_eq!(started.wait().expect("it ends").code(), Some(3));
        assert_eq!(read(&script.stdout()), "1\n2\n");
    }
    assert_eq!(read(&far.path("starts")), "\n", "it was started once");
}

#[test]
fn a_run_that_is_stopped_ends_with_all_its_processes() {
    let Some(far) = Far::new() else { return };
    let folder = far.folder.path().display();
    let line = format!(
        "trap 'echo tidied; exit 9' TERM; sh -c 'trap \"\" TERM; echo $$ >{folder}/child; while :; do sleep 1; done' &
         echo $$ >{folder}/parent; while :; do sleep 0.1; done"
    );
    let runner = far.runner(far.program(["sh", "-c", &line]));
    let metadata = runner.run_trial(&run(), &Parameterization::default()).expect("it starts");
    let pids = ["parent", "child"].map(|name| pid_in(&far.path(name)));
    runner.stop_trial(&run(), &metadata, "enough").expect("it is stopped");
    let why = reason(ended(&runner, &metadata));
    assert!(why.starts_with("stopped: enough"), "{why}");
    for pid in pids {
        wait_until_gone(pid);
    }
    // The program could tidy up; that is in the output, and its status is there.
    assert_eq!(read(&far.here("stdout.log")), "tidied\n");
    assert_eq!(read(&far.there("ended")), "9\n");
}

#[test]
fn a_run_that_was_never_started_is_not_once_it_was_stopped() {
    let Some(far) = Far::new() else { return };
    let line = format!("echo >{}/started", far.folder.path().display());
    let arguments = ["ssh.sh", "far", "sh", "-c", &line];
    let script = ByHand::new(&far.path("by-hand"), &arguments, far.variables());
    fs::write(far.path("down"), "").expect("written");
    let mut stopped = script.start();
    wait_until("it was not reached", PATIENCE, || {
        let log = fs::read_to_string(script.folder.join("ssh.log")).unwrap_or_default();
        log.contains("no route to host").then_some(())
    });
    signal("TERM", &stopped.id().to_string());
    let stderr = script.folder.join("stderr");
    let said = "ssh.sh: cannot reach far to end the program: ";
    wait_until("it says what is wrong", PATIENCE, || read(&stderr).contains(said).then_some(()));
    fs::remove_file(far.path("down")).expect("removed");
    assert_eq!(stopped.wait().expect("it ends").code(), Some(143));
    assert_eq!(script.start().wait().expect("it ends").code(), Some(143));
    assert!(!far.path("started").exists());
}

#[test]
fn a_program_that_is_gone_is_not_waited_for() {
    let Some(far) = Far::new() else { return };
    let line = format!("echo $$ >{}/self; sleep 600", far.folder.path().display());
    let runner = far.runner(far.program(["sh", "-c", &line]));
    let metadata = runner.run_trial(&run(), &Parameterization::default()).expect("it starts");
    pid_in(&far.path("self"));
    let group = read(&far.there("began"));
    kill(&format!("-{}", group.lines().next().expect("a process group")));
    let why = reason(ended(&runner, &metadata));
    assert!(why.contains("the program is gone from far"), "{why}");
}

#[test]
fn what_cannot_be_started_says_why() {
    let Some(far) = Far::new() else { return };
    let runner = far.runner(far.program(["no-such-program"]));
    let metadata = runner.run_trial(&run(), &Parameterization::default()).expect("it starts");
    let why = reason(ended(&runner, &metadata));
    assert!(
        why.contains("(exit status 127); it said: ") && why.contains("no-such-program"),
        "{why}"
    );

    fs::write(far.path("file"), "").expect("written");
    let nowhere = far.path("file").display().to_string();
    let program = far.program(["true"]).env("KRIGE_REMOTE", nowhere);
    let runner = CommandRunner::new(far.path("nowhere"), program);
    let metadata = runner.run_trial(&run(), &Parameterization::default()).expect("it starts");
    let why = reason(ended(&runner, &metadata));
    assert!(why.contains("(exit status 126); it said: ssh.sh: far: mkdir: "), "{why}");
}
