//! Forgetting whose home is where of people whom somebody here has asked for once, and who came to nothing more: neither are they in a room of here,
//! nor was anything said or sent to them. Who is needed again is asked for again.

use std::{collections::HashSet, sync::Arc, time::Duration};

use domicile_store::{Batch, table::tickets};
use ruma::OwnedUserId;
use tokio_util::sync::CancellationToken;

use super::Tickets;
use crate::{Error, Result, rounds::again_and_again};

/// How often it is looked for them.
const PAUSE: Duration = Duration::from_hours(24);
/// People who are looked at, and forgotten, at once.
const PAGE: usize = 500;

impl Tickets {
    /// Forgets those who were strangers already when it was looked the last time. Gives how many.
    pub async fn forget_strangers(&self) -> Result<usize> {
        let found = self.find_strangers().await?;
        let before = std::mem::replace(&mut *self.strangers.lock(), found.clone());
        let gone: Vec<&OwnedUserId> = found.intersection(&before).collect();
        for chunk in gone.chunks(PAGE) {
            let mut batch = Batch::new();
            batch.low_priority();
            for user_id in chunk {
                tickets::remove_stranger(&mut batch, user_id.as_str());
            }
            self.store.write(batch).await?;
            self.forget(chunk);
        }
        Ok(gone.len())
    }

    /// Those who are nobody here. Names that were taken for people of this cell are not among them, whether there is an account yet or not.
    async fn find_strangers(&self) -> Result<HashSet<OwnedUserId>> {
        let (mut found, mut after) = (HashSet::new(), String::new());
        loop {
            let from = after.clone();
            let read = self.store.read(move |snapshot| async move { tickets::strangers(&snapshot, &from, PAGE).await });
            let page = read.await?;
            let Some(last) = page.last() else { return Ok(found) };
            after.clone_from(last);
            for user_id in page {
                let user_id = OwnedUserId::try_from(user_id).map_err(Error::internal)?;
                if !self.get(&user_id).is_some_and(|known| known.was_home(self.own.name())) {
                    found.insert(user_id);
                }
            }
        }
    }

    /// Does so each day until the server stops.
    pub async fn run_forgetting(self: Arc<Self>, stopping: CancellationToken) {
        again_and_again(PAUSE, &stopping, || async {
            match self.forget_strangers().await {
                Ok(0) => {}
                Ok(count) => tracing::info!(count, "people whom nobody here has met are forgotten"),
                Err(error) => tracing::warn!(%error, "people whom nobody here has met could not be forgotten"),
            }
        })
        .await;
    }
}
