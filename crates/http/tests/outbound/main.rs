//! What other servers are told: each thing once it is acknowledged, in order, whatever fails meanwhile. A courier stands for the network.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a step of a test that fails ends the test"
)]

mod absent;
mod at_random;
mod dead;
mod edus;
mod network;
mod rests;
mod together;

use std::time::Duration;

use domicile_core::clock::SECOND_MS;
use domicile_testkit::{
    courier::{Courier, Received},
    server::{Settings, TestServer, TestUser},
};
use serde_json::{Value, json};

const V3: &str = "/_matrix/client/v3";
/// What takes longer than this does not come.
const SOON: Duration = Duration::from_secs(20);

/// A server whose words to others the courier carries, with alice.
async fn server(courier: &Courier) -> TestServer {
    let settings = Settings { carrier: Some(courier.clone()), ..Settings::default() };
    TestServer::with_settings(settings).await.with_user("alice").await
}

async fn room(by: &TestUser) -> String {
    let made = by.post(&format!("{V3}/createRoom"), &json!({ "preset": "public_chat" })).await.ok();
    made["room_id"].as_str().expect("a room").to_owned()
}

async fn say(by: &TestUser, room: &str, text: &str) -> String {
    let path = format!("{V3}/rooms/{room}/send/m.room.message/{text}");
    let sent = by.put(&path, &json!({ "msgtype": "m.text", "body": text })).await.ok();
    sent["event_id"].as_str().expect("an event").to_owned()
}

async fn kick(by: &TestUser, room: &str, user_id: &str) {
    by.post(&format!("{V3}/rooms/{room}/kick"), &json!({ "user_id": user_id })).await.ok();
}

/// Bodies of messages in the order in which they came.
fn bodies(received: &[Received]) -> Vec<String> {
    let pdus = received.iter().flat_map(|transaction| &transaction.pdus);
    pdus.filter_map(|pdu| pdu["content"]["body"].as_str().map(str::to_owned)).collect()
}

/// The contents of EDUs of a type in the order in which they came.
fn edus(received: &[Received], kind: &str) -> Vec<Value> {
    let edus = received.iter().flat_map(|transaction| &transaction.edus);
    edus.filter(|edu| edu["edu_type"] == kind).map(|edu| edu["content"].clone()).collect()
}

/// Waits until something holds while time goes on: what is due later counts from when the server looked, which may be a moment after it was told.
async fn in_time(server: &TestServer, courier: &Courier, holds: impl Fn(&Courier) -> bool) -> bool {
    let holds = |courier: &Courier| {
        server.clock.advance(SECOND_MS);
        holds(courier)
    };
    courier.until(SOON, holds).await
}

/// Waits until the server has noted how often in a row another one was not reached: it rests from then on.
async fn noted(server: &TestServer, name: &'static str, failures: i64) {
    let noting = async {
        while server.destination(name).await.failures != failures {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let is_noted = tokio::time::timeout(SOON, noting).await.is_ok();
    assert!(is_noted, "{name} failed {} times, not {failures}", server.destination(name).await.failures);
}

#[tokio::test]
async fn a_message_comes_to_every_server_of_its_room_and_to_no_other() {
    let courier = Courier::new(1);
    let server = server(&courier).await;
    let alice = server.user("alice");
    let (one, other) = (room(&alice).await, room(&alice).await);
    server.strangers(&one, &["@a:a.org", "@b:b.org"], "join").await;
    server.strangers(&other, &["@b:b.org", "@c:c.org"], "join").await;
    say(&alice, &one, "for-a-and-b").await;
    say(&alice, &other, "for-b-and-c").await;
    let all = courier.until(SOON, |courier| {
        bodies(&courier.received("b.org")).len() == 2
            && !courier.received("a.org").is_empty()
            && !courier.received("c.org").is_empty()
    });
    assert!(all.await);
    assert_eq!(bodies(&courier.received("a.org")), ["for-a-and-b"]);
    assert_eq!(bodies(&courier.received("b.org")), ["for-a-and-b", "for-b-and-c"]);
    assert_eq!(bodies(&courier.received("c.org")), ["for-b-and-c"]);
    let pdu = &courier.received("a.org")[0].pdus[0];
    assert_eq!((&pdu["room_id"], &pdu["sender"]), (&json!(one), &json!("@alice:localhost")));
    assert!(pdu["signatures"]["localhost"].is_object() && pdu["event_id"].is_null(), "{pdu}");

    // Who is put out hears of it, and of nothing after.
    kick(&alice, &one, "@a:a.org").await;
    say(&alice, &one, "only-for-b").await;
    let told = courier.until(SOON, |courier| {
        bodies(&courier.received("b.org")).len() == 3
            && courier.received("a.org").iter().flat_map(|t| &t.pdus).count() == 2
    });
    assert!(told.await, "{:?}", courier.received("a.org"));
    let kick = courier.received("a.org").last().unwrap().pdus.last().unwrap().clone();
    assert_eq!((&kick["state_key"], &kick["content"]["membership"]), (&json!("@a:a.org"), &json!("leave")));

    // Who comes again is told what comes after.
    server.strangers(&one, &["@a:a.org"], "join").await;
    say(&alice, &one, "again").await;
    assert!(courier.until(SOON, |courier| bodies(&courier.received("a.org")).len() == 2).await);
    assert_eq!(bodies(&courier.received("a.org")), ["for-a-and-b", "again"]);
}
