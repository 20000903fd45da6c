//! Whether a run is found that another process may have launched, and the contract of all runners.

use krige::prelude::*;
use krige_bluesky::manager::Forget;
use krige_bluesky::{QueueserverRunner, Sharing};
use krige_runner::check_runner;

use super::*;

#[test]
fn the_contract_of_runners_holds() {
    bounded(|| {
        let stack = manager_only();
        let dedicated = runner(&stack, "default_acquire");
        check_runner(&dedicated, "dedicated", &point(), pause);
        let shared =
            QueueserverRunner { sharing: Sharing::Shared, ..runner(&stack, "default_acquire") };
        check_runner(&shared, "shared", &point(), pause);
    });
}

#[test]
fn a_run_is_found_wherever_it_is() {
    bounded(|| {
        let stack = with_tiled();
        let manager = operator(&stack);
        let settings = QueueserverRunner { tiled: tiled(&stack), ..slow(&stack, 1.0) };
        let shared = QueueserverRunner { sharing: Sharing::Shared, ..settings };
        let find = |trial| shared.find_trial(&run_of(trial)).expect("it is looked for");
        assert_eq!(find(0), Found::Absent);
        let runs_of_two = [0, 1].map(|trial| (run_of(trial), point()));
        let both: Vec<Metadata> = shared
            .run_trials(&runs_of_two)
            .into_iter()
            .map(|launched| launched.expect("launched"))
            .collect();
        wait_until_it_runs(&manager, &both[0]);
        let waiting = launch(&shared, 2);
        // The first two run, the third waits.
        let all: Vec<&Metadata> = both.iter().chain([&waiting]).collect();
        for (trial, launched) in all.iter().enumerate() {
            assert_eq!(find(trial), Found::Exists((*launched).clone()));
        }
        for (trial, launched) in all.iter().enumerate() {
            assert_eq!(end(&shared, trial, launched), RunStatus::Completed);
        }
        for (trial, launched) in all.iter().enumerate() {
            assert_eq!(find(trial), Found::Exists((*launched).clone()));
        }
        assert_eq!(find(3), Found::Absent);
        // Keys are looked for as a whole.
        assert_eq!(
            shared.find_trial(&TrialRun::new(EXPERIMENT, 0, 11)).expect("it is looked for"),
            Found::Absent
        );
        manager.history_clear(&Forget::All).expect("it is cleared");
        // Only the data are left, and they are enough to tell how it ended.
        for trial in 0..3 {
            let found = wait_for("the data", || match find(trial) {
                Found::Exists(metadata) => Some(metadata),
                Found::Absent | Found::Unknown => None,
            });
            assert_eq!(end(&shared, trial, &found), RunStatus::Completed);
        }
        assert_eq!(find(3), Found::Absent);
    });
}
