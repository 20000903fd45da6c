//! What an item is sent as.

use std::sync::Mutex;
use std::time::Duration;

use super::*;
use crate::manager::{Method, Place, ReManager, Transport};

/// Keeps what is sent, as text, and answers as a manager did.
#[derive(Debug, Default)]
struct Wire(Mutex<Vec<String>>);

impl Transport for Wire {
    fn call(
        &self,
        _method: Method,
        params: &Map<String, Value>,
        _timeout: Duration,
    ) -> Result<Value, ManagerError> {
        let text = serde_json::to_string(params).expect("it is JSON");
        self.0.lock().unwrap().push(text);
        let reply = include_str!("../../../tests/recorded/queue_item_add.reply.json");
        Ok(serde_json::from_str(reply).expect("it is JSON"))
    }
}

fn run(trial: usize) -> TrialRun {
    TrialRun::new("e", trial, 1)
}

fn names() -> BTreeSet<String> {
    ["default_acquire", "motor1", "motor2", "himmel_det"].map(str::to_owned).into()
}

struct Settings {
    actuators: Vec<Actuator>,
    sensors: Vec<String>,
    kwargs: Map<String, Value>,
    meta: Map<String, Value>,
}

impl Settings {
    fn new() -> Self {
        Self {
            actuators: vec![Actuator::new("motor1"), Actuator::new("motor2")],
            sensors: vec!["himmel_det".to_owned()],
            kwargs: Map::new(),
            meta: Map::new(),
        }
    }

    fn item(&self, runs: &[(TrialRun, Parameterization)]) -> Result<PlanItem, SubmissionError> {
        let Self { actuators, sensors, kwargs, meta } = self;
        Call { plan: "default_acquire", actuators, sensors, kwargs, meta }.item(runs, &names())
    }

    /// The item as it is sent.
    fn sent(&self, runs: &[(TrialRun, Parameterization)]) -> Value {
        let wire = std::sync::Arc::new(Wire::default());
        let transport = std::sync::Arc::clone(&wire) as std::sync::Arc<dyn Transport>;
        let manager = ReManager::over(transport).build().unwrap();
        manager.queue_item_add(&self.item(runs).unwrap(), Place::Back).unwrap();
        let text = wire.0.lock().unwrap().pop().unwrap();
        let params: Value = serde_json::from_str(&text).unwrap();
        params["item"].clone()
    }

    fn error(&self, parameters: Parameterization) -> String {
        self.item(&[(run(0), parameters)]).unwrap_err().to_string()
    }
}

#[test]
fn an_item_is_what_a_manager_was_sent_and_has_the_keys_of_its_trials() {
    let recorded = include_str!("../../../tests/recorded/queue_item_add.request.json");
    let request: Value = serde_json::from_str(recorded).unwrap();
    let mut expected = request["params"]["item"].clone();
    let runs = [
        (run(0), [("motor1", 3.0), ("motor2", 2.0)].into()),
        (run(1), [("motor1", 0.0), ("motor2", 0.0)].into()),
    ];
    let meta = json!({"correlation_uid": "fixture"}).as_object().unwrap().clone();
    expected["meta"] = json!({
        "correlation_uid": "fixture",
        "krige_key": "krige-e-0-1",
        "krige_keys": ["krige-e-0-1", "krige-e-1-1"],
    });
    // Equal are only numbers of the same type: 3 is not 3.0.
    assert_eq!(Settings { meta, ..Settings::new() }.sent(&runs), expected);
}

#[test]
fn values_keep_their_types_and_go_under_the_names_of_the_devices() {
    let settings = Settings {
        actuators: vec![
            Actuator::of("angle", "renamed_axis").named("stage_theta"),
            Actuator::of("count", "stage.y"),
            Actuator::new("filter"),
            Actuator::new("open"),
        ],
        kwargs: json!({"dwell": 2.0, "md": {"n": 1}}).as_object().unwrap().clone(),
        ..Settings::new()
    };
    let mut parameters: Parameterization = [("angle", 1.0)].into();
    parameters.insert("count", 3);
    parameters.insert("filter", "gold");
    parameters.insert("open", true);
    parameters.insert("not_moved", 5.0);
    let item = settings.sent(&[(run(7), parameters)]);
    let point = json!({"_id": 7, "stage_theta": 1.0, "stage.y": 3, "filter": "gold", "open": true});
    let devices = json!(["renamed_axis", "stage.y", "filter", "open"]);
    assert_eq!(item["args"], json!([[point], devices, ["himmel_det"]]));
    assert_eq!(item["kwargs"], json!({"dwell": 2.0, "md": {"n": 1}}));
}

#[test]
fn what_the_manager_would_misunderstand_is_not_sent() {
    let settings = Settings::new();
    let mut clash: Parameterization = [("motor1", 1.0)].into();
    clash.insert("motor2", "himmel_det");
    assert_eq!(
        settings.error(clash),
        "parameter `motor2` has the value `himmel_det`, which is the name of a device or a plan: the RE Manager would replace \
         it by the device; choose another word"
    );
    assert_eq!(
        settings.error([("motor1", 1.0)].into()),
        "the trial has no value for parameter `motor2`, which an actuator of the runner names"
    );
    for found in ["NaN", "inf"] {
        let value: f64 = found.parse().unwrap();
        assert_eq!(
            settings.error([("motor1", value), ("motor2", 1.0)].into()),
            format!(
                "parameter `motor1`: expected a finite number as a parameter value, found {found}"
            )
        );
    }
}

#[test]
fn an_item_belongs_to_its_runs_and_their_experiment() {
    let item = |meta: Value| -> Item {
        let item = json!({"item_type": "plan", "name": "p", "item_uid": "u", "meta": meta});
        serde_json::from_value(item).unwrap()
    };
    let two = item(json!({CORRELATION: "krige-e-0-1", KEYS: ["krige-e-0-1", "krige-e-1-1"]}));
    assert!(is_of(&two, "krige-e-0-1") && is_of(&two, "krige-e-1-1"));
    assert!(!is_of(&two, "krige-e-0-11") && !is_of(&two, "krige-e-1"));
    assert!(is_of_experiment(&two, "krige-e-25-3") && !is_of_experiment(&two, "krige-f-0-1"));
    let expected = Metadata::of(ITEM_UID, "u")
        .with(CORRELATION, "krige-e-0-1")
        .with(POINT_ID, 1)
        .with(POINTS, 2);
    assert_eq!(metadata(&two, &run(1)), expected);
    // Others' items have metadata of all kinds.
    for meta in [json!({}), json!(null), json!([{KEYS: ["krige-e-0-1"]}]), json!({KEYS: "x"})] {
        let others = item(meta);
        assert!(!is_of(&others, "krige-e-0-1") && !is_of_experiment(&others, "krige-e-0-1"));
    }
}
