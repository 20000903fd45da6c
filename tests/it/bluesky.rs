//! The example `bluesky` against a real stack: what its guide says, and SIGKILL at each step of a trial.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use krige::core::trial::{Trial, TrialStatus};
use krige_bluesky::manager::ReManager;
use krige_testkit::{BlueskyStack, SplitMix};
use serde_json::Value;

use crate::example::{Ended, Running, count, program, sound, stored};
use crate::root;
use crate::wait::wait_until;

const EXPERIMENT: &str = "himmelblau";

/// The example as it is started for a stack.
fn example(stack: &BlueskyStack, folder: &Path) -> Command {
    let addresses = stack.addresses();
    let mut command = Command::new(program("bluesky"));
    command
        .args(["--manager", &addresses.control_addr, "--tiled", &addresses.tiled_url])
        .args(["--db", "b.db", "--json", "--seed", "3"])
        .env("TILED_API_KEY", &addresses.tiled_api_key)
        .env("QSERVER_HTTP_SERVER_SINGLE_USER_API_KEY", &addresses.http_api_key)
        .current_dir(folder);
    command
}

fn run(stack: &BlueskyStack, folder: &Path, arguments: &[&str]) -> Ended {
    Running::start(example(stack, folder).args(arguments), &folder.join("stderr")).end()
}

/// How often each key of the experiment was run, as the manager's history has it.
fn deployments(stack: &BlueskyStack, experiment: &str) -> BTreeMap<String, usize> {
    let manager = ReManager::connect(&stack.addresses().control_addr).build().expect("a client");
    // A trial may end before the manager knows that its plan has.
    let deadline = Instant::now() + Duration::from_secs(60);
    manager.wait_for(deadline, |status| status.running_item_uid.is_none()).expect("it is at rest");
    let mut counts = BTreeMap::new();
    for item in manager.history_get().expect("the history").items {
        for key in item.meta["krige_keys"].as_array().into_iter().flatten() {
            let key = key.as_str().expect("a text");
            if key.contains(experiment) {
                *counts.entry(key.to_owned()).or_default() += 1;
            }
        }
    }
    counts
}

#[track_caller]
fn assert_complete(stack: &BlueskyStack, folder: &Path, trials: usize) -> Vec<Trial> {
    let experiment = stored(&folder.join("b.db"), EXPERIMENT);
    assert_eq!(count(&experiment.trials, TrialStatus::Completed), trials, "{experiment:?}");
    let counts = deployments(stack, &experiment.id);
    assert_eq!(counts.len(), trials, "{counts:?}");
    assert!(counts.values().all(|&count| count == 1), "{counts:?}");
    experiment.trials
}

#[test]
fn the_example_finishes_ten_trials_and_comes_near_a_minimum_in_twenty_five() {
    let stack = BlueskyStack::shared();
    let folder = tempfile::tempdir().expect("a folder");
    let ended = run(&stack, folder.path(), &["--trials", "10"]).success();
    let lines: Vec<Value> = ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("a JSON object"))
        .collect();
    assert_eq!(lines.len(), 11, "{}", ended.stdout);
    assert!(lines[10]["best"].is_number());
    // It goes on where it was.
    let ended = run(&stack, folder.path(), &["--trials", "25"]).success();
    let best: Value = serde_json::from_str(ended.last_line()).expect("a JSON object");
    assert!(best["best"].as_f64().expect("a number") < 1.5, "{best}");
    assert_complete(&stack, folder.path(), 25);
}

/// Kills it at random moments of its life, some 0.6 s a trial, until the experiment is complete.
#[test]
fn a_kill_at_any_step_loses_nothing_and_no_plan_runs_twice() {
    const TRIALS: &str = "12";
    let stack = BlueskyStack::shared();
    let folder = tempfile::tempdir().expect("a folder");
    let mut random = SplitMix::new(&[5]);
    let (mut kills, mut scenes) = (0, BTreeMap::new());
    // How long it may live, in milliseconds: on a busy machine a trial takes longer, and must get somewhere before it is killed.
    let (mut longest, mut reached, mut in_vain) = (800, 0, 0);
    loop {
        let mut command = example(&stack, folder.path());
        let running =
            Running::start(command.args(["--trials", TRIALS]), &folder.path().join("stderr"));
        let moment = Duration::from_millis(5 + random.below(longest) as u64);
        let (status, _) = running.end_within(moment);
        if status.signal() != Some(9) {
            assert!(status.success(), "{status}");
            break;
        }
        kills += 1;
        assert!(kills < 200, "it never ends: {scenes:?}");
        if folder.path().join("b.db").exists() {
            // A kill may have come before there was an experiment.
            let (scene, ended) = scene(&folder.path().join("b.db"));
            *scenes.entry(scene).or_insert(0) += 1;
            in_vain = if ended > reached { 0 } else { in_vain + 1 };
            reached = ended;
            if in_vain >= 10 {
                (longest, in_vain) = (2 * longest, 0);
            }
        }
    }
    assert!(kills >= 10, "{kills}: {scenes:?}");
    assert_complete(&stack, folder.path(), 12);
}

