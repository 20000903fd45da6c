//! Stationary covariance functions with one lengthscale per dimension, over mixed dimensions.
//!
//! All depend on `r2 = sum_k (u_k - v_k)^2 / l_k^2`, where a categorical dimension contributes `1 / l_k^2` if
//! the categories differ. That is a one-hot encoding with a shared lengthscale, hence positive definite. Additive ones
//! depend on each of these contributions apart.

use nalgebra::DMatrix;

use crate::lanes::{LANES, Lanes, Tile, ZERO, add_product, exp_negative, panels, sum};
use crate::linalg::panels::RowPanels;
use crate::rotation::Rotation;

/// The shape of the covariance as a function of distance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KernelKind {
    /// `(1 + s + s^2 / 3) exp(-s)` with `s = sqrt(5 r2)`: twice differentiable. Rasmussen and Williams 2006, eq. 4.17.
    Matern52,
    /// `exp(-r2 / 2)`: infinitely smooth.
    Rbf,
    /// The mean over the dimensions of [`KernelKind::Matern52`] along each of them: sums of functions of one dimension.
    /// Duvenaud et al. 2011, section 2.1, first order, with equal variances.
    AdditiveMatern52,
    /// The same of [`KernelKind::Rbf`].
    AdditiveRbf,
}

impl KernelKind {
    /// Returns whether it is of sums of functions of one dimension.
    #[inline(always)]
    pub(crate) fn is_additive(self) -> bool {
        match self {
            Self::Matern52 | Self::Rbf => false,
            Self::AdditiveMatern52 | Self::AdditiveRbf => true,
        }
    }
}

/// A covariance function.
#[derive(Debug, Clone, PartialEq)]
pub struct Kernel {
    /// The shape.
    pub kind: KernelKind,
    /// Positive, shape `[d]`.
    pub lengthscales: Vec<f64>,
    /// What the lengthscales are along, where it is not the axes. Directions of categorical dimensions are their axes.
    pub rotation: Option<Rotation>,
    /// The variance at distance 0.
    pub outputscale: f64,
    /// Which dimensions compare by equality, shape `[d]`.
    pub categorical: Vec<bool>,
}

/// Categorical coordinates no further apart than this name the same level.
const SAME_LEVEL: f64 = 1e-9;

/// Whether two categorical coordinates name different levels.
#[inline(always)]
pub(crate) fn differs(a: f64, b: f64) -> bool {
    (a - b).abs() > SAME_LEVEL
}

/// Points in panels of eight: for each panel and dimension, the eight coordinates. The last panel is filled
/// up with points at the origin.
#[derive(Debug, Clone, Default)]
pub(crate) struct PointPanels {
    n: usize,
    d: usize,
    data: Vec<Lanes>,
}

impl PointPanels {
    /// Arranges the rows of `X`, shape `[n, d]`.
    pub(crate) fn new(X: &DMatrix<f64>) -> Self {
        let (n, d) = X.shape();
        let mut data = vec![[0.0; LANES]; panels(n) * d];
        for k in 0..d {
            for (i, x) in X.column(k).iter().enumerate() {
                data[i / LANES * d + k][i % LANES] = *x;
            }
        }
        Self { n, d, data }
    }

    /// Returns the number of points n.
    pub(crate) fn len(&self) -> usize {
        self.n
    }

    /// Returns the coordinates of eight points, shape `[d]`.
    #[inline(always)]
    pub(crate) fn panel(&self, I: usize) -> &[Lanes] {
        &self.data[I * self.d..(I + 1) * self.d]
    }
}

impl Kernel {
    /// What a difference in categorical dimension k contributes to `r2`; `None` for ordered dimensions.
    #[inline(always)]
    fn mismatch(&self, k: usize) -> Option<f64> {
        let lengthscale = self.lengthscales[k];
        self.categorical[k].then(|| 1.0 / (lengthscale * lengthscale))
    }

    /// What coordinates of dimension k are multiplied with before they are compared.
    #[inline(always)]
    fn scale(&self, k: usize) -> f64 {
        if self.categorical[k] { 1.0 } else { 1.0 / self.lengthscales[k] }
    }

