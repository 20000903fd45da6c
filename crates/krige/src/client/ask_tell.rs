//! The loop in the caller's own hands: ask for trials, tell what came of them.

use indexmap::{IndexMap, IndexSet};
use krige_core::event::Event;
use krige_core::experiment::{ApplyError, Experiment};
use krige_core::generation::StrategyOptions;
use krige_core::observation::{Observation, ObservationError};
use krige_core::trial::{Arm, Metadata, TrialEvent, TrialIndex, TrialStatus};
use krige_core::value::Parameterization;
use krige_runner::Measurement;

use super::Client;
use crate::error::Error;

/// The events of a trial that its caller runs: it runs from the moment it is handed out.
fn handed_out(experiment: &Experiment, trial: TrialIndex, added: Event) -> [Event; 3] {
    let launching = TrialEvent::Launching { run: experiment.next_run(trial) };
    let running = TrialEvent::Running { metadata: Metadata::default(), by_hand: true };
    [added, Event::Trial { trial, event: launching }, Event::Trial { trial, event: running }]
}

impl Client {
    /// Proposes up to `max_trials` trials and marks them as running; tell each with
    /// [`complete_trial`](Self::complete_trial).
    ///
    /// Fewer come back where the generation strategy must wait for data or allows no more at a time. Each proposal
    /// takes the others, and all that are under way, into account.
    ///
    /// # Errors
    /// If nothing is configured to be optimized, or not even one trial can be proposed (the error says what it waits
    /// for).
    pub fn get_next_trials(
        &mut self,
        max_trials: usize,
    ) -> Result<IndexMap<TrialIndex, Parameterization>, Error> {
        self.get_next_trials_with(max_trials, &Parameterization::default())
    }

