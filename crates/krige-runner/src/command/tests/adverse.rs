//! Programs, machines and operators that do what nobody should, and some that only do what nobody thought of.

use super::*;

#[test]
fn a_program_that_removes_its_output_has_ended_all_the_same() {
    let folder = work();
    let line = "rm stdout.log stderr.log; echo 1 >y.txt";
    let runner = CommandRunner::new(folder.path(), Program::shell(line));
    assert_eq!(end(&runner, &run(0), &nothing()), RunStatus::Completed);
    assert!(read(&runner, &run(0), "krige/ended").contains("\nstdout_bytes 0\n"));
}

#[test]
fn what_a_program_leaves_running_is_left_alone_whatever_its_own_exit_status() {
    let folder = work();
    let limits = Limits { grace_seconds: 3600.0, ..Limits::default() };
    for (trial, status) in [0, 1, 12, 100].into_iter().enumerate() {
        let line = format!(
            "(until [ -e go ] || ! [ -e krige ]; do sleep 0.02; done; >late) & exit {status}"
        );
        let program = Program::shell(&line).accept([status]).limits(limits.clone());
        let runner = CommandRunner::new(folder.path(), program);
        // An hour is not waited for.
        assert_eq!(end(&runner, &run(trial), &nothing()), RunStatus::Completed);
        let there = |name| runner.work.join(&run(trial).key).join(name);
        fs::write(there("go"), "").expect("written");
        wait_until("it has gone on", || there("late").exists());
    }
}

#[test]
fn a_slot_is_the_same_one_wherever_it_stands_in_a_list() {
    let folder = work();
    let program = Program::shell("until [ -e ../go ] || ! [ -e krige ]; do sleep 0.02; done");
    let runner = |slots: &[&str]| {
        CommandRunner::new(folder.path(), program.clone()).slots(slots.iter().copied())
    };
    let slot = |metadata: &Metadata| metadata.text("slot").map(ToOwned::to_owned);
    let first = runner(&["0", "a/b", "0"]);
    let metadata = first.run_trial(&run(0), &nothing()).expect("it starts");
    assert_eq!(slot(&metadata).as_deref(), Some("0"));
    // Another experiment, or this one at another time.
    let second = runner(&["1", "0"]);
    assert_eq!(second.free_slots().expect("it knows"), Some(1));
    let other = second.run_trial(&run(1), &nothing()).expect("it starts");
    assert_eq!(slot(&other).as_deref(), Some("1"));
    assert_eq!(second.free_slots().expect("it knows"), Some(0));
    // One that is listed twice is there twice.
    assert_eq!(first.free_slots().expect("it knows"), Some(2));
    fs::write(folder.path().join("go"), "").expect("written");
    for (run, metadata) in [(run(0), metadata), (run(1), other)] {
        assert_eq!(ended(&second, &run, &metadata), RunStatus::Completed);
    }
}

#[test]
fn a_time_limit_is_no_exit_status_of_the_program() {
    let folder = work();
    let limits = Limits { seconds: Some(0.2), ..Limits::default() };
    let program = |line| Program::shell(line).limits(limits.clone());
    let status =
        |trial, program| end(&CommandRunner::new(folder.path(), program), &run(trial), &nothing());
    let why = reason(status(0, program("exec sleep 60").accept_any()));
    assert_eq!(why, "the program was killed at its time limit of 0.2 s");
    // What says so itself, in time, is another matter, and so is who asks for it.
    let quick = Limits { seconds: Some(3600.0), ..Limits::default() };
    let quick = Program::shell("exit 124").accept_any().limits(quick);
    assert_eq!(status(1, quick), RunStatus::Completed);
    let anytime = program("exec sleep 60").accept([0, 124]);
    assert_eq!(status(2, anytime), RunStatus::Completed);
}

/// Else a program that asks for a password is put to sleep, as one of the background, and is waited for for ever.
#[test]
#[cfg(target_os = "linux")]
fn a_program_has_no_terminal_to_ask_anybody() {
    let folder = work();
    let line = "cut -d ' ' -f 1,6 /proc/$PPID/stat";
    let runner = CommandRunner::new(folder.path(), Program::shell(line));
    assert_eq!(end(&runner, &run(0), &nothing()), RunStatus::Completed);
    let said = read(&runner, &run(0), "stdout.log");
    let (leader, session) = said.trim().split_once(' ').expect("two numbers");
    assert_eq!(leader, session, "a session of its own, which begins without a terminal");
}

