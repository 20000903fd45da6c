//! Whether a run was submitted.

use std::fs;
use std::time::SystemTime;

use krige_core::trial::TrialRun;
use krige_runner::program::RunFolder;
use krige_runner::{Found, RunnerError};

use super::notes::{self, Element};
use super::submit::known;
use super::{SlurmRunner, SlurmRunnerError};
use crate::queue::{Queue, SACCT, SQUEUE};
use crate::slurm::SlurmError;

impl SlurmRunner {
    /// Looks into the run's folder, and then for its name in Slurm.
    pub(super) fn find(&self, run: &TrialRun) -> Result<Found, RunnerError> {
        let folder = RunFolder::new(&self.work, run);
        // A run has its folder before it is submitted.
        if !folder.path().try_exists().map_err(RunnerError::transient)? {
            return Ok(Found::Absent);
        }
        if let Some(job) = known(&folder)? {
            return Ok(exists(&folder, &job));
        }
        let element = notes::element(&folder)?;
        // Another process may be about to submit it; or what this one's predecessor started still does.
        if folder.is_locked()? || self.is_submitting(element.as_ref())? {
            let key = run.key.clone();
            return Err(RunnerError::transient(SlurmRunnerError::Submitting { key }));
        }
        // It may have been noted meanwhile.
        if let Some(job) = known(&folder)? {
            return Ok(exists(&folder, &job));
        }
        let name = element.as_ref().map_or(&run.key, |element| &element.name);
        let index = element.as_ref().map(|element| element.index);
        let found = match self.named(name)?.first(index) {
            Some(job) => Some(job.id.clone()),
            None => self
                .recorded(name, &folder)?
                .and_then(|queue| queue.first(index).map(|job| job.id.clone())),
        };
        match found {
            Some(job) => {
                // What cannot be noted is found again.
                let _ = notes::write_job(&folder, &job);
                Ok(exists(&folder, &job))
            }
            None => Ok(Found::Absent),
        }
    }

    /// Whether the array job is being submitted of which the run is an element.
    fn is_submitting(&self, element: Option<&Element>) -> Result<bool, RunnerError> {
        let Some(element) = element else { return Ok(false) };
        let first = TrialRun { trial_index: 0, attempt: 1, key: element.name.clone() };
        let first = RunFolder::new(&self.work, &first);
        Ok(known(&first)?.is_none() && first.is_locked()?)
    }

    /// What `squeue` says of the jobs of a name.
    pub(super) fn named(&self, name: &str) -> Result<Queue, RunnerError> {
        let name = format!("--name={name}");
        let arguments: Vec<&str> = SQUEUE.into_iter().chain([&*name]).collect();
        let answer = self.slurm()?.run("squeue", &arguments, None);
        Ok(Queue::read(&answer?))
    }

    /// What accounting has of that name; `None` where there is none.
    fn recorded(&self, name: &str, folder: &RunFolder) -> Result<Option<Queue>, RunnerError> {
        if self.session.has_no_accounting() {
            return Ok(None);
        }
        let name = format!("--name={name}");
        let since = format!("--starttime={}", since([folder]));
        let arguments: Vec<&str> = SACCT.into_iter().chain([&*name, &*since]).collect();
        match self.slurm()?.run("sacct", &arguments, None) {
            Ok(text) => Ok(Some(Queue::read(&text))),
            Err(SlurmError::Refused { said, .. }) if self.session.note_no_accounting(&said) => {
                Ok(None)
            }
            Err(error) => Err(RunnerError::transient(error)),
        }
    }
}

fn exists(folder: &RunFolder, job: &str) -> Found {
    Found::Exists(notes::metadata(folder, job))
}

/// From when on `sacct` is to look: ids and names come again after years. An hour before the first folder was made, as clocks differ.
pub(super) fn since<'a>(folders: impl IntoIterator<Item = &'a RunFolder>) -> String {
    let age = |folder: &RunFolder| {
        let made = fs::metadata(folder.own("run.sh")).and_then(|file| file.modified()).ok()?;
        SystemTime::now().duration_since(made).ok()
    };
    let oldest = folders.into_iter().filter_map(age).max().unwrap_or_default();
    format!("now-{}minutes", oldest.as_secs() / 60 + 60)
}
