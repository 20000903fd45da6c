//! What can be wrong with a search space, and with a point of it.

use thiserror::Error;

use crate::expression::ExpressionError;
use crate::value::{ParameterType, ParameterValue, Parameterization, list};

/// The reasons why a search space cannot be built.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum SearchSpaceError {
    /// There is no parameter.
    #[error("expected at least one parameter, found none")]
    NoParameters,
    /// A parameter has an empty name.
    #[error("expected every parameter to have a name, found an empty one")]
    EmptyName,
    /// Two parameters have the same name.
    #[error("expected one parameter named `{name}`, found two (rename one)")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// A bound is NaN or infinite.
    #[error("parameter `{name}`: expected finite bounds, found {bound:?}")]
    NonFiniteBound {
        /// The parameter.
        name: String,
        /// The bound.
        bound: f64,
    },
    /// The bounds are equal or the wrong way round.
    #[error(
        "parameter `{name}`: expected an upper bound above the lower bound {lower:?}, found {upper:?} \
         (swap them, or use a fixed parameter for a single value)"
    )]
    EmptyRange {
        /// The parameter.
        name: String,
        /// The lower bound.
        lower: f64,
        /// The upper bound.
        upper: f64,
    },
    /// The distance between the bounds is not a finite number.
    #[error(
        "parameter `{name}`: expected bounds less than 1.8e308 apart, found {lower:?} and {upper:?}"
    )]
    RangeTooWide {
        /// The parameter.
        name: String,
        /// The lower bound.
        lower: f64,
        /// The upper bound.
        upper: f64,
    },
    /// A bound of an integer range is not an integer.
    #[error("parameter `{name}`: expected integer bounds, found {bound:?}")]
    FractionalBound {
        /// The parameter.
        name: String,
        /// The bound.
        bound: f64,
    },
    /// A bound of an integer range is too large for exact arithmetic.
    #[error("parameter `{name}`: expected integer bounds below 2^53 in magnitude, found {bound:?}")]
    IntBoundTooLarge {
        /// The parameter.
        name: String,
        /// The bound.
        bound: f64,
    },
    /// A logarithmic range reaches zero or below.
    #[error(
        "parameter `{name}`: expected a lower bound above 0 for a log scale, found {lower:?} (raise \
         it, or use the linear scale)"
    )]
    LogOfNonPositive {
        /// The parameter.
        name: String,
        /// The lower bound.
        lower: f64,
    },
    /// Steps on a logarithmic range.
    #[error(
        "parameter `{name}`: expected a linear scale for a step, found the log scale (use one of both)"
    )]
    StepOnLogScale {
        /// The parameter.
        name: String,
    },
    /// A step that is not a positive number.
    #[error("parameter `{name}`: expected a step above 0, found {step:?}")]
    NonPositiveStep {
        /// The parameter.
        name: String,
        /// The step.
        step: f64,
    },
    /// The step of an integer range is not an integer.
    #[error("parameter `{name}`: expected an integer step for an int parameter, found {step:?}")]
    FractionalStep {
        /// The parameter.
        name: String,
        /// The step.
        step: f64,
    },
    /// A step beyond the upper bound.
    #[error(
        "parameter `{name}`: expected a step of at most {width:?}, the distance between the \
         bounds, found {step:?}"
    )]
    StepTooLarge {
        /// The parameter.
        name: String,
        /// The distance between the bounds.
        width: f64,
        /// The step.
        step: f64,
    },
    /// The upper bound is not on the grid of steps.
    #[error(
        "parameter `{name}`: expected a step that divides the distance from {lower:?} to {upper:?}, \
         found {step:?}, whose last value is {last:?} (use that as the upper bound, or change the step)"
    )]
    UnevenStep {
        /// The parameter.
        name: String,
        /// The lower bound.
        lower: f64,
        /// The upper bound.
        upper: f64,
        /// The step.
        step: f64,
        /// The last value of the grid below the upper bound.
        last: f64,
    },
    /// More steps than exact arithmetic can count.
    #[error(
        "parameter `{name}`: expected a step that gives fewer than 2^53 values, found {step:?}"
    )]
    StepTooSmall {
        /// The parameter.
        name: String,
        /// The step.
        step: f64,
    },
    /// Digits on a parameter that is not a continuous float.
    #[error(
        "parameter `{name}`: expected digits only on a float range without a step, found {digits} \
         digits (remove them)"
    )]
    UselessDigits {
        /// The parameter.
        name: String,
        /// The digits.
        digits: u32,
    },
    /// Fewer than two values between the bounds have so few digits.
    #[error(
        "parameter `{name}`: expected at least two values of {digits} digits between {lower:?} and \
         {upper:?}, found fewer (use more digits)"
    )]
    TooFewDigits {
        /// The parameter.
        name: String,
        /// The digits.
        digits: u32,
        /// The lower bound.
        lower: f64,
        /// The upper bound.
        upper: f64,
    },
    /// A choice without a value.
    #[error("parameter `{name}`: expected at least one value to choose from, found none")]
    NoChoices {
        /// The parameter.
        name: String,
    },
    /// A choice with more values than are handled well.
    #[error(
        "parameter `{name}`: expected at most {limit} values to choose from, found {found} (use a \
         range with a step for numbers)"
    )]
    TooManyChoices {
        /// The parameter.
        name: String,
        /// The number of values.
        found: usize,
        /// The largest number of values.
        limit: usize,
    },
    /// Values of different types in one choice.
    #[error(
        "parameter `{name}`: expected values of type {expected} as the first, found the {found} `{value}`"
    )]
    MixedChoices {
        /// The parameter.
        name: String,
        /// The type of the first value.
        expected: ParameterType,
        /// The type of the other value.
        found: ParameterType,
        /// The other value.
        value: ParameterValue,
    },
    /// The same value twice in a choice.
    #[error("parameter `{name}`: expected distinct values, found `{value}` twice (remove one)")]
    DuplicateChoice {
        /// The parameter.
        name: String,
        /// The value.
        value: ParameterValue,
    },
    /// A choice or fixed value is NaN or infinite.
    #[error("parameter `{name}`: expected finite values, found {value}")]
    NonFiniteValue {
        /// The parameter.
        name: String,
        /// The value.
        value: ParameterValue,
    },
    /// Ordered numbers whose distances a float cannot hold.
    #[error(
        "parameter `{name}`: expected ordered values that can be told apart on a linear scale, \
         found {first} and {second} (make the choice unordered)"
    )]
    ChoicesTooClose {
        /// The parameter.
        name: String,
        /// The smaller value.
        first: ParameterValue,
        /// The larger value.
        second: ParameterValue,
    },
    /// A parameter constraint is not a linear inequality over the parameters.
    #[error(transparent)]
    Constraint(#[from] ConstraintError),
    /// No point satisfies the constraints.
    #[error(
        "expected a point within the bounds that satisfies the parameter constraints, found none for \
         {} (relax one)",
        list(constraints)
    )]
    Contradiction {
        /// A smallest set of constraints that contradict each other or the bounds.
        constraints: Vec<String>,
    },
}

