//! What every journal must do, as a test that any implementation can call.

use jiff::Timestamp;

use super::{Journal, JournalError, Lease, LeaseRequest};
use crate::event::{Event, Record};
use crate::observation::Observation;

/// Floats that careless storage changes: each must come back bit for bit.
const FLOATS: [f64; 10] = [
    0.1,
    -0.0,
    5e-324,
    f64::MIN_POSITIVE,
    f64::MAX,
    1.0 / 3.0,
    0.100_000_000_000_000_02,
    -1.797_693_134_862_315_7e308,
    2.225_073_858_507_201e-308,
    9_007_199_254_740_993.0,
];

fn records(after: u64, values: &[f64]) -> Vec<Record> {
    let at = Timestamp::from_microsecond(1_700_000_000_123_456).expect("within range");
    (after + 1..)
        .zip(values)
        .map(|(sequence, &value)| Record {
            sequence,
            at,
            event: Event::ObservationsAttached {
                trial: 0,
                observations: vec![
                    Observation::new("a \"metric\"\n'); drop", value).with_sem(value.abs()),
                ],
                late: false,
            },
        })
        .collect()
}

/// Holds a journal to the contract of [`Journal`]; `open` makes a new, empty one at each call.
///
/// # Panics
/// At the first thing that the contract does not allow.
pub fn check_journal<J: Journal>(mut open: impl FnMut() -> J) {
    let mut journal = open();
    assert!(journal.experiments().expect("listed").is_empty(), "a new journal is empty");
    assert!(
        matches!(journal.read("a", 0), Err(JournalError::NotFound { .. })),
        "an unknown experiment is an error"
    );

    let first = records(0, &FLOATS);
    journal.append("a", 0, &first).expect("appended");
    journal.append("b", 0, &first[..1]).expect("appended");
    let second = records(first.len() as u64, &[1.5, 2.5]);
    journal.append("a", first.len() as u64, &second).expect("appended");
    assert_eq!(journal.experiments().expect("listed"), ["a", "b"], "in the order of creation");

    let all: Vec<_> = first.iter().chain(&second).cloned().collect();
    let back = journal.read("a", 0).expect("read");
    assert_eq!(back, all, "what was appended is what is read");
    for (record, expected) in back.iter().zip(FLOATS) {
        let Event::ObservationsAttached { observations, .. } = &record.event else {
            panic!("another event came back: {record:?}");
        };
        assert_eq!(observations[0].mean.to_bits(), expected.to_bits(), "{expected:e} changed");
    }
    assert_eq!(journal.read("a", 10).expect("read"), second, "reading on gives the tail");
    assert_eq!(journal.read("a", 12).expect("read"), [], "nothing new is nothing");
    assert_eq!(journal.read("b", 0).expect("read"), first[..1], "experiments do not mix");

    for after in [0, 3, 13] {
        let conflict = journal.append("a", after, &records(after, &[0.0]));
        assert!(
            matches!(conflict, Err(JournalError::Conflict { found: 12, expected, .. }) if expected == after),
            "an append after {after} of 12 is a conflict, not {conflict:?}"
        );
    }
    assert_eq!(journal.read("a", 0).expect("read"), all, "a conflict stores nothing");
    assert!(!journal.location().is_empty(), "a journal says where it is");
    check_lease(&mut open());
}

/// Asks for the lease of `a`; seconds since some moment, and a fraction that careless storage loses.
fn ask<J: Journal>(journal: &mut J, holder: &str, now: i64, until: i64) -> Lease {
    let second =
        |second: i64| Timestamp::new(1_700_000_000 + second, 123_456_789).expect("within range");
    let (holder, now, until) = (holder.to_owned(), second(now), second(until));
    journal.lease("a", &LeaseRequest { holder, now, until }).expect("asked")
}

/// Holds a new, empty journal to what is said of leases.
fn check_lease<J: Journal>(journal: &mut J) {
    let first = ask(journal, "it's \"one\"", 0, 30);
    assert_eq!(first.holder, "it's \"one\"", "a free lease is given");
    assert_eq!(first.until.as_nanosecond() % 1_000_000_000, 123_456_789, "to the nanosecond");
    assert_eq!(ask(journal, "two", 29, 60), first, "a lease that is held is not given");
    let longer = ask(journal, &first.holder, 10, 40);
    assert!(longer.until > first.until, "its holder extends it");
    assert_eq!(ask(journal, "two", 39, 60), longer, "the extension counts");
    let shorter = ask(journal, &first.holder, 20, 35);
    assert!(shorter.until < longer.until, "its holder may also shorten it");

    assert_eq!(ask(journal, "two", 35, 60).holder, "two", "a lease that has ended is given");
    assert_eq!(ask(journal, &first.holder, 36, 70).holder, "two", "the former holder is told");
    journal.release("a", &first.holder).expect("nothing to release");
    assert_eq!(ask(journal, "three", 37, 70).holder, "two", "only its holder releases a lease");
    journal.release("a", "two").expect("released");
    assert_eq!(ask(journal, "three", 38, 70).holder, "three", "a lease that was released is free");
    assert!(journal.experiments().expect("listed").is_empty(), "a lease is no record");

    let now = Timestamp::UNIX_EPOCH;
    let other = LeaseRequest { holder: "other".into(), now, until: now };
    assert_eq!(journal.lease("b", &other).expect("asked").holder, "other", "each has its own");
}

/// Holds two handles on one new, empty medium to the contract of [`Journal::lease`].
///
/// # Panics
/// At the first thing that the contract does not allow.
pub fn check_shared_lease<J: Journal>(mut one: J, mut other: J) {
    let lease = ask(&mut one, "one", 0, 30);
    assert_eq!(ask(&mut other, "two", 1, 30), lease, "the other handle sees the lease");
    one.release("a", "one").expect("released");
    assert_eq!(ask(&mut other, "two", 1, 30).holder, "two", "and that it was released");
    assert_eq!(ask(&mut one, "one", 30, 60).holder, "one", "and takes over what has ended");
    assert_eq!(ask(&mut other, "two", 31, 61).holder, "one", "of which the former holder hears");
}
