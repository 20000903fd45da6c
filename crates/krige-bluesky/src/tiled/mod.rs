//! A client of Tiled, the server that holds the data.
//!
//! What the TiledWriter of Bluesky makes there, below the folder that the facility mounts its runs in (the client's
//! prefix):
//!
//! ```text
//! {run}                      container: metadata.start, and metadata.stop once all is written
//! {run}/{stream}             container: one event stream; there is none before its first event
//! {run}/{stream}/internal    table: scalars and small arrays, one row for each event, and their times as ts_{data key}
//! {run}/{stream}/{data key}  array [events][...]: larger arrays, and files of detectors
//! ```
//!
//! A run is there before its data, and a table before its rows: only what a run with a `stop` says is complete.
//! [`TiledClient::stream_array`] finds a data key in either of its places.
//!
//! ```no_run
//! use krige_bluesky::tiled::{Query, TiledClient};
//!
//! let tiled = TiledClient::new("http://tiled.example:8000")?.prefix("raw");
//! let query = Query::new().eq("start.plan_name", "scan").newest_first().limit(1);
//! for run in tiled.search("", &query)? {
//!     println!("{:?}", tiled.stream_array(&run.id, "primary", "detector")?.data);
//! }
//! # Ok::<(), krige_bluesky::tiled::TiledError>(())
//! ```

mod array;
mod client;
mod columns;
mod error;
mod node;
mod query;
mod run;
mod search;
mod stream;

pub use array::{ArrayData, Slice};
pub use client::{API_KEY_VARIABLE, TiledClient};
pub use columns::StreamArray;
pub use error::TiledError;
pub use node::{ArrayStructure, DataType, Endianness, Node, Spec, Structure, TableStructure};
pub use query::{Comparison, Query};
pub use run::RunStop;
pub use stream::{StreamEvent, TiledStream};

#[cfg(test)]
pub(crate) mod tests;
