//! Does what the plan says: stores intents, calls user code, stores outcomes.

mod ending;
mod launching;
mod observing;
mod stopping;

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use krige_core::event::Event;
use krige_core::experiment::{ApplyError, Experiment};
use krige_core::generation::{GenerationError, GeneratorError};
use krige_core::journal::JournalError;
use krige_core::objective::OptimizationConfig;
use krige_core::observation::Observation;
use krige_core::trial::{Arm, Metadata, TrialEvent, TrialIndex, TrialRun, TrialState, TrialStatus};
use krige_core::value::Parameterization;
use krige_runner::{IMetric, IRunner, Measurement, MetricError, RunStatus, RunnerError};

use super::board::{Awaited, Board, Paused, Retry};
use super::calls::{Call, Fetched, Outcome};
use super::elapsed::Elapsed;
use super::lease::Leadership;
use super::options::OrchestratorOptions;
use super::plan::{Command, left_to_propose, plan};
use super::retry;
use super::workers::Workers;
use crate::client::completion;
use crate::error::Error;
use crate::finished::FinishedTrial;
use crate::progress::Reporter;
use crate::store::ExperimentStore;
use crate::value::best_value;

mod watch;

/// How long the loop waits at most before it looks for a request to stop.
const PATIENCE: Duration = Duration::from_millis(50);

/// Why a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndReason {
    /// All trials that were asked for have ended.
    Done,
    /// It was asked to stop.
    Stopped,
    /// Its time was over.
    TimedOut,
    /// Nothing runs and nothing can be proposed, for this reason.
    Stalled(String),
    /// The rule for stopping the experiment says that it is done, for this reason.
    GloballyStopped(String),
    /// Everything was launched, and the options say not to wait for it.
    Left,
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunReport {
    /// Why it ended.
    pub ended: EndReason,
    /// How many trials ended during the run.
    pub finished: usize,
    /// How many trials still run; a later run finds them.
    pub running: usize,
}

/// A run: an iterator over the trials that end, as they end.
///
/// One run at a time drives an experiment. Where another one does, in this process or another, this one tells which trials
/// end, and takes over when the other has ended or died.
///
/// Dropping it ends the run; trials that still run are found by a later one.
pub struct Results<'a> {
    store: &'a mut ExperimentStore,
    options: OrchestratorOptions,
    workers: Workers,
    lease: Leadership,
    board: Board,
    elapsed: Elapsed,
    /// What the runner gave for launches that it accepted, and the journal was too busy to take.
    unstored: Vec<(TrialRun, Metadata)>,
    /// Whether the journal was too busy at the last turn.
    busy: bool,
    /// Launches of which the intent is stored, and that go out in one call.
    batch: Vec<(TrialRun, Parameterization)>,
    ready: VecDeque<FinishedTrial>,
    /// Trials that had ended when the run began, or were told of since.
    told: HashSet<TrialIndex>,
    /// Trials with a call that was under way when another process drove.
    overtaken: HashSet<TrialIndex>,
    finished: usize,
    ended: Option<EndReason>,
    reporter: Reporter,
}

impl std::fmt::Debug for Results<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Results")
            .field("store", &self.store)
            .field("board", &self.board)
            .finish_non_exhaustive()
    }
}

impl Iterator for Results<'_> {
    type Item = Result<FinishedTrial, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(finished) = self.ready.pop_front() {
                return Some(Ok(finished));
            }
            if self.ended.is_some() {
                return None;
            }
            match self.turn() {
                // Another process has taken over: the next turn watches it.
                Ok(()) | Err(Error::Superseded { .. }) => self.busy = false,
                Err(error) if self.waits_out(&error) => {}
                Err(error) => {
                    self.ended = Some(EndReason::Stalled(error.to_string()));
                    self.workers.close();
                    self.reporter.end();
                    return Some(Err(error));
                }
            }
        }
    }
}

impl<'a> Results<'a> {
    pub(crate) fn start(
        store: &'a mut ExperimentStore,
        runner: Arc<dyn IRunner>,
        metrics: IndexMap<String, Arc<dyn IMetric>>,
        options: OrchestratorOptions,
        reporter: Reporter,
    ) -> Self {
        let mut results = Self::start_at(store, runner, metrics, options, Elapsed::start());
        results.reporter = reporter;
        results
    }

