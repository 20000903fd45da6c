//! The closed loop on an external system, kept in a database, resumed after any interruption.
//!
//! ```text
//! cargo run --release --example hartmann6
//! cargo run --release --example hartmann6 -- --trials 30 --parallelism 3 --seed 1 --db target/h6.db
//! ```
//!
//! The external system is a process of its own for each trial: it notes its deployment, works for a while, and leaves
//! its result in a file. The runner starts it and looks whether the result is there; the metric reads it. Kill the
//! example at any moment and start it again with the same `--db`: it goes on where it was, and nothing runs twice.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use krige::core::journal::JournalError;
use krige::prelude::*;
use krige::sqlite::SqliteJournal;
use serde::{Deserialize, Serialize};

const EXPERIMENT: &str = "hartmann6";
const INPUTS: [&str; 6] = ["x1", "x2", "x3", "x4", "x5", "x6"];

/// Minimizes the Hartmann function of six inputs, evaluated by external processes.
#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    role: Option<Role>,
    /// How many trials the experiment has when it is done.
    #[arg(long, default_value_t = 30)]
    trials: usize,
    /// How many trials run at a time.
    #[arg(long, default_value_t = 3)]
    parallelism: usize,
    /// The seed of a new experiment.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The database; a new file under `target/` unless given.
    #[arg(long, value_name = "FILE")]
    db: Option<PathBuf>,
    /// How long the external system works on one trial.
    #[arg(long, default_value_t = 0.2, value_name = "S", value_parser = seconds)]
    trial_seconds: f64,
    /// Where the external system keeps its files; beside the database unless given.
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
    /// Print one JSON object for each finished trial, and one at the end.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// The external system: evaluates one trial. The runner starts it.
    #[command(hide = true)]
    Evaluate(Job),
}

/// What the external system is asked to do.
#[derive(Debug, clap::Args)]
struct Job {
    #[arg(long)]
    folder: PathBuf,
    #[arg(long)]
    key: String,
    #[arg(long)]
    trial: usize,
    #[arg(long)]
    seconds: f64,
    #[arg(allow_negative_numbers = true)]
    x: Vec<f64>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match &args.role {
        Some(Role::Evaluate(job)) => evaluate(job),
        None => optimize(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Reads a number of seconds.
fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.0..=86_400.0).contains(&seconds) => Ok(seconds),
        _ => Err("expected a number of seconds from 0 to 86400".into()),
    }
}

// ---- the optimizer --------------------------------------------------------------------------------------------------

