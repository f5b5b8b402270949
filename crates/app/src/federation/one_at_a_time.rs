//! One at a time for each of many things: who comes while somebody is at it waits, and finds what they brought.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;

/// A lock for each thing that somebody is at, with what they leave there for those who come while they have it.
pub struct OneAtATime<K, T = ()> {
    locks: Mutex<HashMap<K, Weak<tokio::sync::Mutex<T>>>>,
}

impl<K, T> Default for OneAtATime<K, T> {
    fn default() -> Self {
        Self { locks: Mutex::default() }
    }
}

impl<K: Eq + Hash, T> OneAtATime<K, T> {
    /// The lock of a thing, if somebody is at it.
    pub fn at_work(&self, key: &K) -> Option<Arc<tokio::sync::Mutex<T>>> {
        self.locks.lock().get(key).and_then(Weak::upgrade)
    }
}

impl<K: Eq + Hash, T: Default> OneAtATime<K, T> {
    /// The lock of a thing. What is left there is kept as long as anybody has it.
    pub fn of(&self, key: K) -> Arc<tokio::sync::Mutex<T>> {
        let mut locks = self.locks.lock();
        if let Some(lock) = locks.get(&key).and_then(Weak::upgrade) {
            return lock;
        }
        locks.retain(|_, lock| lock.strong_count() > 0);
        let lock = Arc::new(tokio::sync::Mutex::new(T::default()));
        locks.insert(key, Arc::downgrade(&lock));
        lock
    }
}
