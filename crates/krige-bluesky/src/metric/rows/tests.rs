//! Whose a row is, for plans of every kind.

use super::*;
use serde_json::json;

fn run(uid: &str, order: Option<&[usize]>, events: Option<usize>) -> Run {
    let stop = events.map(
        |events| json!({"exit_status": "success", "time": 0.0, "num_events": {"primary": events}}),
    );
    serde_json::from_value(json!({"uid": uid, "order": order, "suggestions": null, "stop": stop}))
        .expect("a run")
}

fn failed(uid: &str, order: Option<&[usize]>) -> Run {
    let stop = json!({"exit_status": "abort", "time": 0.0, "reason": "beam dump"});
    serde_json::from_value(json!({"uid": uid, "order": order, "stop": stop})).expect("a run")
}

fn point(id: impl Into<Value>, of: usize) -> Option<Point> {
    Some(Point { id: id.into(), of })
}

/// The run's uid and its rows.
fn chosen(
    runs: &[Run],
    point: Option<Point>,
    listed: bool,
) -> Result<Option<(String, Rows)>, DataError> {
    let chosen = choose(runs, point.as_ref(), "primary", listed)?;
    Ok(chosen.map(|(run, rows)| (run.uid.clone(), rows)))
}

fn some(uid: &str, rows: &[usize]) -> Option<(String, Rows)> {
    Some((uid.into(), Rows::Some(rows.to_vec())))
}

fn all(uid: &str) -> Option<(String, Rows)> {
    Some((uid.into(), Rows::All))
}

#[test]
fn an_item_of_one_point_has_the_newest_run() {
    let runs = [run("new", Some(&[7]), Some(3)), failed("old", None)];
    for listed in [true, false] {
        assert_eq!(chosen(&runs, None, listed).expect("a run"), all("new"));
        assert_eq!(chosen(&[], None, listed).expect("none yet"), None);
    }
}

#[test]
fn the_order_of_acquisition_says_whose_a_row_is() {
    let runs = [run("r", Some(&[2, 1, 0]), Some(3))];
    for id in 0..3 {
        assert_eq!(chosen(&runs, point(id, 3), false).expect("a run"), some("r", &[2 - id]));
    }
    let repeated = [run("r", Some(&[5, 9, 5]), Some(3))];
    assert_eq!(chosen(&repeated, point(5, 2), false).expect("a run"), some("r", &[0, 2]));
    // Not ended: the rows are known, and are not read yet.
    let running = [run("r", Some(&[0, 1]), None)];
    assert_eq!(chosen(&running, point(1, 2), false).expect("a run"), some("r", &[1]));
    // The point is in none of the runs that came so far.
    assert_eq!(chosen(&runs, point(3, 4), false).expect("none yet"), None);
    let error =
        chosen(&[run("r", Some(&[0, 1]), Some(4))], point(1, 2), false).expect_err("4 rows");
    assert!(error.to_string().contains("names 2 points and it has 4 events"), "{error}");
    let named = json!("a");
    let by_name: Run =
        serde_json::from_value(json!({"uid": "r", "order": ["b", "a"], "stop": null}))
            .expect("a run");
    assert_eq!(chosen(&[by_name], point(named, 2), false).expect("a run"), some("r", &[1]));
}

#[test]
fn a_run_for_each_point_is_told_by_its_order() {
    let runs =
        [run("c", Some(&[2]), Some(1)), run("b", Some(&[1]), Some(4)), run("a", Some(&[0]), None)];
    for (id, uid) in ["a", "b", "c"].into_iter().enumerate() {
        assert_eq!(chosen(&runs, point(id, 3), false).expect("a run"), all(uid));
    }
    // A plan that failed and was run again.
    let again = [run("new", Some(&[0, 1]), Some(2)), failed("old", Some(&[0, 1]))];
    assert_eq!(chosen(&again, point(1, 2), false).expect("a run"), some("new", &[1]));
    let error = chosen(&[failed("r", Some(&[0, 1]))], point(1, 2), false).expect_err("it failed");
    assert_eq!(error.to_string(), "the run r ended with `abort`: beam dump");
}

