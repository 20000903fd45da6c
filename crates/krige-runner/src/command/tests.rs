//! Real programs: how values reach them, how they end, and what survives.

mod adverse;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use krige_core::trial::TrialRun;
use proptest::prelude::*;

use super::*;
use crate::contract::check_runner;
use crate::program::Limits;

/// Waits until something is so; a minute is for a machine that is busy with other things.
#[track_caller]
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(60), "waited for a minute until {what}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

fn run(trial: usize) -> TrialRun {
    TrialRun::new("e", trial, 1)
}

fn nothing() -> Parameterization {
    Parameterization::default()
}

fn work() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

/// Runs a program to its end.
#[track_caller]
fn end(runner: &CommandRunner, run: &TrialRun, parameters: &Parameterization) -> RunStatus {
    let metadata = runner.run_trial(run, parameters).expect("it starts");
    ended(runner, run, &metadata)
}

#[track_caller]
fn ended(runner: &CommandRunner, run: &TrialRun, metadata: &Metadata) -> RunStatus {
    let mut status = RunStatus::Running;
    wait_until("the run has ended", || {
        status = runner.poll_trial(run, metadata).expect("its status");
        status != RunStatus::Running
    });
    status
}

fn read(runner: &CommandRunner, run: &TrialRun, name: &str) -> String {
    let path = runner.work.join(&run.key).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[track_caller]
fn reason(status: RunStatus) -> String {
    match status {
        RunStatus::Failed { reason } => reason,
        other => panic!("expected a failed run, found {other:?}"),
    }
}

#[test]
fn it_keeps_the_contract() {
    let folder = work();
    let program = Program::new("sh").args(["-c", "echo \"$1\"", "sh", "{x}"]);
    let runner = CommandRunner::new(folder.path(), program).concurrency(8);
    let (run, _) = check_runner(&runner, "e", &[("x", 0.5)].into(), || {
        std::thread::park_timeout(Duration::from_millis(5));
    });
    assert_eq!(read(&runner, &run, "stdout.log"), "0.5\n");
}

/// What shells, option parsers and formats are afraid of.
const HOSTILE: [&str; 16] = [
    " ",
    "'",
    "\"",
    "\n",
    ";touch CANARY;",
    "$(touch CANARY)",
    "`touch CANARY`",
    "\\",
    "&touch CANARY&",
    "|",
    "-",
    "--",
    "*",
    "{x}",
    "%s%n",
    "é漢\u{1f52c}\u{202e}",
];

fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        proptest::sample::select(&HOSTILE[..]).prop_map(ToOwned::to_owned),
        "[^\\x00]{0,6}",
    ];
    proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn hostile_values_reach_a_program_unchanged_and_execute_nothing(
        first in hostile(),
        second in hostile(),
        number in any::<f64>().prop_filter("a parameter is finite", |x| x.is_finite()),
    ) {
        let folder = work();
        let script = r#"printf '%s\0' "$@" >args; env -0 >env; cat >stdin"#;
        let program = Program::new("sh")
            .args(["-c", script, "sh", "{first}", "--second={second}", "{number}"])
            .env("BOTH", "{first}/{second}");
        let runner = CommandRunner::new(folder.path(), program);
        let parameters: Parameterization = serde_json::from_value(serde_json::json!({
            "first": first, "second": second, "number": number,
        })).expect("parameters");
        prop_assert_eq!(end(&runner, &run(0), &parameters), RunStatus::Completed);

        let args = read(&runner, &run(0), "args");
        let args: Vec<&str> = args.split_terminator('\0').collect();
        let written = format!("{number:?}");
        let option = format!("--second={second}");
        prop_assert_eq!(args, [&*first, &*option, &*written]);
        let env = read(&runner, &run(0), "env");
        let env: BTreeMap<&str, &str> =
            env.split_terminator('\0').filter_map(|line| line.split_once('=')).collect();
        prop_assert_eq!(env["BOTH"], format!("{first}/{second}"));
        prop_assert_eq!(env["KRIGE_PARAM_first"], &first);
        prop_assert_eq!(env["KRIGE_PARAM_number"].parse(), Ok(number));
        for file in ["stdin", "parameters.json"] {
            let json: Parameterization =
                serde_json::from_str(&read(&runner, &run(0), file)).expect("JSON");
            prop_assert_eq!(&json, &parameters);
        }
        let canary = walk(folder.path()).into_iter().find(|name| name == "CANARY");
        prop_assert_eq!(canary, None);
    }
}

