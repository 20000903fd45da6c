//! The stack itself: what it does when its services end.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

use krige_bluesky::tiled::{Query, TiledClient, TiledError};
use krige_testkit::BlueskyStack;

use crate::bounded::wait_for;

/// The process of a service that runs, which leads its group.
fn pid(folder: &Path, service: &str) -> Option<String> {
    let recorded = std::fs::read_to_string(folder.join(format!("run/{service}.pid"))).ok()?;
    let pid = recorded.split(' ').next()?.to_owned();
    Path::new("/proc").join(&pid).exists().then_some(pid)
}

/// Kills a service as the system does, without a word to the stack.
#[track_caller]
fn kill(folder: &Path, service: &str) -> String {
    let pid = pid(folder, service).expect("it runs");
    let group = format!("-{pid}");
    let status = Command::new("kill").args(["-KILL", "--", &group]).status().expect("kill starts");
    assert!(status.success(), "kill: {status}");
    // Until it is dead, which takes a moment, it counts as one that runs.
    wait_for("its end", || (!Path::new("/proc").join(&pid).exists()).then_some(()));
    pid
}

fn tiled(stack: &BlueskyStack) -> Result<(), TiledError> {
    let addresses = stack.addresses();
    let tiled = TiledClient::new(&addresses.tiled_url).expect("an address");
    tiled.api_key(&addresses.tiled_api_key).search("", &Query::new().limit(1)).map(|_| ())
}

#[test]
fn a_tiled_that_dies_comes_back_and_one_that_was_stopped_does_not() {
    let stack = BlueskyStack::start(Some("redis manager tiled"), &[]);
    tiled(&stack).expect("it works");
    let died = kill(stack.folder(), "tiled");
    wait_for("another Tiled", || pid(stack.folder(), "tiled").filter(|pid| *pid != died));
    wait_for("its answer", || tiled(&stack).ok());
    let said = std::fs::read_to_string(stack.folder().join("logs/ended.log")).expect("written");
    assert!(said.contains(&format!("tiled (pid {died} of ")) && said.contains("SIGKILL"), "{said}");
    assert!(said.contains("GET /api/v1/search/"), "the end of its log: {said}");
    for action in ["stop", "kill"] {
        stack.service(action, "tiled");
        let gone = tiled(&stack).expect_err("it is gone");
        assert!(matches!(gone, TiledError::Unreachable { .. }), "{gone:?}");
        assert_eq!(pid(stack.folder(), "tiled"), None);
        // Were there two, one would not get the port, end, and be told of.
        stack.service("start", "tiled");
        tiled(&stack).expect("it works again");
    }
    let then = std::fs::read_to_string(stack.folder().join("logs/ended.log")).expect("written");
    assert_eq!(then, said);
}

/// A stack of Redis alone, which is there in no time.
struct Redis {
    script: Child,
    said: BufReader<ChildStderr>,
    folder: tempfile::TempDir,
}

impl Redis {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut script = Command::new("bash")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/bluesky/stack.sh"))
            .args(["run", "--auto-ports", "--services", "redis", "--dir"])
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("bash starts");
        let mut lines = BufReader::new(script.stdout.take().expect("it is piped")).lines();
        let up = lines.find(|line| line.as_ref().is_ok_and(|line| line.starts_with("stack is up")));
        up.expect("it starts").expect("text");
        let said = BufReader::new(script.stderr.take().expect("it is piped"));
        Self { script, said, folder }
    }

    /// The next thing that is said of a service that ended, without its log.
    fn said(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.said.read_line(&mut line).expect("text"), 0, "nothing more is said");
            if line.starts_with("stack.sh: ") && line.contains(" ended ") {
                return line;
            }
        }
    }
}

#[test]
fn a_service_that_dies_is_told_of_at_once_and_started_again_three_times() {
    let mut redis = Redis::start();
    let mut last = None;
    for times in 0..=3 {
        let running = wait_for("a Redis", || {
            pid(redis.folder.path(), "redis").filter(|pid| last.as_ref() != Some(pid))
        });
        assert_eq!(kill(redis.folder.path(), "redis"), running);
        let said = redis.said();
        let fate = if times < 3 { "it is started again" } else { "it was started again 3 times" };
        assert!(said.contains("ended by SIGKILL, and nobody asked for that"), "{said}");
        assert!(said.contains(&format!("(pid {running} of ")) && said.contains(fate), "{said}");
        last = Some(running);
    }
    // The end of a stack is asked for; who waits for the end of what it says is not held up by anything that it left.
    drop(redis.script.stdin.take());
    let mut rest = String::new();
    redis.said.read_to_string(&mut rest).expect("text");
    assert!(redis.script.wait().expect("it ends").success());
    assert!(rest.lines().all(|line| line.starts_with("  | ")), "{rest}");
    assert_eq!(pid(redis.folder.path(), "redis"), None);
}

#[test]
fn a_shared_stack_is_whole_whatever_the_last_test_left() {
    let stack = BlueskyStack::shared();
    stack.service("stop", "tiled");
    stack.service("pause", "http");
    drop(stack);
    let stack = BlueskyStack::shared();
    tiled(&stack).expect("it was started");
    ureq::get(format!("{}/api/status", stack.addresses().http_url))
        .header("Authorization", format!("ApiKey {}", stack.addresses().http_api_key))
        .call()
        .expect("it goes on");
    // As when a test ends while a service is on its way back.
    let died = kill(stack.folder(), "tiled");
    drop(stack);
    let stack = BlueskyStack::shared();
    tiled(&stack).expect("it was waited for");
    let said = std::fs::read_to_string(stack.folder().join("logs/ended.log")).expect("written");
    assert!(said.contains(&format!("tiled (pid {died} of ")), "{said}");
}
