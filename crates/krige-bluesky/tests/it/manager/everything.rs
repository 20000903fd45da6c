//! What is the same over every way to a manager.

use krige_bluesky::manager::{
    ExitStatus, Forget, Item, ItemRef, Locked, ManagerError, ManagerState, PauseOption, Place,
    PlanItem, QueueMode, ReManager, ReManagerBuilder, ReState, RefusalKind, ScriptOptions, Status,
    TaskOutcome, TaskState, WhichRuns,
};
use serde_json::{Map, json};

use super::{idle, kind, plan, soon};

/// All that is the same over every transport. The manager is idle with its environment open, before and after.
pub(super) fn everything(connect: impl Fn() -> ReManagerBuilder, over_http: bool) {
    let manager = connect().user("alice").build().unwrap();
    manager.history_clear(&Forget::All).unwrap();
    status_and_lists(&manager);
    editing_the_queue(&manager, over_http);
    running(&manager);
    pausing(&manager);
    tasks(&manager);
    locks(&connect, &manager);
    refusals(&connect, &manager, over_http);
    environment(&manager);
    several_threads(&manager);
}

fn wait_until_idle(manager: &ReManager) -> Status {
    manager.wait_for(soon(), idle).unwrap()
}

/// The points of an item of [`plan`].
fn points(item: &Item) -> Vec<f64> {
    let points = item.args[0].as_array().unwrap();
    points.iter().map(|point| point["motor1"].as_f64().unwrap()).collect()
}

fn queue(manager: &ReManager) -> Vec<Vec<f64>> {
    manager.queue_get().unwrap().items.iter().map(points).collect()
}

fn uid(item: &Item) -> ItemRef {
    ItemRef::Uid(item.item_uid.clone())
}

/// Waits for a task, and gives how it ended.
fn outcome(manager: &ReManager, task_uid: &str) -> TaskOutcome {
    let completed = |_: &Status| manager.task_status(task_uid).unwrap() == TaskState::Completed;
    manager.wait_for(soon(), completed).unwrap();
    manager.task_result(task_uid).unwrap().outcome.expect("it is completed")
}

fn status_and_lists(manager: &ReManager) {
    let status = manager.status().unwrap();
    assert!(status.msg.starts_with("RE Manager v"), "{status:?}");
    assert!(idle(&status) && status.worker_environment_exists);
    assert_eq!(status.re_state, Some(ReState::Idle));
    assert!(idle(&manager.ping().unwrap()));
    let plans = manager.plans_allowed().unwrap();
    assert_eq!(plans["slow_acquire"].parameters.last().unwrap().default.as_deref(), Some("1.0"));
    let devices = manager.devices_allowed().unwrap();
    assert!(devices["motor1"].is_movable && devices.contains_key("renamed_axis"));
    assert!(!manager.config_get().unwrap().is_empty());
    let permissions = manager.permissions_get().unwrap();
    assert!(permissions["user_groups"]["restricted"].is_object());
    manager.permissions_set(&permissions).unwrap();
    manager.permissions_reload(false).unwrap();
}

