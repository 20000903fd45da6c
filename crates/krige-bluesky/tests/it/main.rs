//! The crate against a real stack: see `krige_testkit::BlueskyStack`.

mod documents;
mod manager;
mod tiled;
mod zmtp;
