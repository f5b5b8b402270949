//! A room that is held here: its graph, built by the rules and signed, as large as a measurement wants it.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
};

use anyhow::{Context, Result, anyhow};
use bytes::Bytes;
use domicile_core::clock::{Clock, SystemClock};
use domicile_room::{
    auth,
    event::{self, EventDraft, Pdu, Place, ServerSigner, receive},
};
use ruma::{
    EventId, OwnedEventId, OwnedRoomId, OwnedUserId, RoomVersionId, UserId, events::TimelineEventType,
    room_version_rules::RoomVersionRules,
};
use serde_json::{Value, json, value::to_raw_value};

/// The version of the rooms: one whose ids servers choose, which all servers know.
const VERSION: RoomVersionId = RoomVersionId::V11;

/// A room. Its events are kept in the order in which they came.
#[derive(Clone)]
pub(crate) struct Room {
    pub(crate) id: OwnedRoomId,
    rules: RoomVersionRules,
    order: Vec<Arc<Pdu>>,
    places: HashMap<OwnedEventId, usize>,
    state: HashMap<(String, String), OwnedEventId>,
    ends: Vec<OwnedEventId>,
    depth: i64,
}

impl Room {
    /// A public room of `maker`.
    pub(crate) fn new(signer: &ServerSigner, name: &str, maker: &UserId) -> Result<Self> {
        let id = OwnedRoomId::try_from(format!("!{name}:{}", signer.server_name()))?;
        let rules = VERSION.rules().context("the rules of the room's version")?;
        let (order, places, state, ends) = (Vec::new(), HashMap::new(), HashMap::new(), Vec::new());
        let mut room = Self { id, rules, order, places, state, ends, depth: 0 };
        room.event(signer, maker, "m.room.create", Some(""), &json!({ "room_version": VERSION }))?;
        room.join(signer, maker)?;
        room.event(signer, maker, "m.room.power_levels", Some(""), &json!({ "users": { maker.as_str(): 100 } }))?;
        room.event(signer, maker, "m.room.join_rules", Some(""), &json!({ "join_rule": "public" }))?;
        let shared = json!({ "history_visibility": "shared" });
        room.event(signer, maker, "m.room.history_visibility", Some(""), &shared)?;
        Ok(room)
    }

