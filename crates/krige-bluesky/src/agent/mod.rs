//! An agent that optimizes a beamline, in Blop's words.

mod parts;
mod run;

use std::path::PathBuf;
use std::sync::Arc;

use krige::core::journal::JournalError;
use krige::prelude::*;
use krige::sqlite::SqliteJournal;
use krige_core::trial::TrialRun;
use serde_json::{Map, Value};

pub use self::parts::{Dof, Objective};
use self::parts::{Kind, read_along};
pub use self::run::AgentRun;
use crate::access::{ManagerAccess, TiledAccess};
use crate::metadata::RUN_UIDS;
use crate::runner::{Actuator, QueueserverRunner, Sharing, Witness};
use crate::tiled::{Query, TiledError};

/// What an agent does and with what.
///
/// The fields have Blop's names. The experiment of this name in the database is gone on with, or begun.
#[derive(Debug, Clone)]
pub struct AgentConfig {
    /// The experiment's name.
    pub name: String,
    /// Where plans are run.
    pub manager: ManagerAccess,
    /// Where data land.
    pub tiled: TiledAccess,
    /// What has a value at each point.
    pub dofs: Vec<Dof>,
    /// What is made small or large; several are traded against each other.
    pub objectives: Vec<Objective>,
    /// What else the outcomes must satisfy, such as `himmel_det <= 100`.
    pub outcome_constraints: Vec<String>,
    /// Linear inequalities between degrees of freedom, such as `motor1 + motor2 <= 5`.
    pub dof_constraints: Vec<String>,
    /// Devices that the plan reads.
    pub sensors: Vec<String>,
    /// The plan, called as `plan(suggestions, actuators, sensors, **kwargs)`.
    pub acquisition_plan: String,
    /// Its further arguments.
    pub acquisition_plan_kwargs: Map<String, Value>,
    /// Whether others use the RE Manager, too.
    pub sharing: Sharing,
    /// Who besides the RE Manager tells that a plan has ended; by default Tiled's websocket, if it has one.
    pub witnesses: Vec<Witness>,
    /// The database; `None` keeps the experiment in memory, where a crash loses it.
    pub database: Option<PathBuf>,
    /// Everything random of a new experiment follows from it; `None` draws one.
    pub seed: Option<u64>,
}

impl AgentConfig {
    /// An agent without degrees of freedom and objectives, on a manager of its own, with the plan `default_acquire`.
    pub fn new(name: impl Into<String>, manager: ManagerAccess, tiled: TiledAccess) -> Self {
        Self {
            name: name.into(),
            manager,
            tiled,
            dofs: Vec::new(),
            objectives: Vec::new(),
            outcome_constraints: Vec::new(),
            dof_constraints: Vec::new(),
            sensors: Vec::new(),
            acquisition_plan: "default_acquire".into(),
            acquisition_plan_kwargs: Map::new(),
            sharing: Sharing::default(),
            witnesses: vec![Witness::TiledStream],
            database: None,
            seed: None,
        }
    }
}

/// Why an agent cannot do something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// krige cannot.
    #[error(transparent)]
    Krige(#[from] Error),
    /// Tiled cannot.
    #[error(transparent)]
    Tiled(#[from] TiledError),
    /// The RE Manager does not have what the agent is to use.
    #[error("nothing was run")]
    Manager(#[source] RunnerError),
    /// There is nothing to optimize.
    #[error("an agent needs {0}")]
    Incomplete(&'static str),
    /// The database has an experiment of this name with other degrees of freedom.
    #[error(
        "experiment `{name}` in the database has other degrees of freedom ({stored}) than the agent ({wanted}): choose another \
         name or another database"
    )]
    OtherExperiment {
        /// The experiment.
        name: String,
        /// Its parameters.
        stored: String,
        /// The agent's.
        wanted: String,
    },
    /// A value of a contextual degree of freedom was not told.
    #[error(
        "the value of the contextual degree of freedom `{0}` is not known: tell it by `set_context`"
    )]
    NoContext(String),
    /// A contextual degree of freedom is none.
    #[error("`{name}` is not a contextual degree of freedom; those are: {known:?}")]
    NotContextual {
        /// What was told.
        name: String,
        /// What could be told.
        known: Vec<String>,
    },
    /// A run cannot be taken in.
    #[error("run `{run}` cannot be taken in: {why}")]
    Ingest {
        /// Its uid.
        run: String,
        /// Why not.
        why: String,
    },
}

/// Optimizes a beamline: suggests points, has them measured by an RE Manager, reads the results from Tiled.
///
/// Everything is kept in the database as it happens, points in flight included: there is nothing to checkpoint, and an agent
/// that is made with the same configuration goes on where a former one was killed.
///
/// ```no_run
/// use krige_bluesky::{AgentConfig, Dof, ManagerAccess, Objective, QueueserverAgent, TiledAccess};
///
/// let agent = QueueserverAgent::new(AgentConfig {
///     dofs: vec![Dof::range("motor1", -5.0, 5.0), Dof::range("motor2", -5.0, 5.0)],
///     objectives: vec![Objective::minimize("himmel_det")],
///     sensors: vec!["himmel_det".into()],
///     database: Some("himmelblau.db".into()),
///     ..AgentConfig::new(
///         "himmelblau",
///         ManagerAccess::new("tcp://localhost:60615"),
///         TiledAccess::new("http://localhost:8000"),
///     )
/// })?;
/// let (agent, report) = agent.run(10, 1).wait()?;
/// println!("{}", agent.client().get_best_parameterization(false)?.parameters);
/// # Ok::<(), krige_bluesky::AgentError>(())
/// ```
#[derive(Debug)]
pub struct QueueserverAgent {
    client: Client,
    config: AgentConfig,
    context: Parameterization,
}

