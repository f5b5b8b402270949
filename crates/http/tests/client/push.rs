//! Notifications to push gateways: what they are told, and what becomes of it when they misbehave.

use std::{path::Path, time::Duration};

use domicile_testkit::{
    gateway::{Behaviour, ClientSettings, FakeGateway, authority, client_settings},
    server::{Settings, TestServer, TestUser},
};
use serde_json::{Value, json};

const V3: &str = "/_matrix/client/v3";

async fn server() -> TestServer {
    let settings = Settings { egress: client_settings(), ..Settings::default() };
    TestServer::with_settings(settings).await.with_user("alice").await.with_user("bob").await.with_user("carol").await
}

async fn room(by: &TestUser, body: Value) -> String {
    by.post(&format!("{V3}/createRoom"), &body).await.ok()["room_id"].as_str().unwrap_or_default().to_owned()
}

/// A public room of alice's with bob.
async fn shared_room(alice: &TestUser, bob: &TestUser) -> String {
    let room = room(alice, json!({ "preset": "public_chat", "name": "Mission Control" })).await;
    bob.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    room
}

async fn send(by: &TestUser, room: &str, text: &str) -> String {
    let path = format!("{V3}/rooms/{room}/send/m.room.message/{text}");
    let answer = by.put(&path, &json!({ "msgtype": "m.text", "body": text })).await.ok();
    answer["event_id"].as_str().unwrap_or_default().to_owned()
}

async fn push_to(by: &TestUser, url: &str, pushkey: &str, format: Option<&str>) {
    let mut data = json!({ "url": url, "brand": "x" });
    if let Some(format) = format {
        data["format"] = format.into();
    }
    let pusher = json!({
        "pushkey": pushkey, "kind": "http", "app_id": "org.example.app", "app_display_name": "App",
        "device_display_name": "Phone", "profile_tag": "tag", "lang": "en", "data": data,
    });
    by.post(&format!("{V3}/pushers/set"), &pusher).await.ok();
}

async fn pushers(of: &TestUser) -> usize {
    of.get(&format!("{V3}/pushers")).await.ok()["pushers"].as_array().map_or(0, Vec::len)
}

async fn read(by: &TestUser, room: &str, event: &str) {
    by.post(&format!("{V3}/rooms/{room}/receipt/m.read/{event}"), &json!({})).await.ok();
}

/// Waits until something holds.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..200 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(holds().await, "in vain: {what}");
}

#[tokio::test]
async fn a_message_is_pushed_whole_and_reading_clears_the_count() {
    let server = server().await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let room = shared_room(&alice, &bob).await;
    alice.put(&format!("{V3}/profile/{}/displayname", alice.id()), &json!({ "displayname": "Major Tom" })).await.ok();
    let gateway = FakeGateway::start().await;
    // In a room of three a message makes no sound.
    server.user("carol").post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    send(&alice, &room, "before").await;
    push_to(&bob, &gateway.url(), "key", None).await;
    let event = send(&alice, &room, "floating").await;
    let told = gateway.wait_for(1).await;
    let one = &told[0];
    assert_eq!(one["event_id"], event.as_str(), "nothing from before the pusher: {told:?}");
    assert_eq!(
        (&one["room_id"], &one["type"], &one["sender"], &one["sender_display_name"], &one["room_name"]),
        (&json!(room), &json!("m.room.message"), &json!(alice.id()), &json!("Major Tom"), &json!("Mission Control"))
    );
    assert_eq!(one["content"]["body"], "floating");
    assert_eq!(one["counts"], json!({ "unread": 2 }), "no count that is zero is told");
    let device = &one["devices"][0];
    assert_eq!(
        (&device["pushkey"], &device["app_id"], &device["data"]),
        (&json!("key"), &json!("org.example.app"), &json!({ "brand": "x" }))
    );
    assert_eq!(device["pushkey_ts"], domicile_testkit::server::START_MS / 1_000);
    assert_eq!(device["profile_tag"], "tag");
    // A mention is urgent, and its tweaks come with it.
    let mention = json!({ "body": "bob!", "msgtype": "m.text", "m.mentions": { "user_ids": [bob.id()] } });
    let path = format!("{V3}/rooms/{room}/send/m.room.message/mention");
    let event = alice.put(&path, &mention).await.ok()["event_id"].as_str().unwrap_or_default().to_owned();
    let told = gateway.wait_for(2).await;
    assert_eq!((&told[1]["prio"], &told[1]["devices"][0]["tweaks"]["highlight"]), (&json!("high"), &json!(true)));
    assert_eq!((&told[0]["prio"], &told[1]["counts"]["unread"]), (&json!("low"), &json!(3)));
    // Reading on another device: counts alone, without an event.
    read(&bob, &room, &event).await;
    let told = gateway.wait_for(3).await;
    assert_eq!((&told[2]["counts"], &told[2]["event_id"]), (&json!({}), &Value::Null));
    assert_eq!(told[2]["devices"][0]["pushkey"], "key");
    // One's own messages, what rules mute, and what was read already are not pushed.
    send(&bob, &room, "mine").await;
    bob.put(&format!("{V3}/pushrules/global/room/{room}"), &json!({ "actions": [] })).await.ok();
    send(&alice, &room, "muted").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(gateway.notifications().len(), 3);
    assert_eq!(gateway.connections(), 1, "one connection is used again");
    assert_eq!(server.gateways.counts().get("sent"), Some(&3));
}

