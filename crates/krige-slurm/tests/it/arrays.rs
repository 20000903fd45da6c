//! Several runs that start in one call.

use std::collections::BTreeSet;

use krige_core::trial::{Metadata, TrialRun};
use krige_core::value::Parameterization;
use krige_runner::program::Program;
use krige_runner::{Found, IRunner, RunStatus, RunnerError};

use crate::bed::{Bed, failure, file, wait_for};

fn batch(bed: &Bed, size: u32) -> Vec<(TrialRun, Parameterization)> {
    (0..size).map(|i| (bed.run(i as usize), [("x", f64::from(i) + 0.5)].into())).collect()
}

fn launched(bed: &Bed, batch: &[(TrialRun, Parameterization)]) -> Vec<(TrialRun, Metadata)> {
    let answers = bed.runner.run_trials(batch);
    let metadata = answers.into_iter().map(|answer| answer.expect("Slurm takes it"));
    batch.iter().map(|(run, _)| run.clone()).zip(metadata).collect()
}

/// Waits until all have ended.
fn ends(bed: &Bed, runs: &[(TrialRun, Metadata)]) -> Vec<RunStatus> {
    wait_for("the end of an array", || {
        let statuses = bed.runner.poll_trials(runs).into_iter();
        let statuses: Vec<_> = statuses.map(|status| status.expect("it can be told")).collect();
        statuses.iter().all(|status| *status != RunStatus::Running).then_some(statuses)
    })
}

#[test]
fn fifty_runs_are_one_array_job_and_each_has_its_own_parameters() {
    let mut bed = Bed::shared("");
    let script = "echo \"$1\"; test \"$1\" != 7.5";
    bed.runner.program = Program::new("sh").args(["-c", script, "sh", "{x}"]);
    let batch = batch(&bed, 50);
    let runs = launched(&bed, &batch);
    let jobs: BTreeSet<&str> =
        runs.iter().map(|(_, metadata)| metadata.text("job").expect("it has a job")).collect();
    assert_eq!(jobs.len(), 50);
    let arrays: BTreeSet<&str> =
        jobs.iter().map(|job| job.split_once('_').expect("an element").0).collect();
    assert_eq!(arrays.len(), 1);
    let statuses = ends(&bed, &runs);
    for (((run, metadata), status), (_, parameters)) in runs.iter().zip(statuses).zip(&batch) {
        let x = parameters.float("x").expect("it is there");
        assert_eq!(file(metadata, "stdout.log"), format!("{x}\n"));
        if x == 7.5 {
            assert!(failure(status).contains("exit status 1"));
        } else {
            assert_eq!(status, RunStatus::Completed, "{}", run.key);
        }
        assert_eq!(bed.find(run), Found::Exists(metadata.clone()));
    }
}

#[test]
fn an_element_is_found_by_the_arrays_name_where_its_job_was_not_noted() {
    let mut bed = Bed::shared("true");
    bed.runner.resources.options = vec!["--hold-until-told=1".into()];
    // There is no such option: nothing is submitted, and nothing is left of any run.
    for (answer, (run, _)) in bed.runner.run_trials(&batch(&bed, 3)).into_iter().zip(batch(&bed, 3))
    {
        assert!(matches!(answer, Err(RunnerError::Permanent(_))));
        assert_eq!(bed.find(&run), Found::Absent);
    }
    bed.runner.resources.options = vec!["--begin=now+1hour".into()];
    let runs = launched(&bed, &batch(&bed, 3));
    for (run, metadata) in &runs {
        let folder = metadata.text("folder").expect("it has a folder");
        std::fs::remove_file(format!("{folder}/krige/job")).expect("it was noted");
        assert_eq!(bed.find(run), Found::Exists(metadata.clone()));
        assert_eq!(file(metadata, "krige/job"), metadata.text("job").expect("it has a job"));
        bed.runner.stop_trial(run, metadata, "enough").expect("it is stopped");
    }
    for status in ends(&bed, &runs) {
        assert_eq!(failure(status), "stopped: enough");
    }
}

#[test]
fn one_element_is_cancelled_or_stopped_and_the_others_go_on() {
    let bed = Bed::shared("while ! [ -e ../go ]; do sleep 0.05; done");
    let runs = launched(&bed, &batch(&bed, 4));
    for (_, metadata) in &runs {
        bed.begun(metadata);
    }
    bed.slurm("scancel", &[runs[1].1.text("job").expect("it has a job")]);
    bed.runner.stop_trial(&runs[2].0, &runs[2].1, "enough").expect("it is stopped");
    let (ended, others) = ([runs[1].clone(), runs[2].clone()], [runs[0].clone(), runs[3].clone()]);
    let statuses = ends(&bed, &ended);
    assert!(matches!(&statuses[0], RunStatus::Abandoned { .. }), "{statuses:?}");
    assert!(failure(statuses[1].clone()).contains("enough"));
    std::fs::write(bed.runner.work.join("go"), "").expect("a file");
    assert_eq!(ends(&bed, &others), [RunStatus::Completed, RunStatus::Completed]);
}

#[test]
fn an_array_has_at_most_as_many_runs_as_allowed() {
    let mut bed = Bed::shared("true");
    bed.runner.max_array = 2;
    let runs = launched(&bed, &batch(&bed, 5));
    let jobs = runs.iter().map(|(_, metadata)| metadata.text("job").expect("it has a job"));
    let elements: Vec<Option<&str>> =
        jobs.map(|job| job.split_once('_').map(|(_, element)| element)).collect();
    assert_eq!(elements, [Some("0"), Some("1"), Some("0"), Some("1"), None]);
    assert!(ends(&bed, &runs).iter().all(|status| *status == RunStatus::Completed));
}
