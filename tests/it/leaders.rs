//! Several processes on one experiment: one drives, and another takes over when it dies or is stopped; all may ask and tell.
//!
//! Each test starts itself again in other processes, with their role in the environment.

use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use krige::core::event::{Event, Record};
use krige::core::journal::{Journal, JournalError};
use krige::core::trial::{TrialEvent, TrialStatus};
use krige::prelude::*;
use krige::runner::Found;
use krige::sqlite::SqliteJournal;
use serde::{Deserialize, Serialize};

use crate::example::{PATIENCE, Running, count, signal, stored};
use crate::wait::wait_until;

const EXPERIMENT: &str = "led";
const TRIALS: usize = 8;

/// Notes each launch, in a line of a common file and in a file of its own. Nothing ends before there is a file `open`.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Noting {
    folder: PathBuf,
}

#[typetag::serde(name = "test-noting")]
impl IRunner for Noting {
    fn run_trial(
        &self,
        run: &TrialRun,
        _parameters: &Parameterization,
    ) -> Result<Metadata, RunnerError> {
        let path = self.folder.join("launched");
        let mut log = OpenOptions::new().create(true).append(true).open(path).expect("opened");
        log.write_all(format!("{}\n", run.key).as_bytes()).expect("noted");
        fs::write(self.folder.join(&run.key), "").map_err(RunnerError::permanent)?;
        Ok(Metadata::default())
    }

    fn poll_trial(&self, _run: &TrialRun, _metadata: &Metadata) -> Result<RunStatus, RunnerError> {
        let open = self.folder.join("open").exists();
        Ok(if open { RunStatus::Completed } else { RunStatus::Running })
    }

    fn find_trial(&self, run: &TrialRun) -> Result<Found, RunnerError> {
        let exists = self.folder.join(&run.key).exists();
        Ok(if exists { Found::Exists(Metadata::default()) } else { Found::Absent })
    }
}

/// The trial's number; in the first process not before there is a file `gate`.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Gated {
    folder: PathBuf,
}

#[typetag::serde(name = "test-gated")]
impl IMetric for Gated {
    fn fetch(&self, run: &TrialRun, _metadata: &Metadata) -> Result<Measurement, MetricError> {
        if role().is_some_and(|(role, _)| role == "first") {
            fs::write(self.folder.join("fetching"), "").map_err(MetricError::permanent)?;
            let gate = self.folder.join("gate");
            wait_until("the gate", PATIENCE, || gate.exists().then_some(()));
        }
        Ok((run.trial_index as f64).into())
    }
}

/// The role of a process that a test started, and the folder that it works in.
fn role() -> Option<(String, PathBuf)> {
    let folder = PathBuf::from(std::env::var_os("KRIGE_TEST_FOLDER")?);
    Some((std::env::var("KRIGE_TEST_ROLE").expect("it comes with the folder"), folder))
}

/// Starts a test again in another process.
fn start(test: &str, role: &str, folder: &Path) -> Running {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command
        .args(["--exact", &format!("leaders::{test}"), "--nocapture"])
        .env("KRIGE_TEST_FOLDER", folder)
        .env("KRIGE_TEST_ROLE", role);
    Running::start(&mut command, &folder.join(format!("{role}.stderr")))
}

fn database(folder: &Path) -> PathBuf {
    folder.join("lab.db")
}

fn begin(folder: &Path) {
    let mut client = Client::with_database(database(folder)).expect("a new file").with_seed(9);
    let config = ExperimentConfig::new(EXPERIMENT).parameter(Parameter::float("x", 0.0, 1.0));
    client.configure_experiment(config).expect("a search space");
    client.configure_optimization("-y", &[]).expect("an objective");
    let method = GenerationMethod::RandomSearch;
    let options = StrategyOptions { method, ..StrategyOptions::default() };
    client.configure_generation_strategy(&options).expect("a strategy");
    client.configure_runner(Noting { folder: folder.to_owned() }).expect("it can be stored");
    client.configure_metric("y", Gated { folder: folder.to_owned() }).expect("it can be stored");
}

/// Drives the experiment to its end, or watches it there.
fn run_to_the_end(folder: &Path, lease: Duration) {
    let mut client = Client::load_from_database(database(folder), EXPERIMENT).expect("found");
    let options = OrchestratorOptions {
        lease,
        progress: Progress::Silent,
        ..OrchestratorOptions::until(TRIALS, 3)
            .poll_every(Duration::from_millis(2), Duration::from_millis(20))
    };
    let report = client.run_trials(options).expect("runs");
    assert_eq!((report.ended, report.finished), (EndReason::Done, TRIALS));
}

fn launched(folder: &Path) -> Vec<String> {
    let log = fs::read_to_string(folder.join("launched")).unwrap_or_default();
    log.lines().map(ToOwned::to_owned).collect()
}

fn records(folder: &Path) -> Vec<Record> {
    let mut journal = SqliteJournal::open_existing(database(folder)).expect("opened");
    journal.read(EXPERIMENT, 0).expect("read")
}

