//! Points spread over a domain: Sobol points with rejection, hit-and-run where rejection is hopeless.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::domain::{Dimension, Domain};
use crate::polytope::Polytope;
use crate::sobol::Sobol;
use crate::special::ndtri;

/// Sobol points tried per point wanted before rejection is given up.
const REJECTION_FACTOR: usize = 20;

/// Roundings tried for one point of the polytope when coordinates have levels.
const ROUNDINGS: usize = 12;

/// Returns a uniform number of `(0, 1)`; never an end, so that `ndtri` stays finite.
pub(crate) fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    ((rng.next_u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
}

/// Returns a standard normal number.
pub(crate) fn normal(rng: &mut ChaCha8Rng) -> f64 {
    ndtri(uniform(rng))
}

impl Domain {
    /// Returns up to `count` feasible points, shape `[count][d]`, on their levels, with the coordinates of
    /// `fixed` (index, value) held.
    ///
    /// Without constraints these are the scrambled Sobol points of `seed`, which fill the domain evenly.
    /// With constraints the Sobol points that violate them are left out; when too few remain, hit-and-run
    /// (Smith 1984) from `interior` supplies the rest. Fewer than `count` points come back only when
    /// feasible ones could not be found; duplicates may occur where there are levels.
    pub fn sample(&self, count: usize, fixed: &[(usize, f64)], seed: u64) -> Vec<Vec<f64>> {
        let budget = if self.constraints.is_empty() { count } else { count * REJECTION_FACTOR };
        let mut points: Vec<_> = self
            .spread(fixed, seed)
            .take(budget)
            .filter(|u| self.constraints.iter().all(|constraint| constraint.holds(u)))
            .take(count)
            .collect();
        if points.len() < count {
            let missing = count - points.len();
            let mut walk = HitAndRun::new(self, fixed, seed);
            if walk.is_stuck() {
                // The polytope is flat (an equality written as two inequalities, say): a line in a random
                // direction leaves it at once, but points from all over can be moved onto it.
                let mut rng = walk.rng;
                let spread = self.spread(fixed, seed).take(budget);
                let moved = spread.filter_map(|u| self.repair(&u, fixed, &mut rng));
                points.extend(moved.take(missing));
            } else {
                points.extend(walk.take(missing));
            }
        }
        points
    }

    /// Iterates over points of the box that ignore the constraints.
    fn spread(&self, fixed: &[(usize, f64)], seed: u64) -> impl Iterator<Item = Vec<f64>> {
        let d = self.len();
        // Beyond the table of direction numbers pseudo-random points do as well: no discrepancy
        // bound means anything there at these counts.
        let sobol = Sobol::scrambled(d, seed).ok();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..u32::MAX).map(move |i| {
            let mut u = match &sobol {
                Some(sobol) => sobol.point(i),
                None => (0..d).map(|_| uniform(&mut rng)).collect(),
            };
            for (value, dimension) in u.iter_mut().zip(&self.dimensions) {
                *value = dimension.draw(*value);
            }
            for (index, value) in fixed {
                u[*index] = *value;
            }
            u
        })
    }

    /// Moves `u` to a feasible point nearby: levels by randomized rounding, the continuous coordinates by
    /// projection. `None` when no rounding was feasible.
    pub(crate) fn repair(
        &self,
        u: &[f64],
        fixed: &[(usize, f64)],
        rng: &mut ChaCha8Rng,
    ) -> Option<Vec<f64>> {
        let mut rounded = u.to_vec();
        self.snap(&mut rounded);
        for (index, value) in fixed {
            rounded[*index] = *value;
        }
        if self.constraints.iter().all(|constraint| constraint.holds(&rounded)) {
            return Some(rounded);
        }
        for attempt in 0..ROUNDINGS {
            if attempt > 0 {
                for (k, dimension) in self.dimensions.iter().enumerate() {
                    rounded[k] = randomized_rounding(dimension, u[k], uniform(rng));
                }
            }
            if let Some(point) = self.polytope(fixed, Some(&rounded)).project(&rounded) {
                return Some(point);
            }
            if self.dimensions.iter().all(|dimension| dimension.levels().is_none()) {
                return None;
            }
        }
        None
    }
}

