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
