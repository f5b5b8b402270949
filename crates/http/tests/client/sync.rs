//! `/sync` and its sliding kin over HTTP.

use std::time::Duration;

use domicile_testkit::server::{TestServer, TestUser};
use serde_json::{Value, json};

const V3: &str = "/_matrix/client/v3";

async fn room(by: &TestUser, body: Value) -> String {
    by.post(&format!("{V3}/createRoom"), &body).await.ok()["room_id"].as_str().unwrap_or_default().to_owned()
}

async fn send(by: &TestUser, room: &str, txn: &str, text: &str) {
    let path = format!("{V3}/rooms/{room}/send/m.room.message/{txn}");
    by.put(&path, &json!({ "msgtype": "m.text", "body": text })).await.ok();
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

#[tokio::test]
async fn a_sync_shows_what_is_new_once() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let start = sync(&bob, "").await;
    let room = room(&alice, json!({ "invite": ["@bob:localhost"], "name": "party" })).await;
    let invited = sync(&bob, &next(&start)).await;
    let stripped = &invited["rooms"]["invite"][&room]["invite_state"]["events"];
    assert!(stripped.to_string().contains("party"), "{stripped}");
    bob.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    send(&alice, &room, "1", "one").await;
    let joined = sync(&bob, &next(&invited)).await;
    let shown = &joined["rooms"]["join"][&room];
    assert_eq!(bodies(&shown["timeline"]["events"]), ["one"]);
    assert_eq!(shown["summary"]["m.joined_member_count"], 2);
    let all = shown["state"]["events"].to_string() + &shown["timeline"]["events"].to_string();
    for kind in ["m.room.create", "m.room.power_levels", "m.room.name", "m.room.encryption"] {
        assert!(all.contains(kind), "{kind} is missing for who just joined");
    }
    let nothing = sync(&bob, &next(&joined)).await;
    assert_eq!(nothing["rooms"], Value::Null, "{nothing}");
    bob.post(&format!("{V3}/rooms/{room}/leave"), &json!({})).await.ok();
    let left = sync(&bob, &next(&nothing)).await;
    assert!(left["rooms"]["leave"][&room]["timeline"]["events"].to_string().contains("leave"));
    send(&alice, &room, "2", "two").await;
    assert_eq!(sync(&bob, &next(&left)).await["rooms"], Value::Null);
}

#[tokio::test]
async fn a_gap_comes_with_the_state_that_changed_in_it() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let room = room(&alice, json!({ "preset": "public_chat" })).await;
    bob.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    let before = sync(&bob, "").await;
    alice.put(&format!("{V3}/rooms/{room}/state/m.room.topic"), &json!({ "topic": "new" })).await.ok();
    for number in 0..15 {
        send(&alice, &room, &number.to_string(), &number.to_string()).await;
    }
    let after = sync(&bob, &next(&before)).await;
    let shown = &after["rooms"]["join"][&room];
    assert_eq!(shown["timeline"]["limited"], true);
    assert_eq!(bodies(&shown["timeline"]["events"]).len(), 10);
    let state = shown["state"]["events"].as_array().cloned().unwrap_or_default();
    assert_eq!(state.len(), 1, "only what changed: {state:?}");
    assert_eq!(state[0]["content"]["topic"], "new");
    let from = shown["timeline"]["prev_batch"].as_str().unwrap_or_default();
    let page = bob.get(&format!("{V3}/rooms/{room}/messages?dir=b&limit=5&from={from}")).await.ok();
    assert_eq!(bodies(&page["chunk"]), ["4", "3", "2", "1", "0"], "the gap can be filled without a seam");
    let after_state = sync(&bob, &format!("{}&use_state_after=true", next(&before))).await;
    let shown = &after_state["rooms"]["join"][&room];
    assert!(shown["state"].is_null() && shown["state_after"]["events"].to_string().contains("\"new\""));
}

