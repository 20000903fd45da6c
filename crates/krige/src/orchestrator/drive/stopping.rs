//! Asking the far side to stop what it runs.

use std::time::Duration;

use krige_core::event::Event;
use krige_core::trial::{Metadata, TrialIndex, TrialRun};
use krige_runner::{RunnerError, Stopped};

use super::super::board::Stopping;
use super::super::calls::Call;
use super::super::retry;
use super::{Results, chain};
use crate::error::Error;

impl Results<'_> {
    /// Asks the far side to stop a trial's run, whatever has become of the trial here, and again where that fails for now.
    ///
    /// Stores nothing, but a note where it cannot be done. A runner that cannot stop trials is no failure: the run goes
    /// on to its end.
    pub(crate) fn stop_on_far_side(&mut self, trial: TrialIndex, reason: &str) {
        if let Some((run, metadata)) = self.running(trial) {
            self.stop(run, metadata, reason.to_owned());
        }
    }

    pub(super) fn stop(&mut self, run: TrialRun, metadata: Metadata, reason: String) {
        let call = Call::Stop(run.clone(), metadata, reason);
        self.workers.call(call.clone());
        let stopping = Stopping { call, failures: 0, at: None };
        self.board.stops.insert(run.trial_index, stopping);
    }

    /// Asks the far side to stop a trial that then fails, once that has been done. One that cannot be stopped runs on, and
    /// is taken up by the next run.
    pub(super) fn cancel(&mut self, trial: TrialIndex) {
        self.board.calling.insert(trial);
        self.board.cancelled.insert(trial);
        self.stop_on_far_side(trial, "the run was stopped");
    }

    /// Repeats the requests to stop that failed and are due.
    pub(super) fn stop_again(&mut self, now: Duration) {
        for stopping in self.board.stops.values_mut() {
            if stopping.at.is_some_and(|at| at <= now) {
                stopping.at = None;
                self.workers.call(stopping.call.clone());
            }
        }
    }

    pub(super) fn stopped(
        &mut self,
        trial: TrialIndex,
        answer: Result<Stopped, RunnerError>,
    ) -> Result<(), Error> {
        let Some(mut stopping) = self.board.stops.remove(&trial) else { return Ok(()) };
        let cancelled = self.board.cancelled.contains(&trial);
        let error = match answer {
            Ok(Stopped::Requested) if cancelled => {
                return self.fail(trial, "the run was stopped before it ended".into());
            }
            Ok(Stopped::Unsupported) if cancelled => {
                self.board.calling.remove(&trial);
                self.board.unstoppable.insert(trial);
                return Ok(());
            }
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        let failures = stopping.failures + 1;
        let again = matches!(error, RunnerError::Transient(_)) && self.ended.is_none();
        if again && failures < self.options.max_attempts {
            let seed = self.store.experiment().seed;
            let at = self.now() + retry::pause(&self.options, seed, trial, failures);
            (stopping.failures, stopping.at) = (failures, Some(at));
            self.board.stops.insert(trial, stopping);
            return Ok(());
        }
        if cancelled {
            self.board.calling.remove(&trial);
            self.board.unstoppable.insert(trial);
        }
        let times = if failures == 1 { "once".into() } else { format!("{failures} times") };
        let text = format!("it could not be stopped on the far side, {times}: {}", chain(&error));
        self.store
            .decide(|_| Ok((vec![Event::NoteAdded { trial: Some(trial), text: text.clone() }], ())))
    }
}
