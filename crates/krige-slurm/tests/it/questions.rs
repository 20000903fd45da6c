//! How much is asked of Slurm.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use krige_core::trial::{Metadata, TrialRun};
use krige_runner::{IRunner, RunStatus};
use krige_slurm::SlurmRunner;

use crate::bed::{Bed, wait_for};

/// Has every command of Slurm noted before it runs; gives the file with the notes.
fn noted(bed: &mut Bed) -> PathBuf {
    let (folder, notes) = (bed.folder.path().join("bin"), bed.folder.path().join("notes"));
    fs::create_dir_all(&folder).expect("a folder");
    let path = bed.runner.environment["PATH"].clone();
    for command in ["sbatch", "squeue", "sacct", "scancel"] {
        let script = format!(
            "#!/bin/sh\necho {command} >>'{}'\nPATH='{path}' exec {command} \"$@\"\n",
            notes.display()
        );
        let file = folder.join(command);
        fs::write(&file, script).expect("a file");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("it is ours");
    }
    bed.runner.environment.insert("PATH".into(), format!("{}:{path}", folder.display()));
    fs::write(&notes, "").expect("a file");
    notes
}

/// What was asked since the last time.
fn asked(notes: &PathBuf) -> Vec<String> {
    let text = fs::read_to_string(notes).expect("a file");
    fs::write(notes, "").expect("a file");
    text.lines().map(ToOwned::to_owned).collect()
}

#[test]
fn five_hundred_runs_are_one_submission_and_one_question() {
    let mut bed = Bed::shared("while ! [ -e ../go ]; do sleep 1; done");
    bed.runner.query_interval_seconds = 0.0;
    let notes = noted(&mut bed);
    let batch: Vec<_> = (0..500).map(|trial| (bed.run(trial), bed.parameters())).collect();
    let answers = bed.runner.run_trials(&batch).into_iter();
    let runs: Vec<(TrialRun, Metadata)> = batch
        .iter()
        .map(|(run, _)| run.clone())
        .zip(answers.map(|answer| answer.expect("Slurm takes it")))
        .collect();
    assert_eq!(asked(&notes), ["sbatch"]);
    let running =
        |status: Result<RunStatus, _>| status.expect("it can be told") == RunStatus::Running;
    assert!(bed.runner.poll_trials(&runs).into_iter().all(running));
    assert_eq!(asked(&notes), ["squeue"]);
    // Some have ended, and others wait.
    fs::write(bed.runner.work.join("go"), "").expect("a file");
    wait_for("the first ends", || {
        let ended =
            bed.runner.poll_trials(&runs).into_iter().filter(|status| {
                status.as_ref().is_ok_and(|status| *status == RunStatus::Completed)
            });
        let ended = ended.count();
        assert_eq!(asked(&notes), ["squeue"]);
        (ended >= 16).then_some(())
    });
    // An answer that is young enough is used again, by single polls, too.
    bed.runner.query_interval_seconds = 3600.0;
    let waiting = &runs[499];
    assert!(bed.runner.poll_trials(&runs).into_iter().all(|status| status.is_ok()));
    assert!(running(bed.runner.poll_trial(&waiting.0, &waiting.1)));
    assert_eq!(asked(&notes), Vec::<String>::new());
    // What has ended needs no question.
    let fresh = bed.reopened();
    let ended = wait_for("an end", || {
        runs.iter().find(|(run, metadata)| {
            fresh.poll_trial(run, metadata).is_ok_and(|status| status == RunStatus::Completed)
        })
    });
    asked(&notes);
    let again = bed.reopened();
    let all_ended = vec![ended.clone(); 3];
    assert!(again.poll_trials(&all_ended).into_iter().all(|status| !running(status)));
    assert_eq!(asked(&notes), Vec::<String>::new());
    let array = waiting.1.text("job").and_then(|job| job.split_once('_')).expect("an element").0;
    bed.slurm("scancel", &[array]);
}

#[test]
fn no_more_jobs_are_submitted_than_the_queue_may_have() {
    let mut bed = Bed::shared("true");
    assert_eq!(bed.runner.free_slots().expect("it can be told"), None);
    let slots =
        |runner: &SlurmRunner| runner.free_slots().expect("it can be told").expect("it is limited");
    bed.runner.max_queued = Some(0);
    assert_eq!(slots(&bed.runner), 0);
    // Jobs of other tests come and go: so it is one answer, to which is added what was submitted since.
    bed.runner.max_queued = Some(100_000);
    bed.runner.query_interval_seconds = 3600.0;
    bed.runner.resources.options = vec!["--begin=now+1hour".into()];
    bed.runner = bed.reopened();
    let before = slots(&bed.runner);
    let run = bed.run(0);
    let metadata = bed.launch(&run);
    assert_eq!(before - slots(&bed.runner), 1);
    assert!(slots(&bed.reopened()) < 100_000, "a job that waits is in the queue");
    bed.runner.stop_trial(&run, &metadata, "enough").expect("it is stopped");
}
