//! A clock that only a test moves.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use krige_core::Timestamp;
use krige_core::clock::Clock;

/// Stands still until it is moved; its clones are the same clock.
#[derive(Debug, Clone)]
pub struct ManualClock {
    now: Arc<Mutex<Timestamp>>,
}

impl ManualClock {
    /// Makes a clock that shows that time.
    pub fn at(now: Timestamp) -> Self {
        Self { now: Arc::new(Mutex::new(now)) }
    }

    /// Moves the clock, and all its clones, forward.
    ///
    /// # Panics
    /// If that leads beyond the year 9999.
    pub fn advance(&self, by: Duration) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        *now += by;
    }

    /// Sets the clock, and all its clones, to that time: forward or backward.
    pub fn set(&self, to: Timestamp) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = to;
    }
}

impl Default for ManualClock {
    /// Shows the start of the year 2026, UTC.
    fn default() -> Self {
        Self::at("2026-01-01T00:00:00Z".parse().expect("a well-formed time"))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_moves_for_everyone_and_only_when_told() {
        let clock = ManualClock::default();
        let seen: Box<dyn Clock> = Box::new(clock.clone());
        assert_eq!(seen.now(), clock.now());
        clock.advance(Duration::from_millis(90_500));
        assert_eq!(seen.now().to_string(), "2026-01-01T00:01:30.5Z");
        clock.set(Timestamp::UNIX_EPOCH);
        assert_eq!(seen.now(), Timestamp::UNIX_EPOCH);
    }
}
