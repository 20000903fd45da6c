//! Who besides the RE Manager tells that a plan has ended: the document stream, Tiled's websocket.
//!
//! The manager looks at its worker twice a second; these tell within some hundredths of one. Each may be lost alone, so none is
//! relied on: what they say of a good end is taken at once, and all else is left to the manager.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::access::TiledAccess;
use crate::documents::{Body, Document, DocumentFormat, DocumentSubscriber, ExitStatus};
use crate::metadata::CORRELATION;
use crate::tiled::StreamEvent;
use crate::zmtp::Security;

/// Who else tells that a plan has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Witness {
    /// The document stream.
    Documents {
        /// The output of the document proxy, as `tcp://host:port`.
        address: String,
        /// The publisher's prefix; empty by default in bluesky.
        #[serde(default)]
        prefix: String,
        /// How documents are written.
        format: DocumentFormat,
    },
    /// The websocket of the runner's Tiled; the server needs a streaming cache.
    TiledStream,
}

/// How long one look for news lasts, after which it is seen whether anybody still wants to know.
const LOOK: Duration = Duration::from_secs(1);

/// How long to wait before a connection that could not be made is tried again.
const PAUSE: Duration = Duration::from_secs(5);

/// More than could be of use; what is older is in the manager's history.
const MOST_KEYS: usize = 4096;

/// The events of runs that ended well: by the key of their item, by run.
type Events = HashMap<String, HashMap<String, u64>>;

/// What was told so far.
#[derive(Debug, Default)]
pub(super) struct Testimony(Mutex<Events>);

impl Testimony {
    fn events(&self) -> MutexGuard<'_, Events> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A run of an item ended well with so many events. It may be told again, by another.
    fn tell(&self, key: &str, run: &str, events: u64) {
        let mut known = self.events();
        if known.len() >= MOST_KEYS {
            known.clear();
        }
        known.entry(key.to_owned()).or_default().insert(run.to_owned(), events);
    }

    /// Whether all points of an item were measured.
    pub(super) fn is_whole(&self, key: &str, points: u64) -> bool {
        self.events().get(key).is_some_and(|runs| runs.values().sum::<u64>() >= points)
    }
}

/// Listens to a witness, in a thread that ends when nobody wants to know any more.
pub(super) fn listen(witness: &Witness, tiled: Option<&TiledAccess>, to: &Arc<Testimony>) {
    let to = Arc::downgrade(to);
    match (witness.clone(), tiled.cloned()) {
        (Witness::Documents { address, prefix, format }, _) => {
            thread::spawn(move || documents(&address, &prefix, format, &to));
        }
        (Witness::TiledStream, Some(tiled)) => {
            thread::spawn(move || tiled_stream(&tiled, &to));
        }
        (Witness::TiledStream, None) => {}
    }
}

fn documents(address: &str, prefix: &str, format: DocumentFormat, to: &Weak<Testimony>) {
    let mut keys = HashMap::new();
    while to.strong_count() > 0 {
        let deadline = Instant::now() + PAUSE;
        let connected =
            DocumentSubscriber::connect(address, prefix, format, &Security::Null, deadline);
        let Ok(mut stream) = connected else {
            thread::park_timeout(PAUSE);
            continue;
        };
        while let Some(testimony) = to.upgrade() {
            // A document that cannot be read, or that was missed, is told by the manager.
            if let Ok(Some(document)) = stream.receive(Instant::now() + LOOK) {
                hear(document, &mut keys, &testimony);
            }
        }
    }
}

/// `keys` are those of the items of the runs that are open, by the runs' uids.
fn hear(document: Document, keys: &mut HashMap<String, String>, to: &Testimony) {
    match document.body {
        Body::Start(start) => {
            if let Some(key) = start.metadata.get(CORRELATION).and_then(Value::as_str) {
                keys.insert(start.uid, key.to_owned());
            }
        }
        Body::Stop(stop) => {
            if let Some(key) = keys.remove(&stop.run_start)
                && stop.exit_status == ExitStatus::Success
            {
                let events = stop.num_events.values().copied().max().unwrap_or(0);
                to.tell(&key, &stop.run_start, events);
            }
        }
        Body::Other(_) | Body::Undecoded => {}
    }
}

fn tiled_stream(tiled: &TiledAccess, to: &Weak<Testimony>) {
    while to.strong_count() > 0 {
        let Ok(mut stream) = tiled.client().and_then(|client| client.stream("", None)) else {
            thread::park_timeout(PAUSE);
            continue;
        };
        while let Some(testimony) = to.upgrade() {
            match stream.receive(Instant::now() + LOOK) {
                Ok(Some(StreamEvent::ChildMetadataUpdated {
                    key: run,
                    metadata,
                    stop: Some(stop),
                    ..
                })) if stop.succeeded() => {
                    if let Some(key) = metadata["start"][CORRELATION].as_str() {
                        let events = stop.num_events.values().copied().max().unwrap_or(0);
                        testimony.tell(key, &run, events as u64);
                    }
                }
                Ok(Some(StreamEvent::Closed { .. })) | Err(_) => break,
                Ok(_) => {}
            }
        }
        thread::park_timeout(LOOK);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn heard(frames: &[(&str, Value)]) -> Testimony {
        let (mut keys, testimony) = (HashMap::new(), Testimony::default());
        for (name, body) in frames {
            let frame = format!(" {name} {body}");
            let document = Document::from_frame(frame.as_bytes(), DocumentFormat::Json);
            hear(document.expect("a document"), &mut keys, &testimony);
        }
        testimony
    }

    fn start(run: &str, key: &str) -> (&'static str, Value) {
        ("start", json!({"uid": run, "time": 1.0, CORRELATION: key}))
    }

    fn stop(run: &str, status: &str, events: u64) -> (&'static str, Value) {
        let events = json!({"primary": events, "baseline": 1});
        ("stop", json!({"run_start": run, "exit_status": status, "num_events": events}))
    }

    #[test]
    fn an_item_is_whole_when_its_runs_have_as_many_events_as_points() {
        let frames = [start("r1", "k"), stop("r1", "success", 2), start("r2", "k")];
        assert!(heard(&frames).is_whole("k", 2));
        assert!(!heard(&frames).is_whole("k", 3));
        let frames = [&frames[..], &[stop("r2", "success", 1)]].concat();
        assert!(heard(&frames).is_whole("k", 3));
        assert!(!heard(&frames).is_whole("other", 1));
    }

    #[test]
    fn what_was_told_twice_counts_once_and_a_bad_end_not_at_all() {
        let testimony = heard(&[start("r", "k"), stop("r", "success", 1)]);
        testimony.tell("k", "r", 1);
        assert!(!testimony.is_whole("k", 2));
        for status in ["fail", "abort"] {
            assert!(!heard(&[start("r", "k"), stop("r", status, 5)]).is_whole("k", 1));
        }
        // A run of which the beginning was missed is nobody's.
        assert!(!heard(&[stop("r", "success", 5)]).is_whole("k", 1));
    }

    #[test]
    fn the_memory_is_bounded() {
        let testimony = Testimony::default();
        for number in 0..3 * MOST_KEYS {
            testimony.tell(&number.to_string(), "r", 1);
        }
        assert!(testimony.events().len() <= MOST_KEYS);
        assert!(testimony.is_whole(&(3 * MOST_KEYS - 1).to_string(), 1));
    }
}
