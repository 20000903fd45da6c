//! Scripted far sides do what their scripts say.

use std::panic::{AssertUnwindSafe, catch_unwind};

use krige_runner::{check_metric, check_runner};

use super::*;
use crate::functions::TestFunction;
use crate::script::{Answer, Fetch, Find, Launch, Script, Stop};

fn far_side(name: &str, scripts: impl Fn(&TrialRun) -> Script + Send + Sync + 'static) -> FarSide {
    let himmelblau = TestFunction::himmelblau();
    FarSide::new(name, move |p| Ok(himmelblau.measure(p)?), scripts)
}

fn point() -> Parameterization {
    [("x1", 0.0), ("x2", 0.0)].into()
}

fn run(trial: usize) -> TrialRun {
    TrialRun::new("e", trial, 1)
}

#[test]
fn honest_scripts_keep_the_contract() {
    let lab = far_side("contract", |run| match run.trial_index {
        3 => Script::never_ends(),
        trial => Script::completes_after(trial),
    });
    let runner = ScriptedRunner::new("contract");
    let (run, metadata) = check_runner(&runner, "e", &point(), || {});
    let metric = ScriptedMetric::new("contract", "himmelblau");
    let measured = check_metric(&metric, &run, &metadata, || {});
    assert_eq!(measured, Measurement::from(170.0));
    assert!(lab.deployments().values().all(|&count| count == 1), "{:?}", lab.deployments());
}

#[test]
fn a_runner_that_denies_its_runs_fails_the_contract() {
    far_side("denies", |_| Script { find: vec![Answer::Gives(Find::Absent)], ..Script::default() });
    let suite = || check_runner(&ScriptedRunner::new("denies"), "e", &point(), || {});
    let panic = catch_unwind(AssertUnwindSafe(suite)).expect_err("a lie");
    let message = panic.downcast::<String>().expect("a formatted message");
    assert!(message.contains("made something new"), "{message}");
}

#[test]
fn launches_fail_as_scripted_and_starts_are_counted() {
    let lab = far_side("launches", |run| {
        let launch = match run.trial_index {
            0 => vec![Answer::Transient, Answer::Transient, Answer::Gives(Launch::Accepted)],
            1 => vec![Answer::Permanent],
            2 => vec![Answer::Panics, Answer::Gives(Launch::Accepted)],
            _ => vec![Answer::Gives(Launch::AcceptedButDenied), Answer::Gives(Launch::Accepted)],
        };
        Script { launch, ..Script::default() }
    });
    let runner = ScriptedRunner::new("launches");
    let launch = |trial| runner.run_trial(&run(trial), &point());
    for _ in 0..2 {
        assert!(matches!(launch(0), Err(RunnerError::Transient(_))));
    }
    assert_eq!(runner.find_trial(&run(0)).expect("asked"), Found::Absent);
    assert_eq!(launch(0).expect("started"), Metadata::of("job", 0));
    assert!(matches!(launch(1), Err(RunnerError::Permanent(_))));
    assert!(catch_unwind(AssertUnwindSafe(|| launch(2))).is_err());
    assert_eq!(launch(2).expect("started"), Metadata::of("job", 1));
    assert!(matches!(launch(3), Err(RunnerError::Transient(_))));
    assert_eq!(runner.find_trial(&run(3)).expect("asked"), Found::Exists(Metadata::of("job", 2)));
    launch(3).expect("started");
    let expected = [("krige-e-0-1", 1), ("krige-e-2-1", 1), ("krige-e-3-1", 2)];
    assert_eq!(lab.deployments(), expected.map(|(key, n)| (key.to_owned(), n)).into());
    assert_eq!(lab.launched(), [0, 2, 3, 3].map(run));
}

#[test]
fn polls_follow_the_script_and_repeat_its_end() {
    use RunStatus::{Completed, Running};
    let abandoned = RunStatus::Abandoned { reason: "sample lost".into() };
    let poll = vec![
        Answer::Gives(Running),
        Answer::Transient,
        Answer::Gives(Completed),
        Answer::Gives(abandoned.clone()),
    ];
    far_side("polls", move |_| Script { poll: poll.clone(), ..Script::default() });
    let runner = ScriptedRunner::new("polls");
    let metadata = runner.run_trial(&run(0), &point()).expect("started");
    let poll = || runner.poll_trial(&run(0), &metadata);
    assert_eq!(poll().expect("polled"), Running);
    assert!(matches!(poll(), Err(RunnerError::Transient(_))));
    for expected in [Completed, abandoned.clone(), abandoned] {
        assert_eq!(poll().expect("polled"), expected);
    }
    let other = runner.poll_trial(&run(1), &metadata);
    assert!(matches!(other, Err(RunnerError::Permanent(_))), "the metadata of another run");
}

