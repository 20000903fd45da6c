//! The choice of points, one after the other.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::acquisition::log_ei::LogEi;
use crate::acquisition::log_nei::LogNei;
use crate::acquisition::{Acquisition, PosteriorMean, WeightedSum};
use crate::domain::Domain;
use crate::kernel::differs;
use crate::model::{FitError, NoiseAssumption};
use crate::observations::{distinct, same_point};
use crate::optimize::multistart::{Found, Search};
use crate::outcome_model::OutcomeModel;
use crate::steps::Steps;
use crate::suggest::{AcquisitionKind, Model, Problem, SuggestError, Suggested};

/// Measured points that noisy improvement is compared with.
const BASELINE: usize = 16;

/// Every so many suggestions the posterior mean is maximized instead of the acquisition function.
/// Two against three gains half a decade and more of regret on smooth functions of 2 and 3 dimensions, and costs nothing
/// that is measurable on rugged ones.
const POLISH_EVERY: usize = 2;

/// How many of the last suggestions polish, at least.
const LAST: usize = 2;

/// How often each point of a batch is chosen again, given the others.
const JOINT_ROUNDS: usize = 2;

/// A point of a batch moves when that raises the log of the batch's improvement by more than this.
const JOINT_GAIN: f64 = 1e-3;

/// A polishing step that moves no coordinate further than this is not worth an evaluation: next to a maximum the square of it
/// is to be gained, at a constraint it itself.
const POLISH_MOVE: f64 = 1e-5;
const POLISH_MOVE_AT_CONSTRAINT: f64 = 1e-8;

/// How many standard deviations a polishing step may keep away from the constraints; the one that is worth most is taken.
const DISTANCES: [f64; 7] = [4.0, 3.0, 2.0, 1.5, 1.0, 0.5, 0.25];

/// A polishing step this close to a pending point had better wait for what that one finds.
const POLISH_APART: f64 = 1e-2;

/// The model's best point is measured if that succeeds, and on an objective with steps gives a new value, with this
/// probability each.
const PROBABLY: f64 = 0.5;

/// The best point is held back by a constraint where the log probability of feasibility is below minus this.
const ACTIVE: f64 = 1e-12;

/// Chooses points one after the other.
pub(crate) struct Chooser<'a> {
    problem: &'a Problem<'a>,
    model: Option<&'a Model>,
    /// Pending points, then those chosen here.
    pending: Vec<Vec<f64>>,
    refused: Vec<Vec<f64>>,
    refuse_pending: bool,
    chosen: usize,
}

impl<'a> Chooser<'a> {
    pub(crate) fn new(problem: &'a Problem<'a>, model: Option<&'a Model>) -> Self {
        let refuse_pending = !model.is_some_and(|model| model.objective.noisy);
        let (pending, refused) = (Vec::new(), Vec::new());
        let mut chooser = Self { problem, model, pending, refused, refuse_pending, chosen: 0 };
        chooser.clear();
        chooser
    }

    /// Forgets what was chosen here.
    fn clear(&mut self) {
        self.pending = distinct(self.problem.pending);
        self.refused = self.problem.avoid.to_vec();
        if self.refuse_pending {
            self.refused.extend_from_slice(self.problem.x);
            self.refused.extend_from_slice(self.problem.pending);
            self.refused.extend_from_slice(self.problem.failed);
        }
    }

    pub(crate) fn next(&mut self) -> Result<Option<Suggested>, SuggestError> {
        let Some((found, kind)) = self.choose()? else {
            return Ok(None);
        };
        self.occupy(&found.u);
        self.chosen += 1;
        Ok(Some(self.suggested(found, kind)))
    }

    fn suggested(&self, found: Found, kind: AcquisitionKind) -> Suggested {
        let (mean, sd) =
            self.model.map_or((f64::NAN, f64::NAN), |model| model.objective.predict(&found.u));
        Suggested { u: found.u, log_acquisition: found.value, mean, sd, kind }
    }

    /// Takes `u` as pending from now on.
    fn occupy(&mut self, u: &[f64]) {
        if !self.pending.iter().any(|p| same_point(p, u)) {
            self.pending.push(u.to_vec());
        }
        if self.refuse_pending {
            self.refused.push(u.to_vec());
        }
    }

