//! Likelihood, posterior and leave-one-out against reference values and plain oracles.

use proptest::prelude::*;

use super::*;
use crate::acquisition::Acquisition;
use crate::acquisition::log_ei::LogEi;

/// What torch (f64, autograd) gives for the five points of `data`, lengthscales (.3, .7), noise .01,
/// mean .1, at the points (.5, .5) and (.05, .95), with log EI over .8.
struct Reference {
    kind: KernelKind,
    likelihood: f64,
    d_lengthscales: [f64; 2],
    d_noise: f64,
    d_mean: f64,
    mean: [f64; 2],
    variance: [f64; 2],
    mean_gradient: [[f64; 2]; 2],
    variance_gradient: [[f64; 2]; 2],
    log_ei: [f64; 2],
    log_ei_gradient: [[f64; 2]; 2],
    loo_mean: [f64; 5],
    loo_variance: [f64; 5],
    loo_log_density: f64,
    profiled_mean: f64,
    profiled_likelihood: f64,
}

const REFERENCES: [Reference; 4] = [
    Reference {
        kind: KernelKind::Rbf,
        likelihood: -5.323721480032,
        d_lengthscales: [0.3130491843, -0.7218878453],
        d_noise: -0.0171066553,
        d_mean: 0.3818555553,
        mean: [0.114616273833, -0.292870852876],
        variance: [0.079197443908, 0.536196294918],
        mean_gradient: [[2.7514005251, -2.1915378296], [-2.8851946520, -0.9713507179]],
        variance_gradient: [[-0.1196247607, -0.3242026088], [-2.0034487362, 0.7260753087]],
        log_ei: [-7.282203628303, -3.824430567718],
        log_ei_gradient: [[23.4018415132, -40.9180524046], [-17.1668097805, -0.0414952421]],
        loo_mean: [0.3902433339, -0.4044134761, 0.2438865552, 1.0430390146, -0.5144192221],
        loo_variance: [0.3847157650, 0.1681052525, 0.3641715773, 0.4871829250, 0.1197701648],
        loo_log_density: -3.012319278953,
        profiled_mean: 0.26146405984,
        profiled_likelihood: -5.292893506036,
    },
    Reference {
        kind: KernelKind::Matern52,
        likelihood: -5.520881230775,
        d_lengthscales: [0.2933567686, -0.0137309018],
        d_noise: -0.0224295588,
        d_mean: 0.6062926272,
        mean: [0.007127395556, -0.153093114148],
        variance: [0.206883101540, 0.657247262511],
        mean_gradient: [[3.1265013375, -1.9551320225], [-2.1171360320, -0.7109372776]],
        variance_gradient: [[-0.1738042371, -0.4853961104], [-1.5731249081, 0.6559735497]],
        log_ei: [-4.895277328207, -3.040661526095],
        log_ei_gradient: [[14.7577969923, -16.8498185281], [-9.3658790688, -0.0910419183]],
        loo_mean: [0.1868045376, -0.2685204308, 0.2850155957, 0.7427927581, -0.4874306255],
        loo_variance: [0.5911505115, 0.3051865720, 0.5262192676, 0.6382712850, 0.2408073991],
        loo_log_density: -3.929313481282,
        profiled_mean: 0.3645779900,
        profiled_likelihood: -5.440675386386,
    },
    Reference {
        kind: KernelKind::AdditiveMatern52,
        likelihood: -5.104249943543,
        d_lengthscales: [-0.2235976961, -0.9376914569],
        d_noise: -0.0320245930,
        d_mean: -0.0038164958,
        mean: [0.023042865756, -0.531121586407],
        variance: [0.100437393632, 0.248742404766],
        mean_gradient: [[3.4834017006, -1.5701839461], [-1.1748515988, -1.2815140299]],
        variance_gradient: [[-0.0496716811, -0.3333847666], [-1.0076311618, 0.1942698160]],
        log_ei: [-7.212682973054, -7.443973716503],
        log_ei_gradient: [[31.5019871560, -29.2454476910], [-27.2004014392, -4.5632638863]],
        loo_mean: [0.4191860616, -0.3804200255, 0.3015793985, 1.1536951698, -0.4334901667],
        loo_variance: [0.2948495526, 0.1648009661, 0.2479490639, 0.3369987716, 0.1000611074],
        loo_log_density: -2.459379623467,
        profiled_mean: 0.0976369274,
        profiled_likelihood: -5.104245434215,
    },
    Reference {
        kind: KernelKind::AdditiveRbf,
        likelihood: -5.747618267291,
        d_lengthscales: [-2.4060839664, -4.1460540897],
        d_noise: 0.2169590356,
        d_mean: -0.4845966335,
        mean: [0.117742882709, -0.616438264772],
        variance: [0.048948553247, 0.209747861045],
        mean_gradient: [[3.0324606759, -1.6437531742], [-2.0889582973, -1.9658718713]],
        variance_gradient: [[-0.0681838349, -0.2413628654], [-0.9299974956, 0.1958765302]],
        log_ei: [-9.677078053346, -8.982132449049],
        log_ei_gradient: [[40.9867000999, -56.6760805478], [-43.4830778705, -9.8275821269]],
        loo_mean: [0.4672839582, -0.4481031435, 0.1986693067, 1.5563358535, -0.4700526074],
        loo_variance: [0.1631305596, 0.0730959955, 0.1229929743, 0.1921527484, 0.0443949635],
        loo_log_density: -3.163100949994,
        profiled_mean: -0.1882171957,
        profiled_likelihood: -5.677783725911,
    },
];

