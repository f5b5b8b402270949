//! Events of a room for another server: one by its id, those before some, those that it misses, the one of a time.

use std::{
    collections::{BinaryHeap, HashSet, VecDeque},
    sync::Arc,
};

use domicile_core::ids::EventNum;
use domicile_store::{Snapshot, table::events::Status};
use ruma::{EventId, OwnedEventId, OwnedServerName, RoomId, ServerName};
use serde_json::value::RawValue;

use super::{Readers, ServerEyes, Sights};
use crate::{
    Result,
    error::not_found,
    events::Stored,
    rooms::reader::{Onlooker, RoomReaderParts},
};

/// Events of one answer to `/backfill`.
const BACKFILL: usize = 100;
/// Events of one answer to `/get_missing_events`.
const MISSING: usize = 100;
/// Events that one answer looks at for each that it may give.
const LOOKED_AT: usize = 10;
/// Event ids from which one walk begins.
const BEGINNINGS: usize = 100;

/// What another server asks for that misses events.
#[derive(Clone, Debug)]
pub struct Gap {
    /// Events at most.
    pub limit: u64,
    /// The least depth.
    pub min_depth: u64,
    /// What it has.
    pub earliest: Vec<OwnedEventId>,
    /// What names the events that it misses.
    pub latest: Vec<OwnedEventId>,
}

/// Reads events for other servers.
pub struct RoomEvents {
    parts: Arc<RoomReaderParts>,
    readers: Arc<Readers>,
    sights: Arc<Sights>,
}

impl RoomEvents {
    /// Over what reads rooms.
    pub fn new(parts: Arc<RoomReaderParts>, readers: Arc<Readers>, sights: Arc<Sights>) -> Self {
        Self { parts, readers, sights }
    }

    /// This deployment's name, which answers carry.
    pub fn server_name(&self) -> &ServerName {
        self.readers.server_name()
    }

    /// Now, in milliseconds since the epoch.
    pub fn now_ms(&self) -> i64 {
        self.parts.clock.now_ms()
    }

    async fn eyes(&self, origin: &ServerName, room_id: &RoomId) -> Result<ServerEyes> {
        let reader = self.readers.check(origin, room_id).await?;
        Ok(ServerEyes::new(
            Arc::clone(&self.sights),
            OwnedServerName::from(origin),
            self.readers.localities_shared(),
            reader,
        ))
    }

    /// One event.
    pub async fn event(&self, origin: &ServerName, event_id: &EventId) -> Result<Box<RawValue>> {
        let missing = || not_found(format!("There is no event {event_id} here."));
        let event = self.parts.events.by_id(event_id).await?.ok_or_else(missing)?;
        if event.status.has(Status::REJECTED) {
            return Err(missing());
        }
        let eyes = self.eyes(origin, &event.room.room_id).await?;
        let parts = Arc::clone(&self.parts);
        self.parts.store.read(move |snapshot| async move { eyes.show(&parts, &snapshot, &event).await }).await
    }

    /// Events and those before them, the deepest first.
    pub async fn backfill(
        &self,
        origin: &ServerName,
        room_id: &RoomId,
        from: Vec<OwnedEventId>,
        limit: u64,
    ) -> Result<Vec<Box<RawValue>>> {
        let eyes = self.eyes(origin, room_id).await?;
        let limit = usize::try_from(limit).unwrap_or(BACKFILL).min(BACKFILL);
        let (parts, room_id) = (Arc::clone(&self.parts), room_id.to_owned());
        self.parts
            .store
            .read(move |snapshot| async move {
                let found = walk_back(&parts, &snapshot, &room_id, from, limit).await?;
                shown(&parts, &snapshot, &eyes, &found).await
            })
            .await
    }

    /// Events between those that a server has and those that name what it misses, the earliest first.
    pub async fn missing(&self, origin: &ServerName, room_id: &RoomId, gap: Gap) -> Result<Vec<Box<RawValue>>> {
        let eyes = self.eyes(origin, room_id).await?;
        let (parts, room_id) = (Arc::clone(&self.parts), room_id.to_owned());
        self.parts
            .store
            .read(move |snapshot| async move {
                let mut found = fill(&parts, &snapshot, &room_id, gap).await?;
                found.sort_by_key(|event| (event.pdu.depth(), event.event_num));
                shown(&parts, &snapshot, &eyes, &found).await
            })
            .await
    }

