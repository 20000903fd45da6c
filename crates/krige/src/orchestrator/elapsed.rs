//! The time since a run began, which only goes forward.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Tells the time since a run began; a test sets it by hand.
#[derive(Clone)]
pub(crate) struct Elapsed(Arc<dyn Fn() -> Duration + Send + Sync>);

impl Elapsed {
    /// The time that passes from now on.
    pub(crate) fn start() -> Self {
        let started = Instant::now();
        Self::told_by(move || started.elapsed())
    }

    /// The time that somebody tells; it must not go back.
    pub(crate) fn told_by(time: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self(Arc::new(time))
    }

    pub(crate) fn now(&self) -> Duration {
        (self.0)()
    }
}

impl fmt::Debug for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Elapsed").field(&self.now()).finish()
    }
}
