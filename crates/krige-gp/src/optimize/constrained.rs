//! Local maximization where constraints hold, by sequential least squares (Kraft 1988): the `slsqp` crate, which has it from NLopt.
//! (argmin 0.11 has no constraints.)
//!
//! It follows constraints that bend to the last digits. A penalty for breaking them would have to be so steep that no climb of the
//! sum gets along beside them.

use std::cell::RefCell;

use slsqp::{Func, StopTols, minimize};

use super::multistart::Search;
use crate::acquisition::Acquisition;
use crate::domain::LinearConstraint;

const MAX_EVALUATIONS: usize = 100;

/// The search ends where no coordinate moves by more than this, in lengthscales.
const STEP_TOLERANCE: f64 = 1e-12;

/// By how much a constraint may be exceeded, for rounding.
const TOLERANCE: f64 = 1e-11;

/// By how much a point exceeds a linear constraint.
struct Excess<'a>(&'a LinearConstraint);

impl Acquisition for Excess<'_> {
    fn value(&self, u: &[f64]) -> f64 {
        let Self(LinearConstraint { coefficients, bound }) = self;
        coefficients.iter().zip(u).map(|(a, u)| a * u).sum::<f64>() - bound
    }

    fn add_gradient(&self, u: &[f64], weight: f64, gradient: &mut [f64]) -> f64 {
        gradient.iter_mut().zip(&self.0.coefficients).for_each(|(g, a)| *g += weight * a);
        self.value(u)
    }
}

/// The coordinates that are moved, in units of their lengthscales: in these everything is about equally curved in all directions.
struct Moved<'a> {
    start: &'a [f64],
    which: Vec<usize>,
    scale: Vec<f64>,
}

impl Moved<'_> {
    /// The point of the cube.
    fn point(&self, w: &[f64]) -> Vec<f64> {
        let mut u = self.start.to_vec();
        for ((&k, w), s) in self.which.iter().zip(w).zip(&self.scale) {
            u[k] = (w * s).clamp(0.0, 1.0);
        }
        u
    }

    /// A function times a weight, with the gradient if one is asked for.
    fn times(
        &self,
        weight: f64,
        f: &dyn Acquisition,
        w: &[f64],
        gradient: Option<&mut [f64]>,
    ) -> f64 {
        let u = self.point(w);
        let Some(gradient) = gradient else { return weight * f.value(&u) };
        let mut slopes = vec![0.0; u.len()];
        let value = f.add_gradient(&u, weight, &mut slopes);
        for ((&k, g), s) in self.which.iter().zip(gradient).zip(&self.scale) {
            *g = slopes[k] * s;
        }
        weight * value
    }
}

