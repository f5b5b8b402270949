//! The beginning of a decider: it asks all other holders of the directory what they have, and takes what it lacks.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::Ordering,
};

use domicile_core::{error::ErrorKind, locality::CellName};
use domicile_store::table::deployment_document;
use futures::future::join_all;

use super::{
    Followers,
    followers::{BEGIN, Begin, Begun, ENTRIES, Entries, Wanted},
};
use crate::{Error, Result};

impl Followers {
    /// Asks all other holders what they have, and takes what is missing here. Nothing is decided before.
    pub(super) async fn decide(&self) -> Result<()> {
        let document = self.own.document();
        let term = document.decider.term;
        if !self.own.decides() {
            let text = format!("Names are decided by the cell {}.", document.decider.cell.as_str());
            return Err(ErrorKind::Forbidden.with(text).into());
        }
        if self.begun.load(Ordering::Acquire) == term {
            return Ok(());
        }
        let _one = self.beginning.lock().await;
        if self.begun.load(Ordering::Acquire) == term {
            return Ok(());
        }
        if let Err(why) = self.begin(term).await {
            tracing::warn!(%why, "this cell does not decide yet whose a name is");
            *self.waits.lock() = Some(why.to_string());
            return Err(ErrorKind::Unavailable.with("Names cannot be taken at the moment: try again later.").into());
        }
        *self.waits.lock() = None;
        self.begun.store(term, Ordering::Release);
        Ok(())
    }

    async fn begin(&self, term: u32) -> Result<()> {
        let before = self.own.document().decider_before().cloned();
        let others = self.others();
        let asked: BTreeSet<CellName> = others.iter().cloned().chain(before.clone()).collect();
        if asked.is_empty() {
            return self.note_standing(term, 0).await;
        }
        let text = self.store.read(|snapshot| async move { deployment_document::last(&snapshot).await }).await?;
        let begin = &Begin { document: text.map(|(text, _)| text).unwrap_or_default() };
        let answers = asked.iter().map(|cell| async move { (cell, self.ask::<Begun>(cell, BEGIN, begin).await) });
        let (mut told, mut silent) = (BTreeMap::new(), Vec::new());
        for (cell, answer) in join_all(answers).await {
            match answer {
                Ok(begun) => {
                    told.insert(cell.clone(), begun);
                }
                Err(error) => {
                    tracing::warn!(%error, cell = cell.as_str(), "a holder of the directory does not say what it has");
                    silent.push(cell.as_str().to_owned());
                }
            }
        }
        // The decider before has all that was ever answered, if it has decided until now; else the others together have it.
        let has_all = |cell: &CellName| told.get(cell).is_some_and(|begun: &Begun| !begun.was_begun);
        if !silent.is_empty() && !before.as_ref().is_some_and(has_all) {
            let who = silent.join(", ");
            return Err(Error::internal(format!(
                "It is not known what {who} has of the directory: bring it back, or take its `directory = true` out of the deployment document."
            )));
        }
        self.catch_up(&told).await?;
        let committed = told.iter().filter(|(cell, _)| others.contains(*cell)).map(|(_, begun)| begun.tip.index).max();
        let committed = committed.unwrap_or_default();
        self.note_standing(term, committed).await?;
        self.committed.send_if_modified(|known| {
            *known = committed.max(*known);
            true
        });
        Ok(())
    }

    /// Takes what others have and this cell lacks.
    async fn catch_up(&self, told: &BTreeMap<CellName, Begun>) -> Result<()> {
        let _alone = self.appending.write().await;
        let longest = told.iter().max_by_key(|(_, begun)| (begun.tip.term, begun.tip.index));
        let Some((holder, longest)) = longest else { return Ok(()) };
        for (cell, begun) in told {
            if let Some(key) = &begun.hash_key
                && !self.log.take_key(key).await?
            {
                return Err(self.forked(cell).await);
            }
        }
        let mut tip = self.log.tip().await?;
        while tip.index < longest.tip.index {
            let page: Entries = self.ask(holder, ENTRIES, &Wanted { after: tip.index }).await?;
            if page.entries.is_empty() {
                return Err(Error::internal("a holder of the directory does not give what it has"));
            }
            match self.log.follow(&tip, &page.entries).await {
                Ok(reached) => tip = reached,
                Err(error) => {
                    tracing::error!(%error, cell = holder.as_str(), "the directory's logs do not fit together");
                    return Err(self.forked(holder).await);
                }
            }
        }
        for (cell, begun) in told {
            if self.log.hash_at(begun.tip.index).await?.as_ref() != Some(&begun.tip.hash) {
                return Err(self.forked(cell).await);
            }
            self.clear(cell, "fork").await?;
        }
        Ok(())
    }
}
