//! The maths of krige: Gaussian-process regression on the unit cube, acquisition functions and their
//! optimizers. Arrays in, arrays out: nothing here knows a trial, a file or a clock, and every random
//! choice follows from a seed, so that the same problem gives the same bits.
//!
//! Most callers need [`suggest::suggest`], which chooses the next points, and [`suggest::fit_model`], which
//! predicts. Everything is maximized; who minimizes negates.
//!
//! ```
//! use krige_gp::domain::{Dimension, Domain};
//! use krige_gp::suggest::{Outcomes, Problem, fit_model, suggest};
//!
//! let domain = Domain { dimensions: vec![Dimension::Continuous; 2], ..Domain::default() };
//! let x: Vec<Vec<f64>> = vec![vec![0.5, 0.5], vec![0.1, 0.7], vec![0.9, 0.2], vec![0.3, 0.1]];
//! let y = x.iter().map(|u| 1.0 - (u[0] - 0.3).powi(2) - (u[1] - 0.6).powi(2)).collect();
//! let objective = Outcomes { y, noise_variance: vec![None; 4] };
//!
//! let problem = Problem { seed: 1, ..Problem::new(&domain, &x, &objective) };
//! let suggestions = suggest(&problem, 2)?;
//! for point in &suggestions.points {
//!     assert!(domain.contains(&point.u));
//!     println!("{:?}: {:.3} +- {:.3}", point.u, point.mean, point.sd);
//! }
//! // What was learnt is plain data; stored and given back it saves most of the next fit.
//! let again = Problem { warm_start: suggestions.model.as_ref(), ..problem };
//! let prediction = fit_model(&again)?.predict(&[vec![0.3, 0.6]])[0];
//! assert!(prediction.mean > 0.9);
//! # Ok::<(), krige_gp::suggest::SuggestError>(())
//! ```
//!
//! # Notation
//!
//! | name | meaning | shape |
//! |---|---|---|
//! | n, d, q | measurements, dimensions, points to suggest | |
//! | u | a point of the unit cube | `[d]` |
//! | X, y | measured points and outputs | `[n, d]`, `[n]` |
//! | K | covariance `k(X, X)` plus the noise on its diagonal | `[n, n]` |
//! | L | lower Cholesky factor of K | `[n, n]` |
//! | alpha | `K^-1 (y - mean)` | `[n]` |
//! | m | objectives | |
//! | h | slope `-2 dk/dr2` of the kernel in the squared scaled distance r2 | `[n]` |
//! | B | baseline: the points that noisy improvement is compared with | `[b, d]` |
//! | Phi, phi | normal distribution function and density | |
//!
//! # Many measurements
//!
//! Hyperparameters are fitted to at most 300 measurements and, beyond 150, only when their number has grown
//! by a twentieth. Predictions are exact up to 2,000 measurements. Beyond, an objective is predicted from the
//! 800 nearest to its five best ones, in units of the lengthscales, and 200 of the others; a constraint from
//! 1,000 that cover the domain. What is left out makes predictions less certain, and never depends on the
//! machine: neither on its number of processors nor on how wide its vectors are.
//!
//! # Modules, in reading order
//!
//! - [`domain`]: where points may lie; sampling, snapping, feasibility. [`sobol`] and [`polytope`] serve it.
//! - [`kernel`], [`rotation`], [`observations`], [`regression`]: the Gaussian process and its gradients. [`linalg`] serves it.
//! - [`priors`], [`fit`], [`warp`], [`model`]: hyperparameters, output transform and noise chosen from data.
//! - [`special`], [`acquisition`]: what an evaluation is worth, in logarithms that never underflow.
//! - [`optimize`]: local optimizers under bounds and linear constraints, and the global search.
//! - [`suggest`]: all of it together; [`multi_objective`]: the same for several objectives, with [`pareto`].
//!
//! Matrices are single capital letters, as in the literature.
#![allow(non_snake_case)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod acquisition;
mod chooser;
mod classification;
mod covariance;
pub mod domain;
#[cfg(test)]
mod failure_tests;
pub mod fit;
pub mod kernel;
mod lanes;
pub mod linalg;
pub mod model;
pub mod multi_objective;
mod neighbourhood;
pub mod observations;
pub mod optimize;
mod outcome_model;
pub mod pareto;
pub mod polytope;
pub mod priors;
mod problem;
pub mod regression;
#[cfg(test)]
mod robustness_tests;
pub mod rotation;
mod sampling;
pub mod sobol;
pub mod special;
mod steps;
pub mod suggest;
mod vectorize;

pub mod warp;
