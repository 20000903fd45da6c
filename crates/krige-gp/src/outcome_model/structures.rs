//! Other structures that an objective without noise may have than lengthscales along the axes and two derivatives: infinitely
//! smooth, varying along directions of its own, a sum of functions of one dimension each.

use super::{Candidate, Measurements, OutcomeFit, Search};
use crate::kernel::KernelKind;
use crate::linalg::NotPositiveDefinite;
use crate::model::{NoiseAssumption, OutcomeState};
use crate::priors::Priors;
use crate::regression::Hyperparameters;
use crate::rotation::planes;
use crate::warp::Warp;

/// By how much the infinitely smooth kernel must explain an objective better, as log evidence: what is nearly as smooth it
/// predicts with too much confidence.
const SMOOTH_GAIN: f64 = 8.0;

/// The infinitely smooth kernel is also taken if it predicts the best third of the measurements, each left out, better by this log
/// density: evidence is of all of them, and where their range is wide, little of it is of where the optimum is.
const SMOOTH_GAIN_AT_BEST: f64 = 5.0;

/// Where the fit of the infinitely smooth kernel starts: nearly a polynomial of low order, and what that leaves is noise. From less
/// noise a climb ends where short lengthscales explain the little that there may be.
const SMOOTH_LENGTHSCALE: f64 = 3.0;
const SMOOTH_OUTPUTSCALE: f64 = 300.0;
const SMOOTH_NOISE: f64 = 1e-6;

/// By how much other directions than the axes must explain an objective better, as log evidence: by so much, and by this for
/// each pair of dimensions, as an angle that means nothing gains 1/2 on average.
const TURN_GAIN: f64 = 5.0;
const TURN_GAIN_PER_PLANE: f64 = 1.0;

/// Directions and sums are looked for up to so many measurements: these fits cost the most.
const STRUCTURES_UP_TO: usize = 150;

/// The smooth kernel is looked for whenever so many measurements have come; once found, each fit goes on from there.
const LOOK_FOR_SMOOTH: usize = 2;

/// Directions and sums are looked for whenever so many have come. Once found, each fit goes on from there; between two looks
/// a sum is nothing else.
const LOOK_FOR_OTHERS: usize = 4;

/// By how much an additive kernel must explain an objective better, as log evidence.
const ADDITIVE_GAIN: f64 = 5.0;

/// Fewest measurements for each dimension that a sum of functions of one dimension each is looked for in: fewer would be
/// explained by one, whatever they are of.
const ADDITIVE_FROM: usize = 5;

/// The largest noise variance, as a share of the outputscale, that a sum leaves: what is no sum must not pass for noise.
const ADDITIVE_NOISE: f64 = 1e-7;

/// The additive kernels, each with the lengthscale and the outputscale that its fit starts from.
const ADDITIVE_STARTS: [(KernelKind, f64, f64); 2] =
    [(KernelKind::AdditiveMatern52, 0.5, 1.0), (KernelKind::AdditiveRbf, 1.0, 3.0)];

