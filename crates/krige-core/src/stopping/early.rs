//! Which running trials are not worth their time any more.

use serde::{Deserialize, Serialize};

use super::curves::{Evidence, Quantity, quantile, shown};
use super::error::{StoppingError, number};
use crate::experiment::Experiment;
use crate::trial::{TrialIndex, TrialStatus};

/// A rule that stops running trials, by the progressions that were observed.
///
/// A rule looks at one metric: the objective's own where none is named. Values at equal progressions are compared, in
/// the direction in which the objective improves. Only observations with a progression count, of trials that run, are
/// completed or were stopped early; between two of them a trial's value is interpolated linearly. Outcome constraints do
/// not matter.
///
/// The default has Ax's numbers: whatever is worse than the median of at least 5 curves is stopped, from progression 10 on. But
/// for one thing the percentile and the threshold decide as Ax's do: Ax stops nothing before `min_curves` trials (5 by default)
/// have completed, and here the curves of trials that still run count as well, so that the first trials that run side by side can
/// be stopped too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum EarlyStopping {
    /// Stops a trial that is worse than a percentile of all curves at its progression.
    ///
    /// As in Ax, it must be worse at its latest progression, and at every one within `patience` before it at which any
    /// trial was observed; a trial whose own curve begins later than that is not stopped.
    Percentile {
        /// The metric; `None` is the objective's.
        #[serde(default)]
        metric: Option<String>,
        /// From 0 to 100: the worst so many per cent are stopped.
        percentile: f64,
        /// Not before this progression.
        min_progression: f64,
        /// Not after this progression, where there is one.
        #[serde(default)]
        max_progression: Option<f64>,
        /// How many curves must have a value at each progression that is compared, its own among them.
        min_curves: usize,
        /// Over how much progression it must have been worse; at most `min_progression`.
        #[serde(default)]
        patience: f64,
        /// So many of the best values, at any of the progressions that are compared, are never stopped; equal values count
        /// as one.
        #[serde(default)]
        keep_best: usize,
    },
    /// Stops a trial whose metric is worse than a value.
    Threshold {
        /// The metric; `None` is the objective's.
        #[serde(default)]
        metric: Option<String>,
        /// The value that it must reach.
        threshold: f64,
        /// Not before this progression.
        min_progression: f64,
    },
    /// Asynchronous successive halving (Li et al. 2020, ASHA): at each rung, `min_progression * factor^k`, a trial goes on
    /// only if it is among the best of `1 / factor` that came to that rung.
    ///
    /// Of `n` trials that came to the highest rung behind a trial, the best `floor(n / factor)` go on, and at least the
    /// best one. Li et al. (2020, algorithm 2) pause every trial at its rung until it is promoted; here it runs on, and
    /// is stopped as soon as enough better ones came to that rung. No earlier rung is asked about again.
    SuccessiveHalving {
        /// The metric; `None` is the objective's.
        #[serde(default)]
        metric: Option<String>,
        /// The first rung, above 0.
        min_progression: f64,
        /// Which part goes on: at least 2.
        factor: f64,
    },
    /// Stops what each of the rules stops.
    All {
        /// The rules.
        of: Vec<Self>,
    },
    /// Stops what one of the rules stops.
    Any {
        /// The rules.
        of: Vec<Self>,
    },
}

impl Default for EarlyStopping {
    fn default() -> Self {
        Self::Percentile {
            metric: None,
            percentile: 50.0,
            min_progression: 10.0,
            max_progression: None,
            min_curves: 5,
            patience: 0.0,
            keep_best: 0,
        }
    }
}

impl EarlyStopping {
    /// Checks that the rule makes sense for an experiment.
    ///
    /// # Errors
    /// If a number is not of its range, a rule of rules has none, or it is not known what the rule compares: nothing or
    /// several objectives are optimized and no metric of theirs is named.
    pub fn check(&self, experiment: &Experiment) -> Result<(), StoppingError> {
        match self {
            Self::Percentile { percentile, min_progression, max_progression, patience, .. } => {
                number(
                    "percentile",
                    *percentile,
                    "0 to 100 (25 stops the worst quarter)",
                    (0.0..=100.0).contains(percentile),
                )?;
                number("min_progression", *min_progression, "a finite number", true)?;
                if let Some(most) = max_progression {
                    let expected = "at least `min_progression` (leave it out for no limit)";
                    number("max_progression", *most, expected, most >= min_progression)?;
                }
                let expected =
                    "0 to `min_progression`, so that the progressions looked back at exist";
                number(
                    "patience",
                    *patience,
                    expected,
                    (0.0..=min_progression.max(0.0)).contains(patience),
                )?;
            }
            Self::Threshold { threshold, min_progression, .. } => {
                number("threshold", *threshold, "a finite number", true)?;
                number("min_progression", *min_progression, "a finite number", true)?;
            }
            Self::SuccessiveHalving { min_progression, factor, .. } => {
                let expected = "more than 0, as the rungs are its multiples";
                number("min_progression", *min_progression, expected, *min_progression > 0.0)?;
                number("factor", *factor, "at least 2 (3 lets a third go on)", *factor >= 2.0)?;
            }
            Self::All { of } | Self::Any { of } if of.is_empty() => {
                let rule = if matches!(self, Self::All { .. }) { "all" } else { "any" };
                return Err(StoppingError::NoRules { rule });
            }
            Self::All { of } | Self::Any { of } => {
                return of.iter().try_for_each(|rule| rule.check(experiment));
            }
        }
        self.metrics()
            .into_iter()
            .try_for_each(|metric| Quantity::new(experiment, metric).map(drop))
    }

