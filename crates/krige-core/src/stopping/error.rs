//! Why a stopping rule makes no sense for an experiment.

/// What is wrong with a rule; nothing is stopped by it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StoppingError {
    /// A number is not of its range.
    #[error("`{field}` of a stopping rule: expected {expected}, found {found}")]
    Number {
        /// The field of the rule.
        field: &'static str,
        /// Its range, and what a value of it does.
        expected: &'static str,
        /// The number.
        found: f64,
    },
    /// A rule of rules has none.
    #[error(
        "`{rule}` of stopping rules: expected at least one rule, found none; add one, or remove the rule"
    )]
    NoRules {
        /// `all` or `any`.
        rule: &'static str,
    },
    /// It is not known what is better.
    #[error(
        "a stopping rule compares by the objective, and there is none: call configure_optimization first"
    )]
    NoOptimization,
    /// There is no single objective that the rule could mean.
    #[error("a stopping rule expected a single objective, found `{objective}`: {remedy}")]
    ManyObjectives {
        /// The objectives.
        objective: String,
        /// What to do.
        remedy: &'static str,
    },
    /// No such metric.
    #[error("a stopping rule names metric `{metric}`: expected {}", among(.known))]
    UnknownMetric {
        /// The name.
        metric: String,
        /// The metrics that there are.
        known: Vec<String>,
    },
    /// A metric of which it is not known which direction is better.
    #[error(
        "a stopping rule names metric `{metric}`: expected a metric of the objective `{objective}`, as only of those it is \
         known whether more is better"
    )]
    NoDirection {
        /// The metric.
        metric: String,
        /// The objective.
        objective: String,
    },
}

fn among(names: &[String]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    match names.is_empty() {
        true => "a known metric, and none is: declare it with configure_tracking_metrics".into(),
        false => {
            format!("one of {}, or declare it with configure_tracking_metrics", names.join(", "))
        }
    }
}

/// The number, if it is of its range.
pub(super) fn number(
    field: &'static str,
    found: f64,
    expected: &'static str,
    is_valid: bool,
) -> Result<(), StoppingError> {
    match is_valid && found.is_finite() {
        true => Ok(()),
        false => Err(StoppingError::Number { field, expected, found }),
    }
}
