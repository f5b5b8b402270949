//! Notes that spare work after a restart, and for which nobody waits: how far others have been told, and what they were answered. They come with
//! every transaction, and a write to disk of its own for each would have the next transaction wait for it: so what comes within a moment goes
//! together, one write at a time for each of those whom the notes are about.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::Hash,
    pin::pin,
    sync::Arc,
    time::Duration,
};

use domicile_store::{Batch, Store};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

/// How long a note waits for others that go with it.
const MOMENT: Duration = Duration::from_millis(25);

/// Notes by whom they are about.
pub(crate) struct Notes<K> {
    store: Store,
    /// Those about whom there is something to write, and what: nothing while it is being written.
    open: Arc<Mutex<HashMap<K, Option<Batch>>>>,
    written: Arc<Notify>,
    /// How many wait for them after all.
    waiting: watch::Sender<usize>,
}

impl<K: Clone + Eq + Hash + Send + 'static> Notes<K> {
    /// Notes in a store.
    pub(crate) fn new(store: Store) -> Self {
        Self { store, open: Arc::default(), written: Arc::default(), waiting: watch::Sender::default() }
    }

    /// Writes what must never be needed: a server that ends before it is on disk does some work again.
    pub(crate) fn add(&self, key: K, batch: Batch) {
        match self.open.lock().entry(key.clone()) {
            Entry::Occupied(mut waiting) => {
                match waiting.get_mut() {
                    Some(before) => drop(before.append(batch)),
                    none => *none = Some(batch),
                }
                return;
            }
            Entry::Vacant(place) => drop(place.insert(Some(batch))),
        }
        let (store, open) = (self.store.clone(), Arc::clone(&self.open));
        let (written, mut waiting) = (Arc::clone(&self.written), self.waiting.subscribe());
        tokio::spawn(async move {
            loop {
                drop(tokio::time::timeout(MOMENT, waiting.wait_for(|waiting| *waiting > 0)).await);
                let batch = open.lock().get_mut(&key).and_then(Option::take);
                if let Some(batch) = batch
                    && let Err(error) = store.write(batch).await
                {
                    tracing::warn!(%error, "a note could not be written: after a restart some work is done again");
                }
                let mut open = open.lock();
                if open.get(&key).is_none_or(Option::is_none) {
                    open.remove(&key);
                    break;
                }
            }
            written.notify_waiters();
        });
    }

    /// Waits until all notes about somebody are on disk.
    pub(crate) async fn settled(&self, key: &K) {
        self.until(|open| !open.contains_key(key)).await;
    }

    /// Waits until all notes are on disk.
    pub(crate) async fn all_settled(&self) {
        self.until(HashMap::is_empty).await;
    }

    async fn until(&self, is_so: impl Fn(&HashMap<K, Option<Batch>>) -> bool) {
        let mut hurry = None;
        loop {
            let mut written = pin!(self.written.notified());
            written.as_mut().enable();
            if is_so(&self.open.lock()) {
                return;
            }
            hurry.get_or_insert_with(|| Hurry::new(&self.waiting));
            written.await;
        }
    }
}

/// Somebody who waits for notes, as long as they do.
struct Hurry<'n>(&'n watch::Sender<usize>);

impl<'n> Hurry<'n> {
    fn new(waiting: &'n watch::Sender<usize>) -> Self {
        waiting.send_modify(|count| *count += 1);
        Self(waiting)
    }
}

impl Drop for Hurry<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

#[cfg(test)]
mod tests {
    use domicile_store::{StoreOptions, table::inbound};

    use super::*;

    async fn store(folder: &tempfile::TempDir) -> Store {
        let path = folder.path().join("test.db");
        Store::open(StoreOptions::Sqlite { path, readers: 1 }).await.unwrap()
    }

    fn note(txn_id: &str) -> Batch {
        let mut batch = Batch::new();
        inbound::set_transaction(&mut batch, "there", txn_id, String::new());
        batch
    }

    async fn written(store: &Store) -> Option<String> {
        let read = store.read(|snapshot| async move { inbound::last_transaction(&snapshot, "there").await });
        read.await.unwrap().map(|(txn_id, _)| txn_id)
    }

    #[tokio::test]
    async fn notes_are_on_disk_a_moment_later() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder).await;
        let notes = Notes::new(store.clone());
        for number in 0..100 {
            notes.add(1, note(&format!("t{number}")));
        }
        assert!(matches!(notes.open.lock().get(&1), Some(Some(_))), "a note waits for others");
        while !notes.open.lock().is_empty() {
            tokio::time::sleep(MOMENT).await;
        }
        assert_eq!(written(&store).await.as_deref(), Some("t99"));
    }

    #[tokio::test]
    async fn whoever_waits_for_a_note_does_not_wait_long() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder).await;
        let notes = Notes::new(store.clone());
        notes.settled(&1).await;
        // On a clock that stands still nothing is written unless somebody asks for it.
        tokio::time::pause();
        let began = tokio::time::Instant::now();
        for (number, key) in [("t1", 1), ("t2", 2)] {
            notes.add(key, note(number));
            notes.settled(&3).await;
            notes.settled(&key).await;
            assert_eq!(written(&store).await.as_deref(), Some(number));
        }
        notes.add(1, note("t3"));
        notes.add(2, note("t4"));
        notes.all_settled().await;
        assert!(notes.open.lock().is_empty() && *notes.waiting.borrow() == 0);
        assert!(began.elapsed() < MOMENT, "{:?}", began.elapsed());
    }
}
