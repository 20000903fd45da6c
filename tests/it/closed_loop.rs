//! Runners and metrics of one's own, found again from the database alone; several processes on one database.
//!
//! Where a test needs other processes it starts itself again, with their role in the environment.

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use krige::core::event::{Event, Record};
use krige::core::generation::GenerationError;
use krige::core::journal::{Journal, JournalError, Lease, LeaseRequest};
use krige::core::trial::TrialStatus;
use krige::prelude::*;
use krige::sqlite::SqliteJournal;
use serde::{Deserialize, Serialize};

use crate::example::{PATIENCE, Running, count, stored};
use crate::wait::wait_until;

/// Starts a shell command that computes, and leaves the result in a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Shell {
    folder: PathBuf,
}

#[typetag::serde(name = "test-shell")]
impl IRunner for Shell {
    fn run_trial(
        &self,
        run: &TrialRun,
        parameters: &Parameterization,
    ) -> Result<Metadata, RunnerError> {
        let output = self.folder.join(&run.key);
        let (x1, x2) = (parameters.float("x1")?, parameters.float("x2")?);
        let mut child = Command::new("awk")
            .arg(format!("BEGIN {{ printf \"%.17g\\n\", ({x1} - 3) ^ 2 + ({x2} + 1) ^ 2 }}"))
            .stdin(Stdio::null())
            .stdout(File::create_new(&output).map_err(RunnerError::permanent)?)
            .spawn()
            .map_err(RunnerError::permanent)?;
        let metadata = Metadata::of("pid", child.id()).with("output", output.display().to_string());
        std::thread::spawn(move || child.wait());
        Ok(metadata)
    }

    fn poll_trial(&self, _run: &TrialRun, metadata: &Metadata) -> Result<RunStatus, RunnerError> {
        let path = metadata.text("output").unwrap_or_default();
        let written = fs::read_to_string(path).map_err(RunnerError::transient)?;
        Ok(if written.ends_with('\n') { RunStatus::Completed } else { RunStatus::Running })
    }
}

/// The number in the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Written;

#[typetag::serde(name = "test-written")]
impl IMetric for Written {
    fn fetch(&self, _run: &TrialRun, metadata: &Metadata) -> Result<Measurement, MetricError> {
        let path = metadata.text("output").unwrap_or_default();
        let written = fs::read_to_string(path).map_err(MetricError::transient)?;
        let value: f64 = written.trim().parse().map_err(MetricError::permanent)?;
        Ok(value.into())
    }
}

const EXPERIMENT: &str = "bowl";

fn options(total: usize) -> OrchestratorOptions {
    let (first, longest) = (Duration::from_millis(2), Duration::from_millis(50));
    OrchestratorOptions {
        progress: Progress::Silent,
        ..OrchestratorOptions::until(total, 2).poll_every(first, longest)
    }
}

/// Begins the experiment, with what it takes to ask and tell.
fn begin(database: &Path) -> Client {
    let mut client = Client::with_database(database).expect("a new file").with_seed(9);
    client
        .configure_experiment(
            ExperimentConfig::new(EXPERIMENT)
                .parameter(Parameter::float("x1", -5.0, 5.0))
                .parameter(Parameter::float("x2", -5.0, 5.0)),
        )
        .expect("a search space");
    client.configure_optimization(&format!("-{EXPERIMENT}"), &[]).expect("an objective");
    client
}

/// Begins the experiment, with runner and metric.
fn begin_closed_loop(folder: &Path) -> Client {
    let mut client = begin(&folder.join("lab.db"));
    client.configure_runner(Shell { folder: folder.to_owned() }).expect("it can be stored");
    client.configure_metric(EXPERIMENT, Written).expect("it can be stored");
    client
}

/// Goes on from the database alone, until the experiment has so many trials.
fn go_on(folder: &Path, total: usize) {
    let mut client = Client::load_from_database(folder.join("lab.db"), EXPERIMENT).expect("found");
    let report = client.run_trials(options(total)).expect("runner and metric are found again");
    assert_eq!(report.ended, EndReason::Done);
}

