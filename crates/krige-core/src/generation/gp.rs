//! Points that a Gaussian process finds most promising.

use krige_gp::model::NoiseAssumption;
use krige_gp::suggest::SuggestError;
use serde::{Deserialize, Serialize};

use super::generator::{
    Generated, Generator, GeneratorError, Proposal, Request, decode, derive_seed,
};
use super::gp_problem::GpProblem;
use super::sobol::{is_taken, space_filling};
use crate::experiment::Experiment;
use crate::value::Parameterization;

/// What is known about the noise of values that come without a standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Noise {
    /// Nothing: the data decide.
    #[default]
    Unknown,
    /// The same arm gives the same value.
    Deterministic,
    /// There is noise, of whatever size: arms may be measured again.
    Noisy,
}

/// How hard points are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effort {
    /// Milliseconds for a point.
    #[default]
    Fast,
    /// Some times longer: more candidates and local searches, and the points of a batch are chosen to improve most
    /// together.
    Quality,
}

impl Effort {
    fn is_fast(&self) -> bool {
        *self == Self::Fast
    }
}

/// Proposes the points of largest (log) expected improvement under a Gaussian process, with trials under way and
/// outcome constraints taken into account.
///
/// For two to four objectives it is the expected growth of the hypervolume that their front covers, above the objectives'
/// thresholds where they are given. More objectives than that become one by random weights (ParEGO).
///
/// Where no model can be fitted, it proposes a space-filling point instead and says so in the trial's record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gp {
    /// What is known about the noise.
    #[serde(default)]
    pub noise: Noise,
    /// How many trials will be proposed in the whole experiment, where that is known: the last ones are spent on the
    /// digits of the best point. Attached trials do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<usize>,
    /// How hard to look.
    #[serde(default, skip_serializing_if = "Effort::is_fast")]
    pub effort: Effort,
}

#[typetag::serde(name = "gp")]
impl Generator for Gp {
    fn generate(&self, request: &Request<'_>) -> Result<Generated, GeneratorError> {
        let experiment = request.experiment;
        let space = &experiment.search_space;
        let seed = derive_seed(experiment.seed, request.node, experiment.trials.len() as u64);
        let Some(problem) = GpProblem::new(self, request)? else {
            return self.degrade(request, seed, "no trial has data for the objective".into());
        };
        let (points, model) = match problem.suggest(request.count) {
            Ok(suggestions) => suggestions,
            // Fewer points are left than were asked for: take those.
            Err(SuggestError::Exhausted { found, .. }) if found > 0 => {
                problem.suggest(found).map_err(|_| GeneratorError::Exhausted)?
            }
            Err(SuggestError::Exhausted { .. }) => {
                let reason = "no point was found that was not tried already";
                return self.degrade(request, seed, reason.into());
            }
            Err(SuggestError::Infeasible) => {
                return Err(GeneratorError::Infeasible { fixed: request.fixed.clone() });
            }
            Err(error) => return self.degrade(request, seed, chain(&error)),
        };

        let mut state = model;
        let mut proposals: Vec<Proposal> = Vec::new();
        for point in points {
            let parameters = decode(space, &point.u, request.fixed);
            let again = is_taken(experiment, &parameters)
                || proposals.iter().any(|proposal| proposal.parameters == parameters);
            if again || space.validate(&parameters).is_err() {
                // Rounding to digits or to a wide range of integers made it a point that is not wanted.
                continue;
            }
            proposals.push(Proposal {
                parameters,
                method: point.method.into(),
                prediction: point.prediction,
                degraded: None,
                // The first of a batch carries the model for all.
                state: serde_json::to_value(state.take()).unwrap_or_default(),
            });
        }
        if proposals.is_empty() {
            let reason = "the best point was rounded to one that was tried already";
            return self.degrade(request, seed, reason.into());
        }
        Ok(Generated::Proposals(proposals))
    }

    fn noise(&self) -> Noise {
        self.noise
    }

    fn boxed_clone(&self) -> Box<dyn Generator> {
        Box::new(self.clone())
    }
}

impl Gp {
    /// How many more trials will be proposed; `None` once there are more than was said.
    pub(super) fn remaining(&self, experiment: &Experiment) -> Option<usize> {
        let proposed = experiment.trials.iter().filter(|trial| trial.generation().is_some());
        self.budget?.checked_sub(proposed.count()).filter(|&remaining| remaining > 0)
    }

    /// A space-filling point, with the reason.
    fn degrade(
        &self,
        request: &Request<'_>,
        seed: u64,
        reason: String,
    ) -> Result<Generated, GeneratorError> {
        let taken = |parameters: &Parameterization| is_taken(request.experiment, parameters);
        let (parameters, _) = space_filling(request.experiment, request.fixed, seed, 0, taken)?;
        Ok(Generated::Proposals(vec![Proposal {
            parameters,
            method: "sobol".into(),
            prediction: None,
            degraded: Some(reason),
            state: serde_json::Value::Null,
        }]))
    }
}

impl From<Effort> for krige_gp::suggest::Effort {
    fn from(effort: Effort) -> Self {
        match effort {
            Effort::Fast => Self::Fast,
            Effort::Quality => Self::Quality,
        }
    }
}

impl From<Noise> for NoiseAssumption {
    fn from(noise: Noise) -> Self {
        match noise {
            Noise::Unknown => Self::Unknown,
            Noise::Deterministic => Self::Deterministic,
            Noise::Noisy => Self::Noisy,
        }
    }
}

/// An error and its causes, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
