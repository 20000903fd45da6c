//! One process drives, the others watch it and tell what it does.

use krige_core::event::Event;
use krige_core::observation::Observation;
use krige_core::trial::{TrialIndex, TrialStatus};

use super::super::lease::Standing;
use super::super::plan::{Command, Finish, plan};
use super::super::stop::StopLevel;
use super::{PATIENCE, Results};
use crate::error::Error;

impl Results<'_> {
    /// Whether this process drives now; one that has just begun to takes over what is under way.
    pub(super) fn lead(&mut self) -> Result<bool, Error> {
        if !self.lease.leads() {
            // Where nothing is left to do, nobody need lead.
            self.tell_others()?;
            // Whoever asks the leader to end means those who watch it too.
            let ending = self.store.experiment().controls.ending.is_some();
            if ending && !self.board.former_ending {
                self.finish(Finish::Stopped)?;
                return Ok(false);
            }
            let commands = plan(self.store.experiment(), &self.options, &self.board, self.now());
            if let [Command::Finish(finish @ (Finish::Done | Finish::TimedOut))] = commands[..] {
                self.finish(finish)?;
                return Ok(false);
            }
        }
        let standing = self.lease.look(self.store)?;
        if standing == Standing::Watches {
            // Whoever leads looks for what was not launched, so to launch it later would be to start it twice.
            for (run, _) in self.batch.drain(..) {
                self.board.calling.remove(&run.trial_index);
            }
        }
        if standing == Standing::Begins {
            self.board.former_ending = false;
            self.tell_others()?;
            // A launch may have been interrupted with the process that led; what is under way here is answered for.
            self.overtaken.extend(&self.board.calling);
            let staged = self.store.experiment().trials_in(&[TrialStatus::Staged]);
            self.board.inherited = staged.map(|trial| trial.index).collect();
            let running = self.store.experiment().trials_in(&[TrialStatus::Running]);
            let ours = running.filter(|t| t.state.launch().is_some_and(|launch| !launch.by_hand));
            self.board.running = ours.map(|trial| trial.index).collect();
            self.board.absent.clear();
            self.board.denied.clear();
            self.board.poll_at = self.now();
        }
        Ok(standing != Standing::Watches)
    }

    /// One turn of the loop while somebody else drives.
    pub(super) fn watch(&mut self) -> Result<(), Error> {
        if self.ended.is_some() {
            return Ok(());
        }
        self.report_progress();
        if self.board.stop.is_some_and(|level| level > StopLevel::No) {
            return self.finish(Finish::Stopped);
        }
        // What was called while this process led is answered now; only the leader stores what comes of it.
        if let Some(outcome) = self.workers.outcome(PATIENCE) {
            self.take_in(outcome)?;
        }
        Ok(())
    }

    /// Tells of the trials that others ended.
    fn tell_others(&mut self) -> Result<(), Error> {
        let trials = self.store.experiment().trials.iter();
        let ended: Vec<TrialIndex> = trials
            .filter(|trial| trial.status().is_terminal() && !self.told.contains(&trial.index))
            .map(|trial| trial.index)
            .collect();
        for trial in ended {
            self.tell(trial)?;
        }
        Ok(())
    }

    /// Keeps what was fetched for a former leader, if the trial has ended meanwhile; if not, the new one fetches it.
    pub(super) fn keep_late(
        &mut self,
        trial: TrialIndex,
        observations: &[Observation],
    ) -> Result<(), Error> {
        let sound: Vec<Observation> =
            observations.iter().filter(|o| o.check().is_ok()).cloned().collect();
        self.store.decide(|experiment| {
            let ended = experiment.trial(trial)?.status().is_terminal();
            let late =
                Event::ObservationsAttached { trial, observations: sound.clone(), late: true };
            Ok((if ended && !sound.is_empty() { vec![late] } else { Vec::new() }, ()))
        })
    }
}
