//! What a person sees of a run: a bar and a line for each trial on a terminal, plain lines elsewhere.

use std::fs::{File, OpenOptions};
use std::io::{IsTerminal, Write as _};
use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use krige_core::Timestamp;
use krige_core::experiment::Experiment;
use krige_core::trial::TrialStatus;
use krige_core::value::{ParameterValue, Parameterization};

use crate::finished::FinishedTrial;
use crate::value::{label, single_objective};

/// What a person sees of a run; all of it goes to standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Progress {
    /// A bar on a terminal, plain lines elsewhere.
    #[default]
    Auto,
    /// Plain lines.
    Lines,
    /// Nothing.
    Silent,
}

/// Shows the progress of one run.
#[derive(Debug)]
pub(crate) struct Reporter {
    bar: Option<ProgressBar>,
    lines: bool,
    log: Option<File>,
}

impl Reporter {
    /// Opens the log file too, where there is to be one.
    pub(crate) fn new(progress: Progress, log: Option<&Path>) -> std::io::Result<Self> {
        let append = |path| OpenOptions::new().create(true).append(true).open(path);
        let mut reporter = Self::of(progress);
        reporter.log = log.map(append).transpose()?;
        Ok(reporter)
    }

    /// Without a log file.
    pub(crate) fn of(progress: Progress) -> Self {
        let terminal = std::io::stderr().is_terminal();
        match progress {
            Progress::Silent => Self { bar: None, lines: false, log: None },
            Progress::Auto if terminal => {
                let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
                let style = "{bar:30} {pos}/{len} {msg} [{elapsed}, {eta} left]";
                if let Ok(style) = ProgressStyle::with_template(style) {
                    bar.set_style(style.progress_chars("=> "));
                }
                bar.enable_steady_tick(Duration::from_millis(200));
                Self { bar: Some(bar), lines: true, log: None }
            }
            Progress::Auto | Progress::Lines => Self { bar: None, lines: true, log: None },
        }
    }

    /// Shows a trial that has ended.
    pub(crate) fn finished(&mut self, experiment: &Experiment, finished: &FinishedTrial) {
        if self.lines || self.log.is_some() {
            self.say(&line(experiment, finished));
        }
    }

    /// Shows a line, and appends it to the log file with the time.
    pub(crate) fn say(&mut self, line: &str) {
        if self.lines {
            self.show(line);
        }
        let Some(log) = &mut self.log else { return };
        if let Err(error) = writeln!(log, "{} {line}", Timestamp::now()) {
            // Once: a full disk must not fill the terminal too.
            self.log = None;
            self.show(&format!("the log file cannot be written any more: {error}"));
        }
    }

    fn show(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None => eprintln!("{line}"),
        }
    }

    /// Shows how far the run is; `left` trials are still to be proposed.
    pub(crate) fn progress(&self, experiment: &Experiment, left: usize) {
        let Some(bar) = &self.bar else { return };
        let running = experiment.count_in(&[TrialStatus::Staged, TrialStatus::Running]);
        let ended =
            experiment.trials.len() - running - experiment.count_in(&[TrialStatus::Candidate]);
        bar.set_length((experiment.trials.len() + left) as u64);
        bar.set_position(ended as u64);
        let best = crate::value::best_value(experiment);
        let best = best.map(|best| format!(", best {}", number(best))).unwrap_or_default();
        bar.set_message(format!("trials, {running} running{best}"));
    }

    /// Takes the bar away.
    pub(crate) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        self.end();
    }
}

/// One line about a trial that has ended.
fn line(experiment: &Experiment, finished: &FinishedTrial) -> String {
    let trial = &finished.trial;
    let mut line = format!("trial {:>3}  {:<6} {:<13}", trial.index, trial.node(), trial.status());
    match (single_objective(experiment), finished.value) {
        (Some(objective), Some(value)) => {
            line += &format!(" {} = {}", label(objective), number(value));
        }
        _ => {
            for observation in trial.observations.iter().filter(|o| o.progression.is_none()) {
                line += &format!(" {} = {}", observation.metric, number(observation.mean));
            }
        }
    }
    if let Some(best) = finished.best {
        line += &format!("  best {}", number(best));
    }
    line += &format!("  {}", brief(&trial.arm.parameters));
    if let Some(reason) = trial.state.reason() {
        line += &format!("  ({reason})");
    }
    if let Some(degraded) = trial.generation().and_then(|g| g.degraded.as_ref()) {
        line += &format!("  [{}: {degraded}]", trial.node());
    }
    line
}

/// Parameters with short numbers, for people.
fn brief(parameters: &Parameterization) -> String {
    let value = |value: &ParameterValue| match value {
        ParameterValue::Float(float) => number(*float),
        other => other.to_string(),
    };
    let pairs: Vec<_> =
        parameters.iter().map(|(name, v)| format!("{name}: {}", value(v))).collect();
    format!("{{{}}}", pairs.join(", "))
}

/// A number with six significant digits, for people.
pub(crate) fn number(value: f64) -> String {
    let magnitude = value.abs();
    if value == 0.0 {
        "0".into()
    } else if (1e-4..1e6).contains(&magnitude) {
        let digits = (5 - magnitude.log10().floor() as i32).clamp(0, 12) as usize;
        let fixed = format!("{value:.digits$}");
        if fixed.contains('.') {
            fixed.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            fixed
        }
    } else {
        format!("{value:.5e}")
    }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_have_six_significant_digits() {
        for (value, expected) in [
            (0.0, "0"),
            (-3.322_368_011, "-3.32237"),
            (100.0, "100"),
            (123_456.7, "123457"),
            (0.000_123_456_78, "0.000123457"),
            (1.5e-9, "1.50000e-9"),
            (2e12, "2.00000e12"),
            (1.25, "1.25"),
        ] {
            assert_eq!(number(value), expected);
        }
    }
}
