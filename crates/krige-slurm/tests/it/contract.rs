//! What every runner must do, on a live Slurm.

use krige_runner::check_runner;
use krige_runner::program::Program;

use crate::bed::{Bed, file, pause};

#[test]
fn the_contract_of_runners_holds() {
    let mut bed = Bed::shared("");
    bed.runner.program = Program::new("sh").args(["-c", "echo \"$1\"", "sh", "{x}"]);
    // What two processes say differs by no more than the age of their answers.
    bed.runner.query_interval_seconds = 0.0;
    let (_, metadata) = check_runner(&bed.runner, &bed.experiment, &bed.parameters(), pause);
    assert_eq!(file(&metadata, "stdout.log"), "0.5\n");
}
