//! What a runner keeps between its calls: nothing that a restart would miss.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::symptoms::Symptoms;
use crate::queue::Queue;
use crate::slurm::SlurmError;

/// How rarely a controller that does not answer is asked again.
const RARELY: Duration = Duration::from_secs(30);

/// What a runner keeps between its calls: what it last saw, and since when. Its clones share it.
#[derive(Debug, Clone, Default)]
pub struct Session(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Held while Slurm is asked: whoever comes meanwhile waits for that answer.
    queue: Mutex<Looked>,
    accounting: Mutex<Looked>,
    symptoms: Symptoms,
}

/// The last answer, and the last failure.
#[derive(Debug, Default)]
struct Looked {
    answer: Option<Arc<Queue>>,
    at: Option<Instant>,
    failures: u32,
    silent_since: Option<Instant>,
    said: String,
    /// How many jobs were submitted since.
    submitted: usize,
    /// Whether it is known that there is no accounting.
    is_off: bool,
}

/// Nobody answers.
#[derive(Debug, Clone)]
pub(super) struct Silence {
    /// For how long.
    pub(super) lasted: Duration,
    /// What the last command said.
    pub(super) said: String,
}

impl Session {
    /// What `squeue` says, not older than the interval; while it fails, it is asked ever more rarely.
    pub(super) fn look(
        &self,
        interval: Duration,
        ask: impl FnOnce() -> Result<String, SlurmError>,
    ) -> Result<Arc<Queue>, Silence> {
        let mut looked = lock(&self.0.queue);
        let is_due = |at: Instant| at.elapsed() >= spaced(interval, looked.failures);
        if looked.at.is_none_or(is_due) {
            looked.take(ask());
        }
        looked.result()
    }

    /// What `sacct` says of jobs that `squeue` does not know; `None` where there is no accounting.
    pub(super) fn look_back(
        &self,
        ask: impl FnOnce() -> Result<String, SlurmError>,
    ) -> Result<Option<Arc<Queue>>, Silence> {
        let mut looked = lock(&self.0.accounting);
        let is_due = |at: Instant| {
            looked.failures == 0 || at.elapsed() >= spaced(Duration::from_secs(1), looked.failures)
        };
        if looked.is_off {
            return Ok(None);
        }
        if looked.at.is_none_or(is_due) {
            match ask() {
                Err(SlurmError::Refused { said, .. }) if is_no_accounting(&said) => {
                    looked.is_off = true;
                    return Ok(None);
                }
                answer => looked.take(answer),
            }
        }
        looked.result().map(Some)
    }

    /// Whether the last command got no answer.
    pub(super) fn is_silent(&self) -> bool {
        lock(&self.0.queue).silent_since.is_some()
    }

    /// Notes that a submission got no answer.
    pub(super) fn note_silence(&self, error: SlurmError) {
        if error.is_transient() {
            lock(&self.0.queue).take(Err(error));
        }
    }

    /// Notes that jobs were submitted, which the last answer does not have.
    pub(super) fn note_submitted(&self, jobs: usize) {
        lock(&self.0.queue).submitted += jobs;
    }

    /// How many jobs were submitted since the last answer.
    pub(super) fn submitted(&self) -> usize {
        lock(&self.0.queue).submitted
    }

    /// Whether it is known that there is no accounting.
    pub(super) fn has_no_accounting(&self) -> bool {
        lock(&self.0.accounting).is_off
    }

    /// Notes that there is no accounting, if that is what was said.
    pub(super) fn note_no_accounting(&self, said: &str) -> bool {
        let is_off = is_no_accounting(said);
        lock(&self.0.accounting).is_off |= is_off;
        is_off
    }

    /// What was strange about runs, and for how long.
    pub(super) fn symptoms(&self) -> &Symptoms {
        &self.0.symptoms
    }
}

