//! What the rules compare: one quantity of every trial, at the end and over its progressions, larger being better.

use indexmap::IndexMap;

use super::error::StoppingError;
use crate::experiment::Experiment;
use crate::trial::Trial;

/// Progression and value.
pub(super) type Point = (f64, f64);

/// A metric, or the weighted sum that is the objective.
pub(super) struct Quantity {
    label: String,
    weights: IndexMap<String, f64>,
    /// From its own units to "larger is better".
    sign: f64,
}

impl Quantity {
    /// The metric of that name in the direction that the objective has for it; without a name, the only objective.
    pub(super) fn new(
        experiment: &Experiment,
        metric: Option<&str>,
    ) -> Result<Self, StoppingError> {
        let optimization = experiment.optimization.as_ref().ok_or(StoppingError::NoOptimization)?;
        let objective = optimization.objective();
        let expressions = objective.expressions();
        if let Some(metric) = metric {
            check_known(experiment, metric)?;
            let weight = expressions.iter().find_map(|one| one.weights().get(metric));
            return weight.map(|weight| Self::metric(metric, *weight)).ok_or_else(|| {
                StoppingError::NoDirection {
                    metric: metric.to_owned(),
                    objective: objective.to_string(),
                }
            });
        }
        let [only] = expressions else {
            return Err(StoppingError::ManyObjectives {
                objective: objective.to_string(),
                remedy: "name one of their metrics",
            });
        };
        Ok(match only.single_metric() {
            Some((metric, weight)) => Self::metric(metric, weight),
            None => Self { label: only.to_string(), weights: only.weights().clone(), sign: 1.0 },
        })
    }

    fn metric(name: &str, weight: f64) -> Self {
        let weights = std::iter::once((name.to_owned(), 1.0)).collect();
        Self { label: name.to_owned(), weights, sign: weight.signum() }
    }

    /// What people call it.
    pub(super) fn label(&self) -> &str {
        &self.label
    }

    /// From its own units to "larger is better", and back.
    pub(super) fn flip(&self, value: f64) -> f64 {
        // `+ 0.0` turns `-0.0` into `0.0`.
        self.sign * value + 0.0
    }

    /// The last word on a trial, where there is one.
    pub(super) fn last(&self, trial: &Trial) -> Option<f64> {
        let mut sum = 0.0;
        for (metric, weight) in &self.weights {
            sum += weight * trial.observation(metric)?.mean;
        }
        Some(self.flip(sum))
    }

    /// A trial's values by rising progressions, where all metrics were observed.
    fn curve(&self, trial: &Trial) -> Vec<Point> {
        let mut parts = self.weights.iter().map(|(metric, weight)| {
            let observed = trial.observations.iter().filter(|o| o.metric == *metric);
            // `+ 0.0` turns `-0.0` into `0.0`.
            let points = observed.filter_map(|o| Some((o.progression? + 0.0, weight * o.mean)));
            let mut points: Vec<Point> = points.collect();
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            points
        });
        let first = parts.next().expect("an objective has at least one metric");
        let sums = parts.fold(first, |sums, part| {
            let both = sums.into_iter().filter_map(|(progression, sum)| {
                let found = part.binary_search_by(|point| point.0.total_cmp(&progression)).ok()?;
                Some((progression, sum + part[found].1))
            });
            both.collect()
        });
        sums.into_iter().map(|(progression, sum)| (progression, self.flip(sum))).collect()
    }
}

/// Checks that a metric is one of the experiment's.
pub(super) fn check_known(experiment: &Experiment, metric: &str) -> Result<(), StoppingError> {
    match experiment.metrics.contains_key(metric) {
        true => Ok(()),
        false => Err(StoppingError::UnknownMetric {
            metric: metric.to_owned(),
            known: experiment.metrics.keys().cloned().collect(),
        }),
    }
}

/// The curves of all trials that a model may learn from, each up to where it is known.
pub(super) struct Evidence {
    /// For each metric that a rule names: the quantity, and a curve for each trial.
    curves: IndexMap<Option<String>, (Quantity, Vec<Vec<Point>>)>,
    /// Up to which progression each trial's curves are known.
    limits: Vec<f64>,
}

