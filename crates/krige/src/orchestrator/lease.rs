//! Who drives: one process at a time, by a lease in the journal.
//!
//! The leader extends its lease at each third of it; the others watch, and one of them takes over when the lease has
//! ended. Whoever takes over stores [`Event::Led`] first. Every append names the record that it follows, so whatever the
//! former leader tries to store after that is a conflict: it takes the new records in, sees another's name, and stops
//! driving. That is the fence, and no clock is a part of it.
//!
//! What clocks decide is only how soon a lease changes hands:
//! - The time is that of the machine, since processes share it. A clock that jumps, forwards or backwards, extends the
//!   leader's lease at once.
//! - A leader whose clock is behind, or a watcher whose clock is ahead, by more than two thirds of the lease loses it to the
//!   watcher although it lives; it is told by the event, and watches from then on.
//! - A lease that seems to end far in the future, because its dead holder's clock was ahead, is taken over when it has
//!   not been extended for [`LONGEST`].
//! - A holder that is known to be dead, as a process of this machine, is not waited for.
//!
//! A process that is stopped between the storing of a launch's intent and the call of the runner, and goes on after
//! another has taken over, makes that call: it is then the key of the run by which the far side knows that both mean one.
//!
//! A turn of the loop should take less than two thirds of the lease, and so should a proposal; one that takes longer may be
//! lost, never stored twice.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use krige_core::Timestamp;
use krige_core::clock::Clock;
use krige_core::event::Event;
use krige_core::experiment::Experiment;
use krige_core::journal::{JournalError, Lease, LeaseRequest};

use crate::error::Error;
use crate::store::ExperimentStore;

/// The longest lease; a lease that was not extended for so long has ended, whatever its holder's clock said.
pub(super) const LONGEST: Duration = Duration::from_secs(300);

/// This process, unique over all: `host:pid:where.random`.
static PROCESS: LazyLock<String> = LazyLock::new(|| {
    let random = &uuid::Uuid::new_v4().simple().to_string()[..8];
    format!("{}:{}:{}.{random}", host(), std::process::id(), *PLACE)
});

/// What two processes must share so that one can tell from the other's id whether it lives; empty where that is unknown.
static PLACE: LazyLock<String> = LazyLock::new(|| {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let namespace = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let namespace = namespace.to_string_lossy();
    let digits: String = namespace.chars().filter(char::is_ascii_digit).collect();
    match boot.get(..8) {
        Some(boot) if !digits.is_empty() => format!("{boot}-{digits}"),
        _ => String::new(),
    }
});

/// The runs of this process that may lead.
static RUNS: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);
static NEXT_RUN: AtomicU64 = AtomicU64::new(1);

fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = name.or_else(|| std::env::var("COMPUTERNAME").ok());
    let name = name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    name.unwrap_or_else(|| "host".into())
}

/// Whether a holder certainly lives no more.
fn is_dead(holder: &str) -> bool {
    let Some((process, _)) = holder.rsplit_once('.') else { return false };
    if process == *PROCESS {
        return !RUNS.lock().unwrap_or_else(PoisonError::into_inner).contains(holder);
    }
    let id = process.rsplit_once('.').and_then(|(machine, _)| {
        let (rest, place) = machine.rsplit_once(':')?;
        let (_, id) = rest.rsplit_once(':')?;
        (!place.is_empty() && place == *PLACE).then(|| id.parse::<u32>().ok())?
    });
    id.is_some_and(|id| match std::fs::read_to_string(format!("/proc/{id}/stat")) {
        // One that was killed and not waited for is there as a zombie.
        Ok(stat) => {
            stat.rsplit_once(')').is_some_and(|(_, state)| state.trim_start().starts_with('Z'))
        }
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    })
}

/// What a process may do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It has just become the leader.
    Begins,
    /// It drives.
    Leads,
    /// Somebody else drives.
    Watches,
}

/// One run's part in who drives.
pub(super) struct Leadership {
    me: String,
    clock: Arc<dyn Clock>,
    duration: Duration,
    leads: bool,
    /// When the lease was last extended.
    extended: Timestamp,
    /// Somebody else's lease, and when it was first seen as it is.
    seen: Option<(Lease, Timestamp)>,
}

