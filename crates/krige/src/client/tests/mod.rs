//! The client's methods, where they work and where they refuse.

mod ask_tell;
mod configure;
mod control;
mod persistence;
mod processes;
mod results;
mod stopping;

use std::fmt::Debug;

use krige_core::experiment::Experiment;
use krige_core::generation::{GenerationMethod, StrategyOptions};
use krige_core::journal::Journal;
use krige_core::search_space::Parameter;
use krige_core::trial::TrialStatus;
use krige_core::value::{ParameterValue, Parameterization};
use krige_testkit::{ManualClock, SharedJournal};

use super::{Client, ExperimentConfig};
use crate::error::Error;

/// A search space with a parameter of every kind.
fn bath() -> ExperimentConfig {
    ExperimentConfig::new("bath")
        .parameter(Parameter::float("x", 0.0, 10.0))
        .parameter(Parameter::int("n", 1, 5))
        .parameter(Parameter::choice("solvent", ["water", "ethanol"]))
        .parameter(Parameter::fixed("stir", true))
        .constraint("x + n <= 12")
}

/// A client with an experiment of which nothing is known.
fn blank() -> Client {
    begun(SharedJournal::new())
}

fn begun(journal: impl Journal + 'static) -> Client {
    let clock = ManualClock::default();
    let mut client = Client::with_journal(journal).with_seed(5).with_clock(clock);
    client.configure_experiment(bath()).expect("configured");
    client
}

/// A client that minimizes `y` with space-filling points.
fn minimizing(journal: impl Journal + 'static) -> Client {
    let mut client = begun(journal);
    client.configure_optimization("-y", &[]).expect("configured");
    client.configure_generation_strategy(&random()).expect("configured");
    client
}

fn random() -> StrategyOptions {
    StrategyOptions { method: GenerationMethod::RandomSearch, ..StrategyOptions::default() }
}

fn point(x: f64, n: i64, solvent: &str) -> Parameterization {
    let values: [(&str, ParameterValue); 3] =
        [("x", x.into()), ("n", n.into()), ("solvent", solvent.into())];
    values.into()
}

fn experiment(client: &Client) -> &Experiment {
    client.experiment().expect("there is one")
}

fn status(client: &Client, trial: usize) -> TrialStatus {
    experiment(client).trials[trial].status()
}

/// Attaches points and completes them with these values of `y`.
fn completed(client: &mut Client, values: &[f64]) {
    for (i, &y) in values.iter().enumerate() {
        let trial = client.attach_trial(point(i as f64, 1, "water"), None).expect("attached");
        client.complete_trial(trial, [("y", y)]).expect("completed");
    }
}

/// An error and its causes.
fn text(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// The call is refused with that text, and the experiment is as it was.
#[track_caller]
fn refused<T: Debug>(
    client: &mut Client,
    call: impl FnOnce(&mut Client) -> Result<T, Error>,
    expected: &str,
) {
    let before = client.experiment().ok().cloned();
    let error = text(&call(client).expect_err("refused"));
    assert!(error.contains(expected), "expected `{expected}` in `{error}`");
    assert_eq!(client.experiment().ok(), before.as_ref());
}
