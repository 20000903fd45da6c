//! Triangular matrices in panels, so that every inner loop runs over contiguous blocks of eight.
//!
//! Sizes are rounded up to a multiple of eight; the rows beyond the matrix are those of the identity.

use crate::lanes::{
    LANES, Lanes, Tile, ZERO, add_outer, add_product, add_scaled, panels, sum, tile, tile_mut,
    transposed,
};

/// A lower triangular matrix in panels of eight rows. Panel I holds the columns `0..8(I + 1)`, each as the
/// eight numbers of its rows; in the last eight of them, what is above the diagonal is unspecified until
/// [`factorize`] makes it zero.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct RowPanels {
    count: usize,
    data: Vec<Lanes>,
}

/// A lower triangular matrix in panels of eight columns. Panel J holds the rows `8J..`, each as the eight
/// numbers of its columns.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ColumnPanels {
    count: usize,
    data: Vec<Lanes>,
}

/// Where row panel I starts.
fn row_start(I: usize) -> usize {
    LANES / 2 * I * (I + 1)
}

impl RowPanels {
    /// Makes room for `n` rows; the content is unspecified, but rows stay where they were.
    pub(crate) fn reshape(&mut self, n: usize) {
        self.count = panels(n);
        self.data.resize(row_start(self.count), [0.0; LANES]);
    }

    /// Returns panel I.
    pub(crate) fn panel(&self, I: usize) -> &[Lanes] {
        &self.data[row_start(I)..row_start(I + 1)]
    }

    /// Returns panel I.
    pub(crate) fn panel_mut(&mut self, I: usize) -> &mut [Lanes] {
        &mut self.data[row_start(I)..row_start(I + 1)]
    }
}

impl ColumnPanels {
    fn start(&self, J: usize) -> usize {
        LANES * J * self.count - LANES / 2 * J * J.saturating_sub(1)
    }

    /// Returns the rows `8I..` of panel J.
    pub(crate) fn panel_from(&self, J: usize, I: usize) -> &[Lanes] {
        &self.data[self.start(J) + LANES * (I - J)..self.start(J + 1)]
    }
}

/// A pivot that is not positive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct BadPivot {
    pub(crate) row: usize,
    pub(crate) pivot: f64,
}

/// Replaces a symmetric matrix, of which the lower triangle is read, by its Cholesky factor, and writes the
/// reciprocals of the factor's diagonal.
#[inline(always)]
pub(crate) fn factorize(K: &mut RowPanels, reciprocals: &mut Vec<Lanes>) -> Result<(), BadPivot> {
    let count = K.count;
    reciprocals.clear();
    for I in 0..count {
        let (above, rest) = K.data.split_at_mut(row_start(I));
        let panel = &mut rest[..LANES * (I + 1)];
        for J in 0..I {
            let other = &above[row_start(J)..row_start(J + 1)];
            let (done, rest) = panel.split_at_mut(LANES * J);
            let block = tile_mut(&mut rest[..LANES]);
            subtract_outer(block, done, &other[..LANES * J]);
            solve_right(block, tile(&other[LANES * J..]), &reciprocals[J]);
        }
        let (done, rest) = panel.split_at_mut(LANES * I);
        let block = tile_mut(rest);
        let diagonal: Lanes = std::array::from_fn(|c| block[c][c]);
        subtract_outer(block, done, done);
        let mut reciprocal = [0.0; LANES];
        for c in 0..LANES {
            let pivot = block[c][c];
            // A pivot lost to rounding is as bad as a negative one.
            if pivot.is_nan() || pivot <= 1e-15 * diagonal[c].abs() {
                return Err(BadPivot { row: LANES * I + c, pivot });
            }
            reciprocal[c] = 1.0 / pivot.sqrt();
            let mut column = block[c];
            for (i, x) in column.iter_mut().enumerate() {
                *x = if i < c { 0.0 } else { *x * reciprocal[c] };
            }
            block[c] = column;
            for later in c + 1..LANES {
                add_scaled(&mut block[later], -column[later], &column);
            }
        }
        reciprocals.push(reciprocal);
    }
    Ok(())
}

