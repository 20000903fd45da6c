//! The global search for the best acquisition value over a domain.
//!
//! Acquisition functions are cheap and multimodal: many raw candidates are scored, a few diverse ones
//! are improved locally, coordinates with levels by sweeps and the others by gradient.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::lbfgsb::LbfgsB;
use super::spg::SpectralProjectedGradient;
use crate::acquisition::Acquisition;
use crate::domain::{Dimension, Domain, nearest_level};
use crate::observations::same_point;
use crate::problem::Effort;
use crate::sampling::{normal, uniform};

/// Candidates spread over the domain, and drawn around the incumbents.
const SPREAD: usize = 512;
const AROUND: usize = 128;

/// Local searches.
const STARTS: usize = 6;

/// A domain with at most this many points is searched exhaustively.
const EXHAUSTIVE: usize = 20_000;

/// A coordinate with at most this many levels is swept over all of them.
const SWEEP: usize = 16;

/// Alternations between sweeps and gradient steps.
const ROUNDS: usize = 5;

/// Closer to a face of the cube than this is on it.
const FACE: f64 = 1e-6;

/// Where to look, and what for.
#[derive(Debug, Clone, Copy)]
pub struct Search<'a> {
    /// The set to search.
    pub domain: &'a Domain,
    /// Coordinates that are held: index and value.
    pub fixed: &'a [(usize, f64)],
    /// Points that must not be returned, shape `[.][d]`.
    pub refused: &'a [Vec<f64>],
    /// Good points to search around, best first, shape `[.][d]`.
    pub incumbents: &'a [Vec<f64>],
    /// Over what distance the function varies, shape `[d]`.
    pub lengthscales: &'a [f64],
    /// Determines the raw candidates.
    pub seed: u64,
    /// How many candidates and local searches.
    pub effort: Effort,
}

/// A point and its acquisition value.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The point, shape `[d]`.
    pub u: Vec<f64>,
    /// The acquisition value there.
    pub value: f64,
}

