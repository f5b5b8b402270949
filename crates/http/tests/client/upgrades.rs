//! Room upgrades over HTTP: what goes on in the new room, what the old one becomes, and what follows its members.

use domicile_testkit::server::{TestServer, TestUser};
use serde_json::{Value, json};

const V3: &str = "/_matrix/client/v3";

async fn room(by: &TestUser, body: Value) -> String {
    by.post(&format!("{V3}/createRoom"), &body).await.ok()["room_id"].as_str().unwrap_or_default().to_owned()
}

async fn state(by: &TestUser, room: &str, kind: &str) -> Value {
    by.get(&format!("{V3}/rooms/{room}/state/{kind}")).await.json()
}

async fn upgrade(by: &TestUser, room: &str, version: &str) -> String {
    let answer = by.post(&format!("{V3}/rooms/{room}/upgrade"), &json!({ "new_version": version })).await.ok();
    answer["replacement_room"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn an_upgrade_carries_over_what_it_should() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await.with_user("eve").await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    for (from, to) in [("9", "10"), ("11", "12"), ("12", "12"), ("12", "11"), ("3", "12")] {
        let alias = format!("from{from}to{to}");
        let old = room(
            &alice,
            json!({
                "room_version": from, "visibility": "public", "preset": "public_chat", "name": "n", "topic": "t",
                "room_alias_name": alias, "creation_content": { "type": "m.space", "m.federate": false },
                "initial_state": [
                    { "type": "m.room.encryption", "content": { "algorithm": "m.megolm.v1.aes-sha2" } },
                    { "type": "org.example.own", "content": { "x": 1 } },
                ],
            }),
        )
        .await;
        bob.post(&format!("{V3}/join/{old}"), &json!({})).await.ok();
        let ban = json!({ "user_id": "@eve:localhost", "reason": "noise" });
        alice.post(&format!("{V3}/rooms/{old}/ban"), &ban).await.ok();
        let levels = state(&alice, &old, "m.room.power_levels").await;

        let new = upgrade(&alice, &old, to).await;
        let context = format!("{from} to {to}");
        let create = state(&alice, &new, "m.room.create").await;
        assert_eq!(create["predecessor"]["room_id"], old, "{context}");
        assert_eq!(create["predecessor"]["event_id"].is_string(), to != "12", "{context}");
        assert_eq!((&create["type"], &create["m.federate"]), (&json!("m.space"), &json!(false)), "{context}");
        assert_eq!(create["room_version"], to);
        for kind in ["m.room.name", "m.room.topic", "m.room.encryption", "m.room.join_rules", "m.room.guest_access"] {
            // The old one's, where an upgrade does not change it.
            assert_eq!(state(&alice, &new, kind).await, state(&alice, &old, kind).await, "{context} {kind}");
        }
        assert_eq!(state(&alice, &new, "org.example.own").await["errcode"], "M_NOT_FOUND");
        let users = state(&alice, &new, "m.room.power_levels").await["users"].clone();
        assert_eq!(users.get("@alice:localhost"), (to != "12").then_some(&json!(100)), "{context}: {levels}");
        let banned = state(&alice, &new, "m.room.member/@eve:localhost").await;
        assert_eq!((&banned["membership"], &banned["reason"]), (&json!("ban"), &json!("noise")), "{context}");

        assert_eq!(state(&alice, &old, "m.room.tombstone").await["replacement_room"], new);
        let quiet = state(&alice, &old, "m.room.power_levels").await;
        assert_eq!((&quiet["events_default"], &quiet["invite"]), (&json!(50), &json!(50)));
        let message = format!("{V3}/rooms/{old}/send/m.room.message/1");
        bob.put(&message, &json!({ "msgtype": "m.text", "body": "x" })).await.fails(403, "M_FORBIDDEN");

        let led = bob.get(&format!("{V3}/directory/room/%23{alias}:localhost")).await.ok();
        assert_eq!(led["room_id"], new);
        assert_eq!(state(&alice, &new, "m.room.canonical_alias").await["alias"], format!("#{alias}:localhost"));
        assert_eq!(state(&alice, &old, "m.room.canonical_alias").await, json!({}));
        let visible = async |room: &str| bob.get(&format!("{V3}/directory/list/room/{room}")).await.ok();
        assert_eq!(
            (&visible(&old).await["visibility"], &visible(&new).await["visibility"]),
            (&json!("private"), &json!("public"))
        );
        bob.post(&format!("{V3}/join/{new}"), &json!({})).await.ok();
    }
}

#[tokio::test]
async fn settings_follow_whoever_joins_the_new_room() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let old = room(&alice, json!({ "room_version": "11", "preset": "public_chat" })).await;
    bob.post(&format!("{V3}/join/{old}"), &json!({})).await.ok();
    let data = |kind: &str| format!("{V3}/user/@bob:localhost/account_data/{kind}");
    let tags = |room: &str| format!("{V3}/user/@bob:localhost/rooms/{room}/account_data/m.tag");
    bob.put(&tags(&old), &json!({ "tags": { "m.favourite": { "order": 0.5 } } })).await.ok();
    bob.put(&data("m.direct"), &json!({ "@alice:localhost": [old] })).await.ok();
    bob.put(&format!("{V3}/pushrules/global/room/{old}"), &json!({ "actions": [] })).await.ok();
    let mute = json!({ "actions": [], "conditions": [{ "kind": "event_match", "key": "room_id", "pattern": old }] });
    bob.put(&format!("{V3}/pushrules/global/override/{old}"), &mute).await.ok();

    let new = upgrade(&alice, &old, "12").await;
    bob.get(&tags(&new)).await.fails(404, "M_NOT_FOUND");
    bob.post(&format!("{V3}/join/{new}"), &json!({})).await.ok();
    assert_eq!(bob.get(&tags(&new)).await.ok()["tags"]["m.favourite"]["order"], 0.5);
    assert_eq!(bob.get(&data("m.direct")).await.ok()["@alice:localhost"], json!([old, new]));
    assert_eq!(bob.get(&format!("{V3}/pushrules/global/room/{new}")).await.ok()["actions"], json!([]));
    let mute = bob.get(&format!("{V3}/pushrules/global/override/{new}")).await.ok();
    assert_eq!(mute["conditions"][0]["pattern"], new);

    // Anybody can name a predecessor; nothing follows from it.
    let pretender = json!({ "preset": "public_chat", "creation_content": { "predecessor": { "room_id": old } } });
    let pretender = room(&alice, pretender).await;
    bob.post(&format!("{V3}/join/{pretender}"), &json!({})).await.ok();
    bob.get(&tags(&pretender)).await.fails(404, "M_NOT_FOUND");
}

