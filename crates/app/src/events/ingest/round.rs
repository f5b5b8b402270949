//! One write to a room: the copy on which events are put, and what is known of the events that they name.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use domicile_core::ids::{EventNum, NodeNum};
use domicile_room::event::Pdu;
use domicile_store::{
    event_id,
    table::{
        events::{self, Status},
        graph,
    },
};
use ruma::{EventId, OwnedEventId};

use super::Ingest;
use crate::{
    Result,
    events::send::{MANY, Staging},
    rooms::Room,
};

/// Events that are here, and how they stand.
type Known = HashMap<OwnedEventId, (EventNum, Status)>;
/// Redactions by what they redact.
type Early = HashMap<OwnedEventId, Vec<EventNum>>;

/// A round.
pub(super) struct Round<'a> {
    pub(super) room: &'a Arc<Room>,
    pub(super) staging: Staging,
    /// Whether there is anything to write.
    pub(super) wrote: bool,
    /// Whether the room must be read again after the write.
    pub(super) reload: bool,
    /// Redactions that came before the event that they redact.
    pub(super) early: Early,
    /// Whether an event on the copy is state or changes the room's state: trees of which not all is on disk are not read.
    pub(super) state_moves: bool,
    known: Known,
    /// The state after each event on the copy, by its predecessors; of messages only.
    after: HashMap<OwnedEventId, NodeNum>,
}

impl<'a> Round<'a> {
    /// A copy of the room, and what is known of all that the events name. That is nearly always in memory; `is_again`: the disk is asked, since what
    /// was taken for granted did not hold.
    pub(super) async fn begin(ingest: &Ingest, room: &'a Arc<Room>, pdus: &[Arc<Pdu>], is_again: bool) -> Result<Self> {
        let in_memory = if is_again { None } else { in_memory(ingest, room, pdus) };
        let (known, early) = match in_memory {
            Some(known) => (known, HashMap::new()),
            None => on_disk(ingest, room, pdus).await?,
        };
        let staging = ingest.sender.begin(room);
        let after = HashMap::new();
        Ok(Self { room, staging, wrote: false, reload: false, early, state_moves: false, known, after })
    }

    /// An event that is here, as far as it was asked for.
    pub(super) fn known(&self, id: &EventId) -> Option<(EventNum, Status)> {
        self.known.get(id).copied()
    }

    /// Whether what is on the copy has to be written before an event is taken that stands beside others: the state moves, or the ends of the graph are
    /// so many that they are tied together first.
    pub(super) fn is_written_first(&self) -> bool {
        self.wrote && (self.state_moves || self.staging.view.extremities.len() > MANY)
    }

    /// The state after an event that is on the copy, by its predecessors. Ask [`Self::is_written_first`] before: of state it is not known.
    pub(super) fn after(&self, id: &EventId) -> Option<NodeNum> {
        self.after.get(id).copied()
    }

    /// Notes an event that is on the copy, with the state before it.
    pub(super) fn added(&mut self, pdu: &Pdu, event_num: EventNum, status: Status, before: NodeNum) {
        self.known.insert(pdu.event_id().to_owned(), (event_num, status));
        if pdu.is_state() {
            self.state_moves = true;
        } else {
            self.after.insert(pdu.event_id().to_owned(), before);
        }
        self.wrote = true;
    }
}

/// What is known of events that come next in a room, if all that they name is in memory. That they are not here themselves is taken for granted, since
/// nothing that is here stands where they do; one that is here nevertheless, as a refused one, lets the write fail, and then the disk is asked.
fn in_memory(ingest: &Ingest, room: &Room, pdus: &[Arc<Pdu>]) -> Option<Known> {
    let room_num = room.info.room_num;
    if !ingest.sender.early_redactions().has_none(room_num) {
        return None;
    }
    let view = room.view();
    let own: HashSet<&EventId> = pdus.iter().map(|pdu| pdu.event_id()).collect();
    let mut known = Known::new();
    for pdu in pdus {
        let is_next = |id: &&OwnedEventId| own.contains(&***id) || view.extremities.iter().any(|(_, end)| end == *id);
        if !pdu.prev_events().iter().all(|id| is_next(&id)) {
            return None;
        }
        for id in [pdu.event_id()].into_iter().chain(pdu.prev_events().iter().chain(pdu.auth_events()).map(|id| &**id))
        {
            match ingest.events.cached_by_id(id) {
                Some(event) if event.room.room_num == room_num => {
                    known.insert(id.to_owned(), (event.event_num, event.status));
                }
                None if own.contains(id) => {}
                _ => return None,
            }
        }
    }
    Some(known)
}

/// One read for all that events name.
async fn on_disk(ingest: &Ingest, room: &Room, pdus: &[Arc<Pdu>]) -> Result<(Known, Early)> {
    let mut named: HashSet<&EventId> = HashSet::new();
    for pdu in pdus {
        named.insert(pdu.event_id());
        named.extend(pdu.prev_events().iter().map(|id| &**id));
        named.extend(pdu.auth_events().iter().map(|id| &**id));
    }
    let ids: Vec<_> = named.into_iter().map(event_id::to_bytes).collect();
    let own: Vec<_> = pdus.iter().map(|pdu| event_id::to_bytes(pdu.event_id())).collect();
    let room_num = room.info.room_num;
    let early_redactions = ingest.sender.early_redactions();
    let is_learning = !early_redactions.is_whole();
    let read = ingest.store.read(move |snapshot| async move {
        let known = events::known(&snapshot, room_num, ids).await?;
        let mut early = Vec::new();
        for id in own {
            let redactions = graph::early_redactions(&snapshot, id.clone()).await?;
            if !redactions.is_empty() {
                early.push((id, redactions));
            }
        }
        let rooms = if is_learning { Some(graph::rooms_with_early_redactions(&snapshot).await?) } else { None };
        Ok::<_, crate::Error>((known, early, rooms))
    });
    let (found, redactions, rooms) = read.await?;
    if let Some(rooms) = rooms {
        early_redactions.learn(rooms);
    }
    let mut known = Known::with_capacity(found.len());
    for (id, event_num, status) in found {
        known.insert(event_id::from_bytes(&id)?, (event_num, status));
    }
    let mut early = Early::new();
    for (id, nums) in redactions {
        early.insert(event_id::from_bytes(&id)?, nums);
    }
    Ok((known, early))
}
