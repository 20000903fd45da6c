//! The example `slurm` on a real Slurm; and two hundred trials there, through everything that may go wrong.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use krige::core::trial::{Trial, TrialStatus};
use krige::prelude::*;
use krige_slurm::{Resources, SlurmRunner};
use krige_testkit::{SlurmStack, SplitMix};

use crate::example::{Running, program, sound, stored};
use crate::root;

const EXPERIMENT: &str = "chaos";
const TRIALS: usize = 200;
const PARALLELISM: usize = 16;

/// For how long the optimizer is killed every few seconds.
const KILLING: Duration = Duration::from_secs(70);

/// How the program of a trial ends, or what is done to its job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Completes,
    ExitsWithThree,
    KillsItself,
    IsCancelled,
    IsRequeued,
    TakesTooMuchMemory,
    RunsTooLong,
}

impl Fate {
    fn of(trial: usize) -> Self {
        match trial {
            20 | 60 | 100 | 140 | 180 => Self::RunsTooLong,
            _ => match trial % 20 {
                3 => Self::ExitsWithThree,
                5 => Self::KillsItself,
                7 => Self::IsCancelled,
                9 => Self::IsRequeued,
                11 => Self::TakesTooMuchMemory,
                _ => Self::Completes,
            },
        }
    }
}

/// What every trial runs: it notes its deployment, and meets its fate.
const SCRIPT: &str = r#"
echo "$KRIGE_KEY $SLURM_JOB_ID ${SLURM_RESTART_COUNT:-0}" >>../deployments
case $KRIGE_TRIAL in
20 | 60 | 100 | 140 | 180) exec sleep 150 ;;
esac
case $((KRIGE_TRIAL % 20)) in
3) exit 3 ;;
5) kill -KILL $$ ;;
7) echo "$SLURM_JOB_ID" >to-cancel; exec sleep 150 ;;
9) [ "${SLURM_RESTART_COUNT:-0}" -gt 0 ] || { echo "$SLURM_JOB_ID" >to-requeue; exec sleep 150; } ;;
11) exec python3 -c 'import time; hoard = bytearray(1 << 29); hoard[::4096] = b"x" * (1 << 17); time.sleep(150)' ;;
esac
sleep "0.$((KRIGE_TRIAL % 7))"
echo "{\"y\": $KRIGE_PARAM_x}"
"#;

/// The optimizer: what the test starts, kills and starts again. It does nothing where no test has started it.
#[test]
fn optimizer() {
    let Some(folder) = std::env::var_os("KRIGE_TEST_SLURM").map(PathBuf::from) else { return };
    let database = folder.join("chaos.db");
    let mut client = match Client::load_from_database(&database, EXPERIMENT) {
        Ok(client) => client,
        Err(_) => {
            let mut client = Client::with_database(&database).expect("a file").with_seed(5);
            let parameter = Parameter::float("x", 0.0, 1.0);
            client
                .configure_experiment(ExperimentConfig::new(EXPERIMENT).parameter(parameter))
                .expect("a search space");
            client
        }
    };
    client.configure_optimization("-y", &[]).expect("an objective");
    let method = GenerationMethod::RandomSearch;
    client
        .configure_generation_strategy(&StrategyOptions { method, ..StrategyOptions::default() })
        .expect("a strategy");
    let environment = fs::read_to_string(folder.join("environment")).expect("the test wrote it");
    let resources = Resources {
        time_limit_minutes: Some(1),
        memory: Some("100M".into()),
        ..Resources::default()
    };
    let runner = SlurmRunner {
        environment: serde_json::from_str(&environment).expect("the test wrote it"),
        grace_seconds: 10.0,
        ..SlurmRunner::new(folder.join("work"), Program::shell(SCRIPT), resources)
    };
    client.configure_runner(runner).expect("it can be stored");
    client.configure_metric("y", JsonMetric::new("y")).expect("it can be stored");
    let options = OrchestratorOptions {
        tolerated_trial_failure_rate: 1.0,
        lease: Duration::from_secs(1),
        max_attempts: 30,
        max_seconds_between_retries: 5.0,
        progress: Progress::Lines,
        ..OrchestratorOptions::until(TRIALS, PARALLELISM)
            .poll_every(Duration::from_millis(100), Duration::from_secs(1))
    };
    let report = client.run_trials(options).expect("it runs to its end");
    assert_eq!(report.ended, EndReason::Done);
}

