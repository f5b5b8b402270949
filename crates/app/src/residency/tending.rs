//! Looking after the followers of the directory, at the cell that decides: they are told what they lack, and the operator who is away.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use domicile_core::clock::MINUTE_MS;
use futures::StreamExt as _;
use tokio_util::sync::CancellationToken;

use super::{FollowerStatus, Followers};
use crate::{Result, rounds::again_and_again};

/// How often the decider looks after its followers beside what it tells them.
const PAUSE: Duration = Duration::from_secs(20);
/// How long a follower may be away before the operator is told.
const AWAY_MS: i64 = 5 * MINUTE_MS;

impl Followers {
    /// Why this cell does not decide, if it should.
    pub(super) fn waits(&self) -> Option<String> {
        self.waits.lock().clone()
    }

    /// Whether this cell decides, and has heard what the others have.
    pub(super) fn has_begun(&self) -> bool {
        self.own.decides() && self.begun.load(Ordering::Acquire) == self.own.document().decider.term
    }

    /// How the followers stand, at the decider.
    pub(super) fn status(&self, head: u64) -> Vec<FollowerStatus> {
        let followers = self.known.lock();
        let others = self.others().into_iter();
        let status = others.map(|cell| {
            let known = followers.get(&cell);
            let log_index = known.and_then(|known| known.tip.as_ref()).map(|tip| tip.index);
            FollowerStatus {
                cell: cell.as_str().to_owned(),
                log_index,
                behind: log_index.map(|index| head.saturating_sub(index)),
                heard_ts: known.and_then(|known| known.heard_ts),
                wrong: known.and_then(|known| known.wrong.as_ref()).map(|(_, wrong)| wrong.clone()),
            }
        });
        status.collect()
    }

    /// Looks after the log and the followers once: packs what is older, begins if this cell decides and has not, tells them what they lack, and the operator who is away.
    pub async fn look_after(self: &Arc<Self>) -> Result<()> {
        if self.holds() || self.own.decides() {
            let _alone = self.appending.lock().await;
            self.log.pack().await?;
        }
        if self.log.rotation().await?.is_some_and(|rotation| rotation.source.is_none()) {
            self.rotate().await?;
        }
        if !self.own.decides() {
            return Ok(());
        }
        self.decide().await?;
        let mut told = self.tell_all();
        while told.next().await.is_some() {}
        let committed = *self.committed.borrow();
        if committed > self.standing().await?.1 {
            self.note_standing(self.own.document().decider.term, committed).await?;
        }
        let now_ms = self.clock.now_ms();
        for cell in self.others() {
            let wrong = self.known.lock().get(&cell).and_then(|follower| follower.wrong.clone());
            match wrong {
                None => self.clear(&cell, "away").await?,
                Some((since, why)) if now_ms.saturating_sub(since) >= AWAY_MS => {
                    let what = format!(
                        "{} does not follow the directory: {why}. While no cell follows, no name is taken and nobody moves. If it does not come back, \
                         take its `directory = true` out of the deployment document, or give it to another cell of a trusted region.",
                        cell.as_str()
                    );
                    self.note_trouble(&cell, "away", what).await?;
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// Does so until the server stops.
    pub async fn run(self: Arc<Self>, stopping: CancellationToken) {
        again_and_again(PAUSE, &stopping, || async {
            if let Err(error) = self.look_after().await {
                tracing::warn!(%error, "the cells that follow the directory could not be looked after");
            }
        })
        .await;
    }
}
