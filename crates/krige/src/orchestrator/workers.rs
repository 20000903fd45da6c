//! The threads on which user code runs.
//!
//! A call that takes longer than it may is given up: what waits for it is told so, and a new thread takes the place of
//! the one that blocks, so that it delays nobody else. Its answer, should it still come, is passed on if it is that of a
//! launch, because then there is a run, or what a running trial has measured, which nobody waits for; any other is asked for
//! again, and the late one is dropped.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indexmap::IndexMap;
use krige_runner::{IMetric, IRunner, MetricError, RunnerError};

use super::calls::{self, Call, Fetched, NoAnswer, Outcome};
use super::elapsed::Elapsed;

/// A pool of threads, which end when it is dropped, unless they block.
#[derive(Debug)]
pub(crate) struct Workers {
    /// Where calls and a new thread's end of the answers go; nothing once it has ended.
    ends: Option<(Sender<Call>, Sender<Answer>)>,
    outcomes: Receiver<Answer>,
    shared: Arc<Shared>,
    timeout: Duration,
    grace: Duration,
    /// Outcomes of calls that were given up and are not taken yet.
    given_up: Vec<Outcome>,
}

/// What all threads see.
#[derive(Debug)]
struct Shared {
    queue: Mutex<Receiver<Call>>,
    runner: Arc<dyn IRunner>,
    metrics: IndexMap<String, Arc<dyn IMetric>>,
    elapsed: Elapsed,
    /// Calls that still wait are not made any more.
    ended: AtomicBool,
    numbers: AtomicU64,
    /// The calls that are under way and not given up, by number.
    under_way: Mutex<HashMap<u64, UnderWay>>,
}

#[derive(Debug)]
struct UnderWay {
    call: Call,
    /// When it began; for a fetch, when that of its current metric did.
    began: Duration,
    fetched: Fetched,
}

#[derive(Debug)]
struct Answer {
    outcome: Outcome,
    late: bool,
}

impl Workers {
    /// Starts threads; a call may take as long as `timeout`, and the end of all as long as `grace`.
    pub(crate) fn start(
        threads: usize,
        runner: &Arc<dyn IRunner>,
        metrics: &IndexMap<String, Arc<dyn IMetric>>,
        elapsed: Elapsed,
        timeout: Duration,
        grace: Duration,
    ) -> Self {
        let (calls, queue) = channel();
        let (answers, outcomes) = channel();
        let shared = Arc::new(Shared {
            queue: Mutex::new(queue),
            runner: Arc::clone(runner),
            metrics: metrics.clone(),
            elapsed,
            ended: AtomicBool::new(false),
            numbers: AtomicU64::new(0),
            under_way: Mutex::default(),
        });
        let ends = Some((calls, answers));
        let workers = Self { ends, outcomes, shared, timeout, grace, given_up: Vec::new() };
        for _ in 0..threads {
            workers.add_thread();
        }
        workers
    }

    fn add_thread(&self) {
        if let Some((_, answers)) = &self.ends {
            let (shared, answers) = (Arc::clone(&self.shared), answers.clone());
            std::thread::spawn(move || shared.work(&answers));
        }
    }

    /// Whether a metric can be fetched while a trial runs.
    pub(crate) fn watches(&self) -> bool {
        self.shared.metrics.values().any(|metric| calls::is_available_while_running(&**metric))
    }

    pub(crate) fn call(&self, call: Call) {
        if let Some((calls, _)) = &self.ends {
            calls.send(call).expect("the queue is held until the workers have ended");
        }
    }

    /// The next outcome, unless none comes in time.
    pub(crate) fn outcome(&mut self, patience: Duration) -> Option<Outcome> {
        self.give_up_overdue();
        if let Some(outcome) = self.given_up.pop() {
            return Some(outcome);
        }
        match self.outcomes.recv_timeout(patience) {
            Ok(answer) => answer.worth_taking(),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => {
                unreachable!("the pool holds a sender until it has ended")
            }
        }
    }

    fn give_up_overdue(&mut self) {
        let (now, timeout) = (self.shared.elapsed.now(), self.timeout);
        let overdue: Vec<UnderWay> = {
            let mut under_way = self.shared.under_way();
            let is_overdue = |call: &UnderWay| now.saturating_sub(call.began) >= timeout;
            under_way.extract_if(|_, call| is_overdue(call)).map(|(_, call)| call).collect()
        };
        for call in overdue {
            self.add_thread();
            self.given_up.extend(no_answer(call, &self.shared.metrics, timeout));
        }
    }

    /// Makes no more calls, not even those that wait for a thread; only requests to stop are still made.
    pub(crate) fn close(&self) {
        self.shared.ended.store(true, Ordering::SeqCst);
    }

