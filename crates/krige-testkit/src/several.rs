//! Test functions of several objectives, all to be minimized, whose attainable hypervolume is known.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_PI_2};

use crate::TestFunction;

/// Objectives to be minimized together over the unit cube, perhaps under a constraint.
#[derive(Debug, Clone)]
pub struct MultiObjectiveFunction {
    /// Its name.
    pub name: &'static str,
    /// The number of parameters.
    pub dimension: usize,
    /// The worst value of each objective that is of interest, shape `[m]`.
    pub reference: Vec<f64>,
    /// The volume between `reference` and the front: no set of feasible points covers more.
    pub hypervolume: f64,
    /// The m objectives at a point of the cube.
    pub objectives: fn(&[f64]) -> Vec<f64>,
    /// The constraints; feasible is where each is at most 0.
    pub constraints: Vec<fn(&[f64]) -> f64>,
}

impl MultiObjectiveFunction {
    /// Branin against the function of Currin et al. (1991): 2 parameters.
    pub fn branin_currin() -> Self {
        Self {
            name: "branin_currin",
            dimension: 2,
            reference: vec![18.0, 6.0],
            // Belakaria et al. 2019; computed with BoTorch 0.18.1 (`BraninCurrin`).
            hypervolume: 59.360_118_748_677_46,
            objectives: |u| {
                let branin = (TestFunction::branin().objective)(&[15.0 * u[0] - 5.0, 15.0 * u[1]]);
                let x = u[0];
                let above = ((2300.0 * x + 1900.0) * x + 2092.0) * x + 60.0;
                let below = ((100.0 * x + 500.0) * x + 4.0) * x + 20.0;
                vec![branin, -(-0.5 / u[1]).exp_m1() * above / below]
            },
            constraints: Vec::new(),
        }
    }

    /// DTLZ2 of Deb et al. (2002) with two objectives: the front is a quarter of a circle.
    pub fn dtlz2_2() -> Self {
        Self {
            name: "dtlz2_2",
            dimension: 6,
            reference: vec![1.1; 2],
            // 1.1^2 - pi / 4.
            hypervolume: 1.21 - std::f64::consts::FRAC_PI_4,
            objectives: dtlz2::<2>,
            constraints: Vec::new(),
        }
    }

    /// DTLZ2 with three objectives: the front is an eighth of a sphere.
    pub fn dtlz2_3() -> Self {
        Self {
            name: "dtlz2_3",
            reference: vec![1.1; 3],
            // 1.1^3 - pi / 6.
            hypervolume: 1.331 - std::f64::consts::FRAC_PI_6,
            objectives: dtlz2::<3>,
            ..Self::dtlz2_2()
        }
    }

    /// C2-DTLZ2 of Jain and Deb (2014, r = 0.2) in 4 parameters: three arcs of the circle are feasible.
    pub fn c2_dtlz2() -> Self {
        Self {
            name: "c2_dtlz2",
            dimension: 4,
            // The integral over the arcs, which end at the angles 2 asin(r / 2) from the axes and 2 asin(r / sqrt(2))
            // from the diagonal; 20001 points along the front cover 0.40002.
            hypervolume: 0.400_056_668_176_019_9,
            constraints: vec![|u| {
                let f = dtlz2::<2>(u);
                let square = |a: f64, b: f64| (f[0] - a).powi(2) + (f[1] - b).powi(2);
                let middle = square(FRAC_1_SQRT_2, FRAC_1_SQRT_2) - 0.08;
                (square(1.0, 0.0) - 0.04).min(square(0.0, 1.0) - 0.04).min(middle)
            }],
            ..Self::dtlz2_2()
        }
    }
}

/// Deb et al. 2002, eq. 9: the first M - 1 parameters are angles, the others a distance.
fn dtlz2<const M: usize>(u: &[f64]) -> Vec<f64> {
    let (angles, rest) = u.split_at(M - 1);
    let radius = 1.0 + rest.iter().map(|x| (x - 0.5).powi(2)).sum::<f64>();
    let cosines =
        |count: usize| -> f64 { angles[..count].iter().map(|x| (x * FRAC_PI_2).cos()).product() };
    let sine = |i: usize| if i == 0 { 1.0 } else { (angles[M - 1 - i] * FRAC_PI_2).sin() };
    (0..M).map(|i| radius * cosines(M - 1 - i) * sine(i)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_an_independent_program() {
        // Computed in Python from the definitions of BoTorch 0.18.1.
        for (function, u, expected) in [
            (
                MultiObjectiveFunction::branin_currin(),
                vec![0.3, 0.8],
                vec![45.17549781982301, 6.210229357947252],
            ),
            (
                MultiObjectiveFunction::dtlz2_2(),
                vec![0.3, 0.8, 0.1, 0.9, 0.4, 0.6],
                vec![1.2741393295893662, 0.6492064146275519],
            ),
            (
                MultiObjectiveFunction::dtlz2_3(),
                vec![0.3, 0.8, 0.1, 0.9, 0.4, 0.6],
                vec![0.36895045181803227, 1.1355127315937292, 0.6083472696509927],
            ),
        ] {
            let found = (function.objectives)(&u);
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(&expected) {
                assert!(
                    (found - expected).abs() < 1e-13 * expected.abs().max(1.0),
                    "{u:?}: {found}"
                );
            }
        }
    }

    /// The front of DTLZ2 is where the distance is zero: the unit sphere.
    #[test]
    fn fronts_cover_almost_the_volume_that_is_claimed() {
        for function in [MultiObjectiveFunction::dtlz2_2(), MultiObjectiveFunction::c2_dtlz2()] {
            let mut front: Vec<Vec<f64>> = (0..=4000)
                .map(|i| {
                    let mut u = vec![0.5; function.dimension];
                    u[0] = f64::from(i) / 4000.0;
                    u
                })
                .filter(|u| function.constraints.iter().all(|c| c(u) <= 1e-12))
                .map(|u| (function.objectives)(&u))
                .collect();
            front.sort_by(|a, b| a[0].total_cmp(&b[0]));
            let (mut covered, mut best) = (0.0, function.reference[1]);
            for f in front {
                covered += (function.reference[0] - f[0]) * (best - f[1]).max(0.0);
                best = best.min(f[1]);
            }
            let left = function.hypervolume - covered;
            assert!(left > 0.0 && left < 1e-3, "{}: {left}", function.name);
        }
    }
}
