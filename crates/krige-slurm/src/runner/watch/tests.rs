//! Which job is that of a run.

use super::*;

fn open(began: Option<&str>, job: &'static str, run: &'static TrialRun) -> Open<'static> {
    let began = began.map(|job| Began { job: Some(job.into()), restarts: 0, process: None });
    let folder = RunFolder::new(std::path::Path::new("nowhere"), run);
    Open { number: 0, run, folder, job, name: "k".into(), began }
}

fn a_run() -> &'static TrialRun {
    Box::leak(Box::new(TrialRun { trial_index: 0, attempt: 1, key: "k".into() }))
}

fn found(text: &str, began: Option<&str>, job: &'static str) -> Option<String> {
    job_of(&open(began, job, a_run()), &Queue::read(text)).map(|job| job.id.clone())
}

#[test]
fn the_job_of_a_run_is_the_one_in_which_it_has_begun() {
    let both = "7|7|RUNNING|k|None\n9|9|PENDING|k|Dependency\n";
    assert_eq!(found(both, None, "9").as_deref(), Some("9"));
    assert_eq!(found(both, Some("7"), "9").as_deref(), Some("7"));
    // The other submission has found that there is nothing to do: that says nothing of the run.
    assert_eq!(found("9|9|COMPLETED|k|None\n", Some("7"), "9"), None);
    // It may yet see to it.
    assert_eq!(found("9|9|PENDING|k|Dependency\n", Some("7"), "9").as_deref(), Some("9"));
}

#[test]
fn an_element_is_found_before_and_after_it_has_a_number_of_its_own() {
    assert_eq!(found("12_3|12|PENDING|k|Priority\n", None, "12_3").as_deref(), Some("12_3"));
    assert_eq!(found("12_3|15|RUNNING|k|None\n", Some("15"), "12_3").as_deref(), Some("12_3"));
    assert_eq!(found("12_3|15|PENDING|k|BeginTime\n", Some("15"), "12_3").as_deref(), Some("12_3"));
    assert_eq!(found("12_3|15|PENDING|k|BeginTime\n", Some("15"), "12_4"), None);
}

#[test]
fn a_job_of_another_name_has_its_number_by_chance() {
    assert_eq!(found("9|9|COMPLETED|other|None\n", None, "9"), None);
    assert_eq!(found("7|7|RUNNING|other|None\n", Some("7"), "7"), None);
    let is_renumbered = |text: &str, began: Option<&str>| {
        is_renumbered(&open(began, "9", a_run()), &Queue::read(text))
    };
    assert!(is_renumbered("9|9|COMPLETED|other|None\n", None));
    assert!(is_renumbered("7|7|RUNNING|other|None\n", Some("7")));
    assert!(is_renumbered("8_1|7|RUNNING|other|None\n", Some("7")));
    assert!(!is_renumbered("9|9|RUNNING|k|None\n", None));
    assert!(!is_renumbered("7|7|RUNNING|other|None\n", None));
}

/// Slurm 22.05.8.
#[test]
fn cancelling_what_has_ended_is_no_error() {
    assert!(is_over("scancel: error: Kill job error on job id 77: Invalid job id specified"));
    assert!(is_over(
        "scancel: error: Kill job error on job id 1: Job/step already completing or completed"
    ));
    assert!(!is_over("scancel: error: Kill job error on job id 1: Access/permission denied"));
}

#[test]
fn each_loss_has_a_number_of_its_own() {
    let retries = Retries {
        node_failure: 1,
        preemption: 2,
        boot_failure: 3,
        launch_failure: 4,
        time_limit: 5,
        out_of_memory: 6,
    };
    let losses = [
        Loss::NodeFailure,
        Loss::Preemption,
        Loss::BootFailure,
        Loss::LaunchFailure,
        Loss::TimeLimit,
        Loss::OutOfMemory,
    ];
    assert_eq!(losses.map(|loss| allowed(&retries, loss)), [1, 2, 3, 4, 5, 6]);
}
