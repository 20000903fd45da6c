//! The sockets against peers that misbehave; well-behaved ones answer in `tests/it/zmtp.rs`.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::*;

/// A greeting of ZMTP 3.1 and NULL.
const GREETING: &[u8; 64] = &{
    let mut greeting = [0; 64];
    (greeting[0], greeting[9], greeting[10], greeting[11]) = (0xFF, 0x7F, 3, 1);
    (greeting[12], greeting[13], greeting[14], greeting[15]) = (b'N', b'U', b'L', b'L');
    greeting
};
const REP_READY: &[u8] = b"\x04\x19\x05READY\x0bSocket-Type\0\0\0\x03REP";
const PUB_READY: &[u8] = b"\x04\x19\x05READY\x0bSocket-Type\0\0\0\x03PUB";
/// Of a client: its greeting and READY.
const CLIENT_START: usize = 64 + 27;

/// A peer that does what it is told to on its first connection.
fn peer(script: impl FnOnce(TcpStream) + Send + 'static) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
    (endpoint, thread::spawn(move || script(listener.accept().unwrap().0)))
}

fn skip(stream: &mut TcpStream, count: usize) {
    stream.read_exact(&mut vec![0; count]).unwrap();
}

/// Until the client has gone.
fn drain(mut stream: TcpStream) {
    let _ = stream.read_to_end(&mut Vec::new());
}

fn soon() -> Instant {
    Instant::now() + Duration::from_millis(50)
}

fn later() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

