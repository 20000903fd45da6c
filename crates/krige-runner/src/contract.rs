//! What every runner and every metric must do, as tests that any implementation can call.

use std::error::Error;
use std::fmt::Debug;

use krige_core::observation::Observation;
use krige_core::trial::{Metadata, TrialRun};
use krige_core::value::Parameterization;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{MetricError, RunnerError};
use crate::metric::{IMetric, Measurement};
use crate::runner::{Found, IRunner, RunStatus};

/// How often a run or a value is asked for before it counts as never coming.
const PATIENCE: usize = 1000;

/// Holds a runner to the contract of [`IRunner`]; gives back a run that completed, for [`check_metric`].
///
/// `experiment` is the id of an experiment that the far side has not seen (a constant, where every test has a far
/// side of its own), and a run of `parameters` must complete there: one that fails or is
/// lost does not pass. Six runs are started. `wait` is called between
/// polls, and lets some time pass on the far side; a run must end within 1000 polls.
///
/// The suite works through two instances: the runner, and a copy of it that was stored and read back, as another
/// process would have it. A runner that calls a run [`Found::Absent`] which it started is taken at its word: the run is
/// started again, which must make nothing new, so that the metadata is the same. The suite plays no faults; a runner's answers when the far side is down need tests of their own.
///
/// ```
/// use krige_runner::{FunctionRunner, check_runner};
///
/// let runner = FunctionRunner::new(|p| Ok([("y", p.float("x")?)]));
/// let (run, metadata) = check_runner(&runner, "e", &[("x", 0.5)].into(), || {});
/// ```
///
/// # Panics
/// At the first thing that the contract does not allow.
#[track_caller]
pub fn check_runner(
    runner: &dyn IRunner,
    experiment: &str,
    parameters: &Parameterization,
    wait: impl FnMut(),
) -> (TrialRun, Metadata) {
    let copy: Box<dyn IRunner> = reopen(runner);
    let sides = [runner, &*copy];
    let mut suite = RunnerSuite { sides, experiment, parameters, wait, ended: Vec::new() };
    let first = suite.one_run();
    suite.another_attempt(&first);
    suite.several_runs();
    suite.a_stopped_run();
    suite.a_run_without_parameters();
    suite.all_polled_together();
    first
}

struct RunnerSuite<'a, W> {
    /// The runner, and its copy in another process.
    sides: [&'a dyn IRunner; 2],
    experiment: &'a str,
    parameters: &'a Parameterization,
    wait: W,
    ended: Vec<(TrialRun, Metadata)>,
}

