//! What a run is asked for while it runs: one channel, through the journal, for code, terminals and servers.

use serde::{Deserialize, Serialize};

/// A request to whoever runs the trials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Control {
    /// Start nothing new until further notice; what runs goes on. It holds beyond the end of the run.
    Pause,
    /// Go on after a pause.
    Resume,
    /// Start nothing more, and end the run when what runs has ended.
    Drain,
    /// Stop what runs on the far side, where that can be done, and end the run.
    Stop,
    /// Have so many trials under way at a time, from now on.
    Parallelism {
        /// At least 1.
        trials: usize,
    },
}

/// What is asked for now: the fold of all [`Control`]s.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Controls {
    /// Whether nothing new is to be started.
    pub paused: bool,
    /// How the present run is to end, if it is.
    pub ending: Option<Ending>,
    /// How many trials may be under way, where that was changed.
    pub parallelism: Option<usize>,
}

/// How a run is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// After what runs has ended.
    Drain,
    /// At once, what runs being stopped on the far side.
    Stop,
}

impl Controls {
    /// Takes a request in.
    pub fn apply(&mut self, control: &Control) {
        match control {
            Control::Pause => self.paused = true,
            Control::Resume => self.paused = false,
            // A drain after a stop takes nothing back.
            Control::Drain => self.ending = self.ending.max(Some(Ending::Drain)),
            Control::Stop => self.ending = Some(Ending::Stop),
            Control::Parallelism { trials } => self.parallelism = Some(*trials),
        }
    }

    /// Forgets how the run that ended was asked to end: the next one was not.
    pub fn begin_run(&mut self) {
        self.ending = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_request_counts_and_an_end_is_of_its_run() {
        let mut controls = Controls::default();
        for control in
            [Control::Pause, Control::Parallelism { trials: 3 }, Control::Stop, Control::Drain]
        {
            controls.apply(&control);
        }
        let expected = Controls { paused: true, ending: Some(Ending::Stop), parallelism: Some(3) };
        assert_eq!(controls, expected);
        controls.begin_run();
        controls.apply(&Control::Resume);
        assert_eq!(controls, Controls { parallelism: Some(3), ..Controls::default() });
    }
}
