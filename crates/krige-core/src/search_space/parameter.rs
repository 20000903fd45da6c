//! Parameters: what may be varied, and within which limits.

use serde::{Deserialize, Serialize};

use crate::value::{ParameterType, ParameterValue};

/// The largest number of values of a choice, and of levels that are kept as levels when encoded.
pub(super) const LEVEL_LIMIT: usize = 1000;

/// Whether a range holds real or whole numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RangeKind {
    /// Real numbers.
    Float,
    /// Whole numbers.
    Int,
}

/// On which scale equal distances count the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// Differences count.
    #[default]
    Linear,
    /// Ratios count; for positive ranges of several decades.
    Log,
}

/// Numbers between two bounds, both included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RangeParameter {
    /// The name, unique in its search space.
    pub name: String,
    /// Whether the values are real or whole.
    pub kind: RangeKind,
    /// The smallest value.
    pub lower: f64,
    /// The largest value, above the smallest. Below 2^53 in magnitude for whole numbers.
    pub upper: f64,
    /// The scale on which the range is searched.
    #[serde(default)]
    pub scale: Scale,
    /// The distance between neighbouring values, counted from the lower bound; divides the range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<f64>,
    /// How many digits after the decimal point values are rounded to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digits: Option<u32>,
}

/// One of several values.
///
/// Where its stored form does not say whether it is ordered, the default of
/// [`Parameter::choice`] applies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "ChoiceData")]
pub struct ChoiceParameter {
    /// The name, unique in its search space.
    pub name: String,
    /// The values to choose from: distinct, of one type; numbers and bools in ascending order.
    pub values: Vec<ParameterValue>,
    /// Whether neighbouring values are more alike than distant ones.
    pub ordered: bool,
}

/// The stored form of a choice.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChoiceData {
    name: String,
    values: Vec<ParameterValue>,
    ordered: Option<bool>,
}

impl From<ChoiceData> for ChoiceParameter {
    fn from(ChoiceData { name, values, ordered }: ChoiceData) -> Self {
        let ordered = ordered.unwrap_or_else(|| ordered_by_default(&values));
        Self { name, values, ordered }
    }
}

/// Whether values are ordered where nothing is said: all but more than two strings.
fn ordered_by_default(values: &[ParameterValue]) -> bool {
    !matches!(values.first(), Some(ParameterValue::String(_))) || values.len() <= 2
}

/// One value that never changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FixedParameter {
    /// The name, unique in its search space.
    pub name: String,
    /// The value.
    pub value: ParameterValue,
}

/// A parameter of a search space.
///
/// ```
/// use krige_core::search_space::Parameter;
///
/// let parameters = [
///     Parameter::float("learning_rate", 1e-4, 1.0).log(),
///     Parameter::float("dose", 0.0, 2.0).step(0.1),
///     Parameter::int("layers", 1, 9),
///     Parameter::choice("solvent", ["water", "ethanol", "acetone"]),
///     Parameter::fixed("stir", true),
/// ];
/// ```
///
/// The constructors check nothing; [`SearchSpace::new`](super::SearchSpace::new) does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Parameter {
    /// Numbers between two bounds.
    Range(RangeParameter),
    /// One of several values.
    Choice(ChoiceParameter),
    /// One value that never changes.
    Fixed(FixedParameter),
}

impl Parameter {
    /// Makes a range of real numbers on a linear scale.
    pub fn float(name: impl Into<String>, lower: f64, upper: f64) -> Self {
        Self::range(name.into(), RangeKind::Float, lower, upper)
    }

    /// Makes a range of whole numbers on a linear scale.
    pub fn int(name: impl Into<String>, lower: i64, upper: i64) -> Self {
        Self::range(name.into(), RangeKind::Int, lower as f64, upper as f64)
    }

    fn range(name: String, kind: RangeKind, lower: f64, upper: f64) -> Self {
        let scale = Scale::Linear;
        Self::Range(RangeParameter { name, kind, lower, upper, scale, step: None, digits: None })
    }

    /// Makes a choice between values.
    ///
    /// More than two strings count as unordered, anything else as ordered.
    pub fn choice<V: Into<ParameterValue>>(
        name: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        let values: Vec<ParameterValue> = values.into_iter().map(Into::into).collect();
        let ordered = ordered_by_default(&values);
        Self::Choice(ChoiceParameter { name: name.into(), values, ordered })
    }

    /// Makes a choice between false and true.
    pub fn bool(name: impl Into<String>) -> Self {
        Self::choice(name, [false, true])
    }

