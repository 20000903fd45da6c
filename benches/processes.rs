//! How many trials per second do 16 and 64 processes ask for and tell, together, on one experiment in one SQLite file?
//!
//! `cargo bench -p krige-benches --bench processes`
//!
//! Each process is this program again. The time is from the first process's start to the last one's end, so what it takes
//! to start them and to open the file is in it.

use std::path::Path;
use std::process::{Child, Command};
use std::time::Instant;

use krige::core::trial::TrialStatus;
use krige::prelude::*;

const EXPERIMENT: &str = "bench";
const FILE: &str = "KRIGE_BENCH_FILE";
const EACH: usize = 25;
const ROUNDS: usize = 5;

fn begin(file: &Path) {
    let mut client = Client::with_database(file).expect("opened");
    let config = ExperimentConfig::new(EXPERIMENT).parameter(Parameter::float("x", 0.0, 1.0));
    client.configure_experiment(config).expect("configured");
    client.configure_optimization("y", &[]).expect("configured");
    let method = GenerationMethod::RandomSearch;
    let options = StrategyOptions { method, ..StrategyOptions::default() };
    client.configure_generation_strategy(&options).expect("configured");
}

fn work(file: &Path) {
    let mut client = Client::load_from_database(file, EXPERIMENT).expect("opened");
    for _ in 0..EACH {
        for (trial, _) in client.get_next_trials(1).expect("asked") {
            client.complete_trial(trial, [("y", 1.0)]).expect("told");
        }
    }
}

/// Trials per second.
fn measure(processes: usize) -> f64 {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("bench.db");
    begin(&file);
    let program = std::env::current_exe().expect("this program");
    let started = Instant::now();
    let children: Vec<Child> = (0..processes)
        .map(|_| Command::new(&program).env(FILE, &file).spawn().expect("started"))
        .collect();
    for mut child in children {
        assert!(child.wait().expect("it ended").success(), "a process failed");
    }
    let seconds = started.elapsed().as_secs_f64();
    let client = Client::load_from_database(&file, EXPERIMENT).expect("opened");
    let completed = client.experiment().expect("there").trials_in(&[TrialStatus::Completed]);
    assert_eq!(completed.count(), processes * EACH, "none is lost");
    (processes * EACH) as f64 / seconds
}

fn main() {
    if let Some(file) = std::env::var_os(FILE) {
        return work(Path::new(&file));
    }
    for processes in [16, 64] {
        let mut rates: Vec<f64> = (0..ROUNDS).map(|_| measure(processes)).collect();
        rates.sort_by(f64::total_cmp);
        let (median, least, most) = (rates[ROUNDS / 2], rates[0], rates[ROUNDS - 1]);
        println!(
            "{processes} processes, {EACH} trials each: {median:.0} trials/s (from {least:.0} to {most:.0} in {ROUNDS} rounds)"
        );
    }
}
