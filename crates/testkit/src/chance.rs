//! Chance that can be repeated: the same seed, the same run.

/// `SplitMix64`, after Steele, Lea and Flood, "Fast splittable pseudorandom number generators".
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// Chance that follows from a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The chance of one thing among many that have one seed, by the thing's name.
    pub fn of(seed: u64, name: &str) -> Self {
        Self(name.bytes().fold(mix(seed), |bits, byte| mix(bits ^ u64::from(byte)).wrapping_add(STEP)))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// A number from `from` up to, but not including, `to`, which is greater.
    pub fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.bits() % to.saturating_sub(from).max(1)
    }

    /// From 0 up to, but not including, 1.
    pub fn part(&mut self) -> f64 {
        // 32 bits are exact in a `f64`.
        let high = u32::try_from(self.bits() >> 32).unwrap_or(u32::MAX);
        f64::from(high) / (f64::from(u32::MAX) + 1.0)
    }
}

const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_numbers_are_those_that_are_published() {
        // The reference implementation's first outputs for the seed 1234567.
        let mut chance = Chance::new(1_234_567);
        let first: Vec<u64> = (0..3).map(|_| chance.bits()).collect();
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn numbers_stay_within_their_bounds() {
        let mut chance = Chance::of(1, "a");
        assert!((0..1_000).all(|_| (5..9).contains(&chance.between(5, 9))));
        assert!((0..1_000).all(|_| (0.0..1.0).contains(&chance.part())));
        assert_ne!(Chance::of(1, "a").bits(), Chance::of(1, "b").bits());
    }
}
