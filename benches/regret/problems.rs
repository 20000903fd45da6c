//! What is optimized: test functions with a budget, noise, and the values that peers reach.

use std::f64::consts::{E, TAU};

use krige_gp::domain::{Dimension, Domain};
use krige_gp::pareto::hypervolume;
use krige_testkit::{MultiObjectiveFunction, SplitMix, TestFunction};

/// One problem, to be minimized over the unit cube.
pub(crate) struct Problem {
    pub(crate) name: &'static str,
    pub(crate) trials: usize,
    /// How many points are asked for at a time.
    pub(crate) batch: usize,
    /// Standard deviation of the noise of each objective; empty where there is none.
    pub(crate) noise: &'static [f64],
    pub(crate) space: Space,
    /// Names of peers with their median log10 regret; see the module's source note.
    pub(crate) peers: &'static [(&'static str, f64)],
}

/// Where a problem lives.
pub(crate) enum Space {
    /// A test function over its box.
    Box(TestFunction),
    /// A test function that fails where its constraints are broken: nobody is told of them.
    Hidden(TestFunction),
    /// Ackley over two floats, an integer and two unordered choices.
    MixedAckley,
    /// Several objectives over the unit cube; whether the engine is told the reference point.
    Several(MultiObjectiveFunction, bool),
}

/// A problem as one seed sees it.
pub(crate) struct Instance<'a> {
    problem: &'a Problem,
    /// Of the numbers; the whole number of the mixed problem is taken in halves.
    pub(crate) bounds: Vec<(f64, f64)>,
    pub(crate) domain: Domain,
}

/// The values of the unordered choices of the mixed problem, by level.
const CHOICES: [&[f64]; 2] = [&[0.8, -1.2, 0.0, 1.7, -0.5], &[1.0, 0.0, -0.7]];

impl Problem {
    /// The problem of a seed: as it is, or with every side of the box moved by up to a fifth of its width.
    pub(crate) fn instance(&self, shifted: bool, seed: u64) -> Instance<'_> {
        let (bounds, dimensions) = match &self.space {
            Space::Box(function) => {
                let d = function.bounds.len();
                let moved = if shifted { moved(function, seed) } else { function.bounds.clone() };
                (moved, vec![Dimension::Continuous; d])
            }
            Space::Hidden(function) => {
                let continuous = vec![Dimension::Continuous; function.bounds.len()];
                (function.bounds.clone(), continuous)
            }
            Space::MixedAckley => {
                let even = |n: usize| (0..n).map(|i| i as f64 / (n - 1) as f64).collect();
                let mut dimensions = vec![Dimension::Continuous; 2];
                dimensions.push(Dimension::Discrete { levels: even(10) });
                dimensions
                    .extend(CHOICES.map(|c| Dimension::Categorical { levels: even(c.len()) }));
                (vec![(-1.0, 1.6), (-1.7, 1.0), (-1.5, 3.0)], dimensions)
            }
            Space::Several(function, _) => {
                let d = function.dimension;
                (vec![(0.0, 1.0); d], vec![Dimension::Continuous; d])
            }
        };
        Instance { problem: self, bounds, domain: Domain { dimensions, ..Domain::default() } }
    }

    /// Whether the box can be moved: the optimum of a constrained problem would not stay the same.
    pub(crate) fn can_be_shifted(&self) -> bool {
        matches!(&self.space, Space::Box(function) if function.constraints.is_empty())
    }
}

/// The box moved so that a minimizer stays at least a twentieth of the width inside of it.
fn moved(function: &TestFunction, seed: u64) -> Vec<(f64, f64)> {
    let mut random = SplitMix::new(&[seed, 0x5411f7]);
    loop {
        let mut shift = |(low, high): &(f64, f64)| {
            let by = (high - low) * (0.4 * random.uniform() - 0.2);
            (low + by, high + by)
        };
        let bounds: Vec<(f64, f64)> = function.bounds.iter().map(&mut shift).collect();
        let inside = |(x, (low, high)): (&f64, &(f64, f64))| {
            (0.05..=0.95).contains(&((x - low) / (high - low)))
        };
        if function.minimizers.iter().any(|x| x.iter().zip(&bounds).all(inside)) {
            return bounds;
        }
    }
}

