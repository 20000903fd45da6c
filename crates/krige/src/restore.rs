//! Runner and metrics, from what the experiment stores of them.

use std::sync::Arc;

use indexmap::IndexMap;
use krige_core::experiment::Experiment;
use krige_runner::{IMetric, IRunner, is_closure};
use serde_json::Value;

use crate::error::Error;

/// The experiment's runner.
pub(crate) fn runner(experiment: &Experiment) -> Result<Arc<dyn IRunner>, Error> {
    let stored = experiment.runner.as_ref().ok_or(Error::NoRunner)?;
    let what = "runner".into();
    if is_closure(stored) {
        return Err(Error::Closure { what });
    }
    serde_json::from_value::<Box<dyn IRunner>>(stored.clone())
        .map(Arc::from)
        .map_err(|source| Error::UnknownType { what, source })
}

/// The metrics that krige fetches: those that are configured, and those that the experiment stores beside them.
///
/// One that cannot be restored is an error where the optimization needs it; otherwise it is left out.
pub(crate) fn metrics(
    experiment: &Experiment,
    configured: &IndexMap<String, Arc<dyn IMetric>>,
) -> Result<IndexMap<String, Arc<dyn IMetric>>, Error> {
    let needed = experiment.optimization.as_ref().map(|o| o.metrics()).unwrap_or_default();
    let mut metrics = configured.clone();
    for (name, stored) in &experiment.metrics {
        let Some(stored) = stored else { continue };
        if metrics.contains_key(name) {
            continue;
        }
        match metric(name, stored) {
            Ok(metric) => {
                metrics.insert(name.clone(), metric);
            }
            Err(error) if needed.contains(&name.as_str()) => return Err(error),
            Err(_) => {}
        }
    }
    Ok(metrics)
}

fn metric(name: &str, stored: &Value) -> Result<Arc<dyn IMetric>, Error> {
    let what = format!("metric `{name}`");
    if is_closure(stored) {
        return Err(Error::Closure { what });
    }
    serde_json::from_value::<Box<dyn IMetric>>(stored.clone())
        .map(Arc::from)
        .map_err(|source| Error::UnknownType { what, source })
}
