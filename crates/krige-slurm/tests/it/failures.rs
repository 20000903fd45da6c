//! How runs fail, and what is said of it.

use std::fs;

use krige_runner::program::RunFolder;
use krige_runner::{Found, IRunner, RunStatus, RunnerError};
use krige_slurm::Resources;

use crate::bed::{
    Bed, exists, failure, file, kill, kill_program, loss, own_stack, terminate, wait_for,
};

/// Ends by itself on SIGTERM.
const TRAPS: &str = "trap 'exit 9' TERM; touch ready; while :; do sleep 0.05; done";

#[test]
fn an_exit_status_fails_a_run_with_what_the_program_said() {
    let bed = Bed::shared("echo what went wrong >&2; exit 3");
    let reason = failure(bed.ends(0));
    assert!(reason.contains("exit status 3") && reason.contains("what went wrong"), "{reason}");
}

#[test]
fn an_exit_status_that_is_accepted_completes_a_run() {
    let mut bed = Bed::shared("exit 3");
    bed.runner.program = bed.runner.program.clone().accept([0, 3]);
    assert_eq!(bed.ends(0), RunStatus::Completed);
}

#[test]
fn a_signal_fails_a_run() {
    let bed = Bed::shared("kill -KILL $$");
    let reason = failure(bed.ends(0));
    assert!(reason.contains("SIGKILL"), "{reason}");
}

#[test]
fn a_job_that_is_killed_with_all_that_belongs_to_it_is_lost() {
    let bed = Bed::shared("touch ready; sleep 600");
    let run = bed.run(0);
    let metadata = bed.launch(&run);
    wait_for("the program", || exists(&metadata, "ready"));
    kill(&metadata);
    let reason = loss(bed.end(&run, &metadata));
    assert!(reason.contains("has not left how it ended"), "{reason}");
}

/// Without cgroups Slurm looks at the memory every second, and kills; what it calls the job then is FAILED.
#[test]
fn a_job_that_takes_too_much_memory_fails_with_that_reason() {
    let stack = own_stack(&[("SLURM_STACK_MEMORY", "1")]);
    let hoard = "exec python3 -c 'import time; x = b\"x\" * (1 << 29); time.sleep(600)'";
    let mut bed = Bed::on(stack, hoard);
    bed.runner.resources.memory = Some("100M".into());
    let reason = failure(bed.ends(0));
    assert!(reason.contains("took more memory than it was given"), "{reason}");
    bed.runner.retries.out_of_memory = 2;
    let reason = loss(bed.ends(1));
    assert!(reason.contains("took more memory than it was given"), "{reason}");
}

/// A controller that lost its state gives numbers out again, and passes what a node says of one job on to the other that has its
/// number now: here as `scontrol notify` does. What a node says of its own job it says at more length.
#[test]
fn a_job_that_is_killed_for_the_memory_of_another_one_is_lost() {
    let bed = Bed::shared("touch ready; exec sleep 600");
    for with_script in [true, false] {
        let run = bed.run(usize::from(with_script));
        let metadata = bed.launch(&run);
        wait_for("the program", || exists(&metadata, "ready"));
        let job = metadata.text("job").expect("it has a job");
        let limit = "Exceeded job memory limit";
        bed.slurm("scontrol", &["notify", job, limit]);
        let log = || file(&metadata, "krige/slurm.log").contains(limit).then_some(());
        wait_for("what is passed on", log);
        if with_script {
            kill(&metadata);
        } else {
            kill_program(&metadata);
        }
        let reason = loss(bed.end(&run, &metadata));
        assert!(reason.contains("failed") && !reason.contains("more memory"), "{reason}");
    }
}

#[test]
fn a_job_that_somebody_cancels_is_abandoned() {
    let bed = Bed::shared("sleep 600");
    for begins in [true, false] {
        let run = bed.run(usize::from(begins));
        let metadata = bed.launch(&run);
        let job = metadata.text("job").expect("it has a job");
        if begins {
            bed.begun(&metadata);
        }
        bed.slurm("scancel", &[job]);
        let status = bed.end(&run, &metadata);
        let expected = RunStatus::Abandoned { reason: format!("somebody cancelled job {job}") };
        assert_eq!(status, expected);
    }
}

