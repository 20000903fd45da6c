//! Fitted models as they stand in a trial's record: the warm start of the next fit.

use krige_gp::kernel::KernelKind;
use krige_gp::model::OutcomeState;
use krige_gp::multi_objective::MultiModelState;
use krige_gp::regression::Hyperparameters;
use krige_gp::rotation::Rotation;
use krige_gp::suggest::ModelState;
use krige_gp::warp::Warp;
use serde::{Deserialize, Serialize};

use crate::experiment::Experiment;
use crate::objective::OptimizationConfig;

/// The models of the objective and of the outcome constraints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct StoredModel {
    /// What is modelled: the objective or each of several, then each constraint.
    outcomes: Vec<String>,
    objective: StoredOutcome,
    constraints: Vec<StoredOutcome>,
    /// Of the objectives after the first, where several are modelled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    others: Vec<StoredOutcome>,
}

/// The model of one outcome; all in standardized units of the unit cube.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct StoredOutcome {
    kernel: StoredKernel,
    lengthscales: Vec<f64>,
    /// The directions of the lengthscales, one after the other, where they are not the axes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    directions: Vec<f64>,
    outputscale: f64,
    noise_variance: f64,
    warp: StoredWarp,
    noisy: bool,
    jitter: f64,
    fitted_to: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredKernel {
    Matern52,
    Rbf,
    AdditiveMatern52,
    AdditiveRbf,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredWarp {
    Identity,
    YeoJohnson { lambda: f64 },
    Bilog { bound: f64 },
}

/// The newest model that a node's trials carry, if it is one of what is optimized now.
pub(super) fn newest_model(
    experiment: &Experiment,
    node: &str,
    outcomes: &[String],
) -> Option<StoredModel> {
    experiment
        .trials
        .iter()
        .rev()
        .filter(|trial| trial.node() == node)
        .find_map(|trial| serde_json::from_value(trial.generation()?.state.clone()).ok())
        .filter(|model: &StoredModel| model.outcomes == outcomes)
}

/// The objective and the constraints that are modelled, as texts.
pub(super) fn modelled_outcomes(optimization: &OptimizationConfig) -> Vec<String> {
    let constraints = optimization.feasibility_constraints().map(ToString::to_string);
    std::iter::once(optimization.objective().to_string()).chain(constraints).collect()
}

/// Each of several objectives and the constraints that are modelled, as texts.
pub(super) fn separate_outcomes(optimization: &OptimizationConfig) -> Vec<String> {
    let objectives = optimization.objective().expressions().iter().map(ToString::to_string);
    objectives.chain(optimization.feasibility_constraints().map(ToString::to_string)).collect()
}

impl StoredModel {
    pub(super) fn from_engine(outcomes: Vec<String>, model: &ModelState) -> Self {
        Self {
            outcomes,
            objective: StoredOutcome::from_engine(&model.objective),
            constraints: model.constraints.iter().map(StoredOutcome::from_engine).collect(),
            others: Vec::new(),
        }
    }

    pub(super) fn from_multi(outcomes: Vec<String>, model: &MultiModelState) -> Option<Self> {
        let mut objectives = model.objectives.iter().map(StoredOutcome::from_engine);
        Some(Self {
            outcomes,
            objective: objectives.next()?,
            constraints: model.constraints.iter().map(StoredOutcome::from_engine).collect(),
            others: objectives.collect(),
        })
    }

    pub(super) fn to_multi(&self) -> MultiModelState {
        let objectives = std::iter::once(&self.objective).chain(&self.others);
        MultiModelState {
            objectives: objectives.map(StoredOutcome::to_engine).collect(),
            constraints: self.constraints.iter().map(StoredOutcome::to_engine).collect(),
        }
    }

    pub(super) fn to_engine(&self) -> ModelState {
        ModelState {
            objective: self.objective.to_engine(),
            constraints: self.constraints.iter().map(StoredOutcome::to_engine).collect(),
        }
    }
}

impl StoredOutcome {
    fn from_engine(state: &OutcomeState) -> Self {
        let OutcomeState { hyperparameters, warp, noisy, jitter, fitted_to } = state;
        Self {
            kernel: match hyperparameters.kernel {
                KernelKind::Matern52 => StoredKernel::Matern52,
                KernelKind::Rbf => StoredKernel::Rbf,
                KernelKind::AdditiveMatern52 => StoredKernel::AdditiveMatern52,
                KernelKind::AdditiveRbf => StoredKernel::AdditiveRbf,
            },
            lengthscales: hyperparameters.lengthscales.clone(),
            directions: hyperparameters.rotation.as_ref().map_or(Vec::new(), |r| r.rows().to_vec()),
            outputscale: hyperparameters.outputscale,
            noise_variance: hyperparameters.noise_variance,
            warp: match *warp {
                Warp::Identity => StoredWarp::Identity,
                Warp::YeoJohnson { lambda } => StoredWarp::YeoJohnson { lambda },
                Warp::Bilog { bound } => StoredWarp::Bilog { bound },
            },
            noisy: *noisy,
            jitter: *jitter,
            fitted_to: *fitted_to,
        }
    }

    fn to_engine(&self) -> OutcomeState {
        OutcomeState {
            hyperparameters: Hyperparameters {
                kernel: match self.kernel {
                    StoredKernel::Matern52 => KernelKind::Matern52,
                    StoredKernel::Rbf => KernelKind::Rbf,
                    StoredKernel::AdditiveMatern52 => KernelKind::AdditiveMatern52,
                    StoredKernel::AdditiveRbf => KernelKind::AdditiveRbf,
                },
                lengthscales: self.lengthscales.clone(),
                rotation: Rotation::from_rows(self.lengthscales.len(), self.directions.clone()),
                outputscale: self.outputscale,
                noise_variance: self.noise_variance,
            },
            warp: match self.warp {
                StoredWarp::Identity => Warp::Identity,
                StoredWarp::YeoJohnson { lambda } => Warp::YeoJohnson { lambda },
                StoredWarp::Bilog { bound } => Warp::Bilog { bound },
            },
            noisy: self.noisy,
            jitter: self.jitter,
            fitted_to: self.fitted_to,
        }
    }
}
