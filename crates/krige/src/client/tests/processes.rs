//! Several clients on one experiment.

use std::thread;

use krige_runner::{FunctionRunner, MetadataMetric};
use krige_sqlite::SqliteJournal;

use super::*;

/// Two clients take turns; each sees what the other did.
fn take_turns(open: impl Fn() -> Box<dyn Journal>) {
    let mut one = minimizing(Opened(open()));
    let mut other = Client::load_from_journal(Opened(open()), "bath").expect("loaded");
    for round in 0..4 {
        let mine = one.get_next_trials(2).expect("asked");
        let yours = other.get_next_trials(1).expect("asked");
        assert!(mine.keys().chain(yours.keys()).copied().eq(3 * round..3 * round + 3));
        // Each may tell of the other's trial.
        other.complete_trial(3 * round, [("y", 1.0)]).expect("completed");
        one.mark_trial_failed(3 * round + 2, None).expect("marked");
    }
    let trials = experiment(&one).trials.clone();
    let points: std::collections::HashSet<_> =
        trials.iter().map(|trial| trial.arm.parameters.signature()).collect();
    assert_eq!((trials.len(), points.len()), (12, 12), "no number and no point was used twice");

    // Configuring is no exception.
    other.configure_tracking_metrics(["t"]).expect("configured");
    one.configure_optimization("y", &[]).expect("configured");
    other.configure_generation_strategy(&random()).expect("configured");
    one.configure_runner(FunctionRunner::new(|_| Ok([("y", 1.0)]))).expect("configured");
    other.configure_metric("y", MetadataMetric::new("y")).expect("configured");
    one.configure_tracking_metrics(["t", "u"]).expect("configured");
    other.attach_trial(point(1.5, 1, "water"), None).expect("attached");
    let expected = "it has ended";
    one.mark_trial_abandoned(12, None).expect("marked");
    let late = other.complete_trial(12, [("y", 1.0)]).expect_err("too late").to_string();
    assert!(late.contains(expected), "{late}");
    assert_eq!(experiment(&other), experiment(&one));
}

/// A boxed journal as a journal.
struct Opened(Box<dyn Journal>);

impl Journal for Opened {
    fn append(
        &mut self,
        experiment: &str,
        after: u64,
        records: &[krige_core::event::Record],
    ) -> Result<(), krige_core::journal::JournalError> {
        self.0.append(experiment, after, records)
    }

    fn read(
        &mut self,
        experiment: &str,
        after: u64,
    ) -> Result<Vec<krige_core::event::Record>, krige_core::journal::JournalError> {
        self.0.read(experiment, after)
    }

    fn experiments(&mut self) -> Result<Vec<String>, krige_core::journal::JournalError> {
        self.0.experiments()
    }

    fn lease(
        &mut self,
        experiment: &str,
        request: &krige_core::journal::LeaseRequest,
    ) -> Result<krige_core::journal::Lease, krige_core::journal::JournalError> {
        self.0.lease(experiment, request)
    }

    fn release(
        &mut self,
        experiment: &str,
        holder: &str,
    ) -> Result<(), krige_core::journal::JournalError> {
        self.0.release(experiment, holder)
    }

    fn location(&self) -> String {
        self.0.location()
    }
}

#[test]
fn two_clients_take_turns() {
    let shared = SharedJournal::new();
    take_turns(|| Box::new(shared.clone()));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lab.db");
    take_turns(|| Box::new(SqliteJournal::open(&path).expect("opened")));
}

/// Two clients work at the same time.
fn work_side_by_side(open: impl Fn() -> Box<dyn Journal> + Sync) {
    drop(minimizing(Opened(open())));
    thread::scope(|scope| {
        for worker in 0..2 {
            let open = &open;
            scope.spawn(move || {
                let mut client = Client::load_from_journal(Opened(open()), "bath").expect("loaded");
                for _ in 0..10 {
                    let (trial, _) = client.get_next_trials(1).expect("asked").pop().expect("one");
                    let y = f64::from(worker);
                    client.complete_trial(trial, [("y", y)]).expect("only this one tells of it");
                }
            });
        }
    });
    let client = Client::load_from_journal(Opened(open()), "bath").expect("loaded");
    let done = experiment(&client).trials_in(&[TrialStatus::Completed]).count();
    let of_one = experiment(&client)
        .trials
        .iter()
        .filter(|t| t.observation("y").is_some_and(|y| y.mean == 1.0));
    assert_eq!((done, of_one.count()), (20, 10));
}

#[test]
fn two_clients_work_at_the_same_time() {
    let shared = SharedJournal::new();
    work_side_by_side(|| Box::new(shared.clone()));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lab.db");
    work_side_by_side(|| Box::new(SqliteJournal::open(&path).expect("opened")));
}