#[tokio::test]
async fn only_who_may_upgrades_and_a_refusal_changes_nothing() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let old = room(&alice, json!({ "room_version": "11", "preset": "public_chat" })).await;
    let path = format!("{V3}/rooms/{old}/upgrade");
    let to = |version: &str| json!({ "new_version": version });
    server.anonymous().post(&path, &to("12")).await.fails(401, "M_MISSING_TOKEN");
    bob.post(&path, &to("12")).await.fails(403, "M_FORBIDDEN");
    bob.post(&format!("{V3}/join/{old}"), &json!({})).await.ok();
    bob.post(&path, &to("12")).await.fails(403, "M_FORBIDDEN");
    alice.post(&path, &to("99")).await.fails(400, "M_UNSUPPORTED_ROOM_VERSION");
    alice.post(&path, &json!({})).await.fails(400, "M_BAD_JSON");
    alice.post(&format!("{V3}/rooms/!none:localhost/upgrade"), &to("12")).await.fails(404, "M_NOT_FOUND");
    let mut levels = state(&alice, &old, "m.room.power_levels").await;
    assert_eq!(state(&alice, &old, "m.room.tombstone").await["errcode"], "M_NOT_FOUND");
    bob.put(&format!("{V3}/rooms/{old}/send/m.room.message/1"), &json!({ "body": "x" })).await.ok();

    // A moderator to whom the tombstone is allowed can upgrade, and has no more power afterwards.
    levels["users"]["@bob:localhost"] = json!(50);
    levels["events"]["m.room.tombstone"] = json!(50);
    alice.put(&format!("{V3}/rooms/{old}/state/m.room.power_levels"), &levels).await.ok();
    let new = upgrade(&bob, &old, "11").await;
    let after = state(&bob, &new, "m.room.power_levels").await;
    assert_eq!((&after["users"]["@bob:localhost"], &after["users"]["@alice:localhost"]), (&json!(50), &json!(100)));
    assert_eq!(state(&alice, &old, "m.room.tombstone").await["replacement_room"], new);
}

