//! When trials are stopped before their end, and when the experiment is.

use krige_core::event::Event;
use krige_core::stopping::{EarlyStopping, GlobalStopping};
use krige_core::trial::TrialIndex;

use super::Client;
use crate::error::Error;

impl Client {
    /// Sets the rule by which running trials are stopped early; `None` removes it. It is stored with the experiment.
    ///
    /// Try it on the trials of the past first, by [`EarlyStopping::replay`].
    ///
    /// # Errors
    /// Before `configure_experiment`, or if the rule makes no sense for the experiment: what it compares must be
    /// configured before it.
    pub fn set_early_stopping_strategy(
        &mut self,
        strategy: Option<EarlyStopping>,
    ) -> Result<(), Error> {
        self.store()?.decide(|experiment| {
            strategy.iter().try_for_each(|rule| rule.check(experiment))?;
            let is_new = experiment.early_stopping != strategy;
            let (early, global) = (strategy.clone(), experiment.global_stopping.clone());
            let event = is_new.then_some(Event::StoppingConfigured { early, global });
            Ok((event.into_iter().collect(), ()))
        })
    }

    /// Sets the rule by which the experiment ends; `None` removes it. It is stored with the experiment.
    ///
    /// # Errors
    /// As [`set_early_stopping_strategy`](Self::set_early_stopping_strategy).
    pub fn set_global_stopping_strategy(
        &mut self,
        strategy: Option<GlobalStopping>,
    ) -> Result<(), Error> {
        self.store()?.decide(|experiment| {
            strategy.iter().try_for_each(|rule| rule.check(experiment))?;
            let is_new = experiment.global_stopping != strategy;
            let (early, global) = (experiment.early_stopping.clone(), strategy.clone());
            let event = is_new.then_some(Event::StoppingConfigured { early, global });
            Ok((event.into_iter().collect(), ()))
        })
    }

    /// Whether a running trial should be stopped early, and why, by the values that were attached to it with their
    /// progressions; `None` if it should go on or does not run. Nothing is changed: stop it, and tell it with
    /// [`mark_trial_early_stopped`](Self::mark_trial_early_stopped).
    ///
    /// Where no rule is set, [`EarlyStopping::default`] holds.
    ///
    /// # Errors
    /// If there is no such trial, or it is not known what to compare.
    pub fn should_stop_trial_early(&self, trial: TrialIndex) -> Result<Option<String>, Error> {
        let experiment = self.experiment()?;
        experiment.trial(trial)?;
        let rule = experiment.early_stopping.clone().unwrap_or_default();
        rule.check(experiment)?;
        Ok(rule.verdict(experiment, trial))
    }

    /// Why the experiment should end now; `None` if it should go on, or no rule is set.
    ///
    /// # Errors
    /// Before `configure_experiment`, or if the objective was changed to one for which the rule makes no sense.
    pub fn global_stopping_reason(&self) -> Result<Option<String>, Error> {
        let experiment = self.experiment()?;
        let Some(rule) = &experiment.global_stopping else { return Ok(None) };
        rule.check(experiment)?;
        Ok(rule.verdict(experiment, self.clock.now()))
    }
}
