//! What many measured times come to.

use serde::Serialize;

/// Times, in milliseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Figures {
    /// How many there were.
    pub(crate) count: usize,
    /// The median.
    pub(crate) p50_ms: f64,
    /// The 99th percentile.
    pub(crate) p99_ms: f64,
    /// The longest.
    pub(crate) max_ms: f64,
}

impl Figures {
    /// Of these times in milliseconds.
    pub(crate) fn of(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        let last = times.len().saturating_sub(1);
        let at = |percent: usize| times.get((times.len() * percent / 100).min(last)).copied().unwrap_or_default();
        Self { count: times.len(), p50_ms: at(50), p99_ms: at(99), max_ms: at(100) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_percentiles_are_of_the_sorted_times() {
        let of = Figures::of((0..200).rev().map(f64::from).collect());
        assert_eq!((of.count, of.p50_ms, of.p99_ms, of.max_ms), (200, 100.0, 198.0, 199.0));
        assert_eq!(Figures::of(Vec::new()).count, 0);
    }
}
