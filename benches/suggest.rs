//! How long does one suggestion take, fit included, with n observations in d dimensions?
//!
//! `cargo bench -p krige-benches --bench suggest`

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use krige_gp::domain::{Dimension, Domain};
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

fn suggestion(c: &mut Criterion) {
    let mut group = c.benchmark_group("suggest");
    group.sample_size(10);
    for (n, d) in [(10, 2), (30, 6), (50, 6), (100, 6), (200, 10)] {
        let (domain, x, outcomes) = data(n, d);
        let problem = Problem::new(&domain, &x, &outcomes);
        let first = suggest(&problem, 1).expect("a suggestion");
        let warm = Problem { warm_start: first.model.as_ref(), ..problem };
        let id = |kind: &str| BenchmarkId::new(kind, format!("n={n} d={d}"));
        group.bench_function(id("cold"), |b| b.iter(|| suggest(black_box(&problem), 1)));
        group.bench_function(id("warm"), |b| b.iter(|| suggest(black_box(&warm), 1)));
    }
    group.finish();
}

criterion_group!(benches, suggestion);
criterion_main!(benches);
