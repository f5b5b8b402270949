//! A room's state for another server: before an event, and what allows it. A state of 50,000 events is not parsed, and goes out piece by piece.

use std::{collections::VecDeque, sync::Arc};

use bytes::{BufMut, Bytes, BytesMut};
use domicile_core::ids::EventNum;
use domicile_store::{
    Store, event_id,
    table::events::{self, Status},
};
use futures::{StreamExt, stream};
use ruma::{EventId, OwnedEventId, OwnedServerName, RoomId, ServerName};

use super::Readers;
use crate::{
    Error, Result,
    error::not_found,
    events::Events,
    media::ByteStream,
    residency::Localities,
    rooms::{Graph, reader::RoomReaderParts},
};

/// Events of one piece of an answer.
const PIECE: usize = 500;

/// The state before an event, and what allows it.
#[derive(Debug)]
pub struct StateAt {
    /// The state.
    pub state: Vec<EventNum>,
    /// What allows the state, and what allows that, and so on.
    pub auth_chain: Vec<EventNum>,
}

/// Reads state for other servers.
pub struct RoomStates {
    parts: Arc<RoomReaderParts>,
    readers: Arc<Readers>,
    graph: Arc<Graph>,
}

impl RoomStates {
    /// Over what reads rooms.
    pub fn new(parts: Arc<RoomReaderParts>, readers: Arc<Readers>, graph: Arc<Graph>) -> Self {
        Self { parts, readers, graph }
    }

    /// How events are read for a server: as they are, unless something is withheld from it.
    fn reading(&self, origin: &ServerName) -> Reading {
        let store = self.parts.store.clone();
        if !self.readers.localities().withholds(origin) {
            return Reading { store, judged: None };
        }
        let judged = (Arc::clone(&self.parts.events), self.readers.localities_shared(), OwnedServerName::from(origin));
        Reading { store, judged: Some(judged) }
    }

    /// The state before an event, by the events that it names.
    async fn before(&self, origin: &ServerName, room_id: &RoomId, event_id: &EventId) -> Result<StateAt> {
        let reader = self.readers.check(origin, room_id).await?;
        let missing = || not_found(format!("The state at {event_id} is not known here."));
        // What is known of a room that was joined a moment ago is not its state.
        if reader.room.view().is_partial() {
            return Err(missing());
        }
        let event = self.parts.events.by_id(event_id).await?.ok_or_else(missing)?;
        if event.room.room_id != room_id || event.status.has(Status::OUTLIER) {
            return Err(missing());
        }
        let (parts, graph) = (Arc::clone(&self.parts), Arc::clone(&self.graph));
        self.parts
            .store
            .read(move |snapshot| async move {
                let all = parts.trees.all(&snapshot, event.state_by_graph()).await?;
                let mut state: Vec<EventNum> = all.into_iter().map(|(_, event_num)| event_num).collect();
                state.sort_unstable();
                let chain = graph.chain(&snapshot, state.iter().copied()).await?;
                let mut auth_chain: Vec<EventNum> = chain.into_iter().collect();
                auth_chain.sort_unstable();
                Ok::<_, Error>(StateAt { state, auth_chain })
            })
            .await
    }

    /// The state before an event, as the body of an answer.
    pub async fn state(&self, origin: &ServerName, room_id: &RoomId, event_id: &EventId) -> Result<ByteStream> {
        let StateAt { state, auth_chain } = self.before(origin, room_id, event_id).await?;
        Ok(written(self.reading(origin), [("auth_chain", auth_chain), ("pdus", state)]))
    }

    /// The ids of the state before an event, and of what allows it.
    pub async fn state_ids(
        &self,
        origin: &ServerName,
        room_id: &RoomId,
        event_id: &EventId,
    ) -> Result<(Vec<OwnedEventId>, Vec<OwnedEventId>)> {
        let StateAt { state, auth_chain } = self.before(origin, room_id, event_id).await?;
        self.parts
            .store
            .read(move |snapshot| async move {
                let mut lists = [Vec::with_capacity(state.len()), Vec::with_capacity(auth_chain.len())];
                for (list, nums) in lists.iter_mut().zip([state, auth_chain]) {
                    for chunk in nums.chunks(PIECE) {
                        for id in events::ids_in_order(&snapshot, chunk.iter().copied()).await? {
                            list.push(event_id::from_bytes(&id)?);
                        }
                    }
                }
                let [state, auth_chain] = lists;
                Ok((state, auth_chain))
            })
            .await
    }

