//! The calls of user code: what is asked, what comes of it, and how each is made.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use krige_core::trial::{Metadata, TrialIndex, TrialRun};
use krige_core::value::Parameterization;
use krige_runner::{
    Cause, Found, IMetric, IRunner, Measurement, MetricError, RunStatus, RunnerError, Stopped,
};

/// One call of user code.
#[derive(Debug, Clone)]
pub(crate) enum Call {
    Find(TrialRun),
    Launch(TrialRun, Parameterization),
    /// Several launches in one call.
    LaunchMany(Vec<(TrialRun, Parameterization)>),
    Poll(Vec<(TrialRun, Metadata)>),
    /// A poll of a trial by itself.
    PollOne(TrialRun, Metadata),
    Fetch(TrialRun, Metadata),
    /// A fetch of what a running trial has measured so far, where that can be done.
    Progress(TrialRun, Metadata),
    /// A request to stop, with its reason.
    Stop(TrialRun, Metadata, String),
}

/// What came of it.
#[derive(Debug)]
pub(crate) enum Outcome {
    Found(TrialRun, Result<Found, RunnerError>),
    Launched(TrialRun, Result<Metadata, RunnerError>),
    /// There is no free slot for a launch. Where it was tried all the same, it may have been started.
    Full {
        run: TrialRun,
        tried: bool,
    },
    /// A call for several launches went wrong as a whole: whether this one was started is not known.
    Doubtful(TrialRun, RunnerError),
    /// A launch has not answered in time, and is still out: a [`Launched`](Self::Launched) may follow.
    Awaited(TrialRun),
    /// One for each trial of a call for several launches.
    Each(Vec<Outcome>),
    Polled(Vec<(TrialIndex, Result<RunStatus, RunnerError>)>),
    PolledOne(TrialIndex, Result<RunStatus, RunnerError>),
    /// A poll of several trials has not answered in time; any of them may be the cause.
    NotPolled(Vec<TrialIndex>),
    Fetched(TrialIndex, Fetched),
    Progressed(TrialRun, Fetched),
    Stopped(TrialIndex, Result<Stopped, RunnerError>),
}

/// What each metric gave.
pub(crate) type Fetched = Vec<(String, Result<Measurement, MetricError>)>;

/// A user's code panicked; that is an error of the call.
#[derive(Debug, thiserror::Error)]
#[error("it panicked: {0}")]
struct Panicked(String);

/// A call has not answered in time.
#[derive(Debug, thiserror::Error)]
#[error("it did not answer within {} s", .0.as_secs_f64())]
pub(crate) struct NoAnswer(pub(crate) Duration);

/// A call for several trials did not answer for every one.
#[derive(Debug, thiserror::Error)]
#[error("{call} answered for {found} of {expected} trials: it must answer for each, in order")]
struct Unanswered {
    call: &'static str,
    expected: usize,
    found: usize,
}

pub(crate) fn find(runner: &dyn IRunner, run: TrialRun) -> Outcome {
    let found = guarded(|| runner.find_trial(&run));
    Outcome::Found(run, found.unwrap_or_else(|p| Err(RunnerError::permanent(p))))
}

pub(crate) fn launch(
    runner: &dyn IRunner,
    run: TrialRun,
    parameters: &Parameterization,
) -> Outcome {
    let full = || free_slots(runner) == Some(0);
    if full() {
        return Outcome::Full { run, tried: false };
    }
    let launched = guarded(|| runner.run_trial(&run, parameters));
    match launched.unwrap_or_else(|p| Err(RunnerError::permanent(p))) {
        // Another launch took the last slot in between.
        Err(RunnerError::Transient(_)) if full() => Outcome::Full { run, tried: true },
        launched => Outcome::Launched(run, launched),
    }
}

/// As many as there are slots for, in one call.
pub(crate) fn launch_many(
    runner: &dyn IRunner,
    mut runs: Vec<(TrialRun, Parameterization)>,
) -> Outcome {
    let slots = free_slots(runner).unwrap_or(runs.len());
    let beyond = runs.split_off(slots.min(runs.len()));
    let expected = runs.len();
    let answers = match expected {
        0 => Ok(Vec::new()),
        _ => guarded(|| runner.run_trials(&runs)),
    };
    let ids = runs.into_iter().map(|(run, _)| run);
    let full = beyond.into_iter().map(|(run, _)| Outcome::Full { run, tried: false });
    let doubtful = |run, error: Cause| Outcome::Doubtful(run, RunnerError::transient(error));
    Outcome::Each(match answers {
        Ok(answers) if answers.len() == expected => {
            let launched = ids.zip(answers).map(|(run, answer)| Outcome::Launched(run, answer));
            launched.chain(full).collect()
        }
        Ok(answers) => {
            let found = answers.len();
            let error = || Unanswered { call: "run_trials", expected, found };
            ids.map(|run| doubtful(run, error().into())).chain(full).collect()
        }
        Err(Panicked(text)) => {
            let error = || Panicked(text.clone());
            ids.map(|run| doubtful(run, error().into())).chain(full).collect()
        }
    })
}

pub(crate) fn poll(runner: &dyn IRunner, runs: &[(TrialRun, Metadata)]) -> Outcome {
    let answers = match guarded(|| runner.poll_trials(runs)) {
        Ok(answers) if answers.len() == runs.len() => answers,
        Ok(answers) => {
            let (expected, found) = (runs.len(), answers.len());
            let unanswered = || Unanswered { call: "poll_trials", expected, found };
            runs.iter().map(|_| Err(RunnerError::permanent(unanswered()))).collect()
        }
        // One of the trials may be the cause: ask for each by itself.
        Err(_) => runs.iter().map(|(run, metadata)| poll_trial(runner, run, metadata)).collect(),
    };
    Outcome::Polled(runs.iter().map(|(run, _)| run.trial_index).zip(answers).collect())
}

pub(crate) fn poll_trial(
    runner: &dyn IRunner,
    run: &TrialRun,
    metadata: &Metadata,
) -> Result<RunStatus, RunnerError> {
    guarded(|| runner.poll_trial(run, metadata))
        .unwrap_or_else(|panicked| Err(RunnerError::permanent(panicked)))
}

pub(crate) fn fetch(
    metric: &dyn IMetric,
    run: &TrialRun,
    metadata: &Metadata,
) -> Result<Measurement, MetricError> {
    guarded(|| metric.fetch(run, metadata))
        .unwrap_or_else(|panicked| Err(MetricError::permanent(panicked)))
}

/// Whether a metric can be fetched while a trial runs.
pub(crate) fn is_available_while_running(metric: &dyn IMetric) -> bool {
    guarded(|| metric.available_while_running()).unwrap_or(false)
}

pub(crate) fn stop(
    runner: &dyn IRunner,
    run: &TrialRun,
    metadata: &Metadata,
    reason: &str,
) -> Result<Stopped, RunnerError> {
    guarded(|| runner.stop_trial(run, metadata, reason))
        .unwrap_or_else(|panicked| Err(RunnerError::permanent(panicked)))
}

/// How many launches the far side would take, where it says so.
fn free_slots(runner: &dyn IRunner) -> Option<usize> {
    guarded(|| runner.free_slots()).ok().and_then(Result::ok).flatten()
}

fn guarded<T>(call: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|payload| {
        let text = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned());
        Panicked(text.unwrap_or_else(|| "without a message".into()))
    })
}
