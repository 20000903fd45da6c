//! The experiment as a table: one row for each trial.

use std::fmt;

use krige_core::experiment::Experiment;
use krige_core::trial::Trial;

use crate::progress::number;

/// A table with a header; its `Display` is for a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The names of the columns.
    pub columns: Vec<String>,
    /// One row for each trial; an empty cell is an empty text.
    pub rows: Vec<Vec<String>>,
}

/// The table of an experiment's trials; columns that would be empty are left out.
pub(crate) fn summarize(experiment: &Experiment) -> Summary {
    let mut columns: Vec<String> =
        ["trial", "arm", "status", "reason", "node"].map(ToOwned::to_owned).into();
    let metrics: Vec<&String> = experiment.metrics.keys().collect();
    columns.extend(metrics.iter().map(|metric| (*metric).clone()));
    let parameters = experiment.search_space.parameters();
    columns.extend(parameters.iter().map(|parameter| parameter.name().to_owned()));

    let row = |trial: &Trial| {
        let mut row = vec![
            trial.index.to_string(),
            trial.arm.name.clone(),
            trial.status().to_string(),
            trial.state.reason().unwrap_or_default().to_owned(),
            trial.node().to_owned(),
        ];
        for metric in &metrics {
            row.push(trial.observation(metric).map_or_else(String::new, |observation| {
                let mean = number(observation.mean);
                match observation.sem {
                    Some(sem) if sem > 0.0 => format!("{mean} ± {}", number(sem)),
                    _ => mean,
                }
            }));
        }
        for parameter in parameters {
            row.push(match trial.arm.parameters.get(parameter.name()) {
                Some(krige_core::value::ParameterValue::Float(value)) => number(*value),
                Some(value) => value.to_string(),
                None => String::new(),
            });
        }
        row
    };
    let rows: Vec<_> = experiment.trials.iter().map(row).collect();
    without_empty_columns(Summary { columns, rows })
}

fn without_empty_columns(Summary { columns, rows }: Summary) -> Summary {
    let kept: Vec<bool> = (0..columns.len())
        .map(|column| rows.is_empty() || rows.iter().any(|row| !row[column].is_empty()))
        .collect();
    let keep = |row: Vec<String>| -> Vec<String> {
        row.into_iter().zip(&kept).filter_map(|(cell, kept)| kept.then_some(cell)).collect()
    };
    Summary { columns: keep(columns), rows: rows.into_iter().map(keep).collect() }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = comfy_table::Table::new();
        table.load_style(comfy_table::presets::UTF8_BORDERS_ONLY).set_header(&self.columns);
        table.add_rows(&self.rows);
        f.write_str(&table.to_string())
    }
}
