//! Rooms over HTTP: making them, coming and going, sending, reading, and what others may not.

use domicile_app::accounts::rate_limits::{Rate, RateLimitSettings};
use domicile_testkit::server::{Settings, TestServer, TestUser};
use serde_json::{Value, json};

const V3: &str = "/_matrix/client/v3";

async fn room(by: &TestUser, body: Value) -> String {
    by.post(&format!("{V3}/createRoom"), &body).await.ok()["room_id"].as_str().unwrap_or_default().to_owned()
}

async fn send(by: &TestUser, room: &str, txn: &str, text: &str) -> String {
    let path = format!("{V3}/rooms/{room}/send/m.room.message/{txn}");
    let answer = by.put(&path, &json!({ "msgtype": "m.text", "body": text })).await.ok();
    answer["event_id"].as_str().unwrap_or_default().to_owned()
}

fn bodies(events: &Value) -> Vec<&str> {
    let events = events.as_array().map(Vec::as_slice).unwrap_or_default();
    events.iter().filter_map(|event| event["content"]["body"].as_str()).collect()
}

#[tokio::test]
async fn every_version_and_preset_makes_a_room_that_works() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    for version in ["3", "4", "5", "6", "7", "8", "9", "10", "11", "12"] {
        for preset in ["private_chat", "trusted_private_chat", "public_chat"] {
            let wanted =
                json!({ "room_version": version, "preset": preset, "invite": ["@bob:localhost"], "name": "n" });
            let room = room(&alice, wanted).await;
            bob.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
            let event = send(&bob, &room, "1", "hello").await;
            // Event ids of version 3 have slashes in them.
            let event = event.replace('/', "%2F");
            let read = alice.get(&format!("{V3}/rooms/{room}/event/{event}")).await.ok();
            assert_eq!(read["content"]["body"], "hello", "{version} {preset}");
            let encryption = alice.get(&format!("{V3}/rooms/{room}/state/m.room.encryption")).await;
            assert_eq!(encryption.status.is_success(), preset != "public_chat", "private rooms are encrypted");
        }
    }
    let unknown = json!({ "room_version": "99" });
    alice.post(&format!("{V3}/createRoom"), &unknown).await.fails(400, "M_UNSUPPORTED_ROOM_VERSION");
}

#[tokio::test]
async fn a_transaction_is_one_event() {
    let server = TestServer::start().await.with_user("alice").await;
    let alice = server.user("alice");
    let room = room(&alice, json!({})).await;
    let first = send(&alice, &room, "same", "once").await;
    assert_eq!(send(&alice, &room, "same", "once").await, first);
    assert_ne!(send(&alice, &room, "other", "once").await, first);
    let again = server.login("alice").await;
    assert_ne!(send(&again, &room, "same", "once").await, first, "another device's transactions are its own");
    let page = alice.get(&format!("{V3}/rooms/{room}/messages?dir=b&limit=50")).await.ok();
    assert_eq!(bodies(&page["chunk"]).len(), 3);
}

#[tokio::test]
async fn what_was_allowed_is_refused_once_the_room_forbids_it() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    for version in ["3", "10", "12"] {
        let wanted = json!({ "room_version": version, "invite": ["@bob:localhost"] });
        let room = room(&alice, wanted).await;
        let rooms = format!("{V3}/rooms/{room}");
        bob.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
        let levels = alice.get(&format!("{rooms}/state/m.room.power_levels")).await.ok();
        let mut txn = 0;
        let mut tries = async |kind: &str| {
            txn += 1;
            bob.put(&format!("{rooms}/send/{kind}/{txn}"), &json!({ "body": "x" })).await
        };
        let set = async |key: &str, level: Value| {
            let mut levels = levels.clone();
            levels[key] = level;
            alice.put(&format!("{rooms}/state/m.room.power_levels"), &levels).await.ok();
        };
        for kind in ["m.room.message", "m.room.message", "org.example.x", "org.example.x"] {
            tries(kind).await.ok();
        }
        set("events", json!({ "m.room.message": 50 })).await;
        tries("m.room.message").await.fails(403, "M_FORBIDDEN");
        tries("org.example.x").await.ok();
        set("events_default", json!(50)).await;
        tries("m.room.message").await.fails(403, "M_FORBIDDEN");
        tries("org.example.x").await.fails(403, "M_FORBIDDEN");
        set("events_default", json!(0)).await;
        tries("m.room.message").await.ok();
        // State is not allowed because a message of the same type was.
        bob.put(&format!("{rooms}/state/org.example.x"), &json!({})).await.fails(403, "M_FORBIDDEN");
        alice.post(&format!("{rooms}/kick"), &json!({ "user_id": "@bob:localhost" })).await.ok();
        tries("m.room.message").await.fails(403, "M_FORBIDDEN");
        alice.post(&format!("{rooms}/invite"), &json!({ "user_id": "@bob:localhost" })).await.ok();
        tries("m.room.message").await.fails(403, "M_FORBIDDEN");
        bob.post(&format!("{rooms}/join"), &json!({})).await.ok();
        tries("m.room.message").await.ok();
        // The events that allow one are those that the room has now.
        let event = tries("m.room.message").await.ok()["event_id"].as_str().unwrap().replace('/', "%2F");
        alice.get(&format!("{rooms}/event/{event}")).await.ok();
    }
}

