//! Migrations, foreign files, newer versions.

use super::*;

const ONE: &[&str] = &["CREATE TABLE reading (x REAL); INSERT INTO reading VALUES (1.5);"];
const TWO: &[&str] = &[ONE[0], "ALTER TABLE reading ADD COLUMN unit TEXT DEFAULT 'mm';"];
const THREE: &[&str] = &[TWO[0], TWO[1], "UPDATE reading SET x = 2 * x;"];
const BROKEN: &[&str] = &[ONE[0], "ALTER TABLE reading ADD COLUMN unit TEXT; DROP TABLE absent;"];

struct File {
    folder: tempfile::TempDir,
}

impl File {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("lab.db")
    }

    fn migrate(&self, migrations: &[&str]) -> Result<(), JournalError> {
        let mut connection = Connection::open(self.path()).expect("opened");
        bring_up_to_date(&mut connection, &self.path(), migrations)
    }

    fn value<T: rusqlite::types::FromSql>(&self, name: &str, sql: &str) -> T {
        let connection = Connection::open(self.folder.path().join(name)).expect("opened");
        connection.query_row(sql, [], |row| row.get(0)).expect("one value")
    }

    fn names(&self) -> Vec<String> {
        let entries = self.folder.path().read_dir().expect("a folder");
        let mut names: Vec<_> = entries
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

#[test]
fn an_empty_file_gets_the_newest_version_and_no_copy() {
    let file = File::new();
    file.migrate(THREE).expect("made");
    assert_eq!(file.value::<i64>("lab.db", "PRAGMA user_version"), 3);
    assert_eq!(file.value::<i32>("lab.db", "PRAGMA application_id"), APPLICATION_ID);
    assert_eq!(file.value::<f64>("lab.db", "SELECT x FROM reading"), 3.0);
    assert_eq!(file.names(), ["lab.db"]);
}

#[test]
fn an_older_file_is_migrated_and_a_copy_is_kept() {
    let file = File::new();
    file.migrate(ONE).expect("made");
    file.migrate(THREE).expect("migrated");
    assert_eq!(file.value::<i64>("lab.db", "PRAGMA user_version"), 3);
    assert_eq!(file.value::<f64>("lab.db", "SELECT x FROM reading"), 3.0);
    assert_eq!(file.value::<String>("lab.db", "SELECT unit FROM reading"), "mm");

    assert_eq!(file.names(), ["lab.db", "lab.db.v1.bak"]);
    assert_eq!(file.value::<i64>("lab.db.v1.bak", "PRAGMA user_version"), 1);
    assert_eq!(file.value::<f64>("lab.db.v1.bak", "SELECT x FROM reading"), 1.5);
    assert_eq!(
        file.value::<i64>("lab.db.v1.bak", "SELECT count(*) FROM pragma_table_info('reading')"),
        1
    );
}

#[test]
fn what_is_in_the_write_ahead_log_is_in_the_copy() {
    let file = File::new();
    file.migrate(ONE).expect("made");
    let user = Connection::open(file.path()).expect("opened");
    user.execute_batch("PRAGMA journal_mode = WAL; INSERT INTO reading VALUES (7.5);")
        .expect("written");
    file.migrate(TWO).expect("migrated");
    assert_eq!(file.value::<f64>("lab.db.v1.bak", "SELECT max(x) FROM reading"), 7.5);
}

#[test]
fn a_migration_that_fails_changes_nothing() {
    let file = File::new();
    file.migrate(ONE).expect("made");
    let error = file.migrate(BROKEN).expect_err("there is no such table");
    assert!(matches!(error, JournalError::Medium { .. }), "{error:?}");
    assert_eq!(file.value::<i64>("lab.db", "PRAGMA user_version"), 1);
    assert_eq!(file.value::<i64>("lab.db", "SELECT count(*) FROM pragma_table_info('reading')"), 1);

    // What was written since is in the copy that the next attempt makes.
    let user = Connection::open(file.path()).expect("opened");
    user.execute_batch("INSERT INTO reading VALUES (9.5);").expect("written");
    file.migrate(TWO).expect("migrated");
    assert_eq!(file.value::<f64>("lab.db.v1.bak", "SELECT max(x) FROM reading"), 9.5);
}

#[test]
fn a_newer_file_is_refused() {
    let file = File::new();
    file.migrate(THREE).expect("made");
    let error = file.migrate(TWO).expect_err("newer");
    assert!(
        matches!(error, JournalError::NewerVersion { found: 3, supported: 2, .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("version 3"), "{error}");
    assert_eq!(file.names(), ["lab.db"]);
}

#[test]
fn the_newest_version_is_left_alone() {
    let file = File::new();
    file.migrate(TWO).expect("made");
    let before = std::fs::read(file.path()).expect("read");
    file.migrate(TWO).expect("nothing to do");
    assert_eq!(std::fs::read(file.path()).expect("read"), before);
}

#[test]
fn names_with_signs_of_their_own_in_uris_are_read() {
    let file = File::new();
    for name in ["50% of it?.db", "a#b.db", "naïve é.db", ":memory:", "file:x"] {
        let path = file.folder.path().join(name);
        std::fs::write(&path, "this is no database, it is a text for people").expect("written");
        let error = refuse_others(&path, &path).expect_err("no database");
        assert!(matches!(error, JournalError::NotAJournal { .. }), "{name}: {error:?}");
    }
}

#[test]
fn all_views_can_be_read_when_there_is_nothing_in_them() {
    let file = File::new();
    file.migrate(MIGRATIONS).expect("made");
    for view in ["experiment", "trial", "observation", "arm", "parameter"] {
        assert_eq!(file.value::<i64>("lab.db", &format!("SELECT count(*) FROM {view}")), 0);
    }
}

#[test]
fn one_trial_is_found_without_reading_all_of_them() {
    let file = File::new();
    file.migrate(MIGRATIONS).expect("made");
    let connection = Connection::open(file.path()).expect("opened");
    for view in ["trial", "observation", "parameter"] {
        let sql =
            format!("EXPLAIN QUERY PLAN SELECT * FROM {view} WHERE experiment = 'e' AND trial = 5");
        let plan: Vec<String> = connection
            .prepare(&sql)
            .expect("prepared")
            .query_map([], |row| row.get("detail"))
            .expect("planned")
            .collect::<Result<_, _>>()
            .expect("planned");
        let reads: Vec<_> =
            plan.iter().filter(|step| step.contains("born") || step.contains("attached")).collect();
        assert!(!reads.is_empty(), "{view}: {plan:#?}");
        for step in reads {
            assert!(step.starts_with("SEARCH") && step.contains("trial=?"), "{view}: {plan:#?}");
        }
    }
}
