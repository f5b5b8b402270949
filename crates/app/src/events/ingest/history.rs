//! What was said in a room before this server came, as others tell it (server-server, *Backfilling and retrieving missing events*). It goes before the
//! timeline, at negative positions, and changes nothing of what the room is.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use bytes::Bytes;
use domicile_core::ids::{EventNum, KeyNum, NodeNum, Position, RoomNum, UserNum};
use domicile_room::event::{Pdu, redact, relation::is_valid_edit};
use domicile_store::{
    Batch, StoreError, event_id,
    table::{
        events::{self, Status},
        graph,
        relations::{self, NewRelation},
        rooms, timeline_gaps,
    },
};
use ruma::{EventId, OwnedEventId, OwnedUserId, ServerName};
use serde_json::value::RawValue;

use super::{Ingest, Round, missing::FetchError, outliers};
use crate::{
    Error, Result,
    events::{insert_told, send::takes_effect},
    rooms::Room,
};

/// States that are asked for to understand one page of history.
const STATES: usize = 5;
/// How often it is tried again when others wrote the same meanwhile.
const TRIES: usize = 5;

/// An event of the past, ready to be written.
struct Past {
    event_num: EventNum,
    pdu: Arc<Pdu>,
    sender_num: UserNum,
    key_num: Option<KeyNum>,
    before: NodeNum,
    auths: Vec<EventNum>,
    status: Status,
    known: bool,
}

impl Ingest {
    /// Takes events of the past as a server told them. Gives how many of them are new and part of the room's history. They go before everything that
    /// is here, or into the gap before the event at a position; of a gap, the events that are missing are given, and only what these lead to is
    /// part of it.
    pub async fn take_history(
        &self,
        room: &Arc<Room>,
        server: &ServerName,
        raw: Vec<Box<RawValue>>,
        gap: Option<(Position, &[OwnedEventId])>,
    ) -> Result<usize> {
        // The past is judged by states that are fetched; none is put beside one that is not whole.
        if room.view().is_partial() {
            return Ok(0);
        }
        let pdus = self.verified(&room.info, raw).await?;
        let mut tries = 0;
        loop {
            match self.place(room, server, &pdus, gap).await {
                // Some of it came by another way meanwhile.
                Err(error) if error.is_conflict() && tries < TRIES => tries += 1,
                placed => return placed,
            }
        }
    }

    /// Judges what is not here of events of the past, and puts it in its place.
    async fn place(
        &self,
        room: &Arc<Room>,
        server: &ServerName,
        pdus: &[Arc<Pdu>],
        gap: Option<(Position, &[OwnedEventId])>,
    ) -> Result<usize> {
        let here = self.in_graph(room, pdus).await?;
        let mut new: HashMap<OwnedEventId, Arc<Pdu>> = pdus
            .iter()
            .filter(|pdu| !here.contains_key(pdu.event_id()))
            .map(|pdu| (pdu.event_id().to_owned(), Arc::clone(pdu)))
            .collect();
        if let Some((_, missing)) = gap {
            let reached = outliers::reached(&new, missing);
            new.retain(|id, _| reached.contains(id));
        }
        let mut after: HashMap<OwnedEventId, NodeNum> = HashMap::new();
        let mut asked = 0;
        let mut past = Vec::with_capacity(new.len());
        for id in outliers::sorted(&new, Pdu::prev_events) {
            let Some(pdu) = new.get(&id) else { continue };
            let missing: Vec<OwnedEventId> = pdu
                .prev_events()
                .iter()
                .filter(|prev| !after.contains_key(*prev) && !here.contains_key(*prev))
                .cloned()
                .collect();
            if !missing.is_empty() {
                if asked + missing.len() > STATES {
                    continue;
                }
                asked += missing.len();
                match self.states_before(room, pdu, &missing, server).await {
                    Ok(states) => after.extend(states),
                    Err(FetchError::Here(error)) => return Err(error),
                    Err(FetchError::Peer(error)) => {
                        tracing::debug!(%error, "the state of a room's past cannot be had");
                        continue;
                    }
                }
            }
            if let Some(of_past) = self.judge(room, server, pdu, &here, &after).await? {
                let state_after = self.after(&of_past).await?;
                after.insert(id, state_after);
                past.push(of_past);
            }
        }
        self.write_history(room, past, gap.map(|(position, _)| position)).await
    }

    /// Those of the events, and of their predecessors, that are part of the graph here, with the state after each.
    async fn in_graph(&self, room: &Arc<Room>, pdus: &[Arc<Pdu>]) -> Result<HashMap<OwnedEventId, NodeNum>> {
        let mut ids: HashSet<&EventId> = HashSet::new();
        for pdu in pdus {
            ids.insert(pdu.event_id());
            ids.extend(pdu.prev_events().iter().map(|id| &**id));
        }
        let ids: Vec<Bytes> = ids.into_iter().map(event_id::to_bytes).collect();
        let (room_num, events) = (room.info.room_num, Arc::clone(&self.events));
        let read = self.store.read(move |snapshot| async move {
            let known = events::known(&snapshot, room_num, ids).await?;
            let nums: Vec<EventNum> =
                known.iter().filter(|(.., status)| !status.has(Status::OUTLIER)).map(|(_, num, _)| *num).collect();
            events.load(&snapshot, &nums).await
        });
        let mut here = HashMap::new();
        for event in read.await? {
            here.insert(event.event_id().to_owned(), self.resolution.state_after(&event).await?);
        }
        Ok(here)
    }

