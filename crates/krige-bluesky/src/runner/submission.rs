//! What is submitted for some trials: one item of the queue.

use std::collections::BTreeSet;

use krige_core::trial::{Metadata, TrialRun};
use krige_core::value::{ParameterValue, Parameterization};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::manager::{Item, ManagerError, PlanItem};
use crate::metadata::{CORRELATION, ITEM_UID, KEYS, POINT_ID, POINTS};

/// A device that a parameter moves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Actuator {
    /// The parameter.
    pub parameter: String,
    /// The device: the name of its variable in the manager's environment, as `devices_allowed` has it.
    pub device: String,
    /// The device's own name, under which the plan looks its value up: `device.name` in Python, which is also the key of
    /// its readings. Usually it is that of the variable.
    pub name: String,
}

impl Actuator {
    /// A parameter that has the name of its device.
    pub fn new(device: impl Into<String>) -> Self {
        let device = device.into();
        Self { parameter: device.clone(), name: device.clone(), device }
    }

    /// A parameter that moves a device of another name.
    pub fn of(parameter: impl Into<String>, device: impl Into<String>) -> Self {
        let device = device.into();
        Self { parameter: parameter.into(), name: device.clone(), device }
    }

    /// Says the device's own name, where it is not that of its variable.
    #[must_use]
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self }
    }
}

/// A plan as it is called for trials.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) plan: &'a str,
    pub(super) actuators: &'a [Actuator],
    pub(super) sensors: &'a [String],
    pub(super) kwargs: &'a Map<String, Value>,
    pub(super) meta: &'a Map<String, Value>,
}

/// Why there is no item for a trial.
#[derive(Debug, thiserror::Error)]
pub(super) enum SubmissionError {
    #[error("the trial has no value for parameter `{0}`, which an actuator of the runner names")]
    NoValue(String),
    #[error("parameter `{0}`: {1}")]
    NotFinite(String, serde_json::Error),
    #[error(transparent)]
    Item(#[from] ManagerError),
    #[error(
        "parameter `{parameter}` has the value `{value}`, which is the name of a device or a plan: the RE Manager would \
         replace it by the device; choose another word"
    )]
    NameOfDevice { parameter: String, value: String },
}

impl Call<'_> {
    /// The item for some trials, each of which is a point of it. `names` are those of devices and plans.
    pub(super) fn item(
        &self,
        runs: &[(TrialRun, Parameterization)],
        names: &BTreeSet<String>,
    ) -> Result<PlanItem, SubmissionError> {
        let points: Result<Vec<Value>, _> =
            runs.iter().map(|(run, parameters)| self.point(run, parameters, names)).collect();
        let devices: Vec<&str> = self.actuators.iter().map(|a| a.device.as_str()).collect();
        let mut item = PlanItem::new(self.plan).arg(&points?)?.arg(&devices)?.arg(self.sensors)?;
        for (name, value) in self.kwargs {
            item = item.kwarg(name, value)?;
        }
        for (name, value) in self.meta {
            item = item.meta(name, value)?;
        }
        let keys: Vec<&str> = runs.iter().map(|(run, _)| run.key.as_str()).collect();
        Ok(item.meta(CORRELATION, keys[0])?.meta(KEYS, &keys)?)
    }

    fn point(
        &self,
        run: &TrialRun,
        parameters: &Parameterization,
        names: &BTreeSet<String>,
    ) -> Result<Value, SubmissionError> {
        let mut point = Map::from_iter([("_id".to_owned(), json!(run.trial_index))]);
        for Actuator { parameter, name, .. } in self.actuators {
            let value = parameters
                .get(parameter)
                .ok_or_else(|| SubmissionError::NoValue(parameter.clone()))?;
            if let ParameterValue::String(text) = value
                && names.contains(text)
            {
                let (parameter, value) = (parameter.clone(), text.clone());
                return Err(SubmissionError::NameOfDevice { parameter, value });
            }
            let value = serde_json::to_value(value)
                .map_err(|error| SubmissionError::NotFinite(parameter.clone(), error))?;
            point.insert(name.clone(), value);
        }
        Ok(Value::Object(point))
    }
}

/// What is kept of a trial whose item was accepted.
pub(super) fn metadata(item: &Item, run: &TrialRun) -> Metadata {
    let keys = item.meta.get(KEYS).and_then(Value::as_array);
    let key = item.meta.get(CORRELATION).and_then(Value::as_str).unwrap_or(&run.key);
    Metadata::of(ITEM_UID, item.item_uid.as_str())
        .with(CORRELATION, key)
        .with(POINT_ID, run.trial_index)
        .with(POINTS, keys.map_or(1, Vec::len))
}

/// Whether an item was submitted for a run.
pub(super) fn is_of(item: &Item, key: &str) -> bool {
    let keys = item.meta.get(KEYS).and_then(Value::as_array);
    keys.is_some_and(|keys| keys.iter().any(|known| known == key))
}

/// Whether an item was submitted by krige, for whatever experiment.
pub(super) fn is_submitted(item: &Item) -> bool {
    item.meta.get(KEYS).is_some()
}

/// Whether an item was submitted for the experiment of a run.
pub(super) fn is_of_experiment(item: &Item, key: &str) -> bool {
    let experiment = |key: &str| {
        let mut parts = key.rsplitn(3, '-');
        parts.nth(2).map(ToOwned::to_owned)
    };
    let theirs = item.meta.get(CORRELATION).and_then(Value::as_str).and_then(experiment);
    theirs.is_some() && theirs == experiment(key)
}

#[cfg(test)]
mod tests;