    /// Chooses the points of a batch again, each given all others, until none moves.
    ///
    /// The improvement that a batch is expected to make is that of all points but one, plus what the one adds
    /// to it: the noisy expected improvement over a baseline that holds the others. So each step raises the joint
    /// acquisition value of the batch (coordinate ascent), whose greedy choice is only a start.
    pub(crate) fn refine(&mut self, points: &mut [Suggested]) -> Result<(), SuggestError> {
        let by_improvement =
            |kind| matches!(kind, AcquisitionKind::LogEi | AcquisitionKind::LogNei);
        if points.iter().filter(|point| by_improvement(point.kind)).count() < 2 {
            return Ok(());
        }
        for _ in 0..JOINT_ROUNDS {
            let mut moved = false;
            for i in 0..points.len() {
                if !by_improvement(points[i].kind) {
                    continue;
                }
                self.clear();
                points
                    .iter()
                    .enumerate()
                    .filter(|(j, _)| *j != i)
                    .for_each(|(_, p)| self.occupy(&p.u));
                if let Some(better) = self.better_than(&points[i].u)? {
                    points[i] = self.suggested(better, AcquisitionKind::LogNei);
                    moved = true;
                }
                self.chosen += 1;
            }
            if !moved {
                break;
            }
        }
        Ok(())
    }

    /// A point that improves more than `u` does, given all that is pending.
    fn better_than(&self, u: &[f64]) -> Result<Option<Found>, SuggestError> {
        let Some(model) = self.model else { return Ok(None) };
        let feasible = self.feasible(model);
        if feasible.is_empty() {
            return Ok(None);
        }
        let incumbents = self.incumbents(feasible.iter().map(|(u, ..)| u));
        let lengthscales = model.objective.gp.kernel().axis_lengthscales();
        let search = self.search(&incumbents, &lengthscales);
        let improvement = Box::new(self.noisy_improvement(model, &feasible)?);
        let mut acquisition = constrained(improvement, model);
        if let Some(steps) = self.steps() {
            acquisition.terms.push((1.0, Box::new(steps)));
        }
        let now = Found { value: acquisition.value(u), u: u.to_vec() };
        let least = now.value + JOINT_GAIN;
        let nearby = search.climb(now, &acquisition);
        let anywhere = search.maximize(&acquisition);
        let best = anywhere.filter(|found| found.value > nearby.value).unwrap_or(nearby);
        Ok((best.value > least && !self.refused.iter().any(|r| same_point(r, &best.u)))
            .then_some(best))
    }

