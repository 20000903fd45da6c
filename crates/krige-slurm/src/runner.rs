//! A runner that has trials run as batch jobs.

mod find;
mod notes;
mod session;
mod submit;
mod symptoms;
mod verdict;
mod watch;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use krige_core::trial::{Metadata, TrialRun};
use krige_core::value::Parameterization;
use krige_runner::program::Program;
use krige_runner::{Found, IRunner, RunStatus, RunnerError, Stopped};
use serde::{Deserialize, Serialize};

pub use self::session::Session;
use crate::resources::Resources;
use crate::retry::Retries;
use crate::slurm::Slurm;

/// Has any program run as trials by Slurm, a batch job for each.
///
/// Each run has a [folder](krige_runner::program::RunFolder) of its own, `WORK/KEY`, on a file system that the nodes have under the same
/// path and that can lock files; what the program gave is read from there. The job's name is the run's key. Several runs that start in one call
/// ([`run_trials`](IRunner::run_trials)) are the elements of array jobs.
///
/// ```no_run
/// use krige_runner::program::Program;
/// use krige_slurm::{Resources, SlurmRunner};
///
/// let train = Program::new("python3").args(["train.py", "--rate", "{rate}"]).file("train.py");
/// let resources = Resources {
///     partition: Some("gpu".into()),
///     time_limit_minutes: Some(60),
///     gpus: Some("1".into()),
///     ..Resources::default()
/// };
/// let runner = SlurmRunner::new("/scratch/me/tuning", train, resources);
/// runner.check()?;
/// # Ok::<(), krige_runner::RunnerError>(())
/// ```
///
/// # What a run comes to
/// The program's own end, which is in its folder, outranks what Slurm says: Slurm loses track of jobs when its controller is killed, and
/// forgets them after a while. Else:
///
/// | what happened | the run |
/// |---|---|
/// | a node failed or did not boot, the job was preempted or vanished, it could not be started | is lost, and so run again, as often as [`retries`](Self::retries) has it |
/// | Slurm signalled it, and neither it nor the job's log says why, as when the controller was killed meanwhile | is lost |
/// | it was ended for another job that has or had its number, as after a controller has lost its state | is lost |
/// | it came to its time limit, it took too much memory | has failed, unless `retries` allows more |
/// | somebody cancelled it | is abandoned |
/// | it can never start, as it asks for what there is not | has failed; the job is cancelled |
/// | Slurm started it again (after a node failed, a preemption, by `scontrol requeue`) | goes on |
/// | it is held, suspended, waits | goes on |
/// | the controller does not answer | goes on, for [`patience_seconds`](Self::patience_seconds) |
///
/// # When the optimizer dies
/// Jobs go on, and are found again by their names. However often a run is submitted, the script in its folder runs the program once; only
/// a restart of the very same job by Slurm runs it again.
///
/// # What is asked of Slurm
/// One `squeue` for all runs, at most once in [`query_interval_seconds`](Self::query_interval_seconds), and none where every run has
/// ended; one `sacct` for those that `squeue` does not know any more, where there is accounting. Accounting is not needed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlurmRunner {
    /// Where the runs have their folders: on a file system that this machine and the nodes share.
    pub work: PathBuf,
    /// The program.
    pub program: Program,
    /// What each job asks for.
    #[serde(default)]
    pub resources: Resources,
    /// Whether Slurm itself starts a job again whose node failed, or that was preempted. Then the program begins anew in the same
    /// folder; else the run is lost. True by default.
    #[serde(default = "yes")]
    pub requeue: bool,
    /// How often a trial is run again that was lost.
    #[serde(default)]
    pub retries: Retries,
    /// How many jobs of this user may wait and run at a time; beyond that none is submitted. None: as many as are asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_queued: Option<usize>,
    /// How many runs an array job has at most; the cluster's `MaxArraySize` must be larger. 500.
    #[serde(default = "max_array")]
    pub max_array: usize,
    /// What is added to the environment of Slurm's commands, such as `SLURM_CONF`. It is stored: no secrets here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// After how long a command of Slurm is given up, in seconds. 60: `squeue` itself gives up after 18.
    #[serde(default = "command_timeout_seconds")]
    pub command_timeout_seconds: f64,
    /// How old an answer of `squeue` may be, in seconds. 1; while the controller does not answer, it rises to 30.
    #[serde(default = "query_interval_seconds")]
    pub query_interval_seconds: f64,
    /// How long a strange state must last to be believed, in seconds: that a job is over and its folder says nothing, that it waits for what never
    /// comes. Longer than a shared file system takes to show what another machine wrote. 60.
    #[serde(default = "grace_seconds")]
    pub grace_seconds: f64,
    /// How long the controller may be silent before polls fail, in seconds. 1 hour.
    #[serde(default = "patience_seconds")]
    pub patience_seconds: f64,
    /// What the runner keeps between its calls; not stored.
    #[serde(skip)]
    pub session: Session,
}

