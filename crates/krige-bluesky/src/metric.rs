//! A metric that reads its values from Tiled.

mod reduce;
mod rows;

use std::sync::{Mutex, PoisonError};

use krige_core::trial::{Metadata, TrialRun};
use krige_runner::{IMetric, Measurement, MetricError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use reduce::{Reduce, ReductionError, register_reduction};
use rows::{Point, Rows, Run, SELECTION, choose, events, rows_per_event, run_uids};

use crate::metadata::CORRELATION;
use crate::tiled::{API_KEY_VARIABLE, ArrayData, Query, Slice, TiledClient, TiledError};

/// Reads a data key of the trial's run from Tiled, and makes one number of it.
///
/// The run is one of those that the trial's metadata name ([`RUN_UIDS`](crate::metadata::RUN_UIDS)), or else one whose
/// start document has the trial's key in its field [`CORRELATION`]. Of several, the newest counts that holds the
/// trial's point. Where an item has several points, the rows of each are told by `blop_acquisition_order` in the start
/// document (row i belongs to the point of the i-th id); without it, a run of as many events as points has them in the
/// order of the suggestions, and so have as many runs as points.
///
/// # When there is a value
/// While the run is missing, has no `stop` (then its writing is not finished), or has fewer rows than its `stop` says,
/// the value is [`NotYet`](MetricError::NotYet). That may be for ever, if the writer died; the trial fails when
/// `OrchestratorOptions::metric_timeout` (1 hour) is over. A run that failed, a data key that is not there, and a value that
/// is not finite fail the trial. One fetch is up to 6 requests of at most 30 s each (and one more for each further run of a batch that the
/// metadata name), and ends at the first that fails.
///
/// ```
/// use krige_bluesky::metric::{Reduce, TiledMetric};
///
/// let intensity = TiledMetric {
///     prefix: "raw".into(),
///     reduce: Reduce::Max,
///     ..TiledMetric::new("http://tiled.example:8000", "camera")
/// };
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TiledMetric {
    /// Address of the server, with or without `/api/v1`.
    pub url: String,
    /// Below which path the runs are mounted; empty is the root.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    /// The environment variable with the API key; without one, requests are made without a key.
    #[serde(default = "api_key_variable")]
    pub api_key_variable: String,
    /// The data key: the name of a column, or of an array.
    pub data_key: String,
    /// The stream that has it.
    #[serde(default = "primary")]
    pub stream: String,
    /// How its values become one number.
    #[serde(default)]
    pub reduce: Reduce,
}

fn api_key_variable() -> String {
    API_KEY_VARIABLE.into()
}

fn primary() -> String {
    "primary".into()
}

impl TiledMetric {
    /// Makes the metric that reads the mean of a data key of the stream `primary`, of runs at the root.
    pub fn new(url: impl Into<String>, data_key: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            prefix: String::new(),
            api_key_variable: api_key_variable(),
            data_key: data_key.into(),
            stream: primary(),
            reduce: Reduce::default(),
        }
    }

    fn client(&self) -> Result<TiledClient, TiledError> {
        Ok(TiledClient::new(&self.url)?.prefix(&self.prefix).api_key_from(&self.api_key_variable))
    }

    /// The runs that may have the trial's data, newest first and at most so many, and whether the RE Manager has named
    /// them.
    fn runs(
        &self,
        tiled: &TiledClient,
        run: &TrialRun,
        metadata: &Metadata,
        limit: usize,
    ) -> Result<(Vec<Run>, bool), MetricError> {
        let listed = run_uids(metadata).map_err(MetricError::permanent)?;
        let selected: Vec<Value> = match &listed {
            Some(uids) => uids
                .iter()
                .rev()
                .take(limit)
                .map(|uid| match tiled.select_metadata(uid, SELECTION) {
                    Err(TiledError::NotFound { .. }) => Err(MetricError::NotYet),
                    answer => answer.map_err(unread),
                })
                .collect::<Result<_, _>>()?,
            None => {
                let key = metadata.text(CORRELATION).unwrap_or(&run.key);
                let field = format!("start.{CORRELATION}");
                let query =
                    Query::new().eq(&field, key).newest_first().limit(limit).select(SELECTION);
                let found = tiled.search("", &query).map_err(unread)?;
                found.into_iter().map(|node| node.metadata).collect()
            }
        };
        let runs: Result<_, _> = selected.into_iter().map(serde_json::from_value).collect();
        Ok((runs.map_err(MetricError::permanent)?, listed.is_some()))
    }

    fn values(
        &self,
        tiled: &TiledClient,
        run: &Run,
        rows: &Rows,
        events: usize,
    ) -> Result<ArrayData, MetricError> {
        let _alone = READING.lock().unwrap_or_else(PoisonError::into_inner);
        let found =
            tiled.find_stream_array(&run.uid, &self.stream, &self.data_key).map_err(disturbed)?;
        let shape = &found.structure.shape;
        let frames = rows_per_event(&run.uid, shape, found.declared.as_deref(), events)
            .map_err(MetricError::permanent)?
            .ok_or(MetricError::NotYet)?;
        let all = (0..events).collect();
        let rows = match rows {
            Rows::All => &all,
            Rows::Some(rows) => rows,
        };
        // Of a point there is one row, or they are together: hardly anything is read in vain.
        let (first, last) = (rows[0], rows[rows.len() - 1]);
        let slice = Slice::Range(first * frames, (last + 1) * frames);
        let read = tiled.read_stream_array(&found, &[slice]).map_err(disturbed)?;
        let size = read.data.len() / (last + 1 - first);
        let one = |row: &usize| &read.data[(row - first) * size..][..size];
        let data = rows.iter().flat_map(one).copied().collect();
        let mut shape = vec![rows.len()];
        if frames > 1 {
            shape.push(frames);
        }
        shape.extend(&read.shape[1..]);
        Ok(ArrayData { shape, data })
    }
}

