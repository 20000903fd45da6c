//! The walk through the strategy: which node comes when, and when there is a pause.

use super::*;
use crate::trial::TrialEvent;

fn lab(options: StrategyOptions) -> Lab {
    Lab::new(square()).optimize("z", &[]).with(options.strategy())
}

fn budget(n: usize) -> StrategyOptions {
    StrategyOptions { initialization_budget: Some(n), ..StrategyOptions::default() }
}

fn tell(lab: &mut Lab, trial: usize) {
    let z = lab.float(trial, "x") - lab.float(trial, "y").powi(2);
    lab.complete(trial, &[("z", z)]);
}

#[track_caller]
fn check_paused(lab: &mut Lab, text: &str) {
    let before = lab.experiment.clone();
    let error = lab.ask(1).unwrap_err();
    assert_eq!(error.to_string(), format!("no trial can be proposed now: {text}"));
    let next = lab.experiment.strategy.as_ref().unwrap().next(&lab.experiment);
    assert!(matches!(&next, Next::Pause(reason) if reason.to_string() == text), "{next:?}");
    assert_eq!(lab.experiment, before);
}

const SOBOL_WAITS: &str = "node `Sobol` proposed all of its 5 trials, and the next node needs more \
                           of their data: complete some of them first";

#[test]
fn the_default_is_center_then_four_sobol_then_gp() {
    let mut lab = lab(StrategyOptions::default());
    assert_eq!(lab.ask(10).unwrap(), [0, 1, 2, 3, 4]);
    assert_eq!(lab.nodes(), ["Center", "Sobol", "Sobol", "Sobol", "Sobol"]);
    lab.check_arms();
    check_paused(&mut lab, SOBOL_WAITS);
    tell(&mut lab, 3);
    check_paused(&mut lab, SOBOL_WAITS);
    tell(&mut lab, 0);
    assert_eq!(lab.ask(2).unwrap(), [5, 6]);
    assert_eq!(lab.nodes()[5..], ["GP", "GP"]);
    lab.check_arms();
}

#[test]
fn asked_one_by_one_the_walk_is_the_same() {
    let (mut at_once, mut single) =
        (lab(StrategyOptions::default()), lab(StrategyOptions::default()));
    at_once.ask(5).unwrap();
    for _ in 0..5 {
        single = single.resumed();
        single.ask(1).unwrap();
    }
    assert_eq!(at_once.experiment, single.experiment);
}

#[test]
fn only_completed_trials_with_all_data_count_as_observed() {
    let options = StrategyOptions::default();
    let mut lab = Lab::new(square()).optimize("z", &["cost <= 1"]).with(options.strategy());
    lab.ask(5).unwrap();
    lab.complete(0, &[("z", 1.0), ("cost", 0.5)]);
    lab.complete(1, &[("z", 1.0)]);
    lab.start(2);
    lab.observe(2, &[("z", 1.0), ("cost", 0.5)]);
    check_paused(&mut lab, SOBOL_WAITS);
    lab.change(2, TrialEvent::EarlyStopped { reason: None });
    check_paused(&mut lab, SOBOL_WAITS);
    // Data that comes late counts as well.
    lab.observe(1, &[("cost", 2.0)]);
    assert_eq!(lab.ask(1).unwrap(), [5]);
    assert_eq!(lab.nodes()[5], "GP");
}

#[test]
fn lost_trials_are_replaced_while_the_budget_lasts() {
    let mut lab = lab(StrategyOptions::default());
    lab.ask(5).unwrap();
    lab.fail(1);
    lab.abandon(2);
    lab.change(3, TrialEvent::Stale);
    assert_eq!(lab.ask(9).unwrap(), [5, 6, 7]);
    assert_eq!(lab.nodes()[5..], ["Sobol"; 3]);
    check_paused(&mut lab, SOBOL_WAITS);
}

