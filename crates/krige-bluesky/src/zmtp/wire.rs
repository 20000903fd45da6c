//! A TCP connection on which nothing waits longer than it may.
//!
//! What was received and not yet used, and what could not be sent yet, is kept: a deadline in the middle of a frame
//! loses nothing.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::error::{Phase, ZmtpError};
use super::frame::Frame;

/// The shortest wait that sockets know on all systems.
const SHORTEST: Duration = Duration::from_millis(1);
const CHUNK: usize = 64 << 10;

/// The connection.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    received: Vec<u8>,
    unsent: Vec<u8>,
}

impl Wire {
    /// Connects to the first address of the endpoint's host that answers.
    pub(super) fn connect(endpoint: &str, deadline: Instant) -> Result<Self, ZmtpError> {
        let addresses = resolve(endpoint, deadline)?;
        let mut last = io::Error::new(ErrorKind::NotFound, "the host has no address");
        for (tried, address) in addresses.iter().enumerate() {
            // An address that does not answer leaves time for the others.
            let share = (addresses.len() - tried) as u32;
            match TcpStream::connect_timeout(address, left(deadline).max(SHORTEST) / share) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return Ok(Self { stream, received: Vec::new(), unsent: Vec::new() });
                }
                Err(error) => last = error,
            }
        }
        Err(match last.kind() {
            ErrorKind::TimedOut | ErrorKind::WouldBlock => {
                ZmtpError::TimedOut { phase: Phase::Connecting }
            }
            _ => ZmtpError::Unreachable { endpoint: endpoint.to_owned(), source: last },
        })
    }

    /// Adds to what is to be sent; [`flush`](Self::flush) sends it.
    pub(super) fn queue(&mut self, frame: &Frame) {
        frame.encode(&mut self.unsent);
    }

    /// The same with what is no frame.
    pub(super) fn queue_bytes(&mut self, bytes: &[u8]) {
        self.unsent.extend_from_slice(bytes);
    }

    /// Sends all that is queued. What is left over when the deadline passes goes out first the next time.
    pub(super) fn flush(&mut self, deadline: Instant, phase: Phase) -> Result<(), ZmtpError> {
        while !self.unsent.is_empty() {
            self.stream.set_write_timeout(Some(left(deadline).max(SHORTEST)))?;
            let sent = transferred(self.stream.write(&self.unsent), phase)?;
            self.unsent.drain(..sent);
            if !self.unsent.is_empty() && left(deadline).is_zero() {
                return Err(ZmtpError::TimedOut { phase });
            }
        }
        Ok(())
    }

    /// The next frame, if it has come.
    pub(super) fn frame(&mut self) -> Result<Option<Frame>, ZmtpError> {
        let decoded = Frame::decode(&self.received)?;
        Ok(decoded.map(|(frame, used)| {
            self.skip(used);
            frame
        }))
    }

    /// The next bytes, as many as have come.
    pub(super) fn peek(&self) -> &[u8] {
        &self.received
    }

    /// Drops bytes that were peeked at.
    pub(super) fn skip(&mut self, count: usize) {
        self.received.drain(..count);
    }

    /// Lets bytes come until `take` finds what it looks for, which it does at first without waiting; `None` if it does
    /// not find it before the deadline. However late it is, what the system holds ready is looked at once.
    pub(super) fn wait<T>(
        &mut self,
        deadline: Instant,
        phase: Phase,
        mut take: impl FnMut(&mut Self) -> Result<Option<T>, ZmtpError>,
    ) -> Result<Option<T>, ZmtpError> {
        let mut overtime = false;
        loop {
            match take(self)? {
                None if !overtime => {}
                found => return Ok(found),
            }
            overtime = left(deadline).is_zero();
            self.read(deadline, phase)?;
        }
    }

    /// Takes what comes next, if anything comes before the deadline.
    fn read(&mut self, deadline: Instant, phase: Phase) -> Result<(), ZmtpError> {
        self.stream.set_read_timeout(Some(left(deadline).max(SHORTEST)))?;
        let before = self.received.len();
        self.received.resize(before + CHUNK, 0);
        let count = transferred(self.stream.read(&mut self.received[before..]), phase);
        self.received.truncate(before + *count.as_ref().unwrap_or(&0));
        count.map(drop)
    }
}

/// The number of bytes that were read or written; 0 if it took too long.
fn transferred(result: io::Result<usize>, phase: Phase) -> Result<usize, ZmtpError> {
    match result {
        Ok(0) => Err(ZmtpError::Closed { phase }),
        Ok(count) => Ok(count),
        Err(error) => match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => Ok(0),
            ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
                Err(ZmtpError::Closed { phase })
            }
            _ => Err(error.into()),
        },
    }
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

/// The addresses of an endpoint.
fn resolve(endpoint: &str, deadline: Instant) -> Result<Vec<SocketAddr>, ZmtpError> {
    let bad = || ZmtpError::BadEndpoint { endpoint: endpoint.to_owned() };
    let place = endpoint.strip_prefix("tcp://").ok_or_else(bad)?;
    if let Ok(address) = place.parse() {
        return Ok(vec![address]);
    }
    match place.rsplit_once(':') {
        Some((host, port))
            if !host.is_empty() && !host.contains(':') && port.parse::<u16>().is_ok() => {}
        _ => return Err(bad()),
    }
    // The system's resolver knows no deadline. A thread that waits for it ends when it ends.
    let (sender, receiver) = mpsc::channel();
    let asked = place.to_owned();
    thread::Builder::new().name("resolve".to_owned()).spawn(move || {
        // Nobody listens any more once the deadline has passed.
        let _ = sender.send(asked.to_socket_addrs().map(Iterator::collect));
    })?;
    match receiver.recv_timeout(left(deadline)) {
        Ok(Ok(addresses)) => Ok(addresses),
        Ok(Err(source)) => Err(ZmtpError::Unreachable { endpoint: endpoint.to_owned(), source }),
        Err(_) => Err(ZmtpError::TimedOut { phase: Phase::Resolving }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_checked_before_the_network_is_asked() {
        let now = Instant::now();
        for endpoint in [
            "",
            "localhost:1",
            "ipc:///x",
            "tcp://:1",
            "tcp://host",
            "tcp://h:99999",
            "tcp://::1:5",
        ] {
            assert!(
                matches!(resolve(endpoint, now), Err(ZmtpError::BadEndpoint { .. })),
                "{endpoint}"
            );
        }
        assert_eq!(resolve("tcp://[::1]:5", now).unwrap(), ["[::1]:5".parse().unwrap()]);
        assert_eq!(resolve("tcp://127.0.0.1:5", now).unwrap(), ["127.0.0.1:5".parse().unwrap()]);
    }
}
