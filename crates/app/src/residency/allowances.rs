//! How many names another cell may ask for: whoever has its key could otherwise try all names that there can be. What it looks up, takes and moves is
//! counted apart, so that people who look up many names keep nobody from getting one, and nobody from moving.

use std::{collections::BTreeMap, sync::Arc};

use domicile_core::{
    clock::Clock,
    error::MatrixError,
    locality::{CellName, Destination},
};
use domicile_store::{
    Store,
    table::{destinations, users},
};
use parking_lot::Mutex;
use ruma::{ServerName, UserId};

use super::{Localities, Names};
use crate::Result;

/// Names that one cell may ask for in one way: so many at once, and so many each second in the long run.
const BURST: f64 = 5_000.0;
const PER_MS: f64 = 0.01;
/// How long whoever has asked for too many is told to wait, in milliseconds.
const WAIT_MS: u64 = 10_000;

/// What a cell wants with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wanting {
    /// To know whose it is.
    LookUp,
    /// To have it.
    Take,
    /// To give somebody another home.
    Move,
    /// To have keys or a profile of somebody with whom nobody of it shares a room.
    Strangers,
}

/// What each cell may ask for yet.
pub(super) struct Allowances {
    clock: Arc<dyn Clock>,
    /// So much is left, and since when, in milliseconds since the epoch.
    left: Mutex<BTreeMap<(CellName, Wanting), (f64, i64)>>,
}

impl Allowances {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, left: Mutex::default() }
    }

    #[expect(clippy::cast_precision_loss, reason = "milliseconds between two requests, and a few names")]
    fn check(&self, cell: &CellName, wanting: Wanting, names: usize) -> Result<()> {
        let now_ms = self.clock.now_ms();
        let mut all = self.left.lock();
        let (left, since) = all.entry((cell.clone(), wanting)).or_insert((BURST, now_ms));
        let passed = now_ms.saturating_sub(*since).max(0) as f64;
        *left = (*left + passed * PER_MS).min(BURST);
        *since = now_ms;
        if *left < names as f64 {
            return Err(MatrixError::limit_exceeded(WAIT_MS).into());
        }
        *left -= names as f64;
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "a few names")]
    fn give_back(&self, cell: &CellName, wanting: Wanting, names: usize) {
        if let Some((left, _)) = self.left.lock().get_mut(&(cell.clone(), wanting)) {
            *left = (*left + names as f64).min(BURST);
        }
    }
}

impl Names {
    /// Whether a cell may ask for so many names now.
    pub(crate) fn check_rate(&self, cell: &CellName, wanting: Wanting, names: usize) -> Result<()> {
        self.allowances.check(cell, wanting, names)
    }

    /// Lets a cell ask for so many names more: those for which it was counted were no question.
    pub(super) fn give_back(&self, cell: &CellName, wanting: Wanting, names: usize) {
        self.allowances.give_back(cell, wanting, names);
    }
}

impl Localities {
    /// Counts those of some users who share no room with anybody of a cell that asks for them, whether they are somebody or not: so it can guess names
    /// here no faster than in the directory. Other servers are counted elsewhere.
    pub async fn check_strangers(&self, store: &Store, origin: &ServerName, named: &[&UserId]) -> Result<()> {
        let (Some(cells), Destination::Cell(cell)) = (self.cells(), Destination::of_peer(origin)) else {
            return Ok(());
        };
        let ids: Vec<String> = named.iter().map(ToString::to_string).collect();
        let destination = Destination::Cell(cell.clone()).to_string();
        let met = store.read(move |snapshot| async move {
            let here = users::local_by_ids(&snapshot, ids.iter().map(String::as_str)).await?;
            destinations::who_share(&snapshot, here.into_iter().map(|(user_num, _)| user_num), &destination).await
        });
        match named.len().saturating_sub(met.await?.len()) {
            0 => Ok(()),
            strangers => cells.names.check_rate(&cell, Wanting::Strangers, strangers),
        }
    }
}
