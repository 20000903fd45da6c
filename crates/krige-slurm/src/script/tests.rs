//! The batch script, run by bash without a Slurm around it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

/// A run's folder of that name, with a stand-in for `run.sh`.
fn folder(parent: &TempDir, name: &str, run: &str) -> PathBuf {
    let folder = parent.path().join(name);
    fs::create_dir_all(folder.join("krige")).expect("a folder");
    fs::write(folder.join("krige/lock"), "").expect("a file");
    fs::write(folder.join("krige/run.sh"), run).expect("a file");
    folder
}

fn bash(script: &str, variables: &[(&str, &str)]) -> Output {
    Command::new("bash")
        .args(["-c", script])
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .expect("bash starts")
}

fn arguments() -> Vec<String> {
    ["krige/run.sh", "a b", "$(touch evil)"].map(String::from).to_vec()
}

#[test]
fn it_runs_in_the_folder_after_the_setup_and_ends_as_the_run_does() {
    let parent = tempfile::tempdir().expect("a folder");
    let run = "printf '%s|' \"$FROM_SETUP\" \"$@\" >out; exit 7";
    let folder = folder(&parent, "it's a $folder", run);
    let setup = ["export FROM_SETUP=yes".to_owned(), "cd ..".to_owned()];
    let output = bash(&script(&Folders::One(&folder), &setup, &arguments()), &[]);
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(
        fs::read_to_string(folder.join("out")).expect("it ran there"),
        "yes|a b|$(touch evil)|"
    );
}

#[test]
fn an_element_of_an_array_has_its_own_folder() {
    let parent = tempfile::tempdir().expect("a folder");
    let folders = ["0", "1", "2"].map(|name| folder(&parent, name, "touch ran"));
    let folders: Vec<&Path> = folders.iter().map(PathBuf::as_path).collect();
    let text = script(&Folders::Array(&folders), &[], &arguments());
    assert!(bash(&text, &[("SLURM_ARRAY_TASK_ID", "1")]).status.success());
    let ran: Vec<bool> = folders.iter().map(|folder| folder.join("ran").exists()).collect();
    assert_eq!(ran, [false, true, false]);
    assert_eq!(bash(&text, &[("SLURM_ARRAY_TASK_ID", "3")]).status.code(), Some(1));
}

#[test]
fn a_folder_that_is_not_there_runs_nothing() {
    let parent = tempfile::tempdir().expect("a folder");
    let missing = parent.path().join("missing");
    let setup = [format!("touch {}", parent.path().join("ran").display())];
    let output = bash(&script(&Folders::One(&missing), &setup, &arguments()), &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(!parent.path().join("ran").exists());
}

#[test]
fn setup_that_ends_the_shell_runs_nothing() {
    let parent = tempfile::tempdir().expect("a folder");
    let folder = folder(&parent, "run", "touch ran");
    let output = bash(&script(&Folders::One(&folder), &["exit 9".into()], &arguments()), &[]);
    assert_eq!(output.status.code(), Some(9));
    assert!(!folder.join("ran").exists());
}

#[test]
fn sigterm_reaches_the_run_and_is_noted() {
    let parent = tempfile::tempdir().expect("a folder");
    let run = "trap 'exit 5' TERM; kill -TERM $PPID; while :; do sleep 0.05; done";
    let folder = folder(&parent, "run", run);
    let output = bash(&script(&Folders::One(&folder), &[], &arguments()), &[]);
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    assert!(folder.join("krige/signalled").exists());
}

#[test]
fn nothing_is_started_after_a_signal_in_the_setup() {
    let parent = tempfile::tempdir().expect("a folder");
    let folder = folder(&parent, "run", "touch ran");
    let output =
        bash(&script(&Folders::One(&folder), &["kill -TERM $$".into()], &arguments()), &[]);
    assert_eq!(output.status.code(), Some(143));
    assert!(!folder.join("ran").exists());
}

#[test]
fn an_end_that_came_with_a_signal_counts_no_more_once_the_job_is_started_again() {
    let parent = tempfile::tempdir().expect("a folder");
    let restarted = |name: &str, files: &[&str], restarts: &str| {
        let folder = folder(&parent, name, "[ -e krige/ended ] || touch ran");
        for file in files {
            fs::write(folder.join("krige").join(file), "").expect("a file");
        }
        let text = script(&Folders::One(&folder), &[], &arguments());
        bash(&text, &[("SLURM_RESTART_COUNT", restarts)]);
        folder.join("ran").exists()
    };
    assert!(restarted("requeued", &["ended", "signalled"], "1"));
    assert!(!restarted("by-itself", &["ended"], "1"), "it ended before, by itself");
    assert!(!restarted("stopped", &["ended", "signalled", "stopped"], "1"));
    assert!(!restarted("first", &["ended", "signalled"], "0"));
}

#[test]
fn what_runs_holds_the_lock() {
    let parent = tempfile::tempdir().expect("a folder");
    // Standard input is the lock.
    let run = "flock -n krige/lock true && touch free; [ /dev/stdin -ef krige/lock ] && touch stdin; exit 0";
    let folder = folder(&parent, "run", run);
    assert!(bash(&script(&Folders::One(&folder), &[], &arguments()), &[]).status.success());
    assert!(!folder.join("free").exists());
    assert!(folder.join("stdin").exists());
}

#[test]
fn a_symbolic_link_is_a_folder_too() {
    let parent = tempfile::tempdir().expect("a folder");
    let real = folder(&parent, "real", "touch ran");
    let link = parent.path().join("link");
    symlink(&real, &link).expect("a link");
    assert!(bash(&script(&Folders::One(&link), &[], &arguments()), &[]).status.success());
    assert!(real.join("ran").exists());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn whatever_is_in_a_value_it_is_that_value(
        name in "[ -.0-~\n\t]{1,40}",
        argument in "[ -~\n\t]{0,40}",
    ) {
        let parent = tempfile::tempdir().expect("a folder");
        let name = format!("k{name}");
        let folder = folder(&parent, &name, "printf '%s' \"$1\" >out");
        let arguments = ["krige/run.sh".to_owned(), argument.clone()];
        let text = script(&Folders::One(&folder), &[], &arguments);
        prop_assert!(bash(&text, &[]).status.success());
        prop_assert_eq!(fs::read_to_string(folder.join("out")).expect("it ran there"), argument);
        // Slurm reads options up to the first line that is no comment.
        let second = text.lines().nth(1).unwrap_or_default();
        prop_assert!(second.starts_with("folder="));
    }
}
