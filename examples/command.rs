//! Any program as a trial, without a line of code for it: options of the compressor `xz`, for a file of one's own, that
//! trade size against time better than the levels `xz -0` to `xz -9` do.
//!
//! ```text
//! cargo run --release --example command
//! cargo run --release --example command -- --file /usr/share/dict/words --trials 60 --parallelism 2
//! ```
//!
//! The default file is an archive of this checkout. Whole numbers on logarithmic scales, choices, and xz's own rule
//! lc + lp <= 4; two objectives: the size, and the processor time. The levels themselves are no trials: they are run to compare
//! with. Kill it at any moment and start it again with the same `--db`: no run is started twice.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use krige::core::journal::JournalError;
use krige::core::trial::Trial;
use krige::prelude::*;
use krige::sqlite::SqliteJournal;
use serde_json::json;

const EXPERIMENT: &str = "command";

/// Finds options of xz for a file that are good for size and time.
#[derive(Debug, Parser)]
struct Args {
    /// What to compress; an archive of this checkout unless given.
    #[arg(long)]
    file: Option<PathBuf>,
    /// How many trials the experiment has when it is done.
    #[arg(long, default_value_t = 60)]
    trials: usize,
    /// How many trials run at a time.
    #[arg(long, default_value_t = 1)]
    parallelism: usize,
    /// The seed of a new experiment.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The database; a new file under `target/` unless given.
    #[arg(long, value_name = "FILE")]
    db: Option<PathBuf>,
    /// Where the runs have their folders; beside the database unless given.
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
    /// Print one JSON object for each finished trial, and one at the end.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    match optimize(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn optimize(args: &Args) -> Result<()> {
    ensure!(
        Command::new("xz").arg("--version").stdout(Stdio::null()).status().is_ok(),
        "the program xz is not installed; on Debian: apt-get install xz-utils"
    );
    let database = args.db.clone().map_or_else(new_database, Ok)?;
    let work = args.work.clone().unwrap_or_else(|| database.with_extension("work"));
    fs::create_dir_all(&work).with_context(|| format!("cannot make {}", work.display()))?;
    let file = args.file.clone().map_or_else(|| archive(&work), Ok)?;
    let file = file.canonicalize().with_context(|| format!("cannot read {}", file.display()))?;
    // The levels are run again for a file that is another one.
    let stat = fs::metadata(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut hasher = DefaultHasher::new();
    (&file, stat.len(), stat.modified()?).hash(&mut hasher);
    let levels_of = format!("levels-{:x}", hasher.finish());
    let file = file.to_str().context("expected the path of the file in UTF-8")?.to_owned();

    // What is compressed goes to standard output, which is kept in the run's folder.
    let xz = || Program::new("xz").args(["--stdout", "--format=xz", "--threads=1"]);
    let literal = |text: &str| text.replace('{', "{{").replace('}', "}}");
    let options = "--lzma2=preset=6,dict={dict}KiB,mf={mf},mode={mode},nice={nice},depth={depth},lc={lc},lp={lp},pb={pb}";
    let program = xz().args([options.to_owned(), literal(&file)]);
    let (size, time) = (SizeMetric::new("stdout.log"), RunMetric::CpuSeconds);

    let levels = (0..=9)
        .map(|level| {
            let program = xz().args([format!("-{level}"), literal(&file)]);
            let runner = CommandRunner::new(&work, program);
            measured(&runner, &levels_of, level, &size, &time)
                .with_context(|| format!("xz -{level}"))
        })
        .collect::<Result<Vec<_>>>()?;

    let mut client = open_or_create(args, &database)?;
    client.configure_runner(CommandRunner::new(&work, program))?;
    client.configure_metric("bytes", size)?;
    client.configure_metric("seconds", time)?;
    // Nobody wants a file that is larger than that of the fastest level, or to wait for much longer than the slowest takes.
    let largest = levels.iter().map(|point| point[0]).fold(0.0, f64::max);
    let slowest = levels.iter().map(|point| point[1]).fold(0.0, f64::max);
    if client.experiment()?.optimization.is_none() {
        let thresholds = [format!("bytes <= {largest}"), format!("seconds <= {}", 1.5 * slowest)];
        client.configure_optimization("-bytes, -seconds", &thresholds.each_ref().map(|t| &**t))?;
    }

    let mut resume = format!(
        "cargo run --release --example {EXPERIMENT} -- --db {} --trials {} --parallelism {} --file {file}",
        database.display(),
        args.trials,
        args.parallelism,
    );
    if let Some(work) = &args.work {
        resume += &format!(" --work {}", work.display());
    }
    eprintln!("journal: {}\nresume with: {resume}", database.display());

    if args.json {
        // What ended before this process began.
        let trials = &client.experiment()?.trials;
        let mut ended: Vec<&Trial> = trials.iter().filter(|t| t.status().is_terminal()).collect();
        ended.sort_by_key(|trial| (trial.state.ended_at(), trial.index));
        ended.iter().for_each(|trial| println!("{}", json_line(trial)));
    }
    let options = OrchestratorOptions {
        stop: StopSignal::on_ctrl_c()?,
        ..OrchestratorOptions::until(args.trials, args.parallelism)
            .poll_every(Duration::from_millis(10), Duration::from_millis(200))
    };
    let mut results = client.orchestrator(options)?.results();
    for finished in &mut results {
        let finished = finished?;
        if args.json {
            println!("{}", json_line(&finished.trial));
        }
    }
    let report = results.report();
    drop(results);

    let Ok(front) = client.get_pareto_frontier(false) else {
        bail!("no trial was completed yet; go on with: {resume}");
    };
    let point =
        |found: &BestParameterization| [found.metrics["bytes"].mean, found.metrics["seconds"].mean];
    let found: Vec<[f64; 2]> = front.iter().map(point).collect();
    let beyond = found.iter().filter(|a| !levels.iter().any(|b| dominates(b, a))).count();
    let beaten: Vec<usize> = (0..levels.len())
        .filter(|&level| found.iter().any(|a| dominates(a, &levels[level])))
        .collect();
    let reference = [largest, 1.5 * slowest];
    let ratio = hypervolume(&found, reference) / hypervolume(&levels, reference);
    if args.json {
        let front: Vec<_> = front
            .iter()
            .map(|found| json!({ "parameters": found.parameters, "values": point(found) }))
            .collect();
        println!(
            "{}",
            json!({ "front": front, "levels": levels, "beyond": beyond, "beaten": beaten, "hypervolume": ratio })
        );
        return Ok(());
    }
    println!("{}", client.summarize()?);
    for (level, [bytes, seconds]) in levels.iter().enumerate() {
        let beaten = if beaten.contains(&level) { "  beaten in both" } else { "" };
        println!("xz -{level}: {bytes} bytes in {seconds:.3} s{beaten}");
    }
    for found in &front {
        let [bytes, seconds] = point(found);
        println!(
            "trial {}: {bytes} bytes in {seconds:.3} s: {}",
            found.trial_index, found.parameters
        );
    }
    if report.ended != EndReason::Done {
        println!("ended early ({:?}); go on with: {resume}", report.ended);
    }
    println!(
        "{beyond} of {} settings found are on or beyond the front of xz's levels, of which {} are beaten in both; \
         hypervolume = {ratio:.4} times theirs",
        found.len(),
        beaten.len()
    );
    Ok(())
}

/// Size in bytes and processor time in seconds of one of the program's own levels: the best time of three runs.
fn measured(
    runner: &CommandRunner,
    levels_of: &str,
    level: usize,
    size: &SizeMetric,
    time: &RunMetric,
) -> Result<[f64; 2]> {
    let mut best = [f64::INFINITY; 2];
    for attempt in 1..=3 {
        let run = TrialRun::new(levels_of, level, attempt);
        // It may have been run before.
        let metadata = match runner.find_trial(&run)? {
            Found::Exists(metadata) => metadata,
            Found::Absent | Found::Unknown => {
                runner.run_trial(&run, &Parameterization::default())?
            }
        };
        loop {
            match runner.poll_trial(&run, &metadata)? {
                RunStatus::Running => std::thread::park_timeout(Duration::from_millis(10)),
                RunStatus::Completed => break,
                other => bail!("{other:?}"),
            }
        }
        let values = [size.fetch(&run, &metadata)?.mean, time.fetch(&run, &metadata)?.mean];
        best = [0, 1].map(|i| best[i].min(values[i]));
    }
    Ok(best)
}

/// Whether `a` is smaller in one value, and larger in none.
fn dominates(a: &[f64; 2], b: &[f64; 2]) -> bool {
    a[0] <= b[0] && a[1] <= b[1] && a != b
}

/// The area that the points dominate, up to the reference.
fn hypervolume(points: &[[f64; 2]], reference: [f64; 2]) -> f64 {
    let mut sorted: Vec<_> =
        points.iter().filter(|p| p[0] < reference[0] && p[1] < reference[1]).collect();
    sorted.sort_by(|a, b| a[0].total_cmp(&b[0]));
    let (mut area, mut height) = (0.0, reference[1]);
    for [x, y] in sorted {
        if *y < height {
            area += (reference[0] - x) * (height - y);
            height = *y;
        }
    }
    area
}

fn open_or_create(args: &Args, database: &Path) -> Result<Client> {
    match Client::load_from_journal(SqliteJournal::open(database)?, EXPERIMENT) {
        Ok(client) => Ok(client),
        Err(Error::Journal(JournalError::NotFound { .. })) => {
            let mut client = Client::with_database(database)?.with_seed(args.seed);
            client.configure_experiment(
                ExperimentConfig::new(EXPERIMENT)
                    .parameter(Parameter::int("dict", 64, 65_536).log())
                    .parameter(Parameter::choice("mf", ["hc3", "hc4", "bt2", "bt3", "bt4"]))
                    .parameter(Parameter::choice("mode", ["fast", "normal"]))
                    .parameter(Parameter::int("nice", 5, 273).log())
                    .parameter(Parameter::int("depth", 1, 512).log())
                    .parameter(Parameter::int("lc", 0, 4))
                    .parameter(Parameter::int("lp", 0, 4))
                    .parameter(Parameter::int("pb", 0, 4))
                    .constraint("lc + lp <= 4"),
            )?;
            Ok(client)
        }
        Err(error) => Err(error).context("the experiment cannot be opened"),
    }
}

/// Packs this checkout, always in the same order and without what is built.
fn archive(work: &Path) -> Result<PathBuf> {
    let archive = work.join("checkout.tar");
    if archive.exists() {
        return Ok(archive);
    }
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

fn new_database() -> Result<PathBuf> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let name = format!("{EXPERIMENT}-{seconds}-{}.db", std::process::id());
    Ok(Path::new("target").join("krige").join(name))
}

fn json_line(trial: &Trial) -> serde_json::Value {
    let value = |metric| trial.observation(metric).map(|observation| observation.mean);
    json!({
        "trial": trial.index,
        "node": trial.node(),
        "status": trial.status().name(),
        "parameters": trial.arm.parameters,
        "values": { "bytes": value("bytes"), "seconds": value("seconds") },
    })
}
