//! The document stream over 0MQ.

use std::mem;
use std::thread;
use std::time::{Duration, Instant};

use super::{Document, DocumentError, DocumentFormat};
use crate::zmtp::{Security, Subscriber, ZmtpError};

/// The pause after a connection that could not be made; it doubles from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(5);

/// A subscriber of a document proxy (or of a RunEngine's publisher that binds).
///
/// A connection that is lost is made again, within the calls of [`receive`](Self::receive). What was published in
/// between is gone, which the stream says by [`DocumentError::Gap`]. A connection that ends without a word, as when a
/// cable is pulled, is not noticed: never wait for a document alone.
#[derive(Debug)]
pub struct DocumentSubscriber {
    address: String,
    prefix: String,
    format: DocumentFormat,
    security: Security,
    link: Link,
}

#[derive(Debug)]
enum Link {
    Up(Subscriber),
    Down { trouble: ZmtpError, next_try: Instant, pause: Duration },
}

impl DocumentSubscriber {
    /// Connects to `tcp://host:port` and subscribes to the documents of a publisher whose prefix is exactly `prefix`
    /// (empty by default in bluesky).
    ///
    /// The publisher hears of the subscription a moment later, and confirms nothing: what is published within the first
    /// third of a second may be missed.
    ///
    /// # Errors
    /// If the prefix holds a space, or there is no connection before the deadline.
    pub fn connect(
        address: &str,
        prefix: &str,
        format: DocumentFormat,
        security: &Security,
        deadline: Instant,
    ) -> Result<Self, DocumentError> {
        if prefix.contains(' ') {
            return Err(DocumentError::BadPrefix { prefix: prefix.to_owned() });
        }
        let (address, prefix, security) = (address.to_owned(), prefix.to_owned(), security.clone());
        let link = Link::Up(subscribe(&address, &prefix, &security, deadline)?);
        Ok(Self { address, prefix, format, security, link })
    }

    /// The next document, or `None` if none came before the deadline.
    ///
    /// # Errors
    /// If what came cannot be read, or documents may have been missed ([`DocumentError::Gap`], once the connection is
    /// there again). The stream goes on after any error.
    pub fn receive(&mut self, deadline: Instant) -> Result<Option<Document>, DocumentError> {
        loop {
            match &mut self.link {
                Link::Up(subscriber) => match subscriber.receive(deadline) {
                    Ok(None) => return Ok(None),
                    Ok(Some(frames)) => {
                        let [frame] = &frames[..] else { return Err(DocumentError::Frame) };
                        return Document::from_frame(frame, self.format).map(Some);
                    }
                    Err(trouble) => {
                        let (next_try, pause) = (Instant::now(), FIRST_PAUSE);
                        self.link = Link::Down { trouble, next_try, pause };
                    }
                },
                Link::Down { trouble, next_try, pause } => {
                    if !wait(*next_try, deadline) {
                        return Ok(None);
                    }
                    match subscribe(&self.address, &self.prefix, &self.security, deadline) {
                        Ok(subscriber) => {
                            let reason = mem::replace(trouble, ZmtpError::Unusable);
                            self.link = Link::Up(subscriber);
                            return Err(DocumentError::Gap { reason });
                        }
                        Err(error) => {
                            *trouble = error;
                            *next_try = Instant::now() + *pause;
                            *pause = (*pause * 2).min(LAST_PAUSE);
                        }
                    }
                }
            }
        }
    }

    /// Why there is no connection at the moment, if there is none.
    pub fn trouble(&self) -> Option<&ZmtpError> {
        match &self.link {
            Link::Up(_) => None,
            Link::Down { trouble, .. } => Some(trouble),
        }
    }
}

fn subscribe(
    address: &str,
    prefix: &str,
    security: &Security,
    deadline: Instant,
) -> Result<Subscriber, ZmtpError> {
    let mut subscriber = Subscriber::connect(address, security, deadline)?;
    // With the space, `lab` does not match `lab2`, and the empty prefix matches itself alone.
    subscriber.subscribe(format!("{prefix} ").as_bytes(), deadline)?;
    Ok(subscriber)
}

/// Waits for a moment; `false` if the deadline comes first.
fn wait(moment: Instant, deadline: Instant) -> bool {
    loop {
        let now = Instant::now();
        if now >= moment {
            return true;
        }
        if now >= deadline {
            return false;
        }
        thread::park_timeout(moment.min(deadline) - now);
    }
}

#[cfg(test)]
mod tests;
