//! Functions of the normal distribution, in logarithms, that keep their digits in the tails.
//!
//! Expected improvement and probabilities of feasibility underflow a few standard deviations from the
//! data. Everything here stays finite, monotone and usefully differentiable to |u| = 1e9, so that an
//! optimizer can climb from anywhere (Ament et al. 2023, "Unexpected improvements to expected improvement").

use std::f64::consts::{FRAC_1_SQRT_2, LN_2, PI};

use libm::erfc;
use puruspe::erfcx;

/// ln sqrt(2 pi).
pub const LN_SQRT_2PI: f64 = 0.918_938_533_204_672_7;

/// Below this `1 - |u| R(u)` is summed as a series: the difference itself loses a digit for each decade
/// of u^2, while the first term that the series leaves out is 10395 / u^10, 1e-16 here.
const SERIES_BELOW: f64 = -100.0;

/// Returns the standard normal density at `u`.
pub fn normal_pdf(u: f64) -> f64 {
    log_normal_pdf(u).exp()
}

/// Returns the logarithm of the standard normal density at `u`.
pub fn log_normal_pdf(u: f64) -> f64 {
    -0.5 * u * u - LN_SQRT_2PI
}

/// Returns the standard normal distribution function at `u`.
pub fn normal_cdf(u: f64) -> f64 {
    0.5 * erfc(-u * FRAC_1_SQRT_2)
}

/// Returns `ln(1 - e^w)` for `w < 0`. Maechler 2012.
pub fn log1mexp(w: f64) -> f64 {
    if w > -LN_2 { (-w.exp_m1()).ln() } else { (-w.exp()).ln_1p() }
}

/// Returns the Mills-like ratio `Phi(u) / phi(u)`, for `u <= 0` where it is bounded.
fn mills(u: f64) -> f64 {
    (PI / 2.0).sqrt() * erfcx(-u * FRAC_1_SQRT_2)
}

/// Returns `ln Phi(u)` and its derivative `phi(u) / Phi(u)`.
pub fn log_ndtr(u: f64) -> (f64, f64) {
    let value = if u <= -1.0 {
        log_normal_pdf(u) + mills(u).ln()
    } else if u < 0.0 {
        normal_cdf(u).ln()
    } else {
        (-0.5 * erfc(u * FRAC_1_SQRT_2)).ln_1p()
    };
    let derivative = if u <= 0.0 { 1.0 / mills(u) } else { normal_pdf(u) / normal_cdf(u) };
    (value, derivative)
}

/// Returns `ln(Phi(b) - Phi(a))` for `a < b`, with its derivatives with respect to `a` and to `b`.
///
/// Infinite bounds are allowed.
pub fn log_diff_ndtr(a: f64, b: f64) -> (f64, f64, f64) {
    if a == f64::NEG_INFINITY {
        let (value, derivative) = log_ndtr(b);
        return (value, 0.0, derivative);
    }
    if b == f64::INFINITY {
        let (value, derivative) = log_ndtr(-a);
        return (value, -derivative, 0.0);
    }
    if b + a > 0.0 {
        // The upper tail is the lower tail mirrored; only the lower one keeps its digits.
        let (value, d_a, d_b) = log_diff_ndtr(-b, -a);
        return (value, -d_b, -d_a);
    }
    let middle = 0.5 * (a + b);
    let width = b - a;
    let value = if width * (1.0 + middle.abs()) < 1e-5 {
        log_normal_pdf(middle) + width.ln()
    } else {
        let (upper, lower) = (log_ndtr(b).0, log_ndtr(a).0);
        upper + log1mexp(lower - upper)
    };
    // phi(b) / (Phi(b) - Phi(a)) written so that the squares cancel before they are rounded.
    let ratio = |u: f64| (log_normal_pdf(u) - value).exp();
    if b < SERIES_BELOW && width * b.abs() > 50.0 {
        return (value, 0.0, 1.0 / mills(b));
    }
    (value, -ratio(a), ratio(b))
}

