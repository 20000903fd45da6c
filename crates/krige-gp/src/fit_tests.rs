//! Fits against reference values.

use super::*;
use crate::regression::{GaussianProcess, log_marginal_likelihood};
use crate::sobol::Sobol;
use crate::warp::moments;

/// The negated Branin function, where Ax and BoTorch fit their defaults below.
fn branin(u: &[f64]) -> f64 {
    use std::f64::consts::PI;
    let (a, b) = (15.0 * u[0] - 5.0, 15.0 * u[1]);
    let parabola = b - 5.1 / (4.0 * PI * PI) * a * a + 5.0 / PI * a - 6.0;
    -(parabola * parabola + 10.0 * (1.0 - 1.0 / (8.0 * PI)) * a.cos() + 10.0)
}

/// What BoTorch 0.18's `SingleTaskGP` with its default priors gives for 16 unscrambled Sobol points.
struct Reference {
    kernel: KernelKind,
    lengthscales: [f64; 2],
    noise: f64,
    mean: f64,
    objective: f64,
    initial: f64,
    /// Mean and variance in natural units at (.5, .5) and (.12, .85).
    predictions: [(f64, f64); 2],
}

#[track_caller]
fn check(reference: &Reference) {
    let x: Vec<Vec<f64>> = Sobol::unscrambled(2).unwrap().points_from(1).take(16).collect();
    let y: Vec<f64> = x.iter().map(|u| branin(u)).collect();
    let (centre, sd) = moments(&y);
    assert!((centre + 40.60206199606379).abs() < 1e-10 && (sd - 44.14717747037306).abs() < 1e-10);
    let z: Vec<f64> = y.iter().map(|y| (y - centre) / sd).collect();
    let data = Observations::new(&x, &z, &[None; 16]);
    let priors = Priors::ax(2);
    let mut problem = MapEstimate::new(&data, &[false; 2], reference.kernel, &priors);
    problem.gradient_tolerance = 1e-8;
    problem.value_tolerance = 1e-15;

    // BoTorch starts with mean 0 instead of the profiled one.
    let start = problem.prior_mode();
    let at_start =
        log_marginal_likelihood(&data, &start, &[false; 2], Mean::Fixed(0.0)).unwrap().value
            + 2.0 * priors.lengthscale.log_density(start.lengthscales[0]).0
            + priors.noise.log_density(start.noise_variance).0;
    assert!((at_start / 16.0 - reference.initial).abs() < 1e-9, "{}", at_start / 16.0);

    let fit = problem.solve_from(&[start]).unwrap();
    let close = |found: f64, expected: f64| {
        assert!((found - expected).abs() < 1e-5 * expected.abs(), "{found} {expected}");
    };
    assert!((fit.log_posterior / 16.0 - reference.objective).abs() < 1e-9);
    close(fit.hyperparameters.lengthscales[0], reference.lengthscales[0]);
    close(fit.hyperparameters.lengthscales[1], reference.lengthscales[1]);
    close(fit.hyperparameters.noise_variance, reference.noise);
    let gp =
        GaussianProcess::new(&data, &fit.hyperparameters, &[false; 2], Mean::Profiled).unwrap();
    close(gp.mean(), reference.mean);
    for (u, (mean, variance)) in [[0.5, 0.5], [0.12, 0.85]].iter().zip(reference.predictions) {
        let at = gp.posterior(u);
        close(centre + sd * at.mean, mean);
        close(sd * sd * at.variance, variance);
    }
}

#[test]
fn ax_default_with_rbf_matches_reference() {
    check(&Reference {
        kernel: KernelKind::Rbf,
        lengthscales: [0.3866969287, 0.2102830951],
        noise: 0.0047887709,
        mean: -0.1074819203,
        objective: -0.6563551205,
        initial: -0.7692972880,
        predictions: [(-24.6976167408, 4.140412934), (-1.8939303860, 37.625481781)],
    });
}

#[test]
fn ax_default_with_matern_matches_reference() {
    check(&Reference {
        kernel: KernelKind::Matern52,
        lengthscales: [0.4740600974, 0.3217211910],
        noise: 0.0049841445,
        mean: -0.0863725756,
        objective: -0.6918033255,
        initial: -0.7956110918,
        predictions: [(-24.6014813386, 6.0587698097), (-5.2304419650, 60.8918287226)],
    });
}

fn smooth(n: usize) -> Observations {
    let x: Vec<Vec<f64>> = Sobol::unscrambled(3).unwrap().points_from(1).take(n).collect();
    let y: Vec<f64> = x.iter().map(|u| (4.0 * u[0]).sin() + u[1] * u[1]).collect();
    Observations::new(&x, &y, &vec![None; n])
}

#[test]
fn gradient_matches_central_differences() {
    for priors in [Priors::low_noise(3), Priors::low_noise_objective(3), Priors::ax(3)] {
        check_gradient(KernelKind::Matern52, &[false; 3], &priors);
    }
    let priors = Priors::low_noise_objective(3);
    for kernel in [KernelKind::Rbf, KernelKind::AdditiveMatern52, KernelKind::AdditiveRbf] {
        for categorical in [[false; 3], [false, true, false]] {
            check_gradient(kernel, &categorical, &priors);
        }
    }
}

