//! The search space: which parameterizations may be tried.

mod constraint;
mod definition;
mod encoding;
mod error;
mod grid;
mod membership;
mod parameter;
mod polytope;
mod repair;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use constraint::ParameterConstraint;
pub use error::{ConstraintError, MembershipError, SearchSpaceError};
pub use parameter::{ChoiceParameter, FixedParameter, Parameter, RangeKind, RangeParameter, Scale};

use crate::value::Parameterization;

/// The parameters of an experiment and the linear constraints between them.
///
/// Every parameter has been checked and put into its canonical form (numbers of a choice sorted, a
/// choice of one value fixed), the constraints name parameters that can be constrained, and they
/// are not known to contradict each other.
///
/// ```
/// use krige_core::search_space::{Parameter, SearchSpace};
/// use krige_core::value::Parameterization;
///
/// let space = SearchSpace::new(
///     [Parameter::float("lc", 0.0, 3.0), Parameter::float("lp", 0.0, 3.0)],
///     &["lc + lp <= 4"],
/// )?;
/// let error = space.validate(&Parameterization::from([("lc", 3.0), ("lp", 2.0)])).unwrap_err();
/// assert_eq!(error.to_string(), "constraint `lc + lp <= 4` is violated by 1.0 at {lc: 3.0, lp: 2.0}");
/// # Ok::<(), krige_core::search_space::SearchSpaceError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "SearchSpaceData", into = "SearchSpaceData")]
pub struct SearchSpace {
    parameters: Vec<Parameter>,
    constraints: Vec<ParameterConstraint>,
    /// The Chebyshev centre in the cube, where there are constraints. Shape `[d]`.
    interior: Option<Vec<f64>>,
}

/// The stored form of a search space, before it is checked.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SearchSpaceData {
    parameters: Vec<Parameter>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    constraints: Vec<ParameterConstraint>,
}

impl SearchSpace {
    /// Builds a search space from parameters and the texts of constraints.
    ///
    /// # Errors
    /// A parameter or a constraint is not well formed, or no point satisfies the constraints.
    pub fn new(
        parameters: impl IntoIterator<Item = Parameter>,
        constraints: &[&str],
    ) -> Result<Self, SearchSpaceError> {
        let parse = |text: &&str| text.parse().map_err(ConstraintError::from);
        let constraints: Vec<ParameterConstraint> =
            constraints.iter().map(parse).collect::<Result<_, _>>()?;
        Self::checked(parameters.into_iter().collect(), constraints)
    }

    fn checked(
        parameters: Vec<Parameter>,
        constraints: Vec<ParameterConstraint>,
    ) -> Result<Self, SearchSpaceError> {
        let parameters: Vec<Parameter> =
            parameters.into_iter().map(Parameter::checked).collect::<Result<_, _>>()?;
        if parameters.is_empty() {
            return Err(SearchSpaceError::NoParameters);
        }
        for (i, parameter) in parameters.iter().enumerate() {
            if parameters[..i].iter().any(|other| other.name() == parameter.name()) {
                let name = parameter.name().to_owned();
                return Err(SearchSpaceError::DuplicateName { name });
            }
        }
        for constraint in &constraints {
            constraint.check(&parameters)?;
        }
        if let Some(constraints) = polytope::contradiction(&parameters, &constraints) {
            return Err(SearchSpaceError::Contradiction { constraints });
        }
        let mut space = Self { parameters, constraints, interior: None };
        let encoded = space.encoded_constraints();
        let d = encoded.first().map_or(0, |constraint| constraint.coefficients.len());
        space.interior = polytope::chebyshev_centre(d, &encoded);
        Ok(space)
    }

    /// Reads the parameters, in order.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Reads the constraints, in order.
    pub fn constraints(&self) -> &[ParameterConstraint] {
        &self.constraints
    }

    /// Finds a parameter by name.
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|parameter| parameter.name() == name)
    }

    /// Puts a parameterization into the order and the types of the space.
    ///
    /// An integer for a float parameter becomes a float, an integral float for an int parameter an
    /// integer; numbers are rounded to the digits of their parameter, and within 1.5e-7 of a bound
    /// or a step (as a part of range or step) put onto it. Values of fixed parameters may be left
    /// out, and are filled in. Constraints between parameters are not checked.
    ///
    /// # Errors
    /// A name is missing or unknown, or a value is not one of its parameter's.
    pub fn cast(
        &self,
        parameterization: Parameterization,
    ) -> Result<Parameterization, MembershipError> {
        self.check_names(&parameterization)?;
        let mut missing = Vec::new();
        let mut cast = Parameterization::default();
        for parameter in &self.parameters {
            match (parameterization.get(parameter.name()), parameter) {
                (Some(value), _) => cast.insert(parameter.name(), parameter.cast(value)?),
                (None, Parameter::Fixed(fixed)) => {
                    cast.insert(parameter.name(), fixed.value.clone());
                }
                (None, _) => missing.push(parameter.name().to_owned()),
            }
        }
        match missing.is_empty() {
            true => Ok(cast),
            false => Err(MembershipError::Missing { names: missing }),
        }
    }

    /// Puts the values of some parameters into their types, as [`cast`](Self::cast) does with all.
    ///
    /// # Errors
    /// A name is unknown, or a value is not one of its parameter's.
    pub(crate) fn cast_some(
        &self,
        parameterization: &Parameterization,
    ) -> Result<Parameterization, MembershipError> {
        self.check_names(parameterization)?;
        let given = |parameter: &Parameter| {
            let name = parameter.name().to_owned();
            Some(parameter.cast(parameterization.get(&name)?).map(|value| (name, value)))
        };
        self.parameters.iter().filter_map(given).collect()
    }

    /// Checks that a parameterization is a point of the space.
    ///
    /// Whatever [`cast`](Self::cast) accepts is accepted, if the constraints hold for it as given.
    ///
    /// # Errors
    /// A name is missing or unknown, a value is not one of its parameter's, or a constraint is
    /// violated.
    pub fn validate(&self, parameterization: &Parameterization) -> Result<(), MembershipError> {
        self.cast(parameterization.clone())?;
        for constraint in &self.constraints {
            let excess = constraint.excess(parameterization).expect("checked values are numbers");
            if excess > constraint.tolerance(&self.parameters) {
                let value = |(name, _): &(String, f64)| {
                    parameterization.get(name).map(|value| (name.clone(), value.clone()))
                };
                let point: Parameterization = constraint.terms().iter().filter_map(value).collect();
                return Err(MembershipError::ConstraintViolated {
                    constraint: constraint.text().to_owned(),
                    excess,
                    point,
                });
            }
        }
        Ok(())
    }

    fn check_names(&self, parameterization: &Parameterization) -> Result<(), MembershipError> {
        match parameterization.iter().find(|(name, _)| self.parameter(name).is_none()) {
            Some((name, _)) => Err(MembershipError::Unknown {
                name: name.to_owned(),
                known: self.parameters.iter().map(|p| p.name().to_owned()).collect(),
            }),
            None => Ok(()),
        }
    }
}

impl TryFrom<SearchSpaceData> for SearchSpace {
    type Error = SearchSpaceError;

    fn try_from(data: SearchSpaceData) -> Result<Self, SearchSpaceError> {
        Self::checked(data.parameters, data.constraints)
    }
}

impl From<SearchSpace> for SearchSpaceData {
    fn from(space: SearchSpace) -> Self {
        Self { parameters: space.parameters, constraints: space.constraints }
    }
}