/// Where it was killed, and how many trials had ended.
fn scene(database: &Path) -> (&'static str, usize) {
    let Ok(client) = krige::Client::load_from_database(database, EXPERIMENT) else {
        return ("before the experiment", 0);
    };
    sound(database, EXPERIMENT);
    let trials = &client.experiment().expect("it is loaded").trials;
    let ended = trials.iter().filter(|trial| trial.status().is_terminal()).count();
    let scene = match trials.last().map(Trial::status) {
        None => "before the first trial",
        Some(TrialStatus::Candidate) => "before a launch",
        Some(TrialStatus::Staged) => "while launching",
        Some(TrialStatus::Running) => "while running",
        Some(_) => "between trials",
    };
    (scene, ended)
}

#[test]
fn ctrl_c_twice_aborts_the_plan_that_runs() {
    let stack = BlueskyStack::shared();
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = example(&stack, folder.path());
    command.args(["--trials", "2", "--plan", "slow_acquire"]);
    let mut running = Running::start(&mut command, &folder.path().join("stderr"));
    let manager = ReManager::connect(&stack.addresses().control_addr).build().expect("a client");
    let deadline = Instant::now() + Duration::from_secs(60);
    manager.wait_for(deadline, |status| status.running_item_uid.is_some()).expect("it runs");
    let mut pressed = 0;
    wait_until("it has stopped what runs", Duration::from_secs(60), || {
        // Two signals at the same time are one; a third would leave.
        let stopping = fs::read_to_string(folder.path().join("stderr")).expect("a log");
        if pressed < 2 && stopping.matches("ending:").count() == pressed {
            assert!(running.interrupt(), "it is at work");
            pressed += 1;
        }
        stopping.contains("being stopped").then_some(())
    });
    running.end();
    let idle = |status: &krige_bluesky::manager::Status| status.running_item_uid.is_none();
    manager.wait_for(deadline, idle).expect("the plan was aborted");
    assert_eq!(manager.queue_get().expect("the queue").items, []);
    let experiment = stored(&folder.path().join("b.db"), EXPERIMENT);
    assert_eq!(experiment.trials.len(), 1);
    assert_eq!(experiment.trials[0].status(), TrialStatus::Failed);
}

/// The commands of a shell in the guide, in their order.
fn guide() -> Vec<String> {
    let text = fs::read_to_string(root().join("docs/guides/bluesky.md")).expect("the guide");
    let mut commands = Vec::new();
    for block in text.split("\n```sh\n").skip(1) {
        let (block, _) = block.split_once("\n```").expect("a block ends");
        commands.extend(block.lines().map(ToOwned::to_owned));
    }
    commands
}

/// Each command of the guide, with the addresses of this stack in place of the default ones.
#[test]
fn the_guide_can_be_followed() {
    let stack = BlueskyStack::shared();
    let addresses = stack.addresses();
    let folder = tempfile::tempdir().expect("a folder");
    let mut commands = guide().into_iter();
    let start = commands.next().expect("a command");
    assert_eq!(
        start, "bash tests/bluesky/stack.sh run --open-env",
        "how the stack is started here"
    );
    let mut environment: Vec<(String, String)> = Vec::new();
    let mut runs = 0;
    for command in commands {
        if let Some(set) = command.strip_prefix("export ") {
            let (name, value) = set.split_once('=').expect("a value");
            environment.push((name.to_owned(), value.to_owned()));
            continue;
        }
        let arguments = command
            .strip_prefix("cargo run --release --example bluesky -- ")
            .unwrap_or_else(|| panic!("a command of the guide: {command}"));
        let arguments = arguments.replace("http://localhost:60610", &addresses.http_url);
        let mut example = Command::new(program("bluesky"));
        example.args(arguments.split(' ')).args(["--tiled", &addresses.tiled_url]);
        if !arguments.contains("--manager") {
            example.args(["--manager", &addresses.control_addr]);
        }
        example.envs(environment.iter().cloned()).current_dir(folder.path());
        Running::start(&mut example, &folder.path().join("stderr")).end().success();
        runs += 1;
    }
    assert_eq!(runs, 4);
}
