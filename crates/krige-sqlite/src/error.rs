//! What SQLite's and the file system's complaints mean for a journal.

use std::io;
use std::path::Path;

use krige_core::journal::JournalError;
use rusqlite::{ErrorCode, ffi};

/// What went wrong with the medium, where SQLite's own words would not help a person.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Defect {
    #[error(
        "the file is damaged{}: go on with a copy of it, or save what can be read with `SqliteJournal::salvage` or `sqlite3 FILE .recover`",
        first(readable.as_ref())
    )]
    Corrupt {
        /// An experiment, and how many of its records can be read from its first on, where that is known.
        readable: Option<(String, u64)>,
        source: rusqlite::Error,
    },
    #[error(
        "expected record {expected} of experiment `{experiment}`, found record {found}: rows were removed; go on with a copy of the file"
    )]
    Missing { experiment: String, expected: u64, found: u64 },
    #[error(
        "record {sequence} ({kind}) would not be read back as it is: expected finite numbers only; nothing was stored"
    )]
    Unreadable { sequence: u64, kind: String },
}

fn first(readable: Option<&(String, u64)>) -> String {
    let said = readable.map(|(experiment, count)| {
        format!(" (records 1 to {count} of experiment `{experiment}` can be read)")
    });
    said.unwrap_or_default()
}

/// The journal's error for one of SQLite's.
pub(crate) fn from_sqlite(path: &Path, error: rusqlite::Error) -> JournalError {
    let location = path.display().to_string();
    // The file system has no room for the shared memory beside the file.
    if error.sqlite_extended_error_code() == Some(ffi::SQLITE_IOERR_SHMSIZE) {
        return JournalError::Full { location, source: error.into() };
    }
    match error.sqlite_error_code() {
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::FileLockingProtocolFailed,
        ) => JournalError::Busy { location, source: error.into() },
        // After the file is open, this is said of the files that SQLite makes beside it.
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            JournalError::ReadOnly { location, source: error.into() }
        }
        Some(ErrorCode::DiskFull) => JournalError::Full { location, source: error.into() },
        Some(ErrorCode::NotADatabase) => {
            JournalError::NotAJournal { location, detail: "it is not an SQLite file".into() }
        }
        Some(ErrorCode::DatabaseCorrupt) => JournalError::Medium {
            location,
            source: Defect::Corrupt { readable: None, source: error }.into(),
        },
        _ => JournalError::Medium { location, source: error.into() },
    }
}

/// The journal's error for one of the file system's.
pub(crate) fn from_io(path: &Path, error: io::Error) -> JournalError {
    use io::ErrorKind as K;
    let location = path.display().to_string();
    let kind = error.kind();
    let source = error.into();
    match kind {
        K::PermissionDenied | K::ReadOnlyFilesystem => JournalError::ReadOnly { location, source },
        K::StorageFull | K::QuotaExceeded => JournalError::Full { location, source },
        _ => JournalError::Medium { location, source },
    }
}

/// The journal's error for a file that SQLite could not open, which does not say why.
pub(crate) fn opening(path: &Path, error: rusqlite::Error) -> JournalError {
    if error.sqlite_error_code() == Some(ErrorCode::CannotOpen) {
        // SQLite has no descriptor of the file here, so closing this one releases no lock of its own.
        if let Err(why) = std::fs::OpenOptions::new().append(true).create(true).open(path) {
            return from_io(path, why);
        }
        return JournalError::Medium { location: path.display().to_string(), source: error.into() };
    }
    from_sqlite(path, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(code: std::ffi::c_int, expected: &str) {
        let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
        let error = format!("{:?}", from_sqlite(Path::new("lab.db"), error));
        assert!(error.starts_with(expected), "{code}: {error}");
    }

    #[test]
    fn each_complaint_of_sqlite_has_its_meaning() {
        check(ffi::SQLITE_BUSY, "Busy");
        check(ffi::SQLITE_BUSY_SNAPSHOT, "Busy");
        check(ffi::SQLITE_BUSY_RECOVERY, "Busy");
        check(ffi::SQLITE_LOCKED, "Busy");
        check(ffi::SQLITE_PROTOCOL, "Busy");
        check(ffi::SQLITE_READONLY, "ReadOnly");
        check(ffi::SQLITE_READONLY_DIRECTORY, "ReadOnly");
        check(ffi::SQLITE_CANTOPEN, "ReadOnly");
        check(ffi::SQLITE_PERM, "ReadOnly");
        check(ffi::SQLITE_FULL, "Full");
        check(ffi::SQLITE_IOERR_SHMSIZE, "Full");
        check(ffi::SQLITE_NOTADB, "NotAJournal");
        check(ffi::SQLITE_CORRUPT, "Medium");
        check(ffi::SQLITE_IOERR_WRITE, "Medium");
        check(ffi::SQLITE_NOMEM, "Medium");
    }

    #[test]
    fn each_complaint_of_the_file_system_has_its_meaning() {
        use io::ErrorKind as K;
        for (kind, expected) in [
            (K::PermissionDenied, "ReadOnly"),
            (K::ReadOnlyFilesystem, "ReadOnly"),
            (K::StorageFull, "Full"),
            (K::QuotaExceeded, "Full"),
            (K::NotADirectory, "Medium"),
        ] {
            let error = format!("{:?}", from_io(Path::new("lab.db"), kind.into()));
            assert!(error.starts_with(expected), "{kind}: {error}");
        }
    }
}
