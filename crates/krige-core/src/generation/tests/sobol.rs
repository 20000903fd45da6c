//! The Sobol node: its sequence, and what it does not propose again.

use super::*;
use crate::trial::TrialEvent;

fn exhausted(lab: &mut Lab) -> bool {
    refusal(lab.ask(1)) == GeneratorError::Exhausted
}

fn three() -> SearchSpace {
    space([Parameter::int("k", 1, 3)], &[])
}

#[test]
fn the_sequence_is_resumed_from_the_experiment_alone() {
    let new = || Lab::new(mixed()).with(sobol_only());
    let mut at_once = new();
    at_once.ask(12).unwrap();
    at_once.check_arms();
    let mut resumed = new();
    for count in [1, 3, 1, 5, 2] {
        resumed = resumed.resumed();
        resumed.ask(count).unwrap();
    }
    assert_eq!(resumed.experiment.trials.len(), 12);
    for (a, b) in at_once.experiment.trials.iter().zip(&resumed.experiment.trials) {
        assert_eq!((&a.arm, &a.origin), (&b.arm, &b.origin));
    }
}

#[test]
fn results_do_not_change_the_sequence() {
    let (mut quiet, mut busy) = (Lab::new(square()), Lab::new(square()));
    (quiet, busy) = (quiet.with(sobol_only()), busy.with(sobol_only()));
    quiet.ask(6).unwrap();
    for trial in 0..6 {
        busy.ask(1).unwrap();
        if trial % 2 == 0 { busy.fail(trial) } else { busy.complete(trial, &[("y", 1.0)]) }
    }
    for trial in 0..6 {
        assert_eq!(quiet.parameters(trial), busy.parameters(trial));
    }
}

#[test]
fn the_seed_decides() {
    let first = |seed, own| {
        let node = GenerationNode::new("Sobol", Sobol { seed: own });
        let mut lab =
            Lab::seeded(seed, square()).with(GenerationStrategy::new("s", vec![node]).unwrap());
        lab.ask(1).unwrap();
        lab.parameters(0).clone()
    };
    assert_eq!(first(1, None), first(1, None));
    assert_ne!(first(1, None), first(2, None));
    assert_eq!(first(1, Some(9)), first(2, Some(9)));
    assert_ne!(first(1, Some(8)), first(1, Some(9)));
}

#[test]
fn sixteen_points_are_one_in_each_sixteenth() {
    let mut lab = Lab::new(square()).with(sobol_only());
    lab.ask(16).unwrap();
    for name in ["x", "y"] {
        let mut cells: Vec<u32> =
            (0..16).map(|trial| (lab.float(trial, name) * 16.0) as u32).collect();
        cells.sort_unstable();
        assert_eq!(cells, (0..16).collect::<Vec<_>>(), "{name}");
    }
}

#[test]
fn a_finite_space_ends_after_its_last_point() {
    let mut lab = Lab::new(three()).with(sobol_only());
    assert_eq!(lab.ask(10).unwrap().len(), 3);
    lab.check_arms();
    assert!(exhausted(&mut lab));
    let error = lab.ask(1).unwrap_err();
    assert_eq!(error.to_string(), "node `Sobol` cannot propose a trial");
}

#[test]
fn failed_and_stale_arms_may_come_again_and_others_not() {
    let mut lab = Lab::new(three()).with(sobol_only());
    lab.ask(3).unwrap();
    lab.complete(0, &[("y", 1.0)]);
    lab.abandon(1);
    assert!(exhausted(&mut lab));
    lab.fail(2);
    assert_eq!(lab.ask(5).unwrap(), [3]);
    assert_eq!(lab.parameters(3), lab.parameters(2));
    assert_eq!(lab.experiment.trials[3].arm.name, "2_0", "the same arm keeps its name");
    lab.change(3, TrialEvent::Stale);
    assert_eq!(lab.ask(5).unwrap(), [4]);
    assert!(exhausted(&mut lab));
}

#[test]
fn attached_points_are_not_proposed() {
    let mut lab = Lab::new(three()).with(sobol_only());
    lab.attach([("k", 2)]);
    assert_eq!(lab.ask(10).unwrap().len(), 2);
    lab.check_arms();
    assert!(exhausted(&mut lab));
}
