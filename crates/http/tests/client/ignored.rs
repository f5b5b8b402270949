//! Ignored users over HTTP: what they say is not shown, what they are in the room is.

use domicile_testkit::server::{TestServer, TestUser};
use serde_json::{Value, json};

const V3: &str = "/_matrix/client/v3";
const SLIDING: &str = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync";

async fn room(by: &TestUser, body: Value) -> String {
    by.post(&format!("{V3}/createRoom"), &body).await.ok()["room_id"].as_str().unwrap_or_default().to_owned()
}

async fn send(by: &TestUser, room: &str, text: &str) -> String {
    let path = format!("{V3}/rooms/{room}/send/m.room.message/{text}");
    let answer = by.put(&path, &json!({ "msgtype": "m.text", "body": text })).await.ok();
    answer["event_id"].as_str().unwrap_or_default().to_owned()
}

async fn sync(by: &TestUser, query: &str) -> Value {
    by.get(&format!("{V3}/sync?{query}")).await.ok()
}

fn next(answer: &Value) -> String {
    format!("since={}", answer["next_batch"].as_str().unwrap_or_default())
}

fn bodies(events: &Value) -> Vec<&str> {
    let events = events.as_array().map(Vec::as_slice).unwrap_or_default();
    events.iter().filter_map(|event| event["content"]["body"].as_str()).collect()
}

async fn ignore(by: &TestUser, users: Value) {
    let path = format!("{V3}/user/{}/account_data/m.ignored_user_list", by.id());
    by.put(&path, &json!({ "ignored_users": users })).await.ok();
}

#[tokio::test]
async fn what_ignored_people_say_is_not_shown() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await.with_user("eve").await;
    let (alice, bob, eve) = (server.user("alice"), server.user("bob"), server.user("eve"));
    let room =
        room(&alice, json!({ "preset": "public_chat", "power_level_content_override": { "state_default": 0 } })).await;
    for user in [&bob, &eve] {
        user.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    }
    let before = sync(&bob, "").await;
    ignore(&bob, json!({ eve.id(): {} })).await;
    send(&alice, &room, "kept").await;
    let unwanted = send(&eve, &room, "unwanted").await;
    eve.put(&format!("{V3}/rooms/{room}/state/m.room.topic"), &json!({ "topic": "by eve" })).await.ok();
    eve.put(&format!("{V3}/rooms/{room}/typing/{}", eve.id()), &json!({ "typing": true, "timeout": 30_000 }))
        .await
        .ok();
    eve.post(&format!("{V3}/rooms/{room}/receipt/m.read/{unwanted}"), &json!({})).await.ok();
    sync(&eve, "").await;

    let after = sync(&bob, &next(&before)).await;
    let shown = &after["rooms"]["join"][&room];
    assert_eq!(bodies(&shown["timeline"]["events"]), ["kept"]);
    assert!(shown["timeline"]["events"].to_string().contains("by eve"), "state of theirs stays: {shown}");
    let passing = shown["ephemeral"].to_string() + &after["presence"].to_string();
    assert!(!passing.contains("@eve"), "neither typing, receipts nor presence: {passing}");
    assert_eq!(shown["unread_notifications"]["notification_count"], 1, "nor does it count");
    assert_eq!(bodies(&sync(&alice, "").await["rooms"]["join"][&room]["timeline"]["events"]), ["kept", "unwanted"]);

    let page = bob.get(&format!("{V3}/rooms/{room}/messages?dir=b")).await.ok();
    assert_eq!(bodies(&page["chunk"]), ["kept"]);
    let body = json!({ "lists": { "all": { "ranges": [[0, 9]], "timeline_limit": 10, "required_state": [] } } });
    let sliding = bob.post(SLIDING, &body).await.ok();
    assert_eq!(bodies(&sliding["rooms"][&room]["timeline"]), ["kept"]);

    // Taking it back lets new messages through at once.
    ignore(&bob, json!({})).await;
    send(&eve, &room, "again").await;
    let later = sync(&bob, &next(&after)).await;
    assert_eq!(bodies(&later["rooms"]["join"][&room]["timeline"]["events"]), ["again"]);
}

#[tokio::test]
async fn invites_of_ignored_people_are_not_shown() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await.with_user("eve").await;
    let (alice, bob, eve) = (server.user("alice"), server.user("bob"), server.user("eve"));
    ignore(&bob, json!({ eve.id(): {} })).await;
    let before = sync(&bob, "").await;
    let theirs = room(&eve, json!({ "invite": [bob.id()] })).await;
    let welcome = room(&alice, json!({ "invite": [bob.id()] })).await;
    for answer in [sync(&bob, &next(&before)).await, sync(&bob, "").await] {
        let invites = answer["rooms"]["invite"].as_object().cloned().unwrap_or_default();
        assert_eq!(invites.keys().collect::<Vec<_>>(), [&welcome], "{theirs} is not shown");
    }
    let body = json!({ "lists": { "all": { "ranges": [[0, 9]], "timeline_limit": 1, "required_state": [] } } });
    let sliding = bob.post(SLIDING, &body).await.ok();
    assert_eq!(sliding["lists"]["all"]["count"], 1);
    assert!(sliding["rooms"][&theirs].is_null());
    ignore(&bob, json!({})).await;
    let shown = sync(&bob, "").await["rooms"]["invite"].as_object().map_or(0, serde_json::Map::len);
    assert_eq!(shown, 2);
}
