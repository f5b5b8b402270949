//! Whether something was read before it changed. Whoever keeps in memory what snapshots show asks here before they do: a snapshot may be older
//! than a change that everybody else has heard of, and what is kept from it would never be read again.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// Where a read or a change stands among the changes of a store. It is no time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

/// The moments of a store.
#[derive(Clone, Debug, Default)]
pub(super) struct Moments(Arc<AtomicU64>);

impl Moments {
    pub(super) fn now(&self) -> Moment {
        Moment(self.0.load(Ordering::SeqCst))
    }
}

/// The changes to what one cache keeps.
#[derive(Debug)]
pub struct Changes {
    moments: Moments,
    last: AtomicU64,
}

impl Changes {
    pub(super) fn new(moments: Moments) -> Self {
        Self { moments, last: AtomicU64::new(0) }
    }

    /// Notes a change. Call it after the write and before what is kept is forgotten.
    pub fn note(&self) {
        let moment = self.moments.0.fetch_add(1, Ordering::SeqCst) + 1;
        self.last.fetch_max(moment, Ordering::SeqCst);
    }

    /// The moment before a read that is about to begin.
    pub fn now(&self) -> Moment {
        self.moments.now()
    }

    /// Keeps what a read has shown that began at a moment, unless something has changed since.
    pub fn keep(&self, begun: Moment, keep: impl FnOnce(), forget: impl FnOnce()) {
        if self.none_since(begun) {
            keep();
            if !self.none_since(begun) {
                forget();
            }
        }
    }

    /// Whether nothing has changed since a moment.
    pub fn none_since(&self, begun: Moment) -> bool {
        begun.0 >= self.last.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn what_began_before_a_change_is_not_kept_and_what_began_after_it_is() {
        let moments = Moments::default();
        let (changes, others) = (Changes::new(moments.clone()), Changes::new(moments.clone()));
        let before = moments.now();
        assert!(changes.none_since(before));
        changes.note();
        assert!(!changes.none_since(before) && changes.none_since(moments.now()));
        assert!(others.none_since(before), "changes to something else do not count");
        let between = changes.now();
        others.note();
        assert!(changes.none_since(between) && !others.none_since(between) && !changes.none_since(before));

        let kept = Cell::new(0);
        let (keep, forget) = (|| kept.set(kept.get() + 1), || kept.set(kept.get() - 1));
        changes.keep(before, keep, forget);
        assert_eq!(kept.get(), 0);
        changes.keep(between, keep, forget);
        assert_eq!(kept.get(), 1);
        // It changes at the moment in which it is kept.
        changes.keep(
            between,
            || {
                keep();
                changes.note();
            },
            forget,
        );
        assert_eq!(kept.get(), 1);
    }
}
