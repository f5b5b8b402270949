//! Rooms that two servers hold: coming and going in every way, talking, branches that meet.

use std::collections::BTreeMap;

use domicile_core::ids::Position;
use domicile_testkit::server::{TestServer, TestUser};
use serde_json::{Value, json};

const V3: &str = "/_matrix/client/v3";

/// Two servers, with alice on the first and bob on the second.
async fn pair() -> (TestServer, TestServer) {
    let here = TestServer::start_federating().await.with_user("alice").await;
    let there = TestServer::start_federating().await.with_user("bob").await;
    (here, there)
}

async fn room(by: &TestUser, body: Value) -> String {
    by.post(&format!("{V3}/createRoom"), &body).await.ok()["room_id"].as_str().unwrap_or_default().to_owned()
}

async fn send(by: &TestUser, room: &str, txn: &str, text: &str) -> String {
    let path = format!("{V3}/rooms/{room}/send/m.room.message/{txn}");
    let answer = by.put(&path, &json!({ "msgtype": "m.text", "body": text })).await.ok();
    answer["event_id"].as_str().unwrap_or_default().to_owned()
}

async fn join(by: &TestUser, room: &str, via: &TestServer) {
    by.post(&format!("{V3}/join/{room}?via={}", via.name()), &json!({})).await.ok();
}

async fn synced(user: &TestUser) -> Value {
    user.get(&format!("{V3}/sync?timeout=0")).await.ok()
}

fn bodies(events: &Value) -> Vec<&str> {
    let events = events.as_array().map(Vec::as_slice).unwrap_or_default();
    events.iter().filter_map(|event| event["content"]["body"].as_str()).collect()
}

/// The state of a room as a user sees it: event ids by type and state key.
async fn state(user: &TestUser, room: &str) -> BTreeMap<(String, String), String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let events = user.get(&format!("{V3}/rooms/{room}/state")).await.ok();
    let events = events.as_array().cloned().unwrap_or_default();
    events.iter().map(|event| ((text(&event["type"]), text(&event["state_key"])), text(&event["event_id"]))).collect()
}

#[tokio::test]
async fn people_of_two_servers_talk_in_rooms_of_every_version() {
    let (here, there) = pair().await;
    let (alice, bob) = (here.user("alice"), there.user("bob"));
    let (mut from_here, mut from_there) = (Position::START, Position::START);
    for version in ["3", "4", "5", "6", "7", "8", "9", "10", "11", "12"] {
        let wanted = json!({ "room_version": version, "preset": "public_chat", "name": "across" });
        let room = room(&alice, wanted).await;
        join(&bob, &room, &here).await;
        assert_eq!(state(&alice, &room).await, state(&bob, &room).await, "version {version}");
        send(&alice, &room, &format!("a{version}"), "from here").await;
        (from_here, _) = here.relay(&there, from_here).await;
        send(&bob, &room, &format!("b{version}"), "from there").await;
        let (last, answers) = there.relay(&here, from_there).await;
        from_there = last;
        assert!(answers.values().all(Option::is_none), "{answers:?}");
        for user in [&alice, &bob] {
            let timeline = &synced(user).await["rooms"]["join"][&room]["timeline"]["events"];
            assert_eq!(bodies(timeline), ["from here", "from there"], "version {version}");
        }
    }
}

#[tokio::test]
async fn an_invite_is_shown_and_taken_or_refused() {
    let (here, there) = pair().await;
    let (alice, bob) = (here.user("alice"), there.user("bob"));
    let room = room(&alice, json!({ "preset": "private_chat", "name": "the den" })).await;
    bob.post(&format!("{V3}/join/{room}?via={}", here.name()), &json!({})).await.fails(403, "M_FORBIDDEN");
    let invite = json!({ "user_id": bob.id() });
    alice.post(&format!("{V3}/rooms/{room}/invite"), &invite).await.ok();
    let shown = synced(&bob).await["rooms"]["invite"][&room]["invite_state"]["events"].clone();
    let names: Vec<&Value> = shown.as_array().unwrap().iter().filter(|event| event["type"] == "m.room.name").collect();
    assert_eq!(names[0]["content"]["name"], "the den", "{shown}");
    assert!(names[0].get("event_id").is_none(), "clients see the stripped form");

    bob.post(&format!("{V3}/rooms/{room}/leave"), &json!({})).await.ok();
    assert!(synced(&bob).await["rooms"]["invite"].get(&room).is_none());
    let members = state(&alice, &room).await;
    let member = &members[&("m.room.member".to_owned(), bob.id().to_owned())];
    let event = alice.get(&format!("{V3}/rooms/{room}/event/{member}")).await.ok();
    assert_eq!(event["content"]["membership"], "leave", "the inviting server heard of it");

    alice.post(&format!("{V3}/rooms/{room}/invite"), &invite).await.ok();
    bob.post(&format!("{V3}/rooms/{room}/join"), &json!({})).await.ok();
    assert_eq!(state(&alice, &room).await, state(&bob, &room).await);
    let kick = json!({ "user_id": bob.id(), "reason": "late" });
    alice.post(&format!("{V3}/rooms/{room}/kick"), &kick).await.ok();
    here.relay(&there, Position::START).await;
    assert!(synced(&bob).await["rooms"]["join"].get(&room).is_none());
    alice.post(&format!("{V3}/rooms/{room}/invite"), &invite).await.ok();
    bob.post(&format!("{V3}/rooms/{room}/join"), &json!({})).await.ok();
    assert_eq!(state(&alice, &room).await, state(&bob, &room).await, "who comes back sees the room as it is");
}

