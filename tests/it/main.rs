//! The tests that no single crate can hold, as one binary.
//!
//! - `bad_database`: files that are no journal, or cannot be written, are refused with a remedy and left as they are.
//! - `bluesky`: the example of that name against a real stack, killed at each step; the guide's commands.
//! - `clock`: a clock that is set back and forth by years harms nothing.
//! - `closed_loop`: runners and metrics of one's own, found again from the database alone; several processes.
//! - `example`: the examples as programs, for the tests that start them.
//! - `examples`: what each example prints and stores.
//! - `far_programs`: the scripts by which a program runs elsewhere, against a real sshd and a stand-in for kubectl.
//! - `interrupt`: Ctrl-C, once and twice.
//! - `kill`: SIGKILL at any moment loses nothing, and nothing runs twice.
//! - `layers`: the crates depend on each other as `ARCHITECTURE.md` says, and on nothing else.
//! - `leaders`: several processes on one experiment: one drives, another takes over, all may ask and tell.
//! - `peers`: the comparison with peers optimizes what it says; with Python, if there is one.
//! - `programs`: the examples whose trials are programs: what they find, and SIGKILL at random moments.
//! - `reliability`: what `docs/reliability.md` promises is tested.
//! - `slurm`: the example of that name on a real Slurm; two hundred trials there, through everything that may go wrong.
//! - `tidy`: what formatter and compiler do not look at.
//! - `wait`: waiting for another process, for the tests that start one.

mod bad_database;
mod bluesky;
mod clock;
mod closed_loop;
mod example;
mod examples;
mod far_programs;
mod interrupt;
mod kill;
mod layers;
mod leaders;
mod peers;
mod programs;
mod reliability;
mod slurm;
mod tidy;
mod wait;

use std::path::Path;

/// The folder of the workspace.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the root")
}