    /// As [`start`](Self::start), with a time that is told.
    pub(super) fn start_at(
        store: &'a mut ExperimentStore,
        runner: Arc<dyn IRunner>,
        mut metrics: IndexMap<String, Arc<dyn IMetric>>,
        options: OrchestratorOptions,
        elapsed: Elapsed,
    ) -> Self {
        let first_pause = Duration::from_secs_f64(options.init_seconds_between_polls);
        // Trials of an earlier run are polled at once; so the first poll is due now.
        let former_ending = store.experiment().controls.ending.is_some();
        let board = Board { pause: first_pause, former_ending, ..Board::default() };
        let lease = Leadership::new(options.lease, store.clock());
        let ended = store.experiment().trials.iter().filter(|trial| trial.status().is_terminal());
        let told = ended.map(|trial| trial.index).collect();
        let threads = options.max_pending_trials.clamp(1, 31) + 1;
        // What is optimized comes first: whatever blocks a metric that is only recorded holds up none of it.
        let optimization = store.experiment().optimization.as_ref();
        let needed = optimization.map(OptimizationConfig::metrics).unwrap_or_default();
        metrics.sort_by_cached_key(|name, _| !needed.contains(&name.as_str()));
        let (timeout, grace) = (options.call_timeout, options.shutdown_grace);
        let workers = Workers::start(threads, &runner, &metrics, elapsed.clone(), timeout, grace);
        let reporter = Reporter::of(options.progress);
        Self {
            store,
            options,
            workers,
            lease,
            board,
            elapsed,
            unstored: Vec::new(),
            busy: false,
            batch: Vec::new(),
            ready: VecDeque::new(),
            told,
            overtaken: HashSet::new(),
            finished: 0,
            ended: None,
            reporter,
        }
    }

    /// What came of the run so far.
    pub fn report(&self) -> RunReport {
        let open = [TrialStatus::Staged, TrialStatus::Running];
        RunReport {
            ended: self.ended.clone().unwrap_or(EndReason::Stopped),
            finished: self.finished,
            running: self.store.experiment().trials_in(&open).count(),
        }
    }

    /// The experiment as it is now.
    pub const fn experiment(&self) -> &Experiment {
        self.store.experiment()
    }

    fn now(&self) -> Duration {
        self.elapsed.now()
    }

    /// One turn of the loop: do all that can be done now, or wait for what comes next.
    pub(super) fn turn(&mut self) -> Result<(), Error> {
        self.store.refresh()?;
        self.hear();
        self.board.wall = self.store.now();
        let now = self.now();
        if !self.lead()? {
            return self.watch();
        }
        self.store_what_waits()?;
        self.look_around();
        let commands = plan(self.store.experiment(), &self.options, &self.board, now);
        self.report_progress();
        self.stop_again(now);
        self.launch_batch();
        if commands.is_empty() {
            if let Some(outcome) = self.workers.outcome(PATIENCE.min(self.until_due(now))) {
                self.take_in(outcome)?;
            }
            return Ok(());
        }
        for command in commands {
            self.execute(command)?;
        }
        self.launch_batch();
        Ok(())
    }

    /// Calls the runner for the launches whose intents are stored.
    fn launch_batch(&mut self) {
        if !self.batch.is_empty() {
            self.workers.call(Call::LaunchMany(std::mem::take(&mut self.batch)));
        }
    }

    /// How long nothing is due by itself, where nothing was due at `now`.
    fn until_due(&self, now: Duration) -> Duration {
        let poll = (!self.board.polling).then_some(self.board.poll_at);
        let retries = self.board.retries.values().map(|retry| retry.at);
        let stops = self.board.stops.values().filter_map(|stop| stop.at);
        let dues = retries.chain(stops).chain(poll).chain([self.board.launch_at]);
        let next = dues.chain(self.options.timeout).filter(|at| *at > now).min();
        next.map_or(PATIENCE, |at| at - now).max(Duration::from_micros(100))
    }

