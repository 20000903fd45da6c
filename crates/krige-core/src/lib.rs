//! The model of krige: what an experiment is, and how it changes.
//!
//! An [`Experiment`](experiment::Experiment) is the fold of its [`Event`](event::Event)s by one function,
//! [`apply`](experiment::Experiment::apply); a [`Journal`](journal::Journal) keeps the events. This crate does no
//! I/O, starts no thread and reads no clock: time and randomness come in as arguments and ride in the events, so
//! that a replay gives the same experiment and the same proposals, bit for bit.
//!
//! In reading order:
//! - [`value`]: what a parameter can be set to.
//! - [`search_space`]: parameters, constraints, and the map to the unit cube.
//! - [`expression`], [`objective`]: what is optimized, as text and as data.
//! - [`observation`], [`trial`]: what is tried and what is measured.
//! - [`control`], [`stopping`]: what a run is asked for, and when trials and experiments are stopped.
//! - [`event`], [`experiment`]: changes, and their fold.
//! - [`generation`], [`model`]: how points are proposed, and what is predicted.
//! - [`journal`]: where events are kept.

pub mod clock;
pub mod control;
pub mod event;
pub mod experiment;
pub mod expression;
pub mod generation;
pub mod journal;
#[cfg(test)]
mod lab;
pub mod model;
pub mod objective;
pub mod observation;
pub mod search_space;
pub mod stopping;
pub mod trial;
pub mod value;

/// A moment in time, as events carry it.
pub use jiff::Timestamp;
