//! How large groups are: a log-normal distribution over whole numbers.
//!
//! Sizes of groups follow it in Meetup and Reddit (A. Vranić, J. Smiljanić, M. Mitrović Dankulov: *Universal growth of social groups: empirical
//! analysis and modeling*, J. Stat. Mech. 2022, 123402, arXiv:2206.06732). Of messengers only the number of groups of a person is published
//! (exponential) and that of contacts (log-normal): R. Corten et al., *Assessing mobile instant messenger networks with donated data*, Social Network
//! Analysis and Mining 2025, doi:10.1007/s13278-025-01550-8.

/// Members of the smallest group: two are a pair.
pub(super) const SMALLEST: u32 = 3;

/// The distribution.
#[derive(Clone, Debug)]
pub(super) struct Groups {
    /// Each size with its share of all groups.
    shares: Vec<(u32, f64)>,
}

impl Groups {
    /// With this median and this standard deviation of the logarithm; nobody has a larger group than `largest`.
    pub(super) fn new(median: f64, sigma: f64, largest: u32) -> Self {
        let mu = median.ln();
        let below = |size: f64| normal((size.ln() - mu) / sigma);
        let (first, last) = (below(f64::from(SMALLEST) - 0.5), below(f64::from(largest) + 0.5));
        let shares = (SMALLEST..=largest)
            .map(|size| {
                let mass = below(f64::from(size) + 0.5) - below(f64::from(size) - 0.5);
                (size, mass / (last - first))
            })
            .collect();
        Self { shares }
    }

    /// The mean of something over groups.
    pub(super) fn mean(&self, of: impl Fn(u32) -> f64) -> f64 {
        self.shares.iter().map(|(size, share)| share * of(*size)).sum()
    }

    /// The size of which the part `quantile` of all groups is at most.
    pub(super) fn quantile(&self, quantile: f64) -> u32 {
        let mut sum = 0.0;
        for (size, share) in &self.shares {
            sum += share;
            if sum >= quantile {
                return *size;
            }
        }
        self.shares.last().map_or(SMALLEST, |(size, _)| *size)
    }
}

/// The normal distribution function, to about 1e-7 (M. Abramowitz, I. Stegun: *Handbook of Mathematical Functions*, 7.1.26).
fn normal(x: f64) -> f64 {
    let z = x.abs() / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let factors = [1.061_405_429, -1.453_152_027, 1.421_413_741, -0.284_496_736, 0.254_829_592];
    let sum = factors.into_iter().fold(0.0, |sum, factor| sum * t + factor) * t;
    let erf = 1.0 - sum * (-z * z).exp();
    if x < 0.0 { 0.5 * (1.0 - erf) } else { 0.5 * (1.0 + erf) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_normal_distribution() {
        for (x, expected) in [(0.0, 0.5), (1.0, 0.841_344_7), (-1.0, 0.158_655_3), (1.96, 0.975_002_1), (8.0, 1.0)] {
            assert!((normal(x) - expected).abs() < 1e-6, "{x}: {}", normal(x));
        }
    }

    #[test]
    fn shares_are_of_one_whole_and_the_median_is_near_the_median() {
        let groups = Groups::new(10.0, 1.0, 5_000);
        assert!((groups.mean(|_| 1.0) - 1.0).abs() < 1e-9);
        // What is smaller than the smallest group is missing, so it lies somewhat higher.
        assert!((10..=12).contains(&groups.quantile(0.5)), "{}", groups.quantile(0.5));
        let mean = groups.mean(f64::from);
        assert!((16.0..20.0).contains(&mean), "{mean}");
        assert!(groups.quantile(0.99) > 80 && groups.quantile(1.1) == 5_000);
    }
}
