//! The plan, case by case.

use krige_core::Timestamp;
use krige_core::control::Control;
use krige_core::event::Event;
use krige_core::search_space::{Parameter, SearchSpace};
use krige_core::trial::{Arm, Generation, Metadata, TrialEvent, TrialRun};

use super::super::board::{Paused, Retry, Stopping};
use super::super::calls::Call;
use super::*;

use TrialStatus::{Abandoned, Candidate, Completed, EarlyStopped, Failed, Running, Staged, Stale};

/// An experiment whose trials are in these statuses.
fn experiment(statuses: &[TrialStatus]) -> Experiment {
    let at = Timestamp::UNIX_EPOCH;
    let search_space =
        SearchSpace::new(vec![Parameter::float("x", 0.0, 1.0)], &[]).expect("a search space");
    let (id, name) = ("id".to_owned(), "e".to_owned());
    let created = Event::ExperimentCreated { id, name, description: None, seed: 0, search_space };
    let mut experiment = Experiment::create(&created).expect("created");
    for (trial, status) in statuses.iter().enumerate() {
        let arm = Arm { name: format!("{trial}_0"), parameters: [("x", 0.5)].into() };
        let arm = Arm { parameters: [("x", trial as f64 / 100.0)].into(), ..arm };
        let attached = Event::TrialAttached { trial, arm, baseline: false };
        let launching = TrialEvent::Launching { run: experiment.next_run(trial) };
        let running = TrialEvent::Running { metadata: Metadata::default(), by_hand: false };
        let way: Vec<TrialEvent> = match status {
            Candidate => vec![],
            Staged => vec![launching],
            Running => vec![launching, running],
            Completed => vec![launching, running, TrialEvent::Completed],
            Failed => vec![launching, TrialEvent::Failed { reason: "r".into() }],
            Abandoned => vec![TrialEvent::Abandoned { reason: None }],
            EarlyStopped => vec![launching, running, TrialEvent::EarlyStopped { reason: None }],
            Stale => vec![TrialEvent::Stale],
        };
        let way = way.into_iter().map(|event| Event::Trial { trial, event });
        for event in std::iter::once(attached).chain(way) {
            let _applied = experiment.apply(at, &event).expect("fits");
        }
    }
    experiment
}

/// Ten trials in all, three at a time.
fn options() -> OrchestratorOptions {
    OrchestratorOptions::until(10, 3)
}

const NOW: Duration = Duration::from_secs(100);
const LATER: Duration = Duration::from_secs(101);

#[track_caller]
fn check(
    statuses: &[TrialStatus],
    options: &OrchestratorOptions,
    board: &Board,
    expected: &[Command],
) {
    assert_eq!(plan(&experiment(statuses), options, board, NOW), expected);
}

fn stopping(level: StopLevel) -> Board {
    Board { stop: Some(level), ..Board::default() }
}

fn finish(finish: Finish) -> [Command; 1] {
    [Command::Finish(finish)]
}

fn retry(at: Duration) -> Retry {
    Retry { failures: 1, at }
}

#[test]
fn a_fresh_run_proposes_as_many_as_there_are_slots() {
    check(&[], &options(), &Board::default(), &[Command::Propose(3)]);
    check(&[], &OrchestratorOptions::until(2, 3), &Board::default(), &[Command::Propose(2)]);
    check(&[], &OrchestratorOptions::trials(2, 3), &Board::default(), &[Command::Propose(2)]);
}

