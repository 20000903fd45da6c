//! Journals that fail, and journals that several clients open.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use krige_core::event::Record;
use krige_core::journal::{Journal, JournalError, Lease, LeaseRequest, MemoryJournal};

/// A journal in memory that outlives its clients; its clones are several processes' handles to one medium.
#[derive(Debug, Clone, Default)]
pub struct SharedJournal {
    medium: Arc<Mutex<MemoryJournal>>,
}

impl SharedJournal {
    /// Makes an empty journal.
    pub fn new() -> Self {
        Self::default()
    }

    fn medium(&self) -> MutexGuard<'_, MemoryJournal> {
        self.medium.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal for SharedJournal {
    fn append(
        &mut self,
        experiment: &str,
        after: u64,
        records: &[Record],
    ) -> Result<(), JournalError> {
        self.medium().append(experiment, after, records)
    }

    fn read(&mut self, experiment: &str, after: u64) -> Result<Vec<Record>, JournalError> {
        self.medium().read(experiment, after)
    }

    fn experiments(&mut self) -> Result<Vec<String>, JournalError> {
        self.medium().experiments()
    }

    fn lease(&mut self, experiment: &str, request: &LeaseRequest) -> Result<Lease, JournalError> {
        self.medium().lease(experiment, request)
    }

    fn release(&mut self, experiment: &str, holder: &str) -> Result<(), JournalError> {
        self.medium().release(experiment, holder)
    }

    fn location(&self) -> String {
        self.medium().location()
    }
}

/// Where in an operation the fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Before anything is done, as on a full disk.
    Before,
    /// After it was done: only the answer is lost, as with a process that is killed after its commit.
    ///
    /// For an append, this is what the contract of [`Journal`] forbids a living process to see.
    After,
}

/// Which operation of a [`FaultyJournal`] fails, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// The number of the operation, from 1: appends, reads, listings, leases and releases count.
    pub operation: u64,
    /// Where in the operation.
    pub moment: Moment,
    /// Whether every later operation fails too, before anything is done.
    pub lasting: bool,
}

/// The source of the errors of a [`FaultyJournal`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a fault was injected into operation {operation}")]
pub struct InjectedFault {
    /// The operation.
    pub operation: u64,
}

/// Passes everything on to another journal, and fails once, or from then on.
///
/// To try every fault of a run, loop over [`Fault::operation`] from 1 until [`FaultyJournal::operations`] stays
/// below it.
///
/// ```
/// use krige_core::journal::Journal;
/// use krige_testkit::{Fault, FaultyJournal, Moment, SharedJournal};
///
/// for operation in 1.. {
///     let medium = SharedJournal::new();
///     let fault = Fault { operation, moment: Moment::Before, lasting: true };
///     let mut journal = FaultyJournal::new(medium.clone(), fault);
///     let count = journal.operations();
///     let outcome = journal.experiments().and_then(|_| journal.experiments());
///     // … reopen `medium`, go on, and compare …
///     if count() < operation {
///         assert!(outcome.is_ok());
///         break;
///     }
///     assert!(outcome.is_err());
/// }
/// ```
#[derive(Debug)]
pub struct FaultyJournal<J> {
    inner: J,
    fault: Fault,
    operations: Arc<AtomicU64>,
}

impl<J: Journal> FaultyJournal<J> {
    /// Makes a journal with one fault.
    pub fn new(inner: J, fault: Fault) -> Self {
        Self { inner, fault, operations: Arc::default() }
    }

    /// Tells how many operations were begun; the answer can be had after the journal was given away.
    pub fn operations(&self) -> impl Fn() -> u64 + Send + Sync + 'static {
        let operations = Arc::clone(&self.operations);
        move || operations.load(Ordering::SeqCst)
    }

    fn operate<T>(
        &mut self,
        operation: impl FnOnce(&mut J) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        let number = self.operations.fetch_add(1, Ordering::SeqCst) + 1;
        let strikes = number == self.fault.operation;
        let dead = self.fault.lasting && number > self.fault.operation;
        if strikes && self.fault.moment == Moment::After {
            operation(&mut self.inner)?;
        } else if !strikes && !dead {
            return operation(&mut self.inner);
        }
        Err(JournalError::Medium {
            location: self.inner.location(),
            source: Box::new(InjectedFault { operation: number }),
        })
    }
}

