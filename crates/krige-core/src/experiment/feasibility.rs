//! How good a trial is by what was observed of it.

use super::Experiment;
use crate::expression::Relation;
use crate::objective::{OutcomeBound, OutcomeConstraint};
use crate::trial::Trial;

impl Experiment {
    /// The value of the single objective, larger is better, where there is just one and the trial has data for it.
    pub(super) fn utility(&self, trial: &Trial) -> Option<f64> {
        match self.optimization.as_ref()?.objective().expressions() {
            [objective] => objective.value(|metric| trial.observation(metric).map(|o| o.mean)),
            _ => None,
        }
    }

    /// Whether a trial keeps every outcome constraint within its 95% confidence interval; a trial without the data does
    /// not, and no trial does before it is known what is optimized.
    pub fn is_feasible(&self, trial: &Trial) -> bool {
        let Some(optimization) = &self.optimization else { return false };
        optimization.feasibility_constraints().all(|constraint| self.keeps(trial, constraint))
    }

    /// Whether a trial keeps a constraint within its 95% confidence interval, by what was observed.
    pub(crate) fn keeps(&self, trial: &Trial, constraint: &OutcomeConstraint) -> bool {
        let mean = |trial: &Trial, metric: &str| trial.observation(metric).map(|o| o.mean);
        let bound = constraint.bound_value(|metric| mean(self.baseline_trial()?, metric));
        let value = constraint.value(|metric| mean(trial, metric));
        let (Some(bound), Some(value)) = (bound, value) else { return false };
        let variance: f64 = constraint
            .weights()
            .iter()
            .filter_map(|(metric, weight)| {
                Some((weight * trial.observation(metric)?.sem.unwrap_or(0.0)).powi(2))
            })
            .sum();
        let margin = 1.96 * variance.sqrt();
        match constraint.relation() {
            Relation::AtMost => value - margin <= bound,
            Relation::AtLeast => value + margin >= bound,
        }
    }

    pub(crate) fn baseline_trial(&self) -> Option<&Trial> {
        self.trials.get(self.baseline?)
    }

    /// Whether what was observed of the baseline decides what is feasible.
    pub(super) fn compares_with_baseline(&self) -> bool {
        let relative = |bound| matches!(bound, OutcomeBound::RelativeToBaseline { .. });
        self.optimization
            .as_ref()
            .is_some_and(|o| o.feasibility_constraints().any(|c| relative(c.bound())))
    }
}
