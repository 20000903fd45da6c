//! Files that are no journal, or cannot be written: each is refused with what was found and what to do, and stays as
//! it is; through the client, and through an example as a program.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::hash::{DefaultHasher, Hasher as _};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use krige::core::trial::TrialStatus;
use krige::prelude::*;

use crate::example::{count, deployments, program, run, stored};

/// Names, lengths and fingerprints of everything in a folder.
fn contents(folder: &Path) -> Vec<(PathBuf, usize, u64)> {
    let mut contents: Vec<_> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let bytes = if path.is_dir() { Vec::new() } else { fs::read(&path).expect("read") };
            let mut fingerprint = DefaultHasher::new();
            fingerprint.write(&bytes);
            (path, bytes.len(), fingerprint.finish())
        })
        .collect();
    contents.sort();
    contents
}

/// An error with its causes, as applications print it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        write!(text, ": {cause}").expect("a string takes everything");
        source = cause.source();
    }
    text
}

/// The message names the file, what was found, and what to do.
#[track_caller]
fn says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "expected `{part}` in: {message}");
    }
}

/// The client and the example refuse a database, and leave its folder as it is.
#[track_caller]
fn refused(folder: &Path, database: &str, parts: &[&str]) {
    let before = contents(folder);
    let path = folder.join(database);
    for outcome in [Client::with_database(&path), Client::load_from_database(&path, "hartmann6")] {
        says(&chain(&outcome.expect_err("it is no journal")), parts);
        assert_eq!(contents(folder), before, "it is not touched");
    }
    for example in ["hartmann6", "branin"] {
        let ended = run(example, folder, ["--db", database]);
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        says(&ended.stderr, &["error: ", database]);
        says(&ended.stderr, parts);
        assert_eq!(contents(folder), before, "it is not touched by {example}");
    }
}

/// Runs SQL on a file with the `sqlite3` program.
#[track_caller]
fn sql(file: &Path, sql: &str) {
    let output = Command::new("sqlite3").arg(file).arg(sql).output().expect("it is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_text_file_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("notes.txt"), "buy milk\n".repeat(1000)).expect("written");
    let parts = ["notes.txt", "not a krige journal", "not an SQLite file", "name another file"];
    refused(folder.path(), "notes.txt", &parts);
}

#[test]
fn the_database_of_another_application_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let photos = folder.path().join("photos.db");
    sql(&photos, "create table photo (name text); insert into photo values ('x');");
    let parts = ["photos.db", "not a krige journal", "something else", "name another file"];
    refused(folder.path(), "photos.db", &parts);
}

#[test]
fn the_journal_of_a_newer_release_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    run("hartmann6", folder.path(), ["--db", "lab.db", "--work", ".", "--trials", "1"]).success();
    sql(&folder.path().join("lab.db"), "pragma user_version = 42");
    let parts = ["lab.db", "format version 42", "up to 2", "the release that wrote it, or a newer"];
    refused(folder.path(), "lab.db", &parts);
}

#[test]
fn a_folder_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("empty.d")).expect("made");
    let parts = ["empty.d", "not a krige journal", "it is a folder", "name another file"];
    refused(folder.path(), "empty.d", &parts);
}

#[test]
fn a_folder_that_is_a_file_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("notes.txt"), "buy milk\n").expect("written");
    refused(folder.path(), "notes.txt/lab.db", &["notes.txt/lab.db"]);
}

#[test]
fn a_path_that_is_empty_is_refused() {
    for outcome in [Client::with_database(""), Client::load_from_database("", "hartmann6")] {
        let error = outcome.expect_err("there is no file without a name");
        says(&chain(&error), &["path is empty", "name a", "file"]);
    }
    let folder = tempfile::tempdir().expect("a folder");
    let ended = run("hartmann6", folder.path(), ["--db", ""]);
    assert_eq!(ended.status.code(), Some(2), "a usage error: {ended:?}");
    says(&ended.stderr, &["--db <FILE>"]);
    assert!(contents(folder.path()).is_empty(), "nothing is made");
}

#[test]
fn an_experiment_that_is_not_there_is_answered_with_those_that_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = folder.path().join("lab.db");
    run("hartmann6", folder.path(), ["--db", "lab.db", "--trials", "1"]).success();
    run("branin", folder.path(), ["--db", "lab.db", "--trials", "1"]).success();
    let before = stored(&database, "hartmann6");
    for name in ["hartmann", ""] {
        let error = Client::load_from_database(&database, name).expect_err("another name");
        let quoted = format!("no experiment `{name}`");
        says(&chain(&error), &[&quoted, "lab.db", "there is: hartmann6, branin"]);
    }
    let missing = folder.path().join("absent.db");
    let error = Client::load_from_database(&missing, "hartmann6").expect_err("no file");
    says(&chain(&error), &["absent.db", "there is no such file"]);
    assert!(!missing.exists(), "it is not made");
    assert_eq!(stored(&database, "hartmann6"), before);
}

