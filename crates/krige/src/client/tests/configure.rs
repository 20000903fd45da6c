//! What is tried and what is optimized.

use krige_core::generation::{GenerationNode, GenerationStrategy, Sobol};
use krige_runner::{FunctionRunner, MetadataMetric};

use super::*;

#[test]
fn nothing_works_before_the_experiment_is_configured() {
    let expected = "there is no experiment yet: call configure_experiment first";
    let mut client = Client::in_memory();
    refused(&mut client, |c| c.configure_optimization("y", &[]), expected);
    refused(&mut client, |c| c.configure_generation_strategy(&random()), expected);
    refused(&mut client, |c| c.configure_tracking_metrics(["t"]), expected);
    refused(&mut client, |c| c.configure_metric("y", MetadataMetric::new("y")), expected);
    let runner = FunctionRunner::new(|_| Ok([("y", 1.0)]));
    refused(&mut client, |c| c.configure_runner(runner), expected);
    refused(&mut client, |c| c.get_next_trials(1), expected);
    refused(&mut client, |c| c.attach_trial(point(1.0, 1, "water"), None), expected);
    refused(&mut client, |c| c.complete_trial(0, [("y", 1.0)]), expected);
    refused(&mut client, |c| c.attach_data(0, [("y", 1.0)]), expected);
    refused(&mut client, |c| c.mark_trial_failed(0, None), expected);
    refused(&mut client, |c| c.get_best_parameterization(true), expected);
    refused(&mut client, |c| c.get_pareto_frontier(false), expected);
    refused(&mut client, |c| c.predict(&[]), expected);
    refused(&mut client, |c| c.summarize(), expected);
    refused(&mut client, |c| c.save_to_json_file("never written"), expected);
}

#[test]
fn a_client_has_one_experiment() {
    let mut client = blank();
    let expected =
        "the client has experiment `bath` already: make another client for another experiment";
    refused(&mut client, |c| c.configure_experiment(bath()), expected);
}

#[test]
fn a_journal_has_one_experiment_of_a_name() {
    let journal = SharedJournal::new();
    drop(begun(journal.clone()));
    let mut second = Client::with_journal(journal.clone());
    let expected = "memory has an experiment `bath` already: choose another name, or go on with it \
                    (load_from_database)";
    refused(&mut second, |c| c.configure_experiment(bath()), expected);
    // The client can still be used, under another name.
    second
        .configure_experiment(ExperimentConfig { name: "shower".into(), ..bath() })
        .expect("configured");
    assert_eq!(experiment(&second).name, "shower");
    assert_eq!(journal.clone().experiments().expect("listed"), ["bath", "shower"]);
}

#[test]
fn an_experiment_without_a_name_is_refused() {
    for name in ["", " \t"] {
        let config = ExperimentConfig { name: name.into(), ..bath() };
        let expected = "an experiment needs a name that is not empty";
        refused(&mut Client::in_memory(), |c| c.configure_experiment(config), expected);
    }
}

#[test]
fn a_search_space_that_is_none_is_refused_and_the_client_can_be_used_on() {
    let mut client = Client::in_memory();
    let mut refuse = |config: ExperimentConfig, expected: &str| {
        refused(&mut client, |c| c.configure_experiment(config), expected);
    };
    refuse(ExperimentConfig::new("e"), "expected at least one parameter, found none");
    refuse(
        bath().constraint("x >= 8").constraint("x <= 7"),
        "expected a point within the bounds that satisfies the parameter constraints, found none for \
         `x >= 8`, `x <= 7` (relax one)",
    );
    refuse(
        bath().constraint("x + temperature <= 3"),
        "constraint `x + temperature <= 3`: expected names of parameters (`x`, `n`, `solvent`, `stir`), found \
         `temperature`",
    );
    refuse(bath().constraint("x + + <= 3"), "x + + <= 3\n  ");
    refuse(
        bath().parameter(Parameter::float("x", 0.0, 1.0)),
        "expected one parameter named `x`, found two",
    );
    refuse(
        bath().parameter(Parameter::float("z", 1.0, 1.0)),
        "parameter `z`: expected an upper bound above the lower bound 1.0, found 1.0",
    );
    client.configure_experiment(bath().description("as it should be")).expect("configured");
    assert_eq!(experiment(&client).description.as_deref(), Some("as it should be"));
}

#[test]
fn an_objective_that_cannot_be_read_is_pointed_at() {
    let mut client = blank();
    let error = client.configure_optimization("2*y + *z", &[]).expect_err("refused").to_string();
    let lines: Vec<_> = error.lines().skip(1).collect();
    assert_eq!(lines, ["  2*y + *z", "        ^"], "{error}");
    refused(&mut client, |c| c.configure_optimization("y", &["z < 3"]), "  z < 3\n    ^");
    refused(
        &mut client,
        |c| c.configure_optimization("y", &["y >= 3"]),
        "expected constraints on other metrics than the objective, found `y >= 3`",
    );
    refused(
        &mut client,
        |c| c.configure_optimization("y", &["z >= 3", "z <= 2"]),
        "expected a lower bound below the upper bound, found `z >= 3` and `z <= 2`",
    );
    client.configure_optimization("2*y - z", &["w <= 3"]).expect("configured");
    client.configure_optimization("y", &[]).expect("configured again");
    let known: Vec<_> = experiment(&client).metrics.keys().map(String::as_str).collect();
    assert_eq!(known, ["y", "z", "w"]);
}

#[test]
fn what_is_configured_already_is_not_stored_again() {
    let mut client = blank();
    let configure = |client: &mut Client| {
        client.configure_runner(FunctionRunner::new(|_| Ok([("y", 1.0)]))).expect("configured");
        client.configure_metric("y", MetadataMetric::new("y")).expect("configured");
        client.configure_tracking_metrics(["t", "y"]).expect("configured");
        experiment(client).sequence
    };
    let once = configure(&mut client);
    assert_eq!(configure(&mut client), once);
    client.configure_metric("y", MetadataMetric::new("z")).expect("configured");
    assert_eq!(experiment(&client).sequence, once + 1);
    assert_eq!(experiment(&client).metrics["t"], None);
    assert!(experiment(&client).metrics["y"].is_some(), "a tracked metric keeps its definition");
}

#[test]
fn a_strategy_of_ones_own_is_followed() {
    let mut client = blank();
    client.configure_optimization("y", &[]).expect("configured");
    let first = GenerationNode::new("First", Sobol::default()).budget(1, 1, "Second");
    let second = GenerationNode::new("Second", Sobol::default());
    let strategy = GenerationStrategy::new("s", vec![first, second]).expect("a strategy");
    client.set_generation_strategy(strategy).expect("configured");
    for expected in ["First", "Second", "Second"] {
        let (trial, _) = client.get_next_trials(1).expect("asked").pop().expect("one");
        assert_eq!(experiment(&client).trials[trial].node(), expected);
        client.complete_trial(trial, [("y", 1.0)]).expect("completed");
    }
}
