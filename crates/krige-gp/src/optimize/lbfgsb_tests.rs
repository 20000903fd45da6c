//! The optimizer on functions with known minima, inside and on the bounds.

use argmin::core::Executor;

use super::*;

fn rosenbrock(x: &[f64], gradient: &mut [f64]) -> f64 {
    gradient.fill(0.0);
    let mut sum = 0.0;
    for i in 0..x.len() - 1 {
        let (a, b) = (x[i + 1] - x[i] * x[i], 1.0 - x[i]);
        sum += 100.0 * a * a + b * b;
        gradient[i] -= 400.0 * a * x[i] + 2.0 * b;
        gradient[i + 1] += 200.0 * a;
    }
    sum
}

fn solver(lower: Vec<f64>, upper: Vec<f64>) -> LbfgsB {
    let mut solver = LbfgsB::new(lower, upper);
    solver.max_iterations = 1000;
    solver.value_tolerance = 0.0;
    solver
}

#[test]
fn rosenbrock_without_active_bounds() {
    for d in [2, 6, 20] {
        let minimum = solver(vec![-2.0; d], vec![2.0; d]).minimize(&vec![0.3; d], rosenbrock);
        assert_eq!(minimum.status, Status::GradientTolerance);
        assert!(minimum.x.iter().all(|x| (x - 1.0).abs() < 1e-4), "{minimum:?}");
        assert!(minimum.evaluations < 200, "{}", minimum.evaluations);
    }
    let unbounded = solver(vec![f64::NEG_INFINITY; 2], vec![f64::INFINITY; 2]);
    assert!(unbounded.minimize(&[-1.2, 1.0], rosenbrock).value < 1e-9);
}

/// With x_0 <= 0.5 in two dimensions the optimum is (0.5, 0.25); with x_1 >= 2 it is (sqrt(2) nearly, 2).
#[test]
fn rosenbrock_with_active_bounds() {
    let minimum = solver(vec![-2.0; 2], vec![0.5, 2.0]).minimize(&[-1.2, 1.0], rosenbrock);
    assert_eq!(minimum.x[0], 0.5);
    assert!((minimum.x[1] - 0.25).abs() < 1e-6 && (minimum.value - 0.25).abs() < 1e-9);
    let minimum = solver(vec![0.0, 2.0], vec![3.0; 2]).minimize(&[0.1, 2.9], rosenbrock);
    assert_eq!(minimum.x[1], 2.0);
    // The stationary point in x_0: 400 x^3 - 798 x - 2 = 0 near sqrt(2).
    let x = minimum.x[0];
    assert!((400.0 * x * x * x - 798.0 * x - 2.0).abs() < 1e-4, "{minimum:?}");
}

#[test]
fn a_corner_is_found_at_once_and_exactly() {
    let minimum = solver(vec![0.0; 3], vec![1.0; 3]).minimize(&[0.4; 3], |x, gradient| {
        gradient.copy_from_slice(&[1.0, -2.0, 3.0]);
        x[0] - 2.0 * x[1] + 3.0 * x[2]
    });
    assert_eq!(minimum.x, [0.0, 1.0, 0.0]);
    assert!(minimum.evaluations <= 5);
}

#[test]
fn starts_outside_are_moved_in_and_no_evaluation_leaves_the_box() {
    let minimum = solver(vec![0.0; 4], vec![0.7; 4]).minimize(&[5.0; 4], |x, gradient| {
        assert!(x.iter().all(|x| (0.0..=0.7).contains(x)), "{x:?}");
        rosenbrock(x, gradient)
    });
    assert!(minimum.value.is_finite());
    assert_eq!(minimum.status, Status::GradientTolerance);
}

#[test]
fn walls_of_infinity_are_stepped_back_from() {
    let minimum = solver(vec![-5.0], vec![5.0]).minimize(&[0.5], |x, gradient| {
        gradient[0] = 1.0 - 1.0 / x[0];
        if x[0] > 0.0 { x[0] - x[0].ln() } else { f64::NAN }
    });
    assert!((minimum.x[0] - 1.0).abs() < 1e-5, "{minimum:?}");
}

#[test]
fn bad_starts_and_short_budgets_are_reported() {
    let nan = solver(vec![0.0], vec![1.0]).minimize(&[0.5], |_, _| f64::NAN);
    assert_eq!(nan.status, Status::NonFiniteStart);
    let mut short = solver(vec![-2.0; 6], vec![2.0; 6]);
    short.max_iterations = 3;
    assert_eq!(short.minimize(&[0.0; 6], rosenbrock).status, Status::MaxIterations);
}

struct Rosenbrock;

impl CostFunction for Rosenbrock {
    type Param = Vec<f64>;
    type Output = f64;
    fn cost(&self, x: &Vec<f64>) -> Result<f64, Error> {
        Ok(rosenbrock(x, &mut vec![0.0; x.len()]))
    }
}

impl Gradient for Rosenbrock {
    type Param = Vec<f64>;
    type Gradient = Vec<f64>;
    fn gradient(&self, x: &Vec<f64>) -> Result<Vec<f64>, Error> {
        let mut gradient = vec![0.0; x.len()];
        rosenbrock(x, &mut gradient);
        Ok(gradient)
    }
}

#[test]
fn argmin_runs_the_same_iterations() {
    let solver = solver(vec![-2.0; 4], vec![0.8; 4]);
    let direct = solver.minimize(&[0.1; 4], rosenbrock);
    let result = Executor::new(Rosenbrock, solver)
        .configure(|state| state.param(vec![0.1; 4]))
        .run()
        .unwrap();
    let state = result.state();
    assert_eq!(state.get_best_param(), Some(&direct.x));
    assert_eq!(state.get_best_cost(), direct.value);
    assert_eq!(state.get_termination_reason(), Some(&TerminationReason::SolverConverged));
}

#[test]
fn argmin_without_a_start_is_an_error() {
    let solver = solver(vec![0.0; 2], vec![1.0; 2]);
    assert!(Executor::new(Rosenbrock, solver).run().is_err());
}
