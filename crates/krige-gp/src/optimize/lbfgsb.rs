//! Limited-memory quasi-Newton minimization within bounds.
//!
//! A projected L-BFGS: coordinates at a bound whose gradient points outward are held, the two-loop recursion
//! (Nocedal and Wright 2006, algorithm 7.4) runs on the others, and a weak-Wolfe line search (Lewis and
//! Overton 2013) follows the path that is bent along the box.
//!
//! [`LbfgsB::minimize`] takes one callback for value and gradient. The same solver is an
//! [`argmin::core::Solver`], for use with argmin's executor, observers and termination: argmin 0.11 has no
//! bounds of its own, its transformations to an unbounded problem fail where the optimum is on a bound.

use std::collections::VecDeque;

use argmin::core::{
    CostFunction, Error, Gradient, IterState, KV, Problem, Solver, State, TerminationReason,
    TerminationStatus,
};

use super::{Minimum, Status};
use crate::linalg::dot;

/// Sufficient decrease and curvature of the line search.
const ARMIJO: f64 = 1e-4;
const WOLFE: f64 = 0.9;
const MAX_LINE_SEARCH: usize = 25;

/// A bound-constrained minimizer.
#[derive(Debug, Clone)]
pub struct LbfgsB {
    /// Lower bounds, shape `[d]`; may be -inf.
    pub lower: Vec<f64>,
    /// Upper bounds, shape `[d]`; may be +inf.
    pub upper: Vec<f64>,
    /// How many steps the curvature is estimated from.
    pub memory: usize,
    /// Iterations at most.
    pub max_iterations: usize,
    /// Stops when no component of the projected gradient is larger.
    pub gradient_tolerance: f64,
    /// Stops when a step lowers the value by less than this, relative to the larger of its size and 1.
    pub value_tolerance: f64,
    iterate: Option<Iterate>,
}

#[derive(Debug, Clone)]
struct Iterate {
    x: Vec<f64>,
    value: f64,
    gradient: Vec<f64>,
    /// Steps and changes of the gradient, oldest first.
    pairs: VecDeque<(Vec<f64>, Vec<f64>)>,
    evaluations: usize,
}

impl LbfgsB {
    /// Makes a minimizer over the box between `lower` and `upper`, shape `[d]`, with a memory of 10,
    /// 200 iterations and tolerances 1e-5 (gradient) and 1e-9 (value).
    pub fn new(lower: Vec<f64>, upper: Vec<f64>) -> Self {
        Self {
            lower,
            upper,
            memory: 10,
            max_iterations: 200,
            gradient_tolerance: 1e-5,
            value_tolerance: 1e-9,
            iterate: None,
        }
    }

    /// Minimizes from `start`, shape `[d]`, which is first moved into the box.
    ///
    /// `f` returns the value at its first argument and writes the gradient to its second, both shape `[d]`.
    /// A value that is not finite is taken as a wall that the line search steps back from.
    pub fn minimize(&self, start: &[f64], mut f: impl FnMut(&[f64], &mut [f64]) -> f64) -> Minimum {
        let mut iterate = self.begin(start, &mut f);
        let status = if iterate.value.is_finite() {
            (0..self.max_iterations)
                .find_map(|_| self.advance(&mut iterate, &mut f))
                .unwrap_or(Status::MaxIterations)
        } else {
            Status::NonFiniteStart
        };
        let Iterate { x, value, evaluations, .. } = iterate;
        Minimum { x, value, evaluations, status }
    }

    fn clip(&self, k: usize, value: f64) -> f64 {
        value.max(self.lower[k]).min(self.upper[k])
    }

    fn begin(&self, start: &[f64], f: &mut dyn FnMut(&[f64], &mut [f64]) -> f64) -> Iterate {
        let x: Vec<f64> = start.iter().enumerate().map(|(k, v)| self.clip(k, *v)).collect();
        let mut gradient = vec![0.0; x.len()];
        let value = f(&x, &mut gradient);
        Iterate { x, value, gradient, pairs: VecDeque::new(), evaluations: 1 }
    }

    /// Whether coordinate `k` cannot move downhill.
    fn held(&self, k: usize, x: f64, gradient: f64) -> bool {
        (x <= self.lower[k] && gradient >= 0.0) || (x >= self.upper[k] && gradient <= 0.0)
    }

