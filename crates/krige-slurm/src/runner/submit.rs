//! From trials to jobs that Slurm has accepted.

use std::fs::{self, File};
use std::path::Path;

use krige_core::trial::{Metadata, TrialRun};
use krige_core::value::Parameterization;
use krige_runner::RunnerError;
use krige_runner::program::{ProgramError, RunFolder};

use super::notes::{self, Element};
use super::{SlurmRunner, SlurmRunnerError};
use crate::script::{Folders, script};
use crate::slurm::SlurmError;

/// A run that is to be submitted.
struct Stake {
    /// Which of the runs that were given.
    number: usize,
    key: String,
    folder: RunFolder,
    /// Held until the job is noted.
    lock: File,
}

/// What a run is before its submission.
enum Staked {
    /// It was submitted before.
    Known(Metadata),
    Fresh(Stake),
}

impl SlurmRunner {
    /// Submits runs: one as a job of its own, several as an array job.
    pub(super) fn launch(
        &self,
        runs: &[(TrialRun, Parameterization)],
    ) -> Vec<Result<Metadata, RunnerError>> {
        let mut answers: Vec<Option<Result<Metadata, RunnerError>>> = Vec::new();
        let mut stakes = Vec::new();
        for (number, (run, parameters)) in runs.iter().enumerate() {
            answers.push(match self.stake(number, run, parameters) {
                Ok(Staked::Fresh(stake)) => {
                    stakes.push(stake);
                    None
                }
                Ok(Staked::Known(metadata)) => Some(Ok(metadata)),
                Err(error) => Some(Err(error)),
            });
        }
        let submitted = self.submit(&stakes);
        if let Err(RunnerError::Permanent(_)) = &submitted {
            for stake in &stakes {
                give_up(&stake.folder);
            }
        }
        for (place, stake) in stakes.iter().enumerate() {
            answers[stake.number] = Some(match &submitted {
                Ok(jobs) => Ok(notes::metadata(&stake.folder, &jobs[place])),
                Err(RunnerError::Permanent(cause)) => {
                    Err(RunnerError::permanent(cause.to_string()))
                }
                Err(RunnerError::Transient(cause)) => {
                    Err(RunnerError::transient(cause.to_string()))
                }
                Err(other) => Err(RunnerError::transient(other.to_string())),
            });
        }
        answers.into_iter().map(|answer| answer.expect("it was staked or answered")).collect()
    }

    /// Makes a run's folder ready, unless it was submitted before.
    fn stake(
        &self,
        number: usize,
        run: &TrialRun,
        parameters: &Parameterization,
    ) -> Result<Staked, RunnerError> {
        let folder = RunFolder::new(&self.work, run);
        let lock = folder.lock()?;
        if let Some(job) = known(&folder)? {
            return Ok(Staked::Known(notes::metadata(&folder, &job)));
        }
        let key = run.key.clone();
        let Some(lock) = lock else {
            return Err(RunnerError::transient(SlurmRunnerError::Submitting { key }));
        };
        if let Err(error) = folder.prepare(&self.program, run, parameters, None) {
            give_up(&folder);
            return Err(error.into());
        }
        Ok(Staked::Fresh(Stake { number, key, folder, lock }))
    }

