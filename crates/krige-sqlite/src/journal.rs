//! Open, append, read.

use std::path::{Path, PathBuf};
use std::time::Duration;

use krige_core::Timestamp;
use krige_core::event::{Event, Record};
use krige_core::journal::{Journal, JournalError, Lease, LeaseRequest};
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, TransactionBehavior, params};

use crate::error::{Defect, from_io, from_sqlite, opening};
use crate::{medium, schema};

/// How long an append waits for other processes before it gives up with [`JournalError::Busy`].
const PATIENCE: Duration = Duration::from_secs(5);

/// Keeps the records of experiments in an SQLite file.
///
/// The file may hold many experiments, and many processes may use it at once. Where a whole file system is
/// used by one machine, the file is in WAL mode: readers never wait, and `FILE-wal` and `FILE-shm` lie
/// beside it while it is in use. On file systems that several machines share (NFS, Lustre, SMB…), where WAL would
/// damage it, and wherever SQLite cannot use WAL, it is in DELETE mode.
///
/// An append that returned `Ok` is on the medium: SQLite has flushed it (`synchronous = EXTRA`, and
/// `fullfsync` on macOS) and survives a loss of power wherever the medium keeps what it was told to flush.
///
/// A file without write permission can be read; an append to it fails with [`JournalError::ReadOnly`].
#[derive(Debug)]
pub struct SqliteJournal {
    pub(crate) connection: Connection,
    path: PathBuf,
}

impl SqliteJournal {
    /// Opens a journal, and makes the file and its folder where they are absent.
    ///
    /// A file of an older version is migrated; a copy of it is kept as `FILE.v{version}.bak`.
    ///
    /// # Errors
    /// [`JournalError::NotAJournal`] if the file is something else (it is not touched then),
    /// [`JournalError::NewerVersion`] if a newer release wrote it; otherwise what the medium reports.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, JournalError> {
        let path = named(path.into())?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| from_io(&path, error))?;
        }
        Self::connect(path, OpenFlags::SQLITE_OPEN_CREATE)
    }

    /// Opens a journal that must be there already.
    ///
    /// An empty file is a journal without experiments: a process that died at its very start leaves one.
    ///
    /// # Errors
    /// [`JournalError::NotAJournal`] if the file is absent; otherwise as [`SqliteJournal::open`].
    pub fn open_existing(path: impl Into<PathBuf>) -> Result<Self, JournalError> {
        let path = named(path.into())?;
        let detail = match std::fs::metadata(&path) {
            Ok(_) => return Self::connect(path, OpenFlags::empty()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => "there is no such file",
            Err(error) => return Err(from_io(&path, error)),
        };
        let location = path.display().to_string();
        Err(JournalError::NotAJournal { location, detail: detail.into() })
    }

    /// The file, as it was named when the journal was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn connect(path: PathBuf, create: OpenFlags) -> Result<Self, JournalError> {
        // SQLite reads some relative names as something else than files: `:memory:`, `file:…`.
        let file = std::path::absolute(&path).map_err(|error| from_io(&path, error))?;
        if file.is_dir() {
            let location = path.display().to_string();
            return Err(JournalError::NotAJournal { location, detail: "it is a folder".into() });
        }
        schema::refuse_others(&file, &path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | create;
        let mut connection =
            Connection::open_with_flags(&file, flags).map_err(|error| opening(&path, error))?;
        connection.busy_timeout(PATIENCE).map_err(|error| from_sqlite(&path, error))?;
        schema::bring_up_to_date(&mut connection, &path, schema::MIGRATIONS)?;
        make_durable(&connection, medium::is_shared_by_machines(&file))
            .map_err(|error| from_sqlite(&path, error))?;
        Ok(Self { connection, path })
    }

    fn has(&self, experiment: &str) -> rusqlite::Result<bool> {
        self.connection
            .prepare_cached("SELECT 1 FROM event WHERE experiment = ?1 LIMIT 1")?
            .exists([experiment])
    }

    /// The error of a read; where the file is damaged, with what of the experiment can be read all the same.
    fn unread(&self, experiment: &str, error: rusqlite::Error) -> JournalError {
        if error.sqlite_error_code() != Some(ErrorCode::DatabaseCorrupt) {
            return from_sqlite(&self.path, error);
        }
        let count = readable(&self.connection, experiment).unwrap_or(0);
        let readable = (count > 0).then(|| (experiment.to_owned(), count));
        JournalError::Medium {
            location: self.location(),
            source: Defect::Corrupt { readable, source: error }.into(),
        }
    }
}