const AT: [[f64; 2]; 2] = [[0.5, 0.5], [0.05, 0.95]];

fn data() -> Observations {
    let x = [[0.1, 0.2], [0.4, 0.9], [0.7, 0.5], [0.9, 0.1], [0.3, 0.6]].map(|u| u.to_vec());
    Observations::new(&x, &[0.5, -1.0, 0.8, 1.2, -0.3], &[None; 5])
}

fn hyperparameters(kind: KernelKind) -> Hyperparameters {
    Hyperparameters {
        kernel: kind,
        lengthscales: vec![0.3, 0.7],
        rotation: None,
        outputscale: 1.0,
        noise_variance: 0.01,
    }
}

/// The references are rounded to ten or twelve digits after the point.
#[track_caller]
fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9 * (1.0 + expected.abs()), "{found} {expected}");
}

#[test]
fn likelihood_matches_reference() {
    for reference in &REFERENCES {
        let hyperparameters = hyperparameters(reference.kind);
        let fixed =
            log_marginal_likelihood(&data(), &hyperparameters, &[false; 2], Mean::Fixed(0.1))
                .unwrap();
        close(fixed.value, reference.likelihood);
        for k in 0..2 {
            close(fixed.lengthscales[k], reference.d_lengthscales[k]);
        }
        close(fixed.noise_variance, reference.d_noise);
        close(fixed.mean, reference.d_mean);
        let profiled =
            log_marginal_likelihood(&data(), &hyperparameters, &[false; 2], Mean::Profiled)
                .unwrap();
        close(profiled.value, reference.profiled_likelihood);
        let gp =
            GaussianProcess::new(&data(), &hyperparameters, &[false; 2], Mean::Profiled).unwrap();
        close(gp.mean(), reference.profiled_mean);
    }
}

#[test]
fn posterior_and_log_ei_match_reference() {
    for reference in &REFERENCES {
        let gp = GaussianProcess::new(
            &data(),
            &hyperparameters(reference.kind),
            &[false; 2],
            Mean::Fixed(0.1),
        )
        .unwrap();
        for (i, u) in AT.iter().enumerate() {
            let at = gp.posterior(u);
            close(at.mean, reference.mean[i]);
            close(at.variance, reference.variance[i]);
            let (mut mean, mut variance, mut ei) = ([0.0; 2], [0.0; 2], [0.0; 2]);
            gp.add_gradient(u, &at, 1.0, 0.0, None, &mut mean);
            gp.add_gradient(u, &at, 0.0, 1.0, None, &mut variance);
            close(LogEi { gp: &gp, best: 0.8 }.add_gradient(u, 1.0, &mut ei), reference.log_ei[i]);
            for k in 0..2 {
                close(mean[k], reference.mean_gradient[i][k]);
                close(variance[k], reference.variance_gradient[i][k]);
                close(ei[k], reference.log_ei_gradient[i][k]);
            }
        }
    }
}