#[test]
fn without_an_order_the_numbers_have_to_tell() {
    let number = |events| run("r", None, Some(events));
    let one = [number(3)];
    for listed in [true, false] {
        assert_eq!(chosen(&one, point(1, 3), listed).expect("a run"), some("r", &[1]));
        assert!(chosen(&[number(6)], point(1, 3), listed).is_err());
        assert_eq!(chosen(&[run("r", None, None)], point(1, 3), listed).expect("not yet"), None);
    }
    // One event may be the first of three runs; not if there are no others.
    assert_eq!(chosen(&[number(1)], point(1, 3), false).expect("not yet"), None);
    assert!(chosen(&[number(1)], point(1, 3), true).is_err());
    let three = [run("c", None, Some(5)), run("b", None, Some(5)), run("a", None, Some(5))];
    for listed in [true, false] {
        assert_eq!(chosen(&three, point(0, 3), listed).expect("a run"), all("a"));
        assert_eq!(chosen(&three, point(2, 3), listed).expect("a run"), all("c"));
    }
    let unclear = [run("c", None, Some(2)), run("b", None, Some(2))];
    assert_eq!(chosen(&unclear, point(0, 2), true).expect("a run"), all("b"));
    let error = chosen(&unclear, point(0, 2), false).expect_err("either");
    assert!(error.to_string().contains("again and again"), "{error}");
}

#[test]
fn a_position_is_that_among_the_suggestions_or_the_id() {
    let mut run = run("r", None, Some(2));
    assert!(chosen(&[run.clone()], point(17, 2), false).is_err());
    assert!(chosen(&[run.clone()], point("x", 2), false).is_err());
    let suggestion = |id: Value| Suggestion { id };
    run.suggestions = Some(vec![suggestion(json!(1)), suggestion(json!(0))]);
    assert_eq!(chosen(&[run.clone()], point(0, 2), false).expect("a run"), some("r", &[1]));
    run.suggestions = Some(vec![suggestion(json!(16)), suggestion(json!(17))]);
    assert_eq!(chosen(&[run], point(17, 2), false).expect("a run"), some("r", &[1]));
}

#[test]
fn a_stream_without_events_names_those_that_have_some() {
    let error = events(&run("r", None, Some(1)), "baseline").expect_err("another stream");
    assert!(
        error.to_string().contains("`baseline`; those that have some: [\"primary\"]"),
        "{error}"
    );
    assert!(events(&run("r", None, Some(0)), "primary").is_err());
}

#[test]
fn rows_are_complete_when_there_is_one_for_each_event_or_each_frame() {
    let rows =
        |shape: &[usize], declared: Option<&[usize]>| rows_per_event("r", shape, declared, 3);
    assert_eq!(rows(&[3], None).expect("complete"), Some(1));
    assert_eq!(rows(&[3, 24, 32], Some(&[24, 32])).expect("complete"), Some(1));
    assert_eq!(rows(&[0], None).expect("not yet"), None);
    assert_eq!(rows(&[2, 24, 32], Some(&[24, 32])).expect("not yet"), None);
    assert_eq!(rows(&[6, 24, 32], Some(&[2, 24, 32])).expect("complete"), Some(2));
    // Rows that were written twice are not frames.
    assert!(rows(&[6], None).is_err());
    assert!(rows(&[6, 24, 32], Some(&[24, 32])).is_err());
    assert!(rows(&[4], None).is_err());
    assert!(rows(&[4, 3], Some(&[4])).is_err());
}

#[test]
fn metadata_are_read_or_named() {
    let batch = Metadata::of(POINTS, 3).with(POINT_ID, "a");
    assert_eq!(Point::read(&batch).expect("a point"), point("a", 3));
    for whole in [Metadata::default(), Metadata::of(POINTS, 1), Metadata::of(POINT_ID, 5)] {
        assert_eq!(Point::read(&whole).expect("all"), None);
    }
    for wrong in [Metadata::of(POINTS, 0), Metadata::of(POINTS, "3"), Metadata::of(POINTS, 3)] {
        let error = Point::read(&wrong).expect_err("no point");
        assert!(error.to_string().contains("`point"), "{error}");
    }
    let uids = |value: Value| run_uids(&Metadata::of(RUN_UIDS, value));
    assert_eq!(uids(json!(["a", "b"])).expect("two"), Some(vec!["a".into(), "b".into()]));
    assert_eq!(uids(json!([])).expect("unknown"), None);
    assert_eq!(uids(Value::Null).expect("unknown"), None);
    assert!(uids(json!("a")).is_err() && uids(json!([1])).is_err());
}
