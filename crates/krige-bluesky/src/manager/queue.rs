//! The queue: what will run, and in which order.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

use super::item::{Item, PlanItem};
use super::method::Method;
use super::{ReManager, Result};

/// How the queue goes on after a plan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct QueueMode {
    /// Completed items go to the back of the queue.
    #[serde(rename = "loop")]
    pub repeat: bool,
    /// The queue goes on after a plan that failed, and does not put it back.
    pub ignore_failures: bool,
}

/// The queue.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Queue {
    /// What will run, first things first.
    pub items: Vec<Item>,
    /// What is running, which is none of `items`.
    #[serde(default, deserialize_with = "empty_is_none")]
    pub running_item: Option<Item>,
    /// Changes whenever the queue does.
    #[serde(default)]
    pub plan_queue_uid: String,
}

/// The manager says `{}` if nothing is running.
fn empty_is_none<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<Item>, D::Error> {
    match Option::<Value>::deserialize(deserializer)? {
        Some(Value::Object(fields)) if !fields.is_empty() => {
            serde_json::from_value(Value::Object(fields))
                .map(Some)
                .map_err(serde::de::Error::custom)
        }
        _ => Ok(None),
    }
}

/// An item of the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemRef {
    /// The one with this `item_uid`.
    Uid(String),
    /// The one that would run next.
    Front,
    /// The last one.
    Back,
    /// The one at this place: from 0 at the front, or from -1 at the back.
    Index(i64),
}

impl ItemRef {
    fn params(&self) -> Value {
        match self {
            Self::Uid(uid) => json!({"uid": uid}),
            Self::Front => json!({"pos": "front"}),
            Self::Back => json!({"pos": "back"}),
            Self::Index(index) => json!({"pos": index}),
        }
    }
}

/// A place in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// To run next.
    Front,
    /// To run last.
    Back,
    /// So that it is then at this index: from 0 at the front, or from -1 at the back.
    Index(i64),
    /// Before the item with this `item_uid`.
    Before(String),
    /// After the item with this `item_uid`; the running one stands for the front.
    After(String),
}

impl Place {
    /// Adds it to the parameters; an index has different names when adding and moving.
    fn add_to(&self, params: &mut Value, index_name: &str) {
        let (name, value) = match self {
            Self::Front => (index_name, json!("front")),
            Self::Back => (index_name, json!("back")),
            Self::Index(index) => (index_name, json!(index)),
            Self::Before(uid) => ("before_uid", json!(uid)),
            Self::After(uid) => ("after_uid", json!(uid)),
        };
        params[name] = value;
    }
}

impl ReManager {
    /// The queue.
    ///
    /// # Errors
    /// See [`ManagerError`](super::ManagerError).
    pub fn queue_get(&self) -> Result<Queue> {
        self.call(Method::QueueGet, json!({}))
    }

    /// Adds a plan to the queue, and gives it with its `item_uid`.
    ///
    /// The manager checks name and arguments, but no names of devices in parameters without annotation.
    ///
    /// # Errors
    /// See [`ManagerError`](super::ManagerError). If the plan
    /// [may have been added](super::ManagerError::may_have_been_executed), look for its metadata in the queue and the
    /// history before adding it again.
    pub fn queue_item_add(&self, plan: &PlanItem, place: Place) -> Result<Item> {
        let mut params = self.as_user(json!({"item": plan.to_json()}));
        place.add_to(&mut params, "pos");
        self.field(Method::QueueItemAdd, params, "item")
    }

    /// Adds plans to the queue in this order, all or none, and gives them with their `item_uid`s.
    ///
    /// # Errors
    /// As for [`queue_item_add`](Self::queue_item_add); the message names the plans that were refused.
    pub fn queue_item_add_batch(&self, plans: &[PlanItem], place: Place) -> Result<Vec<Item>> {
        let items: Vec<_> = plans.iter().map(PlanItem::to_json).collect();
        let mut params = self.as_user(json!({"items": items}));
        place.add_to(&mut params, "pos");
        self.field(Method::QueueItemAddBatch, params, "items")
    }

