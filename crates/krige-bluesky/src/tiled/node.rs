//! Nodes of Tiled's tree, and how what they hold is built.

use serde::Deserialize;
use serde_json::Value;

use super::client::TiledClient;
use super::error::TiledError;

/// A node of the tree. What a search did not ask for is empty.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Its key within its parent; for a run, the run's uid.
    pub id: String,
    /// What it says of its kind: `BlueskyRun` 3.0, `BlueskyEventStream` 3.0.
    pub specs: Vec<Spec>,
    /// Its metadata, or what the query selected of them.
    pub metadata: Value,
    /// What it holds.
    pub structure: Structure,
}

/// What a node says of its kind.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Spec {
    /// The kind.
    pub name: String,
    /// The version of its definition.
    pub version: Option<String>,
}

/// What a node holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Structure {
    /// Other nodes.
    Container,
    /// Numbers.
    Array(ArrayStructure),
    /// Columns of one length.
    Table(TableStructure),
    /// Something that this client does not read: its structure family (`sparse`, `awkward`, or `array` for one of records)
    /// and structure.
    Other(String, Value),
}

/// How an array is built.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ArrayStructure {
    /// How many elements it has in each dimension.
    pub shape: Vec<usize>,
    /// What its elements are.
    pub data_type: DataType,
}

/// An element's type, in the terms of numpy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct DataType {
    /// The order of its bytes.
    pub endianness: Endianness,
    /// `f` float, `i` integer, `u` unsigned integer, `b` boolean; also others.
    pub kind: char,
    /// Its size in bytes.
    pub itemsize: usize,
}

/// The order of an element's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endianness {
    /// The lowest byte comes first.
    Little,
    /// The highest byte comes first.
    Big,
    /// It has one byte.
    NotApplicable,
}

/// How a table is built.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TableStructure {
    /// The columns' names.
    pub columns: Vec<String>,
}

/// An answer of `metadata` or `search`.
#[derive(Debug, Deserialize)]
pub(super) struct Reply<T> {
    pub(super) data: T,
    pub(super) links: Option<Links>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Links {
    pub(super) next: Option<String>,
}

/// A node as Tiled writes it.
#[derive(Debug, Deserialize)]
pub(super) struct Resource {
    id: String,
    attributes: Attributes,
}

#[derive(Debug, Deserialize)]
struct Attributes {
    structure_family: Option<String>,
    specs: Option<Vec<Spec>>,
    #[serde(default)]
    metadata: Value,
    #[serde(default)]
    structure: Value,
}

impl Resource {
    /// What of the metadata was selected is wrapped.
    pub(super) fn into_node(self, selected: bool) -> Node {
        let Self { id, attributes } = self;
        let Attributes { structure_family, specs, mut metadata, structure } = attributes;
        let family = structure_family.unwrap_or_default();
        let known = match family.as_str() {
            "container" | "" => Some(Structure::Container),
            "array" => Deserialize::deserialize(&structure).ok().map(Structure::Array),
            "table" => Deserialize::deserialize(&structure).ok().map(Structure::Table),
            _ => None,
        };
        if selected {
            metadata = metadata.get_mut("selected").map(Value::take).unwrap_or_default();
        }
        let structure = known.unwrap_or(Structure::Other(family, structure));
        Node { id, specs: specs.unwrap_or_default(), metadata, structure }
    }
}

pub(super) fn pair(name: &str, value: impl Into<String>) -> (String, String) {
    (name.to_owned(), value.into())
}

impl TiledClient {
    /// A node, whole.
    ///
    /// # Errors
    /// [`TiledError::NotFound`] if there is none of that path, and whatever a request fails of.
    pub fn metadata(&self, path: &str) -> Result<Node, TiledError> {
        let fields = ["structure_family", "specs", "metadata", "structure"];
        self.node(path, &fields.map(|field| pair("fields", field)), false)
    }

    /// What a JMESPath expression selects from a node's metadata; null where there is nothing.
    ///
    /// # Errors
    /// As of [`metadata`](Self::metadata).
    pub fn select_metadata(&self, path: &str, expression: &str) -> Result<Value, TiledError> {
        let query = [pair("fields", "metadata"), pair("select_metadata", expression)];
        Ok(self.node(path, &query, true)?.metadata)
    }

    fn node(
        &self,
        path: &str,
        query: &[(String, String)],
        selected: bool,
    ) -> Result<Node, TiledError> {
        let reply: Reply<Resource> = self.get_json("metadata", path, query, "a node")?;
        Ok(reply.data.into_node(selected))
    }
}