#[typetag::serde(name = "tiled")]
impl IMetric for TiledMetric {
    fn fetch(&self, run: &TrialRun, metadata: &Metadata) -> Result<Measurement, MetricError> {
        let tiled = self.client().map_err(unread)?;
        let point = Point::read(metadata).map_err(MetricError::permanent)?;
        // Who has the item for himself has its newest run.
        let limit = if point.is_some() { usize::MAX } else { 1 };
        let (runs, listed) = self.runs(&tiled, run, metadata, limit)?;
        let (run, rows) = choose(&runs, point.as_ref(), &self.stream, listed)
            .map_err(MetricError::permanent)?
            .ok_or(MetricError::NotYet)?;
        let events = events(run, &self.stream)
            .map_err(MetricError::permanent)?
            .ok_or(MetricError::NotYet)?;
        let values = self.values(&tiled, run, &rows, events)?;
        self.reduce.measure(&values).map_err(|error| match error {
            MetricError::Permanent(source) => {
                let (key, run) = (self.data_key.clone(), run.uid.clone());
                MetricError::permanent(DataError::Values { key, run, source })
            }
            other => other,
        })
    }
}

/// Tiled reads all tables of a DuckDB file, which is where it keeps them by default, over one connection from many threads
/// (0.2.20, `StaticPool` in `tiled/storage.py`): requests at the same time cut each other's answers short, or end the server.
/// So this process makes one at a time.
static READING: Mutex<()> = Mutex::new(());

/// An answer of the wrong length is another reader's doing (see [`READING`]), and right the next time.
fn disturbed(error: TiledError) -> MetricError {
    match error {
        TiledError::Protocol { .. } => MetricError::transient(error),
        other => unread(other),
    }
}

fn unread(error: TiledError) -> MetricError {
    if error.is_transient() { MetricError::transient(error) } else { MetricError::permanent(error) }
}

/// Why a run gives no value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The trial's metadata are not as the runner writes them.
    #[error(
        "`{field}` in the trial's metadata is not as `krige_bluesky::metadata` has it, found {found}"
    )]
    Metadata {
        /// Which of them.
        field: &'static str,
        /// What it is.
        found: Value,
    },
    /// The plan did not come to its end.
    #[error("the run {run} ended with `{exit_status}`: {}", why(.reason))]
    Failed {
        /// The run's uid.
        run: String,
        /// `abort`, `fail`.
        exit_status: String,
        /// What its stop document says.
        reason: String,
    },
    /// The plan took no event in that stream.
    #[error("the run {run} has no event in stream `{stream}`; those that have some: {known:?}")]
    NoEvents {
        /// The run's uid.
        run: String,
        /// The stream that was asked for.
        stream: String,
        /// The streams that have events.
        known: Vec<String>,
    },
    /// Which rows are the trial's cannot be told.
    #[error(
        "it cannot be told which rows of run {run} are the trial's: {why}; have the plan take one event for each point \
         and write `blop_acquisition_order` in its start document, or submit one point at a time"
    )]
    NoRows {
        /// The run's uid.
        run: String,
        /// Why not.
        why: String,
    },
    /// There are values, and they give no number.
    #[error("data key `{key}` of run {run}")]
    Values {
        /// The data key.
        key: String,
        /// The run's uid.
        run: String,
        /// Why not.
        source: krige_runner::Cause,
    },
}

fn why(reason: &str) -> &str {
    if reason.is_empty() { "no reason was given" } else { reason }
}

#[cfg(test)]
mod tests;
