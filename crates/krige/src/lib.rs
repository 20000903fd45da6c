//! krige.
