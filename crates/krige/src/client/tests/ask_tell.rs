//! Asking for trials and telling what came of them.

use krige_core::generation::{GenerationNode, GenerationStrategy, Sobol};
use krige_runner::{FunctionRunner, Measurement, MetadataMetric};
use krige_testkit::{Fault, FaultyJournal, Moment};

use super::*;
use crate::orchestrator::{EndReason, OrchestratorOptions};
use crate::progress::Progress;

#[test]
fn asked_trials_run_and_are_completed() {
    let mut client = minimizing(SharedJournal::new());
    let asked = client.get_next_trials(3).expect("asked");
    assert_eq!(asked.keys().copied().collect::<Vec<_>>(), [0, 1, 2]);
    for (&trial, parameters) in &asked {
        let known = &experiment(&client).trials[trial];
        assert_eq!((known.status(), &known.arm.parameters), (TrialStatus::Running, parameters));
        assert_eq!(known.arm.name, format!("{trial}_0"));
        assert_eq!(parameters.bool("stir"), Ok(true));
    }
    let ended = client.complete_trial(1, [("y", 2.5)]).expect("completed");
    assert_eq!((ended, status(&client, 1)), (TrialStatus::Completed, TrialStatus::Completed));
    let (mean, sem) = (1.5, 0.1);
    client.complete_trial(2, [("y", (mean, sem)), ("extra", (7.0, 0.0))]).expect("completed");
    let trial = &experiment(&client).trials[2];
    assert_eq!(trial.observation("y").map(|o| (o.mean, o.sem)), Some((mean, Some(sem))));
    assert_eq!(trial.observation("extra").map(|o| o.mean), Some(7.0));
    assert!(client.get_next_trials(0).expect("asked for none").is_empty());
    assert_eq!(experiment(&client).trials.len(), 3);
}

#[test]
fn without_something_to_optimize_nothing_is_proposed() {
    let mut client = blank();
    let expected = "what to optimize is not configured: call configure_optimization first";
    refused(&mut client, |c| c.get_next_trials(1), expected);
    refused(&mut client, |c| c.get_best_parameterization(false), expected);
    refused(&mut client, |c| c.get_pareto_frontier(false), expected);
}

#[test]
fn more_than_the_strategy_allows_gives_fewer_and_then_an_error_that_says_what_to_do() {
    let mut client = blank();
    client.configure_optimization("-y", &[]).expect("configured");
    let asked = client.get_next_trials(9).expect("asked");
    assert_eq!(asked.len(), 5, "as many as come before the model");
    assert_eq!(
        experiment(&client).strategy.as_ref().map(GenerationStrategy::name),
        Some("Center+Sobol+GP")
    );
    refused(
        &mut client,
        |c| c.get_next_trials(1),
        "no trial can be proposed now: node `Sobol` proposed all of its 5 trials, and the next node needs more of \
         their data: complete some of them first",
    );
    client.complete_trial(0, [("y", 1.0)]).expect("completed");
    client.complete_trial(1, [("y", 2.0)]).expect("completed");
    let (trial, _) = client.get_next_trials(1).expect("asked").pop().expect("one");
    assert_eq!(experiment(&client).trials[trial].node(), "GP");
    assert_eq!(
        experiment(&client).trials[trial].generation().and_then(|g| g.degraded.clone()),
        None
    );

    let mut client = minimizing(SharedJournal::new());
    let node = GenerationNode::new("Two", Sobol::default()).max_parallelism(2);
    let strategy = GenerationStrategy::new("s", vec![node]).expect("a strategy");
    client.set_generation_strategy(strategy).expect("configured");
    assert_eq!(client.get_next_trials(3).expect("asked").len(), 2);
    let expected = "node `Two` allows 2 trials at a time: complete one of them first";
    refused(&mut client, |c| c.get_next_trials(1), expected);
    client.mark_trial_failed(0, None).expect("marked");
    assert_eq!(client.get_next_trials(3).expect("asked").len(), 1);
}

#[test]
fn fixed_parameters_are_kept_exactly() {
    let mut client = minimizing(SharedJournal::new());
    for x in [0.3, 1.0 / 3.0, 0.7, 9.1, 1e-7] {
        let fixed: Parameterization = [("x", x)].into();
        let asked = client.get_next_trials_with(2, &fixed).expect("asked");
        assert_eq!(asked.len(), 2);
        for parameters in asked.values() {
            assert_eq!(parameters.float("x"), Ok(x));
        }
    }
    // As in every other place, an integer is a value of a float parameter.
    let mut fixed: Parameterization = [("x", 3)].into();
    fixed.insert("solvent", "ethanol");
    for parameters in client.get_next_trials_with(2, &fixed).expect("asked").values() {
        assert_eq!(parameters.get("x"), Some(&ParameterValue::Float(3.0)));
        assert_eq!(parameters.string("solvent"), Ok("ethanol"));
    }
}

