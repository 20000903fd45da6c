//! From what the folder and Slurm say to what a run comes to: a pure function.

use krige_runner::RunStatus;

use super::symptoms::Symptom;
use crate::notice::{Notice, notice};
use crate::queue::Job;
use crate::state::{JobState, Stuck, stuck};

/// How much of a job's log is told, in bytes.
const TOLD: usize = 600;

/// What is known of a run that has no accepted end.
#[derive(Debug, Clone, Default)]
pub(super) struct Evidence {
    /// How the program ended, in words, if it did; with a status that does not count as completed.
    pub(super) failed: Option<String>,
    /// Its exit status.
    pub(super) status: Option<i32>,
    /// Whether it has begun.
    pub(super) began: bool,
    /// Whether the job got SIGTERM.
    pub(super) signalled: bool,
    /// Whether jobs are signalled some time before their time limit.
    pub(super) warned: bool,
    /// Why it was to be stopped, if it was.
    pub(super) stopped: Option<String>,
    /// Whether it was this runner that stopped it, because Slurm could not start it.
    pub(super) given_up: bool,
    /// Whether something holds the run's lock.
    pub(super) alive: bool,
    /// What the job's log ends with.
    pub(super) log: String,
    /// What Slurm says of the job; nothing where it does not know it.
    pub(super) job: Option<Job>,
    /// Whether it knows another one by the job's number: what it does to that one may reach this one, and its log.
    pub(super) renumbered: bool,
}

/// Why a run may be worth another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    NodeFailure,
    Preemption,
    BootFailure,
    LaunchFailure,
    TimeLimit,
    OutOfMemory,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// As a runner says it.
    As(RunStatus),
    /// It is worth another, if there were not enough.
    Lost(Loss, String),
}

/// What a run comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Running,
    Ended(End),
    /// Once this has lasted.
    Later(Symptom, End),
    /// Once it has lasted, with the job cancelled before, so that it never starts.
    Cancel(Symptom, End),
    /// At once: the job was to be cancelled before.
    CancelNow(End),
}

fn failed(reason: String) -> End {
    End::As(RunStatus::Failed { reason })
}

/// What a run comes to.
pub(super) fn verdict(evidence: &Evidence) -> Verdict {
    let seen = seen_in_log(evidence);
    let evidence = seen.as_ref().unwrap_or(evidence);
    match &evidence.failed {
        Some(failed) => of_failed(evidence, failed),
        None => of_unended(evidence),
    }
}

/// A job that Slurm calls failed, as its log calls it: a controller that was killed does not know why it had a job signalled; and
/// without cgroups, what took too much memory is failed to it.
fn seen_in_log(evidence: &Evidence) -> Option<Evidence> {
    let job = evidence.job.as_ref().filter(|job| job.state == JobState::Failed)?;
    let job = Some(Job { state: evidence.ended_by()?, ..job.clone() });
    Some(Evidence { job, ..evidence.clone() })
}

impl Evidence {
    /// Whether the program ended after a SIGTERM, which may have come to it before the script could note its own.
    pub(super) fn was_signalled(&self) -> bool {
        self.signalled || self.status == Some(143)
    }

    /// Whether the program ended by a signal, whoever sent it.
    fn was_killed(&self) -> bool {
        self.was_signalled() || self.status.is_some_and(|status| status > 128)
    }

    /// Whether the program was killed for what another job did, or for what somebody did to that one.
    fn was_killed_for_another(&self) -> bool {
        self.was_killed()
            && match notice(&self.log) {
                Some(Notice::MemoryOfAnother) => true,
                Some(Notice::Memory) | None => false,
                Some(_) => self.renumbered,
            }
    }

    /// What the job's log says that Slurm ended it by; nothing, if it did not, or had it started again.
    fn ended_by(&self) -> Option<JobState> {
        match notice(&self.log)? {
            Notice::Memory => Some(JobState::OutOfMemory),
            // What the program did before counts.
            _ if self.failed.is_some() && !self.was_signalled() => None,
            Notice::Cancellation if self.warned => Some(JobState::TimeLimit),
            Notice::TimeLimit => Some(JobState::TimeLimit),
            Notice::Preemption => Some(JobState::Preempted),
            Notice::NodeFailure => Some(JobState::NodeFailure),
            Notice::Cancellation => Some(JobState::Cancelled),
            Notice::Requeue | Notice::MemoryOfAnother => None,
        }
    }

