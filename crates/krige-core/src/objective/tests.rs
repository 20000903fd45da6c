//! Objectives and outcome constraints, from text and back.

use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;
use crate::expression::Relation;

fn objective(text: &str) -> Objective {
    text.parse().unwrap()
}

fn constraint(text: &str) -> OutcomeConstraint {
    text.parse().unwrap()
}

fn config_error(objective: &str, constraints: &[&str]) -> OptimizationConfigError {
    OptimizationConfig::parse(objective, constraints).unwrap_err()
}

#[test]
fn objectives_are_parsed_and_written() {
    let check = |text: &str, expected: &str| assert_eq!(objective(text).to_string(), expected);
    check("-hartmann6", "-hartmann6");
    check("2*a - b/2", "2*a - 0.5*b");
    check("a,-b", "a, -b");
    check("'my metric'", "\"my metric\"");
    check("baseline", "\"baseline\"");
}

#[test]
fn objective_knows_its_metrics_and_values() {
    let objective = objective("2*a - 0.5*b, -c");
    assert!(objective.is_multi_objective());
    assert_eq!(objective.metrics().collect::<Vec<_>>(), ["a", "b", "c"]);
    let [sum, minimized] = objective.expressions() else { unreachable!() };
    let mean = |metric: &str| (metric != "c").then_some(4.0);
    assert_eq!(sum.value(mean), Some(6.0));
    assert_eq!(minimized.value(mean), None);
    assert!(minimized.is_minimized() && !sum.is_minimized());
    assert_eq!(minimized.single_metric(), Some(("c", -1.0)));
    assert_eq!(sum.single_metric(), None);
}