fn optimize(args: &Args) -> Result<()> {
    let database = args.db.clone().map_or_else(new_database, Ok)?;
    let mut client = open_or_create(args, &database)?;
    let work = args.work.clone().unwrap_or_else(|| database.with_extension("work"));
    fs::create_dir_all(&work).with_context(|| format!("cannot make {}", work.display()))?;
    let work = work.canonicalize()?;
    client
        .configure_runner(ExternalProcess { folder: work.clone(), seconds: args.trial_seconds })?;
    client.configure_metric(EXPERIMENT, ResultFile { folder: work })?;

    let mut resume = format!(
        "cargo run --release --example hartmann6 -- --db {} --trials {} --parallelism {} --trial-seconds {}",
        database.display(),
        args.trials,
        args.parallelism,
        args.trial_seconds
    );
    if let Some(work) = &args.work {
        resume += &format!(" --work {}", work.display());
    }
    eprintln!("journal: {}\nresume with: {resume}", database.display());

    let mut best: Option<f64> = None;
    if args.json {
        // What ended before this process began.
        let mut ended: Vec<_> =
            client.experiment()?.trials.iter().filter(|t| t.status().is_terminal()).collect();
        ended.sort_by_key(|trial| (trial.state.ended_at(), trial.index));
        for trial in ended {
            let value = trial.observation(EXPERIMENT).map(|observation| observation.mean);
            best = value.into_iter().chain(best).reduce(f64::min);
            println!("{}", json_line(trial, value, best));
        }
    }

    let pause = Duration::from_secs_f64((args.trial_seconds / 4.0).clamp(0.002, 1.0));
    let options = OrchestratorOptions {
        stop: StopSignal::on_ctrl_c()?,
        ..OrchestratorOptions::until(args.trials, args.parallelism).poll_every(pause, 8 * pause)
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
    let value = observed.metrics[EXPERIMENT].mean;
    if args.json {
        println!("{}", serde_json::json!({ "best": value, "parameters": observed.parameters }));
    } else {
        println!("{}", client.summarize()?);
        let predicted = client.get_best_parameterization(true)?;
        println!("best parameters (trial {}): {}", predicted.trial_index, predicted.parameters);
        let estimate = predicted.metrics[EXPERIMENT];
        match (predicted.from_model, estimate.sem) {
            (true, Some(sem)) => {
                println!("the model expects {EXPERIMENT} = {:.6} ± {sem:.2e} there", estimate.mean);
            }
            _ => println!("observed there: {EXPERIMENT} = {:.6}", estimate.mean),
        }
        if report.ended != EndReason::Done {
            println!("ended early ({:?}); go on with: {resume}", report.ended);
        }
        println!("best {EXPERIMENT} = {value}");
    }
    Ok(())
}

fn open_or_create(args: &Args, database: &Path) -> Result<Client> {
    let mut client = match Client::load_from_journal(SqliteJournal::open(database)?, EXPERIMENT) {
        Ok(client) => {
            let trials = &client.experiment()?.trials;
            let ended = trials.iter().filter(|trial| trial.status().is_terminal()).count();
            eprintln!("going on: {ended} trials have ended, {} are open", trials.len() - ended);
            client
        }
        Err(Error::Journal(JournalError::NotFound { .. })) => {
            let mut client = Client::with_database(database)?.with_seed(args.seed);
            let parameters = INPUTS.map(|input| Parameter::float(input, 0.0, 1.0));
            client.configure_experiment(
                parameters
                    .into_iter()
                    .fold(ExperimentConfig::new(EXPERIMENT), ExperimentConfig::parameter),
            )?;
            client
        }
        Err(error) => return Err(error.into()),
    };
    // A run may have been killed right after it began the experiment.
    if client.experiment()?.optimization.is_none() {
        client.configure_optimization(&format!("-{EXPERIMENT}"), &[])?;
    }
    Ok(client)
}

fn new_database() -> Result<PathBuf> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let name = format!("{EXPERIMENT}-{seconds}-{}.db", std::process::id());
    Ok(Path::new("target").join("krige").join(name))
}

fn json_line(
    trial: &krige::core::trial::Trial,
    value: Option<f64>,
    best: Option<f64>,
) -> serde_json::Value {
    serde_json::json!({
        "trial": trial.index,
        "node": trial.node(),
        "parameters": trial.arm.parameters,
        "value": value,
        "best": best,
    })
}

// ---- the runner and the metric --------------------------------------------------------------------------------------

/// Starts a process for each trial. The process claims the run's key, so that a run that is started again does nothing.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct ExternalProcess {
    folder: PathBuf,
    seconds: f64,
}

#[typetag::serde(name = "hartmann6-process")]
impl IRunner for ExternalProcess {
    fn run_trial(
        &self,
        run: &TrialRun,
        parameters: &Parameterization,
    ) -> Result<Metadata, RunnerError> {
        let program = std::env::current_exe().map_err(RunnerError::permanent)?;
        let mut command = Command::new(program);
        command.arg("evaluate").arg("--folder").arg(&self.folder);
        command.args(["--key", &run.key, "--trial", &run.trial_index.to_string()]);
        command.args(["--seconds", &self.seconds.to_string(), "--"]);
        for input in INPUTS {
            command.arg(parameters.float(input)?.to_string());
        }
        // A process group of its own: Ctrl-C in the terminal is for the optimizer alone.
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(RunnerError::transient)?;
        let mut accepted = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut accepted).map_err(RunnerError::transient)?;
        }
        if accepted.trim() != "accepted" {
            return Err(RunnerError::transient("the external system did not accept the trial"));
        }
        let pid = child.id();
        // Somebody must wait for the process, or it stays behind as a zombie.
        std::thread::spawn(move || child.wait());
        Ok(Metadata::of("pid", pid))
    }

    fn poll_trial(&self, run: &TrialRun, _metadata: &Metadata) -> Result<RunStatus, RunnerError> {
        if result_file(&self.folder, &run.key).exists() {
            return Ok(RunStatus::Completed);
        }
        let claim = fs::read_to_string(claim_file(&self.folder, &run.key));
        let pid = claim.map_err(RunnerError::transient)?;
        // One that has ended stays as a zombie until whoever started it has asked how.
        let stat = fs::read_to_string(Path::new("/proc").join(pid.trim()).join("stat"));
        let lives =
            stat.is_ok_and(|stat| !stat.contains(") Z ")) || !Path::new("/proc/self").exists();
        // The result may have come between the two looks.
        if lives || result_file(&self.folder, &run.key).exists() {
            Ok(RunStatus::Running)
        } else {
            Ok(RunStatus::Failed { reason: format!("process {} died", pid.trim()) })
        }
    }

    fn find_trial(&self, run: &TrialRun) -> Result<Found, RunnerError> {
        let claim = claim_file(&self.folder, &run.key);
        match fs::read_to_string(claim) {
            Ok(pid) => Ok(Found::Exists(Metadata::of("pid", pid.trim()))),
            // A process that is only about to claim the run leaves it to the one that claims it first.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Found::Absent),
            Err(error) => Err(RunnerError::transient(error)),
        }
    }
}

