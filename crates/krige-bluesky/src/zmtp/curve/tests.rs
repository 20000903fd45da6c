//! The client's handshake against a server written from the same RFC; the real one answers in `tests/it/zmtp.rs`.

use proptest::prelude::*;

use super::*;

/// A server with one connection.
struct Server {
    long_term: SecretKey,
    transient: SecretKey,
}

impl Server {
    fn new() -> Self {
        Self {
            long_term: SecretKey::generate(&mut OsRng),
            transient: SecretKey::generate(&mut OsRng),
        }
    }

    fn key(&self) -> ServerKey {
        ServerKey(self.long_term.public_key().to_bytes())
    }

    /// Opens HELLO; the data of WELCOME, and the client's transient key.
    fn welcome(&self, hello: &[u8]) -> Option<(Vec<u8>, PublicKey)> {
        assert_eq!(hello.len(), 200 - b"\x05HELLO".len());
        let client = PublicKey::from_slice(&hello[74..106]).unwrap();
        let cipher = SalsaBox::new(&client, &self.long_term);
        let zeros = cipher.decrypt(&short(b"CurveZMQHELLO---", 1), &hello[114..]).ok()?;
        assert_eq!(zeros, [0; 64]);
        let opened = [&self.transient.public_key().to_bytes()[..], &[9; COOKIE]].concat();
        let sealed = seal(&cipher, &long(b"WELCOME-", &[5; 16]), &opened);
        Some(([&[5; 16][..], &sealed].concat(), client))
    }

    /// Opens INITIATE, checks its vouch, and gives the metadata.
    fn metadata(&self, initiate: &[u8], client: &PublicKey) -> Vec<u8> {
        assert_eq!(initiate[..COOKIE], [9; COOKIE]);
        assert_eq!(initiate[COOKIE..COOKIE + 8], 2_u64.to_be_bytes());
        let cipher = SalsaBox::new(client, &self.transient);
        let opened =
            cipher.decrypt(&short(b"CurveZMQINITIATE", 2), &initiate[COOKIE + 8..]).unwrap();
        let (long_term, rest) = opened.split_first_chunk::<KEY>().unwrap();
        let (nonce, rest) = rest.split_first_chunk().unwrap();
        let (vouch, metadata) = rest.split_at(80);
        let cipher = SalsaBox::new(&PublicKey::from_bytes(*long_term), &self.transient);
        let vouched = cipher.decrypt(&long(b"VOUCH---", nonce), vouch).unwrap();
        assert_eq!(vouched[..KEY], client.to_bytes());
        assert_eq!(vouched[KEY..], self.key().0);
        metadata.to_vec()
    }

    /// A command with one box: READY or MESSAGE.
    fn boxed(&self, client: &PublicKey, prefix: &[u8; 16], number: u64, data: &[u8]) -> Vec<u8> {
        let cipher = SalsaBox::new(client, &self.transient);
        [&number.to_be_bytes()[..], &seal(&cipher, &short(prefix, number), data)].concat()
    }

    fn message(&self, client: &PublicKey, number: u64, data: &[u8]) -> Vec<u8> {
        [b"\x07MESSAGE", &self.boxed(client, b"CurveZMQMESSAGES", number, data)[..]].concat()
    }
}

/// A session of a server and its client.
fn session(server: &Server) -> (Session, PublicKey) {
    let (hello, greeted) = hello(&server.key());
    let (welcome, client) = server.welcome(&hello).unwrap();
    let (initiate, initiated) = greeted.initiate(&welcome, b"mine").unwrap();
    assert_eq!(server.metadata(&initiate, &client), b"mine");
    let ready = server.boxed(&client, b"CurveZMQREADY---", 1, b"theirs");
    let (session, metadata) = initiated.ready(&ready).unwrap();
    assert_eq!(metadata, b"theirs");
    (session, client)
}

#[test]
fn messages_go_both_ways_and_none_twice() {
    let server = Server::new();
    let (mut session, client) = session(&server);
    let cipher = SalsaBox::new(&client, &server.transient);
    for number in 3..5_u64 {
        let sent = session.seal(1, b"to the server");
        let (start, sealed) = sent.split_at(16);
        assert_eq!(start, [b"\x07MESSAGE", &number.to_be_bytes()[..]].concat());
        let opened = cipher.decrypt(&short(b"CurveZMQMESSAGEC", number), sealed).unwrap();
        assert_eq!(opened, b"\x01to the server");
    }

    let second = server.message(&client, 2, b"\0two");
    let fourth = server.message(&client, 4, b"\x02four");
    assert_eq!(session.open(&second).unwrap(), (0, b"two".to_vec()));
    assert_eq!(session.open(&fourth).unwrap(), (2, b"four".to_vec()));
    for old in [second, fourth, server.message(&client, 3, b"\0three")] {
        assert!(matches!(session.open(&old), Err(ZmtpError::Protocol { .. })));
    }
    assert!(matches!(
        session.open(&server.message(&client, 5, b"")),
        Err(ZmtpError::Protocol { .. })
    ));
}

#[test]
fn a_changed_box_does_not_open() {
    let server = Server::new();
    let (mut session, client) = session(&server);
    let good = server.message(&client, 2, b"\0data");
    for place in 16..good.len() {
        let mut changed = good.clone();
        changed[place] ^= 1;
        assert!(matches!(session.open(&changed), Err(ZmtpError::Crypto { command: "MESSAGE" })));
    }
    assert_eq!(session.open(&good).unwrap(), (0, b"data".to_vec()));
}

#[test]
fn another_server_s_key_opens_nothing() {
    let (right, wrong) = (Server::new(), Server::new());
    let (data, greeted) = hello(&wrong.key());
    assert!(right.welcome(&data).is_none());
    // A server that answers all the same does not know the key it should have.
    let impostor = Server { long_term: right.long_term, transient: right.transient };
    let client = PublicKey::from_slice(&data[74..106]).unwrap();
    let cipher = SalsaBox::new(&client, &impostor.long_term);
    let sealed = seal(&cipher, &long(b"WELCOME-", &[5; 16]), &[0; KEY + COOKIE]);
    assert!(matches!(
        greeted.initiate(&[&[5; 16][..], &sealed].concat(), b""),
        Err(ZmtpError::Crypto { command: "WELCOME" })
    ));
}

#[test]
fn nothing_secret_is_shown() {
    let (session, _) = session(&Server::new());
    assert_eq!(format!("{session:?}"), "Session { .. }");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let (_, greeted) = hello(&ServerKey([9; 32]));
        prop_assert!(greeted.initiate(&bytes, b"").is_err());
        let cipher = || {
            SalsaBox::new(&PublicKey::from_bytes([9; 32]), &SecretKey::from_bytes([1; 32]))
        };
        let initiated = Initiated { cipher: cipher() };
        prop_assert!(initiated.ready(&bytes).is_err());
        let mut session = Session { cipher: cipher(), sent: 2, received: 1 };
        prop_assert!(session.open(&bytes).is_err());
        prop_assert!(session.open(&[b"\x07MESSAGE", &bytes[..]].concat()).is_err());
    }
}
