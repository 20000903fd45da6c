//! The 0MQ transport against a peer that plays the manager.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};

use super::*;
use crate::manager::ReManager;

/// What a REP without encryption says first (RFC 23/ZMTP 3.0): its greeting, and READY.
fn welcome() -> Vec<u8> {
    let mut greeting = vec![0; 64];
    greeting[0] = 0xFF;
    greeting[9] = 0x7F;
    greeting[10] = 3;
    greeting[12..16].copy_from_slice(b"NULL");
    let ready = b"\x05READY\x0bSocket-Type\0\0\0\x03REP";
    greeting.extend([4, u8::try_from(ready.len()).unwrap()]);
    greeting.extend(ready);
    greeting
}

/// Shakes hands.
fn accept(listener: &TcpListener) -> TcpStream {
    let mut stream = listener.accept().unwrap().0;
    stream.write_all(&welcome()).unwrap();
    let mut greeting = [0; 64];
    stream.read_exact(&mut greeting).unwrap();
    assert_eq!(frame(&mut stream)[1..6], *b"READY");
    stream
}

/// The body of the next frame, which is a short one.
fn frame(stream: &mut TcpStream) -> Vec<u8> {
    let mut head = [0; 2];
    stream.read_exact(&mut head).unwrap();
    let mut body = vec![0; usize::from(head[1])];
    stream.read_exact(&mut body).unwrap();
    body
}

/// The next request: one frame after the empty one.
fn request(stream: &mut TcpStream) -> String {
    assert_eq!(frame(stream), b"");
    String::from_utf8(frame(stream)).unwrap()
}

fn reply(stream: &mut TcpStream, body: &str) {
    stream.write_all(&[1, 0, 0, u8::try_from(body.len()).unwrap()]).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
}

/// A client of what `serve` plays.
fn peer<T: Send + 'static>(
    serve: impl FnOnce(TcpListener) -> T + Send + 'static,
) -> (ReManager, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    let transport = ZmqTransport::new(address, Encoding::Json, Security::Null);
    let manager =
        ReManager::over(std::sync::Arc::new(transport)).timeout(Duration::from_secs(60)).build();
    (manager.unwrap(), thread::spawn(move || serve(listener)))
}

#[test]
fn reading_keeps_its_connection_and_opens_another_when_it_is_gone() {
    let (manager, peer) = peer(|listener| {
        let mut first = accept(&listener);
        for _ in 0..2 {
            assert_eq!(request(&mut first), r#"{"method":"lock_info","params":{}}"#);
            reply(&mut first, r#"{"success":false,"msg":"1"}"#);
        }
        drop(first);
        let mut second = accept(&listener);
        request(&mut second);
        reply(&mut second, r#"{"success":false,"msg":"2"}"#);
    });
    for expected in ["1", "1", "2"] {
        let error = manager.lock_info(None).unwrap_err();
        assert!(
            matches!(&error, ManagerError::Refused { message, .. } if message == expected),
            "{error:?}"
        );
    }
    peer.join().unwrap();
}

#[test]
fn what_changes_something_is_sent_once_on_a_connection_of_its_own() {
    let (manager, peer) = peer(|listener| {
        let mut first = accept(&listener);
        request(&mut first);
        reply(&mut first, r#"{"success":false}"#);
        let mut second = accept(&listener);
        assert_eq!(request(&mut second), r#"{"method":"queue_start","params":{}}"#);
        drop(second);
        // Not a second time.
        listener.set_nonblocking(true).unwrap();
        listener
    });
    manager.lock_info(None).unwrap_err();
    let error = manager.queue_start().unwrap_err();
    assert!(
        matches!(error, ManagerError::ConnectionLost { may_have_been_executed: true, .. }),
        "{error:?}"
    );
    let listener = peer.join().unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn a_handshake_that_fails_had_no_effect() {
    let (manager, peer) = peer(|listener| drop(listener.accept().unwrap()));
    let error = manager.queue_start().unwrap_err();
    assert!(
        matches!(error, ManagerError::ConnectionLost { may_have_been_executed: false, .. }),
        "{error:?}"
    );
    peer.join().unwrap();
    let error = manager.queue_start().unwrap_err();
    assert!(matches!(error, ManagerError::Unreachable { .. }), "{error:?}");
    let bad = ReManager::connect("tcp://localhost").build().unwrap().status().unwrap_err();
    assert!(matches!(bad, ManagerError::Misconfigured { .. }), "{bad:?}");
}

#[test]
fn a_reply_in_another_encoding_says_so() {
    for reply in [&b"[]"[..], b"\x81\xa3msg\xa3no!", b""] {
        let what = Encoding::Json.decode(reply).unwrap_err();
        assert!(what.starts_with("expected an object in JSON") && what.contains("--zmq-encoding"));
    }
    let nan = [0x81, 0xA1, b'x', 0xCB, 0x7F, 0xF8, 0, 0, 0, 0, 0, 0];
    assert_eq!(Encoding::Msgpack.decode(&nan).unwrap(), json!({"x": null}));
    assert!(Encoding::Msgpack.decode(b"{\"msg\": 1}").is_err());
}
