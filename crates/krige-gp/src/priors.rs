//! Prior densities of the hyperparameters.

use std::f64::consts::SQRT_2;

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

/// What is believed about the hyperparameters before data, for standardized outputs on the unit cube.
#[derive(Debug, Clone, PartialEq)]
pub struct Priors {
    /// Of every lengthscale.
    pub lengthscale: LogNormal,
    /// Smallest and largest lengthscale.
    pub lengthscale_bounds: (f64, f64),
    /// Standard deviation of the log outputscale around 0, or `None` where the outputscale is 1.
    pub outputscale: Option<f64>,
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
    /// what clean data can show: what data say nothing about is decided by the mode, and predictions are
    /// no sharper than that.
    pub fn low_noise(d: usize) -> Self {
        Self {
            lengthscale: lengthscale(d),
            lengthscale_bounds: (0.025, 400.0),
            outputscale: Some(0.7),
            noise: LogNormal { location: -8.0, scale: 3.6 },
            noise_floor: 1e-10,
            noise_start: 1e-5,
        }
    }

    /// Returns the priors of Ax 1.3 for `d` dimensions: outputscale 1, noise of at least 1e-4 and most
    /// likely 0.0067.
    pub fn ax(d: usize) -> Self {
        let noise = LogNormal { location: -4.0, scale: 1.0 };
        Self {
            lengthscale: lengthscale(d),
            lengthscale_bounds: (0.025, 1e6),
            outputscale: None,
            noise,
            noise_floor: 1e-4,
            noise_start: noise.mode(),
        }
    }
}

fn lengthscale(d: usize) -> LogNormal {
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
            let prior = lengthscale(d);
            assert!((prior.location - location).abs() < 1e-6);
            assert!((prior.mode() / mode - 1.0).abs() < 1e-5);
            assert!((prior.location.exp() / median - 1.0).abs() < 1e-5);
        }
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
