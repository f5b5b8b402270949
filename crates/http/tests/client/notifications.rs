//! Past notifications over HTTP.

use domicile_testkit::server::{TestServer, TestUser};
use serde_json::{Value, json};

const V3: &str = "/_matrix/client/v3";

async fn room(alice: &TestUser, bob: &TestUser) -> String {
    let body = json!({ "preset": "public_chat" });
    let answer = alice.post(&format!("{V3}/createRoom"), &body).await.ok();
    let room = answer["room_id"].as_str().unwrap_or_default().to_owned();
    bob.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    room
}

async fn send(by: &TestUser, room: &str, text: &str, mentions: &[&str]) -> String {
    let path = format!("{V3}/rooms/{room}/send/m.room.message/{text}");
    let content = json!({ "msgtype": "m.text", "body": text, "m.mentions": { "user_ids": mentions } });
    by.put(&path, &content).await.ok()["event_id"].as_str().unwrap_or_default().to_owned()
}

async fn page(by: &TestUser, query: &str) -> Value {
    by.get(&format!("{V3}/notifications?{query}")).await.ok()
}

fn bodies(page: &Value) -> Vec<&str> {
    let all = page["notifications"].as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().map(|one| one["event"]["content"]["body"].as_str().unwrap_or_default()).collect()
}

#[tokio::test]
async fn they_are_listed_newest_first_over_all_rooms() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let sound = json!({ "set_tweak": "sound", "value": "default" });
    let (one, two) = (room(&alice, &bob).await, room(&alice, &bob).await);
    assert_eq!(page(&bob, "").await, json!({ "notifications": [] }));
    send(&alice, &one, "a", &[]).await;
    let b = send(&alice, &two, "b", &[bob.id()]).await;
    send(&alice, &one, "c", &[]).await;
    send(&bob, &one, "mine", &[]).await;
    send(&alice, &two, "d", &[]).await;
    bob.post(&format!("{V3}/rooms/{two}/receipt/m.read/{b}"), &json!({})).await.ok();
    let all = page(&bob, "").await;
    assert_eq!(bodies(&all), ["d", "c", "b", "a"]);
    assert_eq!(all["next_token"], Value::Null);
    let reads: Vec<_> = (0..4).map(|index| all["notifications"][index]["read"].as_bool()).collect();
    assert_eq!(reads, [Some(false), Some(true), Some(true), Some(true)], "writing is reading, too");
    let newest = &all["notifications"][0];
    assert_eq!((&newest["room_id"], &newest["actions"]), (&json!(two), &json!(["notify", sound])));
    assert!(newest["ts"].is_i64() && newest["event"]["event_id"].is_string() && newest["event"]["room_id"].is_null());
    let mention = &all["notifications"][2];
    assert!(mention["actions"].to_string().contains(r#""set_tweak":"highlight""#), "{mention}");
    assert_eq!(bodies(&page(&bob, "only=highlight").await), ["b"]);

    // Pages join without a seam, whatever comes meanwhile.
    let first = page(&bob, "limit=3").await;
    assert_eq!(bodies(&first), ["d", "c", "b"]);
    send(&alice, &one, "e", &[]).await;
    let next = first["next_token"].as_str().unwrap_or_default();
    let second = page(&bob, &format!("limit=3&from={next}")).await;
    assert_eq!(bodies(&second), ["a"]);
    assert_eq!(second["next_token"], Value::Null);

    bob.put(&format!("{V3}/pushrules/global/room/{one}"), &json!({ "actions": [] })).await.ok();
    assert_eq!(bodies(&page(&bob, "").await), ["d", "b"], "the rules of now decide");
    assert_eq!(bodies(&page(&alice, "").await), ["mine"]);
}

#[tokio::test]
async fn many_quiet_events_end_a_page_and_not_the_list() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let room = room(&alice, &bob).await;
    send(&alice, &room, "old", &[]).await;
    for number in 0..120 {
        let path = format!("{V3}/rooms/{room}/send/org.example.quiet/{number}");
        alice.put(&path, &json!({})).await.ok();
    }
    assert_eq!(bodies(&page(&bob, "limit=1").await), ["old"], "it is found behind what does not notify");
    let answer = bob.get(&format!("{V3}/notifications?from=nonsense")).await;
    answer.fails(400, "M_INVALID_PARAM");
    server.anonymous().get(&format!("{V3}/notifications")).await.fails(401, "M_MISSING_TOKEN");
}
