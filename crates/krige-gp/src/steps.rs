//! Steps: what a knob of finite resolution, or a table that is looked up, makes of a function.
//!
//! A smooth function has the same value, to the last bit, at no two points that are chosen freely. Where values were measured
//! twice, the function has steps, and what a model of smooth functions expects of the points between is nothing that a
//! measurement will show.

use crate::acquisition::Acquisition;
use crate::kernel::differs;
use crate::observations::same_point;

/// Points further apart than this, times sqrt(d), are on no common step: a symmetric function has equal values at the points of
/// a symmetric design.
const MOST: f64 = 0.25;

/// Fewest different outputs that show whether they are rounded, and the most units that a range of rounded ones has: with more, equal
/// outputs are no coincidence.
const FEW: usize = 4;
const MOST_UNITS: f64 = 300.0;

/// The sizes that steps may have: from the least on, so many in each decade.
const LEAST_SIZE: f64 = 1e-3;
const PER_DECADE: f64 = 10.0;
const SIZES: i32 = 36;

/// How sharply steps may end: from chance along the way to all at about the same distance.
const POWERS: [usize; 3] = [1, 2, 4];

/// The size is found from at most the last so many measurements, each with as many that are nearest to it.
const LAST: usize = 200;
const NEAREST: usize = 64;

/// Where t is larger, exp(-t) is nothing beside 1.
const FAR: f64 = 37.0;

/// How likely a point has a new value, from what was seen of the steps of a function.
///
/// A point at the distance r of a measured one is on another step with the probability `1 - exp(-(r / size)^power)`, and has
/// a new value with the product of these probabilities over all measured points. Size and power are those that best predict which of the
/// measurements had a new value when they were made, each from those before it (the prequential likelihood of Dawid 1984).
///
/// As an acquisition function it is the logarithm of the probability: the expected improvement times this is what a
/// measurement is expected to gain, since what is on a known step gains nothing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Steps {
    points: Vec<Vec<f64>>,
    size: Size,
    /// Shape `[d]`.
    categorical: Vec<bool>,
}

/// How far steps reach, and how sharply they end.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Size {
    size: f64,
    power: usize,
}

impl Size {
    /// Returns (r / size)^power of the distance r.
    fn scaled(&self, r: f64) -> f64 {
        std::iter::repeat_n(r / self.size, self.power).product()
    }

    /// The probability that points at this distance are on different steps.
    fn apart(&self, r: f64) -> f64 {
        let t = self.scaled(r);
        if t < FAR { -(-t).exp_m1() } else { 1.0 }
    }
}

/// A measurement as it was made: the distances to the nearest ones before it, and whether it had the value of one before it.
struct Seen {
    distances: Vec<f64>,
    repeated: bool,
}

impl Steps {
    /// Returns the steps that `measured` shows, points with their outputs in the order in which they were measured, or `None` if no
    /// value was repeated near by. `pending` points have no value yet, but will have one. `categorical` has shape `[d]`; points of other
    /// categories are on no common step.
    ///
    /// The worst value does not count: it may be that of a failure, or the end of a range, and tells nothing of the size of other
    /// steps.
    pub(crate) fn new(
        measured: &[(&Vec<f64>, f64)],
        pending: &[Vec<f64>],
        categorical: &[bool],
    ) -> Option<Self> {
        let x: Vec<Vec<f64>> = measured.iter().map(|(u, _)| (*u).clone()).collect();
        let y: Vec<f64> = measured.iter().map(|(_, y)| *y).collect();
        let worst = y.iter().copied().fold(f64::INFINITY, f64::min);
        let repeated = repeated(&x, &y, categorical);
        if !repeated.iter().zip(&y).any(|(repeated, y)| *repeated && *y > worst) {
            return None;
        }
        let seen: Vec<Seen> = (y.len().saturating_sub(LAST).max(1)..y.len())
            .filter(|&i| y[i] > worst && !x[..i].iter().any(|other| same_point(other, &x[i])))
            .map(|i| {
                let mut distances: Vec<f64> =
                    (0..i).map(|j| distance(&x[i], &x[j], categorical)).collect();
                distances.sort_by(f64::total_cmp);
                distances.truncate(NEAREST);
                let repeated = (0..i).any(|j| y[j] == y[i]);
                Seen { distances, repeated }
            })
            .collect();
        let size = likely_size(&seen);
        let points = x.into_iter().chain(pending.iter().cloned()).collect();
        Some(Self { points, size, categorical: categorical.to_vec() })
    }
}