impl Search<'_> {
    /// Returns the best point found, or `None` when every point of the domain that was found is refused.
    pub fn maximize(&self, acquisition: &dyn Acquisition) -> Option<Found> {
        if self.domain.cardinality(self.fixed).is_some_and(|count| count <= EXHAUSTIVE) {
            return self.enumerate(acquisition);
        }
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(2);
        let (spread, starts) = match self.effort {
            Effort::Fast => (SPREAD, STARTS),
            Effort::Quality => (4 * SPREAD, 3 * STARTS),
        };
        let mut raw = self.domain.sample(spread, self.fixed, self.seed);
        raw.extend(self.around_incumbents(&mut rng));
        raw.extend(self.neighbours());
        let mut scored = self.score(raw, acquisition);
        let starts = diverse(&scored, self.domain.len(), starts);
        let mut improved: Vec<Found> =
            starts.into_iter().map(|start| self.climb(start, acquisition)).collect();
        sort(&mut improved);
        let accepted = |found: &&Found| !self.is_refused(&found.u);
        if let Some(found) = improved.iter().find(accepted) {
            return Some(found.clone());
        }
        if let Some(found) = scored.iter().find(accepted) {
            return Some(found.clone());
        }
        // All candidates are taken: look at many more before giving up.
        let more = self.domain.sample(8 * SPREAD, self.fixed, self.seed ^ 0x9e37_79b9_7f4a_7c15);
        scored = self.score(more, acquisition);
        scored.iter().find(accepted).cloned()
    }

    /// Returns the local maximum that is reached from `start`, which lies in the domain.
    pub fn climb(&self, start: Found, acquisition: &dyn Acquisition) -> Found {
        let mut best = start;
        let has_levels = (0..best.u.len()).any(|k| self.is_free(k) && self.levels(k).is_some());
        for _ in 0..ROUNDS {
            let before = best.value;
            self.continuous(&mut best, acquisition);
            if !has_levels || !self.sweep(&mut best, acquisition) || best.value <= before + 1e-9 {
                break;
            }
        }
        self.settle_on_faces(&mut best, acquisition);
        best
    }

    pub(super) fn is_free(&self, k: usize) -> bool {
        !self.fixed.iter().any(|(index, _)| *index == k)
    }

    pub(super) fn levels(&self, k: usize) -> Option<&[f64]> {
        self.domain.dimensions[k].levels()
    }

    fn is_refused(&self, u: &[f64]) -> bool {
        self.refused.iter().any(|refused| same_point(refused, u))
    }

    fn enumerate(&self, acquisition: &dyn Acquisition) -> Option<Found> {
        let mut best: Option<Found> = None;
        self.domain.for_each_combination(self.fixed, |u| {
            if self.domain.constraints.iter().all(|c| c.holds(u)) && !self.is_refused(u) {
                let value = acquisition.value(u);
                if value > best.as_ref().map_or(f64::NEG_INFINITY, |best| best.value) {
                    best = Some(Found { u: u.to_vec(), value });
                }
            }
        });
        best
    }

    fn score(&self, raw: Vec<Vec<f64>>, acquisition: &dyn Acquisition) -> Vec<Found> {
        let values = acquisition.values(&raw);
        let mut scored: Vec<Found> = raw
            .into_iter()
            .zip(values)
            .map(|(u, value)| Found { u, value })
            .filter(|found| found.value > f64::NEG_INFINITY)
            .collect();
        sort(&mut scored);
        scored
    }

    /// Gaussian steps of several sizes from the incumbents; in high dimension along few coordinates.
    fn around_incumbents(&self, rng: &mut ChaCha8Rng) -> Vec<Vec<f64>> {
        let incumbents = &self.incumbents[..self.incumbents.len().min(5)];
        let d = self.domain.len();
        let moved_share = (20.0 / d.max(1) as f64).min(1.0);
        let mut points = Vec::new();
        if incumbents.is_empty() {
            return points;
        }
        for i in 0..AROUND {
            let sd = [0.1, 0.03, 0.01, 0.003][i % 4];
            let mut u = incumbents[(i / 4) % incumbents.len()].clone();
            for (k, dimension) in self.domain.dimensions.iter().enumerate() {
                if uniform(rng) > moved_share {
                    continue;
                }
                u[k] = match dimension {
                    Dimension::Continuous => u[k] + sd * normal(rng),
                    // A step of at least one level, more often for larger sd.
                    Dimension::Discrete { levels } => {
                        let span = (levels.len() - 1) as f64;
                        let step = (sd * span).max(0.5) * normal(rng);
                        let index = nearest_level(levels, u[k]) as f64 + step.round();
                        levels[index.clamp(0.0, span) as usize]
                    }
                    Dimension::Categorical { levels } if uniform(rng) < 0.2 => {
                        levels[(rng.next_u32() as usize) % levels.len()]
                    }
                    Dimension::Categorical { .. } => u[k],
                };
            }
            points.extend(self.domain.repair(&u, self.fixed, rng));
        }
        points
    }

    /// The best incumbent with one coordinate moved to another level.
    fn neighbours(&self) -> Vec<Vec<f64>> {
        let Some(incumbent) = self.incumbents.first() else {
            return Vec::new();
        };
        let mut points = Vec::new();
        for k in (0..incumbent.len()).filter(|&k| self.is_free(k)) {
            for level in self.moves(k, incumbent[k]) {
                points.extend(self.with_level(incumbent, k, level));
            }
        }
        points
    }

    /// The levels to try for coordinate `k`: all when they are few or have no order, else near and far.
    fn moves(&self, k: usize, value: f64) -> Vec<f64> {
        let Some(levels) = self.levels(k) else {
            return Vec::new();
        };
        let here = nearest_level(levels, value);
        if levels.len() <= SWEEP || self.domain.dimensions[k].is_categorical() {
            return (0..levels.len()).filter(|&i| i != here).map(|i| levels[i]).collect();
        }
        let last = levels.len() - 1;
        let mut indices: Vec<usize> = [1, last.div_ceil(10), last.div_ceil(3)]
            .iter()
            .flat_map(|step| [here.saturating_sub(*step), (here + step).min(last)])
            .filter(|index| *index != here)
            .collect();
        indices.dedup();
        indices.into_iter().map(|index| levels[index]).collect()
    }

    /// Returns `u` with coordinate `k` at `level`, the continuous ones moved where a constraint demands it.
    fn with_level(&self, u: &[f64], k: usize, level: f64) -> Option<Vec<f64>> {
        let mut moved = u.to_vec();
        moved[k] = level;
        if self.domain.constraints.iter().all(|constraint| constraint.holds(&moved)) {
            return Some(moved);
        }
        self.domain.polytope(self.fixed, Some(&moved)).project(&moved)
    }

    /// Tries other levels for each coordinate in turn; returns whether any was better.
    fn sweep(&self, best: &mut Found, acquisition: &dyn Acquisition) -> bool {
        let mut improved = false;
        for k in (0..best.u.len()).filter(|&k| self.is_free(k)) {
            // With many levels the moves from a new level are others: climb until none helps.
            for _ in 0..20 {
                let before = best.value;
                for level in self.moves(k, best.u[k]) {
                    if let Some(u) = self.with_level(&best.u, k, level) {
                        let value = acquisition.value(&u);
                        if value > best.value {
                            *best = Found { u, value };
                        }
                    }
                }
                improved |= best.value > before;
                let exhausted = self.levels(k).is_none_or(|levels| levels.len() <= SWEEP);
                if exhausted || best.value <= before {
                    break;
                }
            }
        }
        improved
    }

    /// Improves the continuous coordinates by gradient.
    fn continuous(&self, best: &mut Found, acquisition: &dyn Acquisition) {
        let d = best.u.len();
        let free: Vec<bool> = (0..d).map(|k| self.is_free(k) && self.levels(k).is_none()).collect();
        if !free.contains(&true) {
            return;
        }
        let negated = |u: &[f64], gradient: &mut [f64]| {
            gradient.fill(0.0);
            -acquisition.add_gradient(u, -1.0, gradient)
        };
        let u = if self.domain.constraints.is_empty() {
            // In units of the lengthscales the function is about equally curved in all directions.
            let scale: Vec<f64> = self.lengthscales.iter().map(|l| l.clamp(0.01, 1.0)).collect();
            let bound = |k: usize, end: f64| if free[k] { end } else { best.u[k] } / scale[k];
            let mut solver = LbfgsB::new(
                (0..d).map(|k| bound(k, 0.0)).collect(),
                (0..d).map(|k| bound(k, 1.0)).collect(),
            );
            solver.max_iterations = 60;
            let unscale = |w: &[f64]| -> Vec<f64> {
                (0..d)
                    .map(|k| if free[k] { (w[k] * scale[k]).clamp(0.0, 1.0) } else { best.u[k] })
                    .collect()
            };
            let start: Vec<f64> = best.u.iter().zip(&scale).map(|(u, s)| u / s).collect();
            let minimum = solver.minimize(&start, |w, gradient| {
                let value = negated(&unscale(w), gradient);
                gradient.iter_mut().zip(&scale).for_each(|(g, s)| *g *= s);
                value
            });
            unscale(&minimum.x)
        } else {
            let polytope = self.domain.polytope(self.fixed, Some(&best.u));
            let solver = SpectralProjectedGradient {
                polytope: &polytope,
                max_iterations: 120,
                gradient_tolerance: 1e-6,
            };
            match solver.minimize(&best.u, negated) {
                Some(minimum) => minimum.x,
                None => return,
            }
        };
        let value = acquisition.value(&u);
        if value > best.value && self.domain.contains(&u) {
            *best = Found { u, value };
        }
    }

    /// Moves coordinates that all but touch a face onto it, so that bounds are reported exactly.
    fn settle_on_faces(&self, best: &mut Found, acquisition: &dyn Acquisition) {
        let mut u = best.u.clone();
        for k in (0..u.len()).filter(|&k| self.is_free(k) && self.levels(k).is_none()) {
            if u[k] < FACE {
                u[k] = 0.0;
            } else if u[k] > 1.0 - FACE {
                u[k] = 1.0;
            }
        }
        if u != best.u && self.domain.contains(&u) {
            let value = acquisition.value(&u);
            if value.is_finite() {
                *best = Found { u, value };
            }
        }
    }
}

/// Best first; equal ones stay in order.
fn sort(found: &mut [Found]) {
    found.sort_by(|a, b| b.value.total_cmp(&a.value));
}

/// Picks starts from candidates in order, leaving out those close to one already picked.
fn diverse(scored: &[Found], d: usize, starts: usize) -> Vec<Found> {
    let mut picked: Vec<Found> = Vec::new();
    for candidate in scored {
        let distance = |other: &Found| -> f64 {
            other.u.iter().zip(&candidate.u).map(|(a, b)| (a - b) * (a - b)).sum()
        };
        if picked.iter().all(|other| distance(other) > 1e-3 * d as f64) {
            picked.push(candidate.clone());
        }
        if picked.len() == starts {
            break;
        }
    }
    picked
}