    /// What a run comes to that was stopped: who is killed while giving it up has not said so.
    fn of_stopped(&self, reason: &str) -> End {
        if self.given_up {
            return End::Lost(Loss::LaunchFailure, reason.to_owned());
        }
        failed(format!("stopped: {reason}"))
    }

    /// What a run comes to whose job Slurm does not know any more, if its log says more than that.
    fn of_forgotten(&self, otherwise: End) -> End {
        let loss = match self.ended_by() {
            Some(state) if self.renumbered && state != JobState::OutOfMemory => return otherwise,
            Some(JobState::Cancelled) => {
                let reason = "somebody cancelled the job".into();
                return End::As(RunStatus::Abandoned { reason });
            }
            // What the program made of a step of its own that was killed is its own end.
            Some(JobState::OutOfMemory) if self.failed.is_some() && !self.was_killed() => {
                return otherwise;
            }
            Some(JobState::OutOfMemory) => Loss::OutOfMemory,
            Some(JobState::TimeLimit) => Loss::TimeLimit,
            Some(JobState::Preempted) => Loss::Preemption,
            Some(JobState::NodeFailure) => Loss::NodeFailure,
            _ => return otherwise,
        };
        End::Lost(loss, with_log(self.unknown().into(), self))
    }

    /// That Slurm does not know the job.
    fn unknown(&self) -> &'static str {
        if self.renumbered {
            "Slurm does not know the job any more, and has given its number to another one"
        } else {
            "Slurm does not know the job any more"
        }
    }
}

/// The program ended, and not well: was that its own doing?
fn of_failed(evidence: &Evidence, reason: &str) -> Verdict {
    let own = || failed(reason.to_owned());
    if let Some(why) = &evidence.stopped {
        return Verdict::Ended(if evidence.given_up { evidence.of_stopped(why) } else { own() });
    }
    let signalled = evidence.was_signalled();
    let for_another = evidence.was_killed_for_another();
    let Some(job) = &evidence.job else {
        let end = if signalled || for_another {
            let what = format!("{}; it was signalled; {reason}", evidence.unknown());
            End::Lost(Loss::NodeFailure, what)
        } else {
            own()
        };
        return Verdict::Later(Symptom::Unexplained, evidence.of_forgotten(end));
    };
    let was_killed = evidence.was_killed();
    let by_slurm = |loss| match was_killed {
        true => Verdict::Ended(End::Lost(loss, told(job, evidence))),
        false => Verdict::Ended(own()),
    };
    match job.state {
        // It is to be started again; or its controller has lost track of it, which shows when it lasts.
        JobState::Waits if signalled => match stuck(&job.detail) {
            Some(_) => {
                let lost = End::Lost(Loss::LaunchFailure, told(job, evidence));
                Verdict::Cancel(Symptom::Stuck, lost)
            }
            None => Verdict::Running,
        },
        JobState::Runs | JobState::Unknown if signalled => Verdict::Running,
        JobState::Waits | JobState::Runs | JobState::Unknown => {
            Verdict::Later(Symptom::Unexplained, own())
        }
        JobState::TimeLimit => Verdict::Ended(End::Lost(Loss::TimeLimit, told(job, evidence))),
        JobState::OutOfMemory => by_slurm(Loss::OutOfMemory),
        JobState::NodeFailure => by_slurm(Loss::NodeFailure),
        JobState::Preempted => by_slurm(Loss::Preemption),
        JobState::Cancelled if was_killed => Verdict::Ended(abandoned(job)),
        // A controller that was killed has forgotten why it had the job signalled: to start it again, say.
        JobState::Failed | JobState::Completed if signalled || for_another => {
            Verdict::Ended(End::Lost(Loss::NodeFailure, told(job, evidence)))
        }
        JobState::Cancelled
        | JobState::Completed
        | JobState::Failed
        | JobState::BootFailure
        | JobState::LaunchFailure
        | JobState::Revoked => Verdict::Ended(own()),
    }
}

