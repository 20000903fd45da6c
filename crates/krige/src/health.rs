//! What is wrong with an experiment that people should look at, and what to do about it.

use std::fmt;

use krige_core::Timestamp;
use krige_core::experiment::Experiment;
use krige_core::trial::{Trial, TrialIndex, TrialStatus};

/// A trial that runs so many times longer than the median of those that have completed is taken for stuck.
const STUCK: f64 = 5.0;

/// So many completed trials tell how long one takes.
const KNOWN: usize = 5;

/// How many of the newest ended trials the failure rate is taken of, and compared with the rate before.
const RECENT: usize = 10;

/// A launch that has not been answered for so many seconds is worth a look.
const LAUNCHING: f64 = 300.0;

/// Something that a person should look at.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// What it is.
    pub kind: FindingKind,
    /// The trial that it is about, where it is about one.
    pub trial: Option<TrialIndex>,
    /// Since when.
    pub since: Timestamp,
    /// What was found, and what to do.
    pub text: String,
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FindingKind {
    /// A trial runs far longer than the others did.
    StuckTrial,
    /// A launch was decided and has not been answered.
    StuckLaunch,
    /// More trials fail than before.
    GrowingFailureRate,
    /// Trials fail because a metric could not be had.
    MetricErrors,
    /// Points are proposed by a lesser method than the model.
    Degraded,
    /// Nothing new is started, because somebody asked for a pause.
    Paused,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Looks an experiment over, as it is at `now`.
pub fn findings(experiment: &Experiment, now: Timestamp) -> Vec<Finding> {
    let mut findings = stuck_trials(experiment, now);
    findings.extend(stuck_launches(experiment, now));
    findings.extend(failing(experiment));
    findings.extend(degraded(experiment));
    if experiment.controls.paused {
        let running = experiment.trials_in(&[TrialStatus::Running]).count();
        findings.push(Finding {
            kind: FindingKind::Paused,
            trial: None,
            since: now,
            text: format!(
                "the run is paused: nothing new is started ({running} running); resume it to go on"
            ),
        });
    }
    findings
}

/// What a run that makes no progress waits for, and since when; `None` while nothing is under way.
pub fn waiting_for(experiment: &Experiment, now: Timestamp) -> Option<String> {
    let since = |trial: &Trial| match &trial.state {
        krige_core::trial::TrialState::Staged { since, .. } => Some(*since),
        state => state.launch().map(|launch| launch.since),
    };
    let under_way = experiment.trials_in(&[TrialStatus::Staged, TrialStatus::Running]);
    let (oldest, trial) =
        under_way.filter_map(|trial| Some((since(trial)?, trial))).min_by_key(|(at, _)| *at)?;
    let count = experiment.trials_in(&[TrialStatus::Staged, TrialStatus::Running]).count();
    let by = if trial.state.launch().is_some_and(|launch| launch.by_hand) {
        "whoever was handed it"
    } else {
        "the runner"
    };
    Some(format!(
        "waiting for {count} {}; the oldest is trial {}, for which {by} has had {}",
        if count == 1 { "trial" } else { "trials" },
        trial.index,
        lasting(seconds(oldest, now)),
    ))
}

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64().max(0.0)
}

/// A duration for people.
fn lasting(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} h", s / 3600.0),
        s => format!("{:.1} days", s / 86_400.0),
    }
}

fn stuck_trials(experiment: &Experiment, now: Timestamp) -> Vec<Finding> {
    let took = |trial: &Trial| Some(seconds(trial.state.launch()?.since, trial.state.ended_at()?));
    let mut known: Vec<f64> =
        experiment.trials_in(&[TrialStatus::Completed]).filter_map(took).collect();
    if known.len() < KNOWN {
        return Vec::new();
    }
    known.sort_by(f64::total_cmp);
    let median = known[known.len() / 2];
    let stuck = |trial: &Trial| {
        let launch = trial.state.launch()?;
        let running = seconds(launch.since, now);
        (running > STUCK * median.max(1.0)).then(|| Finding {
            kind: FindingKind::StuckTrial,
            trial: Some(trial.index),
            since: launch.since,
            text: format!(
                "trial {} has run for {}, and half of the trials took less than {}: look at it on the far side \
                 (key {}), abandon it, or set ttl_seconds_for_trials",
                trial.index,
                lasting(running),
                lasting(median),
                launch.run.key
            ),
        })
    };
    experiment.trials_in(&[TrialStatus::Running]).filter_map(stuck).collect()
}