/// The names of all files beneath a folder.
fn walk(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry");
        if entry.path().is_dir() {
            names.extend(walk(&entry.path()));
        }
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names
}

#[test]
fn a_line_for_the_shell_sees_values_as_variables() {
    let folder = work();
    let line = r#"x=${KRIGE_PARAM_x}; printf '%s' "$x" | tr a-z A-Z; printf ' {x}' "$KRIGE_TRIAL""#;
    let runner = CommandRunner::new(folder.path(), Program::shell(line));
    let hostile = "$(touch canary)'\"; touch canary";
    let status = end(&runner, &run(7), &[("x", hostile)].into());
    assert_eq!(status, RunStatus::Completed);
    assert_eq!(read(&runner, &run(7), "stdout.log"), "$(TOUCH CANARY)'\"; TOUCH CANARY {x}");
    assert!(!walk(folder.path()).contains(&"canary".to_owned()));
}

#[test]
fn what_cannot_be_handed_over_is_refused_before_anything_starts() {
    let folder = work();
    let refused = |program: Program, parameters: &Parameterization| {
        let runner = CommandRunner::new(folder.path(), program);
        match runner.run_trial(&run(0), parameters) {
            Err(RunnerError::Permanent(cause)) => {
                assert_eq!(runner.find_trial(&run(0)).expect("an answer"), Found::Absent);
                cause.to_string()
            }
            other => panic!("expected a permanent error, found {other:?}"),
        }
    };
    let one: Parameterization = [("x", "a\0b")].into();
    assert_eq!(
        refused(Program::new("true"), &one),
        "KRIGE_PARAM_x: expected a text without NUL characters, found \"a\\0b\""
    );
    let one: Parameterization = [("x", 1.0)].into();
    assert_eq!(
        refused(Program::new("true").args(["{y}"]), &one),
        "`{y}` names `{y}`: expected one of `x`, `krige.key`, `krige.trial`, `krige.attempt`, `krige.folder`, \
         `krige.parameters`; write {{ and }} for braces"
    );
    for brace in ["{x", "x}", "{{x}", "}"] {
        let text = refused(Program::new("true").args([brace]), &one);
        assert!(text.contains("has a single brace"), "{text}");
    }
    assert!(
        refused(Program::new("true").env("A-B", "1"), &one).starts_with("environment variable")
    );
    assert!(refused(Program::new(""), &one).starts_with("expected the name or path of a program"));
    assert!(refused(Program::new("true").time_limit(0.0), &one).starts_with("limit `seconds`"));
    let no_memory = Limits { memory_bytes: Some(0), ..Limits::default() };
    assert_eq!(
        refused(Program::new("true").limits(no_memory), &one),
        "limit `memory_bytes`: expected a number above 0, found 0"
    );
    let no_time = Limits { cpu_seconds: Some(0), ..Limits::default() };
    assert!(refused(Program::new("true").limits(no_time), &one).starts_with("limit `cpu_seconds`"));
    let two: Parameterization = [("x 1", 1.0), ("x_1", 2.0)].into();
    assert_eq!(
        refused(Program::new("true"), &two),
        "parameters `x 1` and `x_1` would both be in the variable `KRIGE_PARAM_x_1`: rename one of them"
    );
}

#[test]
fn a_failure_says_how_and_what_the_program_said() {
    let folder = work();
    let status = |trial, program: Program| {
        reason(end(&CommandRunner::new(folder.path(), program), &run(trial), &nothing()))
    };
    assert_eq!(
        status(0, Program::shell("echo went wrong >&2; exit 3")),
        "the program ended with exit status 3; it said: went wrong"
    );
    assert_eq!(
        status(1, Program::shell("kill -SEGV $$")),
        "the program ended with exit status 139, which is that of SIGSEGV"
    );
    let missing = status(2, Program::new("no-such-program"));
    assert!(
        missing.starts_with("the program was not found (exit status 127); it said: "),
        "{missing}"
    );
    let folder_missing = status(3, Program::new("true").directory("no/such/folder"));
    assert!(folder_missing.starts_with("the program could not be started"), "{folder_missing}");
}