/// Returns the most likely power, and the median of the sizes under it when all are as likely before.
fn likely_size(seen: &[Seen]) -> Size {
    let size = |i: i32| LEAST_SIZE * 10f64.powf(f64::from(i) / PER_DECADE);
    let fit = |power: usize| {
        let likelihoods: Vec<f64> =
            (0..SIZES).map(|i| log_likelihood(seen, Size { size: size(i), power })).collect();
        let most = likelihoods.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights = likelihoods.iter().map(|value| (value - most).exp());
        let total: f64 = weights.clone().sum();
        let mut below = 0.0;
        let is_below_half = |weight: &f64| {
            below += weight;
            below < 0.5 * total
        };
        let median = weights.take_while(is_below_half).count();
        (most + total.ln(), Size { size: size(median as i32), power })
    };
    let fits = POWERS.map(fit);
    fits.into_iter().reduce(|a, b| if b.0 > a.0 { b } else { a }).expect("there are powers").1
}

/// The logarithm of the probability of what was seen.
fn log_likelihood(seen: &[Seen], size: Size) -> f64 {
    let term = |seen: &Seen| {
        let new: f64 = seen.distances.iter().map(|r| size.apart(*r)).product();
        // The product may come to nothing by rounding.
        if seen.repeated { 1.0 - new } else { new }.max(f64::MIN_POSITIVE).ln()
    };
    seen.iter().map(term).sum()
}

impl Acquisition for Steps {
    fn value(&self, u: &[f64]) -> f64 {
        let apart = |point: &Vec<f64>| self.size.apart(distance(u, point, &self.categorical)).ln();
        self.points.iter().map(apart).sum()
    }

    fn add_gradient(&self, u: &[f64], weight: f64, gradient: &mut [f64]) -> f64 {
        let mut sum = 0.0;
        for point in &self.points {
            let r = distance(u, point, &self.categorical);
            let t = self.size.scaled(r);
            if t >= FAR {
                continue;
            }
            let apart = self.size.apart(r);
            sum += apart.ln();
            // At the point itself there is no gradient.
            if apart > 0.0 {
                let slope = weight * (1.0 - apart) / apart * self.size.power as f64 * t / r;
                for k in (0..u.len()).filter(|&k| !self.categorical[k]) {
                    gradient[k] += slope * ((u[k] - point[k]) / r);
                }
            }
        }
        sum
    }
}

/// Whether outputs are multiples of a unit that is no small part of their range: equal ones are then a matter of rounding.
fn are_rounded(y: &[f64]) -> bool {
    let mut values = y.to_vec();
    values.sort_by(f64::total_cmp);
    let unit = values.windows(2).map(|pair| pair[1] - pair[0]).filter(|gap| *gap > 0.0);
    let Some(unit) = unit.reduce(f64::min) else { return false };
    values.dedup();
    let (first, last) = (values[0], values[values.len() - 1]);
    // The last bits of decimal fractions are not exact.
    let slack = 1e-9 + 4.0 * f64::EPSILON * first.abs().max(last.abs()) / unit;
    let multiple = |y: &f64| ((y - first) / unit - ((y - first) / unit).round()).abs() <= slack;
    let units = (last - first) / unit;
    values.len() >= FEW && units <= MOST_UNITS && slack < 0.1 && values.iter().all(multiple)
}

/// Returns which of the outputs `y` at the points `x`, shape `[n][d]`, were measured at another point too that is nearer than
/// all with other values.
///
/// Further away they say nothing: a symmetric function has equal values at the points of a symmetric design.
pub(crate) fn repeated(x: &[Vec<f64>], y: &[f64], categorical: &[bool]) -> Vec<bool> {
    if are_rounded(y) {
        return vec![false; y.len()];
    }
    let most = MOST * (categorical.len() as f64).sqrt();
    let mut sorted = y.to_vec();
    sorted.sort_by(f64::total_cmp);
    let is_met = |i: usize| {
        let place = sorted.partition_point(|y_j| *y_j < y[i]);
        if sorted.get(place + 1).is_none_or(|next| *next != y[i]) {
            return false;
        }
        let nearest = |same: bool| {
            let others = (0..y.len()).filter(|&j| (y[j] == y[i]) == same);
            let others = others.filter(|&j| !same_point(&x[i], &x[j]));
            others.map(|j| distance(&x[i], &x[j], categorical)).fold(f64::INFINITY, f64::min)
        };
        let same = nearest(true);
        same <= most && same < nearest(false)
    };
    (0..y.len()).map(is_met).collect()
}

