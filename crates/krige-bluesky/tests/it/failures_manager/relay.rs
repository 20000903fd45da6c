//! A relay before the manager's control socket, which interferes when a certain request goes by.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use krige_testkit::BlueskyStack;

use super::wait_for;

/// What becomes of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// It is handed on as any other.
    Forward,
    /// It is handed on; the connection is lost before the reply.
    LoseReply,
}

type Interfere = Box<dyn FnOnce() -> Then + Send>;

/// It interferes with the first request that has a word in it.
pub(super) struct Relay {
    address: String,
    /// Connections since it has interfered; `usize::MAX` before.
    after: Arc<AtomicUsize>,
}

impl Relay {
    pub(super) fn start(
        stack: &BlueskyStack,
        word: &'static str,
        interfere: impl FnOnce() -> Then + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = format!("tcp://{}", listener.local_addr().expect("it is bound"));
        let far = stack.addresses().control_addr.trim_start_matches("tcp://").to_owned();
        let interfere: Arc<Mutex<Option<Interfere>>> =
            Arc::new(Mutex::new(Some(Box::new(interfere))));
        let after = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&after);
        // It ends with the process of the tests, as its threads do.
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let interfere = Arc::clone(&interfere);
                if interfere.lock().expect("no panic").is_none() {
                    counter.fetch_add(1, Ordering::SeqCst);
                }
                let Ok(far) = TcpStream::connect(&far) else { continue };
                std::thread::spawn(move || relay(near, far, word, &interfere));
            }
        });
        Self { address, after }
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Waits until so many connections have come since it has interfered: the client has given up that many before.
    #[track_caller]
    pub(super) fn wait_for_connections_after_it(&self, number: usize) {
        wait_for("further connections", || {
            (self.after.load(Ordering::SeqCst) >= number).then_some(())
        });
    }
}

fn relay(
    mut near: TcpStream,
    mut far: TcpStream,
    word: &str,
    interfere: &Mutex<Option<Interfere>>,
) {
    let (mut from_far, mut to_near) =
        (far.try_clone().expect("a handle"), near.try_clone().expect("a handle"));
    let lost = Arc::new(Mutex::new(false));
    let is_lost = Arc::clone(&lost);
    std::thread::spawn(move || {
        let mut buffer = [0; 65536];
        while let Ok(1..) =
            from_far.read(&mut buffer).map(|n| handed(n, &buffer, &mut to_near, &is_lost))
        {}
        let _gone = to_near.shutdown(Shutdown::Both);
    });
    let mut buffer = [0; 65536];
    while let Ok(number @ 1..) = near.read(&mut buffer) {
        let has_word = buffer[..number].windows(word.len()).any(|part| part == word.as_bytes());
        let first = if has_word { interfere.lock().expect("no panic").take() } else { None };
        if let Some(interfere) = first {
            *lost.lock().expect("no panic") = interfere() == Then::LoseReply;
        }
        if far.write_all(&buffer[..number]).is_err() {
            break;
        }
    }
    // What the far side has not read yet is left to it: the connection ends with this process.
    std::mem::forget(far);
}

/// How much was handed to the near side: nothing where it ended, or the reply is lost.
fn handed(number: usize, buffer: &[u8], near: &mut TcpStream, lost: &Mutex<bool>) -> usize {
    if number == 0 || *lost.lock().expect("no panic") || near.write_all(&buffer[..number]).is_err()
    {
        return 0;
    }
    number
}