    /// Makes a parameter of one value.
    pub fn fixed(name: impl Into<String>, value: impl Into<ParameterValue>) -> Self {
        Self::Fixed(FixedParameter { name: name.into(), value: value.into() })
    }

    /// Searches a range on the log scale.
    ///
    /// # Panics
    /// The parameter is not a range.
    pub fn log(mut self) -> Self {
        self.range_mut("log").scale = Scale::Log;
        self
    }

    /// Keeps the values of a range to whole steps from its lower bound.
    ///
    /// # Panics
    /// The parameter is not a range.
    pub fn step(mut self, step: impl Into<f64>) -> Self {
        self.range_mut("step").step = Some(step.into());
        self
    }

    /// Rounds the values of a float range to so many digits after the decimal point.
    ///
    /// # Panics
    /// The parameter is not a range.
    pub fn digits(mut self, digits: u32) -> Self {
        self.range_mut("digits").digits = Some(digits);
        self
    }

    /// Declares that neighbouring values of a choice are more alike than distant ones.
    ///
    /// # Panics
    /// The parameter is not a choice.
    pub fn ordered(mut self) -> Self {
        self.choice_mut("ordered").ordered = true;
        self
    }

    /// Declares that the order of the values of a choice means nothing.
    ///
    /// A choice between exactly two values is always ordered, whatever is declared.
    ///
    /// # Panics
    /// The parameter is not a choice.
    pub fn unordered(mut self) -> Self {
        self.choice_mut("unordered").ordered = false;
        self
    }

    fn range_mut(&mut self, option: &str) -> &mut RangeParameter {
        match self {
            Self::Range(range) => range,
            _ => panic!("expected `{option}` on a range, found it on `{}`", self.name()),
        }
    }

    fn choice_mut(&mut self, option: &str) -> &mut ChoiceParameter {
        match self {
            Self::Choice(choice) => choice,
            _ => panic!("expected `{option}` on a choice, found it on `{}`", self.name()),
        }
    }

    /// Reads the name.
    pub fn name(&self) -> &str {
        match self {
            Self::Range(RangeParameter { name, .. })
            | Self::Choice(ChoiceParameter { name, .. })
            | Self::Fixed(FixedParameter { name, .. }) => name,
        }
    }

    /// Tells the type of its values; a choice without a value counts as one of strings.
    pub fn parameter_type(&self) -> ParameterType {
        match self {
            Self::Range(RangeParameter { kind: RangeKind::Float, .. }) => ParameterType::Float,
            Self::Range(RangeParameter { kind: RangeKind::Int, .. }) => ParameterType::Int,
            Self::Choice(ChoiceParameter { values, .. }) => {
                values.first().map_or(ParameterType::String, ParameterValue::parameter_type)
            }
            Self::Fixed(FixedParameter { value, .. }) => value.parameter_type(),
        }
    }
}

impl RangeParameter {
    /// Makes a value of the range's type.
    pub(super) fn value(&self, x: f64) -> ParameterValue {
        match self.kind {
            RangeKind::Float => ParameterValue::Float(x),
            RangeKind::Int => ParameterValue::Int(x.round() as i64),
        }
    }
}

impl ChoiceParameter {
    /// The values as numbers; `None` unless all are numbers.
    pub(super) fn numbers(&self) -> Option<Vec<f64>> {
        self.values.iter().map(ParameterValue::as_number).collect()
    }

    /// The values as fractions of their range, for numbers in ascending order.
    pub(super) fn numeric_levels(&self) -> Option<Vec<f64>> {
        let numbers = self.numbers()?;
        let (first, last) = (*numbers.first()?, *numbers.last()?);
        Some(numbers.iter().map(|x| (x - first) / (last - first)).collect())
    }
}

/// The smallest and the largest number of so many digits between two bounds.
pub(super) fn rounded_bounds(lower: f64, upper: f64, digits: u32) -> (f64, f64) {
    let unit = 10f64.powi(-(digits as i32));
    let (first, last) = (round_to_digits(lower, digits), round_to_digits(upper, digits));
    (
        if first < lower { round_to_digits(first + unit, digits) } else { first },
        if last > upper { round_to_digits(last - unit, digits) } else { last },
    )
}

/// Rounds to so many digits after the decimal point, to the float nearest to that decimal fraction.
pub(super) fn round_to_digits(x: f64, digits: u32) -> f64 {
    let text = format!("{x:.*}", digits as usize);
    // `+ 0.0` turns a rounded `-0.0` into `0.0`.
    text.parse::<f64>().expect("a formatted float is a float") + 0.0
}
