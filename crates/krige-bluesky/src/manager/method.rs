//! What can be asked of an RE Manager: one table for both transports.

use std::fmt;

/// Who may call a method while the manager is locked, and what calling it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// It changes nothing, so that it may be called twice.
    Read,
    /// It changes something, and takes the key of a lock.
    Locked,
    /// It changes something, whatever is locked.
    Free,
}

macro_rules! methods {
    ($($(#[$doc:meta])* $variant:ident $name:literal $effect:ident,)*) => {
        /// A method of the RE Manager.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Method {
            $($(#[$doc])* $variant,)*
        }

        impl Method {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// What it is called on the wire, such as `queue_item_add`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            fn effect(self) -> Effect {
                match self {
                    $(Self::$variant => Effect::$effect,)*
                }
            }
        }
    };
}

methods! {
    /// The status again, under another name.
    Ping "ping" Read,
    /// The status.
    Status "status" Read,
    /// The settings of the manager.
    ConfigGet "config_get" Read,
    /// Starts a worker.
    EnvironmentOpen "environment_open" Locked,
    /// Ends an idle worker.
    EnvironmentClose "environment_close" Locked,
    /// Kills a worker.
    EnvironmentDestroy "environment_destroy" Locked,
    /// Adds an item to the queue.
    QueueItemAdd "queue_item_add" Locked,
    /// Adds several items, or none.
    QueueItemAddBatch "queue_item_add_batch" Locked,
    /// Runs an item at once, past the queue.
    QueueItemExecute "queue_item_execute" Locked,
    /// An item of the queue.
    QueueItemGet "queue_item_get" Read,
    /// Takes an item out of the queue.
    QueueItemRemove "queue_item_remove" Locked,
    /// Takes several items out of the queue.
    QueueItemRemoveBatch "queue_item_remove_batch" Locked,
    /// Changes an item's place in the queue.
    QueueItemMove "queue_item_move" Locked,
    /// Changes an item of the queue.
    QueueItemUpdate "queue_item_update" Locked,
    /// The queue.
    QueueGet "queue_get" Read,
    /// Runs what is in the queue.
    QueueStart "queue_start" Locked,
    /// Stops the queue after the running plan.
    QueueStop "queue_stop" Locked,
    /// Takes that back.
    QueueStopCancel "queue_stop_cancel" Locked,
    /// Empties the queue.
    QueueClear "queue_clear" Locked,
    /// Whether the queue starts by itself.
    QueueAutostart "queue_autostart" Locked,
    /// How the queue goes on after a plan.
    QueueModeSet "queue_mode_set" Locked,
    /// What was run.
    HistoryGet "history_get" Read,
    /// Forgets what was run.
    HistoryClear "history_clear" Locked,
    /// Pauses the running plan.
    RePause "re_pause" Locked,
    /// Lets a paused plan go on.
    ReResume "re_resume" Locked,
    /// Ends a paused plan as a success.
    ReStop "re_stop" Locked,
    /// Ends a paused plan as a failure.
    ReAbort "re_abort" Locked,
    /// Ends a paused plan without cleaning up.
    ReHalt "re_halt" Locked,
    /// The runs of the running plan.
    ReRuns "re_runs" Read,
    /// The metadata of the RunEngine.
    ReMetadata "re_metadata" Read,
    /// The permissions of the user groups.
    PermissionsGet "permissions_get" Read,
    /// Changes them.
    PermissionsSet "permissions_set" Locked,
    /// Reads them from the disk again.
    PermissionsReload "permissions_reload" Locked,
    /// The plans that a group may run.
    PlansAllowed "plans_allowed" Read,
    /// The devices that a group may name.
    DevicesAllowed "devices_allowed" Read,
    /// Calls a function in the worker.
    FunctionExecute "function_execute" Locked,
    /// Runs a script in the worker.
    ScriptUpload "script_upload" Locked,
    /// How far a function or script is.
    TaskStatus "task_status" Read,
    /// What a function or script gave.
    TaskResult "task_result" Read,
    /// Locks the manager.
    Lock "lock" Free,
    /// Unlocks it.
    Unlock "unlock" Free,
    /// Who locked it.
    LockInfo "lock_info" Read,
    /// Ends the manager.
    ManagerStop "manager_stop" Free,
    /// Makes the manager hang until its watchdog starts it again.
    ManagerKill "manager_kill" Free,
}

impl Method {
    /// Whether it changes nothing, so that it may be called again when no reply came.
    pub fn is_read(self) -> bool {
        self.effect() == Effect::Read
    }

    /// Whether it takes the key of a lock.
    pub(super) fn takes_lock_key(self) -> bool {
        self.effect() == Effect::Locked
    }

    /// The path at the HTTP server, after its address; `None` if it does not pass the method on.
    pub fn path(self) -> Option<String> {
        match self {
            Self::ReMetadata => None,
            Self::ManagerKill => Some("/api/test/manager/kill".to_owned()),
            _ => Some(format!("/api/{}", self.name().replace('_', "/"))),
        }
    }

    /// Whether the HTTP server has it under GET; all else is POST.
    pub(super) fn is_get(self) -> bool {
        self.is_read() && self != Self::ReRuns
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Routes of bluesky-httpserver 0.0.14, `routers/core_api.py`.
    #[test]
    fn paths_and_verbs_are_those_of_the_http_server() {
        let route = |method: Method| (method.is_get(), method.path().unwrap_or_default());
        for (method, get, path) in [
            (Method::Status, true, "/api/status"),
            (Method::QueueItemAddBatch, false, "/api/queue/item/add/batch"),
            (Method::QueueItemGet, true, "/api/queue/item/get"),
            (Method::QueueModeSet, false, "/api/queue/mode/set"),
            (Method::RePause, false, "/api/re/pause"),
            (Method::ReRuns, false, "/api/re/runs"),
            (Method::ReMetadata, true, ""),
            (Method::TaskResult, true, "/api/task/result"),
            (Method::Lock, false, "/api/lock"),
            (Method::LockInfo, true, "/api/lock/info"),
            (Method::ManagerKill, false, "/api/test/manager/kill"),
        ] {
            assert_eq!(route(method), (get, path.to_owned()), "{method}");
        }
    }

    #[test]
    fn nothing_that_changes_something_may_be_called_again() {
        let reads: Vec<_> =
            Method::ALL.iter().filter(|method| method.is_read()).map(|m| m.name()).collect();
        assert_eq!(
            reads,
            [
                "ping",
                "status",
                "config_get",
                "queue_item_get",
                "queue_get",
                "history_get",
                "re_runs",
                "re_metadata",
                "permissions_get",
                "plans_allowed",
                "devices_allowed",
                "task_status",
                "task_result",
                "lock_info",
            ]
        );
    }
}
