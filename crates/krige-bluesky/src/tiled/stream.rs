//! What changes below a node, as Tiled tells it over a websocket.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Map, Value};
use tungstenite::{ClientRequestBuilder, HandshakeError, Message, WebSocket};

use super::client::{TiledClient, excerpt};
use super::error::TiledError;
use super::run::RunStop;

/// Something that happened to a node. A `sequence` counts what happened to one node, from 1.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum StreamEvent {
    /// What kind of node is streamed; comes first.
    Schema {
        /// `container`, `table` or `array`.
        family: String,
    },
    /// A node was made below a container: in the folder of runs, a run began.
    ChildCreated {
        /// Its place.
        sequence: u64,
        /// The new node's key: of a run, its uid.
        key: String,
        /// The new node's metadata: of a run, with `start`.
        metadata: Value,
    },
    /// A node below a container has new metadata: in the folder of runs, a run has ended and is all written.
    ChildMetadataUpdated {
        /// Its place.
        sequence: u64,
        /// The node's key.
        key: String,
        /// All its metadata.
        metadata: Value,
        /// Of a run that has ended, how.
        stop: Option<RunStop>,
    },
    /// A table has rows.
    TableData {
        /// Its place.
        sequence: u64,
        /// Whether they come after those that there were, or replace them.
        append: bool,
        /// The values by column; null stands for NaN.
        columns: Map<String, Value>,
    },
    /// An array has values.
    ArrayData {
        /// Its place.
        sequence: u64,
        /// The shape of `payload`.
        shape: Vec<usize>,
        /// Where they go, if not everywhere.
        offset: Option<Vec<usize>>,
        /// The values, as nested lists; null stands for NaN.
        payload: Value,
    },
    /// Something that this client does not know.
    Other(Value),
    /// Nothing more comes: the run ended (code 1000), or Tiled did.
    Closed {
        /// The websocket's code.
        code: u16,
        /// Why.
        reason: String,
    },
}

/// A connection over which Tiled tells what changes below one node.
#[derive(Debug)]
pub struct TiledStream {
    socket: WebSocket<Deadlined>,
    client: TiledClient,
    path: String,
    /// What came while the connection was made.
    first: Option<StreamEvent>,
    closed: Option<StreamEvent>,
}

impl TiledClient {
    /// Connects to what changes below a node; the empty path tells of all runs. With `start`, all that Tiled still
    /// remembers from that sequence on comes first (0: everything).
    ///
    /// A connection may break, and a server forgets: what must not be missed has to be asked for as well.
    ///
    /// # Errors
    /// [`TiledError::NotStreaming`] if the server has no streaming cache; [`TiledError::StreamOverTls`]; and what any
    /// request fails of, within the client's time-out (looking up the server's name has the time-out of the system).
    pub fn stream(&self, path: &str, start: Option<u64>) -> Result<TiledStream, TiledError> {
        let mut address = self.address_of("stream/single", path);
        address.push_str("?envelope_format=json");
        if let Some(start) = start {
            address.push_str(&format!("&start={start}"));
        }
        let Some(rest) = address.strip_prefix("http://") else {
            return Err(TiledError::StreamOverTls);
        };
        let uri: tungstenite::http::Uri = format!("ws://{rest}")
            .parse()
            .map_err(|_| TiledError::Address { found: "no URL".into() })?;
        let until = Instant::now() + self.time_limit();
        let stream = Deadlined { tcp: self.connect(&uri)?, until };
        let mut request = ClientRequestBuilder::new(uri);
        if let Some(authorization) = self.authorization() {
            request = request.with_header("Authorization", authorization);
        }
        let socket = match tungstenite::client(request, stream) {
            Ok((socket, _)) => socket,
            Err(HandshakeError::Interrupted(_)) => return Err(self.timed_out(path)),
            Err(HandshakeError::Failure(tungstenite::Error::Http(response))) => {
                let status = response.status().as_u16();
                let body = response.into_body().unwrap_or_default();
                return Err(match status {
                    500 => TiledError::NotStreaming { path: path.to_owned() },
                    _ => self.refused(path, status, &body),
                });
            }
            Err(HandshakeError::Failure(tungstenite::Error::HttpFormat(_))) => {
                return Err(self.unauthorized("the key cannot be sent in a header".into()));
            }
            Err(HandshakeError::Failure(error)) => return Err(self.unreachable(error)),
        };
        let (client, path) = (self.clone(), path.to_owned());
        let mut stream = TiledStream { socket, client, path, first: None, closed: None };
        // A server that wants a key takes the connection without one, and then waits for it.
        match stream.receive(until)? {
            first @ Some(_) => stream.first = first,
            None if self.has_key() => return Err(self.timed_out(&stream.path)),
            None => return Err(self.unauthorized("it sent nothing".into())),
        }
        Ok(stream)
    }

