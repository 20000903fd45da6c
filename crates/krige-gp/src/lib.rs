//! The maths of krige.
pub mod domain;