impl QueueserverAgent {
    /// Begins the experiment, or goes on with it.
    ///
    /// # Errors
    /// If the configuration does not make an experiment, or the database has another one of that name.
    pub fn new(config: AgentConfig) -> Result<Self, AgentError> {
        if config.objectives.is_empty() {
            return Err(AgentError::Incomplete("an objective"));
        }
        if config.dofs.iter().all(|dof| dof.moves().is_none()) {
            return Err(AgentError::Incomplete("a degree of freedom that it can move"));
        }
        let mut client = Self::open(&config)?;
        // A process may have been killed between any two of these; each changes only what is not so yet.
        if client.experiment()?.optimization.is_none() {
            let terms: Vec<String> = config
                .objectives
                .iter()
                .map(|o| if o.minimize { format!("-{}", o.name) } else { o.name.clone() })
                .collect();
            let constraints: Vec<&str> =
                config.outcome_constraints.iter().map(String::as_str).collect();
            client.configure_optimization(&terms.join(", "), &constraints)?;
        }
        let metrics = config.objectives.iter().map(|o| (o.name.clone(), o.metric(&config.tiled)));
        let read_only = config.dofs.iter().filter(|dof| matches!(dof.kind, Kind::ReadOnly));
        let along = read_only.map(|dof| {
            let metric: Arc<dyn IMetric> = Arc::new(read_along(&config.tiled, &dof.name));
            (dof.name.clone(), metric)
        });
        client.configure_metrics(metrics.chain(along))?;
        let mut agent = Self { client, config, context: Parameterization::default() };
        let runner = agent.runner();
        agent.client.configure_runner(runner)?;
        Ok(agent)
    }

    fn runner(&self) -> QueueserverRunner {
        let config = &self.config;
        let actuators: Vec<Actuator> = config.dofs.iter().filter_map(Dof::moves).collect();
        QueueserverRunner {
            kwargs: config.acquisition_plan_kwargs.clone(),
            sharing: config.sharing,
            witnesses: config.witnesses.clone(),
            tiled: Some(config.tiled.clone()),
            ..QueueserverRunner::new(
                config.manager.clone(),
                &config.acquisition_plan,
                actuators,
                config.sensors.clone(),
            )
        }
    }