#[tokio::test]
async fn whoever_waits_is_woken() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let room = room(&alice, json!({ "preset": "public_chat" })).await;
    bob.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    let since = next(&sync(&bob, "").await);
    let waiting = tokio::spawn(async move { sync(&bob, &format!("{since}&timeout=20000")).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!waiting.is_finished());
    send(&alice, &room, "1", "wake up").await;
    let answer = tokio::time::timeout(Duration::from_secs(5), waiting).await;
    let answer =
        answer.map(|joined| joined.map(|answer| bodies(&answer["rooms"]["join"][&room]["timeline"]["events"]).len()));
    assert!(matches!(answer, Ok(Ok(1))), "{answer:?}");
}

#[tokio::test]
async fn a_message_is_never_before_its_key() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let room = room(&alice, json!({ "preset": "public_chat" })).await;
    bob.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    let mut since = next(&sync(&bob, "").await);
    // More messages in the inbox than one answer carries, and after them the event.
    for number in 0..150 {
        let body = json!({ "messages": { "@bob:localhost": { bob.device_id.as_str(): { "n": number } } } });
        alice.put(&format!("{V3}/sendToDevice/m.test/{number}"), &body).await.ok();
    }
    send(&alice, &room, "1", "needs key 149").await;
    let (mut keys, mut seen) = (Vec::new(), None);
    for _ in 0..5 {
        let answer = sync(&bob, &since).await;
        since = next(&answer);
        let events = answer["to_device"]["events"].as_array().cloned().unwrap_or_default();
        keys.extend(events.iter().filter_map(|event| event["content"]["n"].as_i64()));
        if !bodies(&answer["rooms"]["join"][&room]["timeline"]["events"]).is_empty() {
            seen = seen.or(Some(keys.len()));
        }
    }
    assert_eq!(keys, (0..150).collect::<Vec<_>>(), "each once and in order");
    assert_eq!(seen, Some(150), "the event came with or after the last key");
}

#[tokio::test]
async fn receipts_typing_and_account_data_arrive() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let room = room(&alice, json!({ "preset": "public_chat" })).await;
    bob.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    let before = sync(&alice, "").await;
    let path = format!("{V3}/rooms/{room}/send/m.room.message/1");
    let event = alice.put(&path, &json!({ "body": "read me" })).await.ok();
    let event = event["event_id"].as_str().unwrap_or_default().to_owned();
    bob.post(&format!("{V3}/rooms/{room}/receipt/m.read/{event}"), &json!({})).await.ok();
    bob.post(&format!("{V3}/rooms/{room}/receipt/m.read.private/{event}"), &json!({})).await.ok();
    let typing = format!("{V3}/rooms/{room}/typing/@bob:localhost");
    bob.put(&typing, &json!({ "typing": true, "timeout": 30_000 })).await.ok();
    alice.put(&format!("{V3}/user/@alice:localhost/account_data/org.example.x"), &json!({ "a": 1 })).await.ok();
    let after = sync(&alice, &next(&before)).await;
    let ephemeral = after["rooms"]["join"][&room]["ephemeral"]["events"].to_string();
    assert!(ephemeral.contains("m.receipt") && ephemeral.contains(&event), "{ephemeral}");
    assert!(!ephemeral.contains("m.read.private"), "a private receipt is nobody else's: {ephemeral}");
    assert!(ephemeral.contains("m.typing") && ephemeral.contains("@bob:localhost"), "{ephemeral}");
    assert!(after["account_data"]["events"].to_string().contains("org.example.x"));
    assert_eq!(sync(&alice, &next(&after)).await["rooms"], Value::Null);
}

