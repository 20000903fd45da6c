//! krige on a Bluesky beamline: plans run by an RE Manager, data that land in Tiled.
//!
//! - [`QueueserverAgent`]: an optimizer in Blop's words, of a few lines.
//! - [`QueueserverRunner`] and [`TiledMetric`]: the same in krige's, for a [`Client`](krige::Client) of one's own.
//! - [`manager`]: a client of the RE Manager (bluesky-queueserver), over 0MQ or HTTP.
//! - [`tiled`]: a client of Tiled: metadata, search, columns, websocket.
//! - [`metric`]: how a trial's values become a number; [`metadata`]: how its runs are found.
//! - [`documents`]: a subscriber of the document stream.
//! - [`zmtp`]: what of 0MQ's wire protocol these need.

pub mod access;
mod agent;
pub mod documents;
mod json;
pub mod manager;
pub mod metadata;
pub mod metric;
mod runner;
pub mod tiled;
pub mod zmtp;

pub use access::{ManagerAccess, TiledAccess};
pub use agent::{AgentConfig, AgentError, AgentRun, Dof, Objective, QueueserverAgent};
pub use metric::TiledMetric;
pub use runner::{Actuator, QueueserverRunner, Session, Sharing, Witness};
