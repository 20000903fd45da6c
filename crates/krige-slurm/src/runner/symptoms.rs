//! For how long runs have been in a strange state: noted in their folders, so that the count goes on in another process.

use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use krige_runner::program::{ProgramError, RunFolder};

use super::notes;

/// Where a symptom is noted, and since when.
const FILE: &str = "symptom";

/// What is only believed once it has lasted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Symptom {
    /// The program has failed, and Slurm has not said whether that was its doing.
    Unexplained,
    /// The job is over, and its folder does not say how the program ended.
    NoResult,
    /// Slurm does not know the job.
    Vanished,
    /// It waits in vain.
    Stuck,
}

impl Symptom {
    const fn word(self) -> &'static str {
        match self {
            Self::Unexplained => "unexplained",
            Self::NoResult => "no-result",
            Self::Vanished => "vanished",
            Self::Stuck => "stuck",
        }
    }
}

/// What is known of each run's symptom without looking at its folder: nothing, of those that were never asked about here.
#[derive(Debug, Default)]
pub(super) struct Symptoms(Mutex<HashMap<PathBuf, Option<(Symptom, SystemTime)>>>);

impl Symptoms {
    /// For how long a run has had a symptom, from now on if it had none or another.
    pub(super) fn lasted(
        &self,
        folder: &RunFolder,
        symptom: Symptom,
    ) -> Result<Duration, ProgramError> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let path = folder.own(FILE);
        let now = SystemTime::now();
        let noted = match known.get(&path) {
            Some(noted) => *noted,
            None => noted(folder, symptom)?,
        };
        // A clock that was set back begins anew.
        let lasted = noted
            .filter(|(other, _)| *other == symptom)
            .and_then(|(_, since)| now.duration_since(since).ok());
        if let Some(lasted) = lasted {
            known.insert(path, noted);
            return Ok(lasted);
        }
        known.insert(path, Some((symptom, now)));
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        // Where it cannot be written, as on a full disk, the count begins anew in another process: it is only waited for longer.
        let _ = notes::write(folder, FILE, &format!("{} {since}", symptom.word()));
        Ok(Duration::ZERO)
    }

    /// Notes that a run has no symptom.
    pub(super) fn clear(&self, folder: &RunFolder) -> Result<(), ProgramError> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let path = folder.own(FILE);
        if known.get(&path) == Some(&None) {
            return Ok(());
        }
        match fs::remove_file(&path) {
            Err(source) if source.kind() != ErrorKind::NotFound => {
                Err(ProgramError::File { action: "remove", path, source })
            }
            _ => {
                known.insert(path, None);
                Ok(())
            }
        }
    }

    /// Forgets a run that is over.
    pub(super) fn forget(&self, folder: &RunFolder) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&folder.own(FILE));
    }
}

/// Since when the folder has this symptom; nothing, if it has another one.
fn noted(
    folder: &RunFolder,
    symptom: Symptom,
) -> Result<Option<(Symptom, SystemTime)>, ProgramError> {
    let Some(text) = notes::read(folder, FILE)? else { return Ok(None) };
    let since = text.strip_prefix(symptom.word()).and_then(|since| since.trim().parse().ok());
    let since = since.and_then(|since| UNIX_EPOCH.checked_add(Duration::from_millis(since)));
    Ok(since.map(|since| (symptom, since)))
}

#[cfg(test)]
mod tests {
    use krige_core::trial::TrialRun;

    use super::*;

    /// A folder whose run has had a symptom for 100 s, as another process has noted it.
    fn noted_long_ago(symptom: Symptom) -> (tempfile::TempDir, RunFolder) {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = RunFolder::new(parent.path(), &TrialRun::new("e", 0, 1));
        fs::create_dir_all(folder.own("")).expect("a folder");
        let since = SystemTime::now() - Duration::from_secs(100);
        let since = since.duration_since(UNIX_EPOCH).expect("it is late").as_millis();
        notes::write(&folder, FILE, &format!("{} {since}", symptom.word())).expect("written");
        (parent, folder)
    }

    const LONG: Duration = Duration::from_secs(100);

    #[test]
    fn another_process_goes_on_counting() {
        for symptom in [Symptom::Unexplained, Symptom::NoResult, Symptom::Vanished, Symptom::Stuck]
        {
            let (_parent, folder) = noted_long_ago(symptom);
            let symptoms = Symptoms::default();
            assert!(symptoms.lasted(&folder, symptom).expect("read") >= LONG);
            assert!(symptoms.lasted(&folder, symptom).expect("known") >= LONG);
        }
        let (_parent, folder) = noted_long_ago(Symptom::Stuck);
        fs::remove_file(folder.own(FILE)).expect("removed");
        let symptoms = Symptoms::default();
        assert_eq!(symptoms.lasted(&folder, Symptom::Stuck).expect("new"), Duration::ZERO);
        let next = Symptoms::default();
        let before = notes::read(&folder, FILE).expect("read");
        next.lasted(&folder, Symptom::Stuck).expect("read");
        assert_eq!(notes::read(&folder, FILE).expect("read"), before);
    }

    #[test]
    fn a_symptom_begins_anew_when_it_changes() {
        let (_parent, folder) = noted_long_ago(Symptom::NoResult);
        let symptoms = Symptoms::default();
        assert!(symptoms.lasted(&folder, Symptom::Vanished).expect("another") < LONG);
        assert!(symptoms.lasted(&folder, Symptom::NoResult).expect("another") < LONG);
        let next = Symptoms::default();
        assert!(next.lasted(&folder, Symptom::NoResult).expect("read") < LONG);
    }

    #[test]
    fn what_has_passed_does_not_count_in_any_process() {
        let (_parent, folder) = noted_long_ago(Symptom::Vanished);
        // This process has never seen the symptom.
        Symptoms::default().clear(&folder).expect("removed");
        let symptoms = Symptoms::default();
        assert!(symptoms.lasted(&folder, Symptom::Vanished).expect("new") < LONG);
        symptoms.clear(&folder).expect("removed");
        symptoms.clear(&folder).expect("nothing there");
        assert!(!folder.own(FILE).exists());
        symptoms.forget(&folder);
        assert!(symptoms.0.lock().expect("nobody failed").is_empty());
    }

    #[test]
    fn a_note_of_the_future_and_one_that_makes_no_sense_begin_anew() {
        let (_parent, folder) = noted_long_ago(Symptom::Vanished);
        for text in ["vanished 99999999999999", "vanished", "vanished x", "", "other 5"] {
            notes::write(&folder, FILE, text).expect("written");
            let symptoms = Symptoms::default();
            let lasted = symptoms.lasted(&folder, Symptom::Vanished).expect("read");
            assert_eq!(lasted, Duration::ZERO, "{text}");
            assert!(symptoms.lasted(&folder, Symptom::Vanished).expect("known") < LONG);
        }
    }

    #[test]
    fn where_nothing_can_be_written_it_is_counted_in_memory() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = RunFolder::new(parent.path(), &TrialRun::new("e", 0, 1));
        let symptoms = Symptoms::default();
        assert_eq!(symptoms.lasted(&folder, Symptom::Stuck).expect("kept"), Duration::ZERO);
        assert!(symptoms.0.lock().expect("nobody failed").contains_key(&folder.own(FILE)));
        symptoms.clear(&folder).expect("there is none");
    }
}
