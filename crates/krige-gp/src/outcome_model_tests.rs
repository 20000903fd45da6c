//! Models of outcomes: warps, noise, degenerate data.

use super::*;
use crate::domain::{Dimension, Domain};
use crate::sobol::Sobol;

fn fit(x: &[Vec<f64>], y: &[f64], role: Role, warm: Option<&OutcomeState>) -> OutcomeModel {
    let noise_variance = vec![None; y.len()];
    let measurements = Measurements { x, y, noise_variance: &noise_variance };
    let categorical = vec![false; x[0].len()];
    OutcomeModel::fit(measurements, &categorical, role, ModelOptions::default(), warm).unwrap()
}

fn spread(n: usize, d: usize) -> Vec<Vec<f64>> {
    Sobol::unscrambled(d).unwrap().points_from(1).take(n).collect()
}

#[test]
fn long_tails_are_squeezed_and_plain_data_are_left_alone() {
    let x = spread(25, 2);
    let bowl = |u: &[f64]| (u[0] - 0.4).powi(2) + (u[1] - 0.6).powi(2);
    let tail: Vec<f64> = x.iter().map(|u| -(12.0 * bowl(u)).exp()).collect();
    let model = fit(&x, &tail, Role::Objective, None);
    assert!(
        matches!(model.state.warp, Warp::YeoJohnson { lambda } if lambda < 0.6),
        "{:?}",
        model.state.warp
    );
    // Near the good end the median prediction is right in natural units.
    let (mean, sd) = model.predict(&[0.4, 0.6]);
    assert!((mean + 1.0).abs() < 0.1 && sd < 0.1, "{mean} {sd}");

    let wave: Vec<f64> = x.iter().map(|u| (6.0 * u[0]).sin() + (5.0 * u[1]).cos()).collect();
    assert_eq!(fit(&x, &wave, Role::Objective, None).state.warp, Warp::Identity);
}

#[test]
fn a_few_good_values_that_stand_out_are_squeezed() {
    let x = spread(40, 2);
    let bowl = |u: &[f64]| (u[0] - 0.4).powi(2) + (u[1] - 0.6).powi(2);
    let peak: Vec<f64> = x.iter().map(|u| 0.1 * u[0] + (-5.0 * bowl(u).sqrt()).exp()).collect();
    let model = fit(&x, &peak, Role::Objective, None);
    assert!(
        matches!(model.state.warp, Warp::YeoJohnson { lambda } if lambda > 1.4),
        "{:?}",
        model.state.warp
    );
    // Beside the peak itself, which is a kink.
    let (mean, sd) = model.predict(&[0.5, 0.5]);
    let expected = 0.05 + (-5.0 * 0.02f64.sqrt()).exp();
    assert!((mean - expected).abs() < 0.05 && sd < 0.1, "{mean} {expected} {sd}");
}

