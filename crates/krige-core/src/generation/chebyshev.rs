//! Several objectives as one: the augmented Chebyshev scalarization of ParEGO (Knowles 2006).

use krige_gp::suggest::Outcomes;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::data::{Series, encode};
use crate::experiment::Experiment;
use crate::objective::ScalarObjective;

/// The share of the plain weighted sum, which keeps weakly dominated points from being optimal. Knowles 2006, eq. 2.
const AUGMENTATION: f64 = 0.05;

/// `min_j w_j z_j + 0.05 sum_j w_j z_j` of the objectives scaled to `[0, 1]` over the observed range, with weights drawn
/// evenly from the simplex by the seed.
pub(super) fn scalarize(
    experiment: &Experiment,
    objectives: &[ScalarObjective],
    seed: u64,
) -> Series {
    let mut x = Vec::new();
    let mut values: Vec<Vec<f64>> = Vec::new();
    for trial in experiment.trials.iter().filter(|trial| trial.status().expects_data()) {
        let mean = |metric: &str| trial.observation(metric).map(|observation| observation.mean);
        let row: Option<Vec<f64>> =
            objectives.iter().map(|objective| objective.value(mean)).collect();
        if let Some(row) = row {
            x.push(encode(experiment, trial));
            values.push(row);
        }
    }
    let ranges: Vec<(f64, f64)> = (0..objectives.len())
        .map(|j| {
            let column = values.iter().map(|row| row[j]);
            column.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
                (low.min(v), high.max(v))
            })
        })
        .collect();
    let weights = simplex_weights(objectives.len(), seed);
    let y: Vec<f64> = values
        .iter()
        .map(|row| {
            let scaled = |j: usize| {
                let (low, high) = ranges[j];
                if high > low { (row[j] - low) / (high - low) } else { 0.5 }
            };
            let weighted = weights.iter().enumerate().map(|(j, weight)| weight * scaled(j));
            weighted.clone().fold(f64::INFINITY, f64::min) + AUGMENTATION * weighted.sum::<f64>()
        })
        .collect();
    // The noise of a minimum is nobody's: it is inferred.
    let noise_variance = vec![None; y.len()];
    Series { x, outcomes: Outcomes { y, noise_variance } }
}

/// Weights spread evenly over the simplex: normalized exponential numbers.
fn simplex_weights(count: usize, seed: u64) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let exponential: Vec<f64> = (0..count)
        .map(|_| {
            let uniform = ((rng.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
            -uniform.ln()
        })
        .collect();
    let sum: f64 = exponential.iter().sum();
    exponential.into_iter().map(|e| e / sum).collect()
}