/// Returns `ln h(u)` and its derivative `Phi(u) / h(u)`, where `h(u) = phi(u) + u Phi(u)`.
///
/// `sigma h((mu - f*) / sigma)` is the expected improvement over `f*`. Ament et al. 2023, eq. 9, with a
/// series for the far tail instead of their asymptote, whose derivative jumps.
pub fn log_h(u: f64) -> (f64, f64) {
    if u > -1.0 {
        let cdf = normal_cdf(u);
        let h = normal_pdf(u) + u * cdf;
        return (h.ln(), cdf / h);
    }
    let R = mills(u);
    let rest = if u > SERIES_BELOW {
        1.0 + u * R
    } else {
        let v = 1.0 / (u * u);
        v * (1.0 - v * (3.0 - v * (15.0 - v * (105.0 - v * 945.0))))
    };
    (log_normal_pdf(u) + rest.ln(), R / rest)
}

fn polynomial(x: f64, coefficients: [f64; 8]) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, c| sum * x + c)
}

/// Returns the standard normal quantile of `p` in (0, 1), to about 1e-16 relative.
///
/// Wichura 1988, algorithm AS 241 (PPND16): arithmetic, `sqrt` and `ln` only, so that normal draws made
/// with it repeat. Returns -inf at 0 and +inf at 1.
pub fn ndtri(p: f64) -> f64 {
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180625 - q * q;
        return q * polynomial(r, CENTRE.0) / polynomial(r, CENTRE.1);
    }
    let tail = if q < 0.0 { p } else { 1.0 - p };
    if tail <= 0.0 {
        return f64::INFINITY.copysign(q);
    }
    let r = (-tail.ln()).sqrt();
    let z = if r <= 5.0 {
        polynomial(r - 1.6, MIDDLE.0) / polynomial(r - 1.6, MIDDLE.1)
    } else {
        polynomial(r - 5.0, FAR.0) / polynomial(r - 5.0, FAR.1)
    };
    z.copysign(q)
}

type Rational = ([f64; 8], [f64; 8]);

const CENTRE: Rational = (
    [
        3.387_132_872_796_366_5,
        1.331_416_678_917_843_8e2,
        1.971_590_950_306_551_3e3,
        1.373_169_376_550_946e4,
        4.592_195_393_154_987e4,
        6.726_577_092_700_87e4,
        3.343_057_558_358_813e4,
        2.509_080_928_730_122_7e3,
    ],
    [
        1.0,
        4.231_333_070_160_091e1,
        6.871_870_074_920_579e2,
        5.394_196_021_424_751e3,
        2.121_379_430_158_659_7e4,
        3.930_789_580_009_271e4,
        2.872_908_573_572_194_3e4,
        5.226_495_278_852_854e3,
    ],
);

const MIDDLE: Rational = (
    [
        1.423_437_110_749_683_5,
        4.630_337_846_156_546,
        5.769_497_221_460_691,
        3.647_848_324_763_204_5,
        1.270_458_252_452_368_4,
        2.417_807_251_774_506e-1,
        2.272_384_498_926_918_4e-2,
        7.745_450_142_783_414e-4,
    ],
    [
        1.0,
        2.053_191_626_637_759,
        1.676_384_830_183_803_8,
        6.897_673_349_851e-1,
        1.481_039_764_274_800_8e-1,
        1.519_866_656_361_645_7e-2,
        5.475_938_084_995_345e-4,
        1.050_750_071_644_416_9e-9,
    ],
);

const FAR: Rational = (
    [
        6.657_904_643_501_103,
        5.463_784_911_164_114,
        1.784_826_539_917_291_3,
        2.965_605_718_285_048_7e-1,
        2.653_218_952_657_612_4e-2,
        1.242_660_947_388_078_4e-3,
        2.711_555_568_743_487_6e-5,
        2.010_334_399_292_288_1e-7,
    ],
    [
        1.0,
        5.998_322_065_558_88e-1,
        1.369_298_809_227_358e-1,
        1.487_536_129_085_061_5e-2,
        7.868_691_311_456_133e-4,
        1.846_318_317_510_054_7e-5,
        1.421_511_758_316_446e-7,
        2.044_263_103_389_939_8e-15,
    ],
);

#[cfg(test)]
#[path = "special_tests.rs"]
mod tests;
