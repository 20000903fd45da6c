//! Reproducible random numbers for scripts and for random points.

/// The SplitMix64 generator of Steele, Lea and Flood (2014): small, and the same on every machine.
#[derive(Debug, Clone)]
pub struct SplitMix(u64);

impl SplitMix {
    /// Starts a sequence that depends on all of the seeds.
    pub fn new(seeds: &[u64]) -> Self {
        let mut sequence = Self(0);
        for seed in seeds {
            sequence.0 ^= seed;
            sequence.0 = sequence.next_u64();
        }
        sequence
    }

    /// Draws 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// Draws uniformly from `[0, 1)`.
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Draws a whole number below `bound`, which is at least 1.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.uniform() * bound as f64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_draws_what_the_published_generator_draws() {
        let mut sequence = SplitMix::new(&[]);
        assert_eq!(sequence.next_u64(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(sequence.next_u64(), 0x6e78_9e6a_a1b9_65f4);
    }

    #[test]
    fn every_seed_counts() {
        let first = |seeds: &[u64]| SplitMix::new(seeds).next_u64();
        assert_ne!(first(&[1, 2]), first(&[2, 1]));
        assert_ne!(first(&[1, 2]), first(&[1, 3]));
        assert_ne!(first(&[0]), first(&[0, 0]));
        let mut sequence = SplitMix::new(&[7]);
        let mean = (0..1000).map(|_| sequence.uniform()).sum::<f64>() / 1000.0;
        assert!((mean - 0.5).abs() < 0.05, "{mean}");
        assert!((0..1000).all(|_| sequence.below(3) < 3));
    }
}