/// Every trial was launched once, and completed once with its own value; two processes led.
#[track_caller]
fn assert_each_ran_once(folder: &Path) {
    let launched = launched(folder);
    assert_eq!(launched.iter().collect::<HashSet<_>>().len(), TRIALS, "{launched:?}");
    assert_eq!(launched.len(), TRIALS, "{launched:?}");
    let experiment = stored(&database(folder), EXPERIMENT);
    assert_eq!(experiment.trials.len(), TRIALS);
    for trial in &experiment.trials {
        assert_eq!((trial.status(), trial.attempts), (TrialStatus::Completed, 1), "{trial:?}");
        let values: Vec<f64> = trial.observations.iter().map(|o| o.mean).collect();
        assert_eq!(values, [trial.index as f64]);
    }
    let led = |record: &&Record| matches!(record.event, Event::Led { .. });
    assert_eq!(records(folder).iter().filter(led).count(), 2);
}

#[test]
fn a_leader_that_is_killed_is_succeeded_and_nothing_runs_twice() {
    const NAME: &str = "a_leader_that_is_killed_is_succeeded_and_nothing_runs_twice";
    if let Some((_, folder)) = role() {
        return run_to_the_end(&folder, Duration::from_secs(30));
    }
    let folder = tempfile::tempdir().expect("a folder");
    begin(folder.path());
    let first = start(NAME, "first", folder.path());
    wait_until("three trials run", PATIENCE, || (launched(folder.path()).len() == 3).then_some(()));
    let second = start(NAME, "second", folder.path());
    let (status, _) = first.end_within(Duration::ZERO);
    assert!(!status.success(), "it was killed");
    fs::write(folder.path().join("open"), "").expect("written");
    second.end().success();
    assert_each_ran_once(folder.path());
}

/// Stops a process at a moment when it does not keep the database locked.
fn stop(process: &Running, folder: &Path) {
    let mut journal = SqliteJournal::open_existing(database(folder)).expect("opened");
    loop {
        signal("STOP", &process.id().to_string());
        match journal.release(EXPERIMENT, "nobody") {
            Ok(()) => return,
            Err(JournalError::Busy { .. }) => signal("CONT", &process.id().to_string()),
            Err(error) => panic!("{error:?}"),
        }
    }
}

#[test]
fn a_leader_that_was_stopped_is_succeeded_and_its_late_result_is_kept() {
    const NAME: &str = "a_leader_that_was_stopped_is_succeeded_and_its_late_result_is_kept";
    if let Some((_, folder)) = role() {
        return run_to_the_end(&folder, Duration::from_secs(1));
    }
    let folder = tempfile::tempdir().expect("a folder");
    begin(folder.path());
    fs::write(folder.path().join("open"), "").expect("written");
    let first = start(NAME, "first", folder.path());
    wait_until("a result is fetched, and three trials run", PATIENCE, || {
        let fetching = folder.path().join("fetching").exists();
        let running = stored(&database(folder.path()), EXPERIMENT);
        (fetching && count(&running.trials, TrialStatus::Running) == 3).then_some(())
    });
    stop(&first, folder.path());
    let former = stored(&database(folder.path()), EXPERIMENT).leader;
    start(NAME, "second", folder.path()).end().success();
    assert_each_ran_once(folder.path());
    let before = records(folder.path());

    fs::write(folder.path().join("gate"), "").expect("written");
    signal("CONT", &first.id().to_string());
    first.end().success();
    assert_each_ran_once(folder.path());
    let after = records(folder.path()).split_off(before.len());
    assert!(!after.is_empty(), "what was fetched is kept");
    for record in after {
        assert!(
            matches!(record.event, Event::ObservationsAttached { late: true, .. }),
            "the former leader stores late results and nothing else: {record:?}"
        );
    }
    let experiment = stored(&database(folder.path()), EXPERIMENT);
    assert!(experiment.trials.iter().any(|trial| trial.late));
    assert_ne!(experiment.leader, former);
}

#[test]
fn sixteen_processes_ask_and_tell_at_the_same_time() {
    const NAME: &str = "sixteen_processes_ask_and_tell_at_the_same_time";
    const EACH: usize = 25;
    if let Some((_, folder)) = role() {
        let mut client = Client::load_from_database(database(&folder), EXPERIMENT).expect("found");
        for _ in 0..EACH {
            for (trial, _) in client.get_next_trials(1).expect("asked") {
                client.complete_trial(trial, [("y", trial as f64)]).expect("told");
            }
        }
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    begin(folder.path());
    let processes: Vec<Running> =
        (0..16).map(|number| start(NAME, &number.to_string(), folder.path())).collect();
    for process in processes {
        process.end().success();
    }
    let experiment = stored(&database(folder.path()), EXPERIMENT);
    assert_eq!(count(&experiment.trials, TrialStatus::Completed), 16 * EACH, "none is lost");
    assert_eq!(experiment.trials.len(), 16 * EACH);
    let completions = records(folder.path())
        .iter()
        .filter(|r| matches!(r.event, Event::Trial { event: TrialEvent::Completed, .. }))
        .count();
    assert_eq!(completions, 16 * EACH);
}
