//! Data as they come: repeated, flat, far off, huge, tiny, few, many. Every suggestion stays a good one.

use crate::domain::{Dimension, Domain, LinearConstraint};
use crate::model::OutcomeState;
use crate::observations::same_point;
use crate::suggest::{
    AcquisitionKind, ConstraintData, Outcomes, Problem, SuggestError, Suggested, Suggestions,
    fit_model, suggest,
};

fn cube(d: usize) -> Domain {
    Domain { dimensions: vec![Dimension::Continuous; d], ..Domain::default() }
}

fn outcomes(y: Vec<f64>) -> Outcomes {
    Outcomes { noise_variance: vec![None; y.len()], y }
}

/// Larger is better; best, 0, at 0.4 + 0.05 k in dimension k modulo 4.
fn bowl(u: &[f64]) -> f64 {
    -u.iter().enumerate().map(|(k, u)| (u - 0.4 - 0.05 * (k % 4) as f64).powi(2)).sum::<f64>()
}

fn values(x: &[Vec<f64>], f: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    x.iter().map(|u| f(u)).collect()
}

/// Asks for `q` points and checks what has to hold for any.
#[track_caller]
fn ask(domain: &Domain, x: &[Vec<f64>], y: Vec<f64>, q: usize) -> Suggestions {
    let objective = outcomes(y);
    let suggestions = suggest(&Problem::new(domain, x, &objective), q).unwrap();
    assert_eq!(suggestions.points.len(), q);
    let noisy = state(&suggestions).noisy;
    for (i, Suggested { u, log_acquisition, mean, sd, .. }) in suggestions.points.iter().enumerate()
    {
        assert!(domain.contains(u), "{u:?}");
        assert!(log_acquisition.is_finite() && mean.is_finite() && sd.is_finite() && *sd >= 0.0);
        let earlier = suggestions.points[..i].iter().map(|point| &point.u);
        assert!(noisy || !x.iter().chain(earlier).any(|other| same_point(other, u)), "{u:?} again");
    }
    suggestions
}

fn state(suggestions: &Suggestions) -> &OutcomeState {
    &suggestions.model.as_ref().unwrap().objective
}

/// The best value of `f` after `count` more evaluations.
fn best_after(mut x: Vec<Vec<f64>>, mut y: Vec<f64>, f: fn(&[f64]) -> f64, count: usize) -> f64 {
    let domain = cube(x[0].len());
    let mut best = f64::NEG_INFINITY;
    for _ in 0..count {
        let u = ask(&domain, &x, y.clone(), 1).points.remove(0).u;
        best = best.max(f(&u));
        y.push(f(&u));
        x.push(u);
    }
    best
}

#[test]
fn repeated_points_are_modelled() {
    let domain = cube(2);
    let once = domain.sample(6, &[], 1);
    let x = [once.clone(), once.clone(), once.clone()].concat();
    // The same values again say that there is no noise, other ones how much there is.
    let suggestions = ask(&domain, &x, values(&x, bowl), 2);
    assert!(!state(&suggestions).noisy);
    assert_eq!(state(&suggestions).jitter, 0.0);
    let scatter = (0..x.len()).map(|i| 0.1 * (i as f64 * 2.4).sin());
    let y = values(&x, bowl).into_iter().zip(scatter).map(|(y, e)| y + e).collect();
    assert!(state(&ask(&domain, &x, y, 2)).noisy);
    // Nothing but one point.
    let x = vec![once[0].clone(); 5];
    ask(&domain, &x, vec![1.0; 5], 2);
    ask(&domain, &x, vec![1.0, 1.1, 0.9, 1.05, 0.95], 2);
}

/// As [`bowl`] in two dimensions, but its axes are none of the square's: no sum of functions of one dimension each.
fn turned_bowl(u: &[f64]) -> f64 {
    bowl(u) + 0.6 * (u[0] - 0.4) * (u[1] - 0.45)
}