/// Does to jobs what they ask for, each once.
fn operate(stack: &SlurmStack, work: &Path, done: &mut HashSet<PathBuf>) {
    let Ok(entries) = fs::read_dir(work) else { return };
    for entry in entries.flatten() {
        for wish in ["to-cancel", "to-requeue"] {
            let path = entry.path().join(wish);
            let Ok(job) = fs::read_to_string(&path) else { continue };
            if job.trim().is_empty() || done.contains(&path) {
                continue;
            }
            let job = job.trim();
            // A controller that was killed may have given the number to another job.
            let named = stack.command("squeue").args(["-h", "-o", "%j", "-j", job]).output();
            let is_it = named.is_ok_and(|output| {
                String::from_utf8_lossy(&output.stdout).trim() == entry.file_name()
            });
            let mut command = match wish {
                "to-cancel" => stack.command("scancel"),
                _ => stack.command("scontrol"),
            };
            if wish == "to-requeue" {
                command.arg("requeue");
            }
            // A controller that is down is asked again.
            if is_it && command.arg(job).output().is_ok_and(|output| output.status.success()) {
                done.insert(path);
            }
        }
    }
}

/// How often the controller is killed or stopped: then it is left alone, as it never enforces a time limit if it does not live
/// for a minute.
const SHAKES: usize = 6;

/// Kills or stops the controller, and starts it again.
fn shake(stack: &SlurmStack, random: &mut SplitMix, done: &AtomicBool) {
    let mut wait = |from: u64, to: u64| {
        let until = Instant::now()
            + Duration::from_millis(from + random.below((to - from) as usize) as u64);
        while Instant::now() < until && !done.load(Ordering::SeqCst) {
            std::thread::park_timeout(Duration::from_millis(50));
        }
    };
    for action in ["kill", "stop"].into_iter().cycle().take(SHAKES) {
        wait(2_000, 8_000);
        if done.load(Ordering::SeqCst) {
            return;
        }
        stack.service(action, "slurmctld");
        wait(500, 5_000);
        stack.service("start", "slurmctld");
        // A controller that was killed may take its nodes for broken.
        stack.resume();
    }
}

/// Puts a note of every call between the runner and Slurm's commands; the environment for the runner.
fn noted(stack: &SlurmStack, folder: &Path) -> BTreeMap<String, String> {
    let shims = folder.join("shims");
    fs::create_dir_all(&shims).expect("made");
    let mut environment = stack.environment().clone();
    let path =
        environment.get("PATH").cloned().unwrap_or_else(|| std::env::var("PATH").expect("a PATH"));
    for program in ["sbatch", "squeue", "sacct", "scancel"] {
        let text = format!(
            "#!/bin/sh\necho \"{program} $*\" >>'{}'\nPATH='{path}' exec {program} \"$@\"\n",
            folder.join("calls").display()
        );
        let shim = shims.join(program);
        fs::write(&shim, text).expect("written");
        fs::set_permissions(&shim, fs::Permissions::from_mode(0o755)).expect("it can be run");
    }
    environment.insert("PATH".into(), format!("{}:{path}", shims.display()));
    environment
}

