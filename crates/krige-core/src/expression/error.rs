//! What can be wrong with an expression, and how it is shown.

use std::fmt;
use std::ops::Range;

use thiserror::Error;

/// An expression that was not understood: what is wrong, in which text, at which place.
///
/// Its text form has three lines: the reason, the expression, and carets under the place.
#[derive(Debug, Clone, PartialEq, Error)]
pub struct ExpressionError {
    /// The whole text.
    pub text: String,
    /// The place, in bytes of the text; empty at the end of the text.
    pub span: Range<usize>,
    /// What is wrong there.
    pub kind: ExpressionErrorKind,
}

impl ExpressionError {
    pub(crate) fn new(text: &str, span: Range<usize>, kind: ExpressionErrorKind) -> Self {
        Self { text: text.to_owned(), span, kind }
    }
}

impl fmt::Display for ExpressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A line break or a tab in the text would pull the carets away from their place.
        let shown: String =
            self.text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let before = self.text[..self.span.start].chars().count();
        let carets = self.text[self.span.clone()].chars().count().max(1);
        write!(f, "{}:\n  {shown}\n  {}{}", self.kind, " ".repeat(before), "^".repeat(carets))
    }
}

/// What is wrong with an expression.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum ExpressionErrorKind {
    /// A character that no expression has.
    #[error(
        "expected a name, a number or one of `+ - * / ( ) , <= >=`, found `{found}` (put names \
         with other characters than letters, digits, `_` and `.` in quotes)"
    )]
    UnexpectedCharacter {
        /// The character.
        found: char,
    },
    /// A quote that is never closed.
    #[error("expected a closing {quote} for the name that starts here, found the end")]
    UnclosedQuote {
        /// The quote.
        quote: char,
    },
    /// A quoted name without a character.
    #[error("expected a name between the quotes, found nothing")]
    EmptyName,
    /// A number that a 64-bit float cannot hold.
    #[error("expected finite numbers, found one that is larger than 1.8e308")]
    NumberTooLarge,
    /// An operator without a right side, or an empty text.
    #[error("expected {noun} or a number{}", Place(after))]
    ExpectedOperand {
        /// What names refer to.
        noun: &'static str,
        /// The token before, if any.
        after: Option<String>,
    },
    /// Two operands side by side.
    #[error(
        "expected an operator before `{found}` (write products with `*`, and put names with \
         spaces in quotes)"
    )]
    ExpectedOperator {
        /// The second operand.
        found: String,
    },
    /// A parenthesis that is never closed.
    #[error("expected a `)` for the `(` that stands here")]
    UnclosedParenthesis,
    /// A parenthesis that was never opened.
    #[error("expected an end of the expression, found a `)` without its `(`")]
    UnopenedParenthesis,
    /// Parentheses inside of parentheses, too many times.
    #[error("expected at most {limit} parentheses inside of each other")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// A product of two names.
    #[error("expected a linear expression, found the product of `{left}` and `{right}`")]
    Product {
        /// A name on the left of `*`.
        left: String,
        /// A name on the right of `*`.
        right: String,
    },
    /// A power.
    #[error("expected a linear expression, found a power")]
    Power,
    /// A function call.
    #[error(
        "expected a linear expression, found the function `{name}` (if that is a name, quote it with its parentheses)"
    )]
    Function {
        /// The name before the parenthesis.
        name: String,
    },
    /// A name in a divisor.
    #[error("expected a number after `/`, found `{name}`: the expression would not be linear")]
    DivisionByName {
        /// A name in the divisor.
        name: String,
    },
    /// A zero divisor.
    #[error("expected a divisor other than zero")]
    DivisionByZero,
    /// A comma where one expression is expected.
    #[error("expected one expression, found a comma (separate constraints are separate texts)")]
    UnexpectedComma,
    /// A relation in an objective.
    #[error(
        "expected an expression to maximize, found `{relation}` (inequalities are constraints)"
    )]
    UnexpectedRelation {
        /// The relation.
        relation: &'static str,
    },
    /// No relation in a constraint.
    #[error("expected `<=` or `>=` and a bound, found neither")]
    MissingRelation,
    /// Two relations in a constraint.
    #[error("expected one relation, found a second (write two constraints)")]
    SecondRelation,
    /// `<` or `>`.
    #[error("expected `{relation}=`, found `{relation}`: a strict bound cannot be told from it")]
    StrictRelation {
        /// The relation.
        relation: &'static str,
    },
    /// `=` or `==`.
    #[error(
        "expected `<=` or `>=`, found an equality (remove one parameter and compute it from the \
         others instead)"
    )]
    Equality,
    /// An objective, or one side of a constraint, without a name.
    #[error("expected {noun}, found only the constant {value}")]
    ConstantAlone {
        /// What names refer to.
        noun: &'static str,
        /// The constant.
        value: f64,
    },
    /// A constant added to an objective.
    #[error(
        "expected metrics only, found the constant {value} (it does not change the best point)"
    )]
    ConstantTerm {
        /// The constant.
        value: f64,
    },
    /// A name whose coefficient is zero.
    #[error("expected `{name}` to have a weight other than zero (remove it)")]
    ZeroCoefficient {
        /// The name.
        name: String,
    },
    /// A metric in two objectives.
    #[error("expected each metric in one objective, found `{name}` in two")]
    RepeatedMetric {
        /// The metric.
        name: String,
    },
    /// A constraint in which all names cancel.
    #[error("expected {noun} to remain after moving everything to one side, found that all cancel")]
    NothingRemains {
        /// What names refer to.
        noun: &'static str,
    },
    /// `baseline` not alone on its side.
    #[error(
        "expected `baseline` to be one whole side, as in `metric >= 0.9 * baseline` (a metric of \
         that name is put in quotes)"
    )]
    MisplacedBaseline,
    /// A `baseline` constraint whose other side has a constant, or no metric.
    #[error("expected only metrics to be compared with `baseline`")]
    BaselineComparedWithConstant,
    /// A multiplier of `baseline` that is not positive.
    #[error("expected a positive multiplier of `baseline`, found {multiplier}")]
    BaselineMultiplier {
        /// The multiplier.
        multiplier: f64,
    },
}

/// Where an operand is missing.
struct Place<'a>(&'a Option<String>);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(token) => write!(f, " after `{token}`"),
            None => Ok(()),
        }
    }
}
