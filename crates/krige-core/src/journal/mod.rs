//! The journal: an append-only list of records for each experiment, on any medium.

mod contract;
mod lease;
mod memory;

pub use contract::{check_journal, check_shared_lease};
pub use lease::{Lease, LeaseRequest};
pub use memory::MemoryJournal;

use crate::event::Record;

/// Keeps the records of experiments.
///
/// # Contract
/// - [`append`](Journal::append) is atomic and durable: when it returns `Ok`, all of the records survive the
///   death of the process and (on media that promise it) of the machine; when it returns an error, none of
///   them was stored.
/// - Several processes may hold journals on one medium. An append names the sequence number that it
///   follows; if somebody else appended since, it fails with [`JournalError::Conflict`] and stores nothing.
/// - [`read`](Journal::read) gives back exactly what was appended, floats bit for bit, in order.
/// - [`lease`](Journal::lease) is atomic too, and what it gives is seen by every handle on the medium. It survives what
///   records survive, and is none of them.
/// - One thread at a time uses a journal; it may be moved between threads.
///
/// [`check_journal`] and [`check_shared_lease`] hold an implementation to this.
pub trait Journal: Send {
    /// Stores records as those that follow number `after` of the experiment; `after` 0 begins a new experiment.
    ///
    /// The records' own sequence numbers are `after + 1`, `after + 2`, ….
    ///
    /// # Errors
    /// [`JournalError::Conflict`] if the experiment's last record is not number `after`; otherwise what the
    /// medium reports. Nothing is stored then.
    fn append(
        &mut self,
        experiment: &str,
        after: u64,
        records: &[Record],
    ) -> Result<(), JournalError>;

    /// The records after number `after`, in order; none if there are no newer ones.
    ///
    /// # Errors
    /// [`JournalError::NotFound`] if there is no experiment of that name; otherwise what the medium reports.
    fn read(&mut self, experiment: &str, after: u64) -> Result<Vec<Record>, JournalError>;

    /// The names of all experiments, in the order of their creation.
    ///
    /// # Errors
    /// What the medium reports.
    fn experiments(&mut self) -> Result<Vec<String>, JournalError>;

    /// Gives or extends the lease of an experiment, if it is free, has ended by the request's `now`, or is the same
    /// holder's; the lease that is in force then, which is somebody else's if it was not given.
    ///
    /// An experiment need not exist to be leased.
    ///
    /// # Errors
    /// What the medium reports; the lease is as it was then.
    fn lease(&mut self, experiment: &str, request: &LeaseRequest) -> Result<Lease, JournalError>;

    /// Ends the lease of an experiment, if it is that holder's; otherwise changes nothing.
    ///
    /// # Errors
    /// What the medium reports; the lease is as it was then.
    fn release(&mut self, experiment: &str, holder: &str) -> Result<(), JournalError>;

    /// Where the journal is, for a person: a path, or `memory`.
    fn location(&self) -> String;
}

/// Why a journal could not do what it was asked to; nothing was stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// Somebody else appended in the meantime.
    #[error(
        "experiment `{experiment}` has {found} records where {expected} were expected: another process changed it; read the new records and decide again"
    )]
    Conflict {
        /// The experiment.
        experiment: String,
        /// The number that the append was to follow.
        expected: u64,
        /// The number of the last record that is there.
        found: u64,
    },
    /// There is no such experiment.
    #[error("no experiment `{experiment}` in {location}; {}", known(.existing))]
    NotFound {
        /// The name that was asked for.
        experiment: String,
        /// The journal.
        location: String,
        /// The names that are there.
        existing: Vec<String>,
    },
    /// A newer release wrote it.
    #[error(
        "{location} has format version {found}, and this release reads versions up to {supported}: use the release that wrote it, or a newer one"
    )]
    NewerVersion {
        /// The journal.
        location: String,
        /// The version found.
        found: i64,
        /// The newest version that is understood.
        supported: i64,
    },
    /// The file is something else.
    #[error("{location} is not a krige journal ({detail}): name another file")]
    NotAJournal {
        /// The file.
        location: String,
        /// What was found.
        detail: String,
    },
    /// A record cannot be read back.
    #[error("record {sequence} of experiment `{experiment}` in {location} is damaged")]
    Damaged {
        /// The journal.
        location: String,
        /// The experiment.
        experiment: String,
        /// The record.
        sequence: u64,
        /// What was wrong with it.
        source: serde_json::Error,
    },
    /// The medium cannot be written to.
    #[error(
        "{location} is read-only: nothing was stored; give write access to the file, the files of its name beside it, and their folder"
    )]
    ReadOnly {
        /// The journal.
        location: String,
        /// What the medium said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The medium is full.
    #[error("{location}: no space is left: nothing was stored; free some space and go on")]
    Full {
        /// The journal.
        location: String,
        /// What the medium said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Other processes kept the journal locked for too long.
    #[error("{location} stayed locked by another process: nothing was stored; try again")]
    Busy {
        /// The journal.
        location: String,
        /// What the medium said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The medium failed in another way.
    #[error("the journal {location} failed")]
    Medium {
        /// The journal.
        location: String,
        /// What the medium said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

fn known(existing: &[String]) -> String {
    if existing.is_empty() {
        "there are no experiments in it".into()
    } else {
        format!("there is: {}", existing.join(", "))
    }
}
