//! A room of somebody who comes: its history is taken part by part, the oldest first.

use std::{collections::HashSet, sync::Arc};

use domicile_core::{error::ErrorKind, ids::EventNum, locality::CellName};
use domicile_room::event::Pdu;
use domicile_store::{event_id, table::portable};
use ruma::{OwnedEventId, RoomVersionId, events::TimelineEventType};
use serde_json::value::RawValue;

use super::{
    arrive::Arrivals,
    messages::{ROOM, RoomPart, Taken},
    steps,
};
use crate::{
    Error, Result,
    events::ingest::Way,
    rooms::{Room, RoomInfo},
};

/// The state before the first event of a room's copy.
struct Ground {
    state: Vec<(EventNum, Arc<Pdu>)>,
    /// The numbers of what allows the first event.
    auths: Vec<EventNum>,
}

impl Arrivals {
    /// Takes a part of a room's history.
    pub async fn take_room(&self, cell: &CellName, part: RoomPart) -> Result<Taken> {
        steps::comes(ROOM);
        self.arrival(cell, &part.about).await?;
        let taken = self.take_part(part).await?;
        steps::is_here(ROOM);
        Ok(taken)
    }

    /// The same of a part that this cell has asked for itself.
    pub(super) async fn take_part(&self, part: RoomPart) -> Result<Taken> {
        let turn = self.rooms_in_work.of(part.room_id.clone());
        let _turn = turn.lock().await;
        self.cells()?.tickets.learn(part.tickets).await?;
        let version = RoomVersionId::try_from(part.version.as_str()).map_err(Error::internal)?;
        let info = self.remote_rooms.known(&part.room_id, &version).await?;
        let told = part.events.len();
        let mut events = self.ingest.verified(&info, part.events).await?;
        let held = match self.turner.rooms.num(&part.room_id).await? {
            Some(room_num) => Some(self.turner.rooms.by_num(room_num).await?),
            None => None,
        };
        let Some(first) = events.first().cloned() else {
            let text = "The first part of a room has no event that is right.";
            return held.map(|_| Taken { events: 0, left_out: told }).ok_or(ErrorKind::InvalidParam.with(text).into());
        };
        let is_creation = *first.kind() == TimelineEventType::RoomCreate && first.prev_events().is_empty();
        let mut here = 0;
        let room = match held {
            Some(room) if part.state.is_empty() || !has_ended_before(&room, &first) => {
                // The creation is known by itself where the copy begins later: it is no news of the room.
                if is_creation && !self.is_placed(&first).await? {
                    events.remove(0);
                }
                room
            }
            None if part.state.is_empty() && !is_creation => {
                let text = "The first part of a room begins neither with its creation nor with its state.";
                return Err(ErrorKind::InvalidParam.with(text).into());
            }
            _ => {
                let Ground { state, auths } = self.ground(&info, &first, part.state, part.auth_chain).await?;
                events.remove(0);
                here += 1;
                let room = self.remote_rooms.begin_copy(&info, first, state, auths).await?;
                steps::happened("a copy of a room has begun");
                room
            }
        };
        let outcomes = self.ingest.take(&room, &events, &Way::default()).await?;
        here += outcomes.iter().filter(|outcome| outcome.is_here()).count();
        Ok(Taken { events: here, left_out: told.saturating_sub(here) })
    }

    /// Whether an event stands in a timeline here.
    async fn is_placed(&self, pdu: &Pdu) -> Result<bool> {
        let id = [event_id::to_bytes(pdu.event_id())];
        let read = self.turner.store.read(move |snapshot| async move { portable::event_nums(&snapshot, &id).await });
        Ok(read.await?.into_values().any(|(_, position)| position.is_some()))
    }

    /// Keeps the state before a first event, and what allows it.
    async fn ground(
        &self,
        info: &RoomInfo,
        first: &Pdu,
        state: Vec<Box<RawValue>>,
        auth_chain: Vec<Box<RawValue>>,
    ) -> Result<Ground> {
        let mut told = self.ingest.verified(info, auth_chain).await?;
        let state = self.ingest.verified(info, state).await?;
        let ids: HashSet<OwnedEventId> = state.iter().map(|pdu| pdu.event_id().to_owned()).collect();
        told.extend(state);
        let kept = self.ingest.keep_outliers(info, told).await?;
        let state = kept.iter().filter(|(id, _)| ids.contains(*id));
        let state = state.map(|(_, (event_num, pdu, _))| (*event_num, Arc::clone(pdu))).collect();
        let auths = first.auth_events().iter().filter_map(|id| kept.get(id).map(|(event_num, ..)| *event_num));
        Ok(Ground { state, auths: auths.collect() })
    }
}

/// Whether a copy ended, with those who were here, before a first event that stands on a state of its own.
fn has_ended_before(room: &Room, first: &Pdu) -> bool {
    let view = room.view();
    !view.has_local_members() && view.depth < first.depth()
}