    /// Makes no more calls, waits for those under way as long as it may, and gives all outcomes that were not taken yet.
    ///
    /// A thread that blocks beyond that is left to itself.
    pub(crate) fn end(&mut self) -> Vec<Outcome> {
        self.close();
        if self.ends.take().is_none() {
            return Vec::new();
        }
        let mut outcomes = std::mem::take(&mut self.given_up);
        let began = Instant::now();
        // The channel closes with the last thread. What is in it already is taken also when there is no time to wait.
        loop {
            let left = self.grace.saturating_sub(began.elapsed());
            match self.outcomes.recv_timeout(left) {
                Ok(answer) => outcomes.extend(answer.worth_taking()),
                Err(_) => return outcomes,
            }
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        let _untaken = self.end();
    }
}

impl Answer {
    /// What came, unless it came too late to matter.
    fn worth_taking(self) -> Option<Outcome> {
        match &self.outcome {
            Outcome::Launched(..)
            | Outcome::Full { .. }
            | Outcome::Doubtful(..)
            | Outcome::Each(_)
            | Outcome::Progressed(..) => Some(self.outcome),
            Outcome::Found(..)
            | Outcome::Awaited(_)
            | Outcome::Polled(_)
            | Outcome::PolledOne(..)
            | Outcome::NotPolled(_)
            | Outcome::Fetched(..)
            | Outcome::Stopped(..) => (!self.late).then_some(self.outcome),
        }
    }
}

impl Shared {
    fn work(&self, answers: &Sender<Answer>) {
        loop {
            let next = self.queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(call) = next else { return };
            if self.ended.load(Ordering::SeqCst) && !matches!(call, Call::Stop(..)) {
                continue;
            }
            let number = self.numbers.fetch_add(1, Ordering::SeqCst);
            let began = self.elapsed.now();
            let entry = UnderWay { call: call.clone(), began, fetched: Vec::new() };
            self.under_way().insert(number, entry);
            let outcome = self.perform(number, call);
            let late = self.under_way().remove(&number).is_none();
            // Whoever was given up has been replaced.
            if answers.send(Answer { outcome, late }).is_err() || late {
                return;
            }
        }
    }

    fn perform(&self, number: u64, call: Call) -> Outcome {
        let runner = &*self.runner;
        match call {
            Call::Find(run) => calls::find(runner, run),
            Call::Launch(run, parameters) => calls::launch(runner, run, &parameters),
            Call::LaunchMany(runs) => calls::launch_many(runner, runs),
            Call::Poll(runs) => calls::poll(runner, &runs),
            Call::PollOne(run, metadata) => {
                Outcome::PolledOne(run.trial_index, calls::poll_trial(runner, &run, &metadata))
            }
            Call::Stop(run, metadata, reason) => {
                Outcome::Stopped(run.trial_index, calls::stop(runner, &run, &metadata, &reason))
            }
            Call::Progress(run, metadata) => {
                let available = self.metrics.iter();
                let available =
                    available.filter(|(_, metric)| calls::is_available_while_running(&***metric));
                let fetched = available
                    .map(|(name, m)| (name.clone(), calls::fetch(&**m, &run, &metadata)))
                    .collect();
                Outcome::Progressed(run, fetched)
            }
            Call::Fetch(run, metadata) => {
                for (name, metric) in &self.metrics {
                    let fetched = calls::fetch(&**metric, &run, &metadata);
                    // Each metric has the whole time for itself.
                    let now = self.elapsed.now();
                    let mut under_way = self.under_way();
                    let Some(entry) = under_way.get_mut(&number) else { break };
                    entry.fetched.push((name.clone(), fetched));
                    entry.began = now;
                }
                let mut under_way = self.under_way();
                let entry = under_way.get_mut(&number);
                let fetched = entry.map(|entry| std::mem::take(&mut entry.fetched));
                Outcome::Fetched(run.trial_index, fetched.unwrap_or_default())
            }
        }
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<u64, UnderWay>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is said of a call that has not answered in time; nothing of one that nobody waits for.
fn no_answer(
    under_way: UnderWay,
    metrics: &IndexMap<String, Arc<dyn IMetric>>,
    timeout: Duration,
) -> Option<Outcome> {
    let error = || RunnerError::transient(NoAnswer(timeout));
    Some(match under_way.call {
        Call::Find(run) => Outcome::Found(run, Err(error())),
        Call::Launch(run, _) => Outcome::Awaited(run),
        Call::LaunchMany(runs) => {
            Outcome::Each(runs.into_iter().map(|(run, _)| Outcome::Awaited(run)).collect())
        }
        Call::Poll(runs) => match &runs[..] {
            [(run, _)] => Outcome::Polled(vec![(run.trial_index, Err(error()))]),
            _ => Outcome::NotPolled(runs.iter().map(|(run, _)| run.trial_index).collect()),
        },
        Call::PollOne(run, _) => Outcome::PolledOne(run.trial_index, Err(error())),
        Call::Stop(run, ..) => Outcome::Stopped(run.trial_index, Err(error())),
        // It is not asked for again before it has answered, so that it takes one thread for good, and not one each time.
        Call::Progress(..) => return None,
        Call::Fetch(run, _) => {
            let mut fetched = under_way.fetched;
            // The metrics after the one that blocks wait for another attempt.
            if let Some((name, _)) = metrics.get_index(fetched.len()) {
                let error = MetricError::transient(NoAnswer(timeout));
                fetched.push((name.clone(), Err(error)));
            }
            Outcome::Fetched(run.trial_index, fetched)
        }
    })
}