impl<W: FnMut()> RunnerSuite<'_, W> {
    fn run(&self, trial: usize) -> TrialRun {
        TrialRun::new(self.experiment, trial, 1)
    }

    #[track_caller]
    fn one_run(&mut self) -> (TrialRun, Metadata) {
        for side in self.sides {
            sound("free_slots", side.free_slots());
        }
        let run = self.run(0);
        self.check_unknown(&run, "that was not started");
        let metadata = self.launch(&run);
        self.check_found(&run, &metadata);
        self.completes(&run, &metadata);
        // Nobody knows how long the optimizer was away.
        self.check_found(&run, &metadata);
        (run, metadata)
    }

    #[track_caller]
    fn another_attempt(&mut self, (first, _): &(TrialRun, Metadata)) {
        let second = TrialRun::new(self.experiment, first.trial_index, 2);
        self.check_unknown(&second, "of which only another attempt was started");
        let metadata = self.launch(&second);
        self.check_found(&second, &metadata);
        self.completes(&second, &metadata);
    }

    #[track_caller]
    fn several_runs(&mut self) {
        let [runner, _] = self.sides;
        let wanted = [1, 2].map(|trial| (self.run(trial), self.parameters.clone()));
        let answers = runner.run_trials(&wanted);
        assert_eq!(answers.len(), 2, "run_trials: expected one answer for each of 2 runs");
        let started: Vec<(TrialRun, Metadata)> = wanted
            .into_iter()
            .zip(answers)
            .map(|((run, _), answer)| (run, sound("run_trials", answer)))
            .collect();
        for (run, metadata) in &started {
            self.check_found(run, metadata);
            self.completes(run, metadata);
        }
        let none = runner.run_trials(&[]);
        assert!(none.is_empty(), "run_trials of no runs: expected no answer, found {none:?}");
    }

    #[track_caller]
    fn a_stopped_run(&mut self) {
        let run = self.run(3);
        let metadata = self.launch(&run);
        let [runner, copy] = self.sides;
        sound("stop_trial of a running trial", copy.stop_trial(&run, &metadata, "a test"));
        self.end(&run, &metadata);
        // It may always have ended between the decision to stop it and the call.
        sound("stop_trial of an ended trial", runner.stop_trial(&run, &metadata, "a test"));
        self.end(&run, &metadata);
    }

    #[track_caller]
    fn a_run_without_parameters(&mut self) {
        let run = self.run(4);
        match self.sides[0].run_trial(&run, &Parameterization::default()) {
            Ok(metadata) => {
                self.end(&run, &metadata);
            }
            Err(RunnerError::Transient(cause) | RunnerError::Permanent(cause)) => {
                assert!(
                    !cause.to_string().trim().is_empty(),
                    "an error of run_trial says nothing of its cause: {cause:?}"
                );
                self.check_unknown(&run, "whose launch failed");
            }
        }
    }

    #[track_caller]
    fn all_polled_together(&self) {
        let reversed: Vec<_> = self.ended.iter().rev().cloned().collect();
        for side in self.sides {
            for asked in [&self.ended[..], &reversed, &reversed[..1], &[]] {
                let keys: Vec<_> = asked.iter().map(|(run, _)| &run.key).collect();
                let together: Vec<_> = side
                    .poll_trials(asked)
                    .into_iter()
                    .map(|answer| sound("poll_trials", answer))
                    .collect();
                let one_by_one: Vec<_> = asked
                    .iter()
                    .map(|(run, metadata)| sound("poll_trial", side.poll_trial(run, metadata)))
                    .collect();
                assert_eq!(
                    together, one_by_one,
                    "poll_trials of {keys:?} answers otherwise than poll_trial of each"
                );
            }
        }
    }

    #[track_caller]
    fn launch(&self, run: &TrialRun) -> Metadata {
        let metadata = sound("run_trial", self.sides[0].run_trial(run, self.parameters));
        let text = serde_json::to_string(&metadata).expect("a JSON object is JSON");
        let read: Metadata = serde_json::from_str(&text).expect("JSON is a JSON object");
        assert_eq!(read, metadata, "the metadata of {} changed when it was stored", run.key);
        metadata
    }

    /// Before its launch, or after one that failed, a run must not be found.
    #[track_caller]
    fn check_unknown(&self, run: &TrialRun, what: &str) {
        for side in self.sides {
            let found = sound("find_trial", side.find_trial(run));
            assert!(
                !matches!(found, Found::Exists(_)),
                "find_trial of {}, {what}: expected Absent or Unknown, found {found:?}; is it looked for by its whole key?",
                run.key
            );
        }
    }

    /// After its launch, a run must be found as what it is, or do no harm if it is started again.
    #[track_caller]
    fn check_found(&self, run: &TrialRun, metadata: &Metadata) {
        for side in self.sides {
            match sound("find_trial", side.find_trial(run)) {
                Found::Exists(found) => assert_eq!(
                    found, *metadata,
                    "find_trial of {} gives other metadata than run_trial gave",
                    run.key
                ),
                Found::Unknown => {}
                Found::Absent => assert_eq!(
                    self.launch(run),
                    *metadata,
                    "find_trial said Absent of {}, which was started, and starting it again made something new; expected \
                     Exists, or Unknown where it cannot be told",
                    run.key
                ),
            }
        }
    }

    #[track_caller]
    fn completes(&mut self, run: &TrialRun, metadata: &Metadata) {
        let status = self.end(run, metadata);
        assert_eq!(
            status,
            RunStatus::Completed,
            "the run {} of {} was expected to complete",
            run.key,
            self.parameters
        );
    }

    #[track_caller]
    fn end(&mut self, run: &TrialRun, metadata: &Metadata) -> RunStatus {
        for poll in 0..PATIENCE {
            let status = sound("poll_trial", self.sides[poll % 2].poll_trial(run, metadata));
            if status != RunStatus::Running {
                for side in self.sides {
                    let again = sound("poll_trial", side.poll_trial(run, metadata));
                    assert_eq!(
                        again, status,
                        "the run {} had ended and changed its status",
                        run.key
                    );
                }
                self.ended.push((run.clone(), metadata.clone()));
                return status;
            }
            (self.wait)();
        }
        panic!("the run {} has not ended after {PATIENCE} polls", run.key);
    }
}

