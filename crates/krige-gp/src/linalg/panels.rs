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

/// What is kept of the diagonal of a factor, for each panel.
#[derive(Debug, Clone, Default)]
pub(crate) struct Diagonal {
    /// Reciprocals of the diagonal.
    pub(crate) reciprocals: Vec<Lanes>,
    /// The inverses of the eight by eight blocks on the diagonal, by columns. Products with them have no chain
    /// of operations that wait for each other, as substitutions have.
    inverses: Vec<Tile>,
}

/// Replaces a symmetric matrix, of which the lower triangle is read, by its Cholesky factor, and writes what is
/// kept of the factor's diagonal.
#[inline(always)]
pub(crate) fn factorize(K: &mut RowPanels, diagonal: &mut Diagonal) -> Result<(), BadPivot> {
    let Diagonal { reciprocals, inverses } = diagonal;
    reciprocals.clear();
    inverses.clear();
    for I in 0..K.count {
        let (above, rest) = K.data.split_at_mut(row_start(I));
        let panel = &mut rest[..LANES * (I + 1)];
        for J in 0..I {
            let other = &above[row_start(J)..row_start(J + 1)];
            let (done, rest) = panel.split_at_mut(LANES * J);
            let block = tile_mut(&mut rest[..LANES]);
            subtract_outer(block, done, &other[..LANES * J]);
            let mut solved = ZERO;
            add_outer(&mut solved, &block[..], &inverses[J]);
            *block = solved;
        }
        let (done, rest) = panel.split_at_mut(LANES * I);
        let block = tile_mut(rest);
        let before: Lanes = std::array::from_fn(|c| block[c][c]);
        subtract_outer(block, done, done);
        let reciprocal = factorize_tile(block, &before)
            .map_err(|BadPivot { row, pivot }| BadPivot { row: LANES * I + row, pivot })?;
        inverses.push(transposed(&invert_tile(block, &reciprocal)));
        reciprocals.push(reciprocal);
    }
    Ok(())
}

/// Replaces a tile by its Cholesky factor, by columns, and returns the reciprocals of the factor's diagonal;
/// `before` is the diagonal that pivots are compared with.
#[inline(always)]
fn factorize_tile(block: &mut Tile, before: &Lanes) -> Result<Lanes, BadPivot> {
    // Roots are taken at the end, all together: here every column waits for the one before.
    let mut pivots = [0.0; LANES];
    for c in 0..LANES {
        let mut column = block[c];
        let pivot = column[c];
        // A pivot lost to rounding is as bad as a negative one.
        if pivot.is_nan() || pivot <= 1e-15 * before[c].abs() {
            return Err(BadPivot { row: c, pivot });
        }
        pivots[c] = pivot;
        column[..c].fill(0.0);
        block[c] = column;
        let reciprocal = 1.0 / pivot;
        let scaled = column.map(|x| x * reciprocal);
        for later in c + 1..LANES {
            add_scaled(&mut block[later], -column[later], &scaled);
        }
    }
    let reciprocal = pivots.map(|pivot| 1.0 / pivot.sqrt());
    for c in 0..LANES {
        block[c].iter_mut().for_each(|x| *x *= reciprocal[c]);
    }
    Ok(reciprocal)
}

/// Returns the inverse, by rows, of a lower triangular tile `D` that is given by columns.
#[inline(always)]
fn invert_tile(D: &Tile, reciprocals: &Lanes) -> Tile {
    let mut rows = ZERO;
    rows.iter_mut().enumerate().for_each(|(r, row)| row[r] = 1.0);
    for r in 0..LANES {
        let row = rows[r].map(|x| x * reciprocals[r]);
        rows[r] = row;
        for later in r + 1..LANES {
            add_scaled(&mut rows[later], -D[r][later], &row);
        }
    }
    rows
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

/// Writes the inverse of the factor `L`.
#[inline(always)]
pub(crate) fn invert(L: &RowPanels, diagonal: &Diagonal, inverse: &mut ColumnPanels) {
    let inverses = &diagonal.inverses;
    let count = inverses.len();
    inverse.count = count;
    inverse.data.resize(row_start(count), [0.0; LANES]);
    for J in 0..count {
        let range = inverse.start(J)..inverse.start(J + 1);
        let column = &mut inverse.data[range];
        column[..LANES].copy_from_slice(&transposed(&inverses[J]));
        for (I, D_inverse) in inverses.iter().enumerate().skip(J + 1) {
            let (done, rest) = column.split_at_mut(LANES * (I - J));
            let mut right = ZERO;
            add_outer(&mut right, done, &L.panel(I)[LANES * J..LANES * I]);
            let mut solved = ZERO;
            add_outer(&mut solved, &right, D_inverse);
            for (block, solved) in rest.iter_mut().zip(&solved) {
                *block = solved.map(|x| -x);
            }
        }
    }
}

/// Replaces `b` by `L^-1 b`.
#[inline(always)]
pub(crate) fn solve_lower(L: &RowPanels, diagonal: &Diagonal, b: &mut [Lanes]) {
    for (I, inverse) in diagonal.inverses.iter().enumerate() {
        let (done, rest) = b.split_at_mut(I);
        // Four sums hide the latency of additions.
        let mut parts = [[0.0; LANES]; 4];
        let columns = L.panel(I)[..LANES * I].chunks_exact(4);
        for (columns, x) in columns.zip(done.as_flattened().chunks_exact(4)) {
            for i in 0..4 {
                add_scaled(&mut parts[i], x[i], &columns[i]);
            }
        }
        let mut right = rest[0];
        for i in 0..LANES {
            right[i] -= (parts[0][i] + parts[1][i]) + (parts[2][i] + parts[3][i]);
        }
        let mut halves = [[0.0; LANES]; 2];
        for c in 0..LANES {
            add_scaled(&mut halves[c % 2], right[c], &inverse[c]);
        }
        rest[0] = std::array::from_fn(|i| halves[0][i] + halves[1][i]);
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
