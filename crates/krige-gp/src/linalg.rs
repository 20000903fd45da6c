//! Cholesky factors and their inverses. Matrices here are small and column-major, so inner loops run down
//! columns; the large ones of training data are in panels.

use nalgebra::DMatrix;
use thiserror::Error;

pub(crate) mod panels;

/// A matrix has no Cholesky factor, even with the largest jitter.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[error(
    "expected a positive definite matrix, found pivot {pivot:e} in row {row} with jitter {jitter:e}; \
     raise the noise variance or remove near-duplicate points"
)]
pub struct NotPositiveDefinite {
    /// The row at which factorization stopped.
    pub row: usize,
    /// The pivot found there.
    pub pivot: f64,
    /// The jitter on the diagonal at the last try.
    pub jitter: f64,
}

/// A Cholesky factorization and what it took.
#[derive(Debug, Clone, PartialEq)]
pub struct Cholesky {
    /// Lower triangular, shape `[n, n]`; the matrix plus `jitter` on its diagonal is `L L^T`.
    pub L: DMatrix<f64>,
    /// What had to be added to the diagonal; 0 when nothing.
    pub jitter: f64,
}

/// The jitters to try on the diagonal: none, then 1e-12 to 1e-4 of its size in steps of a hundred.
#[derive(Debug, Clone, Copy)]
pub(crate) struct JitterLadder {
    scale: f64,
    jitter: f64,
}

impl JitterLadder {
    /// Starts without jitter, for a diagonal of about the size `scale`.
    pub(crate) fn new(scale: f64) -> Self {
        Self { scale, jitter: 0.0 }
    }

    /// Returns the jitter to try now.
    pub(crate) fn jitter(self) -> f64 {
        self.jitter
    }

    /// Goes on to the next jitter, after `pivot` was found in `row`, unless there is none.
    pub(crate) fn climb(&mut self, row: usize, pivot: f64) -> Result<(), NotPositiveDefinite> {
        if self.jitter >= 0.9e-4 * self.scale || !pivot.is_finite() {
            return Err(NotPositiveDefinite { row, pivot, jitter: self.jitter });
        }
        self.jitter = if self.jitter == 0.0 { 1e-12 * self.scale } else { self.jitter * 100.0 };
        Ok(())
    }
}

/// Factorizes a symmetric matrix, shape `[n, n]`, of which only the lower triangle is read.
///
/// When a pivot is not positive, a jitter from 1e-12 to 1e-4 of `scale` (the size of a diagonal element)
/// is tried in steps of a hundred; the one used is reported.
pub fn cholesky(K: &DMatrix<f64>, scale: f64) -> Result<Cholesky, NotPositiveDefinite> {
    let mut ladder = JitterLadder::new(scale);
    loop {
        match factorize(K, ladder.jitter()) {
            Ok(L) => return Ok(Cholesky { L, jitter: ladder.jitter() }),
            Err(failure) => ladder.climb(failure.row, failure.pivot)?,
        }
    }
}

/// Returns column `j` of `M` from row `from` on.
pub(crate) fn column(M: &DMatrix<f64>, j: usize, from: usize) -> &[f64] {
    let n = M.nrows();
    &M.as_slice()[j * n + from..(j + 1) * n]
}

fn factorize(K: &DMatrix<f64>, jitter: f64) -> Result<DMatrix<f64>, NotPositiveDefinite> {
    let n = K.nrows();
    let mut L = DMatrix::zeros(n, n);
    for j in 0..n {
        let (done, rest) = L.as_mut_slice().split_at_mut(j * n);
        let target = &mut rest[j..n]; // rows j.. of column j
        target.copy_from_slice(column(K, j, j));
        target[0] += jitter;
        // Four columns at a time: the target is then read and written a quarter as often.
        let mut k = 0;
        while k + 4 <= j {
            let c: [&[f64]; 4] = std::array::from_fn(|i| &done[(k + i) * n + j..(k + i + 1) * n]);
            let f = [c[0][0], c[1][0], c[2][0], c[3][0]];
            for (i, t) in target.iter_mut().enumerate() {
                *t -= (f[0] * c[0][i] + f[1] * c[1][i]) + (f[2] * c[2][i] + f[3] * c[3][i]);
            }
            k += 4;
        }
        for k in k..j {
            let c = &done[k * n + j..(k + 1) * n];
            axpy(-c[0], c, target);
        }
        let pivot = target[0];
        // A pivot lost to rounding is as bad as a negative one.
        if pivot.is_nan() || pivot <= 1e-15 * K[(j, j)].abs() {
            return Err(NotPositiveDefinite { row: j, pivot, jitter });
        }
        let inverse = 1.0 / pivot.sqrt();
        target.iter_mut().for_each(|t| *t *= inverse);
    }
    Ok(L)
}

