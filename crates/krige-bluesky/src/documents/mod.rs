//! The document stream of a RunEngine: start, descriptor, event, stop.
