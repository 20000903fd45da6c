//! What the metadata of a trial say of its run on the beamline; the runner writes them, the metric reads them.

/// The uid of the item in the queue: text.
pub const ITEM_UID: &str = "item_uid";

/// The uids of the runs that the item made, oldest first: a list of texts. Where they are not known when the item is
/// accepted, they are found by [`CORRELATION`].
pub const RUN_UIDS: &str = "run_uids";

/// Which of the item's points the trial is: the `_id` of its suggestion. Where neither the run's start document nor the
/// number of its events says which rows are whose, it has to be its position among the suggestions, from 0.
pub const POINT_ID: &str = "point_id";

/// How many points (suggestions, trials) the item has: a number. 1 if it is not said.
pub const POINTS: &str = "points";

/// The key of the trial's run, or of its batch: text. The field of this name in the start document has the same.
pub const CORRELATION: &str = "krige_key";

/// The keys of all runs of the item, in the order of its points: a list of texts, in the start document too.
pub const KEYS: &str = "krige_keys";
