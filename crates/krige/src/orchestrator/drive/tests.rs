//! What may happen between a plan and its execution.

use krige_core::event::Event;
use krige_core::search_space::{Parameter, SearchSpace};
use krige_core::trial::Arm;
use krige_testkit::{FarSide, Script, ScriptedMetric, ScriptedRunner, SharedJournal};

use krige_core::stopping::EarlyStopping;
use krige_testkit::{Answer, Fault, FaultyJournal, Fetch, ManualClock, Moment};

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
    let runner: Arc<dyn IRunner> = Arc::new(ScriptedRunner::new("taken up"));
    let metric: Arc<dyn IMetric> = Arc::new(ScriptedMetric::new("taken up", "y"));
    let metrics = IndexMap::from([("y".to_owned(), metric)]);
    let options = OrchestratorOptions {
        progress: crate::Progress::Silent,
        ..OrchestratorOptions::until(3, 3)
    };
    let reporter = Reporter::new(options.progress, None).expect("no log file");
    let mut results = Results::start(&mut store, runner, metrics, options, reporter);
    assert!(results.lead().expect("no error"), "nobody else does");
    let mut elsewhere = ExperimentStore::open(journal, "e").expect("opened");
    let take_up = |trial| {
        let run = elsewhere.experiment().next_run(trial);
        Event::Trial { trial, event: TrialEvent::Launching { run } }
    };
    let events = [take_up(1), take_up(2)];
    elsewhere.record(events).expect("stored");
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

/// As a process that was stopped, and goes on when another has taken over and finished.
#[test]
fn a_former_leader_starts_nothing_and_its_late_result_is_kept() {
    let script = |run: &TrialRun| match run.trial_index {
        0 => Script {
            fetch: vec![Answer::Late(Fetch::Other(4.0)), Answer::Gives(Fetch::Other(2.0))],
            ..Script::default()
        },
        _ => Script::default(),
    };
    let far_side = FarSide::new("led", |_| Ok(vec![("y".to_owned(), 1.0)]), script);
    let journal = SharedJournal::new();
    let definition = ExperimentDefinition {
        name: "e".into(),
        description: None,
        search_space: SearchSpace::new(vec![Parameter::float("x", 0.0, 1.0)], &[]).expect("one"),
        seed: Some(1),
    };
    let clock = ManualClock::default();
    let mut store = ExperimentStore::create(journal.clone(), definition).expect("created");
    store.set_clock(Arc::new(clock.clone()));
    let attached = |trial: TrialIndex| Event::TrialAttached {
        trial,
        arm: Arm { name: format!("{trial}_0"), parameters: [("x", trial as f64 / 4.0)].into() },
        baseline: false,
    };
    store.record((0..3).map(attached)).expect("stored");
    let mut elsewhere = ExperimentStore::open(journal.clone(), "e").expect("opened");
    elsewhere.set_clock(Arc::new(clock.clone()));

    let runner: Arc<dyn IRunner> = Arc::new(ScriptedRunner::new("led"));
    let metric: Arc<dyn IMetric> = Arc::new(ScriptedMetric::new("led", "y"));
    let metrics = IndexMap::from([("y".to_owned(), metric)]);
    let options = OrchestratorOptions {
        progress: crate::Progress::Silent,
        ..OrchestratorOptions::until(3, 1)
    };
    let mut former = Results::start(
        &mut store,
        runner.clone(),
        metrics.clone(),
        options.clone(),
        Reporter::of(options.progress),
    );
    while former.board.completed.is_empty() || former.board.calling.is_empty() {
        former.turn().expect("no error");
    }
    far_side.wait_until_late(1);

    let mut new = Results::start(
        &mut elsewhere,
        runner,
        metrics,
        options,
        Reporter::of(crate::Progress::Silent),
    );
    new.turn().expect("no error");
    assert!(!new.lease.leads(), "the lease is held");
    clock.advance(Duration::from_secs(30));
    let told: Vec<_> = (&mut new).map(|ended| ended.expect("no error").trial.index).collect();
    assert_eq!(told, [0, 1, 2]);
    assert_eq!(new.report().ended, EndReason::Done);
    drop(new);

    // It does not know yet.
    former.launch(1).expect_err("another has taken over");
    former.fail(0, "lost".into()).expect_err("another has taken over");
    far_side.release();
    let told: Vec<_> = (&mut former).map(|ended| ended.expect("no error").trial.index).collect();
    assert_eq!(told, [0, 1, 2], "it tells what the other did");
    assert_eq!(former.report().ended, EndReason::Done);
    drop(former);

    store.refresh().expect("read");
    let trial = store.experiment().trial(0).expect("there").clone();
    assert_eq!((trial.status(), trial.late), (TrialStatus::Completed, true));
    assert_eq!(trial.observations.len(), 1, "it is counted once");
    let late = |record: &krige_core::event::Record| {
        matches!(record.event, Event::ObservationsAttached { late: true, .. })
    };
    let records = store.records().expect("read");
    assert_eq!(records.iter().filter(|record| late(record)).count(), 1);
    let led = |record: &krige_core::event::Record| matches!(record.event, Event::Led { .. });
    assert_eq!(records.iter().filter(|record| led(record)).count(), 2);
    assert!(far_side.deployments().values().all(|&count| count == 1));
    assert_eq!(far_side.launched().len(), 3);
}

