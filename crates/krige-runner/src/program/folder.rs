//! The folder of one run: what is put there, and what is read back.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use krige_core::trial::{Metadata, TrialRun};
use krige_core::value::Parameterization;

use super::Program;
use super::record::{Began, Ended, Process};
use super::script::{ProgramError, script};
use super::template::Names;
use crate::runner::RunStatus;

/// What runs every program.
const RUN: &str = include_str!("run.sh");

/// What is krige's own in a run's folder.
const OWN: [&str; 4] = ["parameters.json", "stdout.log", "stderr.log", "krige"];

/// How much of a failed program's standard error is told, in bytes.
const TOLD: u64 = 600;

/// The folder of one run, `WORK/KEY`.
///
/// | file | what is in it |
/// |---|---|
/// | `parameters.json` | the parameters |
/// | `stdout.log`, `stderr.log` | what the program wrote |
/// | `krige/program.sh` | the program with its arguments, as a script |
/// | `krige/run.sh` | what runs it once, and sees to its end |
/// | `krige/lock` | is locked as long as anything of the run is being started or alive |
/// | `krige/began`, `krige/ended` | that it has begun; how it ended, written at once as a whole |
/// | `krige/stopped` | why it is to be stopped |
///
/// What else is there is the program's, for which it is the working directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// The folder of a run; it need not exist.
    pub fn new(work: &Path, run: &TrialRun) -> Self {
        let path = work.join(&run.key);
        Self { path: std::path::absolute(&path).unwrap_or(path) }
    }

    /// The folder that a run's metadata names, by the entry `folder`.
    pub fn of(metadata: &Metadata) -> Option<Self> {
        metadata.text("folder").map(|path| Self { path: path.into() })
    }

    /// The entry `folder` that goes into the run's metadata.
    pub fn metadata(&self) -> Metadata {
        Metadata::of("folder", self.path.to_string_lossy())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file of krige's own in it.
    pub fn own(&self, name: &str) -> PathBuf {
        self.path.join("krige").join(name)
    }

    /// Makes the folder, and takes its lock; nothing if somebody else has it.
    ///
    /// The file is to become the standard input of what is started, and so stay locked until that, and all that came of
    /// it, has ended.
    ///
    /// # Errors
    /// If it cannot be made or locked.
    pub fn lock(&self) -> Result<Option<File>, ProgramError> {
        let folder = self.path.join("krige");
        fs::create_dir_all(&folder).map_err(failed("make", &folder))?;
        let path = self.own("lock");
        let file =
            OpenOptions::new().create(true).truncate(false).write(true).read(true).open(&path);
        let file = file.map_err(failed("open", &path))?;
        let locked = within_a_moment(|| match file.try_lock() {
            Ok(()) => Ok(Some(())),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(failed("lock", &path)(error)),
        });
        Ok(locked?.map(|()| file))
    }

    /// Whether anything of the run is being started or alive, as far as its lock tells.
    ///
    /// # Errors
    /// If that cannot be told.
    pub fn is_locked(&self) -> Result<bool, ProgramError> {
        let path = self.own("lock");
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(failed("open", &path)(error)),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(failed("lock", &path)(error)),
        }
    }

    /// Writes all that a program needs for a run.
    ///
    /// # Errors
    /// If a template cannot be filled in, or a file not be written.
    pub fn prepare(
        &self,
        program: &Program,
        run: &TrialRun,
        parameters: &Parameterization,
        slot: Option<&str>,
    ) -> Result<(), ProgramError> {
        let folder =
            self.path.to_str().ok_or_else(|| ProgramError::Path { path: self.path.clone() })?;
        let names = Names::new(run, parameters, folder, slot);
        let script = script(program, &names)?;
        program.limits.check()?;
        let files = files(program)?;
        let own = self.path.join("krige");
        fs::create_dir_all(&own).map_err(failed("make", &own))?;
        for (file, name) in files {
            let copy = self.path.join(name);
            // One of an earlier try may not be writable, as its original.
            let _ = fs::remove_file(&copy);
            fs::copy(file, &copy).map_err(failed("copy into the run's folder", file))?;
        }
        let json = serde_json::to_string_pretty(parameters).map_err(io::Error::from);
        let path = self.path.join("parameters.json");
        let json = json.map_err(failed("write", &path))?;
        for (path, text) in
            [(path, &*json), (self.own("program.sh"), &script), (self.own("run.sh"), RUN)]
        {
            fs::write(&path, text).map_err(failed("write", &path))?;
        }
        Ok(())
    }

    /// The arguments for `sh`, in this folder, that run the program; a launcher, such as `srun`, is put before it.
    pub fn arguments(program: &Program, launcher: &[String]) -> Vec<String> {
        let limits = &program.limits;
        let or_none = |limit: Option<String>| limit.unwrap_or_else(|| "-".into());
        let mut arguments = vec![
            "krige/run.sh".into(),
            or_none(limits.seconds.map(|seconds| seconds.to_string())),
            limits.grace_seconds.to_string(),
            or_none(limits.niceness.map(|niceness| niceness.to_string())),
            or_none(limits.memory_bytes.map(|bytes| bytes.div_ceil(1024).to_string())),
            or_none(limits.cpu_seconds.map(|seconds| seconds.to_string())),
        ];
        arguments.extend_from_slice(launcher);
        arguments
    }

    /// That the run has begun, the last time where a queue has started it again.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn began(&self) -> Result<Option<Began>, ProgramError> {
        let Some(first) = self.read("began")? else { return Ok(None) };
        let mut last = Began::read(&first);
        let own = self.path.join("krige");
        for entry in fs::read_dir(&own).map_err(failed("list", &own))? {
            let name = entry.map_err(failed("list", &own))?.file_name();
            if let Some(name) = name.to_str()
                && name.starts_with("began.")
                && let Some(text) = self.read(name)?
                && let again = Began::read(&text)
                && again.restarts > last.restarts
            {
                last = again;
            }
        }
        Ok(Some(last))
    }

    /// How the program ended, if it has.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn ended(&self) -> Result<Option<Ended>, ProgramError> {
        // On a network file system, listing the folder makes files of other machines seen.
        let _ = fs::read_dir(self.path.join("krige"));
        Ok(self.read("ended")?.and_then(|text| Ended::read(&text)))
    }

    /// What a run that ended came to, for an operator.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn verdict(&self, program: &Program, ended: &Ended) -> Result<RunStatus, ProgramError> {
        // A clock may tell whole seconds alone, or have been set back.
        let in_time = |limit: f64| (0.0..limit.floor()).contains(&ended.wall_seconds());
        let killed = matches!(ended.status, 124 | 137);
        let limit = program.limits.seconds.filter(|&limit| killed && !in_time(limit));
        // Whatever the program gives is accepted; but it has given nothing.
        let gave_nothing = program.accepted.is_none() && limit.is_some();
        if program.accepts(ended.status) && !gave_nothing {
            return Ok(RunStatus::Completed);
        }
        let what = if let Some(reason) = self.stopped()? {
            format!("stopped: {reason}")
        } else if let Some(limit) = limit {
            format!("the program was killed at its time limit of {limit} s")
        } else {
            described(ended.status)
        };
        // What moves the cursor is not for whoever reads it.
        let said = self.tail("stderr.log", TOLD)?.replace('\r', "\n");
        let said: String =
            said.chars().filter(|&c| c == '\n' || c == '\t' || !c.is_control()).collect();
        let reason = if said.is_empty() { what } else { format!("{what}; it said: {said}") };
        Ok(RunStatus::Failed { reason })
    }

    /// Why the run was to be stopped, if it was.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn stopped(&self) -> Result<Option<String>, ProgramError> {
        self.read("stopped")
    }

    /// Notes that the run is to be stopped, so that it does not begin any more; the first reason stays.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn request_stop(&self, reason: &str) -> Result<(), ProgramError> {
        let path = self.own("stopped");
        // At once as a whole: whoever finds it, finds the reason.
        let fresh = self.own(&format!("stopped.{}", std::process::id()));
        fs::write(&fresh, reason).map_err(failed("write", &fresh))?;
        let linked = match fs::hard_link(&fresh, &path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            // Some file systems have no links.
            Err(_) => fs::write(&path, reason),
            Ok(()) => Ok(()),
        };
        let _ = fs::remove_file(&fresh);
        linked.map_err(failed("write", &path))
    }

    /// The processes to which a request to stop goes: that of the script, and that of the program's group.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn processes(&self) -> Result<Vec<Process>, ProgramError> {
        let script = self.began()?.and_then(|began| began.process);
        let leader = self.read("leader")?.and_then(|text| Process::read(text.lines()));
        Ok(script.into_iter().chain(leader).collect())
    }

    /// The end of a file of the run, without space around it: at most so many bytes. Empty if there is no such file.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn tail(&self, name: &str, bytes: u64) -> Result<String, ProgramError> {
        let path = self.path.join(name);
        let read = || -> io::Result<Vec<u8>> {
            let mut file = File::open(&path)?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(bytes)))?;
            let mut end = Vec::new();
            file.take(bytes).read_to_end(&mut end)?;
            Ok(end)
        };
        match read() {
            Ok(end) => Ok(String::from_utf8_lossy(&end).trim().to_owned()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(failed("read", &path)(error)),
        }
    }

    fn read(&self, name: &str) -> Result<Option<String>, ProgramError> {
        let path = self.own(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("read", &path)(error)),
        }
    }
}

