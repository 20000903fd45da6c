//! Test functions whose optimum is known, all to be minimized.
//!
//! Definitions as collected by Surjanovic and Bingham, *Virtual Library of Simulation Experiments* (2013); where
//! another source is followed, the function names it.

use std::f64::consts::{E, PI, TAU};

use krige_core::search_space::Parameter;
use krige_core::value::{ParameterError, Parameterization};

/// A function to be minimized over a box, perhaps under constraints.
#[derive(Debug, Clone)]
pub struct TestFunction {
    /// Its name, and that of its metric.
    pub name: &'static str,
    /// Lower and upper bound of `x1`, `x2`, …; move them to take a known optimum out of the centre.
    pub bounds: Vec<(f64, f64)>,
    /// Its least value in the box (among the feasible points, if there are constraints).
    pub minimum: f64,
    /// The points where that is reached, as exactly as floats say it.
    pub minimizers: Vec<Vec<f64>>,
    /// The function of a point `[x1, x2, …]`.
    pub objective: fn(&[f64]) -> f64,
    /// The constraints, whose metrics are `c1`, `c2`, …; feasible is where each is at most 0.
    pub constraints: Vec<fn(&[f64]) -> f64>,
}

impl TestFunction {
    /// The parameters `x1`, `x2`, … of its search space.
    pub fn parameters(&self) -> Vec<Parameter> {
        let numbered = (1..).zip(&self.bounds);
        numbered.map(|(i, &(low, high))| Parameter::float(format!("x{i}"), low, high)).collect()
    }

    /// Its value at a point.
    ///
    /// # Errors
    /// If one of `x1`, `x2`, … is missing or no number.
    pub fn evaluate(&self, parameters: &Parameterization) -> Result<f64, ParameterError> {
        self.point(parameters).map(|x| (self.objective)(&x))
    }

    /// All its metrics at a point: its value under its own name, then `c1`, `c2`, ….
    ///
    /// # Errors
    /// If one of `x1`, `x2`, … is missing or no number.
    pub fn measure(
        &self,
        parameters: &Parameterization,
    ) -> Result<Vec<(String, f64)>, ParameterError> {
        let x = self.point(parameters)?;
        let constraints =
            (1..).zip(&self.constraints).map(|(i, constraint)| (format!("c{i}"), constraint(&x)));
        Ok([(self.name.to_owned(), (self.objective)(&x))].into_iter().chain(constraints).collect())
    }

    fn point(&self, parameters: &Parameterization) -> Result<Vec<f64>, ParameterError> {
        (1..=self.bounds.len()).map(|i| parameters.float(&format!("x{i}"))).collect()
    }

    fn boxed(name: &'static str, bounds: Vec<(f64, f64)>, objective: fn(&[f64]) -> f64) -> Self {
        let (minimum, minimizers, constraints) = (0.0, Vec::new(), Vec::new());
        Self { name, bounds, minimum, minimizers, objective, constraints }
    }

    /// Branin: 2 parameters, three global minima.
    pub fn branin() -> Self {
        Self {
            minimum: 0.397_887_357_729_738_16,
            minimizers: vec![vec![-PI, 12.275], vec![PI, 2.275], vec![3.0 * PI, 2.475]],
            ..Self::boxed("branin", vec![(-5.0, 10.0), (0.0, 15.0)], |x| {
                let valley = x[1] - 5.1 / (4.0 * PI * PI) * x[0] * x[0] + 5.0 / PI * x[0] - 6.0;
                valley * valley + 10.0 * (1.0 - 1.0 / (8.0 * PI)) * x[0].cos() + 10.0
            })
        }
    }

