//! Suggestions where measurements fail.

use crate::domain::{Dimension, Domain};
use crate::model::ModelOptions;
use crate::multi_objective::{MultiProblem, ObjectiveData, suggest_multi};
use crate::sampling::uniform;
use crate::suggest::{
    AcquisitionKind, ConstraintData, Effort, Outcomes, Problem, SuggestError, suggest,
};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

fn square() -> Domain {
    Domain { dimensions: vec![Dimension::Continuous; 2], ..Domain::default() }
}

fn outcomes(x: &[Vec<f64>], f: impl Fn(&[f64]) -> f64) -> Outcomes {
    Outcomes { y: x.iter().map(|u| f(u)).collect(), noise_variance: vec![None; x.len()] }
}

/// The right part of the square, where everything fails.
fn fails(u: &[f64]) -> bool {
    u[0] > 0.55
}

/// Points of the square that succeeded, and points that failed.
fn tried(count: usize) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let points = (0..count).map(|_| vec![uniform(&mut rng), uniform(&mut rng)]);
    points.partition(|u| !fails(u))
}

/// The best is where everything fails; 0.04 is lost at the last point before.
fn hill(u: &[f64]) -> f64 {
    -(u[0] - 0.75).powi(2) - (u[1] - 0.4).powi(2)
}

#[test]
fn the_best_point_before_failure_is_found_in_few_failures() {
    let domain = square();
    let run = |told: bool| {
        let (mut x, mut failed) = tried(8);
        let first = failed.len();
        for trial in 0..15 {
            let objective = outcomes(&x, hill);
            let (told, avoid) = if told { (&failed[..], &[][..]) } else { (&[][..], &failed[..]) };
            let seed = trial;
            let problem =
                Problem { failed: told, avoid, seed, ..Problem::new(&domain, &x, &objective) };
            let u = suggest(&problem, 1).unwrap().points.remove(0).u;
            if fails(&u) { failed.push(u) } else { x.push(u) }
        }
        let best = x.iter().map(|u| hill(u)).fold(f64::NEG_INFINITY, f64::max);
        (best, failed.len() - first)
    };
    let (told, not_told) = (run(true), run(false));
    assert!(told.0 > -0.041 && told.1 <= 7, "{told:?}");
    assert!(not_told.0 < -0.041 && not_told.1 > 9, "{not_told:?}");
}

#[test]
fn a_point_that_failed_is_not_suggested_again() {
    let levels = (0..12).map(|i| f64::from(i) / 11.0).collect();
    let domain = Domain { dimensions: vec![Dimension::Discrete { levels }], ..Domain::default() };
    let fails = |u: f64| (0.3..0.7).contains(&u);
    let mut x = vec![vec![0.0]];
    let mut failed = Vec::new();
    loop {
        let objective = outcomes(&x, |u| (3.0 * u[0]).sin());
        let problem = Problem { failed: &failed, ..Problem::new(&domain, &x, &objective) };
        match suggest(&problem, 1) {
            Ok(suggestions) => {
                let u = &suggestions.points[0].u;
                assert!(!x.contains(u) && !failed.contains(u), "{u:?} again");
                if fails(u[0]) { failed.push(u.clone()) } else { x.push(u.clone()) }
            }
            Err(error) => {
                assert_eq!(error, SuggestError::Exhausted { wanted: 1, found: 0 });
                break;
            }
        }
    }
    assert_eq!((x.len(), failed.len()), (8, 4));
}

/// Whatever is looked for, it is looked for where measurements succeed.
#[test]
fn success_counts_for_whatever_is_looked_for() {
    let domain = square();
    let (x, failed) = tried(24);
    let objective = outcomes(&x, hill);
    let constant = outcomes(&x, |_| 1.0);
    let side = ConstraintData {
        x: x.clone(),
        outcomes: outcomes(&x, |u| u[0]),
        lower: Some(1e-3 + x.iter().map(|u| u[0]).fold(0.0, f64::max)),
        upper: None,
    };
    let broken = [side];
    for (objective, constraints, kind) in [
        (&objective, &[][..], AcquisitionKind::LogEi),
        (&constant, &[], AcquisitionKind::SpaceFilling),
        (&objective, &broken, AcquisitionKind::Feasibility),
    ] {
        let suggested = |failed: &[Vec<f64>]| {
            let problem =
                Problem { failed, constraints, seed: 5, ..Problem::new(&domain, &x, objective) };
            suggest(&problem, 1).unwrap().points.remove(0)
        };
        let (with, without) = (suggested(&failed), suggested(&[]));
        assert_eq!((with.kind, without.kind), (kind, kind));
        assert!(without.u[0] > 0.7, "{kind:?}: {:?}", without.u);
        assert!(with.u[0] < 0.65, "{kind:?}: {:?}", with.u);
    }
}

