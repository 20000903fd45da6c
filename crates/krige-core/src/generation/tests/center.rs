//! The Center node: where the first point is, and when there is none.

use super::*;

fn center(search_space: SearchSpace, only_if_first: bool) -> Lab {
    let nodes = vec![
        GenerationNode::new("Center", Center { only_if_first })
            .transition_to("Sobol", [TransitionCriterion::AfterGeneration]),
        GenerationNode::new("Sobol", Sobol::default()),
    ];
    Lab::new(search_space).with(GenerationStrategy::new("s", nodes).unwrap())
}

fn first(search_space: SearchSpace, fixed: Parameterization) -> Lab {
    let mut lab = center(search_space, true);
    lab.ask_with(1, &fixed).unwrap();
    lab.check_arms();
    lab
}

#[test]
fn it_is_the_middle_of_every_parameter() {
    let lab = first(mixed(), Parameterization::default());
    assert_eq!(lab.nodes(), ["Center"]);
    assert!((lab.float(0, "log") - 0.01).abs() < 1e-15);
    let rest = lab.parameters(0).iter().filter(|(name, _)| *name != "log");
    assert_eq!(
        rest.map(|(name, value)| (name, value.clone())).collect::<Parameterization>().to_string(),
        "{f: 2.5, digits: 1.0, step: 0.5, k: 3, wide: 2500, c: b, n: 0.2, b: true, fixed: 3}"
    );
    let generation = lab.generation(0);
    assert_eq!((generation.method.as_str(), &generation.degraded), ("center", &None));
    assert_eq!(generation.state, serde_json::Value::Null);
}

#[test]
fn it_moves_inside_of_the_constraints() {
    let parameters = || [Parameter::float("x", 0.0, 1.0), Parameter::float("y", 0.0, 1.0)];
    let lab = first(space(parameters(), &["x + y <= 0.5"]), Parameterization::default());
    assert_eq!(lab.nodes(), ["Center"]);
    let (x, y) = (lab.float(0, "x"), lab.float(0, "y"));
    // The inscribed circle of the triangle has the radius 1/2 - 1/sqrt(8).
    let radius = 0.5 - 1.0 / 8.0_f64.sqrt();
    assert!((x - radius).abs() < 1e-9 && (y - radius).abs() < 1e-9, "{x} {y}");
}

#[test]
fn a_centre_that_was_tried_is_skipped() {
    let mut lab = center(square(), false);
    lab.attach([("x", 0.5), ("y", 0.5)]);
    lab.ask(1).unwrap();
    assert_eq!(lab.nodes(), ["manual", "Sobol"]);
    lab.check_arms();
}

#[test]
fn another_trial_does_not_matter_unless_it_counts() {
    for (only_if_first, node) in [(false, "Center"), (true, "Sobol")] {
        let mut lab = center(square(), only_if_first);
        lab.attach([("x", 0.25), ("y", 0.5)]);
        lab.ask(1).unwrap();
        assert_eq!(lab.nodes(), ["manual", node]);
    }
}

#[test]
fn fixed_values_are_kept_in_the_types_of_the_space() {
    let mut fixed = Parameterization::from([("f", 4)]);
    fixed.insert("c", "c");
    let lab = first(mixed(), fixed);
    assert_eq!(lab.nodes(), ["Center"]);
    assert_eq!(lab.parameters(0).get("f"), Some(&4.0.into()));
    assert_eq!(lab.parameters(0).get("c"), Some(&"c".into()));
}

#[test]
fn fixed_values_that_the_centre_contradicts_leave_it_out() {
    let limited =
        space([Parameter::float("x", 0.0, 1.0), Parameter::float("y", 0.0, 1.0)], &["x + y <= 1"]);
    let lab = first(limited, [("x", 0.9)].into());
    assert_eq!(lab.nodes(), ["Sobol"]);
    assert_eq!(lab.float(0, "x"), 0.9);
}
