//! Who leads, by clocks that are set by hand.

use krige_core::search_space::{Parameter, SearchSpace};
use krige_testkit::{ManualClock, SharedJournal};

use super::*;
use crate::store::ExperimentDefinition;

const LEASE: Duration = Duration::from_secs(30);

struct Process {
    clock: ManualClock,
    store: ExperimentStore,
    lease: Leadership,
}

impl Process {
    fn new(medium: &SharedJournal, clock: &ManualClock) -> Self {
        let search_space = SearchSpace::new(vec![Parameter::float("x", 0.0, 1.0)], &[]);
        let definition = ExperimentDefinition {
            name: "e".into(),
            description: None,
            search_space: search_space.expect("a search space"),
            seed: Some(1),
        };
        let mut store = ExperimentStore::create(medium.clone(), definition)
            .or_else(|_there| ExperimentStore::open(medium.clone(), "e"))
            .expect("opened");
        store.set_clock(Arc::new(clock.clone()));
        let lease = Leadership::new(LEASE, store.clock());
        Self { clock: clock.clone(), store, lease }
    }

    fn look(&mut self) -> Standing {
        self.store.refresh().expect("read");
        self.lease.look(&mut self.store).expect("no error")
    }

    fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

/// Two processes by clocks that show the same time; the first leads.
fn two() -> (Process, Process) {
    let medium = SharedJournal::new();
    let mut one = Process::new(&medium, &ManualClock::default());
    let mut other = Process::new(&medium, &ManualClock::default());
    assert_eq!((one.look(), one.look()), (Standing::Begins, Standing::Leads));
    assert_eq!(other.look(), Standing::Watches);
    (one, other)
}

#[track_caller]
fn passes(one: &mut Process, other: &mut Process, seconds: u64, expected: (Standing, Standing)) {
    one.pass(seconds);
    other.pass(seconds);
    assert_eq!((one.look(), other.look()), expected);
}

#[test]
fn a_leader_that_lives_keeps_its_lease_and_a_silent_one_loses_it() {
    let (mut one, mut other) = two();
    for _ in 0..100 {
        passes(&mut one, &mut other, 10, (Standing::Leads, Standing::Watches));
    }
    other.pass(29);
    assert_eq!(other.look(), Standing::Watches);
    other.pass(1);
    assert_eq!((other.look(), other.look()), (Standing::Begins, Standing::Leads));

    // It has not looked since, and is told all the same.
    let note = || vec![Event::NoteAdded { trial: None, text: "mine".into() }];
    let stored = one.store.experiment().sequence;
    let error = one.lease.decide(&mut one.store, |_| Ok((note(), ()))).expect_err("too late");
    assert!(matches!(error, Error::Superseded { leader } if leader == other.lease.me));
    assert_eq!(one.store.experiment().sequence, stored + 1, "the other's event, and nothing else");
    assert_eq!(one.look(), Standing::Watches);
    other.lease.decide(&mut other.store, |_| Ok((note(), ()))).expect("it leads");
}

#[test]
fn a_long_sleep_alone_loses_nothing() {
    let (mut one, mut other) = two();
    one.pass(3600);
    assert_eq!(one.look(), Standing::Leads);
    other.pass(3600);
    assert_eq!(other.look(), Standing::Watches);
}

#[test]
fn what_was_released_is_free_at_once() {
    let (mut one, mut other) = two();
    other.lease.release(&mut other.store);
    assert_eq!(other.look(), Standing::Watches, "it had nothing to release");
    one.lease.release(&mut one.store);
    assert_eq!(other.look(), Standing::Begins);
    assert_eq!(one.look(), Standing::Watches);
}

#[test]
fn a_run_of_this_process_that_is_gone_is_not_waited_for() {
    let (one, mut other) = two();
    drop(one);
    assert_eq!(other.look(), Standing::Begins);
}

#[test]
fn a_clock_that_is_set_forward_does_not_hold_the_lease_for_ever() {
    let (mut one, mut other) = two();
    one.pass(86_400);
    assert_eq!((one.look(), other.look()), (Standing::Leads, Standing::Watches));
    // While it lives it keeps its lease, however long that takes.
    for _ in 0..60 {
        passes(&mut one, &mut other, 10, (Standing::Leads, Standing::Watches));
    }
    other.pass(LONGEST.as_secs() - 1);
    assert_eq!(other.look(), Standing::Watches);
    other.pass(1);
    assert_eq!(other.look(), Standing::Begins);
}

#[test]
fn a_clock_that_is_set_back_loses_the_lease_to_a_watcher_and_says_so() {
    let (mut one, mut other) = two();
    one.clock.set(one.clock.now() - Duration::from_secs(86_400));
    assert_eq!(one.look(), Standing::Leads);
    assert_eq!(other.look(), Standing::Begins);
    assert_eq!((one.look(), other.look()), (Standing::Watches, Standing::Leads));
    // From here on it waits as any other, though by its clock the lease lasts for a day.
    for _ in 0..60 {
        passes(&mut other, &mut one, 10, (Standing::Leads, Standing::Watches));
    }
    one.pass(LONGEST.as_secs());
    assert_eq!(one.look(), Standing::Begins);
}

#[test]
fn a_watcher_whose_clock_jumps_back_waits_anew() {
    let (_silent, mut other) = two();
    other.clock.set(other.clock.now() - Duration::from_secs(86_400));
    assert_eq!(other.look(), Standing::Watches);
    other.pass(LONGEST.as_secs());
    assert_eq!(other.look(), Standing::Begins);
}

#[cfg(target_os = "linux")]
#[test]
fn only_who_is_certainly_dead_is_taken_for_dead() {
    let mut child = std::process::Command::new("true").spawn().expect("started");
    let id = child.id();
    child.wait().expect("it ended");
    let holder = |id: u32, place: &str| format!("{}:{id}:{place}.0a1b2c3d.1", host());
    assert!(is_dead(&holder(id, &PLACE)));
    assert!(!is_dead(&holder(id, "another-1")), "it may be a process of another machine");
    assert!(!is_dead(&holder(id, "")), "nothing is known of it");
    assert!(!is_dead(&holder(std::process::id(), &PLACE)), "somebody has that id");
    assert!(!is_dead("host:7:ab") && !is_dead("") && !is_dead("a.b.c"));
}
