//! Experiments that are opened again.

use std::fs;

use krige_core::event::Record;
use krige_core::journal::JournalError;
use krige_testkit::{Fault, FaultyJournal, Moment};
use serde_json::{Value, json};

use super::*;
use crate::store::ExperimentStore;

/// A client with trials in many states.
fn lived(journal: impl Journal + 'static) -> Client {
    let mut client = minimizing(journal);
    client.get_next_trials(4).expect("asked");
    client.complete_trial(0, [("y", (0.1 + 0.2, 5e-324))]).expect("completed");
    client.mark_trial_failed(1, Some("no \"beam\"\n")).expect("marked");
    client.mark_trial_abandoned(2, None).expect("marked");
    client
        .attach_data(3, [("y", krige_runner::Measurement::from(-0.0).at(1.0))])
        .expect("attached");
    client
}

fn records(client: &mut Client) -> Vec<Record> {
    client.store().expect("there is one").records().expect("read")
}

#[test]
fn a_snapshot_holds_every_record_and_can_be_gone_on_with() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bath.json");
    let mut client = lived(SharedJournal::new());
    client.save_to_json_file(&path).expect("saved");
    let mut loaded = Client::load_from_json_file(&path).expect("loaded");
    assert_eq!(records(&mut loaded), records(&mut client));
    assert_eq!(experiment(&loaded), experiment(&client));

    // Both propose the same from here, and what is saved again is the same text.
    let again = folder.path().join("again.json");
    loaded.save_to_json_file(&again).expect("saved");
    assert_eq!(fs::read(&again).expect("read"), fs::read(&path).expect("read"));
    assert_eq!(
        loaded.get_next_trials(2).expect("asked"),
        client.get_next_trials(2).expect("asked")
    );
    client.save_to_json_file(&path).expect("replaced");
    let names: Vec<_> = fs::read_dir(folder.path())
        .expect("listed")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert_eq!(names.len(), 2, "no draft stays behind: {names:?}");
}

/// What loading a snapshot that was changed says.
#[track_caller]
fn load(change: impl FnOnce(&mut Value)) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bath.json");
    lived(SharedJournal::new()).save_to_json_file(&path).expect("saved");
    let text = fs::read_to_string(&path).expect("read");
    let mut snapshot: Value = serde_json::from_str(&text).expect("JSON");
    change(&mut snapshot);
    fs::write(&path, snapshot.to_string()).expect("written");
    let error = text_of(Client::load_from_json_file(&path));
    error.replace(&folder.path().display().to_string(), "")
}

fn text_of(loaded: Result<Client, Error>) -> String {
    text(&loaded.expect_err("refused"))
}

#[test]
fn a_snapshot_of_a_newer_release_says_so() {
    let expected = "/bath.json is not a krige snapshot of version 1 or older: it has version 2: use the release that \
                    wrote it";
    assert_eq!(load(|snapshot| snapshot["krige_snapshot"] = json!(2)), expected);
    let newer = |snapshot: &mut Value| {
        snapshot["krige_snapshot"] = json!(2);
        snapshot["records"] = json!("elsewhere");
        snapshot["compression"] = json!("zstd");
    };
    assert_eq!(load(newer), expected, "whatever else it holds");
}

#[test]
fn a_damaged_snapshot_is_refused() {
    let refused = |change: fn(&mut Value), expected: &str| {
        let error = load(change);
        assert!(error.contains(expected), "expected `{expected}` in `{error}`");
    };
    let not_one = "is not a krige snapshot of version 1 or older: ";
    refused(
        |s| *s = json!({"name": "something else"}),
        &format!("{not_one}missing field `krige_snapshot`"),
    );
    refused(|s| s["comment"] = json!("mine"), "unknown field `comment`");
    refused(|s| s["records"][1]["event"] = json!("danced"), "unknown variant `danced`");
    refused(
        |s| s["records"][3]["sequence"] = json!(77),
        &format!("{not_one}record 4 has number 77"),
    );
    refused(|s| s["records"] = json!([]), "the journal is empty");
    refused(
        |s| drop(s["records"].as_array_mut().expect("a list").remove(0)),
        "record 1 has number 2",
    );
    refused(|s| s["experiment"] = json!("shower"), "its records are of experiment `bath`");
}

#[test]
fn a_file_that_is_cut_or_missing_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bath.json");
    let missing = text_of(Client::load_from_json_file(&path));
    assert!(missing.contains("bath.json: reading failed: No such file"), "{missing}");
    lived(SharedJournal::new()).save_to_json_file(&path).expect("saved");
    let whole = fs::read_to_string(&path).expect("read");
    fs::write(&path, &whole[..whole.len() / 2]).expect("written");
    let cut = text_of(Client::load_from_json_file(&path));
    assert!(cut.contains("EOF while parsing"), "{cut}");
}

