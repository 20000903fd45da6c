//! The tutorial of the Bluesky queueserver: Himmelblau's function of two motors, measured by plans.
//!
//! ```text
//! bash tests/bluesky/stack.sh run &          # a whole stack on this machine, at the tutorial's ports
//! export TILED_API_KEY=tutorialkey
//! cargo run --release --example bluesky -- --trials 10
//! ```
//!
//! On a beamline, name its addresses, devices and plan: `docs/guides/bluesky.md`. Kill it at any moment and start it again with
//! the same `--db`: it goes on where it was, and no plan runs twice.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};
use clap::{Parser, ValueEnum};
use krige::core::trial::Trial;
use krige::prelude::*;
use krige_bluesky::manager::Encoding;
use krige_bluesky::{
    AgentConfig, Dof, ManagerAccess, Objective, QueueserverAgent, Sharing, TiledAccess,
};

const EXPERIMENT: &str = "himmelblau";

/// Minimizes what a detector reads, by moving two motors.
#[derive(Debug, Parser)]
struct Args {
    /// The RE Manager: its control socket (`tcp://…`) or its HTTP server (`http://…`, key from
    /// QSERVER_HTTP_SERVER_SINGLE_USER_API_KEY).
    #[arg(long, default_value = "tcp://localhost:60615", value_name = "URL")]
    manager: String,
    /// The Tiled server (key from TILED_API_KEY).
    #[arg(long, default_value = "http://localhost:8000", value_name = "URL")]
    tiled: String,
    /// The manager's public key, if its control socket is encrypted.
    #[arg(long, value_name = "Z85")]
    public_key: Option<String>,
    /// How the manager's control socket writes.
    #[arg(long, value_enum, default_value_t = Wire::Json)]
    encoding: Wire,
    /// Others use the manager, too: queue politely, never run their plans.
    #[arg(long)]
    shared: bool,
    /// The motors, and the detector whose value is made small.
    #[arg(long, num_args = 2, default_values = ["motor1", "motor2"], value_name = "DEVICE")]
    motors: Vec<String>,
    /// See --motors.
    #[arg(long, default_value = "himmel_det", value_name = "DEVICE")]
    detector: String,
    /// The plan, called as `plan(suggestions, actuators, sensors)`.
    #[arg(long, default_value = "default_acquire")]
    plan: String,
    /// How many trials the experiment has when it is done.
    #[arg(long, default_value_t = 10)]
    trials: usize,
    /// How many points each plan has.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    points: u16,
    /// The seed of a new experiment.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The database; a new file under `target/` unless given.
    #[arg(long, value_name = "FILE")]
    db: Option<PathBuf>,
    /// Print one JSON object for each finished trial, and one at the end.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Wire {
    Json,
    Msgpack,
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
    let resume = resume_command(args, &database);
    let manager = ManagerAccess {
        public_key: args.public_key.clone(),
        encoding: match args.encoding {
            Wire::Json => Encoding::Json,
            Wire::Msgpack => Encoding::Msgpack,
        },
        ..ManagerAccess::new(&args.manager)
    };
    let mut agent = QueueserverAgent::new(AgentConfig {
        dofs: args.motors.iter().map(|motor| Dof::range(motor, -5.0, 5.0)).collect(),
        objectives: vec![Objective::minimize(&args.detector)],
        sensors: vec![args.detector.clone()],
        acquisition_plan: args.plan.clone(),
        sharing: if args.shared { Sharing::Shared } else { Sharing::Dedicated },
        database: Some(database.clone()),
        seed: Some(args.seed),
        ..AgentConfig::new(EXPERIMENT, manager, TiledAccess::new(&args.tiled))
    })?;
    eprintln!("journal: {}\nresume with: {resume}", database.display());

    let mut best: Option<f64> = None;
    if args.json {
        // What ended before this process began.
        let trials = &agent.client().experiment()?.trials;
        let mut ended: Vec<&Trial> = trials.iter().filter(|t| t.status().is_terminal()).collect();
        ended.sort_by_key(|trial| (trial.state.ended_at(), trial.index));
        for trial in ended {
            let value = trial.observation(&args.detector).map(|observation| observation.mean);
            best = value.into_iter().chain(best).reduce(f64::min);
            println!("{}", json_line(trial, value, best));
        }
    }

    let points = usize::from(args.points);
    let options = OrchestratorOptions {
        max_trials: None,
        total_trials: Some(args.trials),
        stop: StopSignal::on_ctrl_c()?,
        ..agent.options(1, points)?
    };
    let run = agent.run_with(options);
    loop {
        let is_over = run.is_finished();
        while let Some(finished) = run.next_finished(Duration::from_millis(100)) {
            if args.json {
                println!("{}", json_line(&finished.trial, finished.value, finished.best));
            }
        }
        if is_over {
            break;
        }
    }
    let report;
    (agent, report) = run.wait()?;

    let Ok(observed) = agent.client().get_best_parameterization(false) else {
        bail!("no trial was completed yet; go on with: {resume}");
    };
    let value = observed.metrics[&args.detector].mean;
    if args.json {
        println!("{}", serde_json::json!({ "best": value, "parameters": observed.parameters }));
    } else {
        println!("{}", agent.client().summarize()?);
        println!("best parameters (trial {}): {}", observed.trial_index, observed.parameters);
        if report.ended != EndReason::Done {
            println!("ended early ({:?}); go on with: {resume}", report.ended);
        }
        println!("best {} = {value}", args.detector);
    }
    Ok(())
}

fn resume_command(args: &Args, database: &Path) -> String {
    let mut command = format!(
        "cargo run --release --example bluesky -- --manager {} --tiled {} --db {} --trials {} --points {} --motors {} \
         --detector {} --plan {}",
        args.manager,
        args.tiled,
        database.display(),
        args.trials,
        args.points,
        args.motors.join(" "),
        args.detector,
        args.plan,
    );
    if let Some(key) = &args.public_key {
        command += &format!(" --public-key '{key}'");
    }
    if matches!(args.encoding, Wire::Msgpack) {
        command += " --encoding msgpack";
    }
    if args.shared {
        command += " --shared";
    }
    command
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
        "parameters": trial.arm.parameters,
        "value": value,
        "best": best,
    })
}
