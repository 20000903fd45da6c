//! Plateaus: what a knob of finite resolution, or a table that is looked up, makes of a function.
//!
//! A smooth function has the same value, to the last bit, at no two points that are chosen freely. Where the best value was
//! measured twice, the function is a step there, and what a model of smooth functions expects of the points between is
//! nothing that a measurement will show.

use crate::acquisition::Acquisition;
use crate::kernel::differs;
use crate::observations::same_point;

/// A ball has at least and at most these radii, times sqrt(d): the second is also how far apart two points of a plateau are at
/// most.
const LEAST: f64 = 0.05;
const MOST: f64 = 0.25;

/// What a further point of the same plateau makes of the balls around the others.
const GROWTH: f64 = 2.0;

/// Fewest different outputs that show whether they are rounded, and the most units that a range of rounded ones has: with more, equal
/// outputs are no coincidence.
const FEW: usize = 4;
const MOST_UNITS: f64 = 300.0;

/// Balls in which the objective is taken to be flat. As an acquisition function it is 0 outside, and minus infinity inside.
///
/// There is one around each point of the plateau. Its radius is the distance to the nearest other one, doubled for each
/// further one, so that a large plateau is left after a few steps; but it ends at the nearest point with another value, which
/// keeps outputs that were rounded, equal along a slope, from being taken for a plateau.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plateau {
    balls: Vec<(Vec<f64>, f64)>,
    /// Shape `[d]`.
    categorical: Vec<bool>,
}

impl Plateau {
    /// Returns the plateau of the best of `measured`, points with their outputs, or `None` if it is none. `categorical` has
    /// shape `[d]`; points of other categories are on no common plateau.
    pub(crate) fn of_best(measured: &[(&Vec<f64>, f64)], categorical: &[bool]) -> Option<Self> {
        let values: Vec<f64> = measured.iter().map(|(_, y)| *y).collect();
        if are_rounded(&values) {
            return None;
        }
        let best = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut on: Vec<&Vec<f64>> = Vec::new();
        for (u, y) in measured {
            if *y == best && !on.iter().any(|other| same_point(other, u)) {
                on.push(u);
            }
        }
        let off = || measured.iter().filter(|(_, y)| *y != best).map(|(u, _)| *u);
        let scale = (categorical.len() as f64).sqrt();
        let ball = |u: &Vec<f64>| {
            let distances = on.iter().filter(|other| **other != u);
            let near: Vec<f64> = distances
                .map(|other| distance(u, other, categorical))
                .filter(|distance| *distance <= MOST * scale)
                .collect();
            let further = i32::try_from(near.len()).ok()?.checked_sub(1).filter(|f| *f >= 0)?;
            let nearest = near.into_iter().fold(f64::INFINITY, f64::min);
            let grown = nearest.max(LEAST * scale) * GROWTH.powi(further);
            let end = off().map(|other| distance(u, other, categorical));
            Some((u.clone(), end.fold(grown.min(MOST * scale), f64::min)))
        };
        let balls: Vec<(Vec<f64>, f64)> = on.iter().filter_map(|u| ball(u)).collect();
        (!balls.is_empty()).then(|| Self { balls, categorical: categorical.to_vec() })
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

impl Acquisition for Plateau {
    fn value(&self, u: &[f64]) -> f64 {
        // A point at the end of a ball is outside, rounding or not: a grid's next point may lie just there.
        let inside = |(centre, radius): &(Vec<f64>, f64)| {
            distance(u, centre, &self.categorical) < radius * (1.0 - 1e-9)
        };
        if self.balls.iter().any(inside) { f64::NEG_INFINITY } else { 0.0 }
    }

    fn add_gradient(&self, u: &[f64], _weight: f64, _gradient: &mut [f64]) -> f64 {
        self.value(u)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plateau(points: &[(&[f64], f64)], categorical: &[bool]) -> Option<Plateau> {
        let points: Vec<(Vec<f64>, f64)> = points.iter().map(|(u, y)| (u.to_vec(), *y)).collect();
        let measured: Vec<(&Vec<f64>, f64)> = points.iter().map(|(u, y)| (u, *y)).collect();
        Plateau::of_best(&measured, categorical)
    }

    fn radii(plateau: Option<Plateau>) -> Vec<f64> {
        plateau.map_or_else(Vec::new, |plateau| plateau.balls.into_iter().map(|(_, r)| r).collect())
    }

    fn close(found: &[f64], expected: &[f64]) -> bool {
        found.len() == expected.len()
            && found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12)
    }

    #[test]
    fn only_the_best_value_makes_one_and_only_at_two_points_near_each_other() {
        let one = [false];
        assert_eq!(plateau(&[(&[0.1], 1.0), (&[0.2], 0.5), (&[0.3], 0.5)], &one), None);
        assert_eq!(plateau(&[(&[0.1], 1.0), (&[0.1], 1.0)], &one), None);
        assert_eq!(plateau(&[(&[0.1], 1.0), (&[0.4], 1.0)], &one), None);
        assert!(close(&radii(plateau(&[(&[0.1], 1.0), (&[0.2], 1.0)], &one)), &[0.1, 0.1]));
        assert!(close(&radii(plateau(&[(&[0.1], 1.0), (&[0.101], 1.0)], &one)), &[0.05, 0.05]));
    }

    #[test]
    fn balls_grow_with_each_point_until_another_value_ends_them() {
        let on: [(&[f64], f64); 3] = [(&[0.30], 1.0), (&[0.36], 1.0), (&[0.42], 1.0)];
        assert!(close(&radii(plateau(&on, &[false])), &[0.12, 0.12, 0.12]));
        let mut all = on.to_vec();
        all.push((&[0.50], 0.9));
        assert!(close(&radii(plateau(&all, &[false])), &[0.12, 0.12, 0.08]));
        let found = plateau(&all, &[false]).unwrap();
        for (u, inside) in [(0.17, false), (0.19, true), (0.45, true), (0.50, false)] {
            assert_eq!(found.value(&[u]) == f64::NEG_INFINITY, inside, "{u}");
        }
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
        let points: Vec<(&[f64], f64)> =
            x.iter().map(Vec::as_slice).zip([5.0, 9.0, 9.0, 8.0, 6.0]).collect();
        assert_eq!(plateau(&points, &[false]), None);
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
        assert_eq!(plateau(&[(&[0.1, 0.0], 1.0), (&[0.2, 1.0], 1.0)], &mixed), None);
        let points: [(&[f64], f64); 3] =
            [(&[0.1, 0.0], 1.0), (&[0.2, 0.0], 1.0), (&[0.2, 1.0], 1.0)];
        let found = plateau(&points, &mixed).unwrap();
        assert_eq!(found.balls.len(), 2);
        assert_eq!(found.value(&[0.15, 0.0]), f64::NEG_INFINITY);
        assert_eq!(found.value(&[0.15, 1.0]), 0.0);
    }
}
