//! What is the matter between the cells that hold the directory: noted for the operator until it is over.

use domicile_core::locality::CellName;
use domicile_store::{
    Batch,
    table::directory_troubles::{self, Trouble},
};

use super::Followers;
use crate::{Error, Result};

impl Followers {
    pub(super) async fn forked(&self, cell: &CellName) -> Error {
        if let Err(error) = self.note_fork(cell).await {
            tracing::error!(%error, "it could not be noted that the directory is forked");
        }
        Error::internal(format!("The directory's log here and that of {} are two different ones.", cell.as_str()))
    }

    /// The operator is told, until it is over.
    pub(super) async fn note_fork(&self, cell: &CellName) -> Result<()> {
        let what = format!(
            "The directory is forked: its log at {here} and at {there} say different things, so one of the two was restored without the other, or a \
             key is in somebody else's hands. Nothing of it is taken over. Find out which one is right (`domicile directory status` on both), then run \
             `domicile directory follow-anew` on the other one; if that is the cell that decides, name the right one as `decider` with a higher `term` first.",
            here = self.own.name().as_str(),
            there = cell.as_str()
        );
        tracing::error!(cell = cell.as_str(), "the directory is forked");
        self.note_trouble(cell, "fork", what).await
    }

    pub(super) async fn note_trouble(&self, cell: &CellName, kind: &str, what: String) -> Result<()> {
        let (cell, kind) = (cell.as_str().to_owned(), kind.to_owned());
        let mut batch = Batch::new();
        directory_troubles::put(&mut batch, &Trouble { cell, kind, what, since_ts: self.clock.now_ms() });
        self.store.write(batch).await?;
        Ok(())
    }

    /// What was the matter is over.
    pub(super) async fn clear(&self, cell: &CellName, kind: &'static str) -> Result<()> {
        let troubles = self.store.read(|snapshot| async move { directory_troubles::all(&snapshot).await }).await?;
        if !troubles.iter().any(|trouble| trouble.cell == cell.as_str() && trouble.kind == kind) {
            return Ok(());
        }
        let mut batch = Batch::new();
        directory_troubles::remove(&mut batch, cell.as_str(), kind);
        self.store.write(batch).await?;
        Ok(())
    }
}