/// Rounds to one of the two levels around `value`, the nearer one more often.
fn randomized_rounding(dimension: &Dimension, value: f64, uniform: f64) -> f64 {
    match dimension {
        Dimension::Continuous => value.clamp(0.0, 1.0),
        Dimension::Categorical { .. } => dimension.nearest(value),
        Dimension::Discrete { levels } => {
            let above = levels.partition_point(|level| *level < value).min(levels.len() - 1);
            let below = above.saturating_sub(1);
            let gap = levels[above] - levels[below];
            let share = if gap > 0.0 { (value - levels[below]) / gap } else { 1.0 };
            if uniform < share { levels[above] } else { levels[below] }
        }
    }
}

/// Random walk in the polytope: uniform over the chord in a random direction.
struct HitAndRun<'a> {
    domain: &'a Domain,
    fixed: &'a [(usize, f64)],
    polytope: Polytope,
    current: Option<Vec<f64>>,
    rng: ChaCha8Rng,
    burnt_in: bool,
}

impl<'a> HitAndRun<'a> {
    fn new(domain: &'a Domain, fixed: &'a [(usize, f64)], seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(1);
        let polytope = domain.polytope(fixed, None);
        let current = start(domain, &polytope, &mut rng);
        Self { domain, fixed, polytope, current, rng, burnt_in: false }
    }

    /// Whether no line through the start stays inside of the polytope for a noticeable length.
    fn is_stuck(&mut self) -> bool {
        let Some(u) = self.current.clone() else {
            return false;
        };
        (0..20).all(|_| {
            let (_, low, high) = self.chord(&u);
            high - low < 1e-6
        })
    }

    /// Returns a random direction, and how far the polytope extends along it from `u` in both senses.
    fn chord(&mut self, u: &[f64]) -> (Vec<f64>, f64, f64) {
        let Polytope { lower, upper, coefficients, bounds } = &self.polytope;
        let mut direction = vec![0.0; u.len()];
        for k in (0..u.len()).filter(|&k| lower[k] < upper[k]) {
            direction[k] = normal(&mut self.rng);
        }
        let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
        let mut cut = |rate: f64, room: f64| {
            if rate > 0.0 {
                high = high.min(room.max(0.0) / rate);
            } else if rate < 0.0 {
                low = low.max(room.max(0.0) / rate);
            }
        };
        for k in 0..u.len() {
            cut(direction[k], upper[k] - u[k]);
            cut(-direction[k], u[k] - lower[k]);
        }
        for (a, bound) in coefficients.iter().zip(bounds) {
            let rate = a.iter().zip(&direction).map(|(a, v)| a * v).sum();
            let product: f64 = a.iter().zip(u).map(|(a, u)| a * u).sum();
            cut(rate, bound - product);
        }
        if low.is_finite() && high.is_finite() {
            (direction, low, high)
        } else {
            (direction, 0.0, 0.0)
        }
    }

    fn step(&mut self, u: &mut [f64]) {
        let (direction, low, high) = self.chord(u);
        let t = low + (high - low) * uniform(&mut self.rng);
        for (k, v) in direction.iter().enumerate() {
            if *v != 0.0 {
                u[k] = (u[k] + t * v).max(self.polytope.lower[k]).min(self.polytope.upper[k]);
            }
        }
    }
}

impl Iterator for HitAndRun<'_> {
    type Item = Vec<f64>;

    fn next(&mut self) -> Option<Vec<f64>> {
        let mut u = self.current.take()?;
        let d = u.len();
        let mut steps = if self.burnt_in { 4 * d } else { 50 * d };
        self.burnt_in = true;
        for _ in 0..100 {
            for _ in 0..steps {
                self.step(&mut u);
            }
            steps = 4 * d;
            if let Some(point) = self.domain.repair(&u, self.fixed, &mut self.rng) {
                self.current = Some(u);
                return Some(point);
            }
        }
        None
    }
}

