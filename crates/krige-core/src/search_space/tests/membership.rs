//! Which points are of a search space.

use insta::assert_snapshot;

use super::*;
use crate::value::ParameterValue;

fn sample() -> SearchSpace {
    SearchSpace::new(
        [
            Parameter::float("x", 0.0, 10.0),
            Parameter::float("l", 1e-6, 1.0).log(),
            Parameter::float("s", 8.0, 9.8).step(0.1),
            Parameter::float("d", 0.0, 1.0).digits(2),
            Parameter::int("k", 1, 9),
            Parameter::choice("c", ["a", "b", "c"]),
            Parameter::choice("n", [0.1, 0.2, 0.3]),
            Parameter::fixed("f", 3),
        ],
        &["x + k <= 12"],
    )
    .unwrap()
}

fn point() -> Parameterization {
    [
        ("x", ParameterValue::from(1.5)),
        ("l", 0.01.into()),
        ("s", 8.3.into()),
        ("d", 0.25.into()),
        ("k", 3.into()),
        ("c", "b".into()),
        ("n", 0.2.into()),
        ("f", 3.into()),
    ]
    .into()
}

fn with(name: &str, value: impl Into<ParameterValue>) -> Parameterization {
    let mut point = point();
    point.insert(name, value);
    point
}

fn refused(name: &str, value: impl Into<ParameterValue>) -> MembershipError {
    sample().validate(&with(name, value)).unwrap_err()
}

#[track_caller]
fn check_cast(name: &str, value: impl Into<ParameterValue>, expected: impl Into<ParameterValue>) {
    let cast = sample().cast(with(name, value)).unwrap();
    assert_eq!(cast.get(name), Some(&expected.into()));
    assert_eq!(sample().cast(cast.clone()), Ok(cast));
}

#[test]
fn a_point_is_its_own_cast() {
    assert_eq!(sample().validate(&point()), Ok(()));
    assert_eq!(sample().cast(point()), Ok(point()));
}

#[test]
fn cast_changes_types_and_order_and_fills_fixed_values() {
    check_cast("x", 2, 2.0);
    check_cast("k", 2.0, 2);
    check_cast("f", 3.0, 3);
    let backwards: Parameterization = point()
        .into_iter()
        .filter(|(name, _)| name != "f")
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .collect();
    let cast = sample().cast(backwards).unwrap();
    assert_eq!(cast.to_string(), point().to_string());
}

#[test]
fn cast_takes_roundings_away() {
    check_cast("x", 10.0 + 1e-6, 10.0);
    check_cast("x", -1e-6, 0.0);
    check_cast("l", 1e-6 - 1e-14, 1e-6);
    check_cast("s", 8.0 + 3.0 * 0.1, 8.3);
    check_cast("s", 9.8 + 1e-8, 9.8);
    check_cast("n", 0.1 + 0.2, 0.3);
    check_cast("d", 0.256, 0.26);
}

#[test]
fn values_outside_are_refused() {
    assert_snapshot!(refused("x", -0.1), @r"parameter `x`: -0.1 is below its lower bound 0.0");
    assert_snapshot!(refused("x", 10.1), @r"parameter `x`: 10.1 is above its upper bound 10.0");
    assert_snapshot!(refused("x", f64::NAN), @r"parameter `x`: expected a finite number, found NaN");
    assert_snapshot!(refused("x", "1"), @r"parameter `x`: expected a value of type float, found the string `1`");
    assert_snapshot!(refused("l", 0.0), @r"parameter `l`: 0.0 is below its lower bound 1e-6");
    assert_snapshot!(refused("s", 8.35), @r"parameter `s`: 8.35 is not a whole number of steps of 0.1 from its lower bound (the nearest is 8.3)");
    assert_snapshot!(refused("k", 10), @r"parameter `k`: 10 is above its upper bound 9");
    assert_snapshot!(refused("k", 0), @r"parameter `k`: 0 is below its lower bound 1");
    assert_snapshot!(refused("k", 2.5), @r"parameter `k`: expected a value of type int, found the float `2.5`");
    assert_snapshot!(refused("k", 1e300), @r"parameter `k`: expected a value of type int, found the float `1e300`");
    assert_snapshot!(refused("c", "d"), @r"parameter `c`: `d` is none of its values `a`, `b`, `c`");
    assert_snapshot!(refused("n", 0.25), @r"parameter `n`: `0.25` is none of its values `0.1`, `0.2`, `0.3`");
    assert_snapshot!(refused("f", 4), @r"parameter `f`: `4` differs from the value `3` to which it is fixed");
}

#[test]
fn names_must_be_those_of_the_space() {
    let partial = Parameterization::from([("x", 1.0), ("d", 0.5)]);
    assert_snapshot!(sample().validate(&partial).unwrap_err(), @r"expected a value for every parameter, found none for `l`, `s`, `k`, `c`, `n` (add them)");
    assert_snapshot!(refused("y", 1), @r"expected only parameters of the search space (`x`, `l`, `s`, `d`, `k`, `c`, `n`, `f`), found `y`");
}

#[test]
fn constraints_must_hold() {
    assert_snapshot!(refused("x", 9.5), @r"constraint `x + k <= 12` is violated by 0.5 at {x: 9.5, k: 3}");
    assert_eq!(sample().validate(&with("x", 9.0 + 1e-8)), Ok(()));
    assert!(sample().validate(&with("x", 9.0 + 1e-6)).is_err());
    // The cast does not look at them.
    assert!(sample().cast(with("x", 9.5)).is_ok());
}