#[test]
fn a_staged_trial_is_looked_for_and_started_only_where_it_is_absent() {
    let full = OrchestratorOptions::until(1, 1);
    let inherited = || Board { inherited: [0].into(), ..Board::default() };
    check(&[Staged], &full, &inherited(), &[Command::Find(0)]);
    let driven = Board { driven: [0].into(), ..Board::default() };
    check(&[Staged], &full, &driven, &[Command::Find(0)]);
    // Another process is launching it.
    check(&[Staged], &full, &Board::default(), &[]);
    let absent = Board { absent: [0].into(), ..inherited() };
    check(&[Staged], &full, &absent, &[Command::Launch(0)]);
    // A launch that failed is looked for first.
    let denied = Board { denied: [0].into(), ..inherited() };
    check(&[Staged], &full, &denied, &[Command::Find(0)]);
    for board in [inherited(), absent] {
        let calling = Board { calling: [0].into(), ..board };
        check(&[Staged], &full, &calling, &[]);
    }
    let waiting = Board { retries: [(0, retry(LATER))].into(), ..inherited() };
    check(&[Staged], &full, &waiting, &[]);
    let due = Board { retries: [(0, retry(NOW))].into(), ..inherited() };
    check(&[Staged], &full, &due, &[Command::Find(0)]);
}

#[test]
fn running_trials_are_polled_together_when_the_pause_is_over() {
    let full = OrchestratorOptions::until(3, 3);
    let running = [Running, Running, Running];
    check(&running, &full, &Board::default(), &[Command::Poll(vec![0, 1, 2])]);
    let board = Board { poll_at: LATER, ..Board::default() };
    check(&running, &full, &board, &[]);
    let board = Board { polling: true, ..Board::default() };
    check(&running, &full, &board, &[]);
    let board =
        Board { calling: [0].into(), retries: [(1, retry(LATER))].into(), ..Board::default() };
    check(&running, &full, &board, &[Command::Poll(vec![2])]);
    let board = Board {
        retries: [(0, retry(LATER)), (1, retry(LATER)), (2, retry(LATER))].into(),
        ..Board::default()
    };
    check(&running, &full, &board, &[]);
}

#[test]
fn a_completed_run_is_fetched_and_no_longer_polled() {
    let full = OrchestratorOptions::until(2, 2);
    let board = Board { completed: [0].into(), ..Board::default() };
    let expected = [Command::Fetch(0), Command::Poll(vec![1])];
    check(&[Running, Running], &full, &board, &expected);
    // Fetching waits for no poll.
    let board = Board { completed: [0].into(), polling: true, poll_at: LATER, ..Board::default() };
    check(&[Running, Running], &full, &board, &[Command::Fetch(0)]);
    let full = OrchestratorOptions::until(1, 1);
    let board = Board { completed: [0].into(), calling: [0].into(), ..Board::default() };
    check(&[Running], &full, &board, &[]);
    let board =
        Board { completed: [0].into(), retries: [(0, retry(LATER))].into(), ..Board::default() };
    check(&[Running], &full, &board, &[]);
}

#[test]
fn candidates_are_started_before_anything_is_proposed_and_within_the_slots() {
    let board = Board::default();
    let (launch, propose) = (Command::Launch, Command::Propose);
    check(&[Candidate], &options(), &board, &[launch(0)]);
    check(&[Candidate; 5], &options(), &board, &[launch(0), launch(1), launch(2)]);
    let calling = Board { calling: [0, 1].into(), polling: true, ..Board::default() };
    check(&[Staged, Running, Candidate, Candidate], &options(), &calling, &[launch(2)]);
    check(&[Staged, Running, Completed], &options(), &calling, &[propose(1)]);
    // More are under way than there are slots: an earlier run had more.
    let calling = Board { calling: (0..5).collect(), ..Board::default() };
    check(&[Staged; 5], &options(), &calling, &[]);
    let calling = Board { calling: (0..3).collect(), ..Board::default() };
    check(&[Staged, Staged, Staged, Candidate], &options(), &calling, &[]);
    // Nothing is left to propose, but candidates are.
    let all = OrchestratorOptions::until(1, 3);
    check(&[Candidate, Candidate], &all, &board, &[launch(0), launch(1)]);
}

