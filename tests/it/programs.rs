//! The examples whose trials are programs: what they find, and SIGKILL at random moments.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use krige::core::trial::{Trial, TrialStatus};
use krige_testkit::SplitMix;
use serde_json::Value;

use crate::example::{Running, count, program, run, sound, stored};

/// The JSON lines that an example printed.
#[track_caller]
fn lines(stdout: &str) -> Vec<Value> {
    stdout.lines().map(|line| serde_json::from_str(line).expect("a JSON object")).collect()
}

const TRAINING: [&str; 11] = [
    "--trials",
    "12",
    "--parallelism",
    "3",
    "--epochs",
    "60",
    "--seed",
    "2",
    "--db",
    "t.db",
    "--json",
];

/// How often each run of a training began, as its own output has it.
fn trainings(work: &Path) -> BTreeMap<String, usize> {
    let mut begun = BTreeMap::new();
    for entry in fs::read_dir(work).expect("the folder of the runs") {
        let entry = entry.expect("an entry");
        let key = entry.file_name().to_string_lossy().into_owned();
        if let Ok(said) = fs::read_to_string(entry.path().join("stdout.log")) {
            let first = said.lines().filter(|line| line.starts_with(r#"{"progression": 1,"#));
            begun.insert(key, first.count());
        }
    }
    begun
}

#[test]
fn training_learns_with_its_curves_watched() {
    let folder = tempfile::tempdir().expect("a folder");
    let ended = run("training", folder.path(), TRAINING).success();
    let printed = lines(&ended.stdout);
    assert_eq!(printed.len(), 13, "{}", ended.stdout);
    let best = printed[12]["best"].as_f64().expect("a number");
    assert!(best < 0.6, "an untrained network has 0.69: {best}");

    let experiment = stored(&folder.path().join("t.db"), "training");
    let of = |status| count(&experiment.trials, status);
    assert_eq!(of(TrialStatus::Completed) + of(TrialStatus::EarlyStopped), 12);
    let curves = experiment.trials.iter().filter(|trial| {
        trial.observations.iter().any(|observation| observation.progression.is_some())
    });
    assert!(curves.count() > 0, "trainings were watched as they went");
    for trial in experiment.trials_in(&[TrialStatus::Completed]) {
        let last = trial.observation("loss").expect("it has its value");
        assert_eq!(last.progression, None, "what counts is the end of the curve");
        let key = &trial.state.launch().expect("it was run").run.key;
        let said = fs::read_to_string(folder.path().join("t.work").join(key).join("stdout.log"));
        let said = said.expect("its output is kept");
        let end: Value = serde_json::from_str(said.lines().last().expect("a line")).expect("JSON");
        assert_eq!(
            (end["progression"].as_u64(), &end["loss"]),
            (Some(60), &Value::from(last.mean))
        );
    }
    let begun = trainings(&folder.path().join("t.work"));
    assert_eq!(begun.len(), 12);
    assert!(begun.values().all(|&times| times == 1), "{begun:?}");
}

/// Kills it at random moments of its life until the experiment is complete.
#[test]
fn training_survives_kills_and_no_program_is_started_twice() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut random = SplitMix::new(&[11]);
    let mut kills = 0;
    loop {
        let mut command = Command::new(program("training"));
        command.args(TRAINING).current_dir(folder.path());
        let running = Running::start(&mut command, &folder.path().join("stderr"));
        let moment = Duration::from_millis(5 + random.below(700) as u64);
        let (status, _) = running.end_within(moment);
        if status.signal() != Some(9) {
            let said = fs::read_to_string(folder.path().join("stderr")).expect("a log");
            assert!(status.success(), "{status}: {said}");
            break;
        }
        kills += 1;
        assert!(kills < 300, "it never ends");
        if folder.path().join("t.db").exists() {
            sound(&folder.path().join("t.db"), "training");
        }
    }
    assert!(kills >= 5, "{kills}");
    let experiment = stored(&folder.path().join("t.db"), "training");
    assert_eq!(experiment.trials.len(), 12);
    let ended = [TrialStatus::Completed, TrialStatus::EarlyStopped];
    assert_eq!(experiment.count_in(&ended), 12, "{:?}", experiment.trials);
    // One run each, and each begun once.
    let begun = trainings(&folder.path().join("t.work"));
    let keys: Vec<&String> = begun.keys().collect();
    let mut launched: Vec<&String> = experiment.trials.iter().map(key).collect();
    launched.sort();
    assert_eq!(keys, launched);
    assert!(begun.values().all(|&times| times == 1), "{begun:?}");
}

fn key(trial: &Trial) -> &String {
    &trial.state.launch().expect("it was run").run.key
}

#[test]
fn command_finds_settings_that_no_level_of_the_compressor_beats() {
    let folder = tempfile::tempdir().expect("a folder");
    // The program's own sources are a real file, too.
    let mut text = String::new();
    let sources = crate::root().join("crates/krige-core/src");
    for source in ["experiment/apply.rs", "trial.rs", "search_space/encoding.rs", "event.rs"] {
        text += &fs::read_to_string(sources.join(source)).expect("a source");
    }
    // A name that a shell would take apart, and a template, too.
    fs::write(folder.path().join("a {b} 'c'.txt"), text.repeat(4)).expect("written");
    let arguments =
        ["--file", "a {b} 'c'.txt", "--trials", "25", "--db", "c.db", "--json", "--seed", "3"];
    let ended = run("command", folder.path(), arguments).success();
    let printed = lines(&ended.stdout);
    assert_eq!(printed.len(), 26, "{}", ended.stdout);
    let last = &printed[25];
    assert_eq!(last["levels"].as_array().map(Vec::len), Some(10), "{last}");
    assert!(last["beyond"].as_u64().expect("a number") >= 1, "{last}");
    // Times of a busy machine say little, and hundredths of a second not much more.
    assert!(last["hypervolume"].as_f64().expect("a number") > 0.7, "{last}");

    let experiment = stored(&folder.path().join("c.db"), "command");
    assert_eq!(count(&experiment.trials, TrialStatus::Completed), 25);
    for trial in &experiment.trials {
        let bytes = trial.observation("bytes").expect("a size").mean;
        let kept = folder.path().join("c.work").join(key(trial)).join("stdout.log");
        assert_eq!(bytes, fs::metadata(&kept).expect("it is kept").len() as f64);
        // It really is that file, compressed.
        let kept = fs::File::open(kept).expect("it is kept");
        let output = Command::new("xz").arg("-dc").stdin(kept).output().expect("xz");
        assert_eq!(output.stdout.len(), 4 * text.len(), "{}", trial.arm.parameters);
    }

    // It goes on where it was: the levels are not run again, either.
    let again = run("command", folder.path(), arguments).success();
    assert_eq!(again.stdout, ended.stdout);

    // The levels for another file are others, also where its runs have their folders beside these.
    fs::write(folder.path().join("small.txt"), "small").expect("written");
    let other =
        ["--file", "small.txt", "--work", "c.work", "--trials", "1", "--db", "d.db", "--json"];
    let other = run("command", folder.path(), other).success();
    let other = lines(&other.stdout);
    assert_ne!(other[1]["levels"][0][0], last["levels"][0][0], "{}", other[1]);
}
