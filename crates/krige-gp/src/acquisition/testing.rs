//! What the tests of acquisition functions share: gradients by central differences.

use super::Acquisition;
use crate::kernel::KernelKind;
use crate::observations::Observations;
use crate::regression::{GaussianProcess, Hyperparameters, Mean};

/// Five points in two dimensions with a Matern-5/2 kernel.
pub(crate) fn model(noise_variance: f64) -> GaussianProcess {
    let x = [[0.1, 0.2], [0.4, 0.9], [0.7, 0.5], [0.9, 0.1], [0.3, 0.6]].map(|u| u.to_vec());
    let data = Observations::new(&x, &[0.5, -1.0, 0.8, 1.2, -0.3], &[None; 5]);
    let hyperparameters = Hyperparameters {
        kernel: KernelKind::Matern52,
        lengthscales: vec![0.3, 0.7],
        rotation: None,
        outputscale: 1.0,
        noise_variance,
    };
    GaussianProcess::new(&data, &hyperparameters, &[false; 2], Mean::Fixed(0.1)).unwrap()
}

/// Compares the gradient with central differences over a grid, and values of many points with single ones.
#[track_caller]
pub(crate) fn check_gradient(acquisition: &dyn Acquisition) {
    let points: Vec<Vec<f64>> =
        (0..21).map(|i| vec![f64::from(i) / 20.0, f64::from((i * 8) % 21) / 20.0]).collect();
    let single: Vec<f64> = points.iter().map(|u| acquisition.value(u)).collect();
    assert_eq!(acquisition.values(&points), single);
    for i in 1..10 {
        for j in 1..10 {
            let u = [f64::from(i) / 10.0 + 0.013, f64::from(j) / 10.0 - 0.017];
            let mut gradient = [0.0; 2];
            let value = acquisition.add_gradient(&u, 2.0, &mut gradient);
            assert_eq!(value, acquisition.value(&u));
            for k in 0..2 {
                let (mut up, mut down) = (u, u);
                up[k] += 1e-6;
                down[k] -= 1e-6;
                let slope = (acquisition.value(&up) - acquisition.value(&down)) / 2e-6;
                let error = (0.5 * gradient[k] - slope).abs();
                assert!(error < 1e-5 * (1.0 + slope.abs()), "{u:?} {k}: {gradient:?} {slope}");
            }
        }
    }
}
