//! Expectation propagation against what is known exactly, and derivatives against differences.

use super::*;
use crate::special::normal_cdf;

/// Points of a square on both sides of a line.
fn sides() -> Labels {
    let sobol = crate::sobol::Sobol::scrambled(2, 5).unwrap();
    let x: Vec<Vec<f64>> = sobol.points_from(0).take(20).map(|u| u.to_vec()).collect();
    let y = x.iter().map(|u| if u[0] + u[1] < 1.2 { 1.0 } else { -1.0 }).collect();
    Labels { x, y }
}

/// Expectation propagation is exact for a single observation. Rasmussen and Williams 2006, eq. 3.82 and 3.85.
#[test]
fn one_observation_is_exact() {
    for (prior_mean, k) in [(0.0, 2.0), (0.7, 30.0), (-1.5, 0.4)] {
        for y in [1.0, -1.0] {
            let K = DMatrix::from_element(1, 1, k);
            let (at, evidence) = Sites::new(1).propagate(&[y], &K, prior_mean).unwrap();
            let z = y * prior_mean / f64::sqrt(1.0 + k);
            assert!((evidence - normal_cdf(z).ln()).abs() < 1e-12);
            let ratio = log_ndtr(z).1;
            let mean = y * k * ratio / f64::sqrt(1.0 + k);
            let variance = k - k * k / (1.0 + k) * ratio * (z + ratio);
            assert!((at.mean[0] - mean).abs() < 1e-12 * k);
            assert!((at.covariance[(0, 0)] - variance).abs() < 1e-12 * k);
        }
    }
}

/// Of two observations the evidence is that of a quadrant, which is known where the prior mean is 0.
#[test]
fn the_evidence_of_two_observations_is_a_quadrant() {
    for (k, c) in [(1.0, 0.5), (5.0, 4.0), (5.0, -2.0), (50.0, 30.0)] {
        let K = DMatrix::from_row_slice(2, 2, &[k, c, c, k]);
        for y in [[1.0, 1.0], [1.0, -1.0]] {
            let found = Sites::new(2).propagate(&y, &K, 0.0).unwrap().1;
            let correlation: f64 = y[0] * y[1] * c / (1.0 + k);
            let expected = 0.25 + correlation.asin() / (2.0 * std::f64::consts::PI);
            assert!((found - expected.ln()).abs() < 1e-2, "{k} {c}: {} {expected}", found.exp());
        }
    }
}

#[test]
fn derivatives_of_the_posterior_match_central_differences() {
    let mut labels = sides();
    // One point with both outcomes.
    labels.x.push(labels.x[3].clone());
    labels.y.push(-labels.y[3]);
    for categorical in [[false, false], [false, true]] {
        let priors = Priors::low_noise_objective(2);
        let at = |theta: &[f64], gradient: &mut [f64]| {
            let mut sites = Sites::new(21);
            log_posterior(&labels, theta, &categorical, &priors, &mut sites, gradient).unwrap()
        };
        let theta = [-0.7, 0.2, 1.3, 0.4];
        let mut gradient = [0.0; 4];
        at(&theta, &mut gradient);
        for k in 0..4 {
            let (mut up, mut down) = (theta, theta);
            up[k] += 1e-3;
            down[k] -= 1e-3;
            let mut unused = [0.0; 4];
            let slope = (at(&up, &mut unused) - at(&down, &mut unused)) / 2e-3;
            let error = (gradient[k] - slope).abs();
            assert!(error < 1e-3 * slope.abs().max(1.0), "{k}: {} {slope}", gradient[k]);
        }
    }
}

#[test]
fn the_conditioned_process_is_the_approximation() {
    let mut labels = sides();
    labels.x.push(labels.x[3].clone());
    labels.y.push(labels.y[3]);
    let latent = Latent::unpack(&[-0.7, 0.2, 1.3, 0.4]);
    let gp = latent.condition(&labels, &[false; 2]).unwrap();
    let (K, _) = gram(&labels, &latent.hyperparameters, &[false; 2]);
    let (at, _) = Sites::new(21).propagate(&labels.y, &K, latent.mean).unwrap();
    for (i, u) in labels.x.iter().enumerate() {
        let found = gp.posterior(u);
        assert!((found.mean - latent.mean - at.mean[i]).abs() < 1e-8);
        assert!((found.variance - at.covariance[(i, i)]).abs() < 1e-8);
    }
}

#[test]
fn outcomes_at_random_are_no_boundary() {
    // Each outcome is that of a coin, so that nothing is known of the next one but how often which is seen.
    let mut labels = sides();
    labels.y = [1.0, 1.0, -1.0, 1.0, -1.0, -1.0, 1.0, -1.0, 1.0, -1.0].repeat(2);
    let of = |labels: &Labels| {
        let (latent, evidence) = Latent::fit(labels, &[false; 2]);
        (evidence, latent)
    };
    let (evidence, latent) = of(&labels);
    let (better, bounded) = of(&sides());
    assert!(better > evidence + 3.0, "{better} {evidence}");
    let shortest =
        |of: &Latent| of.hyperparameters.lengthscales.iter().copied().fold(f64::INFINITY, f64::min);
    assert!(shortest(&bounded) > shortest(&latent));
}
