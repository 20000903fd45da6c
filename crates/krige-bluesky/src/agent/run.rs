//! A run of an agent: a thread, and a handle to watch, stop and await it.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
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
        match self.finished.recv_timeout(within) {
            Ok(finished) => Some(finished),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => None,
        }
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
    // A manager that does not answer now is waited for by the run.
    if let Err(error @ RunnerError::Permanent(_)) = agent.runner().check() {
        return Err(AgentError::Manager(error));
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