/// What is left of a requeue that a controller had begun and, killed, forgot: the script was signalled, and the job is FAILED.
#[test]
fn a_job_that_was_signalled_and_that_slurm_calls_a_failure_is_lost() {
    let bed = Bed::shared(TRAPS);
    let run = bed.run(0);
    let metadata = bed.launch(&run);
    wait_for("the trap", || exists(&metadata, "ready"));
    terminate(&metadata);
    let reason = loss(bed.end(&run, &metadata));
    assert!(reason.contains("failed") && reason.contains("exit status 9"), "{reason}");
}

/// `scancel --batch` signals the script alone: Slurm takes no note of it, but for the job's log; as with a warning.
#[test]
fn who_signals_a_job_by_hand_cancels_it_unless_it_is_the_warning_before_its_time_limit() {
    let mut bed = Bed::shared(TRAPS);
    for trial in [0, 1] {
        let run = bed.run(trial);
        let metadata = bed.launch(&run);
        wait_for("the trap", || exists(&metadata, "ready"));
        let job = metadata.text("job").expect("it has a job");
        bed.slurm("scancel", &["--batch", "--signal=TERM", job]);
        wait_for("the end of the job", || bed.state(&metadata).starts_with("FAILED").then_some(()));
        let status = bed.end(&run, &metadata);
        if trial == 0 {
            assert!(matches!(status, RunStatus::Abandoned { .. }), "{status:?}");
        } else {
            let reason = failure(status);
            assert!(reason.contains("time limit") && reason.contains("status 9"), "{reason}");
        }
        bed.runner.resources.options = vec!["--signal=B:TERM@60".into()];
    }
}

#[test]
fn a_run_that_is_stopped_gets_sigterm_and_tells_why_it_was_stopped() {
    let bed =
        Bed::shared("trap 'echo bye; exit 9' TERM; touch ready; while :; do sleep 0.05; done");
    let run = bed.run(0);
    let metadata = bed.launch(&run);
    wait_for("the trap", || exists(&metadata, "ready"));
    let another_process = bed.reopened();
    another_process.stop_trial(&run, &metadata, "not promising").expect("it is stopped");
    let reason = failure(bed.end(&run, &metadata));
    assert!(reason.contains("not promising"), "{reason}");
    assert!(file(&metadata, "stdout.log").starts_with("bye\n"));
    // It goes on to say so once Slurm knows more.
    wait_for("the end of the job", || bed.state(&metadata).starts_with("CANCELLED").then_some(()));
    assert_eq!(failure(bed.end(&run, &metadata)), reason);
    another_process.stop_trial(&run, &metadata, "again").expect("it has ended");
}

#[test]
fn a_run_that_waits_is_stopped_and_never_starts() {
    let mut bed = Bed::shared("touch ran");
    bed.runner.resources.options = vec!["--begin=now+1hour".into()];
    let run = bed.run(0);
    let metadata = bed.launch(&run);
    assert_eq!(bed.poll(&run, &metadata), RunStatus::Running);
    bed.runner.stop_trial(&run, &metadata, "not promising").expect("it is stopped");
    let reason = failure(bed.end(&run, &metadata));
    assert!(reason.starts_with("stopped: not promising"), "{reason}");
    assert!(bed.state(&metadata).starts_with("CANCELLED"));
}

/// A job that Slurm cannot start is stopped before it is said to be lost; who is killed in between has said nothing yet.
#[test]
fn a_run_that_was_being_given_up_is_lost_and_its_job_cancelled() {
    let mut bed = Bed::shared("touch ran");
    bed.runner.resources.options = vec!["--begin=now+1hour".into()];
    let run = bed.run(0);
    let metadata = bed.launch(&run);
    let folder = RunFolder::of(&metadata).expect("it has a folder");
    fs::write(folder.own("given-up"), "").expect("written");
    folder.request_stop("Slurm cannot start it").expect("written");
    assert_eq!(loss(bed.end(&run, &metadata)), "Slurm cannot start it");
    assert!(bed.state(&metadata).starts_with("CANCELLED"), "{}", bed.state(&metadata));
    assert_eq!(loss(bed.end(&run, &metadata)), "Slurm cannot start it");
}