#[tokio::test]
async fn strangers_and_the_banned_get_nothing() {
    let server = TestServer::start().await.with_user("alice").await.with_user("mallory").await;
    let (alice, mallory) = (server.user("alice"), server.user("mallory"));
    let room = room(&alice, json!({ "preset": "private_chat" })).await;
    let event = send(&alice, &room, "1", "secret").await;
    let rooms = format!("{V3}/rooms/{room}");
    mallory.post(&format!("{V3}/join/{room}"), &json!({})).await.fails(403, "M_FORBIDDEN");
    mallory.put(&format!("{rooms}/send/m.room.message/1"), &json!({ "body": "x" })).await.fails(403, "M_FORBIDDEN");
    mallory.put(&format!("{rooms}/state/m.room.name"), &json!({ "name": "x" })).await.fails(403, "M_FORBIDDEN");
    mallory.get(&format!("{rooms}/state")).await.fails(403, "M_FORBIDDEN");
    mallory.get(&format!("{rooms}/members")).await.fails(403, "M_FORBIDDEN");
    mallory.get(&format!("{rooms}/joined_members")).await.fails(403, "M_FORBIDDEN");
    mallory.get(&format!("{rooms}/messages?dir=b")).await.fails(403, "M_FORBIDDEN");
    mallory.get(&format!("{rooms}/event/{event}")).await.fails(404, "M_NOT_FOUND");
    mallory
        .put(&format!("{rooms}/typing/@mallory:localhost"), &json!({ "typing": true, "timeout": 1_000 }))
        .await
        .fails(403, "M_FORBIDDEN");
    mallory.post(&format!("{rooms}/receipt/m.read/{event}"), &json!({})).await.fails(403, "M_FORBIDDEN");
    mallory.put(&format!("{rooms}/redact/{event}/1"), &json!({})).await.fails(403, "M_FORBIDDEN");
    let target = json!({ "user_id": "@mallory:localhost" });
    mallory.post(&format!("{rooms}/invite"), &target).await.fails(403, "M_FORBIDDEN");
    alice.post(&format!("{rooms}/invite"), &target).await.ok();
    alice.post(&format!("{rooms}/ban"), &target).await.ok();
    mallory.post(&format!("{V3}/join/{room}"), &json!({})).await.fails(403, "M_FORBIDDEN");
    alice.post(&format!("{rooms}/invite"), &target).await.fails(403, "M_FORBIDDEN");
    alice.post(&format!("{rooms}/unban"), &target).await.ok();
    alice.post(&format!("{rooms}/invite"), &target).await.ok();
    mallory.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
}

