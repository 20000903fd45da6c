//! An in-memory system that runs trials as scripted, and outlives the optimizers that talk to it.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};

use krige_core::trial::{Metadata, TrialRun};
use krige_core::value::Parameterization;
use krige_runner::{Cause, Found, Measurement, MetricError, RunStatus, RunnerError, Stopped};

use crate::script::{Answer, Fetch, Find, Launch, Script, Stop};

type Evaluate = dyn Fn(&Parameterization) -> Result<Vec<(String, f64)>, Cause> + Send + Sync;
type Scripts = dyn Fn(&TrialRun) -> Script + Send + Sync;

static REGISTRY: LazyLock<Mutex<HashMap<String, FarSide>>> = LazyLock::new(Mutex::default);

/// A system that runs trials as its scripts say; its clones are the same system.
///
/// It is found by its name, so that a runner that was stored and read back talks to the same system. A run's values
/// are computed when it is launched.
#[derive(Clone)]
pub struct FarSide {
    name: String,
    evaluate: Arc<Evaluate>,
    scripts: Arc<Scripts>,
    state: Arc<Mutex<State>>,
    late: Arc<Condvar>,
}

#[derive(Default)]
struct State {
    /// All that was ever started; a job's number is its place.
    jobs: Vec<Job>,
    /// How often each call was made, by what it was about.
    calls: HashMap<(Call, String), usize>,
    slots: Option<usize>,
    /// How many calls are blocked.
    late: usize,
    released: bool,
}

struct Job {
    run: TrialRun,
    values: Vec<(String, f64)>,
    stopped: Option<String>,
    ended: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Call {
    Launch,
    Poll,
    Find,
    Stop,
    Fetch,
}

/// What the far side reports, beneath the runner's or the metric's own classification.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FarSideError {
    /// No far side has that name.
    #[error(
        "no far side `{name}`: make it with FarSide::new before a runner or metric reaches for it"
    )]
    Unknown {
        /// The name.
        name: String,
    },
    /// The script says that the call fails.
    #[error("scripted to fail in {call} of {about}")]
    Scripted {
        /// The call.
        call: String,
        /// The run's key, or the job.
        about: String,
    },
    /// All slots are taken.
    #[error("all {slots} slots are taken: poll until a run has ended")]
    Full {
        /// How many there are.
        slots: usize,
    },
    /// The metadata is not what the launch of that run gave.
    #[error("the metadata of {key} names no job of that run: hand back what run_trial gave")]
    NotThatJob {
        /// The run's key.
        key: String,
    },
    /// The far side computed no such metric.
    #[error("no metric `{metric}`, only `{}`", known.join("`, `"))]
    NoMetric {
        /// The metric.
        metric: String,
        /// What it computed.
        known: Vec<String>,
    },
}

/// How a call fails.
pub(crate) enum Failure {
    Transient(Cause),
    Permanent(Cause),
}

impl From<Failure> for RunnerError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Transient(cause) => Self::Transient(cause),
            Failure::Permanent(cause) => Self::Permanent(cause),
        }
    }
}

impl From<Failure> for MetricError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Transient(cause) => Self::Transient(cause),
            Failure::Permanent(cause) => Self::Permanent(cause),
        }
    }
}

fn permanent(error: FarSideError) -> Failure {
    Failure::Permanent(error.into())
}

impl FarSide {
    /// Makes a far side and registers it under its name, in the place of any former one.
    ///
    /// `evaluate` gives the metrics of a run by name, and `scripts` what is done with it; the script of a run must
    /// always be the same.
    pub fn new(
        name: impl Into<String>,
        evaluate: impl Fn(&Parameterization) -> Result<Vec<(String, f64)>, Cause>
        + Send
        + Sync
        + 'static,
        scripts: impl Fn(&TrialRun) -> Script + Send + Sync + 'static,
    ) -> Self {
        let far_side = Self {
            name: name.into(),
            evaluate: Arc::new(evaluate),
            scripts: Arc::new(scripts),
            state: Arc::default(),
            late: Arc::default(),
        };
        let mut registry = REGISTRY.lock().unwrap_or_else(PoisonError::into_inner);
        registry.insert(far_side.name.clone(), far_side.clone());
        far_side
    }

    /// Runs no more than `slots` at a time from now on; a launch beyond that fails for now.
    pub fn limit_slots(&self, slots: usize) {
        self.state().slots = Some(slots);
    }

    /// How often each run was started, by its key: 1 is right, and more is a run that was started twice.
    pub fn deployments(&self) -> BTreeMap<String, usize> {
        let mut deployments = BTreeMap::new();
        for job in &self.state().jobs {
            *deployments.entry(job.run.key.clone()).or_insert(0) += 1;
        }
        deployments
    }

    /// Every run that was started, in the order of the launches.
    pub fn launched(&self) -> Vec<TrialRun> {
        self.state().jobs.iter().map(|job| job.run.clone()).collect()
    }

    /// Lets the calls that are [`Answer::Late`] come back, now and from now on.
    pub fn release(&self) {
        self.state().released = true;
        self.late.notify_all();
    }

