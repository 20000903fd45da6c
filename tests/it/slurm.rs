//! The example `slurm` on a real Slurm; and two hundred trials there, through everything that may go wrong.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use krige::core::trial::{Trial, TrialStatus};
use krige::prelude::*;
use krige_slurm::{Resources, Retries, SlurmRunner};
use krige_testkit::{SlurmStack, SplitMix};

use crate::example::{Running, program, sound, stored};
use crate::root;

const EXPERIMENT: &str = "chaos";
const TRIALS: usize = 200;
const PARALLELISM: usize = 16;

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
echo "$KRIGE_KEY $KRIGE_TRIAL $SLURM_JOB_ID ${SLURM_RESTART_COUNT:-0}" >>../deployments
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
        retries: Retries { node_failure: 20, launch_failure: 20, ..Retries::default() },
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

/// What an operator does: cancels and requeues the jobs that ask for it, and brings nodes back that were drained. A controller
/// that is killed forgets what it was asked for, so it is asked until it has done it.
fn operate(stack: &SlurmStack, work: &Path) {
    for node in said(stack, "sinfo", &["-h", "-N", "-o", "%N %T"]).lines() {
        if let Some((name, "drained" | "down" | "down*" | "drained*")) = node.split_once(' ') {
            let node = format!("nodename={name}");
            said(stack, "scontrol", &["update", &node, "state=resume"]);
        }
    }
    let Ok(entries) = fs::read_dir(work) else { return };
    let folders: BTreeMap<String, PathBuf> = entries
        .flatten()
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path()))
        .collect();
    let jobs = said(stack, "scontrol", &["-o", "show", "job"]);
    for job in jobs.lines() {
        let field = |name: &str| job.split(' ').find_map(|word| word.strip_prefix(name));
        let name = field("JobName=").unwrap_or_default();
        let (Some(folder), Some(id)) = (folders.get(name), field("JobId=")) else { continue };
        // The job that asked, and not the one that has its number since.
        let asks = |wish: &str| {
            fs::read_to_string(folder.join(wish)).is_ok_and(|asked| asked.trim() == id)
        };
        if field("JobState=") != Some("RUNNING") {
            continue;
        }
        if asks("to-cancel") {
            said(stack, "scancel", &[id]);
        } else if asks("to-requeue") && field("Restarts=") == Some("0") {
            said(stack, "scontrol", &["requeue", id]);
        }
    }
}

/// What a command prints; nothing, while the controller is down.
fn said(stack: &SlurmStack, command: &str, arguments: &[&str]) -> String {
    let output = stack.command(command).args(arguments).output().expect("it starts");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// How Slurm and the optimizer stand: for what does not come to its end.
fn standing(stack: &SlurmStack, folder: &Path) -> String {
    let jobs = said(stack, "scontrol", &["-o", "show", "job"]);
    let open = |job: &&str| ["RUNNING", "PENDING", "COMPLETING"].iter().any(|s| job.contains(s));
    let jobs: Vec<&str> = jobs.lines().filter(open).collect();
    let nodes = said(stack, "sinfo", &["-N", "-o", "%N %T %E"]);
    let last = |path: PathBuf| {
        let log = fs::read_to_string(path).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    };
    let controller = last(stack.folder().join("log/slurmctld.log"));
    format!("{nodes}\n{}\n{controller}\n{}", jobs.join("\n"), last(folder.join("stderr")))
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
            while !done.load(Ordering::SeqCst) {
                operate(&stack, &work);
                std::thread::park_timeout(Duration::from_millis(300));
            }
        });
        let mut random = SplitMix::new(&[2]);
        loop {
            let mut command = Command::new(std::env::current_exe().expect("this program"));
            command
                .args(["--exact", "slurm::optimizer", "--nocapture"])
                .env("KRIGE_TEST_SLURM", folder.path());
            let running = Running::start(&mut command, &folder.path().join("stderr"));
            let moment = Duration::from_millis(500 + random.below(9_000) as u64);
            let (status, said) = running.end_within(moment);
            if status.signal() != Some(9) {
                let log = fs::read_to_string(folder.path().join("stderr")).expect("a log");
                assert!(status.success(), "{status}\n{said}\n{log}");
                break;
            }
            kills += 1;
            let is_late = began.elapsed() > Duration::from_secs(600);
            assert!(!is_late, "it never ends:\n{}", standing(&stack, folder.path()));
            if folder.path().join("chaos.db").exists() && kills % 5 == 0 {
                sound(&folder.path().join("chaos.db"), EXPERIMENT);
            }
        }
    });
    assert!(kills >= 5, "{kills}");

    let experiment = stored(&folder.path().join("chaos.db"), EXPERIMENT);
    assert_eq!(experiment.trials.len(), TRIALS);
    // Of each run one deployment; of one that Slurm has started again, by the same job, one after the other.
    let deployments = deployments(&work);
    let mut deployed: BTreeMap<&str, Vec<&Deployment>> = BTreeMap::new();
    let mut numbers: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
    for deployment in &deployments {
        deployed.entry(&deployment.key).or_default().push(deployment);
        numbers.entry(&deployment.job).or_default().insert(deployment.trial);
    }
    for deployments in deployed.values() {
        let jobs: HashSet<&String> = deployments.iter().map(|deployment| &deployment.job).collect();
        assert_eq!(jobs.len(), 1, "{deployments:?}");
        assert!(deployments.is_sorted_by(|a, b| a.restarts < b.restarts), "{deployments:?}");
    }
    // Slurm has one job of each name, but for those that its controller had not saved when it was killed.
    let names = stack.command("squeue").args(["-h", "-t", "all", "-o", "%j"]).output();
    let names = String::from_utf8(names.expect("squeue").stdout).expect("UTF-8");
    let mut jobs: BTreeMap<&str, usize> = BTreeMap::new();
    names.lines().for_each(|name| *jobs.entry(name).or_default() += 1);
    assert!(jobs.values().all(|&jobs| jobs == 1), "{jobs:?}");
    let (mut again, mut met) = (0, BTreeMap::new());
    for trial in &experiment.trials {
        again += trial.attempts - 1;
        assert_fate(trial);
        *met.entry(Fate::of(trial.index)).or_insert(0) += 1;
    }
    let elapsed = began.elapsed();
    eprintln!(
        "{TRIALS} trials in {elapsed:.0?}: the optimizer was killed {kills} times, {again} runs were lost and run again, \
         {} jobs were forgotten by Slurm, {} numbers were given to several",
        deployed.keys().filter(|key| !jobs.contains_key(**key)).count(),
        numbers.values().filter(|trials| trials.len() > 1).count()
    );
    assert_eq!(met.len(), 7, "every fate was met: {met:?}");

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

/// What a run's program has noted of its start.
#[derive(Debug)]
struct Deployment {
    key: String,
    trial: usize,
    /// The job's number.
    job: String,
    /// How often Slurm had started it before.
    restarts: u32,
}

fn deployments(work: &Path) -> Vec<Deployment> {
    let log = fs::read_to_string(work.join("deployments")).expect("there were deployments");
    let deployment = |line: &str| {
        let [key, trial, job, restarts] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("a deployment: {line}");
        };
        let (trial, restarts) = (trial.parse().expect(line), restarts.parse().expect(line));
        Deployment { key: key.to_owned(), trial, job: job.to_owned(), restarts }
    };
    log.lines().map(deployment).collect()
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
