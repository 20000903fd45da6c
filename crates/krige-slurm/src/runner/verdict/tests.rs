//! What each state of a job means for a run that has left an end, or none.

use super::*;

/// What a node says of a job of its own.
const MEMORY: &str = "slurmstepd-n0: error: StepId=12.batch exceeded memory limit (204800 > 102400), being killed\nslurmstepd-n0: error: Exceeded job memory limit";

fn job(state: &str, detail: &str) -> Option<Job> {
    let state = JobState::of(state);
    let (id, raw, name) = ("12".to_owned(), "12".to_owned(), "k".to_owned());
    Some(Job { id, raw, state, name, detail: detail.to_owned() })
}

fn begun(state: &str, detail: &str) -> Evidence {
    Evidence { began: true, job: job(state, detail), ..Evidence::default() }
}

fn with_end(status: i32, state: &str) -> Evidence {
    let failed = Some(format!("exit status {status}"));
    Evidence { failed, status: Some(status), ..begun(state, "None") }
}

/// The loss or the word for the end, and how long it is waited for.
fn outcome(evidence: &Evidence) -> String {
    let end = |end: End| match end {
        End::Lost(loss, reason) => {
            assert!(!reason.is_empty());
            format!("{loss:?}")
        }
        End::As(RunStatus::Failed { reason }) => format!("failed: {reason}"),
        End::As(RunStatus::Abandoned { .. }) => "abandoned".into(),
        End::As(other) => panic!("no runner says {other:?} of Slurm"),
    };
    match verdict(evidence) {
        Verdict::Running => "running".into(),
        Verdict::Ended(it) => end(it),
        Verdict::Later(symptom, it) => format!("{symptom:?}, {}", end(it)),
        Verdict::Cancel(symptom, it) => format!("{symptom:?}, cancel, {}", end(it)),
        Verdict::CancelNow(it) => format!("cancel, {}", end(it)),
    }
}

#[test]
fn what_has_not_left_how_it_ended_is_what_slurm_says() {
    let cases = [
        ("PENDING", "running"),
        ("RUNNING", "running"),
        ("COMPLETING", "running"),
        ("SUSPENDED", "running"),
        ("SOMETHING_NEW", "running"),
        ("NODE_FAIL", "NodeFailure"),
        ("PREEMPTED", "Preemption"),
        ("BOOT_FAIL", "BootFailure"),
        ("LAUNCH_FAILED", "LaunchFailure"),
        ("TIMEOUT", "TimeLimit"),
        ("DEADLINE", "TimeLimit"),
        // There are no cgroups where this is tested live, where it is what follows below instead.
        ("OUT_OF_MEMORY", "OutOfMemory"),
        ("CANCELLED by 1000", "abandoned"),
        ("COMPLETED", "NoResult, NodeFailure"),
        ("FAILED", "NoResult, NodeFailure"),
    ];
    for (state, expected) in cases {
        assert_eq!(outcome(&begun(state, "None")), expected, "{state}");
    }
    let revoked = outcome(&begun("REVOKED", "None"));
    assert!(
        revoked.starts_with("NoResult, failed: Slurm says that job 12 was taken over"),
        "{revoked}"
    );
}

#[test]
fn what_has_not_begun_could_not_be_started() {
    let waiting = |state: &str, detail: &str| {
        outcome(&Evidence { job: job(state, detail), ..Evidence::default() })
    };
    assert_eq!(waiting("FAILED", "JobLaunchFailure"), "NoResult, LaunchFailure");
    assert!(waiting("FAILED", "BadConstraints").starts_with("failed: Slurm cannot give"));
    let completed = waiting("COMPLETED", "None");
    assert!(
        completed.starts_with("NoResult, failed:") && completed.contains("has not begun"),
        "{completed}"
    );
    assert!(
        waiting("PENDING", "PartitionConfig")
            .starts_with("Stuck, cancel, failed: Slurm will never")
    );
    assert_eq!(waiting("PENDING", "launch failed requeued held"), "Stuck, cancel, LaunchFailure");
    assert_eq!(waiting("PENDING", "JobHeldUser"), "running");
}

