//! The training of `examples/training.rs` on a Slurm cluster: three lines are different.
//!
//! ```text
//! cargo run --release --example slurm -- --trials 40 --parallelism 20 --db tuning.db --work /shared/me/tuning
//! ```
//!
//! Run it where `sbatch` works, with `--work` on a file system that the nodes share. For want of a cluster, a whole Slurm
//! starts on this machine in a second, `docs/guides/slurm.md` says how. Kill the example at any moment and start it again with
//! the same `--db`: jobs go on meanwhile, and none is submitted twice.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use clap::Parser;
use krige::core::journal::JournalError;
use krige::core::trial::Trial;
use krige::prelude::*;
use krige::sqlite::SqliteJournal;
use krige_slurm::{Resources, SlurmRunner};

const EXPERIMENT: &str = "slurm";

/// Makes the loss of a small neural network small.
#[derive(Debug, Parser)]
struct Args {
    /// How many trials the experiment has when it is done.
    #[arg(long, default_value_t = 30)]
    trials: usize,
    /// How many trainings run at a time.
    #[arg(long, default_value_t = 2)]
    parallelism: usize,
    /// The seed of a new experiment.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long a training is, in epochs.
    #[arg(long, default_value_t = 200)]
    epochs: u32,
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
    let database = args.db.clone().map_or_else(new_database, Ok)?;
    let work = args.work.clone().unwrap_or_else(|| database.with_extension("work"));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("training.py");
    let training = Program::new("python3")
        .args(["training.py", "--rate", "{rate}", "--momentum", "{momentum}"])
        .args(["--hidden", "{hidden}", "--decay", "{decay}", "--activation", "{activation}"])
        .args(["--epochs".to_owned(), args.epochs.to_string()])
        .file(script)
        .time_limit(600.0);

    let mut client = open_or_create(args, &database)?;
    client.configure_runner(SlurmRunner::new(&work, training, Resources::default()))?;
    client.configure_metric("loss", JsonMetric::new("loss").while_running())?;
    if client.experiment()?.optimization.is_none() {
        client.configure_optimization("-loss", &[])?;
    }
    // Worse than the median of at least five, for a tenth of the training, and not when it is nearly through.
    client.set_early_stopping_strategy(Some(EarlyStopping::Percentile {
        metric: None,
        percentile: 50.0,
        min_progression: f64::from(args.epochs) / 4.0,
        max_progression: Some(f64::from(args.epochs) * 0.8),
        min_curves: 5,
        patience: f64::from(args.epochs) / 10.0,
        keep_best: 3,
    }))?;

    let mut resume = format!(
        "cargo run --release --example {EXPERIMENT} -- --db {} --trials {} --parallelism {} --epochs {}",
        database.display(),
        args.trials,
        args.parallelism,
        args.epochs
    );
    if let Some(work) = &args.work {
        resume += &format!(" --work {}", work.display());
    }
    eprintln!("journal: {}\nresume with: {resume}", database.display());

    let mut best: Option<f64> = None;
    if args.json {
        // What ended before this process began.
        let trials = &client.experiment()?.trials;
        let mut ended: Vec<&Trial> = trials.iter().filter(|t| t.status().is_terminal()).collect();
        ended.sort_by_key(|trial| (trial.state.ended_at(), trial.index));
        for trial in ended {
            let value = trial.observation("loss").map(|observation| observation.mean);
            best = value.into_iter().chain(best).reduce(f64::min);
            println!("{}", json_line(trial, value, best));
        }
    }

    let options = OrchestratorOptions {
        stop: StopSignal::on_ctrl_c()?,
        ..OrchestratorOptions::until(args.trials, args.parallelism)
            .poll_every(Duration::from_millis(50), Duration::from_millis(500))
    };
    let mut results = client.orchestrator(options)?.results();
    for finished in &mut results {
        let finished = finished?;
        if args.json {
            println!("{}", json_line(&finished.trial, finished.value, finished.best));
        }
    }
    let report = results.report();
    drop(results);

    let Ok(observed) = client.get_best_parameterization(false) else {
        bail!("no trial was completed yet; go on with: {resume}");
    };
    let value = observed.metrics["loss"].mean;
    if args.json {
        println!("{}", serde_json::json!({ "best": value, "parameters": observed.parameters }));
    } else {
        println!("{}", client.summarize()?);
        println!("best parameters (trial {}): {}", observed.trial_index, observed.parameters);
        let early = client.experiment()?.count_in(&[TrialStatus::EarlyStopped]);
        println!("{early} of {} trainings were stopped early", client.experiment()?.trials.len());
        if report.ended != EndReason::Done {
            println!("ended early ({:?}); go on with: {resume}", report.ended);
        }
        println!("best loss = {value}");
    }
    Ok(())
}

fn open_or_create(args: &Args, database: &Path) -> Result<Client> {
    match Client::load_from_journal(SqliteJournal::open(database)?, EXPERIMENT) {
        Ok(client) => Ok(client),
        Err(Error::Journal(JournalError::NotFound { .. })) => {
            let mut client = Client::with_database(database)?.with_seed(args.seed);
            client.configure_experiment(
                ExperimentConfig::new(EXPERIMENT)
                    .parameter(Parameter::float("rate", 1e-3, 1.0).log())
                    .parameter(Parameter::float("momentum", 0.0, 0.95))
                    .parameter(Parameter::int("hidden", 2, 24))
                    .parameter(Parameter::float("decay", 1e-6, 1e-2).log())
                    .parameter(Parameter::choice("activation", ["tanh", "relu", "sine"])),
            )?;
            Ok(client)
        }
        Err(error) => Err(error).context("the experiment cannot be opened"),
    }
}

fn new_database() -> Result<PathBuf> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let name = format!("{EXPERIMENT}-{seconds}-{}.db", std::process::id());
    Ok(Path::new("target").join("krige").join(name))
}

fn json_line(trial: &Trial, value: Option<f64>, best: Option<f64>) -> serde_json::Value {
    serde_json::json!({
        "trial": trial.index,
        "node": trial.node(),
        "status": trial.status().name(),
        "parameters": trial.arm.parameters,
        "value": value,
        "best": best,
    })
}
