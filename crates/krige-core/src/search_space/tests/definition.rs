//! Which search spaces are refused, and with which words.

use insta::assert_snapshot;

use super::*;
use crate::value::ParameterValue;

fn refused(parameter: Parameter) -> SearchSpaceError {
    SearchSpace::new([parameter], &[]).unwrap_err()
}

fn only(parameter: Parameter) -> Parameter {
    space([parameter]).parameters()[0].clone()
}

#[test]
fn spaces_need_distinct_names() {
    assert_snapshot!(SearchSpace::new([], &[]).unwrap_err(), @r"expected at least one parameter, found none");
    assert_snapshot!(refused(Parameter::fixed("", 1)), @r"expected every parameter to have a name, found an empty one");
    let twice = [Parameter::bool("b"), Parameter::fixed("b", 1)];
    assert_snapshot!(SearchSpace::new(twice, &[]).unwrap_err(), @r"expected one parameter named `b`, found two (rename one)");
}

#[test]
fn malformed_ranges_are_refused() {
    assert_snapshot!(refused(Parameter::float("x", f64::NAN, 1.0)), @r"parameter `x`: expected finite bounds, found NaN");
    assert_snapshot!(refused(Parameter::float("x", 0.0, f64::INFINITY)), @r"parameter `x`: expected finite bounds, found inf");
    assert_snapshot!(refused(Parameter::float("x", 2.0, 1.0)), @r"parameter `x`: expected an upper bound above the lower bound 2.0, found 1.0 (swap them, or use a fixed parameter for a single value)");
    assert_snapshot!(refused(Parameter::int("k", 1, 1)), @r"parameter `k`: expected an upper bound above the lower bound 1.0, found 1.0 (swap them, or use a fixed parameter for a single value)");
    assert_snapshot!(refused(Parameter::float("x", -1e308, 1e308)), @r"parameter `x`: expected bounds less than 1.8e308 apart, found -1e308 and 1e308");
    assert_snapshot!(refused(Parameter::float("x", 0.0, 1.0).log()), @r"parameter `x`: expected a lower bound above 0 for a log scale, found 0.0 (raise it, or use the linear scale)");
    assert_snapshot!(refused(Parameter::int("k", 0, 1 << 53)), @r"parameter `k`: expected integer bounds below 2^53 in magnitude, found 9007199254740992.0");
    assert_snapshot!(refused(Parameter::int("k", i64::MIN, 0)), @r"parameter `k`: expected integer bounds below 2^53 in magnitude, found -9.223372036854776e18");
    let mut half = Parameter::int("k", 0, 9);
    if let Parameter::Range(range) = &mut half {
        range.upper = 8.5;
    }
    assert_snapshot!(refused(half), @r"parameter `k`: expected integer bounds, found 8.5");
}

#[test]
fn steps_must_divide_the_range() {
    assert_snapshot!(refused(Parameter::float("x", 8.0, 9.85).step(0.1)), @r"parameter `x`: expected a step that divides the distance from 8.0 to 9.85, found 0.1, whose last value is 9.8 (use that as the upper bound, or change the step)");
    assert_snapshot!(refused(Parameter::int("k", 1, 9).step(3)), @r"parameter `k`: expected a step that divides the distance from 1.0 to 9.0, found 3.0, whose last value is 7.0 (use that as the upper bound, or change the step)");
    assert_snapshot!(refused(Parameter::float("x", 0.0, 1.0).step(2.0)), @r"parameter `x`: expected a step of at most 1.0, the distance between the bounds, found 2.0");
    assert_snapshot!(refused(Parameter::float("x", 0.0, 1.0).step(0.0)), @r"parameter `x`: expected a step above 0, found 0.0");
    assert_snapshot!(refused(Parameter::float("x", 0.0, 1.0).step(f64::NAN)), @r"parameter `x`: expected a step above 0, found NaN");
    assert_snapshot!(refused(Parameter::int("k", 0, 9).step(1.5)), @r"parameter `k`: expected an integer step for an int parameter, found 1.5");
    assert_snapshot!(refused(Parameter::float("x", 0.0, 1.0).step(1e-17)), @r"parameter `x`: expected a step that gives fewer than 2^53 values, found 1e-17");
    assert_snapshot!(refused(Parameter::float("x", 1.0, 2.0).log().step(0.1)), @r"parameter `x`: expected a linear scale for a step, found the log scale (use one of both)");
    space([
        Parameter::float("x", 8.0, 9.8).step(0.1),
        Parameter::float("y", -0.7, 0.7).step(0.1),
        Parameter::float("z", 0.0, 1.0).step(1.0 / 3.0),
        Parameter::int("k", 1, 9).step(4),
    ]);
}

#[test]
fn digits_must_leave_values() {
    assert_snapshot!(refused(Parameter::float("x", 0.2, 0.8).digits(0)), @r"parameter `x`: expected at least two values of 0 digits between 0.2 and 0.8, found fewer (use more digits)");
    assert_snapshot!(refused(Parameter::int("k", 0, 9).digits(1)), @r"parameter `k`: expected digits only on a float range without a step, found 1 digits (remove them)");
    assert_snapshot!(refused(Parameter::float("x", 0.0, 1.0).step(0.5).digits(1)), @r"parameter `x`: expected digits only on a float range without a step, found 1 digits (remove them)");
    space([Parameter::float("x", 0.21, 0.48).digits(1)]);
}

