//! What clients asked for before there was `/sync`, and what those outside a room may look at.

#![expect(clippy::expect_used, reason = "a step of a test that fails ends the test")]

use std::time::Duration;

use domicile_testkit::server::{TestServer, TestUser};
use serde_json::{Value, json};

const V3: &str = "/_matrix/client/v3";

async fn room(by: &TestUser, body: Value) -> String {
    by.post(&format!("{V3}/createRoom"), &body).await.ok()["room_id"].as_str().expect("a room").to_owned()
}

async fn say(by: &TestUser, room: &str, text: &str) -> String {
    let path = format!("{V3}/rooms/{room}/send/m.room.message/{text}");
    let sent = by.put(&path, &json!({ "msgtype": "m.text", "body": text })).await.ok();
    sent["event_id"].as_str().expect("an event").to_owned()
}

fn bodies(events: &Value) -> Vec<&str> {
    let events = events.as_array().map(Vec::as_slice).unwrap_or_default();
    events.iter().filter_map(|event| event["content"]["body"].as_str()).collect()
}

fn world_readable() -> Value {
    let state = json!({ "type": "m.room.history_visibility", "content": { "history_visibility": "world_readable" } });
    json!({ "preset": "public_chat", "visibility": "public", "initial_state": [state] })
}

#[tokio::test]
async fn everything_comes_at_once_and_then_what_is_new() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let chat = room(&alice, json!({ "preset": "public_chat", "name": "chat" })).await;
    let left = room(&alice, json!({ "preset": "public_chat" })).await;
    let invited = room(&alice, json!({ "invite": [bob.id()] })).await;
    for room in [&chat, &left] {
        bob.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    }
    bob.post(&format!("{V3}/rooms/{left}/leave"), &json!({})).await.ok();
    for text in ["one", "two", "three"] {
        say(&alice, &chat, text).await;
    }
    bob.put(&format!("{V3}/user/{}/account_data/m.x", bob.id()), &json!({ "a": 1 })).await.ok();
    let all = bob.get(&format!("{V3}/initialSync?limit=2")).await.ok();
    let find = |all: &Value, room: &str| {
        let rooms = all["rooms"].as_array().expect("rooms").clone();
        rooms.into_iter().find(|found| found["room_id"] == *room)
    };
    let shown = find(&all, &chat).expect("the room");
    assert_eq!((&shown["membership"], &shown["visibility"]), (&json!("join"), &json!("private")));
    assert_eq!(bodies(&shown["messages"]["chunk"]), ["two", "three"]);
    assert_eq!(shown["messages"]["chunk"][0]["room_id"], chat);
    assert!(shown["state"].to_string().contains("m.room.name"));
    let start = shown["messages"]["start"].as_str().expect("a token");
    let older = bob.get(&format!("{V3}/rooms/{chat}/messages?dir=b&limit=1&from={start}")).await.ok();
    assert_eq!(bodies(&older["chunk"]), ["one"]);
    let invite = find(&all, &invited).expect("the invite");
    assert_eq!((&invite["membership"], &invite["invite"]["state_key"]), (&json!("invite"), &json!(bob.id())));
    assert!(invite["invite"]["event_id"].is_string());
    assert_eq!(find(&all, &left), None);
    let archived = bob.get(&format!("{V3}/initialSync?archived=true")).await.ok();
    assert_eq!(find(&archived, &left).expect("the room that was left")["membership"], "leave");
    assert!(all["presence"].is_array() && all["account_data"].to_string().contains("m.x"));

    let from = all["end"].as_str().expect("a token");
    let nothing = bob.get(&format!("{V3}/events?from={from}&timeout=0")).await.ok();
    assert_eq!((&nothing["chunk"], &nothing["start"]), (&Value::Null, &json!(from)));
    let waiting = tokio::spawn({
        let (bob, path) = (bob.clone(), format!("{V3}/events?from={from}&timeout=20000"));
        async move { bob.get(&path).await.ok() }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    say(&alice, &chat, "four").await;
    let news = waiting.await.expect("an answer");
    assert_eq!(bodies(&news["chunk"]), ["four"]);
    assert_eq!(news["chunk"][0]["room_id"], chat);
    let end = news["end"].as_str().expect("a token");
    let again = bob.get(&format!("{V3}/events?from={end}&timeout=0")).await.ok();
    assert_eq!(again["chunk"], Value::Null, "what was told is not told again");
}

#[tokio::test]
async fn listening_takes_nothing_out_of_the_inbox() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let start = bob.get(&format!("{V3}/sync")).await.ok()["next_batch"].as_str().expect("a token").to_owned();
    let message = json!({ "messages": { bob.id(): { &bob.device_id: { "a": 1 } } } });
    alice.put(&format!("{V3}/sendToDevice/m.x/1"), &message).await.ok();
    let listened = bob.get(&format!("{V3}/events?from={start}&timeout=0")).await.ok();
    let end = listened["end"].as_str().expect("a token").to_owned();
    bob.get(&format!("{V3}/events?from={end}&timeout=0")).await.ok();
    let synced = bob.get(&format!("{V3}/sync?since={start}")).await.ok();
    assert_eq!(synced["to_device"]["events"][0]["content"], json!({ "a": 1 }));
}

