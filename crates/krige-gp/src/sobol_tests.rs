//! Sobol points against published values and the properties of nets.

use super::*;

/// Coordinates of scipy 1.17 `Sobol(scramble=False)`.
#[test]
fn points_match_reference() {
    let sobol = Sobol::unscrambled(6).unwrap();
    let expected = [
        [0.0; 6],
        [0.5; 6],
        [0.75, 0.25, 0.25, 0.25, 0.75, 0.75],
        [0.25, 0.75, 0.75, 0.75, 0.25, 0.25],
        [0.375, 0.375, 0.625, 0.875, 0.375, 0.125],
        [0.875, 0.875, 0.125, 0.375, 0.875, 0.625],
        [0.625, 0.125, 0.875, 0.625, 0.625, 0.875],
        [0.125, 0.625, 0.375, 0.125, 0.125, 0.375],
    ];
    for (i, point) in expected.iter().enumerate() {
        assert_eq!(sobol.point(i as u32), point, "point {i}");
    }
    let high = Sobol::unscrambled(1000).unwrap();
    let column = |d: usize| (4..8).map(|i| high.point(i)[d - 1]).collect::<Vec<_>>();
    assert_eq!(column(100), [0.875, 0.375, 0.125, 0.625]);
    assert_eq!(column(1000), [0.125, 0.625, 0.875, 0.375]);
}

#[test]
fn point_1023_matches_reference() {
    let expected = [
        0.00097656, 0.75292969, 0.61230469, 0.14550781, 0.18652344, 0.43847656, 0.13964844,
        0.61816406, 0.34472656, 0.85058594,
    ];
    let point = Sobol::unscrambled(10).unwrap().point(1023);
    for (found, expected) in point.iter().zip(expected) {
        assert!((found - expected).abs() < 6e-9, "{found} {expected}");
    }
}

#[test]
fn more_dimensions_than_the_table_are_refused() {
    assert!(Sobol::unscrambled(MAX_DIMENSION).is_ok());
    assert_eq!(
        Sobol::unscrambled(MAX_DIMENSION + 1).unwrap_err(),
        TooManyDimensions { found: MAX_DIMENSION + 1 }
    );
}

#[test]
fn sums_match_closed_form() {
    for m in [3u32, 6, 9] {
        let n = 1u32 << m;
        for d in [1usize, 2, 7, 40] {
            let sobol = Sobol::unscrambled(d).unwrap();
            let sum: f64 = sobol.points_from(0).take(n as usize).flatten().sum();
            assert_eq!(sum, d as f64 * f64::from(n - 1) / 2.0);
        }
    }
}

/// Warnock's formula for the L2-star discrepancy.
fn l2_star(points: &[Vec<f64>]) -> f64 {
    let (n, d) = (points.len() as f64, points[0].len() as i32);
    let single: f64 =
        points.iter().map(|x| x.iter().map(|v| (1.0 - v * v) / 2.0).product::<f64>()).sum();
    let double: f64 = points
        .iter()
        .flat_map(|x| points.iter().map(move |y| (x, y)))
        .map(|(x, y)| x.iter().zip(y).map(|(a, b)| 1.0 - a.max(*b)).product::<f64>())
        .sum();
    (3f64.powi(-d) - 2.0 / n * single + double / (n * n)).sqrt()
}

/// Hickernell 1998, the centred discrepancy (squared), as scipy's method "CD".
fn centred(points: &[Vec<f64>]) -> f64 {
    let (n, d) = (points.len() as f64, points[0].len() as i32);
    let c = |v: f64| (v - 0.5).abs();
    let single: f64 = points
        .iter()
        .map(|x| x.iter().map(|&v| 1.0 + 0.5 * c(v) - 0.5 * c(v) * c(v)).product::<f64>())
        .sum();
    let double: f64 = points
        .iter()
        .flat_map(|x| points.iter().map(move |y| (x, y)))
        .map(|(x, y)| {
            x.iter()
                .zip(y)
                .map(|(&a, &b)| 1.0 + 0.5 * c(a) + 0.5 * c(b) - 0.5 * (a - b).abs())
                .product::<f64>()
        })
        .sum();
    (13.0f64 / 12.0).powi(d) - 2.0 / n * single + double / (n * n)
}

