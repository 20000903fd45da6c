//! Suggestions for several objectives: that they lead to the front, keep apart, and are repeated bit for bit.

use super::*;
use crate::domain::Dimension;
use crate::model::NoiseAssumption;
use crate::pareto::hypervolume;

fn cube(d: usize) -> Domain {
    Domain { dimensions: vec![Dimension::Continuous; d], ..Domain::default() }
}

fn data(x: &[Vec<f64>], y: Vec<f64>, threshold: Option<f64>) -> ObjectiveData {
    let noise_variance = vec![None; y.len()];
    ObjectiveData { x: x.to_vec(), outcomes: Outcomes { y, noise_variance }, threshold }
}

fn problem<'a>(domain: &'a Domain, objectives: &'a [ObjectiveData], seed: u64) -> MultiProblem<'a> {
    MultiProblem {
        domain,
        objectives,
        constraints: &[],
        pending: &[],
        failed: &[],
        fixed: &[],
        avoid: &[],
        options: ModelOptions::default(),
        seed,
        warm_start: None,
        effort: Effort::Fast,
    }
}

/// Branin and Currin, both minimized; the front's volume above (-18, -6) is at most 59.36.
fn branin_currin(u: &[f64]) -> Vec<f64> {
    use std::f64::consts::PI;
    let (a, b) = (15.0 * u[0] - 5.0, 15.0 * u[1]);
    let parabola = b - 5.1 / (4.0 * PI * PI) * a * a + 5.0 / PI * a - 6.0;
    let branin = parabola * parabola + 10.0 * (1.0 - 1.0 / (8.0 * PI)) * a.cos() + 10.0;
    let x = u[0];
    let above = ((2300.0 * x + 1900.0) * x + 2092.0) * x + 60.0;
    let below = ((100.0 * x + 500.0) * x + 4.0) * x + 20.0;
    let currin = (1.0 - (-0.5 / u[1]).exp()) * above / below;
    vec![-branin, -currin]
}

/// Two parabolas: the front is the line between their tops.
fn parabolas(u: &[f64]) -> Vec<f64> {
    let top = |at: f64| -(u[0] - at).powi(2) - (u[1] - 0.4).powi(2);
    vec![top(0.2), top(0.8)]
}

fn columns(values: &[Vec<f64>], x: &[Vec<f64>], thresholds: &[Option<f64>]) -> Vec<ObjectiveData> {
    let column = |j: usize| values.iter().map(|row| row[j]).collect();
    thresholds.iter().enumerate().map(|(j, &t)| data(x, column(j), t)).collect()
}

/// The values of a run from five Sobol points on.
fn run(
    f: impl Fn(&[f64]) -> Vec<f64>,
    thresholds: &[Option<f64>],
    evaluations: usize,
    seed: u64,
) -> Vec<Vec<f64>> {
    let domain = cube(2);
    let mut x = domain.sample(5, &[], seed);
    let mut values: Vec<Vec<f64>> = x.iter().map(|u| f(u)).collect();
    let mut warm: Option<MultiModelState> = None;
    while values.len() < evaluations {
        let objectives = columns(&values, &x, thresholds);
        let problem = MultiProblem {
            warm_start: warm.as_ref(),
            ..problem(&domain, &objectives, 1000 * seed + values.len() as u64)
        };
        let mut suggestions = suggest_multi(&problem, 1).unwrap();
        let point = suggestions.points.remove(0);
        assert!(domain.contains(&point.u));
        assert_eq!(point.kind, AcquisitionKind::LogEhvi);
        values.push(f(&point.u));
        x.push(point.u);
        warm = suggestions.model;
    }
    values
}

#[test]
fn the_front_of_branin_and_currin_is_found() {
    let reference = [-18.0, -6.0];
    let volume = |values: &[Vec<f64>]| hypervolume(values, &reference);
    let mut inferred = Vec::new();
    for seed in 1..=4 {
        let chance = cube(2).sample(40, &[], seed);
        let chance = volume(&chance.iter().map(|u| branin_currin(u)).collect::<Vec<_>>());
        let found = volume(&run(branin_currin, &reference.map(Some), 25, seed));
        assert!(found > 50.0 && found > chance, "{seed}: {found} {chance}");
        inferred.push(volume(&run(branin_currin, &[None, None], 25, seed)));
    }
    // Where nothing says which part of the front is of interest, a run may be spent on another one.
    assert!(inferred.iter().filter(|volume| **volume > 50.0).count() >= 3, "{inferred:?}");
}

