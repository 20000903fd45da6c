//! Percentile, threshold and rules of rules by hand, and what is refused.

use super::*;

#[test]
fn the_worse_half_is_stopped_and_told_why() {
    let curves = [1.0, 2.0, 3.0, 4.0].map(|y| steps(&[y; 4]));
    let lab = running_all("-y", &curves);
    assert_eq!(stopped(&worse_half(), &lab.experiment), [2, 3]);
    assert_eq!(
        worse_half().verdict(&lab.experiment, 3).unwrap(),
        "`y` is 4 at progression 4, worse than 2.5, the percentile 50 of 4 trials there"
    );
    let lab = running_all("y", &curves);
    assert_eq!(stopped(&worse_half(), &lab.experiment), [0, 1]);
    assert_eq!(stopped(&percentile(25.0, 4.0, 3, 0.0, 0), &lab.experiment), [0]);
    assert_eq!(stopped(&percentile(0.0, 4.0, 3, 0.0, 0), &lab.experiment), NONE);
    assert_eq!(stopped(&percentile(100.0, 4.0, 3, 0.0, 0), &lab.experiment), [0, 1, 2]);
    assert_eq!(stopped(&percentile(100.0, 4.0, 3, 0.0, 2), &lab.experiment), [0, 1]);
    assert_eq!(stopped(&percentile(100.0, 4.0, 5, 0.0, 0), &lab.experiment), NONE, "4 curves");
    assert_eq!(stopped(&percentile(100.0, 5.0, 3, 0.0, 0), &lab.experiment), NONE, "not as far");
    assert_eq!(stopped(&EarlyStopping::default(), &lab.experiment), NONE, "from 10 on");
}

#[test]
fn progressions_between_observations_are_interpolated() {
    let curves = [vec![(2.0, 2.0), (10.0, 10.0)], vec![(0.0, 4.0), (8.0, 12.0)], vec![(6.0, 7.0)]];
    let lab = running_all("y", &curves);
    // At 6: 6, 10 and 7.
    assert_eq!(lab.experiment.trials.len(), 3);
    assert_eq!(
        percentile(75.0, 4.0, 3, 0.0, 0).verdict(&lab.experiment, 2).unwrap(),
        "`y` is 7 at progression 6, worse than 8.5, the percentile 75 of 3 trials there"
    );
    assert_eq!(worse_half().verdict(&lab.experiment, 2), None);
    // At 10 there is only the one curve, whatever the others would do there.
    assert_eq!(percentile(100.0, 4.0, 2, 0.0, 0).verdict(&lab.experiment, 0), None);
}

#[test]
fn patience_and_the_last_progression_hold_a_trial() {
    let good = steps(&[5.0; 6]);
    let fallen = steps(&[6.0, 6.0, 6.0, 6.0, 4.0, 4.0]);
    let lab = running_all("y", &[good.clone(), good.clone(), good, fallen]);
    let stops =
        |patience| !stopped(&percentile(50.0, 4.0, 3, patience, 0), &lab.experiment).is_empty();
    assert_eq!([0.0, 1.0, 1.9, 2.0, 4.0].map(stops), [true, true, true, false, false]);
    let mut until = worse_half();
    let EarlyStopping::Percentile { max_progression, .. } = &mut until else { unreachable!() };
    *max_progression = Some(6.0);
    assert_eq!(stopped(&until, &lab.experiment), [3]);
    let EarlyStopping::Percentile { max_progression, .. } = &mut until else { unreachable!() };
    *max_progression = Some(5.9);
    assert_eq!(stopped(&until, &lab.experiment), NONE);
}

#[test]
fn only_running_trials_are_stopped_and_only_progressions_count() {
    let mut lab = running_all("y", &[1.0, 2.0, 3.0, 4.0, 0.0].map(|y| steps(&[y; 4])));
    assert_eq!(stopped(&worse_half(), &lab.experiment), [0, 4]);
    // A final value, however good, is of no progression.
    lab.observe(0, &[("y", 99.0)]);
    assert_eq!(stopped(&worse_half(), &lab.experiment), [0, 4]);
    lab.change(0, TrialEvent::Completed);
    lab.change(1, TrialEvent::EarlyStopped { reason: None });
    assert_eq!(stopped(&worse_half(), &lab.experiment), [4], "their curves still count");
    // A failed trial's curve counts no more: the median is of 1, 2, 3 and 0.
    lab.change(3, TrialEvent::Failed { reason: "broken".into() });
    let reason = worse_half().verdict(&lab.experiment, 4).unwrap();
    assert!(reason.contains("worse than 1.5, the percentile 50 of 4 trials"), "{reason}");
    assert_eq!(worse_half().verdict(&lab.experiment, 99), None, "no such trial");
    let candidate = lab.attach([("k", 500)]);
    assert_eq!(worse_half().verdict(&lab.experiment, candidate), None);
}

#[test]
fn thresholds_are_in_the_metrics_own_units() {
    let lab = running_all("-y", &[2.0, 3.0, 4.0].map(|y| steps(&[y; 4])));
    assert_eq!(stopped(&threshold(None, 3.0), &lab.experiment), [2]);
    assert_eq!(
        threshold(None, 3.0).verdict(&lab.experiment, 2).unwrap(),
        "`y` is 4 at progression 4, worse than the threshold 3"
    );
    let lab = running_all("3*y", &[2.0, 3.0, 4.0].map(|y| steps(&[y; 4])));
    assert_eq!(stopped(&threshold(None, 3.0), &lab.experiment), [0]);
    let reason = threshold(None, 3.0).verdict(&lab.experiment, 0).unwrap();
    assert_eq!(reason, "`y` is 2 at progression 4, worse than the threshold 3");
    let lab = running_all("y", &[steps(&[0.0; 3])]);
    assert_eq!(stopped(&threshold(None, 3.0), &lab.experiment), NONE, "before progression 4");
}

