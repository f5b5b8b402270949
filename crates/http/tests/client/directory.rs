//! The public directory over HTTP: pages both ways, searching, who may publish, and that it follows the rooms.

use domicile_testkit::server::{TestServer, TestUser};
use serde_json::{Value, json};

const V3: &str = "/_matrix/client/v3";

async fn room(by: &TestUser, body: Value) -> String {
    by.post(&format!("{V3}/createRoom"), &body).await.ok()["room_id"].as_str().unwrap_or_default().to_owned()
}

async fn public(by: &TestUser, name: &str) -> String {
    room(by, json!({ "visibility": "public", "name": name })).await
}

fn names(page: &Value) -> Vec<&str> {
    let rooms = page["chunk"].as_array().map(Vec::as_slice).unwrap_or_default();
    rooms.iter().map(|room| room["name"].as_str().unwrap_or_default()).collect()
}

#[tokio::test]
async fn pages_go_both_ways_the_largest_room_first() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    for name in ["a", "b", "c", "d", "e"] {
        public(&alice, name).await;
    }
    let large = public(&alice, "large").await;
    room(&alice, json!({ "preset": "public_chat", "name": "not listed" })).await;
    bob.post(&format!("{V3}/join/{large}"), &json!({})).await.ok();

    let path = |query: &str| format!("{V3}/publicRooms?limit=2{query}");
    let nobody = server.anonymous();
    let first = nobody.get(&path("")).await.ok();
    assert_eq!(names(&first), ["large", "a"], "{first}");
    assert_eq!((&first["total_room_count_estimate"], &first["prev_batch"]), (&json!(6), &Value::Null));
    assert_eq!((&first["chunk"][0]["num_joined_members"], &first["chunk"][0]["room_id"]), (&json!(2), &json!(large)));
    let next = |page: &Value| page["next_batch"].as_str().map(|token| path(&format!("&since={token}")));
    let second = nobody.get(&next(&first).expect("more")).await.ok();
    assert_eq!(names(&second), ["b", "c"]);
    let third = nobody.get(&next(&second).expect("more")).await.ok();
    assert_eq!((names(&third), &third["next_batch"]), (vec!["d", "e"], &Value::Null));
    let back = third["prev_batch"].as_str().expect("a page before it");
    let back = nobody.get(&path(&format!("&since={back}"))).await.ok();
    assert_eq!(names(&back), ["b", "c"]);
    let start = nobody.get(&path(&format!("&since={}", back["prev_batch"].as_str().expect("one more")))).await.ok();
    assert_eq!((names(&start), &start["prev_batch"]), (vec!["large", "a"], &Value::Null));

    nobody.get(&path("&since=nonsense")).await.fails(400, "M_INVALID_PARAM");
    nobody.get(&path("&since=n1_x")).await.fails(400, "M_INVALID_PARAM");
    nobody.get(&path("&server=elsewhere.example")).await.fails(502, "M_UNKNOWN");
    assert_eq!(names(&nobody.get(&path("&server=localhost")).await.ok()), ["large", "a"]);
    bob.post(&format!("{V3}/rooms/{large}/leave"), &json!({})).await.ok();
    assert_eq!(names(&nobody.get(&path("")).await.ok()), ["a", "b"], "its size is now that of the others");
}

