//! What the RE Manager means when it refuses.
//!
//! It says so in English alone; the texts are those of bluesky-queueserver 0.0.25.

/// The meaning of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefusalKind {
    /// There is no worker.
    EnvironmentMissing,
    /// The manager is doing something else, or a plan is paused.
    Busy,
    /// No plan is paused.
    NotPaused,
    /// Neither a plan nor the queue is running.
    NotRunning,
    /// There is a worker already, or there will be in a moment.
    AlreadyExists,
    /// The group of the user may not run the plan or function, or there is none of this name.
    PlanNotAllowed,
    /// The plan does not take these arguments, or the item is malformed.
    InvalidItem,
    /// There is no such item in the queue.
    NoSuchItem,
    /// There is no such user group.
    UnknownGroup,
    /// The manager is locked with another key.
    Locked,
    /// Redis, where the manager keeps its queue, is down.
    StorageDown,
    /// The worker does not answer the manager.
    WorkerSilent,
    /// The manager does not know the method or one of its parameters.
    Unsupported,
    /// Something else.
    Other,
}

/// Texts and their meanings; the first that is found counts.
///
/// Texts that quote what a user wrote stand before those that could be found in the quotation.
const MEANINGS: &[(&str, RefusalKind)] = &[
    ("Invalid lock key", RefusalKind::Locked),
    ("was locked with a different key", RefusalKind::Locked),
    ("Unknown user group", RefusalKind::UnknownGroup),
    ("is not in the list of allowed plans", RefusalKind::PlanNotAllowed),
    ("is not allowed for users from", RefusalKind::PlanNotAllowed),
    ("validation failed", RefusalKind::InvalidItem),
    ("missing a required argument", RefusalKind::InvalidItem),
    ("too many positional arguments", RefusalKind::InvalidItem),
    ("got an unexpected keyword argument", RefusalKind::InvalidItem),
    ("Incorrect request format", RefusalKind::InvalidItem),
    ("request contains no item info", RefusalKind::InvalidItem),
    ("'item_type'", RefusalKind::InvalidItem),
    ("is not in the queue", RefusalKind::NoSuchItem),
    ("The queue does not contain items", RefusalKind::NoSuchItem),
    ("was not found", RefusalKind::NoSuchItem),
    ("is out of range", RefusalKind::NoSuchItem),
    ("Queue is empty", RefusalKind::NoSuchItem),
    ("Error 111 connecting", RefusalKind::StorageDown),
    ("Connection closed by server", RefusalKind::StorageDown),
    ("Error while reading from", RefusalKind::StorageDown),
    ("Timeout connecting to server", RefusalKind::StorageDown),
    ("Timeout occurred while processing the request", RefusalKind::WorkerSilent),
    ("nvironment does not exist", RefusalKind::EnvironmentMissing),
    ("environment is not open", RefusalKind::EnvironmentMissing),
    ("environment already exists", RefusalKind::AlreadyExists),
    ("already in the process of creating", RefusalKind::AlreadyExists),
    ("RE Manager is not paused", RefusalKind::NotPaused),
    ("Queue is not running", RefusalKind::NotRunning),
    ("can be paused only in 'running' state", RefusalKind::NotRunning),
    ("is busy", RefusalKind::Busy),
    ("is in progress", RefusalKind::Busy),
    ("already in the process of closing", RefusalKind::Busy),
    ("is not idle", RefusalKind::Busy),
    ("in idle state", RefusalKind::Busy),
    ("in 'idle' state", RefusalKind::Busy),
    ("currently running", RefusalKind::Busy),
    ("Unknown method", RefusalKind::Unsupported),
    ("unsupported parameters", RefusalKind::Unsupported),
];

impl RefusalKind {
    /// What a message of the manager means.
    pub fn of(message: &str) -> Self {
        let message = without_plan(message);
        MEANINGS
            .iter()
            .find(|(text, _)| message.contains(text))
            .map_or(Self::Other, |&(_, kind)| kind)
    }

    /// Whether the same call may be accepted later without anybody doing anything.
    pub fn is_transient(self) -> bool {
        match self {
            Self::Busy | Self::StorageDown | Self::WorkerSilent => true,
            Self::EnvironmentMissing
            | Self::NotPaused
            | Self::NotRunning
            | Self::AlreadyExists
            | Self::PlanNotAllowed
            | Self::InvalidItem
            | Self::NoSuchItem
            | Self::UnknownGroup
            | Self::Locked
            | Self::Unsupported
            | Self::Other => false,
        }
    }

