//! Files of other programs, of newer releases, without permission, damaged.

use std::path::Path;

use krige_core::journal::{Journal, JournalError};
use krige_sqlite::SqliteJournal;
use rusqlite::Connection;

use crate::record;

/// Names and contents of all files in a folder.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut contents: Vec<_> = folder
        .read_dir()
        .expect("a folder")
        .map(|entry| {
            let path = entry.expect("an entry").path();
            (path.display().to_string(), std::fs::read(&path).expect("read"))
        })
        .collect();
    contents.sort();
    contents
}

#[track_caller]
fn refused(file: &Path, detail: &str) {
    let folder = file.parent().expect("in a folder");
    let before = contents(folder);
    for outcome in [SqliteJournal::open(file), SqliteJournal::open_existing(file)] {
        let error = outcome.expect_err("not a journal");
        assert!(matches!(error, JournalError::NotAJournal { .. }), "{error:?}");
        assert!(error.to_string().contains(detail), "{error}");
    }
    assert_eq!(contents(folder), before, "it is not touched");
}

#[test]
fn a_file_of_another_program_is_refused_and_not_touched() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("notes.txt");
    std::fs::write(&file, "buy milk\n").expect("written");
    refused(&file, "not an SQLite file");
    std::fs::write(&file, "x".repeat(10_000)).expect("written");
    refused(&file, "not an SQLite file");
}

#[test]
fn a_database_of_another_program_is_refused_and_not_touched() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("other.db");
    let other = Connection::open(&file).expect("opened");
    other
        .execute_batch("CREATE TABLE photo (name TEXT); CREATE TABLE event (name TEXT);")
        .expect("made");
    refused(&file, "something else");
    other.execute_batch("PRAGMA user_version = 1;").expect("set");
    refused(&file, "something else");
    other.execute_batch("PRAGMA application_id = 0x0f055112;").expect("set");
    refused(&file, "application 0x0f055112");
    // In use, with a write-ahead log.
    other.execute_batch("PRAGMA journal_mode = WAL; INSERT INTO photo VALUES ('x');").expect("set");
    refused(&file, "application 0x0f055112");
}

#[test]
fn a_journal_of_a_newer_release_is_refused_and_not_touched() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("lab.db");
    drop(SqliteJournal::open(&file).expect("opened"));
    let newer = Connection::open(&file).expect("opened");
    newer.execute_batch("PRAGMA user_version = 99").expect("set");
    drop(newer);
    let before = contents(folder.path());
    let error = SqliteJournal::open(&file).expect_err("newer");
    assert!(matches!(error, JournalError::NewerVersion { found: 99, .. }), "{error:?}");
    assert_eq!(contents(folder.path()), before);
}

#[test]
fn a_journal_that_must_exist_is_not_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let check = |name: &str, detail: &str| {
        let error = SqliteJournal::open_existing(folder.path().join(name)).expect_err("refused");
        assert!(matches!(error, JournalError::NotAJournal { .. }), "{error:?}");
        assert!(error.to_string().contains(detail), "{error}");
    };
    check("absent.db", "there is no such file");
    check("absent/absent.db", "there is no such file");
    check(".", "it is a folder");
    assert!(contents(folder.path()).is_empty());
}

#[test]
fn an_empty_file_is_a_journal_without_experiments() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("empty.db");
    std::fs::write(&path, "").expect("written");
    let mut journal = SqliteJournal::open_existing(&path).expect("opened");
    assert!(matches!(journal.read("e", 0), Err(JournalError::NotFound { .. })));
}

#[test]
fn a_path_that_is_empty_is_refused() {
    for outcome in [SqliteJournal::open(""), SqliteJournal::open_existing("")] {
        let error = outcome.expect_err("it names no file");
        assert!(matches!(error, JournalError::NotAJournal { .. }), "{error:?}");
        assert!(error.to_string().contains("the path is empty"), "{error}");
    }
}

#[test]
fn the_file_and_its_folders_are_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a/b c/50%?#.db");
    let mut journal = SqliteJournal::open(&file).expect("opened");
    journal.append("e", 0, &[record(1, "y")]).expect("appended");
    assert_eq!(journal.path(), file);
    assert_eq!(journal.location(), file.display().to_string());
    drop(journal);
    assert_eq!(
        contents(file.parent().expect("a folder")).len(),
        1,
        "nothing but the file is left once it is closed"
    );
    let mut journal = SqliteJournal::open_existing(&file).expect("opened");
    assert_eq!(journal.read("e", 0).expect("read"), [record(1, "y")]);
}