#[test]
fn a_weighted_sum_is_compared_where_all_of_it_was_observed() {
    let mut lab = lab("2*y - z");
    for (y, z) in [(5.0, 0.0), (5.0, 6.0)] {
        let trial = running(&mut lab, &steps(&[y; 5]));
        report(&mut lab, trial, "z", &[(4.0, z), (-0.5, 99.0), (2.0, z)]);
    }
    let reason = threshold(None, 7.0).verdict(&lab.experiment, 1).unwrap();
    assert_eq!(reason, "`2*y - z` is 4 at progression 4, worse than the threshold 7");
    assert_eq!(stopped(&threshold(None, 7.0), &lab.experiment), [1]);
    assert_eq!(stopped(&threshold(Some("z"), 5.0), &lab.experiment), [1], "less is better");
    assert_eq!(stopped(&threshold(Some("y"), 5.0), &lab.experiment), NONE);
}

#[test]
fn rules_of_rules_stop_what_each_or_one_of_them_stops() {
    let lab = running_all("y", &[1.0, 2.0, 3.0, 4.0].map(|y| steps(&[y; 4])));
    let rules = vec![worse_half(), threshold(None, 2.0)];
    let all = EarlyStopping::All { of: rules.clone() };
    let any = EarlyStopping::Any { of: rules };
    assert_eq!(stopped(&all, &lab.experiment), [0]);
    assert_eq!(stopped(&any, &lab.experiment), [0, 1]);
    let reasons = all.verdict(&lab.experiment, 0).unwrap();
    assert!(reasons.contains("percentile 50") && reasons.contains("; `y` is 1"), "{reasons}");
}

#[test]
fn a_rule_that_makes_no_sense_is_refused_and_stops_nothing() {
    let mut lab = running_all("y", &[1.0, 2.0, 3.0, 4.0].map(|y| steps(&[y; 4])));
    lab.observe(0, &[("t", 1.0)]);
    let refused = |rule: EarlyStopping, expected: &str| {
        let error = rule.check(&lab.experiment).unwrap_err().to_string();
        assert_eq!(error, expected);
        assert_eq!(stopped(&rule, &lab.experiment), NONE);
    };
    refused(
        percentile(101.0, 4.0, 3, 0.0, 0),
        "`percentile` of a stopping rule: expected 0 to 100 (25 stops the worst quarter), found 101",
    );
    refused(
        percentile(50.0, 4.0, 3, 5.0, 0),
        "`patience` of a stopping rule: expected 0 to `min_progression`, so that the progressions looked back at exist, \
         found 5",
    );
    refused(
        percentile(50.0, f64::NAN, 3, 0.0, 0),
        "`min_progression` of a stopping rule: expected a finite number, found NaN",
    );
    refused(
        EarlyStopping::Percentile {
            metric: None,
            percentile: 50.0,
            min_progression: 4.0,
            max_progression: Some(3.0),
            min_curves: 0,
            patience: 0.0,
            keep_best: 0,
        },
        "`max_progression` of a stopping rule: expected at least `min_progression` (leave it out for no limit), found 3",
    );
    refused(
        halving(0.0, 3.0),
        "`min_progression` of a stopping rule: expected more than 0, as the rungs are its multiples, found 0",
    );
    refused(
        halving(1.0, 1.5),
        "`factor` of a stopping rule: expected at least 2 (3 lets a third go on), found 1.5",
    );
    refused(
        EarlyStopping::Any { of: vec![threshold(None, f64::INFINITY)] },
        "`threshold` of a stopping rule: expected a finite number, found inf",
    );
    refused(
        EarlyStopping::All { of: Vec::new() },
        "`all` of stopping rules: expected at least one rule, found none; add one, or remove the rule",
    );
    refused(
        threshold(Some("w"), 9.0),
        "a stopping rule names metric `w`: expected one of `y`, `t`, or declare it with configure_tracking_metrics",
    );
    refused(
        threshold(Some("t"), 9.0),
        "a stopping rule names metric `t`: expected a metric of the objective `y`, as only of those it is known whether \
         more is better",
    );
    for rule in
        [worse_half(), threshold(Some("y"), 9.0), halving(1.0, 2.0), EarlyStopping::default()]
    {
        assert_eq!(rule.check(&lab.experiment), Ok(()));
    }
}

#[test]
fn several_objectives_need_a_named_metric() {
    let mut lab = lab("y, -z");
    let trial = running(&mut lab, &steps(&[1.0; 4]));
    report(&mut lab, trial, "z", &steps(&[5.0; 4]));
    let error = worse_half().check(&lab.experiment).unwrap_err().to_string();
    let expected =
        "a stopping rule expected a single objective, found `y, -z`: name one of their metrics";
    assert_eq!(error, expected);
    assert_eq!(stopped(&threshold(Some("z"), 4.0), &lab.experiment), [trial]);
    assert_eq!(stopped(&threshold(Some("z"), 6.0), &lab.experiment), NONE);
}

#[test]
fn without_an_objective_nothing_is_better() {
    let space = SearchSpace::new([Parameter::int("k", 0, 1000)], &[]).unwrap();
    let mut lab = Lab::new(space);
    running(&mut lab, &steps(&[1.0; 4]));
    let rule = threshold(Some("y"), 9.0);
    assert_eq!(rule.check(&lab.experiment), Err(StoppingError::NoOptimization));
    assert_eq!(stopped(&rule, &lab.experiment), NONE);
}
