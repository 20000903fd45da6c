//! Each routine on panels against the plain one, for sizes around and between multiples of the panel.

use nalgebra::{DMatrix, DVector};

use super::*;
use crate::lanes::to_panels;
use crate::linalg::{cholesky, inverse_lower};

const SIZES: std::ops::RangeInclusive<usize> = 1..=130;

fn random_spd(n: usize) -> DMatrix<f64> {
    let A = DMatrix::from_fn(n, n, |i, j| ((i * 37 + j * 17 + i * j) as f64 * 0.7).sin());
    (&A * A.transpose()) / n as f64 + DMatrix::identity(n, n)
}

/// Fills the panels of a symmetric matrix as kernels do: beyond it with the identity.
fn pack(K: &DMatrix<f64>) -> RowPanels {
    let n = K.nrows();
    let mut out = RowPanels::default();
    out.reshape(n);
    for I in 0..out.count {
        for (k, column) in out.panel_mut(I).iter_mut().enumerate() {
            for (lane, value) in column.iter_mut().enumerate() {
                let i = LANES * I + lane;
                let identity = f64::from(u8::from(i == k));
                *value = if i < n && k < n { K[(i, k)] } else { identity };
            }
        }
    }
    out
}

fn unpack(M: &RowPanels, n: usize) -> DMatrix<f64> {
    DMatrix::from_fn(n, n, |i, k| if k <= i { M.panel(i / LANES)[k][i % LANES] } else { 0.0 })
}

/// The factor of a test matrix, plain and in panels, with its inverse.
fn factored(n: usize) -> (DMatrix<f64>, RowPanels, Diagonal, ColumnPanels) {
    let K = random_spd(n);
    let mut L = pack(&K);
    let mut diagonal = Diagonal::default();
    factorize(&mut L, &mut diagonal).unwrap();
    let mut inverse = ColumnPanels::default();
    invert(&L, &diagonal, &mut inverse);
    (cholesky(&K, 1.0).unwrap().L, L, diagonal, inverse)
}

fn vector(n: usize) -> Vec<f64> {
    (0..n).map(|i| (1.0 + i as f64).sin()).collect()
}

#[track_caller]
fn close(found: &[Lanes], expected: &DVector<f64>) {
    let n = expected.len();
    let found = found.as_flattened();
    assert!((DVector::from_column_slice(&found[..n]) - expected).amax() < 1e-12);
    assert!(found[n..].iter().all(|v| *v == 0.0));
}

#[test]
fn factors_and_inverses_agree_with_plain_ones() {
    for n in SIZES {
        let (plain, L, diagonal, inverse) = factored(n);
        assert!((unpack(&L, n) - &plain).amax() < 1e-12, "{n}");
        for i in 0..n {
            assert!((diagonal.reciprocals.as_flattened()[i] * plain[(i, i)] - 1.0).abs() < 1e-13);
        }
        let plain_inverse = inverse_lower(&plain);
        let rows = by_rows(&inverse, n);
        assert!((unpack(&rows, n) - &plain_inverse).amax() < 1e-12, "{n}");
        assert!((unpack(&by_rows(&by_columns(&rows), n), n) - unpack(&rows, n)).amax() == 0.0);
    }
}

#[test]
fn products_and_solutions_agree_with_plain_ones() {
    for n in SIZES {
        let (plain, L, diagonal, inverse) = factored(n);
        let plain_inverse = inverse_lower(&plain);
        let rows = by_rows(&inverse, n);
        let b = vector(n);
        let expected = &plain_inverse * DVector::from_vec(b.clone());
        let mut solved = to_panels(&b);
        solve_lower(&L, &diagonal, &mut solved);
        close(&solved, &expected);
        let mut product = Vec::new();
        multiply(&rows, &to_panels(&b), &mut product);
        close(&product, &expected);
        let mut transposed = Vec::new();
        multiply_transposed(&by_columns(&rows), &to_panels(&b), &mut transposed);
        close(&transposed, &(plain_inverse.transpose() * DVector::from_vec(b.clone())));
        let products = inner(&solved, &to_panels(&b));
        assert!((products - expected.dot(&DVector::from_vec(b))).abs() < 1e-12);
        let squares = squared_columns(&by_columns(&rows));
        close(&squares, &DVector::from_fn(n, |j, _| plain_inverse.column(j).norm_squared()));
    }
}

#[test]
fn blocks_have_the_bits_of_single_products() {
    for n in SIZES {
        let (.., inverse) = factored(n);
        let rows = by_rows(&inverse, n);
        let columns: Vec<Vec<f64>> =
            (0..LANES).map(|p| vector(n).iter().map(|v| v * (p as f64 + 0.3)).collect()).collect();
        let mut together = vec![[0.0; LANES]; LANES * panels(n)];
        for (j, lanes) in together[..n].iter_mut().enumerate() {
            *lanes = std::array::from_fn(|p| columns[p][j]);
        }
        let mut single = Vec::new();
        let mut blocks = [Vec::new(), Vec::new()];
        multiply_blocks(&rows, &[together.clone(), together], &mut blocks);
        let [block, other] = blocks;
        assert_eq!(block, other);
        for p in 0..LANES {
            multiply(&rows, &to_panels(&columns[p]), &mut single);
            for (block, single) in block.iter().zip(&single) {
                assert_eq!(block[p], *single);
            }
        }
    }
}

#[test]
fn bad_pivots_are_found_in_every_row() {
    for n in [1, 7, 8, 9, 20] {
        for row in 0..n {
            let mut K = DMatrix::identity(n, n);
            K[(row, row)] = -1.0;
            let failure = factorize(&mut pack(&K), &mut Diagonal::default()).unwrap_err();
            assert_eq!(failure, BadPivot { row, pivot: -1.0 });
        }
    }
}
