//! Events in memory: each is read and parsed once and shared by all who read it.

use std::{collections::HashMap, sync::Arc};

use domicile_core::ids::{EventNum, NodeNum, Position, RoomNum, UserNum};
use domicile_room::event::{ClientEvent, Pdu};
use domicile_store::{
    Changes, Snapshot, Store, StoreError, event_id,
    table::{
        events::{self, Status},
        rooms,
    },
};
use quick_cache::{Weighter, sync::Cache};
use ruma::{EventId, OwnedEventId, OwnedRoomId, RoomVersionId};

use super::echoes::Echoes;
use crate::{Error, Result, rooms::RoomInfo};

/// Rooms whose constant parts are kept.
const ROOMS_CACHED: usize = 100_000;
/// Numbers of event ids that are kept.
const IDS_CACHED: usize = 100_000;

/// An event as this cell has it, parsed.
#[derive(Debug)]
pub struct Stored {
    /// The number.
    pub event_num: EventNum,
    /// The room.
    pub room: Arc<RoomInfo>,
    /// The place in the timeline; none if it is no part of it.
    pub position: Option<Position>,
    /// The sender's number.
    pub sender_num: UserNum,
    /// Root of the room's state before it was added here.
    pub state_before: NodeNum,
    /// Root of the state before it by the events that it names, where that is another one.
    pub graph_state: Option<NodeNum>,
    /// How it stands in its room.
    pub status: Status,
    /// The root of the thread that it is in.
    pub thread_num: Option<EventNum>,
    /// The redaction that emptied it.
    pub redacted_by: Option<EventNum>,
    /// Running totals after it, in stored form.
    pub totals: Option<bytes::Bytes>,
    /// The event.
    pub pdu: Arc<Pdu>,
    /// The event for clients, but for what is the reader's own.
    pub client: ClientEvent,
}

impl Stored {
    /// The Matrix id.
    pub fn event_id(&self) -> &EventId {
        self.pdu.event_id()
    }

    /// Root of the state before it by the events that it names: what decides about it.
    pub fn state_by_graph(&self) -> NodeNum {
        self.graph_state.unwrap_or(self.state_before)
    }
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<EventNum, Arc<Stored>> for ByBytes {
    fn weight(&self, _: &EventNum, event: &Arc<Stored>) -> u64 {
        // The JSON twice (canonical, and for clients), and the parsed parts.
        2 * event.pdu.json().len() as u64 + 700
    }
}

/// The events of this cell.
pub struct Events {
    store: Store,
    by_num: Cache<EventNum, Arc<Stored>, ByBytes>,
    by_id: Cache<OwnedEventId, EventNum>,
    rooms: Cache<RoomNum, Arc<RoomInfo>>,
    /// Of rows of events: what a redaction has emptied is not read back from before it.
    changes: Changes,
    /// Who sent them with which transaction.
    pub echoes: Echoes,
}

impl Events {
    /// The events of a store, of which at most `cache_bytes` are kept in memory.
    pub fn new(store: Store, cache_bytes: u64) -> Self {
        let items = usize::try_from(cache_bytes / 3_000).unwrap_or(usize::MAX);
        Self {
            changes: store.changes(),
            store,
            by_num: Cache::with_weighter(items.max(16), cache_bytes, ByBytes),
            by_id: Cache::new(IDS_CACHED),
            rooms: Cache::new(ROOMS_CACHED),
            echoes: Echoes::default(),
        }
    }

    /// What never changes about a room.
    pub async fn room_info(&self, snapshot: &Snapshot, room_num: RoomNum) -> Result<Arc<RoomInfo>> {
        if let Some(info) = self.rooms.get(&room_num) {
            return Ok(info);
        }
        let row = rooms::by_num(snapshot, room_num).await?;
        let row = row.ok_or_else(|| StoreError::Corrupt(format!("room number {room_num} is no room")))?;
        self.remember_room(row.room_num, row.room_id, &row.room_version)
    }

    /// Keeps what never changes about a room.
    pub fn remember_room(&self, room_num: RoomNum, room_id: String, version: &str) -> Result<Arc<RoomInfo>> {
        let version = RoomVersionId::try_from(version).map_err(Error::internal)?;
        let rules = version.rules().ok_or_else(|| Error::internal(format!("room version {version} has no rules")))?;
        let room_id = OwnedRoomId::try_from(room_id).map_err(Error::internal)?;
        let info = Arc::new(RoomInfo { room_num, room_id, version, rules });
        self.rooms.insert(room_num, Arc::clone(&info));
        Ok(info)
    }

    /// An event that is in memory.
    pub fn cached(&self, event_num: EventNum) -> Option<Arc<Stored>> {
        self.by_num.get(&event_num)
    }

    /// The same by its Matrix id.
    pub fn cached_by_id(&self, id: &EventId) -> Option<Arc<Stored>> {
        self.by_id.get(id).and_then(|event_num| self.cached(event_num))
    }

    /// Keeps an event that is on disk.
    pub fn remember(&self, event: &Arc<Stored>) {
        self.by_id.insert(event.event_id().to_owned(), event.event_num);
        self.by_num.insert(event.event_num, Arc::clone(event));
    }

    /// Forgets an event whose row changed. Call it after the write.
    pub fn forget(&self, event_num: EventNum) {
        self.changes.note();
        self.by_num.remove(&event_num);
    }

    /// Forgets a room of which there is no copy any more, and its events.
    pub fn forget_room(&self, room_num: RoomNum, events: &[EventNum]) {
        self.changes.note();
        for event_num in events {
            self.by_num.remove(event_num);
        }
        self.rooms.remove(&room_num);
    }

