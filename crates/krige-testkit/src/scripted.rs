//! The runner and the metric that reach a far side.

use krige_core::trial::{Metadata, TrialRun};
use krige_core::value::Parameterization;
use krige_runner::{
    Found, IMetric, IRunner, Measurement, MetricError, RunStatus, RunnerError, Stopped,
};
use serde::{Deserialize, Serialize};

use crate::far_side::FarSide;

/// Runs trials on the [`FarSide`] of that name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScriptedRunner {
    /// The far side's name.
    pub far_side: String,
    /// How it answers when it is asked for many runs at once.
    pub lists: Lists,
}

/// How a runner answers when it is asked for many runs at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lists {
    /// With one answer for each, as the contract says.
    Honest,
    /// With the last answer missing.
    TooShort,
    /// With the first answer given once more at the end.
    TooLong,
}

impl ScriptedRunner {
    /// Makes a runner on the far side of that name, whose lists are honest.
    pub fn new(far_side: impl Into<String>) -> Self {
        Self { far_side: far_side.into(), lists: Lists::Honest }
    }

    fn lists<I, T>(
        &self,
        asked: &[I],
        answer: impl Fn(&I) -> Result<T, RunnerError>,
    ) -> Vec<Result<T, RunnerError>> {
        let mut answers: Vec<_> = asked.iter().map(&answer).collect();
        match self.lists {
            Lists::Honest => {}
            Lists::TooShort => {
                answers.pop();
            }
            Lists::TooLong => answers.extend(asked.first().map(answer)),
        }
        answers
    }
}

#[typetag::serde(name = "scripted")]
impl IRunner for ScriptedRunner {
    fn run_trial(
        &self,
        run: &TrialRun,
        parameters: &Parameterization,
    ) -> Result<Metadata, RunnerError> {
        Ok(FarSide::find(&self.far_side)?.run_trial(run, parameters)?)
    }

    fn poll_trial(&self, run: &TrialRun, metadata: &Metadata) -> Result<RunStatus, RunnerError> {
        Ok(FarSide::find(&self.far_side)?.poll_trial(run, metadata)?)
    }

    fn stop_trial(
        &self,
        run: &TrialRun,
        metadata: &Metadata,
        reason: &str,
    ) -> Result<Stopped, RunnerError> {
        Ok(FarSide::find(&self.far_side)?.stop_trial(run, metadata, reason)?)
    }

    fn run_trials(
        &self,
        runs: &[(TrialRun, Parameterization)],
    ) -> Vec<Result<Metadata, RunnerError>> {
        self.lists(runs, |(run, parameters)| self.run_trial(run, parameters))
    }

    fn poll_trials(&self, runs: &[(TrialRun, Metadata)]) -> Vec<Result<RunStatus, RunnerError>> {
        self.lists(runs, |(run, metadata)| self.poll_trial(run, metadata))
    }

    fn free_slots(&self) -> Result<Option<usize>, RunnerError> {
        Ok(FarSide::find(&self.far_side)?.free_slots())
    }

    fn find_trial(&self, run: &TrialRun) -> Result<Found, RunnerError> {
        Ok(FarSide::find(&self.far_side)?.find_trial(run)?)
    }
}

/// Reads a metric that the [`FarSide`] of that name computed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScriptedMetric {
    /// The far side's name.
    pub far_side: String,
    /// The metric's name there.
    pub metric: String,
}

impl ScriptedMetric {
    /// Makes the metric of that name on the far side of that name.
    pub fn new(far_side: impl Into<String>, metric: impl Into<String>) -> Self {
        Self { far_side: far_side.into(), metric: metric.into() }
    }
}

#[typetag::serde(name = "scripted")]
impl IMetric for ScriptedMetric {
    fn fetch(&self, run: &TrialRun, metadata: &Metadata) -> Result<Measurement, MetricError> {
        FarSide::find(&self.far_side)?.fetch(run, metadata, &self.metric)
    }
}

#[cfg(test)]
mod tests;
