//! The GP node in every kind of search space, down to its last point.

use super::*;

fn value(parameters: &Parameterization) -> f64 {
    parameters
        .iter()
        .filter_map(|(_, value)| value.as_number())
        .map(|x| -(x - 0.4).powi(2) / (1.0 + x.abs()))
        .sum()
}

fn run(search_space: SearchSpace, trials: usize) -> Lab {
    let mut lab =
        Lab::new(search_space).optimize("z", &[]).with(StrategyOptions::default().strategy());
    for trial in 0..trials {
        lab.ask(1).unwrap();
        let z = value(lab.parameters(trial));
        lab.complete(trial, &[("z", z)]);
    }
    lab
}

#[track_caller]
fn check_exhausted(lab: &mut Lab) {
    assert_eq!(refusal(lab.ask(1)), GeneratorError::Exhausted);
}

#[test]
fn every_kind_of_parameter_stays_valid() {
    let mut lab = run(mixed(), 9);
    lab.check_arms();
    assert_eq!(lab.nodes()[5..], ["GP"; 4]);
    assert_eq!(lab.ask(2).unwrap().len(), 2);
    lab.check_arms();
}

#[test]
fn fixed_values_are_kept_bit_for_bit() {
    let mut lab = run(mixed(), 6);
    let mut fixed = Parameterization::from([("f", 0.3), ("digits", 0.7), ("log", 0.003)]);
    let trials = lab.ask_with(2, &fixed).unwrap();
    for trial in trials {
        assert!(fixed.iter().all(|(name, value)| lab.parameters(trial).get(name) == Some(value)));
    }
    fixed = [("f", 4)].into();
    fixed.insert("c", "c");
    let trial = lab.ask_with(1, &fixed).unwrap()[0];
    assert_eq!(lab.parameters(trial).get("f"), Some(&4.0.into()));
    assert_eq!(lab.parameters(trial).get("c"), Some(&"c".into()));
    lab.check_arms();
}

#[test]
fn all_values_may_be_fixed() {
    let mut lab = run(square(), 6);
    let fixed = Parameterization::from([("x", 0.123), ("y", 0.456)]);
    let trial = lab.ask_with(3, &fixed).unwrap();
    assert_eq!(trial, [6]);
    assert_eq!(lab.parameters(6), &fixed);
    assert_eq!(refusal(lab.ask_with(1, &fixed)), GeneratorError::Exhausted);
}

#[test]
fn infeasible_fixed_values_are_named() {
    let ints = [Parameter::int("lc", 0, 4), Parameter::int("lp", 0, 4)];
    let mut lab = run(space(ints, &["lc + lp <= 4"]), 6);
    let fixed = Parameterization::from([("lc", 4), ("lp", 1)]);
    assert_eq!(refusal(lab.ask_with(1, &fixed)), GeneratorError::Infeasible { fixed });
}

#[test]
fn a_finite_space_is_tried_to_its_last_point() {
    let ints = [Parameter::int("lc", 0, 4), Parameter::int("lp", 0, 4)];
    let mut lab = run(space(ints, &["lc + lp <= 4"]), 12);
    // More than there are left.
    assert_eq!(lab.ask(10).unwrap().len(), 3);
    lab.check_arms();
    check_exhausted(&mut lab);
}

#[test]
fn digits_are_tried_to_the_last_point() {
    let mut lab = run(space([Parameter::float("x", 0.0, 1.0).digits(1)], &[]), 11);
    lab.check_arms();
    check_exhausted(&mut lab);
}

#[test]
fn failed_arms_come_again_when_nothing_else_is_left() {
    let mut lab = run(space([Parameter::int("k", 0, 7)], &[]), 6);
    let left = lab.ask(2).unwrap();
    assert_eq!(left, [6, 7]);
    lab.fail(6);
    lab.abandon(7);
    assert_eq!(lab.ask(3).unwrap(), [8]);
    assert_eq!(lab.parameters(8), lab.parameters(6));
    assert!(lab.generation(8).degraded.is_some());
    check_exhausted(&mut lab);
}

#[test]
fn a_space_of_fixed_parameters_has_one_point() {
    let mut lab = run(space([Parameter::fixed("a", 1)], &[]), 1).with(gp_only());
    check_exhausted(&mut lab);
}

#[test]
fn constraints_are_kept_where_little_room_is_left() {
    let parameters = [
        Parameter::float("x", 0.0, 1.0),
        Parameter::float("y", 0.0, 1.0),
        Parameter::int("k", 0, 3),
    ];
    let lab = run(space(parameters, &["x + y <= 0.01", "x + k <= 1"]), 8);
    lab.check_arms();
    assert!((5..8).all(|trial| lab.generation(trial).degraded.is_none()));
}
