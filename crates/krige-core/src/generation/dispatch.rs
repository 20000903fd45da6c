//! The generation strategy for those who do not want to build one.

use serde::{Deserialize, Serialize};

use super::center::Center;
use super::criteria::TransitionCriterion;
use super::gp::{Effort, Gp, Noise};
use super::node::GenerationNode;
use super::sobol::Sobol;
use super::strategy::GenerationStrategy;
use super::{PausingCriterion, TrialCount};

/// What proposes the points after the first ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GenerationMethod {
    /// A Gaussian process.
    #[default]
    Fast,
    /// The same, looking some times longer for each point; the points of a batch are chosen to improve most together.
    Quality,
    /// Scrambled Sobol points, for ever.
    RandomSearch,
}

/// Options of the default generation strategy; the names and meanings are Ax's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StrategyOptions {
    /// What proposes the points after the first ones.
    pub method: GenerationMethod,
    /// How many trials come before the model; `None` is 5. Those that failed do not count, but twice as many of all are enough.
    pub initialization_budget: Option<usize>,
    /// The seed of the Sobol points; `None` follows the experiment's.
    pub initialization_random_seed: Option<u64>,
    /// Whether the first trial is the centre of the search space.
    pub initialize_with_center: bool,
    /// Whether attached trials count towards the budget.
    pub use_existing_trials_for_initialization: bool,
    /// How many completed trials with data the model needs; `None` is half of the budget, at least 1.
    pub min_observed_initialization_trials: Option<usize>,
    /// Whether to go on with Sobol points, instead of waiting, while the model's data is not there.
    pub allow_exceeding_initialization_budget: bool,
    /// What is known about the noise of values that come without a standard error.
    pub noise: Noise,
    /// How many trials will be proposed in all, where that is known: the model spends the last ones on the digits of
    /// the best point.
    pub budget: Option<usize>,
}

impl Default for StrategyOptions {
    fn default() -> Self {
        Self {
            method: GenerationMethod::Fast,
            initialization_budget: None,
            initialization_random_seed: None,
            initialize_with_center: true,
            use_existing_trials_for_initialization: true,
            min_observed_initialization_trials: None,
            allow_exceeding_initialization_budget: false,
            noise: Noise::Unknown,
            budget: None,
        }
    }
}

/// Ax's default.
const INITIALIZATION_BUDGET: usize = 5;

/// So many times the initialization budget is enough, whatever failed.
const ENOUGH: usize = 2;

impl StrategyOptions {
    /// The strategy that these options describe: Center, then Sobol, then GP, without the parts that the options
    /// leave out.
    pub fn strategy(&self) -> GenerationStrategy {
        let budget = self.initialization_budget.unwrap_or(INITIALIZATION_BUDGET);
        let observed = self.min_observed_initialization_trials.unwrap_or((budget / 2).max(1));
        let random_search = self.method == GenerationMethod::RandomSearch;
        let center = self.initialize_with_center && (budget > 0 || random_search);
        // Without existing trials counting, the centre and the Sobol trials make up the budget by themselves.
        let own = !self.use_existing_trials_for_initialization;
        let sobol = random_search || budget > usize::from(center);

        let mut nodes = Vec::new();
        if center {
            let generator = Center { only_if_first: self.use_existing_trials_for_initialization };
            let node = GenerationNode::new("Center", generator);
            nodes.push(if sobol {
                node.transition_to("Sobol", [TransitionCriterion::AfterGeneration])
            } else {
                // The model waits for the one result.
                self.hand_over(node, budget, observed.min(budget))
            });
        }
        if sobol {
            let mut node =
                GenerationNode::new("Sobol", Sobol { seed: self.initialization_random_seed });
            if !random_search {
                let budget = if own && center { budget - 1 } else { budget };
                node = self.hand_over(node, budget, observed);
            }
            nodes.push(node);
        }
        if !random_search {
            let effort = match self.method {
                GenerationMethod::Quality => Effort::Quality,
                GenerationMethod::Fast | GenerationMethod::RandomSearch => Effort::Fast,
            };
            let generator = Gp { noise: self.noise, budget: self.budget, effort };
            nodes.push(GenerationNode::new("GP", generator));
        }
        let names: Vec<_> = nodes.iter().map(|node| node.name.as_str()).collect();
        GenerationStrategy::new(names.join("+"), nodes)
            .expect("the nodes have different names and follow each other")
    }

    /// Lets a node hand over to the model after `budget` trials, `observed` trials having data, and wait between the two.
    ///
    /// Trials that failed do not count, but twice as many of all are enough: the model learns where they fail.
    fn hand_over(&self, node: GenerationNode, budget: usize, observed: usize) -> GenerationNode {
        let of = |count: TrialCount| match self.use_existing_trials_for_initialization {
            true => count,
            false => count.of_this_node(),
        };
        let kept = of(TrialCount::kept());
        let after = |threshold: usize, of: TrialCount| {
            let data =
                TransitionCriterion::MinTrials { threshold: observed, of: TrialCount::observed() };
            [TransitionCriterion::MinTrials { threshold, of }, data]
        };
        let node = node
            .transition_to("GP", after(budget, kept.clone()))
            .transition_to("GP", after(ENOUGH * budget, of(TrialCount::tried())));
        match self.allow_exceeding_initialization_budget {
            true => node,
            false => node.pause_when(PausingCriterion::AwaitingData { budget, of: kept }),
        }
    }
}