#[test]
fn other_exit_statuses_are_results_where_they_are_accepted() {
    let folder = work();
    let status = |trial, program: Program| {
        end(&CommandRunner::new(folder.path(), program), &run(trial), &nothing())
    };
    assert_eq!(status(0, Program::shell("exit 4").accept([0, 4])), RunStatus::Completed);
    assert_eq!(status(1, Program::shell("exit 125").accept_any()), RunStatus::Completed);
    let zero = reason(status(2, Program::shell("exit 0").accept([4])));
    assert_eq!(zero, "the program ended with exit status 0, which is not accepted");
    reason(status(3, Program::shell("kill -KILL $$").accept_any()));
    reason(status(4, Program::new("no-such-program").accept_any()));
}

#[test]
fn files_are_copied_into_the_folder_of_the_run() {
    let folder = work();
    let script = folder.path().join("hello.sh");
    fs::write(&script, "echo hello from $PWD").expect("written");
    let program = Program::new("sh").args(["hello.sh"]).file(&script);
    let runner = CommandRunner::new(folder.path().join("work"), program);
    assert_eq!(end(&runner, &run(0), &nothing()), RunStatus::Completed);
    let said = read(&runner, &run(0), "stdout.log");
    assert!(said.ends_with(&format!("{}\n", run(0).key)), "{said}");
}

#[test]
fn limits_are_what_the_program_sees() {
    let folder = work();
    let limits = Limits {
        seconds: Some(300.0),
        grace_seconds: 1.0,
        memory_bytes: Some(1 << 30),
        cpu_seconds: Some(77),
        niceness: Some(5),
    };
    let line = "ulimit -v; ulimit -t; nice";
    let before = Command::new("nice").output().expect("nice prints the niceness").stdout;
    let before: i32 = String::from_utf8_lossy(&before).trim().parse().expect("a number");
    let runner = CommandRunner::new(folder.path(), Program::shell(line).limits(limits));
    assert_eq!(end(&runner, &run(0), &nothing()), RunStatus::Completed);
    let niceness = (before + 5).min(19);
    assert_eq!(read(&runner, &run(0), "stdout.log"), format!("{}\n77\n{niceness}\n", 1 << 20));
}

/// A program that has a child, both deaf to SIGTERM, which say who they are.
const DEAF: &str = r#"trap '' TERM; sh -c 'echo $$ >child; while :; do sleep 1; done' & echo $$ >parent
    while :; do sleep 1; done"#;

fn pid_of(runner: &CommandRunner, run: &TrialRun, name: &str) -> i32 {
    let path = runner.work.join(&run.key).join(name);
    let mut pid = None;
    wait_until("it says who it is", || {
        pid = fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok());
        pid.is_some()
    });
    pid.expect("it was waited for")
}