const fn yes() -> bool {
    true
}

const fn max_array() -> usize {
    500
}

const fn command_timeout_seconds() -> f64 {
    60.0
}

const fn query_interval_seconds() -> f64 {
    1.0
}

const fn grace_seconds() -> f64 {
    60.0
}

const fn patience_seconds() -> f64 {
    3600.0
}

/// Why a run cannot be started or told of.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SlurmRunnerError {
    /// Somebody else submits this run at the moment.
    #[error("the run {key} is being submitted by another process")]
    Submitting {
        /// Its key.
        key: String,
    },
    /// The metadata are not of this runner.
    #[error(
        "expected the entries `folder` and `job` in the trial's metadata, as SlurmRunner writes them"
    )]
    NotOurs,
    /// The controller has been silent for too long.
    #[error("Slurm has not answered for {seconds:.0} s: {said}")]
    Silent {
        /// For how long.
        seconds: f64,
        /// What the last command said.
        said: String,
    },
    /// A duration that is none.
    #[error("{field}: expected a number of seconds, at least 0, found {found}")]
    Seconds {
        /// The field.
        field: &'static str,
        /// What it is.
        found: f64,
    },
}

impl SlurmRunner {
    /// A runner of a program, with the runs' folders in `work`; a relative path counts from the present folder, now and for ever.
    pub fn new(work: impl AsRef<Path>, program: Program, resources: Resources) -> Self {
        let work = work.as_ref();
        Self {
            work: std::path::absolute(work).unwrap_or_else(|_| work.to_owned()),
            program,
            resources,
            requeue: true,
            retries: Retries::default(),
            max_queued: None,
            max_array: max_array(),
            environment: BTreeMap::new(),
            command_timeout_seconds: command_timeout_seconds(),
            query_interval_seconds: query_interval_seconds(),
            grace_seconds: grace_seconds(),
            patience_seconds: patience_seconds(),
            session: Session::default(),
        }
    }

    /// Asks Slurm whether it would take such a job, so that what is misspelled or not to be had is found before any trial is made
    /// for it. No job is made.
    ///
    /// # Errors
    /// [`RunnerError::Permanent`] if it would not; [`RunnerError::Transient`] if it cannot be asked now.
    pub fn check(&self) -> Result<(), RunnerError> {
        let mut arguments = self.resources.arguments().map_err(RunnerError::permanent)?;
        arguments.extend(["--test-only", "--output=/dev/null", "--wrap=true"].map(String::from));
        self.slurm()?.run("sbatch", &arguments, None)?;
        Ok(())
    }

    fn slurm(&self) -> Result<Slurm<'_>, RunnerError> {
        let timeout = seconds("command_timeout_seconds", self.command_timeout_seconds)?;
        Ok(Slurm { environment: &self.environment, timeout })
    }
}

fn seconds(field: &'static str, found: f64) -> Result<Duration, RunnerError> {
    Duration::try_from_secs_f64(found)
        .map_err(|_| RunnerError::permanent(SlurmRunnerError::Seconds { field, found }))
}

#[typetag::serde(name = "slurm")]
impl IRunner for SlurmRunner {
    fn run_trial(
        &self,
        run: &TrialRun,
        parameters: &Parameterization,
    ) -> Result<Metadata, RunnerError> {
        self.launch(&[(run.clone(), parameters.clone())]).pop().expect("one for each run")
    }

    fn run_trials(
        &self,
        runs: &[(TrialRun, Parameterization)],
    ) -> Vec<Result<Metadata, RunnerError>> {
        runs.chunks(self.max_array.max(1)).flat_map(|runs| self.launch(runs)).collect()
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
