//! Prior densities of the hyperparameters.

use std::f64::consts::SQRT_2;

use crate::regression::RELATIVE_NOISE_FLOOR;
use crate::special::LN_SQRT_2PI;

/// A log-normal distribution: the logarithm has mean `location` and standard deviation `scale`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogNormal {
    /// Mean of the logarithm.
    pub location: f64,
    /// Standard deviation of the logarithm.
    pub scale: f64,
}

impl LogNormal {
    /// Returns the log density of `x` (not of its logarithm) and its derivative with respect to `ln x`.
    pub fn log_density(&self, x: f64) -> (f64, f64) {
        let z = (x.ln() - self.location) / self.scale;
        (-x.ln() - self.scale.ln() - LN_SQRT_2PI - 0.5 * z * z, -1.0 - z / self.scale)
    }

    /// Returns the value of the highest density.
    pub fn mode(&self) -> f64 {
        (self.location - self.scale * self.scale).exp()
    }
}

/// What is believed of a lengthscale: log-normal, but for a heavier upper tail.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LengthscalePrior {
    /// The distribution up to the tail.
    pub body: LogNormal,
    /// Above the mode the log density falls by at most this per unit of the log lengthscale: an infinite value leaves
    /// the body as it is, 1 makes a tail in which every factor is as likely as the next.
    pub tail_slope: f64,
}

impl LengthscalePrior {
    /// Returns the log density of `x` (not of its logarithm) and its derivative with respect to `ln x`.
    ///
    /// With a tail it does not integrate to one, which makes no difference to where it is largest.
    pub fn log_density(&self, x: f64) -> (f64, f64) {
        let variance = self.body.scale * self.body.scale;
        let tail = self.mode() * (self.tail_slope * variance).exp();
        if x <= tail {
            return self.body.log_density(x);
        }
        let (at_tail, slope) = self.body.log_density(tail);
        (at_tail + slope * (x / tail).ln(), slope)
    }

    /// Returns the value of the highest density.
    pub fn mode(&self) -> f64 {
        self.body.mode()
    }
}

/// What is believed of an outputscale: log-normal around 1, but for a flat upper tail where that is asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OutputscalePrior {
    /// Standard deviation of the logarithm.
    pub scale: f64,
    /// Whether every outputscale above 1 is as likely as 1.
    pub flat_above: bool,
}

impl OutputscalePrior {
    /// Returns the log density, up to a constant, of the outputscale with logarithm `t`, and its derivative.
    pub fn log_density(&self, t: f64) -> (f64, f64) {
        if self.flat_above && t > 0.0 {
            return (0.0, 0.0);
        }
        let z = t / self.scale;
        (-0.5 * z * z, -z / self.scale)
    }
}

/// What is believed about the hyperparameters before data, for standardized outputs on the unit cube.
#[derive(Debug, Clone, PartialEq)]
pub struct Priors {
    /// Of every lengthscale.
    pub lengthscale: LengthscalePrior,
    /// Smallest and largest lengthscale.
    pub lengthscale_bounds: (f64, f64),
    /// Of the outputscale, or `None` where it is 1.
    pub outputscale: Option<OutputscalePrior>,
    /// Of the noise variance.
    pub noise: LogNormal,
    /// Smallest noise variance.
    pub noise_floor: f64,
    /// Noise variance that a fit starts from.
    pub noise_start: f64,
}

/// Largest distance of the outputscale from 1, as a factor.
pub(crate) const OUTPUTSCALE_RANGE: f64 = 1e4;

/// Largest noise variance, in standardized units.
pub(crate) const NOISE_CEILING: f64 = 1e2;

impl Priors {
    /// Returns priors that allow almost noise-free data and a free outputscale, for `d` dimensions.
    ///
    /// The lengthscale prior grows with sqrt(d) (Hvarfner et al. 2024), which keeps high-dimensional
    /// fits from collapsing to white noise. The noise prior is wide, so that its mode, 8e-10, stays below
    /// what clean data can show: what data say nothing about is decided by the mode. The smallest noise is what
    /// rounding allows, as data that lie close together tell of less.
    pub fn low_noise(d: usize) -> Self {
        Self {
            lengthscale: LengthscalePrior { body: ax_lengthscale(d), tail_slope: f64::INFINITY },
            lengthscale_bounds: (0.025, 400.0),
            outputscale: Some(OutputscalePrior { scale: 0.7, flat_above: false }),
            noise: LogNormal { location: -8.0, scale: 3.6 },
            noise_floor: RELATIVE_NOISE_FLOOR,
            noise_start: 1e-5,
        }
    }

