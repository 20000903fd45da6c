//! Why a run's folder gives no measurement.

use std::path::PathBuf;

/// Why a metric over a run's folder gives no measurement.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutputError {
    /// The runner that started the run gives it no folder.
    #[error(
        "expected an entry `folder` in the trial's metadata, found {}; runners that start a program write it \
         (`CommandRunner`, `SlurmRunner`)",
        names(.known)
    )]
    NoFolder {
        /// The entries that are there.
        known: Vec<String>,
    },
    /// The file would be another one than the run's own.
    #[error(
        "expected the name of a file in the run's folder, found `{file}`; name it relative to the folder and without \
         `..`, because trials would share any other file"
    )]
    NotInFolder {
        /// The name that was given.
        file: String,
    },
    /// The run has ended and has left no such file.
    #[error("expected a file `{file}` in {}, found {}", .folder.display(), names(.found))]
    NoFile {
        /// The file that was asked for.
        file: String,
        /// Where it was looked for.
        folder: PathBuf,
        /// What is there.
        found: Vec<String>,
    },
    /// It is a folder, a pipe or a device.
    #[error("`{file}` is not a regular file; name the file that the program writes its result to")]
    NotAFile {
        /// What was asked for.
        file: String,
    },
    /// No line is what was looked for.
    #[error(
        "expected {expected} in `{file}`, found none in {}; its last line is {last:?}",
        extent(*.within)
    )]
    NoLine {
        /// What was looked for.
        expected: String,
        /// Where.
        file: String,
        /// How many bytes at its end were looked through, if not all.
        within: Option<u64>,
        /// How the last line begins.
        last: String,
    },
    /// A line names the field and is not JSON.
    #[error(
        "expected JSON in `{file}`, found the line {line:?}; a number that JSON does not have is written as a text: \
         \"NaN\", \"inf\" or \"-inf\""
    )]
    NotJson {
        /// Where.
        file: String,
        /// How the line begins.
        line: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The field is something else.
    #[error(
        "expected field `{field}` in `{file}` to be a number, [mean, sem] or an object of `mean`, `sem` and `progression`, \
         and `progression` to be a number, found {found}"
    )]
    NotAMeasurement {
        /// The field.
        field: String,
        /// Where.
        file: String,
        /// How what it is begins.
        found: String,
    },
    /// A number was expected.
    #[error("expected {expected} in `{file}`, found {found:?}")]
    NotANumber {
        /// What was expected.
        expected: &'static str,
        /// Where.
        file: String,
        /// How what was found begins.
        found: String,
    },
    /// The shell that ran the program does not say what it took.
    #[error(
        "expected the processor time in `krige/ended`, found none that can be read; leave this metric out on machines whose \
         `sh` does not print `times` as POSIX says"
    )]
    NoProcessorTime,
    /// It ended before it began.
    #[error(
        "expected an end after the beginning in `krige/ended`, found one {seconds} s before it: the clock was set back \
         meanwhile"
    )]
    ClockSetBack {
        /// How long before, in seconds.
        seconds: f64,
    },
}

fn names(known: &[String]) -> String {
    if known.is_empty() { "none at all".into() } else { format!("only `{}`", known.join("`, `")) }
}

fn extent(within: Option<u64>) -> String {
    match within {
        None => "all of it".into(),
        Some(bytes) => format!(
            "its last {} MiB, which is as far as is looked; have the program print it last, or write it to a file of its own",
            bytes >> 20
        ),
    }
}