/// The Euclidean distance, infinite between points of other categories.
fn distance(u: &[f64], v: &[f64], categorical: &[bool]) -> f64 {
    let term = |(k, categorical): (usize, &bool)| match categorical {
        true if differs(u[k], v[k]) => f64::INFINITY,
        true => 0.0,
        false => (u[k] - v[k]).powi(2),
    };
    categorical.iter().enumerate().map(term).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;

    use super::*;
    use crate::sampling::uniform;

    /// A function of two knobs that move by a sixth.
    fn in_steps(u: &[f64]) -> f64 {
        let at = |u: f64| (6.0 * u).round() / 6.0;
        at(u[0]).sin() + (3.0 * at(u[1]) + at(u[0])).cos()
    }

    /// Uniformly distributed points of the square.
    fn spread(n: usize) -> Vec<Vec<f64>> {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        (0..n).map(|_| vec![uniform(&mut rng), uniform(&mut rng)]).collect()
    }

    fn steps(x: &[Vec<f64>], y: &[f64], categorical: &[bool]) -> Option<Steps> {
        let measured: Vec<(&Vec<f64>, f64)> = x.iter().zip(y.iter().copied()).collect();
        Steps::new(&measured, &[], categorical)
    }

    #[test]
    fn new_values_are_expected_beyond_the_step_of_a_point() {
        let x = spread(40);
        let y: Vec<f64> = x.iter().map(|u| in_steps(u)).collect();
        let found = steps(&x, &y, &[false; 2]).expect("values are repeated");
        let probe: Vec<Vec<f64>> = spread(400).split_off(100);
        let (mut new, mut known) = (Vec::new(), Vec::new());
        for u in &probe {
            let of = if y.contains(&in_steps(u)) { &mut known } else { &mut new };
            of.push(found.value(u).exp());
        }
        let mean = |of: &[f64]| of.iter().sum::<f64>() / of.len() as f64;
        assert!(new.len() > 50 && known.len() > 50);
        assert!(mean(&new) > 0.6 && mean(&known) < 0.35, "{} {}", mean(&new), mean(&known));
        // As many are new as it expects.
        let all: Vec<f64> = probe.iter().map(|u| found.value(u).exp()).collect();
        let share = new.len() as f64 / probe.len() as f64;
        assert!((mean(&all) - share).abs() < 0.1, "{} {share}", mean(&all));
    }

    #[test]
    fn smaller_steps_are_found_to_be_smaller() {
        let size = |scale: f64| {
            let x: Vec<Vec<f64>> =
                spread(40).iter().map(|u| u.iter().map(|u| u * scale).collect()).collect();
            let y: Vec<f64> = spread(40).iter().map(|u| in_steps(u)).collect();
            steps(&x, &y, &[false; 2]).expect("values are repeated").size
        };
        let (one, tenth) = (size(1.0), size(0.1));
        assert_eq!(one.power, tenth.power);
        assert!((one.size / tenth.size / 10.0 - 1.0).abs() < 1e-9);
    }

    #[test]
    fn without_a_repeated_value_that_is_not_the_worst_there_are_none() {
        let x = spread(12);
        let smooth: Vec<f64> = x.iter().map(|u| u[0].sin() + u[1]).collect();
        assert_eq!(steps(&x, &smooth, &[false; 2]), None);
        let ended: Vec<f64> = smooth.iter().map(|y| y.max(1.0)).collect();
        assert!(ended.iter().filter(|y| **y == 1.0).count() > 3);
        assert_eq!(steps(&x, &ended, &[false; 2]), None);
        // Measured twice at one point.
        let (again, mut y) = ([x.clone(), vec![x[3].clone()]].concat(), smooth.clone());
        y.push(smooth[3]);
        assert_eq!(steps(&again, &y, &[false; 2]), None);
    }

    #[test]
    fn gradients_match_central_differences() {
        let x = spread(20);
        let y: Vec<f64> = x.iter().map(|u| in_steps(u)).collect();
        for power in POWERS {
            let size = Size { size: 0.13, power };
            let found = Steps { size, ..steps(&x, &y, &[false; 2]).expect("values are repeated") };
            for u in spread(37).split_off(25) {
                let mut gradient = [0.5, 0.5];
                let value = found.add_gradient(&u, 2.0, &mut gradient);
                assert!((value - found.value(&u)).abs() < 1e-12);
                for k in 0..2 {
                    let (mut up, mut down) = (u.clone(), u.clone());
                    up[k] += 1e-7;
                    down[k] -= 1e-7;
                    let slope = (found.value(&up) - found.value(&down)) / 2e-7;
                    let error = (gradient[k] - 0.5 - 2.0 * slope).abs();
                    assert!(error < 1e-5 * slope.abs().max(1.0), "{power} {slope}");
                }
            }
        }
    }

    #[test]
    fn a_measured_or_pending_point_has_no_new_value_and_one_far_away_has() {
        let x: Vec<Vec<f64>> = [0.10, 0.11, 0.30, 0.35].iter().map(|u| vec![*u]).collect();
        let measured: Vec<(&Vec<f64>, f64)> = x.iter().zip([2.0, 2.0, 1.0, 3.0]).collect();
        let found = Steps::new(&measured, &[vec![0.9]], &[false]).expect("2 is repeated");
        for u in [0.10, 0.35, 0.9] {
            assert_eq!(found.value(&[u]), f64::NEG_INFINITY);
        }
        assert!(found.value(&[0.105]) < 0.5f64.ln() && found.value(&[0.65]) > 0.9f64.ln());
    }

    #[test]
    fn rounded_outputs_are_told_from_steps() {
        let rounded: Vec<f64> = [3.3, 1.05, 2.7, 0.0, 2.75, 2.75].map(|y| y + 100.0).to_vec();
        assert!(are_rounded(&rounded));
        assert!(are_rounded(&[5.0, 7.0, 6.0, 12.0, 7.0]));
        // Finer than what repetition could be a coincidence of; three values; values of their own.
        assert!(!are_rounded(&[0.1, 0.2, 55.3, 97.4, 55.3]));
        assert!(!are_rounded(&[5.0, 7.0, 6.0, 7.0]));
        assert!(!are_rounded(&[0.3, 0.1234, 0.77, 0.9, 0.77]));
        assert!(!are_rounded(&[]) && !are_rounded(&[1.0; 5]));
        assert!(!are_rounded(&[1e300, -1e300, 0.0, 1e-300, 7.0]));
        let x: Vec<Vec<f64>> = (0..5).map(|i| vec![0.1 * f64::from(i)]).collect();
        let y = [5.0, 7.0, 7.0, 12.0, 6.0];
        assert_eq!(repeated(&x, &y, &[false]), [false; 5]);
        assert_eq!(steps(&x, &[5.0, 9.0, 9.0, 8.0, 6.0], &[false]), None);
    }

    #[test]
    fn values_are_repeated_at_other_points_near_by() {
        let points = [0.1, 0.2, 0.9, 0.5, 0.5, 0.3, 0.32, 0.35];
        let x: Vec<Vec<f64>> = points.iter().map(|u| vec![*u]).collect();
        let y = [1.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.1234, 3.0];
        let expected = [true, false, false, false, false, false, false, false];
        assert_eq!(repeated(&x, &y, &[false]), expected);
        assert_eq!(repeated(&[], &[], &[false]), []);
    }

    #[test]
    fn categories_have_their_own() {
        let mixed = [false, true];
        let x = [[0.1, 0.0], [0.2, 1.0], [0.4, 1.0]].map(Vec::from);
        assert_eq!(steps(&x, &[2.0, 2.0, 1.0], &mixed), None);
        let x = [[0.1, 0.0], [0.13, 0.0], [0.4, 1.0]].map(Vec::from);
        let found = steps(&x, &[2.0, 2.0, 1.0], &mixed).expect("2 is repeated");
        assert!(found.value(&[0.11, 0.0]) < 0.5f64.ln());
        assert!((found.value(&[0.11, 1.0]) - found.value(&[0.69, 1.0])).abs() < 1e-12);
        let mut gradient = [0.0; 2];
        found.add_gradient(&[0.11, 0.0], 1.0, &mut gradient);
        assert!(gradient[0] != 0.0 && gradient[1] == 0.0);
    }
}
