//! How long do fits, acquisition functions and whole suggestions take, with n observations in d dimensions?
//!
//! `cargo bench -p krige-benches --bench suggest`

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use krige_gp::acquisition::Acquisition;
use krige_gp::acquisition::log_ei::LogEi;
use krige_gp::acquisition::log_nei::LogNei;
use krige_gp::domain::{Dimension, Domain};
use krige_gp::fit::MapEstimate;
use krige_gp::kernel::KernelKind;
use krige_gp::observations::Observations;
use krige_gp::priors::Priors;
use krige_gp::regression::{GaussianProcess, Hyperparameters, Mean, log_marginal_likelihood};
use krige_gp::sobol::Sobol;
use krige_gp::suggest::{Outcomes, Problem, suggest};

/// A smooth function with its maximum inside of the cube, at `n` Sobol points.
fn data(n: usize, d: usize) -> (Domain, Vec<Vec<f64>>, Outcomes) {
    let domain = Domain { dimensions: vec![Dimension::Continuous; d], ..Domain::default() };
    let sobol = Sobol::scrambled(d, 7).expect("few dimensions");
    let x: Vec<Vec<f64>> = sobol.points_from(0).take(n).collect();
    let value = |u: &Vec<f64>| {
        let bowl: f64 = u.iter().map(|u| (u - 0.3).powi(2)).sum();
        -bowl + 0.1 * (7.0 * u[0]).sin()
    };
    let y = x.iter().map(value).collect();
    (domain, x, Outcomes { y, noise_variance: vec![None; n] })
}

fn observations(n: usize, d: usize) -> (Observations, Hyperparameters) {
    let (_, x, outcomes) = data(n, d);
    let hyperparameters = Hyperparameters {
        kernel: KernelKind::Matern52,
        lengthscales: vec![0.5 * (d as f64).sqrt(); d],
        rotation: None,
        outputscale: 1.0,
        noise_variance: 1e-4,
    };
    (Observations::new(&x, &outcomes.y, &outcomes.noise_variance), hyperparameters)
}

/// One likelihood with its gradient, and a whole maximum a posteriori.
fn fit(c: &mut Criterion) {
    let mut group = c.benchmark_group("fit");
    group.sample_size(10);
    for (n, d) in [(25, 2), (50, 6), (100, 6), (200, 10), (500, 10), (1000, 20)] {
        let (data, hyperparameters) = observations(n, d);
        let categorical = vec![false; d];
        let id = |kind: &str| BenchmarkId::new(kind, format!("n={n} d={d}"));
        group.bench_function(id("likelihood"), |b| {
            b.iter(|| {
                let at = black_box(&hyperparameters);
                log_marginal_likelihood(&data, at, &categorical, Mean::Profiled)
            });
        });
        if n <= 200 {
            let priors = Priors::low_noise(d);
            let problem = MapEstimate::new(&data, &categorical, KernelKind::Matern52, &priors);
            group.bench_function(id("map"), |b| b.iter(|| black_box(&problem).solve(&[])));
        }
    }
    group.finish();
}

/// One value with its gradient, and the values of 512 candidates together.
fn acquisition(c: &mut Criterion) {
    let mut group = c.benchmark_group("acquisition");
    group.sample_size(10);
    for (n, d) in [(25, 2), (50, 6), (200, 10), (500, 10), (1000, 20)] {
        let (data, hyperparameters) = observations(n, d);
        let gp = GaussianProcess::new(&data, &hyperparameters, &vec![false; d], Mean::Profiled)
            .expect("distinct points");
        let baseline: Vec<Vec<f64>> = (0..8).map(|i| data.point(i)).collect();
        let ei = LogEi { gp: &gp, best: 0.0 };
        let nei = LogNei::new(&gp, &baseline, f64::NEG_INFINITY, 1).expect("distinct points");
        let points: Vec<Vec<f64>> =
            Sobol::scrambled(d, 9).expect("few dimensions").points_from(0).take(512).collect();
        let each: [(&str, &dyn Acquisition); 2] = [("log EI", &ei), ("log NEI", &nei)];
        for (name, acquisition) in each {
            let id =
                |kind: &str| BenchmarkId::new(format!("{name}, {kind}"), format!("n={n} d={d}"));
            group.bench_function(id("gradient"), |b| {
                let mut gradient = vec![0.0; d];
                b.iter(|| acquisition.add_gradient(black_box(&points[0]), 1.0, &mut gradient));
            });
            group.bench_function(id("512 values"), |b| {
                b.iter(|| acquisition.values(black_box(&points)));
            });
        }
    }
    group.finish();
}

fn suggestion(c: &mut Criterion) {
    let mut group = c.benchmark_group("suggest");
    group.sample_size(10);
    for (n, d) in
        [(10, 2), (25, 2), (50, 6), (100, 6), (200, 10), (500, 10), (1000, 20), (5000, 10)]
    {
        let (domain, x, outcomes) = data(n, d);
        let problem = Problem::new(&domain, &x, &outcomes);
        let first = suggest(&problem, 1).expect("a suggestion");
        let warm = Problem { warm_start: first.model.as_ref(), ..problem };
        let id = |kind: &str| BenchmarkId::new(kind, format!("n={n} d={d}"));
        if n <= 200 {
            group.bench_function(id("cold"), |b| b.iter(|| suggest(black_box(&problem), 1)));
        }
        group.bench_function(id("warm"), |b| b.iter(|| suggest(black_box(&warm), 1)));
    }
    group.finish();
}

criterion_group!(benches, fit, acquisition, suggestion);
criterion_main!(benches);
