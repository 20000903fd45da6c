//! The strategy, its walk and its nodes, in spaces and experiments of every kind.

mod any_space;
mod center;
mod gp;
mod gp_data;
mod gp_objectives;
mod gp_space;
mod sobol;
mod sobol_space;
mod strategy;
mod walk;

use super::*;
use crate::lab::Lab;
use crate::search_space::{Parameter, SearchSpace};
use crate::value::Parameterization;

fn space(parameters: impl IntoIterator<Item = Parameter>, constraints: &[&str]) -> SearchSpace {
    SearchSpace::new(parameters, constraints).unwrap()
}

/// A space in which every point is `x` and `y` between 0 and 1.
fn square() -> SearchSpace {
    space([Parameter::float("x", 0.0, 1.0), Parameter::float("y", 0.0, 1.0)], &[])
}

/// A space with every kind of parameter.
fn mixed() -> SearchSpace {
    space(
        [
            Parameter::float("f", -5.0, 10.0),
            Parameter::float("log", 1e-4, 1.0).log(),
            Parameter::float("digits", 0.0, 2.0).digits(1),
            Parameter::float("step", 0.0, 1.0).step(0.25),
            Parameter::int("k", -3, 9),
            Parameter::int("wide", 0, 5000),
            Parameter::choice("c", ["a", "b", "c"]),
            Parameter::choice("n", [0.1, 0.2, 0.7]),
            Parameter::bool("b"),
            Parameter::fixed("fixed", 3),
        ],
        &["f + k <= 12"],
    )
}

fn sobol_only() -> GenerationStrategy {
    GenerationStrategy::new("Sobol", vec![GenerationNode::new("Sobol", Sobol::default())]).unwrap()
}

fn gp_only() -> GenerationStrategy {
    GenerationStrategy::new("GP", vec![GenerationNode::new("GP", Gp::default())]).unwrap()
}

/// Why the node that was asked could not propose.
#[track_caller]
fn refusal(asked: Result<Vec<usize>, GenerationError>) -> GeneratorError {
    match asked {
        Err(GenerationError::Generator { source, .. }) => *source,
        other => panic!("expected a generator's refusal, found {other:?}"),
    }
}