#[tokio::test]
async fn a_room_that_all_the_world_reads_can_be_looked_into() {
    let server = TestServer::start().await.with_user("alice").await.with_user("carol").await;
    let (alice, carol) = (server.user("alice"), server.user("carol"));
    let open = room(&alice, world_readable()).await;
    let closed = room(&alice, json!({ "preset": "public_chat" })).await;
    say(&alice, &open, "one").await;
    let peeked = carol.get(&format!("{V3}/rooms/{open}/initialSync")).await.ok();
    assert_eq!((&peeked["room_id"], &peeked["visibility"]), (&json!(open), &json!("public")));
    assert_eq!(peeked["membership"], Value::Null);
    assert_eq!(bodies(&peeked["messages"]["chunk"]), ["one"]);
    assert!(peeked["state"].to_string().contains("m.room.create"));
    let own = alice.get(&format!("{V3}/rooms/{open}/initialSync")).await.ok();
    assert_eq!(own["membership"], "join");

    let from = peeked["messages"]["end"].as_str().expect("a token");
    let stream = format!("{V3}/events?room_id={open}");
    let waiting = tokio::spawn({
        let (carol, path) = (carol.clone(), format!("{stream}&from={from}&timeout=20000"));
        async move { carol.get(&path).await.ok() }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    say(&alice, &closed, "elsewhere").await;
    let two = say(&alice, &open, "two").await;
    let news = waiting.await.expect("an answer");
    assert_eq!(bodies(&news["chunk"]), ["two"]);
    assert_eq!((&news["chunk"][0]["event_id"], &news["start"]), (&json!(two), &json!(from)));
    let end = news["end"].as_str().expect("a token");
    assert_eq!(carol.get(&format!("{stream}&from={end}&timeout=300")).await.ok()["chunk"], Value::Null);
    say(&alice, &open, "three").await;
    assert_eq!(bodies(&carol.get(&format!("{stream}&from={end}")).await.ok()["chunk"]), ["three"]);

    for path in [format!("{V3}/events?room_id={closed}"), format!("{V3}/rooms/{closed}/initialSync")] {
        carol.get(&path).await.fails(403, "M_FORBIDDEN");
    }
    carol.get(&format!("{V3}/events?room_id=!none:localhost")).await.fails(403, "M_FORBIDDEN");
    carol.get(&format!("{V3}/rooms/!none:localhost/initialSync")).await.fails(403, "M_FORBIDDEN");
}

#[tokio::test]
async fn one_event_is_found_wherever_it_is_by_those_who_may_see_it() {
    let server = TestServer::start().await.with_user("alice").await.with_user("carol").await;
    let (alice, carol) = (server.user("alice"), server.user("carol"));
    let room = room(&alice, json!({ "preset": "public_chat" })).await;
    let event = say(&alice, &room, "one").await;
    let found = alice.get(&format!("{V3}/events/{event}")).await.ok();
    assert_eq!((&found["event_id"], &found["room_id"]), (&json!(event), &json!(room)));
    carol.get(&format!("{V3}/events/{event}")).await.fails(404, "M_NOT_FOUND");
    alice.get(&format!("{V3}/events/$none")).await.fails(404, "M_NOT_FOUND");
    alice.get(&format!("{V3}/events/none")).await.fails(400, "M_INVALID_PARAM");
    alice.get(&format!("{V3}/events?from=x")).await.fails(400, "M_INVALID_PARAM");
    alice.get(&format!("{V3}/events?timeout=x")).await.fails(400, "M_INVALID_PARAM");
    alice.get(&format!("{V3}/initialSync?limit=-1")).await.fails(400, "M_INVALID_PARAM");
    let nobody = server.anonymous();
    for path in ["events", "initialSync", &format!("events/{event}"), &format!("rooms/{room}/initialSync")] {
        nobody.get(&format!("{V3}/{path}")).await.fails(401, "M_MISSING_TOKEN");
    }
}
