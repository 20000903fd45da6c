//! What may happen between a plan and its execution.

use krige_core::event::Event;
use krige_core::search_space::{Parameter, SearchSpace};
use krige_core::trial::Arm;
use krige_testkit::{FarSide, Script, ScriptedMetric, ScriptedRunner, SharedJournal};

use super::*;
use crate::store::ExperimentDefinition;

#[test]
fn a_trial_that_another_process_has_taken_up_since_the_plan_is_not_started() {
    let far_side = FarSide::new("taken up", |_| Ok(Vec::new()), |_| Script::default());
    let journal = SharedJournal::new();
    let parameters = vec![Parameter::float("x", 0.0, 1.0)];
    let definition = ExperimentDefinition {
        name: "e".into(),
        description: None,
        search_space: SearchSpace::new(parameters, &[]).expect("a search space"),
        seed: Some(1),
    };
    let mut store = ExperimentStore::create(journal.clone(), definition).expect("created");
    let attached = |trial: TrialIndex| Event::TrialAttached {
        trial,
        arm: Arm { name: format!("{trial}_0"), parameters: [("x", trial as f64 / 4.0)].into() },
        baseline: false,
    };
    store.record((0..3).map(attached)).expect("stored");
    let mut elsewhere = ExperimentStore::open(journal, "e").expect("opened");
    let take_up = |trial| {
        let run = elsewhere.experiment().next_run(trial);
        Event::Trial { trial, event: TrialEvent::Launching { run } }
    };
    let events = [take_up(1), take_up(2)];
    elsewhere.record(events).expect("stored");

    let runner: Arc<dyn IRunner> = Arc::new(ScriptedRunner::new("taken up"));
    let metric: Arc<dyn IMetric> = Arc::new(ScriptedMetric::new("taken up", "y"));
    let metrics = IndexMap::from([("y".to_owned(), metric)]);
    let options = OrchestratorOptions {
        progress: crate::Progress::Silent,
        ..OrchestratorOptions::until(3, 3)
    };
    let reporter = Reporter::new(options.progress, None).expect("no log file");
    let mut results = Results::start(&mut store, runner, metrics, options, reporter);
    // Storing the intent for the first reveals that both are taken up elsewhere.
    for trial in [1, 2, 0] {
        results.launch(trial).expect("no error");
    }
    while results.experiment().trials[0].status() == TrialStatus::Staged {
        if let Some(outcome) = results.workers.outcome(PATIENCE) {
            results.take_in(outcome).expect("no error");
        }
    }
    drop(results);
    let launched: Vec<_> = far_side.launched().iter().map(|run| run.trial_index).collect();
    assert_eq!(launched, [0]);
}