impl Instance<'_> {
    /// The true objectives and the constraints, feasible where at most 0, at a point of the cube; NaN where that fails.
    pub(crate) fn measure(&self, u: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let mut x: Vec<f64> =
            u.iter().zip(&self.bounds).map(|(u, (low, high))| low + u * (high - low)).collect();
        let constraints = |all: &[fn(&[f64]) -> f64], x: &[f64]| all.iter().map(|c| c(x)).collect();
        match &self.problem.space {
            Space::Box(function) => {
                (vec![(function.objective)(&x)], constraints(&function.constraints, &x))
            }
            Space::Hidden(function) => {
                let fails = function.constraints.iter().any(|constraint| constraint(&x) > 0.0);
                let value = if fails { f64::NAN } else { (function.objective)(&x) };
                (vec![value], Vec::new())
            }
            Space::MixedAckley => {
                for (values, u) in CHOICES.iter().zip(&u[3..]) {
                    x.push(values[(u * (values.len() - 1) as f64).round() as usize]);
                }
                let mean = |f: fn(f64) -> f64| x.iter().map(|&x| f(x)).sum::<f64>() / 5.0;
                let funnel = -20.0 * (-0.2 * mean(|x| x * x).sqrt()).exp();
                (vec![funnel - mean(|x| (TAU * x).cos()).exp() + 20.0 + E], Vec::new())
            }
            Space::Several(function, _) => {
                ((function.objectives)(&x), constraints(&function.constraints, &x))
            }
        }
    }

    /// The thresholds that the engine is told, one for each objective, larger being better.
    pub(crate) fn thresholds(&self) -> Vec<Option<f64>> {
        match &self.problem.space {
            Space::Box(_) | Space::Hidden(_) | Space::MixedAckley => vec![None],
            Space::Several(MultiObjectiveFunction { reference, .. }, told) => {
                reference.iter().map(|value| told.then_some(-value)).collect()
            }
        }
    }

    /// How far true values of feasible points, shape `[.][m]`, are from the best possible: the best of one objective,
    /// the volume that several cover.
    pub(crate) fn regret(&self, values: &[Vec<f64>]) -> f64 {
        let best = values.iter().map(|value| value[0]).fold(f64::INFINITY, f64::min);
        match &self.problem.space {
            Space::Box(function) | Space::Hidden(function) => best - function.minimum,
            Space::MixedAckley => best,
            Space::Several(function, _) => {
                let negated = |value: &Vec<f64>| value.iter().map(|v| -v).collect();
                let values: Vec<Vec<f64>> = values.iter().map(negated).collect();
                function.hypervolume - hypervolume(&values, &negated(&function.reference))
            }
        }
    }
}

/// The box of a test function, replaced.
fn on(function: TestFunction, low: f64, high: f64) -> TestFunction {
    let bounds = vec![(low, high); function.bounds.len()];
    TestFunction { bounds, ..function }
}

