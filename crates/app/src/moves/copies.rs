//! Rooms of somebody who moves, at the cell that they leave: the history that they may see, part by part, and the end of copies that nobody needs.

use std::{collections::HashSet, sync::Arc};

use domicile_core::{
    ids::{EventNum, Position, RoomNum, UserNum},
    locality::{CellName, Destination},
};
use domicile_residency::directory::Ticket;
use domicile_room::event::redact;
use domicile_store::{
    Batch, Snapshot, catalogue,
    table::{aliases, destinations, events as event_rows, receipts},
    walk,
};
use ruma::{OwnedEventId, OwnedRoomAliasId, OwnedRoomId, OwnedServerName, OwnedUserId, UserId};
use serde_json::value::RawValue;

use super::{
    messages::{About, RoomPart},
    turn::tickets_of,
};
use crate::{
    Error, Result,
    events::Stored,
    residency::{AliasAdoption, Cells, Localities},
    rooms::{Graph, Room, Rooms, reader::RoomReaderParts, visibility::Eyes},
};

/// Events of one part, and about how many bytes of them.
const EVENTS: i64 = 250;
const BYTES: usize = 4 * 1024 * 1024;

/// Reads rooms for those who go, and lets copies go.
pub(super) struct Copies {
    pub(super) parts: Arc<RoomReaderParts>,
    pub(super) graph: Arc<Graph>,
    pub(super) rooms: Arc<Rooms>,
    pub(super) localities: Arc<Localities>,
}

/// Who goes, and where.
#[derive(Clone, Debug)]
pub(super) struct Traveller {
    pub(super) about: About,
    pub(super) user_num: UserNum,
    pub(super) to: CellName,
}

impl Copies {
    fn cells(&self) -> Result<&Cells> {
        self.localities.among_cells()
    }

    /// The next part of a room's history after a place, and the place where it ends; nothing at the end.
    pub(super) async fn part(
        &self,
        traveller: &Traveller,
        room: &Arc<Room>,
        (after, until): (Option<Position>, Position),
    ) -> Result<Option<(RoomPart, Position)>> {
        let peer: OwnedServerName = Destination::Cell(traveller.to.clone()).peer_name().to_owned();
        let (parts, graph, localities) =
            (Arc::clone(&self.parts), Arc::clone(&self.graph), Arc::clone(&self.localities));
        let (user_num, user_id) = (traveller.user_num, traveller.about.user_id.clone());
        let (room, from) = (Arc::clone(room), after.unwrap_or(Position(i64::MIN)));
        let read = self.parts.store.read(move |snapshot| async move {
            let view = room.view();
            let rows = event_rows::forwards(&snapshot, room.info.room_num, from, until, EVENTS).await?;
            let mut stored = Vec::with_capacity(rows.len());
            for row in rows {
                stored.push(parts.events.stored(&snapshot, row).await?);
            }
            let Some(first) = stored.first().cloned() else { return Ok::<_, Error>(None) };
            let mut eyes = Eyes::new(&parts.sight(), &snapshot, &view, user_num, user_id.clone()).await?;
            let served = Served { localities: &localities, peer: &peer, user_id: &user_id };
            let (mut events, mut bytes, mut last) = (Vec::new(), 0, from);
            let mut senders: HashSet<OwnedUserId> = HashSet::new();
            for event in &stored {
                if bytes > BYTES {
                    break;
                }
                let sees = eyes.sees(&parts.sight(), &snapshot, event).await?;
                let json = served.event(event, sees)?;
                bytes += json.get().len();
                events.push(json);
                last = event.position.unwrap_or(last);
                note_people(event, &mut senders);
            }
            let (mut state, mut auth_chain) = (Vec::new(), Vec::new());
            if from.0 == i64::MIN && !first.pdu.prev_events().is_empty() {
                let before = before(&parts, &graph, &snapshot, &first).await?;
                for (events, to) in [(before.0, &mut state), (before.1, &mut auth_chain)] {
                    for event in &events {
                        note_people(event, &mut senders);
                        to.push(served.event(event, true)?);
                    }
                }
            }
            let part = (room.info.room_id.clone(), room.info.version.to_string(), state, auth_chain, events);
            Ok(Some((part, senders, last)))
        });
        let Some(((room_id, version, state, auth_chain, events), senders, last)) = read.await? else { return Ok(None) };
        let tickets = tickets_of(self.cells()?, senders.iter().map(|user_id| &**user_id));
        let about = traveller.about.clone();
        Ok(Some((RoomPart { about, room_id, version, tickets, state, auth_chain, events }, last)))
    }

    /// What events of a room say, as far as whoever goes may see it and the rules let it go along; those of which they may not are left out. With the tickets
    /// of those who wrote them.
    pub(super) async fn content(
        &self,
        traveller: &Traveller,
        room: &Arc<Room>,
        ids: Vec<OwnedEventId>,
    ) -> Result<(Vec<Ticket>, Vec<Box<RawValue>>)> {
        let peer: OwnedServerName = Destination::Cell(traveller.to.clone()).peer_name().to_owned();
        let (parts, localities, room) = (Arc::clone(&self.parts), Arc::clone(&self.localities), Arc::clone(room));
        let (user_num, user_id) = (traveller.user_num, traveller.about.user_id.clone());
        let read = self.parts.store.read(move |snapshot| async move {
            let mut eyes = Eyes::new(&parts.sight(), &snapshot, &room.view(), user_num, user_id.clone()).await?;
            let served = Served { localities: &localities, peer: &peer, user_id: &user_id };
            let (mut events, mut senders) = (Vec::new(), HashSet::new());
            for id in ids {
                let Some(event) = parts.events.load_by_id(&snapshot, &id).await? else { continue };
                let is_here = event.room.room_num == room.info.room_num && event.redacted_by.is_none();
                if is_here && eyes.sees(&parts.sight(), &snapshot, &event).await? {
                    events.push(served.event(&event, true)?);
                    note_people(&event, &mut senders);
                }
            }
            Ok::<_, Error>((senders, events))
        });
        let (senders, events) = read.await?;
        Ok((tickets_of(self.cells()?, senders.iter().map(|user_id| &**user_id)), events))
    }

