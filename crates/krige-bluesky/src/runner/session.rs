//! What a runner keeps between its calls: nothing that a restart would miss.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use krige_runner::RunnerError;

use super::verdict::Look;
use super::witness::{Testimony, Witness, listen};
use crate::access::{ManagerAccess, TiledAccess};
use crate::manager::{History, ManagerError, Queue, ReManager};

/// What a runner keeps between its calls: its connection, and what it last saw. Its clones share it.
#[derive(Debug, Clone, Default)]
pub struct Session(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    manager: Option<ReManager>,
    history: Option<Arc<History>>,
    queue: Option<Arc<Queue>>,
    /// Names of devices and plans, once they were checked.
    names: Option<Arc<BTreeSet<String>>>,
    /// What witnesses told; there once they are listened to.
    testimony: Option<Arc<Testimony>>,
    /// Since when the manager has not answered.
    silent_since: Option<Instant>,
    /// Since when each item has been as it is, by its uid.
    since: HashMap<String, (Stage, Instant)>,
}

/// What an item's time is taken of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Its plan runs.
    Running,
    /// The manager has lost track of it.
    Lost,
}

impl Session {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The client of the manager, the same for all calls.
    pub(super) fn manager(&self, access: &ManagerAccess) -> Result<ReManager, RunnerError> {
        let mut state = self.state();
        if state.manager.is_none() {
            state.manager = Some(access.client().map_err(RunnerError::permanent)?);
        }
        Ok(state.manager.clone().expect("it was just made"))
    }

    /// One look at the manager: one request, and one more for each of history and queue that has changed.
    pub(super) fn look(&self, manager: &ReManager) -> Result<Look, ManagerError> {
        let status = manager.status()?;
        let (history, queue) = {
            let state = self.state();
            (state.history.clone(), state.queue.clone())
        };
        let history = history.filter(|known| known.plan_history_uid == status.plan_history_uid);
        let queue = queue.filter(|known| {
            // The manager writes a plan that failed into its history before it puts the copy into its queue: a queue from
            // before a new history lacks that.
            history.is_some() && known.plan_queue_uid == status.plan_queue_uid
        });
        let history = match history {
            Some(known) => known,
            None => Arc::new(manager.history_get()?),
        };
        let queue = match queue {
            Some(known) => known,
            None => Arc::new(manager.queue_get()?),
        };
        let mut state = self.state();
        (state.history, state.queue) = (Some(Arc::clone(&history)), Some(Arc::clone(&queue)));
        state.silent_since = None;
        Ok(Look { status, history, queue })
    }

    /// What witnesses told so far; they are listened to from the first call on.
    pub(super) fn testimony(
        &self,
        witnesses: &[Witness],
        tiled: Option<&TiledAccess>,
    ) -> Arc<Testimony> {
        let mut state = self.state();
        let testimony = state.testimony.get_or_insert_with(|| {
            let testimony = Arc::default();
            for witness in witnesses {
                listen(witness, tiled, &testimony);
            }
            testimony
        });
        Arc::clone(testimony)
    }

    /// How long the manager has not answered, this time included.
    pub(super) fn silent_for(&self) -> Duration {
        let since = *self.state().silent_since.get_or_insert_with(Instant::now);
        since.elapsed()
    }

    /// How long an item has been in a stage, as far as it was looked at.
    pub(super) fn time_in(&self, item_uid: &str, stage: Stage) -> Duration {
        let mut state = self.state();
        let now = Instant::now();
        let known = state.since.entry(item_uid.to_owned()).or_insert((stage, now));
        if known.0 != stage {
            *known = (stage, now);
        }
        now.duration_since(known.1)
    }

    /// Forgets an item that has ended.
    pub(super) fn forget(&self, item_uid: &str) {
        self.state().since.remove(item_uid);
    }

    pub(super) fn names(&self) -> Option<Arc<BTreeSet<String>>> {
        self.state().names.clone()
    }

    pub(super) fn set_names(&self, names: Option<Arc<BTreeSet<String>>>) {
        self.state().names = names;
    }
}