/// All problems.
///
/// The peers' medians were measured with the same budgets on the same boxes, 5 to 20 seeds each: Ax 1.3.1
/// (`Client`, default strategy), Optuna 5.0.0 (`GPSampler`, `TPESampler`) and egobox. Hartmann three at a
/// time is compared with what they reach one at a time.
pub(crate) fn all() -> Vec<Problem> {
    let plain = |name, trials, function, peers| {
        let space = Space::Box(function);
        Problem { name, trials, batch: 1, noise: &[], space, peers }
    };
    let hidden = |name, trials, function| {
        let space = Space::Hidden(function);
        Problem { name, trials, batch: 1, noise: &[], space, peers: &[] }
    };
    let several = |name, trials, function, told, peers| {
        let space = Space::Several(function, told);
        Problem { name, trials, batch: 1, noise: &[], space, peers }
    };
    let branin_currin: &[_] = &[("ax", 0.65), ("egobox", 0.69), ("optuna-tpe", 1.37)];
    vec![
        plain(
            "branin",
            25,
            TestFunction::branin(),
            &[("egobox", -2.53), ("ax", -1.86), ("optuna-gp", -1.18), ("optuna-tpe", -0.43)],
        ),
        plain(
            "himmelblau",
            25,
            TestFunction::himmelblau(),
            &[("optuna-gp", -0.49), ("egobox", -0.14), ("ax", 0.12), ("optuna-tpe", 0.51)],
        ),
        plain(
            "hartmann3",
            30,
            TestFunction::hartmann3(),
            &[("optuna-gp", -4.57), ("egobox", -3.36), ("ax", -3.07), ("optuna-tpe", -0.87)],
        ),
        plain(
            "hartmann6",
            50,
            TestFunction::hartmann6(),
            &[("optuna-gp", -2.27), ("egobox", -1.97), ("ax", -1.88), ("optuna-tpe", -0.48)],
        ),
        Problem {
            batch: 3,
            ..plain(
                "hartmann6_q3",
                30,
                TestFunction::hartmann6(),
                &[("ax", -0.81), ("optuna-gp", -0.66), ("egobox", -0.44), ("optuna-tpe", -0.05)],
            )
        },
        plain(
            "rosenbrock4",
            50,
            TestFunction::rosenbrock(4),
            &[("optuna-tpe", 2.24), ("optuna-gp", 2.33), ("ax", 2.49), ("egobox", 2.63)],
        ),
        plain(
            "ackley5",
            50,
            on(TestFunction::ackley(5), -5.0, 10.0),
            &[("ax", 0.35), ("optuna-gp", 0.35), ("egobox", 0.37), ("optuna-tpe", 0.61)],
        ),
        plain(
            "levy8",
            50,
            on(TestFunction::levy(8), -5.0, 10.0),
            &[("ax", -0.17), ("optuna-gp", 0.50), ("optuna-tpe", 0.83), ("egobox", 1.06)],
        ),
        plain(
            "griewank5",
            50,
            on(TestFunction::griewank(5), -300.0, 600.0),
            &[("ax", -0.10), ("egobox", -0.06), ("optuna-gp", -0.03), ("optuna-tpe", 0.55)],
        ),
        plain(
            "styblinski6",
            50,
            TestFunction::styblinski_tang(6),
            &[("ax", 1.65), ("optuna-tpe", 1.71), ("optuna-gp", 1.83), ("egobox", 1.90)],
        ),
        plain("valley3", 30, TestFunction::valley(3), &[]),
        plain("valley6", 50, TestFunction::valley(6), &[]),
        plain("zakharov4", 40, TestFunction::zakharov(4), &[]),
        plain("hartmann3_steps", 30, TestFunction::hartmann3_in_steps(), &[]),
        plain("cosine8", 50, on(TestFunction::cosine_mixture(8), -0.7, 1.3), &[]),
        Problem { noise: &[2.0], ..plain("branin_noisy", 25, TestFunction::branin(), &[]) },
        Problem {
            noise: &[0.1],
            ..plain(
                "hartmann6_noisy",
                50,
                TestFunction::hartmann6(),
                &[("ax", -0.70), ("optuna-gp", -0.50), ("optuna-tpe", -0.39), ("egobox", -0.37)],
            )
        },
        Problem {
            noise: &[20.0],
            ..plain("rosenbrock4_noisy", 50, TestFunction::rosenbrock(4), &[])
        },
        plain(
            "gramacy",
            30,
            TestFunction::gramacy(),
            &[("egobox", -10.0), ("optuna-gp", -4.70), ("ax", -3.51), ("optuna-tpe", -0.74)],
        ),
        plain("gardner", 30, TestFunction::gardner(), &[]),
        plain("pressure_vessel", 50, TestFunction::pressure_vessel(), &[]),
        hidden(
            "branin_fails",
            25,
            TestFunction {
                constraints: vec![|x| x[0] + x[1] - 11.0, |x| -2.5 - x[0]],
                ..TestFunction::branin()
            },
        ),
        hidden(
            "hartmann6_fails",
            50,
            TestFunction {
                constraints: vec![|x| x.iter().sum::<f64>() - 2.6, |x| x[0] * x[1] - 0.3],
                ..TestFunction::hartmann6()
            },
        ),
        hidden("gramacy_fails", 30, TestFunction::gramacy()),
        Problem {
            space: Space::MixedAckley,
            ..plain(
                "ackley_mixed",
                40,
                TestFunction::ackley(5),
                &[("optuna-gp", -1.41), ("ax", -0.30), ("egobox", -0.23), ("optuna-tpe", 0.21)],
            )
        },
        several("branin_currin", 40, MultiObjectiveFunction::branin_currin(), false, branin_currin),
        several("branin_currin_told", 40, MultiObjectiveFunction::branin_currin(), true, &[]),
        Problem {
            batch: 4,
            ..several("branin_currin_q4", 40, MultiObjectiveFunction::branin_currin(), false, &[])
        },
        Problem {
            noise: &[2.0, 0.3],
            ..several(
                "branin_currin_noisy",
                40,
                MultiObjectiveFunction::branin_currin(),
                false,
                &[],
            )
        },
        Problem {
            noise: &[2.0, 0.3],
            batch: 4,
            ..several(
                "branin_currin_noisy_q4",
                40,
                MultiObjectiveFunction::branin_currin(),
                true,
                &[],
            )
        },
        several("dtlz2_2", 50, MultiObjectiveFunction::dtlz2_2(), false, &[]),
        several("dtlz2_2_told", 50, MultiObjectiveFunction::dtlz2_2(), true, &[]),
        several("dtlz2_3", 50, MultiObjectiveFunction::dtlz2_3(), false, &[]),
        several("dtlz2_3_told", 50, MultiObjectiveFunction::dtlz2_3(), true, &[]),
        several("c2_dtlz2", 50, MultiObjectiveFunction::c2_dtlz2(), false, &[]),
        several("c2_dtlz2_told", 50, MultiObjectiveFunction::c2_dtlz2(), true, &[]),
    ]
}
