//! What events name and is not here: fetched from the servers that have it, within bounds.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use bytes::Bytes;
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
        event::{get_event, get_missing_events},
    },
};
use serde_json::value::RawValue;

use super::{Ingest, Outcome, Way, outliers, verify::Verified};
use crate::{
    Result,
    federation::peers::{LARGE, ORDINARY, PeerError},
    rooms::{Room, RoomInfo},
};

/// Events that are asked for at once to fill a gap (server-server, `get_missing_events`: the other may give fewer).
const PAGE: u32 = 100;
/// So often it is asked for more of a gap, and so many events of it are taken at most. Some servers give 20 at once.
const PAGES: usize = 60;
const GAP: usize = 3_000;
/// Lower ends of what is known of a gap that are named to have more of it.
const ENDS: usize = 20;
/// Events that are here and that are named, so that the other server stops there.
const NAMED: usize = 100;
/// How many branches of a gap are helped that do not hang together with what is here.
const HELPED: usize = 10;
/// Events that are asked for one by one, at most.
pub(super) const SINGLY: usize = 60;
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
        // While the room's own state is not whole, nobody's is put beside it: the event waits.
        if room.view().is_partial() {
            return Ok(Outcome::Lacks(missing));
        }
        // What lies between is not to be had: the event stands on the state that the other server tells.
        let states = self.states_before(room, pdu, &missing, server).await?;
        let way = Way { tell: way.tell, states, ..Way::default() };
        self.take_with_auths(room, pdu, server, &way).await
    }

    /// Fetches events with which a room ends elsewhere, and all that lies before them, as far as they are not here. What a server does not give
    /// is left out.
    pub async fn catch_up(&self, room: &Arc<Room>, server: &ServerName, ids: &[OwnedEventId]) -> Result<usize> {
        let here = self.placed_ids(room, ids.iter()).await?;
        let missing: Vec<OwnedEventId> = ids.iter().filter(|id| !here.contains(*id)).take(SINGLY).cloned().collect();
        if missing.is_empty() {
            return Ok(0);
        }
        let raw = self.fetch_events(&missing, server).await;
        if raw.len() < missing.len() {
            return Err(crate::Error::internal(format!(
                "{server} did not give all events with which a room ends there"
            )));
        }
        let mut taken = 0;
        for pdu in self.verified(&room.info, raw).await? {
            match self.take_with_missing(room, &pdu, server, &Way::default()).await {
                Ok(outcome) => taken += usize::from(outcome.is_here()),
                Err(FetchError::Here(error)) => return Err(error),
                Err(FetchError::Peer(error)) => return Err(crate::Error::internal(error)),
            }
        }
        Ok(taken)
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
        let pdus = self.verified(&room.info, answer.auth_chain).await?;
        self.keep_outliers(&room.info, pdus).await?;
        Ok(())
    }

    /// What lies between the ends of the room here and an event: all of it, if it is not too long.
    async fn fill_gap(
        &self,
        room: &Arc<Room>,
        pdu: &Arc<Pdu>,
        server: &ServerName,
    ) -> std::result::Result<(), FetchError> {
        self.fetch_before_join(room, server).await?;
        let found = self.gap(room, pdu, server).await?;
        let order = outliers::sorted(&found, Pdu::prev_events);
        let order: Vec<Arc<Pdu>> = order.iter().filter_map(|id| found.get(id).cloned()).collect();
        let mut rest = &order[..];
        let mut told = false;
        for _ in 0..HELPED {
            let outcomes = self.take(room, rest, &Way::default()).await?;
            let Some(at) = outcomes.iter().position(|outcome| matches!(outcome, Outcome::Lacks(_))) else { break };
            let outcome = self.take_with_auths(room, &rest[at], server, &Way::default()).await?;
            let is_whole = !room.view().is_partial();
            if let (Outcome::Lacks(missing), true, false) = (outcome, is_whole, told) {
                // The gap is longer than what was told of it: its lower end stands on the state there.
                let states = self.states_before(room, &rest[at], &missing, server).await?;
                self.take_with_auths(room, &rest[at], server, &Way { states, ..Way::default() }).await?;
                told = true;
            }
            rest = &rest[at + 1..];
        }
        Ok(())
    }

    /// The events of a gap, asked for page by page until they hang together with what is here.
    async fn gap(
        &self,
        room: &Arc<Room>,
        pdu: &Arc<Pdu>,
        server: &ServerName,
    ) -> std::result::Result<HashMap<OwnedEventId, Arc<Pdu>>, FetchError> {
        let mut earliest: Vec<OwnedEventId> = room.view().extremities.iter().map(|(_, id)| id.clone()).collect();
        let (mut latest, known) = self.lower_ends(room, std::slice::from_ref(pdu)).await?;
        earliest.extend(known);
        let mut found = HashMap::new();
        for _ in 0..PAGES {
            let mut request = get_missing_events::v1::Request::new(room.info.room_id.clone(), earliest.clone(), latest);
            request.limit = UInt::from(PAGE);
            let mut raw = match self.peers.ask(server, request, LARGE).await {
                Ok(answer) => answer.events,
                Err(error) if found.is_empty() => return Err(error.into()),
                Err(error) => {
                    tracing::debug!(%server, %error, events = found.len(), "the rest of a gap could not be fetched");
                    break;
                }
            };
            raw.truncate(usize::try_from(PAGE).unwrap_or(usize::MAX));
            let before = found.len();
            let verified = self.verified(&room.info, raw).await?;
            let right = self.vouched_for(room, server, verified).await?.right;
            let page = right.into_iter().map(|pdu| (pdu.event_id().to_owned(), pdu)).collect();
            found.extend(self.without_past(room, page).await?);
            let events: Vec<Arc<Pdu>> = found.values().cloned().collect();
            let (ends, known) = self.lower_ends(room, &events).await?;
            // So that what lies before these is not told once more.
            earliest.extend(known);
            earliest.drain(..earliest.len().saturating_sub(NAMED));
            latest = ends;
            if latest.is_empty() || found.len() == before || found.len() >= GAP {
                break;
            }
        }
        Ok(found)
    }

    /// Events without those that are here, and without what lies before these: that is the room's past, and nothing new.
    async fn without_past(
        &self,
        room: &Arc<Room>,
        mut page: HashMap<OwnedEventId, Arc<Pdu>>,
    ) -> Result<HashMap<OwnedEventId, Arc<Pdu>>> {
        let placed = self.placed_ids(room, page.keys()).await?;
        let past = outliers::reached(&page, &placed);
        page.retain(|id, _| !past.contains(id));
        Ok(page)
    }

    /// The events among these that name others which are neither among them nor here; and those named that are here.
    async fn lower_ends(
        &self,
        room: &Arc<Room>,
        events: &[Arc<Pdu>],
    ) -> Result<(Vec<OwnedEventId>, HashSet<OwnedEventId>)> {
        let among: HashSet<&EventId> = events.iter().map(|pdu| pdu.event_id()).collect();
        let named = events.iter().flat_map(|pdu| pdu.prev_events());
        let outside: HashSet<OwnedEventId> = named.filter(|id| !among.contains(&***id)).cloned().collect();
        let known = self.placed_ids(room, outside.iter()).await?;
        let lacks = |pdu: &&Arc<Pdu>| pdu.prev_events().iter().any(|id| outside.contains(id) && !known.contains(id));
        let ends = events.iter().filter(lacks).take(ENDS).map(|pdu| pdu.event_id().to_owned()).collect();
        Ok((ends, known))
    }

    /// Which of the events are here.
    pub(super) async fn known_ids(
        &self,
        room: &Arc<Room>,
        ids: impl Iterator<Item = &OwnedEventId>,
    ) -> Result<HashSet<OwnedEventId>> {
        let known = self.known_events(room, ids).await?;
        known.into_iter().map(|(id, _)| Ok(event_id::from_bytes(&id)?)).collect()
    }

    /// Which of the events are here and have a place in the room's graph: they are not known by themselves only.
    async fn placed_ids(
        &self,
        room: &Arc<Room>,
        ids: impl Iterator<Item = &OwnedEventId>,
    ) -> Result<HashSet<OwnedEventId>> {
        let known = self.known_events(room, ids).await?;
        let placed = known.into_iter().filter(|(_, status)| !status.has(Status::OUTLIER));
        placed.map(|(id, _)| Ok(event_id::from_bytes(&id)?)).collect()
    }

    async fn known_events(
        &self,
        room: &Arc<Room>,
        ids: impl Iterator<Item = &OwnedEventId>,
    ) -> Result<Vec<(Bytes, Status)>> {
        let room_num = room.info.room_num;
        let bytes: Vec<_> = ids.map(|id| event_id::to_bytes(id)).collect();
        let read = self.store.read(move |snapshot| async move { events::known(&snapshot, room_num, bytes).await });
        Ok(read.await?.into_iter().map(|(id, _, status)| (id, status)).collect())
    }

    /// Single events; those that the server does not give are left out.
    pub(super) async fn fetch_events(&self, ids: &[OwnedEventId], server: &ServerName) -> Vec<Box<RawValue>> {
        stream::iter(ids.iter().cloned())
            .map(|id| async move { self.peers.ask(server, get_event::v1::Request::new(id), ORDINARY).await })
            .buffer_unordered(AT_ONCE)
            .filter_map(|answer| async move { answer.ok().map(|answer| answer.pdu) })
            .collect()
            .await
    }

    /// The events of an answer that are right.
    pub(crate) async fn verified(&self, info: &RoomInfo, raw: Vec<Box<RawValue>>) -> Result<Vec<Arc<Pdu>>> {
        let verified: Vec<Verified> = self.verify(&info.rules, &info.room_id, raw).await?;
        Ok(verified.into_iter().filter_map(|event| event.ok().map(|received| Arc::new(received.pdu))).collect())
    }
}
