//! One run of one problem: the initial design, then the engine, exactly as the default strategy asks it.

use krige_gp::model::{ModelOptions, NoiseAssumption};
use krige_gp::multi_objective::{MultiModelState, MultiProblem, ObjectiveData, suggest_multi};
use krige_gp::pareto::non_dominated;
use krige_gp::sobol::Sobol;
use krige_gp::suggest::{ConstraintData, Effort, ModelState, Problem, fit_model, suggest};
use krige_testkit::SplitMix;

use crate::problems::{self, Instance};

/// The default strategy's design: the centre, then Sobol points; of those that failed others in their place, until there are
/// so many of all, and two that did not fail.
const INITIAL: usize = 5;
const TRIED: usize = 10;
const MEASURED: usize = 2;

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
    /// Where measurements succeeded, and where they failed.
    x: Vec<Vec<f64>>,
    failed: Vec<Vec<f64>>,
    objectives: Vec<ObjectiveData>,
    constraints: Vec<ConstraintData>,
    model: Option<ModelState>,
    models: Option<MultiModelState>,
}

pub(crate) fn run(
    problem: &problems::Problem,
    shifted: bool,
    seed: u64,
    budget_known: bool,
) -> Outcome {
    let instance = problem.instance(shifted, seed);
    let unmeasured = |threshold| ObjectiveData { threshold, ..ObjectiveData::default() };
    let objectives = instance.thresholds().into_iter().map(unmeasured).collect();
    let (x, failed, constraints, model, models) = (Vec::new(), Vec::new(), Vec::new(), None, None);
    let mut run =
        Run { problem, instance, seed, x, failed, objectives, constraints, model, models };
    let mut noise = SplitMix::new(&[seed, 777]);
    let (mut chosen, mut seconds) = (0, 0.0);
    while run.trials() < problem.trials {
        let count = problem.batch.min(problem.trials - run.trials());
        let before = cpu_seconds();
        let points = run.ask(count, budget_known);
        seconds += cpu_seconds() - before;
        chosen += (0..count).filter(|asked| !run.is_design(*asked)).count();
        for u in points {
            run.tell(u, &mut noise);
        }
    }
    let log_regret = run.regret().max(1e-10).log10();
    Outcome { log_regret, milliseconds: 1e3 * seconds / chosen as f64 }
}

