//! Frames: what a byte stream is cut into.
//!
//! Source: [RFC 23/ZMTP 3.0](https://rfc.zeromq.org/spec/23/), "Framing": a flag byte, a size of one byte or of eight
//! (big-endian), a body.

use super::error::ZmtpError;

/// The largest message that is taken, in bytes: 64 MiB. Replies of a RE Manager are kilobytes.
pub const MAX_MESSAGE: usize = 64 << 20;

const MORE: u8 = 1;
const LONG: u8 = 2;
const COMMAND: u8 = 4;

/// A part of a message, or a command between the two peers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    /// Whether further parts of the message follow. Never with commands.
    pub(super) more: bool,
    pub(super) command: bool,
    pub(super) body: Vec<u8>,
}

impl Frame {
    /// A command: its name, then its data.
    pub(super) fn command(name: &str, data: &[u8]) -> Self {
        let mut body = vec![u8::try_from(name.len()).expect("names of commands are short")];
        body.extend_from_slice(name.as_bytes());
        body.extend_from_slice(data);
        Self { more: false, command: true, body }
    }

    /// Appends it to what is to be sent.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let flags = if self.more { MORE } else { 0 } | if self.command { COMMAND } else { 0 };
        match u8::try_from(self.body.len()) {
            Ok(size) => out.extend_from_slice(&[flags, size]),
            Err(_) => {
                out.push(flags | LONG);
                out.extend_from_slice(&(self.body.len() as u64).to_be_bytes());
            }
        }
        out.extend_from_slice(&self.body);
    }

    /// The frame that `bytes` begin with and the number of bytes that it takes, or `None` if it is not there yet.
    ///
    /// # Errors
    /// If the flags are none of ZMTP 3, or the frame is larger than [`MAX_MESSAGE`].
    pub(super) fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, ZmtpError> {
        let Some((&flags, rest)) = bytes.split_first() else { return Ok(None) };
        let (more, command) = (flags & MORE != 0, flags & COMMAND != 0);
        if flags & !(MORE | LONG | COMMAND) != 0 || more && command {
            let what = format!("expected a frame, found the flags {flags:#04x}");
            return Err(ZmtpError::Protocol { what });
        }
        let (size, rest) = if flags & LONG == 0 {
            let Some((&size, rest)) = rest.split_first() else { return Ok(None) };
            (u64::from(size), rest)
        } else {
            let Some((size, rest)) = rest.split_first_chunk() else { return Ok(None) };
            (u64::from_be_bytes(*size), rest)
        };
        let size = usize::try_from(size)
            .ok()
            .filter(|&size| size <= MAX_MESSAGE)
            .ok_or(ZmtpError::TooLarge { limit: MAX_MESSAGE })?;
        let Some(body) = rest.get(..size) else { return Ok(None) };
        let used = bytes.len() - rest.len() + size;
        Ok(Some((Self { more, command, body: body.to_vec() }, used)))
    }
}

/// Cuts the body of a command into its name and its data.
pub(super) fn name_and_data(body: &[u8]) -> Result<(&[u8], &[u8]), ZmtpError> {
    sized(body).ok_or_else(|| ZmtpError::Protocol { what: "a command without a name".to_owned() })
}

/// Cuts off what a leading byte counts.
pub(super) fn sized(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&size, rest) = bytes.split_first()?;
    rest.split_at_checked(size.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_take_one_byte_or_eight() {
        let encoded = |frame: Frame| {
            let mut out = Vec::new();
            frame.encode(&mut out);
            out
        };
        let message = |size, more| Frame { more, command: false, body: vec![7; size] };
        assert_eq!(encoded(message(0, true)), [1, 0]);
        assert_eq!(encoded(message(255, false))[..3], [0, 255, 7]);
        assert_eq!(encoded(message(256, false))[..10], [2, 0, 0, 0, 0, 0, 0, 1, 0, 7]);
        assert_eq!(encoded(Frame::command("PONG", b"x")), *b"\x04\x06\x04PONGx");
    }

    #[test]
    fn a_size_is_believed_up_to_the_bound() {
        let claim = |size: u64| Frame::decode(&[&[2][..], &size.to_be_bytes()].concat());
        assert!(matches!(claim(MAX_MESSAGE as u64), Ok(None)));
        for size in [MAX_MESSAGE as u64 + 1, u64::MAX] {
            assert!(matches!(claim(size), Err(ZmtpError::TooLarge { limit: MAX_MESSAGE })));
        }
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(
            (more, command) in prop::sample::select(vec![(false, false), (true, false), (false, true)]),
            body in prop::collection::vec(any::<u8>(), 0..600),
            rest: [u8; 3],
        ) {
            let frame = Frame { more, command, body };
            let mut bytes = Vec::new();
            frame.encode(&mut bytes);
            for cut in 0..bytes.len() {
                prop_assert!(matches!(Frame::decode(&bytes[..cut]), Ok(None)));
            }
            let used = bytes.len();
            bytes.extend_from_slice(&rest);
            prop_assert_eq!(Frame::decode(&bytes).unwrap(), Some((frame, used)));
        }

        #[test]
        fn any_bytes_are_taken_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(Some((frame, used))) = Frame::decode(&bytes) {
                prop_assert!(used <= bytes.len());
                let _ = name_and_data(&frame.body);
            }
        }
    }
}
