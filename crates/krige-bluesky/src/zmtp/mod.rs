//! What of ZMTP 3 (0MQ's wire protocol) this crate needs: REQ and SUB sockets, plain or with CURVE, blocking and with
//! deadlines.
//!
//! No call waits longer than its deadline, looking up names included. A connection is one TCP connection: nothing is
//! connected again, sent again or kept for a peer that is not there, as 0MQ's own library does behind the back of its
//! user. A request that was sent twice may move a motor twice, so this is for the caller to decide.
//!
//! Sources: RFC [23](https://rfc.zeromq.org/spec/23/) (ZMTP 3.0), [37](https://rfc.zeromq.org/spec/37/) (3.1),
//! [28](https://rfc.zeromq.org/spec/28/) (REQ), [29](https://rfc.zeromq.org/spec/29/) (SUB),
//! [26](https://rfc.zeromq.org/spec/26/) (CURVE), [32](https://rfc.zeromq.org/spec/32/) (Z85).
//!
//! ```no_run
//! use std::time::{Duration, Instant};
//!
//! use krige_bluesky::zmtp::{Requester, Security};
//!
//! let deadline = Instant::now() + Duration::from_secs(2);
//! let mut manager = Requester::connect("tcp://localhost:60615", &Security::Null, deadline)?;
//! let reply = manager.request(br#"{"method": "ping"}"#, deadline)?;
//! # Ok::<(), krige_bluesky::zmtp::ZmtpError>(())
//! ```

mod connection;
mod curve;
mod error;
mod frame;
mod handshake;
mod wire;
mod z85;

use std::time::Instant;

use self::connection::Connection;
pub use self::error::{Phase, ZmtpError};
pub use self::frame::MAX_MESSAGE;
use self::handshake::Role;
pub use self::z85::{ServerKey, ServerKeyError};

/// How a connection is protected. Both sides must be set up alike.
#[derive(Debug, Clone)]
pub enum Security {
    /// Not at all.
    Null,
    /// Encrypted, to the server that has this key. The client's own keys are drawn for each connection.
    Curve(ServerKey),
}

impl Security {
    fn mechanism(&self) -> &'static str {
        match self {
            Self::Null => "NULL",
            Self::Curve(_) => "CURVE",
        }
    }
}

/// A REQ socket: one request, one reply, on a REP or ROUTER.
#[derive(Debug)]
pub struct Requester {
    /// Gone once a request has failed.
    connection: Option<Connection>,
}

impl Requester {
    /// Connects to `tcp://host:port`; each address of the host is tried.
    ///
    /// # Errors
    /// If nobody answers there before the deadline, or not as `security` asks.
    pub fn connect(
        endpoint: &str,
        security: &Security,
        deadline: Instant,
    ) -> Result<Self, ZmtpError> {
        let connection = Connection::open(endpoint, Role::Requester, security, deadline)?;
        Ok(Self { connection: Some(connection) })
    }

    /// Sends one frame and gives the one frame that answers it.
    ///
    /// # Errors
    /// If there is no answer before the deadline, or the connection breaks. The connection is then closed, and every
    /// further request is [`ZmtpError::Unusable`]: a late reply is never taken for the answer to the next request. The
    /// failed request may have reached the peer all the same, and may still be carried out.
    pub fn request(&mut self, body: &[u8], deadline: Instant) -> Result<Vec<u8>, ZmtpError> {
        let mut connection = self.connection.take().ok_or(ZmtpError::Unusable)?;
        // The empty part is how a REQ is told from the addresses that a ROUTER would put before it.
        connection.send(&[b"", body], deadline)?;
        let reply =
            connection.receive(deadline)?.ok_or(ZmtpError::TimedOut { phase: Phase::Receiving })?;
        match <[Vec<u8>; 2]>::try_from(reply) {
            Ok([delimiter, body]) if delimiter.is_empty() => {
                self.connection = Some(connection);
                Ok(body)
            }
            Ok(_) => Err(unexpected("a first part that is not empty")),
            Err(parts) => Err(unexpected(&format!("{} parts", parts.len()))),
        }
    }
}

fn unexpected(found: &str) -> ZmtpError {
    let what = format!("expected a reply of an empty part and one more, found {found}");
    ZmtpError::Protocol { what }
}

/// A SUB socket: what a PUB or XPUB publishes on the topics that are subscribed to.
///
/// A publisher drops what a slow subscriber does not read, and knows nothing of the time before a subscription.
#[derive(Debug)]
pub struct Subscriber {
    /// Gone once it has failed.
    connection: Option<Connection>,
}

impl Subscriber {
    /// Connects to `tcp://host:port`; each address of the host is tried. Nothing comes before
    /// [`subscribe`](Self::subscribe).
    ///
    /// # Errors
    /// If nobody answers there before the deadline, or not as `security` asks.
    pub fn connect(
        endpoint: &str,
        security: &Security,
        deadline: Instant,
    ) -> Result<Self, ZmtpError> {
        let connection = Connection::open(endpoint, Role::Subscriber, security, deadline)?;
        Ok(Self { connection: Some(connection) })
    }

    /// Asks for the messages whose first frame begins with `topic`; all of them if it is empty. The publisher does not
    /// confirm it.
    ///
    /// # Errors
    /// If it cannot be sent. After [`ZmtpError::TimedOut`] the socket stays usable, and what was not sent goes out
    /// with the next call; after other errors it is [`ZmtpError::Unusable`].
    pub fn subscribe(&mut self, topic: &[u8], deadline: Instant) -> Result<(), ZmtpError> {
        // ZMTP 3.0 subscribes by a message that begins with 1; the SUBSCRIBE command is of 3.1.
        let message = [&[1], topic].concat();
        self.using(|connection| connection.send(&[&message], deadline))
    }

    /// The next message, all its frames; `None` if none was complete before the deadline. The socket then stays usable,
    /// and a message that had come in part is completed by a later call.
    ///
    /// # Errors
    /// If the connection is lost. The socket is then [`ZmtpError::Unusable`].
    pub fn receive(&mut self, deadline: Instant) -> Result<Option<Vec<Vec<u8>>>, ZmtpError> {
        self.using(|connection| connection.receive(deadline))
    }

    fn using<T>(
        &mut self,
        call: impl FnOnce(&mut Connection) -> Result<T, ZmtpError>,
    ) -> Result<T, ZmtpError> {
        let result = call(self.connection.as_mut().ok_or(ZmtpError::Unusable)?);
        if !matches!(result, Ok(_) | Err(ZmtpError::TimedOut { .. })) {
            self.connection = None;
        }
        result
    }
}

#[cfg(test)]
mod tests;
