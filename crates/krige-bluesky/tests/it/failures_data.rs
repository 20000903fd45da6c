//! What becomes of trials whose data come late, in part or never.

use std::time::{Duration, Instant};

use krige::prelude::*;
use krige_bluesky::manager::{ManagerState, ReManager};
use krige_bluesky::metadata::CORRELATION;
use krige_bluesky::tiled::Query;
use krige_bluesky::{AgentConfig, Objective, QueueserverAgent};
use krige_testkit::BlueskyStack;
use serde_json::{Map, json};

use crate::agent::{assert_all_measured, assert_measured, himmelblau, manager};
use crate::bounded::{PATIENCE, finish, history, wait_for};

/// As long as a trial's data are waited for that never come.
const LOST: Duration = Duration::from_secs(5);

/// An agent whose plan takes so many seconds for each point.
fn slow(stack: &BlueskyStack, name: &str, seconds: f64) -> QueueserverAgent {
    agent(AgentConfig {
        acquisition_plan: "slow_acquire".into(),
        acquisition_plan_kwargs: Map::from_iter([("dwell".to_owned(), json!(seconds))]),
        ..himmelblau(stack, name)
    })
}

fn agent(config: AgentConfig) -> QueueserverAgent {
    QueueserverAgent::new(config).expect("an agent")
}

fn trial(agent: &QueueserverAgent, index: TrialIndex) -> (TrialStatus, String) {
    let trial = &agent.client().experiment().expect("there").trials[index];
    (trial.status(), trial.state.reason().unwrap_or_default().to_owned())
}

fn wait_until_running(manager: &ReManager) {
    let deadline = Instant::now() + PATIENCE;
    manager.wait_for(deadline, |status| status.running_item_uid.is_some()).expect("a plan runs");
}

fn wait_until_idle(manager: &ReManager) {
    let idle = ManagerState::Idle;
    let deadline = Instant::now() + PATIENCE;
    manager.wait_for(deadline, |status| status.manager_state == idle).expect("the plan ends");
}

/// Waits until the run of the plan that runs is in Tiled.
fn wait_until_in_tiled(stack: &BlueskyStack, manager: &ReManager) {
    let item = wait_for("a plan that runs", || manager.queue_get().expect("a queue").running_item);
    let key = item.meta[CORRELATION].as_str().expect("a key").to_owned();
    let tiled = himmelblau(stack, "").tiled.client().expect("an address");
    let query = Query::new().eq("start.krige_key", key).select("stop");
    wait_for("the run in Tiled", || tiled.search("", &query).expect("found").pop());
}

/// One trial whose data never come, however they were lost.
fn loses_one(agent: QueueserverAgent, lose: impl FnOnce()) -> QueueserverAgent {
    let options =
        OrchestratorOptions { metric_timeout: LOST, ..agent.options(1, 1).expect("options") };
    let run = agent.run_with(options);
    lose();
    let (agent, report) = finish(run);
    assert_eq!((report.ended, report.finished), (EndReason::Done, 1));
    let (status, reason) = trial(&agent, 0);
    assert_eq!(status, TrialStatus::Failed, "{reason}");
    assert!(
        reason.starts_with("metric `himmel_det` has been awaited since ")
            && reason.ends_with(" s, and is still not there"),
        "{reason}"
    );
    agent
}

/// The next trial is measured as if nothing had been.
fn goes_on(agent: QueueserverAgent) {
    let (agent, _) = finish(agent.run(1, 1));
    assert_eq!(trial(&agent, 1), (TrialStatus::Completed, String::new()));
    assert_measured(&agent);
}

#[test]
fn a_tiled_that_is_away_or_hangs_for_a_while_delays_results_and_loses_none() {
    let stack = BlueskyStack::start(None, &[]);
    let manager = manager(&stack);
    for (away, back) in [("stop", "start"), ("pause", "cont")] {
        let run = slow(&stack, away, 1.0).run(2, 1);
        wait_until_running(&manager);
        stack.service(away, "tiled");
        wait_until_idle(&manager);
        stack.service(back, "tiled");
        let (agent, report) = finish(run);
        assert_eq!((report.ended, report.finished), (EndReason::Done, 2), "{away}");
        let completed = (TrialStatus::Completed, String::new());
        assert_eq!([trial(&agent, 0), trial(&agent, 1)], [completed.clone(), completed]);
        assert_measured(&agent);
    }
    assert_eq!(history(&manager).items.len(), 4);
}

#[test]
fn a_run_that_never_comes_or_never_ends_in_tiled_fails_its_trial_alone() {
    let stack = BlueskyStack::start(None, &[]);
    let manager = manager(&stack);
    // As after a time in which Tiled was away for too long: there is no such run, for ever.
    stack.service("stop", "bridge");
    let never_came = loses_one(agent(himmelblau(&stack, "never came")), || {});
    stack.service("start", "bridge");
    goes_on(never_came);
    let never_ended = loses_one(slow(&stack, "never ended", 2.0), || {
        wait_until_in_tiled(&stack, &manager);
        stack.service("kill", "bridge");
    });
    stack.service("start", "bridge");
    goes_on(never_ended);
}

#[test]
fn documents_that_a_proxy_lost_are_not_waited_for_for_ever() {
    let stack = BlueskyStack::start(None, &[]);
    let manager = manager(&stack);
    let agent = slow(&stack, "proxy", 1.0);
    let options =
        OrchestratorOptions { metric_timeout: LOST, ..agent.options(1, 1).expect("options") };
    let run = agent.run_with(options.clone());
    wait_until_in_tiled(&stack, &manager);
    stack.service("stop", "docproxy");
    wait_until_idle(&manager);
    stack.service("start", "docproxy");
    let (agent, _) = finish(run);
    // Whether 0MQ kept them for the new proxy is not decided here.
    let (status, reason) = trial(&agent, 0);
    let awaited = status == TrialStatus::Failed && reason.contains("`himmel_det` has been awaited");
    assert!(awaited || status == TrialStatus::Completed, "{status:?}: {reason}");
    // Publishers and subscribers find the new proxy each in their own time.
    let mut idle = Some(agent);
    let agent = wait_for("a trial that completes", || {
        let (agent, _) = finish(idle.take()?.run_with(options.clone()));
        let last = agent.client().experiment().expect("there").trials.len() - 1;
        if trial(&agent, last).0 == TrialStatus::Completed {
            return Some(agent);
        }
        idle = Some(agent);
        None
    });
    assert_measured(&agent);
}

#[test]
fn values_are_right_however_far_the_bridge_lags_behind() {
    let stack = BlueskyStack::start(None, &[("STACK_BRIDGE_DELAY", "0.5")]);
    let (agent, report) = finish(agent(himmelblau(&stack, "lag")).run(2, 2));
    assert_eq!((report.ended, report.finished), (EndReason::Done, 4));
    assert_all_measured(&agent);
}

#[test]
fn a_value_that_is_no_number_fails_its_trial_and_names_the_data_key() {
    let stack = BlueskyStack::shared();
    let objectives = vec![Objective::minimize("nan_det")];
    let sensors = vec!["nan_det".into()];
    let config = AgentConfig { objectives, sensors, ..himmelblau(&stack, "nan") };
    let (agent, report) = finish(agent(config).run(2, 1));
    assert_eq!((report.ended, report.finished), (EndReason::Done, 2));
    for index in 0..2 {
        let (status, reason) = trial(&agent, index);
        assert_eq!(status, TrialStatus::Failed);
        assert!(
            reason.starts_with("metric `nan_det`: ")
                && reason.contains("expected finite values, found NaN"),
            "{reason}"
        );
    }
}
