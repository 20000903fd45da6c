//! What to do next: a pure function.

use std::time::Duration;

use krige_core::control::Ending;
use krige_core::experiment::Experiment;
use krige_core::trial::{Launch, Origin, TrialIndex, TrialStatus};

use super::board::Board;
use super::options::OrchestratorOptions;
use super::stop::StopLevel;

/// Something to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Ask the runner whether it has a staged trial.
    Find(TrialIndex),
    /// Start a trial; a candidate's intent is stored first.
    Launch(TrialIndex),
    /// Ask the runner how trials stand.
    Poll(Vec<TrialIndex>),
    /// Fetch the metrics of a trial.
    Fetch(TrialIndex),
    /// Propose up to so many trials.
    Propose(usize),
    /// A trial has run for longer than it may.
    Expire(TrialIndex),
    /// Stop a trial, because everything is to be stopped.
    Cancel(TrialIndex),
    /// End the run.
    Finish(Finish),
}

/// Why a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finish {
    /// All trials that were asked for have ended.
    Done,
    /// It was asked to.
    Stopped,
    /// Its time is over.
    TimedOut,
    /// Too many trials failed.
    FailureRate,
    /// Nothing runs, and nothing can be proposed.
    Stalled,
    /// The rule for stopping the experiment says so.
    StoppedGlobally,
    /// What was to be launched is launched, and the rest is not waited for.
    Left,
}

/// How a trial ends that gave nothing.
const LOST: [TrialStatus; 2] = [TrialStatus::Failed, TrialStatus::Abandoned];

/// What to do now; nothing means wait. `now` is since the run's start.
pub(crate) fn plan(
    experiment: &Experiment,
    options: &OrchestratorOptions,
    board: &Board,
    now: Duration,
) -> Vec<Command> {
    if options.timeout.is_some_and(|timeout| now >= timeout) {
        return vec![Command::Finish(Finish::TimedOut)];
    }
    if board.stop == Some(StopLevel::Leave) {
        return vec![Command::Finish(Finish::Stopped)];
    }
    let too_many_failed = failure_rate_exceeded(experiment, options, board);
    let ending = experiment.controls.ending;
    let stopping = board.stop.is_some_and(|level| level >= StopLevel::Drain) || ending.is_some();
    let draining = too_many_failed || stopping || board.global_stop.is_some();
    let cancelling = ending == Some(Ending::Stop) || board.stop == Some(StopLevel::Stop);
    let parallelism = experiment.controls.parallelism.unwrap_or(options.max_pending_trials);
    let expired = |launch: &Launch| {
        let lived = |ttl: f64| board.wall.duration_since(launch.since).as_secs_f64() >= ttl;
        options.ttl_seconds_for_trials.is_some_and(lived)
    };

    // With a pause between launches, one is made at a time, or as many as go out in one call.
    let mut launches = if now < board.launch_at {
        0
    } else if options.min_seconds_between_launches > 0.0 && !options.run_trials_in_batches {
        1
    } else {
        usize::MAX
    };
    let mut commands = Vec::new();
    let mut polled = Vec::new();
    let (mut candidates, mut queued, mut under_way) = (Vec::new(), false, 0);
    let holding = draining || experiment.controls.paused;
    let is_later = |trial| board.retries.get(&trial).is_some_and(|retry| retry.at > now);
    let mut waiting = false;
    let open = [TrialStatus::Candidate, TrialStatus::Staged, TrialStatus::Running];
    for trial in experiment.trials_in(&open) {
        let index = trial.index;
        let due = board.is_due(index, now);
        match trial.status() {
            // Its run was lost, and it keeps its slot until it is run again.
            TrialStatus::Candidate if !holding && is_later(index) => {
                under_way += 1;
                waiting = true;
            }
            TrialStatus::Candidate => {
                queued |= trial.origin == Origin::Attached;
                candidates.push(index);
            }
            TrialStatus::Staged => {
                under_way += 1;
                match (due && ours(board, index), board.absent.contains(&index)) {
                    // What does not run is not started only to be stopped.
                    (true, true) if cancelling => under_way -= 1,
                    (true, true) if launches > 0 => {
                        launches -= 1;
                        commands.push(Command::Launch(index));
                    }
                    (true, false) => commands.push(Command::Find(index)),
                    (true, true) | (false, _) => {}
                }
            }
            // Who was handed it tells what came of it; the runner does not know it.
            TrialStatus::Running if trial.state.launch().is_some_and(|run| run.by_hand) => {}
            TrialStatus::Running => {
                // One that has ended in time may still give its result.
                let completed = board.completed.contains(&index);
                if cancelling && !completed {
                    if board.unstoppable.contains(&index) {
                        continue;
                    }
                    under_way += 1;
                    if !board.calling.contains(&index) {
                        commands.push(Command::Cancel(index));
                    }
                    continue;
                }
                under_way += 1;
                if !completed && trial.state.launch().is_some_and(expired) {
                    commands.push(Command::Expire(index));
                    continue;
                }
                match (due, completed) {
                    (true, true) => commands.push(Command::Fetch(index)),
                    (true, false) => polled.push(index),
                    (false, _) => {}
                }
            }
            TrialStatus::Completed
            | TrialStatus::Failed
            | TrialStatus::Abandoned
            | TrialStatus::EarlyStopped
            | TrialStatus::Stale => {}
        }
    }
    // What comes too late is kept all the same.
    for &index in &board.expired {
        match (board.is_due(index, now), board.completed.contains(&index)) {
            (true, true) => commands.push(Command::Fetch(index)),
            (true, false) => polled.push(index),
            (false, _) => {}
        }
    }
    if !board.polling && now >= board.poll_at && !polled.is_empty() {
        commands.push(Command::Poll(polled));
    }
    let slots = parallelism.saturating_sub(under_way);
    let left = left_to_propose(experiment, options, board);
    let wanted = slots.saturating_add(options.suggestions_ahead).saturating_sub(candidates.len());
    let mut proposable = wanted.min(left);
    let round = options.min_free_slots.min(parallelism);
    if slots < round && options.suggestions_ahead == 0 {
        proposable = 0;
    }
    // Whatever changed since, by whomever, may have made an end of the pause.
    let paused = board.paused.as_ref().is_some_and(|at| at.sequence == experiment.sequence);
    let proposes = !holding && proposable > 0 && !paused;
    // A round goes out as a whole, also where its strategy proposes one trial at a time; what was queued goes out before.
    let gathers = proposes && round > 1 && candidates.len() < slots && !queued;
    let taken = if holding || gathers { 0 } else { candidates.len().min(slots) };
    let launched = taken.min(launches);
    commands.extend(candidates.iter().take(launched).map(|&trial| Command::Launch(trial)));
    under_way += taken;
    // What is ready goes out first.
    let ready = candidates.is_empty() || options.suggestions_ahead > 0 || gathers;
    if proposes && launched == 0 && ready {
        commands.push(Command::Propose(proposable));
        return commands;
    }
    let nothing_more = left == 0 && candidates.is_empty() && !waiting;
    let all_launched = || {
        commands.iter().all(|command| matches!(command, Command::Poll(_)))
            && !experiment.trials_in(&[TrialStatus::Staged]).any(|t| ours(board, t.index))
    };
    if !options.wait_for_running_trials && nothing_more && all_launched() {
        return vec![Command::Finish(Finish::Left)];
    }
    // What is watched for late results alone holds nothing up.
    let ended = under_way == 0
        && board.stops.is_empty()
        && commands.iter().all(|command| match command {
            Command::Poll(trials) => trials.iter().all(|trial| board.expired.contains(trial)),
            Command::Fetch(trial) => board.expired.contains(trial),
            _ => false,
        });
    let waits = experiment.controls.paused && !draining && !nothing_more;
    if ended && !waits {
        commands.clear();
        commands.push(Command::Finish(if too_many_failed {
            Finish::FailureRate
        } else if stopping {
            Finish::Stopped
        } else if board.global_stop.is_some() {
            Finish::StoppedGlobally
        } else if left == 0 {
            Finish::Done
        } else {
            Finish::Stalled
        }));
    }
    commands
}

