//! The Sobol node in narrow spaces: constraints, fixed values, few points.

use super::*;
use crate::value::ParameterValue;

fn asked(search_space: SearchSpace, count: usize) -> Lab {
    let mut lab = Lab::new(search_space).with(sobol_only());
    assert_eq!(lab.ask(count).unwrap().len(), count);
    lab.check_arms();
    lab
}

#[track_caller]
fn check_number_of_points(search_space: SearchSpace, expected: usize) {
    let mut lab = Lab::new(search_space).with(sobol_only());
    assert_eq!(lab.ask(expected + 1).unwrap().len(), expected);
    lab.check_arms();
    assert_eq!(refusal(lab.ask(1)), GeneratorError::Exhausted);
}

#[test]
fn every_point_of_a_finite_space_comes_once() {
    let ints = |n: i64| [Parameter::int("lc", 0, n), Parameter::int("lp", 0, n)];
    check_number_of_points(space(ints(4), &["lc + lp <= 4"]), 15);
    check_number_of_points(space(ints(3), &["lc + lp <= 4", "lc - lp >= 1"]), 5);
    check_number_of_points(space([Parameter::float("x", 0.0, 1.0).digits(1)], &[]), 11);
    check_number_of_points(space([Parameter::float("x", 0.0, 1.0).step(0.1)], &[]), 11);
    check_number_of_points(
        space([Parameter::choice("c", ["a", "b", "c"]), Parameter::bool("b")], &[]),
        6,
    );
    check_number_of_points(space([Parameter::int("k", 1, 9).log()], &[]), 9);
}

#[test]
fn a_space_of_fixed_parameters_has_one_point() {
    check_number_of_points(space([Parameter::fixed("a", 1), Parameter::fixed("b", "x")], &[]), 1);
}

#[test]
fn rare_points_of_a_large_finite_space_are_found() {
    // 10 of 59,536.
    let square = [Parameter::int("i", 0, 243), Parameter::int("j", 0, 243)];
    check_number_of_points(space(square, &["j - i >= 240"]), 10);
    // 15 of 16,384.
    let names: Vec<String> = (0..14).map(|i| format!("k{i}")).collect();
    let sum = format!("{} <= 1", names.join(" + "));
    let parameters = names.into_iter().map(|name| Parameter::int(name, 0, 1));
    check_number_of_points(space(parameters, &[&sum]), 15);
}

#[test]
fn the_last_point_of_a_large_finite_space_is_found() {
    let square = [Parameter::int("i", 0, 399), Parameter::int("j", 0, 399)];
    let mut lab = Lab::seeded(1, space(square, &["j - i >= 380"])).with(sobol_only());
    assert_eq!(lab.ask(211).unwrap().len(), 210);
    lab.check_arms();
}

#[test]
fn a_row_that_is_used_up_leaves_the_other_rows() {
    let ints = [Parameter::int("i", 0, 59), Parameter::int("j", 0, 59)];
    let mut lab = Lab::new(space(ints, &[])).with(sobol_only());
    for i in [0, 59] {
        let fixed = Parameterization::from([("i", i)]);
        assert_eq!(lab.ask_with(61, &fixed).unwrap().len(), 60);
        assert!(lab.ask_with(1, &fixed).is_err());
    }
    lab.ask(5).unwrap();
    lab.check_arms();
}

#[test]
fn tiny_polytopes_are_hit() {
    let names = ["a", "b", "c", "d", "e", "f"];
    let simplex = names.map(|name| Parameter::float(name, 0.0, 1.0));
    asked(space(simplex, &["a + b + c + d + e + f <= 0.001"]), 5);
    let slab = [Parameter::float("x", 0.0, 1.0), Parameter::float("y", 0.0, 1.0)];
    let lab = asked(space(slab, &["x - y <= 1e-6", "y - x <= 1e-6"]), 8);
    // All along the slab, not in one corner of it.
    let x: Vec<f64> = (0..8).map(|trial| lab.float(trial, "x")).collect();
    let spread =
        x.iter().fold(0.0, |m: f64, x| m.max(*x)) - x.iter().fold(1.0, |m: f64, x| m.min(*x));
    assert!(spread > 0.3, "{x:?}");
}

