//! Managers that others use, too: other experiments, operators, locks.

use std::collections::HashMap;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use krige::prelude::*;
use krige_bluesky::manager::{
    Item, ItemRef, Locked, ManagerError, ManagerState, Place, PlanItem, ReManager,
};
use krige_bluesky::metadata::KEYS;
use krige_bluesky::{AgentConfig, Dof, ManagerAccess, QueueserverAgent, Sharing};
use krige_testkit::BlueskyStack;
use serde_json::{Map, json};

use crate::agent::{assert_all_measured, himmelblau, manager};
use crate::bounded::{PATIENCE, finish, history, wait_for};
use crate::keys::LOCK_KEY;

fn shared(stack: &BlueskyStack, name: &str) -> AgentConfig {
    AgentConfig { sharing: Sharing::Shared, ..himmelblau(stack, name) }
}

fn agent(config: AgentConfig) -> QueueserverAgent {
    QueueserverAgent::new(config).expect("an agent")
}

/// An item that somebody else submits.
fn foreign(manager: &ReManager, place: Place) -> Item {
    let plan = PlanItem::new("count").arg(&["himmel_det"]).expect("JSON");
    manager.queue_item_add(&plan, place).expect("it is added")
}

/// The uids of what waits in the queue.
fn queued(manager: &ReManager) -> Vec<String> {
    let queue = manager.queue_get().expect("a queue");
    queue.items.into_iter().map(|item| item.item_uid).collect()
}

/// How often each key of an experiment ran, or waits to.
fn submitted(manager: &ReManager, agents: &[&QueueserverAgent]) -> HashMap<String, usize> {
    let (history, queue) = (history(manager), manager.queue_get().expect("it"));
    let ids: Vec<String> = agents
        .iter()
        .map(|agent| format!("krige-{}-", agent.client().experiment().expect("there").id))
        .collect();
    let mut times = HashMap::new();
    for item in history.items.iter().chain(&queue.items).chain(&queue.running_item) {
        let keys = item.meta[KEYS].as_array().into_iter().flatten();
        for key in keys.filter_map(|key| key.as_str()) {
            if ids.iter().any(|id| key.starts_with(id)) {
                *times.entry(key.to_owned()).or_default() += 1;
            }
        }
    }
    times
}

/// The manager, when it knows that the last test's plan has ended, and without what that test may have left in the queue.
fn at_rest(stack: &BlueskyStack) -> ReManager {
    let manager = manager(stack);
    wait_until_idle(&manager);
    manager.queue_clear().expect("it is cleared");
    manager
}

fn wait_until_idle(manager: &ReManager) {
    let idle = ManagerState::Idle;
    let deadline = Instant::now() + PATIENCE;
    manager.wait_for(deadline, |status| status.manager_state == idle).expect("the plan ends");
}

#[test]
fn a_queue_with_others_items_is_not_started_and_krige_waits_behind_them() {
    let stack = BlueskyStack::shared();
    let manager = at_rest(&stack);
    let theirs = foreign(&manager, Place::Back);
    let agent = agent(shared(&stack, "behind"));
    let (polled, polls) = mpsc::channel();
    let options = OrchestratorOptions {
        idle_callback: Some(IdleCallback::new(move |_| {
            let _nobody_listens = polled.send(());
        })),
        ..agent.options(1, 1).expect("options")
    };
    let run = agent.run_with(options);
    for _ in 0..20 {
        polls.recv_timeout(PATIENCE).expect("it asks how its trial stands");
        let status = manager.status().expect("a status");
        assert_eq!(status.manager_state, ManagerState::Idle);
        assert!(!status.queue_autostart_enabled);
    }
    let [first, second] = &queued(&manager)[..] else { panic!("{:?}", queued(&manager)) };
    assert_eq!(*first, theirs.item_uid);
    assert!(!run.is_finished());
    manager.queue_start().expect("an operator starts it");
    let (agent, report) = finish(run);
    assert_eq!((report.ended, report.finished), (EndReason::Done, 1));
    assert_all_measured(&agent);
    let history = history(&manager).items;
    let ran: Vec<_> = history.iter().rev().take(2).map(|item| &item.item_uid).collect();
    assert_eq!(ran, [second, first]);
    assert!(!manager.status().expect("a status").queue_autostart_enabled);
    wait_until_idle(&manager);
}

#[test]
fn a_plan_that_failed_leaves_no_copy_and_nothing_of_others_is_touched() {
    let stack = BlueskyStack::shared();
    let manager = at_rest(&stack);
    let before = foreign(&manager, Place::Back);
    let run = agent(AgentConfig {
        acquisition_plan: "fail_mid_run".into(),
        acquisition_plan_kwargs: Map::from_iter([("fail_after".to_owned(), json!(0))]),
        ..shared(&stack, "copies")
    })
    .run(1, 1);
    wait_for("krige's item", || (queued(&manager).len() == 2).then_some(()));
    let behind = [foreign(&manager, Place::Back), foreign(&manager, Place::Back)];
    manager.queue_start().expect("an operator starts it");
    let (agent, report) = finish(run);
    assert_eq!((report.ended, report.finished), (EndReason::Done, 1));
    let trial = &agent.client().experiment().expect("there").trials[0];
    assert_eq!(trial.status(), TrialStatus::Failed);
    let reason = trial.state.reason().expect("a reason");
    assert!(reason.contains("simulated failure after 0 points"), "{reason}");
    // The manager stopped at the failure; what was behind it still is, and waits for its operator.
    wait_until_idle(&manager);
    assert_eq!(queued(&manager), behind.each_ref().map(|item| item.item_uid.clone()));
    let ran = history(&manager).items;
    assert!(ran.iter().any(|item| item.item_uid == before.item_uid));
    assert!(ran.iter().all(|item| behind.iter().all(|other| other.item_uid != item.item_uid)));
    for item in behind {
        manager.queue_item_remove(&ItemRef::Uid(item.item_uid)).expect("it is there");
    }
}