/// The reasons why a parameter constraint is refused.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum ConstraintError {
    /// The text is not a linear inequality.
    #[error(transparent)]
    Expression(#[from] ExpressionError),
    /// A parameter does not exist.
    #[error(
        "constraint `{constraint}`: expected names of parameters ({}), found `{name}`",
        list(known)
    )]
    UnknownParameter {
        /// The constraint.
        constraint: String,
        /// The name.
        name: String,
        /// The names that exist.
        known: Vec<String>,
    },
    /// A parameter is fixed.
    #[error(
        "constraint `{constraint}`: expected parameters that vary, found `{name}`, which is fixed \
         to {value} (write the value instead)"
    )]
    FixedParameter {
        /// The constraint.
        constraint: String,
        /// The parameter.
        name: String,
        /// Its value.
        value: ParameterValue,
    },
    /// A parameter has a log scale.
    #[error(
        "constraint `{constraint}`: expected parameters on a linear scale, found `{name}` on the \
         log scale (a linear constraint would be curved there)"
    )]
    LogParameter {
        /// The constraint.
        constraint: String,
        /// The parameter.
        name: String,
    },
    /// A parameter has no numbers for values.
    #[error(
        "constraint `{constraint}`: expected numeric parameters, found `{name}`, whose values are \
         of type {found}"
    )]
    NotNumeric {
        /// The constraint.
        constraint: String,
        /// The parameter.
        name: String,
        /// The type of its values.
        found: ParameterType,
    },
    /// A parameter is a choice between unordered numbers.
    #[error(
        "constraint `{constraint}`: expected ordered parameters, found the unordered choice \
         `{name}` (declare it as ordered)"
    )]
    UnorderedChoice {
        /// The constraint.
        constraint: String,
        /// The parameter.
        name: String,
    },
}

