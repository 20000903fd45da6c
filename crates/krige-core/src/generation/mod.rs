//! How points are proposed: a graph of nodes, each with a generator.
//!
//! The strategy is data. Which node is current follows from the experiment alone, so nothing has to be stored
//! beside it, and a resumed experiment proposes what the uninterrupted one would have proposed.

mod center;
mod chebyshev;
mod criteria;
mod data;
mod dispatch;
mod generator;
mod gp;
mod gp_problem;
mod gp_state;
mod node;
mod sobol;
mod strategy;
#[cfg(test)]
mod tests;

pub use center::Center;
pub use criteria::{PausingCriterion, TransitionCriterion, TrialCount};
pub(crate) use data::{Series, series};
pub use dispatch::{GenerationMethod, StrategyOptions};
pub use generator::{Generated, Generator, GeneratorError, Proposal, Request};
pub use gp::{Effort, Gp, Noise};
pub use node::{GenerationNode, Transition};
pub use sobol::Sobol;
pub use strategy::{GenerationError, GenerationStrategy, Next, PauseReason, StrategyError};
