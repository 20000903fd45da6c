//! Asking for something while trials run, from this process or from any other: through the journal.

use krige_core::control::Control;
use krige_core::event::Event;
use krige_core::trial::TrialIndex;

use super::Client;
use crate::error::Error;
use crate::health::{Finding, findings, waiting_for};
use crate::orchestrator::{OrchestratorOptions, RunReport};

impl Client {
    /// Asks whoever runs the trials for something; it is taken in at the next turn of the loop, also in another
    /// process.
    ///
    /// # Errors
    /// If the parallelism is 0, or the journal fails.
    pub fn control(&mut self, control: Control) -> Result<(), Error> {
        if control == (Control::Parallelism { trials: 0 }) {
            let (option, expected) = ("parallelism", "at least 1; pause the run to start nothing");
            return Err(Error::Option { option, expected, found: "0".into() });
        }
        let store = self.store()?;
        store.decide(|_| Ok((vec![Event::Controlled { control: control.clone() }], ())))
    }

    /// Adds a note to a trial or, without one, to the experiment.
    ///
    /// # Errors
    /// If there is no such trial, or the journal fails.
    pub fn add_note(
        &mut self,
        trial: Option<TrialIndex>,
        text: impl Into<String>,
    ) -> Result<(), Error> {
        let text = text.into();
        let store = self.store()?;
        store.decide(|_| Ok((vec![Event::NoteAdded { trial, text: text.clone() }], ())))
    }

    /// What is wrong with the experiment that a person should look at, and what to do about it.
    ///
    /// # Errors
    /// If there is no experiment, or the journal cannot be read.
    pub fn health(&mut self) -> Result<Vec<Finding>, Error> {
        let store = self.store()?;
        store.refresh()?;
        Ok(findings(store.experiment(), store.now()))
    }

    /// What the experiment waits for, and since when; `None` while nothing is under way.
    ///
    /// # Errors
    /// If there is no experiment, or the journal cannot be read.
    pub fn waiting_for(&mut self) -> Result<Option<String>, Error> {
        let store = self.store()?;
        store.refresh()?;
        Ok(waiting_for(store.experiment(), store.now()))
    }

    /// Goes on as the last run did, with the options, the runner and the metrics that the experiment remembers.
    ///
    /// # Errors
    /// If there was no run, or as [`run_trials`](Self::run_trials).
    pub fn resume_trials(&mut self) -> Result<RunReport, Error> {
        self.store()?.refresh()?;
        let options = OrchestratorOptions::from_stored(self.experiment()?)?;
        self.run_trials(options)
    }
}
