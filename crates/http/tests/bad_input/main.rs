//! What does not fit is answered with a Matrix error, leaves nothing behind, and is never the server's failure.
//!
//! `requests` goes through every operation that is served, `events` through what clients put into rooms.

#![expect(clippy::unwrap_used, reason = "a test whose helper fails has failed")]

mod events;
mod requests;

use domicile_testkit::server::{Answered, TestUser};
use serde_json::{Value, json};

const V3: &str = "/_matrix/client/v3";

/// The status and the `errcode`, which is empty in a success.
fn outcome(answer: &Answered) -> (u16, String) {
    let body: Value = serde_json::from_slice(&answer.bytes).unwrap_or_default();
    (answer.status.as_u16(), body["errcode"].as_str().unwrap_or_default().to_owned())
}

/// Makes a room and gives its id.
async fn room(by: &TestUser, body: &Value) -> String {
    let made = by.post(&format!("{V3}/createRoom"), body).await.ok();
    made["room_id"].as_str().unwrap().to_owned()
}

/// Sends an event and gives its id as it stands in a path.
async fn say(by: &TestUser, room: &str, txn: &str) -> String {
    let path = format!("{V3}/rooms/{room}/send/m.room.message/{txn}");
    let said = by.put(&path, &json!({ "msgtype": "m.text", "body": txn })).await.ok();
    said["event_id"].as_str().unwrap().replace('/', "%2F")
}
