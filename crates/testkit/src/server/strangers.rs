//! People of other servers in a test server's rooms, as if their servers had told of them.

use std::sync::Arc;

use bytes::Bytes;
use domicile_app::events::send::Accepted;
use domicile_core::rng::{self, OsRng};
use domicile_room::event::Pdu;
use ruma::{EventId, RoomId};
use serde_json::json;

use super::TestServer;

impl TestServer {
    /// Sets the membership of people of other servers by events that they made.
    pub async fn strangers(&self, room_id: &str, user_ids: &[&str], membership: &str) {
        let sender = &self.services.sender;
        let room_id = <&RoomId>::try_from(room_id).expect("a room id");
        let room = sender.rooms().get(room_id).await.expect("the room");
        let _writer = room.writer().await;
        let mut staging = sender.begin(&room);
        for user_id in user_ids {
            let event_id = format!("${}", rng::name(&OsRng, 43));
            let prev: Vec<&str> = staging.view.extremities.iter().map(|(_, id)| id.as_str()).collect();
            let event = json!({
                "type": "m.room.member", "room_id": room_id, "sender": user_id, "state_key": user_id,
                "content": { "membership": membership }, "origin_server_ts": super::START_MS, "depth": staging.view.depth + 1,
                "prev_events": prev, "auth_events": [], "hashes": { "sha256": "" }, "signatures": {},
            });
            let event_id = EventId::parse(event_id).expect("an event id");
            let rules = &staging.info().rules;
            let pdu = Pdu::parse(event_id, Bytes::from(event.to_string()), rules).expect("an event");
            let graph_state = staging.view.state_root;
            let pdu = Arc::new(pdu);
            let accepted = Accepted { pdu, known: None, graph_state, auths: Vec::new(), resolved: None, tell: false };
            sender.accept(&mut staging, accepted).await.expect("the event fits");
        }
        sender.commit(Some(&room), staging).await.expect("the events are written");
    }
}
