//! However often a run is submitted, and whoever dies meanwhile, it is run once and found again.

use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};

use krige_core::trial::{Metadata, TrialRun};
use krige_runner::program::RunFolder;
use krige_runner::{Found, IRunner, RunStatus, RunnerError};

use crate::bed::{Bed, file, wait_for};

/// Notes each time that the program is run.
const NOTED: &str = "echo ran >>../runs; while ! [ -e ../go ]; do sleep 0.05; done";

fn executions(bed: &Bed) -> usize {
    fs::read_to_string(bed.runner.work.join("runs")).unwrap_or_default().lines().count()
}

fn go(bed: &Bed) {
    fs::write(bed.runner.work.join("go"), "").expect("a file");
}

fn folder(metadata: &Metadata) -> RunFolder {
    RunFolder::of(metadata).expect("it has a folder")
}

#[test]
fn two_submissions_of_one_key_are_one_execution() {
    let bed = Bed::shared(NOTED);
    let run = bed.run(0);
    let first = bed.launch(&run);
    // As if the first had never been noted.
    fs::remove_file(folder(&first).own("job")).expect("it was noted");
    let again = bed.reopened();
    let second = wait_for("the lock", || again.run_trial(&run, &bed.parameters()).ok());
    bed.begun(&first);
    go(&bed);
    for metadata in [&first, &second] {
        assert_eq!(bed.end(&run, metadata), RunStatus::Completed);
    }
    let name = format!("--name={}", run.key);
    wait_for("the end of all jobs of that name", || {
        bed.slurm("squeue", &["-h", &name]).is_empty().then_some(())
    });
    assert_eq!(executions(&bed), 1);
}

#[test]
fn two_arrays_of_the_same_keys_run_each_once() {
    let bed = Bed::shared(NOTED);
    let batch = [0, 1].map(|trial| (bed.run(trial), bed.parameters()));
    let first: Vec<_> = bed.runner.run_trials(&batch).into_iter().flatten().collect();
    for metadata in &first {
        fs::remove_file(folder(metadata).own("job")).expect("it was noted");
    }
    let others: Vec<_> = batch.iter().map(|(run, _)| bed.find(run)).collect();
    let others: Vec<Metadata> = others
        .into_iter()
        .map(|found| match found {
            Found::Exists(metadata) => metadata,
            other => panic!("expected a job, found {other:?}"),
        })
        .collect();
    assert_eq!(others, first);
    let script = folder(&first[0]).own("job.sh");
    let name = format!("--job-name={}", batch[0].0.key);
    bed.slurm("sbatch", &["--array=0-1", &name, "-o", "/dev/null", &script.to_string_lossy()]);
    for metadata in &first {
        bed.begun(metadata);
    }
    go(&bed);
    for ((run, _), metadata) in batch.iter().zip(&first) {
        assert_eq!(bed.end(run, metadata), RunStatus::Completed);
    }
    let name = format!("--name={}", batch[0].0.key);
    wait_for("the end of all jobs of that name", || {
        bed.slurm("squeue", &["-h", &name]).is_empty().then_some(())
    });
    assert_eq!(executions(&bed), 2);
}

#[test]
fn a_run_whose_submission_is_under_way_is_not_absent() {
    let bed = Bed::shared("true");
    let run = bed.run(0);
    assert_eq!(bed.find(&run), Found::Absent);
    let folder = RunFolder::new(&bed.runner.work, &run);
    let lock = folder.lock().expect("a folder").expect("nobody else has it");
    let found = bed.reopened().find_trial(&run);
    assert!(matches!(found, Err(RunnerError::Transient(_))), "{found:?}");
    let launched = bed.reopened().run_trial(&run, &bed.parameters());
    assert!(matches!(launched, Err(RunnerError::Transient(_))), "{launched:?}");
    drop(lock);
    assert_eq!(bed.find(&run), Found::Absent);
    let metadata = bed.launch(&run);
    assert_eq!(bed.end(&run, &metadata), RunStatus::Completed);
}

/// The process that `a_process_that_submits` is, when this variable has the runner and the run.
const SUBMITS: &str = "KRIGE_SLURM_TEST_SUBMITS";