/// Reads the file that the external system left.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct ResultFile {
    folder: PathBuf,
}

#[typetag::serde(name = "hartmann6-result")]
impl IMetric for ResultFile {
    fn fetch(&self, run: &TrialRun, _metadata: &Metadata) -> Result<Measurement, MetricError> {
        let text = fs::read_to_string(result_file(&self.folder, &run.key))
            .map_err(MetricError::transient)?;
        let value: f64 = text.trim().parse().map_err(MetricError::permanent)?;
        Ok((value, 0.0).into())
    }
}

fn result_file(folder: &Path, key: &str) -> PathBuf {
    folder.join(format!("{key}.result"))
}

fn claim_file(folder: &Path, key: &str) -> PathBuf {
    folder.join(format!("{key}.claim"))
}

// ---- the external system --------------------------------------------------------------------------------------------

/// Evaluates one trial, unless another process has claimed it.
fn evaluate(job: &Job) -> Result<()> {
    // The claim appears whole, with the pid in it, and only one process can make it.
    let draft = job.folder.join(format!("{}.{}.draft", job.key, std::process::id()));
    fs::write(&draft, std::process::id().to_string())?;
    let claimed = fs::hard_link(&draft, claim_file(&job.folder, &job.key));
    fs::remove_file(&draft)?;
    let is_claimed_by_another = match claimed {
        Ok(()) => {
            let mut log = OpenOptions::new()
                .create(true)
                .append(true)
                .open(job.folder.join("deployments.log"))?;
            log.write_all(format!("{} {} {:?}\n", job.trial, job.key, job.x).as_bytes())?;
            false
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => true,
        Err(error) => return Err(error.into()),
    };
    // The optimizer may be gone by now: then nobody reads this, and the work goes on.
    let _nobody_listens = writeln!(std::io::stdout(), "accepted");
    if is_claimed_by_another {
        return Ok(());
    }

    std::thread::sleep(Duration::from_secs_f64(job.seconds));
    let Ok(x) = <[f64; 6]>::try_from(job.x.as_slice()) else {
        bail!("expected six inputs, found {}", job.x.len());
    };
    let draft = job.folder.join(format!("{}.part", job.key));
    let mut file = File::create(&draft)?;
    writeln!(file, "{:?}", hartmann6(&x))?;
    file.sync_all()?;
    fs::rename(draft, result_file(&job.folder, &job.key))?;
    Ok(())
}

/// The Hartmann function of six inputs on the unit cube (Dixon & Szegő 1978); its minimum is -3.32237.
fn hartmann6(x: &[f64; 6]) -> f64 {
    const ALPHA: [f64; 4] = [1.0, 1.2, 3.0, 3.2];
    const A: [[f64; 6]; 4] = [
        [10.0, 3.0, 17.0, 3.5, 1.7, 8.0],
        [0.05, 10.0, 17.0, 0.1, 8.0, 14.0],
        [3.0, 3.5, 1.7, 10.0, 17.0, 8.0],
        [17.0, 8.0, 0.05, 10.0, 0.1, 14.0],
    ];
    const P: [[f64; 6]; 4] = [
        [1312.0, 1696.0, 5569.0, 124.0, 8283.0, 5886.0],
        [2329.0, 4135.0, 8307.0, 3736.0, 1004.0, 9991.0],
        [2348.0, 1451.0, 3522.0, 2883.0, 3047.0, 6650.0],
        [4047.0, 8828.0, 8732.0, 5743.0, 1091.0, 381.0],
    ];
    let peak = |i: usize| {
        let distance: f64 = (0..6).map(|j| A[i][j] * (x[j] - P[i][j] * 1e-4).powi(2)).sum();
        ALPHA[i] * (-distance).exp()
    };
    -(0..4).map(peak).sum::<f64>()
}
