//! Items of the queue and the history, and plans to submit.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};

use super::Result;
use super::error::ManagerError;
use super::words::words;

words! {
    /// How a plan ended.
    ExitStatus {
        /// It ran to its end.
        Completed = "completed",
        /// It raised an exception, or its environment was destroyed.
        Failed = "failed",
        /// It was paused, then aborted.
        Aborted = "aborted",
        /// It was paused, then halted.
        Halted = "halted",
        /// It was paused, then stopped: its runs count as successes, whatever they hold.
        Stopped = "stopped",
        /// The manager was restarted and does not know.
        Unknown = "unknown",
    }
}

/// How an item ended.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ItemResult {
    /// In a word.
    pub exit_status: ExitStatus,
    /// UIDs of its runs. There are none if it opened no run, nor if its environment was destroyed.
    #[serde(default, deserialize_with = "null_is_default")]
    pub run_uids: Vec<String>,
    /// The runs' numbers, which start at 1 again with each environment: they identify nothing.
    #[serde(default, deserialize_with = "null_is_default")]
    pub scan_ids: Vec<i64>,
    /// When it began, in seconds since 1970.
    pub time_start: Option<f64>,
    /// When it ended, in seconds since 1970.
    pub time_stop: Option<f64>,
    /// Why it failed; empty if it did not.
    #[serde(default, deserialize_with = "null_is_default")]
    pub msg: String,
    /// Where in the Python code it failed; empty if it did not.
    #[serde(default, deserialize_with = "null_is_default")]
    pub traceback: String,
}

/// An item of the queue or the history.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Item {
    /// `plan`, `instruction` or `function`.
    pub item_type: String,
    /// Name of the plan.
    pub name: String,
    /// Its arguments by position.
    #[serde(default, deserialize_with = "null_is_default")]
    pub args: Vec<Value>,
    /// Its arguments by name.
    #[serde(default, deserialize_with = "null_is_default")]
    pub kwargs: Map<String, Value>,
    /// What is merged into the start document of each of its runs: an object, a list of objects, or null.
    #[serde(default)]
    pub meta: Value,
    /// Who submitted it: any text.
    #[serde(default, deserialize_with = "null_is_default")]
    pub user: String,
    /// The group whose permissions it has.
    #[serde(default, deserialize_with = "null_is_default")]
    pub user_group: String,
    /// Its identity, given by the manager; another one once it was put back into the queue.
    #[serde(default, deserialize_with = "null_is_default")]
    pub item_uid: String,
    /// How it ended, if it has.
    pub result: Option<ItemResult>,
}

impl Item {
    /// Whether it is an item of the queue that was run, did not complete and was put back: it would run again.
    pub fn is_returned(&self) -> bool {
        self.result.is_some()
    }
}

/// Python's None stands for what is left out.
pub(super) fn null_is_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> std::result::Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A plan to submit.
///
/// Floats are sent as floats, also whole ones: integers would make the columns of the data integer. In parameters
/// without annotation, the manager replaces every string that is the name of a device or plan, also inside of lists and
/// maps; what must stay a string belongs in the metadata.
///
/// ```
/// use krige_bluesky::manager::PlanItem;
///
/// let plan = PlanItem::new("default_acquire")
///     .arg(&[[("motor1", 1.0), ("motor2", 2.0)]])?
///     .arg(&["motor1", "motor2"])?
///     .kwarg("sensors", &["himmel_det"])?
///     .meta("trial", &5)?;
/// # Ok::<(), krige_bluesky::manager::ManagerError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct PlanItem {
    name: String,
    args: Vec<Value>,
    kwargs: Map<String, Value>,
    meta: Map<String, Value>,
}

impl PlanItem {
    /// A plan without arguments.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), args: Vec::new(), kwargs: Map::new(), meta: Map::new() }
    }

    /// Adds an argument by position.
    ///
    /// # Errors
    /// [`InvalidItem`](ManagerError::InvalidItem) if it holds a float that is not finite (a motor would be sent there),
    /// or cannot be JSON.
    pub fn arg(mut self, value: &(impl Serialize + ?Sized)) -> Result<Self> {
        let place = format!("argument {}", self.args.len());
        self.args.push(self.sendable(&place, value)?);
        Ok(self)
    }

    /// Adds an argument by name.
    ///
    /// # Errors
    /// As [`arg`](Self::arg).
    pub fn kwarg(mut self, name: &str, value: &(impl Serialize + ?Sized)) -> Result<Self> {
        let value = self.sendable(&format!("argument `{name}`"), value)?;
        self.kwargs.insert(name.to_owned(), value);
        Ok(self)
    }

    /// Adds an entry to what is merged into the start document of each of its runs, and kept in queue and history.
    ///
    /// # Errors
    /// As [`arg`](Self::arg).
    pub fn meta(mut self, key: &str, value: &(impl Serialize + ?Sized)) -> Result<Self> {
        let value = self.sendable(&format!("metadata `{key}`"), value)?;
        self.meta.insert(key.to_owned(), value);
        Ok(self)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is sent.
    pub(super) fn to_json(&self) -> Value {
        let mut item = json!({"item_type": "plan", "name": self.name, "args": self.args, "kwargs": self.kwargs});
        if !self.meta.is_empty() {
            item["meta"] = Value::Object(self.meta.clone());
        }
        item
    }

    fn sendable(&self, place: &str, value: &(impl Serialize + ?Sized)) -> Result<Value> {
        let invalid = |what| ManagerError::InvalidItem { plan: self.name.clone(), what };
        // JSON's values have no place for what is not finite and make it null; those of msgpack do.
        let packed = rmp_serde::to_vec_named(value)
            .map_err(|error| invalid(format!("{place} cannot be sent: {error}")))?;
        let unpacked = rmpv::decode::read_value(&mut packed.as_slice())
            .map_err(|error| invalid(format!("{place} cannot be sent: {error}")))?;
        if let Some(found) = non_finite(&unpacked) {
            let what = format!("{place}: expected finite numbers, found {found}; do not submit it");
            return Err(invalid(what));
        }
        serde_json::to_value(value)
            .map_err(|error| invalid(format!("{place} cannot be sent: {error}")))
    }
}

