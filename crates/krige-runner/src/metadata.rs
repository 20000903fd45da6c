//! Measurements in a trial's metadata: how they are written there, and the metric that reads them.

use krige_core::trial::{Metadata, TrialRun};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::MetricError;
use crate::metric::{IMetric, Measurement};

impl From<Measurement> for Value {
    /// Writes a plain number where only the mean is known, or else an object of `mean`, `sem` and `progression`.
    ///
    /// What JSON has no number for is the text `NaN`, `inf` or `-inf`, so that it can still be reported.
    fn from(measurement: Measurement) -> Self {
        let Measurement { mean, sem, progression } = measurement;
        if sem.is_none() && progression.is_none() {
            return write(mean);
        }
        let mut object = Map::new();
        object.insert("mean".into(), write(mean));
        for (name, number) in [("sem", sem), ("progression", progression)] {
            if let Some(number) = number {
                object.insert(name.into(), write(number));
            }
        }
        Self::Object(object)
    }
}

/// A measurement was expected in JSON and something else was found.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error(
    "expected a number, [mean, sem] or an object of `mean`, `sem` and `progression`, found {found}"
)]
pub struct NotAMeasurement {
    /// What was found.
    pub found: Value,
}

impl TryFrom<&Value> for Measurement {
    type Error = NotAMeasurement;

    /// Reads what a measurement is written as, and `[mean, sem]`; a `null` beside the mean is unknown.
    fn try_from(value: &Value) -> Result<Self, NotAMeasurement> {
        read_measurement(value).ok_or_else(|| NotAMeasurement { found: value.clone() })
    }
}

fn read_measurement(value: &Value) -> Option<Measurement> {
    match value {
        Value::Array(pair) => match pair.as_slice() {
            [mean, sem] => Some((read(mean)?, read(sem)?).into()),
            _ => None,
        },
        Value::Object(object) => {
            let mut measurement = Measurement::from(read(object.get("mean")?)?);
            for (name, value) in object {
                let number = if value.is_null() { None } else { Some(read(value)?) };
                match name.as_str() {
                    "mean" => {}
                    "sem" => measurement.sem = number,
                    "progression" => measurement.progression = number,
                    _ => return None,
                }
            }
            Some(measurement)
        }
        scalar => read(scalar).map(Measurement::from),
    }
}

fn write(number: f64) -> Value {
    if number.is_finite() { number.into() } else { number.to_string().into() }
}

fn read(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) => text.parse().ok().filter(|number: &f64| !number.is_finite()),
        other => other.as_f64(),
    }
}

/// Reads a measurement that the runner left in the trial's metadata.
///
/// The entry is a number, `[mean, sem]`, or an object of `mean`, `sem` and `progression`; a runner writes one with
/// `metadata.with("y", Measurement::from((mean, sem)))`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetadataMetric {
    /// The entry's name.
    pub field: String,
}

impl MetadataMetric {
    /// Makes the metric that reads the entry of that name.
    pub fn new(field: impl Into<String>) -> Self {
        Self { field: field.into() }
    }
}

/// Why [`MetadataMetric`] gives no measurement.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// The runner left no such entry.
    #[error("expected an entry `{field}` in the trial's metadata, found {}", names(.known))]
    Missing {
        /// The entry that was asked for.
        field: String,
        /// The entries that are there.
        known: Vec<String>,
    },
    /// The entry is something else.
    #[error("entry `{field}` of the trial's metadata is not a measurement")]
    NotAMeasurement {
        /// The entry.
        field: String,
        /// What it is.
        source: NotAMeasurement,
    },
}

fn names(known: &[String]) -> String {
    if known.is_empty() { "none at all".into() } else { format!("only `{}`", known.join("`, `")) }
}

