//! The GP node and its data: little, constant, missing, constrained, several objectives.

use super::*;
use crate::observation::Observation;

fn line() -> SearchSpace {
    space([Parameter::float("x", 0.0, 1.0)], &[])
}

fn lab(objective: &str, constraints: &[&str]) -> Lab {
    Lab::new(line()).optimize(objective, constraints).with(gp_only())
}

/// Attaches completed trials at those points.
fn known(lab: &mut Lab, points: &[f64], values: impl Fn(f64) -> Vec<(&'static str, f64)>) {
    for &x in points {
        let trial = lab.attach([("x", x)]);
        lab.complete(trial, &values(x));
    }
}

#[track_caller]
fn degraded(lab: &mut Lab) -> String {
    let trial = lab.ask(1).unwrap()[0];
    lab.check_arms();
    let generation = lab.generation(trial);
    assert_eq!(generation.method, "sobol");
    assert_eq!((generation.prediction, &generation.state), (None, &serde_json::Value::Null));
    generation.degraded.clone().unwrap()
}

#[track_caller]
fn modelled(lab: &mut Lab) -> usize {
    let trial = lab.ask(1).unwrap()[0];
    lab.check_arms();
    assert_eq!(lab.generation(trial).degraded, None);
    trial
}

#[test]
fn without_data_it_says_so_and_fills_space() {
    let mut lab = lab("z", &[]);
    assert_eq!(degraded(&mut lab), "no trial has data for the objective");
    lab.complete(0, &[("other", 1.0)]);
    assert_eq!(degraded(&mut lab), "no trial has data for the objective");
    // Degraded proposals do not stay at one place.
    assert_eq!(lab.ask(4).unwrap().len(), 4);
    lab.check_arms();
}

#[test]
fn failed_trials_are_no_data_even_if_something_was_observed() {
    let mut lab = lab("z", &[]);
    for x in [0.2, 0.4] {
        let trial = lab.attach([("x", x)]);
        lab.start(trial);
        lab.observe(trial, &[("z", 1e9)]);
        lab.fail(trial);
    }
    assert_eq!(degraded(&mut lab), "no trial has data for the objective");
}

#[test]
fn where_trials_fail_is_learned() {
    // The value grows towards where everything fails.
    let proposed = |failed: &[f64]| {
        let mut lab = lab("z", &[]);
        known(&mut lab, &[0.05, 0.1, 0.2, 0.3, 0.4, 0.45, 0.5], |x| {
            vec![("z", -(x - 0.7).powi(2))]
        });
        for &x in failed {
            let trial = lab.attach([("x", x)]);
            lab.start(trial);
            lab.fail(trial);
        }
        let trial = modelled(&mut lab);
        lab.float(trial, "x")
    };
    let (with, without) = (proposed(&[0.6, 0.65, 0.72, 0.9]), proposed(&[]));
    assert!(with < 0.58 && (0.65..0.75).contains(&without), "{with} {without}");
}

#[test]
fn a_constraint_that_was_never_measured_degrades() {
    let mut lab = lab("z", &["cost <= 1"]);
    known(&mut lab, &[0.1, 0.5, 0.8], |x| vec![("z", x)]);
    let reason = degraded(&mut lab);
    assert!(reason.starts_with("no model could be fitted: "), "{reason}");
}

#[test]
fn numbers_beyond_the_range_of_floats_degrade() {
    let mut lab = lab("1e200*z", &[]);
    known(&mut lab, &[0.1, 0.5], |x| vec![("z", 1e200 * (x - 0.3))]);
    let reason = degraded(&mut lab);
    assert!(reason.contains("finite"), "{reason}");
}

#[test]
fn one_point_is_enough() {
    let mut lab = lab("z", &[]);
    known(&mut lab, &[0.5], |_| vec![("z", 3.0)]);
    modelled(&mut lab);
}

#[test]
fn constant_data_fill_space() {
    let mut lab = lab("z", &[]);
    known(&mut lab, &[0.1, 0.5, 0.9], |_| vec![("z", 3.0)]);
    let trial = modelled(&mut lab);
    assert_eq!(lab.generation(trial).method, "space_filling");
    let x = lab.float(trial, "x");
    assert!([0.1, 0.5, 0.9].iter().all(|known| (x - known).abs() > 0.09), "{x}");
}

#[test]
fn wildly_scaled_data_are_modelled() {
    for scale in [1e-300, 1e-12, 1e12, 1e150] {
        let mut lab = lab("z", &[]);
        known(&mut lab, &[0.1, 0.3, 0.5, 0.9], |x| vec![("z", scale * (1.0 + x * x))]);
        let trial = modelled(&mut lab);
        let mean = lab.generation(trial).prediction.unwrap().mean;
        assert!(mean > 0.0 && mean < 4.0 * scale, "{mean:e} at {scale:e}");
    }
}

/// The model says in the record that it is one, or why it is none; it is never an error.
#[test]
fn differences_beyond_the_range_of_floats_degrade() {
    let mut lab = lab("z", &[]);
    known(&mut lab, &[0.1, 0.3, 0.7, 0.9], |x| vec![("z", (x - 0.5).signum() * f64::MAX)]);
    let reason = degraded(&mut lab);
    assert!(reason.starts_with("no model could be fitted: "), "{reason}");
}

#[test]
fn outliers_and_offsets_are_modelled() {
    for outlier in [1e6, -1e6] {
        let mut lab = lab("z", &[]);
        let value = |x: f64| if x == 0.5 { outlier } else { -(x - 0.3).powi(2) };
        known(&mut lab, &[0.0, 0.1, 0.2, 0.4, 0.5, 0.8, 1.0], |x| vec![("z", value(x))]);
        modelled(&mut lab);
    }
    let mut lab = lab("z", &[]);
    known(&mut lab, &[0.1, 0.3, 0.5, 0.9], |x| vec![("z", 1e9 + 1e-3 * x)]);
    let trial = modelled(&mut lab);
    let mean = lab.generation(trial).prediction.unwrap().mean;
    assert!((mean - 1e9 - 1e-3 * lab.float(trial, "x")).abs() < 2e-4, "{mean}");
    assert_ne!(lab.generation(trial).method, "space_filling");
}

#[test]
fn repeated_arms_are_modelled() {
    let mut lab = lab("z", &[]);
    known(&mut lab, &[0.2, 0.2, 0.7, 0.7, 0.7, 0.2], |x| vec![("z", -x)]);
    for trial in lab.ask(2).unwrap() {
        assert_eq!(lab.generation(trial).degraded, None);
        assert!(![0.2, 0.7].contains(&lab.float(trial, "x")));
    }
}

#[test]
fn a_hundred_parameters_are_modelled() {
    let parameters = (0..100).map(|k| Parameter::float(format!("x{k}"), -1.0, 1.0));
    let strategy = StrategyOptions::default().strategy();
    let mut lab = Lab::new(space(parameters, &[])).optimize("-z", &[]).with(strategy);
    for trial in 0..7 {
        lab.ask(1).unwrap();
        let z = (0..100).map(|k| lab.float(trial, &format!("x{k}")).powi(2)).sum();
        lab.complete(trial, &[("z", z)]);
    }
    lab.check_arms();
    assert!((5..7).all(|trial| lab.generation(trial).degraded.is_none()));
}

#[test]
fn trials_that_all_failed_leave_space_filling() {
    let mut lab = lab("z", &[]);
    for trial in 0..4 {
        lab.ask(1).unwrap();
        lab.fail(trial);
    }
    assert_eq!(degraded(&mut lab), "no trial has data for the objective");
}

#[test]
fn an_absolute_constraint_is_kept() {
    let mut lab = lab("z", &["c <= 0.5"]);
    known(&mut lab, &[0.05, 0.35, 0.95], |x| vec![("z", x), ("c", x * x)]);
    for _ in 0..6 {
        let trial = modelled(&mut lab);
        let x = lab.float(trial, "x");
        lab.complete(trial, &[("z", x), ("c", x * x)]);
    }
    let feasible =
        lab.experiment.trials.iter().map(|trial| trial.arm.parameters.float("x").unwrap());
    let best = feasible.filter(|x| x * x <= 0.5).fold(0.0, f64::max);
    assert!(best > 0.69, "{best}");
}

#[test]
fn a_constraint_from_below_is_kept() {
    let mut lab = lab("-z", &["c >= 0.25"]);
    known(&mut lab, &[0.1, 0.6, 0.9], |x| vec![("z", x), ("c", x * x)]);
    for _ in 0..5 {
        let trial = modelled(&mut lab);
        let x = lab.float(trial, "x");
        lab.complete(trial, &[("z", x), ("c", x * x)]);
    }
    let points = lab.experiment.trials.iter().map(|trial| trial.arm.parameters.float("x").unwrap());
    let best = points.filter(|x| x * x >= 0.25).fold(1.0, f64::min);
    assert!(best < 0.51, "{best}");
}

#[test]
fn a_relative_constraint_follows_the_baseline() {
    let mut best = Vec::new();
    for baseline in [0.3, 0.6] {
        let mut lab = lab("z", &["c <= 1.1 * baseline"]);
        let trial = lab.attach_arm([("x", baseline)], Some("baseline"), true);
        lab.complete(trial, &[("z", baseline), ("c", baseline)]);
        known(&mut lab, &[0.05, 0.95], |x| vec![("z", x), ("c", x)]);
        for _ in 0..5 {
            let trial = modelled(&mut lab);
            let x = lab.float(trial, "x");
            lab.complete(trial, &[("z", x), ("c", x)]);
        }
        let points =
            lab.experiment.trials.iter().map(|trial| trial.arm.parameters.float("x").unwrap());
        best.push(points.filter(|x| *x <= 1.1 * baseline).fold(0.0, f64::max));
    }
    assert!((0.32..=0.33).contains(&best[0]) && (0.65..=0.66).contains(&best[1]), "{best:?}");
}

#[test]
fn a_missing_baseline_is_an_error_that_names_the_constraint() {
    let expected = "outcome constraint `c <= 0.9*baseline` is relative to a baseline that has no \
                    data: attach one with attach_baseline and complete it";
    let mut lab = lab("z", &["c <= 0.9 * baseline"]);
    known(&mut lab, &[0.2, 0.7], |x| vec![("z", x), ("c", x)]);
    let message = |lab: &mut Lab| refusal(lab.ask(1)).to_string();
    assert_eq!(message(&mut lab), expected);
    let trial = lab.attach_arm([("x", 0.5)], Some("baseline"), true);
    assert_eq!(message(&mut lab), expected);
    lab.complete(trial, &[("z", 0.5)]);
    assert_eq!(message(&mut lab), expected, "it needs the metric of the constraint");
    lab.observe(trial, &[("c", 0.5)]);
    modelled(&mut lab);
}

#[test]
fn several_objectives_are_traded_against_each_other() {
    let mut lab = lab("a, -b", &[]);
    known(&mut lab, &[0.1, 0.5, 0.9], |x| vec![("a", x), ("b", 10.0 * (x - 0.2).powi(2))]);
    for _ in 0..6 {
        let trial = modelled(&mut lab);
        assert_eq!(lab.generation(trial).prediction, None);
        let x = lab.float(trial, "x");
        lab.complete(trial, &[("a", x), ("b", 10.0 * (x - 0.2).powi(2))]);
    }
    // Below 0.2 both objectives grow; a good part of the proposals is above.
    let above = (3..9).filter(|&trial| lab.float(trial, "x") > 0.19).count();
    assert!(above >= 5, "{above}");
}

#[test]
fn several_objectives_need_all_of_their_metrics() {
    let mut lab = lab("a, -b", &[]);
    known(&mut lab, &[0.1, 0.5, 0.9], |x| vec![("a", x)]);
    assert_eq!(degraded(&mut lab), "no trial has data for the objective");
}

#[test]
fn progress_of_running_trials_is_learned_from() {
    let mut lab = lab("z", &[]);
    let trial = lab.attach([("x", 0.5)]);
    lab.start(trial);
    let observations = vec![Observation::new("z", 1.0).at(10.0).with_sem(0.1)];
    lab.push(crate::event::Event::ObservationsAttached { trial, observations, late: false });
    modelled(&mut lab);
}

#[test]
fn given_noise_makes_predictions_uncertain() {
    let mut lab = lab("z", &[]);
    for x in [0.1, 0.4, 0.7, 0.9] {
        let trial = lab.attach([("x", x)]);
        lab.start(trial);
        let observations = vec![Observation::new("z", x).with_sem(0.2)];
        lab.push(crate::event::Event::ObservationsAttached { trial, observations, late: false });
        lab.change(trial, crate::trial::TrialEvent::Completed);
    }
    let trial = modelled(&mut lab);
    // The standard deviation of the noise-free value: of the order of the noise, not zero.
    assert!(lab.generation(trial).prediction.unwrap().sem > 0.01);
}
