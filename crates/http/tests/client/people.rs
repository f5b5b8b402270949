//! Finding people over HTTP: by which words, who is shown to whom, and the rooms that two people share.

use domicile_testkit::server::{TestServer, TestUser};
use serde_json::{Value, json};

const V3: &str = "/_matrix/client/v3";

async fn room(by: &TestUser, body: Value) -> String {
    by.post(&format!("{V3}/createRoom"), &body).await.ok()["room_id"].as_str().unwrap_or_default().to_owned()
}

async fn search(by: &TestUser, term: &str) -> Vec<String> {
    let body = json!({ "search_term": term, "limit": 20 });
    let answer = by.post(&format!("{V3}/user_directory/search"), &body).await.ok();
    let results = answer["results"].as_array().cloned().unwrap_or_default();
    results.iter().filter_map(|user| user["user_id"].as_str().map(str::to_owned)).collect()
}

async fn call(user: &TestUser, name: &str) {
    let path = format!("{V3}/profile/{}/displayname", user.id());
    user.put(&path, &json!({ "displayname": name })).await.ok();
}

#[tokio::test]
async fn people_are_shown_to_who_may_know_of_them() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await.with_user("carol").await;
    let (alice, bob, carol) = (server.user("alice"), server.user("bob"), server.user("carol"));
    call(&bob, "Jörg Müller").await;
    call(&carol, "Jörg Carolus").await;
    assert_eq!(search(&alice, "jör").await, Vec::<String>::new(), "strangers");
    assert_eq!(search(&alice, "@bob:localhost").await, ["@bob:localhost"], "whoever knows the id knows the person");
    assert_eq!(search(&alice, "@nobody:localhost").await, Vec::<String>::new());

    let shared = room(&alice, json!({ "preset": "private_chat", "invite": ["@bob:localhost"] })).await;
    assert_eq!(search(&alice, "bob").await, Vec::<String>::new(), "an invite alone shows nobody");
    bob.post(&format!("{V3}/join/{shared}"), &json!({})).await.ok();
    assert_eq!(search(&alice, "JÖRG").await, ["@bob:localhost"]);
    assert_eq!(search(&alice, "müll jörg").await, ["@bob:localhost"], "all words, in any order");
    assert_eq!(search(&alice, "jörg carolus").await, Vec::<String>::new());
    assert_eq!(search(&alice, "@bo").await, ["@bob:localhost"]);
    assert_eq!(search(&alice, "alice").await, Vec::<String>::new(), "not oneself");
    assert_eq!(search(&alice, " \u{0} !").await, Vec::<String>::new());

    let open = room(&carol, json!({ "preset": "public_chat" })).await;
    assert_eq!(search(&alice, "jörg").await, ["@bob:localhost", "@carol:localhost"], "who is in an open room");
    let rules = format!("{V3}/rooms/{open}/state/m.room.join_rules");
    carol.put(&rules, &json!({ "join_rule": "invite" })).await.ok();
    assert_eq!(search(&alice, "carol").await, Vec::<String>::new());
    let history = format!("{V3}/rooms/{open}/state/m.room.history_visibility");
    carol.put(&history, &json!({ "history_visibility": "world_readable" })).await.ok();
    assert_eq!(search(&alice, "carol").await, ["@carol:localhost"]);

    call(&bob, "Somebody Else").await;
    assert_eq!(search(&alice, "jörg").await, ["@carol:localhost"]);
    let path = format!("{V3}/user_directory/search");
    let one = alice.post(&path, &json!({ "search_term": "o", "limit": 1 })).await.ok();
    assert_eq!((one["results"].as_array().map(Vec::len), &one["limited"]), (Some(0), &json!(false)));
    let both = alice.post(&path, &json!({ "search_term": "@bob:localhost" })).await.ok();
    assert_eq!(both["results"][0]["display_name"], "Somebody Else");
    alice.post(&path, &json!({})).await.fails(400, "M_BAD_JSON");
    server.anonymous().post(&path, &json!({ "search_term": "b" })).await.fails(401, "M_MISSING_TOKEN");

    server.services.accounts.deactivate(bob.user_id.as_ref().expect("an id"), false).await.expect("an end");
    assert_eq!(search(&alice, "somebody").await, Vec::<String>::new());
    assert_eq!(search(&alice, "@bob:localhost").await, Vec::<String>::new());
}

#[tokio::test]
async fn mutual_rooms_are_those_that_both_are_in() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    room(&alice, json!({})).await;
    let path = |user: &str| format!("/_matrix/client/v1/mutual_rooms?user_id={user}");
    let of = async |user: &str| alice.get(&path(user)).await.ok();
    assert_eq!(of("@bob:localhost").await, json!({ "joined": [], "count": 0 }));
    let mut rooms = Vec::new();
    for _ in 0..3 {
        let id = room(&alice, json!({ "preset": "public_chat" })).await;
        bob.post(&format!("{V3}/join/{id}"), &json!({})).await.ok();
        rooms.push(id);
    }
    assert_eq!(of("@bob:localhost").await, json!({ "joined": rooms, "count": 3 }));
    bob.post(&format!("{V3}/rooms/{}/leave", rooms[1]), &json!({})).await.ok();
    assert_eq!(of("@bob:localhost").await, json!({ "joined": [rooms[0], rooms[2]], "count": 2 }));
    assert_eq!(of("@nobody:elsewhere.example").await, json!({ "joined": [], "count": 0 }));
    alice.get(&path("@a%00b:localhost")).await.fails(400, "M_INVALID_PARAM");
    alice.get(&path("@alice:localhost")).await.fails(400, "M_INVALID_PARAM");
    alice.get(&path("nobody")).await.fails(400, "M_INVALID_PARAM");
    alice.get("/_matrix/client/v1/mutual_rooms").await.fails(400, "M_MISSING_PARAM");
    alice.get(&format!("{}&from=x", path("@bob:localhost"))).await.fails(400, "M_INVALID_PARAM");
    server.anonymous().get(&path("@bob:localhost")).await.fails(401, "M_MISSING_TOKEN");
}