/// Whether there is a process of that number that is not a zombie.
fn lives(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

#[test]
fn the_time_limit_ends_the_whole_group_also_if_it_is_deaf() {
    let folder = work();
    let limits = Limits { seconds: Some(0.3), grace_seconds: 0.2, ..Limits::default() };
    let runner = CommandRunner::new(folder.path(), Program::shell(DEAF).limits(limits));
    let why = reason(end(&runner, &run(0), &nothing()));
    assert_eq!(why, "the program was killed at its time limit of 0.3 s");
    for name in ["parent", "child"] {
        let pid = pid_of(&runner, &run(0), name);
        wait_until("it is gone", || !lives(pid));
    }
}

#[test]
fn a_stopped_program_may_tidy_up_and_its_end_is_known() {
    let folder = work();
    let line = "trap 'echo tidied >tidied; exit 9' TERM; echo >ready; while :; do sleep 0.02; done";
    let runner = CommandRunner::new(folder.path(), Program::shell(line));
    let metadata = runner.run_trial(&run(0), &nothing()).expect("it starts");
    let ready = runner.work.join(&run(0).key).join("ready");
    wait_until("it is ready", || ready.exists());
    assert_eq!(runner.poll_trial(&run(0), &metadata).expect("its status"), RunStatus::Running);
    let stopped = runner.stop_trial(&run(0), &metadata, "not promising").expect("it is stopped");
    assert_eq!(stopped, Stopped::Requested);
    let why = reason(ended(&runner, &run(0), &metadata));
    assert!(why.starts_with("stopped: not promising"), "{why}");
    assert_eq!(read(&runner, &run(0), "tidied"), "tidied\n");
    assert!(read(&runner, &run(0), "krige/ended").starts_with("status 9\n"));
}

#[test]
fn a_deaf_program_that_is_stopped_is_killed_after_the_grace() {
    let folder = work();
    let limits = Limits { grace_seconds: 0.2, ..Limits::default() };
    let runner = CommandRunner::new(folder.path(), Program::shell(DEAF).limits(limits));
    let metadata = runner.run_trial(&run(0), &nothing()).expect("it starts");
    let pids = ["parent", "child"].map(|name| pid_of(&runner, &run(0), name));
    runner.stop_trial(&run(0), &metadata, "enough").expect("it is stopped");
    let why = reason(ended(&runner, &run(0), &metadata));
    assert!(why.starts_with("stopped: enough"), "{why}");
    for pid in pids {
        wait_until("it is gone", || !lives(pid));
    }
}

/// What ends at SIGTERM, and leaves behind a child that does not.
const LEAVES_A_DEAF_ONE: &str = r#"sh -c 'trap "" TERM; echo $$ >child; while :; do sleep 1; done' &
    while ! [ -s child ]; do sleep 0.01; done; wait"#;

#[test]
fn a_deaf_child_does_not_outlive_its_parent_that_was_stopped_or_ran_too_long() {
    let folder = work();
    let limits = Limits { seconds: Some(0.5), grace_seconds: 0.2, ..Limits::default() };
    let runner =
        CommandRunner::new(folder.path(), Program::shell(LEAVES_A_DEAF_ONE).limits(limits));
    let why = reason(end(&runner, &run(0), &nothing()));
    assert!(why.starts_with("the program was killed at its time limit of 0.5 s"), "{why}");
    assert!(!lives(pid_of(&runner, &run(0), "child")), "before its end is told");

    let limits = Limits { grace_seconds: 0.2, ..Limits::default() };
    let runner =
        CommandRunner::new(folder.path(), Program::shell(LEAVES_A_DEAF_ONE).limits(limits));
    let metadata = runner.run_trial(&run(1), &nothing()).expect("it starts");
    let child = pid_of(&runner, &run(1), "child");
    runner.stop_trial(&run(1), &metadata, "enough").expect("it is stopped");
    assert!(reason(ended(&runner, &run(1), &metadata)).starts_with("stopped: enough"));
    assert!(!lives(child), "before its end is told");
}

#[test]
fn a_stop_at_any_moment_of_the_start_leaves_nothing_behind() {
    let folder = work();
    let limits = Limits { grace_seconds: 0.5, ..Limits::default() };
    let program = Program::shell(">ready; exec sleep 600").limits(limits);
    let runner = CommandRunner::new(folder.path(), program);
    for trial in 0..40 {
        let run = run(trial);
        let metadata = runner.run_trial(&run, &nothing()).expect("it starts");
        if trial % 2 == 0 {
            // The very moment in which the program runs.
            let ready = folder.path().join(&run.key).join("ready");
            while !ready.exists() {
                std::hint::spin_loop();
            }
        } else {
            // All of a start is within some milliseconds.
            std::thread::park_timeout(Duration::from_micros(800 * trial as u64));
        }
        runner.stop_trial(&run, &metadata, "enough").expect("it is stopped");
        let why = reason(ended(&runner, &run, &metadata));
        assert!(why.starts_with("stopped: enough"), "{why}");
        let folder = RunFolder::new(folder.path(), &run);
        wait_until("nothing holds the lock", || !folder.is_locked().expect("it is told"));
    }
}

#[test]
fn a_stop_that_comes_before_the_program_keeps_it_from_starting() {
    let folder = work();
    let runner = CommandRunner::new(folder.path(), Program::shell("echo >started; sleep 60"));
    let run_folder = RunFolder::new(folder.path(), &run(0));
    fs::create_dir_all(run_folder.own("")).expect("made");
    run_folder.request_stop("too late").expect("noted");
    let metadata = runner.run_trial(&run(0), &nothing()).expect("it starts");
    assert_eq!(reason(ended(&runner, &run(0), &metadata)), "stopped: too late");
    assert!(!run_folder.path().join("started").exists());
}

#[test]
fn nothing_is_started_twice_whoever_asks() {
    let folder = work();
    let runner = CommandRunner::new(folder.path(), Program::shell("echo started >>../starts"));
    let launch = || runner.run_trial(&run(0), &nothing());
    let answers: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(launch)).collect();
        threads.into_iter().map(|thread| thread.join().expect("it answers")).collect()
    });
    let metadata: Vec<Metadata> = answers.into_iter().filter_map(Result::ok).collect();
    assert!(!metadata.is_empty());
    assert_eq!(ended(&runner, &run(0), &metadata[0]), RunStatus::Completed);
    // Nor afterwards; nor by hand, in the way of a queue that starts a job again.
    assert_eq!(ended(&runner, &run(0), &launch().expect("the same")), RunStatus::Completed);
    let again = Command::new("sh")
        .args(RunFolder::arguments(&runner.program, &[]))
        .current_dir(runner.work.join(&run(0).key))
        .stdin(Stdio::null())
        .status();
    assert!(again.expect("sh").success());
    assert_eq!(fs::read_to_string(folder.path().join("starts")).expect("it started"), "started\n");
}