#[test]
fn points_that_nearly_coincide_are_modelled() {
    let domain = cube(2);
    let mut x = domain.sample(8, &[], 1);
    // What a simplex leaves that contracts to (0.43, 0.47), and not to the best point.
    for exponent in 2..9 {
        let step = 10f64.powi(-exponent);
        x.extend([
            vec![0.43 + step, 0.47],
            vec![0.43, 0.47 - step],
            vec![0.43 - step, 0.47 + step],
        ]);
        let suggestions = ask(&domain, &x, values(&x, turned_bowl), 1);
        assert!(!state(&suggestions).noisy);
        let found = &suggestions.points[0];
        assert!(
            (found.mean - turned_bowl(&found.u)).abs() < 3.0 * found.sd,
            "{exponent}: {found:?}"
        );
        assert!(found.sd < 0.05, "{exponent}: {found:?}");
    }
    let y = values(&x, turned_bowl);
    let found = best_after(x, y, turned_bowl, 6);
    assert!(found > -1e-6, "{found}");
}

#[test]
fn flat_data_fill_space_and_nearly_flat_data_do_not_fail() {
    let domain = cube(2);
    let x = domain.sample(8, &[], 1);
    for value in [0.0, -3.0, 1e12, 1e-12] {
        let suggestions = ask(&domain, &x, vec![value; 8], 2);
        assert_eq!(suggestions.points[0].kind, AcquisitionKind::SpaceFilling);
    }
    for ripple in [1e-15, 1e-13, 1e-10] {
        ask(&domain, &x, values(&x, |u| 1.0 + ripple * bowl(u)), 2);
    }
    let mut y = vec![1.0; 8];
    y[3] = 1.0 + 1e-9;
    ask(&domain, &x, y, 2);
}

/// One value a million times the others' size, that of a broken run, does not hide the optimum.
#[test]
fn a_bad_outlier_hides_nothing() {
    let x = cube(2).sample(9, &[], 2);
    let mut y = values(&x, bowl);
    y[4] = -1e6;
    let best = best_after(x, y, bowl, 12);
    assert!(best > -1e-2, "{best}");
}

/// A good one is looked at more closely: it may be real.
#[test]
fn a_good_outlier_is_followed() {
    let domain = cube(2);
    let x = domain.sample(9, &[], 2);
    let mut y = values(&x, bowl);
    y[4] = 1e6;
    let found = ask(&domain, &x, y, 1).points.remove(0);
    let distance = |u: &Vec<f64>| f64::hypot(u[0] - found.u[0], u[1] - found.u[1]);
    let nearest = x.iter().min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap();
    assert_eq!(nearest, &x[4], "{found:?}");
}

/// y and a y + b ask for the same point: to the last bit where a is a power of two and b is 0.
#[test]
fn units_do_not_matter() {
    for d in [1, 3] {
        let domain = cube(d);
        let x = domain.sample(7, &[], 4);
        let plain = values(&x, |u| bowl(u) + 0.1 * (7.0 * u[0]).sin());
        let expected = ask(&domain, &x, plain.clone(), 1).points.remove(0);
        let (low, high) = plain.iter().fold((0.0, -9.0), |(l, h), &y| (y.min(l), y.max(h)));
        let spread: f64 = high - low;
        for (a, b, tolerance) in [
            (2f64.powi(40), 0.0, 0.0),
            (2f64.powi(-40), 0.0, 0.0),
            (1e12, 0.0, 1e-3),
            (1e-12, 0.0, 1e-3),
            (1.0, 1e3, 1e-3),
            (250.0, -1e4, 1e-3),
        ] {
            let y = plain.iter().map(|y| a * y + b).collect();
            let found = ask(&domain, &x, y, 1).points.remove(0);
            for (found, expected) in found.u.iter().zip(&expected.u) {
                assert!((found - expected).abs() <= tolerance, "{a:e} {b:e}: {found} {expected}");
            }
            let mean = a * expected.mean + b;
            assert!((found.mean - mean).abs() <= a * spread * (tolerance + 1e-12), "{a:e} {b:e}");
        }
    }
}

/// Of the spread little more than three digits are left.
#[test]
fn a_large_offset_hides_nothing() {
    let shifted = |u: &[f64]| 1e9 + 2e-3 * bowl(u);
    let x = cube(2).sample(6, &[], 3);
    let best = best_after(x.clone(), values(&x, shifted), shifted, 12);
    assert!(best - 1e9 > -2e-5, "{:e}", best - 1e9);
}

#[test]
fn one_measurement_is_enough() {
    for (d, value) in [(1, 3.0), (1, 0.0), (5, -1e9)] {
        let domain = cube(d);
        ask(&domain, &[vec![0.5; d]], vec![value], 3);
        ask(&domain, &[vec![0.0; d]], vec![value], 1);
    }
}

