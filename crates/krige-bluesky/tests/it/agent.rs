//! The agent against a real stack.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use krige::core::event::Event;
use krige::core::journal::Journal;
use krige::core::trial::TrialEvent;
use krige::prelude::*;
use krige::sqlite::SqliteJournal;
use krige_bluesky::manager::{Encoding, ExitStatus, ManagerState, ReManager, Status};
use krige_bluesky::metadata::{ITEM_UID, KEYS};
use krige_bluesky::{
    AgentConfig, AgentError, Dof, ManagerAccess, Objective, QueueserverAgent, TiledAccess,
};
use krige_testkit::BlueskyStack;
use serde_json::{Map, json};

use crate::bounded::{PATIENCE, finish, history, wait_for};
use crate::keys::{HTTP_KEY, TILED_KEY};

/// The tutorial's agent: Himmelblau's function of two motors.
pub(crate) fn himmelblau(stack: &BlueskyStack, name: &str) -> AgentConfig {
    let addresses = stack.addresses();
    let tiled = TiledAccess {
        api_key_variable: TILED_KEY.into(),
        ..TiledAccess::new(&addresses.tiled_url)
    };
    AgentConfig {
        dofs: vec![Dof::range("motor1", -5.0, 5.0), Dof::range("motor2", -5.0, 5.0)],
        objectives: vec![Objective::minimize("himmel_det")],
        sensors: vec!["himmel_det".into()],
        seed: Some(1),
        ..AgentConfig::new(name, ManagerAccess::new(&addresses.control_addr), tiled)
    }
}

/// What an operator's console uses.
pub(crate) fn manager(stack: &BlueskyStack) -> ReManager {
    ManagerAccess::new(&stack.addresses().control_addr).client().expect("an address")
}

/// That every trial of [`himmelblau`] is completed, with the value of its point.
#[track_caller]
pub(crate) fn assert_all_measured(agent: &QueueserverAgent) {
    for trial in &agent.client().experiment().expect("there").trials {
        let reason = trial.state.reason();
        assert_eq!((trial.status(), reason), (TrialStatus::Completed, None), "{}", trial.index);
    }
    assert_measured(agent);
}

/// That every completed trial of [`himmelblau`] has the value of its point, and there is one.
#[track_caller]
pub(crate) fn assert_measured(agent: &QueueserverAgent) {
    let trials = &agent.client().experiment().expect("there").trials;
    let completed = trials.iter().filter(|trial| trial.status() == TrialStatus::Completed);
    assert_ne!(completed.clone().count(), 0);
    for trial in completed {
        let at = |motor| trial.arm.parameters.float(motor).expect("a float");
        let (x, y) = (at("motor1"), at("motor2"));
        let value = (x * x + y - 11.0).powi(2) + (x + y * y - 7.0).powi(2);
        let seen = trial.observation("himmel_det").expect("observed").mean;
        assert!((seen - value).abs() < 1e-9 * value.max(1.0), "{}: {seen} {value}", trial.index);
    }
}

fn agent(config: AgentConfig) -> QueueserverAgent {
    QueueserverAgent::new(config).expect("an agent")
}

/// The points of an agent's trials.
fn points(agent: &QueueserverAgent) -> Vec<Parameterization> {
    let trials = &agent.client().experiment().expect("there").trials;
    trials.iter().map(|trial| trial.arm.parameters.clone()).collect()
}

/// What krige and Tiled took for each trial beyond its plan, in seconds, from the intent to launch it to its completion.
fn overheads(
    manager: &ReManager,
    agent: &QueueserverAgent,
    journal: &mut SqliteJournal,
) -> Vec<f64> {
    let experiment = agent.client().experiment().expect("there");
    let history = history(manager);
    let mut launching = BTreeMap::new();
    let mut overheads = Vec::new();
    for record in journal.read(&experiment.name, 0).expect("records") {
        match record.event {
            Event::Trial { trial, event: TrialEvent::Launching { .. } } => {
                launching.insert(trial, record.at);
            }
            Event::Trial { trial, event: TrialEvent::Completed } => {
                let launch = experiment.trials[trial].state.launch().expect("it ran");
                let uid = launch.metadata.text(ITEM_UID).expect("the item's");
                let item = history.items.iter().find(|item| item.item_uid == uid).expect("known");
                let result = item.result.as_ref().expect("it ended");
                let ran = result.time_stop.expect("a time") - result.time_start.expect("a time");
                let all = record.at.duration_since(launching[&trial]).as_secs_f64();
                overheads.push(all - ran);
            }
            _ => {}
        }
    }
    overheads
}