    /// One event by its number.
    pub async fn get(self: &Arc<Self>, event_num: EventNum) -> Result<Arc<Stored>> {
        if let Some(event) = self.cached(event_num) {
            return Ok(event);
        }
        let this = Arc::clone(self);
        let found = self.store.read(move |snapshot| async move { this.load(&snapshot, &[event_num]).await }).await?;
        let missing = || StoreError::Corrupt(format!("event number {event_num} is missing"));
        Ok(found.into_iter().next().ok_or_else(missing)?)
    }

    /// Events by their numbers, in the order asked for; those that are not there are left out.
    pub async fn get_many(self: &Arc<Self>, nums: Vec<EventNum>) -> Result<Vec<Arc<Stored>>> {
        if let Some(all) = nums.iter().map(|num| self.cached(*num)).collect::<Option<Vec<_>>>() {
            return Ok(all);
        }
        let this = Arc::clone(self);
        self.store.read(move |snapshot| async move { this.load(&snapshot, &nums).await }).await
    }

    /// The same for who goes through very many events once; see [`Self::load_passing`].
    pub async fn get_passing(self: &Arc<Self>, nums: Vec<EventNum>) -> Result<Vec<Arc<Stored>>> {
        let this = Arc::clone(self);
        self.store.read(move |snapshot| async move { this.load_passing(&snapshot, &nums).await }).await
    }

    /// The same within a read.
    pub async fn load(&self, snapshot: &Snapshot, nums: &[EventNum]) -> Result<Vec<Arc<Stored>>> {
        self.load_as(snapshot, nums, true).await
    }

    /// The same for who goes through very many events once, a part after the other: those that are not in memory do not stay there, so that they
    /// neither take room nor drive out what others ask for again and again.
    pub async fn load_passing(&self, snapshot: &Snapshot, nums: &[EventNum]) -> Result<Vec<Arc<Stored>>> {
        self.load_as(snapshot, nums, false).await
    }

    async fn load_as(&self, snapshot: &Snapshot, nums: &[EventNum], is_kept: bool) -> Result<Vec<Arc<Stored>>> {
        let mut found: HashMap<EventNum, Arc<Stored>> = HashMap::with_capacity(nums.len());
        let mut missing = Vec::new();
        for num in nums {
            match self.cached(*num) {
                Some(event) => drop(found.insert(*num, event)),
                None => missing.push(*num),
            }
        }
        if !missing.is_empty() {
            for row in events::by_nums(snapshot, missing).await? {
                let event = if is_kept { self.stored(snapshot, row).await? } else { self.made(snapshot, row).await? };
                found.insert(event.event_num, event);
            }
        }
        Ok(nums.iter().filter_map(|num| found.get(num).cloned()).collect())
    }

    /// One event by its Matrix id.
    pub async fn by_id(self: &Arc<Self>, id: &EventId) -> Result<Option<Arc<Stored>>> {
        if let Some(event) = self.cached_by_id(id) {
            return Ok(Some(event));
        }
        let (this, id) = (Arc::clone(self), id.to_owned());
        self.store.read(move |snapshot| async move { this.load_by_id(&snapshot, &id).await }).await
    }

    /// The same within a read.
    pub async fn load_by_id(&self, snapshot: &Snapshot, id: &EventId) -> Result<Option<Arc<Stored>>> {
        if let Some(event) = self.cached_by_id(id) {
            return Ok(Some(event));
        }
        match events::by_id(snapshot, id).await? {
            Some(row) => Ok(Some(self.stored(snapshot, row).await?)),
            None => Ok(None),
        }
    }

    /// The member event of an event's sender, as the events that allow it say it: for rooms whose members are not all known.
    pub async fn sender_by_auth(&self, snapshot: &Snapshot, event: &Stored) -> Result<Option<EventNum>> {
        for id in event.pdu.auth_events() {
            let Some(auth) = self.load_by_id(snapshot, id).await? else { continue };
            if auth.pdu.membership().is_some() && auth.pdu.state_key() == Some(event.pdu.sender().as_str()) {
                return Ok(Some(auth.event_num));
            }
        }
        Ok(None)
    }

    /// A row as a shared event.
    pub async fn stored(&self, snapshot: &Snapshot, row: events::Event) -> Result<Arc<Stored>> {
        if let Some(event) = self.cached(row.event_num) {
            return Ok(event);
        }
        let event = self.made(snapshot, row).await?;
        let forget = || drop(self.by_num.remove(&event.event_num));
        self.changes.keep(snapshot.begun(), || self.remember(&event), forget);
        Ok(event)
    }

    /// A row as an event that nobody has yet.
    async fn made(&self, snapshot: &Snapshot, row: events::Event) -> Result<Arc<Stored>> {
        let room = self.room_info(snapshot, row.room_num).await?;
        let id = event_id::from_bytes(&row.event_id)?;
        let pdu = Pdu::parse(id, row.json, &room.rules).map_err(Error::internal)?;
        Ok(Arc::new(Stored {
            event_num: row.event_num,
            client: ClientEvent::new(&pdu),
            room,
            position: row.position,
            sender_num: row.sender_num,
            state_before: row.state_before,
            graph_state: row.graph_state,
            status: row.status,
            thread_num: row.thread_num,
            redacted_by: row.redacted_by,
            totals: row.totals,
            pdu: Arc::new(pdu),
        }))
    }
}
