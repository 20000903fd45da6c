//! The agent against a real stack.

use krige::prelude::*;
use krige_bluesky::manager::ReManager;
use krige_bluesky::{AgentConfig, Dof, ManagerAccess, Objective, QueueserverAgent, TiledAccess};
use krige_testkit::BlueskyStack;

use crate::bounded::finish;
use crate::keys::TILED_KEY;

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

#[test]
fn ten_iterations_complete_and_the_agent_comes_back() {
    let stack = BlueskyStack::shared();
    let agent = QueueserverAgent::new(himmelblau(&stack, "ten")).expect("an agent");
    let (agent, report) = finish(agent.run(10, 1));
    assert_eq!((report.ended, report.finished), (EndReason::Done, 10));
    assert_measured(&agent);
}
