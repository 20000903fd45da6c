//! What is known in the end.

use super::*;

fn optimizing(objective: &str, constraints: &[&str]) -> Client {
    let mut client = minimizing(SharedJournal::new());
    client.configure_optimization(objective, constraints).expect("configured");
    client
}

/// Attaches a point and completes it.
fn tell(client: &mut Client, x: f64, data: &[(&str, f64)]) -> usize {
    let trial = client.attach_trial(point(x, 1, "water"), None).expect("attached");
    client.complete_trial(trial, data.iter().copied()).expect("completed");
    trial
}

#[test]
fn the_best_trial_by_observation_is_the_first_of_equals() {
    let mut client = optimizing("-y", &[]);
    refused(
        &mut client,
        |c| c.get_best_parameterization(false),
        "no trial has a value for every metric of the optimization",
    );
    completed(&mut client, &[3.0, 1.0, 1.0, 2.0]);
    // What only runs, or failed, is not the best.
    client.get_next_trials(1).expect("asked");
    client.attach_data(4, [("y", -9.0)]).expect("attached");
    let best = client.get_best_parameterization(false).expect("there is one");
    assert_eq!((best.trial_index, best.arm_name.as_str(), best.from_model), (1, "1_0", false));
    assert_eq!(best.parameters.float("x"), Ok(1.0));
    assert_eq!((best.metrics["y"].mean, best.metrics["y"].sem), (1.0, None));
}

#[test]
fn the_best_trial_by_the_model_is_not_the_luckiest_measurement() {
    let mut client = optimizing("-y", &[]);
    // A valley around 7, and one measurement that is far too good.
    for x in 0..=10 {
        let x = f64::from(x);
        let lucky = if x == 2.0 { 25.5 } else { 0.0 };
        let trial = client.attach_trial(point(x, 1, "water"), None).expect("attached");
        let sem = if x == 2.0 { 30.0 } else { 0.1 };
        client.complete_trial(trial, [("y", ((x - 7.0).powi(2) - lucky, sem))]).expect("completed");
    }
    assert_eq!(client.get_best_parameterization(false).expect("one").trial_index, 2);
    let best = client.get_best_parameterization(true).expect("one");
    assert_eq!((best.trial_index, best.from_model), (7, true));
    assert!(best.metrics["y"].mean.abs() < 1.0, "{best:?}");
    assert!(best.metrics["y"].sem.is_some_and(|sem| sem >= 0.0));
}

#[test]
fn of_the_trials_of_an_arm_the_first_is_the_best_by_the_model() {
    let mut client = optimizing("-y", &[]);
    for x in [10.0, 8.0, 7.0, 7.0, 4.0, 2.0] {
        tell(&mut client, x, &[("y", (x - 7.0_f64).powi(2))]);
    }
    // The third and the fourth are one arm, of which the same is expected.
    let best = client.get_best_parameterization(true).expect("one");
    assert_eq!((best.trial_index, best.arm_name.as_str(), best.from_model), (2, "2_0", true));
}

#[test]
fn what_breaks_an_outcome_constraint_is_not_the_best() {
    let mut client = optimizing("-y", &["z <= 3"]);
    tell(&mut client, 1.0, &[("y", 1.0), ("z", 4.0)]);
    for use_model in [false, true] {
        let error = client.get_best_parameterization(use_model).expect_err("none is feasible");
        assert_eq!(
            error.to_string(),
            "no trial has a value for every metric of the optimization and keeps the outcome constraints"
        );
    }
    tell(&mut client, 2.0, &[("y", 5.0), ("z", 2.0)]);
    tell(&mut client, 3.0, &[("y", 6.0), ("z", 2.0)]);
    for use_model in [false, true] {
        assert_eq!(client.get_best_parameterization(use_model).expect("one").trial_index, 1);
    }
    // Within its standard error, 3.1 may be 3.
    let trial = client.attach_trial(point(4.0, 1, "water"), None).expect("attached");
    client.complete_trial(trial, [("y", (0.5, 0.0)), ("z", (3.1, 0.2))]).expect("completed");
    assert_eq!(client.get_best_parameterization(false).expect("one").trial_index, trial);
}

#[test]
fn under_noise_the_best_trial_is_likely_to_keep_its_constraints() {
    let mut client = optimizing("-y", &["z <= 5"]);
    // The more x, the better, and z is x but for noise of 1. At 7 the measurement was lucky; at 5 it is a toss-up.
    let noise = [0.4, -0.3, 0.6, -0.5, 0.2, 0.1, -0.2, -2.5, 0.3, -0.4, 0.5];
    for (i, noise) in (0..).zip(noise) {
        let x = f64::from(i);
        let trial = client.attach_trial(point(x, 1, "water"), None).expect("attached");
        client
            .complete_trial(trial, [("y", (-x, 0.0)), ("z", (x + noise, 1.0))])
            .expect("completed");
    }
    assert_eq!(client.get_best_parameterization(false).expect("one").trial_index, 7);
    let best = client.get_best_parameterization(true).expect("one");
    assert_eq!((best.trial_index, best.from_model), (4, true), "{best:?}");
}

