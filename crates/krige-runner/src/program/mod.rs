//! A program as a trial: how parameters reach it, and the folder in which it runs.
//!
//! [`Program`] is the template, [`RunFolder`] what one run has of the disk. Every run is started by the same shell
//! script, `krige/run.sh` in its folder, which runs the program at most once and leaves how it ended behind;
//! so whoever started it may die meanwhile, on this machine ([`CommandRunner`](crate::CommandRunner)) or on a cluster.

mod folder;
mod record;
mod script;
mod template;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize, Serializer};

pub use folder::RunFolder;
pub(crate) use folder::within_a_moment;
pub use record::{Began, Ended, Process};
pub use script::{ProgramError, quoted};

/// A program, and how a trial's parameters reach it.
///
/// They reach it in four ways at once, of which it uses what it likes:
/// - as `{name}` in arguments and environment variables: the value, in full precision. `{{` and `}}` are braces;
/// - as variables `KRIGE_PARAM_name`, where what may not stand in a variable's name is `_`;
/// - as a JSON object in the file `parameters.json`, whose path is in `KRIGE_PARAMETERS`;
/// - as the same JSON object on standard input.
///
/// Of the run it gets `KRIGE_KEY`, `KRIGE_TRIAL`, `KRIGE_ATTEMPT`, `KRIGE_FOLDER` and, where its runner has slots,
/// `KRIGE_SLOT`; in arguments and variables these are `{krige.key}`, `{krige.trial}`, `{krige.attempt}`,
/// `{krige.folder}`, `{krige.slot}`, and `{krige.parameters}` is the path of the JSON file. The rest of the environment
/// is that of the process that starts it, but for names such as `a.b` that some shells drop.
///
/// No shell ever reads a value: it is an argument, whatever is in it. ([`Program::shell`] is for those who want one.)
///
/// ```
/// use krige_runner::program::Program;
///
/// let program = Program::new("python3")
///     .args(["train.py", "--rate", "{rate}", "--out", "{krige.folder}/model.bin"])
///     .file("train.py")
///     .env("OMP_NUM_THREADS", "1")
///     .time_limit(600.0);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// Its path, or a name that is looked up in `PATH`.
    pub program: String,
    /// Its arguments, with `{name}` for the values of parameters. Many programs take a negative number for an option unless it
    /// is in one argument with its own, `--x={x}`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Environment variables, with `{name}` for the values of parameters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Files that are copied into the run's folder, such as a script that is an argument.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<PathBuf>,
    /// Where it runs, with `{name}` for the values of parameters: a path from the run's folder, or an absolute one; the run's
    /// folder unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// The exit statuses with which a run counts as completed: 0 by default; `None` is any that the program itself can
    /// give (0 to 125; above are what could not be started, and what a signal killed).
    #[serde(default = "zero")]
    pub accepted: Option<Vec<i32>>,
    /// What it may use.
    #[serde(default)]
    pub limits: Limits,
}

/// What a program may use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// How long it may run, in seconds; then its whole process group gets SIGTERM.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "finite")]
    pub seconds: Option<f64>,
    /// How long after SIGTERM, that of the time limit or of a request to stop, SIGKILL follows, in seconds.
    #[serde(serialize_with = "finite")]
    pub grace_seconds: f64,
    /// Address space of each of its processes, in bytes (`RLIMIT_AS`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Processor time of each of its processes, in seconds (`RLIMIT_CPU`); beyond it is SIGXCPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_seconds: Option<u64>,
    /// What is added to its niceness; below 0 needs privileges.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub niceness: Option<i32>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            seconds: None,
            grace_seconds: 10.0,
            memory_bytes: None,
            cpu_seconds: None,
            niceness: None,
        }
    }
}

/// JSON would make `null` of any other number, which is no limit, or cannot be read back.
fn finite<S: Serializer>(
    seconds: &(impl Copy + Into<Option<f64>> + Serialize),
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match (*seconds).into() {
        Some(found) if !f64::is_finite(found) => Err(serde::ser::Error::custom(format_args!(
            "a limit of a program: expected a finite number of seconds, found {found}"
        ))),
        Some(_) | None => seconds.serialize(serializer),
    }
}

impl Limits {
    fn check(&self) -> Result<(), ProgramError> {
        let seconds = [("seconds", self.seconds), ("grace_seconds", Some(self.grace_seconds))];
        for (limit, seconds) in seconds {
            if let Some(found) = seconds
                && !(found.is_finite() && found > 0.0)
            {
                let expected = "a number of seconds above 0";
                return Err(ProgramError::Limit { limit, expected, found });
            }
        }
        let counts = [("memory_bytes", self.memory_bytes), ("cpu_seconds", self.cpu_seconds)];
        for (limit, count) in counts {
            if count == Some(0) {
                let expected = "a number above 0";
                return Err(ProgramError::Limit { limit, expected, found: 0.0 });
            }
        }
        Ok(())
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it is the default of that field")]
fn zero() -> Option<Vec<i32>> {
    Some(vec![0])
}

impl Program {
    /// A program without arguments. A relative path with a slash counts from the present folder, now and for ever.
    pub fn new(program: impl Into<String>) -> Self {
        let mut program = program.into();
        if program.contains('/')
            && let Ok(absolute) = std::path::absolute(&program)
            && let Some(absolute) = absolute.to_str()
        {
            program = absolute.to_owned();
        }
        Self {
            program,
            args: Vec::new(),
            env: BTreeMap::new(),
            files: Vec::new(),
            directory: None,
            accepted: zero(),
            limits: Limits::default(),
        }
    }

    /// A line for `sh`. Parameters are in it as variables, `"$KRIGE_PARAM_name"`, in quotes; `{name}` is not replaced,
    /// because a shell would read what is in the value.
    pub fn shell(line: &str) -> Self {
        Self::new("sh").args(["-c".to_owned(), line.replace('{', "{{").replace('}', "}}")])
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// Has a file copied into the run's folder, under its own name; it is read anew for each run.
    #[must_use]
    pub fn file(mut self, path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        self.files.push(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()));
        self
    }

    /// Runs it in another folder than the run's, from which a relative path counts. Its output stays in the run's.
    #[must_use]
    pub fn directory(self, directory: impl Into<String>) -> Self {
        Self { directory: Some(directory.into()), ..self }
    }

    /// Counts a run with one of these exit statuses as completed, instead of with 0 alone.
    #[must_use]
    pub fn accept(self, statuses: impl IntoIterator<Item = i32>) -> Self {
        Self { accepted: Some(statuses.into_iter().collect()), ..self }
    }

    /// Counts a run as completed whatever exit status from 0 to 125 the program gives, as where the status is what is
    /// measured; not one that was killed at its time limit.
    #[must_use]
    pub fn accept_any(self) -> Self {
        Self { accepted: None, ..self }
    }

    /// Limits how long it may run, in seconds.
    #[must_use]
    pub fn time_limit(mut self, seconds: f64) -> Self {
        self.limits.seconds = Some(seconds);
        self
    }

    /// Limits what it may use.
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Whether a run that ended with that status is completed.
    pub fn accepts(&self, status: i32) -> bool {
        match &self.accepted {
            Some(statuses) => statuses.contains(&status),
            None => (0..=125).contains(&status),
        }
    }
}
