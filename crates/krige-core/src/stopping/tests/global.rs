//! The rules that end an experiment.

use proptest::prelude::*;

use super::*;
use crate::Timestamp;
use crate::trial::{Arm, Generation, Prediction};

/// A lab with completed trials of these values.
fn completed(objective: &str, values: &[f64]) -> Lab {
    let mut lab = lab(objective);
    for &y in values {
        add(&mut lab, y);
    }
    lab
}

fn add(lab: &mut Lab, y: f64) -> TrialIndex {
    let trial = lab.attach([("k", lab.experiment.trials.len() as i64)]);
    lab.complete(trial, &[("y", y)]);
    trial
}

/// Completes a trial of which a model expected that.
fn propose(lab: &mut Lab, mean: f64, sem: f64, y: f64) {
    let trial = lab.experiment.trials.len();
    let arm = Arm { name: format!("{trial}_0"), parameters: [("k", trial as i64)].into() };
    let generation = Generation {
        node: "GP".into(),
        method: "log_ei".into(),
        prediction: Some(Prediction { mean, sem }),
        degraded: None,
        state: serde_json::Value::Null,
    };
    lab.push(Event::TrialGenerated { trial, arm, generation });
    lab.complete(trial, &[("y", y)]);
}

fn verdict(rule: &GlobalStopping, lab: &Lab) -> Option<String> {
    rule.verdict(&lab.experiment, Timestamp::from_second(1000).unwrap())
}

fn improvement(window: usize, min_trials: usize, bar: f64) -> GlobalStopping {
    GlobalStopping::Improvement { window, min_trials, bar }
}

fn regret(tolerance: f64, window: usize) -> GlobalStopping {
    GlobalStopping::ExpectedRegret { tolerance, window, min_trials: 3 }
}

#[test]
fn an_experiment_that_hardly_improves_is_ended() {
    let values = [9.0, 7.0, 5.0, 3.0, 1.0, 0.5, 8.0];
    let lab = completed("-y", &values);
    let reason = verdict(&improvement(2, 5, 0.1), &lab);
    // numpy.percentile([9, 7, 5, 3, 1, 0.5, 8], [25, 75]) is [2, 7.5].
    let expected =
        "the last 2 trials improved `y` by 0.5, less than 0.1 times the interquartile range 5.5";
    assert_eq!(reason.as_deref(), Some(expected));
    assert_eq!(verdict(&improvement(2, 5, 0.09), &lab), None);
    assert_eq!(verdict(&improvement(3, 5, 0.1), &lab), None, "2.5 within three");
    assert_eq!(verdict(&improvement(2, 8, 0.1), &lab), None, "7 trials");
    assert_eq!(verdict(&improvement(7, 1, 9.0), &lab), None, "there is nothing before the last 7");
    assert_eq!(verdict(&improvement(9, 1, 9.0), &lab), None);
    let lab = completed("y", &values);
    assert!(verdict(&improvement(6, 5, 0.1), &lab).is_some(), "the first is the best");
}

#[test]
fn only_feasible_trials_with_data_can_be_best() {
    let mut lab = completed("y", &[]);
    let optimization = crate::objective::OptimizationConfig::parse("y", &["w <= 1"]).unwrap();
    lab.push(Event::OptimizationConfigured { optimization });
    let mut add = |y: f64, w: f64| {
        let trial = lab.attach([("k", lab.experiment.trials.len() as i64)]);
        lab.complete(trial, &[("y", y), ("w", w)]);
        verdict(&improvement(2, 3, 0.1), &lab).is_some()
    };
    assert!(!add(99.0, 2.0));
    assert!(!add(1.0, 1.0), "no trial before it is feasible");
    assert!(!add(2.0, 1.0));
    assert!(!add(3.0, 1.0), "what is feasible improves");
    assert!(!add(3.0, 1.0));
    assert!(add(3.0, 1.0), "the last two did not");
}

