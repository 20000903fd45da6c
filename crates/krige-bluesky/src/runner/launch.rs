//! From trials to an accepted item: the manager is made ready, the plan is checked, the item is submitted.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use krige_core::trial::{Metadata, TrialRun};
use krige_core::value::Parameterization;
use krige_runner::{Found, RunnerError};

use super::console::Console;
use super::submission::{is_of, is_submitted, metadata};
use super::{QueueserverRunner, Sharing};
use crate::manager::{
    Item, ManagerError, ManagerState, Place, PlanItem, ReManager, RefusalKind, Status,
};
use crate::metadata::{CORRELATION, ITEM_UID, KEYS, POINT_ID, POINTS};
use crate::tiled::Query;

/// How long a launch waits for a manager that is busy or opens its environment; longer than a restart of the manager or
/// its environment takes, shorter than the time-out of a runner's call.
const READY: Duration = Duration::from_secs(120);

/// Why nothing was submitted.
#[derive(Debug, thiserror::Error)]
enum LaunchError {
    #[error(
        "the RE Manager has no environment, and this runner may not open one: open it, or set `open_environment`"
    )]
    NoEnvironment,
    #[error(
        "the RE Manager did not open its environment, mostly because a startup script of the beamline fails: {}",
        .0.as_deref().unwrap_or("its console says why (with the manager's `info_address`, it would be told here)")
    )]
    NotOpened(Option<String>),
    #[error("plan `{plan}` is not among those that the RE Manager allows: {known}")]
    Plan { plan: String, known: String },
    #[error("device `{device}` is not among those that the RE Manager allows: {known}")]
    Device { device: String, known: String },
}

impl QueueserverRunner {
    /// Submits one item for all of these trials.
    pub(super) fn launch(
        &self,
        runs: &[(TrialRun, Parameterization)],
    ) -> Result<Vec<Metadata>, RunnerError> {
        let manager = self.session.manager(&self.manager)?;
        // What is published before a witness is listened to is missed.
        self.session.testimony(&self.witnesses, self.tiled.as_ref());
        let deadline = Instant::now() + READY;
        loop {
            self.make_ready(&manager, deadline)?;
            let names = self.checked_names(&manager)?;
            let item = self.call().item(runs, &names).map_err(RunnerError::permanent)?;
            match self.submit(&manager, &item) {
                Ok(item) => return Ok(runs.iter().map(|(run, _)| metadata(&item, run)).collect()),
                // Somebody was faster since the look.
                Err(ManagerError::Refused { kind: RefusalKind::Busy, .. })
                    if Instant::now() < deadline => {}
                Err(error) => {
                    self.session.set_names(None);
                    return Err(classified(error));
                }
            }
        }
    }

    fn submit(&self, manager: &ReManager, item: &PlanItem) -> Result<Item, ManagerError> {
        match self.sharing {
            Sharing::Dedicated => manager.queue_item_execute(item),
            Sharing::Shared => {
                let accepted = manager.queue_item_add(item, Place::Back)?;
                // It is in the queue: what goes wrong with the start is tried again with each poll.
                let _started_later = self.start_if_ours(manager);
                Ok(accepted)
            }
        }
    }

    /// Starts the queue where nothing would run but items of krige. Two experiments whose items wait behind each other would
    /// wait for ever if each started only its own.
    pub(super) fn start_if_ours(&self, manager: &ReManager) -> Result<(), ManagerError> {
        let status = manager.status()?;
        let startable = status.manager_state == ManagerState::Idle
            && status.worker_environment_exists
            && status.items_in_queue > 0;
        if !startable {
            return Ok(());
        }
        let queue = manager.queue_get()?;
        let ours = |item: &Item| is_submitted(item) && !item.is_returned();
        if queue.items.iter().all(ours) {
            manager.queue_start()?;
        }
        Ok(())
    }

    /// Waits until the manager can take an item, and opens its environment where there is none.
    fn make_ready(&self, manager: &ReManager, deadline: Instant) -> Result<(), RunnerError> {
        let usable = |status: &Status| match (self.sharing, &status.manager_state) {
            (_, ManagerState::Idle) => true,
            (Sharing::Shared, state) => !matches!(
                state,
                ManagerState::Initializing
                    | ManagerState::CreatingEnvironment
                    | ManagerState::ClosingEnvironment
                    | ManagerState::DestroyingEnvironment
            ),
            (Sharing::Dedicated, _) => false,
        };
        let status = manager.wait_for(deadline, usable).map_err(classified)?;
        if status.worker_environment_exists {
            return Ok(());
        }
        if !self.open_environment {
            return Err(RunnerError::transient(LaunchError::NoEnvironment));
        }
        let console = Console::listen(&self.manager);
        match manager.environment_open() {
            Ok(()) => {}
            // Somebody else opens it right now.
            Err(ManagerError::Refused {
                kind: RefusalKind::AlreadyExists | RefusalKind::Busy,
                ..
            }) => {}
            Err(error) => return Err(classified(error)),
        }
        // It fails without a word: the manager is idle again, and there is no environment.
        let mut began = false;
        let opened = manager.wait_for(deadline, |status| {
            began |= status.manager_state == ManagerState::CreatingEnvironment;
            status.worker_environment_exists && usable(status)
                || began && status.manager_state == ManagerState::Idle
        });
        if opened.map_err(classified)?.worker_environment_exists {
            Ok(())
        } else {
            Err(RunnerError::transient(LaunchError::NotOpened(console.errors())))
        }
    }

