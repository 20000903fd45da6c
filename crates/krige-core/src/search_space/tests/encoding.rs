//! The unit cube and back.

use krige_gp::domain::{Dimension, Domain};
use proptest::prelude::*;

use super::*;
use crate::value::ParameterValue;

fn parameter() -> impl Strategy<Value = Parameter> {
    let float = (-1e6..1e6f64, 1e-6..1e6f64)
        .prop_map(|(lower, width)| Parameter::float("p", lower, lower + width));
    let log = (1e-9..10.0f64, 1.001..1e9f64)
        .prop_map(|(lower, ratio)| Parameter::float("p", lower, lower * ratio).log());
    let stepped = (-500..500i32, 1..3000i32, 0..4i32).prop_map(|(lower, steps, decimals)| {
        let unit = 10f64.powi(decimals);
        let (lower, upper) = (f64::from(lower) / unit, f64::from(lower + steps) / unit);
        Parameter::float("p", lower, upper).step(1.0 / unit)
    });
    let rounded = (-9.0..9.0f64, 0.5..9.0f64, 1..6u32).prop_map(|(lower, width, digits)| {
        Parameter::float("p", lower, lower + width).digits(digits)
    });
    let int = (-3000..3000i64, 1..3000i64)
        .prop_map(|(lower, width)| Parameter::int("p", lower, lower + width));
    let wide = (-(1i64 << 48)..1 << 48, 1..1i64 << 49)
        .prop_map(|(lower, width)| Parameter::int("p", lower, lower + width));
    let log_int = (1..1000i64, 1..1i64 << 39)
        .prop_map(|(lower, width)| Parameter::int("p", lower, lower + width).log());
    let numbers = prop::collection::btree_set(-1000..1000i64, 2..9)
        .prop_map(|values| Parameter::choice("p", values));
    let strings = (prop::collection::btree_set("[a-z]{1,3}", 2..9), any::<bool>()).prop_map(
        |(values, ordered)| {
            let choice = Parameter::choice("p", values);
            if ordered { choice.ordered() } else { choice }
        },
    );
    prop_oneof![
        float,
        log,
        stepped,
        rounded,
        int,
        wide,
        log_int,
        numbers,
        strings,
        Just(Parameter::bool("p")),
    ]
}

/// How far a decoded number may be from the encoded one.
fn tolerance(parameter: &Parameter) -> f64 {
    match parameter {
        Parameter::Range(range) if range.step.is_some() || range.digits.is_some() => 0.0,
        Parameter::Range(RangeParameter { kind: RangeKind::Int, .. }) => 0.0,
        Parameter::Range(RangeParameter { scale: Scale::Log, upper, .. }) => 1e-14 * upper,
        Parameter::Range(RangeParameter { lower, upper, .. }) => {
            2.0 * f64::EPSILON * lower.abs().max(upper.abs())
        }
        _ => 0.0,
    }
}

fn levels(domain: &Domain) -> &[f64] {
    match &domain.dimensions[0] {
        Dimension::Discrete { levels } | Dimension::Categorical { levels } => levels,
        Dimension::Continuous => panic!("expected levels"),
    }
}

proptest! {
    #[test]
    fn any_coordinate_is_a_valid_point_and_survives(parameter in parameter(), u in 0.0..=1.0f64) {
        let space = space([parameter]);
        let point = space.decode(&[u]);
        prop_assert_eq!(space.validate(&point), Ok(()));
        prop_assert_eq!(&space.cast(point.clone()).unwrap(), &point);
        let encoded = space.encode(&point).unwrap();
        prop_assert!((0.0..=1.0).contains(&encoded[0]));
        let again = space.decode(&encoded);
        match (point.float("p"), again.float("p")) {
            (Ok(before), Ok(after)) => {
                let error = (before - after).abs();
                prop_assert!(error <= tolerance(&space.parameters()[0]), "{} {}", before, after);
            }
            _ => prop_assert_eq!(again, point),
        }
    }

    #[test]
    fn ends_are_exact(parameter in parameter()) {
        let space = space([parameter]);
        if let Parameter::Range(range) = &space.parameters()[0] && range.digits.is_none() {
            for (u, bound) in [(0.0, range.lower), (1.0, range.upper)] {
                prop_assert_eq!(space.decode(&[u]).float("p"), Ok(bound));
                let point = Parameterization::from([("p", bound)]);
                prop_assert_eq!(space.decode(&space.encode(&point).unwrap()).float("p"), Ok(bound));
            }
        }
    }

    #[test]
    fn levels_ascend_and_are_the_coordinates_of_their_values(parameter in parameter()) {
        let space = space([parameter]);
        let domain = space.domain();
        prop_assert_eq!(domain.dimensions.len(), 1);
        if domain.dimensions[0] != Dimension::Continuous {
            let levels = levels(&domain);
            prop_assert!(levels.len() <= 1000);
            prop_assert!(levels.windows(2).all(|pair| pair[0] < pair[1]));
            for level in levels {
                prop_assert_eq!(space.encode(&space.decode(&[*level])).unwrap(), vec![*level]);
            }
        }
    }
}

