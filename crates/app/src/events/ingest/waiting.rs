//! Events that were taken and wait for others that they name. They are on disk, and are worked off room by room, so that a slow server holds up
//! nobody but its own.

use std::{collections::HashMap, sync::Arc, time::Duration};

use domicile_core::{
    clock::{HOUR_MS, MINUTE_MS, SECOND_MS},
    ids::RoomNum,
};
use domicile_room::event::Pdu;
use domicile_store::{Batch, event_id, numbers::Sequence, table::inbound};
use ruma::{OwnedServerName, ServerName};
use tokio_util::sync::CancellationToken;

use super::{Ingest, Outcome, Way, missing::FetchError, outliers};
use crate::{
    Error, Result,
    rooms::Room,
    rounds::{Working, again_and_again},
};

/// Events that wait in one room at most. What comes beyond is refused; whoever names it later has it fetched.
const WAITING: i64 = 1_000;
/// Events that are looked at together.
const ROUND: i64 = 250;
/// Rooms that are looked at when the server starts, or when time has passed.
const ROOMS: i64 = 200;
/// How often an event's predecessors are asked for before it is given up.
const ATTEMPTS: i64 = 8;
/// How often it is looked for events whose time has come.
const LOOK: Duration = Duration::from_secs(10);
/// How long an event rests after the first attempt; it doubles.
const PAUSE_MS: i64 = 10 * SECOND_MS;

/// The rooms in which somebody works.
#[derive(Default)]
pub(super) struct Waiting {
    working: Working<RoomNum>,
}

impl Ingest {
    /// Puts verified events on disk whose predecessors are not here, and has them fetched. Says whether there was room for all.
    pub async fn wait(self: &Arc<Self>, room: &Arc<Room>, pdus: &[Arc<Pdu>], origin: &ServerName) -> Result<bool> {
        let room_num = room.info.room_num;
        let count = self.store.read(move |snapshot| async move { inbound::count(&snapshot, room_num).await }).await?;
        if count + i64::try_from(pdus.len()).unwrap_or(i64::MAX) > WAITING {
            return Ok(false);
        }
        let first = self.store.numbers_in_a_row(Sequence::InboundPdu, pdus.len()).await?;
        let now_ms = self.clock.now_ms();
        let mut batch = Batch::new();
        for (pdu_num, pdu) in (first..).zip(pdus) {
            let row = inbound::Waiting {
                pdu_num,
                room_num,
                origin: origin.to_string(),
                event_id: event_id::to_bytes(pdu.event_id()),
                json: pdu.json().clone(),
                received_ts: now_ms,
                attempts: 0,
                due_ts: now_ms,
            };
            inbound::add(&mut batch, &row);
        }
        self.store.write(batch).await?;
        self.begin_work(room_num);
        Ok(true)
    }

    /// Begins to work off what waits and whose time has come: at the start, and now and then.
    pub async fn work_off_due(self: &Arc<Self>) -> Result<()> {
        let now_ms = self.clock.now_ms();
        let read = self.store.read(move |snapshot| async move { inbound::rooms(&snapshot, now_ms, ROOMS).await });
        for room_num in read.await? {
            self.begin_work(room_num);
        }
        Ok(())
    }

    /// Works off what waits, now and again, until the server stops.
    pub async fn run(self: Arc<Self>, stopping: CancellationToken) {
        again_and_again(LOOK, &stopping, || async {
            if let Err(error) = self.work_off_due().await {
                tracing::warn!(%error, "it could not be read which events wait");
            }
        })
        .await;
    }

    /// One task a room.
    pub(super) fn begin_work(self: &Arc<Self>, room_num: RoomNum) {
        if !self.waiting.working.begin(room_num) {
            return;
        }
        let this = Arc::clone(self);
        tokio::spawn(async move {
            let worked = this.work_off(room_num).await;
            let is_more = this.waiting.working.end(&room_num);
            match worked {
                // Something may have come between the last look and the end.
                Ok(any) if any || is_more => this.begin_work(room_num),
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "events that wait could not be worked off"),
            }
        });
    }

    /// Works off what waits in a room: what can be taken now, or, if there is nothing, the first after what it lacks was fetched. The others
    /// may lack no more than that. Says whether anything was done.
    async fn work_off(self: &Arc<Self>, room_num: RoomNum) -> Result<bool> {
        let now_ms = self.clock.now_ms();
        let read =
            self.store.read(move |snapshot| async move { inbound::of_room(&snapshot, room_num, now_ms, ROUND).await });
        let rows = read.await?;
        let room = self.rooms.by_num(room_num).await?;
        let (mut pdus, mut due) = (HashMap::with_capacity(rows.len()), HashMap::with_capacity(rows.len()));
        for row in rows {
            let id = event_id::from_bytes(&row.event_id)?;
            let pdu = Pdu::parse(id.clone(), row.json.clone(), &room.info.rules).map_err(Error::internal)?;
            pdus.insert(id.clone(), Arc::new(pdu));
            due.insert(id, row);
        }
        let order = outliers::sorted(&pdus, Pdu::prev_events);
        let order: Vec<Arc<Pdu>> = order.iter().filter_map(|id| pdus.get(id).cloned()).collect();
        let Some(first) = order.first() else { return Ok(false) };
        let outcomes = self.take(&room, &order, &Way::default()).await?;
        let mut batch = Batch::new();
        let mut any = false;
        for (pdu, _) in order.iter().zip(&outcomes).filter(|(_, outcome)| !matches!(outcome, Outcome::Lacks(_))) {
            if let Some(row) = due.get(pdu.event_id()) {
                inbound::remove(&mut batch, row.pdu_num);
                any = true;
            }
        }
        if any {
            self.store.write(batch).await?;
        } else if let Some(row) = due.get(first.event_id()) {
            self.work_off_one(&room, first, row).await?;
        }
        Ok(true)
    }

    /// Fetches what an event lacks, and takes it or puts it off.
    async fn work_off_one(&self, room: &Arc<Room>, pdu: &Arc<Pdu>, row: &inbound::Waiting) -> Result<()> {
        let origin = OwnedServerName::try_from(row.origin.as_str()).map_err(Error::internal)?;
        let taken = self.take_with_missing(room, pdu, &origin, &Way::default()).await;
        let mut batch = Batch::new();
        match taken {
            // When the room's state is whole, it is looked at again.
            Ok(Outcome::Lacks(_)) if room.view().is_partial() => {
                inbound::put_off(&mut batch, row.pdu_num, self.clock.now_ms() + HOUR_MS);
            }
            Ok(Outcome::Lacks(_)) | Err(FetchError::Peer(_)) if row.attempts + 1 < ATTEMPTS => {
                if let Err(error) = &taken {
                    tracing::debug!(%error, attempts = row.attempts, "an event's predecessors could not be fetched");
                }
                let pause = (PAUSE_MS << row.attempts.clamp(0, 16)).min(HOUR_MS);
                inbound::postpone(&mut batch, row.pdu_num, self.clock.now_ms() + pause);
            }
            Ok(outcome) => {
                tracing::debug!(?outcome, "an event that waited was worked off");
                inbound::remove(&mut batch, row.pdu_num);
            }
            Err(FetchError::Peer(error)) => {
                tracing::info!(%error, "an event is given up: its predecessors cannot be had");
                inbound::remove(&mut batch, row.pdu_num);
            }
            Err(FetchError::Here(error)) => {
                inbound::postpone(&mut batch, row.pdu_num, self.clock.now_ms() + MINUTE_MS);
                self.store.write(batch).await?;
                return Err(error);
            }
        }
        self.store.write(batch).await?;
        Ok(())
    }
}