/// `PartitionTimeLimit`: the partition has at most a day.
#[test]
fn a_job_that_can_never_start_fails_and_is_cancelled() {
    let mut bed = Bed::shared("touch ran");
    bed.runner.resources.time_limit_minutes = Some(5 * 24 * 60);
    let run = bed.run(0);
    let metadata = bed.launch(&run);
    let reason = failure(bed.end(&run, &metadata));
    assert!(reason.contains("PartitionTimeLimit"), "{reason}");
    assert!(bed.state(&metadata).starts_with("CANCELLED"), "{}", bed.state(&metadata));
    assert!(file(&metadata, "krige/stopped").contains("PartitionTimeLimit"));
}

#[test]
fn what_slurm_refuses_fails_at_once_and_leaves_nothing() {
    let mut bed = Bed::shared("true");
    let of = Resources::default;
    let some = |text: &str| Some(text.to_owned());
    let requests = [
        ("invalid partition", Resources { partition: some("nosuch"), ..of() }),
        ("Memory specification", Resources { memory: some("99T"), ..of() }),
        ("Invalid feature", Resources { constraint: some("nosuch"), ..of() }),
        ("gres", Resources { gpus: some("1"), ..of() }),
        ("--wrap", Resources { options: vec!["--wrap=true".into()], ..of() }),
    ];
    bed.runner.check().expect("there is nothing wrong yet");
    for (trial, (what, wrong)) in requests.into_iter().enumerate() {
        bed.runner.resources = wrong;
        let run = bed.run(trial);
        let Err(RunnerError::Permanent(cause)) = bed.runner.run_trial(&run, &bed.parameters())
        else {
            panic!("{what}: expected an error that stays");
        };
        assert!(cause.to_string().contains(what), "{what}: {cause}");
        assert_eq!(bed.find(&run), Found::Absent);
        assert!(matches!(bed.runner.check(), Err(RunnerError::Permanent(_))), "{what}");
    }
}

#[test]
fn a_work_folder_that_cannot_be_written_may_be_mended() {
    let mut bed = Bed::shared("true");
    let work = bed.folder.path().join("file");
    fs::write(&work, "").expect("a file");
    bed.runner.work = work.clone();
    let run = bed.run(0);
    let launched = bed.runner.run_trial(&run, &bed.parameters());
    assert!(matches!(launched, Err(RunnerError::Transient(_))), "{launched:?}");
    fs::remove_file(&work).expect("it is there");
    let metadata = bed.launch(&run);
    assert_eq!(bed.end(&run, &metadata), RunStatus::Completed);
}

#[test]
fn a_request_for_too_much_is_found_before_any_trial() {
    let mut bed = Bed::shared("true");
    bed.runner.resources.nodes = Some(99);
    assert!(matches!(bed.runner.check(), Err(RunnerError::Permanent(_))));
}

#[test]
fn a_folder_that_the_node_does_not_have_loses_a_run_and_fails_its_last() {
    let mut bed = Bed::shared("true");
    bed.runner.resources.options = vec!["--begin=now+2".into()];
    for attempt in [1, 3] {
        let mut run = bed.run(0);
        run.attempt = attempt;
        run.key = format!("{}-{attempt}", run.key);
        let metadata = bed.launch(&run);
        let folder = metadata.text("folder").expect("it has a folder");
        fs::remove_dir_all(folder).expect("it can be removed");
        let status = bed.end(&run, &metadata);
        let reason = if attempt == 1 { loss(status) } else { failure(status) };
        assert!(reason.contains("has not begun"), "{reason}");
    }
}

#[test]
fn a_time_limit_is_said_to_be_one() {
    let mut bed = Bed::shared("sleep 600");
    bed.runner.resources.time_limit_minutes = Some(1);
    let reason = failure(bed.ends(0));
    assert!(reason.contains("killed at its time limit"), "{reason}");
}
