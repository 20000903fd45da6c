//! An experiment together with the journal that keeps it: every change is stored before it counts.

use std::sync::Arc;

use krige_core::Timestamp;
use krige_core::clock::Clock;
use krige_core::event::{Event, Record};
use krige_core::experiment::{Experiment, Undo};
use krige_core::journal::{Journal, JournalError, Lease, LeaseRequest};
use krige_core::search_space::SearchSpace;

use crate::clock::SystemClock;
use crate::error::Error;

/// What an experiment begins with.
#[derive(Debug, Clone, PartialEq)]
pub struct ExperimentDefinition {
    /// Unique within its journal.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// What may be tried.
    pub search_space: SearchSpace,
    /// Everything random follows from it; `None` draws one.
    pub seed: Option<u64>,
}

/// The journal in which an experiment could not be begun, and why.
pub(crate) struct NotCreated {
    pub(crate) journal: Box<dyn Journal>,
    pub(crate) error: Box<Error>,
}

impl NotCreated {
    fn new(journal: Box<dyn Journal>, error: impl Into<Error>) -> Self {
        Self { journal, error: Box::new(error.into()) }
    }
}

/// An experiment and its journal.
///
/// The experiment in memory is always the fold of what is stored: an event that cannot be stored leaves no trace.
/// Several processes may hold a store on one experiment; [`decide`](Self::decide) makes each see the others' events
/// before its own are stored.
pub struct ExperimentStore {
    journal: Box<dyn Journal>,
    clock: Arc<dyn Clock>,
    experiment: Experiment,
    latest: Timestamp,
}

impl std::fmt::Debug for ExperimentStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExperimentStore")
            .field("experiment", &self.experiment.name)
            .field("journal", &self.journal.location())
            .finish_non_exhaustive()
    }
}

impl ExperimentStore {
    /// Begins an experiment in a journal, by the machine's clock.
    ///
    /// # Errors
    /// [`Error::ExperimentExists`] if the journal has one of that name.
    pub fn create(
        journal: impl Journal + 'static,
        definition: ExperimentDefinition,
    ) -> Result<Self, Error> {
        Self::create_at(Box::new(journal), Arc::new(SystemClock), definition)
            .map_err(|NotCreated { error, .. }| *error)
    }

    /// Opens an experiment of a journal, by the machine's clock.
    ///
    /// # Errors
    /// If there is no such experiment, or its journal cannot be read.
    pub fn open(journal: impl Journal + 'static, name: &str) -> Result<Self, Error> {
        Self::open_at(Box::new(journal), Arc::new(SystemClock), name)
    }