#[test]
fn a_process_that_submits() {
    let Some(text) = std::env::var_os(SUBMITS) else { return };
    let (runner, run): (krige_slurm::SlurmRunner, TrialRun) =
        serde_json::from_str(&text.to_string_lossy()).expect("it was written below");
    runner.run_trial(&run, &[("x", 0.5)].into()).expect("Slurm takes it");
}

/// Starts a process that submits a run by an `sbatch` that does as it is told: it says `at` where it is, and waits there.
fn submits(bed: &Bed, run: &TrialRun, sbatch: &str) -> std::process::Child {
    let bin = bed.folder.path().join("bin");
    fs::create_dir_all(&bin).expect("a folder");
    let script = bin.join("sbatch");
    let path = &bed.runner.environment["PATH"];
    let at = bed.folder.path().join("at");
    let wait = format!(
        "echo >'{}'; while ! [ -e '{}' ]; do sleep 0.05; done",
        at.display(),
        bed.folder.path().join("on").display()
    );
    let text = sbatch.replace("WAIT", &wait);
    fs::write(&script, format!("#!/bin/sh\nPATH='{path}'\n{text}\n")).expect("a file");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&script, mode).expect("it is ours");
    let mut runner = bed.reopened();
    runner.environment.insert("PATH".into(), format!("{}:{path}", bin.display()));
    let text = serde_json::to_string(&(&runner, run)).expect("plain data");
    let child = Command::new(std::env::current_exe().expect("this test has a path"))
        .args(["twice::a_process_that_submits", "--exact", "--nocapture"])
        .env(SUBMITS, text)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    wait_for("the submission", || at.exists().then_some(()));
    child
}

/// SIGKILL, as a machine that runs out of memory sends it.
fn kill(mut child: std::process::Child) {
    child.kill().expect("it is ours");
    child.wait().expect("it is ours");
    let mut said = String::new();
    let _ = child.stdout.take().expect("a pipe").read_to_string(&mut said);
}

#[test]
fn a_run_is_found_after_sigkill_at_each_moment_of_its_submission() {
    let moments = [
        ("before the request", "WAIT; exec sbatch \"$@\""),
        ("after the request", "id=$(sbatch \"$@\") || exit; WAIT; echo \"$id\""),
    ];
    for (trial, (moment, sbatch)) in moments.into_iter().enumerate() {
        let bed = Bed::shared(NOTED);
        let run = bed.run(trial);
        kill(submits(&bed, &run, sbatch));
        // What it started lives on and has the lock, unless the job is there already and has begun.
        let found = bed.reopened().find_trial(&run);
        assert!(
            matches!(found, Err(RunnerError::Transient(_)) | Ok(Found::Exists(_))),
            "{moment}: {found:?}"
        );
        fs::write(bed.folder.path().join("on"), "").expect("a file");
        let metadata = wait_for("the run", || match bed.reopened().find_trial(&run) {
            Ok(Found::Exists(metadata)) => Some(metadata),
            Ok(other) => panic!("{moment}: {other:?}"),
            Err(_) => None,
        });
        bed.begun(&metadata);
        go(&bed);
        assert_eq!(bed.end(&run, &metadata), RunStatus::Completed, "{moment}");
        assert_eq!(executions(&bed), 1, "{moment}");
        assert_eq!(file(&metadata, "krige/job"), metadata.text("job").expect("it has a job"));
    }
}

#[test]
fn a_run_whose_submission_never_happened_is_absent_and_starts() {
    let bed = Bed::shared(NOTED);
    let run = bed.run(0);
    kill(submits(&bed, &run, "WAIT; exit 1"));
    fs::write(bed.folder.path().join("on"), "").expect("a file");
    let found = wait_for("the end of what submits", || bed.reopened().find_trial(&run).ok());
    assert_eq!(found, Found::Absent);
    go(&bed);
    let metadata = bed.launch(&run);
    assert_eq!(bed.end(&run, &metadata), RunStatus::Completed);
    assert_eq!(executions(&bed), 1);
}
