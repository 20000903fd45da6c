//! The journal as its users meet it: through its public interface, through `sqlite3`, from many processes.

mod documentation;
mod files;
#[cfg(target_os = "linux")]
mod full_disk;
mod golden;
mod processes;
mod roundtrip;
mod salvage;
mod views;

use krige_core::Timestamp;
use krige_core::event::{Event, Record};
use krige_core::observation::Observation;

/// A record that says which it is.
fn record(sequence: u64, metric: &str) -> Record {
    Record {
        sequence,
        at: Timestamp::from_second(1_700_000_000).expect("within range"),
        event: Event::ObservationsAttached {
            trial: 0,
            observations: vec![Observation::new(metric, sequence as f64)],
            late: false,
        },
    }
}

/// What [`record`] was told.
fn metric(record: &Record) -> &str {
    match &record.event {
        Event::ObservationsAttached { observations, .. } => &observations[0].metric,
        other => panic!("another event: {other:?}"),
    }
}
