//! The percentile rule against Ax's in pandas, against a plain second implementation, and what holds for any curves.

use proptest::prelude::*;

use super::*;

/// Seven curves of whole numbers, from a linear congruential generator that the reference program has too.
fn table(seed: u64) -> Vec<Vec<(f64, f64)>> {
    let mut state = seed;
    let mut next = move |modulus: u64| {
        state = (state * 1_103_515_245 + 12_345) % (1 << 31);
        ((state >> 16) % modulus) as f64
    };
    (0..7)
        .map(|_| {
            let length = 3.0 + next(6);
            let mut progression = next(4);
            let level = next(20);
            let mut curve = Vec::new();
            while (curve.len() as f64) < length {
                curve.push((progression, level + next(9)));
                progression += 1.0 + next(5);
            }
            curve
        })
        .collect()
}

/// By pandas 3.1.1 (`interpolate("slinear", limit_area="inside")`, `rank("dense")`, `quantile`), called as Ax's
/// `PercentileEarlyStoppingStrategy` does at commit 6e711c86a: three rules for the minimized, two for the maximized metric.
#[test]
fn it_decides_as_ax_does() {
    type Stopped = &'static [usize];
    let expected: [(u64, [Stopped; 5]); 8] = [
        (1, [&[0, 5, 6][..], &[0, 5, 6][..], &[5, 6][..], &[3, 4][..], &[1, 4][..]]),
        (2, [&[0, 4][..], &[0][..], &[0, 4, 5][..], &[2][..], &[2, 5][..]]),
        (3, [&[4][..], &[][..], &[4, 5, 6][..], &[1][..], &[1, 4, 5, 6][..]]),
        (4, [&[][..], &[][..], &[][..], &[5, 6][..], &[1, 2, 5, 6][..]]),
        (5, [&[3][..], &[3][..], &[3][..], &[4, 6][..], &[1, 3, 4, 6][..]]),
        (6, [&[3, 4, 5][..], &[3, 5][..], &[3, 4, 5][..], &[][..], &[0, 5][..]]),
        (7, [&[][..], &[][..], &[][..], &[0, 1][..], &[0, 1, 4, 6][..]]),
        (8, [&[0, 3][..], &[0, 3][..], &[0][..], &[][..], &[5, 6][..]]),
    ];
    for (seed, expected) in expected {
        let (less, more) = (running_all("-y", &table(seed)), running_all("y", &table(seed)));
        let rules = [
            (&less, percentile(50.0, 6.0, 3, 0.0, 0)),
            (&less, percentile(50.0, 6.0, 3, 4.0, 0)),
            (&less, percentile(75.0, 6.0, 4, 4.0, 2)),
            (&more, percentile(25.0, 8.0, 3, 2.0, 0)),
            (&more, percentile(75.0, 6.0, 4, 3.0, 1)),
        ];
        for ((lab, rule), expected) in rules.iter().zip(expected) {
            assert_eq!(stopped(rule, &lab.experiment), expected, "seed {seed}, {rule:?}");
        }
    }
}

/// What the rule decides, as a table of all trials at all progressions. Larger is better.
fn plainly(
    curves: &[Vec<(f64, f64)>],
    part: f64,
    min_progression: f64,
    min_curves: usize,
    patience: f64,
    keep_best: usize,
) -> Vec<usize> {
    let end = |curve: &Vec<(f64, f64)>| curve[curve.len() - 1].0;
    let value = |curve: &Vec<(f64, f64)>, p: f64| -> Option<f64> {
        if let Some(point) = curve.iter().find(|point| point.0 == p) {
            return Some(point.1);
        }
        let pairs = curve.iter().zip(&curve[1..]);
        pairs.into_iter().find(|(a, b)| a.0 < p && p < b.0).map(|(a, b)| {
            let along = (p - a.0) / (b.0 - a.0);
            a.1 + (b.1 - a.1) * along
        })
    };
    if curves.iter().filter(|curve| end(curve) >= min_progression).count() < min_curves {
        return Vec::new();
    }
    let is_stopped = |curve: &Vec<(f64, f64)>| {
        let window = curves.iter().flatten().map(|point| point.0);
        let mut window = window.filter(|p| (end(curve) - patience..=end(curve)).contains(p));
        end(curve) >= min_progression
            && window.all(|p| {
                let mut column: Vec<f64> = curves.iter().filter_map(|c| value(c, p)).collect();
                column.sort_by(|a, b| b.partial_cmp(a).unwrap());
                let Some(own) = value(curve, p) else { return false };
                let mut distinct = column.clone();
                distinct.dedup();
                let is_best = distinct.iter().take(keep_best).any(|kept| *kept == own);
                let place = (1.0 - part) * (column.len() - 1) as f64;
                let (left, right) = (column[place as usize], column[place.ceil() as usize]);
                let bound = right + (left - right) * (place.ceil() - place);
                column.len() >= min_curves && !is_best && own < bound
            })
    };
    (0..curves.len()).filter(|&trial| is_stopped(&curves[trial])).collect()
}

