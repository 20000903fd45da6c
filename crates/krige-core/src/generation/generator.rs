//! What a node asks its generator, and what it gets.

use std::fmt;

use super::gp::Noise;
use crate::experiment::Experiment;
use crate::search_space::SearchSpace;
use crate::trial::Prediction;
use crate::value::Parameterization;

/// A question for new points.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// All that is known.
    pub experiment: &'a Experiment,
    /// The name of the node that asks.
    pub node: &'a str,
    /// How many points are wanted at once; at least 1.
    pub count: usize,
    /// Values that every point must have, of the types that the search space gives them.
    pub fixed: &'a Parameterization,
}

/// A point that a generator proposes.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// A value for every parameter.
    pub parameters: Parameterization,
    /// How it was chosen: `sobol`, `center`, `log_ei`…
    pub method: String,
    /// What the model expects there, in units of the objective.
    pub prediction: Option<Prediction>,
    /// Why a lesser method than the generator's own was used, where that happened.
    pub degraded: Option<String>,
    /// What the generator wants to find again in the trial's record.
    pub state: serde_json::Value,
}

/// The answer to a [`Request`].
#[derive(Debug, Clone, PartialEq)]
pub enum Generated {
    /// Up to as many points as were asked for, at least one.
    Proposals(Vec<Proposal>),
    /// The generator has nothing to add; the strategy goes on to the next node.
    Nothing,
}

/// Proposes points.
///
/// # Contract
/// The answer follows from the request alone: the same experiment gives the same points, bit for bit, on any
/// number of threads. Everything random is drawn from `experiment.seed`, the trial's number and the node's name.
/// Implementations are stored with the experiment through `typetag`: the tag never changes.
#[typetag::serde(tag = "generator")]
pub trait Generator: fmt::Debug + Send + Sync {
    /// Proposes points.
    ///
    /// # Errors
    /// If no point can be proposed.
    fn generate(&self, request: &Request<'_>) -> Result<Generated, GeneratorError>;

    /// What it assumes about noise, so that predictions assume the same. The default is to assume nothing.
    fn noise(&self) -> Noise {
        Noise::Unknown
    }

    /// A copy in a box.
    fn boxed_clone(&self) -> Box<dyn Generator>;
}

impl Clone for Box<dyn Generator> {
    fn clone(&self) -> Self {
        self.boxed_clone()
    }
}

/// Why no point can be proposed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GeneratorError {
    /// Every point of a finite search space was tried.
    #[error("the search space is exhausted: all of its points were tried or are under way")]
    Exhausted,
    /// No point that keeps the parameter constraints and the fixed values was found.
    #[error(
        "no point keeps all parameter constraints together with the fixed values {fixed}: relax one of them"
    )]
    Infeasible {
        /// The values that were asked for.
        fixed: Parameterization,
    },
    /// A fixed value is not of the search space.
    #[error(transparent)]
    Fixed(#[from] crate::search_space::MembershipError),
    /// It is not known what to optimize.
    #[error("what to optimize is not configured: call configure_optimization first")]
    NoOptimization,
    /// A relative constraint has nothing to compare with.
    #[error(
        "outcome constraint `{constraint}` is relative to a baseline that has no data: attach one with attach_baseline and complete it"
    )]
    NoBaseline {
        /// The constraint.
        constraint: String,
    },
}

/// The point at a place of the unit cube; fixed values are as they were given, without the roundings of the way through
/// the cube.
pub(super) fn decode(space: &SearchSpace, u: &[f64], fixed: &Parameterization) -> Parameterization {
    let mut point = space.decode(u);
    for (name, value) in fixed.iter() {
        point.insert(name, value.clone());
    }
    point
}

/// A seed for one purpose, from the experiment's seed: SplitMix64 (Steele, Lea & Flood 2014) over the parts.
pub(crate) fn derive_seed(seed: u64, purpose: &str, number: u64) -> u64 {
    let mut state = seed;
    for part in purpose.bytes().map(u64::from).chain([number]) {
        state = splitmix64(state ^ splitmix64(part));
    }
    state
}

const fn splitmix64(x: u64) -> u64 {
    let z = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purposes_numbers_and_seeds_do_not_collide() {
        let mut seen = std::collections::HashSet::new();
        for seed in 0..10 {
            for purpose in ["sobol", "gp", "gp2"] {
                for number in 0..100 {
                    assert!(seen.insert(derive_seed(seed, purpose, number)));
                }
            }
        }
    }
}