    fn execute(&mut self, command: Command) -> Result<(), Error> {
        match command {
            Command::Find(trial) => {
                if let TrialState::Staged { run, .. } = &self.store.experiment().trial(trial)?.state
                {
                    self.board.calling.insert(trial);
                    self.workers.call(Call::Find(run.clone()));
                }
            }
            Command::Launch(trial) => self.launch(trial)?,
            Command::Poll(trials) => {
                let (alone, together): (Vec<TrialIndex>, Vec<_>) =
                    trials.into_iter().partition(|trial| self.board.alone.contains(trial));
                for trial in alone {
                    let Some((run, metadata)) = self.running(trial) else { continue };
                    self.board.calling.insert(trial);
                    self.workers.call(Call::PollOne(run, metadata));
                }
                let runs: Vec<_> =
                    together.into_iter().filter_map(|trial| self.running(trial)).collect();
                if !runs.is_empty() {
                    self.board.polling = true;
                    self.workers.call(Call::Poll(runs));
                }
            }
            Command::Fetch(trial) => {
                if let Some((run, metadata)) = self.running(trial) {
                    self.board.calling.insert(trial);
                    self.workers.call(Call::Fetch(run, metadata));
                }
            }
            Command::Propose(count) => self.propose(count)?,
            Command::Expire(trial) => {
                let ttl = self.options.ttl_seconds_for_trials.unwrap_or_default();
                self.fail(trial, format!("it ran for longer than its time to live, {ttl} s"))?;
                self.board.expired.insert(trial);
            }
            Command::Cancel(trial) => self.cancel(trial),
            Command::Finish(finish) => self.finish(finish)?,
        }
        Ok(())
    }

    fn running(&self, trial: TrialIndex) -> Option<(TrialRun, Metadata)> {
        let launch = self.store.experiment().trial(trial).ok()?.state.launch()?;
        Some((launch.run.clone(), launch.metadata.clone()))
    }

    /// Stores the intent, then calls the runner; not if somebody else has taken the trial up since the plan was made.
    fn launch(&mut self, trial: TrialIndex) -> Result<(), Error> {
        let known = self.store.experiment().trial(trial)?;
        let parameters = known.arm.parameters.clone();
        let run = match &known.state {
            TrialState::Staged { run, .. } if self.board.absent.contains(&trial) => run.clone(),
            TrialState::Staged { .. } => return Ok(()),
            _ => {
                let run = self.store.experiment().next_run(trial);
                let event = TrialEvent::Launching { run: run.clone() };
                if !self.change(trial, TrialStatus::Candidate, event)? {
                    return Ok(());
                }
                run
            }
        };
        self.board.driven.insert(trial);
        self.board.calling.insert(trial);
        let pause = Duration::from_secs_f64(self.options.min_seconds_between_launches);
        self.board.launch_at = self.now() + pause;
        if self.options.run_trials_in_batches && !self.board.alone.contains(&trial) {
            self.batch.push((run, parameters));
        } else {
            self.workers.call(Call::Launch(run, parameters));
        }
        Ok(())
    }