#[tokio::test]
async fn invites_calls_and_ids_only() {
    let server = server().await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let gateway = FakeGateway::start().await;
    push_to(&bob, &gateway.url(), "key", Some("event_id_only")).await;
    let room = room(&alice, json!({ "invite": [bob.id()], "is_direct": true, "initial_state": [] })).await;
    let told = gateway.wait_for(1).await;
    assert_eq!(told[0]["room_id"], room.as_str());
    for absent in ["type", "sender", "content", "room_name"] {
        assert_eq!(told[0][absent], Value::Null, "only the id was wanted: {told:?}");
    }
    assert_eq!(told[0]["devices"][0]["data"]["format"], "event_id_only");
    bob.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    let call = json!({ "call_id": "1", "version": "1", "party_id": "x", "lifetime": 60_000, "offer": { "type": "offer", "sdp": "" } });
    alice.put(&format!("{V3}/rooms/{room}/send/m.call.invite/1"), &call).await.ok();
    let told = gateway.wait_for(2).await;
    assert_eq!(told[1]["counts"], json!({ "unread": 1, "missed_calls": 1 }));
    assert_eq!(told[1]["prio"], "high", "a call rings");
    let answer = json!({ "call_id": "1", "version": "1", "party_id": "y", "answer": { "type": "answer", "sdp": "" } });
    bob.put(&format!("{V3}/rooms/{room}/send/m.call.answer/2"), &answer).await.ok();
    let told = gateway.wait_for(3).await;
    assert_eq!(told[2]["counts"], json!({}), "it was taken: {told:?}");
}

#[tokio::test]
async fn a_rejected_push_key_ends_its_pusher() {
    let server = server().await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let room = shared_room(&alice, &bob).await;
    let gateway = FakeGateway::start().await;
    push_to(&bob, &gateway.url(), "good", None).await;
    push_to(&bob, &gateway.url(), "bad", None).await;
    gateway.behave(Behaviour::Rejects(vec!["bad".to_owned(), "somebody else's".to_owned()]));
    send(&alice, &room, "one").await;
    gateway.wait_for(2).await;
    until("the rejected pusher is gone", async || pushers(&bob).await == 1).await;
    send(&alice, &room, "two").await;
    let told = gateway.wait_for(3).await;
    assert_eq!(told[2]["devices"][0]["pushkey"], "good");
}

#[tokio::test]
async fn a_gateway_that_fails_is_asked_again_and_nothing_is_lost() {
    let server = server().await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let room = shared_room(&alice, &bob).await;
    let (gateway, other) = (FakeGateway::start().await, FakeGateway::start().await);
    push_to(&bob, &gateway.url(), "key", None).await;
    push_to(&bob, &other.url(), "other", None).await;
    let lies = [
        Behaviour::Status(500),
        Behaviour::Says("<html>".to_owned()),
        Behaviour::Says("{}".to_owned()),
        Behaviour::Says("x".repeat(200_000)),
        Behaviour::Redirects(other.url()),
        Behaviour::Status(404),
    ];
    for (number, behaviour) in lies.into_iter().enumerate() {
        gateway.behave(behaviour);
        send(&alice, &room, &format!("m{number}")).await;
        other.wait_for(number + 1).await;
        gateway.wait_for_requests(number + 1).await;
        until("the failure is noted", async || {
            let counts = server.gateways.counts();
            let failures: u64 = counts.iter().filter(|(word, _)| **word != "sent").map(|(_, count)| count).sum();
            failures > number as u64
        })
        .await;
        // It rests for longer and longer; then it is asked once more.
        server.clock.advance(3_600_000);
    }
    gateway.behave(Behaviour::Takes);
    server.clock.advance(3_600_000);
    let told = gateway.wait_for(6).await;
    let bodies: Vec<_> = told.iter().map(|told| told["content"]["body"].as_str().unwrap_or_default()).collect();
    assert_eq!(bodies, ["m0", "m1", "m2", "m3", "m4", "m5"], "everything, once, in order");
    assert_eq!(other.notifications().len(), 6, "the other was never held up, nor sent to by a redirection");
}

