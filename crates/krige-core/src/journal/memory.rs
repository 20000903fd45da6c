//! A journal that lives as long as its process.

use indexmap::IndexMap;

use super::{Journal, JournalError, Lease, LeaseRequest};
use crate::event::Record;

/// Keeps records in memory: for experiments that need not outlive their process, and for tests.
#[derive(Debug, Default, Clone)]
pub struct MemoryJournal {
    experiments: IndexMap<String, Vec<Record>>,
    leases: IndexMap<String, Lease>,
}

impl MemoryJournal {
    /// Makes an empty journal.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Journal for MemoryJournal {
    fn append(
        &mut self,
        experiment: &str,
        after: u64,
        records: &[Record],
    ) -> Result<(), JournalError> {
        let found = self.experiments.get(experiment).map_or(0, |stored| stored.len() as u64);
        if found != after {
            return Err(JournalError::Conflict {
                experiment: experiment.to_owned(),
                expected: after,
                found,
            });
        }
        if !records.is_empty() {
            self.experiments.entry(experiment.to_owned()).or_default().extend_from_slice(records);
        }
        Ok(())
    }

    fn read(&mut self, experiment: &str, after: u64) -> Result<Vec<Record>, JournalError> {
        let stored = self.experiments.get(experiment).ok_or_else(|| JournalError::NotFound {
            experiment: experiment.to_owned(),
            location: self.location(),
            existing: self.experiments.keys().cloned().collect(),
        })?;
        // Record number k lies at place k - 1: a long journal is not searched for its tail.
        let tail = usize::try_from(after).ok().and_then(|after| stored.get(after..));
        Ok(tail.unwrap_or_default().to_vec())
    }

    fn experiments(&mut self) -> Result<Vec<String>, JournalError> {
        Ok(self.experiments.keys().cloned().collect())
    }

    fn lease(&mut self, experiment: &str, request: &LeaseRequest) -> Result<Lease, JournalError> {
        let lease = Lease::decide(self.leases.get(experiment).cloned(), request);
        self.leases.insert(experiment.to_owned(), lease.clone());
        Ok(lease)
    }

    fn release(&mut self, experiment: &str, holder: &str) -> Result<(), JournalError> {
        self.leases.retain(|name, lease| name != experiment || lease.holder != holder);
        Ok(())
    }

    fn location(&self) -> String {
        "memory".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_contract() {
        super::super::check_journal(MemoryJournal::new);
    }
}
