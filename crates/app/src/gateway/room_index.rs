//! Which cells are in which room. A gateway asks the cells and remembers for a while, in memory; what it passes on tells it of those who come.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use domicile_core::{
    clock::{Clock, SECOND_MS},
    locality::{CellName, Destination, Locality},
};
use domicile_store::{Store, StoreError, table::room_cells};
use futures::future::join_all;
use parking_lot::Mutex;
use quick_cache::sync::Cache;
use ruma::{OwnedRoomId, RoomId, UserId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    Result,
    residency::{InnerLink, Localities, OwnCell},
};

/// Where a cell is asked which cells are in rooms.
pub const ROOMS: &str = "/_domicile/inner/v1/gateway/rooms";
/// Rooms that are asked for at once.
pub const ROOMS_AT_ONCE: usize = 100;
/// How long an answer is believed: whoever has come meanwhile fetches what they missed.
const BELIEVED_MS: i64 = 30 * SECOND_MS;
/// The same where a cell was not reached.
const PARTLY_MS: i64 = 5 * SECOND_MS;
/// How long a cell may take to answer.
const TIME: Duration = Duration::from_secs(5);
/// Rooms that are remembered.
const REMEMBERED: usize = 50_000;

/// Rooms of which is asked.
#[derive(Debug, Serialize, Deserialize)]
pub struct RoomsQuestion {
    /// The rooms.
    pub room_ids: Vec<OwnedRoomId>,
}

/// Those of them in which somebody of the cell is, with the other cells in each.
#[derive(Debug, Serialize, Deserialize)]
pub struct RoomsAnswer {
    /// Cells by room.
    pub rooms: BTreeMap<OwnedRoomId, Vec<String>>,
}

/// The cells of one room.
#[derive(Clone, Debug, Default)]
struct Known {
    /// When the cells were asked, in milliseconds since the epoch.
    asked_ms: i64,
    /// Cells that say that they are in it, and whom they say is as well.
    told: BTreeMap<CellName, BTreeSet<CellName>>,
    /// Cells of which somebody was seen to join.
    seen: BTreeSet<CellName>,
    /// Cells that could not be asked.
    unreached: BTreeSet<CellName>,
}

/// The cells in a room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoomCells {
    /// The cells.
    pub cells: BTreeSet<CellName>,
    /// Cells that were not reached, and may be in it as well.
    pub unreached: BTreeSet<CellName>,
}

/// The index.
pub struct RoomIndex {
    store: Store,
    clock: Arc<dyn Clock>,
    own: Arc<OwnCell>,
    link: Arc<InnerLink>,
    localities: Arc<Localities>,
    known: Cache<OwnedRoomId, Arc<Mutex<Known>>>,
}

