//! Minimization over a polytope by spectral projected gradients (Birgin, Martinez and Raydan 2000, SPG2).

use super::{Minimum, Status};
use crate::linalg::dot;
use crate::polytope::Polytope;

/// How many past values the non-monotone line search may fall back to.
const HISTORY: usize = 10;
const ARMIJO: f64 = 1e-4;

/// A minimizer over a box cut by half-spaces.
#[derive(Debug, Clone)]
pub struct SpectralProjectedGradient<'a> {
    /// Where the minimum is looked for.
    pub polytope: &'a Polytope,
    /// Iterations at most.
    pub max_iterations: usize,
    /// Stops when a projected unit gradient step moves no coordinate further.
    pub gradient_tolerance: f64,
}

impl SpectralProjectedGradient<'_> {
    /// Minimizes from `start`, shape `[d]`, which is first projected; `None` when the polytope is empty.
    ///
    /// `f` returns the value at its first argument and writes the gradient to its second, both shape `[d]`.
    pub fn minimize(
        &self,
        start: &[f64],
        mut f: impl FnMut(&[f64], &mut [f64]) -> f64,
    ) -> Option<Minimum> {
        let mut x = self.polytope.project(start)?;
        let d = x.len();
        let mut gradient = vec![0.0; d];
        let mut value = f(&x, &mut gradient);
        let mut evaluations = 1;
        if !value.is_finite() {
            return Some(Minimum { x, value, evaluations, status: Status::NonFiniteStart });
        }
        let mut best = (x.clone(), value);
        let mut history = vec![value];
        let mut step_length = 1.0 / gradient.iter().fold(1e-10, |m: f64, g| m.max(g.abs()));
        let mut status = Status::MaxIterations;
        for _ in 0..self.max_iterations {
            let Some(direction) = self.direction(&x, &gradient, step_length) else {
                status = Status::LineSearchFailed;
                break;
            };
            let unit = self.direction(&x, &gradient, 1.0)?;
            if unit.iter().all(|v| v.abs() <= self.gradient_tolerance) {
                status = Status::GradientTolerance;
                break;
            }
            let slope = dot(&direction, &gradient);
            let reference = history.iter().rev().take(HISTORY).copied().fold(f64::MIN, f64::max);
            let mut t = 1.0;
            let mut trial_gradient = vec![0.0; d];
            let accepted = (0..30).find_map(|_| {
                // A convex combination of two points of the polytope stays inside of it.
                let trial: Vec<f64> = x.iter().zip(&direction).map(|(x, v)| x + t * v).collect();
                let trial_value = f(&trial, &mut trial_gradient);
                evaluations += 1;
                if trial_value <= reference + ARMIJO * t * slope {
                    return Some((trial, trial_value));
                }
                let parabola = -0.5 * t * t * slope / (trial_value - value - t * slope);
                t = if parabola > 0.1 * t && parabola < 0.9 * t { parabola } else { 0.5 * t };
                None
            });
            let Some((trial, trial_value)) = accepted else {
                status = Status::LineSearchFailed;
                break;
            };
            let moved: Vec<f64> = trial.iter().zip(&x).map(|(a, b)| a - b).collect();
            let change: Vec<f64> =
                trial_gradient.iter().zip(&gradient).map(|(a, b)| a - b).collect();
            let curvature = dot(&moved, &change);
            step_length = if curvature > 0.0 {
                (dot(&moved, &moved) / curvature).clamp(1e-10, 1e10)
            } else {
                1e10f64.min(10.0 * step_length)
            };
            x = trial;
            value = trial_value;
            gradient = trial_gradient;
            history.push(value);
            if value < best.1 {
                best = (x.clone(), value);
            }
        }
        let (x, value) = best;
        Some(Minimum { x, value, evaluations, status })
    }

    fn direction(&self, x: &[f64], gradient: &[f64], step: f64) -> Option<Vec<f64>> {
        let target: Vec<f64> = x.iter().zip(gradient).map(|(x, g)| x - step * g).collect();
        let projected = self.polytope.project(&target)?;
        Some(projected.iter().zip(x).map(|(p, x)| p - x).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quadratic(centre: [f64; 2]) -> impl FnMut(&[f64], &mut [f64]) -> f64 {
        move |x, gradient| {
            let (a, b) = (x[0] - centre[0], x[1] - centre[1]);
            gradient[0] = 2.0 * a;
            gradient[1] = 20.0 * b;
            a * a + 10.0 * b * b
        }
    }

    fn triangle() -> Polytope {
        Polytope {
            lower: vec![0.0; 2],
            upper: vec![1.0; 2],
            coefficients: vec![vec![1.0, 1.0]],
            bounds: vec![1.0],
        }
    }

    #[track_caller]
    fn check(centre: [f64; 2], expected: [f64; 2]) {
        let polytope = triangle();
        let solver = SpectralProjectedGradient {
            polytope: &polytope,
            max_iterations: 200,
            gradient_tolerance: 1e-9,
        };
        let found = solver.minimize(&[0.1, 0.8], quadratic(centre)).unwrap();
        assert!(polytope.violation(&found.x) <= 1e-9);
        for (x, e) in found.x.iter().zip(expected) {
            assert!((x - e).abs() < 1e-6, "{found:?}");
        }
    }

    /// On x + y = 1 the minimum of (x - 1)^2 + 10 (y - 1)^2 has x - 1 = 10 (y - 1), so y = 10 / 11.
    #[test]
    fn quadratics_over_a_triangle() {
        check([0.2, 0.3], [0.2, 0.3]);
        check([1.0, 1.0], [1.0 / 11.0, 10.0 / 11.0]);
        check([0.5, -0.5], [0.5, 0.0]);
        check([3.0, 0.0], [1.0, 0.0]);
    }

    #[test]
    fn rosenbrock_on_a_constraint() {
        // With x + y <= 1 the minimum of Rosenbrock lies on the line, where 1-D calculus finds it:
        // minimize 100 (1 - x - x^2)^2 + (1 - x)^2.
        let rosenbrock = |x: &[f64], gradient: &mut [f64]| {
            let (a, b) = (x[1] - x[0] * x[0], 1.0 - x[0]);
            gradient[0] = -400.0 * a * x[0] - 2.0 * b;
            gradient[1] = 200.0 * a;
            100.0 * a * a + b * b
        };
        let polytope = triangle();
        let solver = SpectralProjectedGradient {
            polytope: &polytope,
            max_iterations: 2000,
            gradient_tolerance: 1e-8,
        };
        let found = solver.minimize(&[0.1, 0.1], rosenbrock).unwrap();
        let on_line = |x: f64| 100.0 * (1.0 - x - x * x).powi(2) + (1.0 - x).powi(2);
        let best = (0..=1_000_000).map(|i| on_line(f64::from(i) * 1e-6)).fold(f64::MAX, f64::min);
        assert!((found.value - best).abs() < 1e-7, "{found:?} {best}");
    }
}
