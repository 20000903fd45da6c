//! Live tests of `krige_bluesky::tiled`.