    /// One event of the past: what allows it, the state before it, and whether they do. `None`: that cannot be known.
    async fn judge(
        &self,
        room: &Arc<Room>,
        server: &ServerName,
        pdu: &Arc<Pdu>,
        here: &HashMap<OwnedEventId, NodeNum>,
        after: &HashMap<OwnedEventId, NodeNum>,
    ) -> Result<Option<Past>> {
        let mut states = Vec::with_capacity(pdu.prev_events().len());
        for id in pdu.prev_events() {
            match after.get(id).or_else(|| here.get(id)) {
                Some(state) => states.push(*state),
                None => return Ok(None),
            }
        }
        let before = self.resolution.resolve(&room.info, states).await?;
        let mut round = Round::begin(self, room, std::slice::from_ref(pdu), true).await?;
        let mut auths = self.auth_events(&round, pdu).await?;
        if auths.is_err() {
            match self.fetch_auth_chain(room, pdu.event_id(), server).await {
                Ok(()) => {}
                Err(FetchError::Here(error)) => return Err(error),
                Err(FetchError::Peer(_)) => return Ok(None),
            }
            round = Round::begin(self, room, std::slice::from_ref(pdu), true).await?;
            auths = self.auth_events(&round, pdu).await?;
        }
        let Ok(auths) = auths else { return Ok(None) };
        let allowed = match auths.allow(pdu, &room.info.rules) {
            Ok(()) => self.allowed_by(&round, pdu, before).await?,
            Err(reason) => Err(reason),
        };
        let known = round.known(pdu.event_id()).map(|(event_num, _)| event_num);
        let event_num = match known {
            Some(event_num) => event_num,
            None => self.sender.new_event_num().await?,
        };
        let key_num = match pdu.state_key() {
            Some(state_key) => Some(self.keys.intern(&pdu.kind().to_string(), state_key).await?),
            None => None,
        };
        let senders = self.users.nums_or_new(&[OwnedUserId::from(pdu.sender())]).await?;
        Ok(Some(Past {
            event_num,
            pdu: Arc::clone(pdu),
            sender_num: senders.into_iter().next().flatten().unwrap_or(UserNum::NOBODY),
            key_num,
            before,
            auths: auths.nums(),
            status: if allowed.is_ok() { Status::ACCEPTED } else { Status::REJECTED },
            known: known.is_some(),
        }))
    }

    async fn after(&self, past: &Past) -> Result<NodeNum> {
        match past.key_num {
            Some(key_num) if past.status.is_accepted() => {
                self.resolution.with(past.before, key_num, past.event_num).await
            }
            _ => Ok(past.before),
        }
    }

    /// Writes events of the past before everything that is there, the oldest first, or into a gap.
    async fn write_history(&self, room: &Arc<Room>, past: Vec<Past>, gap: Option<Position>) -> Result<usize> {
        if past.is_empty() {
            return Ok(0);
        }
        let writer = room.writer().await;
        let room_num = room.info.room_num;
        let ids: Vec<Bytes> = past.iter().map(|past| event_id::to_bytes(past.pdu.event_id())).collect();
        let read = self.store.read(move |snapshot| async move {
            let ends = events::ends(&snapshot, room_num).await?;
            let row = rooms::by_num(&snapshot, room_num).await?;
            let mut redactions = Vec::with_capacity(ids.len());
            for id in ids {
                redactions.push(graph::early_redactions(&snapshot, id).await?);
            }
            let rank = match gap {
                Some(position) => timeline_gaps::last_rank(&snapshot, room_num, position).await?,
                None => 0,
            };
            Ok::<_, StoreError>((ends, row, redactions, rank))
        });
        let (ends, row, redactions, rank) = read.await?;
        let row = row.ok_or_else(|| StoreError::Corrupt(format!("room number {room_num} is no room")))?;
        let first = ends.map_or(0, |(first, _)| first.0).min(0);
        let accepted = past.iter().filter(|past| past.status.is_accepted()).count();
        let mut position = first - i64::try_from(accepted).unwrap_or(0);
        let here: HashSet<&EventId> = past.iter().map(|past| past.pdu.event_id()).collect();
        let named: Vec<OwnedEventId> = past.iter().flat_map(|past| past.pdu.prev_events().to_vec()).collect();
        let known = self.known_in_graph(room, &named).await?;
        let mut batch = Batch::new();
        rooms::touch(&mut batch, room_num, row.revision);
        for (past, redactions) in past.iter().zip(redactions) {
            let place = match gap {
                _ if !past.status.is_accepted() => None,
                Some(gap) => {
                    // The newest has the lowest rank.
                    position += 1;
                    timeline_gaps::add(&mut batch, room_num, gap, rank + first - position + 1, past.event_num);
                    None
                }
                None => {
                    position += 1;
                    Some(Position(position - 1))
                }
            };
            let redacted_by = self.redaction_of(room, &past.pdu, &redactions).await?;
            self.put_past(&mut batch, room, past, (place, gap), redacted_by).await?;
            for prev in past.pdu.prev_events() {
                if !here.contains(&**prev) && !known.contains(prev) {
                    graph::add_backward_extremity(&mut batch, room_num, event_id::to_bytes(prev), past.event_num);
                }
            }
            graph::remove_backward_extremity(&mut batch, room_num, event_id::to_bytes(past.pdu.event_id()));
        }
        self.store.write(batch).await?;
        for past in &past {
            self.events.forget(past.event_num);
        }
        self.rooms.reload(room).await?;
        drop(writer);
        Ok(accepted)
    }

