//! What `docs/journal.md` shows is what is stored, and its queries answer.

use krige_core::Timestamp;
use krige_core::event::{Event, Record};
use krige_core::experiment::Experiment;
use krige_core::journal::Journal;
use krige_core::trial::TrialEvent;
use krige_sqlite::SqliteJournal;
use rusqlite::Connection;

const PAGE: &str = include_str!("../../../../docs/journal.md");

/// The fenced blocks of a language.
fn blocks(language: &str) -> Vec<&'static str> {
    PAGE.split("\n```").filter_map(|part| part.strip_prefix(language)?.strip_prefix('\n')).collect()
}

fn records() -> Vec<Record> {
    (1..)
        .zip(blocks("json"))
        .map(|(sequence, body)| Record {
            sequence,
            at: Timestamp::from_second(1_795_269_600 + sequence as i64).expect("within range"),
            event: serde_json::from_str(body).expect(body),
        })
        .collect()
}

#[test]
fn the_bodies_are_written_as_they_are_shown() {
    for (record, body) in records().iter().zip(blocks("json")) {
        let shown: serde_json::Value = serde_json::from_str(body).expect("JSON");
        assert_eq!(serde_json::to_value(&record.event).expect("JSON"), shown);
    }
}

#[test]
fn every_kind_of_event_is_named() {
    let mut kinds: Vec<String> = records().iter().map(|record| record.event.kind()).collect();
    for event in [
        TrialEvent::Failed { reason: String::new() },
        TrialEvent::EarlyStopped { reason: None },
        TrialEvent::Stale,
        TrialEvent::Retried { reason: String::new() },
    ] {
        let kind = Event::Trial { trial: 0, event }.kind();
        assert!(!kinds.contains(&kind), "{kind} is shown, and need not be listed here");
        kinds.push(kind);
    }
    kinds.sort();
    kinds.dedup();
    assert_eq!(kinds.len(), 21);
    for kind in kinds {
        assert!(PAGE.contains(&format!("`{kind}`")), "{kind}");
    }
}

#[test]
fn the_columns_of_the_views_are_described() {
    let file = Connection::open_in_memory().expect("opened");
    file.execute_batch(include_str!("../../src/schema/v1.sql")).expect("made");
    file.execute_batch(include_str!("../../src/schema/v2.sql")).expect("made");
    for view in ["event", "lease", "experiment", "trial", "observation", "parameter", "arm"] {
        let statement = file.prepare(&format!("SELECT * FROM {view}")).expect("prepared");
        let start = PAGE
            .find(&format!("\n`{view}`: "))
            .or_else(|| PAGE.find(&format!("\n## The table `{view}`")))
            .expect(view);
        let mut rest = &PAGE[start..];
        for column in statement.column_names() {
            let place = rest.find(&format!("`{column}`"));
            rest =
                &rest[place.unwrap_or_else(|| panic!("{view}.{column} is missing or misplaced"))..];
        }
    }
}

#[test]
fn the_queries_answer() {
    let records = records();
    Experiment::replay(&records).expect("the bodies are of one experiment");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lab.db");
    let mut journal = SqliteJournal::open(&path).expect("opened");
    journal.append("anneal", 0, &records).expect("appended");

    let file = Connection::open(&path).expect("opened");
    let queries = blocks("sql");
    assert!(queries.len() >= 4);
    for query in queries {
        assert!(file.prepare(query).expect(query).exists([]).expect(query), "{query}");
    }
}

#[test]
fn the_marks_of_the_file_are_those_that_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lab.db");
    drop(SqliteJournal::open(&path).expect("opened"));
    let file = Connection::open(&path).expect("opened");
    let mark = |name: &str| -> i64 {
        file.pragma_query_value(None, name, |row| row.get(0)).expect("asked")
    };
    let text = PAGE.split_whitespace().collect::<Vec<_>>().join(" ");
    let expected = format!(
        "`application_id` {:#x} (`krig`), and with the version of its format as `user_version`: {}.",
        mark("application_id"),
        mark("user_version")
    );
    assert!(text.contains(&expected), "{expected}");
}
