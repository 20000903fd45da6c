//! Which run, and which of its rows, are a trial's.

use krige_core::trial::Metadata;
use serde::Deserialize;
use serde_json::Value;

use super::DataError;
use crate::metadata::{POINT_ID, POINTS, RUN_UIDS};
use crate::tiled::RunStop;

/// What of a run's documents counts here.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Run {
    pub(super) uid: String,
    /// Row i belongs to the point of id `order[i]`.
    order: Option<Vec<Value>>,
    suggestions: Option<Vec<Suggestion>>,
    pub(super) stop: Option<RunStop>,
}

#[derive(Debug, Clone, Deserialize)]
struct Suggestion {
    #[serde(rename = "_id", default)]
    id: Value,
}

/// A [`Run`] of its metadata, as JMESPath. Blop's plans, and those made after them, say who has which row.
pub(super) const SELECTION: &str = "{uid: start.uid, order: start.blop_acquisition_order, \
                                    suggestions: start.blop_suggestions, stop: stop}";

/// Which part of its item a trial is.
#[derive(Debug, PartialEq)]
pub(super) struct Point {
    id: Value,
    of: usize,
}

/// The rows of a trial.
#[derive(Debug, PartialEq)]
pub(super) enum Rows {
    All,
    /// These of the run's, from 0.
    Some(Vec<usize>),
}

impl Point {
    /// Reads it from a trial's metadata; `None` if the trial is all of its item.
    pub(super) fn read(metadata: &Metadata) -> Result<Option<Self>, DataError> {
        let fail = |field, found: &Value| DataError::Metadata { field, found: found.clone() };
        let of = match metadata.0.get(POINTS) {
            None | Some(Value::Null) => 1,
            Some(points) => {
                let of = points.as_u64().and_then(|points| usize::try_from(points).ok());
                of.filter(|points| *points >= 1).ok_or_else(|| fail(POINTS, points))?
            }
        };
        if of == 1 {
            return Ok(None);
        }
        match metadata.0.get(POINT_ID) {
            Some(id) if !id.is_null() => Ok(Some(Self { id: id.clone(), of })),
            _ => Err(fail(POINT_ID, &Value::Null)),
        }
    }

    /// Its position among the suggestions.
    fn position(&self, run: &Run) -> Result<usize, DataError> {
        let suggested = run.suggestions.as_ref().filter(|suggested| suggested.len() == self.of);
        let found = suggested.and_then(|all| all.iter().position(|one| one.id == self.id));
        let counted = || self.id.as_u64().and_then(|id| usize::try_from(id).ok());
        found.or_else(counted).filter(|position| *position < self.of).ok_or_else(|| {
            DataError::NoRows {
                run: run.uid.clone(),
                why: format!("it does not say where point {} is among {}", self.id, self.of),
            }
        })
    }
}

/// The uids that the runner wrote down, if it did.
pub(super) fn run_uids(metadata: &Metadata) -> Result<Option<Vec<String>>, DataError> {
    match metadata.0.get(RUN_UIDS) {
        None | Some(Value::Null) => Ok(None),
        Some(found) => {
            let uids: Vec<String> = Deserialize::deserialize(found)
                .map_err(|_| DataError::Metadata { field: RUN_UIDS, found: found.clone() })?;
            // An RE Manager that was restarted in the middle of a plan knows of no runs.
            Ok(Some(uids).filter(|uids| !uids.is_empty()))
        }
    }
}

