//! A file with a number alone.

use std::io::Read;

use krige_core::trial::{Metadata, TrialRun};
use serde::{Deserialize, Serialize};

use super::error::OutputError;
use super::folder::Output;
use super::last::beginning;
use crate::error::MetricError;
use crate::metric::{IMetric, Measurement};

/// How long such a file is at most, in bytes.
const LONGEST: u64 = 4096;

/// Reads a file that holds a number alone: the mean, or the mean and its standard error, with space or a comma between them.
///
/// ```
/// use krige_runner::FileMetric;
///
/// let metric = FileMetric::new("loss.txt");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileMetric {
    /// The file, relative to the run's folder.
    pub file: String,
}

impl FileMetric {
    /// Makes the metric that reads that file of the run's folder.
    pub fn new(file: impl Into<String>) -> Self {
        Self { file: file.into() }
    }
}

#[typetag::serde(name = "file")]
impl IMetric for FileMetric {
    fn fetch(&self, _run: &TrialRun, metadata: &Metadata) -> Result<Measurement, MetricError> {
        let (file, _) = Output::of(metadata, false)?.open(&self.file)?;
        let mut text = Vec::new();
        file.take(LONGEST + 1).read_to_end(&mut text).map_err(MetricError::transient)?;
        measured(&text).ok_or_else(|| {
            MetricError::permanent(OutputError::NotANumber {
                expected: "a number alone, or a mean and its standard error",
                file: self.file.clone(),
                found: beginning(&text),
            })
        })
    }
}

fn measured(text: &[u8]) -> Option<Measurement> {
    if text.len() as u64 > LONGEST {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    let parts: Vec<&str> = match text.split_once(',') {
        Some((mean, sem)) => vec![mean.trim(), sem.trim()],
        None => text.split_whitespace().collect(),
    };
    match parts[..] {
        [mean] => mean.parse::<f64>().ok().map(Measurement::from),
        [mean, sem] => Some((mean.parse::<f64>().ok()?, sem.parse::<f64>().ok()?).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::lab::{Run, just_now};
    use super::*;

    fn metric() -> FileMetric {
        FileMetric::new("y.txt")
    }

    #[test]
    fn the_stored_form_is_plain() {
        let stored = serde_json::to_value(&metric() as &dyn IMetric).expect("stored");
        assert_eq!(stored, json!({"type": "file", "file": "y.txt"}));
        let unknown = json!({"type": "file", "file": "y.txt", "field": "y"});
        assert!(serde_json::from_value::<Box<dyn IMetric>>(unknown).is_err());
    }

    #[test]
    fn a_number_or_a_mean_and_its_standard_error_are_read() {
        let value = |text| Run::ended(&[("y.txt", text)]).value(&metric());
        assert_eq!(value("0.1"), 0.1.into());
        assert_eq!(value(" -2.5e-3\r\n"), (-2.5e-3).into());
        for both in ["2 0.5", "2\t0.5\n", "2,0.5", "2, 0.5", "2 , 0.5\n", "2\n0.5\n", " 2  ,0.5"] {
            assert_eq!(value(both), (2.0, 0.5).into(), "{both:?}");
        }
    }

    #[test]
    fn any_other_text_is_shown_at_its_beginning() {
        let error = |text: &str| Run::ended(&[("y.txt", text)]).error(&metric());
        assert_eq!(
            error("loss: 0.5\n"),
            "expected a number alone, or a mean and its standard error in `y.txt`, found \"loss: 0.5\""
        );
        for other in ["", "\n", "1 2 3", "1,,2", "1, 2, 3", ",1", "1,", "1;2", "0.5 \u{b1}", "1D-3"]
        {
            assert!(error(other).contains("found"), "{other:?} was read");
        }
        let long = error(&"\u{fc}".repeat(5000));
        assert!(long.ends_with(&format!("found \"{}…\"", "\u{fc}".repeat(80))), "{long}");
        assert!(error(&format!("1{}", " ".repeat(5000))).contains("found"));
        let nan = Run::ended(&[("y.txt", "nan")]).fetch(&metric());
        assert!(nan.is_ok_and(|found| found.mean.is_nan()));
    }

    #[test]
    fn it_is_read_when_the_run_has_ended() {
        let run = Run::going_on(&[("y.txt", "1")]);
        run.assert_not_yet(&metric());
        run.end(just_now());
        assert_eq!(run.value(&metric()), 1.0.into());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in proptest::collection::vec(any::<u8>(), 0..30)) {
            let _read_or_not = measured(&text);
        }

        #[test]
        fn numbers_are_read_back(mean in any::<f64>(), sem in any::<f64>()) {
            prop_assert_eq!(measured(format!("{mean},{sem}").as_bytes()), Some((mean, sem).into()));
        }
    }
}
