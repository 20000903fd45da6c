//! Keys that `.cargo/config.toml` puts into the environment of tests: a test cannot set a variable of its own process.

/// The variable with the key of the Tiled of `stack.sh`.
pub(crate) const TILED_KEY: &str = "KRIGE_TEST_TILED_KEY";

/// The variable with the key of locks that a test sets for its own experiment.
pub(crate) const LOCK_KEY: &str = "KRIGE_TEST_LOCK_KEY";

/// The variable with the key of the HTTP server of `stack.sh`.
pub(crate) const HTTP_KEY: &str = "KRIGE_TEST_HTTP_KEY";