impl Search<'_> {
    /// Returns the point near `start`, shape `[d]`, where `objective` is largest while each of `at_most_0` is at most 0; nothing, if
    /// none was found. Coordinates with levels stay where they are.
    pub(crate) fn climb_within(
        &self,
        start: &[f64],
        objective: &dyn Acquisition,
        at_most_0: &[impl Acquisition],
    ) -> Option<Vec<f64>> {
        let is_moved = |k: &usize| self.is_free(*k) && self.levels(*k).is_none();
        let which: Vec<usize> = (0..start.len()).filter(is_moved).collect();
        if which.is_empty() {
            return None;
        }
        let scale = which.iter().map(|&k| self.lengthscales[k].clamp(0.01, 1.0)).collect();
        let moved = &Moved { start, which, scale };
        let from: Vec<f64> =
            moved.which.iter().zip(&moved.scale).map(|(&k, s)| start[k] / s).collect();
        let sides: Vec<(f64, f64)> = moved.scale.iter().map(|s| (0.0, 1.0 / s)).collect();
        let linear: Vec<Excess<'_>> = self.domain.constraints.iter().map(Excess).collect();
        let linear = linear.iter().map(|excess| excess as &dyn Acquisition);
        let bounded = at_most_0.iter().map(|f| f as &dyn Acquisition).chain(linear).map(|f| {
            move |w: &[f64], g: Option<&mut [f64]>, (): &mut ()| moved.times(1.0, f, w, g)
        });
        let bounded: Vec<_> = bounded.collect();
        let bounded: Vec<&dyn Func<()>> = bounded.iter().map(|f| f as &dyn Func<()>).collect();
        let iterate = RefCell::new(from.clone());
        let negated = |w: &[f64], gradient: Option<&mut [f64]>, (): &mut ()| {
            if gradient.is_some() {
                *iterate.borrow_mut() = w.to_vec();
            }
            moved.times(-1.0, objective, w, gradient)
        };
        let until = StopTols { xtol_abs: vec![STEP_TOLERANCE; from.len()], ..StopTols::default() };
        // Whether it says that it converged or not: it gives the best of the points that keep to the letter of the constraints,
        // but comes from outside of them as often as from inside.
        let (Ok((_, inside, _)) | Err((_, inside, _))) =
            minimize(negated, &from, &sides, &bounded, (), MAX_EVALUATIONS, Some(until));
        let keeps = |u: &Vec<f64>| at_most_0.iter().all(|f| f.value(u) <= TOLERANCE);
        let ends = [iterate.into_inner(), inside].map(|w| moved.point(&w));
        let ends = ends.into_iter().filter(|u| self.domain.contains(u) && keeps(u));
        ends.max_by(|a, b| objective.value(a).total_cmp(&objective.value(b)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Dimension, Domain};
    use crate::problem::Effort;

    /// The sum of the coordinates.
    struct Sum;

    impl Acquisition for Sum {
        fn value(&self, u: &[f64]) -> f64 {
            u.iter().sum()
        }

        fn add_gradient(&self, u: &[f64], weight: f64, gradient: &mut [f64]) -> f64 {
            gradient.iter_mut().for_each(|g| *g += weight);
            self.value(u)
        }
    }

    /// By how much a point is outside of a ball, in units of its squared radius.
    struct Outside {
        centre: f64,
        radius: f64,
    }

    impl Acquisition for Outside {
        fn value(&self, u: &[f64]) -> f64 {
            u.iter().map(|u| ((u - self.centre) / self.radius).powi(2)).sum::<f64>() - 1.0
        }

        fn add_gradient(&self, u: &[f64], weight: f64, gradient: &mut [f64]) -> f64 {
            let slope = |u: &f64| 2.0 * (u - self.centre) / self.radius.powi(2);
            gradient.iter_mut().zip(u).for_each(|(g, u)| *g += weight * slope(u));
            self.value(u)
        }
    }

    /// Climbs from (0.3, 0.25, 0.3), and is told where to.
    #[track_caller]
    fn check(domain: &Domain, fixed: &[(usize, f64)], bounds: &[Outside], expected: [f64; 3]) {
        let search = Search {
            domain,
            fixed,
            refused: &[],
            incumbents: &[],
            lengthscales: &[0.2, 0.5, 7.0],
            seed: 0,
            effort: Effort::Fast,
        };
        let found = search.climb_within(&[0.3, 0.25, 0.3], &Sum, bounds).unwrap();
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-8, "{found} {expected}");
        }
        assert!(bounds.iter().all(|bound| bound.value(&found) < 1e-10));
    }

    fn cube() -> Domain {
        Domain { dimensions: vec![Dimension::Continuous; 3], ..Domain::default() }
    }

    fn ball() -> Outside {
        Outside { centre: 0.3, radius: 0.2 }
    }

    #[test]
    fn maxima_in_a_ball() {
        check(&cube(), &[], &[ball()], [0.3 + 0.2 / 3f64.sqrt(); 3]);
        check(&cube(), &[], &[], [1.0; 3]);
        // Another ball, which allows no more than the first one and touches it on the diagonal from inside.
        let around = Outside { centre: 0.2, radius: 0.2 + 0.1 * 3f64.sqrt() };
        check(&cube(), &[], &[ball(), around], [0.3 + 0.2 / 3f64.sqrt(); 3]);
    }

    #[test]
    fn maxima_beside_linear_constraints() {
        let coefficients = vec![1.0, 0.0, 1.0];
        let constraints = vec![LinearConstraint { coefficients, bound: 0.5 }];
        let domain = Domain { constraints, ..cube() };
        check(&domain, &[], &[ball()], [0.25, 0.3 + (0.04f64 - 2.0 * 0.0025).sqrt(), 0.25]);
        check(&domain, &[(0, 0.3)], &[], [0.3, 1.0, 0.2]);
    }

    #[test]
    fn what_is_held_or_has_levels_stays() {
        let held = 0.3 + ((0.04f64 - 0.0025) / 2.0).sqrt();
        check(&cube(), &[(1, 0.25)], &[ball()], [held, 0.25, held]);
        let mut domain = cube();
        domain.dimensions[0] = Dimension::Discrete { levels: vec![0.0, 0.3, 1.0] };
        let free = 0.3 + 0.2 / 2f64.sqrt();
        check(&domain, &[], &[ball()], [0.3, free, free]);
    }
}
