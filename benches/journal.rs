//! How long does it take to store one trial's life (asked, told) durably, and to open an experiment again?
//!
//! `cargo bench -p krige-benches --bench journal`

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use krige::prelude::*;

fn client(mut client: Client) -> Client {
    let config = ExperimentConfig::new("bench").parameter(Parameter::float("x", 0.0, 1.0));
    client.configure_experiment(config).expect("configured");
    client.configure_optimization("y", &[]).expect("configured");
    let method = GenerationMethod::RandomSearch;
    let options = StrategyOptions { method, ..StrategyOptions::default() };
    client.configure_generation_strategy(&options).expect("configured");
    client
}

fn ask_and_tell(client: &mut Client) {
    for (trial, _) in client.get_next_trials(1).expect("asked") {
        client.complete_trial(trial, [("y", 1.0)]).expect("told");
    }
}

fn trials(c: &mut Criterion) {
    let mut group = c.benchmark_group("one random-search trial");
    group.sample_size(20);
    group.bench_function("memory", |b| {
        b.iter_batched_ref(|| client(Client::in_memory()), ask_and_tell, BatchSize::PerIteration);
    });
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bench.db");
    let mut stored = client(Client::with_database(&path).expect("opened"));
    group.bench_function("sqlite", |b| b.iter(|| ask_and_tell(&mut stored)));
    group.finish();

    let trials = stored.experiment().expect("configured").trials.len();
    c.bench_function(&format!("open an experiment of {trials} trials"), |b| {
        b.iter(|| Client::load_from_database(&path, "bench").expect("opened"));
    });
}

criterion_group!(benches, trials);
criterion_main!(benches);