#[test]
fn what_was_killed_with_everything_is_not_waited_for() {
    let folder = work();
    let line = "echo $$ >self; echo $PPID >timeout; sleep 60";
    let runner = CommandRunner::new(folder.path(), Program::shell(line));
    let metadata = runner.run_trial(&run(0), &nothing()).expect("it starts");
    let program = pid_of(&runner, &run(0), "self");
    let timeout = pid_of(&runner, &run(0), "timeout");
    let script = RunFolder::new(folder.path(), &run(0)).processes().expect("they are read")[0].pid;
    for pid in [script, timeout, program] {
        kill(pid);
    }
    // The lock is with what the program itself has started, too.
    assert_eq!(runner.poll_trial(&run(0), &metadata).expect("its status"), RunStatus::Running);
    let group = Pid::from_raw(timeout).expect("a pid");
    rustix::process::kill_process_group(group, Signal::KILL).expect("it is killed");
    let RunStatus::Lost { reason: why } = ended(&runner, &run(0), &metadata) else {
        panic!("it is worth running again");
    };
    assert!(why.starts_with("the program is gone and has not left how it ended"), "{why}");
    // But not for ever.
    let third = TrialRun { attempt: 3, ..run(0) };
    assert_eq!(reason(runner.poll_trial(&third, &metadata).expect("its status")), why);
    assert!(matches!(runner.find_trial(&run(0)), Ok(Found::Exists(found)) if found == metadata));
}

fn kill(pid: i32) {
    let pid = Pid::from_raw(pid).expect("a pid");
    rustix::process::kill_process(pid, Signal::KILL).expect("it is killed");
}

#[test]
fn no_zombie_is_left() {
    let folder = work();
    let runner = CommandRunner::new(folder.path(), Program::new("true"));
    let pids: Vec<i32> = (0..20)
        .map(|trial| {
            assert_eq!(end(&runner, &run(trial), &nothing()), RunStatus::Completed);
            let folder = RunFolder::new(folder.path(), &run(trial));
            folder.processes().expect("they are read")[0].pid
        })
        .collect();
    for pid in pids {
        wait_until("it is gone, as a zombie too", || !Path::new(&format!("/proc/{pid}")).exists());
    }
}