#[test]
fn a_failure_is_the_programs_own_unless_slurm_killed_it() {
    let cases = [
        (3, "FAILED", "failed: exit status 3"),
        (3, "COMPLETED", "failed: exit status 3"),
        (3, "NODE_FAIL", "failed: exit status 3"),
        (3, "CANCELLED", "failed: exit status 3"),
        (3, "RUNNING", "Unexplained, failed: exit status 3"),
        (3, "PENDING", "Unexplained, failed: exit status 3"),
        (137, "FAILED", "failed: exit status 137"),
        (137, "OUT_OF_MEMORY", "OutOfMemory"),
        (143, "CANCELLED by 0", "abandoned"),
        (143, "NODE_FAIL", "NodeFailure"),
        (143, "PREEMPTED", "Preemption"),
        (143, "TIMEOUT", "TimeLimit"),
        // On SIGTERM it ended by itself, a moment later than allowed.
        (1, "TIMEOUT", "TimeLimit"),
    ];
    for (status, state, expected) in cases {
        assert_eq!(outcome(&with_end(status, state)), expected, "{status} {state}");
    }
    let unknown = |evidence: Evidence| outcome(&Evidence { job: None, ..evidence });
    assert_eq!(unknown(with_end(3, "FAILED")), "Unexplained, failed: exit status 3");
    assert_eq!(unknown(with_end(137, "FAILED")), "Unexplained, failed: exit status 137");
    assert_eq!(unknown(with_end(143, "FAILED")), "Unexplained, NodeFailure");
    let signalled = Evidence { signalled: true, ..with_end(1, "FAILED") };
    assert_eq!(unknown(signalled), "Unexplained, NodeFailure");
}

#[test]
fn what_a_signal_of_slurm_ended_is_to_be_started_again() {
    let signalled = |state: &str, detail: &str| Evidence {
        signalled: true,
        job: job(state, detail),
        ..with_end(1, state)
    };
    for state in ["PENDING", "COMPLETING", "RUNNING", "REQUEUED"] {
        assert_eq!(outcome(&signalled(state, "BeginTime")), "running", "{state}");
    }
    let held = signalled("PENDING", "launch failed requeued held");
    assert_eq!(outcome(&held), "Stuck, cancel, LaunchFailure");
    assert_eq!(outcome(&signalled("PREEMPTED", "None")), "Preemption");
    assert_eq!(outcome(&signalled("CANCELLED", "None")), "abandoned");
    // A controller that was killed before it had saved why it signalled the job takes it for one that failed by itself.
    assert_eq!(outcome(&signalled("FAILED", "NonZeroExitCode")), "NodeFailure");
    assert_eq!(outcome(&with_end(143, "FAILED")), "NodeFailure");
    assert_eq!(outcome(&signalled("COMPLETED", "None")), "NodeFailure");
    let stopped = Evidence { stopped: Some("enough".into()), ..signalled("FAILED", "None") };
    assert_eq!(outcome(&stopped), "failed: exit status 1");
}

#[test]
fn what_is_alive_runs_whatever_slurm_has_forgotten() {
    let alive = |evidence: Evidence| outcome(&Evidence { alive: true, ..evidence });
    let forgotten = Evidence { job: None, ..begun("FAILED", "") };
    assert_eq!(outcome(&forgotten), "Vanished, NodeFailure");
    assert_eq!(alive(forgotten), "running");
    assert_eq!(alive(begun("PENDING", "launch failed requeued held")), "running");
    assert_eq!(alive(begun("COMPLETED", "None")), "running");
    assert_eq!(alive(begun("FAILED", "None")), "running");
    // A node that fails takes along what is alive on it, or is not heard of again.
    assert_eq!(alive(begun("NODE_FAIL", "None")), "NodeFailure");
}

