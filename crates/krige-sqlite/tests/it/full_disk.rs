//! A disk that is really full: a small one, mounted where an unprivileged user may mount, in a namespace of its own.

use std::path::Path;
use std::process::Command;

use krige_core::journal::{Journal, JournalError};
use krige_sqlite::SqliteJournal;

use crate::record;

const NAME: &str = "full_disk::a_full_disk_loses_nothing";

/// Starts this test again in a namespace where `disk` is a disk of 400 kB; `None` where that is not permitted.
fn on_small_disk(disk: &Path) -> Option<std::process::Output> {
    let namespace = ["--user", "--map-root-user", "--mount"];
    let mount = "mount -t tmpfs -o size=400k tmpfs \"$1\"";
    let run = |script: &str| {
        Command::new("unshare")
            .args(namespace)
            .args(["sh", "-c", script, "sh"])
            .arg(disk)
            .arg(std::env::current_exe().expect("this program"))
            .env("KRIGE_TEST_DISK", disk)
            .output()
    };
    let permitted = run(mount).is_ok_and(|output| output.status.success());
    permitted
        .then(|| run(&format!("{mount} && \"$2\" --exact {NAME} --nocapture")).expect("started"))
}

#[test]
fn a_full_disk_loses_nothing() {
    let Some(disk) = std::env::var_os("KRIGE_TEST_DISK") else {
        let folder = tempfile::tempdir().expect("a folder");
        match on_small_disk(folder.path()) {
            Some(output) => {
                let text = String::from_utf8_lossy(&output.stdout);
                let errors = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success() && text.contains("1 passed"), "{text}{errors}");
            }
            None => eprintln!("not tested: mounting is not permitted here"),
        }
        return;
    };
    let disk = Path::new(&disk);
    let filling = disk.join("filling");
    let mut journal = SqliteJournal::open(disk.join("lab.db")).expect("opened");
    let mut stored = 0;
    std::fs::write(&filling, vec![0; 200_000]).expect("there is space");
    let error = loop {
        match journal.append("e", stored, &[record(stored + 1, "y")]) {
            Ok(()) => stored += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, JournalError::Full { .. }), "{error:?}");
    assert!(stored > 0);
    assert_eq!(journal.read("e", 0).expect("read").len() as u64, stored);

    // What is there survives a restart on the full disk, and it goes on when there is space.
    drop(journal);
    let mut journal = SqliteJournal::open(disk.join("lab.db")).expect("opened again");
    assert_eq!(journal.read("e", 0).expect("read").len() as u64, stored);
    std::fs::remove_file(&filling).expect("removed");
    journal.append("e", stored, &[record(stored + 1, "y")]).expect("there is space again");

    // A new file on a full disk.
    std::fs::write(&filling, vec![0; 400_000]).expect_err("it fills the disk");
    let error = SqliteJournal::open(disk.join("new.db")).expect_err("full");
    assert!(matches!(error, JournalError::Full { .. }), "{error:?}");
}