#[tokio::test]
async fn an_invite_is_taken_back() {
    let (here, there) = pair().await;
    let (alice, bob) = (here.user("alice"), there.user("bob"));
    for how in ["kick", "ban"] {
        let room = room(&alice, json!({ "preset": "private_chat" })).await;
        let bob_id = json!({ "user_id": bob.id() });
        alice.post(&format!("{V3}/rooms/{room}/invite"), &bob_id).await.ok();
        assert!(synced(&bob).await["rooms"]["invite"].get(&room).is_some());
        alice.post(&format!("{V3}/rooms/{room}/{how}"), &bob_id).await.ok();
        here.relay(&there, Position::START).await;
        assert!(synced(&bob).await["rooms"]["invite"].get(&room).is_none(), "{how}");
    }
}

#[tokio::test]
async fn who_knocks_is_let_in_and_who_is_in_an_allowed_room_comes_in() {
    let (here, there) = pair().await;
    let (alice, bob) = (here.user("alice"), there.user("bob"));
    let rule = json!([{ "type": "m.room.join_rules", "content": { "join_rule": "knock" } }]);
    let den = room(&alice, json!({ "initial_state": rule, "name": "den" })).await;
    let knock = format!("{V3}/knock/{den}?via={}", here.name());
    bob.post(&knock, &json!({ "reason": "may I?" })).await.ok();
    assert!(synced(&bob).await["rooms"]["knock"].get(&den).is_some());
    alice.post(&format!("{V3}/rooms/{den}/invite"), &json!({ "user_id": bob.id() })).await.ok();
    bob.post(&format!("{V3}/rooms/{den}/join"), &json!({})).await.ok();

    let allow = json!([{ "type": "m.room_membership", "room_id": den }]);
    let rule = json!([{ "type": "m.room.join_rules", "content": { "join_rule": "restricted", "allow": allow } }]);
    let club = room(&alice, json!({ "initial_state": rule, "name": "club" })).await;
    join(&bob, &club, &here).await;
    assert_eq!(state(&alice, &club).await, state(&bob, &club).await);
    let elsewhere = json!([{ "type": "m.room_membership", "room_id": "!other:x" }]);
    let rule = json!([{ "type": "m.room.join_rules", "content": { "join_rule": "restricted", "allow": elsewhere } }]);
    let closed = room(&alice, json!({ "initial_state": rule })).await;
    bob.post(&format!("{V3}/join/{closed}?via={}", here.name()), &json!({})).await.fails(403, "M_FORBIDDEN");
}

#[tokio::test]
async fn branches_that_meet_are_one_state_on_both_sides() {
    let (here, there) = pair().await;
    let (alice, bob) = (here.user("alice"), there.user("bob"));
    for version in ["10", "11", "12"] {
        let mut levels = json!({ "users": { bob.id(): 50 } });
        if version != "12" {
            levels["users"][alice.id()] = 100.into();
        }
        let wanted =
            json!({ "room_version": version, "preset": "public_chat", "power_level_content_override": levels });
        let room = room(&alice, wanted).await;
        join(&bob, &room, &here).await;
        let (mut from_here, mut from_there) = (Position::START, Position::START);
        (from_here, _) = here.relay(&there, from_here).await;
        // Nobody hears the other for a while.
        for round in 0..3 {
            let name = format!("{V3}/rooms/{room}/state/m.room.name/");
            let topic = format!("{V3}/rooms/{room}/state/m.room.topic/");
            bob.put(&name, &json!({ "name": format!("bob's {round}") })).await.ok();
            alice.put(&name, &json!({ "name": format!("alice's {round}") })).await.ok();
            bob.put(&topic, &json!({ "topic": format!("only bob's {round}") })).await.ok();
            send(&alice, &room, &format!("{version}{round}"), "here").await;
            send(&bob, &room, &format!("{version}{round}"), "there").await;
        }
        (from_here, _) = here.relay(&there, from_here).await;
        (from_there, _) = there.relay(&here, from_there).await;
        assert_eq!(state(&alice, &room).await, state(&bob, &room).await, "version {version}");
        // Alice takes bob's power away while he uses it.
        let path = format!("{V3}/rooms/{room}/state/m.room.power_levels/");
        let mut levels = alice.get(&path).await.ok();
        levels["users"].as_object_mut().unwrap().remove(bob.id());
        alice.put(&path, &levels).await.ok();
        bob.put(&format!("{V3}/rooms/{room}/state/m.room.name/"), &json!({ "name": "too late" })).await.ok();
        (from_here, _) = here.relay(&there, from_here).await;
        (from_there, _) = there.relay(&here, from_there).await;
        let name = alice.get(&format!("{V3}/rooms/{room}/state/m.room.name/")).await.ok();
        assert_ne!(name["name"], "too late", "version {version}");
        // What alice's server does not show is known on bob's. The next event names both ends, and then they agree.
        send(&bob, &room, &format!("{version}after"), "after").await;
        there.relay(&here, from_there).await;
        send(&alice, &room, &format!("{version}after"), "after").await;
        here.relay(&there, from_here).await;
        assert_eq!(state(&alice, &room).await, state(&bob, &room).await, "version {version}");
    }
}