/// Three kinds of levels, a continuous coordinate and constraints across all of them.
fn mixed(rows: &[[i32; 4]], bounds: &[f64]) -> Result<SearchSpace, SearchSpaceError> {
    let texts: Vec<String> = rows
        .iter()
        .zip(bounds)
        .filter(|(row, _)| **row != [0; 4])
        .map(|([a, b, c, d], bound)| format!("{a}*x + {b}*k + {c}*s + {d}*n <= {bound:?}"))
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    SearchSpace::new(
        [
            Parameter::choice("free", ["a", "b", "c"]),
            Parameter::float("x", -1.0, 2.0),
            Parameter::fixed("f", 1),
            Parameter::int("k", -3, 6),
            Parameter::float("s", 0.1, 0.9).step(0.1),
            Parameter::choice("n", [-2, 1, 7]),
        ],
        &texts,
    )
}

fn on_levels(domain: &Domain, u: &[f64]) -> Vec<f64> {
    let snap = |(dimension, u): (&Dimension, &f64)| match dimension {
        Dimension::Continuous => *u,
        Dimension::Discrete { levels } | Dimension::Categorical { levels } => {
            levels[((u * levels.len() as f64) as usize).min(levels.len() - 1)]
        }
    };
    domain.dimensions.iter().zip(u).map(snap).collect()
}

proptest! {
    /// The constraints say the same of a point and of its coordinates, but for rounding.
    #[test]
    fn constraints_mean_the_same_in_the_cube(
        rows in prop::collection::vec(prop::array::uniform4(-3..=3i32), 1..3),
        whole in prop::collection::vec(-6..12i32, 3),
        u in prop::collection::vec(0.0..=1.0f64, 5),
    ) {
        let bounds: Vec<f64> = whole.iter().map(|bound| f64::from(*bound)).collect();
        let Ok(space) = mixed(&rows, &bounds) else { return Ok(()) };
        let domain = space.domain();
        let u = on_levels(&domain, &u);
        let point = space.decode(&u);
        prop_assert_eq!(&space.encode(&point).unwrap()[2..], &u[2..]);
        for (constraint, encoded) in space.constraints().iter().zip(&domain.constraints) {
            let dot: f64 = encoded.coefficients.iter().zip(&u).map(|(a, u)| a * u).sum();
            let excess = constraint.excess(&point).unwrap();
            prop_assert!((dot - encoded.bound - excess).abs() < 1e-11, "{} {}", dot, excess);
            prop_assert_eq!(encoded.coefficients[0], 0.0);
        }
        let inside = domain.constraints.iter().all(|constraint| {
            let dot: f64 = constraint.coefficients.iter().zip(&u).map(|(a, u)| a * u).sum();
            dot <= constraint.bound
        });
        prop_assert!(!inside || space.validate(&point).is_ok());
    }

    /// Rounding a coordinate of many values can break a constraint; the values are moved then.
    #[test]
    fn rounded_values_are_moved_into_their_constraints(
        u in prop::collection::vec(0.0..=1.0f64, 3),
        width in prop::sample::select(vec![1_000_000i64, 1 << 33, 1 << 44]),
        share in 0.0..2.0f64,
    ) {
        let bound = 10 + (share * width as f64) as i64;
        let space = SearchSpace::new(
            [
                Parameter::int("a", 0, width),
                Parameter::int("b", 0, width),
                Parameter::float("c", 0.0, 1.0).digits(2),
            ],
            &[&format!("a + b + c <= {bound}"), "a >= b - 5"],
        ).unwrap();
        prop_assert_eq!(space.domain().dimensions[0].clone(), Dimension::Continuous);
        // From the interior to the first wall in some direction.
        let domain = space.domain();
        let centre = domain.interior.clone().unwrap();
        let mut share = 1.0f64;
        for constraint in &domain.constraints {
            let dot = |v: &[f64]| -> f64 { constraint.coefficients.iter().zip(v).map(|(a, v)| a * v).sum() };
            let direction = dot(&u) - dot(&centre);
            if direction > 0.0 {
                share = share.min((constraint.bound - dot(&centre)) / direction);
            }
        }
        let edge: Vec<f64> = centre.iter().zip(&u).map(|(c, u)| c + share.max(0.0) * (u - c)).collect();
        let point = space.decode(&edge);
        prop_assert_eq!(space.validate(&point), Ok(()), "{}", point);
    }
}

#[test]
fn no_level_on_a_constraint_is_lost() {
    // 49 * (1 / 49) is not 1 in floating point.
    let parameters = [Parameter::int("k", 1, 49), Parameter::int("m", 0, 12)];
    for bound in 1..=61 {
        let constraint = format!("k + m <= {bound}");
        let space = SearchSpace::new(parameters.clone(), &[&constraint]).unwrap();
        let encoded = &space.domain().constraints[0];
        let holds = |k: i64, m: i64| {
            let u = space.encode(&Parameterization::from([("k", k), ("m", m)])).unwrap();
            let dot: f64 = encoded.coefficients.iter().zip(&u).map(|(a, u)| a * u).sum();
            dot <= encoded.bound
        };
        for m in (0..=12).filter(|m| (1..=49).contains(&(bound - m))) {
            assert!(holds(bound - m, m), "{constraint} at m = {m}");
            assert!(bound - m == 49 || !holds(bound - m + 1, m), "{constraint} at m = {m}");
        }
    }
}

