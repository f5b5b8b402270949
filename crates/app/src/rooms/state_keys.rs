//! Interned state keys: a pair of state event type and state key is a number everywhere inside.

use domicile_core::ids::KeyNum;
use domicile_store::{Batch, Snapshot, Store, numbers::Sequence, table::state};
use quick_cache::sync::Cache;

use crate::Result;

/// Pairs kept in memory.
const CACHED: usize = 200_000;

/// The pairs.
pub struct StateKeys {
    store: Store,
    cache: Cache<(String, String), KeyNum>,
}

/// A borrowed pair that finds an owned one in the cache.
#[derive(Hash, PartialEq, Eq)]
struct Pair<'a>(&'a str, &'a str);

impl quick_cache::Equivalent<(String, String)> for Pair<'_> {
    fn equivalent(&self, key: &(String, String)) -> bool {
        self.0 == key.0 && self.1 == key.1
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
        let wanted = (kind.to_owned(), state_key.to_owned());
        let asked = wanted.clone();
        let found =
            self.store.read(move |snapshot| async move { state::key(&snapshot, &asked.0, &asked.1).await }).await?;
        if let Some(key_num) = found {
            self.cache.insert(wanted, key_num);
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
            self.cache.insert((kind.to_owned(), state_key.to_owned()), key_num);
        }
        Ok(found)
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
                    self.cache.insert((kind.to_owned(), state_key.to_owned()), key_num);
                    return Ok(key_num);
                }
                // Somebody else added the same pair.
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
