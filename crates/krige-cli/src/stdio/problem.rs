//! One problem: a client whose experiment is kept in memory.

use std::mem::take;

use anyhow::{Context, Result, bail, ensure};
use krige::prelude::*;
use krige_core::expression::quote;
use krige_core::trial::TrialIndex;
use serde_json::{Map, Value, json};

use super::request::{Init, Param, Spec};

/// A problem under way.
#[derive(Debug)]
pub(super) struct Problem {
    client: Client,
    /// Trials of a request that asked for more than there are: the next ones that are given out.
    held: Vec<(TrialIndex, Parameterization)>,
}

impl Problem {
    pub(super) fn new(init: &Init) -> Result<Self> {
        let Init { spec, seed, budget, method } = init;
        let mut client = Client::in_memory().with_seed(*seed);
        let mut config = ExperimentConfig::new(&spec.name);
        for param in &spec.params {
            config = config.parameter(parameter(param)?);
        }
        config.parameter_constraints.clone_from(&spec.parameter_constraints);
        client.configure_experiment(config)?;

        let (objective, constraints) = optimization(spec)?;
        let constraints: Vec<&str> = constraints.iter().map(String::as_str).collect();
        client.configure_optimization(&objective, &constraints)?;
        client.configure_generation_strategy(&StrategyOptions {
            noise: if spec.noisy { Noise::Noisy } else { Noise::Unknown },
            budget: *budget,
            method: *method,
            // Exactly as many trials are given as are asked for.
            allow_exceeding_initialization_budget: true,
            ..StrategyOptions::default()
        })?;
        Ok(Self { client, held: Vec::new() })
    }

    pub(super) fn ask(&mut self, n: usize, fixed: &Parameterization) -> Result<Value> {
        ensure!(n > 0, "\"n\" cannot be 0: ask for at least one trial");
        let fits = |(_, params): &(TrialIndex, Parameterization)| {
            fixed.iter().all(|(name, value)| params.get(name) == Some(value))
        };
        let (mut given, others): (Vec<_>, Vec<_>) = self.held.drain(..).partition(fits);
        let mut refused = None;
        while given.len() < n && refused.is_none() {
            match self.client.get_next_trials_with(n - given.len(), fixed) {
                Ok(more) => given.extend(more),
                Err(error) => refused = Some(error),
            }
        }
        self.held = if refused.is_some() { take(&mut given) } else { given.split_off(n) };
        self.held.extend(others);
        if let Some(error) = refused {
            return Err(error.into());
        }
        let trial = |(id, params)| json!({ "id": id, "params": params });
        Ok(json!({ "trials": given.into_iter().map(trial).collect::<Vec<Value>>() }))
    }

    pub(super) fn tell(&mut self, id: TrialIndex, values: &Map<String, Value>) -> Result<Value> {
        if values.values().any(Value::is_null) {
            self.client.mark_trial_failed(id, Some("it was told without a value"))?;
        } else {
            self.client.complete_trial(id, measurements(values)?)?;
        }
        // Somebody may have guessed its number.
        self.held.retain(|(held, _)| *held != id);
        Ok(json!({ "ok": true }))
    }

    pub(super) fn attach(
        &mut self,
        params: Parameterization,
        values: &Map<String, Value>,
    ) -> Result<Value> {
        // Everything is checked before the trial is added: a request that is refused leaves nothing behind.
        let measurements = measurements(values)?;
        let optimization = self.client.experiment()?.optimization.as_ref();
        for needed in optimization.map(|optimization| optimization.metrics()).unwrap_or_default() {
            let value = measurements.iter().find(|(name, _)| name == needed);
            ensure!(
                value.is_some_and(|(_, measurement)| measurement.mean.is_finite()),
                "\"values\": expected a number for {needed:?}; what gave none need not be attached"
            );
        }
        let id = self.client.attach_trial(params, None)?;
        self.client.complete_trial(id, measurements)?;
        Ok(json!({ "ok": true, "id": id }))
    }

    /// The best point; null where there is none, or several objectives.
    pub(super) fn recommend(&self) -> Value {
        let best = self.client.get_best_parameterization(true);
        json!({ "params": best.ok().map(|best| best.parameters) })
    }
}

fn measurements(values: &Map<String, Value>) -> Result<Vec<(String, Measurement)>> {
    let measurement = |(name, value): (&String, &Value)| {
        let read = Measurement::try_from(value);
        Ok((name.clone(), read.with_context(|| format!("\"values\": {name:?}"))?))
    };
    values.iter().map(measurement).collect()
}

fn stepped(range: Parameter, log: bool, step: Option<f64>) -> Parameter {
    let range = if log { range.log() } else { range };
    step.into_iter().fold(range, Parameter::step)
}

fn parameter(param: &Param) -> Result<Parameter> {
    Ok(match param {
        Param::Float { name, lo, hi, log, step, digits } => {
            let range = stepped(Parameter::float(name, *lo, *hi), *log, *step);
            digits.iter().fold(range, |range, digits| range.digits(*digits))
        }
        Param::Int { name, lo, hi, log, step } => {
            stepped(Parameter::int(name, *lo, *hi), *log, *step)
        }
        Param::Cat { name, values, ordered } => {
            let values: Vec<ParameterValue> = values
                .iter()
                .map(|value| serde_json::from_value(value.clone()))
                .collect::<Result<_, _>>()
                .with_context(|| format!("parameter {name:?}: values"))?;
            let choice = Parameter::choice(name, values);
            if *ordered { choice.ordered() } else { choice.unordered() }
        }
    })
}

/// The objective and the outcome constraints as text.
fn optimization(spec: &Spec) -> Result<(String, Vec<String>)> {
    let objectives: Vec<String> = spec
        .objectives
        .iter()
        .map(|objective| {
            let sign = if objective.minimize { "-" } else { "" };
            format!("{sign}{}", quote(&objective.name))
        })
        .collect();
    let mut constraints = Vec::new();
    for constraint in &spec.constraints {
        let (name, op) = (&constraint.name, constraint.op.as_str());
        if !["<=", ">="].contains(&op) {
            bail!("constraint on {name:?}: expected \"op\" to be \"<=\" or \">=\", found {op:?}");
        }
        constraints.push(format!("{} {op} {:?}", quote(name), constraint.bound));
    }
    if let Some(point) = &spec.reference_point {
        let (expected, found) = (objectives.len(), point.len());
        ensure!(
            expected > 1 && found == expected,
            "\"reference_point\": expected one number for each of several objectives, found {found} \
             for {expected}"
        );
        for (objective, bound) in spec.objectives.iter().zip(point) {
            let op = if objective.minimize { "<=" } else { ">=" };
            constraints.push(format!("{} {op} {bound:?}", quote(&objective.name)));
        }
    }
    Ok((objectives.join(", "), constraints))
}
