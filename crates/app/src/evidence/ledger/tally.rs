//! Sums in memory until the ledger takes them: adding to one costs a lock and a look-up, and nothing on disk.

use std::collections::HashMap;

use domicile_core::locality::CellName;
use parking_lot::Mutex;

use super::Flow;

/// What went to which cell in which way, with its number and its bytes.
pub(super) type Sums = HashMap<(CellName, Flow), (i64, i64)>;

/// The sums.
#[derive(Default)]
pub struct Tally(Mutex<Sums>);

impl Tally {
    /// Counts what was given to a cell.
    pub fn add(&self, cell: &CellName, flow: Flow, bytes: usize) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        add(self.0.lock().entry((cell.clone(), flow)).or_default(), (1, bytes));
    }

    /// Counts more bytes of something that was counted already.
    pub fn add_bytes(&self, cell: &CellName, flow: Flow, bytes: usize) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        add(self.0.lock().entry((cell.clone(), flow)).or_default(), (0, bytes));
    }

    /// Takes what was counted since the last time.
    pub(super) fn take(&self) -> Sums {
        std::mem::take(&mut *self.0.lock())
    }
}

/// What requests have told other people's servers, by the way.
#[derive(Default)]
pub struct OuterTally(Mutex<HashMap<Flow, (i64, i64)>>);

impl OuterTally {
    /// Counts a request that another server has taken.
    pub fn add(&self, flow: Flow, bytes: usize) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        add(self.0.lock().entry(flow).or_default(), (1, bytes));
    }

    /// Takes what was counted since the last time.
    pub(super) fn take(&self) -> HashMap<Flow, (i64, i64)> {
        std::mem::take(&mut *self.0.lock())
    }
}

/// Adds a number and bytes to a sum of both.
pub(super) fn add(sum: &mut (i64, i64), (items, bytes): (i64, i64)) {
    *sum = (sum.0.saturating_add(items), sum.1.saturating_add(bytes));
}