/// The reasons why a parameterization is not a point of the search space.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum MembershipError {
    /// Parameters of the space have no value.
    #[error("expected a value for every parameter, found none for {} (add them)", list(names))]
    Missing {
        /// The parameters without a value, in the order of the space.
        names: Vec<String>,
    },
    /// A value belongs to no parameter.
    #[error("expected only parameters of the search space ({}), found `{name}`", list(known))]
    Unknown {
        /// The name.
        name: String,
        /// The names of the space, in order.
        known: Vec<String>,
    },
    /// A value has the wrong type.
    #[error("parameter `{name}`: expected a value of type {expected}, found the {found} `{value}`")]
    WrongType {
        /// The parameter.
        name: String,
        /// The type of the parameter.
        expected: ParameterType,
        /// The type of the value.
        found: ParameterType,
        /// The value.
        value: ParameterValue,
    },
    /// A number is NaN or infinite.
    #[error("parameter `{name}`: expected a finite number, found {value}")]
    NonFinite {
        /// The parameter.
        name: String,
        /// The value.
        value: ParameterValue,
    },
    /// A number lies below the range.
    #[error("parameter `{name}`: {value} is below its lower bound {bound}")]
    BelowLower {
        /// The parameter.
        name: String,
        /// The value.
        value: ParameterValue,
        /// The lower bound.
        bound: ParameterValue,
    },
    /// A number lies above the range.
    #[error("parameter `{name}`: {value} is above its upper bound {bound}")]
    AboveUpper {
        /// The parameter.
        name: String,
        /// The value.
        value: ParameterValue,
        /// The upper bound.
        bound: ParameterValue,
    },
    /// A number lies between two steps.
    #[error(
        "parameter `{name}`: {value} is not a whole number of steps of {step:?} from its lower bound (the nearest is {nearest})"
    )]
    OffGrid {
        /// The parameter.
        name: String,
        /// The value.
        value: ParameterValue,
        /// The step.
        step: f64,
        /// The nearest value on the grid.
        nearest: ParameterValue,
    },
    /// A value is not among the choices.
    #[error("parameter `{name}`: `{value}` is none of its values {}", list(choices))]
    NotAChoice {
        /// The parameter.
        name: String,
        /// The value.
        value: ParameterValue,
        /// The values to choose from.
        choices: Vec<ParameterValue>,
    },
    /// A fixed parameter has another value.
    #[error("parameter `{name}`: `{value}` differs from the value `{fixed}` to which it is fixed")]
    NotTheFixedValue {
        /// The parameter.
        name: String,
        /// The value.
        value: ParameterValue,
        /// The fixed value.
        fixed: ParameterValue,
    },
    /// A parameter constraint does not hold.
    #[error("constraint `{constraint}` is violated by {excess:?} at {point}")]
    ConstraintViolated {
        /// The constraint.
        constraint: String,
        /// How far its left side is above its bound, all terms moved to the left of `<=`.
        excess: f64,
        /// The values of its parameters.
        point: Parameterization,
    },
}
