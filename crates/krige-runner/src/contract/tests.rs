//! The contract suites find what they are for: each is shown a runner or metric that breaks it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Deserialize;

use super::*;
use crate::runner::Stopped;

/// What a runner or metric gets wrong.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
enum Fault {
    Nothing,
    FindsTooMuch,
    IgnoresAttempts,
    FindsSomethingElse,
    DeniesWhatItStarted,
    LaunchesAndFails,
    FailsSilently,
    NeverEnds,
    EndsTwice,
    FailsTheRun,
    AnswersTooFew,
    AnswersInDisorder,
    CannotStop,
    NotFinite,
    Drifts,
    NeverThere,
}

/// A far side on which every run is over at once.
#[derive(Debug, Serialize, Deserialize)]
struct Broken {
    fault: Fault,
    #[serde(skip)]
    calls: AtomicUsize,
}

impl Broken {
    fn new(fault: Fault) -> Self {
        Self { fault, calls: AtomicUsize::new(0) }
    }

    fn count(&self) -> usize {
        self.calls.fetch_add(1, Ordering::Relaxed)
    }

    fn job(run: &TrialRun) -> Metadata {
        Metadata::of("job", run.key.as_str())
    }
}

#[typetag::serde(name = "broken")]
impl IRunner for Broken {
    fn run_trial(&self, run: &TrialRun, p: &Parameterization) -> Result<Metadata, RunnerError> {
        match self.fault {
            Fault::FailsSilently if p.is_empty() => Err(RunnerError::permanent(" ")),
            Fault::LaunchesAndFails if p.is_empty() => Err(RunnerError::transient("no answer")),
            Fault::DeniesWhatItStarted => Ok(Self::job(run).with("number", self.count())),
            _ => Ok(Self::job(run)),
        }
    }

    fn poll_trial(&self, run: &TrialRun, metadata: &Metadata) -> Result<RunStatus, RunnerError> {
        assert_eq!(metadata.text("job"), Some(&*run.key));
        Ok(match self.fault {
            Fault::NeverEnds => RunStatus::Running,
            Fault::EndsTwice if self.count() % 2 == 1 => RunStatus::Running,
            Fault::FailsTheRun => RunStatus::Failed { reason: "no beam".into() },
            Fault::AnswersInDisorder if run.trial_index == 4 => {
                RunStatus::Failed { reason: "no parameters".into() }
            }
            _ => RunStatus::Completed,
        })
    }

    fn poll_trials(&self, runs: &[(TrialRun, Metadata)]) -> Vec<Result<RunStatus, RunnerError>> {
        let mut answers: Vec<_> = runs.iter().map(|(run, m)| self.poll_trial(run, m)).collect();
        if self.fault == Fault::AnswersTooFew {
            answers.pop();
        }
        if self.fault == Fault::AnswersInDisorder {
            answers.reverse();
        }
        answers
    }

    fn stop_trial(&self, _: &TrialRun, _: &Metadata, _: &str) -> Result<Stopped, RunnerError> {
        match self.fault {
            Fault::CannotStop => Err(RunnerError::permanent("stopping is not supported")),
            _ => Ok(Stopped::Unsupported),
        }
    }

    fn find_trial(&self, run: &TrialRun) -> Result<Found, RunnerError> {
        Ok(match self.fault {
            Fault::FindsTooMuch => Found::Exists(Self::job(run)),
            Fault::IgnoresAttempts if run.attempt == 2 => Found::Exists(Self::job(run)),
            Fault::LaunchesAndFails if run.trial_index == 4 => Found::Exists(Self::job(run)),
            Fault::FindsSomethingElse if self.count() > 0 => Found::Exists(Metadata::of("job", 7)),
            Fault::FindsSomethingElse | Fault::DeniesWhatItStarted => Found::Absent,
            _ => Found::Unknown,
        })
    }
}

