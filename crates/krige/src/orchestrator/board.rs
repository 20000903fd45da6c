//! What one run knows beyond the experiment: nothing that a restart would miss.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use krige_core::Timestamp;
use krige_core::trial::{TrialIndex, TrialRun};

use super::calls::Call;
use super::stop::StopLevel;
use crate::health::Finding;

/// The volatile state of a run. Times are since its start.
#[derive(Debug, Default)]
pub(crate) struct Board {
    /// Trials with a call under way (finding, launching or fetching).
    pub(crate) calling: HashSet<TrialIndex>,
    /// Whether a poll is under way.
    pub(crate) polling: bool,
    /// Trials that were staged when this run began to drive: their launch was interrupted.
    pub(crate) inherited: HashSet<TrialIndex>,
    /// Staged trials that the far side does not have.
    pub(crate) absent: HashSet<TrialIndex>,
    /// Staged trials whose launch failed in this run: if the far side cannot be asked for them, it does not have them.
    pub(crate) denied: HashSet<TrialIndex>,
    /// Running trials that the runner called completed: their metrics are to be fetched.
    pub(crate) completed: HashSet<TrialIndex>,
    /// How often the current step of a trial failed for now, and when it is tried again; a candidate's next step is its
    /// launch, after a run that was lost.
    pub(crate) retries: HashMap<TrialIndex, Retry>,
    /// Launches that have not answered in time, and may still: nothing of them is started again.
    pub(crate) out: HashSet<TrialRun>,
    /// Trials that are launched and polled by themselves, because a call for several went wrong as a whole.
    pub(crate) alone: HashSet<TrialIndex>,
    /// Completed trials of which a metric is not there yet.
    pub(crate) awaited: HashMap<TrialIndex, Awaited>,
    /// Requests to stop a run that the far side has not answered yet.
    pub(crate) stops: HashMap<TrialIndex, Stopping>,
    /// Trials that fail once the far side has stopped them.
    pub(crate) cancelled: HashSet<TrialIndex>,
    /// Running trials that were to be stopped and cannot be: they are left to the next run.
    pub(crate) unstoppable: HashSet<TrialIndex>,
    /// When the next launch may be made.
    pub(crate) launch_at: Duration,
    /// When the next poll is due.
    pub(crate) poll_at: Duration,
    /// The pause before the poll after that.
    pub(crate) pause: Duration,
    /// Trials that this run proposed or launched.
    pub(crate) driven: HashSet<TrialIndex>,
    /// How many trials this run proposed.
    pub(crate) proposed: usize,
    /// The last time that nothing could be proposed.
    pub(crate) paused: Option<Paused>,
    /// How urgently the run is asked to end.
    pub(crate) stop: Option<StopLevel>,
    /// Whether a former run was asked to end when this one began; that is no request to this one.
    pub(crate) former_ending: bool,
    /// The time of day, which is what a trial's time to live is counted by.
    pub(crate) wall: Timestamp,
    /// Why the experiment is to end, where its rule says so.
    pub(crate) global_stop: Option<String>,
    /// Trials that failed in this run because their time was over: their late results are still taken.
    pub(crate) expired: BTreeSet<TrialIndex>,
    /// Trials that run, as far as this run knows.
    pub(crate) running: HashSet<TrialIndex>,
    /// Running trials whose metrics are being fetched while they run.
    pub(crate) watching: HashSet<TrialIndex>,
    /// Of which state of the experiment a running trial was last found worth its time.
    pub(crate) judged: HashMap<TrialIndex, u64>,
    /// What is wrong with the run's health, as of the last look.
    pub(crate) findings: Vec<Finding>,
}

/// Nothing can be proposed until something changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Paused {
    /// Of which state of the experiment that holds.
    pub(crate) sequence: u64,
    /// Why.
    pub(crate) reason: String,
}

/// A metric that is not there yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Awaited {
    /// When that was first seen.
    pub(crate) since: Duration,
    /// The same, for people.
    pub(crate) at: Timestamp,
}

/// A request to stop a run.
#[derive(Debug, Clone)]
pub(crate) struct Stopping {
    /// What is called.
    pub(crate) call: Call,
    /// How often it failed.
    pub(crate) failures: u32,
    /// When it is made again; `None` while it is under way.
    pub(crate) at: Option<Duration>,
}

/// A step that failed for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Retry {
    /// How often it failed.
    pub(crate) failures: u32,
    /// When it is tried again.
    pub(crate) at: Duration,
}

impl Board {
    /// Whether a step of the trial may be taken now.
    pub(crate) fn is_due(&self, trial: TrialIndex, now: Duration) -> bool {
        !self.calling.contains(&trial)
            && self.retries.get(&trial).is_none_or(|retry| retry.at <= now)
    }

    /// Forgets all of a trial that has ended.
    pub(crate) fn forget(&mut self, trial: TrialIndex) {
        self.calling.remove(&trial);
        self.absent.remove(&trial);
        self.denied.remove(&trial);
        self.completed.remove(&trial);
        self.running.remove(&trial);
        self.retries.remove(&trial);
        self.alone.remove(&trial);
        self.awaited.remove(&trial);
        self.cancelled.remove(&trial);
        self.unstoppable.remove(&trial);
        self.judged.remove(&trial);
    }
}