#[test]
fn three_objectives_are_traded_against_each_other() {
    let f = |u: &[f64]| -> Vec<f64> {
        let distance = |a: f64, b: f64| -((u[0] - a).powi(2) + (u[1] - b).powi(2)).sqrt();
        vec![distance(0.2, 0.2), distance(0.8, 0.2), distance(0.5, 0.8)]
    };
    let reference = [-0.8; 3];
    let found = hypervolume(&run(f, &[Some(-0.8), None, None], 20, 1), &reference);
    let chance: Vec<Vec<f64>> = cube(2).sample(20, &[], 1).iter().map(|u| f(u)).collect();
    assert!(found > 1.05 * hypervolume(&chance, &reference), "{found}");
}

/// Six measurements of the two parabolas.
fn measured() -> (Domain, Vec<Vec<f64>>, Vec<ObjectiveData>) {
    let domain = cube(2);
    let x = domain.sample(6, &[], 4);
    let values: Vec<Vec<f64>> = x.iter().map(|u| parabolas(u)).collect();
    let objectives = columns(&values, &x, &[None, None]);
    (domain, x, objectives)
}

fn apart(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

#[test]
fn the_same_problem_gives_the_same_bits_and_models_are_given_back() {
    let (domain, _, objectives) = measured();
    let problem = problem(&domain, &objectives, 3);
    let first = suggest_multi(&problem, 2).unwrap();
    assert_eq!(suggest_multi(&problem, 2).unwrap(), first);
    let warm = first.model.clone().unwrap();
    assert_eq!((warm.objectives.len(), warm.constraints.len()), (2, 0));
    let again = MultiProblem { warm_start: Some(&warm), ..problem };
    assert_eq!(suggest_multi(&again, 2).unwrap(), suggest_multi(&again, 2).unwrap());
    for point in &first.points {
        let expected = parabolas(&point.u);
        for (predicted, value) in point.objectives.iter().zip(expected) {
            assert!((predicted.mean - value).abs() < 5.0 * predicted.sd, "{point:?}");
        }
    }
}

#[test]
fn a_batch_and_pending_points_keep_apart() {
    let (domain, x, objectives) = measured();
    let problem = problem(&domain, &objectives, 3);
    let points = suggest_multi(&problem, 4).unwrap().points;
    let pending: Vec<Vec<f64>> = points.iter().map(|point| point.u.clone()).collect();
    for (i, u) in pending.iter().enumerate() {
        let others = pending[..i].iter().chain(&x);
        assert!(others.clone().all(|other| apart(u, other) > 0.02), "{pending:?}");
    }
    let with = MultiProblem { pending: &pending[..1], ..problem };
    let next = &suggest_multi(&with, 1).unwrap().points[0];
    assert!(apart(&next.u, &pending[0]) > 0.02, "{next:?} {pending:?}");
}

/// Under noise too: what a pending point may add is not promised again.
#[test]
fn under_noise_a_batch_keeps_apart_and_is_repeated() {
    let domain = cube(2);
    let x = domain.sample(16, &[], 4);
    let noise = |i: usize| 0.1 * ((7 * i) as f64).sin();
    let row = |(i, u): (usize, &Vec<f64>)| parabolas(u).iter().map(|y| y + noise(i)).collect();
    let values: Vec<Vec<f64>> = x.iter().enumerate().map(row).collect();
    let objectives = columns(&values, &x, &[None, None]);
    let options = ModelOptions { noise: NoiseAssumption::Noisy, ..ModelOptions::default() };
    let problem = MultiProblem { options, ..problem(&domain, &objectives, 3) };
    let points = suggest_multi(&problem, 3).unwrap().points;
    for (i, point) in points.iter().enumerate() {
        assert_eq!(point.kind, AcquisitionKind::LogEhvi);
        assert!(points[..i].iter().all(|other| apart(&other.u, &point.u) > 0.02), "{points:?}");
    }
    assert_eq!(suggest_multi(&problem, 3).unwrap().points, points);
}

#[test]
fn what_may_be_of_the_front_is_plausible() {
    let at = |means: [f64; 2], sd: f64| means.map(|mean| (mean, sd * sd)).to_vec();
    let moments = [
        at([0.0, 1.0], 0.1),
        // One standard deviation short in the objective where it is nearest to the front; three; and far.
        at([0.9, -0.1], 0.1),
        at([0.7, -0.3], 0.1),
        at([-5.0, -5.0], 0.1),
        at([1.0, 0.0], 0.1),
        // As far, but not known well.
        at([-5.0, -5.0], 4.0),
    ];
    assert_eq!(plausible(&moments), [0, 4, 1, 5]);
}

#[test]
fn constraints_are_found_to_hold_and_then_kept() {
    let (domain, x, objectives) = measured();
    // Nothing measured is feasible: the upper right corner is.
    let c = |u: &[f64]| u[0] + u[1];
    let bound = x.iter().map(|u| c(u)).fold(0.0, f64::max) + 0.05;
    let outcomes =
        Outcomes { y: x.iter().map(|u| c(u)).collect(), noise_variance: vec![None; x.len()] };
    let constraint = |x: Vec<Vec<f64>>, outcomes, lower| {
        [ConstraintData { x, outcomes, lower: Some(lower), upper: None }]
    };
    let constraints = constraint(x.clone(), outcomes.clone(), bound);
    let problem = MultiProblem { constraints: &constraints, ..problem(&domain, &objectives, 3) };
    let point = &suggest_multi(&problem, 1).unwrap().points[0];
    assert_eq!(point.kind, AcquisitionKind::Feasibility);
    assert!(c(&point.u) > bound, "{point:?}");

    let constraints = constraint(x, outcomes, 0.9);
    let problem = MultiProblem { constraints: &constraints, ..problem };
    for point in suggest_multi(&problem, 3).unwrap().points {
        assert_eq!(point.kind, AcquisitionKind::LogEhvi);
        assert!(c(&point.u) > 0.85, "{point:?}");
    }
}

#[test]
fn without_values_to_compare_space_is_filled() {
    let (domain, x, mut objectives) = measured();
    for objective in &mut objectives {
        objective.outcomes.y = vec![2.0; x.len()];
    }
    let constant = suggest_multi(&problem(&domain, &objectives, 3), 1).unwrap();
    assert_eq!(constant.points[0].kind, AcquisitionKind::SpaceFilling);
    assert!(x.iter().all(|other| apart(other, &constant.points[0].u) > 0.1));

    objectives[1] = ObjectiveData::default();
    let unmeasured = suggest_multi(&problem(&domain, &objectives, 3), 2).unwrap();
    assert_eq!(unmeasured.points[1].kind, AcquisitionKind::SpaceFilling);
    assert_eq!((unmeasured.model, unmeasured.points[0].objectives.len()), (None, 0));
}

/// One objective says nothing yet, and the other is followed.
#[test]
fn one_constant_objective_does_not_stop_the_other() {
    let (domain, x, mut objectives) = measured();
    objectives[1].outcomes.y = vec![2.0; x.len()];
    let point = &suggest_multi(&problem(&domain, &objectives, 3), 1).unwrap().points[0];
    assert_eq!(point.kind, AcquisitionKind::LogEhvi);
    assert!(point.log_acquisition.is_finite());
}

#[test]
fn finite_spaces_are_exhausted_without_repetition() {
    let levels = vec![0.0, 0.5, 1.0];
    let dimensions = vec![Dimension::Discrete { levels: levels.clone() }; 2];
    let domain = Domain { dimensions, ..Domain::default() };
    let x = vec![vec![0.0, 0.0], vec![1.0, 0.5]];
    let values: Vec<Vec<f64>> = x.iter().map(|u| parabolas(u)).collect();
    let objectives = columns(&values, &x, &[None, None]);
    let problem = problem(&domain, &objectives, 3);
    let points = suggest_multi(&problem, 7).unwrap().points;
    let mut all: Vec<Vec<f64>> = points.into_iter().map(|point| point.u).chain(x.clone()).collect();
    all.sort_by(|a, b| a.partial_cmp(b).unwrap());
    all.dedup();
    assert_eq!(all.len(), 9);
    let expected = SuggestError::Exhausted { wanted: 8, found: 7 };
    assert_eq!(suggest_multi(&problem, 8).unwrap_err(), expected);
}

#[test]
fn what_does_not_fit_is_an_error() {
    let (domain, _, mut objectives) = measured();
    let refused = |objectives: &[ObjectiveData]| {
        suggest_multi(&problem(&domain, objectives, 3), 1).unwrap_err()
    };
    let one = SuggestError::Shape { what: "objectives", expected: 2, found: 1 };
    assert_eq!(refused(&objectives[..1]), one);
    objectives[1].outcomes.y[2] = f64::NAN;
    assert!(matches!(refused(&objectives), SuggestError::NonFinite { index: 2, .. }));
    objectives[1].outcomes.y.pop();
    assert!(matches!(refused(&objectives), SuggestError::Shape { expected: 6, found: 5, .. }));
}
