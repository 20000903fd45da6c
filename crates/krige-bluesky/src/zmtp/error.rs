//! What can go wrong between a socket of this crate and its peer.

use std::fmt;
use std::io;

/// Why a connection could not be made, or is lost.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ZmtpError {
    /// The text is no endpoint.
    #[error("expected an endpoint `tcp://host:port`, found `{endpoint}`")]
    BadEndpoint {
        /// The text.
        endpoint: String,
    },
    /// No address of the host took the connection.
    #[error("`{endpoint}` cannot be reached: {source}; see that the server runs and listens there")]
    Unreachable {
        /// Where it should have been.
        endpoint: String,
        /// What the last address that was tried said.
        source: io::Error,
    },
    /// The deadline passed.
    #[error("no answer before the deadline while {phase}")]
    TimedOut {
        /// What was going on.
        phase: Phase,
    },
    /// The peer closed the connection.
    #[error("the peer closed the connection while {phase}")]
    Closed {
        /// What was going on.
        phase: Phase,
    },
    /// One side asks for encryption that the other does not have.
    #[error("the server speaks {found}, but {expected} was asked for; {}", remedy(found))]
    MechanismMismatch {
        /// The mechanism that was asked for: `NULL` or `CURVE`.
        expected: &'static str,
        /// The mechanism that the server's greeting names.
        found: String,
    },
    /// The peer ended the handshake with an ERROR command.
    #[error("the server refused the handshake: {reason}")]
    Refused {
        /// Its words; often there are none.
        reason: String,
    },
    /// The peer is a socket of another kind, which happens when ports are mixed up.
    #[error("expected a {expected} socket, found {found}; see whether the port is the right one")]
    WrongSocket {
        /// What the peer may be.
        expected: &'static str,
        /// What it says that it is.
        found: String,
    },
    /// The peer does not keep to ZMTP 3.
    #[error("this is not ZMTP 3: {what}; see whether the port is that of a 0MQ socket")]
    Protocol {
        /// What was expected and what was found.
        what: String,
    },
    /// A message is larger than this client takes; it was not read.
    #[error("a message of more than {limit} bytes")]
    TooLarge {
        /// The bound, in bytes.
        limit: usize,
    },
    /// A box does not open: it was not made by the holder of the server key, or it was changed on its way.
    #[error(
        "the peer's {command} cannot be decrypted; see whether the server key is the right one"
    )]
    Crypto {
        /// The command that holds the box.
        command: &'static str,
    },
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    /// An earlier call failed or timed out, and the connection was given up.
    #[error("the connection was given up when an earlier call failed; make a new one")]
    Unusable,
}

/// What a connection was about when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// Looking up the host's addresses.
    Resolving,
    /// Making the TCP connection.
    Connecting,
    /// Exchanging greetings and READY commands. A socket that takes no peer of our kind closes without a word.
    Handshake,
    /// The same with CURVE. A server that finds another key than its own closes without a word, or stays silent.
    CurveHandshake,
    /// Sending a message.
    Sending,
    /// Waiting for a message.
    Receiving,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolving => "looking up the host's name",
            Self::Connecting => "connecting",
            Self::Handshake => "shaking hands (the likely reason is a wrong port)",
            Self::CurveHandshake => {
                "shaking hands with CURVE (the likely reasons are a wrong server key or port)"
            }
            Self::Sending => "sending",
            Self::Receiving => "waiting for a message",
        })
    }
}

fn remedy(found: &str) -> &'static str {
    match found {
        "CURVE" => "give the server's public key",
        "NULL" => "leave out the server key, or give the server its private key",
        _ => "this client has NULL and CURVE alone",
    }
}