    /// Runs a plan at once, past the queue, which must not be running. Whatever becomes of it, it is never put into
    /// the queue.
    ///
    /// # Errors
    /// As for [`queue_item_add`](Self::queue_item_add).
    pub fn queue_item_execute(&self, plan: &PlanItem) -> Result<Item> {
        self.field(Method::QueueItemExecute, self.as_user(json!({"item": plan.to_json()})), "item")
    }

    /// An item of the queue; the running one is not to be had.
    ///
    /// # Errors
    /// See [`ManagerError`](super::ManagerError).
    pub fn queue_item_get(&self, item: &ItemRef) -> Result<Item> {
        self.field(Method::QueueItemGet, item.params(), "item")
    }

    /// Takes an item out of the queue, and gives it.
    ///
    /// # Errors
    /// See [`ManagerError`](super::ManagerError).
    pub fn queue_item_remove(&self, item: &ItemRef) -> Result<Item> {
        self.field(Method::QueueItemRemove, item.params(), "item")
    }

    /// Takes items out of the queue, and gives them. Those that are not in it are an error, and nothing is removed,
    /// unless `ignore_missing`.
    ///
    /// # Errors
    /// See [`ManagerError`](super::ManagerError).
    pub fn queue_item_remove_batch(
        &self,
        uids: &[&str],
        ignore_missing: bool,
    ) -> Result<Vec<Item>> {
        let params = json!({"uids": uids, "ignore_missing": ignore_missing});
        self.field(Method::QueueItemRemoveBatch, params, "items")
    }

    /// Moves an item within the queue.
    ///
    /// # Errors
    /// See [`ManagerError`](super::ManagerError).
    pub fn queue_item_move(&self, item: &ItemRef, place: Place) -> Result<Item> {
        let mut params = item.params();
        place.add_to(&mut params, "pos_dest");
        self.field(Method::QueueItemMove, params, "item")
    }

    /// Puts a plan in the place of an item, and gives the new item: under another `item_uid` if `new_uid`.
    ///
    /// # Errors
    /// See [`ManagerError`](super::ManagerError).
    pub fn queue_item_update(
        &self,
        item_uid: &str,
        plan: &PlanItem,
        new_uid: bool,
    ) -> Result<Item> {
        let mut item = plan.to_json();
        item["item_uid"] = json!(item_uid);
        let params = self.as_user(json!({"item": item, "replace": new_uid}));
        self.field(Method::QueueItemUpdate, params, "item")
    }

    /// Runs what is in the queue; an empty queue is done at once.
    ///
    /// # Errors
    /// See [`ManagerError`](super::ManagerError).
    pub fn queue_start(&self) -> Result<()> {
        self.tell(Method::QueueStart, json!({}))
    }

    /// Stops the queue once the running plan has ended.
    ///
    /// # Errors
    /// See [`ManagerError`](super::ManagerError).
    pub fn queue_stop(&self) -> Result<()> {
        self.tell(Method::QueueStop, json!({}))
    }

    /// Takes back a [`queue_stop`](Self::queue_stop).
    ///
    /// # Errors
    /// See [`ManagerError`](super::ManagerError).
    pub fn queue_stop_cancel(&self) -> Result<()> {
        self.tell(Method::QueueStopCancel, json!({}))
    }

    /// Empties the queue, whosever the items are. The running one goes on.
    ///
    /// # Errors
    /// See [`ManagerError`](super::ManagerError).
    pub fn queue_clear(&self) -> Result<()> {
        self.tell(Method::QueueClear, json!({}))
    }

    /// Whether the queue starts by itself when there is something in it. A failed plan switches it off.
    ///
    /// # Errors
    /// See [`ManagerError`](super::ManagerError).
    pub fn queue_autostart(&self, enable: bool) -> Result<()> {
        self.tell(Method::QueueAutostart, json!({"enable": enable}))
    }