/// A narrow valley that is along no axis, of which Matern sees what short lengthscales explain.
#[test]
fn a_quadratic_is_seen_through_by_the_smooth_kernel() {
    let x = spread(25, 3);
    let quadratic = |u: &[f64]| {
        let v: Vec<f64> = u.iter().map(|u| u - 0.4).collect();
        -1e3 * (v[0] + v[1] - v[2]).powi(2)
            - 30.0 * (v[0] - v[1]).powi(2)
            - (v[0] + v[1] + 2.0 * v[2]).powi(2)
    };
    let y: Vec<f64> = x.iter().map(|u| quadratic(u)).collect();
    let model = fit(&x, &y, Role::Objective, None);
    assert_eq!(model.state.hyperparameters.kernel, KernelKind::Rbf);
    for u in [[0.4, 0.4, 0.4], [0.9, 0.1, 0.2], [0.0, 1.0, 0.5]] {
        let mean = model.predict(&u).0;
        assert!((mean - quadratic(&u)).abs() < 0.5, "{u:?}: {mean}, not {}", quadratic(&u));
    }
    // A little noise is told from what short lengthscales would explain: its share of the variance is 3e-8.
    let (_, sd) = moments(&y);
    for phase in 0..4 {
        let noise = |i: usize| sd * (6e-8f64).sqrt() * (f64::from(phase) + i as f64 * 2.4).sin();
        let noisy: Vec<f64> = y.iter().enumerate().map(|(i, y)| y + noise(i)).collect();
        let state = fit(&x, &noisy, Role::Objective, None).state;
        assert_eq!(state.hyperparameters.kernel, KernelKind::Rbf);
        let found = state.hyperparameters.noise_variance;
        assert!((1e-8..1e-7).contains(&found), "{found:e}");
    }
    // What is not as smooth is not taken for it.
    let kinks: Vec<f64> =
        x.iter().map(|u| -u.iter().map(|u| (u - 0.4).powi(2)).sum::<f64>().sqrt()).collect();
    let model = fit(&x, &kinks, Role::Objective, None);
    assert_eq!(model.state.hyperparameters.kernel, KernelKind::Matern52);
}

/// Evidence is of all values, which span decades; but the valley is what matters, and the smooth kernel knows more of it.
#[test]
fn the_smooth_kernel_is_taken_where_it_predicts_the_best_values() {
    let x = spread(20, 2);
    let rosenbrock = |u: &[f64]| {
        let (a, b) = (4.0 * u[0] - 2.0, 4.0 * u[1] - 2.0);
        -100.0 * (b - a * a).powi(2) - (1.0 - a).powi(2)
    };
    let y: Vec<f64> = x.iter().map(|u| rosenbrock(u)).collect();
    let kernel = |noise| {
        let measurements = Measurements { x: &x, y: &y, noise_variance: &[None; 20] };
        let options = ModelOptions { noise, ..ModelOptions::default() };
        let model = OutcomeModel::fit(measurements, &[false; 2], Role::Objective, options, None);
        model.unwrap().state.hyperparameters.kernel
    };
    assert_eq!(kernel(NoiseAssumption::Deterministic), KernelKind::Rbf);
    assert_eq!(kernel(NoiseAssumption::Unknown), KernelKind::Rbf);
    // The best of noisy values are not the best ones.
    assert_eq!(kernel(NoiseAssumption::Noisy), KernelKind::Matern52);
}

fn smooth_sum(u: &[f64]) -> f64 {
    (6.0 * u[0]).cos() - (5.0 * u[1]).sin() + 3.0 * u[2] * u[2] - u[3].exp()
}

/// Few points tell of a sum everywhere, also in the corners, by whichever additive kernel is as smooth as it.
#[test]
fn a_sum_of_functions_of_one_dimension_is_seen_through() {
    type Sum = fn(&[f64]) -> f64;
    let kinks: Sum = |u| -u.iter().map(|u| (u - 0.4).abs()).sum::<f64>();
    let sums: [(Sum, usize, KernelKind, f64); 2] = [
        (smooth_sum, 24, KernelKind::AdditiveRbf, 0.01),
        (kinks, 64, KernelKind::AdditiveMatern52, 0.1),
    ];
    for (sum, n, kernel, error) in sums {
        let x = spread(n, 4);
        let y: Vec<f64> = x.iter().map(|u| sum(u)).collect();
        let model = fit(&x, &y, Role::Objective, None);
        assert_eq!(model.state.hyperparameters.kernel, kernel);
        assert!(!model.noisy);
        for corner in 0..16 {
            let u: Vec<f64> = (0..4).map(|k| f64::from(corner >> k & 1)).collect();
            let mean = model.predict(&u).0;
            assert!((mean - sum(&u)).abs() < error, "{u:?}: {mean}, not {}", sum(&u));
        }
    }
}

