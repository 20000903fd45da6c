//! Models of outcomes: output warp, hyperparameters and noise chosen from the data.

mod structures;

use std::f64::consts::PI;

use crate::fit::{Fit, MapEstimate};
use crate::kernel::KernelKind;
use crate::linalg::NotPositiveDefinite;
use crate::model::{FitError, ModelKind, ModelOptions, NoiseAssumption, OutcomeState};
use crate::neighbourhood::{EXACT_UP_TO, neighbourhood};
use crate::observations::{Observations, same_point};
use crate::priors::Priors;
use crate::regression::{GaussianProcess, Hyperparameters, Mean, kernel_of};
use crate::steps::repeated;
use crate::warp::{OutputTransform, Warp, moments, winsorize};

/// Fewest measurements that a warp or a smoother kernel is chosen from.
const MIN_WARP: usize = 6;

/// Powers by which the bad values of an objective are squeezed, the mildest first, and the one by which the good ones are.
/// (Higher ones take away the resolution that the last digits of an optimum need.)
const SQUEEZE_BAD: [f64; 4] = [0.5, 0.0, -0.5, -1.0];
const SQUEEZE_GOOD: [f64; 1] = [1.5];

/// Up to this many measurements every call refits; beyond it, only when their number grew by a twentieth.
const ALWAYS_REFIT: usize = 150;

/// Hyperparameters are fitted to at most this many measurements: a likelihood costs their cube, and the
/// next ones hardly move the optimum.
const FIT_AT_MOST: usize = 300;

/// Best measurements whose neighbourhoods are predicted from when there are too many measurements.
const CENTRES: usize = 5;

/// A fitted noise variance above this share of the outputscale is taken seriously.
const NOISE_SWITCH: f64 = 1e-4;

/// A model for noisy data that predicts left-out measurements better by this log density is preferred:
/// priors that favour clean data can explain noise away by short lengthscales for a long time.
const NOISE_GAIN: f64 = 2.0;

/// Where an objective has the same value at points near each other, and so may be one of steps, the model for noisy data is preferred
/// as long as it is not worse by more than this: to it a step is a disturbance, not the shape of the function.
const STEPS_GAIN: f64 = -3.0;

/// A noise variance below this share of the outputscale is treated as none when choosing points.
const NEARLY_NOISE_FREE: f64 = 1e-3;

/// One outcome's measurements, larger is better where that means anything.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measurements<'a> {
    /// Shape `[n][d]`.
    pub(crate) x: &'a [Vec<f64>],
    /// Shape `[n]`.
    pub(crate) y: &'a [f64],
    /// Shape `[n]`.
    pub(crate) noise_variance: &'a [Option<f64>],
}

/// The model of one outcome.
#[derive(Debug, Clone)]
pub(crate) struct OutcomeModel {
    pub(crate) gp: GaussianProcess,
    pub(crate) transform: OutputTransform,
    pub(crate) state: OutcomeState,
    /// Whether all outputs are equal, so that the model knows where it was, and nothing else.
    pub(crate) constant: bool,
    /// Whether the noise matters when points are chosen.
    pub(crate) noisy: bool,
}

/// What an outcome means, where the choice of a warp depends on it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Role {
    Objective,
    /// Bounds in natural units; may be infinite.
    Constraint {
        lower: f64,
        upper: f64,
    },
}

/// Where a fit starts, and what it may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Search {
    /// From where the priors say, and from given hyperparameters, along the axes.
    PriorAndStarts,
    /// From these alone.
    Starts,
    /// From these alone, with other directions than the axes.
    Turning,
}

/// A candidate for the model of an outcome.
#[derive(Clone)]
struct Candidate {
    transform: OutputTransform,
    /// The measurements, winsorized or not.
    y: Vec<f64>,
    fit: Fit,
    /// Log posterior in natural units, which compares candidates of different warps.
    evidence: f64,
}

impl OutcomeModel {
    /// Fits a model; `categorical` has shape `[d]`.
    pub(crate) fn fit(
        measurements: Measurements<'_>,
        categorical: &[bool],
        role: Role,
        options: ModelOptions,
        warm: Option<&OutcomeState>,
    ) -> Result<Self, FitError> {
        let n = measurements.y.len();
        if n == 0 {
            return Err(FitError::NoMeasurements);
        }
        let chosen = if n > FIT_AT_MOST {
            representative(measurements, role, FIT_AT_MOST)
        } else {
            (0..n).collect()
        };
        let problem = OutcomeFit { measurements, categorical, role, options, chosen };
        let result =
            problem.run(warm.filter(|w| w.hyperparameters.lengthscales.len() == categorical.len()));
        result.map_err(|source| FitError::Singular { n, source })
    }

