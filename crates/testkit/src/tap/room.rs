//! A room of the tap: a graph of events that hold, made with the builder that the server uses.

use std::{collections::BTreeMap, sync::Arc};

use domicile_room::{
    auth,
    event::{self, EventDraft, Pdu, Place, ServerSigner},
};
use parking_lot::Mutex;
use ruma::{
    OwnedEventId, OwnedRoomId, OwnedServerName, OwnedUserId, RoomVersionId, UserId, events::TimelineEventType,
    room_version_rules::RoomVersionRules,
};
use serde_json::{Value, json, value::to_raw_value};

use super::Inner;

/// When a room of the tap begins, in milliseconds since the epoch: with the clock of a test server.
const BEGIN_TS: i64 = crate::server::START_MS - 1_000_000;

/// The state by type and state key.
pub(super) type State = BTreeMap<(String, String), OwnedEventId>;

pub(super) struct Graph {
    pub(super) room_id: OwnedRoomId,
    /// In the order in which they were made.
    pub(super) order: Vec<OwnedEventId>,
    pub(super) events: BTreeMap<OwnedEventId, Arc<Pdu>>,
    /// The state before each.
    pub(super) before: BTreeMap<OwnedEventId, State>,
    pub(super) ends: Vec<OwnedEventId>,
    pub(super) state: State,
    /// The servers that are said to be in it.
    pub(super) servers: Vec<OwnedServerName>,
}

/// A room. Its copies are one room.
#[derive(Clone)]
pub struct TapRoom {
    tap: Arc<Inner>,
    version: RoomVersionId,
    rules: RoomVersionRules,
    pub(super) graph: Arc<Mutex<Graph>>,
}

impl TapRoom {
    /// A public room, with `eve` in it.
    pub(super) fn new(tap: Arc<Inner>, version: &str) -> Self {
        let version = RoomVersionId::try_from(version).expect("a room version");
        let rules = version.rules().expect("a room version that is known");
        let room_id = OwnedRoomId::try_from(format!("!room{}:{}", tap.rooms.lock().len(), tap.name)).expect("an id");
        let graph = Graph {
            room_id,
            order: Vec::new(),
            events: BTreeMap::new(),
            before: BTreeMap::new(),
            ends: Vec::new(),
            state: State::new(),
            servers: vec![tap.name.clone()],
        };
        let room = Self { tap, version, rules, graph: Arc::new(Mutex::new(graph)) };
        let eve = room.tap.user("eve");
        let named = room.rules.authorization.room_create_event_id_as_room_id;
        let create =
            room.make(&room.tap.signer, &eve, "m.room.create", Some(""), &json!({ "room_version": room.version }));
        if named {
            room.graph.lock().room_id =
                OwnedRoomId::try_from(create.event_id().as_str().replacen('$', "!", 1)).expect("an id");
        }
        room.add(create);
        room.member("eve", "join");
        let levels = if named { json!({ "users": {} }) } else { json!({ "users": { eve.as_str(): 100 } }) };
        room.state("eve", "m.room.power_levels", "", &levels);
        room.state("eve", "m.room.join_rules", "", &json!({ "join_rule": "public" }));
        room
    }

    /// The server whose it is.
    #[cfg(test)]
    pub(super) fn tap(&self) -> &Inner {
        &self.tap
    }

    /// Its id.
    pub fn room_id(&self) -> OwnedRoomId {
        self.graph.lock().room_id.clone()
    }

    /// Its version.
    pub fn version(&self) -> &RoomVersionId {
        &self.version
    }

    /// A membership of a user of the tap, by themselves.
    pub fn member(&self, localpart: &str, membership: &str) -> Value {
        let user_id = self.tap.user(localpart);
        self.state(localpart, "m.room.member", user_id.as_str(), &json!({ "membership": membership }))
    }

    /// An invite of anybody by a user of the tap.
    pub fn invite(&self, localpart: &str, user_id: &UserId) -> Value {
        self.state(localpart, "m.room.member", user_id.as_str(), &json!({ "membership": "invite" }))
    }

    /// A state event of a user of the tap.
    pub fn state(&self, localpart: &str, kind: &str, state_key: &str, content: &Value) -> Value {
        self.event(localpart, kind, Some(state_key), content)
    }

    /// A message of a user of the tap.
    pub fn message(&self, localpart: &str, body: &str) -> Value {
        self.event(localpart, "m.room.message", None, &json!({ "msgtype": "m.text", "body": body }))
    }