#[test]
fn a_write_that_fails_leaves_the_former_snapshot() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bath.json");
    let mut client = lived(SharedJournal::new());
    client.save_to_json_file(&path).expect("saved");
    let former = fs::read(&path).expect("read");
    client.get_next_trials(1).expect("asked");
    // The draft cannot be written where a folder is in its place.
    fs::create_dir(folder.path().join("bath.json.part")).expect("made");
    let error = text(&client.save_to_json_file(&path).expect_err("refused"));
    assert!(error.contains("bath.json: writing failed: "), "{error}");
    assert_eq!(fs::read(&path).expect("read"), former);

    // Nor can a folder be replaced; the draft does not stay behind.
    let other = folder.path().join("other");
    fs::create_dir_all(other.join("full")).expect("made");
    client.save_to_json_file(&other).expect_err("refused");
    assert!(!folder.path().join("other.part").exists());
}

#[test]
fn a_database_is_gone_on_with() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lab.db");
    let missing = text_of(Client::load_from_database(&path, "bath"));
    assert!(missing.contains("lab.db"), "{missing}");
    assert!(!path.exists(), "looking for a database makes none");
    let mut client = lived(krige_sqlite::SqliteJournal::open(&path).expect("opened"));
    let mut again = Client::load_from_database(&path, "bath").expect("loaded");
    assert_eq!(records(&mut again), records(&mut client));
    assert_eq!(experiment(&again), experiment(&client));
    let unknown = text_of(Client::load_from_database(&path, "shower"));
    assert!(unknown.contains("no experiment `shower`") && unknown.contains("bath"), "{unknown}");
    let mut taken = Client::with_database(&path).expect("opened");
    refused(
        &mut taken,
        |c| c.configure_experiment(bath()),
        "lab.db has an experiment `bath` already",
    );
}

#[test]
fn a_clock_of_ones_own_is_also_used_after_loading_and_never_goes_back() {
    let journal = SharedJournal::new();
    drop(lived(journal.clone()));
    let clock = ManualClock::default();
    let start = experiment(&Client::load_from_journal(journal.clone(), "bath").expect("loaded"))
        .trials[0]
        .created_at;
    clock.advance(std::time::Duration::from_secs(3600));
    let mut client =
        Client::load_from_journal(journal.clone(), "bath").expect("loaded").with_clock(clock);
    client.get_next_trials(1).expect("asked");
    let late = experiment(&client).trials[4].created_at;
    assert_eq!(late.as_second() - start.as_second(), 3600);
    // Another process's clock is behind.
    let behind = ManualClock::default();
    let mut client = Client::load_from_journal(journal, "bath").expect("loaded").with_clock(behind);
    client.get_next_trials(1).expect("asked");
    assert_eq!(experiment(&client).trials[5].created_at, late);
}

#[test]
fn a_call_whose_append_fails_leaves_no_trace() {
    for operation in 1..=2 {
        let medium = SharedJournal::new();
        drop(lived(medium.clone()));
        let fault = Fault { operation: 1 + operation, moment: Moment::Before, lasting: false };
        let journal = FaultyJournal::new(medium, fault);
        let mut client = Client::load_from_journal(journal, "bath").expect("loaded");
        refused(&mut client, |c| c.complete_trial(3, [("y", 1.0)]), "a fault was injected");
        assert_eq!(
            client.complete_trial(3, [("y", 1.0)]).expect("told again"),
            TrialStatus::Completed
        );
        let replayed = Experiment::replay(&records(&mut client)).expect("fits");
        assert_eq!(&replayed, experiment(&client));
    }
}

#[test]
fn an_experiment_that_cannot_be_stored_is_not_begun() {
    let fault = Fault { operation: 1, moment: Moment::Before, lasting: false };
    let mut client = Client::with_journal(FaultyJournal::new(SharedJournal::new(), fault));
    refused(
        &mut client,
        |c| c.configure_experiment(bath()),
        "the journal memory failed: a fault was injected",
    );
    client.configure_experiment(bath()).expect("the next try works");
    let location = client.store().map(|store| ExperimentStore::location(store));
    assert_eq!(location.expect("there is one"), "memory");
    let gone = Client::load_from_journal(SharedJournal::new(), "bath");
    assert!(matches!(gone, Err(Error::Journal(JournalError::NotFound { .. }))));
}
