//! How a request to Tiled fails.

use std::time::Duration;

use krige_runner::Cause;

/// A request to Tiled failed. No message holds the API key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TiledError {
    /// The server's address cannot be used; it is not repeated, because it may hold a key.
    #[error(
        "address of Tiled: expected `http://host:port`, with or without `/api/v1`, found {found}"
    )]
    Address {
        /// What is wrong with it.
        found: String,
    },
    /// There is no such node, or it is of another kind than was asked for.
    #[error(
        "Tiled has nothing to give at `{path}`: {detail}; is the prefix right, is the run written yet?"
    )]
    NotFound {
        /// The node's path, below the prefix.
        path: String,
        /// What Tiled said.
        detail: String,
    },
    /// The API key is missing, wrong, or not good for this.
    #[error("Tiled at {url} refused access ({detail}): {advice}")]
    Unauthorized {
        /// The server.
        url: String,
        /// What Tiled said.
        detail: String,
        /// What to set.
        advice: String,
    },
    /// Tiled does not give the node in the format that was asked for.
    #[error("Tiled does not give `{path}` in the format that was asked for: {detail}")]
    NotAcceptable {
        /// The node's path.
        path: String,
        /// What Tiled said; it names the formats that it knows.
        detail: String,
    },
    /// Tiled does not do what was asked for: a kind of query that its catalog does not know, a page that is too large.
    #[error("Tiled refused the request for `{path}` with status {status}: {detail}")]
    Refused {
        /// The node's path.
        path: String,
        /// The HTTP status.
        status: u16,
        /// What Tiled said.
        detail: String,
    },
    /// Tiled failed. Status 500 is also its answer to some requests that it cannot serve, so this is worth a few attempts
    /// and no more.
    #[error("Tiled failed at `{path}` with status {status}: {detail}; look into its log")]
    Server {
        /// The node's path.
        path: String,
        /// The HTTP status.
        status: u16,
        /// What Tiled said.
        detail: String,
    },
    /// There was no whole answer in time.
    #[error("Tiled at {url} gave no whole answer to the request for `{path}` within {limit:?}")]
    Timeout {
        /// The server.
        url: String,
        /// The node's path.
        path: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// No connection to Tiled, or it broke.
    #[error("Tiled at {url} cannot be reached: is it running, and is the address right?")]
    Unreachable {
        /// The server.
        url: String,
        /// What the connection failed of.
        source: Cause,
    },
    /// What came back is not what Tiled says.
    #[error("`{path}` of Tiled: expected {expected}, found {found}")]
    Protocol {
        /// The node's path.
        path: String,
        /// What was expected.
        expected: &'static str,
        /// What was found.
        found: String,
    },
    /// The array does not hold plain numbers.
    #[error(
        "`{path}` of Tiled: expected floats of 4 or 8 bytes, integers or booleans, found {found}"
    )]
    DataType {
        /// The array's path.
        path: String,
        /// Its data type.
        found: String,
    },
    /// The array is too large to be read at once.
    #[error(
        "`{path}` of Tiled: expected at most {limit} bytes at once, found {bytes}; read slices of it"
    )]
    TooLarge {
        /// The array's path.
        path: String,
        /// Its size.
        bytes: u64,
        /// How much is read at once.
        limit: u64,
    },
    /// No column and no array has that name.
    #[error("expected a data key `{key}` in `{path}` of Tiled, found {}", names(.known))]
    NoSuchKey {
        /// The stream's or table's path.
        path: String,
        /// The data key that was asked for.
        key: String,
        /// Those that are there.
        known: Vec<String>,
    },
    /// Tiled does not tell of changes.
    #[error(
        "Tiled refused to stream `{path}` with status 500: expected a container, table or array on a server with \
         `streaming_cache` in its configuration; without one, ask it from time to time"
    )]
    NotStreaming {
        /// The node's path.
        path: String,
    },
    /// Changes are only received without TLS.
    #[error(
        "the websocket of Tiled is only spoken over `http://`, found `https://`: ask it from time to time instead"
    )]
    StreamOverTls,
}

impl TiledError {
    /// Whether the same request may work later. Errors of status 500 and above are, a limited number of times.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Server { .. } | Self::Timeout { .. } | Self::Unreachable { .. } => true,
            Self::Refused { status, .. } => matches!(status, 408 | 429),
            Self::Address { .. }
            | Self::NotFound { .. }
            | Self::Unauthorized { .. }
            | Self::NotAcceptable { .. }
            | Self::Protocol { .. }
            | Self::DataType { .. }
            | Self::TooLarge { .. }
            | Self::NoSuchKey { .. }
            | Self::NotStreaming { .. }
            | Self::StreamOverTls => false,
        }
    }
}

fn names(known: &[String]) -> String {
    if known.is_empty() { "none at all".into() } else { format!("only `{}`", known.join("`, `")) }
}