#[test]
fn ten_iterations_complete_and_the_agent_comes_back() {
    let stack = BlueskyStack::shared();
    let folder = tempfile::tempdir().expect("a folder");
    let database = folder.path().join("krige.db");
    let config = AgentConfig { database: Some(database.clone()), ..himmelblau(&stack, "ten") };
    let (agent, report) = finish(agent(config).run(10, 1));
    assert_eq!((report.ended, report.finished), (EndReason::Done, 10));
    assert_all_measured(&agent);
    let mut journal = SqliteJournal::open(&database).expect("it is there");
    let mut overheads = overheads(&manager(&stack), &agent, &mut journal);
    assert_eq!(overheads.len(), 10);
    overheads.sort_by(f64::total_cmp);
    println!("from intent to completion, without the plan: {overheads:.3?} s");
}

#[test]
fn points_of_one_plan_get_their_own_rows() {
    let stack = BlueskyStack::shared();
    let manager = manager(&stack);
    for plan in ["default_acquire", "reordered_acquire", "multi_run_acquire"] {
        let before = history(&manager).items.len();
        let config = AgentConfig { acquisition_plan: plan.to_owned(), ..himmelblau(&stack, plan) };
        let (agent, report) = finish(agent(config).run(2, 3));
        assert_eq!((report.ended, report.finished), (EndReason::Done, 6), "{plan}");
        assert_all_measured(&agent);
        let items = history(&manager).items.split_off(before);
        let keys = items.iter().map(|item| item.meta[KEYS].as_array().expect("a list").len());
        assert_eq!(keys.collect::<Vec<_>>(), [3, 3], "{plan}");
    }
}

#[test]
fn an_agent_runs_through_the_http_server() {
    let stack = BlueskyStack::shared();
    let config = himmelblau(&stack, "http");
    let access = ManagerAccess {
        api_key_variable: HTTP_KEY.into(),
        ..ManagerAccess::new(&stack.addresses().http_url)
    };
    let (agent, report) = finish(agent(AgentConfig { manager: access, ..config }).run(5, 1));
    assert_eq!((report.ended, report.finished), (EndReason::Done, 5));
    assert_all_measured(&agent);
}

#[test]
fn an_agent_runs_on_an_encrypted_manager() {
    let stack = BlueskyStack::start(None, &[("STACK_CURVE", "1")]);
    let mut config = himmelblau(&stack, "curve");
    config.manager.public_key = stack.addresses().curve_public_key.clone();
    assert!(config.manager.public_key.is_some());
    let (agent, report) = finish(agent(config).run(5, 1));
    assert_eq!((report.ended, report.finished), (EndReason::Done, 5));
    assert_all_measured(&agent);
}

#[test]
fn an_agent_runs_on_a_manager_that_speaks_msgpack() {
    let stack = BlueskyStack::start(None, &[("STACK_ENCODING", "msgpack")]);
    let mut config = himmelblau(&stack, "msgpack");
    config.manager.encoding = Encoding::Msgpack;
    let (agent, report) = finish(agent(config).run(5, 1));
    assert_eq!((report.ended, report.finished), (EndReason::Done, 5));
    assert_all_measured(&agent);
}

#[test]
fn an_experiment_goes_on_from_the_database_and_only_as_itself() {
    let stack = BlueskyStack::shared();
    let folder = tempfile::tempdir().expect("a folder");
    let database = Some(folder.path().join("krige.db"));
    let config = AgentConfig { database, ..himmelblau(&stack, "resumed") };
    let (first, report) = finish(agent(config.clone()).run(4, 1));
    assert_eq!(report.finished, 4);
    let before = points(&first);
    drop(first);
    let (second, report) = finish(agent(config.clone()).run(3, 1));
    assert_eq!((report.ended, report.finished), (EndReason::Done, 3));
    assert_eq!(points(&second).len(), 7);
    assert_eq!(points(&second)[..4], before);
    assert_all_measured(&second);
    let history = history(&manager(&stack)).items;
    let experiment = second.client().experiment().expect("there").id.clone();
    let keys = history.iter().filter_map(|item| item.meta[KEYS][0].as_str());
    assert_eq!(keys.filter(|key| key.contains(&experiment)).count(), 7);
    drop(second);
    let dofs = vec![Dof::range("motor1", -4.0, 5.0), Dof::range("motor2", -5.0, 5.0)];
    let other = QueueserverAgent::new(AgentConfig { dofs, ..config });
    assert!(
        matches!(&other, Err(AgentError::OtherExperiment { name, .. }) if name == "resumed"),
        "{other:?}"
    );
}