#[test]
fn files_that_cannot_be_had_or_would_be_one_are_refused_at_once() {
    let folder = work();
    let refused = |files: &[&str]| {
        let program = files
            .iter()
            .fold(Program::new("true"), |program, file| program.file(folder.path().join(file)));
        let runner = CommandRunner::new(folder.path().join("work"), program);
        match runner.run_trial(&run(0), &nothing()) {
            Err(RunnerError::Permanent(cause)) => cause.to_string(),
            other => panic!("expected a permanent error, found {other:?}"),
        }
    };
    for name in ["a/x.json", "b/x.json", "parameters.json", "krige", "stdout.log"] {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("it has one")).expect("made");
        fs::write(path, "").expect("written");
    }
    let why = refused(&["a/x.json", "b/x.json"]);
    assert!(
        why.ends_with(
            "x.json`: expected another name, since `x.json` is taken in the run's folder"
        ),
        "{why}"
    );
    for taken in ["parameters.json", "krige", "stdout.log"] {
        assert!(refused(&[taken]).contains("expected another name"), "{taken}");
    }
    let why = refused(&["train.py"]);
    assert!(why.ends_with("train.py`: expected a file, found none"), "{why}");
    assert!(refused(&["a"]).ends_with("a`: expected a file, found none"));
    assert!(refused(&["a/.."]).ends_with("expected a file, found none"));
}

#[test]
fn a_copy_that_cannot_be_written_to_is_replaced_when_a_launch_is_tried_again() {
    let folder = work();
    let script = folder.path().join("hello.sh");
    fs::write(&script, "echo hello").expect("written");
    let program = Program::new("sh").args(["hello.sh"]).file(&script);
    let runner = CommandRunner::new(folder.path().join("work"), program);
    let copy = RunFolder::new(&runner.work, &run(0)).path().join("hello.sh");
    // Not even by root, through a link to nowhere.
    fs::create_dir_all(copy.parent().expect("it has one")).expect("made");
    std::os::unix::fs::symlink(folder.path().join("no/such/folder"), &copy).expect("linked");
    assert_eq!(end(&runner, &run(0), &nothing()), RunStatus::Completed);
    assert_eq!(read(&runner, &run(0), "stdout.log"), "hello\n");
}

#[test]
fn a_program_that_empties_its_folder_is_not_run_again_while_it_runs() {
    let folder = work();
    let line = "rm -rf ./*; >ready; until [ -e ../go ] || ! [ -e ready ]; do sleep 0.02; done";
    let runner = CommandRunner::new(folder.path(), Program::shell(line));
    let metadata = runner.run_trial(&run(0), &nothing()).expect("it starts");
    let ready = runner.work.join(&run(0).key).join("ready");
    wait_until("it is ready", || ready.exists());
    let why = reason(ended(&runner, &run(0), &metadata));
    assert!(
        why.ends_with("is gone, or its part `krige`: a program must leave that alone"),
        "{why}"
    );
    fs::write(folder.path().join("go"), "").expect("written");
}

#[test]
fn limits_that_cannot_be_read_back_are_not_stored() {
    let stored = |limits: Limits| {
        let runner = CommandRunner::new("work", Program::new("true").limits(limits));
        serde_json::to_value(&runner as &dyn IRunner).map_err(|error| error.to_string())
    };
    let for_ever = Limits { grace_seconds: f64::INFINITY, ..Limits::default() };
    let why = stored(for_ever).expect_err("refused");
    assert_eq!(why, "a limit of a program: expected a finite number of seconds, found inf");
    let not_a_number = Limits { seconds: Some(f64::NAN), ..Limits::default() };
    assert!(stored(not_a_number).is_err());
    let limits = Limits { seconds: Some(0.25), grace_seconds: 1e9, ..Limits::default() };
    let read: Box<dyn IRunner> =
        serde_json::from_value(stored(limits.clone()).expect("stored")).expect("read");
    assert!(format!("{read:?}").contains(&format!("{limits:?}")), "{read:?}");
}

#[test]
fn who_counts_the_free_slots_takes_none_from_anybody() {
    let folder = work();
    let runner = CommandRunner::new(folder.path(), Program::new("true")).slots(["0"]);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                runner.free_slots().expect("it knows");
                std::thread::park_timeout(Duration::from_micros(50));
            }
        });
        for time in 0..2000 {
            let taken = runner.slot_locks().take();
            done.store(taken.is_err() || time == 1999, std::sync::atomic::Ordering::Relaxed);
            assert!(taken.is_ok(), "it is free, the {time}th time: {taken:?}");
        }
    });
}