/// An experiment with candidates, as two processes have it open.
fn begun(journal: &SharedJournal, candidates: usize) -> (ExperimentStore, ExperimentStore) {
    let definition = ExperimentDefinition {
        name: "e".into(),
        description: None,
        search_space: SearchSpace::new(vec![Parameter::float("x", 0.0, 1.0)], &[]).expect("one"),
        seed: Some(1),
    };
    let mut store = ExperimentStore::create(journal.clone(), definition).expect("created");
    let attached = |trial: TrialIndex| Event::TrialAttached {
        trial,
        arm: Arm { name: format!("{trial}_0"), parameters: [("x", trial as f64 / 4.0)].into() },
        baseline: false,
    };
    store.record((0..candidates).map(attached)).expect("stored");
    let elsewhere = ExperimentStore::open(journal.clone(), "e").expect("opened");
    (store, elsewhere)
}

/// A run of candidates on the far side of that name.
fn run<'a>(store: &'a mut ExperimentStore, name: &str, trials: usize) -> Results<'a> {
    let runner: Arc<dyn IRunner> = Arc::new(ScriptedRunner::new(name));
    let metric: Arc<dyn IMetric> = Arc::new(ScriptedMetric::new(name, "y"));
    let metrics = IndexMap::from([("y".to_owned(), metric)]);
    let options = OrchestratorOptions {
        progress: crate::Progress::Silent,
        ..OrchestratorOptions::until(trials, trials)
    };
    Results::start(store, runner, metrics, options, Reporter::of(crate::Progress::Silent))
}

/// The next answer of user code.
fn answer(results: &mut Results<'_>) -> Outcome {
    loop {
        if let Some(outcome) = results.workers.outcome(PATIENCE) {
            return outcome;
        }
    }
}

#[test]
fn a_run_whose_trial_was_abandoned_since_the_last_look_is_stopped() {
    let _far_side = FarSide::new("abandoned since", |_| Ok(Vec::new()), |_| Script::never_ends());
    let journal = SharedJournal::new();
    let (mut store, mut elsewhere) = begun(&journal, 1);
    let mut results = run(&mut store, "abandoned since", 1);
    assert!(results.lead().expect("no error"));
    results.launch(0).expect("no error");
    let launched = answer(&mut results);
    let event = TrialEvent::Abandoned { reason: None };
    elsewhere
        .decide(|_| Ok((vec![Event::Trial { trial: 0, event: event.clone() }], ())))
        .expect("stored");
    results.take_in(launched).expect("no error");
    assert_eq!(results.experiment().trials[0].status(), TrialStatus::Abandoned);
    assert!(results.board.stops.contains_key(&0), "nobody would look at it");
}

#[test]
fn what_has_completed_before_it_could_be_stopped_gives_its_result() {
    let far_side = FarSide::new(
        "completed before",
        |_| Ok(vec![("y".to_owned(), 1.0)]),
        |_| Script::default(),
    );
    let journal = SharedJournal::new();
    let (mut store, _) = begun(&journal, 1);
    let mut results = run(&mut store, "completed before", 1);
    assert!(results.lead().expect("no error"));
    results.launch(0).expect("no error");
    let launched = answer(&mut results);
    results.take_in(launched).expect("no error");
    // A poll is under way when everything is to be stopped, and answers before the request to stop does.
    results.options.stop.request();
    results.options.stop.request();
    results.cancel(0);
    results.take_in(Outcome::Polled(vec![(0, Ok(RunStatus::Completed))])).expect("no error");
    let told: Vec<_> =
        (&mut results).map(|ended| ended.expect("no error").trial.status()).collect();
    assert_eq!(told, [TrialStatus::Completed]);
    drop(results);
    assert_eq!(store.experiment().trials[0].observations.len(), 1);
    assert_eq!(far_side.launched().len(), 1);
}

