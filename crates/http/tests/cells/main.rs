//! Cells of one deployment: what people in them share, and what somebody who has stolen a cell can say.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a step of a test that fails ends the test")]

mod aliases;
mod along;
mod conversation;
mod cut_moves;
mod cuts;
mod document;
mod documents;
mod door;
mod followers;
mod gateway;
mod gateway_answers;
mod gateway_thief;
mod groups;
mod hash_keys;
mod homes;
mod key_incidents;
mod keys;
mod leaving;
mod ledger;
mod lists;
mod luck;
mod meanwhile;
mod media;
mod moves;
mod names;
mod new_regions;
mod outer_keys;
mod placement;
mod proxies;
mod relay;
mod reports;
mod rescue;
mod restore;
mod retire;
mod revoked_decider;
mod rotation;
mod rules;
mod stolen;
mod thief;
mod thief_door;
mod told;
mod uninvited;
mod witness;

use std::time::Duration;

use domicile_testkit::{cluster::Cluster, server::TestUser};
use serde_json::{Value, json};

const V3: &str = "/_matrix/client/v3";

/// Two cells with alice in the first and bob in the second.
async fn two() -> Cluster {
    Cluster::of(&["eu", "ru"]).await.with_user("eu1", "alice").await.with_user("ru1", "bob").await
}

/// A private room of alice, encrypted as these are, to which bob was invited and came.
async fn shared(alice: &TestUser, bob: &TestUser) -> String {
    shared_of(alice, bob, json!({})).await
}

/// The same with more of what a request for a room can say.
async fn shared_of(alice: &TestUser, bob: &TestUser, more: Value) -> String {
    let mut body = json!({ "preset": "private_chat", "invite": [bob.id()] });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let room = alice.post(&format!("{V3}/createRoom"), &body).await.ok()["room_id"].as_str().unwrap().to_owned();
    bob.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    room
}

/// An encrypted message of somebody, and its id. `text` is what stands for its ciphertext.
async fn say(by: &TestUser, room: &str, text: &str) -> String {
    let path = format!("{V3}/rooms/{room}/send/m.room.encrypted/{text}");
    by.put(&path, &secret(text)).await.ok()["event_id"].as_str().unwrap().to_owned()
}

pub(crate) fn secret(text: &str) -> Value {
    json!({ "algorithm": "m.megolm.v1.aes-sha2", "ciphertext": text, "session_id": "s", "device_id": "D", "sender_key": "k" })
}

/// The ids of the messages of a room as somebody reads them who pages back to its beginning, the oldest first.
async fn read(by: &TestUser, room: &str) -> Vec<String> {
    let (mut ids, mut from) = (Vec::new(), String::new());
    for _ in 0..20 {
        let page = by.get(&format!("{V3}/rooms/{room}/messages?dir=b&limit=200{from}")).await.ok();
        let messages = page["chunk"].as_array().unwrap().iter().filter(|event| event["type"] == "m.room.encrypted");
        ids.extend(messages.map(|event| event["event_id"].as_str().unwrap().to_owned()));
        match page["end"].as_str() {
            Some(end) => from = format!("&from={end}"),
            None => break,
        }
    }
    ids.reverse();
    ids
}

/// The state of a room as somebody sees it: the ids of its events, in order.
async fn state(by: &TestUser, room: &str) -> Vec<String> {
    let answer = by.get(&format!("{V3}/rooms/{room}/state")).await.ok();
    let mut ids: Vec<String> =
        answer.as_array().unwrap().iter().map(|event| event["event_id"].as_str().unwrap().to_owned()).collect();
    ids.sort_unstable();
    ids
}

/// Waits until something is so.
async fn until<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    for _ in 0..1_200 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{what}: it did not come about");
}
