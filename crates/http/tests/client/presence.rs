//! Presence over HTTP: who is told what, and when.

use std::time::Duration;

use domicile_testkit::server::{Settings, TestServer, TestUser};
use serde_json::{Value, json};

const V3: &str = "/_matrix/client/v3";

async fn room(by: &TestUser) -> String {
    let body = json!({ "preset": "public_chat" });
    by.post(&format!("{V3}/createRoom"), &body).await.ok()["room_id"].as_str().unwrap_or_default().to_owned()
}

async fn join(by: &TestUser, room: &str) {
    by.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
}

async fn sync(by: &TestUser, query: &str) -> Value {
    by.get(&format!("{V3}/sync?{query}")).await.ok()
}

fn next(answer: &Value) -> String {
    format!("since={}", answer["next_batch"].as_str().unwrap_or_default())
}

fn status(of: &TestUser) -> String {
    format!("{V3}/presence/{}/status", of.id())
}

/// The content that an answer has of somebody.
fn told(answer: &Value, of: &TestUser) -> Option<Value> {
    let events = answer["presence"]["events"].as_array().cloned().unwrap_or_default();
    events.iter().find(|event| event["sender"] == of.id()).map(|event| {
        assert_eq!(event["type"], "m.presence");
        event["content"].clone()
    })
}

async fn three() -> (TestServer, TestUser, TestUser, TestUser, String) {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await.with_user("eve").await;
    let (alice, bob, eve) = (server.user("alice"), server.user("bob"), server.user("eve"));
    let room = room(&alice).await;
    join(&bob, &room).await;
    (server, alice, bob, eve, room)
}

#[tokio::test]
async fn it_is_set_and_seen_by_those_who_share_a_room() {
    let (server, alice, bob, eve, _) = three().await;
    assert_eq!(bob.get(&status(&alice)).await.ok(), json!({ "presence": "offline" }));
    alice.put(&status(&alice), &json!({ "presence": "online", "status_msg": "at \"work\"" })).await.ok();
    server.clock.advance(2_000);
    let expected = json!({
        "presence": "online", "status_msg": "at \"work\"", "last_active_ago": 2_000, "currently_active": true,
    });
    assert_eq!(bob.get(&status(&alice)).await.ok(), expected);
    assert_eq!(alice.get(&status(&alice)).await.ok(), expected);
    eve.get(&status(&alice)).await.fails(403, "M_FORBIDDEN");
    bob.get(&format!("{V3}/presence/@nobody:localhost/status")).await.fails(403, "M_FORBIDDEN");
    bob.put(&status(&alice), &json!({ "presence": "offline" })).await.fails(403, "M_FORBIDDEN");
    alice.put(&status(&alice), &json!({ "presence": "dancing" })).await.fails(400, "M_INVALID_PARAM");
    alice.put(&status(&alice), &json!({})).await.fails(400, "M_BAD_JSON");
    let long = json!({ "presence": "online", "status_msg": "x".repeat(2_000) });
    alice.put(&status(&alice), &long).await.fails(413, "M_TOO_LARGE");
    server.anonymous().get(&status(&alice)).await.fails(401, "M_MISSING_TOKEN");
    server.anonymous().put(&status(&alice), &json!({})).await.fails(401, "M_MISSING_TOKEN");
    alice.put(&status(&alice), &json!({ "presence": "unavailable" })).await.ok();
    let seen = bob.get(&status(&alice)).await.ok();
    assert_eq!((&seen["presence"], &seen["status_msg"]), (&json!("unavailable"), &Value::Null));
}

#[tokio::test]
async fn a_sync_tells_changes_once_and_an_initial_one_all() {
    let (server, alice, bob, eve, room) = three().await;
    let first = sync(&bob, "").await;
    assert_eq!(told(&first, &bob).unwrap_or_default()["presence"], "online", "one's own is told too: {first}");
    assert_eq!(told(&first, &alice), None, "she was never online: {first}");
    sync(&alice, "").await;
    sync(&eve, "").await;
    let second = sync(&bob, &next(&first)).await;
    let content = json!({ "presence": "online", "currently_active": true, "last_active_ago": 0 });
    assert_eq!(told(&second, &alice), Some(content));
    assert_eq!(told(&second, &eve), None, "they share no room");
    assert_eq!(sync(&bob, &next(&second)).await["presence"], Value::Null, "nothing changed");
    assert!(told(&sync(&bob, "").await, &alice).is_some(), "an initial sync tells everything");

    let filter = |filter: Value| format!("filter={}", json!({ "presence": filter }).to_string().replace('"', "%22"));
    for nothing in [json!({ "types": [] }), json!({ "not_types": ["m.*"] }), json!({ "limit": 0 })] {
        assert_eq!(sync(&bob, &filter(nothing)).await["presence"], Value::Null);
    }
    let only = sync(&bob, &filter(json!({ "senders": [alice.id()] }))).await;
    assert!(told(&only, &alice).is_some() && told(&only, &bob).is_none(), "{only}");
    let not = sync(&bob, &filter(json!({ "not_senders": [alice.id()] }))).await;
    assert!(told(&not, &alice).is_none() && told(&not, &bob).is_some(), "{not}");
    let one = sync(&bob, &filter(json!({ "limit": 1 }))).await;
    let rest = sync(&bob, &next(&one)).await;
    for of in [&alice, &bob] {
        assert!(told(&one, of).is_some() != told(&rest, of).is_some(), "each comes once: {one} {rest}");
    }

    // Whoever comes into a room meets who is there, and is met.
    let before = sync(&eve, "").await;
    let seen = sync(&bob, "").await;
    join(&eve, &room).await;
    let met = sync(&eve, &next(&before)).await;
    assert!(told(&met, &alice).is_some() && told(&met, &bob).is_some(), "{met}");
    assert!(told(&sync(&bob, &next(&seen)).await, &eve).is_some());
    drop(server);
}