    async fn known_in_graph(&self, room: &Arc<Room>, ids: &[OwnedEventId]) -> Result<HashSet<OwnedEventId>> {
        let room_num = room.info.room_num;
        let bytes: Vec<Bytes> = ids.iter().map(|id| event_id::to_bytes(id)).collect();
        let read = self.store.read(move |snapshot| async move { events::known(&snapshot, room_num, bytes).await });
        let known = read.await?;
        let known = known.into_iter().filter(|(.., status)| !status.has(Status::OUTLIER));
        known.map(|(id, ..)| Ok(event_id::from_bytes(&id)?)).collect()
    }

    /// The redaction that came before an event of the past and takes its content away.
    async fn redaction_of(&self, room: &Arc<Room>, pdu: &Pdu, redactions: &[EventNum]) -> Result<Option<EventNum>> {
        let view = room.view();
        for event_num in redactions {
            let redaction = self.events.get(*event_num).await?;
            if takes_effect(self.users.localities(), &view, &redaction.pdu, pdu) {
                return Ok(Some(*event_num));
            }
        }
        Ok(None)
    }

    async fn put_past(
        &self,
        batch: &mut Batch,
        room: &Arc<Room>,
        past: &Past,
        (position, gap): (Option<Position>, Option<Position>),
        redacted_by: Option<EventNum>,
    ) -> Result<()> {
        let room_num = room.info.room_num;
        let mut json = past.pdu.json().clone();
        if redacted_by.is_some() {
            json = redact::redact(&past.pdu, &room.info.rules).map_err(Error::internal)?.json().clone();
        }
        let row = events::Event {
            event_num: past.event_num,
            room_num,
            position: None,
            event_id: event_id::to_bytes(past.pdu.event_id()),
            sender_num: past.sender_num,
            origin_server_ts: i64::from(past.pdu.origin_server_ts().0),
            state_before: past.before,
            graph_state: None,
            status: past.status,
            key_num: past.key_num,
            thread_num: None,
            redacted_by: None,
            totals: None,
            json: json.clone(),
        };
        let place = domicile_store::Value::from(position);
        if past.known {
            events::place(batch, &row, place.clone());
        } else {
            insert_told(batch, &row, place.clone(), &past.pdu);
            if past.key_num.is_some() {
                graph::add_auth_edges(batch, room_num, past.event_num, &past.auths);
            }
        }
        if let Some(redacted_by) = redacted_by {
            events::redact(batch, past.event_num, redacted_by, json);
            graph::remove_early_redactions(batch, event_id::to_bytes(past.pdu.event_id()));
            return Ok(());
        }
        if past.status.is_accepted() {
            self.point(batch, room_num, (past.event_num, position.or(gap)), &past.pdu).await?;
        }
        Ok(())
    }

    /// Writes at what an event of the past points.
    pub(super) async fn point(
        &self,
        batch: &mut Batch,
        room_num: RoomNum,
        (event_num, place): (EventNum, Option<Position>),
        pdu: &Pdu,
    ) -> Result<()> {
        let Some(relation) = pdu.relation().filter(|_| !pdu.is_state()) else { return Ok(()) };
        let original = self.events.by_id(&relation.event_id).await?;
        let is_edit = relation.rel_type == "m.replace"
            && original.is_some_and(|original| original.room.room_num == room_num && is_valid_edit(&original.pdu, pdu));
        let row = NewRelation {
            event_num,
            room_num,
            parent: event_id::to_bytes(&relation.event_id),
            rel_type: &relation.rel_type,
            kind: &pdu.kind().to_string(),
            replaces_ts: is_edit.then(|| i64::from(pdu.origin_server_ts().0)),
        };
        relations::insert(batch, &row, place.into());
        Ok(())
    }
}