/// Those before kept to five trials that did not fail, however many did.
#[test]
fn the_model_need_not_wait_for_ever_where_most_trials_fail() {
    let mut lab = lab(StrategyOptions::default());
    for trial in 0..9 {
        assert_eq!(lab.ask(1).unwrap(), [trial]);
        if [2, 5].contains(&trial) { tell(&mut lab, trial) } else { lab.fail(trial) }
    }
    assert_eq!(lab.ask(1).unwrap(), [9]);
    assert_eq!(lab.nodes()[9], "Sobol");
    lab.abandon(9);
    assert_eq!(lab.ask(1).unwrap(), [10]);
    assert_eq!(lab.nodes()[10], "Sobol", "a trial that was given up says nothing");
    lab.fail(10);
    assert_eq!(lab.ask(1).unwrap(), [11]);
    assert_eq!(lab.nodes()[11], "GP");
}

#[test]
fn without_two_results_there_is_no_model_whatever_failed() {
    let mut lab = lab(StrategyOptions::default());
    for trial in 0..12 {
        assert_eq!(lab.ask(1).unwrap(), [trial]);
        if trial == 4 { tell(&mut lab, trial) } else { lab.fail(trial) }
    }
    assert!(lab.nodes()[1..].iter().all(|node| *node == "Sobol"));
}

#[test]
fn more_observations_can_be_asked_for() {
    let options = StrategyOptions {
        min_observed_initialization_trials: Some(4),
        ..StrategyOptions::default()
    };
    let mut lab = lab(options);
    lab.ask(5).unwrap();
    (0..3).for_each(|trial| tell(&mut lab, trial));
    check_paused(&mut lab, SOBOL_WAITS);
    tell(&mut lab, 3);
    lab.ask(1).unwrap();
    assert_eq!(lab.nodes()[5], "GP");
}

#[test]
fn the_budget_is_exceeded_where_that_is_allowed() {
    let options = StrategyOptions {
        allow_exceeding_initialization_budget: true,
        ..StrategyOptions::default()
    };
    let mut lab = lab(options);
    assert_eq!(lab.ask(8).unwrap().len(), 8);
    assert_eq!(lab.nodes()[1..], ["Sobol"; 7]);
    tell(&mut lab, 0);
    tell(&mut lab, 7);
    lab.ask(1).unwrap();
    assert_eq!(lab.nodes()[8], "GP");
}

#[test]
fn attached_trials_count_towards_the_budget() {
    let mut lab = lab(StrategyOptions::default());
    lab.attach([("x", 0.1), ("y", 0.2)]);
    lab.attach([("x", 0.3), ("y", 0.4)]);
    assert_eq!(lab.ask(10).unwrap(), [2, 3, 4]);
    assert_eq!(lab.nodes(), ["manual", "manual", "Sobol", "Sobol", "Sobol"]);
    check_paused(&mut lab, SOBOL_WAITS);
}

#[test]
fn enough_attached_trials_make_initialization_unnecessary() {
    let mut lab = lab(StrategyOptions::default());
    for i in 0..6 {
        let x = 0.1 + 0.15 * f64::from(i);
        let trial = lab.attach([("x", x), ("y", 1.0 - x * x)]);
        tell(&mut lab, trial);
    }
    assert_eq!(lab.ask(1).unwrap(), [6]);
    assert_eq!(lab.nodes()[6], "GP");
}

#[test]
fn attached_trials_that_have_no_data_yet_make_it_wait() {
    let mut lab = lab(StrategyOptions::default());
    for i in 0..5 {
        lab.attach([("x", 0.1 * f64::from(i)), ("y", 0.5)]);
    }
    assert_eq!(
        lab.ask(1).unwrap_err().to_string(),
        format!("no trial can be proposed now: {SOBOL_WAITS}")
    );
    tell(&mut lab, 0);
    tell(&mut lab, 1);
    lab.ask(1).unwrap();
    assert_eq!(lab.nodes()[5], "GP");
}

#[test]
fn attached_trials_need_not_count_towards_the_budget() {
    let options = StrategyOptions {
        use_existing_trials_for_initialization: false,
        ..StrategyOptions::default()
    };
    let mut lab = lab(options);
    for i in 0..6 {
        let trial = lab.attach([("x", 0.1 * f64::from(i)), ("y", 0.4)]);
        tell(&mut lab, trial);
    }
    assert_eq!(lab.ask(5).unwrap().len(), 5);
    assert_eq!(lab.nodes()[6..], ["Center", "Sobol", "Sobol", "Sobol", "Sobol"]);
    lab.ask(1).unwrap();
    assert_eq!(lab.nodes()[11], "GP");
}