#[tokio::test]
async fn a_silent_gateway_holds_up_nobody_else() {
    let server = server().await;
    let (alice, bob, carol) = (server.user("alice"), server.user("bob"), server.user("carol"));
    let room = shared_room(&alice, &bob).await;
    carol.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    let (silent, quick) = (FakeGateway::start().await, FakeGateway::start().await);
    silent.behave(Behaviour::Silent);
    push_to(&bob, &silent.url(), "key", None).await;
    push_to(&carol, &quick.url(), "key2", None).await;
    for number in 0..5 {
        send(&alice, &room, &format!("m{number}")).await;
    }
    quick.wait_for(5).await;
    silent.wait_for_requests(1).await;
    assert!(silent.notifications().is_empty());
}

#[tokio::test]
async fn requests_never_go_where_the_operator_did_not_allow() {
    for (egress, host) in [
        // Trusted, but not allowed: by name, by address, by an address in disguise.
        (ClientSettings { ca_files: vec![authority()], ..ClientSettings::default() }, "localhost"),
        (ClientSettings { ca_files: vec![authority()], ..ClientSettings::default() }, "127.0.0.1"),
        (ClientSettings { ca_files: vec![authority()], ..ClientSettings::default() }, "[::ffff:127.0.0.1]"),
        // Allowed, but not trusted.
        (ClientSettings { ca_files: Vec::new(), ..client_settings() }, "localhost"),
    ] {
        let untrusted = egress.ca_files.is_empty();
        let settings = Settings { egress, ..Settings::default() };
        let server = TestServer::with_settings(settings).await.with_user("alice").await.with_user("bob").await;
        let (alice, bob) = (server.user("alice"), server.user("bob"));
        let room = shared_room(&alice, &bob).await;
        let gateway = FakeGateway::start().await;
        push_to(&bob, &gateway.url_at(host), "key", None).await;
        send(&alice, &room, "one").await;
        let word = if untrusted { "unreachable" } else { "refused" };
        until("it is refused", async || server.gateways.counts().contains_key(word)).await;
        assert_eq!(gateway.requests(), 0);
        assert_eq!(gateway.connections(), usize::from(untrusted));
    }
    assert!(Path::new(&authority()).is_file());
}

#[tokio::test]
async fn ignored_people_push_nothing() {
    let server = server().await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let room = shared_room(&alice, &bob).await;
    let gateway = FakeGateway::start().await;
    push_to(&bob, &gateway.url(), "key", None).await;
    let list = format!("{V3}/user/{}/account_data/m.ignored_user_list", bob.id());
    bob.put(&list, &json!({ "ignored_users": { alice.id(): {} } })).await.ok();
    send(&alice, &room, "unwanted").await;
    bob.put(&list, &json!({ "ignored_users": {} })).await.ok();
    let event = send(&alice, &room, "welcome").await;
    let told = gateway.wait_for(1).await;
    // What was sent while she was ignored stays untold.
    assert_eq!((&told[0]["event_id"], &told[0]["counts"]["unread"]), (&json!(event), &json!(1)), "{told:?}");
    let last = send(&alice, &room, "and_more").await;
    assert_eq!(gateway.wait_for(2).await[1]["event_id"], last.as_str());
}

#[tokio::test]
async fn what_was_not_delivered_is_delivered_after_a_restart() {
    let server = server().await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let room = shared_room(&alice, &bob).await;
    let gateway = FakeGateway::start().await;
    push_to(&bob, &gateway.url(), "key", None).await;
    send(&alice, &room, "taken").await;
    gateway.wait_for(1).await;
    gateway.behave(Behaviour::Status(503));
    send(&alice, &room, "one").await;
    gateway.wait_for_requests(2).await;
    until("the failure is noted", async || server.gateways.counts().contains_key("status")).await;
    send(&alice, &room, "two").await;
    gateway.behave(Behaviour::Takes);
    let server = server.restart().await;
    let told = gateway.wait_for(3).await;
    let bodies: Vec<_> = told.iter().map(|told| told["content"]["body"].as_str().unwrap_or_default()).collect();
    assert_eq!(bodies, ["taken", "one", "two"]);
    // What is too old to matter is not told at all.
    gateway.behave(Behaviour::Status(503));
    let alice = server.user("alice");
    send(&alice, &room, "yesterday").await;
    gateway.wait_for_requests(5).await;
    until("the failure is noted", async || server.gateways.counts().contains_key("status")).await;
    server.clock.advance(90_000_000);
    gateway.behave(Behaviour::Takes);
    send(&alice, &room, "today").await;
    let told = gateway.wait_for(4).await;
    assert_eq!(told[3]["content"]["body"], "today", "{told:?}");
}