#[test]
fn the_same_seed_gives_the_same_points() {
    let stack = BlueskyStack::shared();
    let run = |name| finish(agent(himmelblau(&stack, name)).run(8, 1)).0;
    let (one, other) = (run("one"), run("other"));
    assert_eq!(points(&one), points(&other));
    let nodes = &one.client().experiment().expect("there").trials;
    assert!(nodes.last().is_some_and(|trial| trial.node() != nodes[1].node()), "no model yet");
}

/// An agent with a plan that takes so many seconds for each point, once its first plan runs.
fn running(stack: &BlueskyStack, name: &str, seconds: f64) -> krige_bluesky::AgentRun {
    let manager = manager(stack);
    let deadline = Instant::now() + PATIENCE;
    // The plan of another test may have ended a moment before the manager knows.
    let idle = |status: &Status| status.manager_state == ManagerState::Idle;
    manager.wait_for(deadline, idle).expect("it is at rest");
    let run = agent(AgentConfig {
        acquisition_plan: "slow_acquire".into(),
        acquisition_plan_kwargs: Map::from_iter([("dwell".to_owned(), json!(seconds))]),
        ..himmelblau(stack, name)
    })
    .run(5, 1);
    let runs = manager.wait_for(deadline, |status| {
        status.re_state == Some(krige_bluesky::manager::ReState::Running)
    });
    runs.expect("a plan runs");
    run
}

#[test]
fn stop_lets_the_plan_that_runs_come_to_its_end() {
    let stack = BlueskyStack::shared();
    let run = running(&stack, "drained", 1.0);
    run.stop();
    let (agent, report) = finish(run);
    assert_eq!((report.ended, report.finished, report.running), (EndReason::Stopped, 1, 0));
    assert_all_measured(&agent);
    assert_eq!(points(&agent).len(), 1);
}

#[test]
fn stop_twice_aborts_the_plan_that_runs() {
    let stack = BlueskyStack::shared();
    let manager = manager(&stack);
    let run = running(&stack, "aborted", 300.0);
    run.stop();
    run.stop();
    let (agent, report) = finish(run);
    assert_eq!((report.ended, report.finished, report.running), (EndReason::Stopped, 1, 0));
    let trial = &agent.client().experiment().expect("there").trials[0];
    let reason = trial.state.reason();
    assert_eq!(
        (trial.status(), reason),
        (TrialStatus::Failed, Some("the run was stopped before it ended"))
    );
    let history = history(&manager);
    let last = history.items.last().and_then(|item| item.result.as_ref()).expect("it ended");
    assert_eq!(last.exit_status, ExitStatus::Aborted);
    let idle = |status: &Status| status.manager_state == ManagerState::Idle;
    let status = manager.wait_for(Instant::now() + PATIENCE, idle).expect("it comes to rest");
    assert_eq!(status.items_in_queue, 0);
}

#[test]
fn a_run_tells_each_trial_that_ends_and_when_it_is_over() {
    let stack = BlueskyStack::shared();
    let run = agent(himmelblau(&stack, "told")).run(3, 1);
    assert!(!run.is_finished());
    assert_eq!(run.next_finished(Duration::ZERO), None);
    for index in 0..3 {
        let finished = run.next_finished(PATIENCE).expect("a trial ends");
        assert_eq!(
            (finished.trial.index, finished.trial.status()),
            (index, TrialStatus::Completed)
        );
        assert_eq!(
            finished.value,
            finished.trial.observation("himmel_det").map(|observation| observation.mean)
        );
        assert!(finished.best <= finished.value);
    }
    assert_eq!(run.next_finished(PATIENCE), None);
    wait_for("the end", || run.is_finished().then_some(()));
    let (_, report) = run.wait().expect("it ended well");
    assert_eq!(report.finished, 3);
}