/// Curves whose interpolated values are exact in binary: observations lie 1, 2 or 4 apart.
fn curves() -> impl Strategy<Value = Vec<Vec<(f64, f64)>>> {
    let gaps = prop::sample::select(vec![1.0, 2.0, 4.0]);
    let curve = prop::collection::vec((gaps, (0..40).prop_map(f64::from)), 1..7);
    let curve = curve.prop_map(|points| {
        let ends = points.iter().scan(0.0, |end, point| {
            *end += point.0;
            Some(*end)
        });
        ends.zip(points.iter().map(|point| point.1)).collect()
    });
    prop::collection::vec(curve, 1..9)
}

/// Quarters, so that quantiles are exact too.
fn quarters() -> impl Strategy<Value = f64> {
    prop::sample::select(vec![0.0, 25.0, 50.0, 75.0, 100.0])
}

proptest! {
    #[test]
    fn it_decides_as_a_plain_table_does(
        curves in curves(), percent in quarters(), min_curves in 0..5_usize, patience in 0..7, keep in 0..3_usize,
    ) {
        let patience = f64::from(patience);
        let expected = plainly(&curves, percent / 100.0, 6.0, min_curves, patience, keep);
        let rule = percentile(percent, 6.0, min_curves, patience, keep);
        prop_assert_eq!(stopped(&rule, &running_all("y", &curves).experiment), expected.clone());
        let flipped: Vec<Vec<_>> =
            curves.iter().map(|curve| curve.iter().map(|&(p, y)| (p, -y)).collect()).collect();
        prop_assert_eq!(stopped(&rule, &running_all("-y", &flipped).experiment), expected);
    }

    /// Whoever is among the best of those that came as far is never stopped.
    #[test]
    fn the_best_are_kept(curves in curves(), keep in 1..4_usize) {
        let lab = running_all("y", &curves);
        let gone = stopped(&percentile(100.0, 0.0, 0, 0.0, keep), &lab.experiment);
        for trial in gone {
            let &(end, own) = curves[trial].last().unwrap();
            let observed = curves.iter().flatten().filter(|point| point.0 == end && point.1 > own);
            let interpolated = curves.iter().filter(|c| c[0].0 < end && c[c.len() - 1].0 > end);
            prop_assert!(observed.count() + interpolated.count() >= keep);
        }
    }

    #[test]
    fn a_stricter_rule_stops_no_less(curves in curves(), patience in 0..6) {
        let lab = running_all("y", &curves);
        let patience = f64::from(patience);
        let stops = |rule: EarlyStopping| stopped(&rule, &lab.experiment);
        let within = |few: Vec<usize>, many: Vec<usize>| few.iter().all(|trial| many.contains(trial));
        for pair in [0.0, 25.0, 50.0, 75.0, 100.0].windows(2) {
            let of = |percent| stops(percentile(percent, 6.0, 2, patience, 1));
            prop_assert!(within(of(pair[0]), of(pair[1])));
        }
        let of = |min: f64, curves, patience, keep| stops(percentile(50.0, min, curves, patience, keep));
        prop_assert!(within(of(6.0, 2, patience + 1.0, 0), of(6.0, 2, patience, 0)));
        prop_assert!(within(of(6.0, 2, patience, 1), of(6.0, 2, patience, 0)));
        prop_assert!(within(of(6.0, 3, patience, 0), of(6.0, 2, patience, 0)));
        prop_assert!(within(of(7.0, 2, patience, 0), of(6.0, 2, patience, 0)));
    }

    #[test]
    fn a_better_curve_is_not_stopped_where_a_worse_one_is_not(curves in curves(), gain in 0..9) {
        let rule = percentile(75.0, 4.0, 2, 2.0, 1);
        let stops = |curves: &[Vec<_>]| rule.verdict(&running_all("y", curves).experiment, 0).is_some();
        let mut better = curves.clone();
        better[0].iter_mut().for_each(|point| point.1 += f64::from(gain));
        prop_assert!(stops(&curves) || !stops(&better));
    }
}