/// Permissions mean nothing to the superuser, so it runs this test again as nobody.
#[test]
fn what_may_not_be_written_is_refused() {
    const NAME: &str = "bad_database::what_may_not_be_written_is_refused";
    const NOBODY: u32 = 65534;
    let allow = |path: &Path, mode: u32| {
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("allowed");
    };
    let folder = tempfile::tempdir().expect("a folder");
    let locked = folder.path().join("locked");
    fs::create_dir(&locked).expect("made");
    allow(&locked, 0o555);
    let example = std::env::var_os("KRIGE_TEST_EXAMPLE").map(PathBuf::from);
    if fs::write(locked.join("probe"), "").is_ok() {
        // Where the programs are, nobody may not look.
        let [tests, example] = ["tests", "example"].map(|name| folder.path().join(name));
        fs::copy(std::env::current_exe().expect("this program"), &tests).expect("copied");
        fs::copy(program("hartmann6"), &example).expect("copied");
        allow(folder.path(), 0o777);
        let output = Command::new(tests)
            .args(["--exact", NAME, "--nocapture"])
            .env("TMPDIR", folder.path())
            .env("KRIGE_TEST_EXAMPLE", example)
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

    let example = example.unwrap_or_else(|| program("hartmann6").to_owned());
    let run = |database: &Path, trials: &str| -> Output {
        Command::new(&example)
            .args(["--trials", trials, "--trial-seconds", "0", "--work"])
            .arg(folder.path().join("work"))
            .arg("--db")
            .arg(database)
            .env("RUST_BACKTRACE", "0")
            .output()
            .expect("started")
    };
    let read_only = |database: &Path, before: &[(PathBuf, usize, u64)]| {
        let parts = [&*database.to_string_lossy(), "is read-only", "give write access"];
        let ended = run(database, "3");
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        says(&String::from_utf8_lossy(&ended.stderr), &parts);
        assert_eq!(contents(database.parent().expect("in a folder")), before);
    };
    let new = locked.join("new.db");
    let error = Client::with_database(&new).expect_err("read-only");
    says(
        &chain(&error),
        &[
            "new.db is read-only",
            "give write access to the file, the files of its name beside it, and their folder",
        ],
    );
    read_only(&new, &[]);

    let open = folder.path().join("open");
    let file = open.join("lab.db");
    let ended = run(&file, "2");
    assert!(ended.status.success(), "{ended:?}");
    allow(&file, 0o444);
    let bytes = fs::read(&file).expect("read");
    let ended = run(&file, "3");
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let errors = String::from_utf8_lossy(&ended.stderr);
    says(&errors, &["open/lab.db is read-only", "nothing was stored", "give write access"]);
    assert_eq!(fs::read(&file).expect("read"), bytes);
    assert_eq!(stored(&file, "hartmann6").trials.len(), 2, "it can be read");

    // SQLite made them as it found the file.
    for name in ["lab.db", "lab.db-wal", "lab.db-shm"] {
        allow(&open.join(name), 0o644);
    }
    let ended = run(&file, "3");
    assert!(ended.status.success(), "with permission it goes on: {ended:?}");
    assert_eq!(stored(&file, "hartmann6").trials.len(), 3);
}

/// A small disk is mounted in a namespace of its own, where an unprivileged user or the superuser may do so.
#[test]
fn a_full_disk_stops_the_run_and_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = "mount -t tmpfs -o size=4m tmpfs disk || { echo not permitted; exit; }
        head -c 3700000 /dev/zero >disk/filling
        \"$1\" --db disk/lab.db --work work --trials 30 --trial-seconds 0; echo \"status $?\"
        rm disk/filling
        \"$1\" --db disk/lab.db --work work --trials 30 --trial-seconds 0; echo \"status $?\"
        cp disk/lab.db .";
    fs::create_dir(folder.path().join("disk")).expect("made");
    let on_small_disk = |namespace: &[&str]| {
        let output = Command::new("unshare")
            .args(namespace)
            .args(["sh", "-c", script, "sh"])
            .arg(program("hartmann6"))
            .current_dir(folder.path())
            .env("RUST_BACKTRACE", "0")
            .output()
            .ok()?;
        let permitted = output.status.success() && !output.stdout.starts_with(b"not permitted");
        permitted.then_some(output)
    };
    let own_user = on_small_disk(&["--user", "--map-root-user", "--mount"]);
    let Some(output) = own_user.or_else(|| on_small_disk(&["--mount"])) else {
        eprintln!("not tested: mounting is not permitted here");
        return;
    };
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    says(&stderr, &["error: disk/lab.db", "no space is left", "free some space and go on"]);
    says(&stdout, &["status 1\n", "status 0\n"]);
    let ended =
        stderr.split_once("going on: ").expect("it goes on").1.split_once(' ').expect("text");
    assert_ne!(ended.0, "0", "the disk was filled in the midst of the run: {stderr}");
    let trials = stored(&folder.path().join("lab.db"), "hartmann6").trials;
    assert_eq!((trials.len(), count(&trials, TrialStatus::Completed)), (30, 30));
    let mut deployed = deployments(&folder.path().join("work"));
    deployed.sort_unstable();
    assert_eq!(deployed, (0..30).collect::<Vec<_>>(), "none ran twice");
}
