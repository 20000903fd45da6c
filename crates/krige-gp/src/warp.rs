//! Monotone maps from natural outputs to standardized ones, and back.
//!
//! A Gaussian process fits best when its outputs look Gaussian. Objectives often have a long tail of bad
//! values, or a few good ones that stand out; a power transform that squeezes the one and spreads the other is
//! chosen by evidence.

/// The shape of the map, before standardization.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Warp {
    /// None.
    Identity,
    /// Yeo and Johnson 2000, with parameter `lambda`, applied to the badness of an objective: below 1 it
    /// squeezes bad values and spreads good ones, above 1 it does the opposite. 1 is the identity.
    YeoJohnson {
        /// The power.
        lambda: f64,
    },
    /// `sign(v) ln(1 + |v|)` of the distance v from `bound`: keeps its resolution where a constraint is decided.
    Bilog {
        /// Where resolution matters, in natural units.
        bound: f64,
    },
}

/// A warp with the location and scale of its data: natural outputs (larger is better) to standardized ones.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputTransform {
    /// The shape.
    pub warp: Warp,
    /// Median of the outputs.
    centre: f64,
    /// Spread of the outputs around the median.
    scale: f64,
    /// Smallest and largest output.
    range: (f64, f64),
    mean: f64,
    sd: f64,
}

/// The median of values that are not empty.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    0.5 * (values[(n - 1) / 2] + values[n / 2])
}

/// Mean and standard deviation (n - 1) of values that are not empty; scaled, so that nothing overflows.
pub(crate) fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().map(|v| v / n).sum::<f64>();
    let largest = values.iter().map(|v| (v - mean).abs()).fold(0.0, f64::max);
    if largest == 0.0 {
        return (mean, 0.0);
    }
    let squares: f64 = values.iter().map(|v| ((v - mean) / largest).powi(2)).sum();
    (mean, largest * (squares / (n - 1.0).max(1.0)).sqrt())
}

impl OutputTransform {
    /// Makes the map for outputs `y`, shape `[n]`, that are finite and not all equal.
    pub fn new(warp: Warp, y: &[f64]) -> Self {
        let centre = median(&mut y.to_vec());
        let mut deviations: Vec<f64> = y.iter().map(|y| (y - centre).abs()).collect();
        // 1.4826 makes the median absolute deviation a standard deviation for Gaussian data.
        let robust = 1.4826 * median(&mut deviations);
        let (_, sd) = moments(y);
        let scale = if robust > 1e-9 * sd { robust } else { sd };
        let range = y
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), y| (low.min(*y), high.max(*y)));
        let mut transform = Self { warp, centre, scale, range, mean: 0.0, sd: 1.0 };
        let warped: Vec<f64> = y.iter().map(|y| transform.forward(*y)).collect();
        (transform.mean, transform.sd) = moments(&warped);
        transform
    }

    /// Makes a map for outputs that are all equal to `value`, with a spread that has to be assumed.
    pub fn constant(value: f64, spread: f64) -> Self {
        Self {
            warp: Warp::Identity,
            centre: 0.0,
            scale: 1.0,
            range: (value, value),
            mean: value,
            sd: spread,
        }
    }

    /// Returns the standardized value of the natural value `y`. Infinities stay infinite.
    pub fn forward(&self, y: f64) -> f64 {
        if y.is_infinite() {
            return y;
        }
        let warped = match self.warp {
            Warp::Identity => (y - self.centre) / self.scale,
            Warp::YeoJohnson { lambda } => -yeo_johnson(lambda, (self.centre - y) / self.scale),
            Warp::Bilog { bound } => {
                let v = (y - bound) / self.scale;
                v.abs().ln_1p().copysign(v)
            }
        };
        (warped - self.mean) / self.sd
    }

    /// Returns the logarithm of the derivative of [`OutputTransform::forward`] at `y`.
    pub fn log_slope(&self, y: f64) -> f64 {
        let shape = match self.warp {
            Warp::Identity => 0.0,
            Warp::YeoJohnson { lambda } => {
                let t = (self.centre - y) / self.scale;
                if t >= 0.0 { (lambda - 1.0) * t.ln_1p() } else { (1.0 - lambda) * (-t).ln_1p() }
            }
            Warp::Bilog { bound } => -((y - bound) / self.scale).abs().ln_1p(),
        };
        shape - self.scale.ln() - self.sd.ln()
    }

    /// Returns the natural value of the standardized value `z`.
    ///
    /// A squeezed tail ends: what lies beyond is reported as ten ranges of the data worse than the worst, or better
    /// than the best.
    pub fn inverse(&self, z: f64) -> f64 {
        let warped = self.mean + self.sd * z;
        match self.warp {
            Warp::Identity => self.centre + self.scale * warped,
            Warp::YeoJohnson { lambda } => {
                let (low, high) = self.range;
                let (worst, best) = (low - 10.0 * (high - low), high + 10.0 * (high - low));
                (self.centre - self.scale * inverse_yeo_johnson(lambda, -warped)).clamp(worst, best)
            }
            Warp::Bilog { bound } => bound + self.scale * warped.abs().exp_m1().copysign(warped),
        }
    }

    /// Returns median and standard deviation in natural units of a Gaussian in standardized ones; the
    /// deviation is half the distance between the quantiles at one standard deviation.
    pub fn untransform(&self, mean: f64, sd: f64) -> (f64, f64) {
        (self.inverse(mean), 0.5 * (self.inverse(mean + sd) - self.inverse(mean - sd)))
    }
}