#[test]
fn what_was_to_be_stopped_says_so() {
    let stopped = |evidence: Evidence| {
        outcome(&Evidence { stopped: Some("not promising".into()), ..evidence })
    };
    assert_eq!(stopped(begun("CANCELLED", "None")), "failed: stopped: not promising");
    assert_eq!(stopped(begun("RUNNING", "None")), "running");
    // The request did not get through, or came before the job was known.
    assert_eq!(stopped(begun("PENDING", "Priority")), "cancel, failed: stopped: not promising");
    assert_eq!(stopped(with_end(143, "CANCELLED")), "failed: exit status 143");
    let forgotten = Evidence { job: None, ..begun("FAILED", "") };
    assert_eq!(stopped(forgotten), "Vanished, failed: stopped: not promising");
}

#[test]
fn what_was_being_given_up_is_lost_whoever_looks_next() {
    let given_up = |evidence: Evidence| {
        let stopped = Some("Slurm cannot start it".into());
        outcome(&Evidence { stopped, given_up: true, ..evidence })
    };
    let held = given_up(begun("PENDING", "launch failed requeued held"));
    assert_eq!(held, "cancel, LaunchFailure");
    assert_eq!(given_up(begun("CANCELLED", "None")), "LaunchFailure");
    assert_eq!(given_up(with_end(143, "CANCELLED")), "LaunchFailure");
    let forgotten = Evidence { job: None, ..begun("FAILED", "") };
    assert_eq!(given_up(forgotten), "Vanished, LaunchFailure");
    assert_eq!(given_up(begun("RUNNING", "None")), "running");
}

#[test]
fn a_reason_says_what_slurm_and_the_log_say() {
    let evidence = Evidence {
        log: "no such module".into(),
        job: job("FAILED", "NonZeroExitCode"),
        ..Evidence::default()
    };
    let Verdict::Later(_, End::Lost(_, reason)) = verdict(&evidence) else { panic!("it is lost") };
    assert_eq!(
        reason,
        "Slurm says that job 12 failed (NonZeroExitCode); the program has not begun; the job's log ends with: no such module"
    );
}

#[test]
fn too_much_memory_is_read_from_the_log_where_slurm_calls_it_a_failure() {
    let log = MEMORY.to_owned();
    let killed = Evidence { log: log.clone(), ..begun("FAILED", "JobLaunchFailure") };
    assert_eq!(outcome(&killed), "OutOfMemory");
    let killed = Evidence { log: log.clone(), ..with_end(137, "FAILED") };
    assert_eq!(outcome(&killed), "OutOfMemory");
    // What the program made of a step of its own that was killed is its own end.
    let survived = Evidence { log: log.clone(), ..with_end(3, "FAILED") };
    assert_eq!(outcome(&survived), "failed: exit status 3");
    let forgotten = Evidence { job: None, ..survived };
    assert_eq!(outcome(&forgotten), "Unexplained, failed: exit status 3");
    let cancelled = Evidence { log, ..begun("CANCELLED", "None") };
    assert_eq!(outcome(&cancelled), "abandoned");
}

#[test]
fn what_the_controller_alone_says_of_memory_may_be_meant_for_another_job() {
    let log = "slurmstepd-n1: error: *** JOB 12 ON n1 CANCELLED AT noon ***\nslurmstepd-n1: error: Exceeded job memory limit";
    let of = |evidence: Evidence| outcome(&Evidence { log: log.to_owned(), ..evidence });
    assert_eq!(of(begun("FAILED", "JobLaunchFailure")), "NoResult, NodeFailure");
    assert_eq!(of(with_end(137, "FAILED")), "NodeFailure");
    assert_eq!(of(with_end(3, "FAILED")), "failed: exit status 3");
    let forgotten = |evidence: Evidence| of(Evidence { job: None, ..evidence });
    assert_eq!(forgotten(begun("FAILED", "")), "Vanished, NodeFailure");
    assert_eq!(forgotten(with_end(137, "FAILED")), "Unexplained, NodeFailure");
    assert_eq!(forgotten(with_end(3, "FAILED")), "Unexplained, failed: exit status 3");
}