#[test]
fn leave_one_out_matches_reference() {
    for reference in &REFERENCES {
        let gp = GaussianProcess::new(
            &data(),
            &hyperparameters(reference.kind),
            &[false; 2],
            Mean::Fixed(0.1),
        )
        .unwrap();
        let mut log_density = 0.0;
        for (i, (mean, variance)) in gp.leave_one_out().into_iter().enumerate() {
            close(mean, reference.loo_mean[i]);
            close(variance, reference.loo_variance[i]);
            let z = data().y[i] - mean;
            log_density -= 0.5 * (z * z / variance + (2.0 * PI * variance).ln());
        }
        close(log_density, reference.loo_log_density);
    }
}

#[test]
fn leave_one_out_with_profiled_mean_is_a_refit() {
    let all = data();
    let hyperparameters = hyperparameters(KernelKind::Matern52);
    let gp = GaussianProcess::new(&all, &hyperparameters, &[false; 2], Mean::Profiled).unwrap();
    for (i, (mean, variance)) in gp.leave_one_out().into_iter().enumerate() {
        let keep: Vec<usize> = (0..5).filter(|j| *j != i).collect();
        let x: Vec<_> = keep.iter().map(|&j| all.point(j)).collect();
        let y: Vec<_> = keep.iter().map(|&j| all.y[j]).collect();
        let rest = Observations::new(&x, &y, &[None; 4]);
        let refit =
            GaussianProcess::new(&rest, &hyperparameters, &[false; 2], Mean::Profiled).unwrap();
        close(mean, refit.posterior(&all.point(i)).mean);
        // Universal kriging adds the uncertainty of the mean: the known-mean variance is a lower bound.
        assert!(variance >= refit.posterior(&all.point(i)).variance + 0.01 - 1e-12);
    }
    let one = Observations::new(&[vec![0.5, 0.5]], &[1.0], &[None]);
    let gp = GaussianProcess::new(&one, &hyperparameters, &[false; 2], Mean::Profiled).unwrap();
    assert!(gp.leave_one_out()[0].1 > 1e12);
}

fn scattered(n: usize, d: usize) -> Vec<Vec<f64>> {
    crate::sobol::Sobol::unscrambled(d).unwrap().points_from(1).take(n).collect()
}

#[test]
fn likelihood_gradient_matches_central_differences() {
    let x = scattered(12, 3);
    let mut x_repeated = x.clone();
    x_repeated.extend_from_slice(&x[..4]);
    x_repeated.push(x[0].clone());
    let y: Vec<f64> = (0..17).map(|i| f64::from(i).sin()).collect();
    let mut known = vec![None; 17];
    known[3] = Some(0.05);
    let data = Observations::new(&x_repeated, &y, &known);
    let categorical = [false, false, true];
    let at = |theta: &[f64; 5]| Hyperparameters {
        rotation: None,
        kernel: KernelKind::Matern52,
        lengthscales: theta[..3].iter().map(|t| t.exp()).collect(),
        outputscale: theta[3].exp(),
        noise_variance: theta[4].exp(),
    };
    let theta = [-0.5, 0.2, 0.1, 0.3, -3.0];
    for mean in [Mean::Profiled, Mean::Fixed(0.2)] {
        let value = |theta: &[f64; 5]| {
            log_marginal_likelihood(&data, &at(theta), &categorical, mean).unwrap()
        };
        let found = value(&theta);
        let mut gradient = found.lengthscales.clone();
        gradient.extend([found.outputscale, found.noise_variance]);
        for k in 0..5 {
            let (mut up, mut down) = (theta, theta);
            up[k] += 1e-5;
            down[k] -= 1e-5;
            let slope = (value(&up).value - value(&down).value) / 2e-5;
            assert!((gradient[k] - slope).abs() < 1e-6, "{k}: {} {slope}", gradient[k]);
        }
    }
}