/// Whether a staged trial was staged by this run, or by one that is over.
fn ours(board: &Board, trial: TrialIndex) -> bool {
    board.inherited.contains(&trial) || board.driven.contains(&trial)
}

/// How many trials are still to be proposed.
pub(crate) fn left_to_propose(
    experiment: &Experiment,
    options: &OrchestratorOptions,
    board: &Board,
) -> usize {
    let of_run = options.max_trials.map_or(usize::MAX, |max| max.saturating_sub(board.proposed));
    let stale = experiment.count_in(&[TrialStatus::Stale]);
    let trials = experiment.trials.len() - stale;
    let of_all = options.total_trials.map_or(usize::MAX, |total| total.saturating_sub(trials));
    of_run.min(of_all)
}

/// How many of this run's trials failed or were abandoned.
pub(crate) fn failed_trials(experiment: &Experiment, board: &Board) -> Vec<TrialIndex> {
    experiment
        .trials_in(&LOST)
        .map(|trial| trial.index)
        .filter(|trial| board.driven.contains(trial))
        .collect()
}

fn failure_rate_exceeded(
    experiment: &Experiment,
    options: &OrchestratorOptions,
    board: &Board,
) -> bool {
    let exceeds = |failed: usize| {
        let rate = failed as f64 / board.driven.len().max(1) as f64;
        failed >= options.min_failed_trials_for_failure_rate_check.max(1)
            && rate > options.tolerated_trial_failure_rate
    };
    // Those of this run are counted only where all that failed would be too many.
    exceeds(experiment.count_in(&LOST)) && exceeds(failed_trials(experiment, board).len())
}

#[cfg(test)]
mod tests;
