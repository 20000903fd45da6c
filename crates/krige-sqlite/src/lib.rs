//! The journal of krige on SQLite: one file that keeps experiments, shared by processes, readable by people.
//!
//! [`SqliteJournal`] implements [`Journal`](krige_core::journal::Journal). The file holds one table of events and
//! SQL views over it, so that `sqlite3 lab.db 'select * from trial'` answers with no krige at hand; the
//! stored format is described in `docs/journal.md`.
//!
//! In reading order: `journal` (open, append, read), `schema` (versions of the format and how a file is brought
//! up to date), `medium` (what the file lies on), `error` (what SQLite's complaints mean), `salvage` (what can still be read of a damaged file).
//!
//! ```
//! use krige_core::journal::Journal;
//! use krige_sqlite::SqliteJournal;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let file = folder.path().join("results/lab.db");
//! let mut journal = SqliteJournal::open(&file)?; // makes the file and its folder where they are absent
//! assert!(journal.experiments()?.is_empty());
//! let mut same = SqliteJournal::open_existing(&file)?; // a second process would do this
//! assert_eq!(same.location(), journal.location());
//! # Ok(())
//! # }
//! ```

mod error;
mod journal;
mod medium;
mod salvage;
mod schema;

pub use journal::SqliteJournal;
pub use salvage::Salvaged;