#[test]
fn a_trial_whose_run_was_lost_keeps_its_slot_until_it_is_run_again() {
    let lost = |at| Board { retries: [(0, retry(at))].into(), ..Board::default() };
    check(&[Candidate], &options(), &lost(LATER), &[Command::Propose(2)]);
    check(&[Candidate], &options(), &lost(NOW), &[Command::Launch(0)]);
    // Nothing else is left, and the run does not end before.
    let last = OrchestratorOptions::until(1, 1);
    check(&[Candidate], &last, &lost(LATER), &[]);
    let leaves = OrchestratorOptions { wait_for_running_trials: false, ..last };
    check(&[Candidate], &leaves, &lost(LATER), &[]);
    // A run that starts nothing more does not wait for what it would not start.
    let drain = Board { stop: Some(StopLevel::Drain), ..lost(LATER) };
    check(&[Candidate], &options(), &drain, &finish(Finish::Stopped));
}

#[test]
fn ended_trials_take_no_slot_and_all_but_stale_ones_count() {
    let ended = [Completed, Failed, Abandoned, EarlyStopped, Stale];
    let board = Board::default();
    check(&ended, &OrchestratorOptions::until(5, 3), &board, &[Command::Propose(1)]);
    check(&ended, &OrchestratorOptions::until(4, 3), &board, &finish(Finish::Done));
}

#[test]
fn the_tighter_of_both_limits_holds() {
    let limits = |max, total| OrchestratorOptions {
        max_trials: Some(max),
        total_trials: Some(total),
        max_pending_trials: 9,
        ..OrchestratorOptions::default()
    };
    let proposed = |proposed| Board { proposed, ..Board::default() };
    for (max, total, board, left) in [
        (4, 9, proposed(0), 4),
        (4, 9, proposed(3), 1),
        (9, 4, proposed(0), 2),
        (9, 9, proposed(7), 2),
        (9, 1, proposed(0), 0),
        (2, 9, proposed(5), 0),
    ] {
        let experiment = experiment(&[Completed, Completed]);
        assert_eq!(left_to_propose(&experiment, &limits(max, total), &board), left);
        let expected = match left {
            0 => Command::Finish(Finish::Done),
            left => Command::Propose(left),
        };
        assert_eq!(plan(&experiment, &limits(max, total), &board, NOW), [expected]);
    }
    check(&[], &limits(0, 9), &Board::default(), &finish(Finish::Done));
}

#[test]
fn a_pause_holds_until_something_changes() {
    let paused = |sequence| Board {
        paused: Some(Paused { sequence, reason: "waits".into() }),
        calling: [0].into(),
        ..Board::default()
    };
    let sequence = experiment(&[Running]).sequence;
    check(&[Running], &options(), &paused(sequence), &[]);
    check(&[Running], &options(), &paused(sequence - 1), &[Command::Propose(2)]);
    let sequence = experiment(&[Completed]).sequence;
    check(&[Completed], &options(), &paused(sequence), &finish(Finish::Stalled));
    check(&[Completed], &options(), &paused(sequence - 1), &[Command::Propose(3)]);
    // What can be done is done before the run is given up.
    let sequence = experiment(&[Candidate]).sequence;
    check(&[Candidate], &options(), &paused(sequence), &[Command::Launch(0)]);
    // All is done: whether the strategy waits does not matter.
    let done = OrchestratorOptions::until(1, 1);
    let sequence = experiment(&[Completed]).sequence;
    check(&[Completed], &done, &paused(sequence), &finish(Finish::Done));
}

#[test]
fn draining_starts_nothing_and_waits_for_what_runs() {
    let drain = || stopping(StopLevel::Drain);
    check(&[], &options(), &drain(), &finish(Finish::Stopped));
    check(&[Candidate, Completed], &options(), &drain(), &finish(Finish::Stopped));
    let expected = [Command::Find(1), Command::Poll(vec![0])];
    let staged = Board { inherited: [1].into(), ..drain() };
    check(&[Running, Staged, Candidate], &options(), &staged, &expected);
    let waiting = Board { poll_at: LATER, ..drain() };
    check(&[Running], &options(), &waiting, &[]);
    let completed = Board { completed: [0].into(), ..drain() };
    check(&[Running], &options(), &completed, &[Command::Fetch(0)]);
    check(&[Running], &options(), &stopping(StopLevel::Leave), &finish(Finish::Stopped));
    check(&[], &options(), &stopping(StopLevel::No), &[Command::Propose(3)]);
}