#[track_caller]
fn complete(folder: &Path, total: usize) {
    let experiment = stored(&folder.join("lab.db"), EXPERIMENT);
    assert_eq!(experiment.trials.len(), total);
    for trial in &experiment.trials {
        assert_eq!(trial.status(), TrialStatus::Completed, "{trial:?}");
        let of = |name| trial.arm.parameters.float(name).expect("a number");
        let (expected, found) = (
            (of("x1") - 3.0).powi(2) + (of("x2") + 1.0).powi(2),
            trial.observation(EXPERIMENT).expect("it was measured").mean,
        );
        assert!((found - expected).abs() <= 1e-9 * expected.max(1e-6), "{found} {expected}");
        let run = &trial.state.launch().expect("it was launched").run;
        assert!(folder.join(&run.key).exists(), "it ran under its key");
    }
    let nodes: HashSet<_> = experiment.trials.iter().map(|trial| trial.node()).collect();
    assert!(nodes.contains("GP"), "{nodes:?}");
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
        .args(["--exact", &format!("closed_loop::{test}"), "--nocapture"])
        .env("KRIGE_TEST_FOLDER", folder)
        .env("KRIGE_TEST_ROLE", role);
    Running::start(&mut command, &folder.join(format!("{role}.stderr")))
}

#[test]
fn runner_and_metric_are_found_again_from_the_database_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut client = begin_closed_loop(folder.path());
    let report = client.run_trials(options(4)).expect("runs");
    assert_eq!((report.ended, report.finished, report.running), (EndReason::Done, 4, 0));
    let before = client.experiment().expect("there").clone();
    drop(client);

    let mut client =
        Client::load_from_database(folder.path().join("lab.db"), EXPERIMENT).expect("found");
    assert_eq!(client.experiment().expect("there"), &before, "it is as it was");
    let report = client.run_trials(options(10)).expect("runner and metric are found again");
    assert_eq!((report.ended, report.finished), (EndReason::Done, 6));
    let best = client.get_best_parameterization(false).expect("there is one");
    drop(client);
    complete(folder.path(), 10);
    let client =
        Client::load_from_database(folder.path().join("lab.db"), EXPERIMENT).expect("found");
    assert_eq!(client.get_best_parameterization(false).expect("there is one"), best);
}

#[test]
fn one_process_goes_on_where_another_ended() {
    const NAME: &str = "one_process_goes_on_where_another_ended";
    match role() {
        Some((role, folder)) if role == "first" => {
            begin_closed_loop(&folder).run_trials(options(5)).expect("runs");
        }
        Some((_second, folder)) => go_on(&folder, 10),
        None => {
            let folder = tempfile::tempdir().expect("a folder");
            start(NAME, "first", folder.path()).end().success();
            start(NAME, "second", folder.path()).end().success();
            complete(folder.path(), 10);
        }
    }
}

