//! A room with more members and more other state than is read at once.

use std::collections::BTreeSet;

use domicile_testkit::{server::TestServer, tap::Tap};
use serde_json::{Value, json};

use crate::pair::V3;

/// Members of the tap's room beside `eve`, and other state events of one type: of each more than one part.
const MANY: usize = 510;
const KIND: &str = "org.example.place";

fn state_keys(events: &Value, kind: &str) -> BTreeSet<String> {
    let events = events.as_array().unwrap().iter().filter(|event| event["type"] == kind);
    events.map(|event| event["state_key"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_large_state_is_told_whole() {
    let (tap, server) = (Tap::start().await, TestServer::start_federating().await.with_user("alice").await);
    let (room, alice) = (tap.room("12"), server.user("alice"));
    let mut joined = BTreeSet::from([tap.user("eve").to_string(), alice.id().to_string()]);
    for number in 0..MANY {
        room.member(&format!("m{number}"), "join");
        joined.insert(tap.user(&format!("m{number}")).to_string());
        room.state("eve", KIND, &number.to_string(), &json!({ "number": number }));
    }
    room.member("m0", "leave");
    let everybody = joined.clone();
    joined.remove(tap.user("m0").as_str());
    let room_id = room.room_id();
    alice.post(&format!("{V3}/join/{room_id}?via={}", tap.name()), &json!({})).await.ok();

    let members = alice.get(&format!("{V3}/rooms/{room_id}/members")).await.ok();
    assert_eq!(state_keys(&members["chunk"], "m.room.member"), everybody);
    assert_eq!(members["chunk"].as_array().unwrap().len(), everybody.len(), "each once, and nothing else");
    let members = alice.get(&format!("{V3}/rooms/{room_id}/members?membership=join")).await.ok();
    assert_eq!(state_keys(&members["chunk"], "m.room.member"), joined);
    let told = alice.get(&format!("{V3}/rooms/{room_id}/joined_members")).await.ok();
    assert!(told["joined"].as_object().unwrap().keys().eq(joined.iter()));

    let state = alice.get(&format!("{V3}/rooms/{room_id}/state")).await.ok();
    assert_eq!(state_keys(&state, "m.room.member"), everybody);
    assert_eq!(state_keys(&state, KIND), (0..MANY).map(|number| number.to_string()).collect());
}
