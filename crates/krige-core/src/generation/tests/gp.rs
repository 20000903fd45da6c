//! The GP node: that it follows from the experiment alone, and what it makes of trials under way.

use super::super::gp_state::{StoredModel, modelled_outcomes, newest_model};
use super::*;
use krige_gp::kernel::KernelKind;
use krige_gp::rotation::Rotation;

/// Larger is better; the best point is (0.3, 0.6).
fn peak(x: f64, y: f64) -> f64 {
    -(x - 0.3).powi(2) - 2.0 * (y - 0.6).powi(2) + 0.1 * (5.0 * x).sin() * y
}

fn tell(lab: &mut Lab, trial: usize) {
    let z = peak(lab.float(trial, "x"), lab.float(trial, "y"));
    lab.complete(trial, &[("z", z)]);
}

/// The default strategy after its initialization, the trials of which completed in that order.
fn initialized(order: [usize; 5]) -> Lab {
    let strategy = StrategyOptions::default().strategy();
    let mut lab = Lab::new(square()).optimize("z", &[]).with(strategy);
    lab.ask(5).unwrap();
    order.into_iter().for_each(|trial| tell(&mut lab, trial));
    lab
}

fn distance(lab: &Lab, a: usize, b: usize) -> f64 {
    let along = |name| lab.float(a, name) - lab.float(b, name);
    f64::hypot(along("x"), along("y"))
}

#[track_caller]
fn check_same_proposals(a: &Lab, b: &Lab) {
    assert_eq!(a.experiment.trials.len(), b.experiment.trials.len());
    for (a, b) in a.experiment.trials.iter().zip(&b.experiment.trials) {
        assert_eq!((&a.arm, &a.origin), (&b.arm, &b.origin));
        let text = |trial: &crate::trial::Trial| {
            let generation = serde_json::to_string(trial.generation().unwrap()).unwrap();
            (serde_json::to_string(&trial.arm).unwrap(), generation)
        };
        assert_eq!(text(a), text(b), "not the same bits");
    }
}

#[test]
fn a_resumed_experiment_proposes_what_the_uninterrupted_one_does() {
    let mut lab = initialized([0, 1, 2, 3, 4]);
    let mut resumed = initialized([0, 1, 2, 3, 4]);
    for trial in 5..11 {
        lab.ask(1).unwrap();
        tell(&mut lab, trial);
        resumed = resumed.resumed();
        resumed.ask(1).unwrap();
        resumed = resumed.resumed();
        tell(&mut resumed, trial);
    }
    assert!(lab.experiment.trials.iter().all(|trial| {
        trial.generation().is_some_and(|generation| generation.degraded.is_none())
    }));
    check_same_proposals(&lab, &resumed);
    assert_eq!(lab.experiment, resumed.experiment);
    // That the model is used: six points of it find the peak.
    let best = (0..11).map(|t| peak(lab.float(t, "x"), lab.float(t, "y"))).fold(-9.0, f64::max);
    let optimum = (0..=100)
        .flat_map(|i| (0..=100).map(move |j| peak(f64::from(i) / 100.0, f64::from(j) / 100.0)))
        .fold(-9.0, f64::max);
    assert!(best > optimum - 1e-3, "{best} of {optimum}");
}

#[test]
fn the_order_in_which_trials_end_does_not_matter() {
    let (mut a, mut b) = (initialized([0, 1, 2, 3, 4]), initialized([4, 2, 0, 3, 1]));
    a.ask(2).unwrap();
    b.ask(2).unwrap();
    check_same_proposals(&a, &b);
}

#[test]
fn the_seed_matters() {
    let proposal = |seed| {
        let mut lab = Lab::seeded(seed, square()).optimize("z", &[]).with(gp_only());
        lab.ask(1).unwrap();
        lab.parameters(0).clone()
    };
    assert_ne!(proposal(1), proposal(2));
}

