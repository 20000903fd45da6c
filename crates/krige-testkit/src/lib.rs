//! krige-testkit.
