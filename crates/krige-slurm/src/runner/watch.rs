//! How runs stand, by one question to Slurm for all of them; and how they are stopped.

use krige_core::trial::{Metadata, TrialRun};
use krige_runner::program::{Began, ProgramError, RunFolder};
use krige_runner::{RunStatus, RunnerError, Stopped};

use super::find::since;
use super::notes::{self, JOB};
use super::session::Silence;
use super::verdict::{End, Evidence, Loss, Verdict, verdict};
use super::{SlurmRunner, SlurmRunnerError, seconds};
use crate::queue::{Job, Queue, SACCT, SQUEUE};
use crate::retry::{Retries, lost};
use crate::slurm::SlurmError;

/// What is left in a run's folder before the run is stopped that Slurm cannot start: it is lost, and not what somebody stopped.
const GIVEN_UP: &str = "given-up";

/// How much of a job's log is read, in bytes: a node repeats every few seconds that a job takes too much memory.
const READ: u64 = 1 << 16;

/// A run that has not ended well, and what its folder says of its job.
struct Open<'a> {
    /// Which of the runs that were asked for.
    number: usize,
    run: &'a TrialRun,
    folder: RunFolder,
    /// The id in its metadata.
    job: &'a str,
    /// The job's name: the run's key, or that of the first run of its array.
    name: String,
    /// The job in which it has begun: another one, where it was submitted twice.
    began: Option<Began>,
}

impl SlurmRunner {
    /// How some runs stand.
    pub(super) fn poll(
        &self,
        runs: &[(TrialRun, Metadata)],
    ) -> Vec<Result<RunStatus, RunnerError>> {
        let mut answers: Vec<Option<Result<RunStatus, RunnerError>>> = Vec::new();
        let mut open = Vec::new();
        for (number, (run, metadata)) in runs.iter().enumerate() {
            answers.push(match self.opened(number, run, metadata) {
                Ok(Some(run)) => {
                    open.push(run);
                    None
                }
                Ok(None) => Some(Ok(RunStatus::Completed)),
                Err(error) => Some(Err(error)),
            });
        }
        for (number, answer) in self.look_at(&open) {
            answers[number] = Some(answer);
        }
        for ((_, metadata), answer) in runs.iter().zip(&answers) {
            if let (Some(folder), Some(Ok(status))) = (RunFolder::of(metadata), answer)
                && *status != RunStatus::Running
            {
                self.session.symptoms().forget(&folder);
            }
        }
        answers.into_iter().map(|answer| answer.expect("it was looked at")).collect()
    }

