//! A client of the RE Manager, the process that runs plans (bluesky-queueserver).
