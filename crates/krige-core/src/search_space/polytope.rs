//! What linear programming says about parameter constraints: whether they contradict each other,
//! and how deep inside of them one can be.

use krige_gp::domain::LinearConstraint;
use microlp::{ComparisonOp, Error, LinearExpr, OptimizationDirection, Problem, SolveOptions};
use microlp::{Solution, Variable};

use super::SearchSpace;
use super::constraint::ParameterConstraint;
use super::grid::Grid;
use super::parameter::{Parameter, RangeParameter};
use crate::value::Parameterization;

/// How many branches are tried before a contradiction between integers counts as unproven: a
/// number of nodes and not a time, so that the answer is the same on every machine.
const NODE_LIMIT: u64 = 2_000;

/// Integer ranges with more values are relaxed to real ones: rounding changes little there.
const INTEGER_LIMIT: f64 = 1e6;

/// The number x = offset + sum of slope * variable that stands for a parameter.
struct Linear {
    offset: f64,
    terms: Vec<(Variable, f64)>,
}

impl Linear {
    /// Adds the variables of a numeric parameter to a problem.
    fn of(parameter: &Parameter, problem: &mut Problem) -> Option<Self> {
        match parameter {
            Parameter::Range(range) => Some(Self::of_range(range, problem)),
            Parameter::Choice(choice) => {
                // One of the values: a binary variable for each, of which one is 1.
                let numbers = choice.numbers()?;
                let terms: Vec<(Variable, f64)> =
                    numbers.into_iter().map(|x| (problem.add_binary_var(0.0), x)).collect();
                let one = terms.iter().map(|(variable, _)| (*variable, 1.0));
                problem.add_constraint(one, ComparisonOp::Eq, 1.0);
                Some(Self { offset: 0.0, terms })
            }
            Parameter::Fixed(_) => None,
        }
    }

    fn of_range(range: &RangeParameter, problem: &mut Problem) -> Self {
        let (variable, slope) = match Grid::of(range) {
            Some(grid) if grid.count <= INTEGER_LIMIT => {
                (problem.add_integer_var(0.0, (0, grid.count as i32 - 1)), grid.step)
            }
            _ => (problem.add_var(0.0, (0.0, 1.0)), range.upper - range.lower),
        };
        Self { offset: range.lower, terms: vec![(variable, slope)] }
    }

    fn value(&self, solution: &Solution) -> f64 {
        let part = |(variable, slope): &(Variable, f64)| solution.var_value(*variable) * slope;
        self.offset + self.terms.iter().map(part).sum::<f64>()
    }
}

/// Looks for a point that satisfies the constraints: the numbers of the parameters that take part,
/// `None` if none was found within the limits.
///
/// # Errors
/// It is proven that there is none.
fn find_point<'a>(
    parameters: &'a [Parameter],
    constraints: &[&ParameterConstraint],
) -> Result<Option<Vec<(&'a Parameter, f64)>>, Error> {
    let mut problem = Problem::new(OptimizationDirection::Minimize);
    let mut variables: Vec<(&Parameter, Linear)> = Vec::new();
    for parameter in parameters {
        let takes_part = |constraint: &&ParameterConstraint| {
            constraint.terms().iter().any(|(name, _)| name == parameter.name())
        };
        if constraints.iter().any(takes_part)
            && let Some(linear) = Linear::of(parameter, &mut problem)
        {
            variables.push((parameter, linear));
        }
    }
    for constraint in constraints {
        let mut row = Vec::new();
        let mut bound = constraint.bound() + constraint.tolerance(parameters);
        for (name, coefficient) in constraint.terms() {
            let found = variables.iter().find(|(parameter, _)| parameter.name() == name);
            let (_, linear) = found.expect("a checked constraint names numeric parameters");
            bound -= coefficient * linear.offset;
            row.extend(
                linear.terms.iter().map(|(variable, slope)| (*variable, coefficient * slope)),
            );
        }
        // The solver's tolerance is absolute, so that each row is brought to the scale of 1.
        let scale = row.iter().map(|(_, slope)| slope.abs()).fold(f64::MIN_POSITIVE, f64::max);
        let mut expression = LinearExpr::empty();
        for (variable, slope) in row {
            expression.add(variable, slope / scale);
        }
        problem.add_constraint(expression, ComparisonOp::Le, bound / scale);
    }
    let mut options = SolveOptions::default();
    options.node_limit = Some(NODE_LIMIT);
    match problem.solve_with(options) {
        Ok(outcome) => Ok(outcome.into_solution().ok().map(|solution| {
            let number = |(parameter, linear): &(&'a Parameter, Linear)| {
                (*parameter, linear.value(&solution))
            };
            variables.iter().map(number).collect()
        })),
        Err(Error::Infeasible) => Err(Error::Infeasible),
        // A solver that fails has proven nothing.
        Err(_) => Ok(None),
    }
}