/// Tells the shell of what it is started with, by variables of its own and by programs that take the place of others.
fn end_with(env: &[(&str, &str)], program: Program, folder: &Path) -> (String, RunFolder) {
    let run_folder = RunFolder::new(folder, &run(0));
    run_folder.prepare(&program, &run(0), &nothing(), None).expect("prepared");
    let status = Command::new("sh")
        .args(RunFolder::arguments(&program, &[]))
        .current_dir(run_folder.path())
        .envs(env.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status();
    status.expect("sh");
    let ended = fs::read_to_string(run_folder.own("ended")).unwrap_or_default();
    (ended, run_folder)
}

#[test]
fn a_folder_is_that_of_the_run_whatever_cdpath_says() {
    let folder = work();
    fs::create_dir_all(folder.path().join("elsewhere/sub")).expect("made");
    let elsewhere = folder.path().join("elsewhere");
    let program = Program::shell("echo >here").directory("sub");
    let sub = RunFolder::new(folder.path(), &run(0)).path().join("sub");
    fs::create_dir_all(&sub).expect("made");
    let cdpath = elsewhere.to_str().expect("UTF-8");
    let (ended, run_folder) = end_with(&[("CDPATH", cdpath)], program, folder.path());
    assert!(ended.starts_with("status 0\n"), "{ended}");
    assert!(sub.join("here").exists());
    assert_eq!(run_folder.tail("stdout.log", 100).expect("read"), "");
}

#[test]
fn a_file_system_that_cannot_sync_folders_is_good_enough() {
    let folder = work();
    let bin = folder.path().join("bin");
    fs::create_dir(&bin).expect("made");
    let sync = "#!/bin/sh\nfor path; do\n    [ -d \"$path\" ] && { echo 'Invalid argument' >&2; exit 1; }\ndone\nexit 0\n";
    fs::write(bin.join("sync"), sync).expect("written");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(bin.join("sync"), executable).expect("set");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").expect("there is one"));
    let (ended, _) = end_with(&[("PATH", &path)], Program::shell("exit 3"), folder.path());
    assert!(ended.starts_with("status 3\n"), "{ended}");
}

#[test]
fn a_concurrency_of_none_is_not_one_without_bounds() {
    let folder = work();
    let runner = CommandRunner::new(folder.path(), Program::new("true")).concurrency(0);
    assert_eq!(runner.free_slots().expect("it knows"), Some(1));
}

#[test]
fn a_time_limit_is_told_by_coarse_clocks_and_such_as_are_set_back() {
    let folder = work();
    let run_folder = RunFolder::new(folder.path(), &run(0));
    fs::create_dir_all(run_folder.own("")).expect("made");
    let verdict = |status, ended| {
        let text = format!(
            "status {status}\nbegan 100\nended {ended}\nstdout_bytes 0\nstderr_bytes 0\nend\n"
        );
        fs::write(run_folder.own("ended"), text).expect("written");
        let ended = run_folder.ended().expect("read").expect("whole");
        run_folder.verdict(&Program::new("true").time_limit(3.5), &ended).expect("told")
    };
    let limit = "the program was killed at its time limit of 3.5 s";
    // Where `date` has no fractions, and where somebody has set the clock.
    for (status, ended) in [(124, "104.2"), (124, "103"), (137, "103"), (124, "50.5")] {
        assert_eq!(reason(verdict(status, ended)), limit, "{status} at {ended}");
    }
    assert!(reason(verdict(137, "102")).contains("SIGKILL"));
    assert!(reason(verdict(3, "104")).contains("exit status 3"));
}

#[test]
fn what_a_program_said_does_nothing_to_a_terminal() {
    let folder = work();
    let line =
        r"printf '\303\20150%%\r100%%\r\n\033[31mwent\0 wrong\033[0m\302\2332J\a\n' >&2; exit 1";
    let runner = CommandRunner::new(folder.path(), Program::shell(line));
    assert_eq!(
        reason(end(&runner, &run(0), &nothing())),
        "the program ended with exit status 1; it said: \u{c1}50%\n100%\n\n[31mwent wrong[0m2J"
    );
}

#[test]
fn a_work_folder_may_have_any_name() {
    let folder = work();
    let work = folder.path().join("-a b'c\n\"d$(touch CANARY)%{x}\\ é");
    let line =
        r#"cp "$KRIGE_PARAMETERS" copy; cat "$1/hello.txt"; printf '%s' "$KRIGE_FOLDER" >folder"#;
    let hello = folder.path().join("hello.txt");
    fs::write(&hello, "hello\n").expect("written");
    let program = Program::shell(line).args(["sh", "{krige.folder}"]).file(hello);
    let runner = CommandRunner::new(&work, program).slots(["a/../b\n", ""]);
    assert_eq!(end(&runner, &run(0), &[("x", 1.0)].into()), RunStatus::Completed);
    assert_eq!(read(&runner, &run(0), "stdout.log"), "hello\n");
    assert_eq!(read(&runner, &run(0), "copy"), read(&runner, &run(0), "parameters.json"));
    assert_eq!(Path::new(&read(&runner, &run(0), "folder")), work.join(&run(0).key));
    assert_eq!(fs::read_dir(work.join("slots")).expect("made").count(), 1);
    assert!(!walk(folder.path()).contains(&"CANARY".to_owned()));
}
