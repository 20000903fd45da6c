//! Predictions against what was observed: value, sign, units, and what has no prediction.

use super::*;
use crate::lab::Lab;
use crate::search_space::Parameter;

fn smooth(x: f64, k: f64) -> f64 {
    100.0 + 10.0 * (3.0 * x).sin() - 0.5 * (k - 3.0).powi(2)
}

/// Twelve completed trials with `z`, `double` of it and a noisy `t`.
fn lab(objective: &str) -> Lab {
    let parameters = [Parameter::float("x", 0.0, 1.0), Parameter::int("k", 1, 6)];
    let space = SearchSpace::new(parameters, &["x + k <= 6.7"]).unwrap();
    let mut lab = Lab::new(space).optimize(objective, &[]);
    for i in 0..12 {
        let (x, k) = (f64::from(i * 5 % 12) / 12.0, 1 + i % 6);
        let mut parameters = Parameterization::from([("x", x)]);
        parameters.insert("k", k);
        let trial = lab.attach(parameters);
        let z = smooth(x, f64::from(k));
        lab.complete(trial, &[("z", z), ("double", 2.0 * z), ("t", 7.0 - z)]);
    }
    lab
}

#[track_caller]
fn check_observed(objective: &str, metric: &str) {
    let lab = lab(objective);
    let model = Model::fit(&lab.experiment, &[metric]).unwrap();
    for trial in &lab.experiment.trials {
        let predicted = model.predict(&trial.arm.parameters).unwrap()[metric];
        let observed = trial.observation(metric).unwrap().mean;
        assert!(
            (predicted.mean - observed).abs() < 0.05 && predicted.sem < 0.5,
            "{objective}, {metric}: {predicted:?} where {observed} was observed"
        );
    }
}

#[test]
fn what_was_observed_is_predicted_where_it_was() {
    check_observed("z", "z");
    check_observed("-z", "z");
    check_observed("z - 3*t", "t");
    check_observed("-5*double", "double");
    check_observed("z", "t");
}

#[test]
fn between_the_points_it_interpolates() {
    for objective in ["z", "-z"] {
        let model = Model::fit(&lab(objective).experiment, &["z", "t"]).unwrap();
        let mut point = Parameterization::from([("x", 0.45)]);
        point.insert("k", 3);
        let predicted = model.predict(&point).unwrap();
        let expected = smooth(0.45, 3.0);
        assert_eq!(predicted.keys().collect::<Vec<_>>(), ["z", "t"]);
        assert!((predicted["z"].mean - expected).abs() < 1.0, "{objective}: {predicted:?}");
        assert!((predicted["t"].mean - 7.0 + expected).abs() < 1.0, "{objective}: {predicted:?}");
        assert!(predicted["z"].sem > 0.0);
    }
}

#[test]
fn metrics_without_data_are_left_out() {
    let experiment = lab("z").experiment;
    let model = Model::fit(&experiment, &["never", "z"]).unwrap();
    let predicted = model.predict(&experiment.trials[0].arm.parameters).unwrap();
    assert_eq!(predicted.keys().collect::<Vec<_>>(), ["z"]);
    let error = Model::fit(&experiment, &["never"]).unwrap_err();
    assert_eq!(error.to_string(), "no trial has data yet: complete some trials first");
    assert_eq!(Model::fit(&experiment, &[]).unwrap_err(), ModelError::NoData);
}

#[test]
fn lost_trials_are_not_learned_from() {
    let mut lab = lab("z");
    let before = Model::fit(&lab.experiment, &["z"]).unwrap();
    let mut point = Parameterization::from([("x", 0.9)]);
    point.insert("k", 5);
    let trial = lab.attach(point.clone());
    lab.start(trial);
    lab.observe(trial, &[("z", 1e6)]);
    lab.fail(trial);
    let after = Model::fit(&lab.experiment, &["z"]).unwrap();
    assert_eq!(before.predict(&point), after.predict(&point));
}

#[test]
fn points_of_another_space_are_refused() {
    let model = Model::fit(&lab("z").experiment, &["z"]).unwrap();
    let predict = |k: i64| {
        let mut point = Parameterization::from([("x", 0.5)]);
        point.insert("k", k);
        model.predict(&point)
    };
    let error = predict(7).unwrap_err();
    assert!(matches!(error, ModelError::Membership(_)), "{error:?}");
    assert!(error.to_string().contains("`k`"), "{error}");
    let error = model.predict(&[("x", 0.5)].into()).unwrap_err();
    assert!(error.to_string().contains("`k`"), "{error}");
    // What a constraint forbids can still be asked about.
    let mut point = Parameterization::from([("x", 1.0)]);
    point.insert("k", 6);
    assert!(model.predict(&point).is_ok());
}

#[test]
fn one_observation_and_equal_observations_have_a_model() {
    for values in [&[5.0][..], &[5.0, 5.0, 5.0]] {
        let space = SearchSpace::new([Parameter::float("x", 0.0, 1.0)], &[]).unwrap();
        let mut lab = Lab::new(space).optimize("-z", &[]);
        for (i, z) in (0_u32..).zip(values) {
            let trial = lab.attach([("x", 0.2 * f64::from(i))]);
            lab.complete(trial, &[("z", *z)]);
        }
        let model = Model::fit(&lab.experiment, &["z"]).unwrap();
        let predicted = model.predict(&[("x", 0.9)].into()).unwrap()["z"];
        assert!((predicted.mean - 5.0).abs() < 1e-9 && predicted.sem > 0.0, "{predicted:?}");
    }
}
