//! Interned state keys: a pair of state event type and state key is a number everywhere inside.

use std::hash::{Hash, Hasher};

use domicile_core::ids::KeyNum;
use domicile_store::{Batch, Snapshot, Store, StoreError, numbers::Sequence, table::state};
use quick_cache::sync::Cache;

use crate::Result;

/// Pairs kept in memory.
const CACHED: usize = 200_000;

/// The pairs.
pub struct StateKeys {
    store: Store,
    cache: Cache<Known, KeyNum>,
}

/// A pair in the cache. Both are in one piece of memory: a large room has tens of thousands.
#[derive(Clone, PartialEq, Eq)]
struct Known {
    text: Box<str>,
    /// Bytes of the type, which come first.
    kind: usize,
}

impl Known {
    fn new(kind: &str, state_key: &str) -> Self {
        Self { text: [kind, state_key].concat().into(), kind: kind.len() }
    }

    fn pair(&self) -> Pair<'_> {
        let (kind, state_key) = self.text.split_at(self.kind);
        Pair(kind, state_key)
    }
}

impl Hash for Known {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.pair().hash(state);
    }
}

/// A borrowed pair that finds an owned one in the cache.
#[derive(Hash, PartialEq, Eq)]
struct Pair<'a>(&'a str, &'a str);

impl quick_cache::Equivalent<Known> for Pair<'_> {
    fn equivalent(&self, key: &Known) -> bool {
        *self == key.pair()
    }
}

impl StateKeys {
    /// The pairs of a store.
    pub fn new(store: Store) -> Self {
        Self { store, cache: Cache::new(CACHED) }
    }

    /// The number of a pair, if any room ever had it.
    pub async fn find(&self, kind: &str, state_key: &str) -> Result<Option<KeyNum>> {
        if let Some(key_num) = self.cache.get(&Pair(kind, state_key)) {
            return Ok(Some(key_num));
        }
        let asked = (kind.to_owned(), state_key.to_owned());
        let found =
            self.store.read(move |snapshot| async move { state::key(&snapshot, &asked.0, &asked.1).await }).await?;
        if let Some(key_num) = found {
            self.cache.insert(Known::new(kind, state_key), key_num);
        }
        Ok(found)
    }

    /// The same within a read.
    pub async fn load(&self, snapshot: &Snapshot, kind: &str, state_key: &str) -> Result<Option<KeyNum>> {
        if let Some(key_num) = self.cache.get(&Pair(kind, state_key)) {
            return Ok(Some(key_num));
        }
        let found = state::key(snapshot, kind, state_key).await?;
        if let Some(key_num) = found {
            self.cache.insert(Known::new(kind, state_key), key_num);
        }
        Ok(found)
    }

    /// Sees to it that many pairs have numbers, in one write.
    pub async fn intern_many(&self, pairs: &[(String, String)]) -> Result<()> {
        let mut missing: Vec<&(String, String)> = Vec::new();
        for pair in pairs {
            if self.cache.get(&Pair(&pair.0, &pair.1)).is_none() {
                missing.push(pair);
            }
        }
        missing.sort_unstable();
        missing.dedup();
        if missing.is_empty() {
            return Ok(());
        }
        let asked: Vec<(String, String)> = missing.iter().map(|pair| (*pair).clone()).collect();
        let read = self.store.read(move |snapshot| async move {
            let mut found = Vec::with_capacity(asked.len());
            for (kind, state_key) in asked {
                found.push(state::key(&snapshot, &kind, &state_key).await?);
            }
            Ok::<_, StoreError>(found)
        });
        let found = read.await?;
        let mut new = Vec::new();
        for (pair, key_num) in missing.into_iter().zip(found) {
            match key_num {
                Some(key_num) => self.cache.insert(Known::new(&pair.0, &pair.1), key_num),
                None => new.push(pair),
            }
        }
        if new.is_empty() {
            return Ok(());
        }
        let first = self.store.numbers_in_a_row(Sequence::Key, new.len()).await?;
        let mut batch = Batch::new();
        batch.low_priority();
        for (key_num, (kind, state_key)) in (first..).zip(&new) {
            state::insert_key(&mut batch, KeyNum(key_num), kind, state_key);
        }
        match self.store.write(batch).await {
            Ok(_) => {
                for (key_num, (kind, state_key)) in (first..).zip(new) {
                    self.cache.insert(Known::new(kind, state_key), KeyNum(key_num));
                }
                Ok(())
            }
            // Somebody else added one of them: each is looked up when it is needed.
            Err(error) if error.is_conflict() => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The number of a pair, new if need be.
    pub async fn intern(&self, kind: &str, state_key: &str) -> Result<KeyNum> {
        loop {
            if let Some(key_num) = self.find(kind, state_key).await? {
                return Ok(key_num);
            }
            let key_num = self.store.number(Sequence::Key).await?;
            let mut batch = Batch::new();
            state::insert_key(&mut batch, key_num, kind, state_key);
            match self.store.write(batch).await {
                Ok(_) => {
                    self.cache.insert(Known::new(kind, state_key), key_num);
                    return Ok(key_num);
                }
                // Somebody else added the same pair.
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
