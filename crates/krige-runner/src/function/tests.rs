//! Closures as runners and metrics.

use std::error::Error;

use serde_json::json;

use super::*;
use crate::contract::{check_metric, check_runner};
use crate::metadata::MetadataMetric;

fn run() -> TrialRun {
    TrialRun::new("e", 0, 1)
}

fn point(x: f64) -> Parameterization {
    [("x", x)].into()
}

fn parabola() -> FunctionRunner {
    FunctionRunner::new(|p| Ok([("y", p.float("x")?.powi(2))]))
}

fn reopened<T: ?Sized + Serialize>(stored: &T) -> Box<T>
where
    Box<T>: serde::de::DeserializeOwned,
{
    let text = serde_json::to_string(stored).expect("stored");
    serde_json::from_str(&text).expect("read back")
}

#[test]
fn keeps_the_contract_and_feeds_the_metadata_metric() {
    let never = || panic!("a call is over when it returns");
    let (run, metadata) = check_runner(&parabola(), "e", &point(3.0), never);
    let measured = check_metric(&MetadataMetric::new("y"), &run, &metadata, never);
    assert_eq!(measured, Measurement::from(9.0));
}

#[test]
fn several_metrics_with_noise_are_stored_by_name() {
    let runner = FunctionRunner::new(|p| {
        let x = p.float("x")?;
        Ok(vec![
            ("y".to_owned(), Measurement::from((x, 0.5))),
            ("z".to_owned(), Measurement::from(f64::NAN)),
        ])
    });
    let metadata = runner.run_trial(&run(), &point(1.0)).expect("ran");
    assert_eq!(json!(metadata), json!({"y": {"mean": 1.0, "sem": 0.5}, "z": "NaN"}));
}

#[test]
fn an_error_of_the_closure_fails_the_trial_with_its_text() {
    let failed = |runner: FunctionRunner| {
        runner.run_trial(&run(), &point(0.0)).expect_err("the closure failed")
    };
    let refused = FunctionRunner::new(|_| Err::<[(&str, f64); 1], _>("no beam".into()));
    let error = failed(refused);
    assert!(matches!(error, RunnerError::Permanent(_)), "{error:?}");
    assert_eq!(error.source().expect("a cause").to_string(), "no beam");

    let missing = FunctionRunner::new(|p| Ok([("y", p.float("nix")?)]));
    assert!(failed(missing).source().expect("a cause").to_string().contains("`nix`"));

    let twice = FunctionRunner::new(|_| Ok([("y", 1.0), ("y", 2.0)]));
    let cause = failed(twice);
    assert!(cause.source().expect("a cause").is::<MeasuredTwice>());
}

#[test]
fn the_closure_may_ask_for_another_try() {
    let busy = FunctionRunner::new(|_| {
        Err::<[(&str, f64); 1], _>(RunnerError::transient("the detector is busy").into())
    });
    let error = busy.run_trial(&run(), &point(0.0)).expect_err("the closure failed");
    assert!(matches!(error, RunnerError::Transient(_)), "{error:?}");
}

#[test]
fn what_is_read_back_knows_that_its_closure_is_lost() {
    let runner = &parabola() as &dyn IRunner;
    assert_eq!(json!(runner), json!({"type": "function"}));
    assert!(is_closure(&json!(runner)));
    assert!(!is_closure(&json!(&MetadataMetric::new("y") as &dyn IMetric)));

    let restored = reopened(runner);
    assert_eq!(format!("{restored:?}"), "FunctionRunner(closure lost)");
    let error = restored.run_trial(&run(), &point(0.0)).expect_err("lost");
    assert!(matches!(error, RunnerError::Permanent(_)), "{error:?}");
    assert_eq!(
        error.source().expect("a cause").to_string(),
        "this runner was a closure, which a journal cannot keep: give it again with configure_runner"
    );
    let status = restored.poll_trial(&run(), &Metadata::of("y", 1.0)).expect("polled");
    assert_eq!(status, RunStatus::Completed);
}

#[test]
fn a_metric_may_be_a_closure() {
    let metric = FunctionMetric::new(|run, metadata| {
        let rows = metadata.integer("rows").ok_or(MetricError::NotYet)?;
        Ok((rows as f64, f64::from(run.attempt)))
    });
    assert_eq!(
        metric.fetch(&run(), &Metadata::of("rows", 7)).expect("fetched"),
        Measurement::from((7.0, 1.0))
    );
    assert!(matches!(metric.fetch(&run(), &Metadata::default()), Err(MetricError::NotYet)));

    let metric = &metric as &dyn IMetric;
    assert!(is_closure(&json!(metric)));
    let error = reopened(metric).fetch(&run(), &Metadata::default()).expect_err("lost");
    assert_eq!(error.source().and_then(|e| e.downcast_ref()), Some(&ClosureLost::Metric));
}
