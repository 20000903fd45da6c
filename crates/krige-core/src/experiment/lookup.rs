//! What is asked of an experiment at every turn, without going through all of its trials.
//!
//! Kept by [`apply`](Experiment::apply) and [`undo`](Experiment::undo) alone, and compared like every other field: the
//! model test holds each answer to what counting gives.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::Experiment;
use crate::trial::{Trial, TrialIndex, TrialStatus};
use crate::value::{ParameterValue, Parameterization};

/// One entry for each status, in the order of [`TrialStatus::ALL`].
type PerStatus<T> = [T; TrialStatus::ALL.len()];

/// Indices over the trials.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Lookup {
    by_status: PerStatus<BTreeSet<TrialIndex>>,
    with_data: PerStatus<usize>,
    by_node: BTreeMap<String, OfNode>,
    /// The first trial of every arm.
    by_arm_name: HashMap<String, TrialIndex>,
    /// By fingerprint, which different parameters may share.
    by_parameters: HashMap<u64, Vec<TrialIndex>>,
    /// Completed, feasible trials by their observed utility; of equals, the first is the greatest.
    ranking: BTreeSet<(TotalOrder, Reverse<TrialIndex>)>,
}

/// The trials of one node, or those that were attached.
#[derive(Debug, Clone, PartialEq, Default)]
struct OfNode {
    trials: Vec<TrialIndex>,
    count: PerStatus<usize>,
    with_data: PerStatus<usize>,
}

/// What the indices must know of a trial, of all that can change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    status: TrialStatus,
    /// Whether it has a value, and one for every metric of the optimization.
    with_data: bool,
    utility: Option<TotalOrder>,
}

/// A float in the order of [`f64::total_cmp`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct TotalOrder(i64);

impl From<f64> for TotalOrder {
    fn from(value: f64) -> Self {
        let bits = value.to_bits().cast_signed();
        // All bits but the sign are turned over in negative numbers, as `total_cmp` does it.
        Self(bits ^ ((bits >> 63).cast_unsigned() >> 1).cast_signed())
    }
}

impl Lookup {
    /// Adds the newest trial.
    pub(super) fn push(&mut self, trial: &Trial, standing: Standing) {
        self.by_arm_name.entry(trial.arm.name.clone()).or_insert(trial.index);
        let fingerprint = fingerprint(&trial.arm.parameters);
        self.by_parameters.entry(fingerprint).or_default().push(trial.index);
        self.by_node.entry(trial.node().to_owned()).or_default().trials.push(trial.index);
        self.enter(trial, standing);
    }

    /// Takes the newest trial away again.
    pub(super) fn pop(&mut self, trial: &Trial, standing: Standing) {
        self.leave(trial, standing);
        if self.by_arm_name.get(&trial.arm.name) == Some(&trial.index) {
            self.by_arm_name.remove(&trial.arm.name);
        }
        let fingerprint = fingerprint(&trial.arm.parameters);
        if let Some(alike) = self.by_parameters.get_mut(&fingerprint) {
            alike.pop();
            if alike.is_empty() {
                self.by_parameters.remove(&fingerprint);
            }
        }
        if let Some(node) = self.by_node.get_mut(trial.node()) {
            node.trials.pop();
            if node.trials.is_empty() {
                self.by_node.remove(trial.node());
            }
        }
    }

    /// Follows a change of a trial that is there.
    pub(super) fn change(&mut self, trial: &Trial, from: Standing, to: Standing) {
        if from != to {
            self.leave(trial, from);
            self.enter(trial, to);
        }
    }

    fn enter(&mut self, trial: &Trial, standing: Standing) {
        let status = standing.status as usize;
        self.by_status[status].insert(trial.index);
        self.with_data[status] += usize::from(standing.with_data);
        if let Some(node) = self.by_node.get_mut(trial.node()) {
            node.count[status] += 1;
            node.with_data[status] += usize::from(standing.with_data);
        }
        if let Some(utility) = standing.utility {
            self.ranking.insert((utility, Reverse(trial.index)));
        }
    }

    fn leave(&mut self, trial: &Trial, standing: Standing) {
        let status = standing.status as usize;
        self.by_status[status].remove(&trial.index);
        self.with_data[status] -= usize::from(standing.with_data);
        if let Some(node) = self.by_node.get_mut(trial.node()) {
            node.count[status] -= 1;
            node.with_data[status] -= usize::from(standing.with_data);
        }
        if let Some(utility) = standing.utility {
            self.ranking.remove(&(utility, Reverse(trial.index)));
        }
    }
}

