//! What an agent's points are made of: degrees of freedom of every kind, points of one's own, runs made by hand.

use std::time::Instant;

use krige::prelude::*;
use krige_bluesky::manager::{ItemResult, ManagerState, PlanItem, ReManager};
use krige_bluesky::{AgentConfig, AgentError, Dof, Objective, QueueserverAgent};
use krige_testkit::BlueskyStack;
use serde_json::json;

use crate::agent::{assert_all_measured, himmelblau, manager};
use crate::bounded::{PATIENCE, finish, history, wait_for};

fn agent(config: AgentConfig) -> QueueserverAgent {
    QueueserverAgent::new(config).expect("an agent")
}

fn trials(agent: &QueueserverAgent) -> &[krige::core::trial::Trial] {
    &agent.client().experiment().expect("there").trials
}

/// Runs a plan at one point by hand.
fn by_hand(manager: &ReManager, plan: &str, sensors: &[&str]) -> ItemResult {
    let idle = |status: &krige_bluesky::manager::Status| status.manager_state == ManagerState::Idle;
    manager.wait_for(Instant::now() + PATIENCE, idle).expect("it is idle");
    let point = json!([{"_id": 0, "motor1": 1.0, "motor2": 2.0}]);
    let plan = PlanItem::new(plan).arg(&point).and_then(|plan| plan.arg(&["motor1", "motor2"]));
    let plan = plan.and_then(|plan| plan.arg(sensors)).expect("JSON");
    let uid = manager.queue_item_execute(&plan).expect("it is started").item_uid;
    wait_for("the end of the plan", || {
        let history = history(manager);
        history.items.into_iter().find(|item| item.item_uid == uid)?.result
    })
}

#[test]
fn points_of_ones_own_are_measured_first_and_not_counted() {
    let stack = BlueskyStack::shared();
    let mut agent = agent(himmelblau(&stack, "own"));
    let baseline = [("motor1", 0.5), ("motor2", 0.25)].into();
    assert_eq!(agent.acquire_baseline(baseline).expect("queued"), 0);
    let own: [Parameterization; 2] =
        [[("motor1", 3.0), ("motor2", 2.0)].into(), [("motor1", 1.0), ("motor2", -1.0)].into()];
    assert_eq!(agent.submit_suggestions(own.clone()).expect("queued"), [1, 2]);
    let outside = [("motor1", 30.0), ("motor2", 2.0)].into();
    assert!(agent.submit_suggestions([outside]).is_err());
    let (agent, report) = finish(agent.run(2, 1));
    assert_eq!((report.ended, report.finished), (EndReason::Done, 5));
    assert_all_measured(&agent);
    assert_eq!(agent.client().experiment().expect("there").baseline, Some(0));
    assert_eq!(trials(&agent)[1].arm.parameters, own[0]);
    // Himmelblau's function is 0 at (3, 2).
    assert!(trials(&agent)[1].observation("himmel_det").expect("observed").mean < 1e-20);
    let ended: Vec<_> = trials(&agent).iter().map(|trial| trial.state.ended_at()).collect();
    assert!(ended.is_sorted(), "{ended:?}");
}

#[test]
fn a_run_made_by_hand_is_taken_in() {
    let stack = BlueskyStack::shared();
    let manager = manager(&stack);
    let mut agent = agent(himmelblau(&stack, "by hand"));
    let whole = by_hand(&manager, "default_acquire", &["himmel_det"]).run_uids.remove(0);
    let trial = wait_for("the run in Tiled", || match agent.ingest(&whole) {
        Ok(trial) => Some(trial),
        Err(AgentError::Ingest { why, .. }) if why.contains("not finished") => None,
        Err(error) => panic!("{error}"),
    });
    let taken = &trials(&agent)[trial];
    assert_eq!(taken.status(), TrialStatus::Completed);
    // A simulated motor adds the way to go to where it was, which rounds.
    let near = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-12, "{found}");
    near(taken.arm.parameters.float("motor1").expect("a float"), 1.0);
    near(taken.arm.parameters.float("motor2").expect("a float"), 2.0);
    // (1 + 2 - 11)² + (1 + 4 - 7)² = 68
    near(taken.observation("himmel_det").expect("observed").mean, 68.0);

    let mut refused = |uid: &str| {
        wait_for("the run in Tiled", || match agent.ingest(uid) {
            Err(AgentError::Ingest { why, .. }) if why.contains("not finished") => None,
            Err(AgentError::Ingest { run, why }) if run == uid => Some(why),
            other => panic!("{other:?}"),
        })
    };
    let other = by_hand(&manager, "default_acquire", &["slow_det"]).run_uids.remove(0);
    let why = refused(&other);
    assert!(why.starts_with("`himmel_det`: ") && why.contains("slow_det"), "{why}");
    let failed = by_hand(&manager, "default_acquire", &["broken_det"]).run_uids.remove(0);
    let why = refused(&failed);
    assert!(why.contains("ended with `fail`") && why.contains("simulated detector fault"), "{why}");
    let nowhere = agent.ingest("no-such-run").expect_err("there is none").to_string();
    assert_eq!(
        nowhere,
        "run `no-such-run` cannot be taken in: it is not in Tiled, or its writing is not finished"
    );
    assert_eq!(trials(&agent).len(), 1);
    let (agent, _) = finish(agent.run(2, 1));
    assert_all_measured(&agent);
}

