//! A room's past that is not here: fetched from servers in the room when somebody reads as far back as that, before the timeline or in a gap in
//! its middle.

use std::{sync::Arc, time::Duration};

use domicile_core::ids::{Position, RoomNum};
use domicile_store::{
    Store, event_id,
    table::{graph, timeline_gaps},
};
use ruma::{
    EventId, MilliSecondsSinceUnixEpoch, OwnedEventId, OwnedServerName, UInt,
    api::federation::{
        backfill::get_backfill,
        event::{get_event, get_event_by_timestamp},
    },
};
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::{Bounds, OneAtATime, PeerError, Peers, Readers};
use crate::{Error, Result, events::ingest::Ingest, rooms::Room};

/// Longest wait of somebody who asks for the event of a time.
const PATIENCE: Duration = Duration::from_secs(10);
/// What one answer may cost.
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(6), bytes: 16 * 1024 * 1024 };
/// What an answer about one event may cost.
const SMALL: Bounds = Bounds { time: Duration::from_secs(4), bytes: 256 * 1024 };
/// Servers that are asked, one after another.
const SERVERS: usize = 5;
/// Missing events that are named in one request. Their ids stand in its path's query.
const NAMED: i64 = 20;
/// Events that are asked for at once.
const EVENTS: u32 = 100;
/// Events that are fetched into one gap. Whoever wants more finds it before the gap, or nowhere.
const GAP_EVENTS: i64 = 5_000;
/// An attempt that brought nothing takes at least this long, so that nobody asks in a tight circle.
const PAUSE: Duration = Duration::from_secs(1);

/// Fetches what lies before a room's timeline.
pub struct History {
    store: Store,
    readers: Arc<Readers>,
    peers: Arc<Peers>,
    ingest: Arc<Ingest>,
    /// One fetch of a room at a time: who comes meanwhile finds what it brought.
    fetching: OneAtATime<RoomNum>,
}

/// How a fetch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// There is more than before.
    More,
    /// There is more somewhere, and nobody gave it in time.
    NotNow,
    /// The room's beginning is here, or all of a gap.
    Everything,
}

impl History {
    /// Fetches through `peers`, and hands what comes to `ingest`.
    pub fn new(store: Store, readers: Arc<Readers>, peers: Arc<Peers>, ingest: Arc<Ingest>) -> Self {
        Self { store, readers, peers, ingest, fetching: OneAtATime::default() }
    }

    /// Whether something lies before a room's timeline that is not here.
    pub async fn is_missing(&self, room_num: RoomNum) -> Result<bool> {
        let gaps =
            self.store.read(move |snapshot| async move { graph::backward_extremities(&snapshot, room_num, 1).await });
        Ok(!gaps.await?.is_empty())
    }

    /// Fetches more of what lies before a room's timeline, or in the gap before the event at the position `gap`, within the time that a reader waits.
    pub async fn fetch(&self, room: &Arc<Room>, gap: Option<Position>, patience: Duration) -> Result<Fetched> {
        let room_num = room.info.room_num;
        let before = self.missing(room_num, gap).await?;
        if before.is_empty() {
            return Ok(Fetched::Everything);
        }
        let started = Instant::now();
        let lock = self.fetching.of(room_num);
        let Ok(_one) = tokio::time::timeout(patience, lock.lock()).await else { return Ok(Fetched::NotNow) };
        let now = self.missing(room_num, gap).await?;
        if now != before {
            return Ok(if now.is_empty() { Fetched::Everything } else { Fetched::More });
        }
        let left = patience.saturating_sub(started.elapsed());
        if let Ok(fetched) = tokio::time::timeout(left, self.ask_all(room, gap, &before)).await {
            if fetched? {
                return Ok(Fetched::More);
            }
            tokio::time::sleep(PAUSE.min(patience).saturating_sub(started.elapsed())).await;
        }
        Ok(Fetched::NotNow)
    }

    async fn missing(&self, room_num: RoomNum, gap: Option<Position>) -> Result<Vec<OwnedEventId>> {
        let read = self.store.read(move |snapshot| async move {
            let ids: Vec<_> = if let Some(position) = gap {
                let is_full = timeline_gaps::last_rank(&snapshot, room_num, position).await? >= GAP_EVENTS;
                let limit = if is_full { 0 } else { NAMED };
                timeline_gaps::missing(&snapshot, room_num, position, limit).await?
            } else {
                let rows = graph::backward_extremities(&snapshot, room_num, NAMED).await?;
                rows.into_iter().map(|(id, _)| id).collect()
            };
            ids.iter().map(|id| Ok(event_id::from_bytes(id)?)).collect::<Result<Vec<OwnedEventId>>>()
        });
        read.await
    }