    /// Returns [`Priors::low_noise`] for a single objective: about lengthscales more is believed.
    ///
    /// With t = ln l the log density is, up to a constant, -(t - ln m)² / (2 0.7²) with the mode m = d^(2/3) / 8,
    /// and goes on along its tangent from where that falls by 1 per unit of t, as 1/l. That the mode grows with d
    /// is from Hvarfner et al. (2024), where it does so as sqrt(d), and the scale is sqrt(3). This one is narrower,
    /// so that a few points do not make one dimension matter much and the next one not at all, but for its upper
    /// tail, which lets dimensions that do not matter go.
    ///
    /// Fits start from the mode of the noise: from more of it they may end where noise explains what short
    /// lengthscales do better.
    pub fn low_noise_objective(d: usize) -> Self {
        let low_noise = Self::low_noise(d);
        let scale = 0.7;
        let mode = (d.max(1) as f64).powi(2).cbrt() / 8.0;
        let location = mode.ln() + scale * scale;
        let lengthscale = LengthscalePrior { body: LogNormal { location, scale }, tail_slope: 1.0 };
        Self { lengthscale, noise_start: low_noise.noise.mode(), ..low_noise }
    }

    /// Returns [`Priors::low_noise_objective`] for the infinitely smooth kernel, which may be a polynomial where the
    /// lengthscales are long and the outputscale large: that is as likely as anything.
    pub fn smooth_objective(d: usize) -> Self {
        let outputscale = Some(OutputscalePrior { scale: 0.7, flat_above: true });
        Self { outputscale, ..Self::low_noise_objective(d) }
    }

    /// Returns the priors of Ax 1.3 for `d` dimensions: outputscale 1, noise of at least 1e-4 and most
    /// likely 0.0067.
    pub fn ax(d: usize) -> Self {
        let noise = LogNormal { location: -4.0, scale: 1.0 };
        Self {
            lengthscale: LengthscalePrior { body: ax_lengthscale(d), tail_slope: f64::INFINITY },
            lengthscale_bounds: (0.025, 1e6),
            outputscale: None,
            noise,
            noise_floor: 1e-4,
            noise_start: noise.mode(),
        }
    }
}

fn ax_lengthscale(d: usize) -> LogNormal {
    LogNormal { location: SQRT_2 + 0.5 * (d.max(1) as f64).ln(), scale: 3f64.sqrt() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Modes and medians computed with torch's LogNormal in f64.
    #[test]
    fn lengthscale_prior_matches_reference() {
        for (d, location, mode, median) in [
            (1, std::f64::consts::SQRT_2, 0.204787, 4.11325),
            (6, 2.310093, 0.501623, 10.07536),
            (20, 2.912080, 0.915834, 18.39501),
            (100, 3.716799, 2.047867, 41.1325),
        ] {
            let prior = ax_lengthscale(d);
            assert!((prior.location - location).abs() < 1e-6);
            assert!((prior.mode() / mode - 1.0).abs() < 1e-5);
            assert!((prior.location.exp() / median - 1.0).abs() < 1e-5);
        }
    }

    #[test]
    fn lengthscales_of_an_objective_grow_with_the_dimension() {
        for (d, mode) in [(1, 0.125), (8, 0.5), (27, 1.125)] {
            let prior = Priors::low_noise_objective(d).lengthscale;
            assert!((prior.mode() - mode).abs() < 1e-12);
            assert!(prior.log_density(prior.mode()).1.abs() < 1e-12);
        }
    }

    /// The tail goes on where the body ends, in the same direction, and is never steeper.
    #[test]
    fn the_tail_of_a_lengthscale_is_smooth_and_heavy() {
        let prior = Priors::low_noise_objective(6).lengthscale;
        let tail = prior.mode() * 0.49f64.exp();
        let ((below, slope_below), (above, slope_above)) =
            (prior.log_density(tail * (1.0 - 1e-9)), prior.log_density(tail * (1.0 + 1e-9)));
        assert!((below - above).abs() < 1e-8 && (slope_below - slope_above).abs() < 1e-8);
        assert!((slope_above + 1.0).abs() < 1e-8);
        let (far, slope) = prior.log_density(100.0);
        assert!((slope_above - slope).abs() < 1e-8);
        assert!((above - far - (100.0 / tail).ln()).abs() < 1e-6);
        let ax = Priors::ax(6).lengthscale;
        assert_eq!(ax.log_density(100.0), ax.body.log_density(100.0));
    }

    #[test]
    fn a_large_outputscale_is_unlikely_but_for_the_smooth_kernel() {
        let density =
            |priors: Priors, t: f64| priors.outputscale.expect("it is free").log_density(t);
        let (plain, smooth) = (Priors::low_noise_objective(3), Priors::smooth_objective(3));
        assert_eq!(density(plain.clone(), 1.4), (-2.0, -1.4 / 0.49));
        assert_eq!(density(smooth.clone(), 1.4), (0.0, 0.0));
        assert_eq!(density(smooth, -1.4), density(plain, -1.4));
    }

    #[test]
    fn density_is_highest_at_the_mode_and_integrates_to_one() {
        let prior = LogNormal { location: -1.0, scale: 0.5 };
        assert!(prior.log_density(prior.mode()).1.abs() < 1e-12);
        let sum: f64 =
            (1..40_000).map(|i| prior.log_density(f64::from(i) * 1e-4).0.exp() * 1e-4).sum();
        assert!((sum - 1.0).abs() < 1e-4);
    }
}