#[test]
fn four_processes_ask_and_tell_at_the_same_time() {
    const NAME: &str = "four_processes_ask_and_tell_at_the_same_time";
    const EACH: usize = 10;
    if let Some((role, folder)) = role() {
        let mut client =
            Client::load_from_database(folder.join("lab.db"), EXPERIMENT).expect("found");
        for _ in 0..EACH {
            // While others work on the trials that the strategy waits for, there may be none.
            let asked = wait_until("a trial", PATIENCE, || match client.get_next_trials(1) {
                Ok(asked) => Some(asked),
                Err(Error::Generation(GenerationError::Paused(_))) => None,
                Err(error) => panic!("{error:?}"),
            });
            assert_eq!(asked.len(), 1);
            for (trial, parameters) in asked {
                let of = |name| parameters.float(name).expect("a number");
                let value = (of("x1") - 3.0).powi(2) + (of("x2") + 1.0).powi(2);
                let status = client.complete_trial(trial, [(EXPERIMENT, value)]).expect("told");
                assert_eq!(status, TrialStatus::Completed);
                fs::write(folder.join(format!("told-{role}-{trial}")), "").expect("noted");
            }
        }
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    drop(begin(&folder.path().join("lab.db")));
    let processes = ["a", "b", "c", "d"].map(|role| start(NAME, role, folder.path()));
    for process in processes {
        process.end().success();
    }
    let experiment = stored(&folder.path().join("lab.db"), EXPERIMENT);
    assert_eq!(count(&experiment.trials, TrialStatus::Completed), 4 * EACH, "none is lost");
    let indices: Vec<_> = experiment.trials.iter().map(|trial| trial.index).collect();
    assert_eq!(indices, (0..4 * EACH).collect::<Vec<_>>());
    let mut told: Vec<usize> = fs::read_dir(folder.path())
        .expect("the folder")
        .filter_map(|entry| {
            let name = entry.expect("an entry").file_name().into_string().expect("UTF-8");
            name.strip_prefix("told-")?.split_once('-')?.1.parse().ok()
        })
        .collect();
    told.sort_unstable();
    assert_eq!(told, indices, "each trial was handed to one process");
    for trial in &experiment.trials {
        let of = |name| trial.arm.parameters.float(name).expect("a number");
        let value = (of("x1") - 3.0).powi(2) + (of("x2") + 1.0).powi(2);
        assert_eq!(trial.observation(EXPERIMENT).expect("told").mean, value, "its own value");
    }
}

/// What one client stores is no reason for another to fail, even if it has not looked since.
#[test]
fn a_client_is_configured_while_another_is_at_work() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut one = begin(&folder.path().join("lab.db"));
    let database = folder.path().join("lab.db");
    let mut other = Client::load_from_database(database, EXPERIMENT).expect("found");
    let mut meanwhile = || {
        let asked = other.get_next_trials(1).expect("a trial");
        for (trial, _) in asked {
            other.complete_trial(trial, [(EXPERIMENT, 1.0)]).expect("told");
        }
    };
    meanwhile();
    one.configure_optimization(&format!("-{EXPERIMENT}"), &[]).expect("optimization");
    meanwhile();
    one.configure_generation_strategy(&StrategyOptions::default()).expect("strategy");
    meanwhile();
    one.configure_runner(Shell { folder: folder.path().to_owned() }).expect("runner");
    meanwhile();
    one.configure_metric(EXPERIMENT, Written).expect("metric");
    meanwhile();
    one.configure_tracking_metrics(["humidity"]).expect("tracking metrics");
    let experiment = stored(&folder.path().join("lab.db"), EXPERIMENT);
    assert_eq!(&experiment, one.experiment().expect("there"));
    assert_eq!(experiment.trials.len(), 5);
    assert!(experiment.runner.is_some() && experiment.metrics.contains_key("humidity"));
}

/// A journal on which somebody else proposes in the moment before the first proposal of this process is stored.
struct Overtaken {
    journal: SqliteJournal,
    other: Option<Client>,
}

impl Journal for Overtaken {
    fn append(
        &mut self,
        experiment: &str,
        after: u64,
        records: &[Record],
    ) -> Result<(), JournalError> {
        let proposes = |record: &Record| matches!(record.event, Event::TrialGenerated { .. });
        if records.iter().any(proposes)
            && let Some(mut other) = self.other.take()
        {
            for (trial, _) in other.get_next_trials(2).expect("trials") {
                other.complete_trial(trial, [(EXPERIMENT, 1.0)]).expect("told");
            }
        }
        self.journal.append(experiment, after, records)
    }

    fn read(&mut self, experiment: &str, after: u64) -> Result<Vec<Record>, JournalError> {
        self.journal.read(experiment, after)
    }

    fn experiments(&mut self) -> Result<Vec<String>, JournalError> {
        self.journal.experiments()
    }

    fn lease(&mut self, experiment: &str, request: &LeaseRequest) -> Result<Lease, JournalError> {
        self.journal.lease(experiment, request)
    }

    fn release(&mut self, experiment: &str, holder: &str) -> Result<(), JournalError> {
        self.journal.release(experiment, holder)
    }

    fn location(&self) -> String {
        self.journal.location()
    }
}

#[test]
fn trials_that_others_propose_count_toward_the_total() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = folder.path().join("lab.db");
    drop(begin_closed_loop(folder.path()));
    let other = Client::load_from_database(&database, EXPERIMENT).expect("found");
    let journal = SqliteJournal::open(&database).expect("opened");
    let journal = Overtaken { journal, other: Some(other) };
    let mut client = Client::load_from_journal(journal, EXPERIMENT).expect("found");
    let report = client.run_trials(options(2)).expect("runs");
    assert_eq!(stored(&database, EXPERIMENT).trials.len(), 2);
    assert_eq!((report.ended, report.finished), (EndReason::Done, 0));
}