#[test]
fn two_hundred_trials_survive_everything_and_each_is_deployed_once() {
    let stack = SlurmStack::start(&[
        ("SLURM_STACK_NODES", "2"),
        ("SLURM_STACK_MIN_JOB_AGE", "3600"),
        ("SLURM_STACK_MEMORY", "1"),
    ]);
    let folder = tempfile::tempdir().expect("a folder");
    let environment = serde_json::to_string(&noted(&stack, folder.path())).expect("JSON");
    fs::write(folder.path().join("environment"), environment).expect("written");
    let work = folder.path().join("work");
    let began = Instant::now();

    let done = AtomicBool::new(false);
    let mut kills = 0;
    std::thread::scope(|scope| {
        // Whatever the rest comes to, the threads must end.
        struct Ends<'a>(&'a AtomicBool);
        impl Drop for Ends<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::SeqCst);
            }
        }
        let _ends = Ends(&done);
        scope.spawn(|| shake(&stack, &mut SplitMix::new(&[1]), &done));
        scope.spawn(|| {
            let mut operated = HashSet::new();
            while !done.load(Ordering::SeqCst) {
                operate(&stack, &work, &mut operated);
                std::thread::park_timeout(Duration::from_millis(100));
            }
        });
        let mut random = SplitMix::new(&[2]);
        loop {
            let mut command = Command::new(std::env::current_exe().expect("this program"));
            command
                .args(["--exact", "slurm::optimizer", "--nocapture"])
                .env("KRIGE_TEST_SLURM", folder.path());
            let running = Running::start(&mut command, &folder.path().join("stderr"));
            // At first it is killed every few seconds; what takes a minute must get it then.
            let longest = if began.elapsed() < KILLING { 9_000 } else { 600_000 };
            let moment = Duration::from_millis(500 + random.below(longest) as u64);
            let (status, said) = running.end_within(moment);
            if status.signal() != Some(9) {
                let log = fs::read_to_string(folder.path().join("stderr")).expect("a log");
                assert!(status.success(), "{status}\n{said}\n{log}");
                break;
            }
            kills += 1;
            if began.elapsed() > Duration::from_secs(900) {
                let jobs = stack.command("scontrol").args(["-o", "show", "job"]).output();
                let jobs = String::from_utf8_lossy(&jobs.expect("scontrol").stdout).into_owned();
                let open = jobs.lines().filter(|job| !job.contains("JobState=COMPLETED"));
                let log = fs::read_to_string(folder.path().join("stderr")).expect("a log");
                panic!("it never ends:\n{}\n{log}", open.collect::<Vec<_>>().join("\n"));
            }
            if folder.path().join("chaos.db").exists() && kills % 5 == 0 {
                sound(&folder.path().join("chaos.db"), EXPERIMENT);
            }
        }
    });
    assert!(kills >= 5, "{kills}");

    let experiment = stored(&folder.path().join("chaos.db"), EXPERIMENT);
    assert_eq!(experiment.trials.len(), TRIALS);
    // Of each run one deployment; of one that Slurm has started again, by the same job, one after the other.
    let deployed = deployments(&work);
    for (key, deployments) in &deployed {
        let jobs: HashSet<&String> = deployments.iter().map(|(job, _)| job).collect();
        let restarts: Vec<u32> = deployments.iter().map(|(_, restarts)| *restarts).collect();
        assert_eq!(jobs.len(), 1, "{key}: {deployments:?}");
        assert!(restarts.is_sorted_by(|a, b| a < b), "{key}: {deployments:?}");
    }
    // Slurm has one job of each name, but for those that its controller had not saved when it was killed.
    let names = stack.command("squeue").args(["-h", "-t", "all", "-o", "%j"]).output();
    let names = String::from_utf8(names.expect("squeue").stdout).expect("UTF-8");
    let mut jobs: BTreeMap<&str, usize> = BTreeMap::new();
    names.lines().for_each(|name| *jobs.entry(name).or_default() += 1);
    assert!(jobs.values().all(|&jobs| jobs == 1), "{jobs:?}");
    let (mut again, mut met, mut refused) = (0, BTreeMap::new(), Vec::new());
    for trial in &experiment.trials {
        assert!(trial.status().is_terminal());
        again += trial.attempts - 1;
        let reason = trial.state.reason().unwrap_or_default();
        let Some(launch) = trial.state.launch() else {
            assert!(reason.contains("could not be started"), "trial {}: {reason}", trial.index);
            refused.push(reason);
            continue;
        };
        // What nobody could do anything to meets no fate: its job is forgotten, or the request was, when the controller was killed.
        let fate = Fate::of(trial.index);
        let is_asked_for = matches!(fate, Fate::IsCancelled | Fate::IsRequeued);
        let is_forgotten = fate != Fate::Completes && !jobs.contains_key(&*launch.run.key);
        // Half of it: the program was signalled, and the controller killed before it had saved why.
        let is_lost = ["time limit", "SIGTERM"].iter().any(|sign| reason.contains(sign));
        if is_forgotten || is_asked_for && is_lost {
            continue;
        }
        assert_fate(trial);
        *met.entry(fate).or_insert(0) += 1;
    }
    let elapsed = began.elapsed();
    eprintln!(
        "{TRIALS} trials in {elapsed:.0?}: the optimizer was killed {kills} times, {again} runs were lost and run again, \
         {} jobs were forgotten by Slurm",
        deployed.keys().filter(|key| !jobs.contains_key(&***key)).count()
    );
    eprintln!("met: {met:?}; refused: {refused:?}");
    assert_eq!(met.len(), 7, "every fate was met: {met:?}");
    assert!(met[&Fate::Completes] >= TRIALS / 2, "{met:?}");
    assert!(refused.len() <= 3, "{refused:?}");

    // One status query for all, and no more than one in a second, whatever runs.
    let calls = fs::read_to_string(folder.path().join("calls")).expect("calls");
    let submissions = calls.lines().filter(|call| call.starts_with("sbatch")).count();
    let queries = calls
        .lines()
        .filter(|call| call.starts_with("squeue") && !call.contains("--name="))
        .count();
    assert!(submissions >= TRIALS, "{submissions}");
    assert!(queries <= elapsed.as_secs() as usize + kills + 1, "{queries} of {calls}");
}

