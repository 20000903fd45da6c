//! krige on a Bluesky beamline: plans run by an RE Manager, data that land in Tiled.
//!
//! - [`manager`]: a client of the RE Manager (bluesky-queueserver), over 0MQ or HTTP.
//! - [`tiled`]: a client of Tiled: metadata, search, columns, websocket.
//! - [`metric`]: [`TiledMetric`], which reads a trial's values there; [`metadata`]: how it finds them.
//! - [`documents`]: a subscriber of the document stream.
//! - [`zmtp`]: what of 0MQ's wire protocol these need.

pub mod documents;
pub mod manager;
pub mod metadata;
pub mod metric;
pub mod tiled;
pub mod zmtp;

pub use metric::TiledMetric;