    /// The seed of the point that is chosen now.
    fn seed(&self) -> u64 {
        self.problem.seed.wrapping_add((self.chosen as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn choose(&self) -> Result<Option<(Found, AcquisitionKind)>, SuggestError> {
        let Some(model) = self.model else {
            return Ok(self.fill_space());
        };
        let gp = &model.objective.gp;
        let feasible = self.feasible(model);
        if feasible.is_empty() && !model.constraints.is_empty() {
            return Ok(self.find_feasible(model));
        }
        if model.objective.constant {
            return Ok(self.fill_space());
        }
        let incumbents = self.incumbents(feasible.iter().map(|(u, ..)| u));
        let lengthscales = gp.kernel().axis_lengthscales();
        let search = self.search(&incumbents, &lengthscales);
        let (objective, kind): (Box<dyn Acquisition + '_>, _) =
            if model.objective.noisy || !self.pending.is_empty() {
                (Box::new(self.noisy_improvement(model, &feasible)?), AcquisitionKind::LogNei)
            } else {
                (Box::new(LogEi { gp, best: feasible[0].1 }), AcquisitionKind::LogEi)
            };
        let mut acquisition = constrained(objective, model);
        let steps = self.steps();
        let may_be_new =
            |u: &Vec<f64>| steps.as_ref().is_none_or(|steps| steps.value(u) > PROBABLY.ln());
        let may_succeed = |u: &Vec<f64>| {
            model.viability.as_ref().is_none_or(|viability| viability.value(u) > PROBABLY.ln())
        };
        let polished = self.polish(model, &search).filter(may_be_new).filter(may_succeed);
        if let Some(u) = polished {
            let value = acquisition.value(&u);
            return Ok(Some((Found { u, value }, AcquisitionKind::GreedyPolish)));
        }
        if let Some(steps) = steps {
            acquisition.terms.push((1.0, Box::new(steps)));
            if let Some(found) = search.maximize(&acquisition) {
                return Ok(Some((found, kind)));
            }
            // Every point was measured.
            acquisition.terms.pop();
        }
        Ok(search.maximize(&acquisition).map(|found| (found, kind)))
    }

    /// Measured points that are expected to be feasible, with posterior mean and variance, best first.
    fn feasible(&self, model: &Model) -> Vec<(Vec<f64>, f64, f64)> {
        let measured = distinct(self.problem.x);
        let mut feasible: Vec<(Vec<f64>, f64, f64)> = measured
            .iter()
            .zip(model.objective.gp.means_and_variances(&measured))
            .filter(|(u, _)| model.expects_feasible(u))
            .map(|(u, (mean, variance))| (u.clone(), mean, variance))
            .collect();
        feasible.sort_by(|a, b| b.1.total_cmp(&a.1));
        feasible
    }

    /// The steps of the objective, if it shows any: under noise that is known to be there equal values mean nothing.
    fn steps(&self) -> Option<Steps> {
        let known = |variance: &Option<f64>| variance.is_some_and(|variance| variance > 0.0);
        let Problem { x, objective, domain, options, .. } = self.problem;
        if options.noise == NoiseAssumption::Noisy || objective.noise_variance.iter().any(known) {
            return None;
        }
        let measured: Vec<(&Vec<f64>, f64)> = x.iter().zip(objective.y.iter().copied()).collect();
        Steps::new(&measured, &self.pending, &domain.categorical())
    }

    fn search<'s>(&'s self, incumbents: &'s [Vec<f64>], lengthscales: &'s [f64]) -> Search<'s> {
        Search {
            domain: self.problem.domain,
            fixed: self.problem.fixed,
            refused: &self.refused,
            incumbents,
            lengthscales,
            seed: self.seed(),
            effort: self.problem.effort,
        }
    }

    /// Measured points, best first, moved into the domain (they may have been measured outside of it).
    fn incumbents<'p>(&self, points: impl Iterator<Item = &'p Vec<f64>>) -> Vec<Vec<f64>> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed());
        rng.set_stream(3);
        let domain = self.problem.domain;
        points.take(5).filter_map(|u| domain.repair(u, self.problem.fixed, &mut rng)).collect()
    }

    /// Improvement over the best of the plausible and the pending points.
    fn noisy_improvement<'m>(
        &self,
        model: &'m Model,
        feasible: &[(Vec<f64>, f64, f64)],
    ) -> Result<LogNei<'m>, SuggestError> {
        let gp = &model.objective.gp;
        // A point whose value is known to a hundred-thousandth of the outputscale's root is no
        // random variable; leaving it out also keeps the baseline's covariance regular.
        let negligible = 1e-10 * gp.kernel().outputscale;
        let certain = feasible
            .iter()
            .filter(|(.., variance)| *variance <= negligible)
            .map(|(_, mean, _)| *mean)
            .fold(f64::NEG_INFINITY, f64::max);
        let best = feasible[0].1;
        let mut plausible: Vec<&(Vec<f64>, f64, f64)> = feasible
            .iter()
            .filter(|(_, mean, variance)| {
                // Beyond three standard deviations a point is the best one time in a thousand.
                *variance > negligible && mean + 3.1 * variance.sqrt() >= best.max(certain)
            })
            .collect();
        plausible.sort_by(|a, b| (b.1 + 2.0 * b.2.sqrt()).total_cmp(&(a.1 + 2.0 * a.2.sqrt())));
        plausible.truncate(BASELINE);
        let mut baseline: Vec<Vec<f64>> = plausible.iter().map(|(u, ..)| u.clone()).collect();
        let extra = self
            .pending
            .iter()
            .filter(|u| model.expects_feasible(u) && !baseline.iter().any(|b| same_point(b, u)));
        let extra: Vec<Vec<f64>> = extra.cloned().collect();
        baseline.extend(extra);
        if baseline.is_empty() {
            baseline.push(feasible[0].0.clone());
        }
        let n = self.problem.x.len();
        LogNei::new(gp, &baseline, certain, self.seed())
            .map_err(|source| FitError::Singular { n, source }.into())
    }

    /// Every second time and at the very end, the maximum of the posterior mean near the best point, or of the
    /// improvement where a constraint is in its way, if it is a new point.
    fn polish(&self, model: &Model, search: &Search<'_>) -> Option<Vec<f64>> {
        let n = self.problem.x.len();
        let turn = n + self.pending.len() + self.problem.failed.len();
        let ending = self
            .problem
            .remaining
            .is_some_and(|remaining| remaining <= self.chosen + LAST.max(turn / 20));
        let due = n >= 3 * self.problem.domain.len() && turn.is_multiple_of(POLISH_EVERY);
        if model.objective.noisy || !(ending || due) {
            return None;
        }
        // Without the probability of success: it changes slowly, but would move the maximum by more than its last digits.
        let mean = PosteriorMean { gp: &model.objective.gp };
        let greedy = feasible(Box::new(mean), model);
        let u = search.incumbents.first()?.clone();
        let best = mean.value(&u);
        let mut found = search.climb(Found { value: greedy.value(&u), u }, &greedy);
        let held_back = !model.constraints.is_empty()
            && (mean.value(&found.u) < best || model.log_feasibility().value(&found.u) < -ACTIVE);
        if held_back {
            found = approach(model, search, found.u, best);
            if mean.value(&found.u) <= best {
                return None;
            }
        }
        let within = |other: &Vec<f64>, distance: f64| {
            other.iter().zip(&found.u).all(|(a, b)| (a - b).abs() <= distance)
        };
        let Problem { x, failed, avoid, .. } = self.problem;
        let tried = x.iter().chain(*failed).chain(*avoid);
        let least = if held_back { POLISH_MOVE_AT_CONSTRAINT } else { POLISH_MOVE };
        let known = tried.into_iter().any(|other| within(other, least))
            || self.pending.iter().any(|other| within(other, POLISH_APART));
        (!known).then_some(found.u)
    }

    /// The point most likely to be feasible, when none is known to be.
    fn find_feasible(&self, model: &Model) -> Option<(Found, AcquisitionKind)> {
        let mut pessimistic = model.clone();
        let bounds: Vec<(f64, f64)> =
            model.log_feasibility().constraints.iter().map(|c| (c.lower, c.upper)).collect();
        // A pending point is assumed to fail by one standard deviation, so that the next one is
        // looked for elsewhere.
        for u in &self.pending {
            for (constraint, (lower, upper)) in pessimistic.constraints.iter_mut().zip(&bounds) {
                let at = constraint.gp.posterior(u);
                let sd = at.variance.sqrt();
                let nearer_upper = upper - at.mean < at.mean - lower;
                let lie = if nearer_upper { at.mean + sd } else { at.mean - sd };
                let noise = constraint.state.hyperparameters.noise_variance;
                constraint.gp.append(u, lie, noise);
            }
        }
        let feasibility = pessimistic.log_feasibility();
        let measured = distinct(self.problem.x);
        let mut order: Vec<(f64, &Vec<f64>)> =
            measured.iter().map(|u| (feasibility.value(u), u)).collect();
        order.sort_by(|a, b| b.0.total_cmp(&a.0));
        let incumbents = self.incumbents(order.iter().map(|(_, u)| *u));
        let d = self.problem.domain.len();
        let lengthscales: Vec<f64> = (0..d)
            .map(|k| {
                let of = |c: &OutcomeModel| c.gp.kernel().lengthscales[k];
                pessimistic.constraints.iter().map(of).fold(1.0, f64::min)
            })
            .collect();
        let gp = &model.objective.gp;
        // Where feasibility is certain the better objective decides.
        let acquisition = WeightedSum {
            terms: vec![
                (1.0, Box::new(feasibility.clone()) as Box<dyn Acquisition>),
                (1e-3, Box::new(PosteriorMean { gp })),
            ],
        };
        let acquisition = acquisition.times_viability(model.viability.as_ref());
        let found = self.search(&incumbents, &lengthscales).maximize(&acquisition)?;
        Some((found, AcquisitionKind::Feasibility))
    }

    /// The point of a spread sample that is farthest from all known ones.
    fn fill_space(&self) -> Option<(Found, AcquisitionKind)> {
        let Problem { x, failed, avoid, .. } = self.problem;
        let known = x.iter().chain(&self.pending).chain(*failed).chain(*avoid);
        let distance = LogDistance { domain: self.problem.domain, others: known.collect() };
        let terms = vec![(1.0, Box::new(distance) as Box<dyn Acquisition>)];
        let viability = self.model.and_then(|model| model.viability.as_ref());
        let acquisition = WeightedSum { terms }.times_viability(viability);
        let d = self.problem.domain.len();
        let found = self.search(&[], &vec![1.0; d]).maximize(&acquisition)?;
        Some((found, AcquisitionKind::SpaceFilling))
    }
}