#[tokio::test]
async fn devices_and_time_decide_together() {
    let (server, alice, bob, _, room) = three().await;
    let phone = server.login("alice").await;
    let state = async || bob.get(&status(&alice)).await.ok()["presence"].as_str().unwrap_or_default().to_owned();
    sync(&alice, "set_presence=offline").await;
    assert_eq!(state().await, "offline", "who does not want to be seen is not");
    sync(&phone, "set_presence=unavailable").await;
    assert_eq!(state().await, "unavailable");
    sync(&alice, "").await;
    assert_eq!(state().await, "online");
    server.clock.advance(25_000);
    sync(&phone, "set_presence=unavailable").await;
    server.clock.advance(10_000);
    assert_eq!(state().await, "unavailable", "the first device is gone");
    phone
        .put(&format!("{V3}/rooms/{room}/send/m.room.message/1"), &json!({ "body": "x", "msgtype": "m.text" }))
        .await
        .ok();
    assert_eq!(state().await, "online", "whoever writes is there");
    for _ in 0..11 {
        server.clock.advance(29_000);
        sync(&phone, "set_presence=unavailable").await;
    }
    assert_eq!(state().await, "unavailable", "polling is no activity");
    server.clock.advance(60_000);
    assert_eq!(state().await, "offline");
    let path = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync";
    phone.post(path, &json!({})).await.ok();
    assert_eq!(state().await, "online", "a sliding sync counts as well");
}

#[tokio::test]
async fn only_those_who_share_a_room_are_woken() {
    let (server, alice, bob, eve, _) = three().await;
    let (bobs, eves) = (next(&sync(&bob, "").await), next(&sync(&eve, "").await));
    let wait = |user: TestUser, since: String| {
        tokio::spawn(async move { sync(&user, &format!("{since}&timeout=20000")).await })
    };
    let (waiting, stranger) = (wait(bob.clone(), bobs), wait(eve.clone(), eves));
    tokio::time::sleep(Duration::from_millis(200)).await;
    sync(&alice, "").await;
    server.services.presence.tick().await.expect("a tick");
    let woken = tokio::time::timeout(Duration::from_secs(5), waiting).await.expect("woken").expect("an answer");
    assert!(told(&woken, &alice).is_some(), "{woken}");
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!stranger.is_finished(), "nothing happened to eve");
    stranger.abort();
    // After a round there is a rest, whatever changes meanwhile; then all changes come together.
    let waiting = wait(bob.clone(), next(&woken));
    tokio::time::sleep(Duration::from_millis(200)).await;
    for state in ["unavailable", "offline", "online", "unavailable"] {
        alice.put(&status(&alice), &json!({ "presence": state })).await.ok();
        server.services.presence.tick().await.expect("a tick");
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!waiting.is_finished());
    server.clock.advance(1_000);
    server.services.presence.tick().await.expect("a tick");
    let woken = tokio::time::timeout(Duration::from_secs(5), waiting).await.expect("woken").expect("an answer");
    assert_eq!(told(&woken, &alice).unwrap_or_default()["presence"], "unavailable", "{woken}");
    // Who does not want presence is not woken by it.
    let filter = json!({ "presence": { "types": [] } }).to_string().replace('"', "%22");
    let waiting = wait(bob.clone(), format!("{}&filter={filter}", next(&woken)));
    tokio::time::sleep(Duration::from_millis(200)).await;
    alice.put(&status(&alice), &json!({ "presence": "online" })).await.ok();
    server.clock.advance(1_000);
    server.services.presence.tick().await.expect("a tick");
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!waiting.is_finished());
    waiting.abort();
}

#[tokio::test]
async fn where_it_is_switched_off_nothing_is_shown() {
    let settings = Settings { presence: false, ..Settings::default() };
    let server = TestServer::with_settings(settings).await.with_user("alice").await;
    let alice = server.user("alice");
    alice.put(&status(&alice), &json!({ "presence": "online" })).await.ok();
    assert_eq!(sync(&alice, "").await["presence"], Value::Null);
    alice.get(&status(&alice)).await.fails(404, "M_NOT_FOUND");
}
