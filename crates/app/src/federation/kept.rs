//! Answers of other servers, remembered for a short while, in memory only.

use std::{hash::Hash, sync::Arc};

use domicile_core::clock::Clock;
use quick_cache::sync::Cache;

/// Answers by what was asked.
pub struct Kept<K, V> {
    clock: Arc<dyn Clock>,
    answers: Cache<K, (i64, V)>,
}

impl<K: Eq + Hash, V: Clone> Kept<K, V> {
    /// At most `most` answers.
    pub fn new(clock: Arc<dyn Clock>, most: usize) -> Self {
        Self { clock, answers: Cache::new(most) }
    }

    /// An answer that is still good.
    pub fn get<Q>(&self, key: &Q) -> Option<V>
    where
        Q: Hash + quick_cache::Equivalent<K> + ?Sized,
    {
        let (until_ms, value) = self.answers.get(key)?;
        (self.clock.now_ms() < until_ms).then_some(value)
    }

    /// An answer is not good any more.
    pub fn forget<Q>(&self, key: &Q)
    where
        Q: Hash + quick_cache::Equivalent<K> + ?Sized,
    {
        self.answers.remove(key);
    }

    /// Keeps an answer for some milliseconds.
    pub fn put(&self, key: K, value: V, life_ms: i64) {
        self.answers.insert(key, (self.clock.now_ms().saturating_add(life_ms), value));
    }
}
