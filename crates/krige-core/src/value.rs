//! Values of parameters: what an arm assigns to each name, in natural units.

#[cfg(test)]
mod tests;

use std::fmt;

use indexmap::IndexMap;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// The type of a [`ParameterValue`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ParameterType {
    /// A finite real number.
    Float,
    /// A whole number.
    Int,
    /// True or false.
    Bool,
    /// A text.
    String,
}

impl fmt::Display for ParameterType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Float => "float",
            Self::Int => "int",
            Self::Bool => "bool",
            Self::String => "string",
        })
    }
}

/// One value of one parameter.
///
/// Its JSON form is the plain scalar: `1.0` is a float and `1` an integer, both ways. NaN and
/// infinities are refused there, since JSON cannot say them.
#[derive(Debug, Clone, PartialEq)]
pub enum ParameterValue {
    /// A real number.
    Float(f64),
    /// A whole number.
    Int(i64),
    /// True or false.
    Bool(bool),
    /// A text.
    String(String),
}

impl ParameterValue {
    /// Tells the type of the value.
    pub fn parameter_type(&self) -> ParameterType {
        match self {
            Self::Float(_) => ParameterType::Float,
            Self::Int(_) => ParameterType::Int,
            Self::Bool(_) => ParameterType::Bool,
            Self::String(_) => ParameterType::String,
        }
    }

    /// Reads a float or an integer as a real number; `None` for anything else.
    ///
    /// Integers above 2^53 in magnitude are rounded to the nearest float.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Float(x) => Some(*x),
            Self::Int(k) => Some(*k as f64),
            Self::Bool(_) | Self::String(_) => None,
        }
    }
}

/// Floats are written with the fewest digits that read back to the same bits, and never look like
/// an integer.
impl fmt::Display for ParameterValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Float(x) => write!(f, "{x:?}"),
            Self::Int(k) => write!(f, "{k}"),
            Self::Bool(b) => write!(f, "{b}"),
            Self::String(s) => f.write_str(s),
        }
    }
}

macro_rules! from_scalar {
    ($($scalar:ty => $variant:ident),*) => {$(
        impl From<$scalar> for ParameterValue {
            fn from(value: $scalar) -> Self {
                Self::$variant(value.into())
            }
        }
    )*};
}
from_scalar!(f64 => Float, i64 => Int, i32 => Int, u32 => Int, bool => Bool, &str => String, String => String);

impl Serialize for ParameterValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Float(x) if !x.is_finite() => Err(serde::ser::Error::custom(format_args!(
                "expected a finite number as a parameter value, found {x}"
            ))),
            Self::Float(x) => serializer.serialize_f64(*x),
            Self::Int(k) => serializer.serialize_i64(*k),
            Self::Bool(b) => serializer.serialize_bool(*b),
            Self::String(s) => serializer.serialize_str(s),
        }
    }
}

impl<'de> Deserialize<'de> for ParameterValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Scalar;

        impl Visitor<'_> for Scalar {
            type Value = ParameterValue;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a finite number, a bool or a string")
            }

            fn visit_f64<E: de::Error>(self, x: f64) -> Result<ParameterValue, E> {
                if x.is_finite() {
                    Ok(ParameterValue::Float(x))
                } else {
                    Err(E::invalid_value(de::Unexpected::Float(x), &self))
                }
            }

            fn visit_i64<E: de::Error>(self, k: i64) -> Result<ParameterValue, E> {
                Ok(ParameterValue::Int(k))
            }

            fn visit_u64<E: de::Error>(self, k: u64) -> Result<ParameterValue, E> {
                i64::try_from(k).map(ParameterValue::Int).map_err(|_| {
                    E::invalid_value(de::Unexpected::Unsigned(k), &"an integer below 2^63")
                })
            }

            fn visit_bool<E: de::Error>(self, b: bool) -> Result<ParameterValue, E> {
                Ok(ParameterValue::Bool(b))
            }

            fn visit_str<E: de::Error>(self, s: &str) -> Result<ParameterValue, E> {
                Ok(ParameterValue::String(s.to_owned()))
            }

            fn visit_string<E: de::Error>(self, s: String) -> Result<ParameterValue, E> {
                Ok(ParameterValue::String(s))
            }
        }

        deserializer.deserialize_any(Scalar)
    }
}

