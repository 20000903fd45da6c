//! SIGKILL at any moment loses nothing, and nothing runs twice.
//!
//! The example `hartmann6` is started again and again on one database, and killed at random moments of its life: before
//! it has opened the database, while it proposes, between a trial's intent and its launch, while trials run. When an
//! experiment is complete before all kills are spent, another one begins.
//!
//! `KRIGE_TEST_KILLS` is the number of kills, for long runs; 50 unless set.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use krige::core::event::Event;
use krige::core::journal::Journal;
use krige::core::trial::{Trial, TrialStatus};
use krige::prelude::*;
use krige::sqlite::SqliteJournal;
use krige_testkit::SplitMix;

use crate::example::{Running, count, deployments, program, run, sound, stored};

const TRIALS: usize = 30;

fn kills() -> usize {
    let set = std::env::var("KRIGE_TEST_KILLS").ok();
    set.map_or(50, |number| number.parse().expect("KRIGE_TEST_KILLS is a number"))
}

/// One experiment of the example: its database and its external system are in one folder.
struct Story {
    folder: PathBuf,
    trials: usize,
    parallelism: usize,
}

impl Story {
    fn new(folder: PathBuf, trials: usize, parallelism: usize) -> Self {
        fs::create_dir(&folder).expect("made");
        Self { folder, trials, parallelism }
    }

    fn database(&self) -> PathBuf {
        self.folder.join("h6.db")
    }

    fn work(&self) -> PathBuf {
        self.folder.join("work")
    }

    fn start(&self) -> Running {
        let mut command = Command::new(program("hartmann6"));
        command.arg("--db").arg(self.database()).arg("--work").arg(self.work());
        command.args(["--json", "--seed", "11", "--trial-seconds", "0.02"]);
        command.args(["--trials", &self.trials.to_string()]);
        command.args(["--parallelism", &self.parallelism.to_string()]);
        Running::start(&mut command, &self.folder.join("stderr"))
    }

    /// Runs to the end; what it prints.
    #[track_caller]
    fn finish(&self) -> String {
        self.start().end().success().stdout
    }

    #[track_caller]
    fn trials(&self) -> Vec<Trial> {
        stored(&self.database(), "hartmann6").trials
    }

    /// Where a kill found the experiment, from a copy of its files.
    fn scene(&self) -> &'static str {
        let copy = self.folder.join("copy.db");
        for suffix in ["-wal", "-journal", ""] {
            let name = |file: &Path| PathBuf::from(format!("{}{suffix}", file.display()));
            let _absent = fs::remove_file(name(&copy));
            let _absent = fs::copy(name(&self.database()), name(&copy));
        }
        let Ok(client) = Client::load_from_database(&copy, "hartmann6") else {
            return "before the experiment";
        };
        sound(&copy, "hartmann6");
        let experiment = client.experiment().expect("it is loaded");
        let has = |status| count(&experiment.trials, status) > 0;
        if experiment.optimization.is_none() || experiment.strategy.is_none() {
            "while configuring"
        } else if has(TrialStatus::Candidate) {
            "before a launch"
        } else if has(TrialStatus::Staged) {
            "while launching"
        } else if has(TrialStatus::Running) {
            "while running"
        } else {
            "between trials"
        }
    }
}

/// Kills the example many times, and gives every completed experiment to `check` with what its last run printed.
fn kill_again_and_again(parallelism: usize, check: impl Fn(&Story, &str)) {
    let folder = tempfile::tempdir().expect("a folder");
    let undisturbed = Story::new(folder.path().join("undisturbed"), TRIALS, parallelism);
    let _built_before_time_is_taken = program("hartmann6");
    let started = Instant::now();
    check(&undisturbed, &undisturbed.finish());
    let trial = started.elapsed() / TRIALS as u32;
    let started = Instant::now();
    let again = undisturbed.finish();
    check(&undisturbed, &again);
    let longest_life = started.elapsed() + trial.mul_f64(1.5);

    let mut random = SplitMix::new(&[1, parallelism as u64]);
    let mut scenes: BTreeMap<&str, usize> = BTreeMap::new();
    let mut killed = 0;
    for round in 0.. {
        let story = Story::new(folder.path().join(format!("round-{round}")), TRIALS, parallelism);
        while killed < kills() {
            let life = longest_life.mul_f64(random.uniform());
            let (status, stdout) = story.start().end_within(life);
            if status.signal() == Some(9) && !stdout.contains("{\"best\"") {
                killed += 1;
                *scenes.entry(story.scene()).or_default() += 1;
            } else {
                let errors = || fs::read_to_string(story.folder.join("stderr")).unwrap_or_default();
                assert!(status.success() || status.signal() == Some(9), "{status}:\n{}", errors());
                break;
            }
        }
        check(&story, &story.finish());
        if killed >= kills() {
            eprintln!(
                "parallelism {parallelism}: {killed} kills in {} rounds: {scenes:?}",
                round + 1
            );
            break;
        }
    }
    // Fewer would mean that the lives are too short, or too long, to hit what this is about.
    let midway: usize = ["before a launch", "while launching", "while running", "between trials"]
        .iter()
        .filter_map(|scene| scenes.get(scene))
        .sum();
    assert!(2 * midway >= killed, "most kills hit an experiment that is under way: {scenes:?}");
}

