//! The directory at a cell that follows: what the decider tells it, and what it gives a decider that begins.

use domicile_core::{error::ErrorKind, locality::CellName};
use domicile_residency::{
    deployment::{Deployment, accept, parse, sign},
    directory::{Entry, Tip},
};
use domicile_store::{Batch, table::directory_names};

use std::sync::Arc;

use super::{
    Followers,
    directory_words::{Begin, Begun, Entries, Push, Reached, Wanted},
    hash_rotation::KeysSay,
};
use crate::{Error, Result, error::forbidden};

impl Followers {
    /// Takes what the decider has written. It is on disk when this returns.
    pub async fn follow_for(self: &Arc<Self>, cell: &CellName, push: &Push) -> Result<Reached> {
        let _alone = self.appending.lock().await;
        self.check_decider(cell).await?;
        *self.head.lock() = Some((push.head, self.clock.now_ms()));
        let mut tip = self.log.tip().await?;
        let keys = match push.keys.read() {
            Some(keys) => self.compare_keys(cell, &keys, push.head).await?,
            None if tip.index == 0 => KeysSay::Same,
            None => KeysSay::Other,
        };
        match keys {
            KeysSay::Same => tip = self.log.tip().await?,
            KeysSay::Changing => {
                self.spawn_rotation();
                return Ok(Reached { tip, forked: false, is_changing: true });
            }
            KeysSay::Other => return self.is_forked(cell, tip).await,
        }
        if push.after.index > tip.index {
            // The decider took this cell to have more, as before it was restored.
            return Ok(Reached { tip, forked: false, is_changing: false });
        }
        if self.log.hash_at(push.after.index).await?.as_ref() != Some(&push.after.hash) {
            return self.is_forked(cell, tip).await;
        }
        let new = push.entries.iter().position(|entry| entry.index > tip.index).unwrap_or(push.entries.len());
        let (known, new) = push.entries.split_at(new);
        if !self.has(known).await? {
            return self.is_forked(cell, tip).await;
        }
        if !new.is_empty() {
            tip = self.log.follow(&tip, new).await?;
        }
        self.clear(cell, "fork").await?;
        Ok(Reached { tip, forked: false, is_changing: false })
    }

    async fn is_forked(&self, cell: &CellName, tip: Tip) -> Result<Reached> {
        self.note_fork(cell).await?;
        Ok(Reached { tip, forked: true, is_changing: false })
    }

    /// Whether entries are those that are here.
    async fn has(&self, entries: &[Entry]) -> Result<bool> {
        // Each names the one before, so the last stands for all; that they belong together is looked at when they are followed.
        let Some(last) = entries.last() else { return Ok(true) };
        Ok(self.log.hash_at(last.index).await? == Some(last.hash()))
    }

    async fn check_decider(&self, cell: &CellName) -> Result<()> {
        let decider = &self.own.document().decider;
        if !self.holds() || self.own.decides() || decider.cell != *cell {
            return Err(forbidden(format!(
                "By the deployment document {} here, {} does not follow {} in the directory.",
                self.own.document().serial,
                self.own.name().as_str(),
                cell.as_str()
            )));
        }
        let (promised, _) = self.standing().await?;
        if promised > decider.term {
            return Err(forbidden(format!("Term {} of the directory is over.", decider.term)));
        }
        Ok(())
    }

    /// A decider begins its term, and asks what is here. Nothing of an earlier term is written here from then on.
    pub async fn begin_for(self: &Arc<Self>, cell: &CellName, begin: &Begin) -> Result<Begun> {
        let theirs = self.document_of(begin)?;
        if theirs.decider.cell != *cell {
            return Err(forbidden("The document that was brought names another cell as the decider."));
        }
        let term = theirs.decider.term;
        let _alone = self.appending.lock().await;
        // What is hashed anew here is the log that counts, as soon as that is done.
        if self.log.rotation().await?.is_some_and(|rotation| rotation.source.is_none()) {
            self.spawn_rotation();
            self.log.check_settled().await?;
        }
        let (promised, committed) = self.standing().await?;
        if promised > term {
            return Err(forbidden(format!("Term {term} of the directory is over.")));
        }
        if promised < term {
            self.note_standing(term, committed).await?;
        }
        *self.promised.lock() = Some(cell.clone());
        Ok(Begun { tip: self.log.tip().await?, keys: self.log.told_keys().await?, was_begun: promised == term })
    }

    /// The document that a decider brings, if this cell would take it.
    fn document_of(&self, begin: &Begin) -> Result<Deployment> {
        let refused = |why: &dyn std::fmt::Display| {
            forbidden(format!("The document that was brought does not hold here: {why}."))
        };
        let text = sign::verified(&begin.document, self.own.root()).map_err(|why| refused(&why))?;
        let theirs = parse::read("the document", text).map_err(|why| refused(&why))?;
        accept::accept(self.own.document(), &theirs).map_err(|why| refused(&why))?;
        Ok(theirs)
    }

    /// Gives entries to another cell that holds the directory, or is to decide.
    pub async fn entries_for(&self, cell: &CellName, wanted: &Wanted) -> Result<Entries> {
        let is_promised = self.promised.lock().as_ref() == Some(cell);
        if !is_promised && !self.others().contains(cell) {
            return Err(forbidden("The log of the directory is for cells that hold it."));
        }
        self.log.check_settled().await?;
        Ok(Entries { entries: self.log.page(wanted.after).await? })
    }

    /// Forgets the log here, so that it is fetched anew from the decider: the way out when this cell's is the wrong one of two.
    pub async fn follow_anew(&self) -> Result<()> {
        let _alone = self.appending.lock().await;
        if self.own.decides() {
            let text = "This cell decides whose a name is, so the others go by its log. Name another `decider` with a higher `term` in the deployment \
                        document first.";
            return Err(ErrorKind::BadRequest.with(text).into());
        }
        if !self.holds() {
            return Err(ErrorKind::BadRequest.with("This cell does not hold the directory.").into());
        }
        let mut batch = Batch::new();
        directory_names::forget(&mut batch);
        self.store.write(batch).await.map_err(Error::from)?;
        self.clear(&self.own.document().decider.cell, "fork").await
    }
}