#[test]
fn fixed_parameters_are_kept_to_the_last_digit() {
    let mut client = Client::in_memory().with_seed(1);
    let config = ExperimentConfig::new("digits")
        .parameter(Parameter::float("x", -0.7, 1.9))
        .parameter(Parameter::float("rate", 1e-4, 1.0).log());
    client.configure_experiment(config).expect("configured");
    client.configure_optimization("y", &[]).expect("configured");
    client.configure_generation_strategy(&random()).expect("configured");
    for i in 1..19 {
        let part = f64::from(i) / 19.0;
        for fixed in [[("x", 2.6 * part - 0.7)], [("rate", 1e-4 + 0.9 * part)]] {
            let [(name, value)] = fixed;
            let asked = client.get_next_trials_with(1, &fixed.into()).expect("asked");
            let found = asked.values().next().expect("one").float(name).expect("a float");
            assert_eq!(found.to_bits(), value.to_bits(), "{name}: {value} became {found}");
        }
    }
}

#[test]
fn fixed_parameters_are_kept_by_the_centre_and_by_the_model() {
    let mut client = blank();
    client.configure_optimization("-y", &[]).expect("configured");
    let fixed: Parameterization = [("x", 1)].into();
    for round in 0..7 {
        let asked = client.get_next_trials_with(1, &fixed).expect("asked");
        let (trial, parameters) = asked.first().expect("one");
        assert_eq!(parameters.get("x"), Some(&ParameterValue::Float(1.0)), "trial {trial}");
        let y = f64::from(round) + parameters.int("n").expect("an int") as f64;
        client.complete_trial(*trial, [("y", y)]).expect("completed");
    }
    let nodes: Vec<_> = experiment(&client).trials.iter().map(|trial| trial.node()).collect();
    assert_eq!(nodes, ["Center", "Sobol", "Sobol", "Sobol", "Sobol", "GP", "GP"]);
}

#[test]
fn fixed_parameters_of_no_point_are_refused() {
    for mut client in [minimizing(SharedJournal::new()), blank()] {
        if experiment(&client).optimization.is_none() {
            // With the default strategy, which begins with the centre.
            client.configure_optimization("-y", &[]).expect("configured");
            client.configure_generation_strategy(&StrategyOptions::default()).expect("configured");
        }
        let mut refuse = |fixed: Parameterization, expected: &str| {
            refused(&mut client, |c| c.get_next_trials_with(1, &fixed), expected);
        };
        refuse([("temperature", 3.0)].into(), "found `temperature`");
        refuse([("x", 11.0)].into(), "parameter `x`: 11.0 is above its upper bound 10.0");
        refuse([("n", 1.5)].into(), "parameter `n`: expected a value of type int");
        refuse([("solvent", "oil")].into(), "parameter `solvent`: `oil` is none of its values");
        let both: [(&str, ParameterValue); 2] = [("x", 10.0.into()), ("n", 5_i64.into())];
        refuse(
            both.into(),
            "no point keeps all parameter constraints together with the fixed values",
        );
    }
}

#[test]
fn what_is_handed_out_is_what_runs_though_the_journal_fails_once() {
    for operation in 1.. {
        let medium = SharedJournal::new();
        let mut first = blank_default(&medium);
        first.configure_optimization("-y", &[]).expect("configured");
        let fault = Fault { operation, moment: Moment::Before, lasting: false };
        let journal = FaultyJournal::new(medium.clone(), fault);
        let begun = journal.operations();
        let Ok(mut client) = Client::load_from_journal(journal, "bath") else { continue };
        let handed_out = client.get_next_trials(4).map(|asked| asked.len());
        let passed = begun() < operation;
        let stored = Client::load_from_journal(medium, "bath").expect("loaded");
        assert_eq!(experiment(&stored), experiment(&client), "operation {operation}");
        assert_eq!(handed_out.as_ref().copied().unwrap_or(0), experiment(&stored).trials.len());
        if passed {
            assert_eq!(handed_out.ok(), Some(4));
            break;
        }
    }
}

fn blank_default(medium: &SharedJournal) -> Client {
    begun(medium.clone())
}

