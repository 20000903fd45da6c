//! For tests: a run's folder, as its runner and its program leave it.

use std::fs;
use std::time::{Duration, SystemTime};

use krige_core::trial::{Metadata, TrialRun};

use crate::contract::check_metric;
use crate::error::MetricError;
use crate::metric::{IMetric, Measurement};

/// A run that has the exit status 3, 62.75 s of processor time and, in all, 2.25 s.
#[derive(Debug)]
pub(super) struct Run {
    folder: tempfile::TempDir,
    run: TrialRun,
}

impl Run {
    /// One that goes on, with these files.
    pub(super) fn going_on(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("krige")).expect("made");
        let made = Self { folder, run: TrialRun::new("e", 0, 1) };
        files.iter().for_each(|(file, text)| made.write(file, text));
        made
    }

    /// One that has ended long ago, with these files.
    pub(super) fn ended(files: &[(&str, &str)]) -> Self {
        let made = Self::going_on(files);
        made.end(1e9);
        made
    }

    pub(super) fn write(&self, file: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(file), text).expect("written");
    }

    pub(super) fn path(&self, file: &str) -> std::path::PathBuf {
        self.folder.path().join(file)
    }

    /// Ends it at that time, in seconds since 1970.
    pub(super) fn end(&self, at: f64) {
        let length = |file| fs::metadata(self.path(file)).map_or(0, |metadata| metadata.len());
        let (stdout, stderr) = (length("stdout.log"), length("stderr.log"));
        let began = at - 2.25;
        let text = format!(
            "status 3\nbegan {began}\nended {at}\ntimes 0m0.01s 0m0.00s\ntimes 1m2.50s 0m0.25s\n\
             stdout_bytes {stdout}\nstderr_bytes {stderr}\nend\n"
        );
        self.write("krige/ended", text);
    }

    pub(super) fn metadata(&self) -> Metadata {
        Metadata::of("folder", self.folder.path().display().to_string())
    }

    pub(super) fn fetch(&self, metric: &dyn IMetric) -> Result<Measurement, MetricError> {
        metric.fetch(&self.run, &self.metadata())
    }

    /// The value, which is there, of a metric that keeps the contract.
    #[track_caller]
    pub(super) fn value(&self, metric: &dyn IMetric) -> Measurement {
        check_metric(metric, &self.run, &self.metadata(), || panic!("it is there"))
    }

    #[track_caller]
    pub(super) fn assert_not_yet(&self, metric: &dyn IMetric) {
        let answer = self.fetch(metric);
        assert!(matches!(answer, Err(MetricError::NotYet)), "{answer:?}");
    }

    /// Why there is no value and will be none.
    #[track_caller]
    pub(super) fn error(&self, metric: &dyn IMetric) -> String {
        match self.fetch(metric) {
            Err(MetricError::Permanent(cause)) => {
                let source = cause.source().map(|source| format!(": {source}"));
                cause.to_string() + &source.unwrap_or_default()
            }
            other => panic!("expected a permanent error, found {other:?}"),
        }
    }
}

/// A moment ago, in seconds since 1970; by a clock that is half a minute ahead, so that it is one for the whole test.
pub(super) fn just_now() -> f64 {
    let now = SystemTime::UNIX_EPOCH.elapsed().expect("it is after 1970");
    (now + Duration::from_secs(30)).as_secs_f64()
}