#[tokio::test]
async fn who_left_sees_what_was_before_and_nothing_after() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let room = room(&alice, json!({ "preset": "private_chat", "invite": ["@bob:localhost"] })).await;
    let before = send(&alice, &room, "1", "before").await;
    bob.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    send(&alice, &room, "2", "during").await;
    bob.post(&format!("{V3}/rooms/{room}/leave"), &json!({})).await.ok();
    let after = send(&alice, &room, "3", "after").await;
    let page = bob.get(&format!("{V3}/rooms/{room}/messages?dir=b&limit=50")).await.ok();
    assert_eq!(bodies(&page["chunk"]), ["during", "before"], "shared history, up to the leaving");
    bob.get(&format!("{V3}/rooms/{room}/event/{before}")).await.ok();
    bob.get(&format!("{V3}/rooms/{room}/event/{after}")).await.fails(404, "M_NOT_FOUND");
    bob.post(&format!("{V3}/rooms/{room}/forget"), &json!({})).await.ok();
}

#[tokio::test]
async fn history_that_is_for_members_begins_with_membership() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let joined = json!([{ "type": "m.room.history_visibility", "content": { "history_visibility": "joined" } }]);
    let room = room(&alice, json!({ "preset": "public_chat", "initial_state": joined })).await;
    send(&alice, &room, "1", "before").await;
    bob.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    send(&alice, &room, "2", "after").await;
    let page = bob.get(&format!("{V3}/rooms/{room}/messages?dir=b&limit=50")).await.ok();
    assert_eq!(bodies(&page["chunk"]), ["after"]);
}

#[tokio::test]
async fn a_redaction_empties_the_event() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let room = room(&alice, json!({ "preset": "public_chat" })).await;
    bob.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    let mine = send(&alice, &room, "1", "mine").await;
    let theirs = send(&bob, &room, "1", "theirs").await;
    bob.put(&format!("{V3}/rooms/{room}/redact/{theirs}/2"), &json!({ "reason": "typo" })).await.ok();
    bob.put(&format!("{V3}/rooms/{room}/redact/{mine}/3"), &json!({})).await;
    let kept = alice.get(&format!("{V3}/rooms/{room}/event/{mine}")).await.ok();
    assert_eq!(kept["content"]["body"], "mine", "nobody without the power redacts others");
    let gone = alice.get(&format!("{V3}/rooms/{room}/event/{theirs}")).await.ok();
    assert_eq!(gone["content"], json!({}));
    assert_eq!(gone["unsigned"]["redacted_because"]["content"]["reason"], "typo");
    let page = bob.get(&format!("{V3}/rooms/{room}/messages?dir=b&limit=50")).await.ok();
    assert_eq!(bodies(&page["chunk"]), ["mine"]);
}

#[tokio::test]
async fn restricted_rooms_let_members_of_others_in() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await.with_user("carol").await;
    let (alice, bob, carol) = (server.user("alice"), server.user("bob"), server.user("carol"));
    let club = room(&alice, json!({ "preset": "public_chat" })).await;
    bob.post(&format!("{V3}/join/{club}"), &json!({})).await.ok();
    let rule = json!([{ "type": "m.room.join_rules", "content": {
        "join_rule": "restricted", "allow": [{ "type": "m.room_membership", "room_id": club }] } }]);
    for version in ["8", "10", "12"] {
        let inner = room(&alice, json!({ "room_version": version, "initial_state": rule })).await;
        bob.post(&format!("{V3}/join/{inner}"), &json!({})).await.ok();
        carol.post(&format!("{V3}/join/{inner}"), &json!({})).await.fails(403, "M_FORBIDDEN");
    }
}

#[tokio::test]
async fn bad_events_are_refused_and_leave_nothing() {
    let server = TestServer::start().await.with_user("alice").await;
    let alice = server.user("alice");
    let room = room(&alice, json!({})).await;
    let path = |txn: &str| format!("{V3}/rooms/{room}/send/m.room.message/{txn}");
    let large = json!({ "body": "x".repeat(65_536) });
    alice.put(&path("1"), &large).await.fails(413, "M_TOO_LARGE");
    alice.put(&path("2"), &json!({ "n": 1.5 })).await.fails(400, "M_BAD_JSON");
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(110), "]".repeat(110));
    alice.send(axum::http::Method::PUT, &path("3"), deep).await.fails(400, "M_BAD_JSON");
    alice.send(axum::http::Method::PUT, &path("4"), "{").await.fails(400, "M_NOT_JSON");
    alice.send(axum::http::Method::PUT, &path("5"), "[]").await.fails(400, "M_BAD_JSON");
    alice.send(axum::http::Method::PUT, &path("6"), vec![b'"', 0xff, b'"']).await.fails(400, "M_NOT_JSON");
    let long = format!("{V3}/rooms/{room}/send/{}/7", "t".repeat(300));
    alice.put(&long, &json!({})).await.fails(413, "M_TOO_LARGE");
    let page = alice.get(&format!("{V3}/rooms/{room}/messages?dir=b&limit=100")).await.ok();
    let kinds: Vec<_> = page["chunk"].as_array().into_iter().flatten().map(|event| event["type"].clone()).collect();
    assert!(!kinds.contains(&json!("m.room.message")), "{kinds:?}");
}

