//! Moves that were stopped before anybody was let go: what has come to the new home is forgotten there. A cell that cannot be told is told again, for
//! else it would keep what is somebody's whose home it never became.

use domicile_core::{clock::MINUTE_MS, locality::CellName};
use domicile_store::{
    Batch,
    table::moves::{self as rows, Move},
};

use super::{
    leave::Leaving,
    messages::{About, CANCEL, Done},
    progress::of_row,
};
use crate::{Error, Result};

/// When a cell is told again that could not be told, in milliseconds.
const AGAIN_MS: i64 = MINUTE_MS;
/// Moves of which cells are told at one go.
const AT_ONCE: i64 = 50;

impl Leaving {
    /// Tells the new home that somebody does not come. A move that was stopped is due until it was told.
    pub(super) async fn cancel(&self, row: &Move) -> Result<()> {
        let (_, _, user_id) = of_row(row)?;
        let to = CellName::parse(&row.destination).ok_or_else(|| Error::internal("the destination is no cell"))?;
        let about = About { move_id: row.move_id.clone(), user_id };
        // One that was revoked meanwhile is told nothing any more.
        let is_cell = self.cells()?.own.document().cells.contains_key(&to);
        let due_ts = match self.ask::<Done>(&to, CANCEL, &about).await {
            Err(error) if is_cell => {
                tracing::info!(%error, "another cell could not be told that somebody does not move there");
                self.clock.now_ms() + AGAIN_MS
            }
            _ => i64::MAX,
        };
        let mut batch = Batch::new();
        rows::update(&mut batch, &Move { due_ts, ..row.clone() });
        self.turner.store.write(batch).await?;
        Ok(())
    }

    /// Tells those again who could not be told.
    pub(super) async fn cancel_again(&self) -> Result<()> {
        let now_ms = self.clock.now_ms();
        let store = &self.turner.store;
        let read = store.read(move |snapshot| async move { rows::stopped(&snapshot, now_ms, AT_ONCE).await });
        for row in read.await? {
            match self.cancel(&row).await {
                // Somebody else told it in the same moment.
                Err(error) if error.is_conflict() => {}
                told => told?,
            }
        }
        Ok(())
    }
}
