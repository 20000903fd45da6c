//! What to search for.

use serde_json::{Value, json};

use super::node::pair;

/// What nodes to find below a path, in which order, and how much of each.
///
/// Conditions are joined by "and". A field is named by its path in the metadata: `start.plan_name`.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    pub(super) filters: Vec<(String, String)>,
    pub(super) sort: Option<String>,
    pub(super) select: Option<String>,
    pub(super) page_size: usize,
    pub(super) limit: usize,
}

/// How a field compares with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// It is less.
    Lt,
    /// It is less or equal.
    Le,
    /// It is greater.
    Gt,
    /// It is greater or equal.
    Ge,
}

impl Query {
    /// Makes the query that finds everything, in the order in which it was created.
    pub fn new() -> Self {
        Self { filters: Vec::new(), sort: None, select: None, page_size: 100, limit: usize::MAX }
    }

    /// The field equals the value.
    #[must_use]
    pub fn eq(self, field: &str, value: impl Into<Value>) -> Self {
        self.of_value("eq", field, value.into())
    }

    /// The field differs from the value.
    #[must_use]
    pub fn ne(self, field: &str, value: impl Into<Value>) -> Self {
        self.of_value("noteq", field, value.into())
    }

    /// The field, a number or text, compares so with the value.
    #[must_use]
    pub fn compare(self, field: &str, comparison: Comparison, value: impl Into<Value>) -> Self {
        let operator = match comparison {
            Comparison::Lt => "lt",
            Comparison::Le => "le",
            Comparison::Gt => "gt",
            Comparison::Ge => "ge",
        };
        let value = value.into().to_string();
        self.filter("comparison", &[("operator", operator), ("key", field), ("value", &value)])
    }

    /// The field, a list, contains the value.
    #[must_use]
    pub fn contains(self, field: &str, value: impl Into<Value>) -> Self {
        self.of_value("contains", field, value.into())
    }

    /// The field equals one of the values.
    #[must_use]
    pub fn one_of<V: Into<Value>>(self, field: &str, values: impl IntoIterator<Item = V>) -> Self {
        self.of_value("in", field, values.into_iter().map(Into::into).collect())
    }

    /// The field's text matches a pattern of SQL's LIKE: `%` is any text, `_` any character.
    #[must_use]
    pub fn like(self, field: &str, pattern: &str) -> Self {
        let pattern = json!(pattern).to_string();
        self.filter("like", &[("key", field), ("pattern", &pattern)])
    }

    /// The field's text matches a regular expression. Tiled's own catalogs (in SQL) refuse this; use
    /// [`like`](Self::like) there.
    #[must_use]
    pub fn regex(self, field: &str, pattern: &str) -> Self {
        self.filter("regex", &[("key", field), ("pattern", pattern)])
    }

    /// Some text in the metadata contains the words.
    #[must_use]
    pub fn full_text(self, words: &str) -> Self {
        self.filter("fulltext", &[("text", words)])
    }

    /// There is such a field.
    #[must_use]
    pub fn present(self, field: &str) -> Self {
        self.filter("keypresent", &[("key", field), ("exists", "true")])
    }

    /// Sorts by a field; a `-` in front of it reverses the order.
    #[must_use]
    pub fn sort(self, field: &str) -> Self {
        Self { sort: Some(field.to_owned()), ..self }
    }

    /// Sorts runs by the time of their start, the newest first.
    #[must_use]
    pub fn newest_first(self) -> Self {
        self.sort("-start.time")
    }

    /// Gives what this JMESPath expression selects from the metadata, instead of all of them.
    #[must_use]
    pub fn select(self, expression: &str) -> Self {
        Self { select: Some(expression.to_owned()), ..self }
    }

    /// Gives at most so many nodes.
    #[must_use]
    pub fn limit(self, limit: usize) -> Self {
        Self { limit, ..self }
    }

    /// How many nodes come with one request, from 1 to 300; 100 unless said.
    #[must_use]
    pub fn page_size(self, page_size: usize) -> Self {
        Self { page_size, ..self }
    }

    /// Most kinds of filters name a field and have a value in JSON.
    fn of_value(self, kind: &str, field: &str, value: Value) -> Self {
        self.filter(kind, &[("key", field), ("value", &value.to_string())])
    }

    fn filter(mut self, kind: &str, conditions: &[(&str, &str)]) -> Self {
        let conditions = conditions.iter();
        self.filters.extend(
            conditions
                .map(|(name, value)| pair(&format!("filter[{kind}][condition][{name}]"), *value)),
        );
        self
    }
}

impl Default for Query {
    fn default() -> Self {
        Self::new()
    }
}