    fn open(config: &AgentConfig) -> Result<Client, AgentError> {
        let experiment = config
            .dofs
            .iter()
            .filter_map(Dof::parameter)
            .cloned()
            .fold(ExperimentConfig::new(&config.name), ExperimentConfig::parameter);
        let experiment =
            config.dof_constraints.iter().fold(experiment, ExperimentConfig::constraint);
        let mut client = match &config.database {
            None => Client::in_memory(),
            Some(path) => {
                let journal = SqliteJournal::open(path).map_err(Error::from)?;
                match Client::load_from_journal(journal, &config.name) {
                    Ok(client) => {
                        Self::check_same(config, &client)?;
                        return Ok(client);
                    }
                    Err(Error::Journal(JournalError::NotFound { .. })) => {
                        Client::with_database(path)?
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        };
        if let Some(seed) = config.seed {
            client = client.with_seed(seed);
        }
        client.configure_experiment(experiment)?;
        Ok(client)
    }

    fn check_same(config: &AgentConfig, client: &Client) -> Result<(), AgentError> {
        let constraints: Vec<&str> = config.dof_constraints.iter().map(String::as_str).collect();
        let parameters: Vec<Parameter> =
            config.dofs.iter().filter_map(Dof::parameter).cloned().collect();
        let wanted = SearchSpace::new(parameters, &constraints).map_err(Error::from)?;
        let stored = &client.experiment()?.search_space;
        if *stored == wanted {
            return Ok(());
        }
        let shown = |space: &SearchSpace| {
            let parameters = space.parameters().iter().map(|p| format!("{p:?}"));
            parameters.collect::<Vec<_>>().join(", ")
        };
        Err(AgentError::OtherExperiment {
            name: config.name.clone(),
            stored: shown(stored),
            wanted: shown(&wanted),
        })
    }

    /// Whether Tiled lets us in, and has the folder of the runs.
    fn check_tiled(&self) -> Result<(), TiledError> {
        let query = Query::new().limit(1).select("start.uid");
        self.config.tiled.client()?.search("", &query).map(drop)
    }

    /// The experiment's client: results, predictions, notes, control.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// The same, to change something.
    pub const fn client_mut(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Tells the value that a contextual degree of freedom has now.
    ///
    /// # Errors
    /// If it is none of this agent.
    pub fn set_context(&mut self, name: &str, value: f64) -> Result<(), AgentError> {
        let known = || self.config.dofs.iter().filter(|d| matches!(d.kind, Kind::Contextual(_)));
        if !known().any(|dof| dof.name == name) {
            let known = known().map(|dof| dof.name.clone()).collect();
            return Err(AgentError::NotContextual { name: name.to_owned(), known });
        }
        self.context.insert(name, value);
        Ok(())
    }

    /// Queues points of one's own choice; the next run measures them before it suggests any. Contextual degrees of freedom that
    /// a point does not name have the value that they were told to have.
    ///
    /// # Errors
    /// If a point is not of the search space; those before it are queued.
    pub fn submit_suggestions(
        &mut self,
        points: impl IntoIterator<Item = Parameterization>,
    ) -> Result<Vec<TrialIndex>, AgentError> {
        points.into_iter().map(|point| self.queue(point, false)).collect()
    }

    /// Queues the point that relative outcome constraints compare with, usually where the beamline is now; the next run measures
    /// it first.
    ///
    /// # Errors
    /// If it is not of the search space, or there is a baseline already.
    pub fn acquire_baseline(&mut self, point: Parameterization) -> Result<TrialIndex, AgentError> {
        self.queue(point, true)
    }

    fn queue(
        &mut self,
        mut point: Parameterization,
        baseline: bool,
    ) -> Result<TrialIndex, AgentError> {
        for (name, value) in self.context.iter() {
            if point.get(name).is_none() {
                point.insert(name, value.clone());
            }
        }
        Ok(self.client.queue_trial(point, None, baseline)?)
    }

    /// Takes in a run that somebody made by hand: where the devices were, and what the objectives are, is read from Tiled. The
    /// mean of each device's readings over the run is its value.
    ///
    /// # Errors
    /// If the run is not there or not finished, or lacks a device or an objective.
    pub fn ingest(&mut self, run_uid: &str) -> Result<TrialIndex, AgentError> {
        let fail = |why: String| AgentError::Ingest { run: run_uid.to_owned(), why };
        let metadata = Metadata::of(RUN_UIDS, vec![run_uid]);
        let run = TrialRun { trial_index: 0, attempt: 1, key: run_uid.to_owned() };
        let read = |metric: &dyn IMetric, name: &str| {
            metric.fetch(&run, &metadata).map_err(|error| match error {
                MetricError::NotYet => {
                    fail("it is not in Tiled, or its writing is not finished".into())
                }
                MetricError::Transient(cause) | MetricError::Permanent(cause) => {
                    fail(format!("`{name}`: {cause}"))
                }
                other => fail(format!("`{name}`: {other}")),
            })
        };
        let mut point = self.context.clone();
        for dof in self.config.dofs.iter().filter(|dof| dof.moves().is_some()) {
            let read = read(&read_along(&self.config.tiled, &dof.name), &dof.name)?;
            point.insert(&dof.name, read.mean);
        }
        let mut data = Vec::new();
        for objective in &self.config.objectives {
            let metric = objective.metric(&self.config.tiled);
            data.push((objective.name.clone(), read(&*metric, &objective.name)?));
        }
        let trial = self.client.attach_trial(point, None)?;
        self.client.complete_trial(trial, data)?;
        self.client.add_note(Some(trial), format!("taken in from run {run_uid}"))?;
        Ok(trial)
    }

    /// Options of a run of so many plans, each with so many points: the next plan is suggested when the one before it has been
    /// evaluated as a whole.
    ///
    /// # Errors
    /// If a contextual degree of freedom has no value.
    pub fn options(
        &self,
        iterations: usize,
        n_points: usize,
    ) -> Result<OrchestratorOptions, AgentError> {
        let contextual = self.config.dofs.iter().filter(|d| matches!(d.kind, Kind::Contextual(_)));
        for dof in contextual {
            if self.context.get(&dof.name).is_none() {
                return Err(AgentError::NoContext(dof.name.clone()));
            }
        }
        let points = n_points.max(1);
        Ok(OrchestratorOptions {
            run_trials_in_batches: points > 1,
            min_free_slots: points,
            fixed_parameters: self.context.clone(),
            // A status costs the manager a fifth of a millisecond, and a point must not wait for the next look.
            init_seconds_between_polls: 0.02,
            max_seconds_between_polls: 0.05,
            // A beamline is unattended for days: what is down for ten minutes is waited for.
            max_attempts: 20,
            ..OrchestratorOptions::trials(iterations * points, points)
        })
    }

    /// Runs so many plans with so many points each, in a thread of its own.
    ///
    /// Points that were queued are measured first and are not counted.
    pub fn run(self, iterations: usize, n_points: usize) -> AgentRun {
        match self.options(iterations, n_points) {
            Ok(options) => AgentRun::start(self, options),
            Err(error) => AgentRun::failed(self, error),
        }
    }

    /// Runs as some options say, in a thread of its own; [`options`](Self::options) gives some to change.
    pub fn run_with(self, options: OrchestratorOptions) -> AgentRun {
        AgentRun::start(self, options)
    }
}
