//! Optimizers: local ones for smooth functions, and the global search for the best acquisition value.

mod constrained;
pub mod lbfgsb;
pub mod multistart;
pub mod spg;

/// Where a local search ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Minimum {
    /// The best point found, shape `[d]`.
    pub x: Vec<f64>,
    /// The value there.
    pub value: f64,
    /// How often the function was evaluated.
    pub evaluations: usize,
    /// Why the search stopped.
    pub status: Status,
}

/// Why a local search stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The projected gradient is within its tolerance.
    GradientTolerance,
    /// The last steps changed the value by less than its tolerance.
    ValueTolerance,
    /// The iterations were used up.
    MaxIterations,
    /// No step along the search direction improved the value.
    LineSearchFailed,
    /// The value at the start is not finite.
    NonFiniteStart,
}
