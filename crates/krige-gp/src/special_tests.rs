//! Special functions against values of 50 digits, far into the tails.

use super::*;

#[track_caller]
fn close(found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance * expected.abs().max(1e-3), "{found} {expected}");
}

/// mpmath, 50 digits.
#[test]
fn log_h_matches_reference() {
    for (u, value, derivative) in [
        (3.0, 1.0987396653277077, 0.3328409684517952),
        (1.0, 0.0800262188493070, 0.7766387252017392),
        (0.0, -0.9189385332046727, 1.2533141373155001),
        (-1.0, -2.4851210257126413, 1.9042712333296918),
        (-5.0, -16.74430116266099, 5.361816241288082),
        (-10.0, -55.55312203612237, 10.194383033412588),
        (-40.0, -808.29856835662, 40.04990665764224),
        (-1e3, -500014.734452091, 1000.0019999),
        (-1e5, -5000000023.944789, 100000.00002),
        (-1e7, -50000000000033.16, 1e7),
    ] {
        let (found, slope) = log_h(u);
        close(found, value, 1e-12);
        // The derivatives at -1e3 and beyond are quoted to ten digits.
        close(slope, derivative, if u > -100.0 { 1e-12 } else { 1e-9 });
    }
}

fn grid() -> impl Iterator<Item = f64> {
    let tail = (0..=900).map(|i| -(10f64.powf(9.0 - f64::from(i) * 0.02)));
    let middle = (-400..=400).map(|i| f64::from(i) * 1e-2);
    let right = (0..=900).map(|i| 10f64.powf(f64::from(i) * 0.01));
    tail.filter(|u| *u < -4.0).chain(middle).chain(right.filter(|u| *u > 4.0))
}

#[test]
fn log_h_is_finite_and_increasing_with_usable_slope_everywhere() {
    let mut previous = f64::NEG_INFINITY;
    let mut previous_slope = f64::INFINITY;
    for u in grid() {
        let (value, slope) = log_h(u);
        assert!(value.is_finite() && slope.is_finite() && slope > 0.0, "{u}");
        assert!(value >= previous, "{u}");
        // ln h is concave.
        assert!(slope <= previous_slope * (1.0 + 1e-11), "{u}: {slope} {previous_slope}");
        (previous, previous_slope) = (value, slope);
    }
    close(log_h(-1e9).1, 1e9, 1e-12);
    close(log_h(1e9).0, 1e9f64.ln(), 1e-12);
}

/// Where the branches meet they must agree.
#[test]
fn branches_join() {
    for u in [-1.0, SERIES_BELOW] {
        let (above, below) = (log_h(u + 1e-9), log_h(u - 1e-9));
        close(above.0 - below.0, 2e-9 * above.1, 1e-6);
        close(above.1, below.1, 1e-9);
    }
    for u in [-1.0, 0.0] {
        close(log_ndtr(u + 1e-12).0, log_ndtr(u - 1e-12).0, 1e-10);
        close(log_ndtr(u + 1e-12).1, log_ndtr(u - 1e-12).1, 1e-10);
    }
}

#[test]
fn slopes_match_central_differences() {
    for i in -60..=40 {
        let u = f64::from(i) * 0.2 + 0.013;
        for f in [log_h as fn(f64) -> (f64, f64), log_ndtr] {
            let slope = (f(u + 1e-5).0 - f(u - 1e-5).0) / 2e-5;
            assert!((f(u).1 - slope).abs() < 1e-7 * (1.0 + slope.abs()), "{u}");
        }
    }
}

/// scipy 1.17 `log_ndtr` (checked against mpmath).
#[test]
fn log_ndtr_matches_reference() {
    for (u, value) in [
        (-40.0, -804.6084420137539),
        (-10.0, -53.23128515051247),
        (-3.0, -6.607726221510349),
        (-1.0, -1.8410216450092636),
        (-0.5, -1.1759117615936185),
        (0.0, -LN_2),
        (1.0, -0.17275377902344986),
        (5.0, -2.866516129637636e-7),
    ] {
        assert!((log_ndtr(u).0 / value - 1.0).abs() < 2e-15, "{u}: {}", log_ndtr(u).0);
    }
    let mut previous = f64::NEG_INFINITY;
    for u in grid() {
        let (value, slope) = log_ndtr(u);
        assert!(value <= 0.0 && value >= previous && value.is_finite(), "{u}");
        assert!(slope >= 0.0 && slope.is_finite());
        previous = value;
    }
}

#[test]
fn log_diff_ndtr_matches_differences_and_tails() {
    for (a, b) in [(-1.0, 2.0), (0.3, 0.4), (-3.0, -2.5), (-0.1, 0.1)] {
        let (value, d_a, d_b) = log_diff_ndtr(a, b);
        close(value, (normal_cdf(b) - normal_cdf(a)).ln(), 1e-13);
        let at = |a: f64, b: f64| log_diff_ndtr(a, b).0;
        close(d_a, (at(a + 1e-6, b) - at(a - 1e-6, b)) / 2e-6, 1e-6);
        close(d_b, (at(a, b + 1e-6) - at(a, b - 1e-6)) / 2e-6, 1e-6);
    }
    // Mirrored intervals have equal mass; far ones that of their near end.
    assert_eq!(log_diff_ndtr(3.0, 5.0).0, log_diff_ndtr(-5.0, -3.0).0);
    close(log_diff_ndtr(50.0, 60.0).0, log_ndtr(-50.0).0, 1e-15);
    assert_eq!(log_diff_ndtr(f64::NEG_INFINITY, 1.0).0, log_ndtr(1.0).0);
    assert_eq!(log_diff_ndtr(-2.0, f64::INFINITY).0, log_ndtr(2.0).0);
    // A narrow interval is its width times the density.
    close(log_diff_ndtr(2.0, 2.0 + 1e-9).0, log_normal_pdf(2.0) + 1e-9f64.ln(), 1e-7);
    for u in [1.0, 1e3, 1e6, 1e9] {
        let (value, d_a, d_b) = log_diff_ndtr(u, u + 1.0);
        assert!(value.is_finite() && d_a.is_finite() && d_b.is_finite(), "{u}");
        assert!(d_a < -0.9 * u, "{u}: {d_a}");
    }
}

/// scipy 1.17 `ndtri`.
#[test]
fn ndtri_matches_reference_and_inverts() {
    for (p, value) in [
        (1e-300, -37.0470962993612),
        (1e-20, -9.262340089798408),
        (1e-5, -4.264890793922825),
        (0.01, -2.326347874040841),
        (0.025, -1.9599639845400545),
        (0.3, -0.5244005127080407),
        (0.9, 1.2815515655446004),
    ] {
        close(ndtri(p), value, 2e-15);
    }
    assert_eq!(ndtri(0.5), 0.0);
    assert_eq!((ndtri(0.0), ndtri(1.0)), (f64::NEG_INFINITY, f64::INFINITY));
    for i in 1..1000 {
        let p = f64::from(i) / 1000.0;
        close(normal_cdf(ndtri(p)), p, 1e-14);
    }
}