    /// Any event of a user of the tap, as it is sent to other servers. It is the room's new end.
    pub fn event(&self, localpart: &str, kind: &str, state_key: Option<&str>, content: &Value) -> Value {
        let pdu = self.make(&self.tap.signer, &self.tap.user(localpart), kind, state_key, content);
        self.add(Arc::clone(&pdu));
        told(&pdu)
    }

    /// An event that does not become part of the tap's room: of any sender, signed with any key.
    pub fn aside(
        &self,
        signer: &ServerSigner,
        sender: &UserId,
        kind: &str,
        state_key: Option<&str>,
        content: &Value,
    ) -> Value {
        told(&self.make(signer, sender, kind, state_key, content))
    }

    /// The same in a place of one's own: other events before it, another time or depth.
    pub fn placed(&self, localpart: &str, body: &str, change: impl FnOnce(&mut Place)) -> Value {
        let sender = self.tap.user(localpart);
        let content = json!({ "msgtype": "m.text", "body": body });
        let (draft, mut place) = self.draft(&sender, "m.room.message", None, &content);
        change(&mut place);
        told(&event::build(draft, place, &self.rules, &self.tap.signer).expect("an event"))
    }

    /// Takes an event that came from elsewhere: it is the room's new end.
    pub fn take(&self, event: &Value) -> Option<OwnedEventId> {
        let unverified = event::receive::read(event.to_string().as_bytes(), &self.rules).ok()?;
        let event_id = unverified.event_id().to_owned();
        let pdu = Pdu::parse(event_id.clone(), unverified.pdu().json().clone(), &self.rules).ok()?;
        self.add(Arc::new(pdu));
        Some(event_id)
    }

    /// The id of an event as it is sent to other servers.
    pub fn id_of(&self, event: &Value) -> OwnedEventId {
        let unverified = event::receive::read(event.to_string().as_bytes(), &self.rules).expect("an event");
        unverified.event_id().to_owned()
    }

    /// Says of another server, too, that it is in the room.
    pub fn also_in(&self, server: OwnedServerName) {
        self.graph.lock().servers.push(server);
    }

    /// Its state as it is now and all that allows it, as answers to `/state_ids` and `/state`.
    pub fn answers(&self) -> (Value, Value) {
        let graph = self.graph.lock();
        let state: Vec<OwnedEventId> = graph.state.values().cloned().collect();
        let chain = graph.auth_chain(&state);
        let ids = json!({ "pdu_ids": state, "auth_chain_ids": chain });
        (ids, json!({ "pdus": graph.told(&state), "auth_chain": graph.told(&chain) }))
    }

    /// The member events of some users of the tap and all that allows them, as an answer to `/event_auth`.
    pub fn auth_answer(&self, localparts: &[&str]) -> Value {
        let ids: Vec<OwnedEventId> = localparts
            .iter()
            .map(|localpart| self.state_id("m.room.member", self.tap.user(localpart).as_str()))
            .collect();
        let graph = self.graph.lock();
        let chain = graph.auth_chain(&ids);
        json!({ "auth_chain": graph.told(ids.iter().chain(&chain)) })
    }

    /// The event of a pair of its state as it is now.
    pub fn state_id(&self, kind: &str, state_key: &str) -> OwnedEventId {
        let found = self.graph.lock().state.get(&(kind.to_owned(), state_key.to_owned())).cloned();
        found.expect("state that is there")
    }

    /// The first event of a type.
    pub fn first_of(&self, kind: &str) -> OwnedEventId {
        let graph = self.graph.lock();
        let found = graph.order.iter().find(|id| graph.events[*id].kind().to_string() == kind).cloned();
        found.expect("an event that is there")
    }

    /// The events that somebody's member event names as coming before it.
    pub fn before_ends_of(&self, user_id: &str) -> Vec<OwnedEventId> {
        let member = self.state_id("m.room.member", user_id);
        self.graph.lock().events[&member].prev_events().to_vec()
    }

    /// The ids of its state as it is now.
    pub fn state_ids(&self) -> Vec<OwnedEventId> {
        self.graph.lock().state.values().cloned().collect()
    }

    /// The ids of all that allows its state as it is now.
    pub fn auth_chain_ids(&self) -> Vec<OwnedEventId> {
        let graph = self.graph.lock();
        graph.auth_chain(graph.state.values())
    }