/// Returns a point of the polytope, inside of it if it has an inside: the known one, or the mean of
/// projections from all over the box.
fn start(domain: &Domain, polytope: &Polytope, rng: &mut ChaCha8Rng) -> Option<Vec<f64>> {
    if let Some(interior) = &domain.interior
        && let Some(point) = polytope.project(interior)
    {
        return Some(point);
    }
    let d = domain.len();
    let mut sum = vec![0.0; d];
    let mut count = 0.0;
    for _ in 0..32 {
        let u: Vec<f64> = (0..d).map(|_| 3.0 * uniform(rng) - 1.0).collect();
        if let Some(point) = polytope.project(&u) {
            sum.iter_mut().zip(&point).for_each(|(s, p)| *s += p);
            count += 1.0;
        } else if count == 0.0 {
            return None;
        }
    }
    Some(sum.into_iter().map(|s| s / count).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::LinearConstraint;

    fn simplex(d: usize, interior: bool) -> Domain {
        Domain {
            dimensions: vec![Dimension::Continuous; d],
            constraints: vec![LinearConstraint { coefficients: vec![1.0; d], bound: 1.0 }],
            interior: interior.then(|| vec![1.0 / (d as f64 + 2.0); d]),
        }
    }

    #[test]
    fn box_samples_are_sobol_points() {
        let domain = Domain { dimensions: vec![Dimension::Continuous; 3], ..Domain::default() };
        let sobol = Sobol::scrambled(3, 9).unwrap();
        for (i, point) in domain.sample(16, &[], 9).iter().enumerate() {
            assert_eq!(*point, sobol.point(i as u32));
        }
    }

    #[test]
    fn levels_are_equally_likely() {
        let domain = Domain {
            dimensions: vec![Dimension::Discrete { levels: vec![0.0, 0.01, 0.02, 1.0] }],
            ..Domain::default()
        };
        let points = domain.sample(64, &[], 3);
        for level in [0.0, 0.01, 0.02, 1.0] {
            assert_eq!(points.iter().filter(|u| u[0] == level).count(), 16);
        }
    }

    /// Rejection would accept one point in 10!; the mean of each coordinate on the simplex is 1/11.
    #[test]
    fn hit_and_run_covers_a_thin_polytope() {
        for interior in [true, false] {
            let domain = simplex(10, interior);
            let points = domain.sample(400, &[], 5);
            assert_eq!(points.len(), 400);
            assert!(points.iter().all(|u| domain.contains(u)));
            for k in 0..10 {
                let mean = points.iter().map(|u| u[k]).sum::<f64>() / 400.0;
                assert!((mean - 1.0 / 11.0).abs() < 0.03, "{k}: {mean}");
            }
        }
    }

    /// An equality is two inequalities; random lines leave it at once.
    #[test]
    fn flat_polytopes_are_covered() {
        let mut domain = simplex(4, true);
        domain.constraints.push(LinearConstraint { coefficients: vec![-1.0; 4], bound: -1.0 });
        let points = domain.sample(64, &[], 1);
        assert_eq!(points.len(), 64);
        assert!(points.iter().all(|u| domain.contains(u)));
        for k in 0..4 {
            assert!(points.iter().any(|u| u[k] < 0.05) && points.iter().any(|u| u[k] > 0.5));
        }
    }

    #[test]
    fn mixed_points_stay_on_levels_and_fixed_values() {
        let mut domain = simplex(8, true);
        let levels: Vec<f64> = (0..11).map(|i| f64::from(i) / 10.0).collect();
        for k in 0..4 {
            domain.dimensions[k] = Dimension::Discrete { levels: levels.clone() };
        }
        let points = domain.sample(50, &[(5, 0.4)], 2);
        assert_eq!(points.len(), 50);
        assert!(points.iter().all(|u| domain.contains(u) && u[5] == 0.4));
    }

    #[test]
    fn an_empty_domain_gives_no_point() {
        let mut domain = simplex(3, false);
        domain.constraints[0].bound = -1.0;
        assert!(domain.sample(4, &[], 0).is_empty());
        assert!(simplex(3, true).sample(4, &[(0, 1.5)], 0).is_empty());
    }

    #[test]
    fn samples_repeat_by_seed() {
        let domain = simplex(6, true);
        assert_eq!(domain.sample(20, &[], 4), domain.sample(20, &[], 4));
        assert_ne!(domain.sample(20, &[], 4), domain.sample(20, &[], 5));
    }
}
