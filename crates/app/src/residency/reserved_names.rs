//! Names that this cell has taken in the directory ahead, so that newcomers who name none are registered while the directory cannot be reached.
//!
//! They are random: whoever wishes for a name of their own waits until the directory can say whether it is free. In a region that withholds
//! profiles they are what people get anyway, since the Matrix id stands in every copy of a room.

use std::{sync::Arc, time::Duration};

use domicile_core::rng;
use domicile_store::{Batch, table::reserved_names};
use ruma::OwnedUserId;
use tokio_util::sync::CancellationToken;

use super::Names;
use crate::{Error, Result, rounds::again_and_again};

/// How many names a cell keeps.
pub const BLOCK: i64 = 100;
/// Characters of a name: as many as of one that somebody gets who names none.
const NAME_LENGTH: usize = 12;
/// How often it is looked whether there are fewer.
const PAUSE: Duration = Duration::from_mins(1);
/// How often another name is tried when somebody else was given it first.
const TRIES: usize = 20;

impl Names {
    /// Takes names until the block is full again. Gives how many were taken.
    pub async fn reserve(&self) -> Result<usize> {
        let there = self.store.read(|snapshot| async move { reserved_names::count(&snapshot).await }).await?;
        let lacking = usize::try_from(BLOCK.saturating_sub(there)).unwrap_or_default();
        for _ in 0..lacking {
            let localpart = rng::name(self.rng(), NAME_LENGTH).to_ascii_lowercase();
            let user_id = OwnedUserId::try_from(format!("@{localpart}:{}", self.own.document().server_name));
            self.claim(&user_id.map_err(Error::internal)?).await?;
            let mut batch = Batch::new();
            reserved_names::insert(&mut batch, &localpart, self.clock.now_ms());
            self.store.write(batch).await?;
        }
        Ok(lacking)
    }

    /// A name of the block, which is nobody else's from then on; none if the block is empty.
    pub async fn reserved(&self) -> Result<Option<String>> {
        for _ in 0..TRIES {
            let first = self.store.read(|snapshot| async move { reserved_names::first(&snapshot).await }).await?;
            let Some(localpart) = first else { return Ok(None) };
            let mut batch = Batch::new();
            reserved_names::give(&mut batch, &localpart);
            match self.store.write(batch).await {
                Ok(_) => return Ok(Some(localpart)),
                // Another newcomer was faster.
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// Keeps the block full until the server stops.
    pub async fn run_reserve(self: Arc<Self>, stopping: CancellationToken) {
        again_and_again(PAUSE, &stopping, || async {
            if let Err(error) = self.reserve().await {
                tracing::debug!(%error, "the block of names that are reserved is not full");
            }
        })
        .await;
    }
}
