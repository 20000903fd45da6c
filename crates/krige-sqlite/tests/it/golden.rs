//! Files that former releases wrote are read, and their experiments go on.

use std::path::Path;

use krige_core::Timestamp;
use krige_core::event::{Event, Record};
use krige_core::experiment::Experiment;
use krige_core::journal::{Journal, Lease, LeaseRequest};
use krige_core::observation::Observation;
use krige_core::trial::{Arm, TrialEvent, TrialStatus};
use krige_core::value::{ParameterValue, Parameterization};
use krige_sqlite::SqliteJournal;

/// A copy of a golden file, opened, in a folder of its own.
fn open(name: &str) -> (tempfile::TempDir, SqliteJournal) {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join(name);
    std::fs::copy(golden, &copy).expect("copied");
    let journal = SqliteJournal::open_existing(copy).expect("opened");
    (folder, journal)
}

/// Appends events, and gives back the experiment that they lead to.
fn go_on(journal: &mut SqliteJournal, experiment: &Experiment, events: Vec<Event>) -> Experiment {
    let at = Timestamp::from_second(1_800_000_000).expect("within range");
    let records: Vec<Record> = (experiment.sequence + 1..)
        .zip(events)
        .map(|(sequence, event)| Record { sequence, at, event })
        .collect();
    journal.append(&experiment.name, experiment.sequence, &records).expect("appended");
    Experiment::replay(&journal.read(&experiment.name, 0).expect("read")).expect("legal")
}

#[test]
fn v1_is_read() {
    let (_folder, mut journal) = open("v1.db");
    assert_eq!(journal.experiments().expect("listed"), ["anneal", "begun"]);
    let begun = journal.read("begun", 0).expect("read");
    assert_eq!(Experiment::replay(&begun).expect("legal").name, "begun");

    let records = journal.read("anneal", 0).expect("read");
    assert_eq!(records.len(), 50);
    assert_eq!(records[0].at.to_string(), "2026-11-21T14:00:10.5Z");
    let experiment = Experiment::replay(&records).expect("legal");
    assert_eq!(experiment.seed, 12_345_678_901_234_567_890);
    assert_eq!(experiment.description.as_deref(), Some("films on sapphire, chamber 2"));
    assert_eq!(experiment.baseline, Some(0));
    assert_eq!(experiment.optimization.as_ref().expect("configured").metrics(), ["yield", "cost"]);

    use TrialStatus as S;
    let statuses: Vec<_> = experiment.trials.iter().map(|trial| trial.status()).collect();
    let ended_well = [S::Completed; 4];
    let expected = [S::Completed, S::Failed, S::EarlyStopped, S::Abandoned]
        .into_iter()
        .chain(ended_well)
        .chain([S::Stale, S::Running]);
    assert!(statuses.iter().copied().eq(expected), "{statuses:?}");
    assert_eq!(experiment.trials[1].state.reason(), Some("the \"shutter\" did not open"));
    assert_eq!(experiment.trials[2].observations.len(), 4);

    let parameters = &experiment.trials[1].arm.parameters;
    assert_eq!(parameters, &experiment.trials[8].arm.parameters);
    let temperature = parameters.float("temperature").expect("a float");
    assert_eq!(temperature.to_bits(), 645.842_197_327_874_6_f64.to_bits());
    assert_eq!(parameters.get("layers"), Some(&ParameterValue::Int(4)));
    assert_eq!(parameters.get("rotate"), Some(&ParameterValue::Bool(false)));
}

/// Completes the trial that was running, and proposes one more; what `anneal` is then.
fn complete_and_propose(journal: &mut SqliteJournal) -> Experiment {
    let records = journal.read("anneal", 0).expect("read");
    let experiment = Experiment::replay(&records).expect("legal");
    let trial = 9;
    let observations =
        vec![Observation::new("yield", 2.5).with_sem(0.1), Observation::new("cost", 0.1 + 0.2)];
    let measured = [
        Event::ObservationsAttached { trial, observations, late: false },
        Event::Trial { trial, event: TrialEvent::Completed },
    ];
    let experiment = go_on(journal, &experiment, measured.into());
    assert_eq!(experiment.trials[trial].status(), TrialStatus::Completed);

    let strategy = experiment.strategy.as_ref().expect("configured");
    let proposed =
        strategy.generate(&experiment, 1, &Parameterization::default()).expect("proposed");
    let (parameters, generation) = proposed.into_iter().next().expect("one");
    assert_eq!(generation.node, "GP");
    let trial = 10;
    let arm = Arm { name: experiment.arm_name(trial, &parameters), parameters };
    let generated = Event::TrialGenerated { trial, arm: arm.clone(), generation };
    let experiment = go_on(journal, &experiment, vec![generated]);
    assert_eq!(experiment.trials.len(), 11);
    assert_eq!(experiment.trials[trial].arm, arm);
    experiment
}

