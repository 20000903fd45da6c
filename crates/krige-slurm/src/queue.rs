//! What `squeue` and `sacct` print of jobs.

use std::collections::HashMap;

use crate::state::JobState;

/// What `squeue` is asked for: array jobs an element a line, and the jobs that have ended not long ago, too.
///
/// Never `--json`: it leaves out the choice of jobs, and has exit statuses in other forms than the text (22.05).
pub(crate) const SQUEUE: [&str; 7] =
    ["--noheader", "--array", "--me", "-t", "all", "-o", "%i|%A|%T|%j|%r"];

/// What `sacct` is asked for, of whole jobs and not of their steps. Without states it leaves out jobs that were cancelled before they were to
/// start (22.05).
pub(crate) const SACCT: [&str; 7] = [
    "--noheader",
    "--allocations",
    "--parsable2",
    "--endtime=now",
    "--state=BF,CA,CD,DL,F,NF,OOM,PD,PR,R,RS,RV,S,TO",
    "-o",
    "JobID,JobIDRaw,State,JobName,ExitCode",
];

/// One job, or one element of an array job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Job {
    /// Its id, as `12`, or `12_3` for element 3 of array job 12.
    pub(crate) id: String,
    /// What `SLURM_JOB_ID` is in it; an element has a number of its own once it has started.
    pub(crate) raw: String,
    /// What becomes of it.
    pub(crate) state: JobState,
    /// Its name: after a controller has lost its state, numbers are given again.
    pub(crate) name: String,
    /// What Slurm adds: why it waits or failed (`squeue`), or its exit status and signal, as `9:0` (`sacct`).
    pub(crate) detail: String,
}

/// The jobs of one answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Queue {
    jobs: Vec<Job>,
    by_id: HashMap<String, usize>,
    by_raw: HashMap<String, usize>,
}

impl Queue {
    /// Reads an answer. Lines that are no jobs, which warnings or names with newlines make, are passed over.
    pub(crate) fn read(text: &str) -> Self {
        let mut queue = Self::default();
        for line in text.lines() {
            let mut fields = line.splitn(5, '|');
            let (Some(ids), Some(raw), Some(state), Some(name), Some(detail)) =
                (fields.next(), fields.next(), fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            if !is_number(raw) {
                continue;
            }
            for id in expanded(ids.trim()) {
                let (raw, name) = (raw.to_owned(), name.to_owned());
                let (state, detail) = (JobState::of(state), detail.trim_end().to_owned());
                queue.push(Job { id, raw, state, name, detail });
            }
        }
        queue
    }

    fn push(&mut self, job: Job) {
        let number = self.jobs.len();
        // All elements that have not started have the array's own number.
        if job.id == job.raw || job.state != JobState::Waits {
            self.by_raw.insert(job.raw.clone(), number);
        }
        // The last line of a job that ran several times is of the last time.
        self.by_id.insert(job.id.clone(), number);
        self.jobs.push(job);
    }

    /// The job of that id, as `12` or `12_3`.
    pub(crate) fn job(&self, id: &str) -> Option<&Job> {
        self.by_id.get(id).map(|&number| &self.jobs[number])
    }

    /// The job in which `SLURM_JOB_ID` is that number.
    pub(crate) fn raw(&self, raw: &str) -> Option<&Job> {
        self.by_raw.get(raw).map(|&number| &self.jobs[number])
    }

    /// How many have not ended.
    pub(crate) fn active(&self) -> usize {
        self.jobs.iter().filter(|job| !job.state.is_over()).count()
    }

    /// The job to look at among several of one name: the first that has not ended, else the first of all; of array jobs,
    /// only this element counts.
    pub(crate) fn first(&self, element: Option<usize>) -> Option<&Job> {
        let is_it = |job: &&Job| match element {
            Some(index) => job.id.split_once('_').is_some_and(|(_, of)| of == index.to_string()),
            None => is_number(&job.id),
        };
        let number = |job: &&Job| job.id.split('_').next().and_then(|id| id.parse::<u64>().ok());
        let its = || self.jobs.iter().filter(is_it);
        its()
            .filter(|job| !job.state.is_over())
            .min_by_key(number)
            .or_else(|| its().min_by_key(number))
    }
}

/// Every id of a line: `12`, `12_3`, or all of `12_[1-3,7%2]`. Nothing, if it is no job's.
fn expanded(ids: &str) -> Vec<String> {
    let Some((job, elements)) = ids.split_once('_') else {
        return if is_number(ids) { vec![ids.to_owned()] } else { Vec::new() };
    };
    if !is_number(job) {
        return Vec::new();
    }
    if is_number(elements) {
        return vec![ids.to_owned()];
    }
    let Some(list) = elements.strip_prefix('[').and_then(|list| list.strip_suffix(']')) else {
        return Vec::new();
    };
    // After `%` is how many may run at a time. A list that is too long ends with `...`.
    let list = list.split('%').next().unwrap_or_default();
    let mut all = Vec::new();
    for range in list.split(',') {
        let (span, step) = range.split_once(':').unwrap_or((range, "1"));
        let (first, last) = span.split_once('-').unwrap_or((span, span));
        if let (Ok(first), Ok(last), Ok(step)) =
            (first.parse(), last.parse(), step.parse::<usize>())
            && last <= MOST
        {
            let elements = (first..=last).step_by(step.max(1));
            all.extend(elements.map(|element: usize| format!("{job}_{element}")));
        }
    }
    all
}

/// The largest number that Slurm takes for an element (`MaxArraySize` is at most 4000001).
const MOST: usize = 4_000_000;

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.len() <= 19 && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests;
