//! The beginning of a decider: it asks all other holders of the directory what they have, and takes what it lacks.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::Ordering},
};

use domicile_core::{error::ErrorKind, locality::CellName};
use domicile_residency::directory::HashKeys;
use domicile_store::table::deployment_document;
use futures::future::join_all;

use super::{
    Followers,
    directory_words::{BEGIN, Begin, Begun, ENTRIES, Entries, Wanted},
    hash_rotation::KeysSay,
    own_cell::no_names,
};
use crate::{Error, Result};

impl Followers {
    /// Asks all other holders what they have, and takes what is missing here. Nothing is decided before.
    pub(super) async fn decide(self: &Arc<Self>) -> Result<()> {
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
            return Err(no_names());
        }
        *self.waits.lock() = None;
        self.begun.store(term, Ordering::Release);
        Ok(())
    }

    async fn begin(self: &Arc<Self>, term: u32) -> Result<()> {
        self.rotate().await?;
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

    /// Takes the keys of the hashes from who has most of them, and hashes the log here anew if it has other ones.
    async fn catch_up_keys(self: &Arc<Self>, told: &BTreeMap<CellName, Begun>) -> Result<()> {
        let read = told.iter().filter_map(|(cell, begun)| Some((cell, begun, begun.keys.read()?)));
        let mut told: Vec<(&CellName, &Begun, HashKeys)> = read.collect();
        told.sort_by_key(|(_, begun, keys)| std::cmp::Reverse((keys.all().len(), begun.tip.index)));
        for (cell, begun, keys) in &told {
            let has_more =
                self.log.keys().await?.is_some_and(|own| keys.missing_to(&own).is_some_and(|more| !more.is_empty()));
            if has_more && begun.tip.index <= self.log.tip().await?.index {
                continue;
            }
            let compared = {
                let _alone = self.appending.lock().await;
                self.compare_keys(cell, keys, begun.tip.index).await?
            };
            match compared {
                KeysSay::Same => {}
                KeysSay::Changing => self.rotate().await?,
                KeysSay::Other => return Err(self.forked(cell).await),
            }
        }
        Ok(())
    }

    /// Takes what others have and this cell lacks.
    async fn catch_up(self: &Arc<Self>, told: &BTreeMap<CellName, Begun>) -> Result<()> {
        self.catch_up_keys(told).await?;
        let _alone = self.appending.lock().await;
        let keys = self.log.told_keys().await?;
        // Who has fewer keys changes them when it is told of this cell's; nothing is there that is not here, or the keys could not have been changed.
        let told: BTreeMap<&CellName, &Begun> = told.iter().filter(|(_, begun)| begun.keys == keys).collect();
        let longest = told.iter().max_by_key(|(_, begun)| (begun.tip.term, begun.tip.index));
        let Some((holder, longest)) = longest else { return Ok(()) };
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