    /// The event nearest to a time, before it or after it, that the server may see: its id and its own time.
    pub async fn event_at(
        &self,
        origin: &ServerName,
        room_id: &RoomId,
        ts: i64,
        backward: bool,
    ) -> Result<(OwnedEventId, i64)> {
        let reader = self.readers.check(origin, room_id).await?;
        let room = Arc::clone(&reader.room);
        let eyes = ServerEyes::new(
            Arc::clone(&self.sights),
            OwnedServerName::from(origin),
            self.readers.localities_shared(),
            reader,
        );
        let parts = Arc::clone(&self.parts);
        let found = self
            .parts
            .store
            .read(move |snapshot| async move {
                parts.nearest(&snapshot, &room, &mut Onlooker::Server(Box::new(eyes)), ts, backward).await
            })
            .await?;
        let event = found.ok_or_else(|| {
            let way = if backward { "backward" } else { "forward" };
            not_found(format!("There is no event of {ts} in {way} direction."))
        })?;
        Ok((event.event_id().to_owned(), i64::from(event.pdu.origin_server_ts().0)))
    }
}

async fn shown(
    parts: &RoomReaderParts,
    snapshot: &Snapshot,
    eyes: &ServerEyes,
    events: &[Arc<Stored>],
) -> Result<Vec<Box<RawValue>>> {
    let mut ready = Vec::with_capacity(events.len());
    for event in events {
        ready.push(eyes.show(parts, snapshot, event).await?);
    }
    Ok(ready)
}

/// The event of an id, if it is a part of the room's graph here. What was rejected is none, and of an outlier is not known what came before.
async fn placed(
    parts: &RoomReaderParts,
    snapshot: &Snapshot,
    room_id: &RoomId,
    event_id: &EventId,
) -> Result<Option<Arc<Stored>>> {
    let event = parts.events.load_by_id(snapshot, event_id).await?;
    let left_out = |event: &Stored| event.status.has(Status::REJECTED) || event.status.has(Status::OUTLIER);
    Ok(event.filter(|event| event.room.room_id == room_id && !left_out(event)))
}

async fn walk_back(
    parts: &RoomReaderParts,
    snapshot: &Snapshot,
    room_id: &RoomId,
    from: Vec<OwnedEventId>,
    limit: usize,
) -> Result<Vec<Arc<Stored>>> {
    let mut waiting: BinaryHeap<(i64, EventNum)> = BinaryHeap::new();
    let mut seen: HashSet<OwnedEventId> = HashSet::new();
    let mut found = Vec::new();
    let mut next: Vec<OwnedEventId> = from.into_iter().take(BEGINNINGS).collect();
    let mut looked = 0;
    loop {
        for event_id in next.drain(..) {
            looked += 1;
            if looked <= limit.saturating_mul(LOOKED_AT)
                && seen.insert(event_id.clone())
                && let Some(event) = placed(parts, snapshot, room_id, &event_id).await?
            {
                waiting.push((event.pdu.depth(), event.event_num));
            }
        }
        let Some((_, event_num)) = waiting.pop() else { break };
        if found.len() == limit {
            break;
        }
        let Some(event) = parts.events.load(snapshot, &[event_num]).await?.into_iter().next() else { continue };
        next.extend(event.pdu.prev_events().iter().cloned());
        // What failed softly is a step on the way, and no part of the room.
        if event.status.is_accepted() {
            found.push(event);
        }
    }
    Ok(found)
}

async fn fill(parts: &RoomReaderParts, snapshot: &Snapshot, room_id: &RoomId, gap: Gap) -> Result<Vec<Arc<Stored>>> {
    let limit = usize::try_from(gap.limit).unwrap_or(MISSING).min(MISSING);
    let min_depth = i64::try_from(gap.min_depth).unwrap_or(i64::MAX);
    let mut seen: HashSet<OwnedEventId> = gap.earliest.into_iter().collect();
    let mut waiting: VecDeque<Arc<Stored>> = VecDeque::new();
    for event_id in gap.latest.into_iter().take(BEGINNINGS) {
        if seen.insert(event_id.clone())
            && let Some(event) = placed(parts, snapshot, room_id, &event_id).await?
        {
            waiting.push_back(event);
        }
    }
    let (mut found, mut looked) = (Vec::new(), 0);
    while let Some(event) = waiting.pop_front() {
        for event_id in event.pdu.prev_events() {
            if found.len() == limit || looked == MISSING * LOOKED_AT {
                return Ok(found);
            }
            if !seen.insert(event_id.clone()) {
                continue;
            }
            looked += 1;
            let Some(before) = placed(parts, snapshot, room_id, event_id).await? else { continue };
            if before.pdu.depth() >= min_depth {
                waiting.push_back(Arc::clone(&before));
                found.push(before);
            }
        }
    }
    Ok(found)
}
