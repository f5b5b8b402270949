//! Whether the next write is made where it comes from: while the last ones came alone and the disk was quick.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::Duration,
};

/// So many commits in a row must have been of one batch before the next is made where it comes from.
pub(super) const ALONE: u32 = 8;
/// Such a commit may take so long on the average, since it holds up the thread that asks for it: on a slower disk nobody waits but who writes.
const QUICK: Duration = Duration::from_micros(600);

/// What the last commits tell of the next one.
#[derive(Default)]
pub(super) struct Pace {
    /// How many in a row were of one batch, up to [`ALONE`].
    alone: AtomicU32,
    /// How long one takes, in nanoseconds: a moving average over some eight.
    took_ns: AtomicU64,
}

impl Pace {
    /// Called by whoever holds the pen, so never twice at once.
    pub(super) fn note(&self, batches: usize, took: Duration) {
        let alone = if batches == 1 { self.alone.load(Ordering::Relaxed).saturating_add(1).min(ALONE) } else { 0 };
        self.alone.store(alone, Ordering::Relaxed);
        let took_ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX / 8);
        let average = (self.took_ns.load(Ordering::Relaxed) / 8).saturating_mul(7).saturating_add(took_ns / 8);
        self.took_ns.store(average, Ordering::Relaxed);
    }

    pub(super) fn is_calm(&self) -> bool {
        self.alone.load(Ordering::Relaxed) == ALONE
            && u128::from(self.took_ns.load(Ordering::Relaxed)) < QUICK.as_nanos()
    }

    /// As after many quick commits, one at a time.
    #[cfg(test)]
    pub(super) fn calm(&self) {
        self.alone.store(ALONE, Ordering::Relaxed);
        self.took_ns.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_disk_or_company_ends_the_calm() {
        let pace = Pace::default();
        for _ in 1..ALONE {
            pace.note(1, QUICK / 2);
            assert!(!pace.is_calm());
        }
        pace.note(1, QUICK / 2);
        assert!(pace.is_calm());
        pace.note(1, QUICK * 20);
        assert!(!pace.is_calm());
        for _ in 0..100 {
            pace.note(1, QUICK / 2);
        }
        assert!(pace.is_calm());
        pace.note(2, QUICK / 2);
        assert!(!pace.is_calm());
    }
}