impl Looked {
    fn take(&mut self, answer: Result<String, SlurmError>) {
        self.at = Some(Instant::now());
        match answer {
            Ok(text) => {
                *self = Self {
                    answer: Some(Arc::new(Queue::read(&text))),
                    at: self.at,
                    ..Self::default()
                };
            }
            Err(error) => {
                self.failures = self.failures.saturating_add(1);
                self.silent_since = self.silent_since.or(self.at);
                self.said = error.to_string();
            }
        }
    }

    fn result(&self) -> Result<Arc<Queue>, Silence> {
        match (&self.answer, self.silent_since) {
            (Some(answer), None) => Ok(Arc::clone(answer)),
            (_, since) => Err(Silence {
                lasted: since.map_or(Duration::ZERO, |since| since.elapsed()),
                said: self.said.clone(),
            }),
        }
    }
}

/// Slurm 22.05 says "Slurm accounting storage is disabled".
fn is_no_accounting(said: &str) -> bool {
    said.contains("accounting storage is disabled")
}

/// Doubled with each failure, and a little different in each process: not all ask at once when the controller is back.
fn spaced(interval: Duration, failures: u32) -> Duration {
    if failures == 0 {
        return interval;
    }
    let longer = interval.saturating_mul(1 << failures.min(10)).min(RARELY);
    let part = std::process::id().wrapping_mul(2_654_435_761) >> 24;
    longer.mul_f64(0.8 + 0.2 * f64::from(part) / 255.0)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn silent() -> Result<String, SlurmError> {
        Err(SlurmError::Silent { command: "squeue".into(), said: "down".into() })
    }

    #[test]
    fn many_looks_in_the_interval_are_one_question() {
        let (session, mut asked) = (Session::default(), 0);
        for _ in 0..500 {
            let copy = session.clone();
            let queue = copy.look(Duration::from_secs(3600), || {
                asked += 1;
                Ok("1|1|RUNNING|k|None\n".into())
            });
            assert_eq!(queue.expect("it answers").active(), 1);
        }
        assert_eq!(asked, 1);
    }

    #[test]
    fn silence_is_told_until_there_is_an_answer() {
        let session = Session::default();
        let silence = session.look(Duration::ZERO, silent).expect_err("it is silent");
        assert!(silence.said.contains("down"));
        assert!(session.is_silent());
        // An old answer is none.
        let silence = session.look(Duration::ZERO, || Ok(String::new()));
        assert!(silence.is_ok() && !session.is_silent());
        session.note_silence(SlurmError::Silent { command: "sbatch".into(), said: "down".into() });
        assert!(session.is_silent());
        session.look(Duration::from_secs(3600), silent).expect_err("it is silent");
    }

    #[test]
    fn a_silent_controller_is_asked_ever_more_rarely() {
        let second = Duration::from_secs(1);
        assert_eq!(spaced(second, 0), second);
        let waits: Vec<Duration> = (1..8).map(|failures| spaced(second, failures)).collect();
        assert!(waits.is_sorted(), "{waits:?}");
        assert!(waits[0] >= second && waits[6] <= RARELY, "{waits:?}");
        assert!(waits[6] >= RARELY.mul_f64(0.8));
        assert_eq!(spaced(Duration::ZERO, 3), Duration::ZERO);
    }

    #[test]
    fn where_there_is_no_accounting_it_is_asked_for_once() {
        let (session, mut asked) = (Session::default(), 0);
        for _ in 0..3 {
            let answer = session.look_back(|| {
                asked += 1;
                let said = "Slurm accounting storage is disabled".into();
                Err(SlurmError::Refused { command: "sacct".into(), said })
            });
            assert!(matches!(answer, Ok(None)));
        }
        assert_eq!(asked, 1);
        let other = Session::default();
        assert!(other.look_back(silent).is_err());
    }

    #[test]
    fn what_was_submitted_since_the_last_answer_counts() {
        let session = Session::default();
        session.note_submitted(2);
        assert_eq!(session.submitted(), 2);
        session.look(Duration::ZERO, || Ok(String::new())).expect("it answers");
        assert_eq!(session.submitted(), 0);
    }
}