    /// Hartmann in 3 parameters: four local minima.
    pub fn hartmann3() -> Self {
        Self {
            minimum: -3.862_779_787_332_663,
            minimizers: vec![vec![
                0.114_588_876_678_967_93,
                0.555_648_894_617_778_4,
                0.852_546_984_686_686_6,
            ]],
            ..Self::boxed("hartmann3", vec![(0.0, 1.0); 3], |x| {
                const A: [[f64; 3]; 4] =
                    [[3.0, 10.0, 30.0], [0.1, 10.0, 35.0], [3.0, 10.0, 30.0], [0.1, 10.0, 35.0]];
                const P: [[f64; 3]; 4] = [
                    [0.3689, 0.1170, 0.2673],
                    [0.4699, 0.4387, 0.7470],
                    [0.1091, 0.8732, 0.5547],
                    [0.0381, 0.5743, 0.8828],
                ];
                hartmann(&A, &P, x)
            })
        }
    }

    /// [`TestFunction::hartmann3`] with knobs that move in steps of an eighth: the same value all over a step.
    pub fn hartmann3_in_steps() -> Self {
        Self {
            minimum: -3.697_365_832_969_871_8,
            minimizers: vec![vec![0.125, 0.5, 0.875]],
            ..Self::boxed("hartmann3_in_steps", vec![(0.0, 1.0); 3], |x| {
                let stepped: Vec<f64> = x.iter().map(|x| (8.0 * x + 0.5).floor() / 8.0).collect();
                (Self::hartmann3().objective)(&stepped)
            })
        }
    }

