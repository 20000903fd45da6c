//! Keys as text: Z85, five printable characters for four bytes.
//!
//! Source: [RFC 32/Z85](https://rfc.zeromq.org/spec/32/).

use std::fmt;
use std::str::FromStr;

const ALPHABET: &[u8; 85] =
    b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
const KEY_CHARACTERS: usize = 40;

/// The long-term public key of a CURVE server.
///
/// As text it is 40 characters of Z85, as `zmq_curve_keypair` and `qserver-zmq-keys` print it. A server takes any
/// client that knows it, so it is to be kept like a password; [`Debug`](fmt::Debug) does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerKey(pub(super) [u8; 32]);

/// Why a text is no [`ServerKey`]. The text is not repeated, as a mistyped key still is one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServerKeyError {
    /// It has another length.
    #[error("a server key: expected 40 characters of Z85, found {found}")]
    Length {
        /// The number of characters.
        found: usize,
    },
    /// A character does not belong to Z85.
    #[error("a server key: character {position} is not of the Z85 alphabet")]
    Character {
        /// Its place, from 1.
        position: usize,
    },
    /// Five characters are more than four bytes can hold.
    #[error("a server key: the five characters from {position} on are too large for Z85")]
    Overflow {
        /// The place of the first of them, from 1.
        position: usize,
    },
}

impl FromStr for ServerKey {
    type Err = ServerKeyError;

    fn from_str(text: &str) -> Result<Self, ServerKeyError> {
        let found = text.chars().count();
        if found != KEY_CHARACTERS {
            return Err(ServerKeyError::Length { found });
        }
        let mut digits = [0_u64; KEY_CHARACTERS];
        for (position, (digit, character)) in digits.iter_mut().zip(text.chars()).enumerate() {
            *digit = ALPHABET
                .iter()
                .position(|&known| char::from(known) == character)
                .ok_or(ServerKeyError::Character { position: position + 1 })?
                as u64;
        }
        let mut key = [0; 32];
        for (group, (five, four)) in digits.chunks(5).zip(key.chunks_mut(4)).enumerate() {
            let value = five.iter().fold(0, |value, digit| value * 85 + digit);
            let value = u32::try_from(value)
                .map_err(|_| ServerKeyError::Overflow { position: 5 * group + 1 })?;
            four.copy_from_slice(&value.to_be_bytes());
        }
        Ok(Self(key))
    }
}

impl fmt::Display for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for four in self.0.chunks(4) {
            let value = four.iter().fold(0, |value, &byte| value << 8 | u32::from(byte));
            for power in [85_u32.pow(4), 85_u32.pow(3), 85_u32.pow(2), 85, 1] {
                let digit = ALPHABET[(value / power % 85) as usize];
                fmt::Write::write_char(f, char::from(digit))?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The test keys of the manual page `zmq_curve(7)`, "TEST KEY VALUES", server public key; and around it the test
    /// case of RFC 32 (`86 4F D2 6F B5 59 F7 5B` is `HelloWorld`).
    #[test]
    fn published_values() {
        let text = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";
        let bytes = [
            0x54, 0xFC, 0xBA, 0x24, 0xE9, 0x32, 0x49, 0x96, 0x93, 0x16, 0xFB, 0x61, 0x7C, 0x87,
            0x2B, 0xB0, 0xC1, 0xD1, 0xFF, 0x14, 0x80, 0x04, 0x27, 0xC5, 0x94, 0xCB, 0xFA, 0xCF,
            0x1B, 0xC2, 0xD6, 0x52,
        ];
        assert_eq!(text.parse(), Ok(ServerKey(bytes)));
        assert_eq!(ServerKey(bytes).to_string(), text);

        let hello = [0x86, 0x4F, 0xD2, 0x6F, 0xB5, 0x59, 0xF7, 0x5B].repeat(4);
        let hello = ServerKey(hello.try_into().unwrap());
        assert_eq!(hello.to_string(), "HelloWorld".repeat(4));
        assert_eq!("HelloWorld".repeat(4).parse(), Ok(hello));
    }

    #[test]
    fn errors_say_what_is_wrong() {
        let parse = |text: &str| text.parse::<ServerKey>().unwrap_err();
        assert_eq!(parse(""), ServerKeyError::Length { found: 0 });
        assert_eq!(parse(&"ä".repeat(41)), ServerKeyError::Length { found: 41 });
        assert_eq!(
            parse(&format!("{}'{}", "0".repeat(6), "0".repeat(33))),
            ServerKeyError::Character { position: 7 }
        );
        assert_eq!(
            parse(&format!("{}#####{}", "0".repeat(5), "0".repeat(30))),
            ServerKeyError::Overflow { position: 6 }
        );
    }

    proptest! {
        #[test]
        fn text_and_key_are_one(key: [u8; 32]) {
            prop_assert_eq!(ServerKey(key).to_string().parse(), Ok(ServerKey(key)));
        }

        #[test]
        fn any_text_is_taken_or_refused(text in "\\PC{38,42}") {
            let _ = text.parse::<ServerKey>();
        }
    }
}