#[test]
fn two_experiments_on_one_manager_complete_though_plans_of_one_fail() {
    let stack = BlueskyStack::shared();
    let manager = at_rest(&stack);
    // The device refuses half of what it is asked for.
    let refused = agent(AgentConfig {
        dofs: vec![Dof::range("bounded", -10.0, 10.0), Dof::range("motor2", -5.0, 5.0)],
        ..shared(&stack, "refused")
    });
    let options = OrchestratorOptions {
        tolerated_trial_failure_rate: 1.0,
        ..refused.options(8, 1).expect("options")
    };
    let runs = [refused.run_with(options), agent(shared(&stack, "beside")).run(8, 1)];
    let [(refused, a), (beside, b)] = runs.map(finish);
    assert_eq!((a.ended, a.finished), (EndReason::Done, 8));
    assert_eq!((b.ended, b.finished), (EndReason::Done, 8));
    assert_all_measured(&beside);
    for trial in &refused.client().experiment().expect("there").trials {
        let outside = trial.arm.parameters.float("bounded").expect("a float").abs() > 5.0;
        let (status, reason) = (trial.status(), trial.state.reason().unwrap_or_default());
        let expected = if outside { TrialStatus::Failed } else { TrialStatus::Completed };
        assert_eq!(status, expected, "{reason}");
        assert_eq!(reason.contains("outside limits"), outside, "{reason}");
    }
    let submitted = submitted(&manager, &[&refused, &beside]);
    assert_eq!(submitted.len(), 16);
    assert!(submitted.values().all(|&times| times == 1), "{submitted:?}");
    wait_until_idle(&manager);
    assert_eq!(queued(&manager), [""; 0]);
}

/// A lock that does not outlive its test.
struct Lock<'a>(&'a ReManager, &'a str);

impl<'a> Lock<'a> {
    fn set(manager: &'a ReManager, key: &'a str) -> Self {
        let what = Locked { environment: true, queue: true };
        manager.lock(key, what, Some("maintenance")).expect("it is locked");
        Self(manager, key)
    }
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        // A panic here would hide the one of the test.
        let _stays_locked = self.0.unlock(self.1);
    }
}

#[test]
fn what_an_operator_locked_is_waited_for() {
    let stack = BlueskyStack::shared();
    let manager = at_rest(&stack);
    for sharing in [Sharing::Dedicated, Sharing::Shared] {
        let folder = tempfile::tempdir().expect("a folder");
        let database = folder.path().join("krige.db");
        let lock = Lock::set(&manager, "an operator's");
        let run = agent(AgentConfig {
            sharing,
            database: Some(database.clone()),
            ..himmelblau(&stack, "locked")
        })
        .run(2, 1);
        let status = || {
            let client = Client::load_from_database(&database, "locked").ok()?;
            client.experiment().ok()?.trials.first().map(|trial| trial.status())
        };
        wait_for("a trial", || (status()? == TrialStatus::Staged).then_some(()));
        // Long enough for some attempts.
        let soon = Instant::now() + Duration::from_secs(2);
        let begun = manager.wait_for(soon, |status| {
            status.manager_state != ManagerState::Idle || status.items_in_queue > 0
        });
        assert!(matches!(begun, Err(ManagerError::DeadlinePassed { .. })), "{begun:?}");
        assert_eq!(status(), Some(TrialStatus::Staged));
        drop(lock);
        let (agent, report) = finish(run);
        assert_eq!((report.ended, report.finished), (EndReason::Done, 2));
        assert_all_measured(&agent);
        let submitted = submitted(&manager, &[&agent]);
        assert_eq!(submitted.values().collect::<Vec<_>>(), [&1, &1]);
        wait_until_idle(&manager);
    }
}

#[test]
fn who_has_the_key_works_under_the_lock() {
    let stack = BlueskyStack::shared();
    let manager = at_rest(&stack);
    let key = std::env::var(LOCK_KEY).expect("Cargo sets it: see `.cargo/config.toml`");
    for sharing in [Sharing::Dedicated, Sharing::Shared] {
        let _lock = Lock::set(&manager, &key);
        let config = himmelblau(&stack, "under the lock");
        let lock_key_variable = Some(LOCK_KEY.to_owned());
        let access = ManagerAccess { lock_key_variable, ..config.manager.clone() };
        let agent = agent(AgentConfig { manager: access, sharing, ..config });
        let (agent, report) = finish(agent.run(2, 1));
        assert_eq!((report.ended, report.finished), (EndReason::Done, 2));
        assert_all_measured(&agent);
        wait_until_idle(&manager);
    }
}

#[test]
fn a_lock_with_another_key_is_waited_for_like_one_without() {
    let stack = BlueskyStack::shared();
    let manager = at_rest(&stack);
    let lock = Lock::set(&manager, "an operator's");
    let config = himmelblau(&stack, "another key");
    let lock_key_variable = Some(LOCK_KEY.to_owned());
    let access = ManagerAccess { lock_key_variable, ..config.manager.clone() };
    let agent = agent(AgentConfig { manager: access, ..config });
    // One attempt that counted would be the last.
    let options = OrchestratorOptions { max_attempts: 1, ..agent.options(1, 1).expect("options") };
    let run = agent.run_with(options);
    let ended = run.next_finished(Duration::from_secs(2));
    assert_eq!(ended, None);
    drop(lock);
    let (agent, report) = finish(run);
    assert_eq!((report.ended, report.finished), (EndReason::Done, 1));
    assert_all_measured(&agent);
}