/// Merged repetitions have the likelihood, and the posterior, of the separate measurements.
#[test]
fn merging_repetitions_changes_nothing() {
    let x = scattered(4, 2);
    let y = [0.3, -0.7, 1.1, 0.2, 0.5, 0.1, -0.9];
    let order = [0, 1, 2, 3, 0, 0, 1];
    let rows: Vec<_> = order.iter().map(|&i| x[i].clone()).collect();
    let merged = Observations::new(&rows, &y, &[None; 7]);
    assert_eq!(merged.len(), 4);
    let separate = Observations {
        X: DMatrix::from_fn(7, 2, |i, k| rows[i][k]),
        y: DVector::from_row_slice(&y),
        known_noise: vec![None; 7],
        replicates: vec![1.0; 7],
        deviations: vec![0.0; 7],
    };
    let parameters = Hyperparameters { noise_variance: 0.2, ..hyperparameters(KernelKind::Rbf) };
    let likelihood =
        |data| log_marginal_likelihood(data, &parameters, &[false; 2], Mean::Profiled).unwrap();
    let (a, b) = (likelihood(&merged), likelihood(&separate));
    close(a.value, b.value);
    close(a.noise_variance, b.noise_variance);
    close(a.lengthscales[0], b.lengthscales[0]);
    let posterior = |data| {
        GaussianProcess::new(data, &parameters, &[false; 2], Mean::Profiled)
            .unwrap()
            .posterior(&[0.3, 0.4])
    };
    close(posterior(&merged).mean, posterior(&separate).mean);
    close(posterior(&merged).variance, posterior(&separate).variance);
    // Known variances: two measurements of variance v are one of variance v / 2.
    let known = Observations::new(&rows, &y, &[Some(0.2); 7]);
    close(known.known_noise[1].unwrap(), 0.1);
    close(posterior(&known).mean, posterior(&separate).mean);
}

#[test]
fn appending_equals_conditioning_anew() {
    let x = scattered(7, 2);
    let y: Vec<f64> = x.iter().map(|u| (5.0 * u[0]).sin() + u[1]).collect();
    let parameters = hyperparameters(KernelKind::Matern52);
    let build = |n: usize| {
        let data = Observations::new(&x[..n], &y[..n], &vec![None; n]);
        GaussianProcess::new(&data, &parameters, &[false; 2], Mean::Fixed(0.1)).unwrap()
    };
    let mut grown = build(5);
    grown.append(&x[5], y[5], 0.01);
    grown.append(&x[6], y[6], 0.01);
    let anew = build(7);
    for u in scattered(20, 2) {
        close(grown.posterior(&u).mean, anew.posterior(&u).mean);
        close(grown.posterior(&u).variance, anew.posterior(&u).variance);
    }
    // The kriging believer leaves the mean and shrinks the variance.
    let before = build(5);
    let mut believer = build(5);
    let u = [0.77, 0.31];
    believer.append(&u, before.posterior(&u).mean, 0.01);
    close(believer.posterior(&[0.6, 0.4]).mean, before.posterior(&[0.6, 0.4]).mean);
    assert!(believer.posterior(&[0.6, 0.4]).variance < before.posterior(&[0.6, 0.4]).variance);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    /// The textbook formulas with an explicit inverse, in double loops.
    #[test]
    fn posterior_matches_naive_oracle(
        x in prop::collection::vec(0.0..1.0f64, 24),
        y in prop::collection::vec(-2.0..2.0f64, 8),
        u in prop::collection::vec(0.0..1.0f64, 3),
    ) {
        let rows: Vec<Vec<f64>> = x.chunks(3).map(<[f64]>::to_vec).collect();
        let data = Observations::new(&rows, &y, &[None; 8]);
        prop_assume!(data.len() == 8);
        let parameters = Hyperparameters {
            kernel: KernelKind::Matern52,
            lengthscales: vec![0.4, 0.9, 0.6],
            rotation: None,
            outputscale: 1.7,
            noise_variance: 0.02,
        };
        let gp = GaussianProcess::new(&data, &parameters, &[false; 3], Mean::Fixed(0.3)).unwrap();
        let k = |a: &[f64], b: &[f64]| {
            let r2: f64 = (0..3).map(|i| ((a[i] - b[i]) / parameters.lengthscales[i]).powi(2)).sum();
            let s = (5.0 * r2).sqrt();
            1.7 * (1.0 + s + s * s / 3.0) * (-s).exp()
        };
        let K = DMatrix::from_fn(8, 8, |i, j| {
            k(&rows[i], &rows[j]) + if i == j { 0.02 } else { 0.0 }
        });
        let inverse = K.try_inverse().unwrap();
        let (mut mean, mut variance) = (0.3, k(&u, &u));
        for i in 0..8 {
            for j in 0..8 {
                mean += k(&u, &rows[i]) * inverse[(i, j)] * (y[j] - 0.3);
                variance -= k(&u, &rows[i]) * inverse[(i, j)] * k(&u, &rows[j]);
            }
        }
        let at = gp.posterior(&u);
        prop_assert!((at.mean - mean).abs() < 1e-8, "{} {mean}", at.mean);
        prop_assert!((at.variance - variance).abs() < 1e-8);
        prop_assert!(at.variance > 0.0);
    }
}
