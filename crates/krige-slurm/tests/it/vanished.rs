//! Jobs that Slurm does not know any more: it forgets what has ended after a while.

use std::fs;

use krige_core::trial::{Metadata, TrialRun};
use krige_runner::program::RunFolder;
use krige_runner::{Found, IRunner, RunStatus};
use krige_testkit::SlurmStack;

use crate::bed::{Bed, exists, file, kill, loss, own_stack, wait_for};

const FORGETS: (&str, &str) = ("SLURM_STACK_MIN_JOB_AGE", "3");

#[track_caller]
fn forgotten(bed: &Bed, metadata: &Metadata) {
    let job = metadata.text("job").expect("it has a job");
    wait_for("Slurm to forget a job", || {
        let known = bed.slurm("squeue", &["-h", "-t", "all", "-o", "%i"]);
        (!known.lines().any(|line| line == job)).then_some(())
    });
}

/// Three runs: one ends well, one with a failure, one is killed with all that belongs to it. Nobody looks until Slurm has forgotten them.
fn three(stack: &'static SlurmStack) -> (Bed, [(TrialRun, Metadata); 3]) {
    let bed =
        Bed::on(stack, "case $KRIGE_TRIAL in 0) ;; 1) exit 3 ;; *) touch ready; sleep 600 ;; esac");
    let runs = [0, 1, 2].map(|trial| {
        let run = bed.run(trial);
        let metadata = bed.launch(&run);
        (run, metadata)
    });
    wait_for("the program", || exists(&runs[2].1, "ready"));
    kill(&runs[2].1);
    for (_, metadata) in &runs {
        forgotten(&bed, metadata);
    }
    (bed, runs)
}

#[test]
fn without_accounting_the_folder_alone_says_how_a_run_ended() {
    let (bed, runs) = three(own_stack(&[FORGETS]));
    for (run, metadata) in &runs {
        assert_eq!(bed.find(run), Found::Exists(metadata.clone()));
    }
    assert_eq!(bed.end(&runs[0].0, &runs[0].1), RunStatus::Completed);
    let status = bed.end(&runs[1].0, &runs[1].1);
    assert!(matches!(&status, RunStatus::Failed { reason } if reason.contains("exit status 3")));
    // However often the optimizer is started anew meanwhile, what must last is not waited for from the beginning.
    let (run, metadata) = &runs[2];
    let status = wait_for("the end of a run", || {
        let status = bed.reopened().poll_trial(run, metadata).expect("it can be told");
        (status != RunStatus::Running).then_some(status)
    });
    let reason = loss(status);
    assert!(reason.contains("does not know the job any more"), "{reason}");
}

#[test]
fn with_accounting_it_is_asked_what_became_of_a_job() {
    let (bed, runs) = three(own_stack(&[FORGETS, ("SLURM_STACK_ACCOUNTING", "1")]));
    assert_eq!(bed.end(&runs[0].0, &runs[0].1), RunStatus::Completed);
    let status = bed.end(&runs[1].0, &runs[1].1);
    assert!(matches!(&status, RunStatus::Failed { reason } if reason.contains("exit status 3")));
    let reason = loss(bed.end(&runs[2].0, &runs[2].1));
    assert!(reason.contains("Slurm says that job"), "{reason}");

    // Cancelled before it began, and forgotten.
    let mut bed = bed;
    bed.runner.resources.options = vec!["--begin=now+1hour".into()];
    let run = bed.run(3);
    let metadata = bed.launch(&run);
    bed.slurm("scancel", &[metadata.text("job").expect("it has a job")]);
    forgotten(&bed, &metadata);
    // As if the process had been killed before it could note the job.
    let folder = RunFolder::of(&metadata).expect("it has a folder");
    fs::remove_file(folder.own("job")).expect("it was noted");
    assert_eq!(bed.find(&run), Found::Exists(metadata.clone()));
    assert_eq!(file(&metadata, "krige/job"), metadata.text("job").expect("it has a job"));
    assert!(matches!(bed.end(&run, &metadata), RunStatus::Abandoned { .. }));

    // While accounting is down, a job that is forgotten is not given up.
    let run = bed.run(4);
    let metadata = bed.launch(&run);
    bed.slurm("scancel", &[metadata.text("job").expect("it has a job")]);
    forgotten(&bed, &metadata);
    bed.stack.service("kill", "slurmdbd");
    bed.runner.grace_seconds = 0.0;
    let another_process = bed.reopened();
    for _ in 0..3 {
        let status = another_process.poll_trial(&run, &metadata).expect("it is waited for");
        assert_eq!(status, RunStatus::Running);
    }
    bed.stack.service("start", "slurmdbd");
    wait_for("accounting", || {
        let status = another_process.poll_trial(&run, &metadata).expect("it is told");
        matches!(status, RunStatus::Abandoned { .. }).then_some(())
    });
}

/// The controller knows another job by the number, as one that has lost its state may; here the job itself has another name since.
/// Somebody cancels that one, and reaches the run.
#[test]
fn a_run_whose_number_another_job_has_is_not_taken_for_cancelled_with_that_one() {
    let bed = Bed::shared("touch ready; exec sleep 600");
    let run = bed.run(0);
    let metadata = bed.launch(&run);
    wait_for("the program", || exists(&metadata, "ready"));
    let job = metadata.text("job").expect("it has a job");
    bed.slurm("scontrol", &["update", &format!("jobid={job}"), "name=another"]);
    bed.slurm("scancel", &[job]);
    let reason = loss(bed.end(&run, &metadata));
    assert!(reason.contains("given its number to another one"), "{reason}");
    assert!(file(&metadata, "krige/slurm.log").contains("CANCELLED AT"), "{reason}");
}