impl OutcomeFit<'_> {
    /// Returns `best`, or a structure that explains the objective better.
    pub(super) fn best_structure(&self, best: Candidate, warm: Option<&OutcomeState>) -> Candidate {
        let straight = self.smoother(best, warm);
        let best = match self.turned_candidate(&straight, warm) {
            Some(turned) => self.smoother(turned, warm),
            None => straight,
        };
        match self.additive_candidate(warm) {
            Some(additive) if additive.evidence > best.evidence + ADDITIVE_GAIN => additive,
            _ => best,
        }
    }

    /// Returns the fit of the infinitely smooth kernel, along the directions of `best`, if it is that much better.
    fn smoother(&self, best: Candidate, warm: Option<&OutcomeState>) -> Candidate {
        let was_smooth =
            warm.is_some_and(|w| w.hyperparameters.kernel == KernelKind::Rbf && !w.noisy);
        if best.fit.hyperparameters.kernel == KernelKind::Rbf
            || !(was_smooth || self.is_due(LOOK_FOR_SMOOTH, warm))
        {
            return best;
        }
        match self.smooth_candidate(&best, warm) {
            Ok(smooth) if smooth.evidence > best.evidence + SMOOTH_GAIN => smooth,
            Ok(smooth) if self.predicts_the_best_better(&smooth, &best) => smooth,
            _ => best,
        }
    }

    /// Whether the best third of the measurements is predicted better by a candidate than by another one.
    fn predicts_the_best_better(&self, candidate: &Candidate, than: &Candidate) -> bool {
        let Measurements { x, y, .. } = self.measurements;
        // Under noise the best ones are not the best ones.
        if self.options.noise == NoiseAssumption::Noisy {
            return false;
        }
        let mut order: Vec<usize> = (0..y.len()).collect();
        order.sort_by(|a, b| y[*a].total_cmp(&y[*b]));
        let others: Vec<&Vec<f64>> =
            order[..y.len() - y.len() / 3].iter().map(|&i| &x[i]).collect();
        let score = |candidate: &Candidate| {
            self.finish(candidate.clone(), false).map(|model| model.log_score(&others))
        };
        match (score(candidate), score(than)) {
            (Ok(score), Ok(other)) => score > other + SMOOTH_GAIN_AT_BEST,
            _ => false,
        }
    }

    /// Whether it is time to look for what was not found so far, every so many measurements.
    fn is_due(&self, every: usize, warm: Option<&OutcomeState>) -> bool {
        let n = self.measurements.y.len();
        warm.is_none_or(|w| w.fitted_to / every < n / every)
    }

    /// Fits the directions of the lengthscales too, from where `straight` is and from where they were; nothing, if the
    /// evidence does not make up for their number.
    fn turned_candidate(
        &self,
        straight: &Candidate,
        warm: Option<&OutcomeState>,
    ) -> Option<Candidate> {
        let Measurements { y, .. } = self.measurements;
        let (d, n, planes) = (self.categorical.len(), y.len(), planes(self.categorical).len());
        let was = warm.filter(|w| w.hyperparameters.rotation.is_some());
        let from_axes = n <= STRUCTURES_UP_TO;
        if planes == 0
            || n < planes.max(2 * d)
            || was.is_none() && !(from_axes && self.is_due(LOOK_FOR_OTHERS, warm))
        {
            return None;
        }
        let Hyperparameters { kernel, .. } = straight.fit.hyperparameters;
        let priors = match kernel {
            KernelKind::Rbf => Priors::smooth_objective(d),
            _ => self.clean_priors(),
        };
        let axes = from_axes.then(|| straight.fit.hyperparameters.clone());
        let starts: Vec<Hyperparameters> =
            axes.into_iter().chain(was.map(|w| w.hyperparameters.clone())).collect();
        // Along the axes another warp may be the best one.
        let here = straight.transform.warp;
        let there = was.map(|w| w.warp).filter(|warp| *warp != here);
        let turned = [Some(here), there].into_iter().flatten().filter_map(|warp| {
            self.candidate(warp, y, kernel, &priors, &starts, Search::Turning).ok()
        });
        let turned = turned.reduce(|a, b| if b.evidence > a.evidence { b } else { a })?;
        let needed = straight.evidence + TURN_GAIN + TURN_GAIN_PER_PLANE * planes as f64;
        (turned.evidence > needed).then_some(turned)
    }

    /// Fits the infinitely smooth kernel from where it is nearly a polynomial: from short lengthscales a climb hardly
    /// ever gets there.
    fn smooth_candidate(
        &self,
        best: &Candidate,
        warm: Option<&OutcomeState>,
    ) -> Result<Candidate, NotPositiveDefinite> {
        let d = self.categorical.len();
        let kernel = KernelKind::Rbf;
        let priors = Priors::smooth_objective(d);
        let mut starts = vec![Hyperparameters {
            kernel,
            lengthscales: vec![SMOOTH_LENGTHSCALE; d],
            rotation: best.fit.hyperparameters.rotation.clone(),
            outputscale: SMOOTH_OUTPUTSCALE,
            noise_variance: SMOOTH_NOISE,
        }];
        let was_smooth = |w: &&OutcomeState| w.hyperparameters.kernel == kernel && !w.noisy;
        let turned = best.fit.hyperparameters.rotation.is_some();
        let alike = |w: &&OutcomeState| w.hyperparameters.rotation.is_some() == turned;
        starts.extend(warm.filter(was_smooth).filter(alike).map(|w| w.hyperparameters.clone()));
        let search = if turned { Search::Turning } else { Search::Starts };
        self.candidate(Warp::Identity, self.measurements.y, kernel, &priors, &starts, search)
    }

    /// Fits the sum of functions of one dimension each that the objective was last time, unless it is time to look for
    /// something else: with the warps, that would cost the most.
    pub(super) fn still_additive(&self, warm: Option<&OutcomeState>) -> Option<Candidate> {
        let was = self.was_additive(warm)?;
        if self.is_due(LOOK_FOR_OTHERS, warm) {
            return None;
        }
        self.additive_fit(was.hyperparameters.kernel, was.hyperparameters.clone())
    }

    fn was_additive<'w>(&self, warm: Option<&'w OutcomeState>) -> Option<&'w OutcomeState> {
        warm.filter(|w| w.hyperparameters.kernel.is_additive() && !w.noisy)
    }

    /// Looks for sums of functions of one dimension each.
    fn additive_candidate(&self, warm: Option<&OutcomeState>) -> Option<Candidate> {
        let (d, n) = (self.categorical.len(), self.measurements.y.len());
        let was = self.was_additive(warm);
        let looked_for = n <= STRUCTURES_UP_TO && self.is_due(LOOK_FOR_OTHERS, warm);
        if d < 2 || n < ADDITIVE_FROM * d || was.is_none() && !looked_for {
            return None;
        }
        let fits = ADDITIVE_STARTS.into_iter().filter_map(|(kernel, lengthscale, outputscale)| {
            let start = match was {
                Some(was) if was.hyperparameters.kernel == kernel => was.hyperparameters.clone(),
                _ => Hyperparameters {
                    kernel,
                    lengthscales: vec![lengthscale; d],
                    rotation: None,
                    outputscale,
                    noise_variance: SMOOTH_NOISE,
                },
            };
            self.additive_fit(kernel, start)
        });
        fits.reduce(|a, b| if b.evidence > a.evidence { b } else { a })
    }

    /// Fits an additive kernel, to the measurements without a warp: what is a sum is none once it is warped. Nothing, if more
    /// is left than [`ADDITIVE_NOISE`].
    fn additive_fit(&self, kernel: KernelKind, start: Hyperparameters) -> Option<Candidate> {
        // Each part is a function of one dimension.
        let priors = match kernel {
            KernelKind::AdditiveRbf => Priors::smooth_objective(1),
            _ => Priors::low_noise_objective(1),
        };
        let y = self.measurements.y;
        let found =
            self.candidate(Warp::Identity, y, kernel, &priors, &[start], Search::Starts).ok()?;
        let Hyperparameters { noise_variance, outputscale, .. } = found.fit.hyperparameters;
        (noise_variance <= ADDITIVE_NOISE * outputscale).then_some(found)
    }
}