/// The first float that is not finite.
fn non_finite(value: &rmpv::Value) -> Option<f64> {
    match value {
        rmpv::Value::F32(number) => Some(f64::from(*number)).filter(|number| !number.is_finite()),
        rmpv::Value::F64(number) => Some(*number).filter(|number| !number.is_finite()),
        rmpv::Value::Array(items) => items.iter().find_map(non_finite),
        rmpv::Value::Map(fields) => {
            fields.iter().find_map(|(key, value)| non_finite(key).or_else(|| non_finite(value)))
        }
        rmpv::Value::Nil
        | rmpv::Value::Boolean(_)
        | rmpv::Value::Integer(_)
        | rmpv::Value::String(_)
        | rmpv::Value::Binary(_)
        | rmpv::Value::Ext(..) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// As the recorded request has it, which the manager's own client sent.
    #[test]
    fn a_plan_is_sent_as_bluesky_does() {
        let point = |id: i64, x: f64, y: f64| json!({"_id": id, "motor1": x, "motor2": y});
        let plan = PlanItem::new("default_acquire")
            .arg(&[point(0, 3.0, 2.0), point(1, 0.0, 0.0)])
            .unwrap()
            .arg(&["motor1", "motor2"])
            .unwrap()
            .arg(&["himmel_det"])
            .unwrap()
            .meta("correlation_uid", "fixture")
            .unwrap();
        let recorded: Value =
            serde_json::from_str(include_str!("../../tests/recorded/queue_item_add.request.json"))
                .unwrap();
        assert_eq!(plan.to_json(), recorded["params"]["item"]);
        assert!(plan.to_json().to_string().contains(r#""motor1":3.0"#));
    }

    #[test]
    fn what_is_not_finite_is_refused_wherever_it_is() {
        let plan = || PlanItem::new("p").arg(&1.0).unwrap();
        let deep = BTreeMap::from([("motor1", vec![0.0, f64::NAN])]);
        for (error, place) in [
            (plan().arg(&f64::INFINITY), "argument 1: expected finite numbers, found inf"),
            (plan().arg(&[deep]), "argument 1: expected finite numbers, found NaN"),
            (plan().kwarg("x", &f32::NEG_INFINITY), "argument `x`: expected finite numbers"),
            (plan().meta("x", &Some(f64::NAN)), "metadata `x`: expected finite numbers"),
        ] {
            let error = error.unwrap_err();
            assert!(matches!(error, ManagerError::InvalidItem { .. }));
            assert!(error.to_string().starts_with(&format!("plan `p`: {place}")), "{error}");
            assert!(!error.is_transient());
        }
    }

    #[test]
    fn nulls_of_optional_fields_are_what_is_left_out() {
        let item: Item = serde_json::from_value(json!({
            "item_type": "instruction", "name": "queue_stop", "args": null, "kwargs": null, "user": null,
            "result": {"exit_status": "vanished", "run_uids": null, "scan_ids": null, "msg": null,
                       "traceback": null, "time_start": null},
        }))
        .unwrap();
        assert!(item.args.is_empty() && item.is_returned());
        let result = item.result.unwrap();
        assert_eq!(result.exit_status, ExitStatus::Other("vanished".to_owned()));
        assert_eq!(result.time_stop, None);
    }

    proptest! {
        /// 3.0 must not become 3, over neither encoding.
        #[test]
        fn floats_stay_floats(number in any::<f64>().prop_filter("finite", |n| n.is_finite())) {
            for number in [number, number.round()] {
                let plan = PlanItem::new("p").arg(&number).unwrap().to_json();
                let json: Value = serde_json::from_str(&plan.to_string()).unwrap();
                let packed = rmp_serde::to_vec_named(&plan).unwrap();
                let msgpack: Value = rmp_serde::from_slice(&packed).unwrap();
                for back in [json, msgpack] {
                    prop_assert!(back["args"][0].is_f64());
                    prop_assert_eq!(&back, &plan);
                }
            }
        }
    }
}
