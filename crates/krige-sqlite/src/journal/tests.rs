//! The journal keeps its contract, and says what is wrong with a file.

use krige_core::observation::Observation;

use super::*;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn records(after: u64, count: u64) -> Vec<Record> {
    (after + 1..=after + count)
        .map(|sequence| Record {
            sequence,
            at: Timestamp::from_second(1_700_000_000).expect("within range"),
            event: Event::ObservationsAttached {
                trial: 0,
                observations: vec![Observation::new("y", sequence as f64)],
                late: false,
            },
        })
        .collect()
}

/// Changes the file behind the journal's back.
fn tamper(journal: &SqliteJournal, sql: &str) {
    journal
        .connection
        .execute_batch(&format!("PRAGMA ignore_check_constraints = ON; {sql}"))
        .expect("changed");
}

#[test]
fn a_full_medium_loses_nothing_and_can_go_on() {
    let folder = folder();
    let mut journal = SqliteJournal::open(folder.path().join("lab.db")).expect("opened");
    journal.append("e", 0, &records(0, 3)).expect("appended");
    let pages: i64 = journal
        .connection
        .pragma_query_value(None, "page_count", |row| row.get(0))
        .expect("counted");
    let limit = |journal: &SqliteJournal, pages: i64| {
        journal
            .connection
            .pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
            .expect("limited");
    };
    limit(&journal, pages + 1);

    let error = journal.append("e", 3, &records(3, 500)).expect_err("full");
    assert!(matches!(error, JournalError::Full { .. }), "{error:?}");
    assert_eq!(journal.read("e", 0).expect("read"), records(0, 3), "nothing of it was stored");

    limit(&journal, pages + 1000);
    journal.append("e", 3, &records(3, 500)).expect("there is space again");
    assert_eq!(journal.read("e", 0).expect("read"), records(0, 503));
}

#[test]
fn a_journal_that_stays_locked_is_busy() {
    let folder = folder();
    let path = folder.path().join("lab.db");
    let mut journal = SqliteJournal::open(&path).expect("opened");
    journal.append("e", 0, &records(0, 1)).expect("appended");
    journal.connection.busy_timeout(Duration::ZERO).expect("set");

    let other = Connection::open(&path).expect("opened");
    other.execute_batch("BEGIN IMMEDIATE").expect("locked");
    let error = journal.append("e", 1, &records(1, 1)).expect_err("locked");
    assert!(matches!(error, JournalError::Busy { .. }), "{error:?}");
    assert_eq!(journal.read("e", 0).expect("readers do not wait"), records(0, 1));

    other.execute_batch("ROLLBACK").expect("unlocked");
    journal.append("e", 1, &records(1, 1)).expect("appended");
}

#[test]
fn a_damaged_record_is_named() {
    let folder = folder();
    let mut journal = SqliteJournal::open(folder.path().join("lab.db")).expect("opened");
    journal.append("other", 0, &records(0, 3)).expect("appended");
    journal.append("e", 0, &records(0, 3)).expect("appended");
    for damage in [
        r#"body = '{"observations_attached":{"trial":0,"observations":[{"metric":'"#,
        r#"body = '{"an_event_of_the_future":{}}'"#,
        "body = x'ff00'",
        "at = 'yesterday'",
    ] {
        tamper(&journal, &format!("SAVEPOINT s; UPDATE event SET {damage} WHERE id = 5;"));
        let error = journal.read("e", 0).expect_err("damaged");
        assert!(
            matches!(&error, JournalError::Damaged { experiment, sequence: 2, .. } if experiment == "e"),
            "{damage}: {error:?}"
        );
        assert_eq!(journal.read("e", 2).expect("what is after it"), records(2, 1));
        assert_eq!(journal.read("other", 0).expect("what is beside it"), records(0, 3));
        tamper(&journal, "ROLLBACK TO s; RELEASE s;");
    }
    assert_eq!(journal.read("e", 0).expect("as it was"), records(0, 3));
}

#[test]
fn a_record_that_was_removed_is_missed() {
    let folder = folder();
    let mut journal = SqliteJournal::open(folder.path().join("lab.db")).expect("opened");
    journal.append("e", 0, &records(0, 3)).expect("appended");
    tamper(&journal, "DELETE FROM event WHERE sequence = 2");
    let error = journal.read("e", 0).expect_err("a gap");
    let JournalError::Medium { source, .. } = &error else { panic!("{error:?}") };
    assert_eq!(
        source.to_string(),
        "expected record 2 of experiment `e`, found record 3: rows were removed; go on with a copy of the file"
    );
}

#[test]
fn numbers_that_could_not_be_read_back_are_refused() {
    let folder = folder();
    let mut journal = SqliteJournal::open(folder.path().join("lab.db")).expect("opened");
    journal.append("e", 0, &records(0, 1)).expect("appended");
    for mean in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut bad = records(1, 2);
        bad[1].event = Event::ObservationsAttached {
            trial: 0,
            observations: vec![Observation::new("y", mean)],
            late: false,
        };
        let error = journal.append("e", 1, &bad).expect_err("refused");
        let JournalError::Medium { source, .. } = &error else { panic!("{error:?}") };
        assert!(source.to_string().contains("record 3 (observations_attached)"), "{source}");
    }
    assert_eq!(journal.read("e", 0).expect("read"), records(0, 1));
}

#[test]
fn a_local_file_is_in_wal_mode_and_every_commit_is_flushed() {
    let folder = folder();
    let journal = SqliteJournal::open(folder.path().join("lab.db")).expect("opened");
    let pragma = |name: &str| -> rusqlite::types::Value {
        journal.connection.pragma_query_value(None, name, |row| row.get(0)).expect("asked")
    };
    assert_eq!(pragma("journal_mode"), "wal".to_owned().into());
    assert_eq!(pragma("synchronous"), 3.into(), "EXTRA");
    assert_eq!(pragma("fullfsync"), 1.into());
    assert_eq!(pragma("busy_timeout"), 5000.into());
}

#[test]
fn a_file_that_machines_share_is_in_delete_mode_and_keeps_the_contract() {
    let folder = folder();
    let mut number = 0;
    krige_core::journal::check_journal(|| {
        number += 1;
        let path = folder.path().join(format!("{number}.db"));
        let journal = SqliteJournal::open(path).expect("opened");
        make_durable(&journal.connection, true).expect("changed");
        let mode: String = journal
            .connection
            .pragma_query_value(None, "journal_mode", |row| row.get(0))
            .expect("asked");
        assert_eq!(mode, "delete");
        journal
    });
}

#[test]
fn a_journal_moves_between_threads() {
    fn movable<T: Send>() {}
    movable::<SqliteJournal>();
}
