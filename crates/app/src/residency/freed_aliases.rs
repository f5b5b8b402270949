//! Aliases that lead nowhere here any more are let go in the directory, so that other cells may have them: at once, or when it can be told.

use std::{sync::Arc, time::Duration};

use domicile_store::{Batch, table::aliases};
use ruma::{OwnedRoomAliasId, RoomAliasId};
use tokio_util::sync::CancellationToken;

use super::Names;
use crate::{Error, Result, rounds::again_and_again};

/// Aliases that are let go in one round.
const ROUND: i64 = 500;
/// How often it is looked for those of which the directory could not be told.
const PAUSE: Duration = Duration::from_mins(1);

impl Names {
    /// Adds to the batch that removes an alias that the directory is to hear of it.
    pub fn note_freed(&self, batch: &mut Batch, alias: &RoomAliasId) {
        aliases::insert_freed(batch, alias.as_str(), self.clock.now_ms());
    }

    /// Lets go of all aliases that were removed here. Gives how many; an error if there are others of which the directory could not be told.
    pub async fn free_aliases(&self) -> Result<usize> {
        let freed = self.store.read(|snapshot| async move { aliases::freed(&snapshot, ROUND).await }).await?;
        let (mut done, mut failed) = (0, None);
        for alias in freed {
            let alias = OwnedRoomAliasId::try_from(alias).map_err(Error::internal)?;
            match self.free_alias(alias).await {
                Ok(()) => done += 1,
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(done), Err)
    }

    /// Lets go of one.
    pub async fn free_alias(&self, alias: OwnedRoomAliasId) -> Result<()> {
        self.change_alias(&alias, None).await?;
        let mut batch = Batch::new();
        aliases::remove_freed(&mut batch, alias.as_str());
        self.store.write(batch).await?;
        // Somebody here may have made it anew in the meantime.
        let wanted = alias.to_string();
        let held = self.store.read(move |snapshot| async move { aliases::by_alias(&snapshot, &wanted).await }).await?;
        if held.is_some() {
            self.claim_aliases(vec![alias]).await?;
        }
        Ok(())
    }

    /// Does so now and then until the server stops.
    pub async fn run_free_aliases(self: Arc<Self>, stopping: CancellationToken) {
        again_and_again(PAUSE, &stopping, || async {
            if let Err(error) = self.free_aliases().await {
                tracing::debug!(%error, "aliases that were removed are still this cell's in the directory");
            }
        })
        .await;
    }
}
