//! Gaps, against publishers that go and come back; whole streams are in `tests/it/documents.rs`.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;

use super::*;
use crate::documents::{Body, DocumentName};

/// Greeting and READY of a PUB (RFC 23/ZMTP 3.0).
fn publisher() -> Vec<u8> {
    let ready = b"\x04\x19\x05READY\x0bSocket-Type\0\0\0\x03PUB";
    [&b"\xff\0\0\0\0\0\0\0\0\x7f\x03\0NULL"[..], &[0; 48], ready].concat()
}

fn later() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// A publisher's side of a connection, up to the subscription.
fn accept(listener: &TcpListener, topic: &[u8]) -> TcpStream {
    let (mut stream, _) = listener.accept().unwrap();
    stream.write_all(&publisher()).unwrap();
    let mut heard = vec![0; 64 + 27 + 3 + topic.len()];
    stream.read_exact(&mut heard).unwrap();
    assert!(heard.ends_with(&[&[1], topic].concat()));
    stream
}

fn publish(stream: &mut TcpStream, frame: &[u8]) {
    stream.write_all(&[&[0, frame.len() as u8], frame].concat()).unwrap();
}

#[test]
fn a_lost_connection_is_a_gap_and_bad_frames_are_none() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    let (close, closed) = mpsc::channel();
    let publisher = thread::spawn(move || {
        let mut stream = accept(&listener, b"lab ");
        publish(&mut stream, b"lab event {");
        publish(&mut stream, b"lab nonsense {}");
        publish(&mut stream, b"lab event {}");
        closed.recv().unwrap();
        drop(stream);
        let mut stream = accept(&listener, b"lab ");
        publish(&mut stream, b"lab descriptor {}");
        closed.recv().unwrap();
        listener
    });
    let format = DocumentFormat::Json;
    let mut stream =
        DocumentSubscriber::connect(&address, "lab", format, &Security::Null, later()).unwrap();
    assert!(matches!(
        stream.receive(later()),
        Err(DocumentError::Undecodable { name: DocumentName::Event, .. })
    ));
    assert!(matches!(stream.receive(later()), Err(DocumentError::UnknownName { .. })));
    let event = stream.receive(later()).unwrap().unwrap();
    assert_eq!((event.prefix.as_str(), event.name), ("lab", DocumentName::Event));
    assert_eq!(event.body, Body::Other(serde_json::Map::new()));
    assert!(stream.receive(Instant::now()).unwrap().is_none());
    assert!(stream.trouble().is_none());

    close.send(()).unwrap();
    let gap = stream.receive(later());
    assert!(matches!(gap, Err(DocumentError::Gap { reason: ZmtpError::Closed { .. } })), "{gap:?}");
    let descriptor = stream.receive(later()).unwrap().unwrap();
    assert_eq!(descriptor.name, DocumentName::Descriptor);

    close.send(()).unwrap();
    // Nobody accepts any more: no document, no gap, and the reason at hand.
    let _listener = publisher.join().unwrap();
    let soon = Instant::now() + Duration::from_millis(50);
    assert!(stream.receive(soon).unwrap().is_none());
    assert!(stream.trouble().is_some());
}

#[test]
fn what_cannot_be_is_refused_at_once() {
    let connect = |prefix| {
        let format = DocumentFormat::Json;
        DocumentSubscriber::connect("nowhere", prefix, format, &Security::Null, later())
    };
    assert!(matches!(connect("a b"), Err(DocumentError::BadPrefix { .. })));
    assert!(matches!(connect("ab"), Err(DocumentError::Connection(ZmtpError::BadEndpoint { .. }))));
}
