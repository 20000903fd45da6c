//! Live tests of `krige_bluesky::manager`.
