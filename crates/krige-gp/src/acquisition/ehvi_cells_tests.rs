//! Expected hypervolume improvement over a known front: against an independent value, counting and its own limits.

use super::*;
use crate::pareto::{hypervolume, open_cells};
use crate::special::ndtri;

fn rows<const M: usize>(points: &[[f64; M]]) -> Vec<Vec<f64>> {
    points.iter().map(|point| point.to_vec()).collect()
}

fn open(front: &[Vec<f64>], reference: &[f64]) -> OpenSpace {
    OpenSpace::new(&open_cells(front, reference))
}

#[test]
fn the_value_is_that_of_an_independent_program() {
    let front = rows(&[[1.0, 5.0], [2.0, 4.0], [4.0, 3.0], [5.0, 1.0]]);
    let value = open(&front, &[0.0; 2]).evaluate(&[(4.0, 1.0), (3.5, 0.64)]).value;
    assert!((value.exp() - 2.231_918_173_717_5).abs() < 1e-12, "{}", value.exp());
}

/// Quadrature over Gaussian quantiles of the volume that is added, by the definition.
#[test]
fn the_value_is_the_average_of_the_added_volume() {
    let front3 = rows(&[[3.0, 1.0, 2.0], [1.0, 3.0, 2.0], [2.0, 2.0, 1.0], [1.0, 1.0, 3.0]]);
    let front2 = rows(&[[3.0, 1.0], [1.0, 3.0], [2.0, 2.0]]);
    let cases = [
        (front2, vec![(2.5, 0.5), (1.0, 0.3)], 300_usize, 0.005),
        // Few quantiles leave out the tails.
        (front3, vec![(2.5, 0.5), (1.0, 0.3), (2.2, 1.0)], 24, 0.03),
    ];
    for (front, at, count, tolerance) in cases {
        let at: Vec<(f64, f64)> = at;
        let m = at.len();
        let reference = vec![0.5; m];
        let before = hypervolume(&front, &reference);
        let draws: usize = count.pow(m as u32);
        let sum: f64 = (0..draws)
            .map(|number| {
                let mut rest = number;
                let point = at.iter().map(|(mean, variance)| {
                    let quantile = ((rest % count) as f64 + 0.5) / count as f64;
                    rest /= count;
                    mean + variance.sqrt() * ndtri(quantile)
                });
                let mut with = front.clone();
                with.push(point.collect());
                hypervolume(&with, &reference) - before
            })
            .sum();
        let average = sum / draws as f64;
        let value = open(&front, &reference).evaluate(&at).value.exp();
        assert!((value - average).abs() < tolerance * average, "{value} {average}");
    }
}

/// The whole range that is met: from far above a strip to far below it, from wide to very thin.
#[test]
fn strips_are_finite_increasing_and_have_the_slopes_of_their_values() {
    for width in [1e-12, 1e-7, 1e-4, 1e-2, 1.0, 30.0, 1e4] {
        let at = |lower: f64| strip(Seen::new(lower), Some(Seen::new(lower - width)));
        let mut last = f64::NEG_INFINITY;
        let scales = (-36..=36).map(|k| f64::from(k) / 4.0);
        for u in scales.map(|k: f64| k.signum() * (10_f64.powf(k.abs()) - 1.0)) {
            // Closer bounds than this are one number.
            if width < 1e-9 * u.abs() {
                continue;
            }
            let Strip { value, d_shift, d_scale } = at(u);
            assert!(value.is_finite() && d_scale.is_finite(), "{u} {width}");
            // The width itself is rounded.
            let rounding = f64::EPSILON * (2.0 * u.abs() / width + value.abs());
            assert!(value >= last - rounding, "{u} {width}: {value} {last}");
            assert!(d_shift >= -1e-9 * (1.0 + 1.0 / width), "{u} {width}: {d_shift}");
            last = value;
            if u.abs() < 1e3 && width > 1e-9 {
                let step = 1e-6 * (1.0 + u.abs());
                let slope = (at(u + step).value - at(u - step).value) / (2.0 * step);
                assert!((slope - d_shift).abs() < 1e-4 * (1.0 + slope.abs()), "{u} {width}");
            }
        }
    }
}

/// No jump where one way of computing a strip hands over to another.
#[test]
fn strips_are_continuous_over_their_branches() {
    let value = |u: f64, width: f64| strip(Seen::new(u), Some(Seen::new(u - width)));
    let agree = |one: Strip, other: Strip| {
        let near = |a: f64, b: f64| (a - b).abs() < 1e-6 * (1.0 + a.abs());
        assert!(near(one.value, other.value), "{one:?} {other:?}");
        assert!(near(one.d_shift, other.d_shift), "{one:?} {other:?}");
        assert!(near(one.d_scale, other.d_scale), "{one:?} {other:?}");
    };
    for u in [-900.0, -90.0, -3.0, 0.0, 2.0, 700.0_f64] {
        let edge = THIN / (1.0 + u.abs());
        agree(value(u, (1.0 - 1e-8) * edge), value(u, (1.0 + 1e-8) * edge));
    }
    for width in [1e-3, 0.5, 20.0] {
        agree(value(width - 1e-9, width), value(width + 1e-9, width));
        agree(value(FAR - 1e-9, width), value(FAR + 1e-9, width));
    }
}

#[test]
fn far_from_any_improvement_it_is_finite_and_prefers_the_better() {
    let front = rows(&[[1.0, 5.0], [2.0, 4.0], [4.0, 3.0], [5.0, 1.0]]);
    let open = open(&front, &[0.0; 2]);
    let mut last = f64::NEG_INFINITY;
    for k in (-80..=80_i32).rev() {
        let mean = -f64::from(k).signum() * 10_f64.powf(f64::from(k.abs()) / 10.0);
        let Evaluation { value, d_mean, d_variance } = open.evaluate(&[(mean, 0.5), (mean, 2.0)]);
        assert!(value.is_finite() && value > last, "{mean}: {value} {last}");
        assert!(d_mean.iter().all(|d| d.is_finite() && *d > 0.0), "{mean}: {d_mean:?}");
        assert!(d_variance.iter().all(|d| d.is_finite()), "{mean}: {d_variance:?}");
        last = value;
    }
}
