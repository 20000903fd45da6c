//! The graph of nodes, and the walk through it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::criteria::PausingCriterion;
use super::generator::{Generated, GeneratorError, Proposal, Request};
use super::gp::Noise;
use super::node::GenerationNode;
use crate::experiment::Experiment;
use crate::search_space::MembershipError;
use crate::trial::Generation;
use crate::value::Parameterization;

/// How points are proposed: a graph of [`GenerationNode`]s, entered at the first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct GenerationStrategy {
    name: String,
    nodes: Vec<GenerationNode>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    name: String,
    nodes: Vec<GenerationNode>,
}

impl From<GenerationStrategy> for Stored {
    fn from(strategy: GenerationStrategy) -> Self {
        Self { name: strategy.name, nodes: strategy.nodes }
    }
}

impl TryFrom<Stored> for GenerationStrategy {
    type Error = StrategyError;

    fn try_from(stored: Stored) -> Result<Self, StrategyError> {
        Self::new(stored.name, stored.nodes)
    }
}

/// Why a graph is not a generation strategy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StrategyError {
    /// There are no nodes.
    #[error("a generation strategy needs at least one node")]
    Empty,
    /// Two nodes share a name.
    #[error("two nodes are named `{node}`: names must differ")]
    Duplicate {
        /// The name.
        node: String,
    },
    /// An edge leads nowhere.
    #[error("node `{from}` hands over to `{to}`, and there is no node of that name")]
    Dangling {
        /// Where the edge starts.
        from: String,
        /// Where it should end.
        to: String,
    },
    /// An edge leads back.
    #[error(
        "node `{from}` hands over to `{to}`, which is not behind it: order the nodes as they follow each other"
    )]
    Backward {
        /// Where the edge starts.
        from: String,
        /// Where it ends.
        to: String,
    },
}

/// Why a node waits.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PauseReason {
    /// As many of its trials as it allows are under way.
    MaxParallelism {
        /// The node.
        node: String,
        /// How many it allows.
        limit: usize,
    },
    /// It proposed all of its trials, and the next node needs more data.
    AwaitingData {
        /// The node.
        node: String,
        /// How many trials it proposes.
        budget: usize,
    },
}

impl fmt::Display for PauseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MaxParallelism { node, limit } => {
                write!(
                    f,
                    "node `{node}` allows {limit} trials at a time: complete one of them first"
                )
            }
            Self::AwaitingData { node, budget } => write!(
                f,
                "node `{node}` proposed all of its {budget} trials, and the next node needs more of their data: complete some of them first"
            ),
        }
    }
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next<'a> {
    /// The node proposes, up to `allowance` trials before it must be asked again.
    Propose {
        /// The node's name.
        node: &'a str,
        /// At least 1.
        allowance: usize,
    },
    /// Nothing is proposed until something else happens.
    Pause(PauseReason),
}

/// Why nothing was proposed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GenerationError {
    /// The strategy waits for data or for trials to end.
    #[error("no trial can be proposed now: {0}")]
    Paused(PauseReason),
    /// A generator failed.
    #[error("node `{node}` cannot propose a trial")]
    Generator {
        /// The node.
        node: String,
        /// Why.
        source: Box<GeneratorError>,
    },
    /// The last node has nothing to propose.
    #[error("node `{node}` has nothing to propose and no node follows it")]
    Finished {
        /// The node.
        node: String,
    },
    /// A value that every point must have is not of the search space.
    #[error(transparent)]
    Fixed(#[from] MembershipError),
}

impl GenerationStrategy {
    /// Makes a strategy of nodes in the order in which they follow each other.
    ///
    /// # Errors
    /// If there are none, two share a name, or an edge leads nowhere or back.
    pub fn new(name: impl Into<String>, nodes: Vec<GenerationNode>) -> Result<Self, StrategyError> {
        if nodes.is_empty() {
            return Err(StrategyError::Empty);
        }
        let place = |name: &str| nodes.iter().position(|node| node.name == name);
        for (i, node) in nodes.iter().enumerate() {
            if place(&node.name) != Some(i) {
                return Err(StrategyError::Duplicate { node: node.name.clone() });
            }
            for transition in &node.transitions {
                let (from, to) = (node.name.clone(), transition.to.clone());
                match place(&transition.to) {
                    None => return Err(StrategyError::Dangling { from, to }),
                    Some(j) if j <= i => return Err(StrategyError::Backward { from, to }),
                    Some(_) => {}
                }
            }
        }
        Ok(Self { name: name.into(), nodes })
    }