#[test]
fn trials_under_way_are_taken_into_account() {
    let mut lab = initialized([0, 1, 2, 3, 4]);
    lab.ask(3).unwrap();
    lab.start(5);
    lab.ask(1).unwrap();
    for (a, b) in [(5, 6), (5, 7), (6, 7), (5, 8), (6, 8), (7, 8)] {
        assert!(distance(&lab, a, b) > 1e-3, "trials {a} and {b} are the same");
    }
    assert_eq!(lab.generation(6).method, "log_nei");
    // What is under way changes the next proposal.
    let mut other = initialized([0, 1, 2, 3, 4]);
    other.ask(1).unwrap();
    tell(&mut other, 5);
    other.ask(1).unwrap();
    assert_ne!(other.parameters(6), lab.parameters(6));
}

#[test]
fn a_batch_carries_its_model_once() {
    let mut lab = initialized([0, 1, 2, 3, 4]);
    lab.ask(3).unwrap();
    assert!(lab.generation(5).state.is_object());
    assert_eq!(lab.generation(6).state, serde_json::Value::Null);
    assert_eq!(lab.generation(7).state, serde_json::Value::Null);
    lab.check_arms();
}

#[test]
fn the_stored_model_is_read_back_bit_for_bit() {
    let mut lab = initialized([0, 1, 2, 3, 4]);
    lab.ask(1).unwrap();
    let state = &lab.generation(5).state;
    let text = state.to_string();
    let model: StoredModel = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::to_string(&model).unwrap(), text);
    let outcomes = vec!["z".to_owned()];
    assert_eq!(StoredModel::from_engine(outcomes, &model.to_engine()), model);
    let keys: Vec<&String> = state["objective"].as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "kernel",
            "lengthscales",
            "outputscale",
            "noise_variance",
            "warp",
            "noisy",
            "jitter",
            "fitted_to"
        ]
    );
    assert_eq!(state["objective"]["lengthscales"].as_array().unwrap().len(), 2);
}

/// Directions that are not the axes are part of it, and what is no rotation is none.
#[test]
fn directions_of_the_lengthscales_are_stored() {
    let mut lab = initialized([0, 1, 2, 3, 4]);
    lab.ask(1).unwrap();
    let stored: StoredModel = serde_json::from_value(lab.generation(5).state.clone()).unwrap();
    let mut model = stored.to_engine();
    let rows = vec![0.6, 0.8, -0.8, 0.6];
    model.objective.hyperparameters.rotation = Rotation::from_rows(2, rows.clone());
    let stored = StoredModel::from_engine(vec!["z".to_owned()], &model);
    let mut value = serde_json::to_value(&stored).unwrap();
    assert_eq!(value["objective"]["directions"], serde_json::json!(rows));
    let read: StoredModel = serde_json::from_value(value.clone()).unwrap();
    assert_eq!(read.to_engine(), model);
    value["objective"]["directions"][0] = 0.7.into();
    let read: StoredModel = serde_json::from_value(value).unwrap();
    assert_eq!(read.to_engine().objective.hyperparameters.rotation, None);
}

/// The names that files have; they stay what they are.
#[test]
fn kernels_are_stored_by_name() {
    let mut lab = initialized([0, 1, 2, 3, 4]);
    lab.ask(1).unwrap();
    let stored: StoredModel = serde_json::from_value(lab.generation(5).state.clone()).unwrap();
    let mut model = stored.to_engine();
    for (kernel, name) in [
        (KernelKind::Matern52, "matern52"),
        (KernelKind::Rbf, "rbf"),
        (KernelKind::AdditiveMatern52, "additive_matern52"),
        (KernelKind::AdditiveRbf, "additive_rbf"),
    ] {
        model.objective.hyperparameters.kernel = kernel;
        let stored = StoredModel::from_engine(vec!["z".to_owned()], &model);
        let value = serde_json::to_value(&stored).unwrap();
        assert_eq!(value["objective"]["kernel"], name);
        let read: StoredModel = serde_json::from_value(value).unwrap();
        assert_eq!(read.to_engine(), model);
    }
}

