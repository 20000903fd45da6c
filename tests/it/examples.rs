//! What each example prints and stores.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use krige::core::experiment::Experiment;
use krige::core::trial::TrialStatus;
use serde_json::Value;

use crate::example::{Ended, count, deployments, run, stored};

/// The number behind a prefix in the last line.
#[track_caller]
fn last_number(ended: &Ended, prefix: &str) -> f64 {
    let line = ended.last_line();
    let rest = line.strip_prefix(prefix).unwrap_or_else(|| panic!("`{prefix}…`, found `{line}`"));
    let number = rest.split(' ').next().unwrap_or_default();
    number.parse().unwrap_or_else(|error| panic!("a number, found `{line}`: {error}"))
}

/// What the `sqlite3` program answers, as JSON objects.
#[track_caller]
fn query(database: &Path, sql: &str) -> Vec<Value> {
    let output = Command::new("sqlite3")
        .args(["-readonly", "-json"])
        .arg(database)
        .arg(sql)
        .output()
        .expect("sqlite3 is installed");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    serde_json::from_slice(&output.stdout).expect("rows")
}

/// The views tell of each trial what krige itself tells.
#[track_caller]
fn views_agree(database: &Path, experiment: &Experiment) {
    let rows = query(database, "select * from trial order by trial");
    assert_eq!(rows.len(), experiment.trials.len(), "one row for each trial");
    for (row, trial) in rows.iter().zip(&experiment.trials) {
        assert_eq!(row["experiment"], experiment.name.as_str());
        assert_eq!(row["trial"], trial.index);
        assert_eq!(row["status"], trial.status().name());
        assert_eq!(row["node"], trial.node());
        assert_eq!(row["arm"], trial.arm.name.as_str());
        let parameters = row["parameters"].as_str().expect("text");
        let parameters: Value = serde_json::from_str(parameters).expect("JSON");
        for (name, value) in trial.arm.parameters.iter() {
            same(&parameters[name], &serde_json::to_value(value).expect("JSON"));
        }
        assert_eq!(row["reason"].as_str(), trial.state.reason());
        assert!(row["created"].is_string() && row["ended"].is_string(), "{row}");
    }
    let expected: Vec<_> = experiment
        .trials
        .iter()
        .flat_map(|trial| trial.observations.iter().map(|observation| (trial.index, observation)))
        .collect();
    let rows = query(database, "select * from observation order by trial, metric");
    assert_eq!(rows.len(), expected.len(), "one row for each trial, metric and progression");
    for (trial, observation) in expected {
        let is_it =
            |row: &&Value| row["trial"] == trial && row["metric"] == observation.metric.as_str();
        let row = rows.iter().find(is_it).expect("the observation has a row");
        same(&row["mean"], &observation.mean.into());
        assert_eq!(row["sem"].as_f64(), observation.sem);
        assert!(row["progression"].is_null(), "{row}");
    }
}

/// The same value, where a number may differ in the digits that `sqlite3` does not print.
#[track_caller]
fn same(found: &Value, expected: &Value) {
    match (found.as_f64(), expected.as_f64()) {
        (Some(found), Some(expected)) => {
            assert!((found - expected).abs() <= 1e-14 * expected.abs(), "{found} {expected}");
        }
        _ => assert_eq!(found, expected),
    }
}

const SHORT: [&str; 8] =
    ["--trials", "12", "--trial-seconds", "0.02", "--seed", "4", "--db", "h6.db"];