/// Tries to take a lock for a tenth of a second: who only looks at one has it for a moment.
pub(crate) fn within_a_moment<T, E>(
    mut take: impl FnMut() -> Result<Option<T>, E>,
) -> Result<Option<T>, E> {
    for _ in 0..50 {
        let taken = take()?;
        if taken.is_some() {
            return Ok(taken);
        }
        std::thread::park_timeout(Duration::from_millis(2));
    }
    Ok(None)
}

/// The files that are copied, with their names in the folder.
fn files(program: &Program) -> Result<BTreeMap<&Path, &OsStr>, ProgramError> {
    let mut files = BTreeMap::new();
    for path in &program.files {
        let is_file = match fs::metadata(path) {
            Ok(metadata) => metadata.is_file(),
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            Err(error) => return Err(failed("read", path)(error)),
        };
        let name = path.file_name().filter(|_| is_file);
        let name = name.ok_or_else(|| ProgramError::NoFile { path: path.clone() })?;
        let same = |(other, taken): (&&Path, &&OsStr)| *other != path && *taken == name;
        if OWN.iter().any(|own| name == *own) || files.iter().any(same) {
            let name = name.to_string_lossy().into_owned();
            return Err(ProgramError::NameTaken { path: path.clone(), name });
        }
        files.insert(path.as_path(), name);
    }
    Ok(files)
}

/// An exit status in words.
fn described(status: i32) -> String {
    const SIGNALS: [(i32, &str); 14] = [
        (1, "SIGHUP"),
        (2, "SIGINT"),
        (3, "SIGQUIT"),
        (4, "SIGILL"),
        (6, "SIGABRT"),
        (7, "SIGBUS"),
        (8, "SIGFPE"),
        (9, "SIGKILL"),
        (11, "SIGSEGV"),
        (13, "SIGPIPE"),
        (14, "SIGALRM"),
        (15, "SIGTERM"),
        (24, "SIGXCPU"),
        (25, "SIGXFSZ"),
    ];
    match (status, SIGNALS.iter().find(|(number, _)| number + 128 == status)) {
        (_, Some((_, name))) => {
            format!("the program ended with exit status {status}, which is that of {name}")
        }
        (0, None) => "the program ended with exit status 0, which is not accepted".into(),
        (127, None) => "the program was not found (exit status 127)".into(),
        (126, None) => "the program could not be started (exit status 126)".into(),
        (_, None) => format!("the program ended with exit status {status}"),
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ProgramError {
    move |source| ProgramError::File { action, path: path.to_owned(), source }
}
