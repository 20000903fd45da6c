//! The crate against a real stack: see `krige_testkit::BlueskyStack`.

mod agent;
mod documents;
mod keys;
mod manager;
mod tiled;
mod zmtp;