/// scipy 1.17 `qmc.discrepancy`, unscrambled, the first N points with the origin.
#[test]
fn discrepancies_match_reference() {
    let cases = [
        (2, 64, 0.0128698496, 2.40019626e-4),
        (2, 256, 0.00330747037, 1.66316038e-5),
        (2, 1024, 0.000867928264, 1.10673639e-6),
        (6, 64, 0.0150999780, 5.78754206e-3),
        (6, 256, 0.00460177032, 5.81712960e-4),
        (6, 1024, 0.00153464072, 6.20129372e-5),
        (10, 64, 0.0154906241, 4.31107563e-2),
        (10, 256, 0.00391613604, 6.43007096e-3),
        (10, 1024, 0.00108229444, 7.91420328e-4),
    ];
    for (d, n, star, centred_squared) in cases {
        let points: Vec<_> = Sobol::unscrambled(d).unwrap().points_from(0).take(n).collect();
        // The references carry nine digits.
        let (found_star, found_centred) = (l2_star(&points), centred(&points));
        assert!((found_star / star - 1.0).abs() < 2e-8, "d={d} n={n}: {found_star} {star}");
        assert!(
            (found_centred / centred_squared - 1.0).abs() < 2e-8,
            "d={d} n={n}: {found_centred}"
        );
    }
}

/// Every elementary box of area 2^-m holds one of the first 2^m points, in dimensions 1 and 2 jointly
/// and in each dimension alone.
fn assert_net(sobol: &Sobol) {
    let m = 7u32;
    let points: Vec<_> = sobol.points_from(0).take(1 << m).collect();
    for d in 0..sobol.dimension() {
        let mut seen = vec![false; 1 << m];
        for point in &points {
            seen[(point[d] * f64::from(1u32 << m)) as usize] = true;
        }
        assert!(seen.iter().all(|&s| s), "dimension {d}");
    }
    for a in 0..=m {
        let (columns, rows) = (1usize << a, 1usize << (m - a));
        let mut seen = vec![false; columns * rows];
        for point in &points {
            let (i, j) = ((point[0] * columns as f64) as usize, (point[1] * rows as f64) as usize);
            seen[i * rows + j] = true;
        }
        assert!(seen.iter().all(|&s| s), "{columns} x {rows}");
    }
}

#[test]
fn nets_survive_scrambling() {
    assert_net(&Sobol::unscrambled(50).unwrap());
    for seed in 0..5 {
        assert_net(&Sobol::scrambled(50, seed).unwrap());
    }
}

#[test]
fn scrambles_repeat_by_seed_and_differ_between_seeds() {
    let a = Sobol::scrambled(5, 1).unwrap();
    assert_eq!(a.point(17), Sobol::scrambled(5, 1).unwrap().point(17));
    assert_ne!(a.point(17), Sobol::scrambled(5, 2).unwrap().point(17));
    assert_eq!(a.points_from(10).nth(3), Some(a.point(13)));
}

/// A scrambled rule integrates a smooth function with a variance that falls like N^-3.
#[test]
fn integration_error_falls_fast() {
    let error = |n: usize| {
        let squares = (0..32).map(|seed| {
            let sobol = Sobol::scrambled(4, seed).unwrap();
            let sum: f64 = sobol
                .points_from(0)
                .take(n)
                .map(|x| x.iter().map(|v| 1.0 + 0.5 * (v - 0.5)).product::<f64>())
                .sum();
            (sum / n as f64 - 1.0).powi(2)
        });
        (squares.sum::<f64>() / 32.0).sqrt()
    };
    // N^-1.5 would be a factor of 64 from 16 times the points; plain Monte Carlo gives 4.
    assert!(error(64) / error(1024) > 20.0, "{} {}", error(64), error(1024));
}
