//! Every page of a file is damaged in turn: what was stored before the damage is saved, and nothing is made up.

use krige_core::journal::{Journal, JournalError};
use krige_sqlite::{Salvaged, SqliteJournal};

use crate::record;

const PAGE: usize = 4096;

#[test]
fn what_is_before_a_damaged_page_is_saved() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("lab.db");
    let records: Vec<_> = (1..=200).map(|sequence| record(sequence, "y")).collect();
    let mut journal = SqliteJournal::open(&file).expect("opened");
    journal.append("e", 0, &records).expect("appended");
    journal.append("other", 0, &records[..3]).expect("appended");
    let whole = folder.path().join("whole.db");
    let complete = |experiment: &str, saved| Salvaged {
        experiment: experiment.into(),
        saved,
        left_behind: 0,
        complete: true,
    };
    let report = journal.salvage(&whole).expect("nothing is damaged");
    assert_eq!(report, [complete("e", 200), complete("other", 3)]);
    drop(journal);

    let bytes = std::fs::read(&file).expect("read");
    let (mut in_part, mut all, mut said) = (0, 0, 0);
    for page in 1..bytes.len() / PAGE {
        let mut damaged = bytes.clone();
        damaged[page * PAGE..(page + 1) * PAGE].fill(0x55);
        std::fs::write(&file, damaged).expect("written");
        // Without the schema's pages nothing can be found; that is said.
        let Ok(mut journal) = SqliteJournal::open_existing(&file) else { continue };
        let into = folder.path().join(format!("saved-{page}.db"));
        let Ok(report) = journal.salvage(&into) else { continue };
        let of_e = report.iter().find(|salvaged| salvaged.experiment == "e");
        let Some(of_e) = of_e.filter(|salvaged| salvaged.saved > 0) else { continue };
        let mut saved = SqliteJournal::open_existing(&into).expect("a journal");
        let length = of_e.saved as usize;
        assert_eq!(saved.read("e", 0).expect("read"), records[..length], "page {page}");
        if of_e.complete {
            assert_eq!(length, 200, "page {page}");
            all += 1;
        } else if length < 200 {
            let error = journal.read("e", 0).expect_err("it is damaged");
            assert!(format!("{error:?}").contains("Corrupt"), "page {page}: {error:?}");
            if let Some(readable) = readable(&error) {
                assert!((1..=of_e.saved).contains(&readable), "page {page}: {error:?}");
                said += usize::from(readable == of_e.saved);
            }
            in_part += 1;
        }
        // It goes on from there.
        saved.append("e", of_e.saved, &[record(of_e.saved + 1, "z")]).expect("appended");
    }
    assert!(all > 2, "damage to indices alone costs nothing: {all}");
    assert!(in_part > 2, "damage to the table leaves what is before it: {in_part}");
    assert!(said > 2, "the error says how much can be read: {said} of {in_part}");
}

/// How many records of `e` can be read, as far as the error says.
fn readable(error: &JournalError) -> Option<u64> {
    let JournalError::Medium { source, .. } = error else { panic!("{error:?}") };
    let text = source.to_string();
    let (_, text) = text.split_once("(records 1 to ")?;
    let (count, text) = text.split_once(' ').expect("a number");
    assert!(text.starts_with("of experiment `e` can be read): "), "{text}");
    Some(count.parse().expect("a number"))
}
