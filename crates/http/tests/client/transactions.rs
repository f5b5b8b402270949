//! Repeated requests: the same event for as long as a client may repeat them, and then they are forgotten.

#![expect(clippy::unwrap_used, reason = "a step of a test that fails ends the test")]

use domicile_core::clock::DAY_MS;
use domicile_testkit::server::{TestServer, TestUser};
use serde_json::{Value, json};

const V3: &str = "/_matrix/client/v3";

async fn say(user: &TestUser, room: &str, transaction: &str) -> Value {
    let path = format!("{V3}/rooms/{room}/send/m.room.message/{transaction}");
    user.put(&path, &json!({ "msgtype": "m.text", "body": "hello" })).await.ok()["event_id"].take()
}

async fn rows(server: &TestServer, query: &'static str) -> usize {
    let found = server.store.read(move |snapshot| async move { snapshot.query(query, &[]).await });
    found.await.unwrap().len()
}

#[tokio::test]
async fn transactions_are_forgotten_when_nobody_repeats_them_any_more() {
    let server = TestServer::start().await.with_user("alice").await;
    let alice = server.user("alice");
    server.jobs.begin().await.unwrap();
    let room = alice.post(&format!("{V3}/createRoom"), &json!({})).await.ok()["room_id"].as_str().unwrap().to_owned();
    let to_device = json!({ "messages": { alice.id(): { alice.device_id.clone(): {} } } });
    let old = say(&alice, &room, "old").await;
    alice.put(&format!("{V3}/sendToDevice/m.dummy/old"), &to_device).await.ok();
    server.clock.advance(10 * DAY_MS);
    server.jobs.run_due().await.unwrap();
    let young = say(&alice, &room, "young").await;
    assert_eq!(say(&alice, &room, "old").await, old, "repeated after ten days");
    assert_eq!(say(&alice, &room, "young").await, young);

    server.clock.advance(5 * DAY_MS);
    server.jobs.run_due().await.unwrap();
    assert_eq!(rows(&server, "SELECT 1 FROM transactions").await, 1);
    assert_eq!(rows(&server, "SELECT 1 FROM to_device_transactions").await, 0);
    assert_eq!(say(&alice, &room, "young").await, young);
    assert_ne!(say(&alice, &room, "old").await, old, "what was forgotten makes a new event");
}
