//! Expected hypervolume improvement over a front that is known.

use crate::pareto::Cell;
use crate::special::{log_h, log_ndtr, log1mexp, normal_cdf};

/// A strip of less than this relative width is integrated by its middle, to a relative error of 1e-9; the difference
/// of two logarithms has lost as many digits there.
const THIN: f64 = 1e-4;

/// Below this the difference of two values of [`log_h`] is taken from its series, as the values are.
const FAR: f64 = -100.0;

/// A bound as an objective sees it from a point: `u = (mean - bound) / sigma`, `ln h(u)` and its slope.
#[derive(Debug, Clone, Copy)]
struct Seen {
    u: f64,
    log_h: f64,
    slope: f64,
}

impl Seen {
    fn new(u: f64) -> Self {
        let (log_h, slope) = log_h(u);
        Self { u, log_h, slope }
    }
}

/// A value and its derivatives with respect to a shift of `u` and to the logarithm of a scale of `u`.
#[derive(Debug, Clone, Copy)]
struct Strip {
    value: f64,
    d_shift: f64,
    d_scale: f64,
}

/// `ln(h(lower.u) - h(upper.u))`: the expected improvement between two bounds, in standard deviations.
fn strip(lower: Seen, upper: Option<Seen>) -> Strip {
    let Some(upper) = upper else {
        return Strip { value: lower.log_h, d_shift: lower.slope, d_scale: lower.slope * lower.u };
    };
    let (b, a) = (lower.u, upper.u);
    let (width, middle) = (b - a, 0.5 * (a + b));
    if width * (1.0 + middle.abs()) < THIN {
        let (log_cdf, ratio) = log_ndtr(middle);
        let value = width.ln() + log_cdf;
        return Strip { value, d_shift: ratio, d_scale: 1.0 + ratio * middle };
    }
    if a > 0.0 {
        // h(u) = u + h(-u): most of the strip is improved for sure, and the rest keeps its digits.
        let tail = |u: f64| log_h(-u).0.exp();
        let difference = width - (tail(a) - tail(b));
        let (below_b, below_a) = (normal_cdf(-b), normal_cdf(-a));
        return Strip {
            value: difference.ln(),
            d_shift: (below_a - below_b) / difference,
            d_scale: (width - (b * below_b - a * below_a)) / difference,
        };
    }
    let log_ratio = if b < FAR {
        // ln h(u) = -u^2/2 - 2 ln|u| - 3/u^2 + ... + constant; squares cancel before they are rounded.
        let squares = 2.0 * middle * width;
        0.5 * squares - 2.0 * (-width / b).ln_1p() - 3.0 * squares / (a * a) / (b * b)
    } else {
        upper.log_h - lower.log_h
    };
    let rest = log1mexp(log_ratio);
    let d_lower = lower.slope * (-rest).exp();
    let d_upper = -upper.slope * (log_ratio - rest).exp();
    Strip {
        value: lower.log_h + rest,
        d_shift: d_lower + d_upper,
        d_scale: d_lower * b + d_upper * a,
    }
}

/// A value with its derivatives with respect to the mean and variance of each objective.
#[derive(Debug, Clone)]
pub(super) struct Evaluation {
    pub(super) value: f64,
    pub(super) d_mean: Vec<f64>,
    pub(super) d_variance: Vec<f64>,
}

/// What a front leaves open, in the models' units.
#[derive(Debug, Clone)]
pub(super) struct OpenSpace {
    /// The distinct finite bounds of all cells, one list for each objective.
    bounds: Vec<Vec<f64>>,
    /// Shape `[cells][m]`: places of lower and upper bound; no upper bound is infinity.
    cells: Vec<Vec<(usize, Option<usize>)>>,
}

impl OpenSpace {
    /// Takes at least one cell.
    pub(super) fn new(open: &[Cell]) -> Self {
        let m = open[0].lower.len();
        let bounds: Vec<Vec<f64>> = (0..m)
            .map(|j| {
                let ends = open.iter().flat_map(|cell| [cell.lower[j], cell.upper[j]]);
                let mut bounds: Vec<f64> = ends.filter(|bound| bound.is_finite()).collect();
                bounds.sort_by(f64::total_cmp);
                bounds.dedup();
                bounds
            })
            .collect();
        let place = |j: usize, bound: f64| bounds[j].partition_point(|other| *other < bound);
        let side = |j: usize, cell: &Cell| {
            let upper = Some(cell.upper[j]).filter(|bound| bound.is_finite());
            (place(j, cell.lower[j]), upper.map(|upper| place(j, upper)))
        };
        let cells = open.iter().map(|cell| (0..m).map(|j| side(j, cell)).collect()).collect();
        Self { bounds, cells }
    }

    /// `ln E[(volume added)^+]` for independent values of m objectives with the means and variances `at`.
    pub(super) fn evaluate(&self, at: &[(f64, f64)]) -> Evaluation {
        let sigmas: Vec<f64> = at.iter().map(|(_, variance)| variance.sqrt()).collect();
        let seen: Vec<Vec<Seen>> = at
            .iter()
            .zip(&sigmas)
            .zip(&self.bounds)
            .map(|(((mean, _), sigma), bounds)| {
                bounds.iter().map(|bound| Seen::new((mean - bound) / sigma)).collect()
            })
            .collect();
        let strips: Vec<Vec<Strip>> = self
            .cells
            .iter()
            .map(|cell| {
                let sides = cell.iter().zip(&seen);
                sides.map(|(&(low, high), seen)| strip(seen[low], high.map(|k| seen[k]))).collect()
            })
            .collect();
        let logs: Vec<f64> =
            strips.iter().map(|cell| cell.iter().map(|strip| strip.value).sum()).collect();
        let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = logs.iter().map(|log| (log - largest).exp()).sum();
        let m = at.len();
        let (mut shift, mut scale) = (vec![0.0; m], vec![0.0; m]);
        for (cell, log) in strips.iter().zip(&logs) {
            let share = (log - largest).exp() / total;
            for (j, strip) in cell.iter().enumerate() {
                shift[j] += share * strip.d_shift;
                scale[j] += share * strip.d_scale;
            }
        }
        let value = sigmas.iter().map(|sigma| sigma.ln()).sum::<f64>() + largest + total.ln();
        let d_mean = shift.iter().zip(&sigmas).map(|(d, sigma)| d / sigma).collect();
        let d_variance =
            scale.iter().zip(at).map(|(d, (_, variance))| (1.0 - d) / (2.0 * variance)).collect();
        Evaluation { value, d_mean, d_variance }
    }
}

#[cfg(test)]
#[path = "ehvi_cells_tests.rs"]
mod tests;
