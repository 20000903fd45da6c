//! What is tried, what is optimized, how points are proposed, who runs and measures.

use std::sync::Arc;

use krige_core::event::{Event, MetricDefinition};
use krige_core::experiment::Experiment;
use krige_core::generation::{GenerationStrategy, StrategyOptions};
use krige_core::objective::OptimizationConfig;
use krige_core::search_space::{Parameter, SearchSpace};
use krige_runner::{IMetric, IRunner};

use super::{Client, State};
use crate::error::Error;
use crate::store::{ExperimentDefinition, ExperimentStore, NotCreated};

/// What an experiment begins with.
#[derive(Debug, Clone, PartialEq)]
pub struct ExperimentConfig {
    /// Unique within its database.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// What may be set.
    pub parameters: Vec<Parameter>,
    /// Linear inequalities between parameters, such as `lc + lp <= 4`.
    pub parameter_constraints: Vec<String>,
}

impl ExperimentConfig {
    /// An experiment without parameters; add some.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            description: None,
            parameters: Vec::new(),
            parameter_constraints: Vec::new(),
        }
    }

    /// Adds a parameter.
    #[must_use]
    pub fn parameter(mut self, parameter: Parameter) -> Self {
        self.parameters.push(parameter);
        self
    }

    /// Adds a linear inequality between parameters.
    #[must_use]
    pub fn constraint(mut self, constraint: impl Into<String>) -> Self {
        self.parameter_constraints.push(constraint.into());
        self
    }

    /// Describes the experiment for people.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }
}

impl Client {
    /// Begins the experiment.
    ///
    /// # Errors
    /// If there is one already, here or (by that name) in the database, or the search space is not one.
    pub fn configure_experiment(&mut self, config: ExperimentConfig) -> Result<(), Error> {
        if let Ok(experiment) = self.experiment() {
            return Err(Error::ExperimentConfigured { name: experiment.name.clone() });
        }
        let constraints: Vec<&str> =
            config.parameter_constraints.iter().map(String::as_str).collect();
        let search_space = SearchSpace::new(config.parameters, &constraints)?;
        let definition = ExperimentDefinition {
            name: config.name,
            description: config.description,
            search_space,
            seed: self.seed,
        };
        let State::Empty(journal) = std::mem::replace(&mut self.state, State::Moving) else {
            return Err(Error::NoExperiment);
        };
        match ExperimentStore::create_at(journal, Arc::clone(&self.clock), definition) {
            Ok(store) => {
                self.state = State::Ready(Box::new(store));
                Ok(())
            }
            Err(NotCreated { journal, error }) => {
                self.state = State::Empty(journal);
                Err(*error)
            }
        }
    }

    /// Says what to optimize: `y` is maximized, `-y` minimized, `2*a + b` a weighted sum, `a, -b` several objectives;
    /// and under which constraints: `latency <= 100`, `qps >= 0.9 * baseline`. May be called again.
    ///
    /// # Errors
    /// If a text cannot be read (the error points at the character) or the parts contradict each other.
    pub fn configure_optimization(
        &mut self,
        objective: &str,
        outcome_constraints: &[&str],
    ) -> Result<(), Error> {
        let optimization = OptimizationConfig::parse(objective, outcome_constraints)?;
        self.configure(|_| {
            Some(Event::OptimizationConfigured { optimization: optimization.clone() })
        })
    }

    /// Chooses how points are proposed, by options; without this call the default options hold.
    ///
    /// # Errors
    /// Before `configure_experiment`, or if it cannot be stored.
    pub fn configure_generation_strategy(
        &mut self,
        options: &StrategyOptions,
    ) -> Result<(), Error> {
        self.set_generation_strategy(options.strategy())
    }

    /// Chooses how points are proposed, by a strategy of one's own.
    ///
    /// # Errors
    /// Before `configure_experiment`, or if it cannot be stored.
    pub fn set_generation_strategy(&mut self, strategy: GenerationStrategy) -> Result<(), Error> {
        self.configure(|_| Some(Event::GenerationStrategyConfigured { strategy: strategy.clone() }))
    }

    /// Sets what runs trials. It is stored with the experiment; see [`IRunner`] for how to write one.
    ///
    /// # Errors
    /// Before `configure_experiment`, or if it cannot be stored.
    pub fn configure_runner(&mut self, runner: impl IRunner + 'static) -> Result<(), Error> {
        let runner: Arc<dyn IRunner> = Arc::new(runner);
        let stored = serde_json::to_value(&*runner)
            .map_err(|source| Error::NotStorable { what: "runner".into(), source })?;
        self.configure(|experiment| {
            let is_new = experiment.runner.as_ref() != Some(&stored);
            is_new.then(|| Event::RunnerConfigured { runner: stored.clone() })
        })?;
        self.runner = Some(runner);
        Ok(())
    }

    /// Sets how one metric is fetched. It is stored with the experiment; see [`IMetric`] for how to write one.
    ///
    /// # Errors
    /// Before `configure_experiment`, or if it cannot be stored.
    pub fn configure_metric(
        &mut self,
        name: impl Into<String>,
        metric: impl IMetric + 'static,
    ) -> Result<(), Error> {
        self.configure_metrics([(name, Arc::new(metric) as Arc<dyn IMetric>)])
    }

    /// Sets how metrics are fetched, replacing those of the same names.
    ///
    /// # Errors
    /// Before `configure_experiment`, or if one cannot be stored.
    pub fn configure_metrics<N: Into<String>>(
        &mut self,
        metrics: impl IntoIterator<Item = (N, Arc<dyn IMetric>)>,
    ) -> Result<(), Error> {
        let metrics: Vec<(String, Arc<dyn IMetric>)> =
            metrics.into_iter().map(|(name, metric)| (name.into(), metric)).collect();
        let mut definitions = Vec::new();
        for (name, metric) in &metrics {
            let stored = serde_json::to_value(&**metric).map_err(|source| Error::NotStorable {
                what: format!("metric `{name}`"),
                source,
            })?;
            definitions.push(MetricDefinition { name: name.clone(), fetch: Some(stored) });
        }
        self.configure(|experiment| {
            let is_new =
                |new: &&MetricDefinition| experiment.metrics.get(&new.name) != Some(&new.fetch);
            let metrics: Vec<_> = definitions.iter().filter(is_new).cloned().collect();
            (!metrics.is_empty()).then_some(Event::MetricsConfigured { metrics })
        })?;
        self.metrics.extend(metrics);
        Ok(())
    }

    /// Declares metrics that are recorded but not optimized; those that are known already stay as they are.
    ///
    /// # Errors
    /// Before `configure_experiment`, or if it cannot be stored.
    pub fn configure_tracking_metrics<N: Into<String>>(
        &mut self,
        names: impl IntoIterator<Item = N>,
    ) -> Result<(), Error> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        self.configure(|experiment| {
            let is_new = |name: &&String| !experiment.metrics.contains_key(*name);
            let new = names.iter().filter(is_new);
            let metrics: Vec<_> =
                new.map(|name| MetricDefinition { name: name.clone(), fetch: None }).collect();
            (!metrics.is_empty()).then_some(Event::MetricsConfigured { metrics })
        })
    }

    /// Stores what is new in view of all that is stored, also by others.
    fn configure(&mut self, event: impl Fn(&Experiment) -> Option<Event>) -> Result<(), Error> {
        self.store()?.decide(|experiment| Ok((event(experiment).into_iter().collect(), ())))
    }
}