/// The folder does not say that the program has ended.
fn of_unended(evidence: &Evidence) -> Verdict {
    let Some(job) = &evidence.job else {
        let end = match &evidence.stopped {
            Some(reason) => evidence.of_stopped(reason),
            None => {
                let what = format!("{}; the run has not left how it ended", evidence.unknown());
                let lost = End::Lost(Loss::NodeFailure, with_log(what, evidence));
                evidence.of_forgotten(lost)
            }
        };
        return if evidence.alive {
            Verdict::Running
        } else {
            Verdict::Later(Symptom::Vanished, end)
        };
    };
    if let Some(reason) = &evidence.stopped {
        let end = evidence.of_stopped(reason);
        return match job.state {
            JobState::Waits => Verdict::CancelNow(end),
            state if state.is_over() => Verdict::Ended(end),
            _ => Verdict::Running,
        };
    }
    let lost = |loss| End::Lost(loss, told(job, evidence));
    match job.state {
        JobState::Waits => match stuck(&job.detail) {
            Some(Stuck::Impossible) => {
                let reason = format!("Slurm will never start the job as it is: {}", job.detail);
                Verdict::Cancel(Symptom::Stuck, failed(reason))
            }
            Some(Stuck::Held) if !evidence.alive => {
                Verdict::Cancel(Symptom::Stuck, lost(Loss::LaunchFailure))
            }
            Some(Stuck::Held) | None => Verdict::Running,
        },
        JobState::Runs | JobState::Unknown => Verdict::Running,
        JobState::NodeFailure => Verdict::Ended(lost(Loss::NodeFailure)),
        JobState::Preempted => Verdict::Ended(lost(Loss::Preemption)),
        JobState::BootFailure => Verdict::Ended(lost(Loss::BootFailure)),
        JobState::LaunchFailure => Verdict::Ended(lost(Loss::LaunchFailure)),
        // Its node never got it, or lost it, and nobody noticed.
        JobState::TimeLimit if !evidence.began => Verdict::Ended(lost(Loss::LaunchFailure)),
        JobState::TimeLimit => Verdict::Ended(lost(Loss::TimeLimit)),
        JobState::OutOfMemory => Verdict::Ended(lost(Loss::OutOfMemory)),
        JobState::Cancelled => Verdict::Ended(abandoned(job)),
        JobState::Completed | JobState::Failed | JobState::Revoked if evidence.alive => {
            Verdict::Running
        }
        JobState::Failed if job.detail == "BadConstraints" => {
            let reason = format!("Slurm cannot give what the job asks for: {}", job.detail);
            Verdict::Ended(failed(reason))
        }
        JobState::Failed => {
            let loss = if evidence.began { Loss::NodeFailure } else { Loss::LaunchFailure };
            Verdict::Later(Symptom::NoResult, lost(loss))
        }
        // A controller that has lost its state may kill a job, and start it again as if it were the first time: then it ends at once.
        JobState::Completed if evidence.began => {
            Verdict::Later(Symptom::NoResult, lost(Loss::NodeFailure))
        }
        JobState::Completed | JobState::Revoked => {
            let reason = told(job, evidence);
            Verdict::Later(Symptom::NoResult, failed(reason))
        }
    }
}

fn abandoned(job: &Job) -> End {
    End::As(RunStatus::Abandoned { reason: format!("somebody cancelled job {}", job.id) })
}

/// What Slurm says, and what that leaves open.
fn told(job: &Job, evidence: &Evidence) -> String {
    let Job { id, state, detail, .. } = job;
    let mut text = format!("Slurm says that job {id} {state}");
    if !matches!(&**detail, "" | "None" | "0:0") {
        text = format!("{text} ({detail})");
    }
    match (&evidence.failed, evidence.began) {
        (Some(failed), _) => format!("{text}; {failed}"),
        (None, true) => {
            with_log(format!("{text}; the program has not left how it ended"), evidence)
        }
        (None, false) => with_log(format!("{text}; the program has not begun"), evidence),
    }
}

fn with_log(text: String, evidence: &Evidence) -> String {
    let log = &*evidence.log;
    let from = (log.len().saturating_sub(TOLD)..).find(|&at| log.is_char_boundary(at));
    match from.map_or("", |from| log[from..].trim_start()) {
        "" => text,
        end => format!("{text}; the job's log ends with: {end}"),
    }
}

#[cfg(test)]
mod tests;
