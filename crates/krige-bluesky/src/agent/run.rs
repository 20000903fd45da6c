//! A run of an agent: a thread, and a handle to watch, stop and await it.

use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;
use std::time::Duration;

use krige::prelude::*;

use super::{AgentError, QueueserverAgent};

type Ended = (QueueserverAgent, Result<RunReport, AgentError>);

/// A run of an agent that goes on by itself.
///
/// Dropping it lets it go on to its end, with nobody to tell.
#[derive(Debug)]
pub struct AgentRun {
    thread: JoinHandle<Ended>,
    finished: Receiver<FinishedTrial>,
    stop: StopSignal,
}

impl AgentRun {
    pub(super) fn start(mut agent: QueueserverAgent, options: OrchestratorOptions) -> Self {
        let stop = options.stop.clone();
        let (tell, finished) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let report = drive(&mut agent, options, &tell);
            (agent, report)
        });
        Self { thread, finished, stop }
    }

    pub(super) fn failed(agent: QueueserverAgent, error: AgentError) -> Self {
        let (_, finished) = mpsc::channel();
        let thread = std::thread::spawn(move || (agent, Err(error)));
        Self { thread, finished, stop: StopSignal::new() }
    }

    /// The next trial that ends, if one does within that time; `None` also when none will any more.
    pub fn next_finished(&self, within: Duration) -> Option<FinishedTrial> {
        self.finished.recv_timeout(within).ok()
    }

    /// Whether the run has ended.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Asks the run to end: at first what runs is awaited, asked again it is stopped, asked a third time it is left.
    pub fn stop(&self) {
        self.stop.request();
    }

    /// Waits until the run has ended, and gives the agent back.
    ///
    /// # Errors
    /// What ended the run, if it was an error. The agent is gone then; one that is made anew goes on.
    pub fn wait(self) -> Result<(QueueserverAgent, RunReport), AgentError> {
        let (agent, report) = self.wait_for_agent();
        report.map(|report| (agent, report))
    }

    /// As [`wait`](Self::wait), with the agent in either case.
    pub fn wait_for_agent(self) -> (QueueserverAgent, Result<RunReport, AgentError>) {
        match self.thread.join() {
            Ok(ended) => ended,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

fn drive(
    agent: &mut QueueserverAgent,
    options: OrchestratorOptions,
    tell: &mpsc::Sender<FinishedTrial>,
) -> Result<RunReport, AgentError> {
    // What is under way is not given up because the manager does not answer now: the run waits for it.
    let open = [TrialStatus::Staged, TrialStatus::Running];
    let under_way = agent.client.experiment()?.count_in(&open) > 0;
    match agent.runner().check() {
        Err(RunnerError::Transient(_)) if under_way => {}
        Err(error) => return Err(AgentError::Manager(error)),
        Ok(()) => {}
    }
    // Points that are measured and cannot be read are beam time that is lost.
    match agent.check_tiled() {
        Err(error) if error.is_transient() && under_way => {}
        other => other?,
    }
    let mut results = agent.client.orchestrator(options)?.results();
    for finished in &mut results {
        // Whether anybody listens does not matter to the run.
        let _nobody_listens = tell.send(finished?);
    }
    let report = results.report();
    drop(results);
    Ok(report)
}
