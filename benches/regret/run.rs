//! One run of one problem: the initial design, then the engine, exactly as the default strategy asks it.

use krige_gp::model::ModelOptions;
use krige_gp::sobol::Sobol;
use krige_gp::suggest::{ConstraintData, ModelState, Outcomes, Problem, fit_model, suggest};
use krige_testkit::SplitMix;

use crate::problems::{self, Instance};

/// The default strategy's design: the centre, then Sobol points.
const INITIAL: usize = 5;

/// How a run ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    /// `log10` of the regret, at least -10.
    pub(crate) log_regret: f64,
    /// CPU time per point that the engine chose, in milliseconds.
    pub(crate) milliseconds: f64,
}

struct Run<'a> {
    problem: &'a problems::Problem,
    instance: Instance<'a>,
    seed: u64,
    x: Vec<Vec<f64>>,
    objective: Outcomes,
    constraints: Vec<ConstraintData>,
    model: Option<ModelState>,
}

pub(crate) fn run(
    problem: &problems::Problem,
    shifted: bool,
    seed: u64,
    budget_known: bool,
) -> Outcome {
    let instance = problem.instance(shifted, seed);
    let (objective, constraints) = (Outcomes::default(), Vec::new());
    let mut run =
        Run { problem, instance, seed, x: Vec::new(), objective, constraints, model: None };
    let mut noise = SplitMix::new(&[seed, 777]);
    let (mut chosen, mut seconds) = (0, 0.0);
    while run.x.len() < problem.trials {
        let count = problem.batch.min(problem.trials - run.x.len());
        let before = cpu_seconds();
        let points = run.ask(count, budget_known);
        seconds += cpu_seconds() - before;
        chosen += (run.x.len() + count).saturating_sub(INITIAL).min(count);
        for u in points {
            run.tell(u, &mut noise);
        }
    }
    let log_regret = run.regret().max(1e-10).log10();
    Outcome { log_regret, milliseconds: 1e3 * seconds / chosen as f64 }
}

impl Run<'_> {
    fn ask(&mut self, count: usize, budget_known: bool) -> Vec<Vec<f64>> {
        let domain = &self.instance.domain;
        let sobol = Sobol::scrambled(domain.len(), SplitMix::new(&[self.seed, 1]).next_u64())
            .expect("few dimensions");
        let mut asked = Vec::new();
        while asked.len() < count && self.x.len() + asked.len() < INITIAL {
            let index = self.x.len() + asked.len();
            let middle = vec![0.5; domain.len()];
            let u = if index == 0 { middle } else { sobol.point(index as u32 - 1) };
            asked.push(u.iter().zip(&domain.dimensions).map(|(u, d)| d.draw(*u)).collect());
        }
        if asked.len() == count {
            return asked;
        }
        let avoid: Vec<Vec<f64>> = self.x.iter().chain(&asked).cloned().collect();
        let remaining = self.problem.trials - avoid.len();
        let problem = Problem {
            domain,
            x: &self.x,
            objective: &self.objective,
            constraints: &self.constraints,
            pending: &asked,
            fixed: &[],
            avoid: &avoid,
            options: ModelOptions::default(),
            seed: SplitMix::new(&[self.seed, 2, avoid.len() as u64]).next_u64(),
            warm_start: self.model.as_ref(),
            remaining: budget_known.then_some(remaining),
        };
        let suggestions = suggest(&problem, count - asked.len()).expect("the domain is not empty");
        self.model = suggestions.model;
        asked.extend(suggestions.points.into_iter().map(|point| point.u));
        asked
    }

    fn tell(&mut self, u: Vec<f64>, noise: &mut SplitMix) {
        let (value, constraints) = self.instance.measure(&u);
        if self.problem.noise > 0.0 {
            // Box and Muller 1958.
            let (a, b) = (1.0 - noise.uniform(), noise.uniform());
            let normal = (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos();
            self.objective.y.push(-value - self.problem.noise * normal);
        } else {
            self.objective.y.push(-value);
        }
        self.objective.noise_variance.push(None);
        let none = || ConstraintData { upper: Some(0.0), ..ConstraintData::default() };
        self.constraints.resize_with(constraints.len(), none);
        for (data, value) in self.constraints.iter_mut().zip(constraints) {
            data.x.push(u.clone());
            data.outcomes.y.push(value);
            data.outcomes.noise_variance.push(None);
        }
        self.x.push(u);
    }

    /// Of the best feasible point; under noise, of the measured point of largest posterior mean.
    fn regret(&self) -> f64 {
        if self.problem.noise > 0.0 {
            let problem = Problem {
                warm_start: self.model.as_ref(),
                ..Problem::new(&self.instance.domain, &self.x, &self.objective)
            };
            let predictions = fit_model(&problem).expect("a model").predict(&self.x);
            let best = (0..self.x.len())
                .max_by(|&a, &b| predictions[a].mean.total_cmp(&predictions[b].mean))
                .expect("at least one measurement");
            return self.instance.regret(self.instance.measure(&self.x[best]).0);
        }
        self.x
            .iter()
            .map(|u| self.instance.measure(u))
            .filter(|(_, constraints)| constraints.iter().all(|c| *c <= 0.0))
            .map(|(value, _)| self.instance.regret(value))
            .fold(f64::INFINITY, f64::min)
    }
}

/// CPU time of this thread where the system tells it, else the time of the clock on the wall.
fn cpu_seconds() -> f64 {
    let scheduled = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = scheduled.and_then(|s| s.split(' ').next()?.parse::<f64>().ok());
    nanoseconds.map_or_else(
        || std::time::UNIX_EPOCH.elapsed().map_or(f64::NAN, |elapsed| elapsed.as_secs_f64()),
        |nanoseconds| 1e-9 * nanoseconds,
    )
}