    /// Waits until that many calls are [`Answer::Late`] at once.
    pub fn wait_until_late(&self, calls: usize) {
        let waited = self.late.wait_while(self.state(), |state| state.late < calls);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn find(name: &str) -> Result<Self, Failure> {
        let registry = REGISTRY.lock().unwrap_or_else(PoisonError::into_inner);
        let found = registry.get(name).cloned();
        found.ok_or_else(|| permanent(FarSideError::Unknown { name: name.to_owned() }))
    }

    pub(crate) fn run_trial(
        &self,
        run: &TrialRun,
        parameters: &Parameterization,
    ) -> Result<Metadata, Failure> {
        let launch = self.answer(Call::Launch, &run.key, &(self.scripts)(run).launch)?;
        let values = (self.evaluate)(parameters).map_err(Failure::Permanent)?;
        let mut state = self.state();
        if let Some(slots) = state.slots
            && state.free_slots() == Some(0)
        {
            return Err(Failure::Transient(FarSideError::Full { slots }.into()));
        }
        state.jobs.push(Job { run: run.clone(), values, stopped: None, ended: false });
        match launch {
            Launch::Accepted => Ok(Metadata::of("job", state.jobs.len() - 1)),
            Launch::AcceptedButDenied => {
                let (call, about) = (format!("{:?}", Call::Launch), run.key.clone());
                Err(Failure::Transient(FarSideError::Scripted { call, about }.into()))
            }
        }
    }

    pub(crate) fn poll_trial(
        &self,
        run: &TrialRun,
        metadata: &Metadata,
    ) -> Result<RunStatus, Failure> {
        let job = self.job(run, metadata)?;
        if let Some(reason) = &self.state().jobs[job].stopped {
            return Ok(RunStatus::Failed { reason: format!("stopped: {reason}") });
        }
        let status = self.answer(Call::Poll, &job.to_string(), &(self.scripts)(run).poll)?;
        self.state().jobs[job].ended = status != RunStatus::Running;
        Ok(status)
    }

    pub(crate) fn find_trial(&self, run: &TrialRun) -> Result<Found, Failure> {
        Ok(match self.answer(Call::Find, &run.key, &(self.scripts)(run).find)? {
            Find::Truth => {
                let job = self.state().jobs.iter().rposition(|job| job.run == *run);
                job.map_or(Found::Absent, |job| Found::Exists(Metadata::of("job", job)))
            }
            Find::Unknown => Found::Unknown,
            Find::Absent => Found::Absent,
        })
    }

    pub(crate) fn stop_trial(
        &self,
        run: &TrialRun,
        metadata: &Metadata,
        reason: &str,
    ) -> Result<Stopped, Failure> {
        let job = self.job(run, metadata)?;
        Ok(match self.answer(Call::Stop, &job.to_string(), &(self.scripts)(run).stop)? {
            Stop::Obeys => {
                let mut state = self.state();
                let job = &mut state.jobs[job];
                if !job.ended {
                    job.stopped = Some(reason.to_owned());
                    job.ended = true;
                }
                Stopped::Requested
            }
            Stop::Ignores => Stopped::Requested,
            Stop::Unsupported => Stopped::Unsupported,
        })
    }

    pub(crate) fn fetch(
        &self,
        run: &TrialRun,
        metadata: &Metadata,
        metric: &str,
    ) -> Result<Measurement, MetricError> {
        let job = self.job(run, metadata)?;
        let about = format!("{job} {metric}");
        match self.answer(Call::Fetch, &about, &(self.scripts)(run).fetch)? {
            Fetch::Other(number) => Ok(number.into()),
            Fetch::NotYet => Err(MetricError::NotYet),
            Fetch::Value => {
                let state = self.state();
                let values = &state.jobs[job].values;
                let found = values.iter().find(|(name, _)| name == metric);
                found.map(|(_, value)| Measurement::from(*value)).ok_or_else(|| {
                    let known = values.iter().map(|(name, _)| name.clone()).collect();
                    MetricError::permanent(FarSideError::NoMetric {
                        metric: metric.to_owned(),
                        known,
                    })
                })
            }
        }
    }

    pub(crate) fn free_slots(&self) -> Option<usize> {
        self.state().free_slots()
    }

    /// The number of the job that the metadata names, which must be one of that run.
    fn job(&self, run: &TrialRun, metadata: &Metadata) -> Result<usize, Failure> {
        let state = self.state();
        let job = metadata.integer("job").and_then(|job| usize::try_from(job).ok());
        job.filter(|&job| state.jobs.get(job).is_some_and(|known| known.run == *run))
            .ok_or_else(|| permanent(FarSideError::NotThatJob { key: run.key.clone() }))
    }

    fn answer<T: Clone>(
        &self,
        call: Call,
        about: &str,
        answers: &[Answer<T>],
    ) -> Result<T, Failure> {
        let mut state = self.state();
        let count = state.calls.entry((call, about.to_owned())).or_insert(0);
        let answer = answers.get(*count).or(answers.last());
        *count += 1;
        let scripted =
            || FarSideError::Scripted { call: format!("{call:?}"), about: about.to_owned() }.into();
        match answer {
            Some(Answer::Gives(given)) => Ok(given.clone()),
            Some(Answer::Transient) => Err(Failure::Transient(scripted())),
            Some(Answer::Permanent) => Err(Failure::Permanent(scripted())),
            Some(Answer::Panics) => panic!("scripted to panic in {call:?} of {about}"),
            Some(Answer::Late(given)) => {
                state.late += 1;
                self.late.notify_all();
                let waited = self.late.wait_while(state, |state| !state.released);
                waited.unwrap_or_else(PoisonError::into_inner).late -= 1;
                Ok(given.clone())
            }
            None => panic!("the script of {about} has no answer to {call:?}: give one or more"),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Scripted panics are part of the play, and happen between changes.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn free_slots(&self) -> Option<usize> {
        let busy = self.jobs.iter().filter(|job| !job.ended).count();
        self.slots.map(|slots| slots.saturating_sub(busy))
    }
}

impl fmt::Debug for FarSide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FarSide")
            .field("name", &self.name)
            .field("launched", &self.state().jobs.len())
            .finish_non_exhaustive()
    }
}
