//! From an item to the status of its trials, and what is done about what went wrong.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use krige_core::trial::{Metadata, TrialRun};
use krige_runner::{RunStatus, RunnerError, Stopped};
use serde_json::Value;

use super::launch::classified;
use super::session::Stage;
use super::submission::is_of_experiment;
use super::verdict::{Look, Verdict};
use super::{QueueserverRunner, Sharing};
use crate::manager::{
    Item, ItemRef, ManagerError, ManagerState, PauseOption, ReManager, RefusalKind, Status,
};
use crate::metadata::{CORRELATION, ITEM_UID, POINTS};
use crate::tiled::{Query, TiledClient, TiledError};

/// How long the data of an item may take to come, of which the manager has lost track: longer than Tiled lags behind the
/// documents, and than the manager lags behind its worker.
const LAG: Duration = Duration::from_secs(15);

/// How long the manager must have lost track of an item before that is believed.
const BELIEVED: Duration = Duration::from_secs(3);

/// How long it may take to stop a plan: the next checkpoint is waited for.
const STOPPING: Duration = Duration::from_secs(30);

/// What the data say of an item.
enum Data {
    /// A run of it came to its end well, with all of its points.
    Whole,
    /// There is none, or not all of it.
    Missing,
}

impl QueueserverRunner {
    /// How some trials stand, by one look at the manager.
    pub(super) fn poll(
        &self,
        runs: &[(TrialRun, Metadata)],
    ) -> Vec<Result<RunStatus, RunnerError>> {
        let Some((first, _)) = runs.first() else { return Vec::new() };
        let looked = self
            .session
            .manager(&self.manager)
            .map(|manager| self.session.look(&manager).map(|look| (manager, look)));
        let (manager, look) = match looked {
            Ok(Ok(look)) => look,
            // Plans survive a restart of the manager; what nobody else tells has not changed.
            Ok(Err(error)) if error.is_transient() && !self.is_impatient() => {
                let status = |(run, metadata): &(TrialRun, Metadata)| {
                    let is_over = self.is_witnessed(run, metadata);
                    Ok(if is_over { RunStatus::Completed } else { RunStatus::Running })
                };
                return runs.iter().map(status).collect();
            }
            Ok(Err(error)) => {
                let text = error.to_string();
                return if error.is_transient() {
                    runs.iter().map(|_| Err(RunnerError::transient(text.clone()))).collect()
                } else {
                    runs.iter().map(|_| Err(RunnerError::permanent(text.clone()))).collect()
                };
            }
            Err(error) => {
                let text = error.to_string();
                return runs.iter().map(|_| Err(RunnerError::permanent(text.clone()))).collect();
            }
        };
        let statuses: Vec<_> = runs
            .iter()
            .map(|(run, metadata)| self.judge(&manager, &look, run, metadata).map_err(classified))
            .collect();
        // Afterwards, so that all trials of one item have been in its stage for as long.
        for ((_, metadata), status) in runs.iter().zip(&statuses) {
            if matches!(status, Ok(status) if *status != RunStatus::Running) {
                self.session.forget(metadata.text(ITEM_UID).unwrap_or_default());
            }
        }
        if self.sharing == Sharing::Shared {
            let bad = |status: &RunStatus| {
                matches!(status, RunStatus::Failed { .. } | RunStatus::Abandoned { .. })
            };
            let ended =
                runs.iter().zip(&statuses).filter(|(_, status)| status.as_ref().is_ok_and(bad));
            let keys: BTreeSet<&str> = ended
                .map(|((run, metadata), _)| metadata.text(CORRELATION).unwrap_or(&run.key))
                .collect();
            for key in keys {
                // What stays is removed with the next poll of the experiment.
                let _stays = remove_copy(&manager, key);
            }
        }
        if self.remove_returned(&manager, &look, &first.key).is_ok()
            && self.sharing == Sharing::Shared
        {
            // Tried again with the next poll.
            let _started_later = self.start_if_ours(&manager);
        }
        statuses
    }