    /// The reason why a trial should be stopped now; `None` if it should not be, is not running, or the rule does not
    /// pass its [`check`](Self::check).
    pub fn verdict(&self, experiment: &Experiment, trial: TrialIndex) -> Option<String> {
        let is_running = experiment.trials.get(trial)?.status() == TrialStatus::Running;
        if !is_running || self.check(experiment).is_err() {
            return None;
        }
        let evidence = Evidence::new(experiment, self.metrics()).ok()?;
        self.judge(&evidence, trial)
    }

    /// The metrics that the rule looks at.
    pub(super) fn metrics(&self) -> Vec<Option<&str>> {
        match self {
            Self::Percentile { metric, .. }
            | Self::Threshold { metric, .. }
            | Self::SuccessiveHalving { metric, .. } => vec![metric.as_deref()],
            Self::All { of } | Self::Any { of } => of.iter().flat_map(Self::metrics).collect(),
        }
    }

    /// The reason by the evidence, whatever the trial's status.
    pub(super) fn judge(&self, evidence: &Evidence, trial: TrialIndex) -> Option<String> {
        match self {
            Self::Percentile {
                metric,
                percentile,
                min_progression,
                max_progression,
                min_curves,
                patience,
                keep_best,
            } => {
                let curves = evidence.of(metric.as_deref());
                let (latest, value) = curves.latest(trial)?;
                if latest < *min_progression || max_progression.is_some_and(|most| latest > most) {
                    return None;
                }
                let (mut count, mut bound) = (0, f64::NAN);
                for progression in curves.progressions(latest - patience, latest) {
                    let own = curves.at(trial, progression)?;
                    let mut values = curves.all_at(progression);
                    (count, bound) = (values.len(), quantile(&values, percentile / 100.0));
                    values.dedup();
                    let better = values.iter().filter(|value| **value > own).count();
                    if count < *min_curves || better < *keep_best || own >= bound {
                        return None;
                    }
                }
                let (label, flip) = (curves.quantity.label(), |v| shown(curves.quantity.flip(v)));
                Some(format!(
                    "`{label}` is {} at progression {}, worse than {}, the percentile {} of {count} trials there",
                    flip(value),
                    shown(latest),
                    flip(bound),
                    shown(*percentile),
                ))
            }
            Self::Threshold { metric, threshold, min_progression } => {
                let curves = evidence.of(metric.as_deref());
                let (latest, value) = curves.latest(trial)?;
                let is_worse = value < curves.quantity.flip(*threshold);
                (latest >= *min_progression && is_worse).then(|| {
                    format!(
                        "`{}` is {} at progression {}, worse than the threshold {}",
                        curves.quantity.label(),
                        shown(curves.quantity.flip(value)),
                        shown(latest),
                        shown(*threshold),
                    )
                })
            }
            Self::SuccessiveHalving { metric, min_progression, factor } => {
                let curves = evidence.of(metric.as_deref());
                let (latest, _) = curves.latest(trial)?;
                let rung = highest_rung(*min_progression, *factor, latest)?;
                let own = curves.at(trial, rung)?;
                let values = curves.all_at(rung);
                let going_on = ((values.len() as f64 / factor).floor() as usize).max(1);
                let better = values.iter().filter(|value| **value > own).count();
                (better >= going_on).then(|| {
                    format!(
                        "`{}` is {} at rung {}, where {better} of {} trials are better and {going_on} may go on",
                        curves.quantity.label(),
                        shown(curves.quantity.flip(own)),
                        shown(rung),
                        values.len(),
                    )
                })
            }
            Self::All { of } => {
                let reasons: Option<Vec<String>> =
                    of.iter().map(|rule| rule.judge(evidence, trial)).collect();
                reasons.map(|reasons| reasons.join("; "))
            }
            Self::Any { of } => of.iter().find_map(|rule| rule.judge(evidence, trial)),
        }
    }
}

/// The highest of the rungs that a trial has come to.
fn highest_rung(first: f64, factor: f64, latest: f64) -> Option<f64> {
    let rungs = std::iter::successors(Some(first), |rung| Some(rung * factor));
    rungs.take_while(|rung| *rung <= latest).last()
}
