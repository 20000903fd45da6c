//! A journal that another process holds for too long.

use std::sync::atomic::{AtomicU64, Ordering};

use krige_core::event::Record;
use krige_core::journal::{Journal, JournalError, Lease, LeaseRequest};
use krige_core::trial::Metadata;
use krige_runner::Found;

use super::puppet::{Counts, Stage, Strings};
use super::*;
use crate::error::Error;
use crate::orchestrator::{EndReason, StopSignal};

/// Is busy for some operations in a row; its clones share the count.
#[derive(Debug, Clone)]
struct Busy {
    inner: SharedJournal,
    busy: std::ops::Range<u64>,
    operations: Arc<AtomicU64>,
}

impl Busy {
    fn operate<T>(
        &mut self,
        operation: impl FnOnce(&mut SharedJournal) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        let number = self.operations.fetch_add(1, Ordering::SeqCst);
        if self.busy.contains(&number) {
            let location = self.inner.location();
            return Err(JournalError::Busy { location, source: "another holds it".into() });
        }
        operation(&mut self.inner)
    }
}

impl Journal for Busy {
    fn append(&mut self, name: &str, after: u64, records: &[Record]) -> Result<(), JournalError> {
        self.operate(|inner| inner.append(name, after, records))
    }

    fn read(&mut self, experiment: &str, after: u64) -> Result<Vec<Record>, JournalError> {
        self.operate(|inner| inner.read(experiment, after))
    }

    fn experiments(&mut self) -> Result<Vec<String>, JournalError> {
        self.operate(SharedJournal::experiments)
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

/// A run of three trials on a journal that is busy for some operations; how many operations there were.
fn run(busy: std::ops::Range<u64>, batches: bool) -> u64 {
    let stage = Stage::new();
    drop(stage.begin());
    let operations = Arc::<AtomicU64>::default();
    let journal =
        Busy { inner: stage.journal.clone(), busy: busy.clone(), operations: operations.clone() };
    let launches = Counts::default();
    let counted = launches.clone();
    let strings = Strings {
        launch: Arc::new(move |run| {
            counted.count(&run);
            Ok(Metadata::of("number", run.trial_index))
        }),
        // Nothing that is lost can be found again.
        find: Arc::new(|_| Ok(Found::Unknown)),
        ..Strings::default()
    };
    let mut store = ExperimentStore::open(journal, "e").expect("opened before it is busy");
    let options = OrchestratorOptions { run_trials_in_batches: batches, ..until(3, 2) };
    let mut results = stage.results(&mut store, strings, &[], options);
    // Turn by turn, as the iterator does it, but without its pauses.
    let mut turns = 0..10_000;
    while results.report().ended != EndReason::Done {
        turns.next().unwrap_or_else(|| panic!("{busy:?}: it does not end: {results:?}"));
        match results.turn() {
            Ok(()) | Err(Error::Journal(JournalError::Busy { .. })) => {}
            Err(error) => panic!("{busy:?}: {error}"),
        }
    }
    drop(results);
    assert_eq!(statuses(store.experiment()), [TrialStatus::Completed; 3], "{busy:?}");
    assert_eq!(launches.of(0..3), [1; 3], "{busy:?}");
    for trial in &store.experiment().trials {
        let launch = trial.state.launch().expect("it ran");
        assert_eq!(launch.metadata, Metadata::of("number", trial.index), "{busy:?}");
    }
    operations.load(Ordering::SeqCst)
}

#[test]
fn a_journal_that_is_busy_at_any_moment_is_waited_for_and_nothing_is_lost() {
    for batches in [false, true] {
        let mut from = 1;
        while from < run(from..from + 2, batches) {
            from += 1;
        }
        assert!(from > 20, "{from}");
    }
}

/// A run that is left while its journal is busy for one operation; whether there were so many.
fn leave(busy: u64) -> bool {
    let stage = Stage::new();
    drop(stage.begin());
    let operations = Arc::<AtomicU64>::default();
    let journal = Busy {
        inner: stage.journal.clone(),
        busy: busy..busy + 1,
        operations: Arc::clone(&operations),
    };
    let launches = Counts::default();
    let counted = launches.clone();
    let strings = Strings {
        launch: Arc::new(move |run| {
            counted.count(&run);
            Ok(Metadata::of("number", run.trial_index))
        }),
        poll: Arc::new(|_| Ok(krige_runner::RunStatus::Running)),
        ..Strings::default()
    };
    let mut store = ExperimentStore::open(journal, "e").expect("opened before it is busy");
    let mut results = stage.results(&mut store, strings, &[], until(1, 1));
    while results.experiment().count_in(&[TrialStatus::Running]) == 0 {
        if results.turn().is_err() {
            break;
        }
    }
    drop(results);
    drop(store);
    let store = ExperimentStore::open(stage.journal, "e").expect("opened");
    let running = store.experiment().count_in(&[TrialStatus::Running]);
    assert_eq!(launches.of(0..1), [running], "{busy}: what was started is known to run");
    operations.load(Ordering::SeqCst) > busy
}

#[test]
fn what_a_busy_journal_did_not_take_is_stored_when_the_run_is_left() {
    let mut busy = 1;
    while leave(busy) {
        busy += 1;
    }
    assert!(busy > 8, "{busy}");
}

#[test]
fn a_run_waits_for_a_busy_journal_by_itself() {
    let stage = Stage::new();
    drop(stage.begin());
    let operations = Arc::<AtomicU64>::default();
    let journal = Busy { inner: stage.journal.clone(), busy: 5..8, operations };
    let mut store = ExperimentStore::open(journal, "e").expect("opened before it is busy");
    let mut results = stage.results(&mut store, Strings::default(), &[], until(3, 2));
    assert_eq!((&mut results).filter(Result::is_ok).count(), 3);
    assert_eq!(results.report().ended, EndReason::Done);
}

#[test]
fn a_run_that_is_told_to_leave_does_not_wait_for_a_busy_journal() {
    let stage = Stage::new();
    drop(stage.begin());
    let operations = Arc::<AtomicU64>::default();
    let journal = Busy { inner: stage.journal.clone(), busy: 3..u64::MAX, operations };
    let mut store = ExperimentStore::open(journal, "e").expect("opened before it is busy");
    let stop = StopSignal::new();
    (0..3).for_each(|_| stop.request());
    let options = OrchestratorOptions { stop, ..until(3, 2) };
    let mut results = stage.results(&mut store, Strings::default(), &[], options);
    match results.next() {
        None => assert_eq!(results.report().ended, EndReason::Stopped),
        Some(Err(Error::Journal(JournalError::Busy { .. }))) => {}
        Some(other) => panic!("{other:?}"),
    }
}
