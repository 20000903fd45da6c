//! Linear constraints between parameters.

use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;

fn parameters() -> Vec<Parameter> {
    vec![
        Parameter::float("x", 0.0, 1.0),
        Parameter::float("y", 0.0, 1.0),
        Parameter::float("log", 0.1, 1.0).log(),
        Parameter::int("k", 0, 4),
        Parameter::int("m", 0, 4),
        Parameter::choice("n", [1, 2, 8]),
        Parameter::choice("u", [1, 2, 8]).unordered(),
        Parameter::choice("s", ["a", "b", "c"]),
        Parameter::bool("b"),
        Parameter::fixed("f", 3),
    ]
}

fn refused(constraints: &[&str]) -> SearchSpaceError {
    SearchSpace::new(parameters(), constraints).unwrap_err()
}

#[test]
fn constraints_are_normalized_and_keep_their_text() {
    let check = |text: &str, terms: &[(&str, f64)], bound: f64| {
        let constraint: ParameterConstraint = text.parse().unwrap();
        let expected: Vec<(String, f64)> =
            terms.iter().map(|(name, coefficient)| (name.to_string(), *coefficient)).collect();
        assert_eq!(constraint.terms(), expected);
        assert_eq!(constraint.bound(), bound);
        assert_eq!(constraint.to_string(), text);
    };
    check("lc + lp <= 4", &[("lc", 1.0), ("lp", 1.0)], 4.0);
    check("2*x1 - x2 >= 0.5*x3", &[("x1", -2.0), ("x2", 1.0), ("x3", 0.5)], 0.0);
    check("1 >= 2*(x - 3)", &[("x", 2.0)], 7.0);
    check("x - y + y <= 1", &[("x", 1.0)], 1.0);
    check("baseline <= 'my x'", &[("baseline", 1.0), ("my x", -1.0)], 0.0);
}

