//! What users see when they ask about users, rooms and files of another server.

use axum::{Router, http::header};
use domicile_core::clock::{DAY_MS, MINUTE_MS};
use domicile_testkit::server::{Settings, TestServer};
use serde_json::json;

use crate::together::{V3, png, room, upload};

/// `here` with bob, `there` with alice.
async fn two() -> (TestServer, TestServer) {
    let there = TestServer::start_federating().await.with_user("alice").await;
    (TestServer::start_federating().await.with_user("bob").await, there)
}

#[tokio::test]
async fn a_profile_elsewhere_is_asked_for_and_remembered_for_a_while() {
    let (here, there) = two().await;
    let (alice, bob) = (there.user("alice"), here.user("bob"));
    let path = format!("{V3}/profile/{}", alice.id());
    let named = async |name: &str| {
        alice.put(&format!("{path}/displayname"), &json!({ "displayname": name })).await.ok();
    };
    named("Alice").await;
    assert_eq!(bob.get(&path).await.ok(), json!({ "displayname": "Alice" }));
    assert_eq!(bob.get(&format!("{path}/displayname")).await.ok(), json!({ "displayname": "Alice" }));
    named("Alicia").await;
    assert_eq!(bob.get(&path).await.ok(), json!({ "displayname": "Alice" }));
    here.clock.advance(5 * MINUTE_MS);
    assert_eq!(bob.get(&path).await.ok(), json!({ "displayname": "Alicia" }));
    bob.get(&format!("{V3}/profile/@nobody:{}", there.name())).await.fails(404, "M_NOT_FOUND");
    bob.get(&format!("{V3}/profile/@nobody:127.0.0.1:1")).await.fails(502, "M_UNKNOWN");
    // It is on disk nowhere.
    let contents = format!("{:?}", here.contents().await);
    assert!(!contents.contains("Alicia"));
}

#[tokio::test]
async fn aliases_and_public_rooms_elsewhere() {
    let (here, there) = two().await;
    let (alice, bob) = (there.user("alice"), here.user("bob"));
    let public = json!({ "preset": "public_chat", "visibility": "public", "room_alias_name": "open", "name": "Open" });
    let room = room(&alice, public).await;
    let path = format!("{V3}/directory/room/%23open:{}", there.name());
    assert_eq!(bob.get(&path).await.ok(), json!({ "room_id": room, "servers": [there.name()] }));
    bob.get(&path.replace("open", "shut")).await.fails(404, "M_NOT_FOUND");
    bob.get(&format!("{V3}/directory/room/%23a:127.0.0.1:1")).await.fails(502, "M_UNKNOWN");
    let page = bob.get(&format!("{V3}/publicRooms?server={}", there.name())).await.ok();
    assert_eq!((&page["chunk"][0]["name"], &page["total_room_count_estimate"]), (&json!("Open"), &json!(1)));
    let path = format!("{V3}/publicRooms?server={}", there.name());
    let none = bob.post(&path, &json!({ "filter": { "generic_search_term": "shut" } })).await.ok();
    assert_eq!(none["chunk"], json!([]));
}

