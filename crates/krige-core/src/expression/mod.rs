//! Linear expressions as people write them: `2*a - 0.5*b`, `lc + lp <= 4`, `qps >= 0.9 * baseline`.
//!
//! Names start with a letter or `_` and go on with letters, digits, `_` and `.`; any other name is
//! put in double quotes, single quotes or backticks, where `\` takes the next character as it is
//! and a doubled quote stands for one. Every error knows where in the text it is.

mod error;
mod lexer;
mod parser;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;

use indexmap::IndexMap;

pub use error::{ExpressionError, ExpressionErrorKind};
pub(crate) use parser::{parse_comparison, parse_list};

/// The word that stands for the value of the baseline arm, where bare.
pub(crate) const BASELINE: &str = "baseline";

/// What the names in a text refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Names are parameters.
    Parameters,
    /// Names are metrics.
    Metrics,
    /// Names are metrics, but for the bare word `baseline`.
    MetricsAndBaseline,
}

impl Dialect {
    /// Names one of the things that names refer to, with its article.
    fn noun(self) -> &'static str {
        match self {
            Self::Parameters => "a parameter",
            Self::Metrics | Self::MetricsAndBaseline => "a metric",
        }
    }
}

/// What a coefficient multiplies.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Symbol {
    Name(String),
    Baseline,
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write_name(f, name),
            Self::Baseline => f.write_str(BASELINE),
        }
    }
}

/// A coefficient and where its symbol first stands in the text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Term {
    pub(crate) coefficient: f64,
    pub(crate) span: Range<usize>,
}

/// A sum of terms and a constant.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct LinearExpression {
    pub(crate) terms: IndexMap<Symbol, Term>,
    pub(crate) constant: f64,
    pub(crate) span: Range<usize>,
}

impl LinearExpression {
    /// Adds `factor` times the other expression, keeping the first span of each symbol.
    pub(crate) fn add(&mut self, other: &Self, factor: f64) {
        for (symbol, term) in &other.terms {
            let coefficient = factor * term.coefficient;
            self.terms
                .entry(symbol.clone())
                .and_modify(|sum| sum.coefficient += coefficient)
                .or_insert_with(|| Term { coefficient, span: term.span.clone() });
        }
        self.constant += factor * other.constant;
    }

    /// Multiplies everything by a factor.
    pub(crate) fn scale(&mut self, factor: f64) {
        for term in self.terms.values_mut() {
            term.coefficient *= factor;
        }
        self.constant *= factor;
    }

    /// Tells whether every number in the expression is finite.
    pub(crate) fn is_finite(&self) -> bool {
        self.constant.is_finite() && self.terms.values().all(|term| term.coefficient.is_finite())
    }
}

/// The text form of an expression, which parses to the same expression.
impl fmt::Display for LinearExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let terms = self.terms.iter().map(|(symbol, term)| (symbol, term.coefficient));
        write_sum(f, terms)?;
        match (self.terms.is_empty(), self.constant) {
            (true, constant) => write_number(f, constant),
            (false, 0.0) => Ok(()),
            (false, constant) => {
                f.write_str(if constant < 0.0 { " - " } else { " + " })?;
                write_number(f, constant.abs())
            }
        }
    }
}

/// The direction of an inequality, read from left to right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Relation {
    /// `<=`
    AtMost,
    /// `>=`
    AtLeast,
}

impl Relation {
    /// Gives the relation read from right to left.
    pub fn flipped(self) -> Self {
        match self {
            Self::AtMost => Self::AtLeast,
            Self::AtLeast => Self::AtMost,
        }
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AtMost => "<=",
            Self::AtLeast => ">=",
        })
    }
}

/// Two expressions and the relation between them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Comparison {
    pub(crate) left: LinearExpression,
    pub(crate) relation: Relation,
    pub(crate) right: LinearExpression,
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.left, self.relation, self.right)
    }
}

/// Writes `2*a - b`.
pub(crate) fn write_sum<S: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    terms: impl IntoIterator<Item = (S, f64)>,
) -> fmt::Result {
    for (i, (symbol, coefficient)) in terms.into_iter().enumerate() {
        f.write_str(match (i, coefficient.is_sign_negative()) {
            (0, false) => "",
            (0, true) => "-",
            (_, false) => " + ",
            (_, true) => " - ",
        })?;
        if coefficient.abs() != 1.0 {
            write_number(f, coefficient.abs())?;
            f.write_str("*")?;
        }
        write!(f, "{symbol}")?;
    }
    Ok(())
}

/// Writes a number with the fewest digits that read back to the same bits, `2` rather than `2.0`.
pub(crate) fn write_number(f: &mut fmt::Formatter<'_>, x: f64) -> fmt::Result {
    let text = format!("{x:?}");
    f.write_str(text.strip_suffix(".0").unwrap_or(&text))
}

/// Returns a name as an expression reads it: in double quotes where it could not stand bare.
///
/// ```
/// use krige_core::expression::quote;
///
/// assert_eq!(quote("latency"), "latency");
/// assert_eq!(quote("p99 \"tail\""), r#""p99 \"tail\"""#);
/// ```
pub fn quote(name: &str) -> String {
    Symbol::Name(name.to_owned()).to_string()
}

/// Writes a name, in double quotes where it could not stand bare.
pub(crate) fn write_name(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    if lexer::is_bare_name(name) && name != BASELINE {
        return f.write_str(name);
    }
    f.write_str("\"")?;
    for c in name.chars() {
        if matches!(c, '"' | '\\') {
            f.write_str("\\")?;
        }
        write!(f, "{c}")?;
    }
    f.write_str("\"")
}