    /// Returns the log density that the model gives each measurement when it is left out, summed, in
    /// natural units: it compares models of different warps and priors. Points of `except` do not count.
    fn log_score(&self, except: &[&Vec<f64>]) -> f64 {
        let inputs = self.gp.inputs();
        let score = |(i, ((mean, variance), z)): (usize, ((f64, f64), f64))| {
            let u: Vec<f64> = inputs.row(i).iter().copied().collect();
            if except.iter().any(|other| same_point(other, &u)) {
                return 0.0;
            }
            let slope = self.transform.log_slope(self.transform.inverse(z));
            slope - 0.5 * ((z - mean).powi(2) / variance + (2.0 * PI * variance).ln())
        };
        self.gp.leave_one_out().into_iter().zip(self.gp.outputs()).enumerate().map(score).sum()
    }

    /// Returns median and standard deviation of the noise-free outcome at `u`, in natural units.
    pub(crate) fn predict(&self, u: &[f64]) -> (f64, f64) {
        let at = self.gp.posterior(u);
        self.transform.untransform(at.mean, at.variance.sqrt())
    }
}

struct OutcomeFit<'a> {
    measurements: Measurements<'a>,
    categorical: &'a [bool],
    role: Role,
    options: ModelOptions,
    /// Which measurements the hyperparameters are fitted to.
    chosen: Vec<usize>,
}

