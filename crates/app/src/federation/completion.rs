//! Rooms that were joined before all of their members were known: the whole state is fetched beside everything else, from one server of the room
//! after the other, until one tells a state on which our join stands. What is to be done stands in `partial_rooms`, so it goes on after a restart.

use std::{sync::Arc, time::Duration};

use domicile_core::{
    clock::{Clock, DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS},
    ids::RoomNum,
};
use domicile_store::{
    Batch, Store,
    table::partial_rooms::{self, PartialRoom},
};
use ruma::OwnedServerName;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{
    Error, Result,
    events::{Ingest, ingest::Completed},
    rooms::{Room, Rooms},
    rounds::{Working, again_and_again},
};

/// Rooms whose state is fetched at once: each may be hundreds of megabytes on its way.
const AT_ONCE: usize = 3;
/// Rooms that are looked at when the server starts, or when time has passed.
const ROOMS: i64 = 100;
/// How often it is looked for rooms whose time has come.
const LOOK: Duration = Duration::from_secs(10);
/// Servers that are asked in one attempt.
const SERVERS: usize = 4;
/// Attempts in which nothing of a state may be lacking. Of some rooms no server has everything any more.
const STRICT: i64 = 3;
/// How long a room rests after the first attempt that was in vain; it doubles up to an hour.
const PAUSE_MS: i64 = 30 * SECOND_MS;
/// Rooms that the operator is shown.
const SHOWN: i64 = 100;

/// Makes rooms whole.
pub struct Completion {
    store: Store,
    clock: Arc<dyn Clock>,
    rooms: Arc<Rooms>,
    ingest: Arc<Ingest>,
    /// The rooms on which somebody works.
    working: Working<RoomNum>,
    turns: Semaphore,
}

impl Completion {
    /// Over a store.
    pub fn new(store: Store, clock: Arc<dyn Clock>, rooms: Arc<Rooms>, ingest: Arc<Ingest>) -> Self {
        Self { store, clock, rooms, ingest, working: Working::default(), turns: Semaphore::new(AT_ONCE) }
    }

    /// Works on the rooms whose time has come, now and again, until the server stops.
    pub async fn run(self: Arc<Self>, stopping: CancellationToken) {
        again_and_again(LOOK, &stopping, || async {
            if let Err(error) = self.begin_due().await {
                tracing::warn!(%error, "it could not be read which rooms lack members");
            }
        })
        .await;
    }

    /// Begins to work on the rooms whose time has come.
    pub async fn begin_due(self: &Arc<Self>) -> Result<()> {
        let now_ms = self.clock.now_ms();
        let read = self.store.read(move |snapshot| async move { partial_rooms::due(&snapshot, now_ms, ROOMS).await });
        for room_num in read.await? {
            self.begin(room_num);
        }
        Ok(())
    }

    /// Begins to work on a room, unless somebody does.
    pub fn begin(self: &Arc<Self>, room_num: RoomNum) {
        if !self.working.begin(room_num) {
            return;
        }
        let this = Arc::clone(self);
        tokio::spawn(async move {
            if let Err(error) = this.work(room_num).await {
                tracing::warn!(%error, "a room's members could not be completed");
            }
            // Whoever came meanwhile may have joined anew.
            if this.working.end(&room_num) {
                this.begin(room_num);
            }
        });
    }

    /// The rooms that lack members, with their Matrix ids, for the operator.
    pub async fn rooms(&self) -> Result<Vec<(String, PartialRoom)>> {
        Ok(self.store.read(move |snapshot| async move { partial_rooms::all(&snapshot, SHOWN).await }).await?)
    }

    /// One attempt.
    async fn work(&self, room_num: RoomNum) -> Result<()> {
        let _turn = self.turns.acquire().await.map_err(Error::internal)?;
        let read = self.store.read(move |snapshot| async move { partial_rooms::of_room(&snapshot, room_num).await });
        let Some(row) = read.await? else { return Ok(()) };
        let room = self.rooms.by_num(room_num).await?;
        let view = room.view();
        if view.partial.as_ref().is_none_or(|partial| partial.join_num != row.join_num) {
            // The join was written a moment ago, and the room in memory does not show it yet. Whoever joined begins anew, or the next look does.
            return Ok(());
        }
        if !view.has_local_members() {
            // Nobody here needs it. Who comes back joins anew.
            return self.postpone(&row, DAY_MS, "nobody of this server is in the room any more").await;
        }
        let started = self.clock.now_ms();
        match self.attempt(&room, &row).await {
            Ok(Ok(Completed { members, taken_out, left_out })) => {
                let took_ms = self.clock.now_ms() - started;
                let room_id = &room.info.room_id;
                tracing::info!(%room_id, members, taken_out, left_out, took_ms, "all members of a room are known");
                Ok(())
            }
            Ok(Err(reason)) => {
                let pause = (PAUSE_MS << row.attempts.clamp(0, 16)).min(HOUR_MS);
                self.postpone(&row, pause, &reason).await
            }
            Err(error) => {
                self.postpone(&row, MINUTE_MS, "this server failed; its log says why").await?;
                Err(error)
            }
        }
    }

    /// Asks a few servers, the one that let us in first.
    async fn attempt(&self, room: &Arc<Room>, row: &PartialRoom) -> Result<std::result::Result<Completed, String>> {
        let servers: Vec<OwnedServerName> = serde_json::from_str(&row.servers).map_err(Error::internal)?;
        let mut said = "no other server of the room is known".to_owned();
        for server in in_turn(&servers, row.attempts) {
            if !Ingest::is_let_in(&room.view(), server) {
                continue;
            }
            match self.ingest.complete(room, server, row.attempts < STRICT).await? {
                Ok(completed) => return Ok(Ok(completed)),
                Err(reason) => {
                    tracing::info!(room_id = %room.info.room_id, %server, %reason, "a server gave no state that could be used");
                    said = format!("{server}: {reason}");
                }
            }
        }
        Ok(Err(said))
    }

    async fn postpone(&self, row: &PartialRoom, pause_ms: i64, reason: &str) -> Result<()> {
        let mut batch = Batch::new();
        let reason: String = reason.chars().take(300).collect();
        partial_rooms::postpone(&mut batch, row.room_num, row.join_num, self.clock.now_ms() + pause_ms, &reason);
        self.store.write(batch).await?;
        Ok(())
    }
}

/// The servers of one attempt: the first one always, and others in their turn.
fn in_turn(servers: &[OwnedServerName], attempts: i64) -> impl Iterator<Item = &OwnedServerName> {
    let (first, others) = servers.split_at(servers.len().min(1));
    let step = SERVERS - 1;
    let from = usize::try_from(attempts).unwrap_or_default().saturating_mul(step);
    let from = if others.is_empty() { 0 } else { from % others.len() };
    first.iter().chain(others.iter().cycle().skip(from).take(step.min(others.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_server_has_its_turn() {
        let names: Vec<OwnedServerName> =
            (0..6).map(|number| OwnedServerName::try_from(format!("s{number}")).unwrap()).collect();
        let asked = |attempts| in_turn(&names, attempts).map(|name| name.as_str().to_owned()).collect::<Vec<_>>();
        assert_eq!(asked(0), ["s0", "s1", "s2", "s3"]);
        assert_eq!(asked(1), ["s0", "s4", "s5", "s1"]);
        assert_eq!(in_turn(&names[..1], 5).count(), 1);
        assert_eq!(in_turn(&names[..2], 5).count(), 2);
        assert_eq!(in_turn(&[], 5).count(), 0);
    }
}
