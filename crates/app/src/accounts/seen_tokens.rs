//! Which other cells may have seen a device's tokens, and the end of these tokens when such a cell is revoked.
//!
//! A client that is passed on by another cell shows it its token, and somebody who moved here came with tokens that their old home had. So whoever
//! takes such a cell over can act as these people, and could go on after its revocation: the token is good here. So the sessions end that such a cell
//! may know. Devices and their keys stay; their clients sign in again. Refreshing a token does not take it out of such hands: whoever has the old
//! one could be who refreshed it. Only signing in again does.

use std::{collections::HashSet, sync::Arc, time::Duration};

use domicile_core::{
    clock::{Clock, DAY_MS},
    locality::CellName,
};
use domicile_store::{
    Batch, Store,
    table::{device_doors, ended_tokens},
};
use quick_cache::sync::Cache;
use tokio_util::sync::CancellationToken;

use super::{Sessions, sessions::TokenHash};
use crate::{Result, residency::Localities, rounds::again_and_again};

/// Tokens of which it is known in memory through which door they came last.
const KNOWN: usize = 50_000;
/// Devices whose sessions end in one write.
const PAGE: i64 = 500;
/// How often it is looked whether a cell was revoked.
const PAUSE: Duration = Duration::from_secs(10);
/// How long clients are told why their session has ended.
const TOLD_MS: i64 = 90 * DAY_MS;

/// What other cells may have seen.
pub struct SeenTokens {
    store: Store,
    clock: Arc<dyn Clock>,
    sessions: Arc<Sessions>,
    localities: Arc<Localities>,
    noted: Cache<TokenHash, CellName>,
}

impl SeenTokens {
    /// Of a cell among others.
    pub fn new(store: Store, clock: Arc<dyn Clock>, sessions: Arc<Sessions>, localities: Arc<Localities>) -> Self {
        Self { store, clock, sessions, localities, noted: Cache::new(KNOWN) }
    }

    /// Notes that a token went through the hands of a cell. Nearly always that is known.
    pub async fn note(&self, hash: &TokenHash, cell: &CellName) -> Result<()> {
        if self.noted.get(hash).is_some_and(|noted| noted == *cell) {
            return Ok(());
        }
        let (wanted, name) = (*hash, cell.as_str().to_owned());
        let read =
            self.store.read(move |snapshot| async move { device_doors::of_token(&snapshot, &wanted, &name).await });
        // One that nobody has opens nothing.
        let Some((device_num, is_noted)) = read.await? else { return Ok(()) };
        if !is_noted {
            let mut batch = Batch::new();
            device_doors::put(&mut batch, device_num, cell.as_str());
            self.store.write(batch).await?;
        }
        self.noted.insert(*hash, cell.clone());
        Ok(())
    }

    /// Ends the sessions whose tokens a cell may know that is revoked, page by page. What is done is done for good, and what is not is found the next
    /// time. Gives how many devices that were.
    pub async fn end_revoked(&self) -> Result<usize> {
        let Some(cells) = self.localities.cells() else { return Ok(0) };
        let mut count = 0;
        for cell in cells.own.document().revoked.keys() {
            loop {
                let name = cell.as_str().to_owned();
                let read =
                    self.store.read(move |snapshot| async move { device_doors::page(&snapshot, &name, PAGE).await });
                let page = read.await?;
                if page.is_empty() {
                    break;
                }
                let (mut batch, now_ms) = (Batch::new(), self.clock.now_ms());
                for device_num in &page {
                    ended_tokens::end(&mut batch, *device_num, now_ms);
                }
                self.store.write(batch).await?;
                count += page.len();
                let ended: HashSet<_> = page.into_iter().collect();
                self.sessions.forget(|session| ended.contains(&session.device_num));
            }
        }
        if count > 0 {
            tracing::warn!(
                count,
                "sessions are ended whose tokens a revoked cell may know; their people sign in again"
            );
        }
        Ok(count)
    }

    async fn forget(&self) -> Result<()> {
        let before_ms = self.clock.now_ms() - TOLD_MS;
        let read = self.store.read(move |snapshot| async move { ended_tokens::any_before(&snapshot, before_ms).await });
        if read.await? {
            let mut batch = Batch::new();
            ended_tokens::remove_before(&mut batch, before_ms);
            self.store.write(batch).await?;
        }
        Ok(())
    }

    /// Ends what is to be ended, until the server stops.
    pub async fn run(self: Arc<Self>, stopping: CancellationToken) {
        again_and_again(PAUSE, &stopping, || async {
            let done = async {
                self.end_revoked().await?;
                self.forget().await
            };
            if let Err(error) = done.await {
                tracing::warn!(%error, "sessions that a revoked cell may know are not ended yet; it is tried again");
            }
        })
        .await;
    }
}
