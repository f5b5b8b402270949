//! What events name and is not here: fetched from the servers that have it, within bounds.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use domicile_core::ids::{EventNum, NodeNum};
use domicile_room::event::Pdu;
use domicile_store::{
    event_id,
    table::events::{self, Status},
};
use futures::{StreamExt, stream};
use ruma::{
    EventId, OwnedEventId, ServerName, UInt,
    api::federation::{
        authorization::get_event_authorization,
        event::{get_event, get_missing_events, get_room_state, get_room_state_ids},
    },
};
use serde_json::value::RawValue;

use super::{Ingest, Outcome, Way, outliers, verify::Verified};
use crate::{
    Result,
    federation::peers::{LARGE, ORDINARY, PeerError},
    rooms::Room,
};

/// Events that are asked for at once to fill a gap (server-server, `get_missing_events`: the other may give fewer).
const GAP: u32 = 50;
/// Predecessors of one event whose state is asked for. More cannot be named.
const STATES: usize = 20;
/// Events of a state that are asked for one by one; where more are missing, the whole state is.
const SINGLY: usize = 60;
/// Requests for single events at once.
const AT_ONCE: usize = 8;

/// Why something could not be fetched.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    /// The other server did not give it.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// This server failed.
    #[error(transparent)]
    Here(#[from] crate::Error),
}

impl Ingest {
    /// Takes an event whose predecessors, or what allows it, is not here, after it was fetched from `server`.
    pub(super) async fn take_with_missing(
        &self,
        room: &Arc<Room>,
        pdu: &Arc<Pdu>,
        server: &ServerName,
        way: &Way,
    ) -> std::result::Result<Outcome, FetchError> {
        let mut outcome = self.take_with_auths(room, pdu, server, way).await?;
        if !matches!(outcome, Outcome::Lacks(_)) {
            return Ok(outcome);
        }
        self.fill_gap(room, pdu, server).await?;
        outcome = self.take_with_auths(room, pdu, server, way).await?;
        let Outcome::Lacks(missing) = outcome else { return Ok(outcome) };
        // What lies between is not to be had: the event stands on the state that the other server tells.
        let states = self.states_elsewhere(room, &missing, server).await?;
        let way = Way { tell: way.tell, states };
        self.take_with_auths(room, pdu, server, &way).await
    }

    /// Takes an event; if what allows it is not here, it is fetched once.
    async fn take_with_auths(
        &self,
        room: &Arc<Room>,
        pdu: &Arc<Pdu>,
        server: &ServerName,
        way: &Way,
    ) -> std::result::Result<Outcome, FetchError> {
        let outcome = self.take_one(room, pdu, way).await?;
        let Outcome::Lacks(missing) = &outcome else { return Ok(outcome) };
        if !missing.iter().any(|id| pdu.auth_events().contains(id)) {
            return Ok(outcome);
        }
        self.fetch_auth_chain(room, pdu.event_id(), server).await?;
        Ok(self.take_one(room, pdu, way).await?)
    }

    async fn take_one(&self, room: &Arc<Room>, pdu: &Arc<Pdu>, way: &Way) -> Result<Outcome> {
        let outcomes = self.take(room, std::slice::from_ref(pdu), way).await?;
        outcomes.into_iter().next().ok_or_else(|| crate::Error::internal("an event came to nothing"))
    }

    /// All that allows an event, and that is not here.
    pub(super) async fn fetch_auth_chain(
        &self,
        room: &Arc<Room>,
        event_id: &EventId,
        server: &ServerName,
    ) -> std::result::Result<(), FetchError> {
        let request = get_event_authorization::v1::Request::new(room.info.room_id.clone(), event_id.to_owned());
        let answer = self.peers.ask(server, request, LARGE).await?;
        let pdus = self.verified(room, answer.auth_chain).await?;
        self.keep_outliers(&room.info, pdus).await?;
        Ok(())
    }

    /// What lies between the ends of the room here and an event.
    async fn fill_gap(
        &self,
        room: &Arc<Room>,
        pdu: &Arc<Pdu>,
        server: &ServerName,
    ) -> std::result::Result<(), FetchError> {
        let earliest: Vec<OwnedEventId> = room.view().extremities.iter().map(|(_, id)| id.clone()).collect();
        let latest = vec![pdu.event_id().to_owned()];
        let mut request = get_missing_events::v1::Request::new(room.info.room_id.clone(), earliest, latest);
        request.limit = UInt::from(GAP);
        let answer = self.peers.ask(server, request, LARGE).await?;
        let mut raw = answer.events;
        raw.truncate(usize::try_from(GAP).unwrap_or(usize::MAX));
        let found = self.verified(room, raw).await?;
        let found: HashMap<OwnedEventId, Arc<Pdu>> =
            found.into_iter().map(|pdu| (pdu.event_id().to_owned(), pdu)).collect();
        let mut first = true;
        for id in outliers::sorted(&found, Pdu::prev_events) {
            let Some(between) = found.get(&id) else { continue };
            let outcome = self.take_with_auths(room, between, server, &Way::default()).await?;
            if let (Outcome::Lacks(missing), true) = (outcome, first) {
                // The gap is longer than what was told of it: its lower end stands on the state there.
                let states = self.states_elsewhere(room, &missing, server).await?;
                let way = Way { tell: false, states };
                self.take_with_auths(room, between, server, &way).await?;
            }
            first = false;
        }
        Ok(())
    }

