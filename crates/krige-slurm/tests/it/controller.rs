//! A controller that is down, or killed while it has not saved what it knows.

use std::fs;

use krige_runner::{Found, IRunner, RunStatus, RunnerError};

use crate::bed::{Bed, exists, failure, loss, own_stack, wait_for};

const WAITS: &str =
    "echo ran >>../runs; while ! [ -e ../go ]; do sleep 0.05; done; exit $(cat ../go)";

fn go(bed: &Bed, status: i32) {
    let fresh = bed.runner.work.join("fresh");
    fs::write(&fresh, status.to_string()).expect("a file");
    fs::rename(&fresh, bed.runner.work.join("go")).expect("a file");
}

fn executions(bed: &Bed) -> usize {
    fs::read_to_string(bed.runner.work.join("runs")).unwrap_or_default().lines().count()
}

#[test]
fn while_the_controller_is_down_runs_go_on_and_none_is_launched() {
    let mut bed = Bed::on(own_stack(&[]), WAITS);
    bed.runner.command_timeout_seconds = 2.0;
    let [ends, goes_on, next] = [0, 1, 2].map(|trial| bed.run(trial));
    let [of_ends, of_others] = [&ends, &goes_on].map(|run| bed.launch(run));
    bed.begun(&of_ends);
    bed.begun(&of_others);
    bed.stack.service("stop", "slurmctld");
    let error = bed.runner.run_trial(&next, &bed.parameters()).expect_err("nobody takes it");
    assert!(matches!(error, RunnerError::Transient(_)), "{error:?}");
    assert_eq!(bed.runner.free_slots().expect("it can be told"), Some(0));
    assert_eq!(bed.poll(&goes_on, &of_others), RunStatus::Running);
    // It has a folder, so it may have been submitted.
    let found = bed.runner.find_trial(&next);
    assert!(matches!(found, Err(RunnerError::Transient(_))), "{found:?}");
    // What was never tried is not there, whoever is down.
    assert_eq!(bed.find(&bed.run(3)), Found::Absent);
    go(&bed, 0);
    assert_eq!(bed.end(&ends, &of_ends), RunStatus::Completed);
    assert_eq!(bed.end(&goes_on, &of_others), RunStatus::Completed);
    bed.stack.service("start", "slurmctld");
    wait_for("free slots", || bed.runner.free_slots().ok().filter(Option::is_none));
    assert_eq!(bed.find(&next), Found::Absent);
    let metadata = bed.launch(&next);
    assert_eq!(bed.end(&next, &metadata), RunStatus::Completed);
    assert_eq!(executions(&bed), 3);
}

#[test]
fn a_program_that_fails_while_the_controller_is_down_has_failed_by_itself() {
    let mut bed = Bed::on(own_stack(&[]), WAITS);
    bed.runner.command_timeout_seconds = 2.0;
    let run = bed.run(0);
    let metadata = bed.launch(&run);
    bed.begun(&metadata);
    bed.stack.service("kill", "slurmctld");
    go(&bed, 4);
    let reason = failure(bed.end(&run, &metadata));
    assert!(reason.contains("exit status 4"), "{reason}");
    // Where it is silent for longer than there is patience for, polls fail.
    let unknown = bed.run(1);
    bed.runner.patience_seconds = 0.0;
    let of_unknown = krige_core::trial::Metadata::of("folder", "nowhere").with("job", "77");
    let polled = bed.runner.poll_trial(&unknown, &of_unknown);
    assert!(matches!(polled, Err(RunnerError::Transient(_))), "{polled:?}");
}

/// The controller saves its state every few seconds. Killed right after a submission, it does not know that the job runs; when it is back it
/// kills the job, or starts it a second time and is refused, or holds it.
#[test]
fn a_controller_that_has_forgotten_that_a_job_runs_does_not_make_it_run_twice() {
    let mut bed = Bed::on(own_stack(&[]), WAITS);
    bed.runner.command_timeout_seconds = 5.0;
    let run = bed.run(0);
    let metadata = bed.launch(&run);
    bed.begun(&metadata);
    bed.stack.service("kill", "slurmctld");
    bed.stack.service("start", "slurmctld");
    let job = metadata.text("job").expect("it has a job");
    wait_for("the controller to have looked at the node", || {
        bed.poll(&run, &metadata);
        let log = fs::read_to_string(bed.stack.folder().join("log/slurmctld.log")).expect("a file");
        let late = log.rsplit("Recovered state of").next().unwrap_or_default();
        let signs = [format!("JobId={job} done"), "Duplicate jobid".to_owned()];
        signs.iter().any(|sign| late.contains(sign)).then_some(())
    });
    go(&bed, 0);
    match bed.end(&run, &metadata) {
        RunStatus::Completed => {}
        status => assert!(loss(status).contains("has not left how it ended")),
    }
    assert_eq!(executions(&bed), 1);
    bed.stack.resume();
    let again = bed.run(1);
    let of_again = bed.launch(&again);
    assert_eq!(bed.end(&again, &of_again), RunStatus::Completed);
    assert_eq!(executions(&bed), 2);
}

#[test]
fn a_controller_that_is_stopped_and_started_keeps_what_waits() {
    let bed = Bed::on(own_stack(&[]), "true");
    let blocker =
        bed.slurm("sbatch", &["--parsable", "-c", "8", "-o", "/dev/null", "--wrap", "sleep 600"]);
    let run = bed.run(0);
    let metadata = bed.launch(&run);
    bed.stack.service("stop", "slurmctld");
    bed.stack.service("start", "slurmctld");
    assert_eq!(bed.poll(&run, &metadata), RunStatus::Running);
    assert_eq!(bed.find(&run), Found::Exists(metadata.clone()));
    assert!(exists(&metadata, "krige/began").is_none());
    bed.slurm("scancel", &[&blocker]);
    assert_eq!(bed.end(&run, &metadata), RunStatus::Completed);
}