/// Adds `f` times `x` to `y`.
pub(crate) fn axpy(f: f64, x: &[f64], y: &mut [f64]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += f * x;
    }
}

/// Returns the inner product; summed in eight interleaved parts, always the same way.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut parts = [0.0; 8];
    let (a_chunks, b_chunks) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a_chunks.zip(b_chunks) {
        for i in 0..8 {
            parts[i] += a[i] * b[i];
        }
    }
    ((parts[0] + parts[1]) + (parts[2] + parts[3]))
        + ((parts[4] + parts[5]) + (parts[6] + parts[7]))
        + rest
}

/// Returns the inverse of the lower triangular `L`, shape `[n, n]`.
///
/// Posterior evaluations multiply by it thousands of times per factorization; two triangular products
/// stream better than two triangular solves.
pub fn inverse_lower(L: &DMatrix<f64>) -> DMatrix<f64> {
    let n = L.nrows();
    let mut inverse = DMatrix::zeros(n, n);
    for j in 0..n {
        let x = &mut inverse.as_mut_slice()[j * n..(j + 1) * n];
        x[j] = 1.0;
        for k in j..n {
            let (head, tail) = x.split_at_mut(k + 1);
            head[k] /= L[(k, k)];
            axpy(-head[k], column(L, k, k + 1), tail);
        }
    }
    inverse
}

/// Returns `L^-1 b`, shape `[n]`, from the explicit inverse.
pub fn multiply_lower(L_inverse: &DMatrix<f64>, b: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; b.len()];
    for (j, b) in b.iter().enumerate() {
        axpy(*b, column(L_inverse, j, j), &mut out[j..]);
    }
    out
}

/// Returns `L^-T b`, shape `[n]`, from the explicit inverse.
pub fn multiply_lower_transposed(L_inverse: &DMatrix<f64>, b: &[f64]) -> Vec<f64> {
    (0..b.len()).map(|j| dot(column(L_inverse, j, j), &b[j..])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random_spd(n: usize) -> DMatrix<f64> {
        let A = DMatrix::from_fn(n, n, |i, j| ((i * 37 + j * 17) as f64 * 0.7).sin());
        &A * A.transpose() + DMatrix::identity(n, n)
    }

    #[test]
    fn factor_and_inverses_agree_with_nalgebra() {
        for n in [1, 2, 3, 5, 9, 33] {
            let K = random_spd(n);
            let Cholesky { L, jitter } = cholesky(&K, 1.0).unwrap();
            assert_eq!(jitter, 0.0);
            assert!((&L * L.transpose() - &K).amax() < 1e-11);
            let L_inverse = inverse_lower(&L);
            assert!((&L_inverse * &L - DMatrix::identity(n, n)).amax() < 1e-11);
            let K_inverse = K.clone().try_inverse().unwrap();
            let b: Vec<f64> = (0..n).map(|i| (i as f64).cos()).collect();
            let solved = multiply_lower_transposed(&L_inverse, &multiply_lower(&L_inverse, &b));
            let expected = &K_inverse * nalgebra::DVector::from_vec(b);
            for i in 0..n {
                assert!((solved[i] - expected[i]).abs() < 1e-11);
            }
        }
    }

    #[test]
    fn jitter_is_as_small_as_possible_and_reported() {
        let singular = DMatrix::from_element(3, 3, 1.0);
        let Cholesky { L, jitter } = cholesky(&singular, 1.0).unwrap();
        assert_eq!(jitter, 1e-12);
        assert!((&L * L.transpose() - &singular).amax() < 2e-12);
    }

    #[test]
    fn indefinite_matrices_name_their_pivot() {
        let mut K = DMatrix::identity(3, 3);
        K[(2, 2)] = -1.0;
        let failure = cholesky(&K, 1.0).unwrap_err();
        assert_eq!(failure.row, 2);
        assert!(failure.pivot < 0.0 && (failure.jitter - 1e-4).abs() < 1e-12);
    }
}
