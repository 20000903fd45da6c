//! The crate against a real Slurm: see `krige_testkit::SlurmStack`.

mod arrays;
mod bed;
mod contract;
mod controller;
mod failures;
mod nodes;
mod questions;
mod twice;
mod vanished;
