//! The threads on which user code runs.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use indexmap::IndexMap;
use krige_core::trial::{Metadata, TrialIndex, TrialRun};
use krige_core::value::Parameterization;
use krige_runner::{
    Found, IMetric, IRunner, Measurement, MetricError, RunStatus, RunnerError, Stopped,
};

/// One call of user code.
#[derive(Debug, Clone)]
pub(crate) enum Call {
    Find(TrialRun),
    Launch(TrialRun, Parameterization),
    Poll(Vec<(TrialRun, Metadata)>),
    Fetch(TrialRun, Metadata),
    /// Fetch what a running trial has measured so far, where that can be done.
    Progress(TrialRun, Metadata),
    /// Stop a run, for the reason.
    Stop(TrialRun, Metadata, String),
}

/// What came of it.
#[derive(Debug)]
pub(crate) enum Outcome {
    Found(TrialIndex, Result<Found, RunnerError>),
    Launched(TrialIndex, Result<Metadata, RunnerError>),
    /// There is no free slot for a launch; nothing was started.
    Full(TrialIndex),
    Polled(Vec<(TrialIndex, Result<RunStatus, RunnerError>)>),
    Fetched(TrialIndex, Vec<(String, Result<Measurement, MetricError>)>),
    Progressed(TrialIndex, Vec<(String, Result<Measurement, MetricError>)>),
    Stopped(TrialIndex, Result<Stopped, RunnerError>),
}

/// A user's code panicked; that is an error of the call.
#[derive(Debug, thiserror::Error)]
#[error("it panicked: {0}")]
struct Panicked(String);

/// A `poll_trials` did not answer for every trial.
#[derive(Debug, thiserror::Error)]
#[error("poll_trials answered for {found} of {expected} trials: it must answer for each, in order")]
struct Unanswered {
    expected: usize,
    found: usize,
}

/// A pool of threads, which end when it is dropped.
#[derive(Debug)]
pub(crate) struct Workers {
    calls: Option<Sender<Call>>,
    /// Calls that still wait are not made any more.
    ended: Arc<AtomicBool>,
    outcomes: Receiver<Outcome>,
    threads: Vec<JoinHandle<()>>,
    watches: bool,
}

impl Workers {
    pub(crate) fn start(
        threads: usize,
        runner: &Arc<dyn IRunner>,
        metrics: &IndexMap<String, Arc<dyn IMetric>>,
    ) -> Self {
        let (calls, queue) = channel();
        let (answers, outcomes) = channel();
        let queue = Arc::new(Mutex::new(queue));
        let ended = Arc::new(AtomicBool::new(false));
        let threads = (0..threads)
            .map(|_| {
                let (queue, answers) = (Arc::clone(&queue), answers.clone());
                let (runner, metrics) = (Arc::clone(runner), metrics.clone());
                let ended = Arc::clone(&ended);
                std::thread::spawn(move || work(&queue, &ended, &answers, &*runner, &metrics))
            })
            .collect();
        let watches = metrics
            .values()
            .any(|metric| guarded(|| metric.available_while_running()).unwrap_or(false));
        Self { calls: Some(calls), ended, outcomes, threads, watches }
    }

    /// Whether a metric can be fetched while a trial runs.
    pub(crate) const fn watches(&self) -> bool {
        self.watches
    }

    pub(crate) fn call(&self, call: Call) {
        if let Some(calls) = &self.calls {
            calls.send(call).expect("the threads hold the queue until the sender is dropped");
        }
    }

    /// The next outcome, unless none comes in time.
    pub(crate) fn outcome(&self, patience: Duration) -> Option<Outcome> {
        match self.outcomes.recv_timeout(patience) {
            Ok(outcome) => Some(outcome),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => {
                unreachable!("the threads hold the sender until the queue is dropped")
            }
        }
    }
}

impl Workers {
    /// Makes no more calls, not even those that wait for a thread.
    pub(crate) fn close(&self) {
        self.ended.store(true, Ordering::SeqCst);
    }