    /// How the queue goes on after a plan.
    ///
    /// # Errors
    /// See [`ManagerError`](super::ManagerError).
    pub fn queue_mode_set(&self, mode: QueueMode) -> Result<()> {
        self.tell(Method::QueueModeSet, json!({"mode": mode}))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manager::scripted::{recorded, scripted};
    use crate::manager::{ExitStatus, ManagerError, RefusalKind};

    #[test]
    fn recorded_queues_are_read() {
        let manager =
            scripted(&[recorded!("queue_get.json"), recorded!("queue_get.after_failure.json")]);
        let queue = manager.queue_get().unwrap();
        assert_eq!(queue.running_item, None);
        assert_eq!(queue.items.len(), 1);
        let item = &queue.items[0];
        assert_eq!(item.item_uid, "609e7344-aebb-4cbf-ad5e-fd16c2376fbf");
        assert_eq!(item.meta["correlation_uid"], "fixture");
        assert!(!item.is_returned());
        let queue = manager.queue_get().unwrap();
        assert!(queue.items[0].is_returned());
        let result = queue.items[0].result.as_ref().unwrap();
        assert_eq!(result.exit_status, ExitStatus::Failed);
        assert_eq!(result.msg, "Plan failed: simulated failure after 1 points");
        assert_eq!(result.run_uids, ["058b8a47-d60c-43aa-977f-e18d02381617"]);
    }

    #[test]
    fn a_running_item_is_read_and_a_broken_one_is_an_error() {
        let manager = scripted(&[
            r#"{"success": true, "items": [], "running_item": {"item_type": "plan", "name": "count"}}"#,
            r#"{"success": true, "items": [], "running_item": {"item_type": 3}}"#,
            r#"{"success": true, "items": [], "running_item": null}"#,
        ]);
        assert_eq!(manager.queue_get().unwrap().running_item.unwrap().name, "count");
        assert!(matches!(manager.queue_get(), Err(ManagerError::Protocol { .. })));
        assert_eq!(manager.queue_get().unwrap().running_item, None);
    }

    #[test]
    fn a_plan_is_added_or_refused() {
        let manager = scripted(&[
            recorded!("queue_item_add.reply.json"),
            recorded!("queue_item_add.rejected.json"),
            r#"{"success": false, "msg": "Failed to add all items: validation of 1 out of 2 submitted items failed",
                "items": [], "qsize": 0, "results": [{"success": true, "msg": ""},
                {"success": false, "msg": "Plan validation failed: Plan 'x' is not in the list of allowed plans."}]}"#,
        ]);
        let plan = PlanItem::new("default_acquire");
        let item = manager.queue_item_add(&plan, Place::Back).unwrap();
        assert_eq!(item.item_uid, "609e7344-aebb-4cbf-ad5e-fd16c2376fbf");
        assert_eq!((&*item.user, &*item.user_group), ("rust", "primary"));

        let refused = manager.queue_item_add(&plan, Place::Front).unwrap_err();
        let ManagerError::Refused { kind, ref message, .. } = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(kind, RefusalKind::PlanNotAllowed);
        assert!(message.contains("Plan 'nosuch' is not in the list of allowed plans."));
        assert!(!refused.may_have_been_executed());

        let refused = manager
            .queue_item_add_batch(&[plan.clone(), plan], Place::Before("u".to_owned()))
            .unwrap_err();
        let ManagerError::Refused { kind, ref message, .. } = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(kind, RefusalKind::PlanNotAllowed);
        assert!(message.ends_with(
            "item 1: Plan validation failed: Plan 'x' is not in the list of allowed plans."
        ));
    }

    #[test]
    fn places_have_their_parameters() {
        for (place, expected) in [
            (Place::Front, json!({"p": "front"})),
            (Place::Back, json!({"p": "back"})),
            (Place::Index(-2), json!({"p": -2})),
            (Place::Before("u".to_owned()), json!({"before_uid": "u"})),
            (Place::After("u".to_owned()), json!({"after_uid": "u"})),
        ] {
            let mut params = json!({});
            place.add_to(&mut params, "p");
            assert_eq!(params, expected);
        }
        assert_eq!(ItemRef::Index(3).params(), json!({"pos": 3}));
        assert_eq!(ItemRef::Uid("u".to_owned()).params(), json!({"uid": "u"}));
    }
}
