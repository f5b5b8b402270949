//! What the tap answers where no script says something else: the truth about its rooms.

use axum::http::Method;
use domicile_core::percent::decoded_loosely;
use ruma::{OwnedEventId, OwnedRoomId, OwnedUserId, events::TimelineEventType};
use serde_json::{Value, json};

use super::{
    Answer, Heard, Inner, TapRoom,
    room::{Graph, State},
};

const V1: &str = "/_matrix/federation/v1/";
const V2: &str = "/_matrix/federation/v2/";
/// Events of one page.
const PAGE: usize = 100;

impl Inner {
    /// The truth.
    pub(super) fn truth(&self, heard: &Heard) -> Answer {
        let (path, query) = heard.path.split_once('?').unwrap_or((&heard.path, ""));
        if path.starts_with("/_matrix/key/v2/server") {
            return Answer::Json(self.keys());
        }
        if path.ends_with("/version") {
            return Answer::Json(json!({ "server": { "name": "Tap", "version": "1" } }));
        }
        let rest = path.strip_prefix(V1).or_else(|| path.strip_prefix(V2)).unwrap_or_default();
        let parts: Vec<String> = rest.split('/').map(decoded_loosely).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        match parts.as_slice() {
            ["send", _] => Answer::Json(json!({ "pdus": {} })),
            ["event", event_id] => self.event(event_id),
            [operation, room_id, rest @ ..] => match self.room_of(room_id) {
                Some(room) => room.answer(operation, rest, query, heard).unwrap_or_else(Answer::not_found),
                None => Answer::not_found(),
            },
            _ => Answer::not_found(),
        }
    }

    fn room_of(&self, room_id: &str) -> Option<TapRoom> {
        self.rooms.lock().get(&OwnedRoomId::try_from(room_id).ok()?).cloned()
    }

    fn event(&self, event_id: &str) -> Answer {
        let Ok(event_id) = OwnedEventId::try_from(event_id) else { return Answer::not_found() };
        let rooms: Vec<TapRoom> = self.rooms.lock().values().cloned().collect();
        let found = rooms.iter().flat_map(|room| room.graph.lock().told([&event_id])).next();
        found.map_or_else(Answer::not_found, |event| {
            Answer::Json(json!({ "origin": self.name, "origin_server_ts": 1, "pdus": [event] }))
        })
    }
}

impl TapRoom {
    fn answer(&self, operation: &str, rest: &[&str], query: &str, heard: &Heard) -> Option<Answer> {
        let answer = match (operation, rest) {
            ("make_join", [user_id]) => self.templated(user_id, "join")?,
            ("make_leave", [user_id]) => self.templated(user_id, "leave")?,
            ("make_knock", [user_id]) => self.templated(user_id, "knock")?,
            ("send_join", [_]) if heard.method == Method::PUT => {
                self.joined(&heard.body, values(query, "omit_members") == ["true"])?
            }
            ("send_leave", [_]) => {
                self.take(&heard.body)?;
                json!({})
            }
            ("send_knock", [_]) => {
                self.take(&heard.body)?;
                json!({ "knock_room_state": self.graph.lock().stripped() })
            }
            ("event_auth", [event_id]) => {
                let graph = self.graph.lock();
                json!({ "auth_chain": graph.told(&graph.auth_chain([&OwnedEventId::try_from(*event_id).ok()?])) })
            }
            ("state", []) => self.graph.lock().state_at(query, false)?,
            ("state_ids", []) => self.graph.lock().state_at(query, true)?,
            ("backfill", []) => {
                let (graph, from) = (self.graph.lock(), values(query, "v"));
                let limit = values(query, "limit").first().and_then(|limit| limit.parse().ok()).unwrap_or(PAGE);
                let pdus = graph.told(&graph.back(&ids(&from), limit.min(PAGE)));
                json!({ "origin": graph.room_id.server_name(), "origin_server_ts": 1, "pdus": pdus })
            }
            ("get_missing_events", []) => self.graph.lock().missing(&heard.body),
            _ => return None,
        };
        Some(Answer::Json(answer))
    }

    fn templated(&self, user_id: &str, membership: &str) -> Option<Value> {
        let user_id = OwnedUserId::try_from(user_id).ok()?;
        Some(json!({ "room_version": self.version(), "event": self.template(&user_id, membership) }))
    }

    /// The answer to a join: the state before it and what allows that and the join.
    fn joined(&self, event: &Value, omit_members: bool) -> Option<Value> {
        let before = self.graph.lock().state.clone();
        let event_id = self.take(event)?;
        let graph = self.graph.lock();
        let told = before.iter().filter(|((kind, _), _)| !omit_members || kind != "m.room.member");
        let state: Vec<OwnedEventId> = told.map(|(_, id)| id.clone()).collect();
        let mut chain = graph.auth_chain(state.iter().chain([&event_id]));
        // Whoever asks for less need not be told anything twice.
        chain.retain(|id| !omit_members || !state.contains(id));
        Some(json!({
            "origin": graph.room_id.server_name(), "event": event, "members_omitted": omit_members,
            "servers_in_room": graph.servers, "state": graph.told(&state), "auth_chain": graph.told(&chain),
        }))
    }
}

impl Graph {
    /// The state before an event of the query.
    fn state_at(&self, query: &str, only_ids: bool) -> Option<Value> {
        let event_id = OwnedEventId::try_from(values(query, "event_id").pop()?).ok()?;
        let state: &State = self.before.get(&event_id)?;
        let state: Vec<OwnedEventId> = state.values().cloned().collect();
        let chain = self.auth_chain(&state);
        Some(if only_ids {
            json!({ "pdu_ids": state, "auth_chain_ids": chain })
        } else {
            json!({ "pdus": self.told(&state), "auth_chain": self.told(&chain) })
        })
    }

    /// Events between those that the other has and those that it heard of, the oldest first.
    fn missing(&self, body: &Value) -> Value {
        let listed = |key: &str| -> Vec<OwnedEventId> { serde_json::from_value(body[key].clone()).unwrap_or_default() };
        let (latest, earliest) = (listed("latest_events"), listed("earliest_events"));
        let limit = body["limit"].as_u64().and_then(|limit| usize::try_from(limit).ok()).unwrap_or(10);
        let found = self.back(&latest, self.order.len()).into_iter().filter(|id| !latest.contains(id));
        let mut found: Vec<OwnedEventId> = found.take_while(|id| !earliest.contains(id)).take(limit).collect();
        found.reverse();
        json!({ "events": self.told(&found) })
    }

    fn stripped(&self) -> Vec<Value> {
        let shown = [TimelineEventType::RoomCreate, TimelineEventType::RoomJoinRules, TimelineEventType::RoomName];
        self.told(
            self.state
                .iter()
                .filter(|((kind, _), _)| shown.iter().any(|one| one.to_string() == *kind))
                .map(|(_, id)| id),
        )
    }
}

fn ids(texts: &[String]) -> Vec<OwnedEventId> {
    texts.iter().filter_map(|text| OwnedEventId::try_from(text.as_str()).ok()).collect()
}

/// The values of a key of a query.
fn values(query: &str, key: &str) -> Vec<String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(name, _)| *name == key).map(|(_, value)| decoded_loosely(value)).collect()
}
