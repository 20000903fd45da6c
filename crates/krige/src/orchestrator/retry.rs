//! How long to wait before a call that failed for now is made again.

use std::time::Duration;

use krige_core::trial::TrialIndex;

use super::options::OrchestratorOptions;

/// The pause after so many failures of a trial's call: it doubles with each, up to the longest, and is between a half and the
/// whole of that.
///
/// Trials that failed together are so tried again apart; and because the share follows from the experiment's seed, the trial
/// and the number of failures alone, a run can be repeated. SplitMix64 (Steele, Lea & Flood 2014).
pub(crate) fn pause(
    options: &OrchestratorOptions,
    seed: u64,
    trial: TrialIndex,
    failures: u32,
) -> Duration {
    let factor = f64::from(failures.saturating_sub(1)).exp2();
    let first = options.init_seconds_between_retries;
    let whole = (first * factor).min(options.max_seconds_between_retries);
    let mut state = seed;
    for part in [trial as u64, u64::from(failures)] {
        state = mixed(state ^ part);
    }
    let share = (state >> 11) as f64 / (1u64 << 53) as f64;
    Duration::from_secs_f64(whole * (0.5 + 0.5 * share))
}

fn mixed(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seed: u64, trial: TrialIndex, failures: u32) -> f64 {
        let options = OrchestratorOptions {
            init_seconds_between_retries: 1.0,
            max_seconds_between_retries: 60.0,
            ..OrchestratorOptions::until(1, 1)
        };
        pause(&options, seed, trial, failures).as_secs_f64()
    }

    #[test]
    fn pauses_grow_to_the_longest_and_are_apart_and_the_same_again() {
        for failures in 1..40 {
            let whole = f64::from(failures - 1).exp2().min(60.0);
            let pauses: Vec<f64> = (0..100).map(|trial| seconds(7, trial, failures)).collect();
            assert!(pauses.iter().all(|&p| (whole / 2.0..=whole).contains(&p)), "{pauses:?}");
            let mean = pauses.iter().sum::<f64>() / 100.0;
            assert!((mean / whole - 0.75).abs() < 0.1, "{mean} of {whole}");
            assert_eq!(pauses, (0..100).map(|t| seconds(7, t, failures)).collect::<Vec<_>>());
            assert_ne!(pauses[0], seconds(8, 0, failures));
            assert_ne!(pauses[0], pauses[1]);
        }
    }
}