impl RoomIndex {
    /// Nothing is known yet.
    pub fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        own: Arc<OwnCell>,
        link: Arc<InnerLink>,
        localities: Arc<Localities>,
    ) -> Self {
        Self { store, clock, own, link, localities, known: Cache::new(REMEMBERED) }
    }

    /// What this cell knows of some rooms.
    pub async fn here(&self, room_ids: Vec<OwnedRoomId>) -> Result<RoomsAnswer> {
        let read = self.store.read(move |snapshot| async move {
            let mut rooms = BTreeMap::new();
            for room_id in room_ids.into_iter().take(ROOMS_AT_ONCE) {
                if let Some(others) = room_cells::others(&snapshot, room_id.as_str()).await? {
                    rooms.insert(room_id, others);
                }
            }
            Ok::<_, StoreError>(rooms)
        });
        Ok(RoomsAnswer { rooms: read.await? })
    }

    /// The cells in a room, of those whose traffic this gateway carries. Where somebody of the gateway's own is in the room, it knows itself who
    /// else is; of other rooms it knows what the cells say.
    pub async fn cells(&self, room_id: &RoomId) -> Result<RoomCells> {
        let document = self.own.document();
        let carried =
            |cell: &CellName| document.region_of(cell).is_some_and(|region| document.carries(self.own.name(), region));
        if let Some(mut cells) = self.own_word(room_id).await? {
            cells.insert(self.own.name().clone());
            cells.retain(carried);
            return Ok(RoomCells { cells, unreached: BTreeSet::new() });
        }
        let entry = self.asked(room_id).await?;
        let known = entry.lock();
        let all = known.told.iter().flat_map(|(cell, others)| std::iter::once(cell).chain(others)).chain(&known.seen);
        let cells: BTreeSet<CellName> = all.filter(|cell| carried(cell)).cloned().collect();
        let unreached = known.unreached.difference(&cells).cloned().collect();
        Ok(RoomCells { cells, unreached })
    }

    /// Whether somebody of a cell is in a room by another's word than its own; also where no other cell is in it, so that it is nobody else's
    /// matter. A cell that somebody stole would otherwise have other people's rooms read to it.
    pub async fn is_in(&self, cell: &CellName, room_id: &RoomId) -> Result<bool> {
        if let Some(cells) = self.own_word(room_id).await? {
            return Ok(cells.contains(cell));
        }
        for is_fresh in [false, true] {
            if is_fresh {
                self.forget(room_id);
            }
            let entry = self.asked(room_id).await?;
            let known = entry.lock();
            let mut others = known.told.iter().filter(|(other, _)| *other != cell).peekable();
            if others.peek().is_none() {
                // Somebody may have come since the cells were asked.
                if is_fresh && known.unreached.is_empty() {
                    return Ok(true);
                }
            } else if others.any(|(_, with)| with.contains(cell)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The other cells in a room in which somebody of this one is; nothing where nobody is.
    async fn own_word(&self, room_id: &RoomId) -> Result<Option<BTreeSet<CellName>>> {
        let found = self.here(vec![room_id.to_owned()]).await?.rooms.remove(room_id);
        Ok(found.map(|cells| cells.iter().filter_map(|name| CellName::parse(name)).collect()))
    }

    /// Notes who comes into a room, from a membership that goes by.
    pub fn observe(&self, event: &RawValue) {
        #[derive(Deserialize)]
        struct Member {
            #[serde(rename = "type")]
            kind: String,
            room_id: OwnedRoomId,
            state_key: String,
            content: Content,
        }
        #[derive(Deserialize)]
        struct Content {
            membership: String,
        }
        let Ok(member) = serde_json::from_str::<Member>(event.get()) else { return };
        if member.kind != "m.room.member" || member.content.membership != "join" {
            return;
        }
        let Ok(user_id) = <&UserId>::try_from(member.state_key.as_str()) else { return };
        if let Some(cell) = self.home(user_id) {
            self.entry(&member.room_id).lock().seen.insert(cell);
        }
    }

    fn home(&self, user_id: &UserId) -> Option<CellName> {
        match self.localities.of(user_id) {
            Locality::Here => Some(self.own.name().clone()),
            Locality::Elsewhere(Destination::Cell(cell)) => Some(cell),
            _ => None,
        }
    }

    fn forget(&self, room_id: &RoomId) {
        self.entry(room_id).lock().asked_ms = 0;
    }

    fn entry(&self, room_id: &RoomId) -> Arc<Mutex<Known>> {
        let made = self.known.get_or_insert_with(room_id, || Ok::<_, std::convert::Infallible>(Arc::default()));
        match made {
            Ok(entry) => entry,
            Err(never) => match never {},
        }
    }

    /// What is known of a room; if that is nothing, or was asked long ago, all cells are asked.
    async fn asked(&self, room_id: &RoomId) -> Result<Arc<Mutex<Known>>> {
        let entry = self.entry(room_id);
        let now_ms = self.clock.now_ms();
        let is_fresh = {
            let known = entry.lock();
            let believed_ms = if known.unreached.is_empty() { BELIEVED_MS } else { PARTLY_MS };
            known.asked_ms > 0 && now_ms - known.asked_ms < believed_ms
        };
        if is_fresh {
            return Ok(entry);
        }
        let question = RoomsQuestion { room_ids: vec![room_id.to_owned()] };
        let carried = self.own.document().carried_by(self.own.name());
        let others = carried.into_iter().filter(|cell| *cell != self.own.name());
        let question = &question;
        let asking = others.map(|cell| async move {
            let answer = self.link.ask_json::<RoomsAnswer>(cell, ROOMS, question);
            (cell, tokio::time::timeout(TIME, answer).await.ok().and_then(Result::ok))
        });
        let mut told = BTreeMap::new();
        let mut unreached = BTreeSet::new();
        for (cell, answer) in join_all(asking).await {
            if answer.is_none() {
                unreached.insert(cell.clone());
            }
            let found = answer.and_then(|mut answer| answer.rooms.remove(room_id));
            if let Some(others) = found {
                told.insert(cell.clone(), others.iter().filter_map(|name| CellName::parse(name)).collect());
            }
        }
        {
            let mut known = entry.lock();
            // Who was there before and is not reached now may be there still.
            for (cell, others) in std::mem::take(&mut known.told) {
                if unreached.contains(&cell) {
                    told.insert(cell, others);
                }
            }
            if unreached.is_empty() {
                known.seen.clear();
            }
            known.told = told;
            known.unreached = unreached;
            known.asked_ms = now_ms;
        }
        Ok(entry)
    }
}
