//! How much of a core does the loop itself need with 1,000 trials under way at once? And how long do 10,000 trials of one
//! second take on 16 slots, where 625 s is the least?
//!
//! `cargo bench -p krige-benches --bench orchestrator -- [--trials 1000] [--mean 60] [--seconds 20] [--long]`
//!
//! Trials end at random times (exponential, with a mean of so many seconds), random points are proposed in the place of
//! those that ended, everything is stored in a SQLite file, and the options of polling are the defaults. The processor time
//! is that of the thread that runs the loop, as Linux counts it, from when all trials run.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use krige::prelude::*;
use krige_testkit::SplitMix;
use serde::{Deserialize, Serialize};

/// A far side on which trials end by themselves.
#[derive(Debug, Serialize, Deserialize)]
struct Timed {
    /// In seconds.
    mean: f64,
    random: bool,
}

fn since_epoch() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs_f64()
}

#[typetag::serde(name = "bench_timed")]
impl IRunner for Timed {
    fn run_trial(&self, run: &TrialRun, _: &Parameterization) -> Result<Metadata, RunnerError> {
        let draw = (SplitMix::new(&[run.trial_index as u64]).below(1_000_000) + 1) as f64 / 1e6;
        let takes = if self.random { -self.mean * draw.ln() } else { self.mean };
        Ok(Metadata::of("ends", since_epoch() + takes).with("y", draw))
    }

    fn poll_trial(&self, _: &TrialRun, metadata: &Metadata) -> Result<RunStatus, RunnerError> {
        let ends = metadata.0["ends"].as_f64().expect("a number");
        Ok(if since_epoch() < ends { RunStatus::Running } else { RunStatus::Completed })
    }
}

/// The processor time of this thread, in seconds.
fn processor_time() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("Linux");
    let (_, fields) = stat.rsplit_once(')').expect("a name in parentheses");
    let ticks = |field: usize| -> f64 {
        fields.split_whitespace().nth(field).and_then(|text| text.parse().ok()).expect("a number")
    };
    // Fields 14 and 15 of proc(5), in ticks of 10 ms.
    (ticks(11) + ticks(12)) / 100.0
}

fn client(folder: &tempfile::TempDir, runner: Timed) -> Client {
    let mut client = Client::with_database(folder.path().join("bench.db")).expect("opened");
    let config = ExperimentConfig::new("bench")
        .parameter(Parameter::float("a", 0.0, 1.0))
        .parameter(Parameter::float("b", 0.0, 1.0));
    client.configure_experiment(config).expect("configured");
    client.configure_optimization("y", &[]).expect("configured");
    let method = GenerationMethod::RandomSearch;
    let options = StrategyOptions { method, ..StrategyOptions::default() };
    client.configure_generation_strategy(&options).expect("configured");
    client.configure_runner(runner).expect("configured");
    client.configure_metric("y", MetadataMetric::new("y")).expect("configured");
    client
}

fn busy(trials: usize, mean: f64, seconds: f64) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut client = client(&folder, Timed { mean, random: true });
    let stop = StopSignal::new();
    let options = OrchestratorOptions {
        progress: Progress::Silent,
        stop: stop.clone(),
        ..OrchestratorOptions::until(usize::MAX, trials)
    };
    let began = Instant::now();
    let mut from = None;
    let mut results = client.orchestrator(options).expect("can be run").results();
    while let Some(result) = results.next() {
        result.expect("no error");
        let running = || results.experiment().trials_in(&[TrialStatus::Running]).count();
        match from {
            // A few have ended and are being replaced at any time.
            None if running() * 10 >= trials * 9 => {
                let so_far = began.elapsed().as_secs_f64();
                println!("{trials} trials run after {so_far:.1} s");
                from = Some((Instant::now(), processor_time(), results.report().finished));
            }
            Some((at, processor, finished)) if at.elapsed().as_secs_f64() >= seconds => {
                let wall = at.elapsed().as_secs_f64();
                let share = (processor_time() - processor) / wall;
                let ended = (results.report().finished - finished) as f64 / wall;
                println!(
                    "the loop takes {:.2} % of a core over {wall:.1} s, with {} trials running and {ended:.1} ending \
                     each second",
                    100.0 * share,
                    running()
                );
                break;
            }
            None | Some(_) => {}
        }
    }
}

fn long() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut client = client(&folder, Timed { mean: 1.0, random: false });
    let options = OrchestratorOptions {
        progress: Progress::Silent,
        ..OrchestratorOptions::until(10_000, 16)
            .poll_every(Duration::from_millis(10), Duration::from_millis(10))
    };
    let (began, processor) = (Instant::now(), processor_time());
    let report = client.run_trials(options).expect("ran");
    let wall = began.elapsed().as_secs_f64();
    let share = 100.0 * (processor_time() - processor) / wall;
    println!("{} trials on 16 slots: {wall:.1} s, {share:.1} % of a core", report.finished);
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |name: &str, default: f64| {
        let at = arguments.iter().position(|argument| argument == name);
        let value = at.and_then(|at| arguments.get(at + 1));
        value.map_or(default, |value| value.parse().expect("a number"))
    };
    if arguments.iter().any(|argument| argument == "--long") {
        long();
    } else {
        busy(
            number("--trials", 1000.0) as usize,
            number("--mean", 60.0),
            number("--seconds", 20.0),
        );
    }
}
