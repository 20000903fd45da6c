//! What the documents of a run say, in Tiled.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::client::TiledClient;
use super::error::TiledError;

/// The end of a run. Tiled has it when all data of the run are written.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct RunStop {
    /// `success`, `abort` or `fail`.
    pub exit_status: String,
    /// Why it ended so, where it was said.
    #[serde(default)]
    pub reason: String,
    /// How many events each stream has; a stream without any is not named.
    #[serde(default)]
    pub num_events: BTreeMap<String, usize>,
    /// When, in seconds since 1970.
    pub time: f64,
}

impl RunStop {
    /// Whether the plan came to its end.
    pub fn succeeded(&self) -> bool {
        self.exit_status == "success"
    }

    /// The stop document in a run's metadata; `None` where there is none yet.
    ///
    /// # Errors
    /// [`TiledError::Protocol`] if it is something else.
    pub(super) fn read(run: &str, stop: &Value) -> Result<Option<Self>, TiledError> {
        Deserialize::deserialize(stop).map_err(|error| TiledError::Protocol {
            path: run.to_owned(),
            expected: "a stop document in the metadata",
            found: format!("{stop} ({error})"),
        })
    }
}

impl TiledClient {
    /// The start document of a run.
    ///
    /// # Errors
    /// [`TiledError::NotFound`] if Tiled has no such run, perhaps not yet.
    pub fn run_start(&self, uid: &str) -> Result<Map<String, Value>, TiledError> {
        match self.select_metadata(uid, "start")? {
            Value::Object(start) => Ok(start),
            other => Err(TiledError::Protocol {
                path: uid.to_owned(),
                expected: "a start document in the metadata",
                found: other.to_string(),
            }),
        }
    }

    /// How a run ended; `None` while it has not ended or is not all written. A run may stay without an end for ever: its
    /// writer died, or the plan's environment did.
    ///
    /// # Errors
    /// [`TiledError::NotFound`] if Tiled has no such run, perhaps not yet.
    pub fn run_stop(&self, uid: &str) -> Result<Option<RunStop>, TiledError> {
        RunStop::read(uid, &self.select_metadata(uid, "stop")?)
    }
}
