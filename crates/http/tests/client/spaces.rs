//! Rooms in short and the trees of spaces over HTTP: what is shown, in which order, and to whom.

use domicile_testkit::server::{TestServer, TestUser};
use serde_json::{Value, json};

const V3: &str = "/_matrix/client/v3";
const V1: &str = "/_matrix/client/v1";

async fn room(by: &TestUser, body: Value) -> String {
    by.post(&format!("{V3}/createRoom"), &body).await.ok()["room_id"].as_str().unwrap_or_default().to_owned()
}

async fn space(by: &TestUser, name: &str, preset: &str) -> String {
    room(by, json!({ "name": name, "preset": preset, "creation_content": { "type": "m.space" } })).await
}

async fn child(by: &TestUser, space: &str, child: &str, content: Value) {
    let mut content = content;
    if content["via"].is_null() {
        content["via"] = json!(["localhost"]);
    }
    by.put(&format!("{V3}/rooms/{space}/state/m.space.child/{child}"), &content).await.ok();
}

fn names(page: &Value) -> Vec<&str> {
    let rooms = page["rooms"].as_array().map(Vec::as_slice).unwrap_or_default();
    rooms.iter().map(|room| room["name"].as_str().unwrap_or_default()).collect()
}

#[tokio::test]
async fn a_summary_is_for_who_may_come() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await;
    let (alice, bob, nobody) = (server.user("alice"), server.user("bob"), server.anonymous());
    let open = json!({ "preset": "public_chat", "name": "open", "topic": "t", "room_alias_name": "open" });
    let open = room(&alice, open).await;
    let closed = room(&alice, json!({ "preset": "private_chat", "name": "closed" })).await;
    let summary = |name: &str| format!("{V1}/room_summary/{name}");

    let seen = nobody.get(&summary("%23open:localhost")).await.ok();
    assert_eq!((&seen["room_id"], &seen["name"], &seen["topic"]), (&json!(open), &json!("open"), &json!("t")));
    assert_eq!((&seen["room_version"], &seen["membership"]), (&json!("12"), &Value::Null));
    assert_eq!((&seen["num_joined_members"], &seen["canonical_alias"]), (&json!(1), &json!("#open:localhost")));
    assert_eq!(bob.get(&summary(&open)).await.ok()["membership"], "leave");
    let old = format!("/_matrix/client/unstable/im.nheko.summary/rooms/{open}/summary");
    assert_eq!(bob.get(&old).await.ok()["name"], "open");

    nobody.get(&summary(&closed)).await.fails(404, "M_NOT_FOUND");
    bob.get(&summary(&closed)).await.fails(404, "M_NOT_FOUND");
    bob.get(&summary("!none:localhost")).await.fails(404, "M_NOT_FOUND");
    bob.get(&summary("%23none:localhost")).await.fails(404, "M_NOT_FOUND");
    let seen = alice.get(&summary(&closed)).await.ok();
    assert_eq!((&seen["membership"], &seen["encryption"]), (&json!("join"), &json!("m.megolm.v1.aes-sha2")));
    alice.post(&format!("{V3}/rooms/{closed}/invite"), &json!({ "user_id": "@bob:localhost" })).await.ok();
    assert_eq!(bob.get(&summary(&closed)).await.ok()["membership"], "invite");
    alice.post(&format!("{V3}/rooms/{closed}/ban"), &json!({ "user_id": "@bob:localhost" })).await.ok();
    bob.get(&summary(&closed)).await.fails(404, "M_NOT_FOUND");
    alice.post(&format!("{V3}/rooms/{open}/ban"), &json!({ "user_id": "@bob:localhost" })).await.ok();
    bob.get(&summary(&open)).await.fails(404, "M_NOT_FOUND");

    // A rule that nobody knows lets nobody in, and can be told.
    let rules = format!("{V3}/rooms/{open}/state/m.room.join_rules");
    alice.put(&rules, &json!({ "join_rule": "riddle" })).await.ok();
    assert_eq!(alice.get(&summary(&open)).await.ok()["join_rule"], "invite");
    alice.put(&rules, &json!({ "join_rule": "knock" })).await.ok();
    nobody.get(&summary(&open)).await.ok();
}