#[test]
fn jitter_is_reported_in_the_record() {
    let mut lab = initialized([0, 1, 2, 3, 4]);
    lab.ask(1).unwrap();
    assert_eq!(lab.generation(5).state["objective"]["jitter"], 0.0);
    let stored: StoredModel = serde_json::from_value(lab.generation(5).state.clone()).unwrap();
    let mut model = stored.to_engine();
    model.objective.jitter = 1e-6;
    let stored = StoredModel::from_engine(vec!["z".to_owned()], &model);
    assert_eq!(serde_json::to_value(&stored).unwrap()["objective"]["jitter"], 1e-6);
}

#[test]
fn a_model_of_something_else_is_no_warm_start() {
    let mut lab = initialized([0, 1, 2, 3, 4]);
    lab.ask(1).unwrap();
    let warm = |lab: &Lab| {
        let outcomes = modelled_outcomes(lab.experiment.optimization.as_ref().unwrap());
        newest_model(&lab.experiment, "GP", &outcomes).is_some()
    };
    assert!(warm(&lab));
    for (objective, constraint) in [("-z", "c <= 1"), ("z", "c <= 1"), ("w", "z <= 1")] {
        lab = lab.optimize(objective, &[constraint]);
        assert!(!warm(&lab), "{objective}, {constraint}");
    }
    assert!(warm(&lab.optimize("z", &[])));
}

#[test]
fn arms_that_failed_or_were_given_up_are_not_proposed_again_at_once() {
    let mut lab = initialized([0, 1, 2, 3, 4]);
    for trial in 5..8 {
        lab.ask(1).unwrap();
        if trial == 6 {
            lab.abandon(trial)
        } else {
            lab.fail(trial)
        }
        for earlier in 0..trial {
            assert!(distance(&lab, trial, earlier) > 1e-3, "{trial} is {earlier}");
        }
    }
}

#[test]
fn predictions_are_in_the_metric_s_own_units_and_sign() {
    for (objective, sign) in [("z", 1.0), ("-z", -1.0), ("3*z", 1.0), ("-0.5*z", -1.0)] {
        let strategy = StrategyOptions::default().strategy();
        let mut lab = Lab::new(square()).optimize(objective, &[]).with(strategy);
        let told = |lab: &mut Lab, trial: usize| {
            let z = 100.0 + sign * peak(lab.float(trial, "x"), lab.float(trial, "y"));
            lab.complete(trial, &[("z", z)]);
            z
        };
        for trial in 0..9 {
            lab.ask(1).unwrap();
            let z = told(&mut lab, trial);
            let Some(prediction) = lab.generation(trial).prediction else {
                assert!(trial < 5);
                continue;
            };
            assert!(prediction.sem >= 0.0);
            assert!((prediction.mean - 100.0).abs() < 3.0, "{objective}: {prediction:?}");
            if trial == 8 {
                assert!((prediction.mean - z).abs() < 0.05, "{objective}: {prediction:?}, {z}");
            }
        }
    }
}

#[test]
fn a_sum_is_predicted_in_units_of_the_sum() {
    let strategy = StrategyOptions::default().strategy();
    let mut lab = Lab::new(square()).optimize("2*a - b", &[]).with(strategy);
    for trial in 0..7 {
        lab.ask(1).unwrap();
        let z = peak(lab.float(trial, "x"), lab.float(trial, "y"));
        lab.complete(trial, &[("a", 50.0 + z), ("b", 40.0 + z)]);
    }
    let prediction = lab.generation(6).prediction.unwrap();
    assert!((prediction.mean - 60.0).abs() < 2.0, "{prediction:?}");
}

#[test]
fn it_needs_to_know_what_to_optimize() {
    let mut lab = Lab::new(square()).with(gp_only());
    assert_eq!(refusal(lab.ask(1)), GeneratorError::NoOptimization);
}