#[test]
fn malformed_choices_are_refused() {
    let mixed = [ParameterValue::from(1), ParameterValue::from(2.5)];
    assert_snapshot!(refused(Parameter::choice("c", Vec::<i64>::new())), @r"parameter `c`: expected at least one value to choose from, found none");
    assert_snapshot!(refused(Parameter::choice("c", 0..1001)), @r"parameter `c`: expected at most 1000 values to choose from, found 1001 (use a range with a step for numbers)");
    assert_snapshot!(refused(Parameter::choice("c", mixed)), @r"parameter `c`: expected values of type int as the first, found the float `2.5`");
    assert_snapshot!(refused(Parameter::choice("c", ["a", "b", "a"])), @r"parameter `c`: expected distinct values, found `a` twice (remove one)");
    assert_snapshot!(refused(Parameter::choice("c", [0.0, -0.0])), @r"parameter `c`: expected distinct values, found `-0.0` twice (remove one)");
    assert_snapshot!(refused(Parameter::choice("c", [1.0, f64::INFINITY])), @r"parameter `c`: expected finite values, found inf");
    assert_snapshot!(refused(Parameter::choice("c", [-1e300, 1.0, 2.0])), @r"parameter `c`: expected ordered values that can be told apart on a linear scale, found 1.0 and 2.0 (make the choice unordered)");
    assert_snapshot!(refused(Parameter::fixed("f", f64::NAN)), @r"parameter `f`: expected finite values, found NaN");
    space([Parameter::choice("c", [-1e300, 1.0, 2.0]).unordered()]);
}

#[test]
fn choices_take_their_canonical_form() {
    let ordered = |parameter| match only(parameter) {
        Parameter::Choice(choice) => choice.ordered,
        _ => unreachable!(),
    };
    assert!(!ordered(Parameter::choice("c", ["a", "b", "c"])));
    assert!(ordered(Parameter::choice("c", ["a", "b", "c"]).ordered()));
    assert!(ordered(Parameter::choice("c", ["b", "a"]).unordered()));
    assert!(ordered(Parameter::choice("c", [3, 1, 2])));
    assert!(!ordered(Parameter::choice("c", [3, 1, 2]).unordered()));
    assert_eq!(only(Parameter::choice("c", [3, 1, 2])), Parameter::choice("c", [1, 2, 3]));
    assert_eq!(only(Parameter::choice("b", [true, false])), Parameter::bool("b"));
    assert_eq!(only(Parameter::choice("c", ["b", "a"])), Parameter::choice("c", ["b", "a"]));
    assert_eq!(only(Parameter::choice("c", [7])), Parameter::fixed("c", 7));
}

#[test]
fn stored_form_is_readable_and_checked() {
    let space = SearchSpace::new(
        [
            Parameter::float("x", 0.5, 2.0).log().digits(3),
            Parameter::int("k", 1, 9).step(2),
            Parameter::float("y", 0.0, 1.0),
            Parameter::choice("c", ["a", "b", "c"]),
            Parameter::fixed("z", 3),
        ],
        &["k + 2*y <= 4"],
    )
    .unwrap();
    let json = serde_json::to_string_pretty(&space).unwrap();
    assert_snapshot!(json, @r#"
    {
      "parameters": [
        {
          "type": "range",
          "name": "x",
          "kind": "float",
          "lower": 0.5,
          "upper": 2.0,
          "scale": "log",
          "digits": 3
        },
        {
          "type": "range",
          "name": "k",
          "kind": "int",
          "lower": 1.0,
          "upper": 9.0,
          "scale": "linear",
          "step": 2.0
        },
        {
          "type": "range",
          "name": "y",
          "kind": "float",
          "lower": 0.0,
          "upper": 1.0,
          "scale": "linear"
        },
        {
          "type": "choice",
          "name": "c",
          "values": [
            "a",
            "b",
            "c"
          ],
          "ordered": false
        },
        {
          "type": "fixed",
          "name": "z",
          "value": 3
        }
      ],
      "constraints": [
        "k + 2*y <= 4"
      ]
    }
    "#);
    assert_eq!(serde_json::from_str::<SearchSpace>(&json).unwrap(), space);
    let wrong = json.replace("k + 2*y <= 4", "k >= 2*x");
    assert!(serde_json::from_str::<SearchSpace>(&wrong).unwrap_err().to_string().contains("log"));
    let wrong = json.replace("\"upper\": 9.0", "\"upper\": 0.0");
    assert!(serde_json::from_str::<SearchSpace>(&wrong).is_err());
}

#[test]
fn a_definition_written_by_hand_can_be_short() {
    let json = r#"{"parameters": [
        {"type": "range", "name": "k", "kind": "int", "lower": 1, "upper": 9},
        {"type": "choice", "name": "c", "values": ["a", "b", "c"]},
        {"type": "choice", "name": "n", "values": [3, 1, 2]}
    ]}"#;
    let expected = space([
        Parameter::int("k", 1, 9),
        Parameter::choice("c", ["a", "b", "c"]),
        Parameter::choice("n", [1, 2, 3]),
    ]);
    assert_eq!(serde_json::from_str::<SearchSpace>(json).unwrap(), expected);
    let misspelt = json.replace("lower", "lover");
    assert!(serde_json::from_str::<SearchSpace>(&misspelt).is_err());
}