impl Run<'_> {
    /// How many trials there were.
    fn trials(&self) -> usize {
        self.x.len() + self.failed.len()
    }

    /// Whether the design comes before the model, when `asked` points are under way.
    fn is_design(&self, asked: usize) -> bool {
        let enough = self.trials() + asked >= TRIED && self.x.len() >= MEASURED;
        self.x.len() + asked < INITIAL && !enough
    }

    fn ask(&mut self, count: usize, budget_known: bool) -> Vec<Vec<f64>> {
        let domain = &self.instance.domain;
        let sobol = Sobol::scrambled(domain.len(), SplitMix::new(&[self.seed, 1]).next_u64())
            .expect("few dimensions");
        let mut asked = Vec::new();
        while asked.len() < count && self.is_design(asked.len()) {
            let index = self.trials() + asked.len();
            let middle = vec![0.5; domain.len()];
            let u = if index == 0 { middle } else { sobol.point(index as u32 - 1) };
            asked.push(u.iter().zip(&domain.dimensions).map(|(u, d)| d.draw(*u)).collect());
        }
        if asked.len() == count {
            return asked;
        }
        let avoid: Vec<Vec<f64>> = self.x.iter().chain(&asked).cloned().collect();
        let more = count - asked.len();
        let points = if self.objectives.len() == 1 {
            self.one(more, &asked, &avoid, budget_known)
        } else {
            self.several(more, &asked, &avoid)
        };
        asked.extend(points);
        asked
    }

    /// Points for one objective.
    fn one(
        &mut self,
        count: usize,
        pending: &[Vec<f64>],
        avoid: &[Vec<f64>],
        budget_known: bool,
    ) -> Vec<Vec<f64>> {
        let trials = self.failed.len() + avoid.len();
        let problem = Problem {
            constraints: &self.constraints,
            pending,
            avoid,
            failed: &self.failed,
            seed: self.seed_of(trials),
            warm_start: self.model.as_ref(),
            remaining: budget_known.then_some(self.problem.trials - trials),
            options: self.options(),
            ..Problem::new(&self.instance.domain, &self.x, &self.objectives[0].outcomes)
        };
        let suggestions = suggest(&problem, count).expect("the domain is not empty");
        self.model = suggestions.model;
        suggestions.points.into_iter().map(|point| point.u).collect()
    }

    /// Where there is noise the engine is told so, as `benches/peers` tells everybody.
    fn options(&self) -> ModelOptions {
        let noise = match self.problem.noise {
            [] => NoiseAssumption::Unknown,
            _ => NoiseAssumption::Noisy,
        };
        ModelOptions { noise, ..ModelOptions::default() }
    }

    /// Points for several objectives.
    fn several(&mut self, count: usize, pending: &[Vec<f64>], avoid: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let problem = MultiProblem {
            domain: &self.instance.domain,
            objectives: &self.objectives,
            constraints: &self.constraints,
            pending,
            failed: &self.failed,
            fixed: &[],
            avoid,
            options: self.options(),
            seed: self.seed_of(avoid.len()),
            warm_start: self.models.as_ref(),
            effort: Effort::Fast,
        };
        let suggestions = suggest_multi(&problem, count).expect("the domain is not empty");
        self.models = suggestions.model;
        suggestions.points.into_iter().map(|point| point.u).collect()
    }

    fn seed_of(&self, trials: usize) -> u64 {
        SplitMix::new(&[self.seed, 2, trials as u64]).next_u64()
    }

    fn tell(&mut self, u: Vec<f64>, noise: &mut SplitMix) {
        let (values, constraints) = self.instance.measure(&u);
        if values.iter().any(|value| value.is_nan()) {
            self.failed.push(u);
            return;
        }
        for (j, (data, value)) in self.objectives.iter_mut().zip(values).enumerate() {
            let mut y = -value;
            if let Some(sd) = self.problem.noise.get(j) {
                // Box and Muller 1958.
                let (a, b) = (1.0 - noise.uniform(), noise.uniform());
                y -= sd * (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos();
            }
            data.x.push(u.clone());
            data.outcomes.y.push(y);
            data.outcomes.noise_variance.push(None);
        }
        let none = || ConstraintData { upper: Some(0.0), ..ConstraintData::default() };
        self.constraints.resize_with(constraints.len(), none);
        for (data, value) in self.constraints.iter_mut().zip(constraints) {
            data.x.push(u.clone());
            data.outcomes.y.push(value);
            data.outcomes.noise_variance.push(None);
        }
        self.x.push(u);
    }

    /// Of the feasible points; under noise, of the measured points whose posterior means nothing dominates.
    fn regret(&self) -> f64 {
        let recommended: Vec<&Vec<f64>> = if self.problem.noise.is_empty() {
            self.x.iter().collect()
        } else {
            let predict = |data: &ObjectiveData| {
                let problem = Problem {
                    warm_start: self.model.as_ref(),
                    options: self.options(),
                    ..Problem::new(&self.instance.domain, &self.x, &data.outcomes)
                };
                fit_model(&problem).expect("a model").predict(&self.x)
            };
            let predictions: Vec<_> = self.objectives.iter().map(predict).collect();
            let means = |i: usize| predictions.iter().map(|of| of[i].mean).collect();
            let means: Vec<Vec<f64>> = (0..self.x.len()).map(means).collect();
            non_dominated(&means).into_iter().map(|i| &self.x[i]).collect()
        };
        let measured = recommended.into_iter().map(|u| self.instance.measure(u));
        let feasible = measured.filter(|(_, constraints)| constraints.iter().all(|c| *c <= 0.0));
        self.instance.regret(&feasible.map(|(values, _)| values).collect::<Vec<_>>())
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