/// Finds a smallest set of constraints that no point within the bounds satisfies, if one is proven
/// to exist.
pub(super) fn contradiction(
    parameters: &[Parameter],
    constraints: &[ParameterConstraint],
) -> Option<Vec<String>> {
    if constraints.is_empty() {
        return None;
    }
    let mut culprits: Vec<&ParameterConstraint> = constraints.iter().collect();
    find_point(parameters, &culprits).err()?;
    // Whatever can be left out with the rest still contradictory is not to blame.
    let mut i = 0;
    while i < culprits.len() {
        let candidate = culprits.remove(i);
        if culprits.is_empty() || find_point(parameters, &culprits).is_ok() {
            culprits.insert(i, candidate);
            i += 1;
        }
    }
    Some(culprits.into_iter().map(|constraint| constraint.text().to_owned()).collect())
}

/// Computes the Chebyshev centre: the middle of the largest ball within the unit cube and the
/// constraints. Coordinates without a constraint are 1/2. `None` without constraints, or if the
/// solver fails.
pub(super) fn chebyshev_centre(d: usize, constraints: &[LinearConstraint]) -> Option<Vec<f64>> {
    if constraints.is_empty() {
        return None;
    }
    let mut problem = Problem::new(OptimizationDirection::Maximize);
    let radius = problem.add_var(1.0, (0.0, 0.5));
    let mut variables: Vec<Option<Variable>> = vec![None; d];
    for (i, variable) in variables.iter_mut().enumerate() {
        if constraints.iter().any(|constraint| constraint.coefficients[i] != 0.0) {
            let u = problem.add_var(0.0, (0.0, 1.0));
            problem.add_constraint([(u, 1.0), (radius, -1.0)], ComparisonOp::Ge, 0.0);
            problem.add_constraint([(u, 1.0), (radius, 1.0)], ComparisonOp::Le, 1.0);
            *variable = Some(u);
        }
    }
    for LinearConstraint { coefficients, bound } in constraints {
        let largest = coefficients.iter().fold(0.0, |largest: f64, a| largest.max(a.abs()));
        let norm = largest * coefficients.iter().map(|a| (a / largest).powi(2)).sum::<f64>().sqrt();
        let mut row = LinearExpr::empty();
        for (variable, a) in variables.iter().zip(coefficients) {
            if let (Some(u), true) = (variable, *a != 0.0) {
                row.add(*u, a / norm);
            }
        }
        row.add(radius, 1.0);
        problem.add_constraint(row, ComparisonOp::Le, bound / norm);
    }
    let solution = problem.solve().ok()?.into_solution().ok()?;
    let coordinate = |variable: &Option<Variable>| {
        variable.map_or(0.5, |u| solution.var_value(u).clamp(0.0, 1.0))
    };
    Some(variables.iter().map(coordinate).collect())
}

impl SearchSpace {
    /// A point that satisfies the constraints up to rounding, with the values of `rest` for
    /// parameters without a constraint.
    pub(super) fn feasible_point(&self, rest: &Parameterization) -> Option<Parameterization> {
        let constraints: Vec<&ParameterConstraint> = self.constraints().iter().collect();
        let mut point = rest.clone();
        for (parameter, x) in find_point(self.parameters(), &constraints).ok()?? {
            point.insert(parameter.name(), parameter.nearest(x));
        }
        Some(point)
    }
}
