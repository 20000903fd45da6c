//! The document stream of a RunEngine: start, descriptor, event, stop.
//!
//! A RunEngine publishes what it does, while it does it, as documents
//! ([event-model](https://blueskyproject.io/event-model/)). This is the fastest witness of a run, and the least
//! reliable: nothing is acknowledged or kept, whoever reaches the port can forge documents, and a stop document may
//! never come. Use it to wake up early, and take status, history and Tiled for the truth.
//!
//! - [`Document::from_frame`]: one frame, in [JSON, msgpack or pickle](DocumentFormat).
//! - [`DocumentSubscriber`]: the stream, over 0MQ, with its gaps.
//!
//! In all formats a number that is not finite is null, as JSON has no such numbers, and a document of more than
//! [`MAX_DOCUMENT`] bytes is not decoded: large arrays are fetched from Tiled.

mod error;
mod msgpack;
mod pickle;
mod subscriber;

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::{Map, Value};

pub use self::error::DocumentError;
pub use self::subscriber::DocumentSubscriber;
use crate::json::from_python;

/// The largest payload that is decoded, in bytes: 4 MiB.
pub const MAX_DOCUMENT: usize = 4 << 20;

/// How deep lists and maps of a document may be nested. `serde_json` has a bound of its own, 128.
const MAX_DEPTH: usize = 100;

/// How the publisher writes documents. It is set there (`serializer` of bluesky's `Publisher`), and cannot be told
/// from the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentFormat {
    /// JSON. The words `NaN` and `Infinity` of Python's writer are read as null.
    Json,
    /// msgpack; numpy's numbers and arrays as the package msgpack-numpy writes them.
    Msgpack,
    /// Python's pickle, bluesky's default. Start and stop documents are decoded, if they hold plain data alone: text,
    /// numbers, lists, maps. Nothing is ever executed.
    Pickle,
}

/// What a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[allow(missing_docs)] // event-model's names
pub enum DocumentName {
    Start,
    Descriptor,
    Event,
    EventPage,
    Resource,
    Datum,
    DatumPage,
    StreamResource,
    StreamDatum,
    Stop,
}

impl DocumentName {
    const ALL: [Self; 10] = [
        Self::Start,
        Self::Descriptor,
        Self::Event,
        Self::EventPage,
        Self::Resource,
        Self::Datum,
        Self::DatumPage,
        Self::StreamResource,
        Self::StreamDatum,
        Self::Stop,
    ];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Descriptor => "descriptor",
            Self::Event => "event",
            Self::EventPage => "event_page",
            Self::Resource => "resource",
            Self::Datum => "datum",
            Self::DatumPage => "datum_page",
            Self::StreamResource => "stream_resource",
            Self::StreamDatum => "stream_datum",
            Self::Stop => "stop",
        }
    }
}

impl fmt::Display for DocumentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One document.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The publisher's prefix, which tells several RunEngines on one stream apart. Empty by default.
    pub prefix: String,
    /// What it is.
    pub name: DocumentName,
    /// What it says.
    pub body: Body,
}

/// What a document says.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// A run began.
    Start(RunStart),
    /// A run ended.
    Stop(RunStop),
    /// Anything else, as it came.
    Other(Map<String, Value>),
    /// It was not looked at: a document in pickle that is neither start nor stop.
    Undecoded,
}

/// The beginning of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunStart {
    /// The run's uid.
    pub uid: String,
    /// When it began, in seconds since 1970.
    pub time: f64,
    /// Its number in this environment. It begins anew with each environment, so it is no key.
    pub scan_id: Option<i64>,
    /// The plan's name.
    pub plan_name: Option<String>,
    /// The whole document, with these fields, and with the `meta` of a queue item and the `md` of a plan among them.
    pub metadata: Map<String, Value>,
}

/// The end of a run.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct RunStop {
    /// The document's own uid.
    #[serde(default)]
    pub uid: Option<String>,
    /// The uid of the run.
    pub run_start: String,
    /// How it ended.
    pub exit_status: ExitStatus,
    /// Why, if it did not succeed.
    #[serde(default)]
    pub reason: String,
    /// The number of events of each stream. A stream that is not there has none.
    #[serde(default)]
    pub num_events: BTreeMap<String, u64>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExitStatus {
    /// As planned, or by `re_stop`: then perhaps without any event.
    Success,
    /// It was aborted or halted.
    Abort,
    /// By an exception.
    Fail,
}

impl Document {
    /// Reads a frame: prefix, name and payload, with a space between them. The payload may hold further spaces.
    ///
    /// # Errors
    /// If it has another form, or what should be in it is not.
    pub fn from_frame(frame: &[u8], format: DocumentFormat) -> Result<Self, DocumentError> {
        let mut pieces = frame.splitn(3, |&byte| byte == b' ');
        let (Some(prefix), Some(name), Some(payload)) =
            (pieces.next(), pieces.next(), pieces.next())
        else {
            return Err(DocumentError::Frame);
        };
        let prefix = String::from_utf8(prefix.to_vec()).map_err(|_| DocumentError::Frame)?;
        let name = DocumentName::ALL
            .into_iter()
            .find(|known| known.as_str().as_bytes() == name)
            .ok_or_else(|| DocumentError::UnknownName { found: name.escape_ascii().to_string() })?;
        let body = Body::decode(name, payload, format)?;
        Ok(Self { prefix, name, body })
    }
}

impl Body {
    fn decode(
        name: DocumentName,
        payload: &[u8],
        format: DocumentFormat,
    ) -> Result<Self, DocumentError> {
        let decode: fn(&[u8]) -> Result<Value, String> = match format {
            DocumentFormat::Json => {
                |payload| from_python(payload).map_err(|error| error.to_string())
            }
            DocumentFormat::Msgpack => msgpack::decode,
            DocumentFormat::Pickle if matches!(name, DocumentName::Start | DocumentName::Stop) => {
                pickle::decode
            }
            DocumentFormat::Pickle => return Ok(Self::Undecoded),
        };
        if payload.len() > MAX_DOCUMENT {
            return Err(DocumentError::TooLarge { name, size: payload.len() });
        }
        let undecodable = |what| DocumentError::Undecodable { name, what };
        let Value::Object(body) = decode(payload).map_err(undecodable)? else {
            return Err(undecodable("expected a map, found something else".to_owned()));
        };
        match name {
            DocumentName::Start => RunStart::new(body).map(Self::Start),
            DocumentName::Stop => RunStop::deserialize(body).map(Self::Stop),
            _ => Ok(Self::Other(body)),
        }
        .map_err(|error| undecodable(error.to_string()))
    }
}

impl RunStart {
    fn new(metadata: Map<String, Value>) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Known {
            uid: String,
            time: f64,
            scan_id: Option<i64>,
            plan_name: Option<String>,
        }
        let Known { uid, time, scan_id, plan_name } = Known::deserialize(&metadata)?;
        Ok(Self { uid, time, scan_id, plan_name, metadata })
    }
}

/// A number, or null if it is not finite.
fn number(value: f64) -> Value {
    serde_json::Number::from_f64(value).map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests;