#[typetag::serde(name = "metadata")]
impl IMetric for MetadataMetric {
    fn fetch(&self, _run: &TrialRun, metadata: &Metadata) -> Result<Measurement, MetricError> {
        let field = || self.field.clone();
        let entry = metadata.0.get(&self.field).ok_or_else(|| {
            let known = metadata.0.keys().cloned().collect();
            MetricError::permanent(MetadataError::Missing { field: field(), known })
        })?;
        Measurement::try_from(entry).map_err(|source| {
            MetricError::permanent(MetadataError::NotAMeasurement { field: field(), source })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::contract::check_metric;

    fn fetch(field: &str, entry: Value) -> Result<Measurement, String> {
        let run = TrialRun::new("e", 0, 1);
        MetadataMetric::new(field).fetch(&run, &Metadata::of("y", entry)).map_err(|error| {
            assert!(matches!(error, MetricError::Permanent(_)), "{error:?}");
            let cause = error.source().expect("a cause");
            let source = cause.source().map(|source| format!(": {source}"));
            format!("{cause}{}", source.unwrap_or_default())
        })
    }

    #[test]
    fn keeps_the_contract() {
        let run = TrialRun::new("e", 0, 1);
        let metadata = Metadata::of("y", json!({"mean": 1.5, "sem": 0.1}));
        check_metric(&MetadataMetric::new("y"), &run, &metadata, || panic!("it is there"));
        assert_eq!(
            serde_json::to_value(&MetadataMetric::new("y") as &dyn IMetric).expect("stored"),
            json!({"type": "metadata", "field": "y"})
        );
    }

    #[test]
    fn every_documented_form_is_read() {
        let (mean, sem) = (2.0, 0.5);
        assert_eq!(fetch("y", json!(2)), Ok(mean.into()));
        assert_eq!(fetch("y", json!([2.0, 0.5])), Ok((mean, sem).into()));
        assert_eq!(fetch("y", json!({"mean": 2.0})), Ok(mean.into()));
        assert_eq!(fetch("y", json!({"mean": 2.0, "sem": null})), Ok(mean.into()));
        assert_eq!(
            fetch("y", json!({"progression": 7, "sem": 0.5, "mean": 2.0})),
            Ok(Measurement::from((mean, sem)).at(7.0))
        );
        assert_eq!(fetch("y", json!("-inf")), Ok(f64::NEG_INFINITY.into()));
        assert!(fetch("y", json!("NaN")).is_ok_and(|measured| measured.mean.is_nan()));
    }

    #[test]
    fn anything_else_is_named() {
        assert_eq!(
            fetch("z", json!(1.0)).expect_err("refused"),
            "expected an entry `z` in the trial's metadata, found only `y`"
        );
        assert_eq!(
            fetch("y", json!("1.0")).expect_err("refused"),
            "entry `y` of the trial's metadata is not a measurement: expected a number, [mean, sem] or an object of \
             `mean`, `sem` and `progression`, found \"1.0\""
        );
        for other in [
            json!(null),
            json!(true),
            json!([1.0]),
            json!([1.0, null]),
            json!({"sem": 1.0}),
            json!({"mean": null}),
            json!({"mean": 1.0, "std": 1.0}),
        ] {
            assert!(fetch("y", other.clone()).is_err(), "{other} was read");
        }
    }

    fn number() -> impl Strategy<Value = f64> {
        any::<u64>().prop_map(f64::from_bits)
    }

    proptest! {
        #[test]
        fn a_measurement_survives_json(
            mean in number(),
            sem in proptest::option::of(number()),
            progression in proptest::option::of(number()),
        ) {
            let text = Value::from(Measurement { mean, sem, progression }).to_string();
            let value: Value = serde_json::from_str(&text).expect("JSON");
            let back = Measurement::try_from(&value).expect("a measurement");
            // The many bit patterns of NaN are one.
            let bits = |number: f64| if number.is_nan() { u64::MAX } else { number.to_bits() };
            prop_assert_eq!(bits(back.mean), bits(mean));
            prop_assert_eq!(back.sem.map(bits), sem.map(bits));
            prop_assert_eq!(back.progression.map(bits), progression.map(bits));
        }
    }
}
