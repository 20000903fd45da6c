//! Arithmetic on eight numbers at a time, and on tiles of eight by eight.
//!
//! Compilers turn loops over arrays of fixed length into vector instructions. No operation here depends on
//! how wide those are: sums run in a fixed order and products are rounded before they are added, so that
//! every machine gets the same bits.

/// How many numbers are worked on together.
pub(crate) const LANES: usize = 8;

/// Eight numbers.
pub(crate) type Lanes = [f64; LANES];

/// Eight rows of eight numbers.
pub(crate) type Tile = [Lanes; LANES];

/// Nothing.
pub(crate) const ZERO: Tile = [[0.0; LANES]; LANES];

/// Returns the number of panels of eight that `n` numbers fill.
pub(crate) fn panels(n: usize) -> usize {
    n.div_ceil(LANES)
}

/// Splits `values` into panels; the last one is filled up with zeros.
pub(crate) fn to_panels(values: &[f64]) -> Vec<Lanes> {
    let mut out = vec![[0.0; LANES]; panels(values.len())];
    out.as_flattened_mut()[..values.len()].copy_from_slice(values);
    out
}

/// Views eight rows as a tile.
pub(crate) fn tile(rows: &[Lanes]) -> &Tile {
    rows.try_into().expect("a tile has eight rows")
}

/// Views eight rows as a tile.
pub(crate) fn tile_mut(rows: &mut [Lanes]) -> &mut Tile {
    rows.try_into().expect("a tile has eight rows")
}

/// Returns the sum of the eight numbers, always in the same order.
#[inline(always)]
pub(crate) fn sum(x: Lanes) -> f64 {
    ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7]))
}

/// Adds `f` times `x` to `y`.
#[inline(always)]
pub(crate) fn add_scaled(y: &mut Lanes, f: f64, x: &Lanes) {
    for i in 0..LANES {
        y[i] += f * x[i];
    }
}

/// Adds the products of `a` and `b` to `y`.
#[inline(always)]
pub(crate) fn add_product(y: &mut Lanes, a: &Lanes, b: &Lanes) {
    for i in 0..LANES {
        y[i] += a[i] * b[i];
    }
}

/// Adds `sum_k b[k][j] a[k][i]` to `out[j][i]`: the product of two panels.
#[inline(always)]
pub(crate) fn add_outer(out: &mut Tile, a: &[Lanes], b: &[Lanes]) {
    // Four rows at a time are what fits into registers.
    add_outer_rows::<0>(out, a, b);
    add_outer_rows::<4>(out, a, b);
}

#[inline(always)]
fn add_outer_rows<const FROM: usize>(out: &mut Tile, a: &[Lanes], b: &[Lanes]) {
    let mut rows: [Lanes; 4] = [out[FROM], out[FROM + 1], out[FROM + 2], out[FROM + 3]];
    for (a, b) in a.iter().zip(b) {
        for j in 0..4 {
            for i in 0..LANES {
                rows[j][i] += b[FROM + j] * a[i];
            }
        }
    }
    out[FROM..FROM + 4].copy_from_slice(&rows);
}

/// Returns the transpose.
#[inline(always)]
pub(crate) fn transposed(tile: &Tile) -> Tile {
    std::array::from_fn(|i| std::array::from_fn(|j| tile[j][i]))
}

/// Coefficients of `(exp(r) - 1 - r) / r^2` for |r| <= ln(2) / 2, interpolated at Chebyshev nodes; exp is
/// then within 2e-17 of its value before rounding.
const EXP: [f64; 10] = [
    0.5000000000000001,
    0.16666666666666669,
    0.041666666666623824,
    0.008333333333330039,
    0.0013888888917367081,
    0.00019841269863171557,
    2.4801521057868204e-5,
    2.7557268276905696e-6,
    2.7620201591031547e-7,
    2.5100472505694996e-8,
];

/// ln 2 in two parts, the first short enough that its multiples by exponents are exact.
const LN_2: [f64; 2] = [0.6931471526622772, 2.7897668087737545e-8];

/// Adding this rounds to an integer, which is then found in the lowest bits.
const ROUND: f64 = 6755399441055744.0;

/// The smallest argument of [`exp_negative`]; those below are raised to it.
const SMALLEST: f64 = -700.0;

/// Returns `exp(x)` for `x <= 0`, to two units in the last place; below -700 it is `exp(-700)`, about
/// 1e-304, which keeps arithmetic clear of subnormal numbers.
#[inline(always)]
pub(crate) fn exp_negative(x: Lanes) -> Lanes {
    let mut out = [0.0; LANES];
    for i in 0..LANES {
        let x = if x[i] > SMALLEST { x[i] } else { SMALLEST };
        let rounded = x * std::f64::consts::LOG2_E + ROUND;
        let exponent = rounded - ROUND;
        let r = (x - exponent * LN_2[0]) - exponent * LN_2[1];
        let r2 = r * r;
        // Estrin's scheme: a shorter chain than Horner's.
        let r4 = r2 * r2;
        let a = (EXP[0] + EXP[1] * r) + (EXP[2] + EXP[3] * r) * r2;
        let b = (EXP[4] + EXP[5] * r) + (EXP[6] + EXP[7] * r) * r2;
        let c = EXP[8] + EXP[9] * r;
        let q = a + (b + c * r4) * r4;
        let power = f64::from_bits(rounded.to_bits().wrapping_add(1023) << 52);
        out[i] = (1.0 + (r + r2 * q)) * power;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_are_within_two_units_in_the_last_place() {
        let x: Vec<f64> =
            (0..700_000).map(|i| -f64::from(i) * 1e-3 - 1e-7 * f64::from(i % 7)).collect();
        for x in x.chunks_exact(LANES) {
            let x: Lanes = x.try_into().unwrap();
            for (found, x) in exp_negative(x).iter().zip(x) {
                assert!((found / x.exp() - 1.0).abs() <= 2.0 * f64::EPSILON, "{x} {found}");
            }
        }
        assert_eq!(exp_negative([0.0; LANES]), [1.0; LANES]);
        let small =
            exp_negative([-1e300, f64::NEG_INFINITY, -700.0, -1e-300, -0.0, -1e-17, -1.0, -2.0]);
        assert_eq!(small[0], small[2]);
        assert_eq!(small[1], small[2]);
        assert!(small[2] > 0.0 && small[2].is_normal());
        assert_eq!(small[3..6], [1.0; 3]);
    }

    #[test]
    fn outer_products_add_up() {
        for n in 0..20 {
            let panel = |shift: f64| -> Vec<Lanes> {
                (0..n)
                    .map(|k| std::array::from_fn(|i| (f64::from(k) * 8.0 + i as f64 + shift).sin()))
                    .collect()
            };
            let (a, b) = (panel(0.0), panel(0.5));
            let mut found = [[1.0; LANES]; LANES];
            add_outer(&mut found, &a, &b);
            for i in 0..LANES {
                for j in 0..LANES {
                    let expected: f64 =
                        1.0 + a.iter().zip(&b).map(|(a, b)| a[i] * b[j]).sum::<f64>();
                    assert!((found[j][i] - expected).abs() < 1e-14);
                }
            }
        }
    }
}
