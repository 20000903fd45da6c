//! How a run comes to its end: because it is asked to, because all is done, or because it cannot go on.

use super::super::plan::{Finish, failed_trials};
use super::super::stop::StopLevel;
use super::{EndReason, PATIENCE, Results, is_busy};
use crate::error::Error;

impl Results<'_> {
    /// Takes note of a request to end, and says what comes of it.
    pub(super) fn hear(&mut self) {
        let level = self.options.stop.level();
        if self.board.stop.unwrap_or(StopLevel::No) < level {
            self.reporter.say(match level {
                StopLevel::No => return,
                StopLevel::Drain => {
                    "ending: nothing more is started, and what runs is awaited; ask again to have it stopped"
                }
                StopLevel::Stop => "ending: what runs is being stopped; ask again to leave at once",
                StopLevel::Leave => "leaving: what runs goes on, and the next run takes it up",
            });
        }
        self.board.stop = Some(level);
    }

    /// Whether an error is that of a journal which another process holds: nothing was stored then, and it is tried again
    /// for as long as the run may last.
    pub(super) fn waits_out(&mut self, error: &Error) -> bool {
        let leaves = self.options.stop.level() == StopLevel::Leave;
        let is_over = self.options.timeout.is_some_and(|timeout| self.now() >= timeout);
        if !is_busy(error) || leaves || is_over {
            return false;
        }
        if !std::mem::replace(&mut self.busy, true) {
            self.reporter.say(&format!("waiting for the journal: {error}"));
        }
        // The journal has waited already, but one of another make may not have.
        std::thread::park_timeout(PATIENCE);
        true
    }

    pub(super) fn finish(&mut self, finish: Finish) -> Result<(), Error> {
        self.workers.close();
        self.reporter.end();
        // A call that is under way is waited for in the end, and nobody is to make it meanwhile.
        if self.board.calling.is_empty() && !self.board.polling {
            self.lease.release(self.store);
        }
        self.ended = Some(match finish {
            Finish::Done => EndReason::Done,
            Finish::Stopped => EndReason::Stopped,
            Finish::TimedOut => EndReason::TimedOut,
            Finish::Left => EndReason::Left,
            Finish::StoppedGlobally => {
                EndReason::GloballyStopped(self.board.global_stop.take().unwrap_or_default())
            }
            Finish::Stalled => {
                let reason = self.board.paused.take().map(|paused| paused.reason);
                EndReason::Stalled(reason.unwrap_or_else(|| "nothing can be proposed".into()))
            }
            Finish::FailureRate => {
                let experiment = self.store.experiment();
                let failed = failed_trials(experiment, &self.board);
                let last = failed.last().and_then(|&trial| experiment.trials[trial].state.reason());
                return Err(Error::FailureRateExceeded {
                    failed: failed.len(),
                    total: self.board.driven.len(),
                    tolerated: self.options.tolerated_trial_failure_rate,
                    reason: last.unwrap_or("no reason was given").to_owned(),
                });
            }
        });
        Ok(())
    }
}
