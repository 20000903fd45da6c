//! The developer's tools: a search space, a generation strategy of one's own, an orchestrator whose results are an
//! iterator; on a job queue whose jobs take random times, fail sometimes, and finish out of order.
//!
//! ```text
//! cargo run --release --example branin
//! cargo run --release --example branin -- --trials 25 --seed 2 --db target/branin.db
//! ```
//!
//! The queue is a folder with a file for each job, so it outlives this process; kill it and start it again with the
//! same `--db`, and it goes on. Ends with the best value found; the minimum of the Branin function is 0.397887.

use std::f64::consts::PI;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use clap::Parser;
use indexmap::IndexMap;
use krige::core::event::Event;
use krige::core::journal::JournalError;
use krige::core::objective::OptimizationConfig;
use krige::prelude::*;
use krige::sqlite::SqliteJournal;
use serde::{Deserialize, Serialize};

const EXPERIMENT: &str = "branin";

/// Minimizes the Branin function on a job queue.
#[derive(Debug, Parser)]
struct Args {
    /// How many trials the experiment has when it is done, failed ones included.
    #[arg(long, default_value_t = 25)]
    trials: usize,
    /// How many jobs are in the queue at a time.
    #[arg(long, default_value_t = 4)]
    parallelism: usize,
    /// The seed of a new experiment.
    #[arg(long, default_value_t = 1)]
    seed: u64,
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
    let database = args.db.clone().unwrap_or_else(|| {
        let name = format!("{EXPERIMENT}-{}-{}.db", milliseconds(), std::process::id());
        Path::new("target").join("krige").join(name)
    });
    println!("journal: {}", database.display());
    println!(
        "resume with: cargo run --release --example branin -- --db {} --trials {} --parallelism {}",
        database.display(),
        args.trials,
        args.parallelism
    );

    let journal = SqliteJournal::open(&database)?;
    let mut store = match ExperimentStore::open(journal, EXPERIMENT) {
        Ok(store) => store,
        Err(Error::Journal(JournalError::NotFound { .. })) => begin(args, &database)?,
        Err(error) => return Err(error.into()),
    };
    // A run may have been killed right after it began the experiment.
    if store.experiment().strategy.is_none() {
        configure(&mut store)?;
    }

    let seed = store.experiment().seed;
    let queue = JobQueue { folder: database.with_extension("queue"), seed };
    fs::create_dir_all(&queue.folder)
        .with_context(|| format!("cannot make {}", queue.folder.display()))?;
    let metric: Arc<dyn IMetric> = Arc::new(JobResult { queue: queue.clone() });
    let options = OrchestratorOptions {
        tolerated_trial_failure_rate: 0.6,
        stop: StopSignal::on_ctrl_c()?,
        progress: Progress::Silent,
        ..OrchestratorOptions::until(args.trials, args.parallelism)
            .poll_every(Duration::from_millis(10), Duration::from_millis(100))
    };
    let metrics = IndexMap::from([(EXPERIMENT.to_owned(), metric)]);
    let orchestrator = Orchestrator::new(&mut store, Arc::new(queue), metrics, options)?;
    for finished in orchestrator.results() {
        let finished = finished?;
        let trial = &finished.trial;
        match (finished.value, finished.best) {
            (Some(value), Some(best)) => println!(
                "trial {:>2}  {:<5}  {value:>10.5}  best {best:.5}  {}",
                trial.index,
                trial.node(),
                trial.arm.parameters
            ),
            _ => println!(
                "trial {:>2}  {:<5}  {}: {}",
                trial.index,
                trial.node(),
                trial.status(),
                trial.state.reason().unwrap_or_default()
            ),
        }
    }

    drop(store);
    let client = Client::load_from_database(&database, EXPERIMENT)?;
    let best = client.get_best_parameterization(true)?;
    println!("best parameters (trial {}): {}", best.trial_index, best.parameters);
    let observed = client.get_best_parameterization(false)?;
    println!("best {EXPERIMENT} = {:.6}", observed.metrics[EXPERIMENT].mean);
    Ok(())
}

/// Begins the experiment.
fn begin(args: &Args, database: &Path) -> Result<ExperimentStore> {
    let search_space = SearchSpace::new(
        [Parameter::float("x1", -5.0, 10.0), Parameter::float("x2", 0.0, 15.0)],
        &[],
    )?;
    let definition = ExperimentDefinition {
        name: EXPERIMENT.into(),
        description: Some("the Branin function on a mock job queue".into()),
        search_space,
        seed: Some(args.seed),
    };
    Ok(ExperimentStore::create(SqliteJournal::open(database)?, definition)?)
}