/// The run with a trial's data and its rows there; `None` while that cannot be told. `runs` come newest first; `listed`
/// says that they are all of the item's runs and no others, because the RE Manager said so.
pub(super) fn choose<'a>(
    runs: &'a [Run],
    point: Option<&Point>,
    stream: &str,
    listed: bool,
) -> Result<Option<(&'a Run, Rows)>, DataError> {
    let Some(newest) = runs.first() else { return Ok(None) };
    let Some(point) = point else { return Ok(Some((newest, Rows::All))) };
    // The newest counts: a plan that failed may have been run again.
    let ordered = |run: &&Run| run.order.as_ref().is_some_and(|order| order.contains(&point.id));
    if let Some(run) = runs.iter().find(ordered) {
        return ordered_rows(run, point, stream).map(|rows| Some((run, rows)));
    }
    if runs.iter().any(|run| run.order.is_some()) {
        // It may be in a run that has not come yet.
        return Ok(None);
    }
    let events = events(newest, stream)?;
    let one_run_each = runs.len() == point.of;
    let Some(events) = events else {
        // Not written yet; which of the runs it is follows from the number of its events.
        return Ok(None);
    };
    match (one_run_each, events == point.of) {
        (true, false) => runs_in_order(runs, point),
        (true, true) if listed => runs_in_order(runs, point),
        (true, true) => Err(DataError::NoRows {
            run: newest.uid.clone(),
            why: format!(
                "{} runs of {events} events each may be one for each point, or one plan that was run again and again",
                runs.len()
            ),
        }),
        (false, true) => Ok(Some((newest, Rows::Some(vec![point.position(newest)?])))),
        (false, false) if !listed && events < point.of => Ok(None),
        (false, false) => Err(DataError::NoRows {
            run: newest.uid.clone(),
            why: format!("{events} events for {} points", point.of),
        }),
    }
}

fn runs_in_order<'a>(runs: &'a [Run], point: &Point) -> Result<Option<(&'a Run, Rows)>, DataError> {
    let position = point.position(&runs[0])?;
    Ok(runs.iter().rev().nth(position).map(|run| (run, Rows::All)))
}

fn ordered_rows(run: &Run, point: &Point, stream: &str) -> Result<Rows, DataError> {
    let order = run.order.as_deref().unwrap_or_default();
    if order.len() == 1 {
        return Ok(Rows::All);
    }
    let rows = order.iter().enumerate().filter(|(_, id)| **id == point.id).map(|(row, _)| row);
    match events(run, stream)? {
        Some(events) if events != order.len() => Err(DataError::NoRows {
            run: run.uid.clone(),
            why: format!(
                "its acquisition order names {} points and it has {events} events",
                order.len()
            ),
        }),
        _ => Ok(Rows::Some(rows.collect())),
    }
}

/// How many events a run has in a stream, once it has ended well.
pub(super) fn events(run: &Run, stream: &str) -> Result<Option<usize>, DataError> {
    let Some(stop) = &run.stop else { return Ok(None) };
    if !stop.succeeded() {
        return Err(DataError::Failed {
            run: run.uid.clone(),
            exit_status: stop.exit_status.clone(),
            reason: stop.reason.clone(),
        });
    }
    match stop.num_events.get(stream) {
        Some(&events) if events > 0 => Ok(Some(events)),
        _ => Err(DataError::NoEvents {
            run: run.uid.clone(),
            stream: stream.to_owned(),
            known: stop.num_events.keys().cloned().collect(),
        }),
    }
}

/// How many rows of the array make up one event; `None` while there are too few. `declared` is the shape of one event.
pub(super) fn rows_per_event(
    run: &str,
    shape: &[usize],
    declared: Option<&[usize]>,
    events: usize,
) -> Result<Option<usize>, DataError> {
    let rows = shape.first().copied().unwrap_or(0);
    if rows == events {
        return Ok(Some(1));
    }
    // A detector that takes several frames for each event stores them one after the other.
    let elements: usize = shape.iter().product();
    let whole = |declared: &[usize]| elements == events * declared.iter().product::<usize>();
    if rows % events == 0 && declared.is_some_and(whole) {
        return Ok(Some(rows / events));
    }
    if rows < events {
        return Ok(None);
    }
    Err(DataError::NoRows { run: run.to_owned(), why: format!("{rows} rows for {events} events") })
}

#[cfg(test)]
mod tests;