#[test]
fn stopping_cancels_what_can_be_and_leaves_the_rest() {
    let stop = || stopping(StopLevel::Stop);
    check(&[Running, Candidate], &options(), &stop(), &[Command::Cancel(0)]);
    let asked = Board { calling: [0].into(), ..stop() };
    check(&[Running], &options(), &asked, &[]);
    let unstoppable = Board { unstoppable: [0].into(), ..stop() };
    check(&[Running, Running], &options(), &unstoppable, &[Command::Cancel(1)]);
    check(&[Running, Completed], &options(), &unstoppable, &finish(Finish::Stopped));
    // What has ended in time still gives its result, and what does not run is not started any more.
    let completed = Board { completed: [0].into(), ..stop() };
    check(&[Running], &options(), &completed, &[Command::Fetch(0)]);
    let absent = Board { inherited: [0].into(), absent: [0].into(), ..stop() };
    check(&[Staged], &options(), &absent, &finish(Finish::Stopped));
}

#[test]
fn rounds_are_proposed_when_all_slots_are_free() {
    let rounds = OrchestratorOptions { min_free_slots: 3, ..options() };
    let waiting = || Board { poll_at: LATER, ..Board::default() };
    check(&[Running, Completed, Completed], &rounds, &waiting(), &[]);
    check(&[Completed, Completed, Completed], &rounds, &waiting(), &[Command::Propose(3)]);
    // The last round is as large as what is left.
    let last = OrchestratorOptions { total_trials: Some(4), ..rounds };
    check(&[Completed, Completed, Completed], &last, &waiting(), &[Command::Propose(1)]);
}

#[test]
fn rounds_go_out_as_a_whole_where_trials_are_proposed_one_by_one() {
    let rounds = OrchestratorOptions { min_free_slots: 3, ..options() };
    let proposed = |count: usize| {
        let mut experiment = experiment(&[]);
        for trial in 0..count {
            let parameters = [("x", trial as f64 / 100.0)].into();
            let arm = Arm { name: format!("{trial}_0"), parameters };
            let generation = Generation {
                node: "sobol".into(),
                method: "sobol".into(),
                prediction: None,
                degraded: None,
                state: serde_json::Value::Null,
            };
            let event = Event::TrialGenerated { trial, arm, generation };
            let _applied = experiment.apply(Timestamp::UNIX_EPOCH, &event).expect("fits");
        }
        experiment
    };
    let commands = |count, board| plan(&proposed(count), &rounds, &board, NOW);
    assert_eq!(commands(1, Board::default()), [Command::Propose(2)]);
    assert_eq!(commands(2, Board::default()), [Command::Propose(1)]);
    assert_eq!(commands(3, Board::default()), [0, 1, 2].map(Command::Launch));
    // Where nothing more can be proposed, what there is goes out.
    let sequence = proposed(2).sequence;
    let paused = Some(Paused { sequence, reason: "r".into() });
    assert_eq!(commands(2, Board { paused, ..Board::default() }), [0, 1].map(Command::Launch));
    // What somebody queued goes out before anything is proposed.
    check(&[Candidate], &rounds, &Board::default(), &[Command::Launch(0)]);
}

#[test]
fn suggestions_are_made_ahead_of_free_slots_where_that_is_asked_for() {
    let ahead = OrchestratorOptions { suggestions_ahead: 2, ..options() };
    let waiting = || Board { poll_at: LATER, ..Board::default() };
    check(&[Running, Running, Running], &ahead, &waiting(), &[Command::Propose(2)]);
    check(&[Running, Running, Running], &options(), &waiting(), &[]);
    check(&[Running, Running, Running, Candidate], &ahead, &waiting(), &[Command::Propose(1)]);
    check(&[Running, Running, Running, Candidate, Candidate], &ahead, &waiting(), &[]);
    // A slot that is free is filled first, by what is ready.
    let ready = [Running, Running, Candidate, Candidate];
    check(&ready, &ahead, &waiting(), &[Command::Launch(2)]);
    let last = OrchestratorOptions { total_trials: Some(4), ..ahead };
    check(&[Running, Running, Running], &last, &waiting(), &[Command::Propose(1)]);
}