    /// As [`get_next_trials`](Self::get_next_trials), with given values for some of the parameters.
    ///
    /// # Errors
    /// As there; also if a given value is not of the search space.
    pub fn get_next_trials_with(
        &mut self,
        max_trials: usize,
        fixed_parameters: &Parameterization,
    ) -> Result<IndexMap<TrialIndex, Parameterization>, Error> {
        self.configure_default_strategy()?;
        let mut asked = IndexMap::new();
        while asked.len() < max_trials {
            let wanted = max_trials - asked.len();
            let batch = self.store()?.decide(|experiment| {
                let strategy = experiment.strategy.as_ref().ok_or(Error::NoOptimization)?;
                let proposals = strategy.generate(experiment, wanted, fixed_parameters)?;
                let mut events = Vec::new();
                let mut batch = Vec::new();
                for (trial, (parameters, generation)) in (experiment.trials.len()..).zip(proposals)
                {
                    let name = experiment.arm_name(trial, &parameters);
                    let arm = Arm { name, parameters: parameters.clone() };
                    let added = Event::TrialGenerated { trial, arm, generation };
                    events.extend(handed_out(experiment, trial, added));
                    batch.push((trial, parameters));
                }
                Ok((events, batch))
            });
            match batch {
                Ok(batch) => asked.extend(batch),
                // What is stored is handed out; the next call meets the error again.
                Err(_) if !asked.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(asked)
    }

    /// Stores the default generation strategy, unless there is one, if there is something to optimize.
    fn configure_default_strategy(&mut self) -> Result<(), Error> {
        self.store()?.decide(|experiment| {
            if experiment.optimization.is_none() {
                return Err(Error::NoOptimization);
            }
            let events = match experiment.strategy {
                Some(_) => Vec::new(),
                None => vec![Event::GenerationStrategyConfigured {
                    strategy: StrategyOptions::default().strategy(),
                }],
            };
            Ok((events, ()))
        })
    }

    /// Adds data to a trial, whatever its status; a newer value of the same metric and progression replaces the
    /// older. Metrics that were not known are recorded and not optimized. Data of a trial that failed, was abandoned or
    /// is stale are marked as late: they are kept as evidence, replace nothing, and no model sees them.
    ///
    /// # Errors
    /// If there is no such trial, or a number is not finite.
    pub fn attach_data<N: Into<String>, M: Into<Measurement>>(
        &mut self,
        trial: TrialIndex,
        raw_data: impl IntoIterator<Item = (N, M)>,
    ) -> Result<(), Error> {
        let observations = observations(raw_data);
        let store = self.store()?;
        store.decide(|experiment| {
            // Of a trial that ended without a result it is evidence, and no model sees it.
            let late = match experiment.trial(trial)?.status() {
                TrialStatus::Failed | TrialStatus::Abandoned | TrialStatus::Stale => true,
                TrialStatus::Candidate
                | TrialStatus::Staged
                | TrialStatus::Running
                | TrialStatus::Completed
                | TrialStatus::EarlyStopped => false,
            };
            let observations = observations.clone();
            Ok((vec![Event::ObservationsAttached { trial, observations, late }], ()))
        })
    }

    /// Adds data to a running trial and completes it.
    ///
    /// A value that is NaN or infinite is no result: the trial fails, with that reason, and the model never sees it.
    ///
    /// # Errors
    /// If the trial does not run, or a metric of the optimization has no value yet.
    pub fn complete_trial<N: Into<String>, M: Into<Measurement>>(
        &mut self,
        trial: TrialIndex,
        raw_data: impl IntoIterator<Item = (N, M)>,
    ) -> Result<TrialStatus, Error> {
        let observations = observations(raw_data);
        self.store()?.decide(|experiment| completion(experiment, trial, &observations))
    }

    /// Adds a trial of one's own choice and marks it as running.
    ///
    /// # Errors
    /// If the values are not of the search space, or another arm has the name.
    pub fn attach_trial(
        &mut self,
        parameters: impl Into<Parameterization>,
        arm_name: Option<&str>,
    ) -> Result<TrialIndex, Error> {
        self.attach(&parameters.into(), arm_name, false, true)
    }

    /// Adds a trial of one's own choice that the next [`run_trials`](Self::run_trials) launches before it proposes any; the
    /// baseline of relative constraints, if `baseline`.
    ///
    /// # Errors
    /// As [`attach_trial`](Self::attach_trial) and [`attach_baseline`](Self::attach_baseline).
    pub fn queue_trial(
        &mut self,
        parameters: impl Into<Parameterization>,
        arm_name: Option<&str>,
        baseline: bool,
    ) -> Result<TrialIndex, Error> {
        let arm_name = arm_name.or(baseline.then_some("baseline"));
        self.attach(&parameters.into(), arm_name, baseline, false)
    }

    /// Adds the trial that relative constraints compare with, under the name `baseline` unless another is given.
    ///
    /// # Errors
    /// As [`attach_trial`](Self::attach_trial); also if there is a baseline already.
    pub fn attach_baseline(
        &mut self,
        parameters: impl Into<Parameterization>,
        arm_name: Option<&str>,
    ) -> Result<TrialIndex, Error> {
        self.attach(&parameters.into(), Some(arm_name.unwrap_or("baseline")), true, true)
    }

    fn attach(
        &mut self,
        parameters: &Parameterization,
        arm_name: Option<&str>,
        baseline: bool,
        by_hand: bool,
    ) -> Result<TrialIndex, Error> {
        self.store()?.decide(|experiment| {
            let parameters = experiment.search_space.cast(parameters.clone())?;
            let trial = experiment.trials.len();
            let name =
                arm_name.map_or_else(|| experiment.arm_name(trial, &parameters), ToOwned::to_owned);
            let added = Event::TrialAttached { trial, arm: Arm { name, parameters }, baseline };
            let events =
                if by_hand { handed_out(experiment, trial, added).into() } else { vec![added] };
            Ok((events, trial))
        })
    }

    /// Gives up a running trial that had no usable result; its arm may be proposed again.
    ///
    /// # Errors
    /// If the trial does not run.
    pub fn mark_trial_failed(
        &mut self,
        trial: TrialIndex,
        reason: Option<&str>,
    ) -> Result<(), Error> {
        let reason = reason.unwrap_or("no reason was given").to_owned();
        self.change(trial, TrialEvent::Failed { reason })
    }

    /// Gives up a trial for good; its arm is never proposed again.
    ///
    /// # Errors
    /// If the trial has ended.
    pub fn mark_trial_abandoned(
        &mut self,
        trial: TrialIndex,
        reason: Option<&str>,
    ) -> Result<(), Error> {
        self.change(trial, TrialEvent::Abandoned { reason: reason.map(ToOwned::to_owned) })
    }

    /// Ends a running trial early; what was observed of it counts.
    ///
    /// # Errors
    /// If the trial does not run, or has no data.
    pub fn mark_trial_early_stopped(
        &mut self,
        trial: TrialIndex,
        reason: Option<&str>,
    ) -> Result<(), Error> {
        let event = TrialEvent::EarlyStopped { reason: reason.map(ToOwned::to_owned) };
        self.store()?.decide(|experiment| {
            let known = experiment.trial(trial)?;
            // Whether it runs at all is said first.
            known.state.apply(trial, known.created_at, &event).map_err(ApplyError::from)?;
            if known.observations.is_empty() {
                return Err(Error::NothingObserved { trial });
            }
            Ok((vec![Event::Trial { trial, event: event.clone() }], ()))
        })
    }

    fn change(&mut self, trial: TrialIndex, event: TrialEvent) -> Result<(), Error> {
        self.store()?.decide(|_| Ok((vec![Event::Trial { trial, event: event.clone() }], ())))
    }
}

fn observations<N: Into<String>, M: Into<Measurement>>(
    raw_data: impl IntoIterator<Item = (N, M)>,
) -> Vec<Observation> {
    raw_data
        .into_iter()
        .map(|(metric, measurement)| {
            let Measurement { mean, sem, progression } = measurement.into();
            Observation { metric: metric.into(), mean, sem, progression }
        })
        .collect()
}

/// The events that end a trial with its observations, and the status that it ends in.
pub(crate) fn completion(
    experiment: &Experiment,
    trial: TrialIndex,
    observations: &[Observation],
) -> Result<(Vec<Event>, TrialStatus), Error> {
    let known = experiment.trial(trial)?;
    // Whether it runs at all is said first; the other checks would only confuse.
    known.state.apply(trial, known.created_at, &TrialEvent::Completed).map_err(ApplyError::from)?;
    let end = |event| Event::Trial { trial, event };

    let bad: Option<ObservationError> = observations.iter().find_map(|o| o.check().err());
    if let Some(error) = bad {
        let failed = TrialEvent::Failed { reason: error.to_string() };
        return Ok((vec![end(failed)], TrialStatus::Failed));
    }
    let has = |metric: &str| {
        observations.iter().any(|o| o.metric == metric) || known.observation(metric).is_some()
    };
    let needed = experiment.optimization.as_ref().map(|o| o.metrics()).unwrap_or_default();
    let missing: Vec<String> =
        needed.into_iter().filter(|metric| !has(metric)).map(ToOwned::to_owned).collect();
    if !missing.is_empty() {
        let given: IndexSet<String> =
            observations.iter().chain(&known.observations).map(|o| o.metric.clone()).collect();
        return Err(Error::MissingData { trial, missing, given: given.into_iter().collect() });
    }
    let mut events = Vec::new();
    if !observations.is_empty() {
        events.push(Event::ObservationsAttached {
            trial,
            observations: observations.to_vec(),
            late: false,
        });
    }
    events.push(end(TrialEvent::Completed));
    Ok((events, TrialStatus::Completed))
}