fn check_gradient(kernel: KernelKind, categorical: &[bool; 3], priors: &Priors) {
    let data = smooth(10);
    let problem = MapEstimate::new(&data, categorical, kernel, priors);
    let theta = [-0.4, 0.1, 0.7, -0.2, -4.0];
    let theta: Vec<f64> = match priors.outputscale {
        Some(_) => theta.to_vec(),
        None => [&theta[..3], &theta[4..]].concat(),
    };
    let mut covariance = Covariance::new(&data.X);
    let mut gradient = vec![0.0; theta.len()];
    problem.log_posterior(&theta, None, &mut covariance, &mut gradient).unwrap();
    for k in 0..theta.len() {
        let mut value = |step: f64| {
            let mut moved = theta.clone();
            moved[k] += step;
            problem
                .log_posterior(&moved, None, &mut covariance, &mut vec![0.0; theta.len()])
                .unwrap()
        };
        let slope = (value(1e-5) - value(-1e-5)) / 2e-5;
        assert!((gradient[k] - slope).abs() < 1e-5 * (1.0 + slope.abs()), "{k}");
    }
}

/// With angles, at directions that are none of the axes, for both kernels and with a category.
#[test]
fn gradient_with_directions_matches_central_differences() {
    let data = smooth(10);
    let priors = Priors::low_noise_objective(3);
    for kernel in [KernelKind::Matern52, KernelKind::Rbf] {
        for (categorical, angles) in
            [([false; 3], &[0.4, -0.8, 0.3][..]), ([false, true, false], &[0.6][..])]
        {
            let problem = MapEstimate {
                turns: true,
                ..MapEstimate::new(&data, &categorical, kernel, &priors)
            };
            let from = Rotation::identity(3).turned(&Turn::new(&categorical, angles));
            let theta = [&[-0.4, 0.1, 0.7, -0.2, -4.0], angles].concat();
            let mut covariance = Covariance::new(&data.X);
            let mut gradient = vec![0.0; theta.len()];
            problem.log_posterior(&theta, Some(&from), &mut covariance, &mut gradient).unwrap();
            for k in 0..theta.len() {
                let mut value = |step: f64| {
                    let mut moved = theta.clone();
                    moved[k] += step;
                    let gradient = &mut vec![0.0; theta.len()];
                    problem.log_posterior(&moved, Some(&from), &mut covariance, gradient).unwrap()
                };
                let slope = (value(1e-5) - value(-1e-5)) / 2e-5;
                assert!((gradient[k] - slope).abs() < 1e-5 * (1.0 + slope.abs()), "{k}");
            }
        }
    }
}

/// A ridge varies along one direction alone.
#[test]
fn the_direction_of_a_ridge_is_found() {
    let x: Vec<Vec<f64>> = Sobol::unscrambled(3).unwrap().points_from(1).take(30).collect();
    let along = [2.0 / 3.0, -1.0 / 3.0, 2.0 / 3.0];
    let ridge = |u: &[f64]| u.iter().zip(along).map(|(u, a)| u * a).sum::<f64>();
    let y: Vec<f64> = x.iter().map(|u| (7.0 * ridge(u)).sin()).collect();
    let data = Observations::new(&x, &y, &[None; 30]);
    let priors = Priors::low_noise_objective(3);
    let straight = MapEstimate::new(&data, &[false; 3], KernelKind::Matern52, &priors);
    let axes = straight.solve(&[]).unwrap();
    let problem = MapEstimate { turns: true, ..straight };
    let mut fit = problem.solve_from(std::slice::from_ref(&axes.hyperparameters)).unwrap();
    // One fit does not go all the way.
    fit = problem.solve_from(&[fit.hyperparameters]).unwrap();
    assert!(fit.log_posterior > axes.log_posterior + 20.0);
    let Hyperparameters { lengthscales, rotation, .. } = fit.hyperparameters;
    let shortest = (0..3).min_by(|&a, &b| lengthscales[a].total_cmp(&lengthscales[b])).unwrap();
    let cosine: f64 = rotation.unwrap().row(shortest).iter().zip(along).map(|(r, a)| r * a).sum();
    assert!(cosine.abs() > 0.999, "{cosine} {lengthscales:?}");
}

#[test]
fn irrelevant_dimensions_get_long_lengthscales_and_clean_data_little_noise() {
    let data = smooth(20);
    for priors in [Priors::low_noise(3), Priors::low_noise_objective(3)] {
        let fit =
            MapEstimate::new(&data, &[false; 3], KernelKind::Matern52, &priors).solve(&[]).unwrap();
        let Hyperparameters { lengthscales, noise_variance, .. } = fit.hyperparameters;
        assert!(lengthscales[2] > 3.0 * lengthscales[0], "{lengthscales:?}");
        assert!(noise_variance < 1e-5, "{noise_variance}");
    }
}

#[test]
fn a_warm_start_saves_evaluations_and_changes_nothing() {
    let data = smooth(20);
    let priors = Priors::low_noise(3);
    let problem = MapEstimate::new(&data, &[false; 3], KernelKind::Matern52, &priors);
    let cold = problem.solve(&[]).unwrap();
    let warm = problem.solve_from(std::slice::from_ref(&cold.hyperparameters)).unwrap();
    assert!(warm.evaluations <= cold.evaluations / 2);
    assert!((warm.log_posterior - cold.log_posterior).abs() < 1e-3);
}
