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
        let mut sums = self.0.lock();
        let sum = sums.entry((cell.clone(), flow)).or_default();
        *sum = (sum.0.saturating_add(1), sum.1.saturating_add(bytes));
    }

    /// Takes what was counted since the last time.
    pub(super) fn take(&self) -> Sums {
        std::mem::take(&mut *self.0.lock())
    }
}