/// Multiplies an acquisition function by the probabilities of feasibility and of success.
fn constrained<'m>(objective: Box<dyn Acquisition + 'm>, model: &'m Model) -> WeightedSum<'m> {
    feasible(objective, model).times_viability(model.viability.as_ref())
}

/// Approaches, from `u`, the constraints that hold the largest mean back, as far as pays.
///
/// The sum of mean and log feasibility keeps nearly five standard deviations away from them. The improvement over `best` times
/// the probability of feasibility dares more, the less there is to be gained. But the more is known of a constraint, the
/// steeper that falls beside it, until no climb follows where it bends: so the mean is also maximized at several distances.
fn approach(model: &Model, search: &Search<'_>, mut u: Vec<f64>, best: f64) -> Found {
    let gp = &model.objective.gp;
    let improvement = feasible(Box::new(LogEi { gp, best }), model);
    let climbed = search.climb(Found { value: improvement.value(&u), u: u.clone() }, &improvement);
    let closer = DISTANCES.iter().filter_map(|distance| {
        let margins = model.log_feasibility().margins(*distance);
        u = search.climb_within(&u, &PosteriorMean { gp }, &margins)?;
        Some(Found { value: improvement.value(&u), u: u.clone() })
    });
    closer.fold(climbed, |best, found| if found.value > best.value { found } else { best })
}