#[tokio::test]
async fn aliases_are_unique_and_paging_finds_everything_once() {
    let server = TestServer::start().await.with_user("alice").await;
    let alice = server.user("alice");
    let room = room(&alice, json!({ "room_alias_name": "club", "preset": "public_chat" })).await;
    let again = json!({ "room_alias_name": "club" });
    alice.post(&format!("{V3}/createRoom"), &again).await.fails(409, "M_ROOM_IN_USE");
    assert_eq!(alice.post(&format!("{V3}/join/%23club:localhost"), &json!({})).await.ok()["room_id"], room.as_str());
    for number in 0..120 {
        send(&alice, &room, &number.to_string(), &number.to_string()).await;
    }
    let (mut from, mut found) = (String::new(), Vec::new());
    loop {
        let path = format!("{V3}/rooms/{room}/messages?dir=b&limit=17{from}");
        let page = alice.get(&path).await.ok();
        found.extend(bodies(&page["chunk"]).iter().filter_map(|body| body.parse::<i64>().ok()));
        match page["end"].as_str() {
            Some(end) => from = format!("&from={end}"),
            None => break,
        }
    }
    assert_eq!(found, (0..120).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn aliases_are_given_and_taken_by_those_who_may() {
    let server = TestServer::start().await.with_user("alice").await.with_user("mallory").await;
    let (alice, mallory) = (server.user("alice"), server.user("mallory"));
    let room = room(&alice, json!({ "preset": "private_chat" })).await;
    let path = format!("{V3}/directory/room/%23one:localhost");
    let body = json!({ "room_id": room });
    mallory.put(&path, &body).await.fails(403, "M_FORBIDDEN");
    alice.put(&path, &body).await.ok();
    alice.put(&path, &body).await.fails(409, "M_ROOM_IN_USE");
    assert_eq!(server.anonymous().get(&path).await.ok()["room_id"], room.as_str());
    let foreign = format!("{V3}/directory/room/%23one:elsewhere.example");
    alice.put(&foreign, &body).await.fails(400, "M_INVALID_PARAM");
    let listed = alice.get(&format!("{V3}/rooms/{room}/aliases")).await.ok();
    assert_eq!(listed["aliases"], json!(["#one:localhost"]));
    mallory.get(&format!("{V3}/rooms/{room}/aliases")).await.fails(403, "M_FORBIDDEN");
    mallory.delete(&path, &json!({})).await.fails(403, "M_FORBIDDEN");
    alice.delete(&path, &json!({})).await.ok();
    server.anonymous().get(&path).await.fails(404, "M_NOT_FOUND");
}

#[tokio::test]
async fn nobody_sends_without_end() {
    let rate = Rate { per_second: 1.0, burst: 3 };
    let rate_limits = RateLimitSettings { messages: Some(rate), ..RateLimitSettings::default() };
    let server =
        TestServer::with_settings(Settings { rate_limits, ..Settings::default() }).await.with_user("alice").await;
    let alice = server.user("alice");
    let room = room(&alice, json!({})).await;
    for number in 0..3 {
        send(&alice, &room, &number.to_string(), "quick").await;
    }
    let path = format!("{V3}/rooms/{room}/send/m.room.message/3");
    let refused = alice.put(&path, &json!({ "body": "quicker" })).await;
    assert!(refused.fails(429, "M_LIMIT_EXCEEDED")["retry_after_ms"].as_i64().is_some_and(|wait| wait > 0));
    server.clock.advance(2_000);
    send(&alice, &room, "4", "later").await;
}
