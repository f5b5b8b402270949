//! How far moves are that are being worked on now: more often than it is written.

use std::{collections::HashMap, sync::Arc};

use parking_lot::RwLock;

use super::progress::{Count, Progress};

/// Rooms, events and files.
type Now = (Count, u64, Count);

/// What is known beside the rows.
#[derive(Clone, Default)]
pub(super) struct Live(Arc<RwLock<HashMap<String, Now>>>);

impl Live {
    /// Notes how far a move is.
    pub(super) fn set(&self, move_id: &str, progress: &Progress) {
        self.0.write().insert(move_id.to_owned(), (progress.rooms, progress.events, progress.media));
    }

    /// Forgets a move whose row says it.
    pub(super) fn forget(&self, move_id: &str) {
        self.0.write().remove(move_id);
    }

    /// Puts what is known now over what a row says.
    pub(super) fn show(&self, move_id: &str, progress: &mut Progress) {
        if let Some((rooms, events, media)) = self.0.read().get(move_id) {
            (progress.rooms, progress.events, progress.media) = (*rooms, *events, *media);
        }
    }
}