/// A controller that has lost its state gives numbers out again: who cancels the new job may reach the old one.
#[test]
fn what_is_said_of_a_number_that_another_job_has_counts_for_nothing_but_a_run_that_is_lost() {
    for why in ["", " DUE TO TIME LIMIT", " DUE TO PREEMPTION", " DUE TO JOB REQUEUE"] {
        let log = format!("slurmstepd-n0: error: *** JOB 12 ON n0 CANCELLED AT noon{why} ***");
        let of = |evidence: Evidence| {
            outcome(&Evidence { log: log.clone(), job: None, renumbered: true, ..evidence })
        };
        assert_eq!(of(begun("FAILED", "")), "Vanished, NodeFailure", "{why}");
        assert_eq!(of(with_end(137, "FAILED")), "Unexplained, NodeFailure", "{why}");
        assert_eq!(of(with_end(143, "FAILED")), "Unexplained, NodeFailure", "{why}");
        assert_eq!(of(with_end(3, "FAILED")), "Unexplained, failed: exit status 3", "{why}");
    }
    // What its node says of its memory is its own.
    let log = MEMORY.to_owned();
    let killed = Evidence { log, job: None, renumbered: true, ..with_end(137, "FAILED") };
    assert_eq!(outcome(&killed), "Unexplained, OutOfMemory");
}

#[test]
fn of_a_long_log_the_end_is_told() {
    let log = format!("{}{}", "ä".repeat(400), "z".repeat(TOLD - 1));
    let Verdict::Later(_, End::Lost(_, reason)) =
        verdict(&Evidence { log, ..begun("FAILED", "None") })
    else {
        panic!("it is lost")
    };
    assert!(reason.ends_with(&format!("ends with: {}", "z".repeat(TOLD - 1))), "{reason}");
}

#[test]
fn a_job_whose_time_is_over_without_having_begun_was_never_started_by_its_node() {
    let evidence = Evidence { began: false, ..begun("TIMEOUT", "TimeLimit") };
    assert_eq!(outcome(&evidence), "LaunchFailure");
}

#[test]
fn why_a_job_was_ended_that_slurm_calls_failed_or_has_forgotten_is_read_from_its_log() {
    let log = |why: &str| format!("slurmstepd-n0: error: *** JOB 12 CANCELLED AT noon{why} ***");
    let cases = [
        (" DUE TO TIME LIMIT", "TimeLimit", "TimeLimit"),
        (" DUE TO PREEMPTION", "Preemption", "Preemption"),
        (" DUE TO NODE FAILURE", "NodeFailure", "NodeFailure"),
        ("", "abandoned", "TimeLimit"),
        // It was to be started again, and was forgotten before.
        (" DUE TO JOB REQUEUE", "NodeFailure", "NodeFailure"),
    ];
    for (why, expected, where_warned) in cases {
        let of = |evidence: Evidence| outcome(&Evidence { log: log(why), ..evidence });
        let signalled = || Evidence { signalled: true, ..with_end(1, "FAILED") };
        assert_eq!(of(signalled()), expected, "{why}");
        let warned = Evidence { warned: true, ..signalled() };
        assert_eq!(of(warned), where_warned, "{why}");
        let forgotten = Evidence { job: None, ..signalled() };
        assert_eq!(of(forgotten), format!("Unexplained, {expected}"), "{why}");
        // All that belongs to it was killed before it could leave how it ended.
        let forgotten = Evidence { job: None, ..begun("FAILED", "") };
        assert_eq!(of(forgotten), format!("Vanished, {expected}"), "{why}");
        // It ended by itself before.
        assert_eq!(of(with_end(3, "FAILED")), "failed: exit status 3", "{why}");
        let forgotten = Evidence { job: None, ..with_end(3, "FAILED") };
        assert_eq!(of(forgotten), "Unexplained, failed: exit status 3", "{why}");
    }
    let log = MEMORY.to_owned();
    let forgotten = Evidence { job: None, log, ..with_end(137, "FAILED") };
    assert_eq!(outcome(&forgotten), "Unexplained, OutOfMemory");
}