impl OutcomeFit<'_> {
    fn run(&self, warm: Option<&OutcomeState>) -> Result<OutcomeModel, NotPositiveDefinite> {
        let y = self.measurements.y;
        let n = y.len();
        let (mean, sd) = moments(y);
        let d = self.categorical.len();
        // Less is what rounding leaves.
        if sd <= 1e-14 * mean.abs().max(1e-290) {
            return self.constant(mean);
        }
        if let Some(warm) = warm
            && n > ALWAYS_REFIT
            && n >= warm.fitted_to
            && (n as f64) < 1.05 * warm.fitted_to as f64
        {
            return self.reuse(warm);
        }
        let infers_noise = self.measurements.noise_variance.iter().any(Option::is_none);
        let start = joint_starts(warm);
        let ax = Priors::ax(d);
        if self.options.kind == ModelKind::AxDefault {
            let best = self.noisy_candidate(&ax, &[KernelKind::Rbf], &start)?;
            return self.finish(best, infers_noise);
        }
        let enough = n >= 2 * d.min(6);
        if self.options.noise == NoiseAssumption::Noisy && infers_noise && !enough {
            let best =
                self.noisy_candidate(&ax, &[KernelKind::Matern52, KernelKind::Rbf], &start)?;
            return self.finish(best, true);
        }
        if let Some(additive) = self.still_additive(warm) {
            return self.finish(additive, false);
        }
        // Noise that is small beside the range of the outputs needs warps and long lengthscales as much as none does.
        let best = self.clean_candidate(warm)?;
        let clean = self.finish(best, false)?;
        if self.options.noise == NoiseAssumption::Deterministic || !infers_noise || !enough {
            return Ok(clean);
        }
        // The lengthscales are believed as for clean data, and the kernel is not the smoother one: otherwise it would win by
        // these, not by its noise.
        let priors = Priors { lengthscale: self.clean_priors().lengthscale, ..ax.clone() };
        let challenger = self.noisy_candidate(&priors, &[KernelKind::Matern52], &start)?;
        let challenger = self.finish(challenger, true)?;
        let Hyperparameters { noise_variance, outputscale, .. } = clean.state.hyperparameters;
        // Winsorized measurements are easy to predict, and would count in favour of noise; those of one plateau are, too, and
        // would count against it.
        let winsorized = winsorize(y);
        let repeated = match self.role {
            Role::Objective => repeated(self.measurements.x, y, self.categorical),
            Role::Constraint { .. } => vec![false; n],
        };
        let easy = |&i: &usize| winsorized[i] != y[i] || repeated[i];
        let easy: Vec<&Vec<f64>> = (0..n).filter(easy).map(|i| &self.measurements.x[i]).collect();
        let gain = challenger.log_score(&easy) - clean.log_score(&easy);
        let enough = if repeated.contains(&true) { STEPS_GAIN } else { NOISE_GAIN };
        if noise_variance > NOISE_SWITCH * outputscale || gain > enough {
            let best =
                self.noisy_candidate(&ax, &[KernelKind::Matern52, KernelKind::Rbf], &start)?;
            return self.finish(best, true);
        }
        Ok(clean)
    }

    /// What is believed of an outcome without noise.
    fn clean_priors(&self) -> Priors {
        let d = self.categorical.len();
        match self.role {
            Role::Objective => Priors::low_noise_objective(d),
            // Constraints and several objectives gain nothing by it, and their fits cost more.
            Role::Constraint { .. } => Priors::low_noise(d),
        }
    }

    /// Fits with priors for clean data under one warp after another and keeps the one of most evidence.
    fn clean_candidate(
        &self,
        warm: Option<&OutcomeState>,
    ) -> Result<Candidate, NotPositiveDefinite> {
        let priors = self.clean_priors();
        let y = self.measurements.y;
        let kernel = KernelKind::Matern52;
        let start = joint_starts(warm);
        let plain =
            self.candidate(Warp::Identity, y, kernel, &priors, &start, Search::PriorAndStarts)?;
        if y.len() < MIN_WARP {
            return Ok(plain);
        }
        let mut best = match self.role {
            Role::Objective => {
                let warp = |lambda| Warp::YeoJohnson { lambda };
                let bad = self.climb_warps(SQUEEZE_BAD.map(warp), &priors, warm, &plain);
                bad.or_else(|| self.climb_warps(SQUEEZE_GOOD.map(warp), &priors, warm, &plain))
            }
            Role::Constraint { lower, upper } if lower.is_finite() != upper.is_finite() => {
                let bound = if lower.is_finite() { lower } else { upper };
                self.climb_warps([Warp::Bilog { bound }], &priors, warm, &plain)
            }
            Role::Constraint { .. } => None,
        }
        .unwrap_or(plain);
        if best.transform.warp != Warp::Identity {
            let starts = [best.fit.hyperparameters.clone()];
            best = self.candidate(
                best.transform.warp,
                y,
                kernel,
                &priors,
                &starts,
                Search::PriorAndStarts,
            )?;
        }
        if let Role::Constraint { .. } = self.role {
            return Ok(best);
        }
        Ok(self.best_structure(best, warm))
    }

    /// Fits under stronger and stronger warps, as long as the evidence grows; nothing, if none is better than `plain`.
    fn climb_warps(
        &self,
        warps: impl IntoIterator<Item = Warp>,
        priors: &Priors,
        warm: Option<&OutcomeState>,
        plain: &Candidate,
    ) -> Option<Candidate> {
        let mut best: Option<Candidate> = None;
        for warp in warps {
            let before = best.as_ref().unwrap_or(plain);
            // Neighbouring warps have neighbouring optima.
            let mut starts = vec![before.fit.hyperparameters.clone()];
            starts.extend(warm.filter(|w| w.warp == warp).map(|w| w.hyperparameters.clone()));
            let (y, kernel) = (self.measurements.y, KernelKind::Matern52);
            match self.candidate(warp, y, kernel, priors, &starts, Search::Starts) {
                Ok(candidate) if candidate.evidence > before.evidence => best = Some(candidate),
                // A warp that cannot be fitted (it may flatten the data altogether) is out of the running, too.
                _ => break,
            }
        }
        best
    }

    /// Fits with priors whose noise is never negligible, those of Ax or like them, and keeps the best kernel.
    fn noisy_candidate(
        &self,
        priors: &Priors,
        kernels: &[KernelKind],
        start: &[Hyperparameters],
    ) -> Result<Candidate, NotPositiveDefinite> {
        let y = match self.role {
            Role::Objective => winsorize(self.measurements.y),
            Role::Constraint { .. } => self.measurements.y.to_vec(),
        };
        let mut best: Option<Candidate> = None;
        for kernel in kernels {
            let candidate =
                self.candidate(Warp::Identity, &y, *kernel, priors, start, Search::PriorAndStarts)?;
            if best.as_ref().is_none_or(|best| candidate.evidence > best.evidence) {
                best = Some(candidate);
            }
        }
        Ok(best.expect("at least one kernel is tried"))
    }

    fn candidate(
        &self,
        warp: Warp,
        y: &[f64],
        kernel: KernelKind,
        priors: &Priors,
        starts: &[Hyperparameters],
        search: Search,
    ) -> Result<Candidate, NotPositiveDefinite> {
        let transform = OutputTransform::new(warp, y);
        let data = self.observations(&transform, y, &self.chosen);
        let turns = search == Search::Turning;
        let start = |start: &Hyperparameters| {
            let rotation = start.rotation.clone().filter(|_| turns);
            Hyperparameters { kernel, rotation, ..start.clone() }
        };
        let starts: Vec<Hyperparameters> = starts.iter().map(start).collect();
        let problem =
            MapEstimate { turns, ..MapEstimate::new(&data, self.categorical, kernel, priors) };
        let fit = match search {
            Search::PriorAndStarts => problem.solve(&starts),
            Search::Starts | Search::Turning => problem.solve_from(&starts),
        };
        let fit = match fit {
            Ok(fit) => fit,
            Err(_) => {
                // More noise makes any covariance positive definite; the answer says how much was fitted.
                let raised = Priors { noise_floor: 1e-4, noise_start: 1e-3, ..priors.clone() };
                MapEstimate::new(&data, self.categorical, kernel, &raised).solve(&[])?
            }
        };
        let slopes: f64 = self.chosen.iter().map(|&i| transform.log_slope(y[i])).sum();
        let evidence = fit.log_posterior + slopes;
        Ok(Candidate { transform, y: y.to_vec(), fit, evidence })
    }

    /// The measurements numbered `which`, in standardized units.
    fn observations(
        &self,
        transform: &OutputTransform,
        y: &[f64],
        which: &[usize],
    ) -> Observations {
        let Measurements { x, noise_variance, .. } = self.measurements;
        let points: Vec<Vec<f64>> = which.iter().map(|&i| x[i].clone()).collect();
        let z: Vec<f64> = which.iter().map(|&i| transform.forward(y[i])).collect();
        let noise: Vec<Option<f64>> = which
            .iter()
            .map(|&i| noise_variance[i].map(|v| v * (2.0 * transform.log_slope(y[i])).exp()))
            .collect();
        Observations::new(&points, &z, &noise)
    }

    fn finish(&self, best: Candidate, noisy: bool) -> Result<OutcomeModel, NotPositiveDefinite> {
        let state = OutcomeState {
            hyperparameters: best.fit.hyperparameters,
            warp: best.transform.warp,
            noisy,
            jitter: 0.0,
            fitted_to: self.measurements.y.len(),
        };
        self.condition(best.transform, &best.y, state)
    }

    /// Conditions on the data with the hyperparameters of an earlier fit.
    fn reuse(&self, warm: &OutcomeState) -> Result<OutcomeModel, NotPositiveDefinite> {
        let y = match (warm.noisy, self.role) {
            (true, Role::Objective) => winsorize(self.measurements.y),
            _ => self.measurements.y.to_vec(),
        };
        self.condition(OutputTransform::new(warm.warp, &y), &y, warm.clone())
    }

    fn condition(
        &self,
        transform: OutputTransform,
        y: &[f64],
        mut state: OutcomeState,
    ) -> Result<OutcomeModel, NotPositiveDefinite> {
        let data = self.observations(&transform, y, &self.predicting(&state.hyperparameters));
        let gp =
            GaussianProcess::new(&data, &state.hyperparameters, self.categorical, Mean::Profiled)?;
        state.jitter = gp.jitter();
        let mut levels: Vec<f64> = data
            .known_noise
            .iter()
            .map(|known| known.unwrap_or(state.hyperparameters.noise_variance))
            .collect();
        levels.sort_by(f64::total_cmp);
        let typical = levels[levels.len() / 2];
        // Who says that there is noise wants it to be averaged over, however little is found.
        let matters = match self.options.noise {
            NoiseAssumption::Deterministic => false,
            NoiseAssumption::Noisy if data.infers_noise() => true,
            NoiseAssumption::Noisy | NoiseAssumption::Unknown => {
                typical > NEARLY_NOISE_FREE * state.hyperparameters.outputscale
            }
        };
        let noisy = state.noisy || matters;
        Ok(OutcomeModel { gp, transform, state, constant: false, noisy })
    }

    /// Which measurements to predict from: all, unless they are too many.
    fn predicting(&self, hyperparameters: &Hyperparameters) -> Vec<usize> {
        let Measurements { x, y, .. } = self.measurements;
        if y.len() <= EXACT_UP_TO {
            return (0..y.len()).collect();
        }
        match self.role {
            Role::Objective => {
                let kernel = kernel_of(hyperparameters, self.categorical);
                neighbourhood(x, &kernel, &by_interest(y, self.role)[..CENTRES])
            }
            // Where the objective will look is not known here: cover everything.
            Role::Constraint { .. } => {
                representative(self.measurements, self.role, EXACT_UP_TO / 2)
            }
        }
    }

    /// The prior, conditioned on outputs that are all `value`.
    fn constant(&self, value: f64) -> Result<OutcomeModel, NotPositiveDefinite> {
        // A constraint that was met (or missed) by the same margin everywhere is expected to vary by
        // half of that margin; an objective by its own size.
        let spread = match self.role {
            Role::Objective => value.abs(),
            Role::Constraint { lower, upper } => {
                0.5 * (value - lower).abs().min((upper - value).abs())
            }
        };
        let spread = if spread.is_finite() && spread > 0.0 { spread } else { 1.0 };
        let transform = OutputTransform::constant(value, spread);
        let priors = Priors::low_noise(self.categorical.len());
        let points: Vec<Vec<f64>> =
            self.chosen.iter().map(|&i| self.measurements.x[i].clone()).collect();
        let z = vec![0.0; points.len()];
        let data = Observations::new(&points, &z, &vec![None; z.len()]);
        let problem = MapEstimate::new(&data, self.categorical, KernelKind::Matern52, &priors);
        let hyperparameters = problem.prior_mode();
        let gp = GaussianProcess::new(&data, &hyperparameters, self.categorical, Mean::Fixed(0.0))?;
        let state = OutcomeState {
            hyperparameters,
            warp: Warp::Identity,
            noisy: false,
            jitter: gp.jitter(),
            fitted_to: self.measurements.y.len(),
        };
        Ok(OutcomeModel { gp, transform, state, constant: true, noisy: false })
    }
}

