//! A node of the generation strategy.

use serde::{Deserialize, Serialize};

use super::criteria::{PausingCriterion, TransitionCriterion, TrialCount};
use super::generator::Generator;

/// An edge of the graph: to which node, when all of the criteria hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transition {
    /// The name of the next node.
    pub to: String,
    /// All must hold.
    pub when: Vec<TransitionCriterion>,
}

/// A generator with a name, edges to other nodes, and conditions for waiting.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenerationNode {
    /// Unique within the strategy; it stands in each trial's record.
    pub name: String,
    /// What proposes the points.
    pub generator: Box<dyn Generator>,
    /// Checked in this order; the first that fires is followed.
    pub transitions: Vec<Transition>,
    /// Checked when no transition fires.
    pub pauses: Vec<PausingCriterion>,
}

/// Nodes are equal if they are stored as the same text.
impl PartialEq for GenerationNode {
    fn eq(&self, other: &Self) -> bool {
        let text = |node: &Self| serde_json::to_value(node).ok();
        text(self).is_some_and(|text_of_self| Some(text_of_self) == text(other))
    }
}

impl GenerationNode {
    /// Makes a node without edges: it proposes for ever.
    pub fn new(name: impl Into<String>, generator: impl Generator + 'static) -> Self {
        Self {
            name: name.into(),
            generator: Box::new(generator),
            transitions: Vec::new(),
            pauses: Vec::new(),
        }
    }

    /// Adds an edge.
    #[must_use]
    pub fn transition_to(
        mut self,
        node: impl Into<String>,
        when: impl Into<Vec<TransitionCriterion>>,
    ) -> Self {
        self.transitions.push(Transition { to: node.into(), when: when.into() });
        self
    }

    /// Hands over to `node` after `budget` trials of the experiment, `observed` of them completed with data, and
    /// waits when the budget is used up and the data is not there yet.
    #[must_use]
    pub fn budget(self, budget: usize, observed: usize, node: impl Into<String>) -> Self {
        self.transition_to(
            node,
            [
                TransitionCriterion::MinTrials { threshold: budget, of: TrialCount::kept() },
                TransitionCriterion::MinTrials { threshold: observed, of: TrialCount::observed() },
            ],
        )
        .pause_when(PausingCriterion::AwaitingData { budget, of: TrialCount::kept() })
    }

    /// Allows at most `limit` of this node's trials under way at a time.
    #[must_use]
    pub fn max_parallelism(self, limit: usize) -> Self {
        self.pause_when(PausingCriterion::MaxParallelism { limit })
    }

    /// Adds a condition for waiting.
    #[must_use]
    pub fn pause_when(mut self, criterion: PausingCriterion) -> Self {
        self.pauses.push(criterion);
        self
    }
}
