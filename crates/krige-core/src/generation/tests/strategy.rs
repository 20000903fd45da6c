//! The strategy as a graph: which graphs are refused, and how it is stored.

use super::*;

fn node(name: &str) -> GenerationNode {
    GenerationNode::new(name, Sobol::default())
}

#[track_caller]
fn check_refused(nodes: Vec<GenerationNode>, text: &str) {
    let stored = serde_json::json!({ "name": "s", "nodes": nodes.clone() });
    let error = GenerationStrategy::new("s", nodes).unwrap_err();
    assert_eq!(error.to_string(), text);
    let read = serde_json::from_value::<GenerationStrategy>(stored);
    assert_eq!(read.unwrap_err().to_string(), text, "the stored form is checked, too");
}

#[test]
fn graphs_that_cannot_be_walked_are_refused() {
    check_refused(vec![], "a generation strategy needs at least one node");
    check_refused(
        vec![node("a"), node("b"), node("a")],
        "two nodes are named `a`: names must differ",
    );
    check_refused(
        vec![node("a").transition_to("c", [])],
        "node `a` hands over to `c`, and there is no node of that name",
    );
    check_refused(
        vec![node("a"), node("b").transition_to("a", [])],
        "node `b` hands over to `a`, which is not behind it: order the nodes as they follow each \
         other",
    );
    check_refused(
        vec![node("a").transition_to("a", [])],
        "node `a` hands over to `a`, which is not behind it: order the nodes as they follow each \
         other",
    );
}

#[test]
fn every_strategy_of_the_options_is_read_back_equal() {
    use GenerationMethod::{Fast, Quality, RandomSearch};
    for method in [Fast, Quality, RandomSearch] {
        for budget in [None, Some(0), Some(1), Some(2), Some(9)] {
            for flags in 0..8 {
                let options = StrategyOptions {
                    method,
                    initialization_budget: budget,
                    initialization_random_seed: Some(u64::MAX),
                    initialize_with_center: flags & 1 > 0,
                    use_existing_trials_for_initialization: flags & 2 > 0,
                    min_observed_initialization_trials: None,
                    allow_exceeding_initialization_budget: flags & 4 > 0,
                    noise: Noise::Noisy,
                    budget: Some(usize::MAX),
                };
                let strategy = options.strategy();
                let text = serde_json::to_string(&strategy).unwrap();
                assert_eq!(serde_json::from_str::<GenerationStrategy>(&text).unwrap(), strategy);
            }
        }
    }
}

#[test]
fn names_follow_the_nodes() {
    let name = |options: StrategyOptions| options.strategy().name().to_owned();
    let default = StrategyOptions::default();
    let budget = |n| StrategyOptions { initialization_budget: Some(n), ..default.clone() };
    let random = StrategyOptions { method: GenerationMethod::RandomSearch, ..default.clone() };
    assert_eq!(name(default.clone()), "Center+Sobol+GP");
    assert_eq!(name(budget(0)), "GP");
    assert_eq!(name(budget(1)), "Center+GP");
    assert_eq!(name(budget(2)), "Center+Sobol+GP");
    assert_eq!(name(random.clone()), "Center+Sobol");
    assert_eq!(name(StrategyOptions { initialize_with_center: false, ..random }), "Sobol");
    assert_eq!(name(StrategyOptions { initialize_with_center: false, ..budget(1) }), "Sobol+GP");
}

#[test]
fn nodes_differ_if_their_generators_do() {
    let seeded = GenerationNode::new("a", Sobol { seed: Some(1) });
    assert_eq!(node("a"), node("a").clone());
    assert_ne!(node("a"), seeded);
    assert_ne!(node("a"), node("a").max_parallelism(1));
}