/// Returns where the fits of kernels that are not additive go on from: the lengthscales of one that is say nothing to them.
fn joint_starts(warm: Option<&OutcomeState>) -> Vec<Hyperparameters> {
    let joint = warm.filter(|w| !w.hyperparameters.kernel.is_additive());
    joint.iter().map(|w| w.hyperparameters.clone()).collect()
}

/// Returns the numbers of [`FIT_AT_MOST`] measurements: a quarter where it matters most (the best of an
/// objective, those nearest to the bounds of a constraint), the others as far from each other as possible.
fn representative(measurements: Measurements<'_>, role: Role, count: usize) -> Vec<usize> {
    let Measurements { x, y, .. } = measurements;
    let order = by_interest(y, role);
    let mut chosen: Vec<usize> = order[..count / 4].to_vec();
    let squared = |a: usize, b: usize| -> f64 {
        x[a].iter().zip(&x[b]).map(|(a, b)| (a - b) * (a - b)).sum()
    };
    let to_chosen = |i: usize| chosen.iter().map(|&c| squared(i, c)).fold(f64::INFINITY, f64::min);
    let mut nearest: Vec<f64> = (0..y.len()).map(to_chosen).collect();
    for &i in &chosen {
        nearest[i] = f64::NEG_INFINITY;
    }
    while chosen.len() < count {
        let next = (0..y.len())
            .reduce(|best, i| if nearest[i] > nearest[best] { i } else { best })
            .expect("there are more measurements than are chosen");
        chosen.push(next);
        for (i, distance) in nearest.iter_mut().enumerate() {
            *distance = distance.min(squared(i, next));
        }
        nearest[next] = f64::NEG_INFINITY;
    }
    chosen
}

/// The measurements in the order in which their neighbourhoods matter: the best first, or those that decide a
/// constraint.
fn by_interest(y: &[f64], role: Role) -> Vec<usize> {
    let rank = |i: usize| match role {
        Role::Objective => -y[i],
        Role::Constraint { lower, upper } => (y[i] - lower).abs().min((upper - y[i]).abs()),
    };
    let mut order: Vec<usize> = (0..y.len()).collect();
    order.sort_by(|&a, &b| rank(a).total_cmp(&rank(b)));
    order
}

#[cfg(test)]
#[path = "outcome_model_tests.rs"]
mod tests;