#[test]
fn trials_without_an_end_or_without_data_do_not_count() {
    let mut lab = completed("y", &[3.0, 1.0, 0.0]);
    let failed = lab.attach([("k", 100)]);
    lab.fail(failed);
    running(&mut lab, &steps(&[9.0]));
    assert_eq!(verdict(&improvement(2, 4, 0.5), &lab), None);
    assert!(verdict(&improvement(2, 3, 0.5), &lab).is_some());
    let last = lab.experiment.trials.len() - 1;
    lab.change(last, TrialEvent::EarlyStopped { reason: None });
    assert_eq!(verdict(&improvement(2, 4, 0.5), &lab), None, "what was stopped early counts");
}

#[test]
fn an_experiment_of_which_the_model_expects_no_more_is_ended() {
    let mut lab = completed("-y", &[5.0, 4.0]);
    propose(&mut lab, 3.0, 0.5, 3.5);
    assert_eq!(verdict(&regret(1.9, 1), &lab), None, "4 - (3 - 1) = 2, whatever came of it");
    assert!(verdict(&regret(2.1, 1), &lab).is_some());
    propose(&mut lab, 3.5, 0.1, 3.5);
    propose(&mut lab, 3.7, 0.2, 3.9);
    assert_eq!(verdict(&regret(0.2, 2), &lab), None);
    assert_eq!(
        verdict(&regret(0.21, 2), &lab).unwrap(),
        "of the last 2 proposals the model expected `y` to improve by 0.2 at most, less than 0.21"
    );
    assert_eq!(verdict(&regret(0.5, 3), &lab), None);
    assert_eq!(verdict(&regret(9.0, 4), &lab), None, "only three had a prediction");
    // What was attached is no proposal of a model, and its value is one to be improved.
    add(&mut lab, -10.0);
    assert!(verdict(&regret(0.21, 2), &lab).is_some());
    let few = GlobalStopping::ExpectedRegret { tolerance: 9.0, window: 1, min_trials: 7 };
    assert_eq!(verdict(&few, &lab), None, "6 trials");
}

#[test]
fn predictions_of_a_maximized_metric_count_upwards() {
    let mut lab = completed("2*y", &[5.0, 4.0, 1.0]);
    propose(&mut lab, 6.0, 0.5, 5.0);
    assert!(verdict(&regret(2.01, 1), &lab).is_some());
    assert_eq!(verdict(&regret(2.0, 1), &lab), None);
}

#[test]
fn a_budget_counts_every_trial() {
    let mut lab = completed("y", &[1.0, 2.0]);
    lab.observe(0, &[("cost", 30.0)]);
    report(&mut lab, 1, "cost", &[(1.0, 5.0), (2.0, 9.5)]);
    let budget = |total| GlobalStopping::Budget { metric: "cost".into(), total };
    assert_eq!(verdict(&budget(40.0), &lab), None);
    assert_eq!(
        verdict(&budget(39.5), &lab).unwrap(),
        "the sum of `cost` is 39.5, of a budget of 39.5"
    );
    let failed = lab.attach([("k", 100)]);
    lab.observe(failed, &[("cost", 0.5)]);
    lab.fail(failed);
    assert!(verdict(&budget(40.0), &lab).is_some());
}

#[test]
fn time_runs_from_the_first_trial() {
    let mut lab = lab("y");
    let at = |second| Timestamp::from_second(second).unwrap();
    let rule = GlobalStopping::WallTime { seconds: 60.0 };
    assert_eq!(rule.verdict(&lab.experiment, at(1_000_000)), None, "no trial yet");
    let first = lab.attach([("k", 0)]);
    let start = lab.experiment.trials[first].created_at.as_second();
    assert_eq!(rule.verdict(&lab.experiment, at(start + 59)), None);
    assert_eq!(
        rule.verdict(&lab.experiment, at(start + 60)).unwrap(),
        "60 seconds have passed since the first trial, of 60"
    );
    assert_eq!(rule.verdict(&lab.experiment, at(0)), None, "a clock that was set back");
}

