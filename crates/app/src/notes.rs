//! Notes that spare work after a restart, and for which nobody waits: how far others have been told, and what they were answered. There is one write
//! at a time for each of those whom they are about; what comes meanwhile goes together into the next.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::Hash,
    pin::pin,
    sync::Arc,
};

use domicile_store::{Batch, Store};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Notes by whom they are about.
pub(crate) struct Notes<K> {
    store: Store,
    /// Whom a write is under way about, and what comes after it.
    under_way: Arc<Mutex<HashMap<K, Option<Batch>>>>,
    written: Arc<Notify>,
}

impl<K: Clone + Eq + Hash + Send + 'static> Notes<K> {
    /// Notes in a store.
    pub(crate) fn new(store: Store) -> Self {
        Self { store, under_way: Arc::default(), written: Arc::default() }
    }

    /// Writes what must never be needed: a server that ends before it is on disk does some work again.
    pub(crate) fn add(&self, key: K, batch: Batch) {
        match self.under_way.lock().entry(key.clone()) {
            Entry::Occupied(mut waiting) => {
                match waiting.get_mut() {
                    Some(before) => drop(before.append(batch)),
                    none => *none = Some(batch),
                }
                return;
            }
            Entry::Vacant(place) => drop(place.insert(None)),
        }
        let (store, under_way, written) = (self.store.clone(), Arc::clone(&self.under_way), Arc::clone(&self.written));
        tokio::spawn(async move {
            let mut next = Some(batch);
            while let Some(batch) = next {
                if let Err(error) = store.write(batch).await {
                    tracing::warn!(%error, "a note could not be written: after a restart some work is done again");
                }
                let mut under_way = under_way.lock();
                next = under_way.get_mut(&key).and_then(Option::take);
                if next.is_none() {
                    under_way.remove(&key);
                }
            }
            written.notify_waiters();
        });
    }

    /// Waits until all notes about somebody are on disk.
    pub(crate) async fn settled(&self, key: &K) {
        self.until(|under_way| !under_way.contains_key(key)).await;
    }

    /// Waits until all notes are on disk.
    pub(crate) async fn all_settled(&self) {
        self.until(HashMap::is_empty).await;
    }

    async fn until(&self, is_so: impl Fn(&HashMap<K, Option<Batch>>) -> bool) {
        loop {
            let mut written = pin!(self.written.notified());
            written.as_mut().enable();
            if is_so(&self.under_way.lock()) {
                return;
            }
            written.await;
        }
    }
}
