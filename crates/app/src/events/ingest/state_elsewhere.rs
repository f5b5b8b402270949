//! The state at an event of the past as another server tells it, where this one cannot know it.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use bytes::Bytes;
use domicile_core::ids::{EventNum, KeyNum, NodeNum};
use domicile_room::event::Pdu;
use domicile_store::{
    event_id,
    table::events::{self, Status},
};
use ruma::{
    OwnedEventId, ServerName,
    api::federation::event::{get_room_state, get_room_state_ids},
};

use super::{
    Ingest,
    missing::{FetchError, SINGLY},
};
use crate::{
    federation::{Listed, peers::PeerError},
    rooms::Room,
};

/// Predecessors of one event whose state is asked for. More cannot be named.
const STATES: usize = 20;
/// Ids that are looked for at once: a room's state may have a hundred thousand.
const LOOKED_FOR: usize = 1_000;

/// Lists in the answer to a question for a whole state, and for the ids of one.
const LISTS: &[&str] = &["auth_chain", "pdus"];
const ID_LISTS: &[&str] = &["auth_chain_ids", "pdu_ids"];

/// A state as another server told it.
pub(super) struct StateBefore {
    /// Each pair and its event, in the order of the pairs.
    pub(super) state: Vec<(KeyNum, EventNum)>,
    /// Events of it that are left out, since they are wrong or were not to be had.
    pub(super) left_out: usize,
    /// Those of them that the server named and did not give, or of which it did not give what allows them.
    pub(super) lacking: usize,
}

impl Ingest {
    /// The states after events that are not here and that an event names, as another server tells them. One that came into the room with the event
    /// knows nothing of these, and tells what was before it.
    pub(super) async fn states_before(
        &self,
        room: &Arc<Room>,
        pdu: &Pdu,
        missing: &[OwnedEventId],
        server: &ServerName,
    ) -> std::result::Result<HashMap<OwnedEventId, NodeNum>, FetchError> {
        match self.states_after(room, missing, server).await {
            Err(FetchError::Peer(PeerError::Matrix { status: 403 | 404, .. })) => {
                let told = self.told_state_before(room, &pdu.event_id().to_owned(), server).await?;
                let before = self.state_of(&told.state).await?;
                Ok(missing.iter().map(|id| (id.clone(), before)).collect())
            }
            states => states,
        }
    }

    async fn states_after(
        &self,
        room: &Arc<Room>,
        missing: &[OwnedEventId],
        server: &ServerName,
    ) -> std::result::Result<HashMap<OwnedEventId, NodeNum>, FetchError> {
        let mut states = HashMap::new();
        for id in missing.iter().take(STATES) {
            let state = self.state_after(room, id, server).await?;
            states.insert(id.clone(), state);
        }
        Ok(states)
    }

    async fn state_after(
        &self,
        room: &Arc<Room>,
        event_id: &OwnedEventId,
        server: &ServerName,
    ) -> std::result::Result<NodeNum, FetchError> {
        let told = self.told_state_before(room, event_id, server).await?;
        let before = self.state_of(&told.state).await?;
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

    /// The state before an event as another server tells it. All of it is here then, with what allows it and the event itself.
    pub(super) async fn told_state_before(
        &self,
        room: &Arc<Room>,
        event_id: &OwnedEventId,
        server: &ServerName,
    ) -> std::result::Result<StateBefore, FetchError> {
        let room_id = &room.info.room_id;
        let request = get_room_state_ids::v1::Request::new(event_id.clone(), room_id.clone());
        let mut answer = self.peers.ask_large(server, request, ID_LISTS).await?;
        let told = answer.needed_list("pdu_ids")?.pieces(LOOKED_FOR);
        let chain_ids = answer.needed_list("auth_chain_ids")?.pieces(LOOKED_FOR);
        let is_known = !self.known_ids(room, std::iter::once(event_id)).await?.is_empty();
        let mut wanted: HashSet<OwnedEventId> = HashSet::new();
        if !is_known {
            wanted.insert(event_id.clone());
        }
        for ids in chain_ids.iter().chain(&told) {
            let ids = ids_of(ids)?;
            let known = self.known_ids(room, ids.iter()).await?;
            wanted.extend(ids.into_iter().filter(|id| !known.contains(id)));
        }
        let wanted = Arc::new(wanted);
        let (mut chain, mut state) = (Listed::default(), Listed::default());
        // Where more are missing, the whole state is asked for.
        if wanted.len() > SINGLY {
            let request = get_room_state::v1::Request::new(event_id.clone(), room_id.clone());
            let mut answer = self.peers.ask_large(server, request, LISTS).await?;
            (chain, state) = (answer.list("auth_chain").unwrap_or_default(), answer.needed_list("pdus")?);
            if !is_known {
                chain.extend(self.fetch_events(std::slice::from_ref(event_id), server).await);
            }
        } else {
            let missing: Vec<OwnedEventId> = wanted.iter().cloned().collect();
            chain.extend(self.fetch_events(&missing, server).await);
        }
        let lacks = self.keep_told(&room.info, chain, state, Some(wanted)).await?.lacking;
        let (mut state, mut lacking) = (Vec::new(), 0);
        let room_num = room.info.room_num;
        for ids in &told {
            let ids = ids_of(ids)?;
            lacking += ids.iter().filter(|id| lacks.contains(*id)).count();
            let bytes: Vec<Bytes> = ids.iter().map(|id| event_id::to_bytes(id)).collect();
            let read =
                self.store.read(move |snapshot| async move { events::state_of_ids(&snapshot, room_num, bytes).await });
            state.extend(read.await.map_err(crate::Error::from)?);
        }
        state.sort_unstable();
        state.dedup();
        let left_out = told.iter().map(Listed::len).sum::<usize>().saturating_sub(state.len());
        Ok(StateBefore { state, left_out, lacking })
    }
}

/// Ids of events as a server tells them.
fn ids_of(listed: &Listed) -> std::result::Result<Vec<OwnedEventId>, FetchError> {
    let nonsense = |error: serde_json::Error| PeerError::Nonsense(format!("the id of an event: {error}"));
    listed.texts().map(|text| Ok(serde_json::from_str(&text?).map_err(nonsense)?)).collect()
}