#[test]
fn hartmann6_ends_with_the_best_value() {
    let folder = tempfile::tempdir().expect("a folder");
    let ended = run("hartmann6", folder.path(), SHORT).success();
    let best = last_number(&ended, "best hartmann6 = ");
    let experiment = stored(&folder.path().join("h6.db"), "hartmann6");
    assert_eq!(count(&experiment.trials, TrialStatus::Completed), 12);
    let values = experiment
        .trials
        .iter()
        .map(|trial| trial.observation("hartmann6").expect("a completed trial has its value").mean);
    assert_eq!(best, values.fold(f64::INFINITY, f64::min), "to the last bit");

    // The table: a heading, and a row for each trial.
    let rows = ended.stdout.lines().filter(|line| line.starts_with('│'));
    assert_eq!(rows.count(), 1 + 12, "{}", ended.stdout);
    assert!(ended.stdout.contains("best parameters (trial "), "{}", ended.stdout);
    let ends = ended.stderr.lines().filter(|line| line.contains("completed"));
    assert_eq!(ends.count(), 12, "a line as each trial ends: {}", ended.stderr);
    assert_eq!(deployments(&folder.path().join("h6.work")).len(), 12, "beside the database");
    views_agree(&folder.path().join("h6.db"), &experiment);
}

#[test]
fn hartmann6_without_arguments_makes_a_database_under_target() {
    let folder = tempfile::tempdir().expect("a folder");
    let ended = run("hartmann6", folder.path(), ["--trial-seconds", "0"]).success();
    assert!(last_number(&ended, "best hartmann6 = ") < -0.5);
    let journal = ended.stderr.lines().find_map(|line| line.strip_prefix("journal: "));
    let journal = journal.expect("it tells the database");
    assert!(journal.starts_with("target/"), "{journal}");
    assert_eq!(stored(&folder.path().join(journal), "hartmann6").trials.len(), 30);
}

#[test]
fn hartmann6_prints_one_json_object_for_each_trial() {
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = || SHORT.into_iter().chain(["--json"]);
    let first = run("hartmann6", folder.path(), arguments()).success().stdout;
    let lines: Vec<Value> = first
        .lines()
        .map(|line| serde_json::from_str(line).expect("each line is a JSON object"))
        .collect();
    let keys = |line: &Value| -> Vec<String> {
        line.as_object().expect("an object").keys().cloned().collect()
    };
    let (last, trials) = lines.split_last().expect("lines");
    assert_eq!(keys(last), ["best", "parameters"]);
    assert_eq!(trials.len(), 12);
    let mut best = f64::INFINITY;
    for line in trials {
        assert_eq!(keys(line), ["trial", "node", "parameters", "value", "best"], "{line}");
        best = best.min(line["value"].as_f64().expect("a number"));
        assert_eq!(line["best"].as_f64(), Some(best), "{line}");
        assert!(["Center", "Sobol", "GP"].contains(&line["node"].as_str().expect("text")));
        let inputs = ["x1", "x2", "x3", "x4", "x5", "x6"];
        assert_eq!(keys(&line["parameters"]), inputs);
        for input in inputs {
            let value = line["parameters"][input].as_f64().expect("a number");
            assert!((0.0..=1.0).contains(&value), "{line}");
        }
    }
    let numbers: HashSet<_> = trials.iter().map(|line| line["trial"].as_u64()).collect();
    assert_eq!(numbers, (0..12).map(Some).collect(), "each trial once");
    assert_eq!(last["best"].as_f64(), Some(best));
    let winner = trials.iter().find(|line| line["value"].as_f64() == Some(best));
    assert_eq!(winner.expect("the best is one of them")["parameters"], last["parameters"]);

    // Once it is finished, going on prints all of it again, and runs nothing.
    let events = || stored(&folder.path().join("h6.db"), "hartmann6").sequence;
    let before = events();
    let again = run("hartmann6", folder.path(), arguments()).success();
    assert_eq!(again.stdout, first);
    assert!(
        again.stderr.contains("going on: 12 trials have ended, 0 are open"),
        "{}",
        again.stderr
    );
    assert_eq!(events(), before, "nothing is stored");

    // With more trials, what was printed comes first.
    let more = run("hartmann6", folder.path(), arguments().chain(["--trials", "14"]));
    assert!(!more.status.success(), "an argument is given once");
    let more = arguments().map(|argument| if argument == "12" { "14" } else { argument });
    let more = run("hartmann6", folder.path(), more).success().stdout;
    let trials_of = |text: &str| text.lines().take(12).collect::<Vec<_>>().join("\n");
    assert_eq!(trials_of(&more), trials_of(&first));
    assert_eq!(more.lines().count(), 14 + 1);
}