#[tokio::test]
async fn of_two_upgrades_at_once_one_stands() {
    let server = TestServer::start().await.with_user("alice").await;
    let alice = server.user("alice");
    let old = room(&alice, json!({ "room_version": "11", "room_alias_name": "both" })).await;
    let (path, body) = (format!("{V3}/rooms/{old}/upgrade"), json!({ "new_version": "12" }));
    let (one, two) = tokio::join!(alice.post(&path, &body), alice.post(&path, &body));
    let (stands, fell) = if one.status.is_success() { (one, two) } else { (two, one) };
    let new = stands.ok()["replacement_room"].clone();
    fell.fails(400, "M_UNKNOWN");
    assert_eq!(state(&alice, &old, "m.room.tombstone").await["replacement_room"], new);
    let led = alice.get(&format!("{V3}/directory/room/%23both:localhost")).await.ok();
    assert_eq!(led["room_id"], new);
    let rooms = alice.get(&format!("{V3}/joined_rooms")).await.ok();
    assert_eq!(rooms["joined_rooms"], json!([old, new]), "the room that took nobody's place is left");
}

#[tokio::test]
async fn levels_that_are_text_become_numbers() {
    let server = TestServer::start().await.with_user("alice").await;
    let alice = server.user("alice");
    let odd = json!({ "users_default": "1", "ban": "60", "events": { "m.room.name": " 70" } });
    let old = room(&alice, json!({ "room_version": "9", "power_level_content_override": odd })).await;
    let new = upgrade(&alice, &old, "12").await;
    let levels = state(&alice, &new, "m.room.power_levels").await;
    assert_eq!((&levels["users_default"], &levels["ban"]), (&json!(1), &json!(60)));
    assert_eq!(levels["events"]["m.room.name"], 70);
}

#[tokio::test]
async fn additional_creators_are_those_that_are_named() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await;
    let alice = server.user("alice");
    let content = json!({ "additional_creators": ["@bob:localhost"] });
    let old = room(&alice, json!({ "room_version": "12", "creation_content": content })).await;
    let new = upgrade(&alice, &old, "12").await;
    assert_eq!(state(&alice, &new, "m.room.create").await["additional_creators"], Value::Null);
    let body = json!({ "new_version": "12", "additional_creators": ["@bob:localhost"] });
    let answer = alice.post(&format!("{V3}/rooms/{new}/upgrade"), &body).await.ok();
    let newest = answer["replacement_room"].as_str().unwrap_or_default().to_owned();
    assert_eq!(state(&alice, &newest, "m.room.create").await["additional_creators"], json!(["@bob:localhost"]));
    let body = json!({ "new_version": "11", "additional_creators": ["@bob:localhost"] });
    let answer = alice.post(&format!("{V3}/rooms/{newest}/upgrade"), &body).await.ok();
    let older = answer["replacement_room"].as_str().unwrap_or_default().to_owned();
    assert_eq!(state(&alice, &older, "m.room.create").await["additional_creators"], Value::Null);
    let wrong = json!({ "new_version": "12", "additional_creators": ["bob"] });
    alice.post(&format!("{V3}/rooms/{older}/upgrade"), &wrong).await.fails(400, "M_BAD_JSON");
}
