//! What is found, and what is not.

use super::*;
use krige_core::event::Event;
use krige_core::search_space::{Parameter, SearchSpace};
use krige_core::trial::{Arm, Metadata, TrialEvent};

struct Lab(Experiment);

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

impl Lab {
    fn new() -> Self {
        let search_space = SearchSpace::new(vec![Parameter::float("x", 0.0, 1.0)], &[]).unwrap();
        let (id, name) = ("id".to_owned(), "e".to_owned());
        let event = Event::ExperimentCreated { id, name, description: None, seed: 0, search_space };
        Self(Experiment::create(&event).unwrap())
    }

    fn push(&mut self, second: i64, event: Event) {
        let _applied = self.0.apply(at(second), &event).unwrap();
    }

    /// A trial that was started at a second, and what came of it at another.
    fn trial(&mut self, start: i64, end: Option<(i64, TrialEvent)>) -> TrialIndex {
        let trial = self.0.trials.len();
        let arm =
            Arm { name: format!("{trial}_0"), parameters: [("x", trial as f64 / 1e3)].into() };
        self.push(start, Event::TrialAttached { trial, arm, baseline: false });
        let run = self.0.next_run(trial);
        self.push(start, Event::Trial { trial, event: TrialEvent::Launching { run } });
        let running = TrialEvent::Running { metadata: Metadata::default(), by_hand: false };
        self.push(start, Event::Trial { trial, event: running });
        if let Some((second, event)) = end {
            self.push(second, Event::Trial { trial, event });
        }
        trial
    }

    fn kinds(&self, now: i64) -> Vec<FindingKind> {
        findings(&self.0, at(now)).into_iter().map(|finding| finding.kind).collect()
    }
}

fn failed(reason: &str) -> TrialEvent {
    TrialEvent::Failed { reason: reason.into() }
}

#[test]
fn a_trial_that_runs_far_longer_than_the_others_is_stuck() {
    let mut lab = Lab::new();
    for i in 0..5 {
        lab.trial(10 * i, Some((10 * i + 10, TrialEvent::Completed)));
    }
    let trial = lab.trial(100, None);
    assert_eq!(lab.kinds(150), []);
    let found = findings(&lab.0, at(151));
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].kind, found[0].trial), (FindingKind::StuckTrial, Some(trial)));
    assert!(found[0].text.contains("51 s") && found[0].text.contains("krige-id-5-1"));
}

#[test]
fn a_launch_without_an_answer_is_found() {
    let mut lab = Lab::new();
    let arm = Arm { name: "0_0".into(), parameters: [("x", 0.5)].into() };
    lab.push(0, Event::TrialAttached { trial: 0, arm, baseline: false });
    let run = lab.0.next_run(0);
    lab.push(0, Event::Trial { trial: 0, event: TrialEvent::Launching { run } });
    assert_eq!(lab.kinds(300), []);
    assert_eq!(lab.kinds(301), [FindingKind::StuckLaunch]);
}

#[test]
fn failures_count_where_they_become_more() {
    let mut lab = Lab::new();
    for i in 0..10 {
        lab.trial(i, Some((i + 1, TrialEvent::Completed)));
    }
    for i in 10..12 {
        lab.trial(i, Some((i + 1, failed("it fell over"))));
    }
    assert_eq!(lab.kinds(20), []);
    lab.trial(12, Some((13, failed("metric `y`: gone"))));
    assert_eq!(lab.kinds(20), [FindingKind::GrowingFailureRate]);
    lab.trial(13, Some((14, failed("metric `y`: gone"))));
    let both = [FindingKind::GrowingFailureRate, FindingKind::MetricErrors];
    assert_eq!(lab.kinds(20), both);
    // What fails at its old rate is no news.
    let mut steady = Lab::new();
    for i in 0..40 {
        let end = if i % 3 == 0 { failed("it fell over") } else { TrialEvent::Completed };
        steady.trial(i, Some((i + 1, end)));
    }
    assert_eq!(steady.kinds(50), []);
}

#[test]
fn who_is_waited_for_and_since_when() {
    let mut lab = Lab::new();
    assert_eq!(waiting_for(&lab.0, at(0)), None);
    lab.trial(0, None);
    lab.trial(60, None);
    assert_eq!(
        waiting_for(&lab.0, at(7200)).as_deref(),
        Some("waiting for 2 trials; the oldest is trial 0, for which the runner has had 2.0 h")
    );
}
