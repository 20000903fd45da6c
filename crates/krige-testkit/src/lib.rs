//! What the tests of krige, and of runners and metrics written for it, stand on.
//!
//! - [`TestFunction`]: objectives whose optimum is known; [`MultiObjectiveFunction`]: several at once.
//! - [`FarSide`]: a system that runs trials as a [`Script`] says, well or badly, and counts what it started;
//!   [`ScriptedRunner`] and [`ScriptedMetric`] reach it by its name, as a resumed experiment does.
//! - [`FaultyJournal`]: a journal that fails at its n-th operation; [`SharedJournal`]: one that several clients open.
//! - [`ManualClock`]: time that passes when the test says so.
//! - [`BlueskyStack`]: a real RE Manager and Tiled on loopback.
//! - [`SlurmStack`]: a real Slurm on loopback.
//! - [`check_invariants`]: what holds of every journal, whatever happened to those who wrote it.
//!
//! ```
//! use krige_core::trial::TrialRun;
//! use krige_runner::{IRunner, RunnerError};
//! use krige_testkit::{Answer, FarSide, Launch, Script, ScriptedRunner, TestFunction};
//!
//! let branin = TestFunction::branin();
//! let far_side = FarSide::new("doc", move |p| Ok(branin.measure(p)?), |run| match run.trial_index {
//!     0 => Script {
//!         launch: vec![Answer::Transient, Answer::Gives(Launch::Accepted)],
//!         ..Script::completes_after(3)
//!     },
//!     _ => Script::fails_after(2),
//! });
//!
//! let runner = ScriptedRunner::new("doc");
//! let (run, point) = (TrialRun::new("e", 0, 1), [("x1", 0.0), ("x2", 1.0)].into());
//! assert!(matches!(runner.run_trial(&run, &point), Err(RunnerError::Transient(_))));
//! assert!(runner.run_trial(&run, &point).is_ok());
//! assert_eq!(far_side.deployments()["krige-e-0-1"], 1);
//! ```

mod bluesky;
mod clock;
mod far_side;
mod functions;
mod invariants;
mod journal;
mod random;
mod script;
mod scripted;
mod services;
mod several;
mod slurm;

pub use bluesky::{BlueskyAddresses, BlueskyStack};
pub use clock::ManualClock;
pub use far_side::{FarSide, FarSideError};
pub use functions::TestFunction;
pub use invariants::{Violation, check_invariants};
pub use journal::{Fault, FaultyJournal, InjectedFault, Moment, SharedJournal};
pub use random::SplitMix;
pub use script::{Answer, Fetch, Find, Launch, Script, Stop};
pub use scripted::{Lists, ScriptedMetric, ScriptedRunner};
pub use several::MultiObjectiveFunction;
pub use slurm::SlurmStack;
