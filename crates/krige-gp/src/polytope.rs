//! Projection onto a box cut by half-spaces.

/// The points `u` with `lower <= u <= upper` and `coefficients[j] . u <= bounds[j]` for all j.
#[derive(Debug, Clone, PartialEq)]
pub struct Polytope {
    /// Lower corner of the box, shape `[d]`.
    pub lower: Vec<f64>,
    /// Upper corner of the box, shape `[d]`. A coordinate with `lower == upper` is fixed.
    pub upper: Vec<f64>,
    /// Normals of the half-spaces, shape `[m][d]`.
    pub coefficients: Vec<Vec<f64>>,
    /// Right-hand sides, shape `[m]`.
    pub bounds: Vec<f64>,
}

/// Sweeps over the half-spaces before the polytope is called empty. Nearly parallel faces need thousands.
const MAX_SWEEPS: usize = 50_000;

/// How much a constraint may be exceeded, relative to its size.
const TOLERANCE: f64 = 1e-10;

impl Polytope {
    /// Returns the largest amount by which `u` exceeds a half-space, relative to the size of its terms;
    /// negative inside.
    pub fn violation(&self, u: &[f64]) -> f64 {
        let excess = |(a, b): (&Vec<f64>, &f64)| (dot(a, u) - b) / size(a, *b);
        self.coefficients.iter().zip(&self.bounds).map(excess).fold(f64::NEG_INFINITY, f64::max)
    }

    /// Returns the point of the polytope that is nearest to `u`, or `None` if none was found because the
    /// polytope is (nearly) empty.
    ///
    /// Coordinate ascent on the dual (Hildreth 1957) with the box kept inside of each one-dimensional
    /// step, which makes a single half-space exact in one step.
    pub fn project(&self, u: &[f64]) -> Option<Vec<f64>> {
        let m = self.bounds.len();
        let mut shifted = u.to_vec(); // u - A^T multipliers
        let mut point = self.clip(&shifted);
        let mut multipliers = vec![0.0; m];
        for _ in 0..MAX_SWEEPS {
            let mut moved = 0.0f64;
            for (previous, (a, bound)) in
                multipliers.iter_mut().zip(self.coefficients.iter().zip(&self.bounds))
            {
                shifted.iter_mut().zip(a).for_each(|(s, a)| *s += *previous * a);
                let multiplier = self.multiplier(&shifted, a, *bound);
                shifted.iter_mut().zip(a).for_each(|(s, a)| *s -= multiplier * a);
                moved = moved.max((multiplier - *previous).abs() * size(a, *bound));
                *previous = multiplier;
            }
            point = self.clip(&shifted);
            let feasible = self.violation(&point) <= TOLERANCE;
            if feasible && (m <= 1 || moved <= 1e-12) {
                return Some(point);
            }
            if moved == 0.0 {
                break;
            }
        }
        (self.violation(&point) <= TOLERANCE).then_some(point)
    }

    fn clip(&self, u: &[f64]) -> Vec<f64> {
        u.iter()
            .zip(self.lower.iter().zip(&self.upper))
            .map(|(u, (lower, upper))| u.max(*lower).min(*upper))
            .collect()
    }