    /// Its version.
    pub(crate) fn version() -> &'static str {
        "11"
    }

    /// Somebody joins.
    pub(crate) fn join(&mut self, signer: &ServerSigner, user: &UserId) -> Result<Arc<Pdu>> {
        let name = user.localpart();
        self.event(
            signer,
            user,
            "m.room.member",
            Some(user.as_str()),
            &json!({
                "membership": "join", "displayname": format!("{name} of a measurement"),
            }),
        )
    }

    /// A new event at the room's end.
    pub(crate) fn event(
        &mut self,
        signer: &ServerSigner,
        sender: &UserId,
        kind: &str,
        state_key: Option<&str>,
        content: &Value,
    ) -> Result<Arc<Pdu>> {
        let (draft, place) = self.draft(sender, kind, state_key, content)?;
        let pdu = event::build(draft, place, &self.rules, signer)?;
        Ok(self.add(pdu))
    }

    /// An event of another server, put at the room's end. It is believed.
    pub(crate) fn take(&mut self, json: &[u8]) -> Result<Arc<Pdu>> {
        let unverified = receive::read(json, &self.rules).map_err(|refused| anyhow!("{refused}"))?;
        let id = unverified.event_id().to_owned();
        let pdu = Pdu::parse(id, Bytes::copy_from_slice(json), &self.rules)?;
        Ok(self.add(pdu))
    }

    /// The room with the ends and the events of another that went its own way from here. What both say of the state stays as it is here.
    pub(crate) fn merge(&mut self, other: &Self) {
        for pdu in &other.order {
            if !self.places.contains_key(pdu.event_id()) {
                self.places.insert(pdu.event_id().to_owned(), self.order.len());
                self.order.push(Arc::clone(pdu));
            }
        }
        self.ends.extend(other.ends.iter().filter(|end| !self.ends.contains(end)).cloned().collect::<Vec<_>>());
        self.depth = self.depth.max(other.depth);
    }

    /// An unsigned event for somebody who wants to join.
    pub(super) fn template(&self, user: &UserId) -> Result<Value> {
        let content = json!({ "membership": "join" });
        let (draft, place) = self.draft(user, "m.room.member", Some(user.as_str()), &content)?;
        Ok(json!({
            "room_id": place.room_id, "sender": draft.sender, "type": "m.room.member", "state_key": draft.state_key,
            "content": content, "depth": place.depth, "prev_events": place.prev_events,
            "auth_events": place.auth_events, "origin_server_ts": place.origin_server_ts,
        }))
    }

    /// The answer to a join, whose event is put at the room's end: the state before it, and what allows that.
    pub(super) fn let_in(&mut self, event: &[u8]) -> Result<Vec<u8>> {
        let state: Vec<Arc<Pdu>> = self.state.values().filter_map(|id| self.find(id)).cloned().collect();
        let chain = self.chain(&state);
        let joined = self.take(event)?;
        let mut answer = Vec::new();
        answer.extend_from_slice(b"{\"origin\":");
        answer.extend_from_slice(&serde_json::to_vec(&self.id.server_name())?);
        answer.extend_from_slice(b",\"members_omitted\":false,\"event\":");
        answer.extend_from_slice(joined.json());
        answer.extend_from_slice(b",\"auth_chain\":");
        list(&mut answer, &chain);
        answer.extend_from_slice(b",\"state\":");
        list(&mut answer, &state);
        answer.push(b'}');
        Ok(answer)
    }

    /// An event that is here.
    pub(super) fn find(&self, id: &EventId) -> Option<&Arc<Pdu>> {
        self.places.get(id).map(|place| &self.order[*place])
    }

    /// Events before others and these, the newest first.
    pub(super) fn back(&self, from: &[OwnedEventId], limit: usize) -> Vec<Arc<Pdu>> {
        let (mut queue, mut seen) = (VecDeque::from(from.to_vec()), HashSet::new());
        let mut found = Vec::new();
        while let Some(id) = queue.pop_front() {
            let Some(pdu) = self.find(&id) else { continue };
            if found.len() < limit && seen.insert(id) {
                queue.extend(pdu.prev_events().iter().cloned());
                found.push(Arc::clone(pdu));
            }
        }
        found
    }

    fn draft(
        &self,
        sender: &UserId,
        kind: &str,
        state_key: Option<&str>,
        content: &Value,
    ) -> Result<(EventDraft, Place)> {
        let kind = TimelineEventType::from(kind);
        let content = to_raw_value(content)?;
        let keys = auth::auth_event_keys(&kind, sender, state_key, &content, &self.rules).unwrap_or_default();
        let named = keys.into_iter().filter_map(|(kind, state_key)| self.state.get(&(kind.to_string(), state_key)));
        let place = Place {
            room_id: Some(self.id.clone()),
            prev_events: self.ends.clone(),
            auth_events: named.cloned().collect(),
            depth: self.depth + 1,
            origin_server_ts: SystemClock.now_ms(),
        };
        let (sender, state_key): (OwnedUserId, _) = (sender.to_owned(), state_key.map(str::to_owned));
        Ok((EventDraft { kind, sender, state_key, content, redacts: None }, place))
    }

    fn add(&mut self, pdu: Pdu) -> Arc<Pdu> {
        let id = pdu.event_id().to_owned();
        let pdu = Arc::new(pdu);
        if let Some(state_key) = pdu.state_key() {
            self.state.insert((pdu.kind().to_string(), state_key.to_owned()), id.clone());
        }
        self.ends.retain(|end| !pdu.prev_events().contains(end));
        self.ends.push(id.clone());
        self.depth = self.depth.max(pdu.depth());
        self.places.insert(id, self.order.len());
        self.order.push(Arc::clone(&pdu));
        pdu
    }

    /// All events that allow these, directly or not.
    fn chain(&self, of: &[Arc<Pdu>]) -> Vec<Arc<Pdu>> {
        let (mut open, mut seen) = (of.to_vec(), HashSet::new());
        let mut chain = Vec::new();
        while let Some(pdu) = open.pop() {
            for id in pdu.auth_events() {
                if let Some(auth) = self.find(id)
                    && seen.insert(id.clone())
                {
                    chain.push(Arc::clone(auth));
                    open.push(Arc::clone(auth));
                }
            }
        }
        chain
    }
}

/// Events as a list of JSON.
pub(super) fn list(out: &mut Vec<u8>, events: &[Arc<Pdu>]) {
    out.push(b'[');
    for (index, pdu) in events.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(pdu.json());
    }
    out.push(b']');
}
