//! The `krige` command, from outside.

mod documentation;
mod session;
mod stdio;
