//! An experiment on the bench: tests drive it from proposal to result, and every event is kept.

use crate::Timestamp;
use crate::event::{Event, Record};
use crate::experiment::Experiment;
use crate::generation::{GenerationError, GenerationStrategy};
use crate::objective::OptimizationConfig;
use crate::observation::Observation;
use crate::search_space::SearchSpace;
use crate::trial::{Arm, Generation, Metadata, TrialEvent, TrialIndex, TrialRun, TrialState};
use crate::value::Parameterization;

/// An experiment and the records that made it.
#[derive(Debug, Clone)]
pub(crate) struct Lab {
    pub(crate) experiment: Experiment,
    pub(crate) records: Vec<Record>,
}

impl Lab {
    pub(crate) fn new(search_space: SearchSpace) -> Self {
        Self::seeded(7, search_space)
    }

    pub(crate) fn seeded(seed: u64, search_space: SearchSpace) -> Self {
        let (id, name) = ("e".to_owned(), "lab".to_owned());
        let event = Event::ExperimentCreated { id, name, description: None, seed, search_space };
        let experiment = Experiment::create(&event).unwrap();
        let at = Timestamp::UNIX_EPOCH;
        Self { experiment, records: vec![Record { sequence: 1, at, event }] }
    }

    pub(crate) fn optimize(mut self, objective: &str, constraints: &[&str]) -> Self {
        let optimization = OptimizationConfig::parse(objective, constraints).unwrap();
        self.push(Event::OptimizationConfigured { optimization });
        self
    }

    pub(crate) fn with(mut self, strategy: GenerationStrategy) -> Self {
        self.push(Event::GenerationStrategyConfigured { strategy });
        self
    }

    #[track_caller]
    pub(crate) fn push(&mut self, event: Event) {
        let sequence = self.experiment.sequence + 1;
        let at = Timestamp::from_second(sequence.try_into().unwrap()).unwrap();
        let _undo = self.experiment.apply(at, &event).unwrap();
        self.records.push(Record { sequence, at, event });
    }

    /// Asks until there are so many proposals or no more can be had; the error only if there is none.
    pub(crate) fn ask(&mut self, count: usize) -> Result<Vec<TrialIndex>, GenerationError> {
        self.ask_with(count, &Parameterization::default())
    }

    pub(crate) fn ask_with(
        &mut self,
        count: usize,
        fixed: &Parameterization,
    ) -> Result<Vec<TrialIndex>, GenerationError> {
        let mut asked = Vec::new();
        while asked.len() < count {
            let strategy = self.experiment.strategy.clone().unwrap();
            match strategy.generate(&self.experiment, count - asked.len(), fixed) {
                Ok(proposals) => {
                    assert!((1..=count - asked.len()).contains(&proposals.len()));
                    for (parameters, generation) in proposals {
                        let trial = self.experiment.trials.len();
                        let name = self.experiment.arm_name(trial, &parameters);
                        let arm = Arm { name, parameters };
                        self.push(Event::TrialGenerated { trial, arm, generation });
                        asked.push(trial);
                    }
                }
                Err(error) if asked.is_empty() => return Err(error),
                Err(_) => break,
            }
        }
        Ok(asked)
    }

    pub(crate) fn attach(&mut self, parameters: impl Into<Parameterization>) -> TrialIndex {
        self.attach_arm(parameters, None, false)
    }

    pub(crate) fn attach_arm(
        &mut self,
        parameters: impl Into<Parameterization>,
        name: Option<&str>,
        baseline: bool,
    ) -> TrialIndex {
        let (trial, parameters) = (self.experiment.trials.len(), parameters.into());
        let name = match name {
            Some(name) => name.to_owned(),
            None => self.experiment.arm_name(trial, &parameters),
        };
        self.push(Event::TrialAttached { trial, arm: Arm { name, parameters }, baseline });
        trial
    }

    pub(crate) fn start(&mut self, trial: TrialIndex) {
        if self.experiment.trials[trial].state == TrialState::Candidate {
            let run = TrialRun::new(&self.experiment.id, trial, 1);
            self.change(trial, TrialEvent::Launching { run });
            self.change(
                trial,
                TrialEvent::Running { metadata: Metadata::default(), by_hand: false },
            );
        }
    }

    pub(crate) fn change(&mut self, trial: TrialIndex, event: TrialEvent) {
        self.push(Event::Trial { trial, event });
    }

    pub(crate) fn observe(&mut self, trial: TrialIndex, values: &[(&str, f64)]) {
        let observations =
            values.iter().map(|&(name, mean)| Observation::new(name, mean)).collect();
        self.push(Event::ObservationsAttached { trial, observations, late: false });
    }

    pub(crate) fn complete(&mut self, trial: TrialIndex, values: &[(&str, f64)]) {
        self.start(trial);
        self.observe(trial, values);
        self.change(trial, TrialEvent::Completed);
    }

    pub(crate) fn fail(&mut self, trial: TrialIndex) {
        self.start(trial);
        self.change(trial, TrialEvent::Failed { reason: "broken".into() });
    }

    pub(crate) fn abandon(&mut self, trial: TrialIndex) {
        self.change(trial, TrialEvent::Abandoned { reason: None });
    }

    pub(crate) fn parameters(&self, trial: TrialIndex) -> &Parameterization {
        &self.experiment.trials[trial].arm.parameters
    }

    pub(crate) fn float(&self, trial: TrialIndex, name: &str) -> f64 {
        self.parameters(trial).float(name).unwrap()
    }

    pub(crate) fn generation(&self, trial: TrialIndex) -> &Generation {
        self.experiment.trials[trial].generation().unwrap()
    }

    /// The nodes of all trials, in order.
    pub(crate) fn nodes(&self) -> Vec<&str> {
        self.experiment.trials.iter().map(crate::trial::Trial::node).collect()
    }

    /// The same experiment after its process died: from the stored text of its records.
    pub(crate) fn resumed(&self) -> Self {
        let text = serde_json::to_string(&self.records).unwrap();
        let records: Vec<Record> = serde_json::from_str(&text).unwrap();
        Self { experiment: Experiment::replay(&records).unwrap(), records }
    }

    /// Whether no two trials have the same parameters, and all are points of the search space.
    #[track_caller]
    pub(crate) fn check_arms(&self) {
        for (i, trial) in self.experiment.trials.iter().enumerate() {
            let parameters = &trial.arm.parameters;
            self.experiment.search_space.validate(parameters).unwrap();
            assert_eq!(
                self.experiment.search_space.cast(parameters.clone()).as_ref(),
                Ok(parameters),
                "trial {i} has values in other types than the space's"
            );
            for other in &self.experiment.trials[..i] {
                assert_ne!(&other.arm.parameters, parameters, "trials {} and {i}", other.index);
            }
        }
    }
}
