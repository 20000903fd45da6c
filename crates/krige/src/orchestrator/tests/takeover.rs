//! One process takes over what another drove, with the rules that the experiment remembers.

use std::time::Duration;

use krige_core::stopping::EarlyStopping;
use krige_runner::{Measurement, RunStatus};
use krige_testkit::ManualClock;

use super::puppet::{Counts, Stage, Strings};
use super::*;
use crate::orchestrator::EndReason;

/// Trial 0 runs for ever, and so does trial 1, which measures 0.1 at each step; the others end at once.
fn strings(launches: &Counts, stops: &Counts) -> Strings {
    let (launches, stops, steps) = (launches.clone(), stops.clone(), Counts::default());
    Strings {
        launch: Arc::new(move |run| {
            launches.count(&run);
            Ok(krige_core::trial::Metadata::default())
        }),
        poll: Arc::new(|run| {
            Ok(if run.trial_index < 2 { RunStatus::Running } else { RunStatus::Completed })
        }),
        stop: Arc::new(move |(run, _)| {
            stops.count(&run);
            Ok(krige_runner::Stopped::Requested)
        }),
        fetch: Arc::new(move |run| {
            let value = Measurement::from(if run.trial_index == 1 { 0.1 } else { 0.9 });
            match run.trial_index {
                0 => Err(krige_runner::MetricError::NotYet),
                1 => Ok(value.at(steps.count(&run) as f64)),
                _ => Ok(value),
            }
        }),
        watched: true,
        ..Strings::default()
    }
}

#[test]
fn a_new_leader_ends_what_its_predecessor_launched_by_time_to_live_and_by_early_stopping() {
    let stage = Stage::new();
    let (launches, stops) = (Counts::default(), Counts::default());
    let mut store = stage.begin();
    // Times of records never fall, and the first have the machine's.
    let clock = ManualClock::at(store.now());
    store.set_clock(Arc::new(clock.clone()));
    let optimization = OptimizationConfig::parse("y", &[]).expect("an objective");
    let threshold = EarlyStopping::Threshold { metric: None, threshold: 0.5, min_progression: 3.0 };
    store
        .record([
            Event::OptimizationConfigured { optimization },
            Event::StoppingConfigured { early: Some(threshold), global: None },
        ])
        .expect("stored");
    let mut elsewhere = ExperimentStore::open(stage.journal.clone(), "e").expect("opened");
    elsewhere.set_clock(Arc::new(clock.clone()));

    let options = OrchestratorOptions { ttl_seconds_for_trials: Some(100.0), ..until(4, 2) };
    let mut former = stage.results(&mut store, strings(&launches, &stops), &[], options.clone());
    while former.experiment().count_in(&[TrialStatus::Running]) < 2 {
        former.turn().expect("no error");
    }
    // It is suspended; its lease ends.
    clock.advance(Duration::from_secs(40));
    let mut new = stage.results(&mut elsewhere, strings(&launches, &stops), &[], options);

    let ended = new.next().expect("one ends").expect("no error");
    assert_eq!((ended.trial.index, ended.trial.status()), (1, TrialStatus::EarlyStopped));
    clock.advance(Duration::from_secs(70));
    let ended: Vec<_> = (&mut new).map(|ended| ended.expect("no error").trial.index).collect();
    assert_eq!((ended.len(), new.report().ended), (3, EndReason::Done));
    drop(new);

    // It goes on, sees that another has led, and tells what came of the trials.
    let mut told: Vec<_> =
        (&mut former).map(|ended| ended.expect("no error").trial.index).collect();
    told.sort_unstable();
    assert_eq!(told, [0, 1, 2, 3]);
    drop(former);
    store.refresh().expect("read");
    use TrialStatus::{Completed, EarlyStopped, Failed};
    assert_eq!(statuses(store.experiment()), [Failed, EarlyStopped, Completed, Completed]);
    let reason = store.experiment().trials[0].state.reason();
    assert_eq!(reason, Some("it ran for longer than its time to live, 100 s"));
    assert_eq!(launches.of(0..4), [1; 4]);
    assert_eq!(stops.of(0..4), [0, 1, 0, 0]);
    assert_replay_is_live(&mut store);
}
