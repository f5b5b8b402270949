//! A copy of a room that somebody brings who moves here from another cell.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use domicile_core::ids::{EventNum, KeyNum, NodeNum, Position, RoomNum, UserNum};
use domicile_room::event::Pdu;
use domicile_store::{
    Batch, StoreError, Value, event_id,
    table::{
        destinations,
        events::{self, Status},
        graph, memberships, rooms, timeline_gaps,
    },
};
use ruma::{OwnedUserId, events::TimelineEventType};

use super::{RemoteRooms, copy::write_destinations};
use crate::{
    Result,
    events::insert_told,
    rooms::{Membership, Room, RoomInfo, live},
};

impl RemoteRooms {
    /// Makes a copy of a room for somebody who moves here: `first` is the first event that they bring, `state` what was before it, all of it here
    /// as outliers. What comes after it is taken like any event of another server.
    pub(crate) async fn begin_copy(
        &self,
        info: &Arc<RoomInfo>,
        first: Arc<Pdu>,
        state: Vec<(EventNum, Arc<Pdu>)>,
        auths: Vec<EventNum>,
    ) -> Result<Arc<Room>> {
        let before = self.ingest.state_told(&state).await?;
        let event_num = self.event_num(&first).await?;
        let told = members_of(state.iter().map(|(num, pdu)| (*num, pdu)), event_num.0, &first);
        let members = self.members(&told, UserNum::NOBODY).await?;
        let joined = self.joined(&told, None).await?;
        let of = |kind: &TimelineEventType| {
            let same = |pdu: &&Arc<Pdu>| pdu.kind() == kind && pdu.state_key() == Some("");
            state.iter().map(|(_, pdu)| pdu).find(same).map(|pdu| &**pdu)
        };
        let is_open =
            live::is_open(of(&TimelineEventType::RoomJoinRules), of(&TimelineEventType::RoomHistoryVisibility));
        let sender_num = self.users.num_or_new(first.sender()).await?.unwrap_or(UserNum::NOBODY);
        let key_num = match first.state_key() {
            Some(state_key) => Some(self.keys.intern(&first.kind().to_string(), state_key).await?),
            None => None,
        };
        let room_num = info.room_num;
        let read = self.store.read(move |snapshot| async move {
            let row = rooms::by_num(&snapshot, room_num).await?;
            let old = memberships::of_room(&snapshot, room_num).await?;
            Ok::<_, StoreError>((row, old, destinations::of_room(&snapshot, room_num).await?))
        });
        let (row, old, known) = read.await?;
        let row = row.ok_or_else(|| StoreError::Corrupt(format!("room number {room_num} is no room")))?;
        self.write_members(room_num, &members, &old, UserNum::NOBODY, false).await?;
        let mut batch = Batch::new();
        let position = batch.position();
        let was_here = row.last_position > Position::START;
        let mut missing = Vec::with_capacity(first.prev_events().len());
        for id in first.prev_events() {
            if self.events.by_id(id).await?.is_none_or(|known| known.status.has(Status::OUTLIER)) {
                missing.push(event_id::to_bytes(id));
            }
        }
        let after = match key_num {
            Some(key_num) => self.trees.change(&mut batch, before, &[(key_num, Some(event_num.0))]).await?,
            None => before,
        };
        let copy = rooms::Room {
            revision: row.revision + 1,
            room_version: info.version.to_string(),
            state_root: after,
            end_num: event_num.0,
            depth: first.depth(),
            ..row
        };
        rooms::take_copy(&mut batch, &copy, position.clone());
        rooms::remove_further_extremities(&mut batch, room_num);
        let beginning = Beginning { first: &first, event_num, sender_num, key_num, before, auths: &auths, missing };
        beginning.write(&mut batch, room_num, &position);
        if was_here {
            timeline_gaps::note(&mut batch, room_num, event_num.0);
        }
        write_destinations(&mut batch, room_num, &joined, &known, &position);
        rooms::set_open(&mut batch, room_num, is_open);
        self.store.write(batch).await?;
        self.events.forget(event_num.0);
        let room = self.rooms.by_num(room_num).await?;
        {
            let _writer = room.writer().await;
            if room.view().revision != copy.revision {
                self.rooms.reload(&room).await?;
            }
        }
        Ok(room)
    }
}

/// Who is in a room by its state before the first event that is brought, and by that event.
fn members_of<'s>(
    state: impl Iterator<Item = (EventNum, &'s Arc<Pdu>)>,
    first_num: EventNum,
    first: &'s Arc<Pdu>,
) -> Vec<(OwnedUserId, Membership, EventNum)> {
    let mut members: BTreeMap<OwnedUserId, (Membership, EventNum)> = BTreeMap::new();
    for (event_num, pdu) in state.chain([(first_num, first)]) {
        if let Some(membership) = pdu.membership()
            && let Some(user_id) = pdu.state_key().and_then(|user_id| OwnedUserId::try_from(user_id).ok())
        {
            members.insert(user_id, (Membership::parse(&membership), event_num));
        }
    }
    members.into_iter().map(|(user_id, (membership, event_num))| (user_id, membership, event_num)).collect()
}

/// The first event of a copy.
struct Beginning<'b> {
    first: &'b Pdu,
    /// Its number, and whether it is here by itself already.
    event_num: (EventNum, bool),
    sender_num: UserNum,
    key_num: Option<KeyNum>,
    before: NodeNum,
    auths: &'b [EventNum],
    /// What it names and is not here.
    missing: Vec<Bytes>,
}

impl Beginning<'_> {
    fn write(self, batch: &mut Batch, room_num: RoomNum, position: &Value) {
        let Self { first, event_num, sender_num, key_num, before, auths, missing } = self;
        let stored = events::Event {
            event_num: event_num.0,
            room_num,
            position: None,
            event_id: event_id::to_bytes(first.event_id()),
            sender_num,
            origin_server_ts: i64::from(first.origin_server_ts().0),
            state_before: before,
            graph_state: None,
            status: Status::ACCEPTED,
            key_num,
            thread_num: None,
            redacted_by: None,
            totals: None,
            json: first.json().clone(),
        };
        if event_num.1 {
            events::place(batch, &stored, position.clone());
        } else {
            insert_told(batch, &stored, position.clone(), first);
            if key_num.is_some() {
                graph::add_auth_edges(batch, room_num, event_num.0, auths);
            }
        }
        for id in missing {
            graph::add_backward_extremity(batch, room_num, id, event_num.0);
        }
    }
}