/// What must be bit for bit the same: all but times and the runs' keys.
fn essence(trials: &[Trial]) -> Vec<String> {
    let essence = |trial: &Trial| {
        let (arm, generation) = (&trial.arm, trial.generation());
        format!(
            "{} {arm:?} {generation:?} {:?} {}",
            trial.index,
            trial.observations,
            trial.status()
        )
    };
    trials.iter().map(essence).collect()
}

#[test]
fn one_at_a_time_is_bit_for_bit_the_undisturbed_run() {
    let expected = std::cell::OnceCell::new();
    kill_again_and_again(1, |story, stdout| {
        let trials = story.trials();
        assert_eq!(count(&trials, TrialStatus::Completed), TRIALS);
        let found = (essence(&trials), stdout.to_owned());
        let expected = expected.get_or_init(|| found.clone());
        for (expected, found) in expected.0.iter().zip(&found.0) {
            assert_eq!(found, expected, "{}", story.folder.display());
        }
        assert_eq!(found.1, expected.1, "what it printed");
        assert_eq!(deployments(&story.work()), (0..TRIALS).collect::<Vec<_>>());
    });
}

#[test]
fn three_at_a_time_are_each_deployed_once() {
    kill_again_and_again(3, |story, stdout| {
        let trials = story.trials();
        assert_eq!((trials.len(), count(&trials, TrialStatus::Completed)), (TRIALS, TRIALS));
        let mut deployed = deployments(&story.work());
        deployed.sort_unstable();
        assert_eq!(deployed, (0..TRIALS).collect::<Vec<_>>(), "{}", story.folder.display());
        assert_eq!(stdout.lines().count(), TRIALS + 1);
    });
}

/// Few of the kills above hit the making of the file and of the experiment; these do.
#[test]
fn a_run_that_is_killed_while_it_begins_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let undisturbed = Story::new(folder.path().join("undisturbed"), 1, 1);
    let _built_before_time_is_taken = program("hartmann6");
    let started = Instant::now();
    let expected = undisturbed.finish();
    let life = started.elapsed();

    let mut random = SplitMix::new(&[2]);
    let mut scenes: BTreeMap<&str, usize> = BTreeMap::new();
    for round in 0..kills() / 2 {
        let story = Story::new(folder.path().join(format!("round-{round}")), 1, 1);
        for _ in 0..2 {
            // Squared: early moments are the interesting ones.
            let _killed = story.start().end_within(life.mul_f64(random.uniform().powi(2)));
            *scenes.entry(story.scene()).or_default() += 1;
        }
        assert_eq!(story.finish(), expected, "{}", story.folder.display());
        assert_eq!(deployments(&story.work()), [0]);
    }
    eprintln!("while beginning: {scenes:?}");
    let begun = scenes.values().sum::<usize>() - scenes.get("before the experiment").unwrap_or(&0);
    assert!(begun > 0 && scenes.len() > 1, "both sides of the beginning are hit: {scenes:?}");
}

/// The experiment's first events, and nothing more.
#[track_caller]
fn begin(database: &Path, example: &str, events: usize) {
    let mut whole = SqliteJournal::open_existing(database).expect("an example ran");
    let records = whole.read(example, 0).expect("read");
    assert!(matches!(records[0].event, Event::ExperimentCreated { .. }));
    drop(whole);
    fs::remove_file(database).expect("removed");
    let mut begun = SqliteJournal::open(database).expect("opened");
    if events > 0 {
        begun.append(example, 0, &records[..events]).expect("appended");
    }
}

/// Cuts a complete experiment off after each of its first events, and goes on.
#[track_caller]
fn cut_off(example: &str, arguments: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    let database = folder.path().join("cut.db");
    let arguments: Vec<_> = arguments.iter().chain(&["--db", "cut.db"]).collect();
    let whole = run(example, folder.path(), &arguments).success();
    for events in 0..7 {
        begin(&database, example, events);
        let ended = run(example, folder.path(), &arguments);
        assert!(ended.status.success(), "after {events} events: {ended:?}");
        assert_eq!(ended.last_line(), whole.last_line(), "after {events} events");
    }
}

#[test]
fn a_beginning_that_was_cut_off_is_completed() {
    let arguments = ["--trials", "4", "--parallelism", "1", "--trial-seconds", "0"];
    cut_off("hartmann6", &arguments);
}

#[test]
fn a_beginning_that_was_cut_off_is_completed_with_pieces_put_together_by_hand() {
    cut_off("branin", &["--trials", "6", "--parallelism", "1"]);
}

/// A kill between the making of the file and its first page leaves it empty.
#[test]
fn an_empty_file_becomes_the_database() {
    for example in ["hartmann6", "branin"] {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("empty.db"), "").expect("written");
        let trials = ["--db", "empty.db", "--trials", "2"];
        run(example, folder.path(), trials).success();
        assert_eq!(stored(&folder.path().join("empty.db"), example).trials.len(), 2);
    }
}