    /// Writes `points` in units of the lengthscales.
    pub(crate) fn scale_points(&self, points: &PointPanels, out: &mut PointPanels) {
        out.clone_from(points);
        if let Some(rotation) = &self.rotation {
            for (turned, panel) in out
                .data
                .chunks_exact_mut(points.d.max(1))
                .zip(points.data.chunks_exact(points.d.max(1)))
            {
                for (k, turned) in turned.iter_mut().enumerate() {
                    *turned = [0.0; LANES];
                    for (r, x) in rotation.row(k).iter().zip(panel) {
                        for i in 0..LANES {
                            turned[i] += r * x[i];
                        }
                    }
                }
            }
        }
        for panel in out.data.chunks_exact_mut(points.d.max(1)) {
            for (k, x) in panel.iter_mut().enumerate() {
                let scale = self.scale(k);
                x.iter_mut().for_each(|x| *x *= scale);
            }
        }
    }

    /// Returns `r2` between two points, shape `[d]`.
    pub(crate) fn squared_distance(&self, u: &[f64], v: &[f64]) -> f64 {
        let (u, v) = (self.scale_point(u), self.scale_point(v));
        let term = |k: usize| match self.mismatch(k) {
            None => (u[k] - v[k]).powi(2),
            Some(weight) if differs(u[k], v[k]) => weight,
            Some(_) => 0.0,
        };
        (0..u.len()).map(term).sum()
    }

    /// Returns `u`, shape `[d]`, in units of the lengthscales.
    pub(crate) fn scale_point(&self, u: &[f64]) -> Vec<f64> {
        let mut u = self.rotation.as_ref().map_or_else(|| u.to_vec(), |r| r.apply(u));
        u.iter_mut().enumerate().for_each(|(k, u)| *u *= self.scale(k));
        u
    }

    /// Returns over what distance the function varies along each axis, shape `[d]`: the lengthscales, if those are along
    /// the axes.
    pub fn axis_lengthscales(&self) -> Vec<f64> {
        let Some(rotation) = &self.rotation else { return self.lengthscales.clone() };
        let mut squares = vec![0.0; self.lengthscales.len()];
        for (k, l) in self.lengthscales.iter().enumerate() {
            for (square, r) in squares.iter_mut().zip(rotation.row(k)) {
                *square += (r / l) * (r / l);
            }
        }
        squares.into_iter().map(|square: f64| 1.0 / square.sqrt()).collect()
    }

    /// Returns the shape at `r2`, times `outputscale`, and its slope: `k` and `h = -2 dk/dr2`.
    #[inline(always)]
    fn shape(&self, outputscale: f64, r2: Lanes) -> (Lanes, Lanes) {
        let mut k = [0.0; LANES];
        let mut h = [0.0; LANES];
        match self.kind {
            KernelKind::Matern52 | KernelKind::AdditiveMatern52 => {
                let s = r2.map(|r2| (5.0 * r2).sqrt());
                let e = exp_negative(s.map(|s| -s));
                for i in 0..LANES {
                    // Beyond this the exponential has long stopped to decrease.
                    let s = if s[i] < 1e3 { s[i] } else { 1e3 };
                    let e = outputscale * e[i];
                    k[i] = ((1.0 + s) + s * s * (1.0 / 3.0)) * e;
                    h[i] = 5.0 / 3.0 * (1.0 + s) * e;
                }
            }
            KernelKind::Rbf | KernelKind::AdditiveRbf => {
                let e = exp_negative(r2.map(|r2| -0.5 * r2));
                for i in 0..LANES {
                    k[i] = outputscale * e[i];
                    h[i] = k[i];
                }
            }
        }
        (k, h)
    }

    /// Returns the covariances between `u` and the points of a panel, both in units of the lengthscales, and the slopes
    /// `h = -2 dk/dr2`; of an additive kernel, which has one along each dimension, what they are multiples of.
    #[inline(always)]
    fn between(&self, u: impl Iterator<Item = f64>, x: &[Lanes], mixed: bool) -> (Lanes, Lanes) {
        if !self.kind.is_additive() {
            return self.shape(self.outputscale, self.squared_distances_to(u, x, mixed));
        }
        (self.sum_of_parts(u, x, std::iter::empty()), [self.share(); LANES])
    }