    /// Its name, such as `Center+Sobol+GP`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its nodes, in the order in which they follow each other.
    pub fn nodes(&self) -> &[GenerationNode] {
        &self.nodes
    }

    /// What the last node assumes about noise.
    pub(crate) fn noise(&self) -> Noise {
        self.nodes.last().map_or(Noise::Unknown, |node| node.generator.noise())
    }

    /// The place of the node that the experiment has come to: that of the newest proposed trial, and on along
    /// every edge whose criteria hold. (So it never goes back, even when a trial fails later.)
    fn current(&self, experiment: &Experiment) -> usize {
        let proposed = |node: &GenerationNode| {
            let mut trials = experiment.trials_of(&node.name).rev();
            trials.find(|trial| trial.generation().is_some()).map(|trial| trial.index)
        };
        let places = self.nodes.iter().enumerate();
        let newest = places.filter_map(|(place, node)| Some((proposed(node)?, place))).max();
        self.advance(newest.map_or(0, |(_, place)| place), experiment)
    }

    /// On from a node, along every edge whose criteria hold.
    fn advance(&self, mut current: usize, experiment: &Experiment) -> usize {
        while let Some(next) = self.following(current, experiment) {
            current = next;
        }
        current
    }

    fn following(&self, current: usize, experiment: &Experiment) -> Option<usize> {
        let node = &self.nodes[current];
        let fired = node.transitions.iter().find(|edge| {
            edge.when.iter().all(|criterion| criterion.is_met(experiment, &node.name))
        })?;
        self.place(&fired.to)
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.nodes.iter().position(|node| node.name == name)
    }

    /// What comes next in the experiment.
    pub fn next(&self, experiment: &Experiment) -> Next<'_> {
        self.next_at(self.current(experiment), experiment)
    }

    fn next_at(&self, current: usize, experiment: &Experiment) -> Next<'_> {
        let node = &self.nodes[current];
        // A node that may hand over after any trial is asked for one at a time.
        let mut allowance = if node.transitions.is_empty() { usize::MAX } else { 1 };
        for criterion in &node.pauses {
            let left = criterion.allowance(experiment, &node.name);
            if left == 0 {
                let name = node.name.clone();
                return Next::Pause(match criterion {
                    PausingCriterion::MaxParallelism { limit } => {
                        PauseReason::MaxParallelism { node: name, limit: *limit }
                    }
                    PausingCriterion::AwaitingData { budget, .. } => {
                        PauseReason::AwaitingData { node: name, budget: *budget }
                    }
                });
            }
            allowance = allowance.min(left);
        }
        Next::Propose { node: &node.name, allowance }
    }

    /// Proposes between 1 and `count` points; call again, after they are recorded, for the rest.
    ///
    /// # Errors
    /// If a fixed value is not of the search space, the strategy waits, or its node cannot propose.
    pub fn generate(
        &self,
        experiment: &Experiment,
        count: usize,
        fixed: &Parameterization,
    ) -> Result<Vec<(Parameterization, Generation)>, GenerationError> {
        let fixed = &experiment.search_space.cast_some(fixed)?;
        let mut current = self.current(experiment);
        loop {
            let allowance = match self.next_at(current, experiment) {
                Next::Propose { allowance, .. } => allowance,
                Next::Pause(reason) => return Err(GenerationError::Paused(reason)),
            };
            let node = &self.nodes[current];
            let count = count.clamp(1, allowance);
            let request = Request { experiment, node: &node.name, count, fixed };
            let generated = node.generator.generate(&request).map_err(|source| {
                GenerationError::Generator { node: node.name.clone(), source: Box::new(source) }
            })?;
            match generated {
                Generated::Proposals(proposals) => {
                    return Ok(proposals.into_iter().map(|p| record(&node.name, p)).collect());
                }
                Generated::Nothing => {
                    let next = node
                        .transitions
                        .first()
                        .and_then(|edge| self.place(&edge.to))
                        .ok_or_else(|| GenerationError::Finished { node: node.name.clone() })?;
                    current = self.advance(next, experiment);
                }
            }
        }
    }
}

fn record(node: &str, proposal: Proposal) -> (Parameterization, Generation) {
    let Proposal { parameters, method, prediction, degraded, state } = proposal;
    let node = node.to_owned();
    (parameters, Generation { node, method, prediction, degraded, state })
}
