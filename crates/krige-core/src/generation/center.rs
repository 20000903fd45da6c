//! The first point: the middle of the search space.

use serde::{Deserialize, Serialize};

use super::generator::{Generated, Generator, GeneratorError, Proposal, Request};

/// Proposes the centre of the search space once; nothing where the centre breaks a constraint that cannot be
/// kept nearby, was tried already, or contradicts fixed values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Center {
    /// Whether to propose nothing when the experiment has trials already.
    pub only_if_first: bool,
}

#[typetag::serde(name = "center")]
impl Generator for Center {
    fn generate(&self, request: &Request<'_>) -> Result<Generated, GeneratorError> {
        let experiment = request.experiment;
        if self.only_if_first && !experiment.trials.is_empty() {
            return Ok(Generated::Nothing);
        }
        let Some(mut parameters) = experiment.search_space.centre() else {
            return Ok(Generated::Nothing);
        };
        for (name, value) in request.fixed.iter() {
            parameters.insert(name, value.clone());
        }
        let tried = experiment.trials_at(&parameters).next().is_some();
        if tried || experiment.search_space.validate(&parameters).is_err() {
            return Ok(Generated::Nothing);
        }
        Ok(Generated::Proposals(vec![Proposal {
            parameters,
            method: "center".into(),
            prediction: None,
            degraded: None,
            state: serde_json::Value::Null,
        }]))
    }

    fn boxed_clone(&self) -> Box<dyn Generator> {
        Box::new(self.clone())
    }
}