#[test]
fn a_trial_that_is_looked_for_while_another_leads_is_launched_when_this_one_leads_again() {
    let far_side = FarSide::new("leads again", |_| Ok(Vec::new()), |_| Script::default());
    let journal = SharedJournal::new();
    let (mut store, mut elsewhere) = begun(&journal, 1);
    let launching = TrialEvent::Launching { run: elsewhere.experiment().next_run(0) };
    elsewhere.record([Event::Trial { trial: 0, event: launching }]).expect("stored");
    let mut results = run(&mut store, "leads again", 1);
    results.store.refresh().expect("read");
    assert!(results.lead().expect("no error"));
    results.execute(Command::Find(0)).expect("no error");
    let found = answer(&mut results);
    another_leads_and_dies(&mut results, &mut elsewhere);
    results.take_in(found).expect("no error");
    let commands = plan(results.experiment(), &results.options, &results.board, results.now());
    assert_eq!(commands, [Command::Launch(0)]);
    drop(results);
    assert!(far_side.launched().is_empty());
}

/// The lease changes hands twice.
fn another_leads_and_dies(results: &mut Results<'_>, elsewhere: &mut ExperimentStore) {
    let led = Event::Led { leader: "another".into() };
    elsewhere.decide(|_| Ok((vec![led.clone()], ()))).expect("stored");
    results.store.refresh().expect("read");
    assert!(!results.lead().expect("no error"), "another leads");
    assert!(results.lead().expect("no error"), "its lease is free");
}

#[test]
fn launches_that_wait_to_go_out_together_do_not_when_another_has_led_since() {
    let far_side = FarSide::new("batch", |_| Ok(Vec::new()), |_| Script::default());
    let journal = SharedJournal::new();
    let (mut store, mut elsewhere) = begun(&journal, 1);
    let mut results = run(&mut store, "batch", 1);
    results.options.run_trials_in_batches = true;
    assert!(results.lead().expect("no error"));
    results.launch(0).expect("no error");
    another_leads_and_dies(&mut results, &mut elsewhere);
    // The other may have launched it: it is looked for.
    assert!(results.batch.is_empty());
    let commands = plan(results.experiment(), &results.options, &results.board, results.now());
    assert_eq!(commands, [Command::Find(0)]);
    drop(results);
    assert!(far_side.launched().is_empty());
}

/// From progression 3 on, whatever is less than 0.5 is stopped.
fn stop_below_half(store: &mut ExperimentStore) {
    let early = EarlyStopping::Threshold { metric: None, threshold: 0.5, min_progression: 3.0 };
    let optimization = OptimizationConfig::parse("y", &[]).expect("an objective");
    store
        .decide(|_| {
            let optimized = Event::OptimizationConfigured { optimization: optimization.clone() };
            let early = Some(early.clone());
            Ok((vec![optimized, Event::StoppingConfigured { early, global: None }], ()))
        })
        .expect("stored");
}

/// Launches trial 0; its run.
fn launched(results: &mut Results<'_>) -> Result<TrialRun, Error> {
    assert!(results.lead()?);
    results.launch(0)?;
    let launched = answer(results);
    results.take_in(launched)?;
    Ok(results.running(0).expect("it runs").0)
}