    /// An event that is not signed yet, for whoever wants to join, leave or knock.
    pub(super) fn template(&self, user_id: &OwnedUserId, membership: &str) -> Value {
        let content = json!({ "membership": membership });
        let (draft, place) = self.draft(user_id, "m.room.member", Some(user_id.as_str()), &content);
        json!({
            "room_id": place.room_id, "sender": draft.sender, "type": "m.room.member", "state_key": draft.state_key,
            "content": content, "depth": place.depth, "prev_events": place.prev_events,
            "auth_events": place.auth_events, "origin_server_ts": place.origin_server_ts,
        })
    }

    fn make(
        &self,
        signer: &ServerSigner,
        sender: &UserId,
        kind: &str,
        state_key: Option<&str>,
        content: &Value,
    ) -> Arc<Pdu> {
        let (draft, place) = self.draft(sender, kind, state_key, content);
        Arc::new(event::build(draft, place, &self.rules, signer).expect("an event"))
    }

    fn draft(&self, sender: &UserId, kind: &str, state_key: Option<&str>, content: &Value) -> (EventDraft, Place) {
        let graph = self.graph.lock();
        let kind = TimelineEventType::from(kind);
        let content = to_raw_value(content).expect("JSON");
        let keys = auth::auth_event_keys(&kind, sender, state_key, &content, &self.rules).unwrap_or_default();
        let names_create = !self.rules.authorization.room_create_event_id_as_room_id;
        let auth_events = keys
            .into_iter()
            .map(|(kind, state_key)| (kind.to_string(), state_key))
            .filter(|(kind, _)| names_create || kind != "m.room.create")
            .filter_map(|key| graph.state.get(&key).cloned())
            .collect();
        let depth = i64::try_from(graph.order.len()).expect("few events") + 1;
        let is_nameless = kind == TimelineEventType::RoomCreate && !names_create;
        let place = Place {
            room_id: (!is_nameless).then(|| graph.room_id.clone()),
            prev_events: graph.ends.clone(),
            auth_events,
            depth,
            origin_server_ts: BEGIN_TS + depth,
        };
        let state_key = state_key.map(str::to_owned);
        (EventDraft { kind, sender: sender.to_owned(), state_key, content, redacts: None }, place)
    }

    fn add(&self, pdu: Arc<Pdu>) {
        let mut graph = self.graph.lock();
        let event_id = pdu.event_id().to_owned();
        let before = graph.state.clone();
        graph.before.insert(event_id.clone(), before);
        if let Some(state_key) = pdu.state_key() {
            graph.state.insert((pdu.kind().to_string(), state_key.to_owned()), event_id.clone());
        }
        graph.ends.retain(|end| !pdu.prev_events().contains(end));
        graph.ends.push(event_id.clone());
        graph.order.push(event_id.clone());
        graph.events.insert(event_id, pdu);
    }
}

/// An event as it is sent to other servers.
pub(super) fn told(pdu: &Pdu) -> Value {
    serde_json::from_slice(pdu.json()).expect("an event is JSON")
}

impl Graph {
    /// The events of ids.
    pub(super) fn told<'a>(&self, ids: impl IntoIterator<Item = &'a OwnedEventId>) -> Vec<Value> {
        ids.into_iter().filter_map(|id| self.events.get(id)).map(|pdu| told(pdu)).collect()
    }

    /// All events that allow those of `ids`, directly or not.
    pub(super) fn auth_chain<'a>(&self, ids: impl IntoIterator<Item = &'a OwnedEventId>) -> Vec<OwnedEventId> {
        let mut open: Vec<OwnedEventId> = ids.into_iter().cloned().collect();
        let mut chain = Vec::new();
        while let Some(id) = open.pop() {
            for auth in self.events.get(&id).map_or(&[][..], |pdu| pdu.auth_events()) {
                if !chain.contains(auth) {
                    chain.push(auth.clone());
                    open.push(auth.clone());
                }
            }
        }
        chain
    }

    /// Events before `from`, the newest first, at most `limit`.
    pub(super) fn back(&self, from: &[OwnedEventId], limit: usize) -> Vec<OwnedEventId> {
        let newest = self.order.iter().rposition(|id| from.contains(id));
        newest.map_or_else(Vec::new, |at| self.order[..=at].iter().rev().take(limit).cloned().collect())
    }
}