    /// What to do.
    pub(super) fn remedy(self) -> &'static str {
        match self {
            Self::EnvironmentMissing => "open the environment first",
            Self::Busy => "wait until its status is `idle`, or resume or abort the paused plan",
            Self::NotPaused => "only a paused plan can be resumed, stopped, aborted or halted",
            Self::NotRunning => "there is nothing to stop or pause",
            Self::AlreadyExists => "use the environment that there is, or close it first",
            Self::PlanNotAllowed => "see the list of allowed plans of this user group",
            Self::InvalidItem => "correct the arguments of the item",
            Self::NoSuchItem => "it has been run or removed, or never was there",
            Self::UnknownGroup => "see `user_group_permissions.yaml` of the manager for its groups",
            Self::Locked => "ask who locked it for the key, or wait until it is unlocked",
            Self::StorageDown => {
                "see that the manager's Redis runs; the manager recovers by itself"
            }
            Self::WorkerSilent => "if it stays so, destroy the environment and open another",
            Self::Unsupported => "see whether the versions of krige and the manager fit",
            Self::Other => "see the log of the manager",
        }
    }
}

/// A message without the plan that was submitted, which may be long, and may say anything.
pub(super) fn without_plan(message: &str) -> &str {
    message.split_once("\nPlan: ").map_or(message, |(message, _)| message).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages as bluesky-queueserver 0.0.25 sent them.
    #[test]
    fn messages_have_their_meanings() {
        use RefusalKind::*;
        for (message, kind) in [
            ("RE Worker environment does not exist.", EnvironmentMissing),
            ("RE Worker environment is not open", EnvironmentMissing),
            ("Environment does not exist. Can not pause Run Engine.", EnvironmentMissing),
            ("RE Manager is busy.", Busy),
            ("Failed to start execution of the item: RE Manager is busy.", Busy),
            ("Queue execution is in progress.", Busy),
            ("Manager state is not idle. Current state: paused", Busy),
            (
                "Failed to start the task: RE Manager must be in idle state. Current state: 'paused'",
                Busy,
            ),
            ("RE Worker environment already exists.", AlreadyExists),
            (
                "Manager is already in the process of creating the RE Worker environment.",
                AlreadyExists,
            ),
            ("RE Manager is not paused: current state is 'idle'", NotPaused),
            (
                "Failed to pause the queue. Queue is not running. Manager state: MState.IDLE",
                NotRunning,
            ),
            ("Run engine can be paused only in 'running' state. Current state: 'idle'", NotRunning),
            (
                "Failed to add an item: Plan validation failed: Plan 'x' is not in the list of allowed plans.\nPlan: {}",
                PlanNotAllowed,
            ),
            ("Error: Function 'f' is not allowed for users from 'primary' group.", PlanNotAllowed),
            (
                "Failed to add an item: Plan validation failed: missing a required argument: 'actuators'\nPlan: {}",
                InvalidItem,
            ),
            ("Failed to add an item: Unknown user group: 'zz'", UnknownGroup),
            ("Failed to remove an item: Plan with UID 'x' is not in the queue.", NoSuchItem),
            (
                "Failed to get an item: Index '-1' is out of range (parameter pos = 'back')",
                NoSuchItem,
            ),
            (
                "Error: RE Manager was locked with a different key: \nRE Manager is locked by alice. Note: RE Manager is busy.",
                Locked,
            ),
            ("Error: Invalid lock key: \n...", Locked),
            ("Error: Error 111 connecting to 127.0.0.1:6379. Connection refused.", StorageDown),
            ("Error: Connection closed by server.", StorageDown),
            ("Timeout occurred while processing the request", WorkerSilent),
            ("Unknown method 'nosuch'", Unsupported),
            (
                "Error: API request contains unsupported parameters: 'x'. Supported parameters: []",
                Unsupported,
            ),
            ("Something new", Other),
            ("", Other),
        ] {
            assert_eq!(RefusalKind::of(message), kind, "{message}");
        }
    }

    #[test]
    fn what_a_plan_says_has_no_meaning() {
        let message = "Failed: strange\nPlan: {'md': {'note': 'RE Manager is busy'}}";
        assert_eq!(RefusalKind::of(message), RefusalKind::Other);
    }
}