    fn propose(&mut self, count: usize) -> Result<(), Error> {
        let (options, board) = (&self.options, &self.board);
        let proposed = self.lease.decide(self.store, |experiment| {
            // Another process may have proposed since the plan was made.
            let count = count.min(left_to_propose(experiment, options, board));
            if count == 0 {
                return Ok((Vec::new(), Vec::new()));
            }
            let strategy = experiment.strategy.as_ref().ok_or(Error::NoOptimization)?;
            let proposals = strategy.generate(experiment, count, &options.fixed_parameters)?;
            let mut trials = Vec::new();
            let mut events = Vec::new();
            for (trial, (parameters, generation)) in (experiment.trials.len()..).zip(proposals) {
                let name = experiment.arm_name(trial, &parameters);
                trials.push(trial);
                events.push(Event::TrialGenerated {
                    trial,
                    arm: Arm { name, parameters },
                    generation,
                });
            }
            Ok((events, trials))
        });
        match proposed {
            Ok(trials) => {
                self.board.proposed += trials.len();
                self.board.driven.extend(trials);
                Ok(())
            }
            // What runs may change it; if not, it is reported when nothing runs any more.
            Err(Error::Generation(error)) if self.is_under_way() || is_an_end(&error) => {
                let sequence = self.store.experiment().sequence;
                self.board.paused = Some(Paused { sequence, reason: chain(&error) });
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn is_under_way(&self) -> bool {
        let open = [TrialStatus::Candidate, TrialStatus::Staged, TrialStatus::Running];
        self.store.experiment().trials_in(&open).next().is_some()
    }

    /// Stores what user code answered.
    fn take_in(&mut self, outcome: Outcome) -> Result<(), Error> {
        match outcome {
            Outcome::Found(run, answer) => self.found(&run, answer),
            Outcome::Launched(run, answer) => self.launched(&run, answer),
            Outcome::Doubtful(run, error) => self.doubtful(&run, error),
            Outcome::Full { run, tried } => {
                self.full(&run, tried);
                Ok(())
            }
            Outcome::Awaited(run) => {
                self.awaited(run);
                Ok(())
            }
            Outcome::Each(outcomes) => {
                // What goes wrong with one is no reason to lose the others.
                let taken = outcomes.into_iter().map(|outcome| self.take_in(outcome));
                taken.fold(Ok(()), Result::and)
            }
            Outcome::PolledOne(trial, answer) => {
                self.board.calling.remove(&trial);
                if answer.is_ok() {
                    self.board.alone.remove(&trial);
                }
                if self.polled_one(trial, answer)? {
                    self.something_happened();
                }
                Ok(())
            }
            Outcome::NotPolled(trials) => {
                self.board.polling = false;
                self.board.alone.extend(trials);
                Ok(())
            }
            Outcome::Stopped(trial, answer) => self.stopped(trial, answer),
            Outcome::Polled(answers) => self.polled(answers),
            Outcome::Progressed(run, answers) => self.progressed(&run, answers),
            Outcome::Fetched(trial, answers) => {
                self.board.calling.remove(&trial);
                self.fetched(trial, answers)
            }
        }
    }

    fn failures(&self, trial: TrialIndex) -> u32 {
        self.board.retries.get(&trial).map_or(0, |retry| retry.failures)
    }

    fn polled(
        &mut self,
        answers: Vec<(TrialIndex, Result<RunStatus, RunnerError>)>,
    ) -> Result<(), Error> {
        self.board.polling = false;
        let mut changed = false;
        for (trial, answer) in answers {
            changed |= self.polled_one(trial, answer)?;
        }
        if changed {
            self.something_happened();
        } else {
            let factor = self.options.seconds_between_polls_backoff_factor;
            let longest = self.options.max_seconds_between_polls;
            self.board.poll_at = self.now() + self.board.pause;
            let longer = self.board.pause.as_secs_f64() * factor;
            self.board.pause = Duration::from_secs_f64(longer.min(longest));
            self.report_health();
            if let Some(idle) = &self.options.idle_callback {
                idle.call(self.store.experiment());
            }
        }
        Ok(())
    }

    /// Stores how a trial stands; whether that is news.
    fn polled_one(
        &mut self,
        trial: TrialIndex,
        answer: Result<RunStatus, RunnerError>,
    ) -> Result<bool, Error> {
        match answer {
            Ok(RunStatus::Running) => {
                self.board.retries.remove(&trial);
                self.observe(trial);
                return Ok(false);
            }
            // It was asked for: what becomes of the trial is decided by the answer to the request.
            Ok(RunStatus::Failed { .. } | RunStatus::Abandoned { .. } | RunStatus::Lost { .. })
                if self.board.cancelled.contains(&trial) =>
            {
                return Ok(false);
            }
            // It has failed already; nothing comes of it any more.
            Ok(RunStatus::Failed { .. } | RunStatus::Abandoned { .. } | RunStatus::Lost { .. })
                if self.board.expired.contains(&trial) =>
            {
                self.board.expired.remove(&trial);
            }
            Ok(RunStatus::Completed) => {
                self.board.retries.remove(&trial);
                self.board.completed.insert(trial);
                // It has ended before it could be stopped.
                if self.board.cancelled.remove(&trial) {
                    self.board.calling.remove(&trial);
                }
            }
            Ok(RunStatus::Failed { reason }) => self.run_failed(trial, reason)?,
            Ok(RunStatus::Lost { reason }) => self.run_lost(trial, reason)?,
            Ok(RunStatus::Abandoned { reason }) => {
                self.end(trial, TrialEvent::Abandoned { reason: Some(reason) })?;
            }
            Err(error) => {
                self.failed_call(trial, "its status could not be read", error)?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn fetched(&mut self, trial: TrialIndex, answers: Fetched) -> Result<(), Error> {
        let optimization = self.store.experiment().optimization.as_ref();
        let needed: Vec<String> = optimization
            .map(|optimization| optimization.metrics().into_iter().map(ToOwned::to_owned).collect())
            .unwrap_or_default();
        let last_attempt = self.failures(trial) + 1 >= self.options.max_attempts;
        let now = self.now();
        let waited = self.board.awaited.get(&trial).map(|awaited| now - awaited.since);
        let too_long = waited.is_some_and(|waited| waited >= self.options.metric_timeout);
        let mut observations = Vec::new();
        let (mut not_yet, mut failed) = (None, None);
        for (metric, answer) in answers {
            let tracked = !needed.contains(&metric);
            match answer {
                Ok(Measurement { mean, sem, progression }) => {
                    observations.push(Observation { metric, mean, sem, progression });
                }
                // A metric that is not optimized cannot spoil the trial.
                Err(MetricError::Permanent(_)) if tracked => {}
                Err(MetricError::Permanent(cause)) => {
                    return self.fail(trial, format!("metric `{metric}`: {}", chain(&*cause)));
                }
                Err(MetricError::NotYet) if tracked && too_long => {}
                Err(MetricError::NotYet) => not_yet = not_yet.or(Some(metric)),
                Err(_) if tracked && last_attempt => {}
                Err(error) => failed = Some((metric, error)),
            }
        }
        if let Some((metric, error)) = failed {
            let what = format!("metric `{metric}` could not be fetched");
            return self.failed_call(trial, &what, RunnerError::transient(chain(&error)));
        }
        if let Some(metric) = not_yet {
            let first = Awaited { since: now, at: self.store.now() };
            let awaited = *self.board.awaited.entry(trial).or_insert(first);
            if too_long {
                let waited = (now - awaited.since).as_secs();
                let reason = format!(
                    "metric `{metric}` has been awaited since {}, for {waited} s, and is still not there",
                    awaited.at
                );
                return self.fail(trial, reason);
            }
            let at = now + self.board.pause;
            self.board.retries.insert(trial, Retry { failures: 0, at });
            return Ok(());
        }
        if self.board.expired.contains(&trial) {
            return self.came_late(trial, observations);
        }
        let ended = self.lease.decide(self.store, |experiment| {
            if experiment.trial(trial)?.status() != TrialStatus::Running {
                return Ok((Vec::new(), None));
            }
            let (events, status) = completion(experiment, trial, &observations)?;
            Ok((events, Some(status)))
        });
        match ended {
            Ok(Some(_)) => {
                self.announce(trial)?;
                Ok(())
            }
            Ok(None) => {
                self.board.forget(trial);
                if self.overtaken.contains(&trial) {
                    return self.keep_late(trial, &observations);
                }
                Ok(())
            }
            Err(Error::Superseded { .. }) => self.keep_late(trial, &observations),
            Err(error @ Error::MissingData { .. }) => self.fail(trial, error.to_string()),
            Err(error) => Err(error),
        }
    }

    /// A call failed: the trial fails, or the call is made again later.
    fn failed_call(
        &mut self,
        trial: TrialIndex,
        what: &str,
        error: RunnerError,
    ) -> Result<(), Error> {
        let failures = 1 + self.failures(trial);
        let RunnerError::Transient(cause) = &error else {
            return self.fail(trial, format!("{what}: {}", chain(&error)));
        };
        if failures >= self.options.max_attempts {
            let reason = format!("{what}, {failures} times: {}", chain(&**cause));
            return self.fail(trial, reason);
        }
        let seed = self.store.experiment().seed;
        let at = self.now() + retry::pause(&self.options, seed, trial, failures);
        self.board.retries.insert(trial, Retry { failures, at });
        Ok(())
    }

    fn fail(&mut self, trial: TrialIndex, reason: String) -> Result<(), Error> {
        if self.board.expired.remove(&trial) {
            // It has failed already; what was hoped for will not come.
            self.board.forget(trial);
            return Ok(());
        }
        self.end(trial, TrialEvent::Failed { reason })
    }

    fn end(&mut self, trial: TrialIndex, event: TrialEvent) -> Result<(), Error> {
        let ending = Event::Trial { trial, event };
        match self.lease.decide(self.store, |_| Ok((vec![ending.clone()], ()))) {
            Ok(()) => self.announce(trial),
            // Somebody else ended it.
            Err(Error::Apply(ApplyError::Transition(_))) => {
                self.board.forget(trial);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Stores a change of a trial that is still as it was; whether it was.
    fn change(
        &mut self,
        trial: TrialIndex,
        from: TrialStatus,
        event: TrialEvent,
    ) -> Result<bool, Error> {
        self.lease.decide(self.store, |experiment| {
            if experiment.trial(trial)?.status() != from {
                return Ok((Vec::new(), false));
            }
            Ok((vec![Event::Trial { trial, event: event.clone() }], true))
        })
    }

    /// Keeps of a last outcome what must not be lost.
    fn keep(&mut self, outcome: Outcome) {
        let _kept_or_staged = match outcome {
            Outcome::Launched(run, Ok(metadata)) if self.is_staged(&run) => {
                self.accepted(&run, metadata)
            }
            Outcome::Each(outcomes) => {
                outcomes.into_iter().for_each(|outcome| self.keep(outcome));
                Ok(())
            }
            Outcome::Stopped(trial, answer) => self.stopped(trial, answer),
            // The leader fetches again; what a former one fetched is late.
            outcome @ Outcome::Fetched(trial, _)
                if !self.lease.leads() || self.overtaken.contains(&trial) =>
            {
                self.take_in(outcome)
            }
            Outcome::Launched(..)
            | Outcome::Found(..)
            | Outcome::Full { .. }
            | Outcome::Doubtful(..)
            | Outcome::Awaited(_)
            | Outcome::Polled(_)
            | Outcome::PolledOne(..)
            | Outcome::NotPolled(_)
            | Outcome::Fetched(..)
            | Outcome::Progressed(..) => Ok(()),
        };
    }

    fn announce(&mut self, trial: TrialIndex) -> Result<(), Error> {
        self.board.forget(trial);
        self.board.driven.insert(trial);
        self.tell(trial)
    }

    fn tell(&mut self, trial: TrialIndex) -> Result<(), Error> {
        self.told.insert(trial);
        self.finished += 1;
        let experiment = self.store.experiment();
        let trial = experiment.trial(trial)?.clone();
        let finished = FinishedTrial {
            value: crate::value::value(experiment, &trial),
            best: best_value(experiment),
            trial,
        };
        self.reporter.finished(experiment, &finished);
        self.ready.push_back(finished);
        Ok(())
    }

    fn something_happened(&mut self) {
        self.board.pause = Duration::from_secs_f64(self.options.init_seconds_between_polls);
        self.board.poll_at = self.now() + self.board.pause;
    }

    fn report_progress(&mut self) {
        let experiment = self.store.experiment();
        let left = left_to_propose(experiment, &self.options, &self.board);
        self.reporter.progress(experiment, left);
    }
}

impl Drop for Results<'_> {
    /// Waits for the calls that are under way, as long as `shutdown_grace`, and keeps what was started by them: should
    /// that fail, the trial stays staged, and a later run looks for it. Then another run may drive.
    fn drop(&mut self) {
        self.ended.get_or_insert(EndReason::Stopped);
        for outcome in self.workers.end() {
            self.keep(outcome);
        }
        let _stored_or_staged = self.store_what_waits();
        self.lease.release(self.store);
    }
}

/// Whether a strategy has come to an end or waits, rather than failed.
fn is_an_end(error: &GenerationError) -> bool {
    match error {
        GenerationError::Paused(_) | GenerationError::Finished { .. } => true,
        GenerationError::Generator { source, .. } => matches!(**source, GeneratorError::Exhausted),
        _ => false,
    }
}

/// Whether another process held the journal for too long.
const fn is_busy(error: &Error) -> bool {
    matches!(error, Error::Journal(JournalError::Busy { .. }))
}

/// An error and its causes, on one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests;