#[test]
fn rules_of_rules_end_when_all_or_one_of_them_do() {
    let lab = completed("y", &[3.0, 1.0, 0.0]);
    let time = |seconds| GlobalStopping::WallTime { seconds };
    let all = |seconds| GlobalStopping::All { of: vec![improvement(2, 3, 0.5), time(seconds)] };
    let any = |seconds| GlobalStopping::Any { of: vec![time(seconds), improvement(2, 9, 0.5)] };
    assert!(verdict(&all(10.0), &lab).unwrap().contains("1.5; 997 seconds have passed"));
    assert_eq!(verdict(&all(2000.0), &lab), None);
    assert!(verdict(&any(10.0), &lab).is_some());
    assert_eq!(verdict(&any(2000.0), &lab), None);
}

#[test]
fn a_rule_that_makes_no_sense_is_refused_and_ends_nothing() {
    let lab = completed("y", &[3.0, 1.0, 0.0]);
    let refused = |rule: GlobalStopping, lab: &Lab, expected: &str| {
        assert_eq!(rule.check(&lab.experiment).unwrap_err().to_string(), expected);
        assert_eq!(verdict(&rule, lab), None);
    };
    refused(
        improvement(0, 3, 1.0),
        &lab,
        "`window` of a stopping rule: expected at least 1 trial, found 0",
    );
    refused(
        improvement(2, 3, -0.1),
        &lab,
        "`bar` of a stopping rule: expected at least 0 (0.1 asks for a tenth of the interquartile range), found -0.1",
    );
    refused(
        regret(f64::INFINITY, 2),
        &lab,
        "`tolerance` of a stopping rule: expected at least 0, in units of the objective, found inf",
    );
    refused(
        GlobalStopping::Budget { metric: "cost".into(), total: 1.0 },
        &lab,
        "a stopping rule names metric `cost`: expected one of `y`, or declare it with configure_tracking_metrics",
    );
    refused(
        GlobalStopping::Budget { metric: "y".into(), total: f64::NAN },
        &lab,
        "`total` of a stopping rule: expected more than 0, in units of the metric, found NaN",
    );
    refused(
        GlobalStopping::Any { of: vec![GlobalStopping::WallTime { seconds: 0.0 }] },
        &lab,
        "`seconds` of a stopping rule: expected more than 0, found 0",
    );
    refused(
        GlobalStopping::Any { of: Vec::new() },
        &lab,
        "`any` of stopping rules: expected at least one rule, found none; add one, or remove the rule",
    );
    refused(
        improvement(1, 1, 9.0),
        &completed("y, z", &[1.0, 2.0]),
        "a stopping rule expected a single objective, found `y, z`: use another rule, such as `budget` or `wall_time`",
    );
}

proptest! {
    #[test]
    fn improvement_is_what_a_plain_count_says(
        values in prop::collection::vec((0..20).prop_map(f64::from), 1..14), window in 1..6_usize, bar in 0..4,
    ) {
        let bar = f64::from(bar) / 4.0;
        let n = values.len();
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        // Quartiles in quarters of a step, so that all is exact.
        let quartile = |q: usize| {
            let (i, part) = (q * (n - 1) / 4, (q * (n - 1) % 4) as f64 / 4.0);
            sorted[i] * (1.0 - part) + sorted[(i + 1).min(n - 1)] * part
        };
        let highest = |values: &[f64]| values.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b));
        let expected = n > window && n >= 3
            && highest(&values) - highest(&values[..n - window]) < bar * (quartile(3) - quartile(1));
        let ended = |objective: &str, values: &[f64]| {
            verdict(&improvement(window, 3, bar), &completed(objective, values)).is_some()
        };
        prop_assert_eq!(ended("y", &values), expected);
        let flipped: Vec<f64> = values.iter().map(|y| -y).collect();
        prop_assert_eq!(ended("-y", &flipped), expected);
    }
}