#[typetag::serde(name = "broken")]
impl IMetric for Broken {
    fn fetch(&self, _: &TrialRun, _: &Metadata) -> Result<Measurement, MetricError> {
        match self.fault {
            Fault::NotFinite => Ok(f64::NAN.into()),
            Fault::Drifts => Ok((self.count() as f64).into()),
            Fault::NeverThere => Err(MetricError::NotYet),
            Fault::FailsSilently => Err(MetricError::permanent("the archive is gone")),
            _ => Ok(1.0.into()),
        }
    }
}

/// What the suite says when it panics.
#[track_caller]
fn said(suite: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(suite)).expect_err("the suite found nothing wrong");
    *panic.downcast::<String>().expect("a formatted message")
}

#[track_caller]
fn check_found_out(fault: Fault, expected: &str) {
    let message = said(|| {
        check_runner(&Broken::new(fault), "e", &[("x", 1.0)].into(), || {});
    });
    assert!(message.contains(expected), "{fault:?}: {message}");
}

#[test]
fn a_runner_without_a_fault_passes() {
    let (run, metadata) =
        check_runner(&Broken::new(Fault::Nothing), "e", &[("x", 1.0)].into(), || {});
    assert_eq!(run, TrialRun::new("e", 0, 1));
    assert_eq!(metadata, Broken::job(&run));
}

#[test]
fn every_broken_rule_of_runners_is_found_out() {
    check_found_out(Fault::FindsTooMuch, "that was not started: expected Absent or Unknown");
    check_found_out(Fault::IgnoresAttempts, "only another attempt was started");
    check_found_out(Fault::FindsSomethingElse, "other metadata than run_trial gave");
    check_found_out(Fault::DeniesWhatItStarted, "starting it again made something new");
    check_found_out(Fault::LaunchesAndFails, "whose launch failed");
    check_found_out(Fault::FailsSilently, "says nothing of its cause");
    check_found_out(Fault::NeverEnds, "has not ended after 1000 polls");
    check_found_out(Fault::EndsTwice, "had ended and changed its status");
    check_found_out(Fault::FailsTheRun, "was expected to complete");
    check_found_out(Fault::AnswersTooFew, "answers otherwise than poll_trial of each");
    check_found_out(Fault::AnswersInDisorder, "answers otherwise than poll_trial of each");
    check_found_out(Fault::CannotStop, "stop_trial of a running trial: expected an answer");
}

#[test]
fn every_broken_rule_of_metrics_is_found_out() {
    let run = TrialRun::new("e", 0, 1);
    let check = |fault| check_metric(&Broken::new(fault), &run, &Metadata::default(), || {});
    assert_eq!(check(Fault::Nothing), Measurement::from(1.0));
    for (fault, expected) in [
        (Fault::NotFinite, "expected a finite mean, found NaN"),
        (Fault::Drifts, "again gave another value"),
        (Fault::NeverThere, "is not there after 1000 fetches"),
        (Fault::FailsSilently, "the metric failed: the archive is gone"),
    ] {
        let message = said(|| {
            check(fault);
        });
        assert!(message.contains(expected), "{fault:?}: {message}");
    }
}

/// Is written with a field that is not read back.
#[derive(Debug, Serialize, Deserialize)]
struct Forgetful {
    #[serde(default, rename(serialize = "seconds"))]
    minutes: u8,
}

#[typetag::serde(name = "forgetful")]
impl IMetric for Forgetful {
    fn fetch(&self, _: &TrialRun, _: &Metadata) -> Result<Measurement, MetricError> {
        Ok(f64::from(self.minutes).into())
    }
}

#[test]
fn a_stored_form_that_changes_is_found_out() {
    let message = said(|| {
        let run = TrialRun::new("e", 0, 1);
        check_metric(&Forgetful { minutes: 3 }, &run, &Metadata::default(), || {});
    });
    assert!(message.contains("the stored form changed"), "{message}");
}
