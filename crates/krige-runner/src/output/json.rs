//! A field of what a program prints as JSON.

use std::fs::File;
use std::io::{self, Read, Seek};

use krige_core::trial::{Metadata, TrialRun};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::backwards::{Backwards, LONGEST};
use super::error::OutputError;
use super::folder::Output;
use super::last::{STDOUT, beginning, last, nothing};
use crate::error::MetricError;
use crate::metric::{IMetric, Measurement};

/// Reads a field of what a program printed, or wrote to a file, as JSON.
///
/// A file that as a whole is one JSON object is that object. Of any other, each line that is a JSON object is looked at, and
/// the last one that has the field counts; what else is printed does not matter. The field's value is a number,
/// `[mean, sem]`, or an object of `mean`, `sem` and `progression`. A line may say how far the run had come, by the number
/// `progression` at its top level:
///
/// ```text
/// {"loss": 0.5, "progression": 1}
/// {"loss": 0.4, "progression": 2}
/// {"loss": [0.35, 0.01]}
/// ```
///
/// Once the run has ended, the last line without a progression is the value; if there is none, the last line is. While it
/// goes on (see [`while_running`](Self::while_running)), the value so far is that of the last whole line with a progression.
///
/// No more than the last 64 MiB of a file are looked through, and no line of more than 16 MiB is looked at.
///
/// ```
/// use krige_runner::JsonMetric;
///
/// let printed = JsonMetric::new("loss").while_running();
/// let nested = JsonMetric::new("/test/accuracy").in_file("report.json");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JsonMetric {
    /// The field's name; if it begins with `/`, a JSON Pointer (RFC 6901) into nested objects and arrays.
    pub field: String,
    /// The file, relative to the run's folder; what the program printed (`stdout.log`) unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Whether it is read while the run goes on, too.
    #[serde(default)]
    pub while_running: bool,
}

impl JsonMetric {
    /// Makes the metric that reads a field of what the program prints.
    pub fn new(field: impl Into<String>) -> Self {
        Self { field: field.into(), file: None, while_running: false }
    }

    /// Reads a file of the run's folder instead.
    #[must_use]
    pub fn in_file(self, file: impl Into<String>) -> Self {
        Self { file: Some(file.into()), ..self }
    }

    /// Reads it while the run goes on, too, for stopping trials early.
    #[must_use]
    pub fn while_running(self) -> Self {
        Self { while_running: true, ..self }
    }

    fn file(&self) -> &str {
        self.file.as_deref().unwrap_or(STDOUT)
    }

    /// The measurement in an object; none if it does not have the field.
    fn measured(&self, object: &Value) -> Option<Result<Measurement, OutputError>> {
        let found = if self.field.starts_with('/') {
            object.pointer(&self.field)
        } else {
            object.get(&self.field)
        };
        let (found, progression) = (found?, object.get("progression"));
        Some(read(found, progression).ok_or_else(|| {
            let at = progression.map(|at| format!(" at progression {at}")).unwrap_or_default();
            let found = format!("{found}{at}");
            let (field, file) = (self.field.clone(), self.file().to_owned());
            OutputError::NotAMeasurement { field, file, found: beginning(found.as_bytes()) }
        }))
    }

    /// The measurement in a line. One that seems to have the field and cannot be read is not passed over: an earlier value
    /// would be taken for the last.
    fn read(&self, line: &[u8]) -> Option<Result<Measurement, OutputError>> {
        if !line.trim_ascii_start().starts_with(b"{") {
            return None;
        }
        match serde_json::from_slice::<Value>(line) {
            Ok(object) => self.measured(&object),
            Err(source) => {
                let (file, shown) = (self.file().to_owned(), beginning(line));
                let has_it = self.seems_to_be_in(line);
                has_it.then_some(Err(OutputError::NotJson { file, line: shown, source }))
            }
        }
    }

    fn seems_to_be_in(&self, line: &[u8]) -> bool {
        let first = self.field.strip_prefix('/').and_then(|pointer| pointer.split('/').next());
        let name = first.map_or_else(
            || self.field.clone(),
            |first| first.replace("~1", "/").replace("~0", "~"),
        );
        let name = Value::from(name).to_string();
        // What is not ASCII may be written in several ways.
        !name.is_ascii() || line.windows(name.len()).any(|part| part == name.as_bytes())
    }
}

fn read(found: &Value, progression: Option<&Value>) -> Option<Measurement> {
    let measurement = Measurement::try_from(found).ok()?;
    match progression {
        Some(progression) if measurement.progression.is_none() && !progression.is_null() => {
            Some(measurement.at(progression.as_f64()?))
        }
        Some(_) | None => Some(measurement),
    }
}

fn object(text: &[u8]) -> Option<Value> {
    serde_json::from_slice(text).ok().filter(Value::is_object)
}

/// The object that a file is as a whole, if it is one.
fn whole(file: &mut File, length: u64) -> io::Result<Option<Value>> {
    if length > LONGEST as u64 {
        return Ok(None);
    }
    let mut lines = Backwards::new(&mut *file, length);
    let Some(last) = lines.next_written()? else { return Ok(None) };
    if let Some(object) = object(&last) {
        // The last line of a larger object is none.
        return Ok(lines.next_written()?.is_none().then_some(object));
    }
    if !last.trim_ascii_end().ends_with(b"}") {
        return Ok(None);
    }
    file.rewind()?;
    let mut text = Vec::new();
    file.take(length).read_to_end(&mut text)?;
    Ok(object(&text))
}

#[typetag::serde(name = "json")]
impl IMetric for JsonMetric {
    fn fetch(&self, _run: &TrialRun, metadata: &Metadata) -> Result<Measurement, MetricError> {
        let output = Output::of(metadata, self.while_running)?;
        let has_ended = output.ended().is_some();
        let (mut file, length) = output.open(self.file())?;
        let read = |line: &[u8]| self.read(line);
        let found = match whole(&mut file, length).map_err(MetricError::transient)? {
            Some(object) => {
                let line = format!("{object}\n");
                let length = line.len() as u64;
                last(&mut Backwards::new(io::Cursor::new(line), length), has_ended, read)?
            }
            None => last(&mut Backwards::new(&mut file, length), has_ended, read)?,
        };
        found.ok_or_else(|| {
            let expected = format!("a JSON object with the field `{}`", self.field);
            nothing(file, length, has_ended, self.file(), expected)
        })
    }

    fn available_while_running(&self) -> bool {
        self.while_running
    }
}

#[cfg(test)]
mod tests;