#[test]
fn without_the_center_all_of_the_budget_is_sobol() {
    for use_existing in [true, false] {
        let mut lab = lab(StrategyOptions {
            initialize_with_center: false,
            use_existing_trials_for_initialization: use_existing,
            ..StrategyOptions::default()
        });
        assert_eq!(lab.ask(9).unwrap().len(), 5);
        assert_eq!(lab.nodes(), ["Sobol"; 5]);
        check_paused(&mut lab, SOBOL_WAITS);
    }
}

#[test]
fn no_budget_is_the_model_at_once() {
    let mut lab = lab(budget(0));
    lab.ask(1).unwrap();
    assert_eq!(lab.nodes(), ["GP"]);
    let generation = lab.generation(0);
    assert_eq!(generation.method, "sobol");
    assert_eq!(generation.degraded.as_deref(), Some("no trial has data for the objective"));
}

const CENTER_WAITS: &str = "node `Center` proposed all of its 1 trials, and the next node needs \
                            more of their data: complete some of them first";

#[test]
fn a_budget_of_one_is_the_center_alone() {
    for use_existing in [true, false] {
        let mut lab = lab(StrategyOptions {
            use_existing_trials_for_initialization: use_existing,
            ..budget(1)
        });
        assert_eq!(lab.ask(5).unwrap(), [0]);
        assert_eq!(lab.nodes(), ["Center"]);
        check_paused(&mut lab, CENTER_WAITS);
        tell(&mut lab, 0);
        lab.ask(1).unwrap();
        assert_eq!(lab.nodes(), ["Center", "GP"]);
    }
}

#[test]
fn a_budget_of_one_may_be_used_up_by_an_attached_trial() {
    let mut lab = lab(budget(1));
    let trial = lab.attach([("x", 0.2), ("y", 0.3)]);
    check_paused(&mut lab, CENTER_WAITS);
    tell(&mut lab, trial);
    lab.ask(1).unwrap();
    assert_eq!(lab.nodes(), ["manual", "GP"]);
}

#[test]
fn a_budget_of_one_is_the_center_where_attached_trials_do_not_count() {
    let mut lab =
        lab(StrategyOptions { use_existing_trials_for_initialization: false, ..budget(1) });
    let trial = lab.attach([("x", 0.2), ("y", 0.3)]);
    tell(&mut lab, trial);
    lab.ask(1).unwrap();
    assert_eq!(lab.nodes(), ["manual", "Center"]);
}

#[test]
fn a_budget_of_one_may_be_exceeded() {
    let mut lab = lab(StrategyOptions { allow_exceeding_initialization_budget: true, ..budget(1) });
    assert_eq!(lab.ask(3).unwrap().len(), 3);
    assert!(lab.generation(2).degraded.is_some());
    lab.check_arms();
}

#[test]
fn a_failed_center_does_not_end_the_experiment() {
    let mut lab = lab(budget(1));
    lab.ask(1).unwrap();
    lab.fail(0);
    lab.ask(1).unwrap();
    lab.check_arms();
}

#[test]
fn a_budget_of_two_is_one_of_each() {
    let mut lab = lab(budget(2));
    assert_eq!(lab.ask(5).unwrap().len(), 2);
    assert_eq!(lab.nodes(), ["Center", "Sobol"]);
    tell(&mut lab, 1);
    lab.ask(1).unwrap();
    assert_eq!(lab.nodes()[2], "GP");
}

#[test]
fn random_search_never_ends_and_never_waits() {
    let method = GenerationMethod::RandomSearch;
    let mut lab = lab(StrategyOptions { method, ..StrategyOptions::default() });
    assert_eq!(lab.ask(30).unwrap().len(), 30);
    (0..30).for_each(|trial| tell(&mut lab, trial));
    assert_eq!(lab.ask(3).unwrap().len(), 3);
    assert_eq!(lab.nodes()[0], "Center");
    assert_eq!(lab.nodes()[1..], ["Sobol"; 32]);
    lab.check_arms();
}