impl Leadership {
    pub(super) fn new(duration: Duration, clock: Arc<dyn Clock>) -> Self {
        let me = format!("{}.{}", *PROCESS, NEXT_RUN.fetch_add(1, Ordering::SeqCst));
        RUNS.lock().unwrap_or_else(PoisonError::into_inner).insert(me.clone());
        let extended = clock.now();
        Self { me, clock, duration, leads: false, extended, seen: None }
    }

    /// Whether this run led when it last looked.
    pub(super) const fn leads(&self) -> bool {
        self.leads
    }

    /// Looks who leads, once in every turn: extends the lease, or tries to get it.
    pub(super) fn look(&mut self, store: &mut ExperimentStore) -> Result<Standing, Error> {
        let now = self.clock.now();
        if self.leads && !self.is_leader(store.experiment()) {
            self.leads = false;
            self.seen = None;
            return Ok(Standing::Watches);
        }
        if self.leads {
            let passed = Duration::try_from(now.duration_since(self.extended));
            if passed.is_ok_and(|passed| passed < self.duration / 3) {
                return Ok(Standing::Leads);
            }
            match self.ask(store, now, now) {
                Ok(lease) if lease.holder == self.me => return Ok(Standing::Leads),
                Ok(_) => self.leads = false,
                // It is tried again in the next turn; nothing is wrong before somebody else leads.
                Err(Error::Journal(JournalError::Busy { .. })) => return Ok(Standing::Leads),
                Err(error) => return Err(error),
            }
            return Ok(Standing::Watches);
        }
        let mut lease = self.ask(store, now, now)?;
        if lease.holder != self.me && self.has_ended(&lease, now) {
            // As of its end: should it have been extended since, it is not given.
            lease = self.ask(store, lease.until, now)?;
        }
        if lease.holder != self.me {
            return Ok(Standing::Watches);
        }
        store.decide(|_| Ok((vec![Event::Led { leader: self.me.clone() }], ())))?;
        self.leads = true;
        Ok(Standing::Begins)
    }

    fn ask(
        &mut self,
        store: &mut ExperimentStore,
        ended_by: Timestamp,
        now: Timestamp,
    ) -> Result<Lease, Error> {
        let until = now.saturating_add(self.duration).unwrap_or(Timestamp::MAX);
        let lease = store.lease(&LeaseRequest { holder: self.me.clone(), now: ended_by, until })?;
        if lease.holder == self.me {
            self.extended = now;
        }
        Ok(lease)
    }

    /// Whether somebody else's lease has ended, although it says that it lasts.
    fn has_ended(&mut self, lease: &Lease, now: Timestamp) -> bool {
        if is_dead(&lease.holder) {
            return true;
        }
        match &self.seen {
            Some((seen, since)) if seen == lease && *since <= now => {
                Duration::try_from(now.duration_since(*since)).is_ok_and(|time| time >= LONGEST)
            }
            _ => {
                self.seen = Some((lease.clone(), now));
                false
            }
        }
    }

    fn is_leader(&self, experiment: &Experiment) -> bool {
        experiment.leader.as_ref() == Some(&self.me)
    }

    /// As [`ExperimentStore::decide`], for the leader alone.
    ///
    /// # Errors
    /// As there; [`Error::Superseded`] if another process has taken over, and nothing is stored then.
    pub(super) fn decide<T>(
        &self,
        store: &mut ExperimentStore,
        mut decide: impl FnMut(&Experiment) -> Result<(Vec<Event>, T), Error>,
    ) -> Result<T, Error> {
        store.decide(|experiment| {
            if !self.is_leader(experiment) {
                let leader = experiment.leader.clone().unwrap_or_default();
                return Err(Error::Superseded { leader });
            }
            decide(experiment)
        })
    }

    /// Gives the lease back. Where that fails, it ends by itself.
    pub(super) fn release(&mut self, store: &mut ExperimentStore) {
        if std::mem::take(&mut self.leads) {
            let _ends_by_itself = store.release(&self.me);
        }
    }
}

impl Drop for Leadership {
    fn drop(&mut self) {
        RUNS.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.me);
    }
}

#[cfg(test)]
mod tests;