/// Holds a metric to the contract of [`IMetric`]; gives back what it measured.
///
/// `run` is a run that completed and `metadata` what its runner gave back for it, as [`check_runner`] returns them;
/// the metric must have a value for it. `wait` is called where the value is not there yet, at most 1000 times.
///
/// A [`FunctionMetric`](crate::FunctionMetric) does not pass: its copy in another process has no closure.
///
/// # Panics
/// At the first thing that the contract does not allow.
#[track_caller]
pub fn check_metric(
    metric: &dyn IMetric,
    run: &TrialRun,
    metadata: &Metadata,
    mut wait: impl FnMut(),
) -> Measurement {
    let copy: Box<dyn IMetric> = reopen(metric);
    assert_eq!(
        copy.available_while_running(),
        metric.available_while_running(),
        "available_while_running changed when the metric was stored"
    );
    let mut fetched = None;
    for _ in 0..PATIENCE {
        match metric.fetch(run, metadata) {
            Err(MetricError::NotYet) => wait(),
            answer => {
                fetched = Some(sound("fetch", answer));
                break;
            }
        }
    }
    let Some(measurement) = fetched else {
        panic!("the value of {} is not there after {PATIENCE} fetches", run.key);
    };
    let Measurement { mean, sem, progression } = measurement;
    let observation = Observation { metric: format!("{metric:?}"), mean, sem, progression };
    if let Err(error) = observation.check() {
        panic!("the measured value cannot be used: {error}");
    }
    for side in [metric, &*copy] {
        let again = sound("fetch", side.fetch(run, metadata));
        assert_eq!(again, measurement, "fetching {} again gave another value", run.key);
    }
    measurement
}

/// What another process has after it read the stored form.
#[track_caller]
fn reopen<T, C>(original: &T) -> C
where
    T: ?Sized + Serialize + Debug,
    C: Serialize + DeserializeOwned,
{
    let text = match serde_json::to_string(original) {
        Ok(text) => text,
        Err(error) => panic!("{original:?} cannot be stored: {error}"),
    };
    let form: Value = serde_json::from_str(&text).expect("what serde_json wrote is JSON");
    let copy: C = match serde_json::from_str(&text) {
        Ok(copy) => copy,
        Err(error) => panic!("{original:?} was stored as {text} and cannot be read back: {error}"),
    };
    let again = serde_json::to_value(&copy).expect("it was stored before");
    assert_eq!(again, form, "the stored form changed when it was read back");
    copy
}

#[track_caller]
fn sound<T, E: Error>(call: &str, answer: Result<T, E>) -> T {
    let error = match answer {
        Ok(answer) => return answer,
        Err(error) => error,
    };
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    panic!("{call}: expected an answer, found an error: {text}");
}

#[cfg(test)]
mod tests;