impl Evidence {
    /// All that was observed of some metrics.
    pub(super) fn new<'a>(
        experiment: &Experiment,
        metrics: impl IntoIterator<Item = Option<&'a str>>,
    ) -> Result<Self, StoppingError> {
        let mut curves = IndexMap::new();
        for metric in metrics {
            let quantity = Quantity::new(experiment, metric)?;
            let all = experiment.trials.iter().map(|trial| match trial.status().expects_data() {
                true => quantity.curve(trial),
                false => Vec::new(),
            });
            let all = all.collect();
            curves.insert(metric.map(ToOwned::to_owned), (quantity, all));
        }
        Ok(Self { curves, limits: vec![f64::INFINITY; experiment.trials.len()] })
    }

    /// Forgets everything; [`know`](Self::know) brings it back by and by.
    pub(super) fn forget(&mut self) {
        self.limits.fill(f64::NEG_INFINITY);
    }

    /// Knows a trial's curves up to a progression.
    pub(super) fn know(&mut self, trial: usize, progression: f64) {
        self.limits[trial] = progression;
    }

    /// All progressions of a trial's curves, rising.
    pub(super) fn progressions(&self, trial: usize) -> Vec<f64> {
        let curves = self.curves.values().flat_map(|(_, curves)| &curves[trial]);
        sorted_progressions(curves)
    }

    /// What is known of a metric.
    pub(super) fn of(&self, metric: Option<&str>) -> Curves<'_> {
        let (quantity, curves) = self
            .curves
            .get(&metric.map(ToOwned::to_owned))
            .expect("the evidence is made for all metrics of the rule");
        let known =
            |(curve, limit): (&'_ Vec<Point>, &f64)| curve.partition_point(|(p, _)| p <= limit);
        let ends = curves.iter().zip(&self.limits).map(known);
        let curves = curves.iter().zip(ends).map(|(curve, end)| &curve[..end]).collect();
        Curves { quantity, curves }
    }
}

/// One quantity's curves, by trial; empty where nothing is known.
pub(super) struct Curves<'a> {
    pub(super) quantity: &'a Quantity,
    pub(super) curves: Vec<&'a [Point]>,
}

impl Curves<'_> {
    /// The last point of a trial.
    pub(super) fn latest(&self, trial: usize) -> Option<Point> {
        self.curves[trial].last().copied()
    }

    /// The progressions from one to another at which any trial was observed, rising.
    pub(super) fn progressions(&self, from: f64, to: f64) -> Vec<f64> {
        let points = self.curves.iter().copied().flatten();
        sorted_progressions(points.filter(|(p, _)| (from..=to).contains(p)))
    }

    /// A trial's value at a progression between its first and its last, by linear interpolation.
    pub(super) fn at(&self, trial: usize, progression: f64) -> Option<f64> {
        interpolate(self.curves[trial], progression)
    }

    /// The values of all curves that span a progression, rising.
    pub(super) fn all_at(&self, progression: f64) -> Vec<f64> {
        let mut values: Vec<f64> =
            self.curves.iter().filter_map(|curve| interpolate(curve, progression)).collect();
        values.sort_by(f64::total_cmp);
        values
    }
}

fn sorted_progressions<'a>(points: impl Iterator<Item = &'a Point>) -> Vec<f64> {
    let mut progressions: Vec<f64> = points.map(|(progression, _)| *progression).collect();
    progressions.sort_by(f64::total_cmp);
    progressions.dedup();
    progressions
}

fn interpolate(curve: &[Point], progression: f64) -> Option<f64> {
    let after = curve.partition_point(|(p, _)| *p < progression);
    let &(right, upper) = curve.get(after)?;
    if right == progression {
        return Some(upper);
    }
    let &(left, lower) = &curve[after.checked_sub(1)?];
    Some(lower + (upper - lower) * ((progression - left) / (right - left)))
}

/// The quantile of a part from 0 to 1 of rising values, at least one, with linear interpolation between neighbours.
pub(super) fn quantile(sorted: &[f64], part: f64) -> f64 {
    let place = part * (sorted.len() - 1) as f64;
    let below = place.floor();
    let (low, high) = (sorted[below as usize], sorted[place.ceil() as usize]);
    low + (high - low) * (place - below)
}

/// A number with six significant digits, for people.
pub(super) fn shown(value: f64) -> String {
    let rounded: f64 = format!("{value:.5e}").parse().expect("what was printed is a number");
    if rounded == 0.0 || (1e-5..1e9).contains(&rounded.abs()) {
        format!("{rounded}")
    } else {
        format!("{rounded:e}")
    }
}
