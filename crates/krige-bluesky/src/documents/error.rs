//! What can be wrong with a document, or with the stream of them.

use super::{DocumentName, MAX_DOCUMENT};
use crate::zmtp::ZmtpError;

/// Why there is no document. None of these ends the stream.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// A message is no document.
    #[error(
        "expected a document as one frame, `prefix name payload`, found something else; see whether the port is \
         that of a document stream"
    )]
    Frame,
    /// A document is of a kind that event-model does not have, or no longer.
    #[error("expected the name of a document, found `{found}`")]
    UnknownName {
        /// Its name.
        found: String,
    },
    /// A document is too large to be decoded.
    #[error(
        "a document `{name}` of {size} bytes: no more than {MAX_DOCUMENT} are decoded; keep large arrays out of \
         the stream"
    )]
    TooLarge {
        /// What it is.
        name: DocumentName,
        /// Its size in bytes.
        size: usize,
    },
    /// A document cannot be decoded, or what should be in it is not.
    #[error(
        "a document `{name}` cannot be read: {what}; see whether the stream has the format that was given"
    )]
    Undecodable {
        /// What it is.
        name: DocumentName,
        /// What is wrong with it.
        what: String,
    },
    /// The prefix cannot be one.
    #[error("expected a prefix without spaces, found `{prefix}`")]
    BadPrefix {
        /// The prefix.
        prefix: String,
    },
    /// The connection was lost and is there again. Documents in between are lost for good: look elsewhere for what they
    /// said.
    #[error("documents may be missing, as the connection was lost and made again ({reason})")]
    Gap {
        /// What was the last to go wrong.
        reason: ZmtpError,
    },
    /// There is no connection to begin with.
    #[error("the document stream: {0}")]
    Connection(#[from] ZmtpError),
}