/// The deviations of the predictions from sums are what the model says that they are.
#[test]
fn predictions_of_sums_are_calibrated() {
    let sums: [fn(&[f64]) -> f64; 2] = [
        |u| -(u[0] - 0.4).powi(2) - (u[1] - 0.45).powi(2),
        |u| (5.0 * u[0]).sin() + (3.0 * u[1]).cos(),
    ];
    let square = Domain { dimensions: vec![Dimension::Continuous; 2], ..Domain::default() };
    for sum in sums {
        for (n, seed) in [(14, 0), (14, 1), (14, 2), (20, 3), (20, 4), (20, 5)] {
            let x = square.sample(n, &[], seed);
            let y: Vec<f64> = x.iter().map(|u| sum(u)).collect();
            let model = fit(&x, &y, Role::Objective, None);
            assert!(model.state.hyperparameters.kernel.is_additive());
            let z = |u: &Vec<f64>| {
                let (mean, sd) = model.predict(u);
                (mean - sum(u)) / sd
            };
            let squares =
                square.sample(20, &[], seed + 100).iter().map(|u| z(u).powi(2)).sum::<f64>();
            assert!(squares < 1.5 * 1.5 * 20.0, "{n} {seed}: {squares}");
        }
    }
}

/// Neither where knobs act together, nor under a constraint, which has other priors, nor where the measurements are too few
/// to tell.
#[test]
fn what_is_no_sum_is_not_taken_for_one() {
    let x = spread(48, 4);
    let kernel = |x: &[Vec<f64>], f: &dyn Fn(&[f64]) -> f64, role: Role| {
        let y: Vec<f64> = x.iter().map(|u| f(u)).collect();
        fit(x, &y, role, None).state.hyperparameters.kernel
    };
    let together = |u: &[f64]| smooth_sum(u) + 3.0 * (4.0 * u[0] * u[1]).sin() * u[2];
    assert!(!kernel(&x, &together, Role::Objective).is_additive());
    let constraint = Role::Constraint { lower: 0.0, upper: f64::INFINITY };
    assert!(!kernel(&x, &smooth_sum, constraint).is_additive());
    // What is missing from a sum is no noise.
    let nearly = |u: &[f64]| smooth_sum(u) + 0.4 * (4.0 * u[0] * u[1]).sin() * u[2];
    for n in [48, 64] {
        let x = spread(n, 4);
        let y: Vec<f64> = x.iter().map(|u| nearly(u)).collect();
        assert!(!fit(&x, &y, Role::Objective, None).noisy);
    }
    assert!(kernel(&x[..20], &smooth_sum, Role::Objective).is_additive());
    assert!(!kernel(&x[..19], &smooth_sum, Role::Objective).is_additive());
}

/// Between two looks a sum goes on as one, from where its fit was; then it is given up if it is none.
#[test]
fn a_sum_goes_on_until_it_is_looked_at_again() {
    let x = spread(32, 4);
    let sum: Vec<f64> = x.iter().map(|u| smooth_sum(u)).collect();
    let first = fit(&x[..28], &sum[..28], Role::Objective, None).state;
    let other: Vec<f64> =
        x.iter().map(|u| smooth_sum(u) + 3.0 * (4.0 * u[0] * u[1]).sin() * u[2]).collect();
    let goes_on = |y: &[f64], n: usize| {
        let state = fit(&x[..n], &y[..n], Role::Objective, Some(&first)).state;
        state.hyperparameters.kernel.is_additive()
    };
    assert!((28..=32).all(|n| goes_on(&sum, n)));
    // 32 measurements are a reason to look at what it is, 29 to 31 are none.
    assert!((29..32).all(|n| goes_on(&other, n)));
    assert!(!goes_on(&other, 32));
}