#[test]
fn stopping_works_as_far_as_the_script_lets_it() {
    far_side("stops", |run| {
        let stop = [Stop::Obeys, Stop::Ignores, Stop::Unsupported][run.trial_index];
        Script { stop: vec![Answer::Gives(stop)], ..Script::completes_after(1) }
    });
    let runner = ScriptedRunner::new("stops");
    let stopped = |trial| {
        let metadata = runner.run_trial(&run(trial), &point()).expect("started");
        let stopped = runner.stop_trial(&run(trial), &metadata, "enough").expect("asked");
        (stopped, runner.poll_trial(&run(trial), &metadata).expect("polled"))
    };
    let failed = RunStatus::Failed { reason: "stopped: enough".into() };
    assert_eq!(stopped(0), (Stopped::Requested, failed));
    assert_eq!(stopped(1), (Stopped::Requested, RunStatus::Running));
    assert_eq!(stopped(2), (Stopped::Unsupported, RunStatus::Running));
}

#[test]
fn metrics_follow_the_script_each_on_its_own() {
    far_side("metrics", |_| Script {
        fetch: vec![
            Answer::Gives(Fetch::NotYet),
            Answer::Gives(Fetch::Other(f64::NAN)),
            Answer::Permanent,
            Answer::Gives(Fetch::Value),
        ],
        ..Script::default()
    });
    let metadata = ScriptedRunner::new("metrics").run_trial(&run(0), &point()).expect("started");
    for name in ["himmelblau", "other"] {
        let metric = ScriptedMetric::new("metrics", name);
        let fetch = || metric.fetch(&run(0), &metadata);
        assert!(matches!(fetch(), Err(MetricError::NotYet)));
        assert!(fetch().expect("fetched").mean.is_nan());
        assert!(matches!(fetch(), Err(MetricError::Permanent(_))));
        assert_eq!(fetch().ok(), (name == "himmelblau").then_some(170.0.into()));
    }
}

#[test]
fn a_late_call_waits_for_its_release() {
    let lab = far_side("late", |_| Script {
        launch: vec![Answer::Late(Launch::Accepted)],
        ..Script::default()
    });
    let launch = || ScriptedRunner::new("late").run_trial(&run(0), &point());
    std::thread::scope(|scope| {
        let waiting = scope.spawn(launch);
        assert!(lab.launched().is_empty(), "nothing is started before the release");
        lab.release();
        waiting.join().expect("no panic").expect("started");
    });
    assert_eq!(lab.launched(), [run(0)]);
}

#[test]
fn slots_are_freed_by_runs_that_ended() {
    far_side("slots", |_| Script::default()).limit_slots(1);
    let runner = ScriptedRunner::new("slots");
    assert_eq!(runner.free_slots().expect("asked"), Some(1));
    let metadata = runner.run_trial(&run(0), &point()).expect("started");
    assert_eq!(runner.free_slots().expect("asked"), Some(0));
    assert!(matches!(runner.run_trial(&run(1), &point()), Err(RunnerError::Transient(_))));
    runner.poll_trial(&run(0), &metadata).expect("polled");
    assert!(runner.run_trial(&run(1), &point()).is_ok());
}

#[test]
fn lists_can_be_of_the_wrong_length() {
    far_side("lists", |_| Script::default());
    let runs = [0, 1].map(|trial| (run(trial), point()));
    for (lists, expected) in [(Lists::Honest, 2), (Lists::TooShort, 1), (Lists::TooLong, 3)] {
        let runner = ScriptedRunner { lists, ..ScriptedRunner::new("lists") };
        let started: Vec<_> =
            runner.run_trials(&runs).into_iter().map(|answer| answer.expect("started")).collect();
        assert_eq!(started.len(), expected);
        let asked = [0, 1].map(|trial| (run(trial), Metadata::of("job", trial)));
        assert_eq!(runner.poll_trials(&asked).len(), expected);
    }
}

#[test]
fn a_new_far_side_takes_the_place_of_the_former() {
    let former = far_side("again", |_| Script::default());
    let runner = ScriptedRunner::new("again");
    runner.run_trial(&run(0), &point()).expect("started");
    far_side("again", |_| Script::default());
    assert_eq!(runner.find_trial(&run(0)).expect("asked"), Found::Absent);
    assert_eq!(former.launched().len(), 1);
    let nowhere = ScriptedRunner::new("nowhere").run_trial(&run(0), &point());
    assert!(matches!(nowhere, Err(RunnerError::Permanent(_))));
}

#[test]
fn random_far_sides_finish_out_of_order_and_the_same_each_time() {
    let ends = || {
        far_side("random", |run| Script::random(5, run));
        let runner = ScriptedRunner::new("random");
        let mut jobs = Vec::new();
        for trial in 0..20 {
            let started = runner
                .run_trial(&run(trial), &point())
                .or_else(|_| runner.run_trial(&run(trial), &point()));
            jobs.push((run(trial), started.expect("one transient error at most")));
        }
        let mut ends = Vec::new();
        while !jobs.is_empty() {
            jobs.retain(|(run, metadata)| match runner.poll_trial(run, metadata) {
                Ok(RunStatus::Running) | Err(_) => true,
                Ok(ended) => {
                    ends.push((run.trial_index, ended));
                    false
                }
            });
        }
        ends
    };
    let first = ends();
    assert_eq!(first, ends());
    assert!(!first.is_sorted_by_key(|(trial, _)| *trial), "{first:?}");
}