    /// Those of some rooms with which nobody here has to do.
    pub(super) async fn unneeded(&self, rooms: Vec<RoomNum>) -> Result<HashSet<RoomNum>> {
        let read = self.parts.store.read(move |snapshot| async move {
            let mut unneeded = HashSet::new();
            for room_num in rooms {
                if !destinations::is_needed(&snapshot, room_num).await? {
                    unneeded.insert(room_num);
                }
            }
            Ok::<_, Error>(unneeded)
        });
        read.await
    }

    /// Lets the copy of a room go if nobody here needs it any more: whether it is gone. One whose last events are still to be told stays. The room's
    /// aliases go to the cell `to`, which has a copy; where there is none, a room with aliases of this cell's stays.
    pub(super) async fn drop_unneeded(
        &self,
        room_id: &OwnedRoomId,
        room_num: RoomNum,
        to: Option<&CellName>,
    ) -> Result<Dropped> {
        let read = self.parts.store.read(move |snapshot| async move {
            let needed = destinations::is_needed(&snapshot, room_num).await?;
            Ok::<_, Error>((needed, destinations::is_behind(&snapshot, room_num).await?))
        });
        match read.await? {
            (true, _) => return Ok(Dropped::Needed),
            (false, true) => return Ok(Dropped::NotYet),
            (false, false) => {}
        }
        let read =
            self.parts.store.read(move |snapshot| async move { aliases::with_creators(&snapshot, room_num).await });
        match (read.await?, to) {
            (aliases, Some(to)) => self.hand_aliases(room_id, aliases, to).await?,
            (aliases, None) if !aliases.is_empty() => return Ok(Dropped::Needed),
            (_, None) => {}
        }
        let held = self.rooms.in_memory(room_num);
        let _writer = match &held {
            Some(room) => Some(room.writer().await),
            None => None,
        };
        let read = self.parts.store.read(move |snapshot| async move {
            // Somebody may have come in meanwhile.
            let needed = destinations::is_needed(&snapshot, room_num).await?;
            Ok::<_, Error>((!needed).then_some(event_rows::of_room(&snapshot, room_num).await?))
        });
        let Some(events) = read.await? else { return Ok(Dropped::Needed) };
        let mut batch = Batch::new();
        batch.low_priority();
        receipts::remove_of_room(&mut batch, room_num);
        for table in catalogue::tables().into_iter().rev() {
            walk::erase::remove_room(&mut batch, table, room_num);
        }
        self.parts.store.write(batch).await?;
        self.rooms.forget(room_id, room_num);
        self.parts.events.forget_room(room_num, &events);
        Ok(Dropped::Gone)
    }

    async fn hand_aliases(&self, room_id: &OwnedRoomId, aliases: Vec<(String, UserNum)>, to: &CellName) -> Result<()> {
        for (alias, creator) in aliases {
            let alias = OwnedRoomAliasId::try_from(alias).map_err(Error::internal)?;
            let creator = if creator == UserNum::NOBODY { None } else { Some(self.parts.users.id(creator).await?) };
            let adoption = AliasAdoption { alias, room_id: room_id.clone(), creator };
            self.cells()?.names.hand_alias(&adoption, to).await?;
        }
        Ok(())
    }
}

/// What became of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dropped {
    /// Somebody here is, or was, in the room.
    Needed,
    /// Others have not been told all of it.
    NotYet,
    /// It is gone.
    Gone,
}

/// How events are served to somebody's new home: what they wrote themselves goes as it is.
struct Served<'s> {
    localities: &'s Localities,
    peer: &'s OwnedServerName,
    user_id: &'s UserId,
}

impl Served<'_> {
    fn event(&self, event: &Stored, sees: bool) -> Result<Box<RawValue>> {
        if !sees {
            let left = redact::redact(&event.pdu, &event.room.rules).map_err(Error::internal)?;
            return left.to_raw().map_err(Error::internal);
        }
        if event.pdu.sender() == self.user_id {
            return event.pdu.to_raw().map_err(Error::internal);
        }
        self.localities.served(self.peer, &event.pdu, &event.room.rules)
    }
}

fn note_people(event: &Stored, people: &mut HashSet<OwnedUserId>) {
    people.insert(event.pdu.sender().to_owned());
    if event.pdu.membership().is_some()
        && let Some(Ok(user_id)) = event.pdu.state_key().map(<&UserId>::try_from)
    {
        people.insert(user_id.to_owned());
    }
}

/// The state before an event, and what allows it and the event.
async fn before(
    parts: &RoomReaderParts,
    graph: &Graph,
    snapshot: &Snapshot,
    event: &Stored,
) -> Result<(Vec<Arc<Stored>>, Vec<Arc<Stored>>)> {
    let all = parts.trees.all(snapshot, event.state_by_graph()).await?;
    let mut state: Vec<EventNum> = all.into_iter().map(|(_, event_num)| event_num).collect();
    state.sort_unstable();
    let from: Vec<EventNum> = state.iter().copied().chain([event.event_num]).collect();
    let chain = graph.chain(snapshot, from).await?;
    let mut chain: Vec<EventNum> = chain.into_iter().filter(|num| state.binary_search(num).is_err()).collect();
    chain.sort_unstable();
    Ok((parts.events.load(snapshot, &state).await?, parts.events.load(snapshot, &chain).await?))
}
