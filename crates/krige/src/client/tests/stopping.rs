//! Stopping trials early, and ending the experiment.

use krige_core::stopping::{EarlyStopping, GlobalStopping};
use krige_runner::Measurement;

use super::*;

fn threshold(threshold: f64) -> EarlyStopping {
    EarlyStopping::Threshold { metric: None, threshold, min_progression: 2.0 }
}

fn budget(total: f64) -> GlobalStopping {
    GlobalStopping::Budget { metric: "y".into(), total }
}

/// Adds a trial with that value of `y` at every progression from 1 to the last.
fn running(client: &mut Client, y: f64, last: u32) -> usize {
    let x = experiment(client).trials.len() as f64;
    let trial = client.attach_trial(point(x, 1, "water"), None).expect("attached");
    for progression in (1..=last).map(f64::from) {
        let measured = Measurement { mean: y, sem: None, progression: Some(progression) };
        client.attach_data(trial, [("y", measured)]).expect("attached");
    }
    trial
}

#[test]
fn each_rule_is_set_and_removed_without_the_other() {
    let journal = SharedJournal::new();
    let mut client = minimizing(journal.clone());
    client.set_early_stopping_strategy(Some(threshold(3.0))).expect("set");
    client.set_global_stopping_strategy(Some(budget(9.0))).expect("set");
    client.set_early_stopping_strategy(Some(threshold(4.0))).expect("set");
    let rules = |client: &Client| {
        let experiment = experiment(client);
        (experiment.early_stopping.clone(), experiment.global_stopping.clone())
    };
    assert_eq!(rules(&client), (Some(threshold(4.0)), Some(budget(9.0))));
    let sequence = experiment(&client).sequence;
    client.set_early_stopping_strategy(Some(threshold(4.0))).expect("set");
    client.set_global_stopping_strategy(Some(budget(9.0))).expect("set");
    assert_eq!(experiment(&client).sequence, sequence, "what is set already is not stored again");
    client.set_early_stopping_strategy(None).expect("removed");
    assert_eq!(rules(&client), (None, Some(budget(9.0))));
    client.set_early_stopping_strategy(Some(threshold(5.0))).expect("set");
    client.set_global_stopping_strategy(None).expect("removed");
    let stored = crate::ExperimentStore::open(journal, "bath").expect("opened");
    assert_eq!(stored.experiment().early_stopping, Some(threshold(5.0)));
    assert_eq!(stored.experiment().global_stopping, None);
}

#[test]
fn a_rule_that_makes_no_sense_is_refused() {
    let mut client = Client::in_memory();
    let expected = "there is no experiment yet: call configure_experiment first";
    refused(&mut client, |c| c.set_early_stopping_strategy(None), expected);
    refused(&mut client, |c| c.set_global_stopping_strategy(None), expected);
    refused(&mut client, |c| c.should_stop_trial_early(0), expected);
    refused(&mut client, |c| c.global_stopping_reason(), expected);
    let mut client = blank();
    let expected = "a stopping rule compares by the objective, and there is none: call configure_optimization first";
    refused(&mut client, |c| c.set_early_stopping_strategy(Some(threshold(1.0))), expected);
    let mut client = minimizing(SharedJournal::new());
    refused(
        &mut client,
        |c| c.set_early_stopping_strategy(Some(threshold(f64::NAN))),
        "`threshold` of a stopping rule: expected a finite number, found NaN",
    );
    refused(
        &mut client,
        |c| c.set_global_stopping_strategy(Some(budget(-1.0))),
        "`total` of a stopping rule: expected more than 0, in units of the metric, found -1",
    );
    refused(
        &mut client,
        |c| c.should_stop_trial_early(0),
        "no trial 0 in experiment `bath`: it has no trials yet",
    );
}

#[test]
fn a_trial_is_stopped_for_a_reason_that_can_be_told() {
    let mut client = minimizing(SharedJournal::new());
    client.set_early_stopping_strategy(Some(threshold(3.0))).expect("set");
    let (good, bad) = (running(&mut client, 2.0, 3), running(&mut client, 4.0, 3));
    let before = experiment(&client).clone();
    assert_eq!(client.should_stop_trial_early(good).expect("asked"), None);
    let reason = client.should_stop_trial_early(bad).expect("asked").expect("to be stopped");
    assert_eq!(reason, "`y` is 4 at progression 3, worse than the threshold 3");
    assert_eq!(experiment(&client), &before, "asking changes nothing");
    client.mark_trial_early_stopped(bad, Some(&reason)).expect("stopped");
    assert_eq!(experiment(&client).trials[bad].state.reason(), Some(reason.as_str()));
    assert_eq!(client.should_stop_trial_early(bad).expect("asked"), None, "it runs no more");
    // The rule was set for one objective.
    client.configure_optimization("y, z", &[]).expect("configured");
    let expected = "a stopping rule expected a single objective, found `y, z`";
    refused(&mut client, |c| c.should_stop_trial_early(good), expected);
}

#[test]
fn without_a_rule_the_worse_half_of_five_curves_is_stopped_from_progression_ten_on() {
    let mut client = minimizing(SharedJournal::new());
    let asked = |client: &Client| -> Vec<bool> {
        let trials = 0..experiment(client).trials.len();
        trials.map(|t| client.should_stop_trial_early(t).expect("asked").is_some()).collect()
    };
    for y in [1.0, 2.0, 3.0, 4.0] {
        running(&mut client, y, 10);
    }
    running(&mut client, 5.0, 9);
    assert_eq!(asked(&client), [false; 5]);
    running(&mut client, 6.0, 10);
    assert_eq!(asked(&client), [false, false, false, true, false, true]);
}

#[test]
fn the_experiment_ends_by_its_rule_and_the_clients_clock() {
    let clock = ManualClock::default();
    let mut client = minimizing(SharedJournal::new()).with_clock(clock.clone());
    completed(&mut client, &[3.0]);
    assert_eq!(client.global_stopping_reason().expect("asked"), None, "no rule");
    let rules = vec![budget(5.0), GlobalStopping::WallTime { seconds: 60.0 }];
    client.set_global_stopping_strategy(Some(GlobalStopping::Any { of: rules })).expect("set");
    assert_eq!(client.global_stopping_reason().expect("asked"), None);
    clock.advance(std::time::Duration::from_secs(61));
    let reason = client.global_stopping_reason().expect("asked").expect("to be ended");
    assert!(reason.contains("seconds have passed since the first trial, of 60"), "{reason}");
    completed(&mut client, &[2.0]);
    let reason = client.global_stopping_reason().expect("asked").expect("to be ended");
    assert_eq!(reason, "the sum of `y` is 5, of a budget of 5");
}
