//! What does an experiment of 100,000 trials cost: each event, an ask, memory, the file, opening it again?
//!
//! `cargo bench -p krige-benches --bench soak -- [--trials 100000] [--folder DIR]`
//!
//! Random search, and trials that end at once, so that nothing but krige's own book-keeping and the medium is measured.
//! Every append is flushed: the folder (that for temporary files, unless it is named) decides what that costs, and on one
//! in memory only the work of the processor is left.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use krige::prelude::*;

/// At these numbers of trials a line is printed.
const STATIONS: [usize; 3] = [1_000, 10_000, 100_000];

/// The last so many asks before a station are looked at.
const ASKS: usize = 100;

struct Options {
    trials: usize,
    folder: PathBuf,
    /// Of a process that does one part: which.
    only: Option<String>,
}

fn options(mut arguments: impl Iterator<Item = String>) -> Options {
    let mut options = Options { trials: 100_000, folder: std::env::temp_dir(), only: None };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_else(|| panic!("{argument} needs a value"));
        match argument.as_str() {
            "--trials" => options.trials = value().parse().expect("a number of trials"),
            "--folder" => options.folder = value().into(),
            "--only" => options.only = Some(value()),
            // What `cargo bench` passes to every benchmark.
            "--bench" => {}
            other => panic!("unknown argument {other}"),
        }
    }
    options
}

fn main() {
    // `cargo test --all-targets` starts benchmarks too, without this argument: minutes are too long there.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let options = options(std::env::args().skip(1));
    let parts = [("client", by_hand as Drive), ("orchestrator", orchestrated as Drive)];
    if let Some(only) = &options.only {
        let part = parts.into_iter().find(|(name, _)| name == only).expect("a part");
        return soak(&options, part);
    }
    println!(
        "| driven by | trials | ms per trial | µs per event | ms per ask | MB resident | MB file | s to open |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    // Each in a process of its own: memory that one has used is not counted for the other.
    for (name, _) in parts {
        let program = std::env::current_exe().expect("this program");
        let mut part = std::process::Command::new(program);
        part.args(std::env::args().skip(1)).args(["--only", name]);
        assert!(part.status().expect("started").success(), "{name} failed");
    }
}

fn soak(options: &Options, (name, drive): (&str, Drive)) {
    let folder = tempfile::tempdir_in(&options.folder).expect("a folder");
    let database = folder.path().join(format!("{name}.db"));
    let mut client = begin(&database);
    let mut former = 0;
    for station in STATIONS.into_iter().filter(|&station| station <= options.trials) {
        let (started, events) = (Instant::now(), sequence(&client));
        drive(&mut client, station - ASKS);
        let asks = asked(&mut client);
        let (took, events) = (started.elapsed(), sequence(&client) - events);
        let resident = resident_megabytes();
        let opening = Instant::now();
        let opened = Client::load_from_database(&database, "soak").expect("opened");
        let opening = opening.elapsed();
        assert_eq!(opened.experiment().ok(), client.experiment().ok(), "replay is live");
        println!(
            "| {name} | {station} | {:.3} | {:.1} | {:.3} | {resident:.0} | {:.1} | {:.2} |",
            took.as_secs_f64() * 1e3 / (station - former) as f64,
            took.as_secs_f64() * 1e6 / events as f64,
            asks.as_secs_f64() * 1e3,
            megabytes(&database),
            opening.as_secs_f64(),
        );
        former = station;
    }
}

/// Goes on until there are so many trials.
type Drive = fn(&mut Client, usize);

fn begin(database: &Path) -> Client {
    let mut client = Client::with_database(database).expect("opened").with_seed(1);
    let config = ["x1", "x2", "x3"].iter().fold(ExperimentConfig::new("soak"), |config, &name| {
        config.parameter(Parameter::float(name, 0.0, 1.0))
    });
    client.configure_experiment(config).expect("configured");
    client.configure_optimization("-y", &[]).expect("configured");
    let method = GenerationMethod::RandomSearch;
    let options = StrategyOptions { method, ..StrategyOptions::default() };
    client.configure_generation_strategy(&options).expect("configured");
    client
        .configure_runner(FunctionRunner::new(|p| Ok([("y", p.float("x1")?)])))
        .expect("configured");
    client.configure_metric("y", MetadataMetric::new("y")).expect("configured");
    client
}

fn by_hand(client: &mut Client, trials: usize) {
    while count(client) < trials {
        ask_and_tell(client);
    }
}

fn orchestrated(client: &mut Client, trials: usize) {
    let options = OrchestratorOptions {
        progress: Progress::Silent,
        ..OrchestratorOptions::until(trials, 10).poll_every(Duration::ZERO, Duration::ZERO)
    };
    let report = client.run_trials(options).expect("runs to the end");
    assert_eq!(report.ended, EndReason::Done);
}

/// Asks for a trial and tells its value; how long the ask took.
fn ask_and_tell(client: &mut Client) -> Duration {
    let started = Instant::now();
    let asked = client.get_next_trials(1).expect("asked");
    let took = started.elapsed();
    for (trial, parameters) in asked {
        let y = parameters.float("x1").expect("a float");
        client.complete_trial(trial, [("y", y)]).expect("told");
    }
    took
}

/// The median of some asks.
fn asked(client: &mut Client) -> Duration {
    let mut asks: Vec<_> = (0..ASKS).map(|_| ask_and_tell(client)).collect();
    asks.sort_unstable();
    asks[ASKS / 2]
}

fn count(client: &Client) -> usize {
    client.experiment().expect("configured").trials.len()
}

fn sequence(client: &Client) -> u64 {
    client.experiment().expect("configured").sequence
}

/// What of this process is in memory, as Linux tells it; NaN elsewhere.
fn resident_megabytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    kilobytes.map_or(f64::NAN, |kilobytes| kilobytes / 1e3)
}

/// The file and its write-ahead log.
fn megabytes(database: &Path) -> f64 {
    let mut log = database.as_os_str().to_owned();
    log.push("-wal");
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    (size(database) + size(Path::new(&log))) as f64 / 1e6
}
