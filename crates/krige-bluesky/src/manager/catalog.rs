//! The plans and devices that a user group may use.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::item::null_is_default;
use super::method::Method;
use super::{ReManager, Result};

/// A plan.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Plan {
    /// What its author says.
    #[serde(default, deserialize_with = "null_is_default")]
    pub description: String,
    /// The Python module that it is of.
    #[serde(default, deserialize_with = "null_is_default")]
    pub module: String,
    /// Its parameters, in their order.
    #[serde(default, deserialize_with = "null_is_default")]
    pub parameters: Vec<PlanParameter>,
}

/// A parameter of a plan.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct PlanParameter {
    /// Its name.
    pub name: String,
    /// How it is given.
    pub kind: ParameterKind,
    /// What it stands for when it is not given, as Python code; `None` if it must be given.
    pub default: Option<String>,
    /// Its type, as Python code; arguments of a parameter without one are not checked.
    pub annotation: Option<Annotation>,
    /// What its author says.
    #[serde(default, deserialize_with = "null_is_default")]
    pub description: String,
    /// Lower bound of numbers, as Python code.
    #[serde(default)]
    pub min: Option<Value>,
    /// Upper bound of numbers, as Python code.
    #[serde(default)]
    pub max: Option<Value>,
}

/// How a parameter is given: by position, by name or both.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ParameterKind {
    /// Name in Python's `inspect.Parameter`, such as `POSITIONAL_OR_KEYWORD` or `KEYWORD_ONLY`.
    pub name: String,
}

/// The type of a parameter.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Annotation {
    /// As Python code.
    #[serde(rename = "type")]
    pub type_name: String,
}

/// A device or a component of one.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Device {
    /// Name of its Python class.
    #[serde(default, deserialize_with = "null_is_default")]
    pub classname: String,
    /// The Python module of that.
    #[serde(default, deserialize_with = "null_is_default")]
    pub module: String,
    /// Whether it gives values.
    #[serde(default)]
    pub is_readable: bool,
    /// Whether it can be set.
    #[serde(default)]
    pub is_movable: bool,
    /// Whether it gives values by itself while a scan is under way.
    #[serde(default)]
    pub is_flyable: bool,
    /// Its components by name.
    #[serde(default, deserialize_with = "null_is_default")]
    pub components: BTreeMap<String, Device>,
}

impl ReManager {
    /// The plans that the client's user group may run, by name.
    ///
    /// # Errors
    /// See [`ManagerError`](super::ManagerError). A group that does not exist is
    /// [`RefusalKind::UnknownGroup`](super::RefusalKind::UnknownGroup).
    pub fn plans_allowed(&self) -> Result<BTreeMap<String, Plan>> {
        self.field(Method::PlansAllowed, json!({"user_group": self.user_group}), "plans_allowed")
    }

    /// The devices that the client's user group may name, by the names of their Python variables. The columns of data
    /// bear the devices' own names, which may be others.
    ///
    /// # Errors
    /// As for [`plans_allowed`](Self::plans_allowed).
    pub fn devices_allowed(&self) -> Result<BTreeMap<String, Device>> {
        self.field(
            Method::DevicesAllowed,
            json!({"user_group": self.user_group}),
            "devices_allowed",
        )
    }
}

#[cfg(test)]
mod tests {
    use crate::manager::scripted::{recorded, scripted};

    #[test]
    fn recorded_plans_and_devices_are_read() {
        let manager =
            scripted(&[recorded!("plans_allowed.json"), recorded!("devices_allowed.json")]);
        let plans = manager.plans_allowed().unwrap();
        assert_eq!(plans.len(), 10);
        let acquire = &plans["default_acquire"].parameters;
        let names: Vec<_> = acquire.iter().map(|parameter| &*parameter.name).collect();
        assert_eq!(names, ["suggestions", "actuators", "sensors", "md"]);
        assert_eq!(acquire[0].default, None);
        assert_eq!(acquire[3].default.as_deref(), Some("None"));
        assert_eq!(acquire[3].annotation, None);
        let num = &plans["count"].parameters[1];
        assert_eq!(num.annotation.as_ref().unwrap().type_name, "int | None");
        assert_eq!(num.kind.name, "POSITIONAL_OR_KEYWORD");
        let devices = manager.devices_allowed().unwrap();
        assert!(devices["motor1"].is_movable && devices["himmel_det"].is_readable);
        assert_eq!(devices["bounded"].classname, "BoundedAxis");
        assert_eq!(devices["bounded"].components["velocity"].module, "ophyd.signal");
    }
}
