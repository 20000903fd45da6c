//! Sobol points: sequences that fill the unit cube evenly, with the direction numbers of Joe and Kuo (2008).

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use thiserror::Error;

/// One line per dimension, see the licence beside it. Read up to the requested dimension only.
const TABLE: &str = include_str!("joe_kuo.txt");

const BITS: usize = 32;
const UNIT: f64 = 1.0 / (1u64 << BITS) as f64;

/// The largest dimension with direction numbers in the table.
pub const MAX_DIMENSION: usize = 1111;

/// A Sobol sequence was asked for in more dimensions than there are direction numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "expected at most {MAX_DIMENSION} Sobol dimensions, found {found}; use pseudo-random points instead"
)]
pub struct TooManyDimensions {
    /// The dimension asked for.
    pub found: usize,
}

/// The first 2^32 points of a Sobol sequence in `[0, 1)^d`.
#[derive(Debug, Clone)]
pub struct Sobol {
    /// Direction numbers, shape `[d]`, most significant bit first.
    directions: Vec<[u32; BITS]>,
    /// Digital shift, shape `[d]`.
    shift: Vec<u32>,
}

impl Sobol {
    /// Makes the sequence as published; its first point is the origin.
    pub fn unscrambled(d: usize) -> Result<Self, TooManyDimensions> {
        if d > MAX_DIMENSION {
            return Err(TooManyDimensions { found: d });
        }
        let directions = TABLE.lines().take(d).map(directions).collect();
        Ok(Self { directions, shift: vec![0; d] })
    }

    /// Makes a randomized sequence: a linear matrix scramble and a digital shift (Matousek 1998) drawn
    /// from `seed`, which keep every net property while each point becomes uniform.
    pub fn scrambled(d: usize, seed: u64) -> Result<Self, TooManyDimensions> {
        let mut sobol = Self::unscrambled(d)?;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        for (directions, shift) in sobol.directions.iter_mut().zip(&mut sobol.shift) {
            // Row r of the unit lower-triangular matrix gives output bit r, counted from the top.
            let rows: [u32; BITS] = std::array::from_fn(|r| {
                let diagonal = 1u32 << (BITS - 1 - r);
                (rng.next_u32() & !(diagonal | (diagonal - 1))) | diagonal
            });
            for v in directions.iter_mut() {
                *v = rows.iter().enumerate().fold(0, |out, (r, row)| {
                    out | (((row & *v).count_ones() & 1) << (BITS - 1 - r))
                });
            }
            *shift = rng.next_u32();
        }
        Ok(sobol)
    }

    /// Returns the dimension d.
    pub fn dimension(&self) -> usize {
        self.shift.len()
    }

    /// Returns the `index`-th point, shape `[d]`, in Gray-code order.
    pub fn point(&self, index: u32) -> Vec<f64> {
        let gray = index ^ (index >> 1);
        self.directions
            .iter()
            .zip(&self.shift)
            .map(|(directions, shift)| {
                let mut bits = *shift;
                let mut rest = gray;
                while rest != 0 {
                    bits ^= directions[rest.trailing_zeros() as usize];
                    rest &= rest - 1;
                }
                f64::from(bits) * UNIT
            })
            .collect()
    }

    /// Iterates over the points from `start` on.
    pub fn points_from(&self, start: u32) -> impl Iterator<Item = Vec<f64>> + '_ {
        (start..=u32::MAX).map(|index| self.point(index))
    }
}

/// Expands one line of the table by the recurrence of Bratley and Fox (1988), eq. 2.
fn directions(line: &str) -> [u32; BITS] {
    let mut numbers = line.split(' ').map(|word| {
        word.parse::<u32>().expect("the embedded table holds integers separated by single spaces")
    });
    let polynomial = numbers.next().expect("every line begins with a polynomial");
    let initial: Vec<u32> = numbers.collect();
    let degree = polynomial.ilog2() as usize;
    let mut v = [0u32; BITS];
    for k in 0..BITS {
        let shift = BITS - 1 - k;
        v[k] = if degree == 0 {
            1 << shift
        } else if k < degree {
            initial[k] << shift
        } else {
            (1..degree)
                .filter(|i| polynomial >> (degree - i) & 1 == 1)
                .fold(v[k - degree] ^ (v[k - degree] >> degree), |sum, i| sum ^ v[k - i])
        };
    }
    v
}

#[cfg(test)]
#[path = "sobol_tests.rs"]
mod tests;
