//! Opening an experiment again: from a database, or from a snapshot file.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use indexmap::IndexMap;
use krige_core::event::Record;
use krige_core::experiment::Experiment;
use krige_core::journal::{Journal, MemoryJournal};
use krige_sqlite::SqliteJournal;
use serde::{Deserialize, Serialize};

use super::{Client, State};
use crate::clock::SystemClock;
use crate::error::Error;
use crate::store::ExperimentStore;

/// The newest version of the snapshot's format.
const SNAPSHOT_VERSION: u32 = 1;

/// What a snapshot of any version says of itself.
#[derive(Deserialize)]
struct Version {
    krige_snapshot: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Snapshot {
    krige_snapshot: u32,
    experiment: String,
    records: Vec<Record>,
}

impl Client {
    /// A client whose experiment is kept in a SQLite file, which is made if there is none.
    ///
    /// # Errors
    /// If the file is something else, or cannot be opened.
    pub fn with_database(path: impl AsRef<Path>) -> Result<Self, Error> {
        Ok(Self::with_journal(SqliteJournal::open(path.as_ref())?))
    }

    /// Goes on with an experiment of a SQLite file, with its runner and metrics.
    ///
    /// # Errors
    /// If the file or the experiment is not there, or cannot be read.
    pub fn load_from_database(path: impl AsRef<Path>, experiment: &str) -> Result<Self, Error> {
        Self::load_from_journal(SqliteJournal::open_existing(path.as_ref())?, experiment)
    }

    /// Goes on with an experiment of a journal, with its runner and metrics.
    ///
    /// A runner or metric that cannot be found again (a closure, or a type of a crate that is not linked) is an error
    /// only when it is needed and was not configured again.
    ///
    /// # Errors
    /// If the experiment is not there, or cannot be read.
    pub fn load_from_journal(
        journal: impl Journal + 'static,
        experiment: &str,
    ) -> Result<Self, Error> {
        let clock = Arc::new(SystemClock);
        let store = ExperimentStore::open_at(Box::new(journal), clock.clone(), experiment)?;
        // Runner and metrics are restored when they are needed.
        Ok(Self {
            state: State::Ready(Box::new(store)),
            clock,
            seed: None,
            runner: None,
            metrics: IndexMap::new(),
        })
    }

    /// Writes the whole experiment to a JSON file, which replaces a former one in one step.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save_to_json_file(&mut self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        let records = self.store()?.records()?;
        let experiment = self.experiment()?.name.clone();
        let snapshot = Snapshot { krige_snapshot: SNAPSHOT_VERSION, experiment, records };
        let failed = |source| Error::SnapshotFile { path: path.into(), action: "writing", source };
        let text = serde_json::to_string_pretty(&snapshot)
            .map_err(|error| failed(std::io::Error::other(error)))?;
        let mut draft = path.as_os_str().to_owned();
        draft.push(".part");
        // The content is on the disk before the name points to it.
        let written = File::create(&draft)
            .and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.write_all(b"\n")?;
                file.sync_all()
            })
            .and_then(|()| std::fs::rename(&draft, path));
        written.map_err(|error| {
            let _draft_may_stay = std::fs::remove_file(&draft);
            failed(error)
        })
    }

    /// Goes on, in memory, with an experiment of a JSON file.
    ///
    /// # Errors
    /// If the file cannot be read, or is not a snapshot.
    pub fn load_from_json_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|source| Error::SnapshotFile {
            path: path.into(),
            action: "reading",
            source,
        })?;
        let not_one =
            |source| Error::Snapshot { path: path.into(), supported: SNAPSHOT_VERSION, source };
        // A newer version may have other fields; that it is newer is what its reader must know.
        let Version { krige_snapshot: version } = serde_json::from_str(&text).map_err(not_one)?;
        if version > SNAPSHOT_VERSION {
            let found = format!("it has version {version}: use the release that wrote it");
            return Err(not_one(serde::de::Error::custom(found)));
        }
        let snapshot: Snapshot = serde_json::from_str(&text).map_err(not_one)?;
        let gap = (1..).zip(&snapshot.records).find(|(place, record)| *place != record.sequence);
        if let Some((place, record)) = gap {
            let found = format!("record {place} has number {}", record.sequence);
            return Err(not_one(serde::de::Error::custom(found)));
        }
        let experiment = Experiment::replay(&snapshot.records)?;
        if experiment.name != snapshot.experiment {
            let found = format!("its records are of experiment `{}`", experiment.name);
            return Err(not_one(serde::de::Error::custom(found)));
        }
        let mut journal = MemoryJournal::new();
        journal.append(&snapshot.experiment, 0, &snapshot.records)?;
        Self::load_from_journal(journal, &snapshot.experiment)
    }
}
