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
        let line = format!("(until [ -e go ]; do sleep 0.02; done; >late) & exit {status}");
        let program = Program::shell(&line).accept([status]).limits(limits.clone());
        let runner = CommandRunner::new(folder.path(), program);
        // An hour is not waited for.
        assert_eq!(end(&runner, &run(trial), &nothing()), RunStatus::Completed);
        let there = |name| runner.work.join(&run(trial).key).join(name);
        fs::write(there("go"), "").expect("written");
        wait_until("it has gone on", || there("late").exists());
    }
}