#[test]
fn under_noise_a_relative_constraint_is_compared_with_what_is_expected_of_the_baseline() {
    let mut client = optimizing("-y", &["z >= 0.5 * baseline"]);
    // As above, with z from 10 down: at 7 the measurement was lucky.
    let noise = [0.4, -0.3, 0.6, -0.5, 0.2, 0.1, -0.2, -2.5, 0.3, -0.4, 0.5];
    for (i, noise) in (0..).zip(noise) {
        let x = f64::from(i);
        let arm = point(x, 1, "water");
        let trial = if i == 0 {
            client.attach_baseline(arm, None).expect("attached")
        } else {
            client.attach_trial(arm, None).expect("attached")
        };
        client
            .complete_trial(trial, [("y", (-x, 0.0)), ("z", (10.0 - x - noise, 1.0))])
            .expect("completed");
    }
    let best = client.get_best_parameterization(true).expect("one");
    assert!((3..=5).contains(&best.trial_index) && best.from_model, "{best:?}");
}

#[test]
fn a_relative_constraint_needs_its_baseline() {
    let mut client = optimizing("-y", &["z >= 0.9 * baseline"]);
    tell(&mut client, 1.0, &[("y", 1.0), ("z", 8.0)]);
    assert!(matches!(
        client.get_best_parameterization(false),
        Err(Error::NoBest { infeasible: true })
    ));
    let baseline = client.attach_baseline(point(5.0, 1, "water"), None).expect("attached");
    client.complete_trial(baseline, [("y", 4.0), ("z", 10.0)]).expect("completed");
    assert_eq!(client.get_best_parameterization(false).expect("one").trial_index, baseline);
    let better = tell(&mut client, 2.0, &[("y", 2.0), ("z", 9.5)]);
    assert_eq!(client.get_best_parameterization(false).expect("one").trial_index, better);
}

#[test]
fn several_objectives_have_a_frontier_and_no_best() {
    let mut client = optimizing("a, -b", &["c <= 1"]);
    refused(&mut client, |c| c.get_pareto_frontier(false), "no trial has a value for every metric");
    let expected = "the experiment has several objectives, so no single trial is best: use get_pareto_frontier";
    refused(&mut client, |c| c.get_best_parameterization(true), expected);
    tell(&mut client, 0.0, &[("a", 9.0), ("b", 0.0), ("c", 2.0)]);
    refused(&mut client, |c| c.get_pareto_frontier(false), "and keeps the outcome constraints");
    for (x, a, b) in
        [(1.0, 1.0, 1.0), (2.0, 3.0, 4.0), (3.0, 2.0, 4.0), (4.0, 1.0, 1.0), (5.0, 4.0, 9.0)]
    {
        tell(&mut client, x, &[("a", a), ("b", b), ("c", 0.0)]);
    }
    let frontier = client.get_pareto_frontier(false).expect("there is one");
    let trials: Vec<_> = frontier.iter().map(|best| best.trial_index).collect();
    assert_eq!(trials, [1, 2, 4, 5], "equals are both on it, and 3 is dominated by 2");
    assert_eq!(frontier[1].metrics.keys().collect::<Vec<_>>(), ["a", "b", "c"]);
}

/// The more x, the better, the dearer and the hotter, so that all trials are on the frontier.
fn along_the_frontier(client: &mut Client, gain: impl Fn(f64) -> f64, heat: impl Fn(f64) -> f64) {
    for i in 0..11 {
        let x = f64::from(i);
        let trial = client.attach_trial(point(x, 1, "water"), None).expect("attached");
        let values =
            [("gain", (x + gain(x), 1.0)), ("cost", (x, 0.0)), ("heat", (x + heat(x), 1.0))];
        client.complete_trial(trial, values).expect("completed");
    }
}

/// Noise of at most 1, but for one measurement.
fn but_for(one: f64, noise: f64) -> impl Fn(f64) -> f64 {
    move |x| if x == one { noise } else { 0.3 * (5.0 * x).sin() }
}

fn frontier(client: &Client, predicted: bool) -> Vec<usize> {
    let frontier = client.get_pareto_frontier(predicted).expect("there is one");
    assert!(frontier.iter().all(|best| best.from_model == predicted));
    frontier.iter().map(|best| best.trial_index).collect()
}