#[tokio::test]
async fn summaries_and_trees_reach_into_rooms_elsewhere() {
    let (here, there) = two().await;
    let (alice, bob) = (there.user("alice"), here.user("bob"));
    let open = room(&alice, json!({ "preset": "public_chat", "name": "Open", "room_alias_name": "open" })).await;
    let shut = room(&alice, json!({ "preset": "private_chat", "name": "Shut" })).await;
    let space =
        |name: &str| json!({ "preset": "public_chat", "name": name, "creation_content": { "type": "m.space" } });
    let (theirs, ours) = (room(&alice, space("Theirs")).await, room(&bob, space("Ours")).await);
    let via = json!({ "via": [there.name()] });
    for child in [&open, &shut] {
        alice.put(&format!("{V3}/rooms/{theirs}/state/m.space.child/{child}"), &via).await.ok();
    }
    bob.put(&format!("{V3}/rooms/{ours}/state/m.space.child/{theirs}"), &via).await.ok();
    let summary = "/_matrix/client/v1/room_summary";
    let told = bob.get(&format!("{summary}/%23open:{}", there.name())).await.ok();
    assert_eq!((&told["name"], &told["membership"]), (&json!("Open"), &json!("leave")));
    let told = bob.get(&format!("{summary}/{open}?via={}", there.name())).await.ok();
    assert_eq!(told["room_id"], open.as_str());
    bob.get(&format!("{summary}/{shut}?via={}", there.name())).await.fails(404, "M_NOT_FOUND");
    // A stranger has this server ask nobody.
    here.anonymous().get(&format!("{summary}/{theirs}?via={}", there.name())).await.fails(404, "M_NOT_FOUND");
    let tree = bob.get(&format!("/_matrix/client/v1/rooms/{ours}/hierarchy")).await.ok();
    let names: Vec<_> = tree["rooms"].as_array().unwrap().iter().map(|room| room["name"].clone()).collect();
    assert_eq!(names, ["Ours", "Theirs", "Open"]);
    assert_eq!(tree["rooms"][1]["children_state"].as_array().unwrap().len(), 2);
    let tree = bob.get(&format!("/_matrix/client/v1/rooms/{ours}/hierarchy?max_depth=1")).await.ok();
    assert_eq!(tree["rooms"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_file_elsewhere_is_fetched_once_and_kept_for_a_while() {
    let (here, there) = two().await;
    let (alice, bob) = (there.user("alice"), here.user("bob"));
    let file = upload(&alice, b"some text".to_vec(), "text/plain").await;
    let path = format!("/_matrix/client/v1/media/download/{}/{file}", there.name());
    let answer = bob.get(&path).await;
    assert_eq!((answer.status.as_u16(), answer.bytes.as_ref()), (200, b"some text".as_ref()));
    assert_eq!(answer.headers[header::CONTENT_TYPE], "text/plain");
    assert!(answer.headers[header::CONTENT_DISPOSITION].to_str().unwrap().contains("the file"));
    let picture = upload(&alice, png(900), "image/png").await;
    let small = format!("/_matrix/client/v1/media/thumbnail/{}/{picture}?width=32&height=32&method=crop", there.name());
    let answer = bob.get(&small).await;
    let made = image::load_from_memory(&answer.bytes).unwrap();
    assert_eq!((made.width(), made.height()), (32, 32));
    // From now on they have nothing.
    there.show(Router::new());
    for _ in 0..2 {
        assert_eq!(bob.get(&path).await.bytes.as_ref(), b"some text");
        assert_eq!(bob.get(&small).await.status.as_u16(), 200);
    }
    bob.get(&path.replace(&file, "nothing")).await.fails(404, "M_NOT_FOUND");
    here.clock.advance(7 * DAY_MS);
    let answer = bob.get(&path).await;
    assert!(answer.status.as_u16() >= 400, "{}", answer.status);
    here.services.media.forget_remote().await.unwrap();
    assert!(!format!("{:?}", here.contents().await).contains(&file));
}

#[tokio::test]
async fn the_cache_is_bounded_and_so_is_a_file() {
    let mut settings = Settings::default();
    settings.config.media.remote_cache.0 = 2_500;
    settings.config.media.max_remote.0 = 2_000;
    let here = TestServer::federating_with(settings).await.with_user("bob").await;
    let there = TestServer::start_federating().await.with_user("alice").await;
    let (alice, bob) = (there.user("alice"), here.user("bob"));
    let mut paths = Vec::new();
    for (size, byte) in [(1_000, b'a'), (1_000, b'b'), (1_000, b'c'), (40_000, b'd')] {
        let file = upload(&alice, vec![byte; size], "text/plain").await;
        paths.push(format!("/_matrix/client/v1/media/download/{}/{file}", there.name()));
    }
    for path in &paths[..3] {
        assert_eq!(bob.get(path).await.bytes.len(), 1_000);
        here.clock.advance(1_000);
    }
    bob.get(&paths[3]).await.fails(502, "M_TOO_LARGE");
    there.show(Router::new());
    // The oldest had to go.
    assert_ne!(bob.get(&paths[0]).await.status.as_u16(), 200);
    assert_eq!(bob.get(&paths[1]).await.bytes.len(), 1_000);
    assert_eq!(bob.get(&paths[2]).await.bytes.len(), 1_000);
}