fn editing_the_queue(manager: &ReManager, over_http: bool) {
    let add =
        |x: f64, place| manager.queue_item_add(&plan("default_acquire", &[x]), place).unwrap();
    let third = add(3.0, Place::Back);
    assert_eq!(third.user == "alice", !over_http, "{third:?}");
    assert_eq!(third.user_group, "primary");
    assert!(third.args[0][0]["motor1"].is_f64(), "{third:?}");
    let first = add(1.0, Place::Front);
    let second = add(2.0, Place::After(first.item_uid.clone()));
    let fourth = add(4.0, Place::Index(-2));
    assert_eq!(queue(manager), [[1.0], [2.0], [4.0], [3.0]]);
    manager.queue_item_move(&uid(&fourth), Place::Back).unwrap();
    manager.queue_item_move(&ItemRef::Index(1), Place::Before(first.item_uid.clone())).unwrap();
    assert_eq!(queue(manager), [[2.0], [1.0], [3.0], [4.0]]);
    assert_eq!(manager.queue_item_get(&ItemRef::Front).unwrap(), second);
    assert_eq!(manager.queue_item_get(&ItemRef::Index(2)).unwrap(), third);

    let changed = plan("default_acquire", &[5.0]);
    let same = manager.queue_item_update(&third.item_uid, &changed, false).unwrap();
    assert_eq!(same.item_uid, third.item_uid);
    let new = manager.queue_item_update(&third.item_uid, &changed, true).unwrap();
    assert_ne!(new.item_uid, third.item_uid);
    assert_eq!(queue(manager), [[2.0], [1.0], [5.0], [4.0]]);

    assert_eq!(manager.queue_item_remove(&ItemRef::Front).unwrap(), second);
    assert_eq!(points(&manager.queue_item_remove(&uid(&new)).unwrap()), [5.0]);
    let gone = manager.queue_item_remove(&uid(&new)).unwrap_err();
    assert_eq!(kind(gone), RefusalKind::NoSuchItem);
    let uids = [&*first.item_uid, &*new.item_uid];
    let gone = manager.queue_item_remove_batch(&uids, false).unwrap_err();
    assert_eq!(kind(gone), RefusalKind::NoSuchItem);
    assert_eq!(manager.queue_item_remove_batch(&uids, true).unwrap(), [first]);

    let batch = [plan("default_acquire", &[6.0]), plan("move_only", &[7.0])];
    let refused = manager.queue_item_add_batch(&batch, Place::Front).unwrap_err();
    assert!(refused.to_string().ends_with("Plan validation failed: too many positional arguments; correct the arguments of the item"), "{refused}");
    assert_eq!(kind(refused), RefusalKind::InvalidItem);
    let batch = [plan("default_acquire", &[6.0]), plan("default_acquire", &[7.0])];
    let added = manager.queue_item_add_batch(&batch, Place::Front).unwrap();
    assert_eq!(added.iter().map(points).collect::<Vec<_>>(), [[6.0], [7.0]]);
    assert_eq!(queue(manager), [[6.0], [7.0], [4.0]]);
    manager.queue_clear().unwrap();
    assert!(queue(manager).is_empty());
    let empty = manager.queue_item_get(&ItemRef::Back).unwrap_err();
    assert_eq!(kind(empty), RefusalKind::NoSuchItem);

    let mode = QueueMode { repeat: true, ignore_failures: true };
    manager.queue_mode_set(mode).unwrap();
    assert_eq!(manager.status().unwrap().plan_queue_mode, mode);
    manager.queue_mode_set(QueueMode::default()).unwrap();
    assert_eq!(manager.status().unwrap().plan_queue_mode, QueueMode::default());
}

/// By `queue_item_execute`, by the queue and by itself.
fn running(manager: &ReManager) {
    let plan = |name| plan(name, &[1.0, 2.0]).meta("correlation", "c 1").unwrap();
    let before = manager.status().unwrap().plan_history_uid;
    let executed = manager.queue_item_execute(&plan("default_acquire")).unwrap();
    wait_until_idle(manager);
    manager.queue_item_add(&plan("fail_mid_run"), Place::Back).unwrap();
    manager.queue_start().unwrap();
    let failed = manager.wait_for(soon(), |s| idle(s) && s.items_in_history == 2).unwrap();
    assert_ne!(failed.plan_history_uid, before);
    let returned = manager.queue_get().unwrap().items;
    assert!(returned[0].is_returned());
    manager.queue_item_remove(&uid(&returned[0])).unwrap();
    manager.queue_autostart(true).unwrap();
    assert!(manager.status().unwrap().queue_autostart_enabled);
    manager.queue_item_add(&plan("multi_run_acquire"), Place::Back).unwrap();
    manager.wait_for(soon(), |s| idle(s) && s.items_in_history == 3).unwrap();
    manager.queue_autostart(false).unwrap();

    let history = manager.history_get().unwrap();
    assert_eq!(history.items[0].item_uid, executed.item_uid);
    assert_eq!(history.items[0].meta["correlation"], "c 1");
    let results: Vec<_> = history.items.iter().map(|item| item.result.as_ref().unwrap()).collect();
    let ends: Vec<_> = results.iter().map(|r| (r.exit_status.clone(), r.run_uids.len())).collect();
    assert_eq!(
        ends,
        [(ExitStatus::Completed, 1), (ExitStatus::Failed, 1), (ExitStatus::Completed, 2)]
    );
    assert!(results[0].time_stop > results[0].time_start);
    assert!(results[1].msg.contains("simulated failure after 1 points"), "{:?}", results[1]);
    manager.history_clear(&Forget::AllBut(1)).unwrap();
    assert_eq!(manager.history_get().unwrap().items, history.items[2..]);
}

