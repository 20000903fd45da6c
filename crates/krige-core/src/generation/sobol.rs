//! Points that fill the search space evenly.

use krige_gp::domain::Domain;
use serde::{Deserialize, Serialize};

use super::generator::{
    Generated, Generator, GeneratorError, Proposal, Request, decode, derive_seed,
};
use crate::experiment::Experiment;
use crate::trial::TrialStatus;
use crate::value::Parameterization;

/// Points of the sequence that are looked at for one proposal before other ways are taken.
const DRAWS: u32 = 10_000;

/// Points of a finite domain up to which all are looked at before it counts as exhausted.
const ENUMERATED: usize = 1 << 20;

/// Proposes scrambled Sobol points, one after the other, without those that break a parameter constraint or were
/// tried before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sobol {
    /// The scramble's seed; `None` follows the experiment's.
    pub seed: Option<u64>,
}

/// What a proposal's record says: where the sequence stands.
#[derive(Debug, Serialize, Deserialize)]
struct Position {
    /// The index of the next point.
    next_index: u32,
}

#[typetag::serde(name = "sobol")]
impl Generator for Sobol {
    fn generate(&self, request: &Request<'_>) -> Result<Generated, GeneratorError> {
        let experiment = request.experiment;
        let seed = self.seed.unwrap_or_else(|| derive_seed(experiment.seed, request.node, 0));
        let mut next = experiment
            .trials_of(request.node)
            .rev()
            .find_map(|trial| {
                let state = trial.generation()?.state.clone();
                serde_json::from_value::<Position>(state).ok()
            })
            .map_or(0, |position| position.next_index);
        let mut proposals: Vec<Proposal> = Vec::new();
        for _ in 0..request.count {
            let taken = |parameters: &Parameterization| {
                is_taken(experiment, parameters)
                    || proposals.iter().any(|proposal| proposal.parameters == *parameters)
            };
            match space_filling(experiment, request.fixed, seed, next, taken) {
                Ok((parameters, following)) => {
                    next = following;
                    proposals.push(Proposal {
                        parameters,
                        method: "sobol".into(),
                        prediction: None,
                        degraded: None,
                        state: serde_json::json!({ "next_index": next }),
                    });
                }
                Err(_) if !proposals.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(Generated::Proposals(proposals))
    }

    fn boxed_clone(&self) -> Box<dyn Generator> {
        Box::new(self.clone())
    }
}

/// Whether an arm is not to be proposed (again): it was tried, unless it failed.
pub(super) fn is_taken(experiment: &Experiment, parameters: &Parameterization) -> bool {
    experiment
        .trials_at(parameters)
        .any(|trial| !matches!(trial.status(), TrialStatus::Failed | TrialStatus::Stale))
}

/// The first point of a scrambled sequence, from index `start`, that is feasible and not taken; and the index that
/// follows it.
pub(super) fn space_filling(
    experiment: &Experiment,
    fixed: &Parameterization,
    seed: u64,
    start: u32,
    taken: impl Fn(&Parameterization) -> bool,
) -> Result<(Parameterization, u32), GeneratorError> {
    let space = &experiment.search_space;
    let fixed_coordinates = space.fixed(fixed)?;
    let domain: Domain = space.domain();
    let infeasible = || GeneratorError::Infeasible { fixed: fixed.clone() };
    let mut any_feasible = false;
    let mut accept = |u: &[f64]| {
        let parameters = decode(space, u, fixed);
        if space.validate(&parameters).is_err() {
            return None;
        }
        any_feasible = true;
        (!taken(&parameters)).then_some(parameters)
    };

    if let Ok(sequence) = krige_gp::sobol::Sobol::scrambled(domain.len(), seed) {
        for index in start..start.saturating_add(DRAWS) {
            let mut u = sequence.point(index);
            for (value, dimension) in u.iter_mut().zip(&domain.dimensions) {
                *value = dimension.draw(*value);
            }
            for &(k, value) in &fixed_coordinates {
                u[k] = value;
            }
            if domain.contains(&u)
                && let Some(parameters) = accept(&u)
            {
                return Ok((parameters, index + 1));
            }
        }
    }
    // Rejection is hopeless (or there are more dimensions than the sequence has): a random walk in the polytope, and
    // every point of a finite space.
    let walk_seed = derive_seed(seed, "walk", u64::from(start));
    let walk = domain.sample(256, &fixed_coordinates, walk_seed).into_iter();
    let every = every_point(&domain, &fixed_coordinates, walk_seed);
    if let Some(parameters) = walk.chain(every).find_map(|u| accept(&u)) {
        return Ok((parameters, start.saturating_add(1)));
    }
    Err(if any_feasible { GeneratorError::Exhausted } else { infeasible() })
}

/// Every feasible point of a domain of not too many, from a place that the seed decides; else none.
fn every_point<'a>(
    domain: &'a Domain,
    fixed: &'a [(usize, f64)],
    seed: u64,
) -> impl Iterator<Item = Vec<f64>> + 'a {
    let count = domain.cardinality(fixed).filter(|&count| count <= ENUMERATED).unwrap_or(0);
    let point = move |number: usize| {
        let mut rest = number;
        let mut u = vec![0.0; domain.len()];
        for (k, dimension) in domain.dimensions.iter().enumerate() {
            u[k] = match (fixed.iter().find(|(index, _)| *index == k), dimension.levels()) {
                (Some(&(_, value)), _) => value,
                (None, Some(levels)) => {
                    let level = levels[rest % levels.len()];
                    rest /= levels.len();
                    level
                }
                (None, None) => 0.0,
            };
        }
        u
    };
    let first = (seed % count.max(1) as u64) as usize;
    (0..count).map(move |i| point((first + i) % count)).filter(|u| domain.contains(u))
}