    /// Begins an experiment; gives the journal back if it cannot.
    pub(crate) fn create_at(
        mut journal: Box<dyn Journal>,
        clock: Arc<dyn Clock>,
        definition: ExperimentDefinition,
    ) -> Result<Self, NotCreated> {
        let ExperimentDefinition { name, description, search_space, seed } = definition;
        if name.trim().is_empty() {
            return Err(NotCreated::new(journal, Error::UnnamedExperiment));
        }
        let id = uuid::Uuid::new_v4().simple().to_string()[..12].to_owned();
        let event = Event::ExperimentCreated {
            id,
            name: name.clone(),
            description,
            seed: seed.unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().1),
            search_space,
        };
        let experiment = match Experiment::create(&event) {
            Ok(experiment) => experiment,
            Err(error) => return Err(NotCreated::new(journal, error)),
        };
        let latest = clock.now();
        match journal.append(&name, 0, &[Record { sequence: 1, at: latest, event }]) {
            Ok(()) => Ok(Self { journal, clock, experiment, latest }),
            Err(JournalError::Conflict { .. }) => {
                let location = journal.location();
                Err(NotCreated::new(journal, Error::ExperimentExists { name, location }))
            }
            Err(error) => Err(NotCreated::new(journal, error)),
        }
    }

    pub(crate) fn open_at(
        mut journal: Box<dyn Journal>,
        clock: Arc<dyn Clock>,
        name: &str,
    ) -> Result<Self, Error> {
        let records = journal.read(name, 0)?;
        let experiment = Experiment::replay(&records)?;
        let latest = records.last().map_or(Timestamp::UNIX_EPOCH, |record| record.at);
        Ok(Self { journal, clock, experiment, latest })
    }

    pub(crate) fn set_clock(&mut self, clock: Arc<dyn Clock>) {
        self.clock = clock;
    }

    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    pub(crate) fn lease(&mut self, request: &LeaseRequest) -> Result<Lease, Error> {
        Ok(self.journal.lease(&self.experiment.name, request)?)
    }

    pub(crate) fn release(&mut self, holder: &str) -> Result<(), Error> {
        Ok(self.journal.release(&self.experiment.name, holder)?)
    }

    /// The experiment as of the last look at the journal.
    pub const fn experiment(&self) -> &Experiment {
        &self.experiment
    }

    /// Where the journal is.
    pub fn location(&self) -> String {
        self.journal.location()
    }

    /// Every record of the experiment.
    ///
    /// # Errors
    /// What the journal reports.
    pub fn records(&mut self) -> Result<Vec<Record>, Error> {
        Ok(self.journal.read(&self.experiment.name, 0)?)
    }

    /// Takes in what other processes stored since the last look.
    ///
    /// # Errors
    /// What the journal reports.
    pub fn refresh(&mut self) -> Result<(), Error> {
        for record in self.journal.read(&self.experiment.name, self.experiment.sequence)? {
            let _applied = self.experiment.apply(record.at, &record.event)?;
            self.latest = self.latest.max(record.at);
        }
        Ok(())
    }

    /// The time of the next event: the clock's, but never before that of the last event.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now().max(self.latest)
    }

    /// Stores events, all or none.
    ///
    /// # Errors
    /// If an event does not fit the experiment, or the journal does not take it: [`JournalError::Conflict`] if
    /// another process stored something first, which is taken in then. The events have no effect.
    pub fn record(&mut self, events: impl IntoIterator<Item = Event>) -> Result<(), Error> {
        let after = self.experiment.sequence;
        let at = self.now();
        let mut undo: Vec<Undo> = Vec::new();
        let mut records = Vec::new();
        for event in events {
            match self.experiment.apply(at, &event) {
                Ok(inverse) => undo.push(inverse),
                Err(error) => {
                    self.take_back(undo);
                    return Err(error.into());
                }
            }
            records.push(Record { sequence: self.experiment.sequence, at, event });
        }
        if records.is_empty() {
            return Ok(());
        }
        match self.journal.append(&self.experiment.name, after, &records) {
            Ok(()) => {
                self.latest = at;
                Ok(())
            }
            Err(error) => {
                self.take_back(undo);
                if matches!(error, JournalError::Conflict { .. }) {
                    self.refresh()?;
                }
                Err(error.into())
            }
        }
    }

    fn take_back(&mut self, undo: Vec<Undo>) {
        for inverse in undo.into_iter().rev() {
            self.experiment.undo(inverse);
        }
    }

    /// Decides on events in view of everything that is stored, and stores them; decides again whenever another
    /// process was faster.
    ///
    /// # Errors
    /// What `decide` or the journal reports. [`JournalError::Conflict`] only if the journal has nothing new to take in:
    /// then it is not the one that this experiment was read from.
    pub fn decide<T>(
        &mut self,
        mut decide: impl FnMut(&Experiment) -> Result<(Vec<Event>, T), Error>,
    ) -> Result<T, Error> {
        self.refresh()?;
        loop {
            let (events, answer) = decide(&self.experiment)?;
            let before = self.experiment.sequence;
            match self.record(events) {
                Ok(()) => return Ok(answer),
                Err(Error::Journal(JournalError::Conflict { .. }))
                    if self.experiment.sequence > before => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests;