impl<J: Journal> Journal for FaultyJournal<J> {
    fn append(
        &mut self,
        experiment: &str,
        after: u64,
        records: &[Record],
    ) -> Result<(), JournalError> {
        self.operate(|inner| inner.append(experiment, after, records))
    }

    fn read(&mut self, experiment: &str, after: u64) -> Result<Vec<Record>, JournalError> {
        self.operate(|inner| inner.read(experiment, after))
    }

    fn experiments(&mut self) -> Result<Vec<String>, JournalError> {
        self.operate(J::experiments)
    }

    fn lease(&mut self, experiment: &str, request: &LeaseRequest) -> Result<Lease, JournalError> {
        self.operate(|inner| inner.lease(experiment, request))
    }

    fn release(&mut self, experiment: &str, holder: &str) -> Result<(), JournalError> {
        self.operate(|inner| inner.release(experiment, holder))
    }

    fn location(&self) -> String {
        self.inner.location()
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use krige_core::journal::{check_journal, check_shared_lease};
    use krige_core::observation::Observation;
    use krige_core::{Timestamp, event::Event};

    use super::*;

    fn record(sequence: u64) -> Record {
        let observations = vec![Observation::new("y", 1.0)];
        let event = Event::ObservationsAttached { trial: 0, observations, late: false };
        Record { sequence, at: Timestamp::UNIX_EPOCH, event }
    }

    /// Three appends with a fault in the second; which of them worked, and what the medium holds then.
    fn three_appends(moment: Moment, lasting: bool) -> ([bool; 3], usize) {
        let medium = SharedJournal::new();
        let fault = Fault { operation: 2, moment, lasting };
        let mut journal = FaultyJournal::new(medium.clone(), fault);
        let worked = [1, 2, 3].map(|_| {
            let last = medium.clone().read("e", 0).map_or(0, |records| records.len() as u64);
            match journal.append("e", last, &[record(last + 1)]) {
                Ok(()) => true,
                Err(error) => {
                    let cause = error.source().and_then(|cause| cause.downcast_ref());
                    assert!(matches!(cause, Some(InjectedFault { .. })), "{error:?}");
                    false
                }
            }
        });
        assert_eq!(journal.operations()(), 3);
        (worked, medium.clone().read("e", 0).expect("read").len())
    }

    #[test]
    fn it_fails_once_or_for_good_before_or_after_storing() {
        assert_eq!(three_appends(Moment::Before, false), ([true, false, true], 2));
        assert_eq!(three_appends(Moment::After, false), ([true, false, true], 3));
        assert_eq!(three_appends(Moment::Before, true), ([true, false, false], 1));
        assert_eq!(three_appends(Moment::After, true), ([true, false, false], 2));
    }

    #[test]
    fn an_error_of_the_journal_itself_comes_first() {
        let fault = Fault { operation: 1, moment: Moment::After, lasting: false };
        let mut journal = FaultyJournal::new(SharedJournal::new(), fault);
        assert!(matches!(journal.read("e", 0), Err(JournalError::NotFound { .. })));
    }

    #[test]
    fn without_a_fault_the_contract_is_kept() {
        check_journal(SharedJournal::new);
        let medium = SharedJournal::new();
        check_shared_lease(medium.clone(), medium);
        check_journal(|| {
            let never = Fault { operation: u64::MAX, moment: Moment::Before, lasting: true };
            FaultyJournal::new(SharedJournal::new(), never)
        });
    }

    #[test]
    fn clones_see_each_others_records() {
        let mut one = SharedJournal::new();
        let mut other = one.clone();
        one.append("e", 0, &[record(1)]).expect("appended");
        let late = other.append("e", 0, &[record(1)]);
        assert!(matches!(late, Err(JournalError::Conflict { found: 1, .. })), "{late:?}");
        other.append("e", 1, &[record(2)]).expect("appended");
        assert_eq!(one.read("e", 0).expect("read").len(), 2);
    }
}