#[test]
fn a_point_that_is_not_of_the_search_space_is_not_attached() {
    let mut client = minimizing(SharedJournal::new());
    let mut refuse = |parameters: Parameterization, expected: &str| {
        refused(&mut client, |c| c.attach_trial(parameters.clone(), None), expected);
        refused(&mut client, |c| c.attach_baseline(parameters.clone(), None), expected);
        refused(&mut client, |c| c.predict(std::slice::from_ref(&parameters)), expected);
    };
    refuse(
        [("x", 1.0)].into(),
        "expected a value for every parameter, found none for `n`, `solvent`",
    );
    let mut unknown = point(1.0, 1, "water");
    unknown.insert("temperature", 300.0);
    refuse(
        unknown,
        "expected only parameters of the search space (`x`, `n`, `solvent`, `stir`), found `temperature`",
    );
    let mut text = point(1.0, 1, "water");
    text.insert("x", "much");
    refuse(text, "parameter `x`: expected a value of type float, found the string `much`");
    let mut fractional = point(1.0, 1, "water");
    fractional.insert("n", 1.5);
    refuse(fractional, "parameter `n`: expected a value of type int, found the float `1.5`");
    refuse(point(-0.1, 1, "water"), "parameter `x`: -0.1 is below its lower bound 0.0");
    refuse(point(1.0, 6, "water"), "parameter `n`: 6 is above its upper bound 5");
    refuse(point(f64::NAN, 1, "water"), "parameter `x`: expected a finite number, found NaN");
    refuse(
        point(1.0, 1, "oil"),
        "parameter `solvent`: `oil` is none of its values `water`, `ethanol`",
    );
    let mut still = point(1.0, 1, "water");
    still.insert("stir", false);
    refuse(still, "parameter `stir`: `false` differs from the value `true` to which it is fixed");
}

#[test]
fn a_point_that_breaks_a_constraint_is_not_attached() {
    let mut client = minimizing(SharedJournal::new());
    let expected = "constraint `x + n <= 12` is violated by 1.0 at ";
    refused(&mut client, |c| c.attach_trial(point(9.0, 4, "water"), None), expected);
}

#[test]
fn attached_trials_run_under_their_own_name() {
    let mut client = minimizing(SharedJournal::new());
    let first = client.attach_trial(point(1.0, 1, "water"), Some("by hand")).expect("attached");
    let again = client.attach_trial(point(1.0, 1, "water"), None).expect("attached");
    let trials = &experiment(&client).trials;
    assert_eq!((first, again), (0, 1));
    assert_eq!([&trials[0].arm.name, &trials[1].arm.name], ["by hand"; 2], "one arm has one name");
    assert_eq!((trials[0].status(), trials[0].node()), (TrialStatus::Running, "manual"));
    assert_eq!(trials[0].arm.parameters.bool("stir"), Ok(true), "fixed values are filled in");
    refused(
        &mut client,
        |c| c.attach_trial(point(2.0, 1, "water"), Some("by hand")),
        "an arm named `by hand` exists with other parameters (trial 0): choose another name",
    );
}

#[test]
fn an_attached_name_does_not_stand_in_the_way_of_proposals() {
    let mut client = minimizing(SharedJournal::new());
    client.attach_trial(point(1.0, 1, "water"), Some("1_0")).expect("attached");
    let (trial, _) = client.get_next_trials(1).expect("asked").pop().expect("one");
    assert_eq!((trial, experiment(&client).trials[1].arm.name.as_str()), (1, "1_1"));
}

#[test]
fn there_is_one_baseline() {
    let mut client = minimizing(SharedJournal::new());
    let baseline = client.attach_baseline(point(1.0, 1, "water"), None).expect("attached");
    assert_eq!(experiment(&client).baseline, Some(baseline));
    assert_eq!(experiment(&client).trials[baseline].arm.name, "baseline");
    let expected = "trial 0 is the baseline already: a baseline cannot be replaced";
    refused(&mut client, |c| c.attach_baseline(point(2.0, 1, "water"), None), expected);
    refused(&mut client, |c| c.attach_baseline(point(2.0, 1, "water"), Some("other")), expected);
    refused(&mut client, |c| c.attach_baseline(point(1.0, 1, "water"), None), expected);
    assert_eq!(experiment(&client).trials.len(), 1);
}

