//! A copy of a room, from a state that another server told and that is checked.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use domicile_core::{
    ids::{DestinationNum, EventNum, NodeNum, Position, RoomNum, UserNum},
    locality::Locality,
};
use domicile_room::event::Pdu;
use domicile_store::{
    Batch, StoreError, Value, event_id,
    numbers::Sequence,
    table::{
        destinations,
        events::{self, Status},
        graph, memberships, partial_rooms, rooms, stripped_states, timeline_gaps,
    },
};
use ruma::{OwnedServerName, OwnedUserId, RoomId, RoomVersionId, events::StateEventType};

use super::RemoteRooms;
use crate::{
    Error, Result,
    accounts::Session,
    events::ingest::told::Told,
    rooms::{Membership, Room, RoomInfo, live},
};

/// Members that are written at once, so that others' writes come in between.
const CHUNK: usize = 500;

/// A join and the state on which it stands, all of it here as outliers but for the join.
pub(super) struct Joining {
    pub(super) event: Arc<Pdu>,
    pub(super) told: Told,
    pub(super) auths: Vec<EventNum>,
    /// The servers in the room, if the state was told without its members. The one that told it comes first.
    pub(super) partial: Option<Vec<OwnedServerName>>,
}

impl RemoteRooms {
    /// What never changes about a room, which gets a number if it has none.
    pub(crate) async fn known(&self, room_id: &RoomId, version: &RoomVersionId) -> Result<Arc<RoomInfo>> {
        loop {
            let wanted = room_id.to_string();
            let found = self.store.read(move |snapshot| async move { rooms::by_id(&snapshot, &wanted).await }).await?;
            if let Some(room) = found {
                return self.events.remember_room(room.room_num, room.room_id, version.as_str());
            }
            let room_num: RoomNum = self.store.number(Sequence::Room).await?;
            let row = rooms::Room {
                room_num,
                room_id: room_id.to_string(),
                room_version: version.to_string(),
                revision: 0,
                state_root: NodeNum(0),
                last_position: Position::START,
                end_num: EventNum(0),
                depth: 0,
                totals: bytes::Bytes::new(),
                is_public: false,
                has_copy: false,
            };
            let mut batch = Batch::new();
            rooms::insert(&mut batch, &row, Position::START.into(), self.clock.now_ms());
            match self.store.write(batch).await {
                // The next look finds it, ours or somebody else's.
                Ok(_) => {}
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Makes the copy. Nothing of it is seen before its last write.
    pub(super) async fn take_copy(&self, by: &Session, info: Arc<RoomInfo>, joining: Joining) -> Result<Arc<Room>> {
        let Joining { event, told, auths, partial } = joining;
        let before = self.ingest.state_of(&told.state).await?;
        let members = self.members(&told.members, by.user_num).await?;
        let (joined, is_open) = (self.joined(&told.members, partial.as_deref()).await?, self.is_open(&told).await?);
        drop(told);
        let event_num = self.event_num(&event).await?;
        let key_num = self.keys.intern("m.room.member", by.user_id.as_str()).await?;
        let mut tries = 0;
        let revision = loop {
            let held = self.rooms.in_memory(info.room_num);
            let _writer = match &held {
                Some(room) => Some(room.writer().await),
                None => None,
            };
            let room_num = info.room_num;
            let read = self.store.read(move |snapshot| async move {
                let row = rooms::by_num(&snapshot, room_num).await?;
                let old = memberships::of_room(&snapshot, room_num).await?;
                let known = destinations::of_room(&snapshot, room_num).await?;
                Ok::<_, StoreError>((row, old, known))
            });
            let (row, old, known) = read.await?;
            let row = row.ok_or_else(|| StoreError::Corrupt(format!("room number {room_num} is no room")))?;
            self.write_members(room_num, &members, &old, by.user_num, partial.is_some()).await?;

            let mut batch = Batch::new();
            let position = batch.position();
            let after = self.trees.change(&mut batch, before, &[(key_num, Some(event_num.0))]).await?;
            let was_here = row.last_position > Position::START;
            let copy = rooms::Room {
                revision: row.revision + 1,
                room_version: info.version.to_string(),
                state_root: after,
                end_num: event_num.0,
                depth: event.depth(),
                ..row
            };
            rooms::take_copy(&mut batch, &copy, position.clone());
            rooms::remove_further_extremities(&mut batch, room_num);
            let stored = events::Event {
                event_num: event_num.0,
                room_num,
                position: None,
                event_id: event_id::to_bytes(event.event_id()),
                sender_num: by.user_num,
                origin_server_ts: i64::from(event.origin_server_ts().0),
                state_before: before,
                graph_state: None,
                status: Status::ACCEPTED,
                key_num: Some(key_num),
                thread_num: None,
                redacted_by: None,
                totals: None,
                json: event.json().clone(),
            };
            if event_num.1 {
                events::place(&mut batch, &stored, position.clone());
            } else {
                events::insert(&mut batch, &stored, position.clone());
                graph::add_auth_edges(&mut batch, room_num, event_num.0, &auths);
            }
            for id in event.prev_events() {
                // Who left and comes back may find what was said last.
                if self.events.by_id(id).await?.is_some_and(|known| !known.status.has(Status::OUTLIER)) {
                    continue;
                }
                graph::add_backward_extremity(&mut batch, room_num, event_id::to_bytes(id), event_num.0);
            }
            if was_here {
                timeline_gaps::note(&mut batch, room_num, event_num.0);
            }
            memberships::set(&mut batch, by.user_num, room_num, "join", event_num.0, position.clone());
            write_destinations(&mut batch, room_num, &joined, &known, &position);
            rooms::set_whole(&mut batch, room_num, Position(if partial.is_some() { -1 } else { 0 }).into());
            self.note_partial(&mut batch, (room_num, event_num.0, before), partial.as_deref())?;
            rooms::set_open(&mut batch, room_num, is_open);
            stripped_states::remove_of_room(&mut batch, room_num);
            match self.store.write(batch).await {
                Ok(_) => break copy.revision,
                Err(error) if error.is_conflict() && tries < 5 => tries += 1,
                Err(error) => return Err(error.into()),
            }
        };
        self.events.forget(event_num.0);
        let room = self.rooms.by_num(info.room_num).await?;
        {
            let _writer = room.writer().await;
            // A room that was not in memory was read just now; that of tens of thousands of members takes a while.
            if room.view().revision != revision {
                self.rooms.reload(&room).await?;
            }
        }
        self.sender.joined_elsewhere(&room, by.user_num);
        self.wakers.wake(by.user_num);
        Ok(room)
    }

    /// Notes that the rest of the state is to be fetched, or that nothing is missing.
    fn note_partial(
        &self,
        batch: &mut Batch,
        (room_num, join_num, state_before): (RoomNum, EventNum, NodeNum),
        servers: Option<&[OwnedServerName]>,
    ) -> Result<()> {
        let Some(servers) = servers else {
            partial_rooms::remove(batch, room_num);
            return Ok(());
        };
        let now_ms = self.clock.now_ms();
        let row = partial_rooms::PartialRoom {
            room_num,
            join_num,
            state_before,
            servers: serde_json::to_string(servers).map_err(Error::internal)?,
            begun_ts: now_ms,
            attempts: 0,
            due_ts: now_ms,
            last_error: None,
        };
        partial_rooms::set(batch, &row);
        Ok(())
    }

    /// The number of our join, and whether it came back to us as a part of the state.
    pub(super) async fn event_num(&self, event: &Pdu) -> Result<(EventNum, bool)> {
        match self.events.by_id(event.event_id()).await? {
            Some(stored) => Ok((stored.event_num, true)),
            None => Ok((self.sender.new_event_num().await?, false)),
        }
    }

    /// Everybody's membership in the state but the joining user's.
    pub(super) async fn members(
        &self,
        told: &[(OwnedUserId, Membership, EventNum)],
        me: UserNum,
    ) -> Result<Vec<(UserNum, &'static str, EventNum)>> {
        let ids: Vec<OwnedUserId> = told.iter().map(|(user_id, ..)| user_id.clone()).collect();
        let nums = self.users.nums_or_new(&ids).await?;
        let found = nums.into_iter().zip(told);
        Ok(found
            .filter_map(|(user_num, (_, membership, event_num))| Some((user_num?, membership.as_str(), *event_num)))
            .filter(|(user_num, ..)| *user_num != me)
            .collect())
    }

    /// Whether anybody may join or read.
    async fn is_open(&self, told: &Told) -> Result<bool> {
        let join_rules = self.ingest.event_of(&told.state, &StateEventType::RoomJoinRules, "").await?;
        let visibility = self.ingest.event_of(&told.state, &StateEventType::RoomHistoryVisibility, "").await?;
        Ok(live::is_open(join_rules.as_deref(), visibility.as_deref()))
    }

    /// Writes the members in parts. Who had a membership in an older copy and has none now has left; if not all members are told, nothing is
    /// known any more of those who have their home elsewhere.
    pub(super) async fn write_members(
        &self,
        room_num: RoomNum,
        members: &[(UserNum, &'static str, EventNum)],
        old: &[memberships::Membership],
        me: UserNum,
        is_partial: bool,
    ) -> Result<()> {
        let before: HashMap<UserNum, &memberships::Membership> = old.iter().map(|row| (row.user_num, row)).collect();
        let now: HashSet<UserNum> = members.iter().map(|(user_num, ..)| *user_num).collect();
        let unknown: Vec<UserNum> = if is_partial { self.people_elsewhere(old, &now).await? } else { Vec::new() };
        let gone = old
            .iter()
            .filter(|row| {
                !is_partial && row.user_num != me && row.membership != "leave" && !now.contains(&row.user_num)
            })
            .map(|row| (row.user_num, "leave", row.event_num));
        let changed = members
            .iter()
            .filter(|(user_num, membership, event_num)| {
                before.get(user_num).is_none_or(|row| {
                    row.membership != *membership || row.event_num != *event_num || row.position < Position::START
                })
            })
            .copied();
        let rows: Vec<_> = changed.chain(gone).collect();
        for chunk in rows.chunks(CHUNK) {
            let mut batch = Batch::new();
            batch.low_priority();
            for (user_num, membership, event_num) in chunk {
                memberships::set(&mut batch, *user_num, room_num, membership, *event_num, Position::START.into());
            }
            self.store.write(batch).await?;
        }
        for chunk in unknown.chunks(CHUNK) {
            let mut batch = Batch::new();
            batch.low_priority();
            for user_num in chunk {
                memberships::remove(&mut batch, *user_num, room_num);
            }
            self.store.write(batch).await?;
        }
        Ok(())
    }

    /// Those people of an older copy who have their home elsewhere and are not among the members who are told now.
    async fn people_elsewhere(&self, old: &[memberships::Membership], now: &HashSet<UserNum>) -> Result<Vec<UserNum>> {
        let mut people = Vec::new();
        for row in old.iter().filter(|row| !now.contains(&row.user_num)) {
            if !self.users.is_local(&self.users.id(row.user_num).await?) {
                people.push(row.user_num);
            }
        }
        Ok(people)
    }

    /// Which other servers and cells have how many members. Of those of which no member is known though they are in the room, one is assumed.
    pub(super) async fn joined(
        &self,
        members: &[(OwnedUserId, Membership, EventNum)],
        servers: Option<&[OwnedServerName]>,
    ) -> Result<HashMap<DestinationNum, i64>> {
        let mut joined: HashMap<DestinationNum, i64> = HashMap::new();
        for (user_id, membership, _) in members {
            if *membership == Membership::Join
                && let Some(destination_num) = self.destinations.of_user(user_id).await?
            {
                *joined.entry(destination_num).or_default() += 1;
            }
        }
        for server in servers.unwrap_or_default() {
            if let Locality::Elsewhere(destination) = self.users.localities().of_server(server) {
                let joined = joined.entry(self.destinations.num(&destination).await?).or_default();
                *joined = (*joined).max(1);
            }
        }
        Ok(joined)
    }
}

/// Who has how many members; those who are known to the room from before and have none now have left it.
pub(super) fn write_destinations(
    batch: &mut Batch,
    room_num: RoomNum,
    joined: &HashMap<DestinationNum, i64>,
    known: &[(DestinationNum, i64)],
    position: &Value,
) {
    let gone = known.iter().filter(|(num, _)| !joined.contains_key(num)).map(|(num, _)| (*num, 0));
    for (destination_num, joined) in joined.iter().map(|(num, joined)| (*num, *joined)).chain(gone) {
        destinations::set_joined(batch, room_num, destination_num, joined, position.clone());
    }
}
