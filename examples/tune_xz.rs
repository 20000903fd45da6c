//! A real job on real input: options of the `xz` program that compress a file smaller than `xz -9e` does, within a
//! bound on the time it takes.
//!
//! ```text
//! cargo run --release --example tune_xz
//! cargo run --release --example tune_xz -- --file /usr/share/dict/words --trials 40
//! ```
//!
//! The default input is an archive of this checkout. Whole numbers, a choice, and xz's own rule lc + lp <= 4 as a
//! parameter constraint; the time is an outcome constraint. Ends with the command line to use.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use krige::prelude::*;
use serde::{Deserialize, Serialize};

/// Finds options of xz for a file.
#[derive(Debug, Parser)]
struct Args {
    /// What to compress; an archive of this checkout unless given.
    #[arg(long)]
    file: Option<PathBuf>,
    /// How many trials there are when it is done.
    #[arg(long, default_value_t = 40)]
    trials: usize,
    /// The seed of a new experiment.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The longest that compression may take, as a multiple of what `xz -9e` takes.
    #[arg(long, default_value_t = 2.0)]
    time_factor: f64,
    /// The database; a new file under `target/` unless given.
    #[arg(long, value_name = "FILE")]
    db: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    ensure!(
        Command::new("xz").arg("--version").stdout(Stdio::null()).status().is_ok(),
        "the program xz is not installed; on Debian: apt-get install xz-utils"
    );
    let folder = Path::new("target").join("krige");
    fs::create_dir_all(&folder)?;
    let file = args.file.clone().map_or_else(|| archive(&folder), Ok)?.canonicalize()?;
    let runner = Xz { file: file.clone() };

    let input = fs::metadata(&file)?.len();
    let (reference, seconds) = runner.compress(&["-9e".into()])?;
    let bound = seconds * args.time_factor;
    println!("{}: {input} bytes; xz -9e: {reference} bytes in {seconds:.2} s", file.display());

    let database = args
        .db
        .clone()
        .unwrap_or_else(|| folder.join(format!("tune_xz-{}-{}.db", input, std::process::id())));
    let name = format!("xz {}", file.display());
    let mut client = match Client::load_from_database(&database, &name) {
        Ok(client) if args.db.is_some() => client,
        _ => create(args, &database, &name)?,
    };
    // A run may have been killed right after it began the experiment.
    if client.experiment()?.optimization.is_none() {
        client.configure_optimization("-bytes", &[&format!("seconds <= {bound}")])?;
    }
    client.configure_runner(runner)?;
    for metric in ["bytes", "seconds"] {
        client.configure_metric(metric, MetadataMetric::new(metric))?;
    }
    println!("journal: {}", database.display());

    // One at a time: trials that share the processor would spoil each other's time.
    let options = OrchestratorOptions {
        stop: StopSignal::on_ctrl_c()?,
        init_seconds_between_polls: 0.0,
        ..OrchestratorOptions::until(args.trials, 1)
    };
    client.run_trials(options)?;

    println!("{}", client.summarize()?);
    let best = client.get_best_parameterization(false)?;
    let (bytes, seconds) = (best.metrics["bytes"].mean, best.metrics["seconds"].mean);
    let saved = 100.0 * (1.0 - bytes / reference as f64);
    println!(
        "xz -9e: {reference} bytes; found: {bytes} bytes ({saved:.2}% smaller) in {seconds:.2} s"
    );
    println!("use: xz --format=xz --threads=1 {} FILE", options_of(&best.parameters)?.join(" "));
    Ok(())
}

fn create(args: &Args, database: &Path, name: &str) -> Result<Client> {
    let mut client = Client::with_database(database)?.with_seed(args.seed);
    client.configure_experiment(
        ExperimentConfig::new(name)
            .parameter(Parameter::int("preset", 0, 9))
            .parameter(Parameter::int("lc", 0, 4))
            .parameter(Parameter::int("lp", 0, 4))
            .parameter(Parameter::int("pb", 0, 4))
            .parameter(Parameter::int("nice", 5, 273).log())
            .parameter(Parameter::choice("mf", ["hc3", "hc4", "bt2", "bt3", "bt4"]))
            .parameter(Parameter::int("depth", 0, 1000))
            .constraint("lc + lp <= 4"),
    )?;
    Ok(client)
}

/// Packs this checkout, always in the same order and without what is built.
fn archive(folder: &Path) -> Result<PathBuf> {
    let archive = folder.join("checkout.tar");
    let status = Command::new("tar")
        .args(["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"])
        .args(["--exclude=./target", "--exclude=./.git", "-cf"])
        .arg(&archive)
        .args(["-C", env!("CARGO_MANIFEST_DIR"), "-C", "..", "."])
        .status()
        .context("cannot run tar; name a file with --file")?;
    ensure!(status.success(), "tar failed; name a file with --file");
    Ok(archive)
}

/// The options of xz that a parameterization stands for.
fn options_of(
    parameters: &Parameterization,
) -> Result<Vec<String>, krige::core::value::ParameterError> {
    Ok(vec![format!(
        "--lzma2=preset={},lc={},lp={},pb={},nice={},mf={},depth={}",
        parameters.int("preset")?,
        parameters.int("lc")?,
        parameters.int("lp")?,
        parameters.int("pb")?,
        parameters.int("nice")?,
        parameters.string("mf")?,
        parameters.int("depth")?,
    )])
}

/// Runs xz on a file, and leaves size and time in the trial's metadata.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Xz {
    file: PathBuf,
}

impl Xz {
    /// The size of the compressed file in bytes, and the seconds that it took.
    fn compress(&self, options: &[String]) -> Result<(u64, f64)> {
        let started = Instant::now();
        let output = Command::new("xz")
            .args(["--stdout", "--threads=1", "--format=xz"])
            .args(options)
            .arg(&self.file)
            .stderr(Stdio::piped())
            .output()
            .context("cannot run xz")?;
        if !output.status.success() {
            bail!("xz {}: {}", options.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok((output.stdout.len() as u64, started.elapsed().as_secs_f64()))
    }
}

#[typetag::serde(name = "xz")]
impl IRunner for Xz {
    fn run_trial(
        &self,
        _run: &TrialRun,
        parameters: &Parameterization,
    ) -> Result<Metadata, RunnerError> {
        let options = options_of(parameters)?;
        let (bytes, seconds) = self
            .compress(&options)
            .map_err(|error| RunnerError::permanent(format!("{error:#}")))?;
        Ok(Metadata::of("bytes", bytes).with("seconds", seconds))
    }

    fn poll_trial(&self, _run: &TrialRun, _metadata: &Metadata) -> Result<RunStatus, RunnerError> {
        Ok(RunStatus::Completed)
    }

    fn find_trial(&self, _run: &TrialRun) -> Result<Found, RunnerError> {
        // What it did is lost with the process that did it, and doing it again does no harm.
        Ok(Found::Absent)
    }
}
