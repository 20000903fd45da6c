//! What an agent is made of, in Blop's words: degrees of freedom and objectives.

use std::fmt;
use std::sync::Arc;

use krige_core::search_space::Parameter;
use krige_core::value::ParameterValue;
use krige_runner::IMetric;

use crate::access::TiledAccess;
use crate::metric::{Reduce, TiledMetric};
use crate::runner::Actuator;

/// A degree of freedom: something that has a value at each point.
#[derive(Debug, Clone)]
pub struct Dof {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// The variable of its device, where that is not its name.
    device: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// Moved by the plan.
    Moved(Parameter),
    /// Not moved; its value is told, and suggestions are for it.
    Contextual(Parameter),
    /// Not moved, only read along.
    ReadOnly,
}

impl Dof {
    fn moved(name: impl Into<String>, parameter: impl FnOnce(String) -> Parameter) -> Self {
        let name = name.into();
        Self { kind: Kind::Moved(parameter(name.clone())), name, device: None }
    }

    /// A device that is moved to any value of a range.
    pub fn range(name: impl Into<String>, lower: f64, upper: f64) -> Self {
        Self::moved(name, |name| Parameter::float(name, lower, upper))
    }

    /// A device that is moved to whole numbers of a range.
    pub fn integer(name: impl Into<String>, lower: i64, upper: i64) -> Self {
        Self::moved(name, |name| Parameter::int(name, lower, upper))
    }

    /// A device that is set to one of some values.
    pub fn choice<V: Into<ParameterValue>>(
        name: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        Self::moved(name, |name| Parameter::choice(name, values))
    }

    /// A device that is set to the same value at each point.
    pub fn fixed(name: impl Into<String>, value: impl Into<ParameterValue>) -> Self {
        Self::moved(name, |name| Parameter::fixed(name, value))
    }

    /// A quantity that nobody sets and that matters, such as a temperature: its value is told by
    /// [`set_context`](super::QueueserverAgent::set_context) before a run, suggestions are made for it, and the model learns
    /// how the objectives depend on it.
    pub fn contextual(name: impl Into<String>, lower: f64, upper: f64) -> Self {
        let name = name.into();
        let parameter = Parameter::float(name.clone(), lower, upper);
        Self { kind: Kind::Contextual(parameter), name, device: None }
    }

    /// A data key that is recorded with each trial and is not optimized; the plan has to read it.
    pub fn read_only(name: impl Into<String>) -> Self {
        Self { kind: Kind::ReadOnly, name: name.into(), device: None }
    }

    /// The variable of the device in the RE Manager's environment, where it is not the device's own name.
    #[must_use]
    pub fn actuator(mut self, variable: impl Into<String>) -> Self {
        self.device = Some(variable.into());
        self
    }

    /// Changes the parameter: its step, its scale, see [`Parameter`].
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(Parameter) -> Parameter) -> Self {
        self.kind = match self.kind {
            Kind::Moved(parameter) => Kind::Moved(change(parameter)),
            Kind::Contextual(parameter) => Kind::Contextual(change(parameter)),
            Kind::ReadOnly => Kind::ReadOnly,
        };
        self
    }

    pub(super) fn parameter(&self) -> Option<&Parameter> {
        match &self.kind {
            Kind::Moved(parameter) | Kind::Contextual(parameter) => Some(parameter),
            Kind::ReadOnly => None,
        }
    }

    pub(super) fn moves(&self) -> Option<Actuator> {
        matches!(self.kind, Kind::Moved(_)).then(|| {
            let device = self.device.clone().unwrap_or_else(|| self.name.clone());
            Actuator::of(&self.name, device).named(&self.name)
        })
    }
}

/// What is made small or large.
#[derive(Clone)]
pub struct Objective {
    pub(super) name: String,
    pub(super) minimize: bool,
    stream: String,
    reduce: Reduce,
    metric: Option<Arc<dyn IMetric>>,
}

impl fmt::Debug for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Objective")
            .field("name", &self.name)
            .field("minimize", &self.minimize)
            .finish_non_exhaustive()
    }
}

impl Objective {
    fn new(name: impl Into<String>, minimize: bool) -> Self {
        let (stream, reduce) = ("primary".to_owned(), Reduce::default());
        Self { name: name.into(), minimize, stream, reduce, metric: None }
    }

    /// A data key whose value is to be small.
    pub fn minimize(name: impl Into<String>) -> Self {
        Self::new(name, true)
    }

    /// A data key whose value is to be large.
    pub fn maximize(name: impl Into<String>) -> Self {
        Self::new(name, false)
    }

    /// The stream that has the data key; `primary` unless it is said.
    #[must_use]
    pub fn stream(mut self, stream: impl Into<String>) -> Self {
        self.stream = stream.into();
        self
    }

    /// How the values of the data key become one number.
    #[must_use]
    pub fn reduce(mut self, reduce: Reduce) -> Self {
        self.reduce = reduce;
        self
    }

    /// A metric of one's own in place of a data key: Blop's evaluation function.
    #[must_use]
    pub fn evaluation(mut self, metric: impl IMetric + 'static) -> Self {
        self.metric = Some(Arc::new(metric));
        self
    }

    pub(super) fn metric(&self, tiled: &TiledAccess) -> Arc<dyn IMetric> {
        match &self.metric {
            Some(metric) => Arc::clone(metric),
            None => Arc::new(self.tiled_metric(tiled)),
        }
    }

    pub(super) fn tiled_metric(&self, tiled: &TiledAccess) -> TiledMetric {
        TiledMetric {
            stream: self.stream.clone(),
            reduce: self.reduce.clone(),
            ..read_along(tiled, &self.name)
        }
    }
}

/// The metric of a data key of the primary stream.
pub(super) fn read_along(tiled: &TiledAccess, data_key: &str) -> TiledMetric {
    TiledMetric {
        prefix: tiled.prefix.clone(),
        api_key_variable: tiled.api_key_variable.clone(),
        ..TiledMetric::new(&tiled.url, data_key)
    }
}
