//! Several processes use one file. Each test starts itself again, with the file's name in the environment, as the
//! other processes.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use krige_core::event::Record;
use krige_core::journal::{Journal, JournalError};
use krige_sqlite::SqliteJournal;

use crate::{metric, record};

const WRITERS: usize = 8;
const APPENDS: usize = 25;

/// The file, in a process that a test started.
fn file_of_child() -> Option<PathBuf> {
    std::env::var_os("KRIGE_TEST_FILE").map(PathBuf::from)
}

fn start(test: &str, file: &Path, writer: usize) -> Child {
    Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env("KRIGE_TEST_FILE", file)
        .env("KRIGE_TEST_WRITER", writer.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started")
}

/// Appends records of those metrics behind whatever is there, however often others are faster.
fn append(journal: &mut SqliteJournal, after: &mut u64, metrics: &[String]) {
    loop {
        let records: Vec<Record> = (*after + 1..)
            .zip(metrics)
            .map(|(sequence, metric)| record(sequence, metric))
            .collect();
        match journal.append("shared", *after, &records) {
            Ok(()) => {
                *after += records.len() as u64;
                return;
            }
            Err(JournalError::Conflict { found, .. }) => *after = found,
            Err(JournalError::Busy { .. }) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
}

#[test]
fn eight_writers_lose_nothing() {
    if let Some(file) = file_of_child() {
        let writer = std::env::var("KRIGE_TEST_WRITER").expect("its number");
        let mut journal = SqliteJournal::open(file).expect("opened");
        let mut after = 0;
        for i in 0..APPENDS {
            append(&mut journal, &mut after, &[format!("{writer} {i}")]);
        }
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("lab.db");
    let writers: Vec<Child> = (0..WRITERS)
        .map(|writer| start("processes::eight_writers_lose_nothing", &file, writer))
        .collect();
    for writer in writers {
        let output = writer.wait_with_output().expect("it ended");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    let mut journal = SqliteJournal::open_existing(&file).expect("opened");
    let records = journal.read("shared", 0).expect("read");
    assert_eq!(records.len(), WRITERS * APPENDS);
    for writer in 0..WRITERS {
        let prefix = format!("{writer} ");
        let own: Vec<&str> =
            records.iter().map(metric).filter(|metric| metric.starts_with(&prefix)).collect();
        let expected: Vec<String> = (0..APPENDS).map(|i| format!("{writer} {i}")).collect();
        assert_eq!(own, expected, "each once, in its writer's order");
    }
}

#[test]
fn a_killed_writer_leaves_whole_appends() {
    const TOGETHER: u64 = 3;
    if let Some(file) = file_of_child() {
        let mut journal = SqliteJournal::open(file).expect("opened");
        let mut after = 0;
        loop {
            let metrics = [(); TOGETHER as usize].map(|()| after.to_string());
            append(&mut journal, &mut after, &metrics);
            eprintln!("{after}");
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("lab.db");
    let mut confirmed = 0;
    for round in 1..=5 {
        let mut child = start("processes::a_killed_writer_leaves_whole_appends", &file, 0);
        let lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        for line in lines.take(7 * round) {
            confirmed = line.expect("a line").parse().expect("a number");
        }
        child.kill().expect("killed");
        child.wait().expect("it ended");

        let mut journal = SqliteJournal::open_existing(&file).expect("opened");
        let stored = journal.read("shared", 0).expect("read").len() as u64;
        assert!(stored >= confirmed, "{confirmed} were confirmed, and {stored} are there");
        assert_eq!(stored % TOGETHER, 0, "an append is stored as a whole");
    }
}
