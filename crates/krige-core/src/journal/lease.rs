//! Who runs the trials of an experiment for the time being.

use jiff::Timestamp;

/// Asks for the lease of an experiment, or for more time with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseRequest {
    /// Who asks; unique over all who ever do.
    pub holder: String,
    /// The time by the asker's clock: a lease that lasts until then, or less, has ended.
    pub now: Timestamp,
    /// How long the lease is to last.
    pub until: Timestamp,
}

/// The lease of an experiment: who may run its trials, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Who holds it.
    pub holder: String,
    /// When it ends unless it is extended, by the holder's clock.
    pub until: Timestamp,
}

impl Lease {
    /// The lease that is in force after a request, where this one was before.
    ///
    /// What any journal answers; it need only see to it that nothing happens between the reading and the writing.
    pub fn decide(before: Option<Self>, request: &LeaseRequest) -> Self {
        match before {
            Some(lease) if lease.holder != request.holder && lease.until > request.now => lease,
            _ => Self { holder: request.holder.clone(), until: request.until },
        }
    }
}