#[tokio::test]
async fn restricted_rooms_are_shown_to_the_members_of_those_they_name() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let club = space(&alice, "club", "public_chat").await;
    let inner = room(
        &alice,
        json!({
            "name": "inner",
            "initial_state": [{ "type": "m.room.join_rules", "content": {
                "join_rule": "restricted", "allow": [{ "type": "m.room_membership", "room_id": club }, 7, { "type": "m.room_membership", "room_id": "!a\0b:localhost" }],
            }}],
        }),
    );
    let inner = inner.await;
    child(&alice, &club, &inner, json!({})).await;
    let tree = format!("{V1}/rooms/{club}/hierarchy");
    assert_eq!(names(&bob.get(&tree).await.ok()), ["club"]);
    bob.get(&format!("{V1}/room_summary/{inner}")).await.fails(404, "M_NOT_FOUND");
    bob.post(&format!("{V3}/join/{club}"), &json!({})).await.ok();
    assert_eq!(names(&bob.get(&tree).await.ok()), ["club", "inner"]);
    let summary = bob.get(&format!("{V1}/room_summary/{inner}")).await.ok();
    assert_eq!((&summary["join_rule"], &summary["allowed_room_ids"]), (&json!("restricted"), &json!([club])));
}

#[tokio::test]
async fn a_tree_is_walked_depth_first_in_the_order_of_its_children() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let root = space(&alice, "root", "public_chat").await;
    let sub = space(&alice, "sub", "public_chat").await;
    let public = |name: &str| room(&alice, json!({ "preset": "public_chat", "name": name }));
    let (late, early, leaf) = (public("late").await, public("early").await, public("leaf").await);
    let secret = room(&alice, json!({ "preset": "private_chat", "name": "secret" })).await;
    server.clock.advance(1_000);
    child(&alice, &root, &late, json!({})).await;
    child(&alice, &root, &early, json!({ "order": "b", "suggested": true })).await;
    child(&alice, &root, &sub, json!({ "order": "a" })).await;
    child(&alice, &root, &secret, json!({ "order": "0" })).await;
    child(&alice, &root, "!elsewhere:example.org", json!({ "order": "1" })).await;
    child(&alice, &sub, &leaf, json!({ "order": 7, "suggested": true })).await;
    child(&alice, &sub, &root, json!({})).await;
    let gone = public("gone").await;
    child(&alice, &root, &gone, json!({ "via": [] })).await;

    let tree = format!("{V1}/rooms/{root}/hierarchy");
    let all = bob.get(&tree).await.ok();
    assert_eq!(names(&all), ["root", "sub", "leaf", "early", "late"], "{all}");
    assert_eq!(all["next_batch"], Value::Null);
    let children: Vec<&str> =
        all["rooms"][0]["children_state"].as_array().unwrap().iter().filter_map(|c| c["state_key"].as_str()).collect();
    assert_eq!(children, [&secret, "!elsewhere:example.org", &sub, &early, &late]);
    assert_eq!(all["rooms"][0]["room_type"], "m.space");
    assert_eq!(all["rooms"][0]["children_state"][0]["type"], "m.space.child");
    assert_eq!(all["rooms"][2]["children_state"], json!([]));
    assert_eq!(names(&alice.get(&tree).await.ok())[1], "secret");
    assert_eq!(names(&bob.get(&format!("{tree}?max_depth=1")).await.ok()), ["root", "sub", "early", "late"]);
    assert_eq!(names(&bob.get(&format!("{tree}?max_depth=0")).await.ok()), ["root"]);
    assert_eq!(names(&bob.get(&format!("{tree}?suggested_only=true")).await.ok()), ["root", "early"]);

    let (mut found, mut path) = (Vec::new(), format!("{tree}?limit=2"));
    loop {
        let page = bob.get(&path).await.ok();
        found.extend(names(&page).into_iter().map(str::to_owned));
        let Some(next) = page["next_batch"].as_str() else { break };
        let same = bob.get(&format!("{tree}?limit=2&from={next}")).await.ok();
        assert_eq!(same["rooms"], bob.get(&format!("{tree}?limit=2&from={next}")).await.ok()["rooms"], "repeatable");
        bob.get(&format!("{tree}?limit=2&max_depth=1&from={next}")).await.fails(400, "M_INVALID_PARAM");
        alice.get(&format!("{tree}?limit=2&from={next}")).await.fails(400, "M_INVALID_PARAM");
        path = format!("{tree}?limit=2&from={next}");
    }
    assert_eq!(found, ["root", "sub", "leaf", "early", "late"]);

    bob.get(&format!("{tree}?limit=0")).await.fails(400, "M_INVALID_PARAM");
    bob.get(&format!("{tree}?from=nonsense")).await.fails(400, "M_INVALID_PARAM");
    bob.get(&format!("{V1}/rooms/{secret}/hierarchy")).await.fails(403, "M_FORBIDDEN");
    bob.get(&format!("{V1}/rooms/!none:localhost/hierarchy")).await.fails(403, "M_FORBIDDEN");
    server.anonymous().get(&tree).await.fails(401, "M_MISSING_TOKEN");
}
