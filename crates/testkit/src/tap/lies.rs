//! Events that are not what they seem: each takes a right one as it is sent to other servers and gives a wrong one.

use ruma::OwnedEventId;
use serde_json::{Value, json};

/// The signature is of another key.
pub fn wrong_signature(event: &Value) -> Value {
    let mut event = event.clone();
    for of_server in event["signatures"].as_object_mut().into_iter().flat_map(|servers| servers.values_mut()) {
        for signature in of_server.as_object_mut().into_iter().flat_map(|keys| keys.values_mut()) {
            *signature = "A".repeat(86).into();
        }
    }
    event
}

/// There is no signature at all.
pub fn unsigned(event: &Value) -> Value {
    with(event, "signatures", json!({}))
}

/// Somebody of another server is said to have sent it.
pub fn forged_sender(event: &Value, sender: &str) -> Value {
    with(event, "sender", sender.into())
}

/// The content is another one than what was hashed.
pub fn wrong_hash(event: &Value) -> Value {
    with(event, "content", json!({ "msgtype": "m.text", "body": "never said" }))
}

/// It is larger than an event may be.
pub fn oversized(event: &Value) -> Value {
    with(event, "content", json!({ "msgtype": "m.text", "body": "x".repeat(70_000) }))
}

/// It is nested so deeply that whoever follows falls.
pub fn nested(event: &Value, depth: usize) -> String {
    let text = with(event, "content", json!("NESTED")).to_string();
    text.replace("\"NESTED\"", &format!("{{\"a\":{}1{}}}", "[".repeat(depth), "]".repeat(depth)))
}

/// A field is another one. What was signed is no more what stands there.
pub fn with(event: &Value, key: &str, value: Value) -> Value {
    let mut event = event.clone();
    event[key] = value;
    event
}

/// Ids of events that there are not.
pub fn unknown_events(count: usize) -> Vec<OwnedEventId> {
    let id = |number: usize| OwnedEventId::try_from(format!("${number:0>43}")).ok();
    (0..count).filter_map(id).collect()
}