#[test]
fn a_trial_is_judged_by_what_a_former_leader_stored_and_by_what_the_others_did() {
    let _far_side = FarSide::new("judged", |_| Ok(Vec::new()), |_| Script::never_ends());
    let journal = SharedJournal::new();
    let (mut store, mut elsewhere) = begun(&journal, 1);
    stop_below_half(&mut store);
    let mut results = run(&mut store, "judged", 1);
    let run = launched(&mut results).expect("no error");
    // As if the process had died between the value and the verdict.
    let observations = vec![Observation::new("y", 0.1).at(4.0)];
    let attached = Event::ObservationsAttached { trial: 0, observations, late: false };
    elsewhere.decide(|_| Ok((vec![attached.clone()], ()))).expect("stored");
    let measured = vec![("y".to_owned(), Ok(Measurement::from(0.1).at(4.0)))];
    results.take_in(Outcome::Progressed(run, measured)).expect("no error");
    assert_eq!(results.experiment().trials[0].status(), TrialStatus::EarlyStopped);
    assert!(results.board.stops.contains_key(&0));
}

#[test]
fn a_trial_is_stopped_early_on_the_far_side_only_once_that_is_stored() {
    let _far_side = FarSide::new("stored first", |_| Ok(Vec::new()), |_| Script::never_ends());
    for operation in 1.. {
        let journal = SharedJournal::new();
        stop_below_half(&mut begun(&journal, 1).0);
        let fault = Fault { operation, moment: Moment::Before, lasting: false };
        let journal = FaultyJournal::new(journal, fault);
        let operations = journal.operations();
        let Ok(mut store) = ExperimentStore::open(journal, "e") else { continue };
        let mut results = run(&mut store, "stored first", 1);
        let Ok(run) = launched(&mut results) else { continue };
        let measured = vec![("y".to_owned(), Ok(Measurement::from(0.1).at(4.0)))];
        let taken = results.take_in(Outcome::Progressed(run, measured));
        let stopped = results.board.stops.contains_key(&0);
        let stored = results.experiment().trials[0].status() == TrialStatus::EarlyStopped;
        assert_eq!(stopped, stored, "{operation}: {taken:?}");
        if operations() < operation {
            assert!(stored);
            break;
        }
    }
}

#[test]
fn what_a_former_run_of_a_trial_measured_is_not_taken_for_the_present_one() {
    let _far_side = FarSide::new("former run", |_| Ok(Vec::new()), |_| Script::never_ends());
    let journal = SharedJournal::new();
    let (mut store, _) = begun(&journal, 1);
    stop_below_half(&mut store);
    let mut results = run(&mut store, "former run", 1);
    results.options.max_runs_per_trial = 2;
    let former = launched(&mut results).expect("no error");
    results.run_failed(0, "preempted".into()).expect("no error");
    let present = launched(&mut results).expect("no error");
    assert_eq!((former.attempt, present.attempt), (1, 2));
    let measured = || vec![("y".to_owned(), Ok(Measurement::from(0.1).at(4.0)))];
    results.take_in(Outcome::Progressed(former, measured())).expect("no error");
    let trial = &results.experiment().trials[0];
    assert_eq!((trial.status(), trial.observations.len()), (TrialStatus::Running, 0));
    results.take_in(Outcome::Progressed(present, measured())).expect("no error");
    assert_eq!(results.experiment().trials[0].status(), TrialStatus::EarlyStopped);
}

/// The far side shows a run that it was asked to stop as one that somebody took away.
#[test]
fn what_a_poll_says_of_a_trial_that_is_being_stopped_is_no_news() {
    for status in [
        RunStatus::Failed { reason: "killed".into() },
        RunStatus::Abandoned { reason: "an operator aborted it".into() },
        RunStatus::Lost { reason: "its node failed".into() },
    ] {
        let name = format!("being stopped {status:?}");
        let evaluate = |_: &Parameterization| Ok(vec![("y".to_owned(), 1.0)]);
        let _far_side = FarSide::new(&name, evaluate, |_| Script::never_ends());
        let journal = SharedJournal::new();
        let (mut store, _) = begun(&journal, 1);
        let mut results = run(&mut store, &name, 1);
        assert!(results.lead().expect("no error"));
        results.launch(0).expect("no error");
        let launched = answer(&mut results);
        results.take_in(launched).expect("no error");
        results.options.stop.request();
        results.options.stop.request();
        results.cancel(0);
        results.take_in(Outcome::Polled(vec![(0, Ok(status))])).expect("no error");
        let told: Vec<_> =
            (&mut results).map(|ended| ended.expect("no error").trial.status()).collect();
        assert_eq!(told, [TrialStatus::Failed]);
        drop(results);
        let reason = store.experiment().trials[0].state.reason();
        assert_eq!(reason, Some("the run was stopped before it ended"));
    }
}