#[test]
fn slots_are_handed_out_once_each_and_come_back() {
    let folder = work();
    let line = "echo $KRIGE_SLOT; until [ -e ../go ]; do sleep 0.02; done";
    let program = Program::shell(line).env("GPU", "gpu{krige.slot}");
    let runner = CommandRunner::new(folder.path(), program).slots(["a", "b"]);
    assert_eq!(runner.free_slots().expect("it knows"), Some(2));
    let started: Vec<_> = (0..2)
        .map(|trial| {
            let metadata = runner.run_trial(&run(trial), &nothing()).expect("it starts");
            (run(trial), metadata)
        })
        .collect();
    let slots: Vec<_> = started.iter().map(|(_, metadata)| metadata.text("slot")).collect();
    assert_eq!(slots, [Some("a"), Some("b")]);
    assert_eq!(runner.free_slots().expect("it knows"), Some(0));
    match runner.run_trial(&run(2), &nothing()) {
        Err(RunnerError::Transient(cause)) => {
            assert_eq!(
                cause.to_string(),
                "all 2 slots are taken: a run must end first, and all that it has started"
            );
        }
        other => panic!("expected a transient error, found {other:?}"),
    }
    assert_eq!(runner.find_trial(&run(2)).expect("it knows"), Found::Absent);
    fs::write(folder.path().join("go"), "").expect("written");
    for (run, metadata) in &started {
        assert_eq!(ended(&runner, run, metadata), RunStatus::Completed);
    }
    assert!(read(&runner, &run(1), "krige/program.sh").contains("export GPU='gpub'"));
    wait_until("the slots are back", || runner.free_slots().expect("it knows") == Some(2));
    assert_eq!(end(&runner, &run(2), &nothing()), RunStatus::Completed);
}

/// What the next test starts and kills: a process that launches one run after the other, until it is killed.
#[test]
fn launcher() {
    let Ok(folder) = std::env::var("KRIGE_TEST_LAUNCHER") else { return };
    let runner = killed_runner(Path::new(&folder));
    for trial in 0.. {
        match runner.find_trial(&run(trial)).expect("it knows") {
            Found::Absent => {
                runner.run_trial(&run(trial), &nothing()).expect("it starts");
            }
            Found::Exists(_) => {}
            Found::Unknown => panic!("it always knows"),
        }
        fs::write(Path::new(&folder).join("progress"), trial.to_string()).expect("written");
    }
}

fn killed_runner(folder: &Path) -> CommandRunner {
    let line = "echo $KRIGE_TRIAL >>../starts; echo done";
    CommandRunner::new(folder, Program::shell(line))
}

#[test]
fn an_optimizer_that_is_killed_at_any_moment_leaves_each_run_started_once() {
    let folder = work();
    let runner = killed_runner(folder.path());
    let mut random = 0x9e37_79b9_u64;
    for _ in 0..25 {
        let mut launcher = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "command::tests::launcher"])
            .env("KRIGE_TEST_LAUNCHER", folder.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("it starts");
        let progress = || {
            let text = fs::read_to_string(folder.path().join("progress")).unwrap_or_default();
            text.parse::<usize>().unwrap_or(0)
        };
        let before = progress();
        wait_until("it gets somewhere", || progress() > before);
        // Somewhere within the next launches.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        std::thread::park_timeout(Duration::from_micros(random >> 50));
        launcher.kill().expect("it is killed");
        launcher.wait().expect("it is gone");
    }
    let last = (0..)
        .find(|&trial| matches!(runner.find_trial(&run(trial)).expect("it knows"), Found::Absent));
    let last = last.expect("it was killed");
    assert!(last >= 25, "each process launched something: {last}");
    for trial in 0..last {
        let Ok(Found::Exists(metadata)) = runner.find_trial(&run(trial)) else {
            panic!("run {trial} was there a moment ago");
        };
        assert_eq!(ended(&runner, &run(trial), &metadata), RunStatus::Completed, "run {trial}");
    }
    let starts = fs::read_to_string(folder.path().join("starts")).expect("they started");
    let mut starts: Vec<usize> =
        starts.lines().map(|line| line.parse().expect("a number")).collect();
    starts.sort_unstable();
    assert_eq!(starts, (0..last).collect::<Vec<_>>(), "each once");
}

#[test]
fn a_work_folder_that_cannot_be_made_is_said() {
    let folder = work();
    let file = folder.path().join("file");
    fs::write(&file, "").expect("written");
    let runner = CommandRunner::new(file.join("work"), Program::new("true"));
    match runner.run_trial(&run(0), &nothing()) {
        Err(RunnerError::Transient(cause)) => {
            assert!(cause.to_string().starts_with("cannot make `"), "{cause}");
        }
        other => panic!("expected a transient error, found {other:?}"),
    }
}
