//! What a far side does with one run, call by call.

use krige_core::trial::TrialRun;
use krige_runner::RunStatus;

use crate::random::SplitMix;

/// How the far side answers one call.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer<T> {
    /// So.
    Gives(T),
    /// With an error that may pass; nothing was done.
    Transient,
    /// With an error that will not pass; nothing was done.
    Permanent,
    /// Not at all: the call panics, and nothing was done.
    Panics,
    /// So, but the call blocks until [`FarSide::release`](crate::FarSide::release).
    Late(T),
}

/// What comes of a launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Launch {
    /// The run is started.
    Accepted,
    /// The run is started, and the call fails all the same, which the contract forbids.
    AcceptedButDenied,
}

/// What a search for a run by its key gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Find {
    /// The truth.
    Truth,
    /// That it cannot be told.
    Unknown,
    /// That there is none: a lie, where there is one.
    Absent,
}

/// What comes of a request to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The run fails from now on.
    Obeys,
    /// It is promised, and the run goes on as if nothing had been asked.
    Ignores,
    /// It is refused.
    Unsupported,
}

/// What a metric gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fetch {
    /// The value that the far side computed.
    Value,
    /// That number, whatever was computed; it need not be finite.
    Other(f64),
    /// That it is not there yet.
    NotYet,
}

/// What the far side does with a run: for each kind of call the first, second, … answer; the last one repeats.
///
/// Polls, stops and fetches are counted for each job on its own, launches and searches for each key. A status other
/// than [`RunStatus::Running`] that is not the last poll is a far side that changes its mind, or answers twice.
#[derive(Debug, Clone, PartialEq)]
pub struct Script {
    /// Answers of `run_trial`.
    pub launch: Vec<Answer<Launch>>,
    /// Answers of `poll_trial`.
    pub poll: Vec<Answer<RunStatus>>,
    /// Answers of `find_trial`.
    pub find: Vec<Answer<Find>>,
    /// Answers of `stop_trial`.
    pub stop: Vec<Answer<Stop>>,
    /// Answers of each metric's `fetch`.
    pub fetch: Vec<Answer<Fetch>>,
}

impl Script {
    /// An honest run that ends so at the poll after `polls` that see it running.
    pub fn ends_after(polls: usize, end: RunStatus) -> Self {
        let mut poll = vec![Answer::Gives(RunStatus::Running); polls];
        poll.push(Answer::Gives(end));
        Self {
            launch: vec![Answer::Gives(Launch::Accepted)],
            poll,
            find: vec![Answer::Gives(Find::Truth)],
            stop: vec![Answer::Gives(Stop::Obeys)],
            fetch: vec![Answer::Gives(Fetch::Value)],
        }
    }

    /// An honest run that completes at the poll after `polls` that see it running.
    pub fn completes_after(polls: usize) -> Self {
        Self::ends_after(polls, RunStatus::Completed)
    }

    /// An honest run that fails at the poll after `polls` that see it running.
    pub fn fails_after(polls: usize) -> Self {
        Self::ends_after(polls, RunStatus::Failed { reason: "scripted failure".into() })
    }

    /// An honest run that ends only if it is stopped.
    pub fn never_ends() -> Self {
        Self::ends_after(0, RunStatus::Running)
    }

    /// A run as they are in a laboratory, always the same for the same seed and run.
    ///
    /// It takes up to 8 polls; one in 8 fails, and one in 8 launches, polls and fetches meets a transient error first.
    pub fn random(seed: u64, run: &TrialRun) -> Self {
        let mut random = SplitMix::new(&[seed, run.trial_index as u64, u64::from(run.attempt)]);
        let mut unlucky = || random.below(8) == 0;
        let [fails, launch, poll, fetch] = [unlucky(), unlucky(), unlucky(), unlucky()];
        let polls = random.below(9);
        let mut script =
            if fails { Self::fails_after(polls) } else { Self::completes_after(polls) };
        if launch {
            script.launch.insert(0, Answer::Transient);
        }
        if poll {
            script.poll.insert(random.below(polls + 1), Answer::Transient);
        }
        if fetch {
            script.fetch.insert(0, Answer::Transient);
        }
        script
    }
}

impl Default for Script {
    /// An honest run that completes at its first poll.
    fn default() -> Self {
        Self::completes_after(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_scripts_repeat_and_differ() {
        let script = |seed, trial| Script::random(seed, &TrialRun::new("e", trial, 1));
        assert_eq!(script(1, 2), script(1, 2));
        let many: Vec<_> = (0..200).map(|trial| script(1, trial)).collect();
        assert_ne!(many, (0..200).map(|trial| script(2, trial)).collect::<Vec<_>>());
        let share = |holds: fn(&Script) -> bool| many.iter().filter(|s| holds(s)).count();
        for count in [
            share(|s| matches!(s.poll.last(), Some(Answer::Gives(RunStatus::Failed { .. })))),
            share(|s| s.launch.len() == 2),
            share(|s| s.poll.contains(&Answer::Transient)),
            share(|s| s.fetch.len() == 2),
        ] {
            assert!((10..50).contains(&count), "{count} of 200");
        }
        assert!(share(|s| s.poll.len() == 1) > 5, "some end at once");
        assert!(share(|s| s.poll.len() > 7) > 5, "some take long");
    }
}
