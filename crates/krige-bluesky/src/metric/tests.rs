//! When there is no value yet, when there is none, and what is stored.

use super::*;
use crate::metadata::{POINT_ID, POINTS};
use crate::tiled::tests::canned;
use serde_json::json;

const UNFINISHED: &[u8] = br#"{"data":[{"id":"u","attributes":{"structure_family":"container",
    "metadata":{"selected":{"uid":"u","order":[0],"suggestions":null,"stop":null}}}}],"links":{"next":null}}"#;
const ENDED: &[u8] = br#"{"data":[{"id":"u","attributes":{"structure_family":"container",
    "metadata":{"selected":{"uid":"u","order":[0],"suggestions":null,
    "stop":{"exit_status":"success","time":1.0,"num_events":{"primary":1}}}}}}],"links":{"next":null}}"#;
const NOTHING: &[u8] = br#"{"data":[],"links":{"next":null}}"#;
const EMPTY: &[u8] = br#"{"data":{"id":"y","attributes":{"structure_family":"array",
    "structure":{"shape":[0],"data_type":{"endianness":"little","kind":"f","itemsize":8}}}}}"#;

fn fetch(answers: Vec<(u16, &'static [u8])>) -> Result<Measurement, MetricError> {
    let tiled = canned(answers);
    TiledMetric::new(tiled.url(), "y").fetch(&TrialRun::new("e", 0, 1), &Metadata::default())
}

#[test]
fn what_is_not_all_written_is_not_read_yet() {
    for answers in [vec![(200, NOTHING)], vec![(200, UNFINISHED)], vec![(200, ENDED), (200, EMPTY)]]
    {
        let answer = fetch(answers);
        assert!(matches!(answer, Err(MetricError::NotYet)), "{answer:?}");
    }
}

/// The answers of a run whose rows belong to `order`, of an array of this shape and its values.
fn answers(
    order: &[usize],
    shape: &[usize],
    declared: &[usize],
    data: &[f64],
) -> Vec<(u16, &'static [u8])> {
    let stop =
        json!({"exit_status": "success", "time": 1.0, "num_events": {"primary": order.len()}});
    let selected = json!({"uid": "u", "order": order, "suggestions": null, "stop": stop});
    let attributes = json!({"structure_family": "container", "metadata": {"selected": selected}});
    let run = json!({"data": [{"id": "u", "attributes": attributes}], "links": {"next": null}});
    let data_type = json!({"endianness": "big", "kind": "f", "itemsize": 8});
    let attributes = json!({
        "structure_family": "array",
        "metadata": {"shape": declared},
        "structure": {"shape": shape, "data_type": data_type},
    });
    let array = json!({"data": {"id": "y", "attributes": attributes}});
    let bytes: Vec<u8> = data.iter().flat_map(|value| value.to_be_bytes()).collect();
    let texts = [run.to_string().into_bytes(), array.to_string().into_bytes(), bytes];
    texts.into_iter().map(|text| (200, &*text.leak())).collect()
}

#[test]
fn rows_that_are_apart_are_put_together() {
    let tiled = canned(answers(&[7, 5, 9, 5], &[4], &[], &[1.0, 100.0, 3.0]));
    let metadata = Metadata::of(POINTS, 3).with(POINT_ID, 5);
    let measured = TiledMetric::new(tiled.url(), "y").fetch(&TrialRun::new("e", 0, 1), &metadata);
    // Rows 1 and 3; what came for row 2, between them, is another point's.
    assert_eq!(measured.expect("a value"), Measurement::from((2.0, 1.0)));
}

#[test]
fn frames_of_one_event_stay_together() {
    let frames = [3.0, 30.0, 4.0, 40.0];
    let answers = answers(&[0, 5, 9], &[6, 2], &[2, 2], &frames);
    let tiled = canned(answers);
    let metadata = Metadata::of(POINTS, 3).with(POINT_ID, 5);
    register_reduction("frames", move |values| {
        assert_eq!((&values.shape[..], &values.data[..]), (&[1, 2, 2][..], &frames[..]));
        Ok(0.5.into())
    });
    let metric = TiledMetric {
        reduce: Reduce::Custom("frames".into()),
        ..TiledMetric::new(tiled.url(), "y")
    };
    let measured = metric.fetch(&TrialRun::new("e", 0, 1), &metadata);
    assert_eq!(measured.expect("a value"), Measurement::from(0.5));
}

#[test]
fn a_server_that_fails_is_asked_again_and_one_that_refuses_is_not() {
    for status in [500, 502, 503] {
        assert!(matches!(fetch(vec![(status, b"")]), Err(MetricError::Transient(_))));
        let later = fetch(vec![(200, ENDED), (status, b"")]);
        assert!(matches!(later, Err(MetricError::Transient(_))), "{later:?}");
    }
    for status in [401, 404, 422] {
        assert!(matches!(fetch(vec![(status, b"")]), Err(MetricError::Permanent(_))));
    }
}

#[test]
fn the_stored_form_is_plain_and_holds_no_key() {
    let metric: Box<dyn IMetric> = Box::new(TiledMetric::new("http://h", "y"));
    let form = json!({
        "type": "tiled",
        "url": "http://h",
        "api_key_variable": "TILED_API_KEY",
        "data_key": "y",
        "stream": "primary",
        "reduce": "mean",
    });
    assert_eq!(serde_json::to_value(&metric).expect("JSON"), form);
    let short = json!({"type": "tiled", "url": "http://h", "data_key": "y"});
    let read: Box<dyn IMetric> = serde_json::from_value(short).expect("the defaults");
    assert_eq!(serde_json::to_value(&read).expect("JSON"), form);
    assert!(!metric.available_while_running());
}