#[test]
fn tiny_polytopes_are_hit_with_a_fixed_value() {
    let slab = [Parameter::float("x", 0.0, 1.0), Parameter::float("y", 0.0, 1.0)];
    let mut lab = Lab::new(space(slab, &["x - y <= 1e-6", "y - x <= 1e-6"])).with(sobol_only());
    lab.ask_with(3, &[("x", 0.3)].into()).unwrap();
    lab.check_arms();
    for trial in 0..3 {
        assert_eq!(lab.float(trial, "x"), 0.3);
        assert!((lab.float(trial, "y") - 0.3).abs() < 1.1e-6);
    }
}

#[test]
fn constraints_over_integers_and_floats_are_kept() {
    let parameters = [
        Parameter::int("k", 0, 100),
        Parameter::float("x", 0.0, 100.0),
        Parameter::float("d", 0.0, 100.0).digits(0),
    ];
    asked(space(parameters, &["k + x + d <= 30", "k - x >= 1"]), 20);
}

#[test]
fn fixed_values_are_kept_bit_for_bit() {
    let values: [(&str, ParameterValue); 8] = [
        ("f", 0.3.into()),
        ("log", 0.003.into()),
        ("digits", 0.7.into()),
        ("step", 0.75.into()),
        ("k", (-2).into()),
        ("wide", 4321.into()),
        ("c", "a".into()),
        ("b", true.into()),
    ];
    for (name, value) in &values {
        let mut lab = Lab::new(mixed()).with(sobol_only());
        let fixed: Parameterization = [(*name, value.clone())].into();
        lab.ask_with(4, &fixed).unwrap();
        lab.check_arms();
        for trial in 0..4 {
            assert_eq!(lab.parameters(trial).get(name), Some(value));
        }
    }
    let mut lab = Lab::new(mixed()).with(sobol_only());
    let fixed = Parameterization::from(values);
    lab.ask_with(3, &fixed).unwrap();
    lab.check_arms();
}

#[test]
fn many_fixed_floats_are_kept_bit_for_bit() {
    let wide = || space([Parameter::float("f", -5.0, 10.0), Parameter::float("g", 0.0, 1.0)], &[]);
    let mut lab = Lab::new(wide()).with(sobol_only());
    for i in 0..50 {
        let value = -4.9 + 0.31 * f64::from(i) * 0.97;
        let trial = lab.ask_with(1, &[("f", value)].into()).unwrap()[0];
        assert_eq!(lab.float(trial, "f").to_bits(), value.to_bits());
    }
}

#[test]
fn a_fixed_value_may_have_the_type_that_a_cast_accepts() {
    let mut lab = Lab::new(mixed()).with(sobol_only());
    let mut fixed = Parameterization::from([("f", 4)]);
    fixed.insert("k", 2.0);
    lab.ask_with(2, &fixed).unwrap();
    lab.check_arms();
    assert_eq!(lab.parameters(1).get("f"), Some(&4.0.into()));
    assert_eq!(lab.parameters(1).get("k"), Some(&2.into()));
}

#[test]
fn fixed_values_that_leave_no_point_are_named() {
    let ints = [Parameter::int("lc", 0, 4), Parameter::int("lp", 0, 4)];
    let mut lab = Lab::new(space(ints, &["lc + lp <= 4"])).with(sobol_only());
    let error = refusal(lab.ask_with(1, &[("lc", 4), ("lp", 1)].into()));
    assert_eq!(
        error.to_string(),
        "no point keeps all parameter constraints together with the fixed values {lc: 4, lp: 1}: \
         relax one of them"
    );
}

#[test]
fn fixed_values_that_are_none_of_the_space_are_refused() {
    let mut lab = Lab::new(square()).with(sobol_only());
    for (name, value) in [("x", 2.0), ("w", 0.5)] {
        let error = lab.ask_with(1, &[(name, value)].into()).unwrap_err();
        assert!(matches!(error, GenerationError::Fixed(_)), "{error:?}");
        assert!(error.to_string().contains(&format!("`{name}`")), "{error}");
    }
}
