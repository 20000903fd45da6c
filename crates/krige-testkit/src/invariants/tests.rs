//! Each kind of violation is found in a journal that is sound but for it.

use krige_core::observation::Observation;
use krige_core::search_space::{Parameter, SearchSpace};
use krige_core::trial::{Arm, Metadata, TrialRun};

use super::*;

fn second(n: i64) -> Timestamp {
    Timestamp::from_second(n).expect("a time")
}

fn change(event: TrialEvent) -> Event {
    Event::Trial { trial: 0, event }
}

fn launching(attempt: u32) -> Event {
    change(TrialEvent::Launching { run: TrialRun::new("e", 0, attempt) })
}

fn running() -> Event {
    change(TrialEvent::Running { metadata: Metadata::default(), by_hand: false })
}

fn observed(mean: f64, late: bool) -> Event {
    let observations = vec![Observation::new("y", mean)];
    Event::ObservationsAttached { trial: 0, observations, late }
}

/// A trial that is attached, and then what follows.
fn journal(events: Vec<Event>) -> Vec<Record> {
    let space = SearchSpace::new([Parameter::float("x", 0.0, 1.0)], &[]).expect("a space");
    let created = Event::ExperimentCreated {
        id: "e".into(),
        name: "e".into(),
        description: None,
        seed: 1,
        search_space: space,
    };
    let arm = Arm { name: "0_0".into(), parameters: [("x", 0.5)].into() };
    let attached = Event::TrialAttached { trial: 0, arm, baseline: false };
    let events = [created, attached].into_iter().chain(events);
    (1..)
        .zip(events)
        .map(|(sequence, event)| Record { sequence, at: second(sequence as i64), event })
        .collect()
}

/// A life with a retry, an end, and data after it.
fn sound() -> Vec<Record> {
    journal(vec![
        launching(1),
        running(),
        change(TrialEvent::Retried { reason: "lost".into() }),
        launching(2),
        running(),
        observed(1.0, false),
        change(TrialEvent::Completed),
        observed(2.0, true),
    ])
}

#[track_caller]
fn finds(records: &[Record], expected: impl Fn(&Violation) -> bool) {
    let found = check_invariants(records).expect_err("it is not sound");
    assert!(found.iter().any(expected), "{found:?}");
}

/// All that is found but the failure of the replay, which follows from most.
#[track_caller]
fn finds_only(records: &[Record], expected: &[Violation]) {
    let mut found = check_invariants(records).expect_err("it is not sound");
    found.retain(|violation| !matches!(violation, Violation::Replay(_)));
    assert_eq!(found, expected);
}

#[test]
fn a_sound_journal_passes() {
    assert_eq!(check_invariants(&sound()), Ok(()));
}

#[test]
fn a_gap_is_found() {
    let mut records = sound();
    records.iter_mut().skip(3).for_each(|record| record.sequence += 1);
    finds(&records, |v| *v == Violation::Gap { expected: 4, found: 5 });
}

#[test]
fn a_time_that_falls_is_found() {
    let mut records = sound();
    records[4].at = second(1);
    finds_only(&records, &[Violation::Time { sequence: 5, at: second(1), before: second(4) }]);
}

#[test]
fn a_run_that_was_not_launched_is_found() {
    finds_only(&journal(vec![running()]), &[Violation::NotLaunched { sequence: 3, trial: 0 }]);
    let twice = journal(vec![launching(1), running(), running()]);
    finds_only(&twice, &[Violation::NotLaunched { sequence: 5, trial: 0 }]);
}

#[test]
fn a_launch_while_a_run_is_open_is_found() {
    let records = journal(vec![launching(1), running(), launching(2)]);
    finds_only(&records, &[Violation::LaunchedWhileOpen { sequence: 5, trial: 0 }]);
}

#[test]
fn a_key_that_is_launched_twice_is_found() {
    let retried = change(TrialEvent::Retried { reason: "lost".into() });
    let run = TrialRun { attempt: 2, ..TrialRun::new("e", 0, 1) };
    let again = change(TrialEvent::Launching { run });
    let records = journal(vec![launching(1), retried, again]);
    let key = "krige-e-0-1".to_owned();
    assert_eq!(
        check_invariants(&records),
        Err(vec![Violation::LaunchedTwice { sequence: 5, key }]),
        "the replay lets it pass"
    );
}

#[test]
fn attempts_that_do_not_rise_by_one_are_found() {
    let expected = Violation::Attempt { sequence: 3, trial: 0, expected: 1, found: 2 };
    finds_only(&journal(vec![launching(2)]), &[expected]);
}

#[test]
fn a_change_after_the_end_is_found() {
    let ended = || change(TrialEvent::Abandoned { reason: None });
    let expected = Violation::Ended { sequence: 4, trial: 0, event: "abandoned" };
    finds_only(&journal(vec![ended(), ended()]), &[expected]);
}

#[test]
fn a_number_that_is_not_finite_is_found() {
    let records = journal(vec![observed(f64::NAN, false)]);
    finds(&records, |v| matches!(v, Violation::NotFinite { sequence: 3, .. }));
}

#[test]
fn late_data_before_the_end_are_found() {
    let records = journal(vec![launching(1), running(), observed(1.0, true)]);
    finds_only(&records, &[Violation::NotLate { sequence: 5, trial: 0 }]);
}

#[test]
fn what_cannot_be_replayed_is_found() {
    finds(&[], |v| *v == Violation::Replay(ApplyError::Empty));
    finds(&sound()[1..], |v| matches!(v, Violation::Replay(ApplyError::NotCreated { .. })));
}
