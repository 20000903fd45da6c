//! Ctrl-C, once and twice; and the death of the external system.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use krige::core::trial::TrialStatus;

use crate::example::{
    PATIENCE, Running, count, deployments, program, resume_arguments, run, signal, stored,
};
use crate::wait::wait_until;

const DATABASE: &str = "h6.db";

/// Starts the example, and waits until its external system works on so many trials.
fn start_until_deployed(folder: &Path, trials: usize, arguments: &[&str]) -> Running {
    let mut command = Command::new(program("hartmann6"));
    command.args(["--db", DATABASE, "--work", "elsewhere"]).args(arguments).current_dir(folder);
    let running = Running::start(&mut command, &folder.join("stderr"));
    wait_until("trials are deployed", PATIENCE, || {
        (deployments(&folder.join("elsewhere")).len() >= trials).then_some(())
    });
    running
}

/// Goes on with the command that the run told, to the end: every trial ran once.
#[track_caller]
fn resume_to_the_end(folder: &Path, told: &str, trials: usize) {
    run("hartmann6", folder, resume_arguments(told)).success();
    let experiment = stored(&folder.join(DATABASE), "hartmann6");
    assert_eq!(experiment.trials.len(), trials);
    assert_eq!(count(&experiment.trials, TrialStatus::Completed), trials, "{experiment:?}");
    let mut deployed = deployments(&folder.join("elsewhere"));
    deployed.sort_unstable();
    assert_eq!(deployed, (0..trials).collect::<Vec<_>>());
}

#[test]
fn once_lets_what_runs_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = ["--trials", "9", "--parallelism", "3", "--trial-seconds", "1"];
    let mut running = start_until_deployed(folder.path(), 3, &arguments);
    assert!(running.interrupt(), "it is at work");
    let ended = running.end().success();

    let experiment = stored(&folder.path().join(DATABASE), "hartmann6");
    let open = [TrialStatus::Staged, TrialStatus::Running];
    assert_eq!(experiment.trials_in(&open).count(), 0, "{experiment:?}");
    let completed = count(&experiment.trials, TrialStatus::Completed);
    assert_eq!(completed, deployments(&folder.path().join("elsewhere")).len());
    assert!((3..9).contains(&completed), "it ended early: {completed}");
    let told = resume_arguments(&ended.stderr).join(" ");
    assert!(ended.stdout.contains("ended early"), "{}", ended.stdout);
    assert!(ended.stdout.contains(&told), "the end tells `{told}` again: {}", ended.stdout);
    assert!(ended.last_line().starts_with("best hartmann6 = "), "{}", ended.stdout);
    resume_to_the_end(folder.path(), &ended.stderr, 9);
}

#[test]
fn twice_leaves_at_once_and_the_next_run_takes_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = ["--trials", "3", "--parallelism", "3", "--trial-seconds", "8"];
    let mut running = start_until_deployed(folder.path(), 3, &arguments);
    // Two signals that come at the same time are one, so it is pressed until there is an effect.
    let mut pressed = 0;
    wait_until("it leaves", PATIENCE, || {
        let there = running.interrupt();
        pressed += usize::from(there);
        (!there).then_some(())
    });
    assert!(pressed >= 2, "{pressed}");
    let ended = running.end();
    let results: Vec<PathBuf> = fs::read_dir(folder.path().join("elsewhere"))
        .expect("the external system's folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "result"))
        .collect();
    assert!(results.is_empty(), "the external system is still at work: {results:?}");
    assert!(
        !ended.status.success() && ended.stderr.contains("no trial was completed yet; go on with:")
    );

    let experiment = stored(&folder.path().join(DATABASE), "hartmann6");
    let open = [TrialStatus::Staged, TrialStatus::Running];
    assert_eq!(experiment.trials_in(&open).count(), 3, "{experiment:?}");
    resume_to_the_end(folder.path(), &ended.stderr, 3);
}

/// The processes of the external system, by what they claimed.
fn claims(folder: &Path) -> Vec<PathBuf> {
    let mut claims: Vec<PathBuf> = fs::read_dir(folder.join("elsewhere"))
        .expect("the external system's folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "claim"))
        .collect();
    claims.sort();
    claims
}

#[test]
fn a_trial_whose_process_died_fails_and_the_run_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = ["--trials", "3", "--parallelism", "1", "--trial-seconds", "3", "--json"];

    // While the optimizer watches.
    let running = start_until_deployed(folder.path(), 1, &arguments);
    let first = claims(folder.path()).remove(0);
    signal("KILL", &fs::read_to_string(&first).expect("a pid"));
    wait_until("the next trial is deployed", PATIENCE, || {
        (deployments(&folder.path().join("elsewhere")).len() == 2).then_some(())
    });

    // While nobody watches; and whoever started the process has not asked how it ended.
    drop(running);
    let second = claims(folder.path()).into_iter().find(|claim| *claim != first).expect("it runs");
    signal("KILL", &fs::read_to_string(&second).expect("a pid"));
    let mut dead = Command::new("true").spawn().expect("started");
    fs::write(&second, dead.id().to_string()).expect("written");

    let arguments = ["--db", DATABASE, "--work", "elsewhere", "--trials", "3", "--json"];
    let ended = run("hartmann6", folder.path(), arguments).success();
    dead.wait().expect("it ended long ago");
    let experiment = stored(&folder.path().join(DATABASE), "hartmann6");
    let statuses: Vec<_> = experiment.trials.iter().map(|trial| trial.status()).collect();
    assert_eq!(statuses, [TrialStatus::Failed, TrialStatus::Failed, TrialStatus::Completed]);
    for trial in experiment.trials_in(&[TrialStatus::Failed]) {
        let reason = trial.state.reason().expect("a failed trial has one");
        assert!(reason.starts_with("process ") && reason.ends_with(" died"), "{reason}");
    }
    let without = ended.stdout.lines().filter(|line| line.contains("\"value\":null"));
    assert_eq!(without.count(), 2, "{}", ended.stdout);
}