    /// Makes no more calls, waits for those under way, and gives all outcomes that were not taken yet.
    pub(crate) fn end(&mut self) -> Vec<Outcome> {
        self.close();
        self.calls = None;
        for thread in self.threads.drain(..) {
            // User code cannot panic the thread, so there is nothing to report.
            let _ended = thread.join();
        }
        self.outcomes.try_iter().collect()
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        let _untaken = self.end();
    }
}

fn work(
    queue: &Mutex<Receiver<Call>>,
    ended: &AtomicBool,
    answers: &Sender<Outcome>,
    runner: &dyn IRunner,
    metrics: &IndexMap<String, Arc<dyn IMetric>>,
) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(call) = next else { return };
        if ended.load(Ordering::SeqCst) {
            return;
        }
        if answers.send(perform(call, runner, metrics)).is_err() {
            return;
        }
    }
}

fn perform(
    call: Call,
    runner: &dyn IRunner,
    metrics: &IndexMap<String, Arc<dyn IMetric>>,
) -> Outcome {
    match call {
        Call::Find(run) => {
            let found = guarded(|| runner.find_trial(&run));
            Outcome::Found(
                run.trial_index,
                found.unwrap_or_else(|p| Err(RunnerError::permanent(p))),
            )
        }
        Call::Launch(run, parameters) => {
            let trial = run.trial_index;
            let full = || matches!(guarded(|| runner.free_slots()), Ok(Ok(Some(0))));
            if full() {
                return Outcome::Full(trial);
            }
            let launched = guarded(|| runner.run_trial(&run, &parameters));
            match launched.unwrap_or_else(|p| Err(RunnerError::permanent(p))) {
                // Another launch took the last slot in between.
                Err(RunnerError::Transient(_)) if full() => Outcome::Full(trial),
                launched => Outcome::Launched(trial, launched),
            }
        }
        Call::Poll(runs) => {
            let trials: Vec<_> = runs.iter().map(|(run, _)| run.trial_index).collect();
            let answers = match guarded(|| runner.poll_trials(&runs)) {
                Ok(answers) if answers.len() == runs.len() => answers,
                Ok(answers) => {
                    let (expected, found) = (runs.len(), answers.len());
                    let unanswered =
                        |_| Err(RunnerError::permanent(Unanswered { expected, found }));
                    trials.iter().map(unanswered).collect()
                }
                // One of the trials may be the cause: ask for each by itself.
                Err(_) => {
                    runs.iter().map(|(run, metadata)| poll_one(runner, run, metadata)).collect()
                }
            };
            Outcome::Polled(trials.into_iter().zip(answers).collect())
        }
        Call::Fetch(run, metadata) => {
            let fetched =
                metrics.iter().map(|(n, metric)| (n.clone(), fetch(&**metric, &run, &metadata)));
            Outcome::Fetched(run.trial_index, fetched.collect())
        }
        Call::Progress(run, metadata) => {
            let available = metrics.iter().filter(|(_, metric)| {
                guarded(|| metric.available_while_running()).unwrap_or(false)
            });
            let fetched =
                available.map(|(n, metric)| (n.clone(), fetch(&**metric, &run, &metadata)));
            Outcome::Progressed(run.trial_index, fetched.collect())
        }
        Call::Stop(run, metadata, reason) => {
            let stopped = guarded(|| runner.stop_trial(&run, &metadata, &reason));
            let answer = stopped.unwrap_or_else(|p| Err(RunnerError::permanent(p)));
            Outcome::Stopped(run.trial_index, answer)
        }
    }
}

fn fetch(
    metric: &dyn IMetric,
    run: &TrialRun,
    metadata: &Metadata,
) -> Result<Measurement, MetricError> {
    guarded(|| metric.fetch(run, metadata))
        .unwrap_or_else(|panicked| Err(MetricError::permanent(panicked)))
}

fn poll_one(
    runner: &dyn IRunner,
    run: &TrialRun,
    metadata: &Metadata,
) -> Result<RunStatus, RunnerError> {
    guarded(|| runner.poll_trial(run, metadata))
        .unwrap_or_else(|panicked| Err(RunnerError::permanent(panicked)))
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