/// A valley of kinks along no axis, in which knobs act together, and one along the axes; found anew, and kept.
#[test]
fn directions_are_turned_where_the_function_is_along_no_axis() {
    let x = spread(41, 3);
    let valley = |u: &[f64], turned: bool| {
        let v: Vec<f64> = u.iter().map(|u| u - 0.4).collect();
        let v = match turned {
            true => [v[0] + v[1] - v[2], v[0] - v[1], v[0] + v[1] + 2.0 * v[2]],
            false => [v[0], v[1], v[2]],
        };
        -(9.0 * v[0]).abs() - (3.0 * v[1]).sin() - 0.1 * v[2]
    };
    let y: Vec<f64> = x.iter().map(|u| valley(u, true)).collect();
    let first = fit(&x[..40], &y[..40], Role::Objective, None);
    assert!(first.state.hyperparameters.rotation.is_some());
    let second = fit(&x, &y, Role::Objective, Some(&first.state));
    assert!(second.state.hyperparameters.rotation.is_some());
    // 41 is no number at which directions are looked for, unless there are some.
    let straight = OutcomeState {
        hyperparameters: Hyperparameters { rotation: None, ..first.state.hyperparameters },
        ..first.state
    };
    let found = fit(&x, &y, Role::Objective, Some(&straight));
    assert_eq!(found.state.hyperparameters.rotation, None);
    // Neither along the axes, nor for a constraint.
    let y: Vec<f64> = x.iter().map(|u| valley(u, false)).collect();
    let found = fit(&x[..40], &y[..40], Role::Objective, None);
    assert_eq!(found.state.hyperparameters.rotation, None);
}

#[test]
fn constraints_are_resolved_at_their_bound() {
    let x = spread(25, 2);
    let y: Vec<f64> = x.iter().map(|u| (8.0 * (u[0] - 0.5)).sinh() + u[1]).collect();
    let role = Role::Constraint { lower: f64::NEG_INFINITY, upper: 0.5 };
    assert_eq!(fit(&x, &y, role, None).state.warp, Warp::Bilog { bound: 0.5 });
}

/// The hyperparameters of a large set come from a part of it, and serve until it has grown.
#[test]
fn large_sets_are_fitted_in_part_and_not_every_time() {
    let x = spread(340, 2);
    let y: Vec<f64> = x.iter().map(|u| (6.0 * u[0]).sin() + (5.0 * u[1]).cos()).collect();
    let first = fit(&x[..320], &y[..320], Role::Objective, None);
    assert_eq!(first.state.fitted_to, 320);
    for (u, y) in x[320..].iter().zip(&y[320..]) {
        assert!((first.predict(u).0 - y).abs() < 1e-2);
    }
    let second = fit(&x[..330], &y[..330], Role::Objective, Some(&first.state));
    assert_eq!(second.state.hyperparameters, first.state.hyperparameters);
    assert_eq!(second.state.fitted_to, 320);
    assert_eq!(fit(&x, &y, Role::Objective, Some(&first.state)).state.fitted_to, 340);
}

#[test]
fn representatives_hold_the_best_and_are_distinct() {
    let x = spread(500, 3);
    let y: Vec<f64> = (0..500).map(|i| f64::from(i * 37 % 500)).collect();
    let measurements = Measurements { x: &x, y: &y, noise_variance: &[None; 500] };
    let mut chosen = representative(measurements, Role::Objective, FIT_AT_MOST);
    let worst_of_best = chosen[..FIT_AT_MOST / 4].iter().map(|&i| y[i]).fold(f64::MAX, f64::min);
    assert_eq!(worst_of_best, 425.0);
    chosen.sort_unstable();
    chosen.dedup();
    assert_eq!(chosen.len(), FIT_AT_MOST);
}

/// Noise of a third of the signal's spread is found although priors favour clean data, and clean data of
/// the same shape are not taken for noisy.
#[test]
fn noise_is_told_from_detail() {
    use crate::sampling::normal;
    use rand_chacha::rand_core::SeedableRng;
    let x = spread(50, 2);
    let clean: Vec<f64> = x.iter().map(|u| (6.0 * u[0]).sin() + (5.0 * u[1]).cos()).collect();
    assert!(!fit(&x, &clean, Role::Objective, None).state.noisy);
    let mut found = 0;
    for seed in 0..5 {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let y: Vec<f64> = clean.iter().map(|y| y + 0.3 * normal(&mut rng)).collect();
        found += u32::from(fit(&x, &y, Role::Objective, None).state.noisy);
    }
    assert!(found >= 4, "{found} of 5");
}