    /// Submits what is staked, in one job; gives their ids.
    fn submit(&self, stakes: &[Stake]) -> Result<Vec<String>, RunnerError> {
        let Some(first) = stakes.first() else { return Ok(Vec::new()) };
        let is_array = stakes.len() > 1;
        for (index, stake) in stakes.iter().enumerate() {
            let element = is_array.then(|| Element { name: first.key.clone(), index });
            notes::write_element(&stake.folder, element.as_ref())?;
        }
        let path = self.write_script(stakes)?;
        let mut arguments = self.resources.arguments().map_err(RunnerError::permanent)?;
        let requeue = if self.requeue { "--requeue" } else { "--no-requeue" };
        arguments.extend(
            ["--parsable", "--open-mode=append", requeue, &format!("--job-name={}", first.key)]
                .map(String::from),
        );
        if let [.., last] = stakes
            && is_array
        {
            arguments.extend([
                format!("--array=0-{}", stakes.len() - 1),
                format!("--comment={} to {}", first.key, last.key),
                format!("--chdir={}", self.work.display()),
                // Relative, because Slurm would read a `%` in the folder's path.
                format!("--output={}/krige/slurm-%a.log", first.key),
            ]);
        } else {
            arguments.extend([
                // Should the run be submitted twice, the second job waits for the first and then finds that there is nothing to do.
                "--dependency=singleton".into(),
                format!("--comment={}", first.key),
                format!("--chdir={}", first.folder.path().display()),
                "--output=krige/slurm.log".into(),
            ]);
        }
        arguments.push(path);
        // What submits holds the lock, even if this process is killed meanwhile: who looks for the run then does not take it for absent.
        let lock = first.lock.try_clone().map_err(RunnerError::transient)?;
        let answer = self.slurm()?.run("sbatch", &arguments, Some(lock)).and_then(|text| id(&text));
        let id = match answer {
            Ok(id) => id,
            Err(error) => {
                let classified = if error.is_transient() {
                    RunnerError::transient(error.to_string())
                } else {
                    RunnerError::permanent(error.to_string())
                };
                self.session.note_silence(error);
                return Err(classified);
            }
        };
        self.session.note_submitted(stakes.len());
        let jobs: Vec<String> = (0..stakes.len())
            .map(|index| if is_array { format!("{id}_{index}") } else { id.clone() })
            .collect();
        for (stake, job) in stakes.iter().zip(&jobs) {
            // It can be found by its name, too.
            let _ = notes::write_job(&stake.folder, job);
        }
        Ok(jobs)
    }

    fn write_script(&self, stakes: &[Stake]) -> Result<String, RunnerError> {
        let paths: Vec<&Path> = stakes.iter().map(|stake| stake.folder.path()).collect();
        let folders = match paths[..] {
            [one] => Folders::One(one),
            _ => Folders::Array(&paths),
        };
        let arguments = RunFolder::arguments(&self.program, &self.resources.launcher);
        let path = stakes[0].folder.own("job.sh");
        fs::write(&path, script(&folders, &self.resources.setup, &arguments))
            .map_err(|source| ProgramError::File { action: "write", path: path.clone(), source })?;
        Ok(path.to_string_lossy().into_owned())
    }
}

/// The job that a run was submitted as, if it is known.
pub(super) fn known(folder: &RunFolder) -> Result<Option<String>, ProgramError> {
    if let Some(job) = notes::job(folder)? {
        return Ok(Some(job));
    }
    let job = folder.began()?.and_then(|began| began.job);
    if let Some(job) = &job {
        // What cannot be noted is found again.
        let _ = notes::write_job(folder, job);
    }
    Ok(job)
}

/// Removes the folder of a run that Slurm did not take: nothing of it is left to be found.
fn give_up(folder: &RunFolder) {
    // What stays is looked for in Slurm by its name.
    let _ = fs::remove_dir_all(folder.path());
}

/// The id in what `sbatch --parsable` prints: `12`, or `12;cluster`.
fn id(text: &str) -> Result<String, SlurmError> {
    let line = text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
    let id = line.split(';').next().unwrap_or_default();
    if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(id.to_owned());
    }
    let said = text.chars().take(200).collect();
    Err(SlurmError::Garbled { command: "sbatch".into(), expected: "a job's id", said })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_with_or_without_its_cluster() {
        assert_eq!(id("12\n").expect("an id"), "12");
        assert_eq!(id("12;main\n").expect("an id"), "12");
        // A site's plugin may print before it.
        assert_eq!(id("Welcome\n12\n\n").expect("an id"), "12");
        for text in ["", "\n", "Submitted batch job 12", ";main"] {
            let error = id(text).expect_err("no id");
            assert!(error.is_transient(), "the job may exist: {error}");
        }
    }
}
