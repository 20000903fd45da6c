//! The history: what was run, and how it ended.

use serde::Deserialize;
use serde_json::{Value, json};

use super::item::Item;
use super::method::Method;
use super::{ReManager, Result};

/// What was run.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct History {
    /// The items, oldest first, each with its result.
    pub items: Vec<Item>,
    /// Changes whenever the history does.
    #[serde(default)]
    pub plan_history_uid: String,
}

/// What is to be forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Forget {
    /// All.
    All,
    /// All but this number of the newest items.
    AllBut(usize),
    /// Everything before the item with this `item_uid`.
    Before(String),
}

impl Forget {
    fn params(&self) -> Value {
        match self {
            Self::All => json!({}),
            Self::AllBut(size) => json!({"size": size}),
            Self::Before(item_uid) => json!({"item_uid": item_uid}),
        }
    }
}

impl ReManager {
    /// The history, all of it: about 0.5 kB for an item, and up to 5 kB more if it failed. It has changed only if
    /// `plan_history_uid` of the [status](super::Status) has.
    ///
    /// # Errors
    /// See [`ManagerError`](super::ManagerError).
    pub fn history_get(&self) -> Result<History> {
        self.call(Method::HistoryGet, json!({}))
    }

    /// Forgets what was run, whosever it was.
    ///
    /// # Errors
    /// See [`ManagerError`](super::ManagerError).
    pub fn history_clear(&self, what: &Forget) -> Result<()> {
        self.tell(Method::HistoryClear, what.params())
    }
}

#[cfg(test)]
mod tests {
    use crate::manager::ExitStatus;
    use crate::manager::scripted::{recorded, scripted};

    #[test]
    fn a_recorded_history_is_read() {
        let history = scripted(&[recorded!("history_get.json")]).history_get().unwrap();
        let result = history.items[0].result.as_ref().unwrap();
        assert_eq!(result.exit_status, ExitStatus::Completed);
        assert_eq!(result.run_uids, ["f0d51f06-7c75-4f62-b236-5adf57718d84"]);
        assert_eq!(result.scan_ids, [7]);
        assert_eq!(result.time_stop, Some(1_795_291_561.321_386_3));
        let result = history.items[1].result.as_ref().unwrap();
        assert_eq!(result.exit_status, ExitStatus::Failed);
        assert!(result.traceback.starts_with("Traceback"));
    }
}