#[test]
fn an_unknown_experiment_is_answered_with_those_that_exist() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut journal = SqliteJournal::open(folder.path().join("lab.db")).expect("opened");
    journal.append("anneal", 0, &[record(1, "y")]).expect("appended");
    journal.append("Anneal", 0, &[record(1, "y")]).expect("names differ by case");
    let error = journal.read("aneal", 0).expect_err("a typing mistake");
    assert!(error.to_string().contains("there is: anneal, Anneal"), "{error}");
}

#[test]
fn a_damaged_file_says_what_can_be_done() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("lab.db");
    let mut journal = SqliteJournal::open(&file).expect("opened");
    let records: Vec<_> = (1..=500).map(|sequence| record(sequence, "y")).collect();
    journal.append("e", 0, &records).expect("appended");
    drop(journal);
    let mut bytes = std::fs::read(&file).expect("read");
    let pages = bytes.len() / 4096;
    assert!(pages > 20, "some of the pages hold events only");
    bytes[10 * 4096..].fill(0x55);
    std::fs::write(&file, bytes).expect("written");

    let mut journal = SqliteJournal::open(&file).expect("its first page is whole");
    let error = journal.read("e", 0).expect_err("damaged");
    let JournalError::Medium { source, .. } = &error else { panic!("{error:?}") };
    assert!(source.to_string().contains("sqlite3 FILE .recover"), "{source}");
}

/// Permissions mean nothing to the superuser, so it runs this test again as nobody.
#[cfg(unix)]
#[test]
fn what_cannot_be_written_is_read_only() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;

    const NAME: &str = "files::what_cannot_be_written_is_read_only";
    const NOBODY: u32 = 65534;
    let allow = |path: &Path, mode: u32| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("allowed");
    };
    let folder = tempfile::tempdir().expect("a folder");
    let locked = folder.path().join("locked");
    std::fs::create_dir(&locked).expect("made");
    allow(&locked, 0o555);
    if std::fs::write(locked.join("probe"), "").is_ok() {
        let program = folder.path().join("program");
        std::fs::copy(std::env::current_exe().expect("this program"), &program).expect("copied");
        allow(folder.path(), 0o777);
        let output = std::process::Command::new(program)
            .args(["--exact", NAME, "--nocapture"])
            .env("TMPDIR", folder.path())
            .current_dir("/")
            .uid(NOBODY)
            .gid(NOBODY)
            .output()
            .expect("started");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        assert!(text.contains("1 passed"), "{text}");
        return;
    }

    let read_only = |outcome: Result<(), JournalError>| {
        let error = outcome.expect_err("read-only");
        assert!(matches!(error, JournalError::ReadOnly { .. }), "{error:?}");
    };
    read_only(SqliteJournal::open(locked.join("new.db")).map(drop));
    read_only(SqliteJournal::open(locked.join("new/new.db")).map(drop));

    let open = folder.path().join("open");
    let file = open.join("lab.db");
    let mut journal = SqliteJournal::open(&file).expect("opened");
    journal.append("e", 0, &[record(1, "y")]).expect("appended");
    drop(journal);

    // A file without write permission, in a folder with it.
    allow(&file, 0o444);
    let mut journal = SqliteJournal::open(&file).expect("it can be read");
    assert_eq!(journal.read("e", 0).expect("read"), [record(1, "y")]);
    read_only(journal.append("e", 1, &[record(2, "y")]));
    drop(journal);

    // In WAL mode even a reader needs to write beside the file, unless other readers did.
    for beside in ["lab.db-wal", "lab.db-shm"] {
        std::fs::remove_file(open.join(beside)).expect("a reader leaves it");
    }
    allow(&open, 0o555);
    read_only(SqliteJournal::open(&file).map(drop));
    allow(&open, 0o755);
    allow(&file, 0o644);

    // In DELETE mode it does not.
    let connection = Connection::open(&file).expect("opened");
    connection
        .pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(()))
        .expect("changed");
    drop(connection);
    allow(&file, 0o444);
    allow(&open, 0o555);
    let mut journal = SqliteJournal::open_existing(&file).expect("it can be read");
    assert_eq!(journal.read("e", 0).expect("read"), [record(1, "y")]);
    read_only(journal.append("e", 1, &[record(2, "y")]));
    drop(journal);

    // A file that may not even be read.
    allow(&file, 0o000);
    read_only(SqliteJournal::open_existing(&file).map(drop));
    allow(&open, 0o755);
}