    /// The states after events that are not here, as another server tells them.
    pub(super) async fn states_elsewhere(
        &self,
        room: &Arc<Room>,
        missing: &[OwnedEventId],
        server: &ServerName,
    ) -> std::result::Result<HashMap<OwnedEventId, NodeNum>, FetchError> {
        let mut states = HashMap::new();
        for id in missing.iter().take(STATES) {
            let state = self.state_elsewhere(room, id, server).await?;
            states.insert(id.clone(), state);
        }
        Ok(states)
    }

    async fn state_elsewhere(
        &self,
        room: &Arc<Room>,
        event_id: &OwnedEventId,
        server: &ServerName,
    ) -> std::result::Result<NodeNum, FetchError> {
        let room_id = &room.info.room_id;
        let request = get_room_state_ids::v1::Request::new(event_id.clone(), room_id.clone());
        let ids = self.peers.ask(server, request, LARGE).await?;
        let mut wanted: HashSet<OwnedEventId> = ids.auth_chain_ids.into_iter().collect();
        wanted.extend(ids.pdu_ids.iter().cloned());
        wanted.insert(event_id.clone());
        let known = self.known_ids(room, wanted.iter()).await?;
        let missing: Vec<OwnedEventId> = wanted.into_iter().filter(|id| !known.contains(id)).collect();
        let mut raw = Vec::new();
        if missing.len() > SINGLY {
            let request = get_room_state::v1::Request::new(event_id.clone(), room_id.clone());
            let state = self.peers.ask(server, request, LARGE).await?;
            raw.extend(state.auth_chain);
            raw.extend(state.pdus);
            raw.extend(self.fetch_events(std::slice::from_ref(event_id), server).await);
        } else {
            raw.extend(self.fetch_events(&missing, server).await);
        }
        let pdus = self.verified(room, raw).await?;
        self.keep_outliers(&room.info, pdus).await?;
        let before = self.state_of_ids(room, &ids.pdu_ids).await?;
        let Some(event) = self.events.by_id(event_id).await? else {
            let text = format!("{server} does not have the event {event_id}");
            return Err(FetchError::Peer(PeerError::Nonsense(text)));
        };
        match event.pdu.state_key() {
            Some(state_key) if !event.status.has(Status::REJECTED) => {
                let key_num = self.keys.intern(&event.pdu.kind().to_string(), state_key).await?;
                Ok(self.resolution.with(before, key_num, event.event_num).await?)
            }
            _ => Ok(before),
        }
    }

    /// The state of these events, without those that are rejected.
    async fn state_of_ids(&self, room: &Arc<Room>, ids: &[OwnedEventId]) -> Result<NodeNum> {
        let (room_num, events) = (room.info.room_num, Arc::clone(&self.events));
        let bytes: Vec<_> = ids.iter().map(|id| event_id::to_bytes(id)).collect();
        let read = self.store.read(move |snapshot| async move {
            let known = events::known(&snapshot, room_num, bytes).await?;
            let nums: Vec<EventNum> =
                known.iter().filter(|(.., status)| !status.has(Status::REJECTED)).map(|(_, num, _)| *num).collect();
            events.load(&snapshot, &nums).await
        });
        let state: Vec<(EventNum, Arc<Pdu>)> =
            read.await?.into_iter().map(|event| (event.event_num, Arc::clone(&event.pdu))).collect();
        self.state_of(&state).await
    }

    /// Which of the events are here.
    pub(super) async fn known_ids(
        &self,
        room: &Arc<Room>,
        ids: impl Iterator<Item = &OwnedEventId>,
    ) -> Result<HashSet<OwnedEventId>> {
        let room_num = room.info.room_num;
        let bytes: Vec<_> = ids.map(|id| event_id::to_bytes(id)).collect();
        let read = self.store.read(move |snapshot| async move { events::known(&snapshot, room_num, bytes).await });
        let known = read.await?;
        known.into_iter().map(|(id, ..)| Ok(event_id::from_bytes(&id)?)).collect()
    }

    /// Single events; those that the server does not give are left out.
    async fn fetch_events(&self, ids: &[OwnedEventId], server: &ServerName) -> Vec<Box<RawValue>> {
        stream::iter(ids.iter().cloned())
            .map(|id| async move { self.peers.ask(server, get_event::v1::Request::new(id), ORDINARY).await })
            .buffer_unordered(AT_ONCE)
            .filter_map(|answer| async move { answer.ok().map(|answer| answer.pdu) })
            .collect()
            .await
    }

    /// The events of an answer that are right.
    pub(super) async fn verified(&self, room: &Arc<Room>, raw: Vec<Box<RawValue>>) -> Result<Vec<Arc<Pdu>>> {
        let verified: Vec<Verified> = self.verify(&room.info.rules, &room.info.room_id, raw).await?;
        Ok(verified.into_iter().filter_map(|event| event.ok().map(|received| Arc::new(received.pdu))).collect())
    }
}
