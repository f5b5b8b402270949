//! A copy of a room that somebody brings who moves here from another cell.

use std::sync::Arc;

use domicile_core::ids::{EventNum, KeyNum, NodeNum, RoomNum, UserNum};
use domicile_room::event::Pdu;
use domicile_store::{
    Batch, StoreError, Value, event_id,
    table::{
        destinations,
        events::{self, Status},
        graph, memberships, rooms,
    },
};

use ruma::OwnedUserId;

use super::{RemoteRooms, copy::write_destinations};
use crate::{
    Result,
    events::ingest::told::Told,
    rooms::{Membership, Room, RoomInfo},
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
        let told = self.as_told(&state).await?;
        let before = self.ingest.state_of(&told.state).await?;
        let event_num = self.event_num(&first).await?;
        let mut members = self.members(&told.members, UserNum::NOBODY).await?;
        if let Some(own) = member_of(event_num.0, &first) {
            let own = self.members(&[own], UserNum::NOBODY).await?;
            members.retain(|(user_num, ..)| own.iter().all(|(other, ..)| other != user_num));
            members.extend(own);
        }
        let (joined, is_open) = (self.joined(&told.members, None).await?, self.is_open(&told).await?);
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
        let beginning = Beginning { first: &first, event_num, sender_num, key_num, before, auths: &auths };
        beginning.write(&mut batch, room_num, &position);
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

    /// A state of events that are here, as what is told of one by others.
    async fn as_told(&self, state: &[(EventNum, Arc<Pdu>)]) -> Result<Told> {
        let mut told = Told::default();
        for (event_num, pdu) in state {
            let Some(state_key) = pdu.state_key() else { continue };
            told.state.push((self.keys.intern(&pdu.kind().to_string(), state_key).await?, *event_num));
            told.members.extend(member_of(*event_num, pdu));
        }
        told.state.sort_unstable_by_key(|(key_num, _)| *key_num);
        Ok(told)
    }
}

/// Who has which membership by an event, if it says so.
fn member_of(event_num: EventNum, pdu: &Pdu) -> Option<(OwnedUserId, Membership, EventNum)> {
    let membership = Membership::parse(&pdu.membership()?);
    Some((OwnedUserId::try_from(pdu.state_key()?).ok()?, membership, event_num))
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
}

impl Beginning<'_> {
    fn write(&self, batch: &mut Batch, room_num: RoomNum, position: &Value) {
        let Self { first, event_num, sender_num, key_num, before, auths } = *self;
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
            events::insert(batch, &stored, position.clone());
            if key_num.is_some() {
                graph::add_auth_edges(batch, room_num, event_num.0, auths);
            }
        }
        for id in first.prev_events() {
            graph::add_backward_extremity(batch, room_num, event_id::to_bytes(id), event_num.0);
        }
    }
}
