//! A runner that has trials run as plans by an RE Manager.

mod console;
mod launch;
mod session;
mod submission;
mod verdict;
mod watch;
mod witness;

use krige_core::trial::{Metadata, TrialRun};
use krige_core::value::Parameterization;
use krige_runner::{Found, IRunner, RunStatus, RunnerError, Stopped};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::session::Session;
pub use self::submission::Actuator;
use self::submission::Call;
pub use self::witness::Witness;
use crate::access::{ManagerAccess, TiledAccess};

/// Whether others use the RE Manager, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sharing {
    /// Nobody else does while the experiment runs. Items are executed past the queue, one at a time; where the manager has lost
    /// track of a plan, its environment is destroyed and opened again.
    #[default]
    Dedicated,
    /// Others do. Items go to the back of the queue. The queue is started only where all that is in it was submitted by krige, for
    /// whatever experiment, so nobody else's plan is ever run by it, and autostart is not touched. A manager that has lost track is left to its
    /// operators.
    Shared,
}

/// Has trials run by an RE Manager, as items of one plan.
///
/// The plan is called as Blop's acquisition plans are: `plan(suggestions, actuators, sensors, **kwargs)`, where each
/// suggestion is a trial: its values under the devices' names, and its number under `_id`. A run of several trials in one
/// call ([`run_trials`](IRunner::run_trials)) is one item, and the keys of its trials are in the item's `meta`, from where
/// they come into the start document of every run: `krige_key` is the first of them, `krige_keys` has all.
///
/// # When a trial has ended
/// The manager's history says how the item's plan ended, or, sooner, one of the [`witnesses`](Self::witnesses) that it ended well
/// with all of its points. A plan that failed fails its trials with what it said; one that was
/// aborted, halted or stopped on the console abandons them; copies of them that the manager put back into the queue are
/// removed. Where the manager lost track (it was restarted, its database was), what Tiled has decides, if
/// [`tiled`](Self::tiled) is given.
///
/// # How long anything lasts
/// A request takes at most [`ManagerAccess::timeout_seconds`]. A manager that does not answer is waited for, for
/// [`patience_seconds`](Self::patience_seconds), during which nothing is launched and what ran is taken to run on. A plan that
/// runs for longer than [`plan_timeout_seconds`](Self::plan_timeout_seconds) fails its trials.
///
/// ```
/// use krige_bluesky::{Actuator, ManagerAccess, QueueserverRunner, TiledAccess};
///
/// let runner = QueueserverRunner {
///     tiled: Some(TiledAccess::new("http://localhost:8000")),
///     ..QueueserverRunner::new(
///         ManagerAccess::new("tcp://localhost:60615"),
///         "default_acquire",
///         [Actuator::new("motor1"), Actuator::new("motor2")],
///         ["himmel_det"],
///     )
/// };
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueserverRunner {
    /// How to reach the manager.
    pub manager: ManagerAccess,
    /// The plan's name.
    pub plan: String,
    /// What the parameters move, in the order in which the plan gets them.
    pub actuators: Vec<Actuator>,
    /// Devices that the plan reads: names of variables.
    pub sensors: Vec<String>,
    /// Further arguments of the plan, by name.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub kwargs: Map<String, Value>,
    /// Goes into the start document of every run. Unlike in `kwargs`, a text that is the name of a device stays a text here.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub meta: Map<String, Value>,
    /// Whether others use the manager, too.
    #[serde(default)]
    pub sharing: Sharing,
    /// Whether to open the manager's environment where it is not open.
    #[serde(default = "yes")]
    pub open_environment: bool,
    /// Where the data land, for plans of which the manager lost track.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tiled: Option<TiledAccess>,
    /// Who besides the manager tells that a plan has ended, sooner than it does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub witnesses: Vec<Witness>,
    /// How long a plan may run, in seconds; counted from when it was first seen to run, by each process anew. 1 hour.
    #[serde(default = "plan_timeout_seconds")]
    pub plan_timeout_seconds: f64,
    /// How long the manager may be silent before its trials fail, in seconds. 10 minutes.
    #[serde(default = "patience_seconds")]
    pub patience_seconds: f64,
    /// What the runner keeps between its calls; not stored.
    #[serde(skip)]
    pub session: Session,
}