#[test]
fn whatever_is_no_greeting_is_an_error() {
    let cases: [&'static [u8]; 4] =
        [b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", &[0; 64], &[0xFF; 64]];
    for said in cases {
        let (endpoint, peer) = peer(move |mut stream| {
            stream.write_all(said).unwrap();
            drain(stream);
        });
        let error = Requester::connect(&endpoint, &Security::Null, later()).unwrap_err();
        let expected = if said[0] == 0xFF { "MechanismMismatch" } else { "Protocol" };
        assert!(format!("{error:?}").starts_with(expected), "{error:?}");
        peer.join().unwrap();
    }
}

#[test]
fn a_peer_that_is_silent_or_gone_is_an_error() {
    let (endpoint, silent) = peer(drain);
    assert!(matches!(
        Requester::connect(&endpoint, &Security::Null, soon()),
        Err(ZmtpError::TimedOut { phase: Phase::Handshake })
    ));
    silent.join().unwrap();

    let (endpoint, gone) = peer(|mut stream| skip(&mut stream, 11));
    assert!(matches!(
        Subscriber::connect(&endpoint, &Security::Null, later()),
        Err(ZmtpError::Closed { phase: Phase::Handshake })
    ));
    gone.join().unwrap();
}

#[test]
fn refusals_and_wrong_sockets_are_told_apart() {
    let meet = |ready: &'static [u8]| {
        let (endpoint, peer) = peer(move |mut stream| {
            stream.write_all(&[GREETING, ready].concat()).unwrap();
            drain(stream);
        });
        let error = Requester::connect(&endpoint, &Security::Null, later()).unwrap_err();
        peer.join().unwrap();
        error.to_string()
    };
    assert_eq!(meet(b"\x04\x0b\x05ERROR\x04busy"), "the server refused the handshake: busy");
    assert!(meet(PUB_READY).starts_with("expected a REP or ROUTER socket, found PUB"));
    assert!(meet(b"\0\x02hi").contains("found a message"));
    assert!(meet(b"\x04\x04\x03ODD").contains("found `ODD`"));
    assert!(meet(b"\x04\x06\x05READY").contains("without a socket type"));

    let key = ServerKey([1; 32]);
    let (endpoint, peer) = peer(|mut stream| {
        stream.write_all(GREETING).unwrap();
        drain(stream);
    });
    let error = Requester::connect(&endpoint, &Security::Curve(key), later()).unwrap_err();
    assert!(error.to_string().starts_with("the server speaks NULL, but CURVE was asked for"));
    peer.join().unwrap();
}

#[test]
fn a_late_reply_answers_nothing() {
    let (timed_out, wait) = mpsc::channel();
    let (endpoint, peer) = peer(move |mut stream| {
        stream.write_all(&[GREETING, REP_READY].concat()).unwrap();
        skip(&mut stream, CLIENT_START + 2 + 5);
        stream.write_all(b"\x01\0\0\x05first").unwrap();
        skip(&mut stream, 2 + 5);
        wait.recv().unwrap();
        let _ = stream.write_all(b"\x01\0\0\x04late");
        drain(stream);
    });
    let mut requester = Requester::connect(&endpoint, &Security::Null, later()).unwrap();
    assert_eq!(requester.request(b"one", later()).unwrap(), b"first");
    assert!(matches!(
        requester.request(b"two", soon()),
        Err(ZmtpError::TimedOut { phase: Phase::Receiving })
    ));
    timed_out.send(()).unwrap();
    assert!(matches!(requester.request(b"three", later()), Err(ZmtpError::Unusable)));
    peer.join().unwrap();
}

#[test]
fn replies_of_another_form_are_errors() {
    let cases: [(&'static [u8], &str); 5] = [
        (b"\0\x02hi", "1 parts"),
        (b"\x01\0\x01\x01a\0\x01b", "3 parts"),
        (b"\x01\x01a\0\x01b", "a first part that is not empty"),
        (b"\x01\0\x02\0\0\0\0\x7f\0\0\0", "more than 67108864 bytes"),
        (b"\xff", "the flags 0xff"),
    ];
    for (reply, expected) in cases {
        let (endpoint, peer) = peer(move |mut stream| {
            stream.write_all(&[GREETING, REP_READY].concat()).unwrap();
            skip(&mut stream, CLIENT_START + 2 + 3);
            stream.write_all(reply).unwrap();
            drain(stream);
        });
        let mut requester = Requester::connect(&endpoint, &Security::Null, later()).unwrap();
        let error = requester.request(b"?", later()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(matches!(requester.request(b"?", later()), Err(ZmtpError::Unusable)));
        peer.join().unwrap();
    }
}

#[test]
fn a_deadline_in_the_middle_of_a_message_loses_nothing() {
    let (go_on, wait) = mpsc::channel();
    let (endpoint, peer) = peer(move |mut stream| {
        stream.write_all(&[GREETING, PUB_READY].concat()).unwrap();
        skip(&mut stream, CLIENT_START);
        let mut subscription = [0; 5];
        stream.read_exact(&mut subscription).unwrap();
        assert_eq!(subscription, *b"\0\x03\x01to");
        for piece in [&b"\x01\x05top"[..], b"ic\0", b"\x04body\0\x04next"] {
            stream.write_all(piece).unwrap();
            wait.recv().unwrap();
        }
    });
    let mut subscriber = Subscriber::connect(&endpoint, &Security::Null, later()).unwrap();
    subscriber.subscribe(b"to", later()).unwrap();
    for _ in 0..2 {
        assert_eq!(subscriber.receive(soon()).unwrap(), None);
        go_on.send(()).unwrap();
    }
    let message = subscriber.receive(later()).unwrap();
    assert_eq!(message, Some(vec![b"topic".to_vec(), b"body".to_vec()]));
    // What has come is given even when there is no time to wait.
    assert_eq!(subscriber.receive(Instant::now()).unwrap(), Some(vec![b"next".to_vec()]));
    go_on.send(()).unwrap();
    peer.join().unwrap();
    assert!(matches!(
        subscriber.receive(later()),
        Err(ZmtpError::Closed { phase: Phase::Receiving })
    ));
    assert!(matches!(subscriber.receive(later()), Err(ZmtpError::Unusable)));
}

#[test]
fn a_ping_is_answered() {
    let (endpoint, peer) = peer(|mut stream| {
        stream.write_all(&[GREETING, PUB_READY].concat()).unwrap();
        skip(&mut stream, CLIENT_START);
        stream.write_all(b"\x04\x09\x04PING\x01\x2chi").unwrap();
        let mut pong = [0; 9];
        stream.read_exact(&mut pong).unwrap();
        assert_eq!(pong, *b"\x04\x07\x04PONGhi");
        stream.write_all(b"\0\x04done").unwrap();
    });
    let mut subscriber = Subscriber::connect(&endpoint, &Security::Null, later()).unwrap();
    assert_eq!(subscriber.receive(later()).unwrap(), Some(vec![b"done".to_vec()]));
    peer.join().unwrap();
}

#[test]
fn a_peer_that_does_not_read_is_an_error() {
    let (endpoint, peer) = peer(|mut stream| {
        stream.write_all(&[GREETING, REP_READY].concat()).unwrap();
        skip(&mut stream, CLIENT_START);
        // It reads on only when the client has given up.
        thread::park();
        drain(stream);
    });
    let mut requester = Requester::connect(&endpoint, &Security::Null, later()).unwrap();
    assert!(matches!(
        requester.request(&vec![0; 16 << 20], soon()),
        Err(ZmtpError::TimedOut { phase: Phase::Sending })
    ));
    peer.thread().unpark();
    peer.join().unwrap();
}

#[test]
fn nobody_listening_is_unreachable() {
    // A port that no other test is given.
    for endpoint in ["tcp://127.0.0.1:1", "tcp://localhost:1"] {
        let error = Requester::connect(endpoint, &Security::Null, later()).unwrap_err();
        assert!(matches!(error, ZmtpError::Unreachable { .. }), "{error:?}");
    }
}
