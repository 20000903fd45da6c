//! What can still be read of a damaged file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use krige_core::event::Record;
use krige_core::journal::{Journal, JournalError};
use rusqlite::{OptionalExtension, params};

use crate::error::from_sqlite;
use crate::journal::{Row, SqliteJournal};

/// What was saved of one experiment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Salvaged {
    /// Its name.
    pub experiment: String,
    /// How many records were saved: the first so many, as they were.
    pub saved: u64,
    /// Records that can be read but follow a damaged one, so that they make no experiment.
    pub left_behind: u64,
    /// Whether that is all: nothing of the file is damaged, as far as SQLite can tell.
    pub complete: bool,
}

/// Rows of the smallest event take more bytes than this; so many more rows than would fit are not looked for.
const SMALLEST_ROW: u64 = 64;

impl SqliteJournal {
    /// Saves what can be read of every experiment to a new journal: the records before the first damaged one. The file
    /// itself is only read.
    ///
    /// The experiments go on from there: what was known later is unknown to them, so that trials may be started that
    /// have run before, under the same keys.
    ///
    /// # Errors
    /// If not even the table of events can be reached; or what [`open`](Self::open) and [`append`](Journal::append) report
    /// of the new file, which must not have one of the experiments yet.
    pub fn salvage(&mut self, into: impl Into<PathBuf>) -> Result<Vec<Salvaged>, JournalError> {
        let (read, whole) = self.readable_rows()?;
        let mut saved = Self::open(into)?;
        let mut report = Vec::new();
        for (experiment, mut rows) in read {
            rows.sort_by_key(|row| row.sequence);
            let count = rows.len() as u64;
            let records: Vec<Record> = (1..)
                .zip(rows)
                .map_while(|(place, row)| {
                    (row.sequence == place).then(|| row.into_record().ok()).flatten()
                })
                .collect();
            let length = records.len() as u64;
            if length > 0 {
                saved.append(&experiment, 0, &records)?;
            }
            let (left_behind, complete) = (count - length, whole && count == length);
            report.push(Salvaged { experiment, saved: length, left_behind, complete });
        }
        Ok(report)
    }

    /// Every row that can be read, by experiment, and whether those are all.
    ///
    /// Rows are looked up one by one in the table itself: an index may be damaged too, and a scan would end at the first
    /// damaged page.
    fn readable_rows(&self) -> Result<(BTreeMap<String, Vec<Row>>, bool), JournalError> {
        let failed = |error| from_sqlite(self.path(), error);
        let mut rows: BTreeMap<String, Vec<Row>> = BTreeMap::new();
        let mut whole = true;
        let bytes = std::fs::metadata(self.path()).map_or(0, |metadata| metadata.len());
        let log = std::fs::metadata(format!("{}-wal", self.path().display()));
        let most = (bytes + log.map_or(0, |metadata| metadata.len())) / SMALLEST_ROW;
        let mut statement = self
            .connection
            .prepare("SELECT experiment, sequence, at, body FROM event NOT INDEXED WHERE id = ?1")
            .map_err(failed)?;
        for id in 1..=most {
            let row = statement
                .query_row(params![id.cast_signed()], |row| {
                    let name: String = row.get(0)?;
                    let (sequence, at) = (row.get::<_, i64>(1)?.cast_unsigned(), row.get(2)?);
                    Ok((name, Row { sequence, at, body: row.get_ref(3)?.as_bytes()?.to_vec() }))
                })
                .optional();
            match row {
                Ok(Some((name, row))) => rows.entry(name).or_default().push(row),
                // Rows are never removed, so the last one was read; unless a damaged page pretends to be empty, which the
                // gap in the experiment's records shows.
                Ok(None) if whole => break,
                Ok(None) => {}
                Err(_) => whole = false,
            }
        }
        Ok((rows, whole))
    }
}