#[test]
fn one_dimension_is_solved() {
    let best = best_after(cube(1).sample(3, &[], 1), vec![-0.16, -0.01, -0.2], bowl, 7);
    assert!(best > -1e-3, "{best}");
}

#[test]
fn a_hundred_dimensions_are_modelled() {
    let domain = cube(100);
    let x = domain.sample(20, &[], 1);
    let y = values(&x, bowl);
    let measured = y.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let found = ask(&domain, &x, y, 2).points;
    assert_ne!(found[0].kind, AcquisitionKind::SpaceFilling);
    assert!(found[0].mean > measured - 1.0, "{found:?}");
}

#[test]
fn five_thousand_measurements_are_modelled() {
    let domain = cube(3);
    let x = domain.sample(5000, &[], 1);
    let suggestions = ask(&domain, &x, values(&x, bowl), 1);
    let u = &suggestions.points[0].u;
    assert!(bowl(u) > -1e-3, "{u:?}");
    assert_eq!(state(&suggestions).fitted_to, 5000);
}

/// Measurements and optimum on the bounds.
#[test]
fn corners_are_reached() {
    let corners = || (0..8).map(|i: u32| (0..3).map(|k| f64::from(i >> k & 1)).collect::<Vec<_>>());
    let x: Vec<Vec<f64>> = corners().collect();
    ask(&cube(3), &x, values(&x, bowl), 3);
    let slope = |u: &[f64]| u[0] - u[1] + 0.5 * u[2];
    let x = cube(3).sample(6, &[], 3);
    let y = values(&x, slope);
    assert_eq!(best_after(x, y, slope, 4), 1.5);
}

/// Threads at work elsewhere change no bit.
#[test]
fn threads_change_no_bit() {
    let domain = cube(3);
    let x = domain.sample(12, &[], 6);
    let y = values(&x, |u| bowl(u) + 0.05 * (9.0 * u[1]).sin());
    let alone = ask(&domain, &x, y.clone(), 2);
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..8).map(|_| scope.spawn(|| ask(&domain, &x, y.clone(), 2))).collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap(), alone);
        }
    });
}

/// No array and no bound lets a number through that is none.
#[test]
fn what_is_not_finite_is_refused_wherever_it_is() {
    let domain = cube(2);
    let x = domain.sample(3, &[], 1);
    let y = values(&x, bowl);
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let refused = |problem: &Problem<'_>| {
            for error in [suggest(problem, 1).unwrap_err(), fit_model(problem).unwrap_err()] {
                assert!(matches!(error, SuggestError::NonFinite { .. }), "{error}");
            }
        };
        let good = outcomes(y.clone());
        let problem = Problem::new(&domain, &x, &good);
        let rows = [vec![0.5, bad]];
        refused(&Problem { pending: &rows, ..problem });
        refused(&Problem { avoid: &rows, ..problem });
        refused(&Problem { fixed: &[(0, bad)], ..problem });
        let mut moved = x.clone();
        moved[1][0] = bad;
        refused(&Problem { x: &moved, ..problem });
        let mut objective = good.clone();
        objective.y[2] = bad;
        refused(&Problem { objective: &objective, ..problem });
        let mut objective = good.clone();
        objective.noise_variance[2] = Some(bad);
        refused(&Problem { objective: &objective, ..problem });

        let mut constraint =
            ConstraintData { x: x.clone(), outcomes: good.clone(), lower: None, upper: Some(1.0) };
        constraint.outcomes.y[0] = bad;
        refused(&Problem { constraints: &[constraint.clone()], ..problem });
        constraint.outcomes = good.clone();
        constraint.x = moved;
        refused(&Problem { constraints: &[constraint.clone()], ..problem });
        constraint.x = x.clone();
        if bad.is_nan() {
            // An infinite bound is none.
            constraint.upper = Some(bad);
            refused(&Problem { constraints: &[constraint], ..problem });
        }

        for (coefficient, bound) in [(bad, 1.0), (1.0, bad)] {
            let half = LinearConstraint { coefficients: vec![1.0, coefficient], bound };
            let domain = Domain { constraints: vec![half], ..domain.clone() };
            refused(&Problem { domain: &domain, ..problem });
        }
        let levels = vec![0.0, bad];
        let dimensions = vec![Dimension::Continuous, Dimension::Discrete { levels }];
        let domain = Domain { dimensions, ..Domain::default() };
        refused(&Problem { domain: &domain, ..problem });
    }
}
