//! Rules tried on the past.

use super::*;

/// Runs trials of flat curves of `y` one after another, each to the end.
fn finished(objective: &str, ends: &[Vec<f64>]) -> Lab {
    let mut lab = lab(objective);
    for values in ends {
        let trial = running(&mut lab, &steps(values));
        lab.change(trial, TrialEvent::Completed);
    }
    lab
}

#[test]
fn one_after_another_sees_only_what_came_before() {
    let flat = |y: f64| vec![y; 8];
    let lab = finished("y", &[flat(1.0), flat(2.0), flat(3.0), flat(0.0), flat(2.5), flat(4.0)]);
    let replay = worse_half().replay(&lab.experiment).unwrap();
    // The first two are alone; then the third is the best; the fourth is the worst of 4, at 4; the fifth is above the
    // median of 1, 2, 3, 2.5 and what is known of the fourth.
    assert_eq!(replay.stopped, [(3, 4.0)]);
    assert_eq!((replay.best, replay.best_stopped_at()), (Some(5), None));
    // At the last progression there is nothing to stop any more.
    let late = percentile(50.0, 8.0, 3, 0.0, 0).replay(&lab.experiment).unwrap();
    assert_eq!(late.stopped, []);
}

#[test]
fn a_rule_that_stops_the_best_trial_says_so() {
    let flat = vec![5.0; 6];
    let late_bloomer = vec![0.0, 0.0, 0.0, 0.0, 0.0, 9.0];
    let lab = finished("y", &[flat.clone(), flat.clone(), flat, late_bloomer]);
    let replay = worse_half().replay(&lab.experiment).unwrap();
    assert_eq!(replay.stopped, [(3, 4.0)]);
    assert_eq!((replay.best, replay.best_stopped_at()), (Some(3), Some(4.0)));
    let kept = percentile(50.0, 4.0, 5, 0.0, 0).replay(&lab.experiment).unwrap();
    assert_eq!((kept.stopped, kept.best), (vec![], Some(3)));
}

#[test]
fn what_a_stopped_trial_did_later_is_not_seen() {
    // The second trial would be stopped at 4 and would have been excellent at 8.
    let second = vec![0.0, 0.0, 0.0, 0.0, 9.0, 9.0, 9.0, 9.0, 9.0];
    let lab = finished("y", &[vec![5.0; 9], second, vec![6.0; 9]]);
    let rule = halving(4.0, 2.0);
    let replay = rule.replay(&lab.experiment).unwrap();
    assert_eq!(replay.stopped, [(1, 4.0)]);
    assert_eq!(replay.best, Some(1));
    // Without the stop, the third would have met it at rung 8 and been stopped there.
    let unstopped = EarlyStopping::All { of: vec![rule, percentile(100.0, 5.0, 0, 0.0, 0)] };
    assert_eq!(unstopped.replay(&lab.experiment).unwrap().stopped, [(2, 8.0)]);
}

#[test]
fn trials_at_the_same_time_are_replayed_side_by_side() {
    let mut lab = lab("-y");
    let trials: Vec<_> = (0..3).map(|k| lab.attach([("k", k)])).collect();
    trials.iter().for_each(|&trial| lab.start(trial));
    for (&trial, y) in trials.iter().zip([3.0, 2.0, 1.0]) {
        report(&mut lab, trial, "y", &steps(&[y; 8]));
    }
    trials.iter().for_each(|&trial| lab.change(trial, TrialEvent::Completed));
    // They were launched at seconds 7, 9 and 11 and ended at 15, 16 and 17. So the second comes to 4 between 5 and 6 of
    // the first, and the third between 5 and 6 of the second; one after another, each would be the best so far.
    assert_eq!(halving(4.0, 3.0).replay(&lab.experiment).unwrap().stopped, [(0, 6.0), (1, 6.0)]);
}

#[test]
fn what_still_runs_or_has_no_curve_is_no_obstacle() {
    let mut lab = finished("y", &[vec![5.0; 6], vec![6.0; 6]]);
    let whole = lab.attach([("k", 100)]);
    lab.complete(whole, &[("y", 9.0)]);
    let failed = lab.attach([("k", 101)]);
    lab.fail(failed);
    lab.attach([("k", 102)]);
    let last = running(&mut lab, &[(-2.0, 1.0), (4.0, 1.0)]);
    let replay = halving(4.0, 2.0).replay(&lab.experiment).unwrap();
    assert_eq!((replay.stopped, replay.best), (vec![(last, 4.0)], Some(whole)));
    assert!(halving(4.0, 1.0).replay(&lab.experiment).is_err());
    let empty = super::lab("y").experiment;
    assert_eq!(halving(4.0, 2.0).replay(&empty).unwrap().stopped, []);
}
