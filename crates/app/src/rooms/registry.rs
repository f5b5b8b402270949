//! The rooms in memory: loaded when somebody needs them, dropped when nobody has for long.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Weak},
    time::Duration,
};

use domicile_core::{
    error::ErrorKind,
    ids::{Position, RoomNum, UserNum},
};
use domicile_room::auth;
use domicile_store::{
    Changes, Moment, Snapshot, Store, StoreError, event_id,
    table::{destinations, events as event_rows, memberships, partial_rooms, relations, rooms, state},
};
use imbl::Vector;
use parking_lot::Mutex;
use quick_cache::{Weighter, sync::Cache};
use ruma::{OwnedRoomId, RoomId};
use tokio::sync::Notify;

use super::{AllowedMessages, Facts, Member, Membership, Partial, Room, RoomInfo, RoomView, StateTrees, live::RECENT};
use crate::{Error, Result, error::not_found, events::Events, push::Totals};

/// How long somebody waits at most for a room's members to become known.
const PATIENCE: Duration = Duration::from_secs(30);
/// Members that are read in one go.
const MEMBERS_AT_ONCE: i64 = 1_000;
/// Ids whose numbers are kept.
const IDS_CACHED: usize = 100_000;

#[derive(Clone)]
struct ByState;

/// A room that is kept, with the weight that it had then: a weight that changed under the cache's hands would spoil its sums.
#[derive(Clone)]
struct Kept {
    room: Arc<Room>,
    weight: u64,
}

impl Kept {
    fn new(room: &Arc<Room>) -> Self {
        Self { room: Arc::clone(room), weight: 10 + room.view().state.len() as u64 }
    }
}

/// A room that somebody holds, kept or not: there are never two that are current. When it was written to is remembered for longer, since whoever
/// reads it meanwhile may have begun before.
struct Held {
    room: Weak<Room>,
    written: Arc<Changes>,
}

impl Weighter<RoomNum, Kept> for ByState {
    fn weight(&self, _: &RoomNum, kept: &Kept) -> u64 {
        kept.weight
    }
}

/// The rooms.
pub struct Rooms {
    store: Store,
    events: Arc<Events>,
    trees: Arc<StateTrees>,
    nums: Cache<OwnedRoomId, RoomNum>,
    /// Of which rooms there are copies.
    changes: Changes,
    kept: Cache<RoomNum, Kept, ByState>,
    held: Mutex<HashMap<RoomNum, Held>>,
    /// Of which rooms that nobody holds it is still remembered when they were written to.
    swept: Changes,
    /// Rooms with events whose words are not in the index of searches yet. A note may be lost; the index knows how far each room is.
    with_new_words: Mutex<HashSet<RoomNum>>,
    /// Wakes those who wait until a room's members are all known.
    whole: Notify,
}

impl Rooms {
    /// The rooms of a store; `state_entries` bounds how much state is kept in memory.
    pub fn new(store: Store, events: Arc<Events>, trees: Arc<StateTrees>, state_entries: u64) -> Self {
        Self {
            changes: store.changes(),
            swept: store.changes(),
            store,
            events,
            trees,
            nums: Cache::new(IDS_CACHED),
            kept: Cache::with_weighter(4_096, state_entries, ByState),
            held: Mutex::default(),
            with_new_words: Mutex::default(),
            whole: Notify::new(),
        }
    }

    /// Notes that a room has events whose words are not in the index of searches yet.
    pub fn note_words(&self, room_num: RoomNum) {
        self.with_new_words.lock().insert(room_num);
    }

    /// Takes those of the noted rooms that `wanted` picks.
    pub fn take_noted(&self, wanted: impl Fn(RoomNum) -> bool) -> Vec<RoomNum> {
        self.with_new_words.lock().extract_if(|room_num| wanted(*room_num)).collect()
    }

    /// The number of a room, if this cell has a copy.
    pub async fn num(&self, room_id: &RoomId) -> Result<Option<RoomNum>> {
        if let Some(room_num) = self.nums.get(room_id) {
            return Ok(Some(room_num));
        }
        let wanted = room_id.to_string();
        let begun = self.changes.now();
        let found = self.store.read(move |snapshot| async move { rooms::by_id(&snapshot, &wanted).await }).await?;
        Ok(found.filter(|room| room.has_copy).map(|room| {
            let keep = || self.nums.insert(room_id.to_owned(), room.room_num);
            self.changes.keep(begun, keep, || drop(self.nums.remove(room_id)));
            room.room_num
        }))
    }

    /// A room by its Matrix id.
    pub async fn get(&self, room_id: &RoomId) -> Result<Arc<Room>> {
        match self.num(room_id).await? {
            Some(room_num) => self.by_num(room_num).await,
            None => Err(not_found(format!("There is no room {room_id} here."))),
        }
    }