#[tokio::test]
async fn a_search_looks_at_name_topic_and_alias() {
    let server = TestServer::start().await.with_user("alice").await;
    let alice = server.user("alice");
    public(&alice, "Gärten 100%").await;
    room(&alice, json!({ "visibility": "public", "name": "x", "topic": "About GARDENS" })).await;
    room(&alice, json!({ "visibility": "public", "name": "y", "room_alias_name": "gardening" })).await;
    let space = json!({ "visibility": "public", "name": "s", "creation_content": { "type": "m.space" } });
    room(&alice, space).await;

    let search = async |filter: Value| {
        let page = alice.post(&format!("{V3}/publicRooms"), &json!({ "filter": filter })).await.ok();
        names(&page).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(search(json!({ "generic_search_term": "garden" })).await, ["x", "y"]);
    assert_eq!(search(json!({ "generic_search_term": "GÄRTEN" })).await, ["Gärten 100%"]);
    assert_eq!(search(json!({ "generic_search_term": "0%" })).await, ["Gärten 100%"], "a % is a letter");
    assert_eq!(search(json!({ "generic_search_term": "x_y" })).await, Vec::<String>::new());
    assert_eq!(search(json!({ "room_types": ["m.space"] })).await, ["s"]);
    assert_eq!(search(json!({ "room_types": [null] })).await, ["Gärten 100%", "x", "y"]);
    assert_eq!(search(json!({ "room_types": [null, "m.space"], "generic_search_term": "about" })).await, ["x"]);
    assert_eq!(search(json!({})).await.len(), 4);

    let path = format!("{V3}/publicRooms");
    let bridged = alice.post(&path, &json!({ "third_party_instance_id": "irc" })).await.ok();
    assert_eq!(bridged["chunk"], json!([]));
    let long = json!({ "filter": { "generic_search_term": "x".repeat(513) } });
    alice.post(&path, &long).await.fails(400, "M_INVALID_PARAM");
    let nul = json!({ "filter": { "generic_search_term": "a\0b" } });
    alice.post(&path, &nul).await.fails(400, "M_INVALID_PARAM");
    let nul = json!({ "filter": { "room_types": ["a\0b"] } });
    alice.post(&path, &nul).await.fails(400, "M_INVALID_PARAM");
    server.anonymous().post(&path, &json!({})).await.fails(401, "M_MISSING_TOKEN");
}

#[tokio::test]
async fn the_directory_follows_the_room() {
    let server = TestServer::start().await.with_user("alice").await;
    let alice = server.user("alice");
    let id = public(&alice, "before").await;
    let listed = async || alice.get(&format!("{V3}/publicRooms")).await.ok()["chunk"][0].clone();
    let state = |kind: &str| format!("{V3}/rooms/{id}/state/{kind}");
    let named = alice.put(&state("m.room.name"), &json!({ "name": "after" })).await.ok();
    alice.put(&state("m.room.topic"), &json!({ "topic": "t" })).await.ok();
    alice.put(&state("m.room.avatar"), &json!({ "url": "mxc://localhost/a" })).await.ok();
    alice.put(&state("m.room.join_rules"), &json!({ "join_rule": "knock" })).await.ok();
    alice.put(&state("m.room.guest_access"), &json!({ "guest_access": "can_join" })).await.ok();
    let visibility = json!({ "history_visibility": "world_readable" });
    alice.put(&state("m.room.history_visibility"), &visibility).await.ok();
    let expected = json!({
        "room_id": id, "name": "after", "topic": "t", "avatar_url": "mxc://localhost/a", "join_rule": "knock",
        "guest_can_join": true, "world_readable": true, "num_joined_members": 1,
    });
    assert_eq!(listed().await, expected);

    let redact = format!("{V3}/rooms/{id}/redact/{}/1", named["event_id"].as_str().unwrap_or_default());
    alice.put(&redact, &json!({})).await.ok();
    assert_eq!(listed().await["name"], Value::Null, "what was redacted is not shown");
    let search = json!({ "filter": { "generic_search_term": "after" } });
    assert_eq!(alice.post(&format!("{V3}/publicRooms"), &search).await.ok()["chunk"], json!([]));
    for odd in [json!(7), json!("a\0b"), json!({ "name": "x" })] {
        alice.put(&state("m.room.name"), &json!({ "name": odd })).await.ok();
        assert_eq!(listed().await["name"], Value::Null, "what is no name names nothing");
    }
    assert_eq!(listed().await["topic"], "t");
    alice.post(&format!("{V3}/rooms/{id}/leave"), &json!({})).await.ok();
    assert_eq!(listed().await, Value::Null, "nobody is in it");
}

#[tokio::test]
async fn who_may_set_the_canonical_alias_may_publish() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let id = room(&alice, json!({ "preset": "public_chat", "name": "n" })).await;
    let path = format!("{V3}/directory/list/room/{id}");
    let nobody = server.anonymous();
    assert_eq!(nobody.get(&path).await.ok()["visibility"], "private");
    let public = json!({ "visibility": "public" });
    nobody.put(&path, &public).await.fails(401, "M_MISSING_TOKEN");
    bob.put(&path, &public).await.fails(403, "M_FORBIDDEN");
    bob.post(&format!("{V3}/join/{id}"), &json!({})).await.ok();
    bob.put(&path, &public).await.fails(403, "M_FORBIDDEN");
    alice.put(&path, &public).await.ok();
    alice.put(&path, &public).await.ok();
    assert_eq!(nobody.get(&path).await.ok()["visibility"], "public");
    assert_eq!(names(&nobody.get(&format!("{V3}/publicRooms")).await.ok()), ["n"]);
    alice.put(&path, &json!({ "visibility": "secret" })).await.fails(400, "M_INVALID_PARAM");
    alice.put(&path, &json!({ "visibility": "private" })).await.ok();
    assert_eq!(nobody.get(&path).await.ok()["visibility"], "private");
    assert_eq!(nobody.get(&format!("{V3}/publicRooms")).await.ok()["chunk"], json!([]));
    nobody.get(&format!("{V3}/directory/list/room/!none:localhost")).await.fails(404, "M_NOT_FOUND");
}
