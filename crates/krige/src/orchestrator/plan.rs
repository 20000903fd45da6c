//! What to do next: a pure function.

use std::time::Duration;

use krige_core::experiment::Experiment;
use krige_core::trial::{TrialIndex, TrialStatus};

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
}

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
    if board.stop == Some(StopLevel::Now) {
        return vec![Command::Finish(Finish::Stopped)];
    }
    let too_many_failed = failure_rate_exceeded(experiment, options, board);
    let stopping = board.stop == Some(StopLevel::Drain);
    let draining = too_many_failed || stopping;

    let mut commands = Vec::new();
    let mut polled = Vec::new();
    let (mut candidates, mut under_way) = (Vec::new(), 0);
    for trial in &experiment.trials {
        let index = trial.index;
        let due = board.is_due(index, now);
        match trial.status() {
            TrialStatus::Candidate => candidates.push(index),
            TrialStatus::Staged => {
                under_way += 1;
                let ours = board.inherited.contains(&index) || board.driven.contains(&index);
                match (due && ours, board.absent.contains(&index)) {
                    (true, true) => commands.push(Command::Launch(index)),
                    (true, false) => commands.push(Command::Find(index)),
                    (false, _) => {}
                }
            }
            // Who was handed it tells what came of it; the runner does not know it.
            TrialStatus::Running if trial.state.launch().is_some_and(|run| run.by_hand) => {}
            TrialStatus::Running => {
                under_way += 1;
                match (due, board.completed.contains(&index)) {
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
    if !board.polling && now >= board.poll_at && !polled.is_empty() {
        commands.push(Command::Poll(polled));
    }
    let mut slots = options.max_pending_trials.saturating_sub(under_way);
    if !draining {
        let launched = candidates.len().min(slots);
        commands.extend(candidates.iter().take(launched).map(|&trial| Command::Launch(trial)));
        slots -= launched;
        under_way += launched;
    }
    let left = left_to_propose(experiment, options, board);
    let proposable = slots.min(left);
    // Whatever changed since, by whomever, may have made an end of the pause.
    let paused = board.paused.as_ref().is_some_and(|at| at.sequence == experiment.sequence);
    if !draining && proposable > 0 && !paused && candidates.is_empty() {
        commands.push(Command::Propose(proposable));
    } else if commands.is_empty() && under_way == 0 {
        commands.push(Command::Finish(if too_many_failed {
            Finish::FailureRate
        } else if stopping {
            Finish::Stopped
        } else if left == 0 {
            Finish::Done
        } else {
            Finish::Stalled
        }));
    }
    commands
}

/// How many trials are still to be proposed.
pub(crate) fn left_to_propose(
    experiment: &Experiment,
    options: &OrchestratorOptions,
    board: &Board,
) -> usize {
    let of_run = options.max_trials.map_or(usize::MAX, |max| max.saturating_sub(board.proposed));
    let stale = experiment.trials_in(&[TrialStatus::Stale]).count();
    let trials = experiment.trials.len() - stale;
    let of_all = options.total_trials.map_or(usize::MAX, |total| total.saturating_sub(trials));
    of_run.min(of_all)
}

/// How many of this run's trials failed or were abandoned.
pub(crate) fn failed_trials(experiment: &Experiment, board: &Board) -> Vec<TrialIndex> {
    experiment
        .trials_in(&[TrialStatus::Failed, TrialStatus::Abandoned])
        .map(|trial| trial.index)
        .filter(|trial| board.driven.contains(trial))
        .collect()
}

fn failure_rate_exceeded(
    experiment: &Experiment,
    options: &OrchestratorOptions,
    board: &Board,
) -> bool {
    let failed = failed_trials(experiment, board).len();
    let rate = failed as f64 / board.driven.len().max(1) as f64;
    failed >= options.min_failed_trials_for_failure_rate_check.max(1)
        && rate > options.tolerated_trial_failure_rate
}

#[cfg(test)]
mod tests;