#[tokio::test]
async fn unread_counts_are_exact() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await.with_user("carol").await;
    let (alice, bob, carol) = (server.user("alice"), server.user("bob"), server.user("carol"));
    let room = room(&alice, json!({ "preset": "public_chat" })).await;
    for user in [&bob, &carol] {
        user.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    }
    let unread = async |user: &TestUser| {
        let answer = sync(user, "").await;
        let counts = &answer["rooms"]["join"][&room]["unread_notifications"];
        (counts["notification_count"].as_u64(), counts["highlight_count"].as_u64())
    };
    for number in 0..7 {
        send(&alice, &room, &number.to_string(), "hi").await;
    }
    assert_eq!(unread(&bob).await, (Some(7), Some(0)));
    assert_eq!(unread(&alice).await, (Some(0), Some(0)), "sending is reading");
    let mention = json!({ "body": "bob!", "msgtype": "m.text", "m.mentions": { "user_ids": ["@bob:localhost"] } });
    let path = format!("{V3}/rooms/{room}/send/m.room.message/mention");
    let event = carol.put(&path, &mention).await.ok();
    assert_eq!(unread(&bob).await, (Some(8), Some(1)));
    assert_eq!(unread(&alice).await, (Some(1), Some(0)), "the mention is not of alice");
    let event = event["event_id"].as_str().unwrap_or_default();
    bob.post(&format!("{V3}/rooms/{room}/receipt/m.read/{event}"), &json!({})).await.ok();
    assert_eq!(unread(&bob).await, (Some(0), Some(0)));
    let muted = format!("{V3}/pushrules/global/room/{room}");
    bob.put(&muted, &json!({ "actions": [] })).await.ok();
    send(&alice, &room, "after", "quiet").await;
    assert_eq!(unread(&bob).await, (Some(0), Some(0)), "the room is muted");
    assert_eq!(unread(&carol).await, (Some(1), Some(0)));
}

#[tokio::test]
async fn sliding_sync_shows_windows_and_goes_on() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let mut rooms = Vec::new();
    for number in 0..5 {
        let room = room(&alice, json!({ "preset": "public_chat", "name": format!("room {number}") })).await;
        bob.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
        rooms.push(room);
    }
    let path = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync";
    let body = json!({
        "lists": { "all": { "ranges": [[0, 1]], "timeline_limit": 3, "required_state": [["m.room.name", ""], ["m.room.member", "$ME"]] } },
        "extensions": { "to_device": { "enabled": true }, "e2ee": { "enabled": true }, "receipts": { "enabled": true } },
    });
    let first = bob.post(path, &body).await.ok();
    assert_eq!(first["lists"]["all"]["count"], 5);
    let shown = first["rooms"].as_object().cloned().unwrap_or_default();
    assert_eq!(shown.len(), 2, "the window has two rooms");
    assert_eq!(first["rooms"][&rooms[4]]["name"], "room 4", "the newest are on top");
    assert_eq!(first["rooms"][&rooms[4]]["initial"], true);
    let required = first["rooms"][&rooms[4]]["required_state"].as_array().map_or(0, Vec::len);
    assert_eq!(required, 2);
    send(&alice, &rooms[0], "1", "up").await;
    let pos = first["pos"].as_str().unwrap_or_default();
    let second = bob.post(&format!("{path}?pos={pos}"), &body).await.ok();
    assert_eq!(bodies(&second["rooms"][&rooms[0]]["timeline"]).last(), Some(&"up"), "{second}");
    assert_eq!(second["rooms"].as_object().map(serde_json::Map::len), Some(1), "nothing else is new: {second}");
    let repeated = bob.post(&format!("{path}?pos={pos}"), &body).await.ok();
    assert_eq!(repeated["rooms"], second["rooms"], "a repeated request has the same answer");
    bob.post(&format!("{path}?pos=nonsense"), &body).await.fails(400, "M_UNKNOWN_POS");
}

#[tokio::test]
async fn tokens_that_are_none_are_refused() {
    let server = TestServer::start().await.with_user("alice").await;
    let alice = server.user("alice");
    for token in ["x", "s", "s1", "-5", "s9x_1"] {
        alice.get(&format!("{V3}/sync?since={token}")).await.fails(400, "M_INVALID_PARAM");
    }
    server.anonymous().get(&format!("{V3}/sync")).await.fails(401, "M_MISSING_TOKEN");
}