    /// The same if somebody here is in it.
    pub async fn held(&self, room_id: &RoomId) -> Result<Option<Arc<Room>>> {
        match self.get(room_id).await {
            Ok(room) => Ok(Some(room).filter(|room| room.view().has_local_members())),
            Err(Error::Matrix(error)) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A room by its number.
    pub async fn by_num(&self, room_num: RoomNum) -> Result<Arc<Room>> {
        loop {
            if let Some(room) = self.in_memory(room_num) {
                return Ok(room);
            }
            let (events, trees) = (Arc::clone(&self.events), Arc::clone(&self.trees));
            let begun = self.changes.now();
            let (info, view) = self
                .store
                .read(move |snapshot| async move { load(&snapshot, &events, &trees, room_num).await })
                .await?;
            if let Ok(room) = self.keep(info, view, Some(begun)) {
                return Ok(room);
            }
        }
    }

    /// The same within a read: as that shows it, if it is not in memory.
    pub async fn load(&self, snapshot: &Snapshot, room_num: RoomNum) -> Result<Arc<Room>> {
        if let Some(room) = self.in_memory(room_num) {
            return Ok(room);
        }
        let (info, view) = load(snapshot, &self.events, &self.trees, room_num).await?;
        Ok(self.keep(info, view, Some(snapshot.begun())).unwrap_or_else(|older| older))
    }

    /// A room, if it is in memory.
    pub fn in_memory(&self, room_num: RoomNum) -> Option<Arc<Room>> {
        if let Some(kept) = self.kept.get(&room_num) {
            return Some(kept.room);
        }
        let room = self.held.lock().get(&room_num)?.room.upgrade()?;
        self.kept.insert(room_num, Kept::new(&room));
        Some(room)
    }

    /// Keeps a room that was just made; if somebody was faster, theirs is the one.
    pub fn keep_made(&self, info: Arc<RoomInfo>, view: RoomView) -> Arc<Room> {
        self.keep(info, view, None).unwrap_or_else(|older| older)
    }

    /// Keeps a room as a read showed it that began at a moment; if somebody was faster, theirs is the one. One that has been written to since, or
    /// forgotten, is given back as an error: it is good for what that read shows, and for nothing else.
    fn keep(
        &self,
        info: Arc<RoomInfo>,
        view: RoomView,
        begun: Option<Moment>,
    ) -> std::result::Result<Arc<Room>, Arc<Room>> {
        let room_num = info.room_num;
        let changed = |changes: &Changes| begun.is_some_and(|begun| !changes.none_since(begun));
        let room = {
            let mut held = self.held.lock();
            let entry = held.get(&room_num);
            if let Some(theirs) = entry.and_then(|held| held.room.upgrade()) {
                theirs
            } else {
                let written = entry.map_or_else(|| Arc::new(self.store.changes()), |held| Arc::clone(&held.written));
                let room = Arc::new(Room::new(info, view, Arc::clone(&written)));
                if changed(&written) || changed(&self.swept) || changed(&self.changes) {
                    return Err(room);
                }
                held.insert(room_num, Held { room: Arc::downgrade(&room), written });
                if held.len().is_multiple_of(1_024) {
                    held.retain(|_, held| held.room.strong_count() > 0);
                    self.swept.note();
                }
                room
            }
        };
        let keep = || {
            self.nums.insert(room.info.room_id.clone(), room_num);
            self.kept.insert(room_num, Kept::new(&room));
        };
        let forget = || {
            self.nums.remove(&room.info.room_id);
            self.kept.remove(&room_num);
        };
        // If it is forgotten just now, it stays so.
        self.changes.keep(begun.unwrap_or_else(|| self.changes.now()), keep, forget);
        Ok(room)
    }

    /// Waits until all members of a room are known, or until `patience` is over. Gives whether they are.
    pub async fn wait_for_members(&self, room: &Room, patience: Duration) -> bool {
        let waiting = async {
            loop {
                let mut woken = std::pin::pin!(self.whole.notified());
                woken.as_mut().enable();
                if !room.view().is_partial() {
                    return;
                }
                woken.await;
            }
        };
        tokio::time::timeout(patience, waiting).await.is_ok()
    }

    /// Waits until all members of a room are known, for as long as somebody waits for an answer.
    pub async fn with_members(&self, room: &Room) -> Result<()> {
        if self.wait_for_members(room, PATIENCE).await {
            return Ok(());
        }
        let text =
            "This room was joined a moment ago, and its other servers have not told yet who is in it: try again later.";
        Err(ErrorKind::Unavailable.with(text).into())
    }

    /// Wakes those who wait for a room's members. Call it when the room shows them.
    pub fn members_came(&self) {
        self.whole.notify_waiters();
    }

    /// Forgets a room of which there is no copy any more. Whoever still holds it can write nothing: its row is gone.
    pub fn forget(&self, room_id: &RoomId, room_num: RoomNum) {
        self.changes.note();
        self.nums.remove(room_id);
        self.kept.remove(&room_num);
        self.held.lock().remove(&room_num);
        self.with_new_words.lock().remove(&room_num);
    }

    /// Reads a room's view again. Only its writer may call this.
    pub async fn reload(&self, room: &Room) -> Result<()> {
        let (events, trees, room_num) = (Arc::clone(&self.events), Arc::clone(&self.trees), room.info.room_num);
        let (_, view) =
            self.store.read(move |snapshot| async move { load(&snapshot, &events, &trees, room_num).await }).await?;
        room.publish(Arc::new(view));
        Ok(())
    }
}

async fn load(
    snapshot: &Snapshot,
    events: &Events,
    trees: &StateTrees,
    room_num: RoomNum,
) -> Result<(Arc<RoomInfo>, RoomView)> {
    let row = rooms::by_num(snapshot, room_num).await?;
    let row = row.ok_or_else(|| StoreError::Corrupt(format!("room number {room_num} is no room")))?;
    let info = events.room_info(snapshot, room_num).await?;
    let state: imbl::OrdMap<_, _> = trees.all(snapshot, row.state_root).await?.into_iter().collect();
    let facts = facts(snapshot, events, &info, &state).await?;
    let mut extremities = Vec::new();
    for (event_num, id) in rooms::forward_extremities(snapshot, room_num).await? {
        extremities.push((event_num, event_id::from_bytes(&id)?));
    }
    let mut recent = Vector::new();
    let limit = i64::try_from(RECENT).unwrap_or(i64::MAX);
    for row in event_rows::backwards(snapshot, room_num, Position::START, row.last_position, limit).await? {
        recent.push_front(events.stored(snapshot, row).await?);
    }
    let mut view = RoomView {
        revision: row.revision,
        state_root: row.state_root,
        last_position: row.last_position,
        depth: row.depth,
        extremities,
        state,
        members: imbl::OrdMap::new(),
        joined: 0,
        here: 0,
        invited: 0,
        facts: Arc::new(facts),
        totals: Totals::decode(&row.totals),
        recent,
        has_relations: relations::any(snapshot, room_num).await?,
        threads: imbl::HashMap::new(),
        allowed: AllowedMessages::default(),
        is_public: row.is_public,
        destinations: destinations::of_room(snapshot, room_num).await?.into_iter().collect(),
        partial: partial(snapshot, events, room_num).await?,
    };
    let is_partial = view.is_partial();
    let (mut word, mut user_num) = (String::new(), UserNum(0));
    loop {
        let part = memberships::part_of_room(snapshot, room_num, (&word, user_num), MEMBERS_AT_ONCE).await?;
        let Some(last) = part.last() else { break };
        (word, user_num) = (last.membership.clone(), last.user_num);
        // What is being fetched counts when all of it is here.
        for row in part.into_iter().filter(|row| !is_partial || row.position >= Position::START) {
            let member = Member { membership: Membership::parse(&row.membership), event_num: row.event_num };
            view.set_member(row.user_num, member);
        }
    }
    view.here = if is_partial {
        memberships::joined_here(snapshot, room_num).await?
    } else {
        i64::try_from(view.joined).unwrap_or(i64::MAX) - view.destinations.values().sum::<i64>()
    };
    Ok((info, view))
}

/// What is special about a room whose members are not all known yet.
async fn partial(snapshot: &Snapshot, events: &Events, room_num: RoomNum) -> Result<Option<Arc<Partial>>> {
    let Some(row) = partial_rooms::of_room(snapshot, room_num).await? else { return Ok(None) };
    let join = events.load(snapshot, &[row.join_num]).await?.into_iter().next();
    let join = join.ok_or_else(|| StoreError::Corrupt(format!("room number {room_num} was joined by no event")))?;
    let before_join = join.pdu.prev_events().to_vec();
    Ok(Some(Arc::new(Partial { join_num: row.join_num, state_before: row.state_before, before_join })))
}

/// The parts of a state that are asked most often.
async fn facts(
    snapshot: &Snapshot,
    events: &Events,
    info: &RoomInfo,
    current: &imbl::OrdMap<domicile_core::ids::KeyNum, domicile_core::ids::EventNum>,
) -> Result<Facts> {
    let find = async |kind: &str| -> Result<_> {
        let Some(key_num) = state::key(snapshot, kind, "").await? else { return Ok(None) };
        let Some(event_num) = current.get(&key_num) else { return Ok(None) };
        let event = events.load(snapshot, &[*event_num]).await?.into_iter().next();
        Ok(event.map(|event| Arc::clone(&event.pdu)))
    };
    let create = find("m.room.create").await?;
    let create = create.ok_or_else(|| Error::internal(format!("room {} has no create event", info.room_num)))?;
    let power_levels_event = find("m.room.power_levels").await?;
    Ok(Facts {
        power_levels: Arc::new(auth::power_levels(&create, power_levels_event.as_deref(), &info.rules)),
        create,
        power_levels_event,
        join_rules: find("m.room.join_rules").await?,
        history_visibility: find("m.room.history_visibility").await?,
        server_acl: find("m.room.server_acl").await?,
        policy: find("m.room.policy").await?,
        encrypted: find("m.room.encryption").await?.is_some(),
    })
}