/// Equal for equal parameters, whatever the order of their names, in every process.
fn fingerprint(parameters: &Parameterization) -> u64 {
    let of_one = |(name, value): (&str, &ParameterValue)| {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        match value {
            // The two zeros are equal.
            ParameterValue::Float(x) => (if *x == 0.0 { 0 } else { x.to_bits() }).hash(&mut hasher),
            ParameterValue::Int(k) => k.hash(&mut hasher),
            ParameterValue::Bool(b) => b.hash(&mut hasher),
            ParameterValue::String(s) => s.hash(&mut hasher),
        }
        hasher.finish()
    };
    parameters.iter().map(of_one).fold(0, u64::wrapping_add)
}

impl Experiment {
    /// How a trial stands, for the indices.
    pub(super) fn standing(&self, trial: &Trial) -> Standing {
        let with_data = !trial.observations.is_empty()
            && self.optimization.as_ref().is_none_or(|o| Self::has_data(trial, &o.metrics()));
        let status = trial.status();
        let ranked = status == TrialStatus::Completed && self.is_feasible(trial);
        let utility = if ranked { self.utility(trial).map(TotalOrder::from) } else { None };
        Standing { status, with_data, utility }
    }

    /// Looks at every trial anew: what is optimized, or what it is compared with, has changed.
    pub(super) fn look_again(&mut self) {
        let mut lookup = Lookup::default();
        for trial in &self.trials {
            lookup.push(trial, self.standing(trial));
        }
        self.lookup = lookup;
    }

    /// The trials that are in one of the statuses, in order. Takes time for these alone, however many there are of others.
    pub fn trials_in(&self, statuses: &[TrialStatus]) -> impl Iterator<Item = &Trial> {
        let sets = TrialStatus::ALL.into_iter().filter(|status| statuses.contains(status));
        let mut found: Vec<TrialIndex> =
            sets.flat_map(|status| &self.lookup.by_status[status as usize]).copied().collect();
        found.sort_unstable();
        found.into_iter().map(|index| &self.trials[index])
    }

    /// How many trials are in one of the statuses, without looking at any.
    pub fn count_in(&self, statuses: &[TrialStatus]) -> usize {
        self.count(statuses, None, false)
    }

    /// The same for the trials of a node, or of all, perhaps only for those that have a value for every metric of the
    /// optimization.
    pub(crate) fn count(
        &self,
        statuses: &[TrialStatus],
        node: Option<&str>,
        with_data: bool,
    ) -> usize {
        let of_node = node.map(|node| self.lookup.by_node.get(node));
        let count = |status: TrialStatus| match (of_node, with_data) {
            (Some(None), _) => 0,
            (Some(Some(node)), true) => node.with_data[status as usize],
            (Some(Some(node)), false) => node.count[status as usize],
            (None, true) => self.lookup.with_data[status as usize],
            (None, false) => self.lookup.by_status[status as usize].len(),
        };
        TrialStatus::ALL.into_iter().filter(|s| statuses.contains(s)).map(count).sum()
    }

    /// The trials of a node, in order; those of `manual` were attached.
    pub(crate) fn trials_of(&self, node: &str) -> impl DoubleEndedIterator<Item = &Trial> {
        let trials = self.lookup.by_node.get(node).map_or(&[][..], |node| &node.trials);
        trials.iter().map(|&index| &self.trials[index])
    }

    /// The trials of equal parameters, in order.
    pub(crate) fn trials_at(&self, parameters: &Parameterization) -> impl Iterator<Item = &Trial> {
        let alike = self.lookup.by_parameters.get(&fingerprint(parameters));
        let trials = alike.into_iter().flatten().map(|&index| &self.trials[index]);
        trials.filter(move |trial| trial.arm.parameters == *parameters)
    }

    /// The first trial of the arm of that name.
    pub(super) fn trial_of_arm(&self, name: &str) -> Option<&Trial> {
        Some(&self.trials[*self.lookup.by_arm_name.get(name)?])
    }

    /// The completed, feasible trial with the best observed value of the single objective; the first of equals.
    pub fn best_observed(&self) -> Option<TrialIndex> {
        self.lookup.ranking.last().map(|&(_, Reverse(index))| index)
    }
}
