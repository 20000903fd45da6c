//! krige-runner.