    /// Hartmann in 6 parameters: six local minima, one of which (-3.2032) holds back many optimizers.
    pub fn hartmann6() -> Self {
        Self {
            minimum: -3.322_368_011_415_515,
            minimizers: vec![vec![
                0.201_689_511_005_125_5,
                0.150_010_691_824_776_94,
                0.476_873_974_222_732_4,
                0.275_332_430_493_810_5,
                0.311_651_616_600_819_36,
                0.657_300_534_065_252_9,
            ]],
            ..Self::boxed("hartmann6", vec![(0.0, 1.0); 6], |x| {
                const A: [[f64; 6]; 4] = [
                    [10.0, 3.0, 17.0, 3.5, 1.7, 8.0],
                    [0.05, 10.0, 17.0, 0.1, 8.0, 14.0],
                    [3.0, 3.5, 1.7, 10.0, 17.0, 8.0],
                    [17.0, 8.0, 0.05, 10.0, 0.1, 14.0],
                ];
                const P: [[f64; 6]; 4] = [
                    [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
                    [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
                    [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
                    [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
                ];
                hartmann(&A, &P, x)
            })
        }
    }

    /// Himmelblau: 2 parameters, four global minima.
    pub fn himmelblau() -> Self {
        Self {
            minimizers: vec![
                vec![3.0, 2.0],
                vec![-2.805_118_086_952_745, 3.131_312_518_250_573],
                vec![-3.779_310_253_377_747, -3.283_185_991_286_169_6],
                vec![3.584_428_340_330_491_7, -1.848_126_526_964_403_6],
            ],
            ..Self::boxed("himmelblau", vec![(-5.0, 5.0); 2], |x| {
                (x[0] * x[0] + x[1] - 11.0).powi(2) + (x[0] + x[1] * x[1] - 7.0).powi(2)
            })
        }
    }

    /// Rosenbrock in `d` parameters, at least 2: a curved valley.
    pub fn rosenbrock(d: usize) -> Self {
        Self {
            minimizers: vec![vec![1.0; d]],
            ..Self::boxed("rosenbrock", vec![(-5.0, 10.0); d], |x| {
                x.windows(2)
                    .map(|w| 100.0 * (w[1] - w[0] * w[0]).powi(2) + (1.0 - w[0]).powi(2))
                    .sum()
            })
        }
    }

    /// A quadratic in `d` parameters, at least 2, with curvatures of 1 to 1,000 along directions that belong to no parameter:
    /// the axes, reflected at the plane across (1, 2, …, d).
    pub fn valley(d: usize) -> Self {
        Self {
            minimizers: vec![vec![0.0; d]],
            ..Self::boxed("valley", vec![(-4.0, 6.0); d], |x| {
                let across = |i: usize| (i + 1) as f64;
                let norm: f64 = (0..x.len()).map(|i| across(i) * across(i)).sum();
                let along: f64 = x.iter().enumerate().map(|(i, x)| across(i) * x).sum();
                let last = (x.len() - 1) as f64;
                let term = |(i, x): (usize, &f64)| {
                    let reflected = x - 2.0 * along / norm * across(i);
                    1000f64.powf(i as f64 / last) * reflected * reflected
                };
                x.iter().enumerate().map(term).sum()
            })
        }
    }

    /// Zakharov in `d` parameters: a plate that is bent along one direction, which belongs to no parameter.
    pub fn zakharov(d: usize) -> Self {
        Self {
            minimizers: vec![vec![0.0; d]],
            ..Self::boxed("zakharov", vec![(-5.0, 10.0); d], |x| {
                let along: f64 = x.iter().enumerate().map(|(i, x)| 0.5 * (i + 1) as f64 * x).sum();
                x.iter().map(|x| x * x).sum::<f64>() + along.powi(2) + along.powi(4)
            })
        }
    }

    /// Ackley in `d` parameters: a funnel with many local minima, its optimum at the centre of the box.
    pub fn ackley(d: usize) -> Self {
        Self {
            minimizers: vec![vec![0.0; d]],
            ..Self::boxed("ackley", vec![(-32.768, 32.768); d], |x| {
                let mean =
                    |f: fn(f64) -> f64| x.iter().map(|&x| f(x)).sum::<f64>() / x.len() as f64;
                -20.0 * (-0.2 * mean(|x| x * x).sqrt()).exp() - mean(|x| (TAU * x).cos()).exp()
                    + 20.0
                    + E
            })
        }
    }

    /// Levy in `d` parameters: many local minima.
    pub fn levy(d: usize) -> Self {
        Self {
            minimizers: vec![vec![1.0; d]],
            ..Self::boxed("levy", vec![(-10.0, 10.0); d], |x| {
                let w: Vec<f64> = x.iter().map(|x| 1.0 + (x - 1.0) / 4.0).collect();
                let (last, rest) = w.split_last().expect("at least one parameter");
                let sum: f64 = rest
                    .iter()
                    .map(|w| (w - 1.0).powi(2) * (1.0 + 10.0 * (PI * w + 1.0).sin().powi(2)))
                    .sum();
                (PI * w[0]).sin().powi(2)
                    + sum
                    + (last - 1.0).powi(2) * (1.0 + (TAU * last).sin().powi(2))
            })
        }
    }

    /// Styblinski–Tang in `d` parameters: 2 to the power of `d` local minima.
    pub fn styblinski_tang(d: usize) -> Self {
        Self {
            minimum: -39.166_165_703_771_42 * d as f64,
            minimizers: vec![vec![-2.903_534_027_725_493_5; d]],
            ..Self::boxed("styblinski_tang", vec![(-5.0, 5.0); d], |x| {
                x.iter().map(|x| x.powi(4) - 16.0 * x * x + 5.0 * x).sum::<f64>() / 2.0
            })
        }
    }

    /// Griewank in `d` parameters: ripples on a bowl, its optimum at the centre of the box.
    pub fn griewank(d: usize) -> Self {
        Self {
            minimizers: vec![vec![0.0; d]],
            ..Self::boxed("griewank", vec![(-600.0, 600.0); d], |x| {
                let bowl = x.iter().map(|x| x * x).sum::<f64>() / 4000.0;
                let ripples: f64 =
                    (1..).zip(x).map(|(i, x)| (x / f64::from(i).sqrt()).cos()).product();
                bowl - ripples + 1.0
            })
        }
    }

    /// The cosine mixture of Breiman and Cutler (1993) in `d` parameters: a bowl with ripples along the axes, its
    /// optimum at the centre of the box.
    pub fn cosine_mixture(d: usize) -> Self {
        Self {
            minimum: -0.1 * d as f64,
            minimizers: vec![vec![0.0; d]],
            ..Self::boxed("cosine_mixture", vec![(-1.0, 1.0); d], |x| {
                x.iter().map(|x| x * x - 0.1 * (5.0 * PI * x).cos()).sum()
            })
        }
    }

    /// The first simulated problem of Gardner et al. (2014): 2 parameters, feasible only in bands.
    pub fn gardner() -> Self {
        Self {
            minimum: -2.0,
            minimizers: vec![vec![1.5 * PI, 0.0]],
            constraints: vec![|x| (x[0] + x[1]).cos() - 0.5],
            ..Self::boxed("gardner", vec![(0.0, 6.0); 2], |x| {
                (2.0 * x[0]).cos() * x[1].cos() + x[0].sin()
            })
        }
    }

    /// The toy problem of Gramacy et al. (2016, eq. 5): a linear objective, 2 parameters, 2 constraints.
    pub fn gramacy() -> Self {
        Self {
            minimum: 0.599_788_052_010_067_6,
            minimizers: vec![vec![0.195_122_683_472_071_7, 0.404_665_368_537_995_9]],
            constraints: vec![
                |x| 1.5 - x[0] - 2.0 * x[1] - 0.5 * (TAU * (x[0] * x[0] - 2.0 * x[1])).sin(),
                |x| x[0] * x[0] + x[1] * x[1] - 1.5,
            ],
            ..Self::boxed("gramacy", vec![(0.0, 1.0); 2], |x| x[0] + x[1])
        }
    }
    /// The pressure vessel of Sandgren (1990) with four continuous parameters: two thicknesses, a radius and a length, which
    /// is held back by three constraints and the box.
    pub fn pressure_vessel() -> Self {
        Self {
            minimum: 5_885.332_773_616_461,
            minimizers: vec![vec![
                0.778_168_641_375_105_4,
                0.384_649_162_627_901_83,
                40.319_618_724_098_724,
                200.0,
            ]],
            constraints: vec![
                |x| 0.0193 * x[2] - x[0],
                |x| 0.00954 * x[2] - x[1],
                // As a share of the volume that is required.
                |x| 1.0 - PI * x[2] * x[2] * (x[3] + 4.0 / 3.0 * x[2]) / 1_296_000.0,
            ],
            ..Self::boxed(
                "pressure_vessel",
                vec![(0.0625, 6.1875), (0.0625, 6.1875), (10.0, 200.0), (10.0, 200.0)],
                |x| {
                    0.6224 * x[0] * x[2] * x[3]
                        + 1.7781 * x[1] * x[2] * x[2]
                        + x[0] * x[0] * (3.1661 * x[3] + 19.84 * x[2])
                },
            )
        }
    }
}

fn hartmann<const D: usize>(a: &[[f64; D]; 4], p: &[[f64; D]; 4], x: &[f64]) -> f64 {
    let bump = |i: usize| -> f64 {
        let square = |j: usize| a[i][j] * (x[j] - p[i][j]).powi(2);
        (-(0..D).map(square).sum::<f64>()).exp()
    };
    -(bump(0) + 1.2 * bump(1) + 3.0 * bump(2) + 3.2 * bump(3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SplitMix;

    fn all() -> Vec<TestFunction> {
        vec![
            TestFunction::branin(),
            TestFunction::hartmann3(),
            TestFunction::hartmann3_in_steps(),
            TestFunction::hartmann6(),
            TestFunction::himmelblau(),
            TestFunction::rosenbrock(4),
            TestFunction::valley(6),
            TestFunction::zakharov(4),
            TestFunction::ackley(5),
            TestFunction::levy(8),
            TestFunction::styblinski_tang(6),
            TestFunction::griewank(3),
            TestFunction::cosine_mixture(4),
            TestFunction::gardner(),
            TestFunction::gramacy(),
            TestFunction::pressure_vessel(),
        ]
    }

    /// The value of a point, if it is feasible.
    fn value(function: &TestFunction, x: &[f64], tolerance: f64) -> Option<f64> {
        let feasible = function.constraints.iter().all(|constraint| constraint(x) <= tolerance);
        feasible.then(|| (function.objective)(x))
    }

    #[test]
    fn the_minimum_is_reached_at_every_minimizer() {
        for function in all() {
            assert!(!function.minimizers.is_empty());
            for x in &function.minimizers {
                let inside = |(x, &(low, high)): (&f64, &(f64, f64))| low <= *x && *x <= high;
                assert_eq!(x.len(), function.bounds.len(), "{}", function.name);
                assert!(x.iter().zip(&function.bounds).all(inside), "{}", function.name);
                let found = value(&function, x, 1e-15).expect("feasible");
                let error = (found - function.minimum).abs();
                assert!(
                    error < 1e-14 * x.len() as f64 * function.minimum.abs().max(1.0),
                    "{}: {found}",
                    function.name
                );
            }
        }
    }

    #[test]
    fn no_point_is_below_the_minimum() {
        for function in all() {
            let mut random = SplitMix::new(&[11]);
            let check = |x: &[f64]| {
                if let Some(found) = value(&function, x, 0.0) {
                    let slack = 1e-13 * function.minimum.abs().max(1.0);
                    assert!(found >= function.minimum - slack, "{} {x:?}: {found}", function.name);
                }
            };
            for round in 0..1000 {
                let somewhere: Vec<f64> = function
                    .bounds
                    .iter()
                    .map(|(low, high)| low + (high - low) * random.uniform())
                    .collect();
                check(&somewhere);
                // And around the minimizers, from a third of the box down to where only the last digits differ.
                let scale = 10_f64.powf(-10.0 * f64::from(round) / 1000.0);
                for best in &function.minimizers {
                    let near: Vec<f64> = best
                        .iter()
                        .zip(&function.bounds)
                        .map(|(x, (low, high))| {
                            let step = scale * (high - low) * (random.uniform() - 0.5);
                            (x + step).clamp(*low, *high)
                        })
                        .collect();
                    check(&near);
                }
            }
        }
    }

    #[test]
    fn values_away_from_the_optimum_are_as_published() {
        // Computed with 50 digits from the definitions.
        for (function, x, expected) in [
            (TestFunction::branin(), vec![2.5, 7.5], 24.129_964_413_622_26),
            (TestFunction::hartmann3(), vec![0.5; 3], -0.628_022_015_070_594_2),
            (TestFunction::hartmann6(), vec![0.5; 6], -0.505_314_991_702_233_2),
            (TestFunction::himmelblau(), vec![0.0, 0.0], 170.0),
            (TestFunction::rosenbrock(3), vec![0.0, 1.0, 2.0], 201.0),
            (TestFunction::valley(3), vec![14.0, 0.0, 0.0], 36_649.964_425_626_94),
            (TestFunction::zakharov(2), vec![1.0, 2.0], 50.3125),
            (TestFunction::hartmann3_in_steps(), vec![0.53, 0.45, 0.5], -0.628_022_015_070_594_2),
            (TestFunction::ackley(2), vec![1.0, 2.0], 5.422_131_717_799_508),
            (TestFunction::levy(2), vec![2.0, 3.0], 1.409_155_445_883_025_5),
            (TestFunction::styblinski_tang(2), vec![1.0, 2.0], -24.0),
            (TestFunction::griewank(2), vec![1.0, 2.0], 0.916_993_262_132_670_8),
            (TestFunction::cosine_mixture(2), vec![0.5, 1.0], 1.35),
            (TestFunction::gardner(), vec![1.0, 2.0], 1.014_649_174_376_090_6),
            (TestFunction::pressure_vessel(), vec![1.0, 1.0, 50.0, 100.0], 8_865.86),
        ] {
            let found = (function.objective)(&x);
            let error = (found - expected).abs() / expected.abs();
            assert!(error < 1e-13, "{} {x:?}: {found}", function.name);
        }
    }

    #[test]
    fn metrics_and_parameters_are_named() {
        let gramacy = TestFunction::gramacy();
        let names: Vec<_> = gramacy.parameters().iter().map(|p| p.name().to_owned()).collect();
        assert_eq!(names, ["x1", "x2"]);
        let measured = gramacy.measure(&[("x1", 1.0), ("x2", 1.0)].into()).expect("measured");
        let names: Vec<_> = measured.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["gramacy", "c1", "c2"]);
        assert_eq!(measured[0].1, 2.0);
        assert_eq!(measured[2].1, 0.5);
        assert!(gramacy.evaluate(&[("x1", 1.0)].into()).is_err());
    }
}
