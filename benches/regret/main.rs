//! How close to the optimum does the engine come with a given number of evaluations?
//!
//! `cargo bench -p krige-benches --bench regret -- [--problems a,b] [--seeds 0-29] [--budget-known] [--shifted]
//! [--threads 2] [--out FILE.md]`

mod problems;
mod run;

use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use problems::Problem;
use run::{Outcome, run};

struct Options {
    problems: Vec<Problem>,
    seeds: Vec<u64>,
    budget_known: bool,
    shifted: bool,
    threads: usize,
    out: Option<String>,
}

fn options(mut arguments: impl Iterator<Item = String>) -> Options {
    let (problems, seeds) = (problems::all(), (0..30).collect());
    let mut options =
        Options { problems, seeds, budget_known: false, shifted: false, threads: 2, out: None };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_else(|| panic!("{argument} needs a value"));
        match argument.as_str() {
            "--problems" => {
                let names = value();
                options.problems.retain(|p| names.split(',').any(|name| name == p.name));
            }
            "--seeds" => {
                let range = value();
                let (first, last) = range.split_once('-').unwrap_or((&range, &range));
                let number = |s: &str| s.parse::<u64>().expect("seeds are numbers, such as 0-29");
                options.seeds = (number(first)..=number(last)).collect();
            }
            "--threads" => options.threads = value().parse().expect("a number of threads"),
            "--out" => options.out = Some(value()),
            "--budget-known" => options.budget_known = true,
            "--shifted" => options.shifted = true,
            // What `cargo bench` passes to every benchmark.
            "--bench" => {}
            other => panic!("unknown argument {other}"),
        }
    }
    if options.shifted {
        options.problems.retain(Problem::can_be_shifted);
    }
    options
}

fn main() {
    // `cargo test --all-targets` starts benchmarks too, without this argument: minutes are too long there.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let options = options(std::env::args().skip(1));
    let jobs: Vec<(usize, u64)> = (0..options.problems.len())
        .flat_map(|p| options.seeds.iter().map(move |&seed| (p, seed)))
        .collect();
    let next = AtomicUsize::new(0);
    let outcomes: Mutex<Vec<Vec<Outcome>>> = Mutex::new(vec![Vec::new(); options.problems.len()]);
    let report = Mutex::new(Report::new(&options));
    std::thread::scope(|scope| {
        for _ in 0..options.threads {
            scope.spawn(|| {
                while let Some(&(p, seed)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let problem = &options.problems[p];
                    let outcome = run(problem, options.shifted, seed, options.budget_known);
                    let mut outcomes = outcomes.lock().expect("no run panics");
                    outcomes[p].push(outcome);
                    if outcomes[p].len() == options.seeds.len() {
                        report.lock().expect("no run panics").add(problem, &outcomes[p]);
                    }
                }
            });
        }
    });
    let text = report.into_inner().expect("no run panics").finish();
    if let Some(path) = options.out {
        std::fs::write(&path, text).unwrap_or_else(|error| panic!("cannot write {path}: {error}"));
    }
}

/// A table in Markdown that grows, and is shown, line by line.
struct Report {
    text: String,
    /// The place among the peers on each problem that has any.
    ranks: Vec<f64>,
}

impl Report {
    fn new(options: &Options) -> Self {
        let mut report = Self { text: String::new(), ranks: Vec::new() };
        let shifted = if options.shifted { ", shifted" } else { "" };
        let budget = if options.budget_known { ", budget known" } else { "" };
        report.line(&format!("log10 regret of {} seeds{shifted}{budget}\n", options.seeds.len()));
        report.line(
            "| problem | trials | median | quartiles | mean | within 0.01 | CPU ms | best peer | rank |",
        );
        report.line("|---|---|---|---|---|---|---|---|---|");
        report
    }

    fn line(&mut self, line: &str) {
        println!("{line}");
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn add(&mut self, problem: &Problem, outcomes: &[Outcome]) {
        let mut regrets: Vec<f64> = outcomes.iter().map(|o| o.log_regret).collect();
        regrets.sort_by(f64::total_cmp);
        let n = regrets.len() as f64;
        // Linear between the two nearest ranks.
        let quantile = |p: f64| {
            let at = p * (n - 1.0);
            let (below, above) = (regrets[at.floor() as usize], regrets[at.ceil() as usize]);
            below + (at - at.floor()) * (above - below)
        };
        let mean = regrets.iter().sum::<f64>() / n;
        let within = regrets.iter().filter(|r| **r <= -2.0).count() as f64 / n;
        let cpu = outcomes.iter().map(|o| o.milliseconds).sum::<f64>() / n;
        let median = quantile(0.5);
        let mut line = String::new();
        let Problem { name, trials, .. } = problem;
        write!(
            line,
            "| {name} | {trials} | {median:.2} | {:.2} {:.2} | {mean:.2} | {within:.2} | {cpu:.1} |",
            quantile(0.25),
            quantile(0.75)
        )
        .expect("a string takes any text");
        match problem.peers {
            [] => line.push_str(" | |"),
            peers => {
                let best = peers.iter().min_by(|a, b| a.1.total_cmp(&b.1)).expect("not empty");
                let rank = 1 + peers.iter().filter(|(_, peer)| *peer < median).count();
                self.ranks.push(rank as f64);
                write!(line, " {} {:.2} | {rank} |", best.0, best.1).expect("as above");
            }
        }
        self.line(&line);
    }

    fn finish(mut self) -> String {
        if !self.ranks.is_empty() {
            let mean = self.ranks.iter().sum::<f64>() / self.ranks.len() as f64;
            self.line(&format!("\nmean rank among four peers and krige: {mean:.2}"));
        }
        self.text
    }
}
