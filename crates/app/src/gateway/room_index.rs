//! Which cells are in which room. A gateway asks the cells, and believes what fits together (`room_cells` of residency); what passes it tells of those
//! who come. What it found out is on disk, for the time when a cell cannot be asked.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use domicile_core::{
    clock::{Clock, DAY_MS, MINUTE_MS, SECOND_MS},
    locality::{CellName, Destination, Locality},
};
use domicile_residency::gateway::room_cells::{Said, Settled, settle};
use domicile_store::{
    Batch, Store, StoreError,
    table::{gateway_rooms, room_cells},
};
use futures::future::join_all;
use parking_lot::Mutex;
use quick_cache::sync::Cache;
use ruma::{OwnedRoomId, RoomId, UserId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

use crate::{
    Result,
    residency::{InnerLink, Localities, OwnCell},
};

/// Where a cell is asked which cells are in rooms.
pub const ROOMS: &str = "/_domicile/inner/v1/gateway/rooms";
/// Where a gateway is told by another one that somebody has come into a room.
pub const CAME: &str = "/_domicile/inner/v1/gateway/came";
/// Rooms that are asked for at once.
pub const ROOMS_AT_ONCE: usize = 100;
/// How long an answer is believed: whoever has come meanwhile fetches what they missed.
const BELIEVED_MS: i64 = 30 * SECOND_MS;
/// The same where a cell was not reached, or is not believed.
const PARTLY_MS: i64 = 5 * SECOND_MS;
/// How long others in a room may take to hear of somebody who was seen to come.
const SEEN_MS: i64 = 10 * MINUTE_MS;
/// How long a cell may take to answer.
const TIME: Duration = Duration::from_secs(5);
/// Rooms that are remembered in memory.
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

/// Somebody of a cell has come into a room, as a gateway saw.
#[derive(Debug, Serialize, Deserialize)]
pub struct Came {
    /// The room.
    pub room_id: OwnedRoomId,
    /// The cell.
    pub cell: String,
}

/// The cells of one room.
#[derive(Debug, Default)]
struct Known {
    /// Whether it was read what is on disk.
    is_read: bool,
    /// When the cells were asked, in milliseconds since the epoch.
    asked_ms: i64,
    /// What is on disk: cells, and the last day on which they were counted on.
    lasting: BTreeMap<CellName, i64>,
    /// What cells said.
    said: Said,
    /// When cells were seen to come, in milliseconds since the epoch.
    seen: BTreeMap<CellName, i64>,
    /// What comes of all that.
    settled: Settled,
}

impl Known {
    /// Finds out anew who is there, and gives what changes on disk: cells that are there, and cells that are not.
    fn settle(&mut self, now_ms: i64) -> (Vec<CellName>, Vec<CellName>) {
        self.seen.retain(|_, seen_ms| now_ms - *seen_ms < SEEN_MS);
        self.said.seen = self.seen.keys().cloned().collect();
        let before = self.lasting.keys().cloned().collect();
        self.settled = settle(&before, &self.said);
        if !self.settled.lasts {
            return (Vec::new(), Vec::new());
        }
        let day = now_ms.div_euclid(DAY_MS);
        let cells = &self.settled.cells;
        let there: Vec<_> = cells.iter().filter(|cell| self.lasting.get(*cell) != Some(&day)).cloned().collect();
        let gone: Vec<_> = before.difference(cells).cloned().collect();
        self.lasting = cells.iter().map(|cell| (cell.clone(), day)).collect();
        (there, gone)
    }
}

/// The cells in a room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoomCells {
    /// The cells.
    pub cells: BTreeSet<CellName>,
    /// Cells that say so of themselves, which nobody else does.
    pub doubtful: BTreeSet<CellName>,
    /// Where nothing is known of a room: cells that were not reached, and may be in it.
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
    /// Over a store.
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
            return Ok(RoomCells { cells, ..RoomCells::default() });
        }
        let entry = self.asked(room_id).await?;
        let known = entry.lock();
        let of = |cells: &BTreeSet<CellName>| cells.iter().filter(|cell| carried(cell)).cloned().collect();
        Ok(RoomCells {
            cells: of(&known.settled.cells),
            doubtful: of(&known.settled.doubtful),
            unreached: if known.settled.cells.is_empty() { of(&known.said.unreached) } else { BTreeSet::new() },
        })
    }

    /// Whether somebody of a cell is in a room by another's word than its own; also where no other cell is in it, so that it is nobody else's
    /// matter. A cell that somebody stole would otherwise have other people's rooms read to it.
    pub async fn is_in(&self, cell: &CellName, room_id: &RoomId) -> Result<bool> {
        if let Some(cells) = self.own_word(room_id).await? {
            return Ok(cells.contains(cell));
        }
        for is_fresh in [false, true] {
            let entry = self.entry(room_id).await?;
            if is_fresh {
                // Somebody may have come since the cells were asked.
                entry.lock().asked_ms = 0;
            }
            let entry = self.asked(room_id).await?;
            let known = entry.lock();
            let is_nobodys = known.settled.cells.is_empty() && known.said.unreached.is_empty();
            if known.settled.lasts && known.settled.cells.contains(cell) || is_fresh && is_nobodys {
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

    /// Notes from a membership that goes by, and that nobody has accepted yet, that somebody may have come: cells are asked again.
    pub async fn observe(&self, event: &RawValue) -> Result<()> {
        let Some((room_id, cell)) = self.joined(event) else { return Ok(()) };
        let entry = self.entry(&room_id).await?;
        let mut known = entry.lock();
        if !known.settled.cells.contains(&cell) {
            known.asked_ms = 0;
        }
        Ok(())
    }

    /// Notes who has come into a room: another server has let them in. The other gateways are told.
    pub async fn let_in(&self, event: &RawValue) -> Result<()> {
        let Some((room_id, cell)) = self.joined(event) else { return Ok(()) };
        self.came(&room_id, &cell).await?;
        let document = self.own.document();
        let others = document.cells.keys().filter(|other| *other != self.own.name() && document.is_gateway(other));
        let others: Vec<CellName> = others.cloned().collect();
        if others.is_empty() {
            return Ok(());
        }
        let link = Arc::clone(&self.link);
        let came = Came { room_id, cell: cell.as_str().to_owned() };
        tokio::spawn(async move {
            let telling =
                others.iter().map(|other| tokio::time::timeout(TIME, link.ask_json::<Value>(other, CAME, &came)));
            for told in join_all(telling).await {
                if !matches!(told, Ok(Ok(_))) {
                    tracing::debug!("another gateway was not told of who came into a room: it asks the cells");
                }
            }
        });
        Ok(())
    }

    /// Notes that somebody of a cell has come into a room.
    pub async fn came(&self, room_id: &RoomId, cell: &CellName) -> Result<()> {
        let entry = self.entry(room_id).await?;
        let now_ms = self.clock.now_ms();
        let changes = {
            let mut known = entry.lock();
            known.seen.insert(cell.clone(), now_ms);
            known.settle(now_ms)
        };
        self.write(room_id, changes, now_ms).await
    }

    /// The room and the cell of somebody who joins.
    fn joined(&self, event: &RawValue) -> Option<(OwnedRoomId, CellName)> {
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
        let member = serde_json::from_str::<Member>(event.get()).ok()?;
        if member.kind != "m.room.member" || member.content.membership != "join" {
            return None;
        }
        let cell = match self.localities.of(<&UserId>::try_from(member.state_key.as_str()).ok()?) {
            Locality::Here => self.own.name().clone(),
            Locality::Elsewhere(Destination::Cell(cell)) => cell,
            _ => return None,
        };
        Some((member.room_id, cell))
    }

    /// What is known of a room, with what is on disk.
    async fn entry(&self, room_id: &RoomId) -> Result<Arc<Mutex<Known>>> {
        let made = self.known.get_or_insert_with(room_id, || Ok::<_, std::convert::Infallible>(Arc::default()));
        let entry: Arc<Mutex<Known>> = match made {
            Ok(entry) => entry,
            Err(never) => match never {},
        };
        if entry.lock().is_read {
            return Ok(entry);
        }
        let of = room_id.to_owned();
        let read = self.store.read(move |snapshot| async move { gateway_rooms::cells(&snapshot, of.as_str()).await });
        let rows = read.await?.into_iter();
        let document = self.own.document();
        let cells = rows.filter_map(|(cell, day)| Some((CellName::parse(&cell)?, day)));
        let lasting = cells.filter(|(cell, _)| document.cells.contains_key(cell)).collect();
        {
            let mut known = entry.lock();
            if !known.is_read {
                (known.is_read, known.lasting) = (true, lasting);
            }
        }
        Ok(entry)
    }

    /// What is known of a room; if the cells were not asked, or long ago, they are.
    async fn asked(&self, room_id: &RoomId) -> Result<Arc<Mutex<Known>>> {
        let entry = self.entry(room_id).await?;
        let now_ms = self.clock.now_ms();
        let is_fresh = {
            let known = entry.lock();
            let is_whole = known.said.unreached.is_empty() && known.settled.doubtful.is_empty();
            let believed_ms = if is_whole { BELIEVED_MS } else { PARTLY_MS };
            known.asked_ms > 0 && now_ms - known.asked_ms < believed_ms
        };
        if is_fresh {
            return Ok(entry);
        }
        let (told, unreached) = self.ask(room_id).await;
        // Asking may have taken its time: the answer is as fresh as it is now.
        let now_ms = self.clock.now_ms();
        let changes = {
            let mut known = entry.lock();
            (known.said.told, known.said.unreached, known.asked_ms) = (told, unreached, now_ms);
            known.settle(now_ms)
        };
        self.write(room_id, changes, now_ms).await?;
        Ok(entry)
    }

    /// Asks all cells: what those say that are in a room, and which were not reached.
    async fn ask(&self, room_id: &RoomId) -> (BTreeMap<CellName, BTreeSet<CellName>>, BTreeSet<CellName>) {
        let question = &RoomsQuestion { room_ids: vec![room_id.to_owned()] };
        let document = self.own.document();
        let others = document.carried_by(self.own.name()).into_iter().filter(|cell| *cell != self.own.name());
        let asking = others.map(|cell| async move {
            let answer = self.link.ask_json::<RoomsAnswer>(cell, ROOMS, question);
            (cell, tokio::time::timeout(TIME, answer).await.ok().and_then(std::result::Result::ok))
        });
        let (mut told, mut unreached) = (BTreeMap::new(), BTreeSet::new());
        for (cell, answer) in join_all(asking).await {
            let Some(mut answer) = answer else {
                unreached.insert(cell.clone());
                continue;
            };
            if let Some(others) = answer.rooms.remove(room_id) {
                told.insert(cell.clone(), others.iter().filter_map(|name| CellName::parse(name)).collect());
            }
        }
        (told, unreached)
    }

    async fn write(&self, room_id: &RoomId, changes: (Vec<CellName>, Vec<CellName>), now_ms: i64) -> Result<()> {
        let (there, gone) = changes;
        if there.is_empty() && gone.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::new();
        for cell in there {
            gateway_rooms::set(&mut batch, room_id.as_str(), cell.as_str(), now_ms.div_euclid(DAY_MS));
        }
        for cell in gone {
            gateway_rooms::remove(&mut batch, room_id.as_str(), cell.as_str());
        }
        self.store.write(batch).await?;
        Ok(())
    }
}
