//! How two peers meet: greetings, a security mechanism, and READY commands with their metadata.
//!
//! Source: [RFC 23/ZMTP 3.0](https://rfc.zeromq.org/spec/23/), "Connection" and "The NULL Security Mechanism". The
//! client says that it speaks 3.0; a peer of a newer minor version then does the same.

use std::time::Instant;

use super::Security;
use super::curve::{self, Session};
use super::error::{Phase, ZmtpError};
use super::frame::{Frame, name_and_data, sized};
use super::wire::Wire;

const GREETING: usize = 64;
const START: usize = 11;
const MECHANISM: std::ops::Range<usize> = 12..32;

/// What the two ends of a connection are.
#[derive(Debug, Clone, Copy)]
pub(super) enum Role {
    /// REQ, on a REP or ROUTER.
    Requester,
    /// SUB, on a PUB or XPUB.
    Subscriber,
}

/// Leads the connection up to the first message.
pub(super) fn shake_hands(
    wire: &mut Wire,
    role: Role,
    security: &Security,
    deadline: Instant,
) -> Result<Option<Session>, ZmtpError> {
    let phase = match security {
        Security::Null => Phase::Handshake,
        Security::Curve(_) => Phase::CurveHandshake,
    };
    // The mechanism is kept back until the peer has named its own: a peer that does not like it closes without a word.
    let (start, rest) = greeting(security.mechanism());
    wire.queue_bytes(&start);
    wire.flush(deadline, phase)?;
    // A peer that speaks something else may never send 64 bytes.
    let greeted = wire.wait(deadline, Phase::Handshake, |wire| {
        if wire.peek().len() >= START {
            check_signature(wire.peek())?;
        }
        let Some(greeting) = wire.peek().first_chunk() else { return Ok(None) };
        check_mechanism(greeting, security.mechanism()).map(Some)
    })?;
    greeted.ok_or(ZmtpError::TimedOut { phase: Phase::Handshake })?;
    wire.skip(GREETING);
    wire.queue_bytes(&rest);

    let metadata = metadata(role);
    let mut exchange = |name: &str, data: &[u8], answer: &str| {
        wire.queue(&Frame::command(name, data));
        wire.flush(deadline, phase)?;
        let frame = wire.wait(deadline, phase, Wire::frame)?;
        answer_data(&frame.ok_or(ZmtpError::TimedOut { phase })?, answer)
    };
    let (session, theirs) = match security {
        Security::Null => (None, exchange("READY", &metadata, "READY")?),
        Security::Curve(server) => {
            let (data, greeted) = curve::hello(server);
            let welcome = exchange("HELLO", &data, "WELCOME")?;
            let (data, initiated) = greeted.initiate(&welcome, &metadata)?;
            let ready = exchange("INITIATE", &data, "READY")?;
            let (session, theirs) = initiated.ready(&ready)?;
            (Some(session), theirs)
        }
    };
    check_peer(role, &theirs)?;
    Ok(session)
}

/// A greeting, cut after the signature and the major version.
fn greeting(mechanism: &str) -> ([u8; START], [u8; GREETING - START]) {
    let start = [0xFF, 0, 0, 0, 0, 0, 0, 0, 0, 0x7F, 3];
    let mut rest = [0; GREETING - START];
    rest[MECHANISM.start - START..][..mechanism.len()].copy_from_slice(mechanism.as_bytes());
    (start, rest)
}

fn check_signature(start: &[u8]) -> Result<(), ZmtpError> {
    let what = match start {
        [0xFF, _, _, _, _, _, _, _, _, last, version, ..] if last & 1 == 1 => {
            if *version >= 3 {
                return Ok(());
            }
            format!("expected version 3 or later, found {version}")
        }
        _ => format!("expected a greeting, found `{}`", start.escape_ascii()),
    };
    Err(ZmtpError::Protocol { what })
}

fn check_mechanism(greeting: &[u8; GREETING], expected: &'static str) -> Result<(), ZmtpError> {
    let found = &greeting[MECHANISM];
    let end = found.iter().position(|&byte| byte == 0).unwrap_or(found.len());
    let found = found[..end].escape_ascii().to_string();
    if found == expected { Ok(()) } else { Err(ZmtpError::MechanismMismatch { expected, found }) }
}

/// The data of the command that was expected.
fn answer_data(frame: &Frame, expected: &str) -> Result<Vec<u8>, ZmtpError> {
    if !frame.command {
        let what = format!("expected a command {expected}, found a message");
        return Err(ZmtpError::Protocol { what });
    }
    match name_and_data(&frame.body)? {
        (name, data) if name == expected.as_bytes() => Ok(data.to_vec()),
        (b"ERROR", data) => {
            let reason = sized(data).map_or(data, |(reason, _)| reason);
            Err(ZmtpError::Refused { reason: String::from_utf8_lossy(reason).into_owned() })
        }
        (name, _) => {
            let what = format!("expected a command {expected}, found `{}`", name.escape_ascii());
            Err(ZmtpError::Protocol { what })
        }
    }
}

/// Properties are a name, a size of four bytes and a value each.
fn metadata(role: Role) -> Vec<u8> {
    let name = match role {
        Role::Requester => "REQ",
        Role::Subscriber => "SUB",
    };
    let mut metadata = b"\x0bSocket-Type\0\0\0\x03".to_vec();
    metadata.extend_from_slice(name.as_bytes());
    metadata
}

fn check_peer(role: Role, metadata: &[u8]) -> Result<(), ZmtpError> {
    let (expected, kinds): (_, [&[u8]; 2]) = match role {
        Role::Requester => ("REP or ROUTER", [b"REP", b"ROUTER"]),
        Role::Subscriber => ("PUB or XPUB", [b"PUB", b"XPUB"]),
    };
    match socket_type(metadata) {
        Some(found) if kinds.contains(&found) => Ok(()),
        Some(found) => {
            Err(ZmtpError::WrongSocket { expected, found: found.escape_ascii().to_string() })
        }
        None => Err(ZmtpError::Protocol { what: "a READY without a socket type".to_owned() }),
    }
}

fn socket_type(mut metadata: &[u8]) -> Option<&[u8]> {
    while !metadata.is_empty() {
        let (name, rest) = sized(metadata)?;
        let (size, rest) = rest.split_first_chunk()?;
        let size = usize::try_from(u32::from_be_bytes(*size)).ok()?;
        let (value, rest) = rest.split_at_checked(size)?;
        if name.eq_ignore_ascii_case(b"Socket-Type") {
            return Some(value);
        }
        metadata = rest;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_socket_type_is_found_among_others() {
        let others = b"\x08Identity\0\0\0\0\x0bsocket-type\0\0\0\x04XPUB\x01X\0\0\0\x01y";
        assert_eq!(socket_type(others), Some(&b"XPUB"[..]));
        assert_eq!(socket_type(&metadata(Role::Requester)), Some(&b"REQ"[..]));
        assert!(matches!(
            check_peer(Role::Requester, others),
            Err(ZmtpError::WrongSocket { expected: "REP or ROUTER", .. })
        ));
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_or_refused(bytes in prop::collection::vec(any::<u8>(), 64..128)) {
            let _ = check_signature(&bytes);
            let _ = check_mechanism(bytes.first_chunk().unwrap(), "NULL");
            let _ = check_peer(Role::Subscriber, &bytes);
        }
    }
}