#[track_caller]
fn assert_fate(trial: &Trial) {
    let (status, reason) = (trial.status(), trial.state.reason().unwrap_or_default());
    let fate = Fate::of(trial.index);
    let expected = match fate {
        Fate::Completes | Fate::IsRequeued => TrialStatus::Completed,
        Fate::IsCancelled => TrialStatus::Abandoned,
        Fate::ExitsWithThree | Fate::KillsItself | Fate::TakesTooMuchMemory | Fate::RunsTooLong => {
            TrialStatus::Failed
        }
    };
    assert_eq!(status, expected, "trial {}, which {fate:?}: {reason}", trial.index);
    let said = match fate {
        Fate::Completes | Fate::IsRequeued => "",
        Fate::ExitsWithThree => "exit status 3",
        Fate::KillsItself => "SIGKILL",
        Fate::IsCancelled => "cancelled",
        Fate::TakesTooMuchMemory => "memory",
        Fate::RunsTooLong => "time limit",
    };
    assert!(reason.contains(said), "trial {}, which {fate:?}: {reason}", trial.index);
}

/// Each run's deployments: the job, and how often it had been started again.
fn deployments(work: &Path) -> BTreeMap<String, Vec<(String, u32)>> {
    let log = fs::read_to_string(work.join("deployments")).expect("there were deployments");
    let mut deployments: BTreeMap<String, Vec<(String, u32)>> = BTreeMap::new();
    for line in log.lines() {
        let [key, job, restarts] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("a deployment: {line}");
        };
        let restarts = restarts.parse().expect("a number");
        deployments.entry(key.to_owned()).or_default().push((job.to_owned(), restarts));
    }
    deployments
}

/// The commands of a shell in the guide, after the one that starts the stack.
#[test]
fn the_guide_can_be_followed() {
    let text = fs::read_to_string(root().join("docs/guides/slurm.md")).expect("the guide");
    let blocks: Vec<&str> = text
        .split("\n```sh\n")
        .skip(1)
        .map(|block| block.split_once("\n```").expect("a block ends").0)
        .collect();
    let [start, rest] = blocks[..] else { panic!("two blocks: {blocks:?}") };
    assert_eq!(start, "SLURM_STACK_NODES=2 bash tests/slurm/slurm-stack run target/slurm");
    let stack = SlurmStack::start(&[("SLURM_STACK_NODES", "2")]);
    let folder = tempfile::tempdir().expect("a folder");
    let rest = rest
        .replace("target/slurm/env", &stack.folder().join("env").display().to_string())
        .replace("cargo run --release --example slurm --", &program("slurm").display().to_string());
    let output = Command::new("sh")
        .args(["-ec", &rest])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .expect("a shell");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let jobs: Vec<&str> = said.lines().filter(|line| line.contains(" krige-")).collect();
    assert_eq!(jobs.len(), 12, "{said}");
    assert!(said.contains("best loss = "), "{said}");
}

#[test]
fn the_example_differs_from_that_of_one_machine_in_three_lines() {
    let code = |name: &str| -> Vec<String> {
        let text = fs::read_to_string(root().join("examples").join(name)).expect("an example");
        text.lines().filter(|line| !line.starts_with("//!")).map(ToOwned::to_owned).collect()
    };
    let (one, slurm) = (code("training.rs"), code("slurm.rs"));
    let others = |a: &[String], b: &[String]| a.iter().filter(|line| !b.contains(line)).count();
    assert!(others(&slurm, &one) <= 3, "lines of slurm.rs");
    assert!(others(&one, &slurm) <= 3, "lines of training.rs");
}

#[test]
fn without_slurm_the_example_says_what_is_missing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(program("slurm"));
    command
        .args(["--trials", "1", "--db", "s.db"])
        .current_dir(folder.path())
        .env("PATH", folder.path());
    let ended = Running::start(&mut command, &folder.path().join("stderr")).end();
    assert!(!ended.status.success());
    assert!(ended.stderr.contains("sbatch"), "{}", ended.stderr);
}