    fn connect(&self, uri: &tungstenite::http::Uri) -> Result<TcpStream, TiledError> {
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let addresses = (host, uri.port_u16().unwrap_or(80))
            .to_socket_addrs()
            .map_err(|e| self.unreachable(e))?;
        let mut failed = None;
        for address in addresses {
            match TcpStream::connect_timeout(&address, self.connect_limit()) {
                Ok(tcp) => return Ok(tcp),
                Err(error) => failed = Some(error),
            }
        }
        Err(self.unreachable(failed.unwrap_or_else(|| io::ErrorKind::NotFound.into())))
    }
}

impl TiledStream {
    /// The next event; `None` if there is none until `deadline`. After [`StreamEvent::Closed`] there is nothing else.
    ///
    /// # Errors
    /// [`TiledError::Unreachable`] if the connection broke, [`TiledError::Protocol`] for what is no event. Only the
    /// former ends the stream.
    pub fn receive(&mut self, deadline: Instant) -> Result<Option<StreamEvent>, TiledError> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        if self.closed.is_some() {
            return Ok(self.closed.clone());
        }
        // Also a deadline that has passed leaves time to read what is there already.
        self.socket.get_mut().until = deadline.max(Instant::now() + Duration::from_millis(1));
        loop {
            let closed = match self.socket.read() {
                Ok(Message::Text(text)) => {
                    return event(&self.path, text.as_bytes()).map(Some);
                }
                Ok(Message::Binary(bytes)) => return event(&self.path, &bytes).map(Some),
                Ok(Message::Close(frame)) => {
                    let frame = frame.map(|frame| (frame.code.into(), frame.reason.to_string()));
                    // 1005: RFC 6455 (section 7.1.5) for a connection that was closed without a code.
                    frame.unwrap_or((1005, String::new()))
                }
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => continue,
                Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(None);
                }
                Err(tungstenite::Error::ConnectionClosed | tungstenite::Error::AlreadyClosed) => {
                    (1005, String::new())
                }
                Err(error) => return Err(self.client.unreachable(error)),
            };
            let (code, reason) = closed;
            self.closed = Some(StreamEvent::Closed { code, reason });
            return Ok(self.closed.clone());
        }
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
}

#[derive(Deserialize)]
struct Child {
    sequence: u64,
    key: String,
    #[serde(default)]
    metadata: Value,
}

#[derive(Deserialize)]
struct Rows {
    sequence: u64,
    #[serde(default)]
    append: bool,
    payload: Map<String, Value>,
}

#[derive(Deserialize)]
struct Elements {
    sequence: u64,
    shape: Vec<usize>,
    offset: Option<Vec<usize>>,
    payload: Value,
}

/// What a message says.
pub(super) fn event(path: &str, message: &[u8]) -> Result<StreamEvent, TiledError> {
    let read = || -> Result<StreamEvent, serde_json::Error> {
        let Envelope { kind } = serde_json::from_slice(message)?;
        Ok(match kind {
            "container-child-created" => {
                let Child { sequence, key, metadata } = serde_json::from_slice(message)?;
                StreamEvent::ChildCreated { sequence, key, metadata }
            }
            "container-child-metadata-updated" => {
                let Child { sequence, key, metadata } = serde_json::from_slice(message)?;
                // Not everything below a container is a run.
                let stop = metadata.get("stop").and_then(|stop| RunStop::read(&key, stop).ok());
                StreamEvent::ChildMetadataUpdated { sequence, key, metadata, stop: stop.flatten() }
            }
            "table-data" => {
                let Rows { sequence, append, payload } = serde_json::from_slice(message)?;
                StreamEvent::TableData { sequence, append, columns: payload }
            }
            "array-data" => {
                let Elements { sequence, shape, offset, payload } =
                    serde_json::from_slice(message)?;
                StreamEvent::ArrayData { sequence, shape, offset, payload }
            }
            other => match other.strip_suffix("-schema") {
                Some(family) => StreamEvent::Schema { family: family.to_owned() },
                None => StreamEvent::Other(serde_json::from_slice(message)?),
            },
        })
    };
    read().map_err(|error| TiledError::Protocol {
        path: path.to_owned(),
        expected: "an event",
        found: format!("{} ({error})", excerpt(message)),
    })
}

/// A connection that never blocks beyond a moment, however few bytes come at a time.
#[derive(Debug)]
struct Deadlined {
    tcp: TcpStream,
    until: Instant,
}

impl Deadlined {
    fn left(&self) -> io::Result<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(left) }
    }
}

/// Windows calls it by another name.
fn would_block(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::TimedOut { io::ErrorKind::WouldBlock.into() } else { error }
}

impl Read for Deadlined {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.tcp.set_read_timeout(Some(self.left()?))?;
        self.tcp.read(buffer).map_err(would_block)
    }
}

impl Write for Deadlined {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.tcp.set_write_timeout(Some(self.left()?))?;
        self.tcp.write(bytes).map_err(would_block)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.tcp.flush()
    }
}