    /// Takes one step; returns why to stop, if so.
    fn advance(
        &self,
        iterate: &mut Iterate,
        f: &mut dyn FnMut(&[f64], &mut [f64]) -> f64,
    ) -> Option<Status> {
        let d = iterate.x.len();
        let free: Vec<bool> =
            (0..d).map(|k| !self.held(k, iterate.x[k], iterate.gradient[k])).collect();
        let steepest = (0..d)
            .filter(|&k| free[k])
            .map(|k| {
                let step = self.clip(k, iterate.x[k] - iterate.gradient[k]) - iterate.x[k];
                step.abs()
            })
            .fold(0.0, f64::max);
        if steepest <= self.gradient_tolerance {
            return Some(Status::GradientTolerance);
        }
        let mut direction = quasi_newton(iterate, &free);
        let slope = dot(&direction, &iterate.gradient);
        let size =
            dot(&direction, &direction).sqrt() * dot(&iterate.gradient, &iterate.gradient).sqrt();
        let mut first = 1.0;
        if iterate.pairs.is_empty() || slope.is_nan() || slope >= -1e-12 * size {
            iterate.pairs.clear();
            for k in 0..d {
                direction[k] = if free[k] { -iterate.gradient[k] } else { 0.0 };
            }
            first = (1.0 / dot(&direction, &direction).sqrt()).min(1.0);
        }
        let before = iterate.value;
        if !self.line_search(iterate, &direction, first, f) {
            if iterate.pairs.is_empty() {
                return Some(Status::LineSearchFailed);
            }
            // The curvature was misleading; the next iteration starts over with the gradient.
            iterate.pairs.clear();
            return None;
        }
        let decrease = before - iterate.value;
        (decrease <= self.value_tolerance * iterate.value.abs().max(1.0))
            .then_some(Status::ValueTolerance)
    }

    /// Moves the iterate along the bent path to a point that satisfies the weak Wolfe conditions, or to
    /// the best one with sufficient decrease; returns whether there was any.
    fn line_search(
        &self,
        iterate: &mut Iterate,
        direction: &[f64],
        first: f64,
        f: &mut dyn FnMut(&[f64], &mut [f64]) -> f64,
    ) -> bool {
        let d = direction.len();
        let slope = dot(direction, &iterate.gradient);
        // Beyond the last bound that the path meets, nothing changes.
        let last = (0..d)
            .filter(|&k| direction[k] != 0.0)
            .map(|k| {
                let bound = if direction[k] > 0.0 { self.upper[k] } else { self.lower[k] };
                (bound - iterate.x[k]) / direction[k]
            })
            .fold(0.0, f64::max);
        let (mut low, mut high) = (0.0, f64::INFINITY);
        let mut t = f64::min(first, last);
        let mut best: Option<(Vec<f64>, f64, Vec<f64>)> = None;
        let mut gradient = vec![0.0; d];
        for _ in 0..MAX_LINE_SEARCH {
            let x: Vec<f64> =
                (0..d).map(|k| self.clip(k, iterate.x[k] + t * direction[k])).collect();
            let value = f(&x, &mut gradient);
            iterate.evaluations += 1;
            let progress: f64 = (0..d).map(|k| iterate.gradient[k] * (x[k] - iterate.x[k])).sum();
            let finite = value.is_finite() && gradient.iter().all(|g| g.is_finite());
            if !finite || value > iterate.value + ARMIJO * progress {
                high = t;
                // The parabola through value and slope at the start and the value here.
                let curvature = value - iterate.value - slope * t;
                let parabola = -0.5 * slope * t * t / curvature;
                t = if low == 0.0 && finite && curvature > 0.0 {
                    parabola.clamp(0.1 * t, 0.5 * t)
                } else {
                    low + 0.5 * (high - low)
                };
            } else {
                let ahead: f64 = (0..d)
                    .filter(|&k| x[k] == iterate.x[k] + t * direction[k])
                    .map(|k| gradient[k] * direction[k])
                    .sum();
                let improves = best.as_ref().is_none_or(|(_, best, _)| value < *best);
                if improves {
                    best = Some((x, value, gradient.clone()));
                }
                if ahead >= WOLFE * slope || t >= last {
                    break;
                }
                low = t;
                t = if high.is_finite() { low + 0.5 * (high - low) } else { (4.0 * t).min(last) };
            }
            if high - low <= 1e-14 * high {
                break;
            }
        }
        let Some((x, value, gradient)) = best else {
            return false;
        };
        let step: Vec<f64> = x.iter().zip(&iterate.x).map(|(a, b)| a - b).collect();
        let change: Vec<f64> = gradient.iter().zip(&iterate.gradient).map(|(a, b)| a - b).collect();
        if dot(&step, &change) > 1e-14 * dot(&change, &change) {
            iterate.pairs.push_back((step, change));
            if iterate.pairs.len() > self.memory {
                iterate.pairs.pop_front();
            }
        }
        iterate.x = x;
        iterate.value = value;
        iterate.gradient = gradient;
        true
    }
}