fn yeo_johnson(lambda: f64, t: f64) -> f64 {
    let power = |base: f64, exponent: f64| {
        if exponent == 0.0 { base.ln_1p() } else { (exponent * base.ln_1p()).exp_m1() / exponent }
    };
    if t >= 0.0 { power(t, lambda) } else { -power(-t, 2.0 - lambda) }
}

fn inverse_yeo_johnson(lambda: f64, g: f64) -> f64 {
    let root = |value: f64, exponent: f64| {
        if exponent == 0.0 {
            value.exp_m1()
        } else if exponent * value <= -1.0 {
            f64::INFINITY
        } else {
            ((exponent * value).ln_1p() / exponent).exp_m1()
        }
    };
    if g >= 0.0 { root(g, lambda) } else { -root(-g, 2.0 - lambda) }
}

/// Clips bad outliers as Ax does: outputs below the lower Tukey fence, quartiles taken at data points.
/// Outputs that would all become equal are left alone: the outliers are then all there is to learn.
pub fn winsorize(y: &[f64]) -> Vec<f64> {
    let mut sorted = y.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = (sorted.len() - 1) as f64;
    let (q1, q3) = (sorted[(0.25 * last).floor() as usize], sorted[(0.75 * last).ceil() as usize]);
    let fence = q1 - 1.5 * (q3 - q1);
    if sorted.last().is_some_and(|best| *best <= fence) {
        return y.to_vec();
    }
    y.iter().map(|y| y.max(fence)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hand_values() {
        assert_eq!(yeo_johnson(1.0, 2.5), 2.5);
        assert!((yeo_johnson(0.0, 1.0) - 2f64.ln()).abs() < 1e-15);
        assert!((yeo_johnson(-1.0, 3.0) - 0.75).abs() < 1e-15);
        assert!((yeo_johnson(0.0, -1.0) + 1.5).abs() < 1e-15);
        assert!((yeo_johnson(-1.0, -1.0) + 7.0 / 3.0).abs() < 1e-15);
        assert_eq!(winsorize(&[0.0, 1.0, 2.0, 3.0, -100.0]), [0.0, 1.0, 2.0, 3.0, -3.0]);
        assert_eq!(winsorize(&[1.0, 1.0, 0.0, 1.0, 1.0]), [1.0, 1.0, 0.0, 1.0, 1.0]);
    }

    #[test]
    fn squeezed_tails_end_at_a_finite_value() {
        let y = [0.0, 1.0, 2.0, 3.0, 4.0, -50.0];
        let transform = OutputTransform::new(Warp::YeoJohnson { lambda: -1.0 }, &y);
        assert_eq!(transform.inverse(-1e6), -50.0 - 540.0);
        let (_, sd) = transform.untransform(-1.0, 3.0);
        assert!(sd.is_finite() && sd > 0.0);
        let y = y.map(|y| -y);
        let transform = OutputTransform::new(Warp::YeoJohnson { lambda: 3.0 }, &y);
        assert_eq!(transform.inverse(1e6), 50.0 + 540.0);
    }

    proptest! {
        #[test]
        fn maps_are_increasing_and_invert(
            y in prop::collection::vec(-1e3..1e3f64, 6),
            a in -1e3..1e3f64,
            b in -1e3..1e3f64,
        ) {
            let lambdas = [3.0, 2.0, 1.5, 1.0, 0.5, 0.0, -0.5, -1.0].map(|lambda| Warp::YeoJohnson { lambda });
            for warp in lambdas.into_iter().chain([Warp::Identity, Warp::Bilog { bound: 3.0 }]) {
                let transform = OutputTransform::new(warp, &y);
                let z = y.iter().map(|y| transform.forward(*y)).collect::<Vec<_>>();
                let (mean, sd) = moments(&z);
                prop_assert!(mean.abs() < 1e-9 && (sd - 1.0).abs() < 1e-9);
                for y in &y {
                    prop_assert!((transform.inverse(transform.forward(*y)) - y).abs() < 1e-6);
                }
                let (low, high) = (a.min(b), a.max(b));
                prop_assert!(transform.forward(low) <= transform.forward(high));
                let step = 1e-4 * (1.0 + a.abs());
                let slope = (transform.forward(a + step) - transform.forward(a - step)) / (2.0 * step);
                // The second derivative jumps where a warp changes branch.
                prop_assert!((slope.ln() - transform.log_slope(a)).abs() < 1e-2);
            }
        }
    }
}