fn stuck_launches(experiment: &Experiment, now: Timestamp) -> Vec<Finding> {
    let stuck = |trial: &Trial| {
        let krige_core::trial::TrialState::Staged { run, since } = &trial.state else {
            return None;
        };
        let waited = seconds(*since, now);
        (waited > LAUNCHING).then(|| Finding {
            kind: FindingKind::StuckLaunch,
            trial: Some(trial.index),
            since: *since,
            text: format!(
                "trial {} was to be launched {} ago, and the runner has not answered: see whether the far side can \
                 be reached, and has a run under the key {}",
                trial.index,
                lasting(waited),
                run.key
            ),
        })
    };
    experiment.trials_in(&[TrialStatus::Staged]).filter_map(stuck).collect()
}

fn failing(experiment: &Experiment) -> Vec<Finding> {
    let mut ended: Vec<(Timestamp, &Trial)> = experiment
        .trials
        .iter()
        .filter(|trial| trial.status() != TrialStatus::Stale)
        .filter_map(|trial| Some((trial.state.ended_at()?, trial)))
        .collect();
    ended.sort_by_key(|(at, trial)| (*at, trial.index));
    let recent = &ended[ended.len().saturating_sub(RECENT)..];
    let before = &ended[..ended.len() - recent.len()];
    let failed = |of: &[(Timestamp, &Trial)]| {
        of.iter().filter(|(_, trial)| trial.status() == TrialStatus::Failed).count()
    };
    let mut findings = Vec::new();
    let now_failed: Vec<_> =
        recent.iter().filter(|(_, trial)| trial.status() == TrialStatus::Failed).collect();
    let Some((last, newest)) = now_failed.last() else { return findings };
    let (rate, former) = (
        now_failed.len() as f64 / recent.len() as f64,
        failed(before) as f64 / before.len().max(1) as f64,
    );
    let reason = newest.state.reason().unwrap_or("no reason was given");
    if now_failed.len() >= 3 && rate > 2.0 * former {
        findings.push(Finding {
            kind: FindingKind::GrowingFailureRate,
            trial: Some(newest.index),
            since: now_failed[0].0,
            text: format!(
                "{} of the last {} trials failed ({} of the {} before them); the newest, trial {}: {reason}",
                now_failed.len(),
                recent.len(),
                failed(before),
                before.len(),
                newest.index
            ),
        });
    }
    let of_metrics = |(_, trial): &&&(Timestamp, &Trial)| {
        trial.state.reason().is_some_and(|reason| reason.starts_with("metric `"))
    };
    let metrics = now_failed.iter().filter(of_metrics).count();
    if metrics >= 2 {
        findings.push(Finding {
            kind: FindingKind::MetricErrors,
            trial: Some(newest.index),
            since: *last,
            text: format!(
                "{metrics} of the last {} trials failed because a metric could not be had: see where it is read from; \
                 the runs themselves may have gone well",
                recent.len()
            ),
        });
    }
    findings
}

fn degraded(experiment: &Experiment) -> Option<Finding> {
    let newest = experiment.trials.iter().rev().find(|trial| trial.generation().is_some())?;
    let reason = newest.generation()?.degraded.as_ref()?;
    Some(Finding {
        kind: FindingKind::Degraded,
        trial: Some(newest.index),
        since: newest.created_at,
        text: format!(
            "trial {} was proposed by a lesser method than its node's own: {reason}",
            newest.index
        ),
    })
}

#[cfg(test)]
mod tests;
