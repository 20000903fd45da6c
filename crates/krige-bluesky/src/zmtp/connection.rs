//! Messages over a connection, in clear or in CURVE's boxes.

use std::mem;
use std::time::Instant;

use super::Security;
use super::curve::Session;
use super::error::{Phase, ZmtpError};
use super::frame::{Frame, MAX_MESSAGE, name_and_data};
use super::handshake::{Role, shake_hands};
use super::wire::Wire;

/// Flags of CURVE's MESSAGE; those of a frame have other values.
const MORE: u8 = 1;
const COMMAND: u8 = 2;

/// A connection after its handshake.
#[derive(Debug)]
pub(super) struct Connection {
    wire: Wire,
    session: Option<Session>,
    message: Partial,
}

/// What has come of a message.
#[derive(Debug, Default)]
struct Partial {
    parts: Vec<Vec<u8>>,
    /// The memory that they take, in bytes.
    size: usize,
}

impl Connection {
    /// Connects and shakes hands.
    pub(super) fn open(
        endpoint: &str,
        role: Role,
        security: &Security,
        deadline: Instant,
    ) -> Result<Self, ZmtpError> {
        let mut wire = Wire::connect(endpoint, deadline)?;
        let session = shake_hands(&mut wire, role, security, deadline)?;
        Ok(Self { wire, session, message: Partial::default() })
    }

    /// Sends a message of these parts. If the deadline passes, what is left over goes out with the next call.
    pub(super) fn send(&mut self, parts: &[&[u8]], deadline: Instant) -> Result<(), ZmtpError> {
        for (place, &part) in parts.iter().enumerate() {
            let more = place + 1 < parts.len();
            let frame = Frame { more, command: false, body: part.to_vec() };
            queue(&mut self.wire, &mut self.session, frame);
        }
        self.wire.flush(deadline, Phase::Sending)
    }

    /// The next message, or `None` if it was not whole before the deadline; it can then still come.
    pub(super) fn receive(&mut self, deadline: Instant) -> Result<Option<Vec<Vec<u8>>>, ZmtpError> {
        let Self { wire, session, message } = self;
        wire.wait(deadline, Phase::Receiving, |wire| {
            while let Some(frame) = wire.frame()? {
                let frame = opened(session, frame)?;
                if frame.command {
                    if let Some(answer) = answer(&frame.body)? {
                        queue(wire, session, answer);
                    }
                } else if message.add(frame)? {
                    return Ok(Some(mem::take(message).parts));
                }
            }
            match wire.flush(deadline, Phase::Sending) {
                Ok(()) | Err(ZmtpError::TimedOut { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        })
    }
}

impl Partial {
    /// Adds a part; whether it was the last.
    fn add(&mut self, frame: Frame) -> Result<bool, ZmtpError> {
        // An empty part takes memory as well.
        self.size += frame.body.len() + size_of::<Vec<u8>>();
        if self.size > MAX_MESSAGE {
            return Err(ZmtpError::TooLarge { limit: MAX_MESSAGE });
        }
        self.parts.push(frame.body);
        Ok(!frame.more)
    }
}

/// Queues a frame, in a box if the connection is encrypted.
fn queue(wire: &mut Wire, session: &mut Option<Session>, frame: Frame) {
    wire.queue(&match session {
        None => frame,
        Some(session) => {
            let flags = if frame.more { MORE } else { 0 } | if frame.command { COMMAND } else { 0 };
            Frame { more: false, command: false, body: session.seal(flags, &frame.body) }
        }
    });
}

/// What is in the box, if the connection is encrypted.
fn opened(session: &mut Option<Session>, frame: Frame) -> Result<Frame, ZmtpError> {
    let Some(session) = session else { return Ok(frame) };
    let (flags, body) = session.open(&frame.body)?;
    Ok(Frame { more: flags & MORE != 0, command: flags & COMMAND != 0, body })
}

/// Answers PING (RFC 37/ZMTP 3.1: two bytes of time to live, then a context that comes back). Other commands of that
/// version ask for nothing that these sockets have.
fn answer(command: &[u8]) -> Result<Option<Frame>, ZmtpError> {
    match name_and_data(command)? {
        (b"PING", data) => Ok(Some(Frame::command("PONG", data.get(2..).unwrap_or_default()))),
        (b"ERROR", reason) => {
            Err(ZmtpError::Refused { reason: String::from_utf8_lossy(reason).into_owned() })
        }
        _ => Ok(None),
    }
}