fn pausing(manager: &ReManager) {
    // Long enough for the manager, which looks every half second, to see it before its last checkpoint.
    let slow = |count| plan("slow_acquire", &vec![1.0; count]).kwarg("dwell", &0.5).unwrap();
    let started = |manager: &ReManager| {
        manager.queue_start().unwrap();
        manager.wait_for(soon(), |_| !manager.re_runs(WhichRuns::Open).unwrap().is_empty()).unwrap()
    };
    let paused = |status: &Status| status.manager_state == ManagerState::Paused;

    manager.queue_item_add(&slow(8), Place::Back).unwrap();
    let status = started(manager);
    let running = manager.queue_get().unwrap().running_item.unwrap();
    assert_eq!(status.running_item_uid.as_ref(), Some(&running.item_uid));
    let runs = manager.re_runs(WhichRuns::Active).unwrap();
    assert!(runs[0].is_open && runs[0].exit_status.is_none());
    manager.queue_stop().unwrap();
    assert!(manager.status().unwrap().queue_stop_pending);
    manager.queue_stop_cancel().unwrap();
    manager.re_pause(PauseOption::Immediate).unwrap();
    assert_eq!(manager.wait_for(soon(), paused).unwrap().re_state, Some(ReState::Paused));
    assert_eq!(kind(manager.queue_start().unwrap_err()), RefusalKind::Busy);
    assert_eq!(kind(manager.environment_close().unwrap_err()), RefusalKind::Busy);
    manager.re_resume().unwrap();
    wait_until_idle(manager);
    let ended = manager.history_get().unwrap().items.pop().unwrap();
    assert_eq!(ended.item_uid, running.item_uid);
    assert_eq!(ended.result.as_ref().unwrap().run_uids, [runs[0].uid.clone()]);

    type End = fn(&ReManager) -> Result<(), ManagerError>;
    let ends: [(End, _); 3] = [
        (ReManager::re_abort, ExitStatus::Aborted),
        (ReManager::re_stop, ExitStatus::Stopped),
        (ReManager::re_halt, ExitStatus::Halted),
    ];
    for (end, exit_status) in ends {
        manager.queue_item_add(&slow(60), Place::Back).unwrap();
        started(manager);
        manager.re_pause(PauseOption::Deferred).unwrap();
        manager.wait_for(soon(), paused).unwrap();
        end(manager).unwrap();
        wait_until_idle(manager);
        let ended = manager.history_get().unwrap().items.pop().unwrap();
        assert_eq!(ended.result.unwrap().exit_status, exit_status);
        let returned = manager.queue_get().unwrap().items;
        assert_eq!(returned.len(), usize::from(exit_status != ExitStatus::Stopped));
        assert!(returned.iter().all(Item::is_returned));
        manager.queue_clear().unwrap();
    }
}

fn tasks(manager: &ReManager) {
    let call = |names: &[&str]| {
        let task = manager.function_execute("whereami", &[json!(names)], &Map::new(), false);
        let outcome = outcome(manager, &task.unwrap());
        wait_until_idle(manager);
        outcome
    };
    let mv = PlanItem::new("move_only").arg(&["motor1"]).unwrap().arg(&[2.5]).unwrap();
    manager.queue_item_execute(&mv).unwrap();
    wait_until_idle(manager);
    let found = call(&["motor1"]);
    assert!(found.success, "{found:?}");
    assert_eq!(found.return_value, json!({"motor1": 2.5}));
    let failed = call(&["nosuch"]);
    assert!(!failed.success && failed.traceback.contains("KeyError"), "{failed:?}");
    assert_eq!(manager.task_status("nosuch").unwrap(), TaskState::NotFound);
    assert_eq!(manager.task_result("nosuch").unwrap().outcome, None);

    let task = manager.script_upload("krige = 1", ScriptOptions::default()).unwrap();
    assert!(outcome(manager, &task).success);
    let task = manager.script_upload("1 / 0", ScriptOptions::default()).unwrap();
    let failed = outcome(manager, &task);
    assert!(!failed.success && failed.msg.contains("division by zero"), "{failed:?}");
    wait_until_idle(manager);
    let forbidden = manager.function_execute("print", &[], &Map::new(), true).unwrap_err();
    assert_eq!(kind(forbidden), RefusalKind::PlanNotAllowed);
}

fn locks(connect: &impl Fn() -> ReManagerBuilder, manager: &ReManager) {
    let all = Locked { environment: true, queue: true };
    let nothing = Locked::default();
    assert_eq!(manager.status().unwrap().lock, nothing);
    let info = manager.lock("k1", all, Some("aligning by hand")).unwrap();
    assert_eq!(&info.note, "aligning by hand");
    assert_eq!(manager.status().unwrap().lock, all);
    assert_eq!(manager.lock_info(None).unwrap(), info);
    let refused = manager.queue_item_add(&plan("default_acquire", &[1.0]), Place::Back);
    let refused = refused.unwrap_err();
    assert!(refused.to_string().contains("aligning by hand"), "{refused}");
    assert_eq!(kind(refused), RefusalKind::Locked);
    assert_eq!(kind(manager.queue_start().unwrap_err()), RefusalKind::Locked);
    assert_eq!(kind(manager.lock("k2", all, None).unwrap_err()), RefusalKind::Locked);
    assert_eq!(kind(manager.lock_info(Some("k2")).unwrap_err()), RefusalKind::Locked);
    assert_eq!(kind(manager.unlock("k2").unwrap_err()), RefusalKind::Locked);

    let wrong = connect().lock_key("k2").build().unwrap();
    assert_eq!(kind(wrong.queue_clear().unwrap_err()), RefusalKind::Locked);
    let right = connect().lock_key("k1").build().unwrap();
    right.queue_item_add(&plan("default_acquire", &[1.0]), Place::Back).unwrap();
    right.queue_clear().unwrap();
    let queue_only = Locked { environment: false, queue: true };
    assert!(!right.lock("k1", queue_only, None).unwrap().environment);
    assert!(right.lock_info(Some("k1")).unwrap().queue);
    assert!(!right.unlock("k1").unwrap().queue);
    assert_eq!(manager.status().unwrap().lock, nothing);
}

