//! `krige stdio` as a process of its own.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

/// A process that waits for requests. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Session {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Session {
    pub(crate) fn start() -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_krige"))
            .arg("stdio")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the command can be started");
        let input = process.stdin.take();
        let output = BufReader::new(process.stdout.take().expect("it is piped"));
        Self { process, input, output }
    }

    /// Sends a line as it is and reads the line that answers it.
    #[track_caller]
    pub(crate) fn send(&mut self, line: &[u8]) -> Value {
        self.send_without_reply(line);
        let mut reply = String::new();
        self.output.read_line(&mut reply).expect("the reply is text");
        assert!(reply.ends_with('\n'), "the reply to {line:?} is a whole line: {reply:?}");
        serde_json::from_str(&reply).expect("the reply is JSON")
    }

    #[track_caller]
    pub(crate) fn send_without_reply(&mut self, line: &[u8]) {
        let input = self.input.as_mut().expect("input is open");
        input.write_all(&[line, b"\n"].concat()).expect("the process reads");
    }

    /// Sends a request that must be carried out.
    #[track_caller]
    pub(crate) fn ok(&mut self, request: Value) -> Value {
        let reply = self.send(request.to_string().as_bytes());
        assert_eq!(reply.get("error"), None, "{request}");
        reply
    }

    /// Sends a request that must be refused, for a reason that says all of `parts`.
    #[track_caller]
    pub(crate) fn refused(&mut self, request: Value, parts: &[&str]) {
        let reply = self.send(request.to_string().as_bytes());
        check_error(&reply, parts);
    }

    /// Asks for trials: their numbers and parameters.
    #[track_caller]
    pub(crate) fn ask(&mut self, n: usize) -> Vec<(u64, Value)> {
        let mut reply = self.ok(serde_json::json!({ "cmd": "ask", "n": n }));
        let trials = reply["trials"].as_array_mut().expect("a list").drain(..);
        let trials: Vec<_> = trials
            .map(|mut trial| (trial["id"].as_u64().expect("a number"), trial["params"].take()))
            .collect();
        assert_eq!(trials.len(), n);
        trials
    }

    /// Closes the input; the exit status, and what else was printed.
    #[track_caller]
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        self.input = None;
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut self.output, &mut rest).expect("the rest is text");
        (self.process.wait().expect("the process ends").code(), rest)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Both fail where it has ended, which is as well.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[track_caller]
pub(crate) fn check_error(reply: &Value, parts: &[&str]) {
    let error = reply["error"].as_str().unwrap_or_else(|| panic!("expected an error: {reply}"));
    for part in parts {
        assert!(error.contains(part), "{part:?} is not in {error:?}");
    }
    assert_eq!(reply.as_object().map(serde_json::Map::len), Some(1), "{reply}");
}
