//! When further trials are not worth their price any more.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::curves::{Quantity, check_known, quantile, shown};
use super::error::{StoppingError, number};
use crate::experiment::Experiment;
use crate::trial::TrialStatus;

/// A rule that ends an experiment.
///
/// Trials with data are those that are completed or were stopped early and have a value of the objective, in the order
/// of their numbers. Only feasible ones can be best.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum GlobalStopping {
    /// The best value has hardly improved over the last trials: the best of all, and the best before the last `window`
    /// trials, are less apart than `bar` times the interquartile range of all feasible values. Ax's rule, but that its
    /// window has one trial less.
    Improvement {
        /// So many of the last trials.
        window: usize,
        /// Not before so many trials with data.
        min_trials: usize,
        /// Improvement, as a part of the interquartile range of all values, that is worth going on for.
        bar: f64,
    },
    /// The newest models expected no trial to improve the objective by as much.
    ///
    /// Of each of the last `window` trials that were proposed with a prediction, whatever became of them, the optimistic
    /// improvement is taken: the predicted mean plus two of its standard deviations (for a minimized metric the mean
    /// minus two, and the difference the other way round), minus the best value of the trials before it. The experiment
    /// ends when each is below the tolerance. That is what the model expected where it looked, and no bound on what is
    /// possible elsewhere.
    ExpectedRegret {
        /// In units of the objective.
        tolerance: f64,
        /// So many of the last trials.
        window: usize,
        /// Not before so many trials with data.
        min_trials: usize,
    },
    /// The sum of a metric over all trials, such as their cost, has been reached. Every trial that has a value counts,
    /// also one that runs or failed.
    Budget {
        /// The metric.
        metric: String,
        /// The sum.
        total: f64,
    },
    /// So much time has passed since the first trial was proposed.
    WallTime {
        /// In seconds.
        seconds: f64,
    },
    /// Ends when all of the rules do.
    All {
        /// The rules.
        of: Vec<Self>,
    },
    /// Ends when one of the rules does.
    Any {
        /// The rules.
        of: Vec<Self>,
    },
}

/// A trial with data: its number, its value (larger is better), and whether it is feasible.
struct Outcome {
    trial: usize,
    value: f64,
    is_feasible: bool,
}

impl GlobalStopping {
    /// Checks that the rule makes sense for an experiment.
    ///
    /// # Errors
    /// If a number is not of its range, a rule of rules has none, a metric is not known, or improvement is asked for and
    /// nothing or several objectives are optimized.
    pub fn check(&self, experiment: &Experiment) -> Result<(), StoppingError> {
        match self {
            Self::Improvement { window, bar, .. } => {
                check_window(*window)?;
                let expected = "at least 0 (0.1 asks for a tenth of the interquartile range)";
                number("bar", *bar, expected, *bar >= 0.0)?;
                objective(experiment).map(drop)
            }
            Self::ExpectedRegret { tolerance, window, .. } => {
                check_window(*window)?;
                number(
                    "tolerance",
                    *tolerance,
                    "at least 0, in units of the objective",
                    *tolerance >= 0.0,
                )?;
                objective(experiment).map(drop)
            }
            Self::Budget { metric, total } => {
                number("total", *total, "more than 0, in units of the metric", *total > 0.0)?;
                check_known(experiment, metric)
            }
            Self::WallTime { seconds } => {
                number("seconds", *seconds, "more than 0", *seconds > 0.0)
            }
            Self::All { of } | Self::Any { of } if of.is_empty() => {
                let rule = if matches!(self, Self::All { .. }) { "all" } else { "any" };
                Err(StoppingError::NoRules { rule })
            }
            Self::All { of } | Self::Any { of } => {
                of.iter().try_for_each(|rule| rule.check(experiment))
            }
        }
    }

