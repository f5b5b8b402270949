//! What is remembered of a destination between rounds. All of it can be found again from the database.

use std::{collections::HashMap, sync::Arc};

use domicile_core::ids::{DestinationNum, Position, RoomNum};
use domicile_store::table::destinations;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::carrier::Transaction;

/// A transaction that was not taken yet, with what its being taken changes.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) transaction: Arc<Transaction>,
    /// Everything up to here has been told then.
    pub(super) upto: Position,
    /// The rows of `outgoing_edus` that are in it.
    pub(super) edu_nums: Vec<i64>,
    /// Rooms of which nothing up to a position is told any more.
    pub(super) skipped: Vec<(RoomNum, Position)>,
    /// Whether it holds anything that is not simply forgotten.
    pub(super) lasting: bool,
}

/// What is remembered of a destination.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    /// Everything up to here has been told, or is nothing to it.
    pub(super) position: Position,
    /// The same as it is on disk.
    pub(super) written: Position,
    /// Up to where it is told the newest of each room only.
    pub(super) newest_upto: Option<Position>,
    /// How many events waited for it when they were last counted, and where the stream ended then.
    pub(super) counted: Option<(i64, Position)>,
    /// The transaction that it has not taken yet.
    pub(super) pending: Option<Arc<Pending>>,
    /// How often in a row it was not reached.
    pub(super) failures: i64,
    /// How often the size of its transactions is halved.
    pub(super) halved: u32,
    /// When the last transaction for it began.
    pub(super) begun: Option<Instant>,
}

impl Memory {
    pub(super) fn new(row: &destinations::Destination) -> Self {
        Self {
            position: row.position,
            written: row.position,
            newest_upto: None,
            counted: None,
            pending: None,
            failures: row.failures,
            halved: 0,
            begun: None,
        }
    }
}

/// The memories.
#[derive(Default)]
pub(super) struct Memories {
    by_num: Mutex<HashMap<DestinationNum, Memory>>,
}

impl Memories {
    pub(super) fn get(&self, destination_num: DestinationNum) -> Option<Memory> {
        self.by_num.lock().get(&destination_num).cloned()
    }

    pub(super) fn set(&self, destination_num: DestinationNum, memory: Memory) {
        self.by_num.lock().insert(destination_num, memory);
    }

    /// Those that have been told everything up to before a position, as far as is known, and answer.
    pub(super) fn before(&self, position: Position) -> Vec<DestinationNum> {
        let by_num = self.by_num.lock();
        let behind = by_num.iter().filter(|(_, memory)| memory.position < position && memory.failures == 0);
        behind.map(|(destination_num, _)| *destination_num).collect()
    }
}