#[test]
fn objectives_are_refused_with_their_place() {
    let error = |text: &str| text.parse::<Objective>().unwrap_err();
    assert_snapshot!(error(" "), @r"
    expected a metric or a number:
       
      ^
    ");
    assert_snapshot!(error("3"), @r"
    expected a metric, found only the constant 3:
      3
      ^
    ");
    assert_snapshot!(error("m + 1"), @r"
    expected metrics only, found the constant 1 (it does not change the best point):
      m + 1
      ^^^^^
    ");
    assert_snapshot!(error("a, 2*b - a"), @r"
    expected each metric in one objective, found `a` in two:
      a, 2*b - a
               ^
    ");
    assert_snapshot!(error("a + 0*b"), @r"
    expected `b` to have a weight other than zero (remove it):
      a + 0*b
            ^
    ");
    assert_snapshot!(error("a - a"), @r"
    expected `a` to have a weight other than zero (remove it):
      a - a
      ^
    ");
    assert_snapshot!(error("a,"), @r"
    expected a metric or a number after `,`:
      a,
        ^
    ");
}

#[test]
fn outcome_constraints_are_normalized() {
    let check = |text: &str, expected: &str| assert_eq!(constraint(text).to_string(), expected);
    check("latency <= 0.9 * baseline", "latency <= 0.9*baseline");
    check("qps >= baseline", "qps >= baseline");
    check("baseline * 2 <= qps", "qps >= 2*baseline");
    check("a + b <= 3", "a + b <= 3");
    check("3 >= a + b", "a + b <= 3");
    check("a + 1 <= 3 - b", "a + b <= 2");
    check("a <= b", "a - b <= 0");
    check("\"my metric\" <= 2", "\"my metric\" <= 2");
    check("-2*a >= -6", "a <= 3");
    check("-a <= 0.9*baseline", "a >= 0.9*baseline");
    check("a >= 0", "a >= 0");
}

#[test]
fn baseline_is_reserved_as_a_bare_word_only() {
    let bound = |text| constraint(text).bound();
    assert_eq!(bound("baseline_loss <= 2"), OutcomeBound::Absolute(2.0));
    assert_eq!(bound("'baseline' <= 2"), OutcomeBound::Absolute(2.0));
    assert_eq!(bound("x <= baseline"), OutcomeBound::RelativeToBaseline { multiplier: 1.0 });
    assert_eq!(constraint("`baseline` <= 0.5*baseline").single_metric(), Some("baseline"));
}

#[test]
fn outcome_constraints_compute_both_sides() {
    let relative = constraint("a + b >= 0.5*baseline");
    assert_eq!(relative.relation(), Relation::AtLeast);
    assert_eq!(relative.value(|_| Some(3.0)), Some(6.0));
    assert_eq!(relative.bound_value(|_| Some(3.0)), Some(3.0));
    assert_eq!(relative.bound_value(|_| None), None);
    assert_eq!(constraint("a <= 2").bound_value(|_| None), Some(2.0));
}

#[test]
fn outcome_constraints_are_refused_with_their_place() {
    let error = |text: &str| text.parse::<OutcomeConstraint>().unwrap_err();
    assert_snapshot!(error("1 <= 2"), @r"
    expected a metric, found only the constant 2:
      1 <= 2
           ^
    ");
    assert_snapshot!(error("a <= baseline + 1"), @r"
    expected `baseline` to be one whole side, as in `metric >= 0.9 * baseline` (a metric of that name is put in quotes):
      a <= baseline + 1
           ^^^^^^^^
    ");
    assert_snapshot!(error("a - baseline <= 1"), @r"
    expected `baseline` to be one whole side, as in `metric >= 0.9 * baseline` (a metric of that name is put in quotes):
      a - baseline <= 1
          ^^^^^^^^
    ");
    assert_snapshot!(error("a <= b + baseline"), @r"
    expected `baseline` to be one whole side, as in `metric >= 0.9 * baseline` (a metric of that name is put in quotes):
      a <= b + baseline
               ^^^^^^^^
    ");
    assert_snapshot!(error("baseline >= 2"), @r"
    expected only metrics to be compared with `baseline`:
      baseline >= 2
                  ^
    ");
    assert_snapshot!(error("a + 1 <= baseline"), @r"
    expected only metrics to be compared with `baseline`:
      a + 1 <= baseline
      ^^^^^
    ");
    assert_snapshot!(error("a >= -0.5*baseline"), @r"
    expected a positive multiplier of `baseline`, found -0.5:
      a >= -0.5*baseline
           ^^^^^^^^^^^^^
    ");
    assert_snapshot!(error("a >= 0*baseline"), @r"
    expected a positive multiplier of `baseline`, found 0:
      a >= 0*baseline
           ^^^^^^^^^^
    ");
    assert_snapshot!(error("a <= a + 1"), @r"
    expected `a` to have a weight other than zero (remove it):
      a <= a + 1
      ^
    ");
    assert_snapshot!(error("1e-300*a <= 1e300"), @r"
    expected finite numbers, found one that is larger than 1.8e308:
      1e-300*a <= 1e300
      ^^^^^^^^^^^^^^^^^
    ");
    assert_snapshot!(error("a < 2"), @r"
    expected `<=`, found `<`: a strict bound cannot be told from it:
      a < 2
        ^
    ");
}

#[test]
fn constraint_on_the_only_objective_is_refused() {
    assert_snapshot!(config_error("-loss", &["loss <= 2"]), @r"expected constraints on other metrics than the objective, found `loss <= 2` (the objective is improved as far as possible anyway; remove the constraint)");
    // A sum, or one metric of a scalarized objective, says something else than the objective.
    assert!(OptimizationConfig::parse("-loss", &["loss + size <= 2"]).is_ok());
    assert!(OptimizationConfig::parse("a + b", &["a >= 2"]).is_ok());
}

#[test]
fn conflicting_constraints_are_refused() {
    assert_snapshot!(config_error("m", &["a <= 2", "3 >= a"]), @r"expected one bound from each side, found `a <= 2` and `a <= 3` (keep one)");
    assert_snapshot!(config_error("m", &["a <= 2", "a <= baseline"]), @r"expected one bound from each side, found `a <= 2` and `a <= baseline` (keep one)");
    assert_snapshot!(config_error("m", &["a + b <= 2", "b + a <= 2"]), @r"expected one bound from each side, found `a + b <= 2` and `b + a <= 2` (keep one)");
    assert_snapshot!(config_error("m", &["a <= 2", "a >= 2"]), @r"expected a lower bound below the upper bound, found `a >= 2` and `a <= 2`");
    assert!(matches!(config_error("m", &["a ? 2"]), OptimizationConfigError::Expression(_)));
    assert!(OptimizationConfig::parse("m", &["a <= 2", "a >= 1", "b <= 2"]).is_ok());
}

#[test]
fn thresholds_of_several_objectives_are_not_feasibility_constraints() {
    let constraints = ["a >= 1", "b <= 2", "b >= 0", "c <= 1"];
    let config = OptimizationConfig::parse("a, -b", &constraints).unwrap();
    let threshold = |i| config.objective_threshold(i).map(ToString::to_string);
    assert_eq!(threshold(0).as_deref(), Some("a >= 1"));
    assert_eq!(threshold(1).as_deref(), Some("b <= 2"));
    assert_eq!(threshold(2), None);
    let rest: Vec<String> = config.feasibility_constraints().map(ToString::to_string).collect();
    assert_eq!(rest, ["b >= 0", "c <= 1"]);
    assert_eq!(config.metrics(), ["a", "b", "c"]);

    let scalar = OptimizationConfig::parse("a + b", &["a >= 1"]).unwrap();
    assert_eq!(scalar.objective_threshold(0), None);
    assert_eq!(scalar.feasibility_constraints().count(), 1);
}

#[test]
fn stored_form_is_text() {
    let config = OptimizationConfig::parse("a - 0.1*b, -c", &["c<=2", "d >= baseline"]).unwrap();
    let json = serde_json::to_string(&config).unwrap();
    assert_eq!(
        json,
        r#"{"objective":"a - 0.1*b, -c","outcome_constraints":["c <= 2","d >= baseline"]}"#
    );
    assert_eq!(serde_json::from_str::<OptimizationConfig>(&json).unwrap(), config);
    let refused = r#"{"objective":"a","outcome_constraints":["a <= 2"]}"#;
    assert!(serde_json::from_str::<OptimizationConfig>(refused).is_err());
}

proptest! {
    #[test]
    fn written_objectives_and_constraints_are_read_back(
        weights in prop::collection::vec((".{1,6}", -9.0..9.0f64), 1..4),
        bound in -9.0..9.0f64,
        relative: bool,
        at_least: bool,
    ) {
        let weights: IndexMap<String, f64> =
            weights.into_iter().filter(|(_, weight)| *weight != 0.0).collect();
        prop_assume!(!weights.is_empty());
        let objective = Objective { expressions: vec![ScalarObjective { weights }] };
        let text = objective.to_string();
        prop_assert_eq!(&text.parse::<Objective>().unwrap(), &objective);

        let relation = if at_least { ">=" } else { "<=" };
        let bound = if relative { format!("{}*baseline", bound.abs() + 1.0) } else { bound.to_string() };
        let constraint: OutcomeConstraint = format!("{text} {relation} {bound}").parse().unwrap();
        prop_assert_eq!(&constraint.to_string().parse::<OutcomeConstraint>().unwrap(), &constraint);
    }
}