#[test]
fn a_value_that_is_no_number_fails_the_trial() {
    let mut client = minimizing(SharedJournal::new());
    client.get_next_trials(3).expect("asked");
    let failed = [
        (Measurement::from(f64::NAN), "metric `y`: expected a finite mean, found NaN"),
        (Measurement::from(f64::INFINITY), "metric `y`: expected a finite mean, found inf"),
        (
            Measurement::from((1.0, f64::NAN)),
            "metric `y`: expected a standard error of zero or more, found NaN",
        ),
    ];
    for (trial, (value, reason)) in failed.into_iter().enumerate() {
        let ended = client.complete_trial(trial, [("z", 1.0.into()), ("y", value)]).expect("told");
        assert_eq!((ended, status(&client, trial)), (TrialStatus::Failed, TrialStatus::Failed));
        let known = &experiment(&client).trials[trial];
        assert!(known.state.reason().is_some_and(|found| found.starts_with(reason)), "{known:?}");
        assert_eq!(known.observations, [], "the model never sees it");
    }
}

#[test]
fn data_that_is_no_number_is_not_attached() {
    let mut client = minimizing(SharedJournal::new());
    client.get_next_trials(1).expect("asked");
    for bad in [f64::NAN, f64::NEG_INFINITY] {
        let expected = format!("trial 0, metric `y`: expected a finite mean, found {bad}");
        refused(&mut client, |c| c.attach_data(0, [("x", 1.0), ("y", bad)]), &expected);
    }
    assert_eq!(status(&client, 0), TrialStatus::Running);
}

#[test]
fn data_can_be_attached_in_every_status_and_the_newest_counts() {
    let mut client = minimizing(SharedJournal::new());
    client.get_next_trials(1).expect("asked");
    client.attach_data(0, [("y", Measurement::from(9.0).at(1.0))]).expect("attached");
    client.attach_data(0, [("y", 3.0)]).expect("attached");
    let none: [(&str, f64); 0] = [];
    assert_eq!(client.complete_trial(0, none).expect("completed"), TrialStatus::Completed);
    assert_eq!(experiment(&client).trials[0].observation("y").map(|o| o.mean), Some(3.0));
    client.attach_data(0, [("y", 2.0), ("new", 1.0)]).expect("attached");
    let trial = &experiment(&client).trials[0];
    assert_eq!(trial.observation("y").map(|o| o.mean), Some(2.0));
    assert_eq!(trial.observations.len(), 3);
    assert!(experiment(&client).metrics.contains_key("new"));
}

#[test]
fn a_trial_without_all_metrics_is_not_completed() {
    let mut client = minimizing(SharedJournal::new());
    client.configure_optimization("-y", &["z <= 3"]).expect("configured");
    client.get_next_trials(1).expect("asked");
    let none: [(&str, f64); 0] = [];
    refused(
        &mut client,
        |c| c.complete_trial(0, none),
        "trial 0 has no value for `y`, `z`, only for nothing: attach what is missing, or mark the trial as failed",
    );
    client.attach_data(0, [("w", 1.0), ("v", 1.0)]).expect("attached");
    refused(
        &mut client,
        |c| c.complete_trial(0, [("y", 1.0), ("w", 2.0)]),
        "trial 0 has no value for `z`, only for `y`, `w`, `v`: attach",
    );
    client.attach_data(0, [("z", 1.0)]).expect("attached");
    client.complete_trial(0, [("y", 1.0)]).expect("completed");
}

#[test]
fn what_has_ended_does_not_end_again() {
    let mut client = minimizing(SharedJournal::new());
    completed(&mut client, &[1.0]);
    let ended = "; it has ended (data may still be attached to it)";
    let expected = format!("trial 0 is completed: it cannot become completed{ended}");
    refused(&mut client, |c| c.complete_trial(0, [("y", 2.0)]), &expected);
    refused(&mut client, |c| c.complete_trial(0, [("y", f64::NAN)]), &expected);
    refused(&mut client, |c| c.mark_trial_failed(0, None), "completed: it cannot become failed");
    let expected = "completed: it cannot become abandoned";
    refused(&mut client, |c| c.mark_trial_abandoned(0, None), expected);
    let expected = "completed: it cannot become early_stopped";
    refused(&mut client, |c| c.mark_trial_early_stopped(0, None), expected);
}