    /// The names of all plans and devices, after it was checked that ours are among them.
    pub(super) fn checked_names(
        &self,
        manager: &ReManager,
    ) -> Result<Arc<BTreeSet<String>>, RunnerError> {
        if let Some(names) = self.session.names() {
            return Ok(names);
        }
        let plans = manager.plans_allowed().map_err(classified)?;
        let devices = manager.devices_allowed().map_err(classified)?;
        let some = |names: Vec<&String>| {
            let shown: Vec<String> =
                names.iter().take(20).map(|name| format!("`{name}`")).collect();
            let more = if names.len() > 20 { ", …" } else { "" };
            format!("{}{more}", shown.join(", "))
        };
        if !plans.contains_key(&self.plan) {
            let (plan, known) = (self.plan.clone(), some(plans.keys().collect()));
            return Err(RunnerError::permanent(LaunchError::Plan { plan, known }));
        }
        let used = self.actuators.iter().map(|actuator| &actuator.device).chain(&self.sensors);
        for device in used {
            // `stage.x` is a part of `stage`.
            let whole = device.split('.').next().unwrap_or(device);
            if !devices.contains_key(whole) {
                let (device, known) = (device.clone(), some(devices.keys().collect()));
                return Err(RunnerError::permanent(LaunchError::Device { device, known }));
            }
        }
        let names = Arc::new(plans.into_keys().chain(devices.into_keys()).collect());
        self.session.set_names(Some(Arc::clone(&names)));
        Ok(names)
    }

    /// Whether an item could be taken now; nothing else is a reason to count a launch as failed.
    pub(super) fn slots(&self) -> Result<Option<usize>, RunnerError> {
        let manager = self.session.manager(&self.manager)?;
        let status = match self.session.look(&manager) {
            Ok(look) => {
                self.free(&manager, &look).map_err(classified)?;
                look.status
            }
            Err(error) if error.is_transient() && !self.is_impatient() => return Ok(Some(0)),
            Err(error) => return Err(classified(error)),
        };
        let locked = status.lock.environment || status.lock.queue;
        let taken = match self.sharing {
            Sharing::Dedicated => status.manager_state != ManagerState::Idle,
            Sharing::Shared => false,
        };
        let closed = locked && !self.has_key(&manager).map_err(classified)?;
        Ok((taken || closed).then_some(0))
    }

    /// Whether the lock that is set opens to the key that this runner has.
    fn has_key(&self, manager: &ReManager) -> Result<bool, ManagerError> {
        let Some(key) = self.manager.lock_key() else { return Ok(false) };
        match manager.lock_info(Some(&key)) {
            Ok(_) => Ok(true),
            Err(ManagerError::Refused { kind: RefusalKind::Locked, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Looks for a run where it may be: among what runs, waits and has ended, and in the data.
    pub(super) fn find(&self, run: &TrialRun) -> Result<Found, RunnerError> {
        let manager = self.session.manager(&self.manager)?;
        // An item passes from the queue to the plan that runs, and on to the history; and a request that was sent to a
        // manager that did not answer may be carried out a moment after it does. So it is looked for twice.
        for look in 0..2 {
            if look > 0 {
                match manager.wait_for(Instant::now() + Duration::from_secs(1), |_| false) {
                    Ok(_) | Err(ManagerError::DeadlinePassed { .. }) => {}
                    Err(error) => return Err(classified(error)),
                }
            }
            let queue = manager.queue_get().map_err(classified)?;
            let history = manager.history_get().map_err(classified)?;
            let waiting = queue.items.iter().filter(|item| !item.is_returned());
            let all = history.items.iter().rev().chain(&queue.running_item).chain(waiting);
            if let Some(item) = all.into_iter().find(|item| is_of(item, &run.key)) {
                return Ok(Found::Exists(metadata(item, run)));
            }
        }
        let Some(tiled) = &self.tiled else { return Ok(Found::Absent) };
        let tiled = tiled.client().map_err(RunnerError::permanent)?;
        let field = format!("start.{KEYS}");
        let query = Query::new().contains(&field, run.key.as_str()).newest_first().limit(1);
        let found = tiled.search("", &query.select("start")).map_err(|error| {
            if error.is_transient() {
                RunnerError::transient(error)
            } else {
                RunnerError::permanent(error)
            }
        })?;
        Ok(found.into_iter().next().map_or(Found::Absent, |node| {
            let keys = node.metadata.get(KEYS).and_then(serde_json::Value::as_array);
            let key = node.metadata.get(CORRELATION).and_then(serde_json::Value::as_str);
            Found::Exists(
                Metadata::of(ITEM_UID, "")
                    .with(CORRELATION, key.unwrap_or(&run.key))
                    .with(POINT_ID, run.trial_index)
                    .with(POINTS, keys.map_or(1, Vec::len)),
            )
        }))
    }

    /// Whether the manager has been silent for longer than it may be.
    pub(super) fn is_impatient(&self) -> bool {
        self.session.silent_for().as_secs_f64() >= self.patience_seconds
    }
}

/// What a failed request means for the call of the runner.
pub(super) fn classified(error: ManagerError) -> RunnerError {
    let may_pass = matches!(
        error,
        ManagerError::Refused {
            kind: RefusalKind::EnvironmentMissing | RefusalKind::Locked | RefusalKind::NotRunning,
            ..
        }
    );
    if may_pass || error.is_transient() {
        RunnerError::transient(error)
    } else {
        RunnerError::permanent(error)
    }
}