/// Says what is optimized, and how.
fn configure(store: &mut ExperimentStore) -> Result<()> {
    let strategy = GenerationStrategy::new(
        "Sobol+GP",
        vec![
            // Five Sobol trials, any three of which must be in before the model takes over.
            GenerationNode::new("Sobol", Sobol::default()).budget(5, 3, "GP").max_parallelism(5),
            GenerationNode::new("GP", Gp::default()).max_parallelism(3),
        ],
    )?;
    store.record([
        Event::OptimizationConfigured {
            optimization: OptimizationConfig::parse(&format!("-{EXPERIMENT}"), &[])?,
        },
        Event::GenerationStrategyConfigured { strategy },
    ])?;
    Ok(())
}

/// A job queue in a folder: a job is a file that says what to compute and when it will be done.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct JobQueue {
    folder: PathBuf,
    seed: u64,
}

/// What a job's file says.
#[derive(Debug, Serialize, Deserialize)]
struct Job {
    x1: f64,
    x2: f64,
    done_at: u128,
    fails: bool,
}

impl JobQueue {
    fn file(&self, run: &TrialRun) -> PathBuf {
        self.folder.join(format!("{}.json", run.key))
    }

    fn job(&self, run: &TrialRun) -> std::io::Result<Job> {
        Ok(serde_json::from_str(&fs::read_to_string(self.file(run))?)?)
    }

    /// A number that depends on the trial and looks random.
    fn luck(&self, run: &TrialRun) -> u64 {
        let mixed =
            (self.seed ^ (run.trial_index as u64 + 1) << 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 32
    }
}

#[typetag::serde(name = "branin-queue")]
impl IRunner for JobQueue {
    fn run_trial(
        &self,
        run: &TrialRun,
        parameters: &Parameterization,
    ) -> Result<Metadata, RunnerError> {
        let luck = self.luck(run);
        let job = Job {
            x1: parameters.float("x1")?,
            x2: parameters.float("x2")?,
            done_at: milliseconds() + u128::from(30 + luck % 400),
            fails: luck.is_multiple_of(7),
        };
        let text = serde_json::to_string(&job).map_err(RunnerError::permanent)?;
        // The job appears in the queue whole, or not at all.
        let draft = self.folder.join(format!("{}.draft", run.key));
        fs::write(&draft, text)
            .and_then(|()| fs::rename(&draft, self.file(run)))
            .map_err(RunnerError::transient)?;
        Ok(Metadata::of("job", run.key.clone()))
    }

    fn poll_trial(&self, run: &TrialRun, _metadata: &Metadata) -> Result<RunStatus, RunnerError> {
        let job = self.job(run).map_err(RunnerError::transient)?;
        Ok(match (milliseconds() >= job.done_at, job.fails) {
            (false, _) => RunStatus::Running,
            (true, true) => RunStatus::Failed { reason: "the job ended with exit status 1".into() },
            (true, false) => RunStatus::Completed,
        })
    }

    fn find_trial(&self, run: &TrialRun) -> Result<Found, RunnerError> {
        match self.job(run) {
            Ok(_) => Ok(Found::Exists(Metadata::of("job", run.key.clone()))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Found::Absent),
            Err(error) => Err(RunnerError::transient(error)),
        }
    }
}

/// Reads a finished job.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct JobResult {
    queue: JobQueue,
}

#[typetag::serde(name = "branin-result")]
impl IMetric for JobResult {
    fn fetch(&self, run: &TrialRun, _metadata: &Metadata) -> Result<Measurement, MetricError> {
        let job = self.queue.job(run).map_err(MetricError::transient)?;
        Ok(branin(job.x1, job.x2).into())
    }
}

/// Milliseconds since 1970.
fn milliseconds() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis())
}

/// The Branin function (Dixon & Szegő 1978).
fn branin(x1: f64, x2: f64) -> f64 {
    (x2 - 5.1 / (4.0 * PI * PI) * x1 * x1 + 5.0 / PI * x1 - 6.0).powi(2)
        + 10.0 * (1.0 - 1.0 / (8.0 * PI)) * x1.cos()
        + 10.0
}