#[test]
fn under_noise_the_frontier_is_that_of_what_is_expected() {
    let mut client = optimizing("gain, -cost", &[]);
    // At 4 the measurement was lucky.
    along_the_frontier(&mut client, but_for(4.0, 2.5), |_| 0.0);
    let observed = frontier(&client, false);
    assert!(!observed.contains(&5) && !observed.contains(&6), "{observed:?}");
    assert_eq!(frontier(&client, true), (0..11).collect::<Vec<_>>());
}

#[test]
fn what_likely_breaks_a_constraint_is_not_on_the_frontier() {
    let mut client = optimizing("gain, -cost", &["heat <= 5"]);
    // At 7 the measurement was lucky.
    along_the_frontier(&mut client, |_| 0.0, but_for(7.0, -2.5));
    assert!(frontier(&client, false).contains(&7));
    let expected = frontier(&client, true);
    assert!(expected.contains(&3) && expected.iter().all(|trial| *trial < 7), "{expected:?}");
}

#[test]
fn without_a_usable_model_the_frontier_is_what_was_observed() {
    let mut client = optimizing("a, -b", &[]);
    // Beyond the range of what can be modelled.
    tell(&mut client, 1.0, &[("a", 1e308), ("b", 1.0)]);
    tell(&mut client, 2.0, &[("a", -1e308), ("b", 0.0)]);
    let frontier = client.get_pareto_frontier(true).expect("there is one");
    assert_eq!(frontier.len(), 2);
    assert!(frontier.iter().all(|best| !best.from_model));
}

#[test]
fn a_single_objective_has_no_frontier() {
    let mut client = optimizing("-y", &[]);
    completed(&mut client, &[1.0]);
    let expected = "the experiment has a single objective, so there is no frontier: use get_best_parameterization";
    refused(&mut client, |c| c.get_pareto_frontier(false), expected);
}

#[test]
fn predictions_are_of_every_metric_that_has_data_in_its_own_units() {
    let mut client = optimizing("-y", &[]);
    client.configure_tracking_metrics(["never"]).expect("configured");
    let none = client.predict(&[point(1.0, 1, "water")]).expect_err("no data");
    assert_eq!(none.to_string(), "no trial has data yet: complete some trials first");
    for x in 0..8 {
        let x = f64::from(x);
        tell(&mut client, x, &[("y", 100.0 + x), ("z", -5.0 * x)]);
    }
    let predicted =
        client.predict(&[point(3.0, 1, "water"), point(4.5, 1, "water")]).expect("predicted");
    assert_eq!(predicted.len(), 2);
    for (prediction, x) in predicted.iter().zip([3.0, 4.5]) {
        assert_eq!(prediction.keys().collect::<Vec<_>>(), ["y", "z"]);
        assert!((prediction["y"].mean - (100.0 + x)).abs() < 0.3, "{prediction:?}");
        assert!((prediction["z"].mean + 5.0 * x).abs() < 1.0, "{prediction:?}");
        assert!(prediction.values().all(|p| p.sem.is_finite() && p.sem >= 0.0));
    }
    // The value of a fixed parameter may be left out, here as elsewhere; others may not.
    assert!(client.predict(&[[("x", 1.0)].into()]).is_err());
}

#[test]
fn the_table_has_a_row_for_each_trial_and_no_empty_column() {
    let mut client = optimizing("-y", &[]);
    client.configure_tracking_metrics(["never"]).expect("configured");
    let all =
        ["trial", "arm", "status", "reason", "node", "y", "never", "x", "n", "solvent", "stir"];
    assert_eq!(client.summarize().expect("a table").columns, all, "without trials all are shown");
    let first = client.attach_trial(point(0.25, 2, "ethanol"), Some("mine")).expect("attached");
    let summary = client.summarize().expect("a table");
    assert_eq!(summary.columns, ["trial", "arm", "status", "node", "x", "n", "solvent", "stir"]);
    client.complete_trial(first, [("y", (1.5, 0.25))]).expect("completed");
    let second = client.attach_trial(point(1.0 / 3.0, 1, "water"), None).expect("attached");
    client.mark_trial_failed(second, Some("no beam")).expect("marked");
    let summary = client.summarize().expect("a table");
    assert_eq!(
        summary.columns,
        ["trial", "arm", "status", "reason", "node", "y", "x", "n", "solvent", "stir"]
    );
    assert_eq!(
        summary.rows,
        [
            ["0", "mine", "completed", "", "manual", "1.5 ± 0.25", "0.25", "2", "ethanol", "true"],
            ["1", "1_0", "failed", "no beam", "manual", "", "0.333333", "1", "water", "true"],
        ]
    );
    let shown = summary.to_string();
    assert!(shown.contains("mine") && shown.lines().count() > 3, "{shown}");
}