#[test]
fn v1_goes_on() {
    let (folder, mut journal) = open("v1.db");
    let experiment = complete_and_propose(&mut journal);

    // What version 2 brought works on it.
    let (holder, now) = ("host:1:a".to_owned(), Timestamp::UNIX_EPOCH);
    let until = now + std::time::Duration::from_secs(30);
    let request = LeaseRequest { holder: holder.clone(), now, until };
    assert_eq!(journal.lease("anneal", &request).expect("asked"), Lease { holder, until });
    let launch = |run| Event::Trial { trial: 10, event: TrialEvent::Launching { run } };
    let retried = TrialEvent::Retried { reason: "preempted".into() };
    let run = experiment.next_run(10);
    let retry = vec![launch(run), Event::Trial { trial: 10, event: retried }];
    let experiment = go_on(&mut journal, &experiment, retry);
    let again = launch(experiment.next_run(10));
    go_on(&mut journal, &experiment, vec![again]);
    assert_eq!(last_trial(folder.path(), "v1.db"), (11, "staged".into(), 2));
}

/// How many trials the view has, and the last one's status and attempts.
fn last_trial(folder: &Path, name: &str) -> (i64, String, i64) {
    let file = rusqlite::Connection::open(folder.join(name)).expect("opened");
    let sql = "SELECT (SELECT count(*) FROM trial WHERE experiment = 'anneal'), status, attempts \
               FROM trial WHERE experiment = 'anneal' ORDER BY trial DESC LIMIT 1";
    file.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).expect("a trial")
}

#[test]
fn v2_is_read_and_goes_on() {
    let (folder, mut journal) = open("v2.db");
    assert_eq!(journal.experiments().expect("listed"), ["anneal", "begun"]);
    let records = journal.read("anneal", 0).expect("read");
    let experiment = Experiment::replay(&records).expect("legal");
    assert_eq!(experiment.leader.as_deref(), Some("lab1:4711:c0ffee"));
    assert_eq!(experiment.controls.parallelism, Some(3));
    assert_eq!(experiment.notes.len(), 2);
    assert!(experiment.orchestration.is_some());
    assert!(experiment.early_stopping.is_some() && experiment.global_stopping.is_some());
    let (stopped, last) = (&experiment.trials[2], &experiment.trials[9]);
    assert!(stopped.late && !last.late);
    assert_eq!((last.status(), last.attempts), (TrialStatus::Running, 2));
    assert_eq!(last_trial(folder.path(), "v2.db"), (10, "running".into(), 2));

    let holder = "lab2:1:b".to_owned();
    let at = |time: &str| time.parse::<Timestamp>().expect("a time");
    let (now, until) = (at("2026-11-21T14:00:00Z"), at("2026-11-21T14:00:30Z"));
    let lease = journal.lease("anneal", &LeaseRequest { holder, now, until }).expect("asked");
    assert_eq!(lease.holder, "lab1:4711:c0ffee");
    assert_eq!(lease.until.to_string(), "2026-11-21T15:00:00.25Z");
    complete_and_propose(&mut journal);
}

#[test]
fn the_scripts_are_what_they_were() {
    let scripts = [
        ("v1.db", include_str!("../../src/schema/v1.sql")),
        ("v2.db", include_str!("../../src/schema/v2.sql")),
    ];
    let schema = |file: &rusqlite::Connection| -> Vec<Option<String>> {
        file.prepare("SELECT sql FROM sqlite_schema ORDER BY name")
            .expect("prepared")
            .query_map([], |row| row.get(0))
            .expect("asked")
            .collect::<Result<_, _>>()
            .expect("answered")
    };
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let read_only = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let now = rusqlite::Connection::open_in_memory().expect("opened");
    for (name, script) in scripts {
        let then =
            rusqlite::Connection::open_with_flags(golden.join(name), read_only).expect("opened");
        now.execute_batch(script).expect("made");
        assert_eq!(schema(&then), schema(&now), "{name}");
    }
}
