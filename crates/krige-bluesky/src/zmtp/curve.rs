//! CURVE: an encrypted and authenticated connection, on the client's side.
//!
//! Source: [RFC 26/CurveZMQ](https://rfc.zeromq.org/spec/26/), whose names stand in brackets: the long-term keys of
//! client and server (C, S) and those of one connection (C', S'). The client's long-term pair is drawn for each
//! connection too, as servers that know their clients by the server's public key alone do not look at it.
//!
//! ```text
//! HELLO     →  C', Box[64 zeros](C'→S)
//! WELCOME   ←  Box[S', cookie](S→C')
//! INITIATE  →  cookie, Box[C, Box[C', S](C→S'), metadata](C'→S')
//! READY     ←  Box[metadata](S'→C')
//! MESSAGE   ↔  Box[flags, data](C'↔S')
//! ```

use std::fmt;

use crypto_box::aead::rand_core::RngCore;
use crypto_box::aead::{Aead, OsRng};
use crypto_box::{Nonce, PublicKey, SalsaBox, SecretKey};

use super::error::ZmtpError;
use super::frame::name_and_data;
use super::z85::ServerKey;

const KEY: usize = 32;
const COOKIE: usize = 96;

/// A handshake that waits for WELCOME.
pub(super) struct Greeted {
    server: PublicKey,
    transient: SecretKey,
}

/// A handshake that waits for READY.
pub(super) struct Initiated {
    cipher: SalsaBox,
}

/// The keys and counters of a connection.
pub(super) struct Session {
    cipher: SalsaBox,
    /// Numbers of the last box in each direction. They only grow: no nonce is used twice, and no box is taken twice.
    sent: u64,
    received: u64,
}

/// The data of a HELLO command, and what goes on from there.
pub(super) fn hello(server: &ServerKey) -> (Vec<u8>, Greeted) {
    let server = PublicKey::from_bytes(server.0);
    let transient = SecretKey::generate(&mut OsRng);
    let mut data = vec![1, 0]; // the version of CurveZMQ
    data.resize(2 + 72, 0); // so that HELLO is no smaller than WELCOME
    data.extend_from_slice(transient.public_key().as_bytes());
    data.extend_from_slice(&1_u64.to_be_bytes());
    data.extend(seal(
        &SalsaBox::new(&server, &transient),
        &short(b"CurveZMQHELLO---", 1),
        &[0; 64],
    ));
    (data, Greeted { server, transient })
}

impl Greeted {
    /// The data of the INITIATE command that answers the data of WELCOME.
    pub(super) fn initiate(
        self,
        welcome: &[u8],
        metadata: &[u8],
    ) -> Result<(Vec<u8>, Initiated), ZmtpError> {
        let (nonce, sealed) = welcome.split_first_chunk().ok_or_else(|| malformed("WELCOME"))?;
        let cipher = SalsaBox::new(&self.server, &self.transient);
        let opened = open(&cipher, &long(b"WELCOME-", nonce), sealed, "WELCOME")?;
        let (&server, cookie) = opened
            .split_first_chunk::<KEY>()
            .filter(|(_, cookie)| cookie.len() == COOKIE)
            .ok_or_else(|| malformed("WELCOME"))?;
        let server_transient = PublicKey::from_bytes(server);

        let client = SecretKey::generate(&mut OsRng);
        let mut vouch_nonce = [0; 16];
        OsRng.fill_bytes(&mut vouch_nonce);
        let vouched = [self.transient.public_key().to_bytes(), self.server.to_bytes()].concat();
        let cipher = SalsaBox::new(&server_transient, &client);
        let vouch = seal(&cipher, &long(b"VOUCH---", &vouch_nonce), &vouched);

        let cipher = SalsaBox::new(&server_transient, &self.transient);
        let public = client.public_key();
        let sealed = [&public.as_bytes()[..], &vouch_nonce, &vouch, metadata].concat();
        let sealed = seal(&cipher, &short(b"CurveZMQINITIATE", 2), &sealed);
        let data = [cookie, &2_u64.to_be_bytes(), &sealed].concat();
        Ok((data, Initiated { cipher }))
    }
}

impl Initiated {
    /// The session, and the server's metadata from the data of READY.
    pub(super) fn ready(self, ready: &[u8]) -> Result<(Session, Vec<u8>), ZmtpError> {
        let (number, sealed) = ready.split_first_chunk().ok_or_else(|| malformed("READY"))?;
        let received = u64::from_be_bytes(*number);
        let nonce = short(b"CurveZMQREADY---", received);
        let metadata = open(&self.cipher, &nonce, sealed, "READY")?;
        Ok((Session { cipher: self.cipher, sent: 2, received }, metadata))
    }
}

impl Session {
    /// The body of the frame that carries `data`, a part of a message (`flags`: 1 if more follow) or a command (2).
    pub(super) fn seal(&mut self, flags: u8, data: &[u8]) -> Vec<u8> {
        self.sent += 1;
        let sealed = [&[flags], data].concat();
        let sealed = seal(&self.cipher, &short(b"CurveZMQMESSAGEC", self.sent), &sealed);
        [b"\x07MESSAGE", &self.sent.to_be_bytes()[..], &sealed].concat()
    }

    /// The flags and the data in a frame from the server.
    ///
    /// # Errors
    /// If the frame holds no box, the box does not open, or it is not newer than the last one: a replay.
    pub(super) fn open(&mut self, body: &[u8]) -> Result<(u8, Vec<u8>), ZmtpError> {
        let (number, sealed) = match name_and_data(body)? {
            (b"MESSAGE", data) => data.split_first_chunk().ok_or_else(|| malformed("MESSAGE"))?,
            _ => return Err(malformed("MESSAGE")),
        };
        let number = u64::from_be_bytes(*number);
        if number <= self.received {
            let what = format!("box {number} came after box {}: a replay", self.received);
            return Err(ZmtpError::Protocol { what });
        }
        let nonce = short(b"CurveZMQMESSAGES", number);
        let mut opened = open(&self.cipher, &nonce, sealed, "MESSAGE")?;
        self.received = number;
        if opened.is_empty() {
            return Err(malformed("MESSAGE"));
        }
        let data = opened.split_off(1);
        Ok((opened[0], data))
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

/// A nonce of a prefix and a counter.
fn short(prefix: &[u8; 16], number: u64) -> Nonce {
    let mut nonce = Nonce::default();
    nonce[..16].copy_from_slice(prefix);
    nonce[16..].copy_from_slice(&number.to_be_bytes());
    nonce
}

/// A nonce of a prefix and random bytes.
fn long(prefix: &[u8; 8], random: &[u8; 16]) -> Nonce {
    let mut nonce = Nonce::default();
    nonce[..8].copy_from_slice(prefix);
    nonce[8..].copy_from_slice(random);
    nonce
}

fn seal(cipher: &SalsaBox, nonce: &Nonce, data: &[u8]) -> Vec<u8> {
    cipher.encrypt(nonce, data).expect("XSalsa20 takes more than fits into memory")
}

fn open(
    cipher: &SalsaBox,
    nonce: &Nonce,
    sealed: &[u8],
    command: &'static str,
) -> Result<Vec<u8>, ZmtpError> {
    cipher.decrypt(nonce, sealed).map_err(|_| ZmtpError::Crypto { command })
}

fn malformed(command: &str) -> ZmtpError {
    ZmtpError::Protocol { what: format!("expected a CURVE command {command}, found another form") }
}

#[cfg(test)]
mod tests;
