//! Looking at what runs: what others did to it, what it has measured so far, what is wrong with it, and what comes late.

use krige_core::event::Event;
use krige_core::observation::Observation;
use krige_core::trial::{TrialEvent, TrialIndex, TrialRun, TrialStatus};
use krige_runner::Measurement;

use super::super::board::Retry;
use super::super::calls::{Call, Fetched};
use super::super::retry;
use super::Results;
use crate::error::Error;
use crate::health::{Finding, findings};

/// How often a trial is run at most, whatever its runner says of runs that it lost.
const MOST_RUNS: u32 = 100;

impl Results<'_> {
    /// Takes in what others did to trials, and what the rules say of the experiment as it is now.
    pub(super) fn look_around(&mut self) {
        let experiment = self.store.experiment();
        if let Some(rule) = &experiment.global_stopping {
            self.board.global_stop = rule.verdict(experiment, self.board.wall);
        }
        // Whoever abandons a trial means its run on the far side too.
        let given_up =
            |trial: &TrialIndex| experiment.trials[*trial].status() == TrialStatus::Abandoned;
        let given_up: Vec<TrialIndex> =
            self.board.running.iter().copied().filter(given_up).collect();
        for trial in given_up {
            self.board.forget(trial);
            self.stop_on_far_side(trial, "it was abandoned");
        }
    }

    /// Says what is wrong, once for as long as it is.
    pub(super) fn report_health(&mut self) {
        let found = findings(self.store.experiment(), self.board.wall);
        let known = |finding: &Finding, of: &[Finding]| {
            of.iter().any(|other| (other.kind, other.trial) == (finding.kind, finding.trial))
        };
        for finding in found.iter().filter(|finding| !known(finding, &self.board.findings)) {
            self.reporter.say(&finding.text);
        }
        self.board.findings = found;
    }

    /// Fetches what a running trial has measured so far, if a metric can be had while it runs.
    pub(super) fn observe(&mut self, trial: TrialIndex) {
        if self.workers.watches() && self.board.watching.insert(trial) {
            match self.running(trial) {
                Some((run, metadata)) => self.workers.call(Call::Progress(run, metadata)),
                None => {
                    self.board.watching.remove(&trial);
                }
            }
        }
    }

    /// Takes in what a running trial has measured so far, and stops it where it is not worth its time.
    pub(super) fn progressed(&mut self, run: &TrialRun, answers: Fetched) -> Result<(), Error> {
        let trial = run.trial_index;
        self.board.watching.remove(&trial);
        // What fails now is fetched again with the next poll, and told at the end.
        let measured = answers.into_iter().filter_map(|(metric, answer)| {
            let Measurement { mean, sem, progression } = answer.ok()?;
            let observation = Observation { metric, mean, sem, progression };
            (progression.is_some() && observation.check().is_ok()).then_some(observation)
        });
        let measured: Vec<Observation> = measured.collect();
        let rule = self.lease.decide(self.store, |experiment| {
            let known = experiment.trial(trial)?;
            let is_its = known.state.launch().is_some_and(|launch| launch.run == *run);
            if known.status() != TrialStatus::Running || !is_its {
                return Ok((Vec::new(), None));
            }
            let news = measured.iter().filter(|o| !known.observations.contains(*o));
            let observations: Vec<Observation> = news.cloned().collect();
            let mut events = Vec::new();
            if !observations.is_empty() {
                events.push(Event::ObservationsAttached { trial, observations, late: false });
            }
            Ok((events, experiment.early_stopping.clone()))
        })?;
        let Some(rule) = rule else { return Ok(()) };
        // Without news of its own too: the others may have become better, and a former leader may have died before it asked.
        let experiment = self.store.experiment();
        if self.board.judged.get(&trial) == Some(&experiment.sequence) {
            return Ok(());
        }
        let Some(reason) = rule.verdict(experiment, trial) else {
            self.board.judged.insert(trial, experiment.sequence);
            return Ok(());
        };
        self.something_happened();
        self.end(trial, TrialEvent::EarlyStopped { reason: Some(reason.clone()) })?;
        // What was not stored did not happen: a run that only the far side stopped would be one that failed.
        if self.store.experiment().trial(trial)?.status() == TrialStatus::EarlyStopped {
            self.stop_on_far_side(trial, &reason);
        }
        Ok(())
    }

    /// A run failed on the far side: the trial fails, or is run again under another key.
    pub(super) fn run_failed(&mut self, trial: TrialIndex, reason: String) -> Result<(), Error> {
        if self.store.experiment().trial(trial)?.attempts >= self.options.max_runs_per_trial {
            return self.fail(trial, reason);
        }
        self.run_again(trial, reason)?;
        Ok(())
    }

    /// The far side lost a run: the trial is run again under another key, later each time. The runner says when it was
    /// often enough; one that never does is not obeyed for ever.
    pub(super) fn run_lost(&mut self, trial: TrialIndex, reason: String) -> Result<(), Error> {
        let runs = self.store.experiment().trial(trial)?.attempts;
        if runs >= MOST_RUNS {
            return self.fail(trial, format!("{reason}; it was run {runs} times"));
        }
        if self.run_again(trial, reason)? {
            let seed = self.store.experiment().seed;
            let at = self.now() + retry::pause(&self.options, seed, trial, runs);
            self.board.retries.insert(trial, Retry { failures: 0, at });
        }
        Ok(())
    }

    fn run_again(&mut self, trial: TrialIndex, reason: String) -> Result<bool, Error> {
        self.board.forget(trial);
        self.reporter.say(&format!("trial {trial} is run again: {reason}"));
        self.change(trial, TrialStatus::Running, TrialEvent::Retried { reason })
    }

    /// Keeps what a trial gave that had failed before.
    pub(super) fn came_late(
        &mut self,
        trial: TrialIndex,
        mut observations: Vec<Observation>,
    ) -> Result<(), Error> {
        observations.retain(|observation| observation.check().is_ok());
        if !observations.is_empty() {
            self.reporter.say(&format!(
                "trial {trial} gave a result after it had failed: it is kept, marked as late"
            ));
            self.store.decide(|_| {
                let observations = observations.clone();
                Ok((vec![Event::ObservationsAttached { trial, observations, late: true }], ()))
            })?;
        }
        self.board.expired.remove(&trial);
        self.board.forget(trial);
        Ok(())
    }
}
