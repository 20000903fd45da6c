//! Services that a script starts, and stops when its standard input closes.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A script that runs, with services in a temporary folder of their own.
#[derive(Debug)]
pub(crate) struct Services {
    path: &'static str,
    script: Child,
    /// The script stops its services when this closes.
    lifeline: Option<ChildStdin>,
    folder: PathBuf,
}

impl Services {
    /// Runs `bash PATH ARGUMENTS FOLDER MORE` until it prints a line that begins with `up`.
    ///
    /// # Panics
    /// If it ends before.
    pub(crate) fn start(
        path: &'static str,
        arguments: &[&str],
        more: &[&str],
        settings: &[(&str, &str)],
        up: &str,
    ) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        // The paths of sockets in it must be short.
        let folder = std::env::temp_dir().join(format!("krige-{}-{number}", std::process::id()));
        let mut script = command(path)
            .args(arguments)
            .arg(&folder)
            .args(more)
            .envs(settings.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("bash starts");
        let lifeline = script.stdin.take();
        let mut said = Vec::new();
        let mut lines = BufReader::new(script.stdout.take().expect("it is piped")).lines();
        while !said.last().is_some_and(|line: &String| line.starts_with(up)) {
            match lines.next() {
                Some(Ok(line)) => said.push(line),
                end => panic!("{path} did not start ({end:?}): {}", said.join("\n")),
            }
        }
        Self { path, script, lifeline, folder }
    }

    /// Where they have their configuration, logs and data.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What the script has written to a file in the folder.
    ///
    /// # Panics
    /// If it has not.
    pub(crate) fn written(&self, name: &str) -> String {
        let path = self.folder.join(name);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Runs `bash PATH ARGUMENTS FOLDER` to its end, for something to be done to what runs.
    ///
    /// # Panics
    /// If it fails.
    pub(crate) fn act(&self, arguments: &[&str]) {
        let status = command(self.path)
            .args(arguments)
            .arg(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .expect("bash starts");
        assert!(status.success(), "{} {}: {status}", self.path, arguments.join(" "));
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        // Services that do not stop are named by their script; there is nobody to give an error to.
        let _ = self.script.wait();
    }
}

fn command(path: &str) -> Command {
    let mut command = Command::new("bash");
    command.arg(path);
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        // Ctrl-C in the terminal reaches the test; the script then sees its end and can still tidy up.
        command.process_group(0);
    }
    command
}