    /// The reason why the experiment should end; `None` if it should go on, or the rule does not pass its
    /// [`check`](Self::check).
    pub fn verdict(&self, experiment: &Experiment, now: Timestamp) -> Option<String> {
        self.check(experiment).ok()?;
        match self {
            Self::Improvement { window, min_trials, bar } => {
                improvement(experiment, *window, *min_trials, *bar)
            }
            Self::ExpectedRegret { tolerance, window, min_trials } => {
                expected_regret(experiment, *tolerance, *window, *min_trials)
            }
            Self::Budget { metric, total } => {
                let values = experiment.trials.iter().filter_map(|trial| trial.observation(metric));
                let sum: f64 = values.map(|observation| observation.mean).sum();
                (sum >= *total).then(|| {
                    format!(
                        "the sum of `{metric}` is {}, of a budget of {}",
                        shown(sum),
                        shown(*total)
                    )
                })
            }
            Self::WallTime { seconds } => {
                let first = experiment.trials.first()?.created_at;
                let passed = now.duration_since(first).as_secs_f64();
                (passed >= *seconds).then(|| {
                    let (passed, seconds) = (shown(passed), shown(*seconds));
                    format!("{passed} seconds have passed since the first trial, of {seconds}")
                })
            }
            Self::All { of } => {
                let reasons: Option<Vec<String>> =
                    of.iter().map(|rule| rule.verdict(experiment, now)).collect();
                reasons.map(|reasons| reasons.join("; "))
            }
            Self::Any { of } => of.iter().find_map(|rule| rule.verdict(experiment, now)),
        }
    }
}

fn check_window(window: usize) -> Result<(), StoppingError> {
    number("window", window as f64, "at least 1 trial", window >= 1)
}

fn objective(experiment: &Experiment) -> Result<Quantity, StoppingError> {
    let remedy = "use another rule, such as `budget` or `wall_time`";
    Quantity::new(experiment, None).map_err(|error| match error {
        StoppingError::ManyObjectives { objective, .. } => {
            StoppingError::ManyObjectives { objective, remedy }
        }
        other => other,
    })
}

fn outcomes(experiment: &Experiment, objective: &Quantity) -> Vec<Outcome> {
    experiment
        .trials_in(&[TrialStatus::Completed, TrialStatus::EarlyStopped])
        .filter_map(|trial| {
            let (value, is_feasible) = (objective.last(trial)?, experiment.is_feasible(trial));
            Some(Outcome { trial: trial.index, value, is_feasible })
        })
        .collect()
}

/// The best value of a feasible trial.
fn best<'a>(outcomes: impl IntoIterator<Item = &'a Outcome>) -> Option<f64> {
    let feasible = outcomes.into_iter().filter(|outcome| outcome.is_feasible);
    feasible.map(|outcome| outcome.value).reduce(f64::max)
}

fn improvement(
    experiment: &Experiment,
    window: usize,
    min_trials: usize,
    bar: f64,
) -> Option<String> {
    let objective = objective(experiment).ok()?;
    let outcomes = outcomes(experiment, &objective);
    if outcomes.len() < min_trials {
        return None;
    }
    let before = best(&outcomes[..outcomes.len().saturating_sub(window)])?;
    let gained = best(&outcomes)? - before;
    let feasible = outcomes.iter().filter(|outcome| outcome.is_feasible);
    let mut values: Vec<f64> = feasible.map(|outcome| outcome.value).collect();
    values.sort_by(f64::total_cmp);
    let range = quantile(&values, 0.75) - quantile(&values, 0.25);
    (gained < bar * range).then(|| {
        format!(
            "the last {window} trials improved `{}` by {}, less than {} times the interquartile range {}",
            objective.label(),
            shown(gained),
            shown(bar),
            shown(range),
        )
    })
}

fn expected_regret(
    experiment: &Experiment,
    tolerance: f64,
    window: usize,
    min_trials: usize,
) -> Option<String> {
    let objective = objective(experiment).ok()?;
    let outcomes = outcomes(experiment, &objective);
    if outcomes.len() < min_trials {
        return None;
    }
    let predicted = experiment
        .trials
        .iter()
        .rev()
        .filter_map(|trial| Some((trial.index, trial.generation()?.prediction?)));
    let mut hopes = Vec::new();
    for (trial, prediction) in predicted.take(window) {
        let best = best(outcomes.iter().filter(|outcome| outcome.trial < trial))?;
        hopes.push(objective.flip(prediction.mean) + 2.0 * prediction.sem - best);
    }
    let most = hopes.iter().copied().reduce(f64::max)?;
    (hopes.len() == window && most < tolerance).then(|| {
        format!(
            "of the last {window} proposals the model expected `{}` to improve by {} at most, less than {}",
            objective.label(),
            shown(most),
            shown(tolerance),
        )
    })
}
