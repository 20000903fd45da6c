//! What a line says.

use anyhow::{Context, Result, bail};
use krige::prelude::*;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// A request; keys that are not known are ignored.
#[derive(Debug)]
pub(super) enum Request {
    Init(Init),
    Ask { n: usize, fixed: Parameterization },
    Tell { id: TrialIndex, values: Map<String, Value> },
    Attach { params: Parameterization, values: Map<String, Value> },
    Recommend,
    Bye,
}

/// Begins a problem.
#[derive(Debug, Deserialize)]
pub(super) struct Init {
    pub(super) spec: Spec,
    #[serde(default)]
    pub(super) seed: u64,
    /// How many trials will be asked for, where that is known.
    #[serde(default)]
    pub(super) budget: Option<usize>,
    /// What proposes the points after the first ones.
    #[serde(default)]
    pub(super) method: GenerationMethod,
}

/// What is tried, what is optimized.
#[derive(Debug, Deserialize)]
pub(super) struct Spec {
    #[serde(default = "unnamed")]
    pub(super) name: String,
    pub(super) params: Vec<Param>,
    /// Linear inequalities between parameters.
    #[serde(default)]
    pub(super) parameter_constraints: Vec<String>,
    pub(super) objectives: Vec<ObjectiveSpec>,
    #[serde(default)]
    pub(super) constraints: Vec<ConstraintSpec>,
    #[serde(default)]
    pub(super) noisy: bool,
    /// The worst value of each objective that is still of interest.
    #[serde(default)]
    pub(super) reference_point: Option<Vec<f64>>,
}

fn unnamed() -> String {
    "unnamed".into()
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Param {
    Float {
        name: String,
        lo: f64,
        hi: f64,
        #[serde(default)]
        log: bool,
        #[serde(default)]
        step: Option<f64>,
        #[serde(default)]
        digits: Option<u32>,
    },
    Int {
        name: String,
        lo: i64,
        hi: i64,
        #[serde(default)]
        log: bool,
        #[serde(default)]
        step: Option<f64>,
    },
    Cat {
        name: String,
        values: Vec<Value>,
        #[serde(default)]
        ordered: bool,
    },
}

#[derive(Debug, Deserialize)]
pub(super) struct ObjectiveSpec {
    pub(super) name: String,
    #[serde(default)]
    pub(super) minimize: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct ConstraintSpec {
    pub(super) name: String,
    pub(super) op: String,
    pub(super) bound: f64,
}

impl Request {
    pub(super) fn parse(line: &[u8]) -> Result<Self> {
        let value: Value =
            serde_json::from_slice(line).context("expected a JSON object on one line")?;
        let Value::Object(mut object) = value else {
            bail!("expected a JSON object, found {value}");
        };
        let Some(Value::String(command)) = object.remove("cmd") else {
            bail!("expected \"cmd\": one of init, ask, tell, attach, recommend, bye");
        };
        Ok(match command.as_str() {
            "init" => {
                let init = serde_json::from_value(Value::Object(object));
                Self::Init(init.context("init: expected \"spec\" with params and objectives")?)
            }
            "ask" => Self::Ask {
                n: optional(&mut object, "n")?.unwrap_or(1),
                fixed: optional(&mut object, "fixed_parameters")?.unwrap_or_default(),
            },
            "tell" => Self::Tell {
                id: required(&mut object, "id")?,
                values: required(&mut object, "values")?,
            },
            "attach" => Self::Attach {
                params: required(&mut object, "params")?,
                values: required(&mut object, "values")?,
            },
            "recommend" => Self::Recommend,
            "bye" => Self::Bye,
            other => bail!(
                "unknown command {other:?}: expected init, ask, tell, attach, recommend or bye"
            ),
        })
    }
}

fn required<T: DeserializeOwned>(object: &mut Map<String, Value>, key: &str) -> Result<T> {
    optional(object, key)?.with_context(|| format!("expected {key:?} beside \"cmd\""))
}

fn optional<T: DeserializeOwned>(object: &mut Map<String, Value>, key: &str) -> Result<Option<T>> {
    match object.remove(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let found = value.to_string();
            let parsed = serde_json::from_value(value);
            parsed.map(Some).with_context(|| format!("{key:?} cannot be {found}"))
        }
    }
}