#[inline(always)]
fn subtract_outer(block: &mut Tile, a: &[Lanes], b: &[Lanes]) {
    let mut product = ZERO;
    add_outer(&mut product, a, b);
    for (block, product) in block.iter_mut().zip(&product) {
        for i in 0..LANES {
            block[i] -= product[i];
        }
    }
}

/// Replaces `C`, stored by columns, by `C D^-T` for a lower triangular `D`.
#[inline(always)]
fn solve_right(block: &mut Tile, D: &Tile, reciprocals: &Lanes) {
    for c in 0..LANES {
        let mut column = block[c];
        column.iter_mut().for_each(|x| *x *= reciprocals[c]);
        block[c] = column;
        for later in c + 1..LANES {
            add_scaled(&mut block[later], -D[c][later], &column);
        }
    }
}

/// Writes the inverse of the factor `L`.
#[inline(always)]
pub(crate) fn invert(L: &RowPanels, reciprocals: &[Lanes], inverse: &mut ColumnPanels) {
    let count = reciprocals.len();
    inverse.count = count;
    inverse.data.resize(row_start(count), [0.0; LANES]);
    for J in 0..count {
        let range = inverse.start(J)..inverse.start(J + 1);
        let column = &mut inverse.data[range];
        for I in J..count {
            let (done, rest) = column.split_at_mut(LANES * (I - J));
            let block = tile_mut(&mut rest[..LANES]);
            let panel = L.panel(I);
            let mut right = ZERO;
            if I == J {
                right.iter_mut().enumerate().for_each(|(r, row)| row[r] = -1.0);
            } else {
                add_outer(&mut right, done, &panel[LANES * J..LANES * I]);
            }
            // Forward substitution, row by row.
            let D = tile(&panel[LANES * I..]);
            for r in 0..LANES {
                let row: Lanes = std::array::from_fn(|j| -right[r][j] * reciprocals[I][r]);
                block[r] = row;
                for later in r + 1..LANES {
                    add_scaled(&mut right[later], D[r][later], &row);
                }
            }
        }
    }
}

/// Replaces `b` by `L^-1 b`.
#[inline(always)]
pub(crate) fn solve_lower(L: &RowPanels, reciprocals: &[Lanes], b: &mut [Lanes]) {
    for (I, reciprocal) in reciprocals.iter().enumerate() {
        let (done, rest) = b.split_at_mut(I);
        let (columns, D) = L.panel(I).split_at(LANES * I);
        // Four sums hide the latency of additions.
        let mut parts = [[0.0; LANES]; 4];
        for (columns, x) in columns.chunks_exact(4).zip(done.as_flattened().chunks_exact(4)) {
            for i in 0..4 {
                add_scaled(&mut parts[i], x[i], &columns[i]);
            }
        }
        let mut x = rest[0];
        for i in 0..LANES {
            x[i] -= (parts[0][i] + parts[1][i]) + (parts[2][i] + parts[3][i]);
        }
        for c in 0..LANES {
            x[c] *= reciprocal[c];
            for i in c + 1..LANES {
                x[i] -= x[c] * D[c][i];
            }
        }
        rest[0] = x;
    }
}

/// Writes `M^T b` for a lower triangular `M`.
#[inline(always)]
pub(crate) fn multiply_transposed(M: &ColumnPanels, b: &[Lanes], out: &mut Vec<Lanes>) {
    out.clear();
    for J in 0..M.count {
        let mut parts = [[0.0; LANES]; 4];
        let rows = M.panel_from(J, J).chunks_exact(4);
        for (rows, b) in rows.zip(b[J..].as_flattened().chunks_exact(4)) {
            for i in 0..4 {
                add_scaled(&mut parts[i], b[i], &rows[i]);
            }
        }
        out.push(std::array::from_fn(|i| {
            (parts[0][i] + parts[1][i]) + (parts[2][i] + parts[3][i])
        }));
    }
}