    fn judge(
        &self,
        manager: &ReManager,
        look: &Look,
        run: &TrialRun,
        metadata: &Metadata,
    ) -> Result<RunStatus, ManagerError> {
        let uid = metadata.text(ITEM_UID).unwrap_or_default();
        Ok(match look.verdict(uid) {
            Verdict::Waits | Verdict::Runs if self.is_witnessed(run, metadata) => {
                RunStatus::Completed
            }
            Verdict::Waits => RunStatus::Running,
            Verdict::Runs => {
                let ran = self.session.time_in(uid, Stage::Running).as_secs_f64();
                if ran < self.plan_timeout_seconds {
                    RunStatus::Running
                } else {
                    let limit = self.plan_timeout_seconds;
                    self.end_of_lost(
                        manager,
                        run,
                        metadata,
                        &format!("the plan has been running for longer than {limit} s"),
                    )?
                }
            }
            Verdict::Completed => RunStatus::Completed,
            Verdict::Failed(reason) => RunStatus::Failed { reason },
            Verdict::TakenAway(reason) => RunStatus::Abandoned { reason },
            Verdict::Lost(why) => {
                let lost = self.session.time_in(uid, Stage::Lost);
                match self.data(run, metadata) {
                    _ if lost < BELIEVED => RunStatus::Running,
                    Ok(Data::Whole) => {
                        self.recover(manager, uid)?;
                        RunStatus::Completed
                    }
                    // The data may come yet, or Tiled may.
                    Ok(Data::Missing) | Err(_) if self.tiled.is_some() && lost < LAG => {
                        RunStatus::Running
                    }
                    Ok(Data::Missing) | Err(_) => self.end_of_lost(manager, run, metadata, why)?,
                }
            }
        })
    }

    /// Whether somebody else than the manager has told that all of an item was measured.
    fn is_witnessed(&self, run: &TrialRun, metadata: &Metadata) -> bool {
        let key = metadata.text(CORRELATION).unwrap_or(&run.key);
        let points = metadata.integer(POINTS).unwrap_or(1).max(1).unsigned_abs();
        let testimony = self.session.testimony(&self.witnesses, self.tiled.as_ref());
        testimony.is_whole(key, points)
    }

    /// Ends an item that nothing more is heard of.
    fn end_of_lost(
        &self,
        manager: &ReManager,
        run: &TrialRun,
        metadata: &Metadata,
        why: &str,
    ) -> Result<RunStatus, ManagerError> {
        let uid = metadata.text(ITEM_UID).unwrap_or_default();
        self.recover(manager, uid)?;
        if let Ok(Data::Whole) = self.data(run, metadata) {
            return Ok(RunStatus::Completed);
        }
        self.replace_dead_worker(manager, uid)?;
        let looked = match &self.tiled {
            Some(_) => "; Tiled does not have its whole data either",
            None => "",
        };
        Ok(RunStatus::Failed { reason: format!("{why}{looked}") })
    }

    /// What Tiled has of an item.
    fn data(&self, run: &TrialRun, metadata: &Metadata) -> Result<Data, TiledError> {
        let Some(tiled) = &self.tiled else { return Ok(Data::Missing) };
        let tiled: TiledClient = tiled.client()?;
        let key = metadata.text(CORRELATION).unwrap_or(&run.key);
        let points = metadata.integer(POINTS).unwrap_or(1).max(1);
        let query = Query::new().eq(&format!("start.{CORRELATION}"), key).select("stop");
        let mut events = 0;
        for node in tiled.search("", &query)? {
            let stop = &node.metadata;
            if stop.get("exit_status").and_then(Value::as_str) == Some("success") {
                let numbers = stop.get("num_events").and_then(Value::as_object);
                let most = numbers.into_iter().flat_map(|n| n.values().filter_map(Value::as_i64));
                events += most.max().unwrap_or(0);
            }
        }
        Ok(if events >= points { Data::Whole } else { Data::Missing })
    }

    /// Frees a dedicated manager of a plan that it never comes to the end of, although its trial may have ended by what others
    /// told.
    pub(super) fn free(&self, manager: &ReManager, look: &Look) -> Result<(), ManagerError> {
        let Some(uid) = look.status.running_item_uid.as_deref() else { return Ok(()) };
        let is_over = if look.is_stuck() {
            self.session.time_in(uid, Stage::Lost) >= BELIEVED
        } else {
            let ran = self.session.time_in(uid, Stage::Running).as_secs_f64();
            ran >= self.plan_timeout_seconds
        };
        if is_over { self.recover(manager, uid) } else { Ok(()) }
    }

    /// Makes a dedicated manager usable again that cannot come to the end of an item: without an environment, which the next
    /// launch opens. One that does something else by now is usable.
    fn recover(&self, manager: &ReManager, uid: &str) -> Result<(), ManagerError> {
        if self.sharing == Sharing::Shared {
            return Ok(());
        }
        let status = manager.status()?;
        // To destroy an environment that is being created leaves a worker behind that nobody can reach.
        let busy =
            matches!(status.manager_state, ManagerState::ExecutingQueue | ManagerState::Paused);
        let its = status.running_item_uid.as_deref() == Some(uid);
        if busy && its && status.worker_environment_exists {
            destroy_environment(manager)?;
        }
        Ok(())
    }