fn refusals(connect: &impl Fn() -> ReManagerBuilder, manager: &ReManager, over_http: bool) {
    let add = |plan: &PlanItem| kind(manager.queue_item_add(plan, Place::Back).unwrap_err());
    let acquire = plan("default_acquire", &[1.0]);
    assert_eq!(add(&plan("nosuch", &[1.0])), RefusalKind::PlanNotAllowed);
    assert_eq!(add(&PlanItem::new("default_acquire")), RefusalKind::InvalidItem);
    assert_eq!(add(&acquire.clone().kwarg("zork", &1).unwrap()), RefusalKind::InvalidItem);
    let execute = manager.queue_item_execute(&plan("nosuch", &[1.0])).unwrap_err();
    assert_eq!(kind(execute), RefusalKind::PlanNotAllowed);
    for paused_only in
        [ReManager::re_resume, ReManager::re_stop, ReManager::re_abort, ReManager::re_halt]
    {
        assert_eq!(kind(paused_only(manager).unwrap_err()), RefusalKind::NotPaused);
    }
    let pause = manager.re_pause(PauseOption::Deferred).unwrap_err();
    assert_eq!(kind(pause), RefusalKind::NotRunning);
    assert_eq!(kind(manager.queue_stop().unwrap_err()), RefusalKind::NotRunning);
    assert_eq!(kind(manager.environment_open().unwrap_err()), RefusalKind::AlreadyExists);
    if over_http {
        let metadata = manager.re_metadata();
        assert!(matches!(metadata, Err(ManagerError::Unsupported { .. })), "{metadata:?}");
        return;
    }
    manager.re_metadata().unwrap();
    let stranger = connect().user_group("zz").build().unwrap();
    let refused = stranger.queue_item_add(&acquire, Place::Back).unwrap_err();
    assert_eq!(kind(refused), RefusalKind::UnknownGroup);
    assert_eq!(kind(stranger.plans_allowed().unwrap_err()), RefusalKind::UnknownGroup);
    let restricted = connect().user_group("restricted").build().unwrap();
    assert_eq!(restricted.plans_allowed().unwrap().into_keys().collect::<Vec<_>>(), ["count"]);
    let refused = restricted.queue_item_add(&acquire, Place::Back).unwrap_err();
    assert_eq!(kind(refused), RefusalKind::PlanNotAllowed);
}

fn environment(manager: &ReManager) {
    let open = |status: &Status| idle(status) && status.worker_environment_exists;
    let closed = |status: &Status| idle(status) && !status.worker_environment_exists;
    manager.environment_close().unwrap();
    let status = manager.wait_for(soon(), closed).unwrap();
    assert_eq!(status.re_state, None);
    assert_eq!(kind(manager.queue_start().unwrap_err()), RefusalKind::EnvironmentMissing);
    let execute = manager.queue_item_execute(&plan("default_acquire", &[1.0])).unwrap_err();
    assert_eq!(kind(execute), RefusalKind::EnvironmentMissing);
    let pause = manager.re_pause(PauseOption::Immediate).unwrap_err();
    assert_eq!(kind(pause), RefusalKind::EnvironmentMissing);
    let function = manager.function_execute("whereami", &[], &Map::new(), false).unwrap_err();
    assert_eq!(kind(function), RefusalKind::EnvironmentMissing);
    assert_eq!(kind(manager.environment_close().unwrap_err()), RefusalKind::EnvironmentMissing);
    manager.environment_open().unwrap();
    assert_eq!(kind(manager.environment_open().unwrap_err()), RefusalKind::AlreadyExists);
    manager.wait_for(soon(), open).unwrap();
    manager.environment_destroy().unwrap();
    manager.wait_for(soon(), closed).unwrap();
    manager.environment_open().unwrap();
    manager.wait_for(soon(), open).unwrap();
}

fn several_threads(manager: &ReManager) {
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20 {
                    assert!(idle(&manager.status().unwrap()));
                    manager.queue_clear().unwrap();
                }
            });
        }
    });
}