/// Writes `M b` for a lower triangular `M`, each sum from its first column to its last.
#[inline(always)]
pub(crate) fn multiply(M: &RowPanels, b: &[Lanes], out: &mut Vec<Lanes>) {
    out.clear();
    let b = b.as_flattened();
    let count = panels(b.len());
    let mut I = 0;
    // Four panels hide the latency of additions; what they do not share follows one by one.
    while I + 4 <= count {
        let shared = LANES * (I + 1);
        let p: [&[Lanes]; 4] = std::array::from_fn(|i| M.panel(I + i));
        let heads: [&[Lanes]; 4] = std::array::from_fn(|i| &p[i][..shared]);
        let mut sums = [[0.0; LANES]; 4];
        for (k, b) in b[..shared].iter().enumerate() {
            for i in 0..4 {
                add_scaled(&mut sums[i], *b, &heads[i][k]);
            }
        }
        for i in 0..4 {
            for (column, b) in p[i][shared..].iter().zip(&b[shared..]) {
                add_scaled(&mut sums[i], *b, column);
            }
        }
        out.extend_from_slice(&sums);
        I += 4;
    }
    for I in I..count {
        let mut sums = [0.0; LANES];
        for (column, b) in M.panel(I).iter().zip(b) {
            add_scaled(&mut sums, *b, column);
        }
        out.push(sums);
    }
}

/// Writes `M b` for blocks of eight vectors: `b[j]` holds the j-th number of each; the result, for each panel
/// and vector, eight rows. Each panel of the matrix is read once for all blocks.
#[inline(always)]
pub(crate) fn multiply_blocks(M: &RowPanels, b: &[Vec<Lanes>], out: &mut [Vec<Tile>]) {
    out.iter_mut().for_each(Vec::clear);
    for I in 0..M.count {
        for (b, out) in b.iter().zip(&mut *out) {
            let mut product = ZERO;
            add_outer(&mut product, M.panel(I), &b[..LANES * (I + 1)]);
            out.push(product);
        }
    }
}

/// Returns the diagonal of `M^T M`.
pub(crate) fn squared_columns(M: &ColumnPanels) -> Vec<Lanes> {
    (0..M.count)
        .map(|J| {
            let mut squares = [0.0; LANES];
            for row in M.panel_from(J, J) {
                add_product(&mut squares, row, row);
            }
            squares
        })
        .collect()
}

/// Returns the `n` rows of the matrix in panels of rows; what is beyond is 0.
pub(crate) fn by_rows(M: &ColumnPanels, n: usize) -> RowPanels {
    let mut out = RowPanels::default();
    out.reshape(n);
    for J in 0..M.count {
        for (I, block) in M.panel_from(J, J).chunks_exact(LANES).enumerate() {
            let target = &mut out.panel_mut(J + I)[LANES * J..LANES * (J + 1)];
            target.copy_from_slice(&transposed(tile(block)));
        }
    }
    for i in n..LANES * M.count {
        out.panel_mut(M.count - 1)[i][i % LANES] = 0.0;
    }
    out
}

/// Returns the same matrix in panels of columns.
pub(crate) fn by_columns(M: &RowPanels) -> ColumnPanels {
    let count = M.count;
    let mut out = ColumnPanels { count, data: vec![[0.0; LANES]; M.data.len()] };
    for I in 0..count {
        for (J, block) in M.panel(I).chunks_exact(LANES).enumerate() {
            let start = out.start(J) + LANES * (I - J);
            out.data[start..start + LANES].copy_from_slice(&transposed(tile(block)));
        }
    }
    out
}

/// Returns the inner product of two vectors in panels.
#[inline(always)]
pub(crate) fn inner(a: &[Lanes], b: &[Lanes]) -> f64 {
    let mut sums = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        add_product(&mut sums, a, b);
    }
    sum(sums)
}

#[cfg(test)]
#[path = "panels_tests.rs"]
mod tests;