    /// A dedicated manager does not notice that its worker has died, and whatever it gives to it is gone: with the environment
    /// destroyed, the next launch opens another.
    fn replace_dead_worker(&self, manager: &ReManager, uid: &str) -> Result<(), ManagerError> {
        if self.sharing == Sharing::Shared || uid.is_empty() {
            return Ok(());
        }
        let status = manager.status()?;
        let idle = status.manager_state == ManagerState::Idle && status.worker_environment_exists;
        if idle && !manager.history_get()?.items.iter().any(|item| item.item_uid == uid) {
            destroy_environment(manager)?;
        }
        Ok(())
    }

    /// Removes what the manager put back into its queue of plans of this experiment that have ended: it would run again.
    fn remove_returned(
        &self,
        manager: &ReManager,
        look: &Look,
        key: &str,
    ) -> Result<(), ManagerError> {
        let returned = |item: &Item| item.is_returned() && is_of_experiment(item, key);
        for item in look.queue.items.iter().filter(|item| returned(item)) {
            remove(manager, &item.item_uid)?;
        }
        Ok(())
    }

    pub(super) fn stop(
        &self,
        run: &TrialRun,
        metadata: &Metadata,
        _reason: &str,
    ) -> Result<Stopped, RunnerError> {
        let manager = self.session.manager(&self.manager)?;
        let uid = metadata.text(ITEM_UID).unwrap_or_default();
        // Others' points are in the same plan.
        if metadata.integer(POINTS).unwrap_or(1) > 1 {
            return Ok(Stopped::Unsupported);
        }
        self.end_now(&manager, run, uid).map_err(classified)?;
        Ok(Stopped::Requested)
    }

    /// Removes an item that waits, and pauses and aborts one that runs, until it has ended. What was launched a moment ago is in
    /// neither state yet, and what was asked to pause may come to its end instead.
    fn end_now(&self, manager: &ReManager, run: &TrialRun, uid: &str) -> Result<(), ManagerError> {
        let (begun, mut aborted) = (Instant::now(), false);
        loop {
            let look = self.session.look(manager)?;
            match look.verdict(uid) {
                Verdict::Completed | Verdict::Failed(_) | Verdict::TakenAway(_) => {
                    return self.remove_returned(manager, &look, &run.key);
                }
                Verdict::Lost(_) if begun.elapsed() >= BELIEVED => return Ok(()),
                Verdict::Lost(_) => {}
                Verdict::Waits => match remove(manager, uid) {
                    // It has begun to run since the look.
                    Err(ManagerError::Refused { .. }) => {}
                    other => return other,
                },
                Verdict::Runs => match look.status.manager_state {
                    ManagerState::Paused if !aborted => {
                        tolerant(manager.re_abort())?;
                        aborted = true;
                    }
                    _ if aborted || look.status.pause_pending => {}
                    // It is refused until the plan really runs.
                    _ => tolerant(manager.re_pause(PauseOption::Immediate))?,
                },
            }
            let pause = Instant::now() + Duration::from_millis(50);
            match manager.wait_for(pause, |_| false) {
                Err(error @ ManagerError::DeadlinePassed { .. }) if begun.elapsed() >= STOPPING => {
                    return Err(error);
                }
                Ok(_) | Err(ManagerError::DeadlinePassed { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// What the manager refuses has changed since the look, and is looked at again.
fn tolerant(answer: Result<(), ManagerError>) -> Result<(), ManagerError> {
    match answer {
        Err(ManagerError::Refused { .. }) => Ok(()),
        other => other,
    }
}

/// Removes the copy of an item that ended badly. The manager writes its history first, and puts the copy back into the queue a
/// moment later, if it does.
fn remove_copy(manager: &ReManager, key: &str) -> Result<(), ManagerError> {
    let deadline = Instant::now() + Duration::from_secs(1);
    loop {
        let queue = manager.queue_get()?;
        let its = |item: &&Item| {
            item.is_returned() && item.meta.get(CORRELATION).and_then(Value::as_str) == Some(key)
        };
        if let Some(item) = queue.items.iter().find(its) {
            return remove(manager, &item.item_uid);
        }
        if Instant::now() >= deadline {
            return Ok(());
        }
        match manager.wait_for(Instant::now() + Duration::from_millis(50), |_| false) {
            Ok(_) | Err(ManagerError::DeadlinePassed { .. }) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Removes an item from the queue, if it is still there.
fn remove(manager: &ReManager, uid: &str) -> Result<(), ManagerError> {
    match manager.queue_item_remove(&ItemRef::Uid(uid.to_owned())) {
        Ok(_) | Err(ManagerError::Refused { kind: RefusalKind::NoSuchItem, .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Destroys an environment that is open, and waits until it is gone.
fn destroy_environment(manager: &ReManager) -> Result<(), ManagerError> {
    manager.environment_destroy()?;
    let gone = |status: &Status| {
        status.manager_state == ManagerState::Idle && !status.worker_environment_exists
    };
    manager.wait_for(Instant::now() + STOPPING, gone)?;
    Ok(())
}
