//! Expected hypervolume improvement over a front that is uncertain: gradients, limits and plain draws.

use super::*;
use crate::acquisition::log_ei::LogEi;
use crate::acquisition::testing::{check_gradient, model};
use crate::pareto::hypervolume;

fn rows<const M: usize>(points: &[[f64; M]]) -> Vec<Vec<f64>> {
    points.iter().map(|point| point.to_vec()).collect()
}

#[test]
fn without_a_front_it_is_the_product_of_improvements() {
    let gp = model(0.01);
    let reference = [0.3, -0.2, 0.9];
    let ehvi = LogEhvi::new(&[&gp; 3], &[], &[], &reference, 1).unwrap();
    for u in [[0.5, 0.5], [0.05, 0.95]] {
        let product: f64 = reference.iter().map(|&best| LogEi { gp: &gp, best }.value(&u)).sum();
        assert!((ehvi.value(&u) - product).abs() < 1e-12);
    }
}

#[test]
fn gradients_match_central_differences() {
    let (clean, noisy) = (model(0.01), model(0.3));
    let two = rows(&[[0.9, -0.5], [0.2, 0.3], [-0.4, 0.31], [-0.4001, 0.9]]);
    for reference in [[-1.0, -1.0], [2.0, 1.0], [-9.0, 0.2]] {
        check_gradient(&LogEhvi::new(&[&clean, &noisy], &two, &[], &reference, 1).unwrap());
    }
    let four = rows(&[[0.3, 0.1, 0.2, 0.2], [0.1, 0.3, 0.2, 0.1], [0.2, 0.2, 0.1, 0.3]]);
    let models = [&clean, &noisy, &clean, &noisy];
    check_gradient(&LogEhvi::new(&models, &four, &[], &[-0.5; 4], 1).unwrap());
    // Uncertain points, with and without certain ones.
    let uncertain = rows(&[[0.9, 0.1], [0.7, 0.5], [0.2, 0.1]]);
    for certain in [&two[..], &[]] {
        let models = [&clean, &noisy];
        check_gradient(&LogEhvi::new(&models, certain, &uncertain, &[-1.0; 2], 1).unwrap());
    }
}

/// Draws of the objectives at the uncertain points and at u together, and the volumes counted: what is drawn at the
/// uncertain points alone is right on average.
#[test]
fn plain_draws_of_everything_agree() {
    let (one, other) = (model(0.1), model(0.3));
    let gps = [&one, &other];
    let certain = rows(&[[0.2, -0.4]]);
    let uncertain = rows(&[[0.9, 0.1], [0.7, 0.5], [0.2, 0.1]]);
    let reference = [-1.0, -1.5];
    let seeds = 40_u32;
    let made = (0..seeds)
        .map(|seed| LogEhvi::new(&gps, &certain, &uncertain, &reference, u64::from(seed)).unwrap());
    let made: Vec<LogEhvi<'_>> = made.collect();
    for u in [[0.6, 0.2], [0.85, 0.15], [0.1, 0.9]] {
        let mut points = uncertain.clone();
        points.push(u.to_vec());
        let joint = gps.map(|gp| Baseline::new(gp, &points).unwrap());
        let n = 1_u32 << 13;
        let sobol = Sobol::scrambled(8, 8).unwrap();
        let sum: f64 = sobol
            .points_from(0)
            .take(n as usize)
            .map(|uniform| {
                let z: Vec<f64> = uniform.iter().map(|u| ndtri(u + HALF_CELL)).collect();
                let draws = [0, 1].map(|j| joint[j].draw(&z[4 * j..4 * (j + 1)]).values);
                let mut values = certain.clone();
                values.extend((0..4).map(|i| draws.iter().map(|draw| draw[i]).collect()));
                hypervolume(&values, &reference) - hypervolume(&values[..4], &reference)
            })
            .sum();
        let expected = sum / f64::from(n);
        let values: Vec<f64> = made.iter().map(|ehvi| ehvi.value(&u).exp()).collect();
        let average = values.iter().sum::<f64>() / f64::from(seeds);
        assert!((average - expected).abs() < 0.03 * expected, "{u:?}: {average} {expected}");
        for value in values {
            assert!((value / expected).ln().abs() < 0.5, "{u:?}: {value} {expected}");
        }
    }
}

/// Where the uncertain points are all but certain, it is improvement over their values.
#[test]
fn certain_draws_are_values() {
    let gp = model(1e-8);
    let points = rows(&[[0.9, 0.1], [0.1, 0.2]]);
    let values: Vec<Vec<f64>> = points.iter().map(|u| vec![gp.posterior(u).mean; 2]).collect();
    let drawn = LogEhvi::new(&[&gp; 2], &[], &points, &[-2.0; 2], 1).unwrap();
    let known = LogEhvi::new(&[&gp; 2], &values, &[], &[-2.0; 2], 1).unwrap();
    for u in [[0.8, 0.3], [0.5, 0.1], [0.3, 0.9]] {
        assert!((drawn.value(&u) - known.value(&u)).abs() < 1e-3);
    }
}

/// A pending point is worth little more than nothing, and what is far away keeps its worth.
#[test]
fn pending_points_are_avoided() {
    let (one, other) = (model(1e-6), model(1e-4));
    let certain = rows(&[[1.2, 1.2]]);
    let pending = rows(&[[0.85, 0.3]]);
    let value = |uncertain: &[Vec<f64>], u: &[f64]| {
        LogEhvi::new(&[&one, &other], &certain, uncertain, &[-1.0; 2], 1).unwrap().value(u)
    };
    assert!(value(&pending, &pending[0]) < value(&[], &pending[0]) - 3.0);
    let far = [0.1, 0.9];
    assert!((value(&pending, &far) - value(&[], &far)).abs() < 0.5);
}