#[test]
fn the_walk_never_goes_back_when_trials_fail_later() {
    let mut lab = lab(StrategyOptions::default());
    lab.ask(5).unwrap();
    tell(&mut lab, 0);
    tell(&mut lab, 1);
    assert_eq!(lab.ask(1).unwrap(), [5]);
    for trial in [2, 3, 4, 5] {
        lab.fail(trial);
    }
    lab.ask(2).unwrap();
    assert_eq!(lab.nodes()[5..], ["GP"; 3]);
}

#[test]
fn a_node_keeps_its_parallelism() {
    let node = GenerationNode::new("Few", Sobol::default()).max_parallelism(2);
    let mut lab = Lab::new(square())
        .optimize("z", &[])
        .with(GenerationStrategy::new("s", vec![node]).unwrap());
    let waits = "node `Few` allows 2 trials at a time: complete one of them first";
    // Trials of others do not count.
    lab.attach([("x", 0.1), ("y", 0.2)]);
    assert_eq!(lab.ask(5).unwrap(), [1, 2]);
    check_paused(&mut lab, waits);
    lab.start(1);
    check_paused(&mut lab, waits);
    tell(&mut lab, 1);
    assert_eq!(lab.ask(5).unwrap(), [3]);
    lab.fail(2);
    lab.abandon(3);
    assert_eq!(lab.ask(5).unwrap(), [4, 5]);
}

#[test]
fn the_first_pause_that_holds_is_named() {
    let node = GenerationNode::new("a", Sobol::default()).max_parallelism(3).budget(2, 1, "b");
    let strategy =
        GenerationStrategy::new("s", vec![node, GenerationNode::new("b", Gp::default())]).unwrap();
    let mut lab = Lab::new(square()).optimize("z", &[]).with(strategy);
    assert_eq!(lab.ask(9).unwrap().len(), 2);
    check_paused(
        &mut lab,
        "node `a` proposed all of its 2 trials, and the next node needs more of their data: \
         complete some of them first",
    );
}

#[test]
fn nodes_are_passed_through_as_far_as_their_edges_are_open() {
    let budget =
        |name: &str, to: &str| GenerationNode::new(name, Sobol::default()).budget(1, 0, to);
    let nodes = vec![budget("a", "b"), budget("b", "c"), GenerationNode::new("c", Gp::default())];
    let mut lab =
        Lab::new(square()).optimize("z", &[]).with(GenerationStrategy::new("s", nodes).unwrap());
    lab.ask(1).unwrap();
    let strategy = lab.experiment.strategy.clone().unwrap();
    assert_eq!(strategy.next(&lab.experiment), Next::Propose { node: "c", allowance: usize::MAX });
}

#[test]
fn a_new_strategy_starts_at_its_first_node() {
    let mut lab = lab(StrategyOptions::default());
    lab.ask(5).unwrap();
    let first = GenerationNode::new("First", Sobol::default()).budget(7, 0, "Last");
    let nodes = vec![first, GenerationNode::new("Last", Sobol::default())];
    let mut lab = lab.with(GenerationStrategy::new("new", nodes).unwrap());
    lab.ask(3).unwrap();
    assert_eq!(lab.nodes()[5..], ["First", "First", "Last"]);
    lab.check_arms();
}

#[test]
fn a_last_node_without_proposals_says_so() {
    let node = GenerationNode::new("Center", Center { only_if_first: false });
    let mut lab = Lab::new(square()).with(GenerationStrategy::new("s", vec![node]).unwrap());
    lab.ask(1).unwrap();
    let error = lab.ask(1).unwrap_err();
    assert_eq!(error.to_string(), "node `Center` has nothing to propose and no node follows it");
}

#[test]
fn an_attached_arm_may_have_the_name_that_a_proposal_would_get() {
    let mut lab = lab(StrategyOptions::default());
    lab.attach_arm([("x", 0.1), ("y", 0.2)], Some("1_0"), false);
    lab.attach_arm([("x", 0.1), ("y", 0.3)], Some("2_0"), false);
    lab.ask(2).unwrap();
    let names: Vec<&str> =
        lab.experiment.trials.iter().map(|trial| trial.arm.name.as_str()).collect();
    assert_eq!(names, ["1_0", "2_0", "2_1", "3_0"]);
}