    /// Solves `a . clip(shifted - t a) = bound` for `t >= 0`; 0 when the half-space holds already, the
    /// largest useful `t` when it cannot hold inside of the box.
    fn multiplier(&self, shifted: &[f64], a: &[f64], bound: f64) -> f64 {
        let product = |t: f64| -> (f64, f64) {
            let (mut sum, mut slope) = (0.0, 0.0);
            for k in 0..a.len() {
                let moved = shifted[k] - t * a[k];
                sum += a[k] * moved.max(self.lower[k]).min(self.upper[k]);
                if moved > self.lower[k] && moved < self.upper[k] {
                    slope += a[k] * a[k];
                }
            }
            (sum - bound, slope)
        };
        if product(0.0).0 <= 0.0 {
            return 0.0;
        }
        // Beyond the last breakpoint nothing moves any more.
        let last = (0..a.len())
            .filter(|&k| a[k] != 0.0)
            .map(|k| {
                let end = if a[k] > 0.0 { self.lower[k] } else { self.upper[k] };
                (shifted[k] - end) / a[k]
            })
            .fold(0.0, f64::max);
        let (mut low, mut high) = (0.0, last);
        if product(high).0 > 0.0 {
            return high;
        }
        let mut t = 0.0;
        for _ in 0..200 {
            let (excess, slope) = product(t);
            if excess > 0.0 {
                low = t;
            } else {
                high = t;
            }
            if excess <= 0.0 && excess >= -1e-15 * size(a, bound)
                || high - low <= f64::EPSILON * high
            {
                break;
            }
            let newton = t + excess / slope;
            t = if slope > 0.0 && newton > low && newton < high {
                newton
            } else {
                0.5 * (low + high)
            };
        }
        high
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn size(a: &[f64], bound: f64) -> f64 {
    a.iter().map(|a| a.abs()).sum::<f64>().max(bound.abs()).max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn triangle() -> Polytope {
        Polytope {
            lower: vec![0.0; 2],
            upper: vec![1.0; 2],
            coefficients: vec![vec![1.0, 1.0]],
            bounds: vec![1.0],
        }
    }

    #[track_caller]
    fn check(polytope: &Polytope, from: &[f64], expected: &[f64]) {
        let found = polytope.project(from).unwrap();
        for (f, e) in found.iter().zip(expected) {
            assert!((f - e).abs() < 1e-9, "{found:?} {expected:?}");
        }
    }

    #[test]
    fn hand_values() {
        check(&triangle(), &[0.2, 0.3], &[0.2, 0.3]);
        check(&triangle(), &[1.0, 1.0], &[0.5, 0.5]);
        check(&triangle(), &[2.0, 0.5], &[1.0, 0.0]);
        check(&triangle(), &[-1.0, 0.5], &[0.0, 0.5]);
        let mut wedge = triangle();
        wedge.coefficients.push(vec![-1.0, 1.0]);
        wedge.bounds.push(0.0);
        check(&wedge, &[0.5, 2.0], &[0.5, 0.5]);
        check(&wedge, &[0.0, 0.4], &[0.2, 0.2]);
    }

    #[test]
    fn empty_polytopes_give_none() {
        let mut empty = triangle();
        empty.bounds[0] = -0.1;
        assert_eq!(empty.project(&[0.5, 0.5]), None);
    }

    /// Faces that are nearly parallel where they meet the box: the ascent takes thousands of sweeps.
    #[test]
    fn slow_convergence_is_not_taken_for_emptiness() {
        let rows = [
            [-0.9094598880340004, -0.7592736921117819, 0.5178085286584135, 0.5340982294020536],
            [0.1581929580577351, -0.34341726044429394, 0.32173572295956016, -0.21082781020933633],
            [-0.2695497692045708, 0.3100150208364216, -0.9633701457793435, 0.373804075505588],
        ];
        let polytope = Polytope {
            lower: vec![0.0; 4],
            upper: vec![1.0; 4],
            coefficients: rows.map(|row| row.to_vec()).to_vec(),
            bounds: rows.map(|row| 0.5 * row.iter().sum::<f64>() + 0.1).to_vec(),
        };
        let u =
            [-0.28478044239446865, -0.5495891172787831, -0.5503295560915951, 1.0631332062024836];
        let p = polytope.project(&u).expect("the centre is inside");
        assert!(polytope.violation(&p) <= 1e-9);
    }

    proptest! {
        /// The projection p of u satisfies (u - p).(v - p) <= 0 for every feasible v.
        #[test]
        fn projection_is_the_nearest_point(
            u in prop::collection::vec(-1.0..2.0f64, 4),
            v in prop::collection::vec(0.0..1.0f64, 4),
            rows in prop::collection::vec(prop::collection::vec(-1.0..1.0f64, 4), 3),
        ) {
            // The centre is feasible with slack.
            let bounds = rows.iter().map(|a| 0.5 * a.iter().sum::<f64>() + 0.1).collect();
            let polytope = Polytope {
                lower: vec![0.0; 4], upper: vec![1.0; 4], coefficients: rows, bounds,
            };
            let p = polytope.project(&u).unwrap();
            prop_assert!(polytope.violation(&p) <= 1e-9);
            if polytope.violation(&v) <= 0.0 {
                let product: f64 = (0..4).map(|k| (u[k] - p[k]) * (v[k] - p[k])).sum();
                prop_assert!(product < 1e-6, "{product}");
            }
        }
    }
}