#[test]
fn several_objectives_are_improved_where_measurements_succeed() {
    let domain = square();
    let (x, failed) = tried(24);
    let data = |f: fn(&[f64]) -> f64| ObjectiveData {
        x: x.clone(),
        outcomes: outcomes(&x, f),
        threshold: None,
    };
    let objectives = [data(|u| hill(u) + 0.1 * u[1]), data(|u| hill(u) - 0.1 * u[1])];
    let suggested = |failed: &[Vec<f64>]| {
        let problem = MultiProblem {
            domain: &domain,
            objectives: &objectives,
            constraints: &[],
            pending: &[],
            failed,
            fixed: &[],
            avoid: &[],
            options: ModelOptions::default(),
            seed: 2,
            warm_start: None,
            effort: Effort::Fast,
        };
        suggest_multi(&problem, 1).unwrap().points.remove(0).u
    };
    let (with, without) = (suggested(&failed), suggested(&[]));
    assert!(with[0] < 0.55 && without[0] > 0.6, "{with:?} {without:?}");
}

/// The optimum is near to where measurements fail, but its last digits are those of the objective alone.
#[test]
fn the_last_digits_are_those_of_the_objective() {
    let domain = square();
    let (x, failed) = tried(24);
    let objective = outcomes(&x, |u| -(u[0] - 0.4).powi(2) - (u[1] - 0.3).powi(2));
    let suggested = |failed| {
        let problem =
            Problem { failed, remaining: Some(1), ..Problem::new(&domain, &x, &objective) };
        suggest(&problem, 1).unwrap().points.remove(0)
    };
    let (with, without) = (suggested(&failed), suggested(&[]));
    assert_eq!(with.kind, AcquisitionKind::GreedyPolish);
    assert_eq!(with.u, without.u);
}

/// Where the model's best point fails for certain, another one is measured.
#[test]
fn the_last_digits_are_not_measured_where_that_fails() {
    let domain = square();
    let (x, failed) = tried(24);
    let objective = outcomes(&x, |u| -(u[0] - 0.9).powi(2) - (u[1] - 0.3).powi(2));
    let kind = |failed| {
        let problem =
            Problem { failed, remaining: Some(1), ..Problem::new(&domain, &x, &objective) };
        suggest(&problem, 1).unwrap().points[0].kind
    };
    assert_eq!(kind(&[]), AcquisitionKind::GreedyPolish);
    assert_eq!(kind(&failed), AcquisitionKind::LogEi);
}

/// It failed by chance, among many that succeeded, and would most likely succeed now.
#[test]
fn the_best_point_is_not_polished_where_that_failed_by_chance() {
    let domain = square();
    let x = domain.sample(40, &[], 1);
    let objective = outcomes(&x, |u| -(u[0] - 0.4).powi(2) - (u[1] - 0.3).powi(2));
    let suggested = |failed| {
        let problem =
            Problem { failed, remaining: Some(1), ..Problem::new(&domain, &x, &objective) };
        suggest(&problem, 1).unwrap().points.remove(0)
    };
    let polished = suggested(&[]);
    assert_eq!(polished.kind, AcquisitionKind::GreedyPolish);
    assert_ne!(suggested(&[polished.u]).kind, AcquisitionKind::GreedyPolish);
}

#[test]
fn bad_failed_points_are_named() {
    let domain = square();
    let (x, _) = tried(24);
    let objective = outcomes(&x, hill);
    let refused = |failed: &[Vec<f64>]| {
        suggest(&Problem { failed, ..Problem::new(&domain, &x, &objective) }, 1).unwrap_err()
    };
    let short = SuggestError::Shape { what: "failed points", expected: 2, found: 1 };
    assert_eq!(refused(&[vec![0.5]]), short);
    let error = refused(&[vec![0.5, 0.5], vec![f64::NAN, 0.5]]).to_string();
    assert!(error.contains("failed points") && error.contains("index 1"), "{error}");
}

/// Points may have been tried that are not in the domain.
#[test]
fn failures_far_outside_of_the_domain_are_no_harm() {
    let domain = square();
    let (x, _) = tried(24);
    let objective = outcomes(&x, |u| -(u[0] - 0.4).powi(2) - (u[1] - 0.3).powi(2));
    for far in [1e3, 1e160, 1e300] {
        let failed = [vec![far, 0.5], vec![-far, far]];
        let problem = Problem { failed: &failed, ..Problem::new(&domain, &x, &objective) };
        let point = suggest(&problem, 1).unwrap().points.remove(0);
        assert!(point.log_acquisition.is_finite(), "{far:e}: {point:?}");
    }
}

/// A trial that failed was a turn too: else a failure would have the same kind of point asked for again.
#[test]
fn failures_are_turns() {
    let domain = square();
    let (x, failed) = tried(24);
    let objective = outcomes(&x, |u| -(u[0] - 0.4).powi(2) - (u[1] - 0.3).powi(2));
    let polishes = (0..4).filter(|&count| {
        let problem = Problem { failed: &failed[..count], ..Problem::new(&domain, &x, &objective) };
        suggest(&problem, 1).unwrap().points[0].kind == AcquisitionKind::GreedyPolish
    });
    assert_eq!(polishes.count(), 2);
}