#[test]
fn what_is_fixed_is_moved_and_what_is_read_only_is_recorded() {
    let stack = BlueskyStack::shared();
    let config = AgentConfig {
        dofs: vec![
            Dof::range("motor1", -5.0, 5.0),
            Dof::fixed("motor2", 2.0),
            Dof::read_only("bounded"),
            Dof::read_only("nan_det"),
        ],
        sensors: ["himmel_det", "bounded", "nan_det"].map(Into::into).into(),
        ..himmelblau(&stack, "kinds")
    };
    let (agent, report) = finish(agent(config).run(3, 1));
    assert_eq!((report.ended, report.finished), (EndReason::Done, 3));
    assert_all_measured(&agent);
    for trial in trials(&agent) {
        assert_eq!(trial.arm.parameters.float("motor2").expect("a float"), 2.0);
        let read = trial.observation("bounded").expect("it is read along");
        assert!(read.mean.is_finite());
        // What is not optimized spoils no trial.
        assert_eq!(trial.observation("nan_det"), None);
    }
}

#[test]
fn suggestions_are_made_for_the_context_that_was_told() {
    let stack = BlueskyStack::shared();
    let mut config = himmelblau(&stack, "context");
    config.dofs.push(Dof::contextual("temperature", 10.0, 30.0));
    let (mut agent, untold) = agent(config).run(1, 1).wait_for_agent();
    assert!(
        matches!(&untold, Err(AgentError::NoContext(name)) if name == "temperature"),
        "{untold:?}"
    );
    assert!(trials(&agent).is_empty());
    let none = agent.set_context("motor1", 1.0);
    assert!(
        matches!(&none, Err(AgentError::NotContextual { known, .. }) if known == &["temperature"]),
        "{none:?}"
    );
    for told in [20.0, 25.5] {
        agent.set_context("temperature", told).expect("it is contextual");
        let before = trials(&agent).len();
        let own = [("motor1", told / 10.0), ("motor2", 1.0)].into();
        assert_eq!(agent.submit_suggestions([own]).expect("queued"), [before]);
        agent = finish(agent.run(2, 1)).0;
        assert_eq!(trials(&agent).len(), before + 3);
        for trial in &trials(&agent)[before..] {
            assert_eq!(trial.arm.parameters.float("temperature").expect("a float"), told);
        }
    }
    assert_all_measured(&agent);
}

#[test]
fn a_device_may_have_another_name_than_its_variable() {
    let stack = BlueskyStack::shared();
    let config = AgentConfig {
        dofs: vec![Dof::range("stage_theta", -3.0, 3.0).actuator("renamed_axis")],
        objectives: vec![Objective::maximize("stage_theta")],
        sensors: Vec::new(),
        ..himmelblau(&stack, "renamed")
    };
    let (agent, report) = finish(agent(config).run(3, 1));
    assert_eq!((report.ended, report.finished), (EndReason::Done, 3));
    for trial in trials(&agent) {
        let set = trial.arm.parameters.float("stage_theta").expect("a float");
        let read = trial.observation("stage_theta").expect("observed").mean;
        assert!((read - set).abs() < 1e-12, "{read} {set}");
    }
}
