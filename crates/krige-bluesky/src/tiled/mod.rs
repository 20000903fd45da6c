//! A client of Tiled, the server that holds the data.