const fn yes() -> bool {
    true
}

const fn plan_timeout_seconds() -> f64 {
    3600.0
}

const fn patience_seconds() -> f64 {
    600.0
}

impl QueueserverRunner {
    /// A runner of a plan on a manager of its own.
    pub fn new<S: Into<String>>(
        manager: ManagerAccess,
        plan: impl Into<String>,
        actuators: impl IntoIterator<Item = Actuator>,
        sensors: impl IntoIterator<Item = S>,
    ) -> Self {
        Self {
            manager,
            plan: plan.into(),
            actuators: actuators.into_iter().collect(),
            sensors: sensors.into_iter().map(Into::into).collect(),
            kwargs: Map::new(),
            meta: Map::new(),
            sharing: Sharing::default(),
            open_environment: true,
            tiled: None,
            witnesses: Vec::new(),
            plan_timeout_seconds: plan_timeout_seconds(),
            patience_seconds: patience_seconds(),
            session: Session::default(),
        }
    }

    /// Asks the manager whether it allows the plan and the devices, so that what is misspelled is found before any trial is
    /// made for it.
    ///
    /// # Errors
    /// [`RunnerError::Permanent`] if something is wrong with the configuration; [`RunnerError::Transient`] if the manager
    /// cannot be asked now.
    pub fn check(&self) -> Result<(), RunnerError> {
        let manager = self.session.manager(&self.manager)?;
        self.checked_names(&manager).map(drop)
    }

    fn call(&self) -> Call<'_> {
        let Self { plan, actuators, sensors, kwargs, meta, .. } = self;
        Call { plan, actuators, sensors, kwargs, meta }
    }
}

#[typetag::serde(name = "queueserver")]
impl IRunner for QueueserverRunner {
    fn run_trial(
        &self,
        run: &TrialRun,
        parameters: &Parameterization,
    ) -> Result<Metadata, RunnerError> {
        let mut launched = self.launch(&[(run.clone(), parameters.clone())])?;
        Ok(launched.pop().expect("one for each run"))
    }

    fn run_trials(
        &self,
        runs: &[(TrialRun, Parameterization)],
    ) -> Vec<Result<Metadata, RunnerError>> {
        if runs.is_empty() {
            return Vec::new();
        }
        match self.launch(runs) {
            Ok(launched) => launched.into_iter().map(Ok).collect(),
            // It is one item, so what went wrong with it did so for all.
            Err(error) => {
                let text = std::sync::Arc::new(error.to_string());
                let rest = (1..runs.len()).map(|_| match &error {
                    RunnerError::Permanent(cause) => Err(RunnerError::permanent(cause.to_string())),
                    RunnerError::Transient(cause) => Err(RunnerError::transient(cause.to_string())),
                    _ => Err(RunnerError::transient(text.to_string())),
                });
                let rest: Vec<_> = rest.collect();
                std::iter::once(Err(error)).chain(rest).collect()
            }
        }
    }

    fn poll_trial(&self, run: &TrialRun, metadata: &Metadata) -> Result<RunStatus, RunnerError> {
        self.poll(&[(run.clone(), metadata.clone())]).pop().expect("one for each run")
    }

    fn poll_trials(&self, runs: &[(TrialRun, Metadata)]) -> Vec<Result<RunStatus, RunnerError>> {
        self.poll(runs)
    }

    fn stop_trial(
        &self,
        run: &TrialRun,
        metadata: &Metadata,
        reason: &str,
    ) -> Result<Stopped, RunnerError> {
        self.stop(run, metadata, reason)
    }

    fn free_slots(&self) -> Result<Option<usize>, RunnerError> {
        self.slots()
    }

    fn find_trial(&self, run: &TrialRun) -> Result<Found, RunnerError> {
        self.find(run)
    }
}
