//! A clock that is set back and forth by years, as by a wrong battery or a wrong time server: records keep their order,
//! nothing is lost, and no trial ends because of it.

use std::path::Path;
use std::time::Duration;

use krige::core::Timestamp;
use krige::core::trial::TrialStatus;
use krige::prelude::*;
use krige_testkit::ManualClock;

use crate::example::{count, sound, stored};

const TRIALS: usize = 12;

fn year(year: u16) -> Timestamp {
    format!("{year}-06-01T00:00:00Z").parse().expect("a time")
}

/// Where the clock stands after so many calls: years ahead, then years back.
fn jump(calls: usize) -> Timestamp {
    year([2026, 2061, 1999, 2027, 1971][calls % 5])
}

fn begin(database: &Path, clock: &ManualClock) -> Client {
    let mut client =
        Client::with_database(database).expect("opened").with_seed(3).with_clock(clock.clone());
    let config = ExperimentConfig::new("e").parameter(Parameter::float("x", 0.0, 1.0));
    client.configure_experiment(config).expect("configured");
    client.configure_optimization("-y", &[]).expect("configured");
    let method = GenerationMethod::RandomSearch;
    let options = StrategyOptions { method, ..StrategyOptions::default() };
    client.configure_generation_strategy(&options).expect("configured");
    client
}

/// All completed, with their values, and the records are sound and in order of time.
#[track_caller]
fn check(database: &Path) {
    let records = sound(database, "e");
    assert_eq!(records.last().map(|record| record.at >= year(2061)), Some(true), "it jumped");
    let trials = stored(database, "e").trials;
    assert_eq!((trials.len(), count(&trials, TrialStatus::Completed)), (TRIALS, TRIALS));
    for trial in &trials {
        let x = trial.arm.parameters.float("x").ok();
        assert_eq!(trial.observation("y").map(|y| y.mean), x, "trial {}", trial.index);
    }
}

#[test]
fn the_clock_jumps_while_trials_are_asked_and_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = folder.path().join("lab.db");
    let clock = ManualClock::at(year(2026));
    let mut client = begin(&database, &clock);
    let mut open: Option<(TrialIndex, Parameterization)> = None;
    for call in 0..=TRIALS {
        clock.set(jump(call));
        // A process that knows nothing of former times goes on every now and then.
        if call % 4 == 3 {
            let again = Client::load_from_database(&database, "e").expect("opened");
            client = again.with_clock(clock.clone());
        }
        // The former trial runs across the jump.
        let next = match call {
            TRIALS => None,
            _ => client.get_next_trials(1).expect("asked").into_iter().next(),
        };
        if let Some((trial, parameters)) = open.take() {
            let y = parameters.float("x").expect("a float");
            let status = client.complete_trial(trial, [("y", y)]).expect("told");
            assert_eq!(status, TrialStatus::Completed);
        }
        open = next;
    }
    check(&database);
}

#[test]
fn the_clock_jumps_while_an_orchestrator_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = folder.path().join("lab.db");
    let clock = ManualClock::at(year(2026));
    let mut client = begin(&database, &clock);
    let calls = std::sync::atomic::AtomicUsize::new(0);
    let runner = FunctionRunner::new(move |p: &Parameterization| {
        clock.set(jump(calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst)));
        Ok([("y", p.float("x")?)])
    });
    client.configure_runner(runner).expect("configured");
    client.configure_metric("y", MetadataMetric::new("y")).expect("configured");
    let options = OrchestratorOptions {
        progress: Progress::Silent,
        // Hours, by a clock that jumps by decades.
        timeout: Some(Duration::from_secs(36_000)),
        ..OrchestratorOptions::until(TRIALS, 2).poll_every(Duration::ZERO, Duration::ZERO)
    };
    let report = client.run_trials(options).expect("runs to the end");
    assert_eq!((report.ended, report.finished), (EndReason::Done, TRIALS));
    check(&database);
}
