//! The GP node with several objectives, and with a known end.

use super::super::gp_state::{newest_model, separate_outcomes};
use super::*;

/// Two parabolas with their tops at 0.2 and 0.8; `a` is maximized and `b` minimized.
fn tell(lab: &mut Lab, trial: usize) {
    let (x, y) = (lab.float(trial, "x"), lab.float(trial, "y"));
    let square = |at: f64| (x - at).powi(2) + (y - 0.5).powi(2);
    lab.complete(trial, &[("a", 1.0 - square(0.2)), ("b", 10.0 * square(0.8))]);
}

fn started(constraints: &[&str]) -> Lab {
    let strategy = StrategyOptions::default().strategy();
    let mut lab = Lab::new(square()).optimize("a, -b", constraints).with(strategy);
    for trial in lab.ask(5).unwrap() {
        tell(&mut lab, trial);
    }
    lab
}

fn go_on(lab: &mut Lab, trials: usize) -> Vec<f64> {
    let mut x = Vec::new();
    for _ in 0..trials {
        let trial = lab.ask(1).unwrap()[0];
        let generation = lab.generation(trial);
        assert_eq!((generation.method.as_str(), &generation.degraded), ("log_ehvi", &None));
        x.push(lab.float(trial, "x"));
        tell(lab, trial);
    }
    lab.check_arms();
    x
}

#[test]
fn the_front_is_found_between_both_optima() {
    let x = go_on(&mut started(&[]), 10);
    let (low, high) = x.iter().fold((1.0_f64, 0.0_f64), |(l, h), x| (l.min(*x), h.max(*x)));
    assert!(low < 0.4 && high > 0.7, "{x:?}");
    let between = x.iter().filter(|x| (0.15..=0.85).contains(*x)).count();
    assert!(between >= 7, "{x:?}");
}

/// `a >= 0.91` is kept from -0.1 to 0.5: what lies to the right is of no interest.
#[test]
fn thresholds_say_which_part_of_the_front_is_of_interest() {
    let x = go_on(&mut started(&["a >= 0.91", "b <= 3.7"]), 8);
    assert!(x.iter().filter(|x| **x < 0.55).count() >= 6, "{x:?}");
    let x = go_on(&mut started(&["b <= 0.9"]), 8);
    assert!(x.iter().filter(|x| **x > 0.45).count() >= 6, "{x:?}");
}

#[test]
fn a_threshold_relative_to_a_missing_baseline_is_named() {
    let mut lab = started(&["a >= 0.5 * baseline"]);
    let message = refusal(lab.ask(1)).to_string();
    assert!(message.contains("`a >= 0.5*baseline`"), "{message}");
}

#[test]
fn a_resumed_experiment_proposes_what_the_uninterrupted_one_does() {
    let (mut lab, mut resumed) = (started(&[]), started(&[]));
    for _ in 0..4 {
        for trial in lab.ask(2).unwrap() {
            tell(&mut lab, trial);
        }
        resumed = resumed.resumed();
        for trial in resumed.ask(2).unwrap() {
            tell(&mut resumed, trial);
        }
    }
    let text = |lab: &Lab| serde_json::to_string(&lab.records).unwrap();
    assert_eq!(text(&lab), text(&resumed), "not the same bits");
    let outcomes = separate_outcomes(lab.experiment.optimization.as_ref().unwrap());
    assert_eq!(outcomes, ["a", "-b"]);
    let model = newest_model(&lab.experiment, "GP", &outcomes).unwrap();
    assert_eq!(model.to_multi().objectives.len(), 2);
}

#[test]
fn more_than_four_objectives_become_one_by_random_weights() {
    let names = ["a", "b", "c", "d", "e"];
    let strategy = gp_only();
    let mut lab = Lab::new(square()).optimize("a, b, c, d, e", &[]).with(strategy);
    for (i, x) in [0.1, 0.5, 0.7, 0.9].into_iter().enumerate() {
        let trial = lab.attach([("x", x), ("y", 0.3 * i as f64)]);
        let values: Vec<_> =
            (1..).zip(names).map(|(k, name)| (name, (k as f64 * x).sin())).collect();
        lab.complete(trial, &values);
    }
    let trial = lab.ask(1).unwrap()[0];
    assert_eq!(
        (lab.generation(trial).method.as_str(), &lab.generation(trial).degraded),
        ("log_ei", &None)
    );
}

/// The methods of the last proposals of a run of so many trials, two of them attached.
fn methods(budget: Option<usize>, trials: usize) -> Vec<String> {
    let strategy = StrategyOptions { budget, ..StrategyOptions::default() }.strategy();
    let mut lab = Lab::new(square()).optimize("a", &[]).with(strategy);
    for x in [0.15, 0.85] {
        let trial = lab.attach([("x", x), ("y", 0.9)]);
        tell_one(&mut lab, trial);
    }
    let mut methods = Vec::new();
    for _ in 0..trials {
        let trial = lab.ask(1).unwrap()[0];
        methods.push(lab.generation(trial).method.clone());
        tell_one(&mut lab, trial);
    }
    methods.split_off(trials - 2)
}

fn tell_one(lab: &mut Lab, trial: usize) {
    let (x, y) = (lab.float(trial, "x"), lab.float(trial, "y"));
    lab.complete(trial, &[("a", -(x - 0.37).powi(2) - (y - 0.61).powi(2) * (1.0 + x))]);
}

#[test]
fn the_last_trials_of_a_budget_polish() {
    assert_eq!(methods(Some(8), 8), ["greedy_polish", "greedy_polish"]);
    // Beyond the budget the search goes on as if none had been told.
    assert_eq!(methods(Some(6), 8), methods(None, 8));
    assert_ne!(methods(None, 8), methods(Some(8), 8));
}