#[test]
fn values_on_their_level_are_not_moved() {
    let wide = |name| Parameter::int(name, 0, 1_000_000);
    let space = SearchSpace::new([wide("a"), wide("b")], &["2*a + b <= 11"]).unwrap();
    let fixed = space.fixed(&Parameterization::from([("b", 4)])).unwrap();
    // On the constraint, at a = 3.5, which would be rounded up.
    let point = space.decode(&[4.0 / 1_000_001.0, fixed[0].1]);
    assert_eq!(point, Parameterization::from([("a", 3), ("b", 4)]));
}

#[test]
fn values_lie_where_the_table_says() {
    let check = |parameter: Parameter, value: ParameterValue, expected: f64| {
        let point = Parameterization::from([(parameter.name(), value)]);
        let u = space([parameter.clone()]).encode(&point).unwrap()[0];
        assert!((u - expected).abs() < 1e-15, "{u}");
    };
    check(Parameter::float("p", 2.0, 6.0), 3.0.into(), 0.25);
    check(Parameter::float("p", 1.0, 100.0).log(), 10.0.into(), 0.5);
    check(Parameter::int("p", 1, 4), 2.into(), 0.375);
    check(Parameter::float("p", 0.0, 1.0).step(0.25), 0.25.into(), 0.3);
    check(Parameter::int("p", 1, 8).log(), 2.into(), 4f64.ln() / 17f64.ln());
    check(Parameter::choice("p", [0, 1, 4]), 1.into(), 0.25);
    check(Parameter::choice("p", ["a", "b", "c"]), "b".into(), 0.5);
    check(Parameter::bool("p"), true.into(), 0.75);
}

#[test]
fn dimensions_follow_the_kind_of_parameter() {
    let dimensions = space([
        Parameter::float("x", 0.0, 1.0),
        Parameter::fixed("f", 1),
        Parameter::choice("s", ["a", "b", "c"]),
        Parameter::choice("n", [3, 5, 11]),
        Parameter::choice("u", [3, 5, 11]).unordered(),
        Parameter::bool("b"),
        Parameter::int("many", 1, 1001),
        Parameter::float("log", 0.1, 1.0).log(),
    ])
    .domain()
    .dimensions;
    let thirds = vec![0.5 / 3.0, 0.5, 2.5 / 3.0];
    assert_eq!(
        dimensions,
        [
            Dimension::Continuous,
            Dimension::Categorical { levels: thirds.clone() },
            Dimension::Discrete { levels: vec![0.0, 0.25, 1.0] },
            Dimension::Categorical { levels: thirds },
            Dimension::Discrete { levels: vec![0.25, 0.75] },
            Dimension::Continuous,
            Dimension::Continuous,
        ]
    );
    let thousand = space([Parameter::int("k", 1, 1000)]).domain();
    assert_eq!(levels(&thousand).len(), 1000);
}

#[test]
fn widest_integers_stay_in_bounds() {
    let limit = (1i64 << 53) - 1;
    let space = space([Parameter::int("k", -limit, limit)]);
    for k in [-limit, -limit + 1, -1, 0, 12_345_678_901, limit] {
        let point = Parameterization::from([("k", k)]);
        let decoded = space.decode(&space.encode(&point).unwrap());
        assert_eq!(space.validate(&decoded), Ok(()));
        assert!((decoded.int("k").unwrap() - k).abs() <= 4);
    }
}

#[test]
fn fixed_values_become_coordinates() {
    let space =
        space([Parameter::float("x", 0.0, 4.0), Parameter::fixed("f", 1), Parameter::bool("b")]);
    let fixed =
        |assignments: Vec<(&str, ParameterValue)>| space.fixed(&assignments.into_iter().collect());
    assert_eq!(fixed(vec![]), Ok(vec![]));
    assert_eq!(fixed(vec![("b", true.into()), ("x", 1.into())]), Ok(vec![(0, 0.25), (1, 0.75)]));
    assert_eq!(fixed(vec![("f", 1.into()), ("b", false.into())]), Ok(vec![(1, 0.25)]));
    assert!(matches!(fixed(vec![("f", 2.into())]), Err(MembershipError::NotTheFixedValue { .. })));
    assert!(matches!(fixed(vec![("y", 2.into())]), Err(MembershipError::Unknown { .. })));
    assert!(matches!(fixed(vec![("x", 5.into())]), Err(MembershipError::AboveUpper { .. })));
}

#[test]
fn encode_refuses_what_is_not_in_the_space() {
    let space = space([Parameter::float("x", 0.0, 1.0)]);
    let error = space.encode(&Parameterization::from([("x", 2.0)])).unwrap_err();
    assert_eq!(error.to_string(), "parameter `x`: 2.0 is above its upper bound 1.0");
}