    /// Everything that allows an event, as the body of an answer.
    pub async fn auth_chain(&self, origin: &ServerName, room_id: &RoomId, event_id: &EventId) -> Result<ByteStream> {
        self.readers.check(origin, room_id).await?;
        let missing = || not_found(format!("There is no event {event_id} in this room."));
        let event = self.parts.events.by_id(event_id).await?.ok_or_else(missing)?;
        if event.room.room_id != room_id || event.status.has(Status::REJECTED) {
            return Err(missing());
        }
        let (parts, graph) = (Arc::clone(&self.parts), Arc::clone(&self.graph));
        let chain = self
            .parts
            .store
            .read(move |snapshot| async move {
                // Only state events have their edges kept: what the event names itself is looked up.
                let mut direct = Vec::new();
                for id in event.pdu.auth_events() {
                    direct.extend(parts.events.load_by_id(&snapshot, id).await?.map(|event| event.event_num));
                }
                let mut chain = graph.chain(&snapshot, direct.iter().copied()).await?;
                chain.extend(direct);
                let mut chain: Vec<EventNum> = chain.into_iter().collect();
                chain.sort_unstable();
                Ok::<_, Error>(chain)
            })
            .await?;
        Ok(written(self.reading(origin), [("auth_chain", chain)]))
    }
}

/// A part of an answer that is still to be written.
enum Part {
    Text(String),
    Events(Vec<EventNum>),
}

/// How events are read.
struct Reading {
    store: Store,
    /// Who judges each, and for whom.
    judged: Option<(Arc<Events>, Arc<Localities>, OwnedServerName)>,
}

impl Reading {
    async fn read(&self, nums: Vec<EventNum>) -> Result<Vec<Bytes>> {
        let Some((events, localities, peer)) = &self.judged else {
            let read = self.store.read(move |snapshot| async move { events::jsons(&snapshot, nums).await });
            return Ok(read.await?);
        };
        let (localities, peer) = (Arc::clone(localities), peer.clone());
        let found = events.get_many(nums).await?;
        let served = found.iter().map(|event| localities.served(&peer, &event.pdu, &event.room.rules));
        served.map(|event| Ok(Bytes::from(event?.get().to_owned()))).collect()
    }
}

/// An object of lists of events as JSON, read as it goes out.
fn written<const N: usize>(reading: Reading, lists: [(&'static str, Vec<EventNum>); N]) -> ByteStream {
    let mut parts = VecDeque::new();
    for (index, (name, nums)) in lists.into_iter().enumerate() {
        parts.push_back(Part::Text(format!("{}\"{name}\":[", if index == 0 { "{" } else { "]," })));
        parts.extend(nums.chunks(PIECE).map(|chunk| Part::Events(chunk.to_vec())));
    }
    parts.push_back(Part::Text("]}".to_owned()));
    let begin = (reading, parts, true);
    let pieces = stream::unfold(begin, |(reading, mut parts, mut first)| async move {
        let piece = match parts.pop_front()? {
            Part::Text(text) => {
                first = true;
                Ok(Bytes::from(text))
            }
            Part::Events(nums) => {
                reading.read(nums).await.map(|found| joined(&found, std::mem::replace(&mut first, false)))
            }
        };
        Some((piece.map_err(std::io::Error::other), (reading, parts, first)))
    });
    pieces.boxed()
}

/// Events one after another, with commas between them.
fn joined(events: &[Bytes], mut first: bool) -> Bytes {
    let size = events.iter().map(|event| event.len() + 1).sum();
    let mut text = BytesMut::with_capacity(size);
    for event in events {
        if !first {
            text.put_u8(b',');
        }
        first = false;
        text.put_slice(event);
    }
    text.freeze()
}
