//! A process may die at any operation of its journal: the next one goes on as if nothing had happened.

use krige_core::journal::Journal;
use krige_core::trial::TrialIndex;
use krige_runner::RunStatus;
use krige_testkit::{Answer, Fault, FaultyJournal, Fetch, Launch, Moment, check_invariants};

use super::*;
use crate::client::{Client, ExperimentConfig};
use crate::error::Error;
use crate::orchestrator::{EndReason, RunReport};
use krige_core::generation::StrategyOptions;

const TRIALS: usize = 6;
/// A run of one trial is lost.
const RUNS: usize = TRIALS + 1;

/// Everything of a trial that must not depend on whether a run was interrupted.
#[derive(Debug, PartialEq)]
struct Outcome {
    trial: TrialIndex,
    status: TrialStatus,
    reason: Option<String>,
    node: String,
    parameters: Vec<(String, u64)>,
    values: Vec<(String, u64)>,
}

fn outcomes(experiment: &Experiment) -> Vec<Outcome> {
    let bits = |(name, value): (&str, f64)| (name.to_owned(), value.to_bits());
    let outcome = |trial: &krige_core::trial::Trial| Outcome {
        trial: trial.index,
        status: trial.status(),
        reason: trial.state.reason().map(ToOwned::to_owned),
        node: trial.node().to_owned(),
        parameters: ["x1", "x2"]
            .map(|name| bits((name, trial.arm.parameters.float(name).expect("a float"))))
            .into(),
        values: trial.observations.iter().map(|o| bits((&*o.metric, o.mean))).collect(),
    };
    experiment.trials.iter().map(outcome).collect()
}

/// A laboratory in which not everything goes well.
fn lab(name: &str) -> Lab {
    Lab::new(name, |run| match run.trial_index {
        1 => Script {
            fetch: vec![Answer::Transient, Answer::Gives(Fetch::Value)],
            ..Script::default()
        },
        2 => Script::fails_after(1),
        3 => Script {
            launch: vec![Answer::Transient, Answer::Gives(Launch::Accepted)],
            ..Script::ends_after(1, RunStatus::Completed)
        },
        4 if run.attempt == 1 => {
            Script::ends_after(1, RunStatus::Lost { reason: "its node failed".into() })
        }
        _ => Script::completes_after(1),
    })
}

/// Begins the experiment, or goes on with what is there of it, and runs it to the end.
fn run(
    lab: &Lab,
    mut journal: impl Journal + 'static,
    strategy: &StrategyOptions,
    parallelism: usize,
) -> Result<(RunReport, Client), Error> {
    let mut client = if journal.experiments()?.is_empty() {
        let mut client = Client::with_journal(journal).with_seed(11);
        let config = ["x1", "x2"].iter().fold(ExperimentConfig::new("e"), |config, &name| {
            config.parameter(Parameter::float(name, -5.0, 5.0))
        });
        client.configure_experiment(config)?;
        client
    } else {
        Client::load_from_journal(journal, "e")?
    };
    // What a script does again when it is started again.
    client.configure_optimization("-y", &[])?;
    client.configure_generation_strategy(strategy)?;
    client.configure_runner(ScriptedRunner::new(&lab.name))?;
    client.configure_metric("y", ScriptedMetric::new(&lab.name, "y"))?;
    let report = client.run_trials(until(TRIALS, parallelism))?;
    Ok((report, client))
}

/// Interrupts a run at its n-th operation, for every n, and compares what comes of it in the end with `undisturbed`.
fn interrupt_everywhere(
    name: &str,
    fault: impl Fn(u64) -> Fault,
    strategy: &StrategyOptions,
    parallelism: usize,
    undisturbed: Option<&[Outcome]>,
) {
    let mut interrupted = 0;
    for operation in 1.. {
        let lab = lab(&format!("{name} {operation}"));
        let journal = FaultyJournal::new(lab.journal.clone(), fault(operation));
        let begun = journal.operations();
        let first = run(&lab, journal, strategy, parallelism);
        let passed = begun() < operation;
        if let Err(error) = &first {
            let text = format!("{error:?}");
            assert!(!passed && text.contains("InjectedFault"), "operation {operation}: {text}");
            interrupted += 1;
        }
        drop(first);
        let (report, client) =
            run(&lab, lab.journal.clone(), strategy, parallelism).expect("runs to the end");
        assert_eq!(report.ended, EndReason::Done, "operation {operation}");
        let experiment = client.experiment().expect("there is one");
        lab.assert_each_started_once(RUNS);
        assert!(experiment.trials.iter().all(|trial| trial.status().is_terminal()));
        if let Some(expected) = undisturbed {
            assert_eq!(outcomes(experiment), expected, "operation {operation}");
        }
        let records = lab.journal.clone().read("e", 0).expect("read");
        assert_eq!(check_invariants(&records), Ok(()), "operation {operation}");
        assert_eq!(Experiment::replay(&records).as_ref(), Ok(experiment));
        if passed {
            break;
        }
    }
    assert!(interrupted > 25, "{interrupted} operations were interrupted");
}

fn undisturbed(name: &str, strategy: &StrategyOptions) -> Vec<Outcome> {
    let lab = lab(name);
    let (report, client) = run(&lab, lab.journal.clone(), strategy, 1).expect("runs to the end");
    assert_eq!((report.ended, report.finished), (EndReason::Done, TRIALS));
    let experiment = client.experiment().expect("there is one");
    for generation in experiment.trials.iter().filter_map(krige_core::trial::Trial::generation) {
        assert_eq!(generation.degraded, None);
    }
    outcomes(experiment)
}

fn dies(operation: u64) -> Fault {
    Fault { operation, moment: Moment::Before, lasting: true }
}

#[test]
fn a_run_that_dies_anywhere_and_is_resumed_is_the_undisturbed_run_bit_for_bit() {
    // Two points before the model, and four of the model's.
    let strategy = StrategyOptions { initialization_budget: Some(2), ..StrategyOptions::default() };
    let expected = undisturbed("undisturbed", &strategy);
    assert_eq!(expected.iter().filter(|outcome| outcome.node == "GP").count(), 4);
    interrupt_everywhere("dies", dies, &strategy, 1, Some(&expected));
}

#[test]
fn a_run_whose_last_append_was_stored_without_an_answer_is_resumed_bit_for_bit() {
    let strategy = random();
    let expected = undisturbed("undisturbed answers", &strategy);
    let lost = |operation| Fault { operation, moment: Moment::After, lasting: true };
    interrupt_everywhere("lost answers", lost, &strategy, 1, Some(&expected));
}

#[test]
fn a_journal_that_fails_once_ends_the_run_and_nothing_is_started_twice() {
    let strategy = random();
    let expected = undisturbed("undisturbed once", &strategy);
    for moment in [Moment::Before, Moment::After] {
        let once = |operation| Fault { operation, moment, lasting: false };
        interrupt_everywhere(&format!("{moment:?} once"), once, &strategy, 1, Some(&expected));
    }
}

#[test]
fn several_trials_at_a_time_are_each_started_once() {
    for moment in [Moment::Before, Moment::After] {
        let fault = |operation| Fault { operation, moment, lasting: true };
        interrupt_everywhere(&format!("{moment:?} three"), fault, &random(), 3, None);
    }
}

fn random() -> StrategyOptions {
    StrategyOptions {
        method: krige_core::generation::GenerationMethod::RandomSearch,
        ..StrategyOptions::default()
    }
}