/// The reasons why a value cannot be read from a [`Parameterization`].
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum ParameterError {
    /// No value has this name.
    #[error("expected a parameter named `{name}`, found only {}", list(known))]
    Missing {
        /// The name asked for.
        name: String,
        /// The names that exist, in order.
        known: Vec<String>,
    },
    /// The value has another type than the one asked for.
    #[error("expected parameter `{name}` to be of type {expected}, found the {found} `{value}`")]
    WrongType {
        /// The name asked for.
        name: String,
        /// The type asked for.
        expected: ParameterType,
        /// The type of the value.
        found: ParameterType,
        /// The value.
        value: ParameterValue,
    },
}

/// Names for an error text: `` `a`, `b` ``, or `none`.
pub(crate) fn list<T: fmt::Display>(names: &[T]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

/// An assignment of values to parameter names, in the order in which they were given.
///
/// Two parameterizations are equal when they assign equal values to the same names, in any order.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Parameterization(IndexMap<String, ParameterValue>);

impl Parameterization {
    /// Reads the value of a name.
    pub fn get(&self, name: &str) -> Option<&ParameterValue> {
        self.0.get(name)
    }

    /// Assigns a value to a name; a name that exists keeps its place.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<ParameterValue>) {
        self.0.insert(name.into(), value.into());
    }

    /// Iterates over names and values in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &ParameterValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Counts the names.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Tells whether nothing is assigned.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads a real number; an integer is read as the float of the same value.
    ///
    /// # Errors
    /// The name is missing, or its value is not a number.
    pub fn float(&self, name: &str) -> Result<f64, ParameterError> {
        let value = self.value(name)?;
        value.as_number().ok_or_else(|| wrong_type(name, value, ParameterType::Float))
    }

    /// Reads an integer.
    ///
    /// # Errors
    /// The name is missing, or its value is not an integer.
    pub fn int(&self, name: &str) -> Result<i64, ParameterError> {
        match self.value(name)? {
            ParameterValue::Int(k) => Ok(*k),
            value => Err(wrong_type(name, value, ParameterType::Int)),
        }
    }

    /// Reads a bool.
    ///
    /// # Errors
    /// The name is missing, or its value is not a bool.
    pub fn bool(&self, name: &str) -> Result<bool, ParameterError> {
        match self.value(name)? {
            ParameterValue::Bool(b) => Ok(*b),
            value => Err(wrong_type(name, value, ParameterType::Bool)),
        }
    }

    /// Reads a text.
    ///
    /// # Errors
    /// The name is missing, or its value is not a string.
    pub fn string(&self, name: &str) -> Result<&str, ParameterError> {
        match self.value(name)? {
            ParameterValue::String(s) => Ok(s),
            value => Err(wrong_type(name, value, ParameterType::String)),
        }
    }

    /// Writes the canonical text by which two arms are recognized as the same point.
    ///
    /// It depends on names, types and values, not on their order. `-0.0` counts as `0.0`; `1` and
    /// `1.0` differ, so cast to the search space first.
    pub fn signature(&self) -> String {
        let mut sorted: Vec<_> = self.0.iter().collect();
        sorted.sort_by_key(|(name, _)| *name);
        let assignments: Vec<String> = sorted
            .into_iter()
            .map(|(name, value)| match value {
                ParameterValue::Float(x) => format!("{name:?}:{:?}", x + 0.0),
                ParameterValue::String(s) => format!("{name:?}:{s:?}"),
                value => format!("{name:?}:{value}"),
            })
            .collect();
        format!("{{{}}}", assignments.join(","))
    }

    fn value(&self, name: &str) -> Result<&ParameterValue, ParameterError> {
        self.get(name).ok_or_else(|| ParameterError::Missing {
            name: name.to_owned(),
            known: self.0.keys().cloned().collect(),
        })
    }
}

fn wrong_type(name: &str, value: &ParameterValue, expected: ParameterType) -> ParameterError {
    ParameterError::WrongType {
        name: name.to_owned(),
        expected,
        found: value.parameter_type(),
        value: value.clone(),
    }
}

impl fmt::Display for Parameterization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (i, (name, value)) in self.0.iter().enumerate() {
            let separator = if i == 0 { "" } else { ", " };
            write!(f, "{separator}{name}: {value}")?;
        }
        f.write_str("}")
    }
}

impl<K: Into<String>, V: Into<ParameterValue>> FromIterator<(K, V)> for Parameterization {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(assignments: I) -> Self {
        Self(assignments.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl<V: Into<ParameterValue>, const N: usize> From<[(&str, V); N]> for Parameterization {
    fn from(assignments: [(&str, V); N]) -> Self {
        assignments.into_iter().collect()
    }
}

impl IntoIterator for Parameterization {
    type Item = (String, ParameterValue);
    type IntoIter = indexmap::map::IntoIter<String, ParameterValue>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
