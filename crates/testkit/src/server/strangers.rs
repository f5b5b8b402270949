//! People of other servers in rooms of a test server, without the other server: their events are as if they had come and been checked.

#![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a fixture that fails ends its test")]

use std::sync::Arc;

use domicile_app::events::send::Accepted;
use domicile_core::clock::Clock;
use domicile_room::event::{self, EventDraft, Place, ServerSigner};
use ruma::{OwnedRoomId, OwnedUserId, events::TimelineEventType, serde::Raw};
use serde_json::{Value, json, value::to_raw_value};

use super::TestServer;

impl TestServer {
    /// Gives somebody of another server a membership in a room: `join` or `leave`.
    pub async fn stranger(&self, room_id: &str, user_id: &str, membership: &str) {
        let sender = &self.services.sender;
        let room_id = OwnedRoomId::try_from(room_id).expect("a room id");
        let user_id = OwnedUserId::try_from(user_id).expect("a user id");
        let room = sender.rooms().get(&room_id).await.expect("a room");
        let _writer = room.writer().await;
        let mut staging = sender.begin(&room);
        let facts = Arc::clone(&staging.view.facts);
        let allowing = [Some(&facts.create), facts.power_levels_event.as_ref(), facts.join_rules.as_ref()];
        let skipped = usize::from(room.info.rules.authorization.room_create_event_id_as_room_id);
        let draft = EventDraft {
            kind: TimelineEventType::RoomMember,
            sender: user_id.clone(),
            state_key: Some(user_id.to_string()),
            content: to_raw_value(&json!({ "membership": membership })).expect("JSON"),
            redacts: None,
        };
        let place = Place {
            room_id: Some(room_id),
            prev_events: staging.view.extremities.iter().map(|(_, id)| id.clone()).collect(),
            auth_events: allowing.into_iter().skip(skipped).flatten().map(|pdu| pdu.event_id().to_owned()).collect(),
            depth: staging.view.depth + 1,
            origin_server_ts: self.clock.now_ms(),
        };
        let signer = ServerSigner::from_seed(user_id.server_name().to_owned(), &[7; 32], "1").expect("a key");
        let pdu = event::build(draft, place, &room.info.rules, &signer).expect("an event");
        let accepted = Accepted {
            pdu: Arc::new(pdu),
            known: None,
            graph_state: staging.view.state_root,
            auths: Vec::new(),
            resolved: None,
            tell: false,
        };
        sender.accept(&mut staging, accepted).await.expect("an event that is taken");
        sender.commit(Some(&room), staging).await.expect("an event that is written");
    }

    /// Takes EDUs of another server, each of a type and with a content.
    pub async fn hear<'a>(&self, origin: &str, edus: impl IntoIterator<Item = (&'a str, Value)>) {
        let edus = edus.into_iter().map(|(edu_type, content)| {
            let edu = json!({ "edu_type": edu_type, "content": content });
            Raw::from_json(to_raw_value(&edu).expect("JSON"))
        });
        let origin = origin.try_into().expect("a server name");
        self.services.edus.receive(origin, edus.collect()).await.expect("EDUs that are taken");
    }

    /// What waits for other servers: the server, the type and the content, in order.
    pub async fn outgoing(&self) -> Vec<(String, String, Value)> {
        let read = self.store.read(|snapshot| async move {
            let sql = "SELECT d.destination, e.kind, e.content FROM outgoing_edus e
                       JOIN destinations d ON d.destination_num = e.destination_num ORDER BY e.edu_num";
            let mut found = Vec::new();
            for row in snapshot.query(sql, &[]).await? {
                let content = serde_json::from_str(row.text(2)?).expect("JSON");
                found.push((row.text(0)?.to_owned(), row.text(1)?.to_owned(), content));
            }
            Ok::<_, domicile_store::StoreError>(found)
        });
        read.await.expect("what waits")
    }
}