/// Multiplies an acquisition function by the probability of feasibility.
fn feasible<'m>(objective: Box<dyn Acquisition + 'm>, model: &'m Model) -> WeightedSum<'m> {
    let mut terms = vec![(1.0, objective)];
    if !model.constraints.is_empty() {
        terms.push((1.0, Box::new(model.log_feasibility())));
    }
    WeightedSum { terms }
}

/// The log of the distance to the nearest other point; a different category counts as distance 1.
struct LogDistance<'a> {
    domain: &'a Domain,
    others: Vec<&'a Vec<f64>>,
}

impl Acquisition for LogDistance<'_> {
    fn value(&self, u: &[f64]) -> f64 {
        let squared = |other: &&Vec<f64>| -> f64 {
            self.domain
                .dimensions
                .iter()
                .zip(u.iter().zip(other.iter()))
                .map(|(dimension, (a, b))| {
                    if dimension.is_categorical() {
                        f64::from(u8::from(differs(*a, *b)))
                    } else {
                        (a - b) * (a - b)
                    }
                })
                .sum()
        };
        // Without others every point is as good; the floor keeps a coincident point comparable.
        let nearest = self.others.iter().map(squared).fold(u.len().max(1) as f64, f64::min);
        0.5 * nearest.max(1e-300).ln()
    }

    fn add_gradient(&self, u: &[f64], _weight: f64, _gradient: &mut [f64]) -> f64 {
        // The maxima are at kinks, where no gradient helps: candidates are compared, not climbed from.
        self.value(u)
    }
}
