//! What was appended is what is read, after the file was closed and opened again.

use krige_core::Timestamp;
use krige_core::event::{Event, Record};
use krige_core::journal::{Journal, check_journal, check_shared_lease};
use krige_core::observation::Observation;
use krige_core::trial::{Arm, Generation, Metadata, Prediction, TrialEvent, TrialRun};
use krige_sqlite::SqliteJournal;
use proptest::prelude::*;

#[test]
fn keeps_the_contract() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut number = 0;
    check_journal(|| {
        number += 1;
        SqliteJournal::open(folder.path().join(format!("{number}.db"))).expect("opened")
    });
    let open = || SqliteJournal::open(folder.path().join("shared.db")).expect("opened");
    check_shared_lease(open(), open());
}

/// Any finite float, by its bits.
fn float() -> impl Strategy<Value = f64> {
    any::<u64>().prop_map(f64::from_bits).prop_filter("finite", |x| x.is_finite())
}

fn observation() -> impl Strategy<Value = Observation> {
    let optional = || proptest::option::of(float());
    (".*", float(), optional(), optional())
        .prop_map(|(metric, mean, sem, progression)| Observation { metric, mean, sem, progression })
}

fn arm() -> impl Strategy<Value = Arm> {
    (".*", float(), any::<i64>(), any::<bool>(), ".*").prop_map(|(name, x, n, b, s)| {
        let mut parameters = krige_core::value::Parameterization::default();
        parameters.insert("x", x);
        parameters.insert("n", n);
        parameters.insert("b", b);
        parameters.insert("s", s);
        Arm { name, parameters }
    })
}

fn event() -> impl Strategy<Value = Event> {
    let trial = 0..1_000_000_usize;
    prop_oneof![
        (trial.clone(), proptest::collection::vec(observation(), 0..4)).prop_map(
            |(trial, observations)| Event::ObservationsAttached {
                trial,
                observations,
                late: false
            }
        ),
        (trial.clone(), arm(), any::<bool>())
            .prop_map(|(trial, arm, baseline)| { Event::TrialAttached { trial, arm, baseline } }),
        (trial.clone(), arm(), float(), float(), any::<u64>()).prop_map(
            |(trial, arm, mean, sem, seed)| {
                let generation = Generation {
                    node: "GP".into(),
                    method: "log_ei".into(),
                    prediction: Some(Prediction { mean, sem }),
                    degraded: None,
                    state: serde_json::json!({ "lengthscales": [mean, sem], "seed": seed }),
                };
                Event::TrialGenerated { trial, arm, generation }
            }
        ),
        (trial.clone(), ".*").prop_map(|(trial, key)| {
            let run = TrialRun { trial_index: trial, attempt: 1, key };
            Event::Trial { trial, event: TrialEvent::Launching { run } }
        }),
        (trial.clone(), float()).prop_map(|(trial, x)| {
            let metadata = Metadata::of("x", x);
            Event::Trial { trial, event: TrialEvent::Running { metadata, by_hand: true } }
        }),
        (trial, ".*").prop_map(|(trial, reason)| {
            Event::Trial { trial, event: TrialEvent::Failed { reason } }
        }),
    ]
}

fn moment() -> impl Strategy<Value = Timestamp> {
    // The years 1900 to 2400, to the nanosecond.
    (-2_208_988_800_i64..13_569_465_600, 0..1_000_000_000)
        .prop_map(|(s, ns)| Timestamp::new(s, ns).expect("within range"))
}

/// Every float of an event, by its bits, in order.
fn bits(records: &[Record]) -> Vec<u64> {
    let mut bits = Vec::new();
    let mut push = |x: f64| bits.push(x.to_bits());
    for record in records {
        match &record.event {
            Event::ObservationsAttached { observations, .. } => {
                for observation in observations {
                    push(observation.mean);
                    observation.sem.into_iter().chain(observation.progression).for_each(&mut push);
                }
            }
            Event::TrialAttached { arm, .. } => push(arm.parameters.float("x").expect("a float")),
            Event::TrialGenerated { arm, generation, .. } => {
                push(arm.parameters.float("x").expect("a float"));
                push(generation.prediction.expect("predicted").mean);
                for x in generation.state["lengthscales"].as_array().expect("floats") {
                    push(x.as_f64().expect("a float"));
                }
            }
            Event::Trial { event: TrialEvent::Running { metadata, .. }, .. } => {
                push(metadata.0["x"].as_f64().expect("a float"));
            }
            _ => {}
        }
    }
    bits
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_record_comes_back_bit_for_bit(
        name in ".*",
        events in proptest::collection::vec((event(), moment()), 1..20),
        split in any::<prop::sample::Index>(),
    ) {
        let records: Vec<Record> = (1..)
            .zip(events)
            .map(|(sequence, (event, at))| Record { sequence, at, event })
            .collect();
        let split = split.index(records.len());
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("lab.db");

        let mut journal = SqliteJournal::open(&file).expect("opened");
        journal.append(&name, 0, &records[..split]).expect("appended");
        drop(journal);
        let mut journal = SqliteJournal::open(&file).expect("opened again");
        journal.append(&name, split as u64, &records[split..]).expect("appended");
        drop(journal);

        let mut journal = SqliteJournal::open_existing(&file).expect("opened again");
        prop_assert_eq!(journal.experiments().expect("listed"), [name.clone()]);
        let back = journal.read(&name, 0).expect("read");
        prop_assert_eq!(bits(&back), bits(&records));
        prop_assert_eq!(&back, &records);
        prop_assert_eq!(&journal.read(&name, split as u64).expect("read")[..], &records[split..]);
    }
}
