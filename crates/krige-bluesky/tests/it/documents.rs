//! Live tests of `krige_bluesky::documents`.