#[test]
fn constraints_without_a_meaning_are_refused() {
    assert_snapshot!(refused(&["x <= 1", "x + z <= 1"]), @r"constraint `x + z <= 1`: expected names of parameters (`x`, `y`, `log`, `k`, `m`, `n`, `u`, `s`, `b`, `f`), found `z`");
    assert_snapshot!(refused(&["x + f <= 1"]), @r"constraint `x + f <= 1`: expected parameters that vary, found `f`, which is fixed to 3 (write the value instead)");
    assert_snapshot!(refused(&["x <= log"]), @r"constraint `x <= log`: expected parameters on a linear scale, found `log` on the log scale (a linear constraint would be curved there)");
    assert_snapshot!(refused(&["x <= u"]), @r"constraint `x <= u`: expected ordered parameters, found the unordered choice `u` (declare it as ordered)");
    assert_snapshot!(refused(&["x + s <= 1"]), @r"constraint `x + s <= 1`: expected numeric parameters, found `s`, whose values are of type string");
    assert_snapshot!(refused(&["x + b <= 1"]), @r"constraint `x + b <= 1`: expected numeric parameters, found `b`, whose values are of type bool");
    assert_snapshot!(refused(&["x <= x + 1"]), @r"
    expected a parameter to remain after moving everything to one side, found that all cancel:
      x <= x + 1
      ^^^^^^^^^^
    ");
    assert_snapshot!(refused(&["x == y"]), @r"
    expected `<=` or `>=`, found an equality (remove one parameter and compute it from the others instead):
      x == y
        ^^
    ");
    assert_snapshot!(refused(&["1e300*x <= -1e300*x*1e10"]), @r"
    expected finite numbers, found one that is larger than 1.8e308:
      1e300*x <= -1e300*x*1e10
                 ^^^^^^^^^^^^^
    ");
}

#[test]
fn contradictions_are_found_and_named() {
    assert_snapshot!(refused(&["x + k <= 9", "x + y >= 3"]), @r"expected a point within the bounds that satisfies the parameter constraints, found none for `x + y >= 3` (relax one)");
    assert_snapshot!(refused(&["x >= y + 0.5", "k >= 1", "y >= x"]), @r"expected a point within the bounds that satisfies the parameter constraints, found none for `x >= y + 0.5`, `y >= x` (relax one)");
    // Real numbers could satisfy these, whole ones cannot.
    assert_snapshot!(refused(&["2*k - 2*m <= 1.5", "2*k - 2*m >= 0.5"]), @r"expected a point within the bounds that satisfies the parameter constraints, found none for `2*k - 2*m <= 1.5`, `2*k - 2*m >= 0.5` (relax one)");
    assert_snapshot!(refused(&["n >= 3", "n + k <= 7.5"]), @r"expected a point within the bounds that satisfies the parameter constraints, found none for `n >= 3`, `n + k <= 7.5` (relax one)");
}

#[test]
fn a_single_feasible_point_is_no_contradiction() {
    for constraints in [&["x + y >= 2"], &["x + y <= 0"], &["k + m >= 8"], &["n - k >= 8"]] {
        let space = SearchSpace::new(parameters(), constraints).unwrap();
        let centre = space.centre().unwrap();
        assert_eq!(space.validate(&centre), Ok(()), "{constraints:?} {centre}");
    }
}

#[test]
fn interior_is_the_chebyshev_centre() {
    let square = [Parameter::float("x", 0.0, 2.0), Parameter::float("y", 0.0, 2.0)];
    let triangle = SearchSpace::new(square.clone(), &["x + y <= 2"]).unwrap();
    // The inscribed circle of a right triangle with legs of 1 has the radius 1 - 1/sqrt(2).
    let radius = 1.0 - 0.5f64.sqrt();
    let interior = triangle.domain().interior.unwrap();
    assert!(interior.iter().all(|u| (u - radius).abs() < 1e-9), "{interior:?}");
    assert_eq!(space(square).domain().interior, None);
}

#[test]
fn centre_is_the_middle_in_scaled_space() {
    let space = space([
        Parameter::float("x", 0.0, 3.0),
        Parameter::float("l", 1e-4, 1.0).log(),
        Parameter::int("k", 1, 10),
        Parameter::int("odd", 1, 9),
        Parameter::int("logk", 1, 100).log(),
        Parameter::choice("n", [1, 2, 8, 100]),
        Parameter::choice("s", ["a", "b", "c"]),
        Parameter::bool("b"),
        Parameter::fixed("f", 3),
    ]);
    let centre = space.centre().unwrap();
    assert!((centre.float("l").unwrap() - 0.01).abs() < 1e-15);
    let mut rest = centre;
    rest.insert("l", 0.01);
    assert_eq!(
        rest.to_string(),
        "{x: 1.5, l: 0.01, k: 6, odd: 5, logk: 10, n: 8, s: b, b: true, f: 3}"
    );
}

#[test]
fn centre_avoids_constraints() {
    let ints = |constraints| SearchSpace::new(parameters(), constraints).unwrap().centre().unwrap();
    let centre = ints(&["x + y <= 0.5"]);
    assert!(centre.float("x").unwrap() < 0.25 && centre.float("x").unwrap() > 0.1);
    // The deepest point is no whole number, and rounding it breaks the constraint.
    let centre = ints(&["k + m <= 3", "k - m >= 2.5"]);
    assert_eq!((centre.int("k"), centre.int("m")), (Ok(3), Ok(0)));
    let centre = ints(&["n + k >= 11.5"]);
    assert_eq!((centre.int("n"), centre.int("k")), (Ok(8), Ok(4)));
}

#[test]
fn wide_integers_keep_their_constraints_exactly() {
    let wide = [Parameter::int("a", 0, 1 << 40), Parameter::int("b", 0, 1 << 40)];
    let space = SearchSpace::new(wide, &["a + b <= 1000"]).unwrap();
    let near = Parameterization::from([("a", 500), ("b", 501)]);
    assert!(space.validate(&near).is_err());
    assert_eq!(space.validate(&space.centre().unwrap()), Ok(()));
}

proptest! {
    /// The centre exists and is valid whenever some point is known to satisfy the constraints.
    #[test]
    fn centre_satisfies_satisfiable_constraints(
        x in 0.0..=1.0f64,
        k in 0..=4i64,
        m in 0..=4i64,
        n in prop::sample::select(vec![1i64, 2, 8]),
        rows in prop::collection::vec((-3..=3i64, -3..=3i64, -3..=3i64, -3..=3i64), 1..4),
    ) {
        let texts: Vec<String> = rows.iter().filter(|row| **row != (0, 0, 0, 0)).map(|(a, b, c, d)| {
            let bound = *a as f64 * x + (b * k + c * m + d * n) as f64;
            format!("{a}*x + {b}*k + {c}*m + {d}*n <= {bound:?}")
        }).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let space = SearchSpace::new(parameters(), &texts).unwrap();
        let centre = space.centre();
        prop_assert!(centre.is_some(), "{:?}", texts);
        prop_assert_eq!(space.validate(&centre.unwrap()), Ok(()));
    }
}