/// A name and a function of a point of the cube; larger is better.
type Named = (&'static str, fn(&[f64]) -> f64);

/// Smooth functions without noise.
const CLEAN: [Named; 5] = [
    ("bowl", |u| -u.iter().zip(1..).map(|(u, k)| f64::from(k) * (u - 0.4).powi(2)).sum::<f64>()),
    ("valley", |u| {
        let across: f64 = u.iter().zip(1..).map(|(u, k)| f64::from(k) * (u - 0.4)).sum();
        -across * across - u.iter().map(|u| (u - 0.4).powi(2)).sum::<f64>()
    }),
    ("cubic", |u| {
        u.iter().map(|u| u * (u - 0.3) * (0.9 - u)).sum::<f64>() + u[0] * (1.0 - u[u.len() - 1])
    }),
    ("line", |u| u.iter().zip(1..).map(|(u, k)| f64::from(k) * u).sum()),
    ("waves", |u| u.iter().zip(0..).map(|(u, k)| (4.0 * u + f64::from(k)).sin()).sum()),
];

/// `n` points: spread out, or half of them ever closer to the best, as an optimizer asks for them.
fn design(f: fn(&[f64]) -> f64, d: usize, n: usize, clustered: bool) -> Vec<Vec<f64>> {
    let far = if clustered { n / 2 } else { n };
    let mut x = spread(far, d);
    let value = |u: &&Vec<f64>| f(u);
    let candidates = spread(500, d);
    let best = candidates.iter().max_by(|a, b| value(a).total_cmp(&value(b))).unwrap();
    for (i, direction) in spread(n, d)[far..].iter().enumerate() {
        let radius = 0.3 * 1e-3f64.powf(i as f64 / (n - far) as f64);
        let step = best.iter().zip(direction).map(|(b, v)| b + radius * (v - b));
        x.push(step.collect());
    }
    x
}

/// What no measurement contradicts is not blurred: noise is neither called so nor left over in a fit.
#[test]
fn smooth_functions_are_not_taken_for_noisy() {
    let (mut errors, mut total) = ([0; 3], 0);
    for (name, f) in CLEAN {
        for d in [1, 2, 3, 6] {
            for (n, clustered) in [(12, false), (14, true), (20, false), (30, true), (60, true)] {
                let x = design(f, d, n, clustered);
                let y: Vec<f64> = x.iter().map(|u| f(u)).collect();
                let model = fit(&x, &y, Role::Objective, None);
                assert!(!model.noisy && !model.state.noisy, "{name} {d} {n} {clustered}");
                let Hyperparameters { noise_variance, outputscale, .. } =
                    model.state.hyperparameters;
                let noise = noise_variance / outputscale;
                assert!(noise < 1e-7, "{name} {d} {n} {clustered}: {noise:e}");
                for u in design(f, d, 20, true) {
                    let u: Vec<f64> = u.iter().map(|u| 0.98 * u + 0.009).collect();
                    let (mean, sd) = model.predict(&u);
                    total += 1;
                    for (error, limit) in errors.iter_mut().zip([1.0, 3.0, 10.0]) {
                        *error += u32::from((mean - f(&u)).abs() > limit * sd);
                    }
                }
            }
        }
    }
    // Nearly those of a Gaussian: 32 %, 0.3 % and none.
    let share = |k: usize| f64::from(errors[k]) / f64::from(total);
    assert!(share(0) < 0.32 && share(1) < 0.06 && share(2) < 0.01, "{errors:?} of {total}");
}
