//! A run's folder, as a metric sees it.

use std::fs::{self, File};
use std::io;
use std::path::{Component, Path};
use std::time::{Duration, SystemTime};

use krige_core::trial::Metadata;

use super::error::OutputError;
use crate::error::MetricError;
use crate::program::{Ended, RunFolder};

/// How long after the end of its run a file may be missing because a shared file system shows it late.
const LATE: Duration = Duration::from_secs(30);

/// A run's folder, and how its program ended if it has.
#[derive(Debug)]
pub(super) struct Output {
    folder: RunFolder,
    ended: Option<Ended>,
}

impl Output {
    /// What a run has left so far. The value of one that goes on is not there yet, unless it is to be had then.
    pub(super) fn of(metadata: &Metadata, while_running: bool) -> Result<Self, MetricError> {
        let folder = RunFolder::of(metadata).ok_or_else(|| {
            let known = metadata.0.keys().cloned().collect();
            MetricError::permanent(OutputError::NoFolder { known })
        })?;
        let ended = folder.ended().map_err(MetricError::transient)?;
        if ended.is_none() && !while_running {
            return Err(MetricError::NotYet);
        }
        Ok(Self { folder, ended })
    }

    /// How the run ended; nothing while it goes on.
    pub(super) const fn ended(&self) -> Option<&Ended> {
        self.ended.as_ref()
    }

    /// Opens a file of the run for reading, and says how long it is.
    pub(super) fn open(&self, file: &str) -> Result<(File, u64), MetricError> {
        let is_below = |part| matches!(part, Component::Normal(_));
        if file.is_empty() || !Path::new(file).components().all(is_below) {
            return Err(MetricError::permanent(OutputError::NotInFolder { file: file.into() }));
        }
        let path = self.folder.path().join(file);
        let holding = path.parent().unwrap_or_else(|| self.folder.path());
        list(holding).map_err(MetricError::transient)?;
        // A pipe is not opened: that would wait for somebody who writes to it.
        let opened = fs::metadata(&path).and_then(|metadata| {
            let opened = metadata.is_file().then(|| File::open(&path)).transpose()?;
            opened.map(|file| file.metadata().map(|metadata| (file, metadata.len()))).transpose()
        });
        match opened {
            Ok(Some((_, length))) if length < self.promised(file) => Err(MetricError::NotYet),
            Ok(Some(opened)) => Ok(opened),
            Ok(None) => Err(MetricError::permanent(OutputError::NotAFile { file: file.into() })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(self.missing(file)),
            Err(error) => Err(MetricError::transient(error)),
        }
    }

    /// How long a file is at least, as far as the end of the run says so.
    fn promised(&self, file: &str) -> u64 {
        self.ended.as_ref().map_or(0, |ended| match file {
            "stdout.log" => ended.stdout_bytes,
            "stderr.log" => ended.stderr_bytes,
            _ => 0,
        })
    }

    fn missing(&self, file: &str) -> MetricError {
        let since = |ended: &Ended| {
            let ended = Duration::try_from_secs_f64(ended.ended).unwrap_or_default();
            // An end in the future is one by another clock.
            SystemTime::UNIX_EPOCH.checked_add(ended).and_then(|end| end.elapsed().ok())
        };
        if self.ended.as_ref().and_then(since).is_none_or(|since| since < LATE) {
            return MetricError::NotYet;
        }
        match list(self.folder.path()) {
            Ok(found) => {
                let (file, folder) = (file.into(), self.folder.path().to_owned());
                MetricError::permanent(OutputError::NoFile { file, folder, found })
            }
            Err(error) => MetricError::transient(error),
        }
    }
}

/// The names in a folder, in order; none if it is not there. That it is listed makes NFS look again at what is in it.
fn list(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let name =
        |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = entries.map(name).collect::<io::Result<_>>()?;
    names.sort();
    Ok(names)
}