#[test]
fn any_number_of_slots_and_suggestions_is_no_obstacle() {
    let endless = OrchestratorOptions { suggestions_ahead: 2, ..options() };
    let endless = OrchestratorOptions { max_pending_trials: usize::MAX, ..endless };
    check(&[], &endless, &Board::default(), &[Command::Propose(10)]);
}

#[test]
fn the_timeout_leaves_whatever_is_under_way() {
    let timeout = |timeout| OrchestratorOptions { timeout: Some(timeout), ..options() };
    check(&[Running, Candidate], &timeout(NOW), &Board::default(), &finish(Finish::TimedOut));
    check(&[], &timeout(Duration::ZERO), &Board::default(), &finish(Finish::TimedOut));
    let expected = [Command::Poll(vec![0]), Command::Propose(2)];
    check(&[Running], &timeout(LATER), &Board::default(), &expected);
}

#[test]
fn a_failure_rate_counts_driven_trials_once_enough_have_failed() {
    let tolerant = |rate, min| OrchestratorOptions {
        tolerated_trial_failure_rate: rate,
        min_failed_trials_for_failure_rate_check: min,
        ..options()
    };
    let driven = |count| Board { driven: (0..count).collect(), ..Board::default() };
    let two_of_three = [Failed, Abandoned, Completed];
    let go_on = [Command::Propose(3)];
    check(&two_of_three, &tolerant(0.5, 2), &driven(3), &finish(Finish::FailureRate));
    check(&two_of_three, &tolerant(0.5, 3), &driven(3), &go_on);
    check(&two_of_three, &tolerant(0.7, 2), &driven(3), &go_on);
    check(&two_of_three, &tolerant(2.0 / 3.0, 2), &driven(3), &go_on);
    check(&two_of_three, &tolerant(0.0, 0), &driven(0), &go_on);
    check(&[Completed], &tolerant(0.0, 0), &driven(1), &go_on);
    check(&[Failed], &tolerant(1.0, 0), &driven(1), &go_on);
    // Trials that failed in an earlier run do not count.
    let board = Board { driven: [2].into(), ..Board::default() };
    check(&two_of_three, &tolerant(0.0, 1), &board, &go_on);
    // What runs is let to its end, and may make the rate good again.
    let still = [Failed, Failed, Failed, Running, Candidate];
    let board = Board { poll_at: LATER, ..driven(4) };
    check(&still, &tolerant(0.5, 1), &board, &[]);
    // All trials are there, and too many of them failed.
    let full = OrchestratorOptions { total_trials: Some(2), ..tolerant(0.5, 1) };
    check(&[Failed, Failed], &full, &driven(2), &finish(Finish::FailureRate));
    // A request to stop does not hide it.
    let board = Board { stop: Some(StopLevel::Drain), ..driven(2) };
    check(&[Failed, Failed], &full, &board, &finish(Finish::FailureRate));
}

fn controlled(statuses: &[TrialStatus], controls: &[Control]) -> Experiment {
    let mut experiment = experiment(statuses);
    for control in controls {
        let event = Event::Controlled { control: control.clone() };
        let _applied = experiment.apply(Timestamp::UNIX_EPOCH, &event).expect("fits");
    }
    experiment
}

/// A request to stop that is under way.
fn request() -> Stopping {
    let run = TrialRun::new("id", 0, 1);
    let call = Call::Stop(run, Metadata::default(), "no more".into());
    Stopping { call, failures: 0, at: None }
}

#[test]
fn a_pause_starts_nothing_and_does_not_end_the_run() {
    let of = |statuses: &[TrialStatus], controls: &[Control]| {
        plan(&controlled(statuses, controls), &options(), &Board::default(), NOW)
    };
    assert_eq!(of(&[Candidate], &[Control::Pause]), []);
    assert_eq!(of(&[Running], &[Control::Pause]), [Command::Poll(vec![0])]);
    assert_eq!(of(&[Candidate], &[Control::Pause, Control::Resume]), [Command::Launch(0)]);
    assert_eq!(of(&[], &[Control::Pause, Control::Drain]), finish(Finish::Stopped));
}

