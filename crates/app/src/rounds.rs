//! Work that is done again and again, and things on which one works at a time.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::Hash,
    time::Duration,
};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// Does some work, rests, and does it again, until the server stops. What goes wrong, the work tells itself.
pub(crate) async fn again_and_again<F: Future<Output = ()>>(
    pause: Duration,
    stopping: &CancellationToken,
    mut work: impl FnMut() -> F,
) {
    loop {
        work().await;
        tokio::select! {
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Things on which somebody works, each with whether somebody else came for it meanwhile.
pub(crate) struct Working<K>(Mutex<HashMap<K, bool>>);

impl<K> Default for Working<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash> Working<K> {
    /// Begins to work on a thing. False if somebody does: whoever it is learns at the end that there is more to do.
    pub(crate) fn begin(&self, key: K) -> bool {
        match self.0.lock().entry(key) {
            Entry::Occupied(mut working) => {
                working.insert(true);
                false
            }
            Entry::Vacant(free) => {
                free.insert(false);
                true
            }
        }
    }

    /// The work is done. Gives whether somebody else came for the thing since it was begun.
    pub(crate) fn end(&self, key: &K) -> bool {
        self.0.lock().remove(key).unwrap_or_default()
    }
}
