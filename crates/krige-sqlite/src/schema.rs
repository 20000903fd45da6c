//! Versions of the stored format, and how a file is brought up to date.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use krige_core::journal::JournalError;
use rusqlite::backup::Backup;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use crate::error::{from_sqlite, opening};

/// Marks an SQLite file as a journal of krige: the letters `krig`.
pub(crate) const APPLICATION_ID: i32 = i32::from_be_bytes(*b"krig");

/// What leads from each version of the format to the next; the first makes version 1 in an empty file.
///
/// A script that was released is never changed.
pub(crate) const MIGRATIONS: &[&str] =
    &[include_str!("schema/v1.sql"), include_str!("schema/v2.sql")];

/// Refuses a file that is certainly something else, without changing it or its folder in any way.
///
/// `file` is absolute. A file that is absent or empty passes, and so does one that somebody is writing the first
/// pages of; [`bring_up_to_date`] looks again, under SQLite's locks.
pub(crate) fn refuse_others(file: &Path, path: &Path) -> Result<(), JournalError> {
    if std::fs::metadata(file).map_or(true, |file| file.len() == 0) {
        return Ok(());
    }
    // An immutable file is read without locks and without the files that SQLite puts beside it.
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let found =
        Connection::open_with_flags(uri(file), flags).and_then(|connection| identity(&connection));
    let being_written = beside(file, "-journal").exists();
    match found {
        _ if being_written => Ok(()),
        Ok(identity) => version(identity, path).map(|_| ()),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => {
            Err(from_sqlite(path, error))
        }
        Err(_) => Ok(()),
    }
}

/// Makes the tables and views in an empty file, or migrates an older one after keeping a copy of it.
///
/// All in one transaction: the file is of the newest version afterwards, or as it was.
pub(crate) fn bring_up_to_date(
    connection: &mut Connection,
    path: &Path,
    migrations: &[&str],
) -> Result<(), JournalError> {
    let failed = |error| from_sqlite(path, error);
    let supported = migrations.len();
    let check = |connection: &Connection| {
        let found = version(identity(connection).map_err(failed)?, path)?;
        usize::try_from(found).ok().filter(|found| *found <= supported).ok_or_else(|| {
            JournalError::NewerVersion {
                location: path.display().to_string(),
                found,
                supported: supported as i64,
            }
        })
    };
    if check(connection)? == supported {
        return Ok(());
    }
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let found = check(&transaction)?;
    match found {
        // Another process was faster.
        _ if found == supported => return Ok(()),
        0 => transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?,
        _ => keep_copy(path, found)?,
    }
    for migration in &migrations[found..] {
        transaction.execute_batch(migration).map_err(failed)?;
    }
    transaction.pragma_update(None, "user_version", supported as i64).map_err(failed)?;
    transaction.commit().map_err(failed)
}

/// Copies the file to `FILE.v{version}.bak`; the caller keeps writers away.
fn keep_copy(path: &Path, version: usize) -> Result<(), JournalError> {
    let failed = |error| from_sqlite(path, error);
    let file = std::path::absolute(path).map_err(|error| crate::error::from_io(path, error))?;
    let copy = beside(&file, &format!(".v{version}.bak"));
    // One that an earlier migration left when it did not succeed is out of date.
    let _ = std::fs::remove_file(&copy);
    let source = Connection::open_with_flags(&file, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .map_err(|error| opening(path, error))?;
    let mut target = Connection::open(&copy).map_err(|error| opening(&copy, error))?;
    let backup = Backup::new(&source, &mut target).map_err(failed)?;
    backup.run_to_completion(1024, Duration::ZERO, None).map_err(|error| from_sqlite(&copy, error))
}

/// What tells whose file it is.
struct Identity {
    application: i32,
    version: i64,
    objects: i64,
}

/// Reads the identity in one statement, so that it is of one moment.
fn identity(connection: &Connection) -> rusqlite::Result<Identity> {
    connection.query_row(
        "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema) \
         FROM pragma_application_id, pragma_user_version",
        [],
        |row| Ok(Identity { application: row.get(0)?, version: row.get(1)?, objects: row.get(2)? }),
    )
}

/// The version of the format; 0 for an empty file.
fn version(identity: Identity, path: &Path) -> Result<i64, JournalError> {
    match identity {
        Identity { application: APPLICATION_ID, version, .. } => Ok(version),
        Identity { application: 0, version: 0, objects: 0 } => Ok(0),
        Identity { application, objects, .. } => Err(JournalError::NotAJournal {
            location: path.display().to_string(),
            detail: if application == 0 {
                format!(
                    "it is an SQLite file with {objects} tables, indices and views of something else"
                )
            } else {
                format!("it is an SQLite file of the application {application:#010x}")
            },
        }),
    }
}

/// The path with something appended to its last name.
fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(suffix);
    PathBuf::from(name)
}

/// The SQLite URI that reads an absolute path as a file which nobody changes.
fn uri(file: &Path) -> String {
    let mut uri = String::from("file:");
    let bytes = file.as_os_str().as_encoded_bytes();
    if !bytes.starts_with(b"/") {
        uri.push('/');
    }
    for &byte in bytes {
        match byte {
            b'\\' if cfg!(windows) => uri.push('/'),
            b'/' | b'.' | b'-' | b'_' | b':' => uri.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => uri.push(char::from(byte)),
            _ => uri.push_str(&format!("%{byte:02x}")),
        }
    }
    uri + "?mode=ro&immutable=1"
}

#[cfg(test)]
mod tests;