    /// Returns the covariances of an additive kernel between `u` and the points of a panel, and writes the slopes along the
    /// dimensions where they are asked for.
    #[inline(always)]
    fn sum_of_parts<'h>(
        &self,
        u: impl Iterator<Item = f64>,
        x: &[Lanes],
        mut slopes: impl Iterator<Item = &'h mut Lanes>,
    ) -> Lanes {
        let share = self.share();
        let mut sum = [0.0; LANES];
        for (k, (u, x)) in u.zip(x).enumerate() {
            let (part, slope) = self.shape(share, self.squared_distances_along(k, u, x));
            for i in 0..LANES {
                sum[i] += part[i];
            }
            if let Some(out) = slopes.next() {
                *out = slope;
            }
        }
        sum
    }

    /// Returns the variance of each dimension's part of an additive kernel.
    #[inline(always)]
    fn share(&self) -> f64 {
        self.outputscale / self.lengthscales.len() as f64
    }

    /// Returns what dimension k contributes to `r2` between a coordinate `u` and those of a panel, in units of the
    /// lengthscale.
    #[inline(always)]
    fn squared_distances_along(&self, k: usize, u: f64, x: &Lanes) -> Lanes {
        let mut r2 = [0.0; LANES];
        match self.mismatch(k) {
            None => {
                for i in 0..LANES {
                    r2[i] = (x[i] - u) * (x[i] - u);
                }
            }
            Some(weight) => {
                for i in 0..LANES {
                    r2[i] = if differs(x[i], u) { weight } else { 0.0 };
                }
            }
        }
        r2
    }

    #[inline(always)]
    fn is_mixed(&self) -> bool {
        self.categorical.contains(&true)
    }

    /// Returns `r2` between `u` and the points of a panel, both in units of the lengthscales.
    #[inline(always)]
    fn squared_distances_to(
        &self,
        u: impl Iterator<Item = f64>,
        x: &[Lanes],
        mixed: bool,
    ) -> Lanes {
        let mut r2 = [0.0; LANES];
        if mixed {
            for (k, (u, x)) in u.zip(x).enumerate() {
                let weight = self.mismatch(k);
                for i in 0..LANES {
                    r2[i] += match weight {
                        None => (x[i] - u) * (x[i] - u),
                        Some(weight) if differs(x[i], u) => weight,
                        Some(_) => 0.0,
                    };
                }
            }
        } else {
            // Without a branch the sums stay in registers.
            for (u, x) in u.zip(x) {
                for i in 0..LANES {
                    r2[i] += (x[i] - u) * (x[i] - u);
                }
            }
        }
        r2
    }

    /// Writes the covariances `k` between `u`, shape `[d]`, and `points`, both in units of the lengthscales,
    /// and the slopes `h = -2 dk/dr2`. What belongs to no point is 0 in `k`.
    #[inline(always)]
    pub(crate) fn cross_panels(
        &self,
        u: &[f64],
        points: &PointPanels,
        k: &mut Vec<Lanes>,
        h: &mut Vec<Lanes>,
    ) {
        k.clear();
        h.clear();
        let mixed = self.is_mixed();
        for I in 0..panels(points.len()) {
            let (k_I, h_I) = self.between(u.iter().copied(), points.panel(I), mixed);
            k.push(k_I);
            h.push(h_I);
        }
        k.as_flattened_mut()[points.len()..].fill(0.0);
    }

    /// Writes the covariances between eight points, whose coordinates in units of the lengthscales are `u`,
    /// shape `[d]`, and `points`: `k[j]` holds those of the j-th one.
    #[inline(always)]
    pub(crate) fn cross_block(&self, u: &[Lanes], points: &PointPanels, k: &mut Vec<Lanes>) {
        k.clear();
        let mixed = self.is_mixed();
        for J in 0..panels(points.len()) {
            // A closure would be compiled without the wide instructions.
            let mut block = ZERO;
            for j in 0..LANES {
                block[j] = self.between(points.panel(J).iter().map(|x| x[j]), u, mixed).0;
            }
            k.extend_from_slice(&block);
        }
        k[points.len()..].fill([0.0; LANES]);
    }

    /// Returns how many slopes there are between two points: one, or of an additive kernel one along each dimension.
    pub(crate) fn slopes(&self) -> usize {
        if self.kind.is_additive() { self.lengthscales.len() } else { 1 }
    }

    /// Writes the lower triangles of the covariances and the slopes `-2 dk/dr2` among `points` in units of the
    /// lengthscales; none of these if `H` is empty, else it is one matrix for each of [`Kernel::slopes`]. Beyond the points
    /// `K` is the identity and `H` is 0.
    #[inline(always)]
    pub(crate) fn gram(&self, points: &PointPanels, K: &mut RowPanels, H: &mut [RowPanels]) {
        let n = points.len();
        K.reshape(n);
        H.iter_mut().for_each(|H| H.reshape(n));
        let mixed = self.is_mixed();
        for I in 0..panels(n) {
            let (K, x) = (K.panel_mut(I), points.panel(I));
            for J in 0..=I {
                for j in 0..LANES {
                    let at = LANES * J + j;
                    let u = points.panel(J).iter().map(|x| x[j]);
                    if self.kind.is_additive() {
                        let slopes = H.iter_mut().map(|H| &mut H.panel_mut(I)[at]);
                        K[at] = self.sum_of_parts(u, x, slopes);
                    } else {
                        let r2 = self.squared_distances_to(u, x, mixed);
                        let (k, h) = self.shape(self.outputscale, r2);
                        K[at] = k;
                        H.iter_mut().for_each(|H| H.panel_mut(I)[at] = h);
                    }
                }
            }
            for i in n.saturating_sub(LANES * I)..LANES {
                K.iter_mut().for_each(|k| k[i] = 0.0);
                K[LANES * I + i] = std::array::from_fn(|other| f64::from(u8::from(other == i)));
                for H in H.iter_mut() {
                    let H = H.panel_mut(I);
                    H.iter_mut().for_each(|h| h[i] = 0.0);
                    H[LANES * I + i] = [0.0; LANES];
                }
            }
        }
    }

    /// Adds `sum_ij G[j][i] r2_ij,k` to `sum`, where `r2_ij,k` is the contribution of dimension k to the squared distance
    /// of the i-th point of `a` and the j-th of `b`.
    #[inline(always)]
    pub(crate) fn add_weighted_distances(
        &self,
        k: usize,
        G: &Tile,
        a: &Lanes,
        b: &Lanes,
        sum: &mut Lanes,
    ) {
        let mut parts = *sum;
        match self.mismatch(k) {
            None => {
                for j in 0..LANES {
                    for i in 0..LANES {
                        let difference = a[i] - b[j];
                        parts[i] += G[j][i] * (difference * difference);
                    }
                }
            }
            Some(weight) => {
                for j in 0..LANES {
                    for i in 0..LANES {
                        let contribution = if differs(a[i], b[j]) { weight } else { 0.0 };
                        parts[i] += G[j][i] * contribution;
                    }
                }
            }
        }
        *sum = parts;
    }

    /// Adds `sum_ij G[j][i] (a_k,i - b_k,j) (a_l,i - b_l,j)` for each of `planes`, two directions k and l, to `sums`.
    #[inline(always)]
    pub(crate) fn add_weighted_products(
        G: &Tile,
        a: &[Lanes],
        b: &[Lanes],
        planes: &[(usize, usize)],
        sums: &mut [Lanes],
    ) {
        for (sum, &(k, l)) in sums.iter_mut().zip(planes) {
            let mut parts = *sum;
            for j in 0..LANES {
                for i in 0..LANES {
                    parts[i] += G[j][i] * ((a[k][i] - b[k][j]) * (a[l][i] - b[l][j]));
                }
            }
            *sum = parts;
        }
    }

    /// Returns the covariances `k` between `u`, shape `[d]`, and the rows of `X`, shape `[n, d]`, and the
    /// slopes `h = -2 dk/dr2`. Both have shape `[n]`.
    pub fn cross(&self, u: &[f64], X: &DMatrix<f64>) -> (Vec<f64>, Vec<f64>) {
        let mut points = PointPanels::default();
        self.scale_points(&PointPanels::new(X), &mut points);
        let (mut k, mut h) = (Vec::new(), Vec::new());
        self.cross_panels(&self.scale_point(u), &points, &mut k, &mut h);
        let n = X.nrows();
        (k.as_flattened()[..n].to_vec(), h.as_flattened()[..n].to_vec())
    }

    /// Adds the gradient with respect to `u` of `sum_i weights_i k(u, x_i)`, given the slopes `h`, to
    /// `gradient`, shape `[d]`. `u` and `points` are in units of the lengthscales. Categorical dimensions have
    /// no gradient.
    #[inline(always)]
    pub(crate) fn add_gradient(
        &self,
        u: &[f64],
        points: &PointPanels,
        h: &[Lanes],
        weights: &[Lanes],
        gradient: &mut [f64],
    ) {
        let mut sums = vec![[0.0; LANES]; points.d];
        for (I, (h, weights)) in h.iter().zip(weights).enumerate() {
            let mut weighted = [0.0; LANES];
            add_product(&mut weighted, h, weights);
            let coordinates = sums.iter_mut().zip(u.iter().zip(points.panel(I)));
            if self.kind.is_additive() {
                for (k, (sum, (u, x))) in coordinates.enumerate() {
                    let (_, slope) = self.shape(1.0, self.squared_distances_along(k, *u, x));
                    for i in 0..LANES {
                        sum[i] += weighted[i] * slope[i] * (x[i] - u);
                    }
                }
                continue;
            }
            for (sum, (u, x)) in coordinates {
                for i in 0..LANES {
                    sum[i] += weighted[i] * (x[i] - u);
                }
            }
        }
        let along = sums.iter().enumerate().map(|(k, sums)| match self.categorical[k] {
            true => 0.0,
            false => sum(*sums) / self.lengthscales[k],
        });
        match &self.rotation {
            None => gradient.iter_mut().zip(along).for_each(|(gradient, along)| *gradient += along),
            Some(rotation) => rotation.add_back(&along.collect::<Vec<f64>>(), gradient),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::to_panels;
    use proptest::prelude::*;

    const KINDS: [KernelKind; 4] = [
        KernelKind::Matern52,
        KernelKind::Rbf,
        KernelKind::AdditiveMatern52,
        KernelKind::AdditiveRbf,
    ];

    fn kernel(kind: KernelKind) -> Kernel {
        Kernel {
            kind,
            lengthscales: vec![0.3, 0.7, 1.5],
            rotation: None,
            outputscale: 2.0,
            categorical: vec![false, false, true],
        }
    }

    fn scaled(kernel: &Kernel, X: &DMatrix<f64>) -> PointPanels {
        let mut out = PointPanels::default();
        kernel.scale_points(&PointPanels::new(X), &mut out);
        out
    }

    /// The lower triangles of covariances and slopes.
    fn gram(kernel: &Kernel, X: &DMatrix<f64>) -> (DMatrix<f64>, Vec<DMatrix<f64>>) {
        let (mut K, mut H) = (RowPanels::default(), vec![RowPanels::default(); kernel.slopes()]);
        kernel.gram(&scaled(kernel, X), &mut K, &mut H);
        let n = X.nrows();
        let unpack = |M: &RowPanels| {
            DMatrix::from_fn(n, n, |i, j| if j <= i { M.panel(i / 8)[j][i % 8] } else { 0.0 })
        };
        (unpack(&K), H.iter().map(unpack).collect())
    }

    /// Covariance and slopes between `u` and row j of `X`, as written in the literature.
    fn plain(kernel: &Kernel, u: &[f64], X: &DMatrix<f64>, j: usize) -> (f64, Vec<f64>) {
        let term = |k: usize| {
            let difference = u[k] - X[(j, k)];
            let categorical = f64::from(u8::from(differs(u[k], X[(j, k)])));
            let squared = if kernel.categorical[k] { categorical } else { difference * difference };
            squared / kernel.lengthscales[k].powi(2)
        };
        let shape = |r2: f64, variance: f64| {
            let s = (5.0 * r2).sqrt();
            let (k, h) = match kernel.kind {
                KernelKind::Rbf | KernelKind::AdditiveRbf => ((-0.5 * r2).exp(), (-0.5 * r2).exp()),
                KernelKind::Matern52 | KernelKind::AdditiveMatern52 => {
                    ((1.0 + s + s * s / 3.0) * (-s).exp(), 5.0 / 3.0 * (1.0 + s) * (-s).exp())
                }
            };
            (variance * k, variance * h)
        };
        let d = u.len();
        let parts: Vec<(f64, f64)> = match kernel.kind.is_additive() {
            false => vec![shape((0..d).map(term).sum(), kernel.outputscale)],
            true => (0..d).map(|k| shape(term(k), kernel.outputscale / d as f64)).collect(),
        };
        (parts.iter().map(|p| p.0).sum(), parts.iter().map(|p| p.1).collect())
    }

    fn turned(kind: KernelKind) -> Kernel {
        let turn = crate::rotation::Turn::new(&[false, false, true], &[0.9]);
        Kernel { rotation: Some(Rotation::identity(3).turned(&turn)), ..kernel(kind) }
    }

    /// Along other directions it is the kernel of the points' coordinates along them.
    #[test]
    fn directions_are_coordinates() {
        let X = DMatrix::from_fn(11, 3, |i, k| match k {
            2 => (i % 3) as f64,
            _ => ((i * 7 + k * 3) as f64).sin().abs(),
        });
        let kernel = turned(KernelKind::Matern52);
        let rotation = kernel.rotation.clone().unwrap();
        let straight = Kernel { rotation: None, ..kernel.clone() };
        let along = |u: Vec<f64>| rotation.apply(&u);
        let row = |i: usize| X.row(i).iter().copied().collect::<Vec<f64>>();
        let turned = DMatrix::from_fn(11, 3, |i, k| along(row(i))[k]);
        let u = vec![0.2, 0.7, 1.0];
        let (found, expected) = (kernel.cross(&u, &X), straight.cross(&along(u.clone()), &turned));
        for i in 0..11 {
            assert!((found.0[i] - expected.0[i]).abs() < 1e-14);
            let distances = (
                kernel.squared_distance(&u, &row(i)),
                straight.squared_distance(&along(u.clone()), &along(row(i))),
            );
            assert!((distances.0 - distances.1).abs() < 1e-13);
        }
    }

    /// Two directions at 45 degrees to the axes, of lengthscales 0.3 and 0.7.
    #[test]
    fn the_lengthscale_along_an_axis_is_that_of_the_directions_together() {
        let turn = crate::rotation::Turn::new(
            &[false, false, true],
            &[2.0 * (22.5f64).to_radians().tan()],
        );
        let rotation = Some(Rotation::identity(3).turned(&turn));
        let kernel = Kernel { rotation, ..kernel(KernelKind::Rbf) };
        let both = (0.5 / 0.09 + 0.5 / 0.49f64).sqrt().recip();
        for (found, expected) in kernel.axis_lengthscales().iter().zip([both, both, 1.5]) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
    }

    /// Sizes around and between multiples of eight, and a block of eight points against single ones.
    #[test]
    fn panels_agree_with_the_formula() {
        for n in 1..=40 {
            let X = DMatrix::from_fn(n, 3, |i, k| match k {
                2 => (i % 3) as f64,
                _ => (0.5 + 0.5 * ((i * 7 + k * 3) as f64).sin()).abs(),
            });
            for kind in KINDS {
                let kernel = kernel(kind);
                let (K, H) = gram(&kernel, &X);
                let points = scaled(&kernel, &X);
                let at: Vec<Vec<f64>> =
                    (0..8).map(|p| vec![0.1 * p as f64, 0.7, (p % 2) as f64]).collect();
                let block: Vec<Lanes> = (0..3)
                    .map(|k| std::array::from_fn(|p| kernel.scale_point(&at[p])[k]))
                    .collect();
                let mut together = Vec::new();
                kernel.cross_block(&block, &points, &mut together);
                for i in 0..n {
                    let u: Vec<f64> = X.row(i).iter().copied().collect();
                    for j in 0..=i {
                        let (k, h) = plain(&kernel, &u, &X, j);
                        assert!((K[(i, j)] - k).abs() < 1e-14);
                        assert_eq!(H.len(), h.len());
                        assert!(H.iter().zip(h).all(|(H, h)| (H[(i, j)] - h).abs() < 1e-14));
                    }
                    for p in 0..8 {
                        assert_eq!(together[i][p], kernel.cross(&at[p], &X).0[i]);
                    }
                }
                assert!(together[n..].iter().all(|k| *k == [0.0; LANES]));
            }
        }
    }

    #[test]
    fn hand_values() {
        let X = DMatrix::from_row_slice(1, 3, &[0.3, 0.0, 0.0]);
        // Only the first dimension differs, by one lengthscale.
        let (k, h) = kernel(KernelKind::Rbf).cross(&[0.6, 0.0, 0.0], &X);
        assert!((k[0] - 2.0 * (-0.5f64).exp()).abs() < 1e-15);
        assert_eq!(k, h);
        let s = 5f64.sqrt();
        let (k, _) = kernel(KernelKind::Matern52).cross(&[0.6, 0.0, 0.0], &X);
        assert!((k[0] - 2.0 * (1.0 + s + 5.0 / 3.0) * (-s).exp()).abs() < 1e-15);
        // A different category counts like one lengthscale of 1.5.
        let (k, _) = kernel(KernelKind::Rbf).cross(&[0.3, 0.0, 0.9], &X);
        assert!((k[0] - 2.0 * (-0.5f64 / 2.25).exp()).abs() < 1e-15);
    }

    proptest! {
        #[test]
        fn grams_are_symmetric_and_positive_semidefinite(
            rows in prop::collection::vec((0.0..1.0f64, 0.0..1.0f64, 0u8..3), 2..12),
        ) {
            let X = DMatrix::from_fn(rows.len(), 3, |i, k| match k {
                0 => rows[i].0,
                1 => rows[i].1,
                _ => f64::from(rows[i].2),
            });
            for kind in KINDS {
                let kernel = kernel(kind);
                let (K, H) = gram(&kernel, &X);
                let full = DMatrix::from_fn(rows.len(), rows.len(), |i, j| K[(i.max(j), i.min(j))]);
                prop_assert!(full.clone().symmetric_eigenvalues().min() > -1e-12);
                for i in 0..rows.len() {
                    let u: Vec<f64> = X.row(i).iter().copied().collect();
                    let (k, h) = kernel.cross(&u, &X);
                    for j in 0..rows.len() {
                        prop_assert!((k[j] - full[(i, j)]).abs() < 1e-14);
                        let (plain_k, plain_h) = plain(&kernel, &u, &X, j);
                        prop_assert!((k[j] - plain_k).abs() < 1e-14);
                        if !kind.is_additive() {
                            prop_assert!((h[j] - H[0][(i.max(j), i.min(j))]).abs() < 1e-14);
                            prop_assert!((h[j] - plain_h[0]).abs() < 1e-14);
                        }
                    }
                }
            }
        }

        #[test]
        fn gradients_match_central_differences(
            u in prop::collection::vec(0.05..0.95f64, 2),
            x in prop::collection::vec(0.0..1.0f64, 8),
        ) {
            let X = DMatrix::from_fn(4, 3, |i, k| if k < 2 { x[2 * i + k] } else { (i % 2) as f64 });
            let weights = [1.0, -0.5, 0.3, 2.0];
            let kinds = KINDS;
            for kernel in kinds.map(kernel).into_iter().chain(kinds.map(turned)) {
                let value = |u: &[f64]| -> f64 {
                    kernel.cross(u, &X).0.iter().zip(weights).map(|(k, w)| k * w).sum()
                };
                let point = [u[0], u[1], 1.0];
                let (_, h) = kernel.cross(&point, &X);
                let mut gradient = [0.0; 3];
                let (points, at) = (scaled(&kernel, &X), kernel.scale_point(&point));
                let (h, weights) = (to_panels(&h), to_panels(&weights));
                kernel.add_gradient(&at, &points, &h, &weights, &mut gradient);
                for k in 0..2 {
                    let (mut up, mut down) = (point, point);
                    up[k] += 1e-6;
                    down[k] -= 1e-6;
                    let difference = (value(&up) - value(&down)) / 2e-6;
                    prop_assert!((gradient[k] - difference).abs() < 1e-7);
                }
                prop_assert_eq!(gradient[2], 0.0);
            }
        }
    }
}