#[test]
fn a_trial_that_does_not_exist_is_named_with_those_that_do() {
    let mut client = minimizing(SharedJournal::new());
    let expected = "no trial 3 in experiment `bath`: it has no trials yet";
    refused(&mut client, |c| c.complete_trial(3, [("y", 1.0)]), expected);
    completed(&mut client, &[1.0]);
    let expected = "no trial 3 in experiment `bath`: it has trial 0 only";
    refused(&mut client, |c| c.attach_data(3, [("y", 1.0)]), expected);
    completed(&mut client, &[1.0]);
    let expected = "no trial 3 in experiment `bath`: it has trials 0 to 1";
    refused(&mut client, |c| c.mark_trial_failed(3, None), expected);
    refused(&mut client, |c| c.mark_trial_abandoned(3, None), expected);
    refused(&mut client, |c| c.mark_trial_early_stopped(3, None), expected);
}

#[test]
fn trials_are_given_up_with_a_reason() {
    let mut client = minimizing(SharedJournal::new());
    client.get_next_trials(3).expect("asked");
    client.mark_trial_failed(0, Some("no beam")).expect("marked");
    client.mark_trial_failed(1, None).expect("marked");
    client.mark_trial_abandoned(2, None).expect("marked");
    let found: Vec<_> =
        experiment(&client).trials.iter().map(|t| (t.status(), t.state.reason())).collect();
    assert_eq!(
        found,
        [
            (TrialStatus::Failed, Some("no beam")),
            (TrialStatus::Failed, Some("no reason was given")),
            (TrialStatus::Abandoned, None),
        ]
    );
}

#[test]
fn only_a_trial_with_data_is_stopped_early() {
    let mut client = minimizing(SharedJournal::new());
    client.get_next_trials(1).expect("asked");
    refused(
        &mut client,
        |c| c.mark_trial_early_stopped(0, Some("hopeless")),
        "trial 0 has no data, so nothing would count of it: attach some (attach_data), or mark it as failed or \
         abandoned",
    );
    client.attach_data(0, [("y", Measurement::from(8.0).at(3.0))]).expect("attached");
    client.mark_trial_early_stopped(0, Some("hopeless")).expect("stopped");
    assert_eq!(status(&client, 0), TrialStatus::EarlyStopped);
    assert_eq!(experiment(&client).trials[0].state.reason(), Some("hopeless"));
}

#[test]
fn a_run_leaves_a_trial_alone_that_somebody_has_in_hand() {
    let mut client = minimizing(SharedJournal::new());
    let by_hand = client.attach_trial(point(1.0, 2, "water"), None).expect("attached");
    client.configure_runner(FunctionRunner::new(|p| Ok([("y", p.float("x")?)]))).expect("stored");
    client.configure_metric("y", MetadataMetric::new("y")).expect("stored");
    let options = OrchestratorOptions {
        init_seconds_between_polls: 0.0,
        init_seconds_between_retries: 0.0,
        progress: Progress::Silent,
        ..OrchestratorOptions::trials(2, 1)
    };
    let report = client.run_trials(options).expect("ran");
    assert_eq!((report.ended, report.finished), (EndReason::Done, 2));
    assert_eq!(status(&client, by_hand), TrialStatus::Running);
    client.complete_trial(by_hand, [("y", 0.5)]).expect("completed");
}

#[test]
fn a_trial_that_is_queued_is_launched_by_the_next_run_before_any_is_proposed() {
    let mut client = Client::in_memory().with_seed(3);
    let config = ExperimentConfig::new("queued").parameter(Parameter::float("x", 0.0, 1.0));
    client.configure_experiment(config).expect("configured");
    client.configure_optimization("-y", &[]).expect("configured");
    let square = |p: &Parameterization| Ok([("y", p.float("x")?.powi(2))]);
    client.configure_runner(FunctionRunner::new(square)).expect("configured");
    client.configure_metric("y", MetadataMetric::new("y")).expect("configured");
    assert_eq!(client.queue_trial([("x", 0.25)], None, true).expect("queued"), 0);
    assert_eq!(client.queue_trial([("x", 0.5)], Some("mine"), false).expect("queued"), 1);
    client.queue_trial([("x", 7.0)], None, false).expect_err("outside of the search space");
    let options = OrchestratorOptions {
        progress: crate::Progress::Silent,
        ..OrchestratorOptions::until(3, 1)
    };
    client.run_trials(options).expect("runs");
    let experiment = client.experiment().expect("there");
    assert_eq!(experiment.baseline, Some(0));
    let arms: Vec<_> = experiment.trials.iter().map(|trial| trial.arm.name.as_str()).collect();
    assert_eq!(arms, ["baseline", "mine", "2_0"]);
    assert_eq!(experiment.trials[1].observation("y").map(|o| o.mean), Some(0.25));
    assert_eq!(experiment.count_in(&[TrialStatus::Completed]), 3);
}
