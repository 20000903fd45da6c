//! What the runner notes in a run's folder: under which name it was submitted, as which job, and what else outlives the runner.

use std::fs;
use std::io::ErrorKind;

use krige_core::trial::Metadata;
use krige_runner::program::{ProgramError, RunFolder};

/// The metadata's entry with the job's id.
pub(super) const JOB: &str = "job";

/// Where the number of its job is noted.
const JOB_FILE: &str = "job";

/// Where the array job is noted that it is an element of.
const ARRAY_FILE: &str = "array";

/// An element of an array job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Element {
    /// The array job's name: the key of its first run.
    pub(super) name: String,
    /// Which of its elements.
    pub(super) index: usize,
}

/// What a run is known by.
pub(super) fn metadata(folder: &RunFolder, job: &str) -> Metadata {
    folder.metadata().with(JOB, job)
}

/// The job that was noted.
pub(super) fn job(folder: &RunFolder) -> Result<Option<String>, ProgramError> {
    read(folder, JOB_FILE)
}

/// Notes the job.
pub(super) fn write_job(folder: &RunFolder, job: &str) -> Result<(), ProgramError> {
    write(folder, JOB_FILE, job)
}

/// The array job that was noted.
pub(super) fn element(folder: &RunFolder) -> Result<Option<Element>, ProgramError> {
    let Some(text) = read(folder, ARRAY_FILE)? else { return Ok(None) };
    let parts = text.split_once(' ').and_then(|(name, index)| Some((name, index.parse().ok()?)));
    Ok(parts.map(|(name, index)| Element { name: name.to_owned(), index }))
}

/// Notes of which array job the run is to be an element, or that it is to be a job of its own.
pub(super) fn write_element(
    folder: &RunFolder,
    element: Option<&Element>,
) -> Result<(), ProgramError> {
    if let Some(Element { name, index }) = element {
        return write(folder, ARRAY_FILE, &format!("{name} {index}"));
    }
    let path = folder.own(ARRAY_FILE);
    match fs::remove_file(&path) {
        Err(source) if source.kind() != ErrorKind::NotFound => {
            Err(ProgramError::File { action: "remove", path, source })
        }
        _ => Ok(()),
    }
}

/// A note; nothing, if there is none or an empty one.
pub(super) fn read(folder: &RunFolder, name: &str) -> Result<Option<String>, ProgramError> {
    let path = folder.own(name);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
        Err(source) if source.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ProgramError::File { action: "read", path, source }),
    }
}

/// Writes a note as a whole, or not at all.
pub(super) fn write(folder: &RunFolder, name: &str, text: &str) -> Result<(), ProgramError> {
    let (path, fresh) = (folder.own(name), folder.own(&format!("{name}.{}", std::process::id())));
    let written = fs::write(&fresh, text).and_then(|()| fs::rename(&fresh, &path));
    written.map_err(|source| ProgramError::File { action: "write", path, source })
}
