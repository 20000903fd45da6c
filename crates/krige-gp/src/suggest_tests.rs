//! Suggestions: where they lie, that they are new, and that they lead to the optimum.

use proptest::prelude::*;

use super::*;
use crate::domain::{Dimension, Domain, LinearConstraint};
use crate::model::{ModelOptions, NoiseAssumption};
use crate::observations::same_point;
use crate::sampling::normal;
use crate::sobol::Sobol;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

fn cube(d: usize) -> Domain {
    Domain { dimensions: vec![Dimension::Continuous; d], ..Domain::default() }
}

fn outcomes(y: &[f64]) -> Outcomes {
    Outcomes { y: y.to_vec(), noise_variance: vec![None; y.len()] }
}

fn best(y: &[f64]) -> f64 {
    y.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// Runs the loop from the centre and Sobol points on; returns points and values, larger is better.
fn run(
    domain: &Domain,
    evaluations: usize,
    seed: u64,
    f: impl Fn(&[f64]) -> f64,
) -> (Vec<Vec<f64>>, Vec<f64>) {
    let mut x = domain.sample(5, &[], seed);
    let mut y: Vec<f64> = x.iter().map(|u| f(u)).collect();
    let mut warm: Option<ModelState> = None;
    while y.len() < evaluations {
        let objective = outcomes(&y);
        let problem = Problem {
            seed: seed * 1000 + y.len() as u64,
            warm_start: warm.as_ref(),
            remaining: Some(evaluations - y.len()),
            ..Problem::new(domain, &x, &objective)
        };
        let mut suggestions = suggest(&problem, 1).unwrap();
        let u = suggestions.points.remove(0).u;
        assert!(domain.contains(&u), "{u:?}");
        assert!(!x.iter().any(|other| same_point(other, &u)), "{u:?} again");
        y.push(f(&u));
        x.push(u);
        warm = suggestions.model;
    }
    (x, y)
}

fn branin(u: &[f64]) -> f64 {
    use std::f64::consts::PI;
    let (a, b) = (15.0 * u[0] - 5.0, 15.0 * u[1]);
    let parabola = b - 5.1 / (4.0 * PI * PI) * a * a + 5.0 / PI * a - 6.0;
    parabola * parabola + 10.0 * (1.0 - 1.0 / (8.0 * PI)) * a.cos() + 10.0
}

const BRANIN_MINIMUM: f64 = 0.39788735772973816;

fn hartmann6(u: &[f64]) -> f64 {
    const A: [[f64; 6]; 4] = [
        [10.0, 3.0, 17.0, 3.5, 1.7, 8.0],
        [0.05, 10.0, 17.0, 0.1, 8.0, 14.0],
        [3.0, 3.5, 1.7, 10.0, 17.0, 8.0],
        [17.0, 8.0, 0.05, 10.0, 0.1, 14.0],
    ];
    const P: [[f64; 6]; 4] = [
        [1312.0, 1696.0, 5569.0, 124.0, 8283.0, 5886.0],
        [2329.0, 4135.0, 8307.0, 3736.0, 1004.0, 9991.0],
        [2348.0, 1451.0, 3522.0, 2883.0, 3047.0, 6650.0],
        [4047.0, 8828.0, 8732.0, 5743.0, 1091.0, 381.0],
    ];
    let term = |i: usize| -> f64 {
        (0..6).map(|j| A[i][j] * (u[j] - 1e-4 * P[i][j]).powi(2)).sum::<f64>()
    };
    let weights = [1.0, 1.2, 3.0, 3.2];
    -(0..4).map(|i| weights[i] * (-term(i)).exp()).sum::<f64>()
}

const HARTMANN6_MINIMUM: f64 = -3.322368011415515;

/// Log10 of the regret, sorted.
fn log_regrets(seeds: u64, regret: impl Fn(u64) -> f64) -> Vec<f64> {
    let mut logs: Vec<f64> = (0..seeds).map(|seed| regret(seed).max(1e-16).log10()).collect();
    logs.sort_by(f64::total_cmp);
    logs
}

/// The median over many seeds is about -3.5; Ax's default reaches -1.9.
#[test]
fn branin_is_solved_in_25_evaluations() {
    let logs =
        log_regrets(5, |seed| -best(&run(&cube(2), 25, seed, |u| -branin(u)).1) - BRANIN_MINIMUM);
    assert!(logs[2] < -2.3, "{logs:?}");
}

/// The median over many seeds is below -4 or, in the second-best basin, -0.9; Ax's default reaches -1.9.
#[test]
fn hartmann6_is_nearly_solved_in_50_evaluations() {
    let f = |u: &[f64]| -hartmann6(u);
    let logs = log_regrets(4, |seed| -best(&run(&cube(6), 50, seed, f).1) - HARTMANN6_MINIMUM);
    assert!(logs[0] < -3.0 && logs[3] < -0.5, "{logs:?}");
}

/// Curvatures of 1 to 1,000 along directions that belong to no knob. With lengthscales along the axes alone the logarithm of the
/// regret ends at -1.1, 1.0 and 1.7.
#[test]
fn a_narrow_valley_along_no_axis_is_followed_in_six_dimensions() {
    let turn = crate::rotation::Turn::new(
        &[false; 6],
        &(0..15).map(|i| f64::from(i % 7) / 2.0 - 1.4).collect::<Vec<f64>>(),
    );
    let directions = crate::rotation::Rotation::identity(6).turned(&turn);
    let f = |u: &[f64]| {
        let v = directions.apply(&u.iter().map(|u| 10.0 * u - 4.0).collect::<Vec<f64>>());
        -v.iter().enumerate().map(|(k, v)| 10f64.powf(0.6 * k as f64) * v * v).sum::<f64>()
    };
    let logs = log_regrets(3, |seed| -best(&run(&cube(6), 50, seed, f).1));
    assert!(logs[1] < -1.0, "{logs:?}");
}

/// A knob that moves in steps answers the same all over a step, which a model of smooth functions does not expect: 105 of these
/// 120 evaluations find another value, and 74 where the engine does not look for steps.
#[test]
fn little_time_is_spent_within_a_step_of_the_knobs() {
    let step = |u: &f64| (u * 12.0).round() / 12.0;
    let values = |seed| {
        let f = |u: &[f64]| -branin(&u.iter().map(step).collect::<Vec<f64>>());
        let (_, mut y) = run(&cube(2), 30, seed, f);
        y.sort_by(f64::total_cmp);
        y.dedup();
        y.len()
    };
    let found: Vec<usize> = (0..4).map(values).collect();
    assert!(found.iter().sum::<usize>() >= 98, "{found:?}");
}

fn mixed() -> Domain {
    Domain {
        dimensions: vec![
            Dimension::Continuous,
            Dimension::Discrete { levels: vec![0.0, 0.25, 0.5, 0.75, 1.0] },
            Dimension::Categorical { levels: vec![0.0, 0.5, 1.0] },
            Dimension::Continuous,
        ],
        constraints: vec![LinearConstraint { coefficients: vec![1.0, 1.0, 0.0, 1.0], bound: 1.5 }],
        interior: None,
    }
}

#[test]
fn a_mixed_constrained_problem_is_solved() {
    let f = |u: &[f64]| {
        let bonus = if u[2] == 0.5 { 0.5 } else { 0.0 };
        bonus - (u[0] - 0.7).powi(2) - (u[1] - 0.5).powi(2) - (u[3] - 0.6).powi(2)
    };
    let (_, y) = run(&mixed(), 25, 3, f);
    // With u1 = .5 the constraint leaves u0 + u3 <= 1, best at (.55, .45): loss .045.
    assert!(best(&y) > 0.5 - 0.045 - 1e-3, "{}", best(&y));
}

#[test]
fn all_points_of_a_discrete_domain_are_found_before_it_is_exhausted() {
    let levels = vec![0.0, 0.5, 1.0];
    let domain = Domain {
        dimensions: vec![
            Dimension::Discrete { levels: levels.clone() },
            Dimension::Categorical { levels },
        ],
        ..Domain::default()
    };
    let (mut x, mut y) = (vec![vec![0.0, 0.0]], vec![0.3]);
    for n in 1..9 {
        let objective = outcomes(&y);
        let problem = Problem { seed: n, ..Problem::new(&domain, &x, &objective) };
        let u = suggest(&problem, 1).unwrap().points.remove(0).u;
        assert!(domain.contains(&u) && !x.contains(&u));
        y.push((3.0 * u[0]).sin() + u[1]);
        x.push(u);
    }
    let objective = outcomes(&y);
    let error = suggest(&Problem::new(&domain, &x, &objective), 1).unwrap_err();
    assert_eq!(error, SuggestError::Exhausted { wanted: 1, found: 0 });
    // Asking for more than there are fails as a whole.
    let objective = outcomes(&y[..7]);
    let error = suggest(&Problem::new(&domain, &x[..7], &objective), 3).unwrap_err();
    assert_eq!(error, SuggestError::Exhausted { wanted: 3, found: 2 });
}

#[test]
fn outcome_constraints_are_learnt() {
    // Maximize u0 + u1 inside of a disc, from points outside of it: best at 45 degrees.
    let domain = cube(2);
    let radius2 = |u: &[f64]| (u[0] - 0.3).powi(2) + (u[1] - 0.3).powi(2);
    let mut x = vec![vec![0.9, 0.9], vec![0.95, 0.2], vec![0.1, 0.95], vec![0.8, 0.7]];
    for n in 4..24 {
        let objective = outcomes(&x.iter().map(|u| u[0] + u[1]).collect::<Vec<_>>());
        let constraint = ConstraintData {
            x: x.clone(),
            outcomes: outcomes(&x.iter().map(|u| radius2(u)).collect::<Vec<_>>()),
            lower: None,
            upper: Some(0.04),
        };
        let constraints = [constraint];
        let problem =
            Problem { constraints: &constraints, seed: n, ..Problem::new(&domain, &x, &objective) };
        let suggestions = suggest(&problem, 1).unwrap();
        let point = &suggestions.points[0];
        let any_feasible = x.iter().any(|u| radius2(u) <= 0.04);
        assert_eq!(point.kind == AcquisitionKind::Feasibility, !any_feasible, "{n} {point:?}");
        assert_eq!(suggestions.model.as_ref().unwrap().constraints.len(), 1);
        x.push(point.u.clone());
    }
    let feasible = x.iter().filter(|u| radius2(u) <= 0.04);
    let found = feasible.map(|u| u[0] + u[1]).fold(0.0, f64::max);
    let short = 0.6 + 0.4 * 0.5f64.sqrt() - found;
    assert!(short < 1e-6, "{short:e}");
}

/// Something to be maximized over the unit square where two functions are at most 0, all of which bend.
struct Bent {
    objective: fn(&[f64]) -> f64,
    at_most_0: [fn(&[f64]) -> f64; 2],
    maximum: f64,
}

/// Problem g24 of Liang et al. (2006), whose optimum is where both constraints meet.
const G24: Bent = Bent {
    objective: |u| 3.0 * u[0] + 4.0 * u[1],
    at_most_0: [
        |u| {
            let (a, b) = (3.0 * u[0], 4.0 * u[1]);
            -2.0 * a.powi(4) + 8.0 * a.powi(3) - 8.0 * a * a + b - 2.0
        },
        |u| {
            let (a, b) = (3.0 * u[0], 4.0 * u[1]);
            -4.0 * a.powi(4) + 32.0 * a.powi(3) - 88.0 * a * a + 96.0 * a + b - 36.0
        },
    ],
    maximum: 5.508013271595355,
};

/// Gramacy et al. (2016, eq. 5), whose optimum is along one of them.
const GRAMACY: Bent = Bent {
    objective: |u| -u[0] - u[1],
    at_most_0: [
        |u| {
            let wave = (std::f64::consts::TAU * (u[0] * u[0] - 2.0 * u[1])).sin();
            1.5 - u[0] - 2.0 * u[1] - 0.5 * wave
        },
        |u| u[0] * u[0] + u[1] * u[1] - 1.5,
    ],
    maximum: -0.5997880520100676,
};

impl Bent {
    /// Asks for as many points from six on, and checks each with those before it.
    fn run(&self, count: u64, seed: u64, check: impl Fn(&[Vec<f64>], &Suggested)) -> Vec<Vec<f64>> {
        let domain = cube(2);
        let mut x = domain.sample(6, &[], seed);
        for n in 0..count {
            let values =
                |f: fn(&[f64]) -> f64| outcomes(&x.iter().map(|u| f(u)).collect::<Vec<_>>());
            let at_most_0 = |f| ConstraintData {
                x: x.clone(),
                outcomes: values(f),
                lower: None,
                upper: Some(0.0),
            };
            let (objective, constraints) = (values(self.objective), self.at_most_0.map(at_most_0));
            let problem = Problem {
                constraints: &constraints,
                seed: n,
                ..Problem::new(&domain, &x, &objective)
            };
            let point = suggest(&problem, 1).unwrap().points.remove(0);
            check(&x, &point);
            x.push(point.u);
        }
        x
    }

    /// By how much the best of these points is short of the maximum.
    fn short(&self, x: &[Vec<f64>]) -> f64 {
        let feasible = x.iter().filter(|u| self.at_most_0.iter().all(|f| f(u) <= 0.0));
        self.maximum - feasible.map(|u| (self.objective)(u)).fold(f64::NEG_INFINITY, f64::max)
    }
}

#[test]
fn bent_constraints_are_followed_to_the_last_digits() {
    let mut short =
        [0, 1, 2, 3, 4, 5, 6].map(|seed| GRAMACY.short(&GRAMACY.run(24, seed, |_, _| ())));
    short.sort_by(f64::total_cmp);
    assert!(short[0] >= 0.0 && short[3] < 5e-7, "{short:?}");
}

#[test]
fn at_constraints_small_steps_are_taken_and_none_back() {
    let closest = std::cell::Cell::new(f64::INFINITY);
    let x = G24.run(30, 0, |x, Suggested { u, kind, mean, .. }| {
        if *kind == AcquisitionKind::GreedyPolish {
            let best = G24.maximum - G24.short(x);
            assert!(*mean > best - 1e-7, "{}: {mean}, {best}", x.len());
            let distance = |other: &Vec<f64>| (u[0] - other[0]).abs().max((u[1] - other[1]).abs());
            closest.set(x.iter().map(distance).fold(closest.get(), f64::min));
        }
    });
    assert!((0.0..2e-6).contains(&G24.short(&x)), "{:e}", G24.short(&x));
    // Next to a maximum as little would be gained.
    assert!(closest.get() < 1e-5, "{:e}", closest.get());
}

#[test]
fn batches_spread_out_and_pending_points_are_respected() {
    let domain = cube(2);
    let x = domain.sample(7, &[], 1);
    let y: Vec<f64> = x.iter().map(|u| -branin(u)).collect();
    let objective = outcomes(&y);
    let problem = Problem { seed: 7, ..Problem::new(&domain, &x, &objective) };
    let batch = suggest(&problem, 4).unwrap().points;
    for (i, a) in batch.iter().enumerate() {
        for b in &batch[..i] {
            let distance = (a.u[0] - b.u[0]).hypot(a.u[1] - b.u[1]);
            assert!(distance > 1e-2, "{:?} {:?}", a.u, b.u);
        }
    }
    assert_eq!(batch[2].kind, AcquisitionKind::LogNei);
    let pending = [batch[0].u.clone()];
    let asked = Problem { pending: &pending, ..problem };
    let next = &suggest(&asked, 1).unwrap().points[0];
    assert!((next.u[0] - pending[0][0]).hypot(next.u[1] - pending[0][1]) > 1e-2);
}

#[test]
fn noise_is_noticed_and_repeats_are_allowed() {
    let domain = cube(1);
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let x: Vec<Vec<f64>> = (0..40).map(|i| vec![f64::from(i % 20) / 19.0]).collect();
    let y: Vec<f64> = x.iter().map(|u| -(u[0] - 0.4).powi(2) + 0.05 * normal(&mut rng)).collect();
    let objective = outcomes(&y);
    let problem = Problem::new(&domain, &x, &objective);
    let suggestions = suggest(&problem, 1).unwrap();
    assert!(suggestions.model.as_ref().unwrap().objective.noisy);
    assert_eq!(suggestions.points[0].kind, AcquisitionKind::LogNei);
    let model = fit_model(&problem).unwrap();
    let at = |u: f64| model.predict(&[vec![u]])[0];
    assert!((at(0.4).mean).abs() < 0.05 && at(0.4).sd < 0.05, "{:?}", at(0.4));
    assert!((at(1.0).mean + 0.36).abs() < 0.08);

    let options = ModelOptions { noise: NoiseAssumption::Deterministic, ..ModelOptions::default() };
    let certain = Problem { options, ..problem };
    assert!(!suggest(&certain, 1).unwrap().model.unwrap().objective.noisy);
    // A noisy discrete domain is never exhausted.
    let levels: Vec<f64> = (0..20).map(|i| f64::from(i) / 19.0).collect();
    let discrete = Domain { dimensions: vec![Dimension::Discrete { levels }], ..Domain::default() };
    assert!(suggest(&Problem { domain: &discrete, ..problem }, 2).is_ok());
}

/// Rosenbrock's valley among values of up to a million, measured with noise of 5. A model that takes noise for at least a hundredth of the
/// outputs' standard deviation, and has no warp, is off by 134 to 1,588 in the valley.
#[test]
fn declared_noise_may_be_small_beside_the_range() {
    let domain = cube(2);
    let f = |u: &[f64]| {
        let (a, b) = (15.0 * u[0] - 5.0, 15.0 * u[1] - 5.0);
        -100.0 * (b - a * a).powi(2) - (1.0 - a).powi(2)
    };
    let x = domain.sample(40, &[], 11);
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let y: Vec<f64> = x.iter().map(|u| f(u) + 5.0 * normal(&mut rng)).collect();
    let objective = outcomes(&y);
    let options = ModelOptions { noise: NoiseAssumption::Noisy, ..ModelOptions::default() };
    let problem = Problem { options, ..Problem::new(&domain, &x, &objective) };
    let model = fit_model(&problem).unwrap();
    let along: Vec<Vec<f64>> = (0..=8)
        .map(|i| f64::from(i) / 2.0 - 2.0)
        .map(|a| vec![(a + 5.0) / 15.0, (a * a + 5.0) / 15.0])
        .collect();
    for (u, predicted) in along.iter().zip(model.predict(&along)) {
        let error = (predicted.mean - f(u)).abs();
        assert!(error < 25.0, "{u:?} {predicted:?} {}", f(u));
    }
    // And it is averaged over all the same: a good point may be measured again.
    assert_eq!(suggest(&problem, 1).unwrap().points[0].kind, AcquisitionKind::LogNei);
}

#[test]
fn known_noise_is_used() {
    let domain = cube(1);
    let x: Vec<Vec<f64>> = (0..10).map(|i| vec![f64::from(i) / 9.0]).collect();
    let mut y: Vec<f64> = x.iter().map(|u| u[0]).collect();
    y[4] += 3.0;
    // One measurement is declared worthless: the prediction there follows its neighbours.
    let mut objective = Outcomes { y, noise_variance: vec![Some(1e-6); 10] };
    objective.noise_variance[4] = Some(100.0);
    let model = fit_model(&Problem::new(&domain, &x, &objective)).unwrap();
    let at = model.predict(&[x[4].clone()])[0];
    assert!((at.mean - 4.0 / 9.0).abs() < 0.1, "{at:?}");
}

#[test]
fn predictions_are_in_natural_units_and_interpolate() {
    let domain = cube(2);
    let x: Vec<Vec<f64>> = Sobol::unscrambled(2).unwrap().points_from(1).take(20).collect();
    let y: Vec<f64> = x.iter().map(|u| 1000.0 - 7.0 * branin(u)).collect();
    let objective = outcomes(&y);
    let model = fit_model(&Problem::new(&domain, &x, &objective)).unwrap();
    for (prediction, y) in model.predict(&x).iter().zip(&y) {
        assert!((prediction.mean - y).abs() < 3.0, "{prediction:?} {y}");
        assert!(prediction.sd > 0.0 && prediction.sd < 10.0);
    }
}

#[test]
fn fixed_coordinates_are_held() {
    let domain = mixed();
    let x = domain.sample(6, &[], 2);
    let objective = outcomes(&x.iter().map(|u| u[0] - u[3]).collect::<Vec<_>>());
    let fixed = [(1, 0.25), (3, 0.125)];
    let problem = Problem { fixed: &fixed, ..Problem::new(&domain, &x, &objective) };
    for point in suggest(&problem, 3).unwrap().points {
        assert!(point.u[1] == 0.25 && point.u[3] == 0.125 && domain.contains(&point.u));
    }
    let impossible = [(0, 1.0), (1, 1.0)];
    let problem = Problem { fixed: &impossible, ..problem };
    assert_eq!(suggest(&problem, 1).unwrap_err(), SuggestError::Infeasible);
}

#[test]
fn without_information_space_is_filled() {
    let domain = cube(2);
    let none = outcomes(&[]);
    let problem = Problem { seed: 3, ..Problem::new(&domain, &[], &none) };
    let suggestions = suggest(&problem, 4).unwrap();
    assert_eq!(suggestions.model, None);
    assert!(suggestions.points.iter().all(|p| p.kind == AcquisitionKind::SpaceFilling));
    assert!(fit_model(&problem).is_err());

    for n in [1, 5] {
        let x = domain.sample(n, &[], 1);
        let constant = outcomes(&vec![2.5; n]);
        let suggestions = suggest(&Problem::new(&domain, &x, &constant), 2).unwrap();
        let point = &suggestions.points[0];
        assert_eq!(point.kind, AcquisitionKind::SpaceFilling);
        assert!((point.mean - 2.5).abs() < 1e-9 && point.sd > 0.0);
        let nearest = x.iter().map(|u| (u[0] - point.u[0]).hypot(u[1] - point.u[1]));
        assert!(nearest.fold(9.0, f64::min) > 0.3);
    }
}

/// Of the 16 local maxima of a sum (Styblinski and Tang) the best one; the next ones are worse by 14.
#[test]
fn the_best_of_many_maxima_of_a_sum_is_found() {
    let styblinski_tang = |u: &[f64]| {
        let term = |u: &f64| {
            let x = 10.0 * u - 5.0;
            -0.5 * (x.powi(4) - 16.0 * x * x + 5.0 * x)
        };
        u.iter().map(term).sum::<f64>()
    };
    for seed in 0..4 {
        let found = best(&run(&cube(4), 40, seed, styblinski_tang).1);
        assert!(found > 4.0 * 39.16616570377142 - 1.0, "{seed}: {found}");
    }
}

#[test]
fn the_last_digits_are_polished() {
    let domain = cube(2);
    let (x, y) = run(&domain, 16, 2, |u| -branin(u));
    let objective = outcomes(&y);
    let kind = |remaining| {
        let problem = Problem { remaining, ..Problem::new(&domain, &x, &objective) };
        suggest(&problem, 1).unwrap().points[0].kind
    };
    // The seventeenth point comes after sixteen points: its turn is a multiple of two.
    assert_eq!(kind(None), AcquisitionKind::GreedyPolish);
    let objective = outcomes(&y[..15]);
    let kind = |remaining| {
        let problem = Problem { remaining, ..Problem::new(&domain, &x[..15], &objective) };
        suggest(&problem, 1).unwrap().points[0].kind
    };
    assert_eq!(kind(None), AcquisitionKind::LogEi);
    assert_eq!(kind(Some(2)), AcquisitionKind::GreedyPolish);
    assert_eq!(kind(Some(3)), AcquisitionKind::LogEi);
}

#[test]
fn the_same_problem_gives_the_same_bits() {
    let domain = mixed();
    let x = domain.sample(9, &[], 2);
    let objective = outcomes(&x.iter().map(|u| u[0] - u[3] * u[1]).collect::<Vec<_>>());
    let problem = Problem { seed: 11, ..Problem::new(&domain, &x, &objective) };
    assert_eq!(suggest(&problem, 3).unwrap(), suggest(&problem, 3).unwrap());
}

#[test]
fn ax_default_can_be_asked_for() {
    let domain = cube(2);
    let (x, y) = run(&domain, 12, 1, |u| -branin(u));
    let objective = outcomes(&y);
    let options =
        ModelOptions { kind: crate::model::ModelKind::AxDefault, ..ModelOptions::default() };
    let problem = Problem { options, ..Problem::new(&domain, &x, &objective) };
    let state = suggest(&problem, 1).unwrap().model.unwrap().objective;
    assert_eq!(state.hyperparameters.kernel, crate::kernel::KernelKind::Rbf);
    assert_eq!(state.hyperparameters.outputscale, 1.0);
    assert!(state.hyperparameters.noise_variance >= 1e-4 * (1.0 - 1e-12));
}

#[test]
fn bad_input_is_named() {
    let domain = cube(2);
    let x = vec![vec![0.1, 0.2], vec![0.3, 0.4]];
    let check = |problem: &Problem<'_>, expected: SuggestError| {
        assert_eq!(suggest(problem, 1).unwrap_err(), expected);
        assert_eq!(fit_model(problem).unwrap_err(), expected);
    };
    let infinite = outcomes(&[1.0, f64::INFINITY]);
    check(
        &Problem::new(&domain, &x, &infinite),
        SuggestError::NonFinite { what: "outcome values", index: 1, value: f64::INFINITY },
    );
    let short = outcomes(&[1.0]);
    check(
        &Problem::new(&domain, &x, &short),
        SuggestError::Shape { what: "outcome values", expected: 2, found: 1 },
    );
    let good = outcomes(&[1.0, 2.0]);
    check(
        &Problem { fixed: &[(2, 0.5)], ..Problem::new(&domain, &x, &good) },
        SuggestError::NoSuchCoordinate { index: 2, d: 2 },
    );
    check(
        &Problem { fixed: &[(1, 1.5)], ..Problem::new(&domain, &x, &good) },
        SuggestError::FixedOutside { index: 1, value: 1.5 },
    );
    let pending = [vec![0.5]];
    check(
        &Problem { pending: &pending, ..Problem::new(&domain, &x, &good) },
        SuggestError::Shape { what: "pending points", expected: 2, found: 1 },
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Whatever finite numbers were measured, suggestions are feasible and new, and nothing panics.
    #[test]
    fn any_finite_data_gives_feasible_new_points(
        seed in 0u64..1000,
        n in 1usize..14,
        exponent in -300..300i32,
        y in prop::collection::vec(prop_oneof![Just(0.0), Just(1.0), -1.0..1.0f64], 14),
        repeat in any::<bool>(),
    ) {
        let domain = mixed();
        let mut x = domain.sample(n, &[], seed);
        if repeat {
            x.push(x[0].clone());
        }
        let y: Vec<f64> = y[..x.len().min(14)].iter().map(|y| y * 10f64.powi(exponent)).collect();
        let x = &x[..y.len()];
        let objective = outcomes(&y);
        let constraint = [ConstraintData {
            x: x.to_vec(),
            outcomes: objective.clone(),
            lower: Some(0.1 * 10f64.powi(exponent)),
            upper: None,
        }];
        let avoid = [vec![0.5, 0.5, 0.5, 0.5]];
        for constraints in [&constraint[..], &[]] {
            let problem = Problem {
                constraints, seed, avoid: &avoid, ..Problem::new(&domain, x, &objective)
            };
            let suggestions = suggest(&problem, 2).unwrap();
            for point in &suggestions.points {
                prop_assert!(domain.contains(&point.u), "{:?}", point.u);
                prop_assert!(!same_point(&point.u, &avoid[0]));
                prop_assert!(point.log_acquisition.is_finite(), "{point:?}");
                prop_assert!(point.mean.is_finite() && point.sd >= 0.0, "{point:?}");
            }
        }
    }
}

/// Variances that were given count as noise like those that were inferred.
#[test]
fn known_noise_makes_improvement_noisy() {
    let domain = cube(1);
    let x: Vec<Vec<f64>> = (0..10).map(|i| vec![f64::from(i) / 9.0]).collect();
    let y: Vec<f64> = x.iter().map(|u| (5.0 * u[0]).sin()).collect();
    for (variance, kind) in [(0.05, AcquisitionKind::LogNei), (1e-9, AcquisitionKind::LogEi)] {
        let objective = Outcomes { y: y[..9].to_vec(), noise_variance: vec![Some(variance); 9] };
        let problem = Problem::new(&domain, &x[..9], &objective);
        assert_eq!(suggest(&problem, 1).unwrap().points[0].kind, kind);
    }
}

/// Differences that overflow are an error or an answer, never a panic.
#[test]
fn extreme_magnitudes_do_not_panic() {
    let domain = cube(2);
    let x = domain.sample(8, &[], 1);
    let huge = f64::MAX;
    for y in [
        vec![huge, -huge, 0.0, 1.0, huge, -huge, 2.0, 3.0],
        vec![huge, 1.0, 0.0, 1.0, 5.0, 4.0, 2.0, 3.0],
        vec![5e-324, 0.0, 5e-324, 1e-310, 0.0, 0.0, 1e-300, 0.0],
        vec![1e15, 1e15 + 1.0, 1e15, 1e15, 1e15 - 1.0, 1e15, 1e15, 1e15],
    ] {
        let objective = outcomes(&y);
        if let Ok(suggestions) = suggest(&Problem::new(&domain, &x, &objective), 2) {
            assert!(suggestions.points.iter().all(|point| domain.contains(&point.u)));
        }
    }
    let far = vec![vec![1e200, -1e200]; 1].into_iter().chain(x[1..].to_vec()).collect::<Vec<_>>();
    let objective = outcomes(&[1.0, 2.0, 3.0, 5.0, 4.0, 2.5, 1.5, 0.5]);
    let suggestions = suggest(&Problem::new(&domain, &far, &objective), 2).unwrap();
    assert!(suggestions.points.iter().all(|point| domain.contains(&point.u)));
}

/// Batches in constrained problems are feasible where that is known, and spread out where it is not.
#[test]
fn constrained_batches_spread_out() {
    let domain = cube(2);
    let x = domain.sample(10, &[], 4);
    let objective = outcomes(&x.iter().map(|u| u[0] * u[1]).collect::<Vec<_>>());
    let sums: Vec<f64> = x.iter().map(|u| u[0] + u[1]).collect();
    for (upper, kind) in [(1.0, AcquisitionKind::LogNei), (-0.5, AcquisitionKind::Feasibility)] {
        let constraints = [ConstraintData {
            x: x.clone(),
            outcomes: outcomes(&sums),
            lower: None,
            upper: Some(upper),
        }];
        let problem =
            Problem { constraints: &constraints, seed: 5, ..Problem::new(&domain, &x, &objective) };
        let batch = suggest(&problem, 3).unwrap().points;
        assert_eq!(batch[1].kind, kind, "{batch:?}");
        for (i, a) in batch.iter().enumerate() {
            for b in &batch[..i] {
                assert!((a.u[0] - b.u[0]).hypot(a.u[1] - b.u[1]) > 1e-3, "{batch:?}");
            }
            assert!(upper < 0.0 || a.u[0] + a.u[1] < 1.05, "{a:?}");
        }
        let model = fit_model(&problem).unwrap();
        let probability = model.feasibility(&[vec![0.1, 0.1], vec![0.9, 0.9]]);
        assert!(probability[1] < 0.01 && (upper < 0.0 || probability[0] > 0.99), "{probability:?}");
        let sum = model.predict_constraint(0, &[vec![0.4, 0.5]]).unwrap()[0];
        assert!((sum.mean - 0.9).abs() < 0.02, "{sum:?}");
    }
}

/// Beyond two thousand measurements predictions come from a part of them; near the best ones nothing is lost.
#[test]
fn thousands_of_measurements_are_predicted_from_near_the_best() {
    let n = 2200;
    let domain = Domain { dimensions: vec![Dimension::Continuous; 2], ..Domain::default() };
    let x: Vec<Vec<f64>> =
        crate::sobol::Sobol::scrambled(2, 5).unwrap().points_from(0).take(n).collect();
    let value = |u: &[f64]| 1.0 - (u[0] - 0.3).powi(2) - (u[1] - 0.6).powi(2);
    let objective =
        Outcomes { y: x.iter().map(|u| value(u)).collect(), noise_variance: vec![None; n] };
    let problem = Problem::new(&domain, &x, &objective);
    let suggestions = suggest(&problem, 1).unwrap();
    assert_eq!(suggestions, suggest(&problem, 1).unwrap());
    let u = &suggestions.points[0].u;
    assert!(value(u) > 1.0 - 1e-3, "{u:?}");
    let warm = Problem { warm_start: suggestions.model.as_ref(), ..problem };
    let model = fit_model(&warm).unwrap();
    for u in [[0.3, 0.6], [0.32, 0.61], [0.9, 0.1]] {
        let prediction = model.predict(&[u.to_vec()])[0];
        assert!((prediction.mean - value(&u)).abs() < 1e-2, "{u:?} {prediction:?}");
    }
}

/// The log of the improvement that two points are expected to make together.
fn joint(problem: &Problem<'_>, a: &[f64], b: &[f64]) -> f64 {
    use crate::acquisition::log_ei::LogEi;
    use crate::acquisition::log_nei::LogNei;
    let model = fit_model(problem).unwrap();
    let gp = &model.objective.gp;
    let best = problem.x.iter().map(|u| gp.posterior_mean(u, None)).fold(f64::MIN, f64::max);
    let second = LogNei::new(gp, &[a.to_vec()], best, 5).unwrap().value(b);
    (LogEi { gp, best }.value(a).exp() + second.exp()).ln()
}

/// Between two measurements the best single point is in the middle, and of the best two none is.
#[test]
fn quality_chooses_the_points_of_a_batch_to_improve_most_together() {
    // A coordinate that is held makes them too few for the best point to be polished.
    let domain = cube(2);
    let x: Vec<Vec<f64>> = [0.0, 0.01, 0.99, 1.0].map(|u| vec![u, 0.5]).to_vec();
    let objective = outcomes(&[0.0, 0.3, 0.3, 0.0]);
    let options = ModelOptions { noise: NoiseAssumption::Deterministic, ..Default::default() };
    let fast =
        Problem { options, seed: 1, fixed: &[(1, 0.5)], ..Problem::new(&domain, &x, &objective) };
    let quality = Problem { effort: Effort::Quality, ..fast };
    let value = |problem: &Problem<'_>| {
        let points = suggest(problem, 2).unwrap().points;
        (joint(&fast, &points[0].u, &points[1].u), points)
    };
    let (greedy, _) = value(&fast);
    let (together, points) = value(&quality);
    assert!(together > greedy + 2e-3, "{together} {greedy}");
    assert!(points.iter().all(|point| (point.u[0] - 0.5).abs() > 0.05), "{points:?}");
}
