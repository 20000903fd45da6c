//! Nodes that fail, jobs that must make room, and jobs that Slurm starts again.

use std::fs;
use std::sync::{Mutex, OnceLock, PoisonError};

use krige_core::trial::{Metadata, TrialRun};
use krige_runner::{IRunner, RunStatus, check_runner};
use krige_testkit::SlurmStack;

use crate::bed::{Bed, crash, exists, file, loss, own_stack, pause, wait_for};

/// Runs until it is told to end; what it does on SIGTERM is up to the test.
const WAITS: &str = "echo ran >>runs; touch ready; while ! [ -e ../go ]; do sleep 0.05; done";

fn go(bed: &Bed) {
    fs::write(bed.runner.work.join("go"), "").expect("a file");
}

#[test]
fn a_node_that_fails_loses_a_run_or_has_it_started_again() {
    let stack = own_stack(&[("SLURM_STACK_SLURMD_TIMEOUT", "5")]);
    let mut lost = Bed::on(stack, WAITS);
    lost.runner.requeue = false;
    let again = Bed::on(stack, WAITS);
    let beds = [&lost, &again];
    let runs = beds.map(|bed| bed.run(0));
    let [of_lost, of_again] = [(&lost, &runs[0]), (&again, &runs[1])].map(|(bed, run)| {
        let metadata = bed.launch(run);
        wait_for("the program", || exists(&metadata, "ready"));
        metadata
    });
    stack.service("kill", "slurmd-0");
    crash(&of_lost);
    crash(&of_again);
    let reason = loss(lost.end(&runs[0], &of_lost));
    assert!(reason.contains("lost with a node that failed"), "{reason}");
    assert_eq!(again.poll(&runs[1], &of_again), RunStatus::Running);
    stack.service("start", "slurmd-0");
    go(&again);
    assert_eq!(again.end(&runs[1], &of_again), RunStatus::Completed);
    assert_eq!(file(&of_again, "runs"), "ran\nran\n");
    assert!(exists(&of_again, "krige/began.1").is_some());
    // The contract of runners holds here as before.
    let mut bed = Bed::on(stack, "true");
    bed.runner.query_interval_seconds = 0.0;
    bed.runner.program = krige_runner::program::Program::new("echo").args(["{x}"]);
    check_runner(&bed.runner, &bed.experiment, &bed.parameters(), pause);
}

/// One node of 8 CPUs, for the tests that fill it.
fn with_the_node<T>(test: impl FnOnce(&'static SlurmStack) -> T) -> T {
    static STACK: OnceLock<&SlurmStack> = OnceLock::new();
    static FREE: Mutex<()> = Mutex::new(());
    let _turn = FREE.lock().unwrap_or_else(PoisonError::into_inner);
    test(STACK.get_or_init(|| own_stack(&[])))
}

/// A run on the whole node, in the partition whose jobs make room, and then a job that takes it.
fn preempted(bed: &mut Bed) -> (TrialRun, Metadata) {
    bed.runner.resources.partition = Some("scavenge".into());
    bed.runner.resources.cpus_per_task = Some(8);
    let run = bed.run(0);
    let metadata = bed.launch(&run);
    wait_for("the program", || exists(&metadata, "ready"));
    let urgent = ["-p", "urgent", "-c", "8", "-o", "/dev/null", "--wrap", "sleep 1"];
    bed.slurm("sbatch", &urgent);
    (run, metadata)
}

fn completes_at_its_second_start(bed: &Bed, run: &TrialRun, metadata: &Metadata) {
    wait_for("the second start", || {
        assert_eq!(bed.poll(run, metadata), RunStatus::Running);
        exists(metadata, "krige/began.1")
    });
    go(bed);
    assert_eq!(bed.end(run, metadata), RunStatus::Completed);
    assert_eq!(file(metadata, "runs"), "ran\nran\n");
}

#[test]
fn a_job_that_makes_room_is_started_again_and_what_it_did_on_sigterm_is_no_result() {
    for on_sigterm in ["", "trap 'exit 1' TERM; "] {
        with_the_node(|stack| {
            let mut bed = Bed::on(stack, &format!("{on_sigterm}{WAITS}"));
            let (run, metadata) = preempted(&mut bed);
            completes_at_its_second_start(&bed, &run, &metadata);
        });
    }
}

#[test]
fn a_job_that_makes_room_for_good_is_lost() {
    with_the_node(|stack| {
        let mut bed = Bed::on(stack, WAITS);
        bed.runner.requeue = false;
        let (run, metadata) = preempted(&mut bed);
        let reason = loss(bed.end(&run, &metadata));
        assert!(reason.contains("was preempted"), "{reason}");
    });
}

#[test]
fn a_job_that_an_operator_requeues_holds_and_releases_goes_on() {
    let bed = Bed::shared(WAITS);
    let run = bed.run(0);
    let metadata = bed.launch(&run);
    wait_for("the program", || exists(&metadata, "ready"));
    let job = metadata.text("job").expect("it has a job");
    bed.slurm("scontrol", &["requeuehold", job]);
    wait_for("the job to be held", || {
        assert_eq!(bed.poll(&run, &metadata), RunStatus::Running);
        bed.state(&metadata).starts_with("PENDING").then_some(())
    });
    // For longer than what is strange is believed after.
    let mut looks = 0;
    wait_for("some looks at a job that is held", || {
        assert_eq!(bed.poll(&run, &metadata), RunStatus::Running, "{}", bed.state(&metadata));
        looks += 1;
        (looks > 80).then_some(())
    });
    bed.slurm("scontrol", &["release", job]);
    completes_at_its_second_start(&bed, &run, &metadata);
}

#[test]
fn an_element_of_an_array_that_is_requeued_goes_on_and_the_others_run_on() {
    let bed = Bed::shared(WAITS);
    let batch = [0, 1].map(|trial| (bed.run(trial), bed.parameters()));
    let launched = bed.runner.run_trials(&batch);
    let launched: Vec<_> = launched.into_iter().map(|it| it.expect("Slurm takes it")).collect();
    for metadata in &launched {
        wait_for("the program", || exists(metadata, "ready"));
    }
    bed.slurm("scontrol", &["requeue", launched[1].text("job").expect("it has a job")]);
    wait_for("the second start", || {
        for ((run, _), metadata) in batch.iter().zip(&launched) {
            assert_eq!(bed.poll(run, metadata), RunStatus::Running);
        }
        exists(&launched[1], "krige/began.1")
    });
    go(&bed);
    for (((run, _), metadata), runs) in batch.iter().zip(&launched).zip(["ran\n", "ran\nran\n"]) {
        assert_eq!(bed.end(run, metadata), RunStatus::Completed);
        assert_eq!(file(metadata, "runs"), runs);
    }
}