#[test]
fn branin_survives_a_queue_with_failures_and_out_of_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let ended = run("branin", folder.path(), ["--db", "branin.db"]).success();
    assert!(last_number(&ended, "best branin = ") < 10.0);
    let database = folder.path().join("branin.db");
    let experiment = stored(&database, "branin");
    let (completed, failed) = (
        count(&experiment.trials, TrialStatus::Completed),
        count(&experiment.trials, TrialStatus::Failed),
    );
    assert_eq!((experiment.trials.len(), completed + failed), (25, 25));
    assert!(failed > 0, "some job failed");
    for trial in experiment.trials_in(&[TrialStatus::Failed]) {
        assert_eq!(trial.state.reason(), Some("the job ended with exit status 1"));
    }
    let lines: Vec<&str> = ended.stdout.lines().filter(|line| line.starts_with("trial ")).collect();
    assert_eq!(lines.len(), 25, "a line for each: {}", ended.stdout);
    let number = |line: &&str| line.split_whitespace().nth(1).and_then(|n| n.parse::<usize>().ok());
    let order: Vec<_> = lines.iter().map(number).collect();
    assert!(!order.is_sorted(), "they ended out of order: {order:?}");
    let nodes: HashSet<_> = experiment.trials.iter().map(|trial| trial.node()).collect();
    assert_eq!(nodes, HashSet::from(["Sobol", "GP"]));
    views_agree(&database, &experiment);
}

#[test]
fn ask_tell_comes_close_to_the_minimum() {
    let folder = tempfile::tempdir().expect("a folder");
    let ended = run("ask_tell", folder.path(), [""; 0]).success();
    let best = last_number(&ended, "best booth = ");
    assert!((0.0..1.0).contains(&best), "{best}");
    let told = ended.stdout.lines().filter(|line| line.starts_with("trial "));
    assert_eq!(told.count(), 20, "{}", ended.stdout);
    assert!(ended.stdout.contains("origin"), "the attached trial is in the table");
    assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 0, "it stores nothing");
}

#[test]
fn tune_xz_prints_a_command_that_gives_the_size() {
    let folder = tempfile::tempdir().expect("a folder");
    let line = |i: u64| format!("{i} {:x} {}\n", i * i % 1009, i.wrapping_mul(0x9e37_79b9) % 97);
    fs::write(folder.path().join("input"), (0..4000).map(line).collect::<String>())
        .expect("written");
    // Next to other programs on the machine, time says little here.
    let arguments = ["--file", "input", "--trials", "12", "--db", "xz.db", "--time-factor", "1000"];
    let ended = run("tune_xz", folder.path(), arguments).success();

    let command = ended.last_line().strip_prefix("use: ").expect("it ends with a command");
    let command = command.strip_suffix(" FILE").expect("for a file");
    let found = ended.stdout.lines().find_map(|line| {
        line.split_once("; found: ")?.1.split_once(" bytes")?.0.parse::<u64>().ok()
    });
    let status = Command::new("sh")
        .args(["-c", &format!("{command} --keep input")])
        .current_dir(folder.path())
        .status()
        .expect("a shell");
    assert!(status.success(), "{command}");
    let compressed = fs::metadata(folder.path().join("input.xz")).expect("it was made").len();
    assert_eq!(Some(compressed), found, "{}", ended.stdout);

    let database = folder.path().join("xz.db");
    let input = folder.path().join("input").canonicalize().expect("it is there");
    let experiment = stored(&database, &format!("xz {}", input.display()));
    assert_eq!(count(&experiment.trials, TrialStatus::Completed), 12);
    for trial in &experiment.trials {
        let of = |name| trial.arm.parameters.int(name).expect("a whole number");
        assert!(of("lc") + of("lp") <= 4, "{}", trial.arm.parameters);
    }
    views_agree(&database, &experiment);

    // It goes on where it was.
    let again = run("tune_xz", folder.path(), arguments).success();
    assert_eq!(again.last_line(), ended.last_line());
    assert_eq!(stored(&database, &experiment.name).trials.len(), 12);
}
