//! What becomes of a trial that is being launched.

use std::time::Duration;

use krige_core::event::Event;
use krige_core::trial::{Metadata, TrialEvent, TrialRun, TrialState};
use krige_runner::{Found, RunnerError};

use super::super::board::Retry;
use super::{Results, is_busy};
use crate::error::Error;

impl Results<'_> {
    /// Whether the far side has a run of which it was not known.
    pub(super) fn found(
        &mut self,
        run: &TrialRun,
        answer: Result<Found, RunnerError>,
    ) -> Result<(), Error> {
        let trial = run.trial_index;
        self.board.calling.remove(&trial);
        if !self.is_staged(run) {
            return Ok(());
        }
        match answer {
            Ok(Found::Exists(metadata)) => self.accepted(run, metadata),
            // Its launch is still out, and may come to something yet: it is looked for again.
            Ok(Found::Absent | Found::Unknown) if self.board.out.contains(run) => {
                let failures = self.failures(trial);
                let longest = self.options.max_seconds_between_polls;
                let at = self.now() + Duration::from_secs_f64(longest);
                self.board.retries.insert(trial, Retry { failures, at });
                Ok(())
            }
            Ok(Found::Absent) => {
                self.board.absent.insert(trial);
                Ok(())
            }
            // By the runner's contract, nothing runs of a launch that failed.
            Ok(Found::Unknown) if self.board.denied.contains(&trial) => {
                self.board.absent.insert(trial);
                Ok(())
            }
            Ok(Found::Unknown) => self.fail(
                trial,
                "the optimizer died while launching it, and the runner cannot tell whether it runs"
                    .into(),
            ),
            Err(error) => self.failed_call(trial, "it could not be looked up", error),
        }
    }

    /// A launch answered, in time or not.
    pub(super) fn launched(
        &mut self,
        run: &TrialRun,
        answer: Result<Metadata, RunnerError>,
    ) -> Result<(), Error> {
        if !self.launch_is_over(run, answer.as_ref().ok()) {
            return Ok(());
        }
        let trial = run.trial_index;
        match answer {
            Ok(metadata) => self.accepted(run, metadata),
            Err(error) => {
                // It may have been started all the same (an answer that was lost), so it is looked for first.
                self.board.absent.remove(&trial);
                self.board.denied.insert(trial);
                self.failed_call(trial, "it could not be started", error)
            }
        }
    }

    /// A launch of several went wrong as a whole: the trial is looked for, and the next attempt is its alone.
    pub(super) fn doubtful(&mut self, run: &TrialRun, error: RunnerError) -> Result<(), Error> {
        if !self.launch_is_over(run, None) {
            return Ok(());
        }
        let trial = run.trial_index;
        self.board.absent.remove(&trial);
        self.board.denied.remove(&trial);
        self.board.alone.insert(trial);
        self.failed_call(trial, "it could not be started", error)
    }

    /// The far side has no free slot: that is no failure, however long it lasts. A trial that was `tried` all the same may have
    /// been started.
    pub(super) fn full(&mut self, run: &TrialRun, tried: bool) {
        if self.launch_is_over(run, None) {
            let trial = run.trial_index;
            if !tried {
                // One time for all, so that what goes out together still does.
                self.board.absent.insert(trial);
                self.board.launch_at = self.board.launch_at.max(self.now() + self.board.pause);
                return;
            }
            self.board.absent.remove(&trial);
            self.board.denied.insert(trial);
            let failures = self.failures(trial);
            let at = self.now() + self.board.pause;
            self.board.retries.insert(trial, Retry { failures, at });
        }
    }

    /// A launch has not answered in time. It may have been started all the same, so it is looked for, and not started
    /// again while the call is out.
    pub(super) fn awaited(&mut self, run: TrialRun) {
        self.board.calling.remove(&run.trial_index);
        self.board.absent.remove(&run.trial_index);
        self.board.out.insert(run);
    }

    /// Whether the run is the one that its trial is being launched with.
    pub(super) fn is_staged(&self, run: &TrialRun) -> bool {
        let trial = self.store.experiment().trials.get(run.trial_index);
        matches!(trial.map(|trial| &trial.state), Some(TrialState::Staged { run: staged, .. }) if staged == run)
    }

    /// Takes note that a launch has answered, in time or not; whether its trial still waits for that.
    fn launch_is_over(&mut self, run: &TrialRun, started: Option<&Metadata>) -> bool {
        if !self.board.out.remove(run) {
            self.board.calling.remove(&run.trial_index);
        }
        if self.is_staged(run) {
            return true;
        }
        if let Some(metadata) = started {
            self.stop_what_nobody_awaits(run, metadata);
        }
        false
    }

    /// What was started for a trial that has ended by now is stopped: nobody would look at it.
    fn stop_what_nobody_awaits(&mut self, run: &TrialRun, metadata: &Metadata) {
        let trial = self.store.experiment().trials.get(run.trial_index);
        if trial.and_then(|trial| trial.state.launch()).is_none_or(|launch| launch.run != *run) {
            let reason =
                "its trial ended before the runner answered that it was started".to_owned();
            self.stop(run.clone(), metadata.clone(), reason);
        }
    }

    pub(super) fn accepted(&mut self, run: &TrialRun, metadata: Metadata) -> Result<(), Error> {
        let trial = run.trial_index;
        self.board.forget(trial);
        self.board.driven.insert(trial);
        self.board.running.insert(trial);
        self.something_happened();
        let stored = self.lease.decide(self.store, |experiment| {
            let state = &experiment.trial(trial)?.state;
            if !matches!(state, TrialState::Staged { run: staged, .. } if staged == run) {
                return Ok((Vec::new(), false));
            }
            let event = TrialEvent::Running { metadata: metadata.clone(), by_hand: false };
            Ok((vec![Event::Trial { trial, event }], true))
        });
        match stored {
            Ok(true) => Ok(()),
            // Somebody ended the trial since this process last looked.
            Ok(false) => {
                self.stop_what_nobody_awaits(run, &metadata);
                Ok(())
            }
            Err(error) if is_busy(&error) => {
                // It runs, and only we know as what; nobody is to look for it meanwhile.
                self.board.calling.insert(trial);
                self.unstored.push((run.clone(), metadata));
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Stores what the journal was too busy for.
    pub(super) fn store_what_waits(&mut self) -> Result<(), Error> {
        while let Some((run, metadata)) = self.unstored.pop() {
            self.accepted(&run, metadata)?;
        }
        Ok(())
    }
}
