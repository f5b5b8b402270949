//! Transactions of clients: a repeated request is the same event for as long as a client may repeat it, and the device that sent an event is told with
//! which transaction.

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

/// With which transaction an event came, as somebody is told who reads it in each of the ways that there are.
async fn echoes(reader: &TestUser, room: &str, event: &Value) -> Vec<Value> {
    let id = event.as_str().unwrap();
    let sync = reader.get(&format!("{V3}/sync")).await.ok();
    let sliding = json!({ "lists": { "all": { "ranges": [[0, 9]], "timeline_limit": 10, "required_state": [] } } });
    let sliding = reader.post("/_matrix/client/unstable/org.matrix.simplified_msc3575/sync", &sliding).await.ok();
    let messages = reader.get(&format!("{V3}/rooms/{room}/messages?dir=b&limit=20")).await.ok();
    let context = reader.get(&format!("{V3}/rooms/{room}/context/{id}")).await.ok();
    let alone = reader.get(&format!("{V3}/rooms/{room}/event/{id}")).await.ok();
    let lists =
        [&sync["rooms"]["join"][room]["timeline"]["events"], &sliding["rooms"][room]["timeline"], &messages["chunk"]];
    let of_lists =
        lists.into_iter().map(|list| list.as_array().unwrap().iter().find(|one| one["event_id"] == *id).unwrap());
    of_lists.chain([&context["event"], &alone]).map(|event| event["unsigned"]["transaction_id"].clone()).collect()
}

#[tokio::test]
async fn the_device_that_sent_an_event_is_told_its_transaction_and_nobody_else() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await;
    let (alice, bob, other) = (server.user("alice"), server.user("bob"), server.login("alice").await);
    let made = alice.post(&format!("{V3}/createRoom"), &json!({ "preset": "public_chat" })).await.ok();
    let room = made["room_id"].as_str().unwrap().to_owned();
    bob.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    let said = say(&alice, &room, "mine%221%22").await;
    assert_eq!(echoes(&alice, &room, &said).await, vec![json!("mine\"1\""); 5]);
    for reader in [&other, &bob] {
        assert_eq!(echoes(reader, &room, &said).await, vec![Value::Null; 5], "another device");
    }
    // Who waits for the event hears of its transaction with it.
    let since = alice.get(&format!("{V3}/sync")).await.ok()["next_batch"].as_str().unwrap().to_owned();
    let path = format!("{V3}/sync?since={since}&timeout=20000");
    let (woken, _) = tokio::join!(alice.get(&path), say(&alice, &room, "second"));
    let news = woken.ok();
    let event = &news["rooms"]["join"][&room]["timeline"]["events"][0];
    assert_eq!(event["unsigned"]["transaction_id"], "second", "{event}");
    // A redaction is an event with a transaction, too; and what is redacted was still sent by it.
    let path = format!("{V3}/rooms/{room}/redact/{}/gone", said.as_str().unwrap());
    let redaction = alice.put(&path, &json!({})).await.ok()["event_id"].take();
    assert_eq!(echoes(&alice, &room, &redaction).await, vec![json!("gone"); 5]);
    assert_eq!(echoes(&bob, &room, &redaction).await, vec![Value::Null; 5]);
    assert_eq!(echoes(&alice, &room, &said).await, vec![json!("mine\"1\""); 5]);
}