#[test]
fn a_stop_cancels_what_runs_and_ends_when_the_far_side_has_answered() {
    let stopped = controlled(&[Running, Running], &[Control::Stop]);
    let calling = Board { calling: [1].into(), ..Board::default() };
    assert_eq!(plan(&stopped, &options(), &calling, NOW), [Command::Cancel(0)]);
    let ended = controlled(&[Failed, Failed], &[Control::Stop]);
    let stopping = Board { stops: [(0, request())].into(), ..Board::default() };
    assert_eq!(plan(&ended, &options(), &stopping, NOW), []);
    assert_eq!(plan(&ended, &options(), &Board::default(), NOW), finish(Finish::Stopped));
}

#[test]
fn a_trial_that_has_lived_too_long_expires_and_is_watched_for_what_it_still_gives() {
    let ttl = OrchestratorOptions { ttl_seconds_for_trials: Some(60.0), ..options() };
    let board = |second| Board {
        wall: Timestamp::from_second(second).expect("a time"),
        ..Board::default()
    };
    let running = experiment(&[Running, Running, Running]);
    assert_eq!(plan(&running, &ttl, &board(59), NOW), [Command::Poll(vec![0, 1, 2])]);
    let expire = |trial| Command::Expire(trial);
    assert_eq!(plan(&running, &ttl, &board(60), NOW), [expire(0), expire(1), expire(2)]);
    // One that has ended in time is fetched.
    let completed = Board { completed: [1].into(), ..board(60) };
    let all = plan(&running, &ttl, &completed, NOW);
    assert_eq!(all, [expire(0), Command::Fetch(1), expire(2)]);
    // What is late is polled while others run, and holds up nothing.
    let late = experiment(&[Failed, Running]);
    let watched = Board { expired: [0].into(), ..Board::default() };
    let one = OrchestratorOptions { total_trials: Some(2), ..options() };
    assert_eq!(plan(&late, &one, &watched, NOW), [Command::Poll(vec![1, 0])]);
    let over = experiment(&[Failed, Completed]);
    assert_eq!(plan(&over, &one, &watched, NOW), finish(Finish::Done));
}

#[test]
fn who_does_not_wait_leaves_when_all_is_launched() {
    let leaves =
        OrchestratorOptions { wait_for_running_trials: false, total_trials: Some(2), ..options() };
    let none = Board::default();
    assert_eq!(plan(&experiment(&[Running, Candidate]), &leaves, &none, NOW).len(), 2);
    let launching = Board { driven: [1].into(), calling: [1].into(), ..Board::default() };
    assert_eq!(
        plan(&experiment(&[Running, Staged]), &leaves, &launching, NOW),
        [Command::Poll(vec![0])]
    );
    assert_eq!(plan(&experiment(&[Running, Running]), &leaves, &none, NOW), finish(Finish::Left));
}

#[test]
fn a_pause_between_launches_holds_up_launches_and_no_more() {
    let paused = OrchestratorOptions { min_seconds_between_launches: 5.0, ..options() };
    let launch = Command::Launch;
    check(&[Candidate; 3], &paused, &Board::default(), &[launch(0)]);
    let absent = Board { inherited: [0].into(), absent: [0].into(), ..Board::default() };
    check(&[Staged, Candidate], &paused, &absent, &[launch(0)]);
    let waiting = Board { launch_at: LATER, ..Board::default() };
    // The run does not end for want of something to do.
    check(&[Candidate; 3], &paused, &waiting, &[]);
    check(&[Running, Candidate, Candidate], &paused, &waiting, &[Command::Poll(vec![0])]);
    let together = OrchestratorOptions { run_trials_in_batches: true, ..paused };
    check(&[Candidate; 3], &together, &Board::default(), &[launch(0), launch(1), launch(2)]);
    check(&[Candidate; 3], &together, &waiting, &[]);
}
