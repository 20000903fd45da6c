//! A number in what a program prints, by a regular expression.

use krige_core::trial::{Metadata, TrialRun};
use regex::bytes::{Captures, Regex};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::backwards::Backwards;
use super::error::OutputError;
use super::folder::Output;
use super::last::{STDOUT, beginning, last, nothing};
use crate::error::MetricError;
use crate::metric::{IMetric, Measurement};

/// Reads a number from what a program printed, or wrote to a file, where a regular expression says.
///
/// The group `mean` is the mean, or else the first group; groups `sem` and `progression`, where the pattern has them, are the
/// standard error of the mean, and how far the run had come. The pattern is looked for in each line by itself, without the
/// line's end, and the last match counts. Which line counts where some have a progression, and how much is looked through,
/// is as for [`JsonMetric`](crate::JsonMetric).
///
/// ```
/// use krige_runner::RegexMetric;
///
/// let energy = RegexMetric::new(r"^TOTAL ENERGY\s*=\s*(\S+)")?;
/// let curve = RegexMetric::new(r"epoch (?<progression>\d+): loss (?<mean>\S+) \+- (?<sem>\S+)")?
///     .in_file("stderr.log")
///     .while_running();
/// # Ok::<(), krige_runner::PatternError>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegexMetric {
    #[serde(serialize_with = "write", deserialize_with = "read")]
    pattern: Regex,
    /// The file, relative to the run's folder; what the program printed (`stdout.log`) unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Whether it is read while the run goes on, too.
    #[serde(default)]
    pub while_running: bool,
}

/// Why a pattern is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// It is no regular expression.
    #[error("expected a regular expression as the `regex` crate has them, found `{pattern}`")]
    Syntax {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        source: regex::Error,
    },
    /// It does not say where the number is.
    #[error(
        "expected a group around the number in `{pattern}`, found none: write `(\\S+)`, or `(?<mean>\\S+)` beside others"
    )]
    NoGroup {
        /// The pattern.
        pattern: String,
    },
}

impl RegexMetric {
    /// Makes the metric that looks for a pattern in what the program prints.
    ///
    /// # Errors
    /// If it is no regular expression, or has neither a group `mean` nor a first one that could be the mean.
    pub fn new(pattern: &str) -> Result<Self, PatternError> {
        Ok(Self { pattern: compiled(pattern)?, file: None, while_running: false })
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

    /// The regular expression.
    pub fn pattern(&self) -> &str {
        self.pattern.as_str()
    }

    fn file(&self) -> &str {
        self.file.as_deref().unwrap_or(STDOUT)
    }

    /// The measurement in a line; none if nothing matches.
    fn measured(&self, line: &[u8]) -> Option<Result<Measurement, OutputError>> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let found = self.pattern.captures_iter(line).last()?;
        Some(self.measurement(&found))
    }

    fn measurement(&self, found: &Captures<'_>) -> Result<Measurement, OutputError> {
        let number = |text: &[u8], expected| {
            let number = std::str::from_utf8(text).ok().and_then(|text| text.trim().parse().ok());
            number.ok_or_else(|| {
                let (file, found) = (self.file().into(), beginning(text));
                OutputError::NotANumber { expected, file, found }
            })
        };
        let optional = |name, expected| {
            found.name(name).map(|text| number(text.as_bytes(), expected)).transpose()
        };
        // A group that took no part in the match holds no number.
        let mean = if has_mean(&self.pattern) { found.name("mean") } else { found.get(1) };
        let mean = mean.map(|text| text.as_bytes()).unwrap_or_default();
        Ok(Measurement {
            mean: number(mean, "a number where the pattern has the mean")?,
            sem: optional("sem", "a number where the pattern has the group `sem`")?,
            progression: optional(
                "progression",
                "a number where the pattern has the group `progression`",
            )?,
        })
    }
}

fn has_mean(pattern: &Regex) -> bool {
    pattern.capture_names().flatten().any(|name| name == "mean")
}

fn compiled(pattern: &str) -> Result<Regex, PatternError> {
    let of = || pattern.to_owned();
    let compiled =
        Regex::new(pattern).map_err(|source| PatternError::Syntax { pattern: of(), source })?;
    let first = compiled.capture_names().nth(1);
    let is_other = |name| matches!(name, Some("sem" | "progression"));
    if has_mean(&compiled) || first.is_some_and(|name| !is_other(name)) {
        Ok(compiled)
    } else {
        Err(PatternError::NoGroup { pattern: of() })
    }
}

fn write<S: Serializer>(pattern: &Regex, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(pattern.as_str())
}

fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Regex, D::Error> {
    compiled(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

#[typetag::serde(name = "regex")]
impl IMetric for RegexMetric {
    fn fetch(&self, _run: &TrialRun, metadata: &Metadata) -> Result<Measurement, MetricError> {
        let output = Output::of(metadata, self.while_running)?;
        let has_ended = output.ended().is_some();
        let (mut file, length) = output.open(self.file())?;
        let mut lines = Backwards::new(&mut file, length);
        last(&mut lines, has_ended, |line| self.measured(line))?.ok_or_else(|| {
            let expected = format!("a match of `{}`", self.pattern);
            nothing(file, length, has_ended, self.file(), expected)
        })
    }

    fn available_while_running(&self) -> bool {
        self.while_running
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::lab::Run;
    use super::*;

    const CURVE: &str = r"step (?<progression>\S+): loss (?<mean>\S+)( \+- (?<sem>\S+))?$";

    fn metric(pattern: &str) -> RegexMetric {
        RegexMetric::new(pattern).expect("a pattern")
    }

    fn printed(text: &str) -> Run {
        Run::ended(&[("stdout.log", text)])
    }

    #[test]
    fn the_stored_form_is_plain_and_is_checked_when_it_is_read() {
        let stored =
            |metric: &RegexMetric| serde_json::to_value(metric as &dyn IMetric).expect("stored");
        let expected = json!({"type": "regex", "pattern": "y=(.*)", "while_running": false});
        assert_eq!(stored(&metric("y=(.*)")), expected);
        assert_eq!(stored(&metric("y=(.*)").in_file("log"))["file"], "log");
        assert!(metric(CURVE).while_running().available_while_running());
        let error = |pattern: &str| {
            let form = json!({"type": "regex", "pattern": pattern});
            serde_json::from_value::<Box<dyn IMetric>>(form).expect_err("refused").to_string()
        };
        assert!(error("(y").contains("expected a regular expression"), "{}", error("(y"));
        assert!(error("y").contains("expected a group around the number in `y`"), "{}", error("y"));
        let unknown = json!({"type": "regex", "pattern": "(y)", "flags": "m"});
        assert!(serde_json::from_value::<Box<dyn IMetric>>(unknown).is_err());
    }

    #[test]
    fn a_pattern_that_says_nowhere_is_refused() {
        assert!(matches!(RegexMetric::new("(y"), Err(PatternError::Syntax { .. })));
        for pattern in ["y", "(?:y)", "(?<sem>.)", "(?<progression>.)(.)"] {
            let refused = RegexMetric::new(pattern).expect_err("refused");
            assert_eq!(refused, PatternError::NoGroup { pattern: pattern.into() });
        }
    }

    #[test]
    fn the_last_match_in_the_last_line_that_matches_counts() {
        let text = "E = 1\nE = 2 E = 3\r\nnothing\n";
        assert_eq!(printed(text).value(&metric(r"E = (\d)")), 3.0.into());
        assert_eq!(printed(text).value(&metric(r"^E = (?<mean>\d)")), 2.0.into());
        // An end of line is none of the line's.
        assert_eq!(printed(text).value(&metric(r"(\d)$")), 3.0.into());
        let sem_first = metric(r"(?<sem>\d) around (?<mean>\S+)");
        assert_eq!(printed("2 around 1e-3").value(&sem_first), (1e-3, 2.0).into());
        let other = Run::ended(&[("stdout.log", ""), ("stderr.log", "y: -1.5")]);
        assert_eq!(other.value(&metric("y:(.*)").in_file("stderr.log")), (-1.5).into());
        let bytes = printed("");
        bytes.write("stdout.log", b"\xff\xfe y=2 \xff\n");
        assert_eq!(bytes.value(&metric(r"y=(\S+)")), 2.0.into());
    }

    #[test]
    fn a_curve_is_read_as_it_grows_and_its_end_is_final() {
        let metric = metric(CURVE).while_running();
        let text = "step 1: loss 0.5\nstep 2: loss 0.25 +- 0.1\nstep 3: lo";
        let run = Run::going_on(&[("stdout.log", text)]);
        let so_far = run.fetch(&metric).expect("a value");
        assert_eq!(so_far, Measurement::from((0.25, 0.1)).at(2.0));
        run.end(1e9);
        assert_eq!(run.value(&metric), (0.25, 0.1).into());
        Run::going_on(&[("stdout.log", "step 1: loss 0.5")]).assert_not_yet(&metric);
    }

    #[test]
    fn what_is_no_number_or_not_there_is_shown() {
        let metric = metric(r"^E = (.*)");
        assert_eq!(
            printed("E = 1\nE = ***\n").error(&metric),
            "expected a number where the pattern has the mean in `stdout.log`, found \"***\""
        );
        assert_eq!(
            printed("killed\n").error(&metric),
            "expected a match of `^E = (.*)` in `stdout.log`, found none in all of it; its last line is \"killed\""
        );
        // A group that took no part is not passed over for an earlier match.
        let either = self::metric(r"E = (?<mean>\d+)|diverged");
        assert!(printed("E = 1\ndiverged\n").error(&either).ends_with("found \"\""));
        let sem = self::metric(r"(?<mean>\d) (?<sem>\w)");
        assert!(printed("1 x").error(&sem).contains("the group `sem` in"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_output_makes_it_panic(text in "(step [0-9x]: loss [0-9.]{0,3}( \\+- .)?\n|\\PC|\n){0,9}") {
            let run = printed(&text);
            if let Ok(found) = run.fetch(&metric(CURVE)) {
                prop_assert_eq!(found.progression, None);
            }
        }
    }
}