/// The two-loop recursion on the free coordinates; the others stay 0.
fn quasi_newton(iterate: &Iterate, free: &[bool]) -> Vec<f64> {
    let inner = |a: &[f64], b: &[f64]| -> f64 {
        (0..free.len()).filter(|&k| free[k]).map(|k| a[k] * b[k]).sum()
    };
    let mut q: Vec<f64> =
        (0..free.len()).map(|k| if free[k] { -iterate.gradient[k] } else { 0.0 }).collect();
    let mut used = Vec::with_capacity(iterate.pairs.len());
    for (step, change) in iterate.pairs.iter().rev() {
        let curvature = inner(step, change);
        // A pair can lose its positive curvature when only the free coordinates count.
        if curvature > 1e-12 * inner(change, change) {
            let a = inner(step, &q) / curvature;
            for k in (0..q.len()).filter(|&k| free[k]) {
                q[k] -= a * change[k];
            }
            used.push((step, change, curvature, a));
        }
    }
    if let Some((_, change, curvature, _)) = used.first() {
        let scale = curvature / inner(change, change);
        q.iter_mut().for_each(|q| *q *= scale);
    }
    for (step, change, curvature, a) in used.iter().rev() {
        let b = inner(change, &q) / curvature;
        for k in (0..q.len()).filter(|&k| free[k]) {
            q[k] += (a - b) * step[k];
        }
    }
    q
}

/// The state that argmin keeps for this solver.
type ArgminState = IterState<Vec<f64>, Vec<f64>, (), (), (), f64>;

impl<O> Solver<O, ArgminState> for LbfgsB
where
    O: CostFunction<Param = Vec<f64>, Output = f64>
        + Gradient<Param = Vec<f64>, Gradient = Vec<f64>>,
{
    fn name(&self) -> &str {
        "L-BFGS-B"
    }

    fn init(
        &mut self,
        problem: &mut Problem<O>,
        mut state: ArgminState,
    ) -> Result<(ArgminState, Option<KV>), Error> {
        let start = state.take_param().ok_or(MissingStart)?;
        let iterate = evaluate_fallibly(problem, |f| self.begin(&start, f))?;
        let state = state.param(iterate.x.clone()).cost(iterate.value);
        self.iterate = Some(iterate);
        Ok((state, None))
    }

    fn next_iter(
        &mut self,
        problem: &mut Problem<O>,
        state: ArgminState,
    ) -> Result<(ArgminState, Option<KV>), Error> {
        let mut iterate = self.iterate.take().ok_or(MissingStart)?;
        let stop = if iterate.value.is_finite() {
            evaluate_fallibly(problem, |f| self.advance(&mut iterate, f))?
        } else {
            Some(Status::NonFiniteStart)
        };
        let mut state =
            state.param(iterate.x.clone()).cost(iterate.value).gradient(iterate.gradient.clone());
        self.iterate = Some(iterate);
        let reason = match stop {
            None => return Ok((state, None)),
            Some(Status::GradientTolerance | Status::ValueTolerance) => {
                TerminationReason::SolverConverged
            }
            Some(Status::MaxIterations) => TerminationReason::MaxItersReached,
            Some(Status::LineSearchFailed) => {
                TerminationReason::SolverExit("no step improves the value".to_owned())
            }
            Some(Status::NonFiniteStart) => {
                TerminationReason::SolverExit("the value at the start is not finite".to_owned())
            }
        };
        state = state.terminate_with(reason);
        Ok((state, None))
    }

    fn terminate(&mut self, state: &ArgminState) -> TerminationStatus {
        if state.get_iter() >= self.max_iterations as u64 {
            TerminationStatus::Terminated(TerminationReason::MaxItersReached)
        } else {
            TerminationStatus::NotTerminated
        }
    }
}

/// The executor was not given a starting point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a starting point, found none; set one with `configure(|state| state.param(x))`")]
pub struct MissingStart;

/// Runs `body` with a callback that stands for argmin's separate cost and gradient; the first error of
/// either ends it.
fn evaluate_fallibly<O, T>(
    problem: &mut Problem<O>,
    body: impl FnOnce(&mut dyn FnMut(&[f64], &mut [f64]) -> f64) -> T,
) -> Result<T, Error>
where
    O: CostFunction<Param = Vec<f64>, Output = f64>
        + Gradient<Param = Vec<f64>, Gradient = Vec<f64>>,
{
    let mut failure = None;
    let mut callback = |x: &[f64], gradient: &mut [f64]| {
        let x = x.to_vec();
        let evaluated = problem.cost(&x).and_then(|cost| Ok((cost, problem.gradient(&x)?)));
        match evaluated {
            Ok((cost, slope)) => {
                gradient.copy_from_slice(&slope);
                cost
            }
            Err(error) => {
                failure.get_or_insert(error);
                f64::NAN
            }
        }
    };
    let result = body(&mut callback);
    failure.map_or(Ok(result), Err)
}

#[cfg(test)]
#[path = "lbfgsb_tests.rs"]
mod tests;
