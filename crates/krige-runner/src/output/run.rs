//! What a run itself came to: how its program ended, and what it took.

use krige_core::trial::{Metadata, TrialRun};
use serde::{Deserialize, Serialize};

use super::error::OutputError;
use super::folder::Output;
use crate::error::MetricError;
use crate::metric::{IMetric, Measurement};

/// Reads how a run's program ended, or what it took.
///
/// ```
/// use krige_runner::RunMetric;
///
/// let duration = RunMetric::WallSeconds;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "quantity", rename_all = "snake_case")]
pub enum RunMetric {
    /// Its exit status, where several count as completed.
    ExitStatus,
    /// The time from its beginning to its end by the clock of its machine, in seconds.
    WallSeconds,
    /// The processor time of all its processes, user and system, in seconds; to a hundredth.
    CpuSeconds,
}

#[typetag::serde(name = "run")]
impl IMetric for RunMetric {
    fn fetch(&self, _run: &TrialRun, metadata: &Metadata) -> Result<Measurement, MetricError> {
        let output = Output::of(metadata, false)?;
        let ended = output.ended().ok_or(MetricError::NotYet)?;
        let number = match self {
            Self::ExitStatus => f64::from(ended.status),
            Self::WallSeconds => ended.wall_seconds(),
            Self::CpuSeconds => ended.cpu_seconds,
        };
        if *self == Self::WallSeconds && number < 0.0 {
            return Err(MetricError::permanent(OutputError::ClockSetBack { seconds: -number }));
        }
        if number.is_nan() {
            return Err(MetricError::permanent(OutputError::NoProcessorTime));
        }
        Ok(number.into())
    }
}

/// Reads how long a file is that a run has left, in bytes.
///
/// ```
/// use krige_runner::SizeMetric;
///
/// let size = SizeMetric::new("model.bin");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SizeMetric {
    /// The file, relative to the run's folder.
    pub file: String,
}

impl SizeMetric {
    /// Makes the metric of that file of the run's folder.
    pub fn new(file: impl Into<String>) -> Self {
        Self { file: file.into() }
    }
}

#[typetag::serde(name = "size")]
impl IMetric for SizeMetric {
    fn fetch(&self, _run: &TrialRun, metadata: &Metadata) -> Result<Measurement, MetricError> {
        let (_, length) = Output::of(metadata, false)?.open(&self.file)?;
        Ok((length as f64).into())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::super::lab::{Run, just_now};
    use super::RunMetric::{CpuSeconds, ExitStatus, WallSeconds};
    use super::*;

    #[test]
    fn the_stored_forms_are_plain() {
        let stored = |metric: &dyn IMetric| serde_json::to_value(metric).expect("stored");
        assert_eq!(stored(&ExitStatus), json!({"type": "run", "quantity": "exit_status"}));
        assert_eq!(stored(&WallSeconds), json!({"type": "run", "quantity": "wall_seconds"}));
        assert_eq!(stored(&CpuSeconds), json!({"type": "run", "quantity": "cpu_seconds"}));
        assert_eq!(stored(&SizeMetric::new("m")), json!({"type": "size", "file": "m"}));
        for unknown in [
            json!({"type": "run", "quantity": "joules"}),
            json!({"type": "run"}),
            json!({"type": "size", "file": "m", "unit": "MB"}),
        ] {
            let read = serde_json::from_value::<Box<dyn IMetric>>(unknown.clone());
            assert!(read.is_err(), "{unknown} was read");
        }
    }

    #[test]
    fn what_a_run_took_is_read_from_its_end() {
        let run = Run::going_on(&[("stdout.log", "")]);
        for metric in [ExitStatus, WallSeconds, CpuSeconds] {
            run.assert_not_yet(&metric);
        }
        run.end(1e9);
        assert_eq!(run.value(&ExitStatus), 3.0.into());
        assert_eq!(run.value(&WallSeconds), 2.25.into());
        assert_eq!(run.value(&CpuSeconds), 62.75.into());
        let ended = fs::read_to_string(run.path("krige/ended")).expect("read");
        run.write("krige/ended", ended.replace("times", "spent"));
        assert_eq!(run.value(&ExitStatus), 3.0.into());
        assert!(run.error(&CpuSeconds).starts_with("expected the processor time"));
    }

    #[test]
    fn a_clock_that_was_set_back_gives_no_duration() {
        let run = Run::going_on(&[]);
        run.end(1e9);
        let ended = fs::read_to_string(run.path("krige/ended")).expect("read");
        run.write("krige/ended", ended.replace("ended 1", "ended 0"));
        let why = run.error(&WallSeconds);
        assert!(why.starts_with("expected an end after the beginning in `krige/ended`"), "{why}");
        assert_eq!(run.value(&ExitStatus), 3.0.into());
    }

    #[test]
    fn a_file_is_as_long_as_it_is_at_the_end() {
        let (run, metric) =
            (Run::going_on(&[("model.bin", "12345")]), SizeMetric::new("model.bin"));
        run.assert_not_yet(&metric);
        run.end(just_now());
        assert_eq!(run.value(&metric), 5.0.into());
        run.assert_not_yet(&SizeMetric::new("other.bin"));
        run.end(1e9);
        assert!(run.error(&SizeMetric::new("other.bin")).contains("`model.bin`"));
        run.write("model.bin", "");
        assert_eq!(run.value(&metric), 0.0.into());
    }
}