    async fn ask_all(&self, room: &Arc<Room>, gap: Option<Position>, missing: &[OwnedEventId]) -> Result<bool> {
        for server_name in self.readers.servers(room, SERVERS).await? {
            let request =
                get_backfill::v1::Request::new(room.info.room_id.clone(), missing.to_vec(), UInt::from(EVENTS));
            let answer = match self.peers.ask(&server_name, request, BOUNDS).await {
                Ok(answer) => answer,
                Err(error) => {
                    tracing::debug!(%error, "a server gives no history");
                    continue;
                }
            };
            let gap = gap.map(|position| (position, missing));
            if self.take(room, &server_name, answer.pdus, gap).await? > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Fetches from one server all that is missing in a room, the newest first. Gives how many events came, and whether it could go on after this time.
    pub async fn fetch_all(&self, room: &Arc<Room>, server: &OwnedServerName, time: Duration) -> Result<(usize, bool)> {
        let (room_num, end) = (room.info.room_num, Instant::now() + time);
        let lock = self.fetching.of(room_num);
        let _one = lock.lock().await;
        let read = self.store.read(move |snapshot| async move { timeline_gaps::of_room(&snapshot, room_num).await });
        let places = read.await?.into_iter().map(Some).chain([None]);
        let mut came = 0;
        for gap in places {
            loop {
                let missing = self.missing(room_num, gap).await?;
                if missing.is_empty() {
                    break;
                }
                if Instant::now() >= end {
                    return Ok((came, true));
                }
                let request =
                    get_backfill::v1::Request::new(room.info.room_id.clone(), missing.clone(), UInt::from(EVENTS));
                let answer = match self.peers.ask(server, request, BOUNDS).await {
                    Ok(answer) => answer,
                    // What it does not have, or may not give, it does not give later either.
                    Err(PeerError::Matrix { status: 400..=404, errcode, .. }) => {
                        tracing::debug!(errcode, "a server gives no more history");
                        break;
                    }
                    Err(error) => return Err(Error::internal(format!("{server} gives no history: {error}"))),
                };
                let new = self.take(room, server, answer.pdus, gap.map(|position| (position, &missing[..]))).await?;
                if new == 0 {
                    break;
                }
                came += new;
            }
        }
        Ok((came, false))
    }

    /// Hands events over. How many were new.
    async fn take(
        &self,
        room: &Arc<Room>,
        from: &OwnedServerName,
        mut pdus: Vec<Box<RawValue>>,
        gap: Option<(Position, &[OwnedEventId])>,
    ) -> Result<usize> {
        pdus.truncate(usize::try_from(EVENTS).unwrap_or(usize::MAX));
        if pdus.is_empty() {
            return Ok(0);
        }
        self.ingest.take_history(room, from, pdus, gap).await
    }

    /// The event nearest to a time of which servers in the room know: its id and its own time.
    pub async fn nearest(
        &self,
        room: &Arc<Room>,
        ts: MilliSecondsSinceUnixEpoch,
        direction: ruma::api::Direction,
    ) -> Result<Option<(OwnedServerName, OwnedEventId, i64)>> {
        let asking = async {
            for server_name in self.readers.servers(room, SERVERS).await? {
                let request = get_event_by_timestamp::v1::Request::new(room.info.room_id.clone(), ts, direction);
                if let Ok(answer) = self.peers.ask(&server_name, request, SMALL).await {
                    return Ok(Some((server_name, answer.event_id, i64::from(answer.origin_server_ts.0))));
                }
            }
            Ok(None)
        };
        tokio::time::timeout(PATIENCE, asking).await.unwrap_or(Ok(None))
    }

    /// Fetches one event of a room, so that it can be asked for here. Whether it came.
    pub async fn fetch_event(&self, room: &Arc<Room>, from: &OwnedServerName, event_id: &EventId) -> Result<bool> {
        let request = get_event::v1::Request::new(event_id.to_owned());
        match self.peers.ask(from, request, SMALL).await {
            Ok(answer) => Ok(self.take(room, from, vec![answer.pdu], None).await? > 0),
            Err(error) => {
                tracing::debug!(%error, "a server gives no event of a time");
                Ok(false)
            }
        }
    }
}