/// Refuses the path that names nothing.
fn named(path: PathBuf) -> Result<PathBuf, JournalError> {
    if path.as_os_str().is_empty() {
        let (location, detail) = ("``".into(), "the path is empty".into());
        return Err(JournalError::NotAJournal { location, detail });
    }
    Ok(path)
}

/// Chooses how commits reach a medium, which may be shared by machines.
fn make_durable(connection: &Connection, shared: bool) -> rusqlite::Result<()> {
    connection.pragma_update(None, "synchronous", "EXTRA")?;
    connection.pragma_update(None, "fullfsync", true)?;
    if connection.is_readonly(rusqlite::MAIN_DB)? {
        return Ok(());
    }
    let wanted = if shared { "delete" } else { "wal" };
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    if mode == wanted {
        return Ok(());
    }
    // SQLite answers with the mode that is in force: where WAL cannot work, that is still DELETE.
    match connection.pragma_update_and_check(None, "journal_mode", wanted, |_| Ok(())) {
        // Another process is using the file as it is; either mode keeps its promises on one machine.
        Err(error) if !shared && error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
            Ok(())
        }
        outcome => outcome,
    }
}

impl Journal for SqliteJournal {
    fn append(
        &mut self,
        experiment: &str,
        after: u64,
        records: &[Record],
    ) -> Result<(), JournalError> {
        let Self { connection, path } = self;
        let failed = |error| from_sqlite(path, error);
        let bodies: Vec<String> =
            records.iter().map(|record| body(path, record)).collect::<Result<_, _>>()?;

        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let found = last(&transaction, experiment).map_err(failed)?;
        if found != after {
            let experiment = experiment.to_owned();
            return Err(JournalError::Conflict { experiment, expected: after, found });
        }
        for ((sequence, record), body) in (after + 1..).zip(records).zip(&bodies) {
            debug_assert_eq!(record.sequence, sequence, "records are numbered without gaps");
            insert(&transaction, experiment, sequence, record, body).map_err(failed)?;
        }
        transaction.commit().map_err(failed)
    }

    fn read(&mut self, experiment: &str, after: u64) -> Result<Vec<Record>, JournalError> {
        let failed = |error| from_sqlite(&self.path, error);
        let rows = rows(&self.connection, experiment, after)
            .map_err(|error| self.unread(experiment, error))?;
        if rows.is_empty() && !self.has(experiment).map_err(failed)? {
            return Err(JournalError::NotFound {
                experiment: experiment.to_owned(),
                location: self.location(),
                existing: self.experiments()?,
            });
        }
        (after.saturating_add(1)..)
            .zip(rows)
            .map(|(expected, row)| {
                if row.sequence != expected {
                    let (experiment, found) = (experiment.to_owned(), row.sequence);
                    return Err(JournalError::Medium {
                        location: self.location(),
                        source: Defect::Missing { experiment, expected, found }.into(),
                    });
                }
                row.into_record().map_err(|source| JournalError::Damaged {
                    location: self.location(),
                    experiment: experiment.to_owned(),
                    sequence: expected,
                    source,
                })
            })
            .collect()
    }

    fn experiments(&mut self) -> Result<Vec<String>, JournalError> {
        names(&self.connection).map_err(|error| from_sqlite(&self.path, error))
    }

    fn lease(&mut self, experiment: &str, request: &LeaseRequest) -> Result<Lease, JournalError> {
        let Self { connection, path } = self;
        let failed = |error| from_sqlite(path, error);
        // Whoever only looks takes no lock.
        let held = lease(connection, experiment).map_err(failed)?;
        if let Some(held) = held {
            let lease = Lease::decide(Some(held), request);
            if lease.holder != request.holder {
                return Ok(lease);
            }
        }
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let before = lease(&transaction, experiment).map_err(failed)?;
        let lease = Lease::decide(before, request);
        transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO lease (experiment, holder, until) VALUES (?1, ?2, ?3)",
            )
            .and_then(|mut statement| {
                statement.execute(params![experiment, lease.holder, lease.until.to_string()])
            })
            .map_err(failed)?;
        transaction.commit().map_err(failed)?;
        Ok(lease)
    }

    fn release(&mut self, experiment: &str, holder: &str) -> Result<(), JournalError> {
        self.connection
            .execute(
                "DELETE FROM lease WHERE experiment = ?1 AND holder = ?2",
                [experiment, holder],
            )
            .map_err(|error| from_sqlite(&self.path, error))?;
        Ok(())
    }

    fn location(&self) -> String {
        self.path.display().to_string()
    }
}

