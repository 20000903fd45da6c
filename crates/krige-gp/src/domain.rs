//! Where suggestions may lie: the unit cube, with grids, categories and linear constraints.

/// One coordinate of the unit cube.
#[derive(Debug, Clone, PartialEq)]
pub enum Dimension {
    /// Any value in `[0, 1]`.
    Continuous,
    /// Ordered levels, ascending in `[0, 1]`; the distance between levels is meaningful to the kernel.
    Discrete {
        /// Positions of the levels, strictly ascending.
        levels: Vec<f64>,
    },
    /// Unordered levels; only whether two points agree matters to the kernel.
    Categorical {
        /// Positions of the levels, strictly ascending; they name the level, nothing more.
        levels: Vec<f64>,
    },
}

/// The half-space `coefficients · u <= bound` of the unit cube. Categorical coordinates have coefficient 0.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearConstraint {
    /// One coefficient per dimension, shape `[d]`.
    pub coefficients: Vec<f64>,
    /// The right-hand side.
    pub bound: f64,
}

/// The set that suggestions are chosen from.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Domain {
    /// The coordinates.
    pub dimensions: Vec<Dimension>,
    /// All must hold.
    pub constraints: Vec<LinearConstraint>,
    /// A point well inside of the constraints (the Chebyshev centre, say), where known: the start of
    /// hit-and-run sampling when rejection is hopeless. Shape `[d]`.
    pub interior: Option<Vec<f64>>,
}