    /// Nothing, if the folder says that it ended well.
    fn opened<'a>(
        &self,
        number: usize,
        run: &'a TrialRun,
        metadata: &'a Metadata,
    ) -> Result<Option<Open<'a>>, RunnerError> {
        let (folder, job) = identified(metadata)?;
        if folder.ended()?.is_some_and(|ended| self.program.accepts(ended.status)) {
            return Ok(None);
        }
        let began = folder.began()?;
        let name = name_of(run, &folder)?;
        Ok(Some(Open { number, run, folder, job, name, began }))
    }

    fn look_at(&self, open: &[Open<'_>]) -> Vec<(usize, Result<RunStatus, RunnerError>)> {
        if open.is_empty() {
            return Vec::new();
        }
        let same = |error: &RunnerError| {
            let text = error.to_string();
            open.iter().map(|run| (run.number, Err(RunnerError::permanent(text.clone())))).collect()
        };
        let queue = match self.queue() {
            Ok(queue) => queue,
            Err(error) => return same(&error),
        };
        let queue = match queue {
            Ok(queue) => queue,
            Err(silence) => {
                return open
                    .iter()
                    .map(|run| (run.number, self.in_silence(run, &silence)))
                    .collect();
            }
        };
        let unknown: Vec<&Open<'_>> =
            open.iter().filter(|run| job_of(run, &queue).is_none()).collect();
        let past = match self.past(&unknown) {
            Ok(past) => past,
            Err(error) => return same(&error),
        };
        open.iter()
            .map(|run| {
                let job = match (job_of(run, &queue), &past) {
                    (Some(job), _) => Some(job),
                    // A job that is over for the controller, and not for accounting, is one of which accounting was not told.
                    (None, Ok(Some(past))) => job_of(run, past).filter(|job| job.state.is_over()),
                    (None, Ok(None)) => None,
                    (None, Err(silence)) => return (run.number, self.in_silence(run, silence)),
                };
                let renumbered = job.is_none() && is_renumbered(run, &queue);
                (run.number, self.judged(run, job.cloned(), renumbered))
            })
            .collect()
    }

    /// What `squeue` says of all jobs.
    fn queue(&self) -> Result<Result<std::sync::Arc<Queue>, Silence>, RunnerError> {
        let slurm = self.slurm()?;
        let interval = seconds("query_interval_seconds", self.query_interval_seconds)?;
        Ok(self.session.look(interval, || slurm.run("squeue", &SQUEUE, None)))
    }

    /// What accounting says of jobs that `squeue` does not know.
    fn past(
        &self,
        unknown: &[&Open<'_>],
    ) -> Result<Result<Option<std::sync::Arc<Queue>>, Silence>, RunnerError> {
        if unknown.is_empty() {
            return Ok(Ok(None));
        }
        let slurm = self.slurm()?;
        Ok(self.session.look_back(|| {
            let ids: Vec<&str> =
                unknown.iter().flat_map(|run| jobs_of(run.job, run.began.as_ref())).collect();
            let jobs = format!("--jobs={}", ids.join(","));
            let since = format!("--starttime={}", since(unknown.iter().map(|run| &run.folder)));
            let arguments: Vec<&str> = SACCT.into_iter().chain([&*jobs, &*since]).collect();
            slurm.run("sacct", &arguments, None)
        }))
    }

    /// What a run is taken for while Slurm does not answer.
    fn in_silence(&self, run: &Open<'_>, silence: &Silence) -> Result<RunStatus, RunnerError> {
        let Silence { lasted, said } = silence;
        if *lasted < seconds("patience_seconds", self.patience_seconds)? {
            // What the folder says does not need Slurm, if it stays without an explanation; why it was signalled only Slurm can tell.
            return match self.evidence(run, None, false)? {
                Some(evidence) if evidence.failed.is_some() && !evidence.was_signalled() => {
                    self.settled(run, verdict(&evidence))
                }
                Some(_) => Ok(RunStatus::Running),
                None => Ok(RunStatus::Completed),
            };
        }
        let (seconds, said) = (lasted.as_secs_f64(), said.clone());
        Err(RunnerError::transient(SlurmRunnerError::Silent { seconds, said }))
    }

    fn judged(
        &self,
        run: &Open<'_>,
        job: Option<Job>,
        renumbered: bool,
    ) -> Result<RunStatus, RunnerError> {
        // The folder is looked at again: what Slurm says is newer than what it said before.
        match self.evidence(run, job, renumbered)? {
            Some(evidence) => self.settled(run, verdict(&evidence)),
            None => Ok(RunStatus::Completed),
        }
    }

    /// Nothing, if the run ended well.
    fn evidence(
        &self,
        run: &Open<'_>,
        job: Option<Job>,
        renumbered: bool,
    ) -> Result<Option<Evidence>, ProgramError> {
        let folder = &run.folder;
        let (failed, status) = match folder.ended()? {
            Some(ended) => match folder.verdict(&self.program, &ended)? {
                RunStatus::Completed => return Ok(None),
                RunStatus::Failed { reason } => (Some(reason), Some(ended.status)),
                RunStatus::Running | RunStatus::Abandoned { .. } | RunStatus::Lost { .. } => {
                    (Some(String::new()), Some(ended.status))
                }
            },
            None => (None, None),
        };
        Ok(Some(Evidence {
            failed,
            status,
            began: folder.began()?.is_some(),
            signalled: folder.own("signalled").exists(),
            warned: self.resources.warn(),
            stopped: folder.stopped()?,
            given_up: folder.own(GIVEN_UP).exists(),
            alive: folder.is_locked()?,
            log: folder.tail("krige/slurm.log", READ)?,
            job,
            renumbered,
        }))
    }

    /// Waits for what must last, cancels what must never start, and counts what was lost.
    fn settled(&self, run: &Open<'_>, verdict: Verdict) -> Result<RunStatus, RunnerError> {
        let has_lasted = |symptom| -> Result<bool, RunnerError> {
            let grace = seconds("grace_seconds", self.grace_seconds)?;
            Ok(self.session.symptoms().lasted(&run.folder, symptom)? >= grace)
        };
        match verdict {
            Verdict::Running => {
                self.session.symptoms().clear(&run.folder)?;
                Ok(RunStatus::Running)
            }
            Verdict::Ended(end) => Ok(self.status(run.run, end)),
            Verdict::Later(symptom, end) => Ok(if has_lasted(symptom)? {
                self.status(run.run, end)
            } else {
                RunStatus::Running
            }),
            Verdict::Cancel(symptom, end) => {
                if !has_lasted(symptom)? {
                    return Ok(RunStatus::Running);
                }
                let status = self.status(run.run, end);
                if matches!(status, RunStatus::Lost { .. }) {
                    notes::write(&run.folder, GIVEN_UP, "")?;
                }
                if let RunStatus::Failed { reason } | RunStatus::Lost { reason } = &status {
                    run.folder.request_stop(reason)?;
                }
                self.cancel(&run.name, &jobs_of(run.job, run.began.as_ref()))?;
                Ok(status)
            }
            Verdict::CancelNow(end) => {
                self.cancel(&run.name, &jobs_of(run.job, run.began.as_ref()))?;
                Ok(self.status(run.run, end))
            }
        }
    }

    fn status(&self, run: &TrialRun, end: End) -> RunStatus {
        match end {
            End::As(status) => status,
            End::Lost(loss, reason) => lost(run, allowed(&self.retries, loss), reason),
        }
    }

    /// Notes that the run is to stop, and cancels its job: Slurm sends SIGTERM to all that belongs to it, and then SIGKILL.
    pub(super) fn stop(
        &self,
        run: &TrialRun,
        metadata: &Metadata,
        reason: &str,
    ) -> Result<Stopped, RunnerError> {
        let (folder, job) = identified(metadata)?;
        if folder.ended()?.is_none() {
            // First the note: what is only about to begin looks for it.
            folder.request_stop(reason)?;
            let name = name_of(run, &folder)?;
            self.cancel(&name, &jobs_of(job, folder.began()?.as_ref()))?;
        }
        Ok(Stopped::Requested)
    }

    /// Cancels those of the jobs that have that name: a controller that was killed may give a job's number to another one.
    /// (`scancel --name` would cancel all elements of an array that wait, whichever of them is meant.)
    fn cancel(&self, name: &str, jobs: &[&str]) -> Result<(), RunnerError> {
        let named = self.named(name)?;
        let is_there = |job: &&&str| {
            named.job(job).or_else(|| named.raw(job)).is_some_and(|job| !job.state.is_over())
        };
        let jobs: Vec<&str> = jobs.iter().filter(is_there).copied().collect();
        if jobs.is_empty() {
            return Ok(());
        }
        match self.slurm()?.run("scancel", &jobs, None) {
            Err(SlurmError::Refused { said, .. }) if is_over(&said) => Ok(()),
            other => Ok(other.map(drop)?),
        }
    }

    /// How many more jobs may be submitted.
    pub(super) fn slots(&self) -> Result<Option<usize>, RunnerError> {
        if self.max_queued.is_none() && !self.session.is_silent() {
            return Ok(None);
        }
        // Nothing is launched while nobody answers.
        let Ok(queue) = self.queue()? else { return Ok(Some(0)) };
        let taken = queue.active() + self.session.submitted();
        Ok(self.max_queued.map(|most| most.saturating_sub(taken)))
    }
}

/// How many runs a trial gets in all.
fn allowed(retries: &Retries, loss: Loss) -> u32 {
    match loss {
        Loss::NodeFailure => retries.node_failure,
        Loss::Preemption => retries.preemption,
        Loss::BootFailure => retries.boot_failure,
        Loss::LaunchFailure => retries.launch_failure,
        Loss::TimeLimit => retries.time_limit,
        Loss::OutOfMemory => retries.out_of_memory,
    }
}

/// The name of a run's job: its key, or that of the first run of its array.
fn name_of(run: &TrialRun, folder: &RunFolder) -> Result<String, ProgramError> {
    let element = notes::element(folder)?;
    Ok(element.map_or_else(|| run.key.clone(), |element| element.name))
}

/// What a run's metadata say.
fn identified(metadata: &Metadata) -> Result<(RunFolder, &str), RunnerError> {
    let both = RunFolder::of(metadata).zip(metadata.text(JOB));
    both.ok_or_else(|| RunnerError::permanent(SlurmRunnerError::NotOurs))
}

/// The ids under which a run may be known: that of its metadata, and that of the job in which it has begun.
fn jobs_of<'a>(job: &'a str, began: Option<&'a Began>) -> Vec<&'a str> {
    let began = began.and_then(|began| began.job.as_deref()).filter(|began| *began != job);
    began.into_iter().chain([job]).collect()
}

/// The job of a run: that in which it has begun, else that of its metadata. A job of another name has its number after it.
fn job_of<'a>(run: &Open<'_>, queue: &'a Queue) -> Option<&'a Job> {
    let its = |job: &&Job| job.name == run.name;
    let Some(raw) = run.began.as_ref().and_then(|began| began.job.as_deref()) else {
        return queue.job(run.job).filter(its);
    };
    queue.raw(raw).filter(its).or_else(|| {
        // What waits to be started again is not found by that number, if it is an element; another submission of the run is not
        // what it was begun by, but may still be in the queue.
        let job = queue.job(run.job).filter(its)?;
        (job.raw == raw || !job.state.is_over()).then_some(job)
    })
}

/// Whether a run's number is that of a job of another name, which has it after it.
fn is_renumbered(run: &Open<'_>, queue: &Queue) -> bool {
    jobs_of(run.job, run.began.as_ref())
        .into_iter()
        .filter_map(|id| queue.job(id).or_else(|| queue.raw(id)))
        .any(|job| job.name != run.name)
}

/// What `scancel` says of jobs that have ended.
fn is_over(said: &str) -> bool {
    ["Invalid job id specified", "already completing or completed"]
        .iter()
        .any(|sign| said.contains(sign))
}

#[cfg(test)]
mod tests;