/// The lease of an experiment; one whose end cannot be read has ended.
fn lease(connection: &Connection, experiment: &str) -> rusqlite::Result<Option<Lease>> {
    let read = connection
        .prepare_cached("SELECT holder, until FROM lease WHERE experiment = ?1")?
        .query_row([experiment], |row| {
            let until: String = row.get(1)?;
            let until = until.parse().unwrap_or(Timestamp::MIN);
            Ok(Lease { holder: row.get(0)?, until })
        });
    read.optional()
}

/// The event's JSON, once it is certain that it can be read back.
///
/// JSON has no word for NaN and infinities. One such number would make the whole experiment unreadable later, so
/// it is refused now.
fn body(path: &Path, record: &Record) -> Result<String, JournalError> {
    let location = || path.display().to_string();
    let body = serde_json::to_string(&record.event)
        .map_err(|error| JournalError::Medium { location: location(), source: error.into() })?;
    if serde_json::from_str::<Event>(&body).is_ok_and(|event| event == record.event) {
        return Ok(body);
    }
    let defect = Defect::Unreadable { sequence: record.sequence, kind: record.event.kind() };
    Err(JournalError::Medium { location: location(), source: defect.into() })
}

/// The number of the experiment's last record; 0 if it has none.
fn last(connection: &Connection, experiment: &str) -> rusqlite::Result<u64> {
    let last: Option<i64> = connection
        .prepare_cached("SELECT max(sequence) FROM event WHERE experiment = ?1")?
        .query_row([experiment], |row| row.get(0))
        .optional()?
        .flatten();
    Ok(last.map_or(0, i64::cast_unsigned))
}

fn insert(
    connection: &Connection,
    experiment: &str,
    sequence: u64,
    record: &Record,
    body: &str,
) -> rusqlite::Result<()> {
    let trial = record.event.trial().map(|trial| trial as i64);
    connection
        .prepare_cached(
            "INSERT INTO event (experiment, sequence, at, kind, trial, body) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            experiment,
            sequence.cast_signed(),
            record.at.to_string(),
            record.event.kind(),
            trial,
            body
        ])?;
    Ok(())
}

fn names(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare_cached("SELECT experiment FROM event WHERE sequence = 1 ORDER BY id")?
        .query_map([], |row| row.get(0))?
        .collect()
}

/// A row of the table of events.
pub(crate) struct Row {
    pub(crate) sequence: u64,
    pub(crate) at: String,
    pub(crate) body: Vec<u8>,
}

impl Row {
    pub(crate) fn into_record(self) -> Result<Record, serde_json::Error> {
        let at: Timestamp = serde_json::from_value(serde_json::Value::String(self.at))?;
        let event: Event = serde_json::from_slice(&self.body)?;
        Ok(Record { sequence: self.sequence, at, event })
    }
}

/// The rows of an experiment after one, in order.
const ROWS: &str = "SELECT sequence, at, body FROM event \
                    WHERE experiment = ?1 AND sequence > ?2 ORDER BY sequence";

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        sequence: row.get::<_, i64>(0)?.cast_unsigned(),
        at: row.get(1)?,
        body: row.get_ref(2)?.as_bytes()?.to_vec(),
    })
}

fn rows(connection: &Connection, experiment: &str, after: u64) -> rusqlite::Result<Vec<Row>> {
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    connection.prepare_cached(ROWS)?.query_map(params![experiment, after], row)?.collect()
}

/// How many of an experiment's records can be read one after another, from the first on.
fn readable(connection: &Connection, experiment: &str) -> rusqlite::Result<u64> {
    let mut statement = connection.prepare_cached(ROWS)?;
    let rows = statement.query_map(params![experiment, 0], row)?;
    let sound = (1..).zip(rows).map_while(|(place, row)| {
        let row = row.ok().filter(|row| row.sequence == place)?;
        row.into_record().ok()
    });
    Ok(sound.count() as u64)
}

#[cfg(test)]
mod tests;
