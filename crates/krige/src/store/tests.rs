//! What a store promises of events and their journal.

use krige_core::journal::{Lease, LeaseRequest, MemoryJournal};
use krige_core::search_space::Parameter;
use krige_core::trial::Arm;
use krige_testkit::{Fault, FaultyJournal, ManualClock, Moment, SharedJournal};

use super::*;

fn definition() -> ExperimentDefinition {
    let parameters = vec![Parameter::float("x", 0.0, 1.0)];
    let search_space = SearchSpace::new(parameters, &[]).expect("a search space");
    ExperimentDefinition { name: "e".into(), description: None, search_space, seed: None }
}

fn attached(trial: usize, x: f64) -> Event {
    let arm = Arm { name: format!("at {x}"), parameters: [("x", x)].into() };
    Event::TrialAttached { trial, arm, baseline: false }
}

fn next(experiment: &Experiment) -> Event {
    let trial = experiment.trials.len();
    attached(trial, trial as f64 / 100.0)
}

#[test]
fn what_is_recorded_is_what_is_read_back() {
    let medium = SharedJournal::new();
    let mut store = ExperimentStore::create(medium.clone(), definition()).expect("created");
    store.record([attached(0, 0.1), attached(1, 0.2)]).expect("stored");
    store.record([]).expect("nothing is stored");
    let opened = ExperimentStore::open(medium, "e").expect("opened");
    assert_eq!(opened.experiment(), store.experiment());
    assert_eq!(store.records().expect("read").len(), 3);
    let drawn = ExperimentStore::create(SharedJournal::new(), definition()).expect("created");
    assert_ne!(
        drawn.experiment().seed,
        store.experiment().seed,
        "a seed that is not given is drawn"
    );
    assert_ne!(drawn.experiment().id, store.experiment().id);
}

#[test]
fn events_are_stored_all_or_none() {
    let mut store = ExperimentStore::create(SharedJournal::new(), definition()).expect("created");
    let before = store.experiment().clone();
    for events in
        [vec![attached(0, 0.1), attached(0, 0.2)], vec![attached(0, 0.1), attached(1, 7.0)]]
    {
        store.record(events).expect_err("the second does not fit");
        assert_eq!(store.experiment(), &before);
        assert_eq!(store.records().expect("read").len(), 1);
    }
}

#[test]
fn a_conflict_stores_nothing_and_takes_in_what_is_new() {
    let medium = SharedJournal::new();
    let mut one = ExperimentStore::create(medium.clone(), definition()).expect("created");
    let mut other = ExperimentStore::open(medium, "e").expect("opened");
    one.record([attached(0, 0.1)]).expect("stored");
    let error = other.record([attached(0, 0.2)]).expect_err("somebody else was faster");
    assert!(matches!(error, Error::Journal(JournalError::Conflict { expected: 1, found: 2, .. })));
    assert_eq!(other.experiment(), one.experiment());
    let mut decisions = 0;
    let trial = other
        .decide(|experiment| {
            decisions += 1;
            if decisions == 1 {
                // While this one thinks, the other one stores.
                one.record([next(one.experiment())]).expect("stored");
            }
            Ok((vec![next(experiment)], experiment.trials.len()))
        })
        .expect("decided again");
    assert_eq!((decisions, trial, other.experiment().trials.len()), (2, 2, 3));
}

#[test]
fn an_append_that_was_stored_without_an_answer_is_seen_at_the_next_look() {
    let medium = SharedJournal::new();
    drop(ExperimentStore::create(medium.clone(), definition()).expect("created"));
    // Opening reads, deciding reads, and then the append's answer is lost.
    let fault = Fault { operation: 3, moment: Moment::After, lasting: false };
    let journal = FaultyJournal::new(medium, fault);
    let mut store = ExperimentStore::open(journal, "e").expect("opened");
    let decide = |store: &mut ExperimentStore| {
        store.decide(|experiment| Ok((vec![next(experiment)], experiment.trials.len())))
    };
    decide(&mut store).expect_err("the answer is lost");
    assert_eq!(store.experiment().trials.len(), 0, "it is not known to be stored");
    assert_eq!(decide(&mut store).expect("decided"), 1, "in view of what was stored");
    let records = store.records().expect("read");
    assert_eq!(Experiment::replay(&records).as_ref(), Ok(store.experiment()));
}

/// A journal that was replaced by a shorter one under the hands of its readers.
struct Replaced(MemoryJournal);

impl Journal for Replaced {
    fn append(&mut self, experiment: &str, after: u64, _: &[Record]) -> Result<(), JournalError> {
        let experiment = experiment.to_owned();
        Err(JournalError::Conflict { experiment, expected: after, found: 1 })
    }

    fn read(&mut self, experiment: &str, after: u64) -> Result<Vec<Record>, JournalError> {
        self.0.read(experiment, after)
    }

    fn experiments(&mut self) -> Result<Vec<String>, JournalError> {
        self.0.experiments()
    }

    fn lease(&mut self, experiment: &str, request: &LeaseRequest) -> Result<Lease, JournalError> {
        self.0.lease(experiment, request)
    }

    fn release(&mut self, experiment: &str, holder: &str) -> Result<(), JournalError> {
        self.0.release(experiment, holder)
    }

    fn location(&self) -> String {
        self.0.location()
    }
}

#[test]
fn a_conflict_with_nothing_new_is_an_error_and_no_endless_loop() {
    let event = Event::ExperimentCreated {
        id: "id".into(),
        name: "e".into(),
        description: None,
        seed: 0,
        search_space: definition().search_space,
    };
    let mut journal = MemoryJournal::new();
    let at = Timestamp::UNIX_EPOCH;
    journal.append("e", 0, &[Record { sequence: 1, at, event }]).expect("stored");
    journal.append("e", 1, &[Record { sequence: 2, at, event: attached(0, 0.1) }]).expect("stored");
    let mut store = ExperimentStore::open(Replaced(journal), "e").expect("opened");
    let error = store.decide(|experiment| Ok((vec![next(experiment)], ()))).expect_err("hopeless");
    assert!(matches!(error, Error::Journal(JournalError::Conflict { expected: 2, found: 1, .. })));
    assert_eq!(store.experiment().trials.len(), 1);
}

#[test]
fn time_never_goes_back() {
    let (ahead, behind) = (ManualClock::default(), ManualClock::default());
    ahead.advance(std::time::Duration::from_secs(60));
    let medium = SharedJournal::new();
    let create =
        |clock| ExperimentStore::create_at(Box::new(medium.clone()), Arc::new(clock), definition());
    let mut one = create(ahead).map_err(|NotCreated { error, .. }| error).expect("created");
    let mut other =
        ExperimentStore::open_at(Box::new(medium.clone()), Arc::new(behind), "e").expect("opened");
    other.record([attached(0, 0.1)]).expect("stored");
    one.refresh().expect("read");
    one.record([attached(1, 0.2)]).expect("stored");
    let times: Vec<_> = one.records().expect("read").iter().map(|record| record.at).collect();
    assert!(times.is_sorted(), "{times:?}");
}
