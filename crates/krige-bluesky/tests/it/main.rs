//! The crate against a real stack: see `krige_testkit::BlueskyStack`.

mod agent;
mod agent_points;
mod bounded;
mod documents;
mod failures_data;
mod failures_manager;
mod keys;
mod manager;
mod sharing;
mod stack;
mod tiled;
mod witness;
mod zmtp;
