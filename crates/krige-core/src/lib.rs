//! krige-core.
