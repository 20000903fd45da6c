//! Data keys of a stream: columns of its tables, and arrays beside them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::array::{ArrayData, Slice};
use super::client::TiledClient;
use super::error::TiledError;
use super::node::{ArrayStructure, Node, Structure, pair};

/// Where the values of a data key are.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamArray {
    /// The path below the client's prefix.
    pub path: String,
    /// Shape `[events][...]`, unless a detector's file has several frames for each event.
    pub structure: ArrayStructure,
    /// The shape of one event as the device declared it, where this is an array of its own.
    pub declared: Option<Vec<usize>>,
}

impl TiledClient {
    /// A table's columns, in order.
    ///
    /// # Errors
    /// [`TiledError::NotFound`] if there is no such node, [`TiledError::Protocol`] if it is no table.
    pub fn table_columns(&self, path: &str) -> Result<Vec<String>, TiledError> {
        match self.metadata(path)?.structure {
            Structure::Table(table) => Ok(table.columns),
            other => Err(TiledError::Protocol {
                path: path.to_owned(),
                expected: "a table",
                found: format!("{other:?}"),
            }),
        }
    }

    /// Columns of a table, as values in JSON: null stands for NaN. Two requests. Columns of lists cannot be read in this
    /// way (Tiled fails with status 500); they are arrays of the path `{table}/{column}`.
    ///
    /// # Errors
    /// As of [`table_columns`](Self::table_columns); [`TiledError::NoSuchKey`] if it has no such column.
    pub fn table(
        &self,
        path: &str,
        columns: &[&str],
    ) -> Result<BTreeMap<String, Vec<Value>>, TiledError> {
        let known = self.table_columns(path)?;
        // Tiled's own answer to an unknown column is status 500.
        if let Some(key) = columns.iter().find(|column| !known.iter().any(|name| name == *column)) {
            let (path, key) = (path.to_owned(), (*key).to_owned());
            return Err(TiledError::NoSuchKey { path, key, known });
        }
        let mut query = vec![pair("format", "application/json")];
        query.extend(columns.iter().map(|column| pair("column", *column)));
        self.get_json("table/full", path, &query, "columns")
    }

    /// The values of a data key of a run, wherever Tiled has them.
    ///
    /// # Errors
    /// As of [`find_stream_array`](Self::find_stream_array) and [`array`](Self::array).
    pub fn stream_array(
        &self,
        run: &str,
        stream: &str,
        key: &str,
    ) -> Result<ArrayData, TiledError> {
        let found = self.find_stream_array(run, stream, key)?;
        self.read_array(&found.path, &found.structure, &[])
    }

    /// A part of what [`find_stream_array`](Self::find_stream_array) found.
    ///
    /// # Errors
    /// As of [`array_slice`](Self::array_slice).
    pub fn read_stream_array(
        &self,
        found: &StreamArray,
        slices: &[Slice],
    ) -> Result<ArrayData, TiledError> {
        self.read_array(&found.path, &found.structure, slices)
    }

    /// Where the values of a data key are: an array of the stream, a column of its table, or of one of its tables if it
    /// has several (above 1024 columns). One to four requests, which read no values.
    ///
    /// # Errors
    /// [`TiledError::NoSuchKey`] with the keys that are there; [`TiledError::NotFound`] if there is no such run, or no
    /// event in such a stream; [`TiledError::DataType`] if the values are not numbers.
    pub fn find_stream_array(
        &self,
        run: &str,
        stream: &str,
        key: &str,
    ) -> Result<StreamArray, TiledError> {
        let folder = format!("{run}/{stream}");
        for path in [format!("{folder}/{key}"), format!("{folder}/internal/{key}")] {
            match self.metadata(&path) {
                Ok(node) => return values(path, node),
                Err(TiledError::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let mut known = Vec::new();
        for node in self.children(&folder)? {
            let Structure::Table(table) = node.structure else {
                known.push(node.id);
                continue;
            };
            if table.columns.iter().any(|column| column == key) {
                let path = format!("{folder}/{}/{key}", node.id);
                return values(path.clone(), self.metadata(&path)?);
            }
            known.extend(table.columns);
        }
        Err(TiledError::NoSuchKey { path: folder, key: key.to_owned(), known })
    }
}

fn values(path: String, node: Node) -> Result<StreamArray, TiledError> {
    let declared =
        node.metadata.get("shape").and_then(|shape| serde_json::from_value(shape.clone()).ok());
    match node.structure {
        Structure::Array(structure) => Ok(StreamArray { path, structure, declared }),
        other => Err(TiledError::DataType { path, found: format!("{other:?}") }),
    }
}
