//! krige-sqlite.
