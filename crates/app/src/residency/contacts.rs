//! When each other cell answered last, and asked for something last, as this process has seen it.

use std::{collections::BTreeMap, sync::Arc};

use domicile_core::{clock::Clock, locality::CellName};
use domicile_residency::cut::Signs;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// What is seen of the other cells.
pub(super) struct Contacts {
    clock: Arc<dyn Clock>,
    started_ms: i64,
    by_cell: Mutex<BTreeMap<CellName, Signs>>,
    /// Told when a cell answers that did not.
    back: Notify,
}

impl Contacts {
    /// Nothing is seen yet.
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let started_ms = clock.now_ms();
        Self { clock, started_ms, by_cell: Mutex::default(), back: Notify::new() }
    }

    fn note(&self, cell: &CellName, note: impl FnOnce(&mut Signs, i64)) {
        let now_ms = self.clock.now_ms();
        let mut by_cell = self.by_cell.lock();
        // Only cells of the document are noted here, so there are few.
        let signs = by_cell.entry(cell.clone()).or_insert(Signs { started_ms: self.started_ms, ..Signs::default() });
        note(signs, now_ms);
    }

    /// A cell answered.
    pub(super) fn reached(&self, cell: &CellName) {
        self.note(cell, |signs, now_ms| {
            if signs.failing_ms.take().is_some() {
                self.back.notify_one();
            }
            signs.back_ms.get_or_insert(now_ms);
            signs.reached_ms = Some(now_ms);
        });
    }

    /// A cell was asked, and did not answer.
    pub(super) fn failed(&self, cell: &CellName) {
        self.note(cell, |signs, now_ms| {
            signs.failing_ms.get_or_insert(now_ms);
            signs.back_ms = None;
        });
    }

    /// A cell asked for something.
    pub(super) fn heard(&self, cell: &CellName) {
        self.note(cell, |signs, now_ms| signs.heard_ms = Some(now_ms));
    }

    /// What is seen of a cell.
    pub(super) fn of(&self, cell: &CellName) -> Signs {
        let unseen = Signs { started_ms: self.started_ms, ..Signs::default() };
        self.by_cell.lock().get(cell).copied().unwrap_or(unseen)
    }

    /// Waits until a cell answers that did not.
    pub(super) async fn back(&self) {
        self.back.notified().await;
    }
}
