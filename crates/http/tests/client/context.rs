//! What stands around an event, the event of a time, and members at a place.

#![expect(clippy::expect_used, reason = "a step of a test that fails ends the test")]

use domicile_testkit::server::{TestServer, TestUser};
use serde_json::{Value, json};

const V1: &str = "/_matrix/client/v1";
const V3: &str = "/_matrix/client/v3";

async fn room(alice: &TestUser, visibility: &str) -> String {
    let state = json!({ "type": "m.room.history_visibility", "content": { "history_visibility": visibility } });
    let body = json!({ "preset": "public_chat", "initial_state": [state] });
    let made = alice.post(&format!("{V3}/createRoom"), &body).await.ok();
    made["room_id"].as_str().expect("a room").to_owned()
}

async fn say(by: &TestUser, room: &str, text: &str) -> String {
    let path = format!("{V3}/rooms/{room}/send/m.room.message/{text}");
    let sent = by.put(&path, &json!({ "msgtype": "m.text", "body": text })).await.ok();
    sent["event_id"].as_str().expect("an event").to_owned()
}

fn bodies(events: &Value) -> Vec<&str> {
    let events = events.as_array().map(Vec::as_slice).unwrap_or_default();
    events.iter().filter_map(|event| event["content"]["body"].as_str()).collect()
}

fn only_lists(query: &str) -> String {
    query.replace('{', "%7B").replace('}', "%7D").replace('"', "%22").replace('[', "%5B").replace(']', "%5D")
}

#[tokio::test]
async fn an_event_comes_with_what_stands_around_it() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let room = room(&alice, "shared").await;
    bob.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    let mut sent = Vec::new();
    for number in 0..9 {
        sent.push(say(&alice, &room, &number.to_string()).await);
    }
    alice.put(&format!("{V3}/rooms/{room}/state/m.room.topic"), &json!({ "topic": "later" })).await.ok();
    let path = format!("{V3}/rooms/{room}/context/{}", sent[4]);
    let around = bob.get(&format!("{path}?limit=4")).await.ok();
    assert_eq!(bodies(&around["events_before"]), ["3", "2"]);
    assert_eq!((&around["event"]["content"]["body"], &around["event"]["room_id"]), (&json!("4"), &json!(room)));
    assert_eq!(bodies(&around["events_after"]), ["5", "6"]);
    let state = around["state"].to_string();
    assert!(state.contains("m.room.create") && state.contains("@bob:localhost"), "{state}");
    assert!(!state.contains("later"), "the state is that after the last event of the answer");
    let (start, end) = (around["start"].as_str().expect("a token"), around["end"].as_str().expect("a token"));
    let messages = format!("{V3}/rooms/{room}/messages?limit=2");
    assert_eq!(bodies(&bob.get(&format!("{messages}&dir=b&from={start}")).await.ok()["chunk"]), ["1", "0"]);
    assert_eq!(bodies(&bob.get(&format!("{messages}&dir=f&from={end}")).await.ok()["chunk"]), ["7", "8"]);

    let alone = bob.get(&format!("{path}?limit=0")).await.ok();
    assert_eq!((&alone["events_before"], &alone["events_after"]), (&Value::Null, &Value::Null));
    assert_eq!(alone["event"]["event_id"], sent[4]);
    let (start, end) = (alone["start"].as_str().expect("a token"), alone["end"].as_str().expect("a token"));
    assert_eq!(bodies(&bob.get(&format!("{messages}&dir=b&from={start}")).await.ok()["chunk"]), ["3", "2"]);
    assert_eq!(bodies(&bob.get(&format!("{messages}&dir=f&from={end}")).await.ok()["chunk"]), ["5", "6"]);

    let odd = bob.get(&format!("{path}?limit=3")).await.ok();
    assert_eq!(bodies(&odd["events_before"]).len() + bodies(&odd["events_after"]).len(), 3);
    let plain = bob.get(&path).await.ok();
    assert_eq!(plain["events_before"].as_array().map(Vec::len), Some(5), "ten without a limit");
    assert!(plain["state"].to_string().contains("later"));

    let filter = only_lists(r#"{"not_types":["m.room.message"]}"#);
    let filtered = bob.get(&format!("{path}?filter={filter}")).await.ok();
    assert_eq!(filtered["event"]["event_id"], sent[4], "the filter is not for the event itself");
    assert!(bodies(&filtered["events_before"]).is_empty() && bodies(&filtered["events_after"]).is_empty());
    let filter = only_lists(r#"{"lazy_load_members":true}"#);
    let lazy = bob.get(&format!("{path}?limit=2&filter={filter}")).await.ok();
    let members = lazy["state"].to_string().matches("m.room.member").count();
    assert_eq!(members, 1, "only alice speaks: {}", lazy["state"]);
}

#[tokio::test]
async fn the_surroundings_are_those_that_the_reader_may_see() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await.with_user("carol").await;
    let (alice, bob, carol) = (server.user("alice"), server.user("bob"), server.user("carol"));
    let room = room(&alice, "joined").await;
    let before = say(&alice, &room, "before").await;
    bob.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    let during = say(&alice, &room, "during").await;
    bob.post(&format!("{V3}/rooms/{room}/leave"), &json!({})).await.ok();
    say(&alice, &room, "after").await;
    alice.put(&format!("{V3}/rooms/{room}/state/m.room.topic"), &json!({ "topic": "secret" })).await.ok();
    let around = bob.get(&format!("{V3}/rooms/{room}/context/{during}")).await.ok();
    assert!(bodies(&around["events_before"]).is_empty() && bodies(&around["events_after"]).is_empty(), "{around}");
    assert!(!around.to_string().contains("secret"));
    bob.get(&format!("{V3}/rooms/{room}/context/{before}")).await.fails(404, "M_NOT_FOUND");
    carol.get(&format!("{V3}/rooms/{room}/context/{during}")).await.fails(404, "M_NOT_FOUND");
    alice.get(&format!("{V3}/rooms/{room}/context/$none")).await.fails(404, "M_NOT_FOUND");
    alice.get(&format!("{V3}/rooms/{room}/context/{during}?limit=-1")).await.fails(400, "M_INVALID_PARAM");
    server.anonymous().get(&format!("{V3}/rooms/{room}/context/{during}")).await.fails(401, "M_MISSING_TOKEN");
}

#[tokio::test]
async fn whoever_was_there_keeps_their_past_whatever_became_of_them_later() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await.with_user("carol").await;
    let (alice, bob, carol) = (server.user("alice"), server.user("bob"), server.user("carol"));
    let room = room(&alice, "joined").await;
    bob.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    let seen = say(&alice, &room, "seen").await;
    bob.post(&format!("{V3}/rooms/{room}/leave"), &json!({})).await.ok();
    let unseen = say(&alice, &room, "unseen").await;
    let messages = format!("{V3}/rooms/{room}/messages?dir=b");
    for deed in ["invite", "kick", "ban", "unban"] {
        for target in [bob.id(), carol.id()] {
            alice.post(&format!("{V3}/rooms/{room}/{deed}"), &json!({ "user_id": target })).await.ok();
        }
        bob.get(&format!("{V3}/rooms/{room}/event/{seen}")).await.ok();
        bob.get(&format!("{V3}/rooms/{room}/event/{unseen}")).await.fails(404, "M_NOT_FOUND");
        carol.get(&format!("{V3}/rooms/{room}/event/{seen}")).await.fails(404, "M_NOT_FOUND");
        carol.get(&messages).await.fails(403, "M_FORBIDDEN");
    }
    assert_eq!(bodies(&bob.get(&messages).await.ok()["chunk"]), ["seen"]);
}

#[tokio::test]
async fn a_time_leads_to_the_nearest_event() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await.with_user("carol").await;
    let (alice, bob, carol) = (server.user("alice"), server.user("bob"), server.user("carol"));
    let room = room(&alice, "joined").await;
    let start = domicile_testkit::server::START_MS;
    let mut sent = Vec::new();
    for number in 1..=6_i64 {
        server.clock.advance(10_000);
        sent.push(say(&alice, &room, &number.to_string()).await);
        if number == 3 {
            bob.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
        }
        // Others write elsewhere meanwhile: a room's positions have gaps.
        let elsewhere = self::room(&carol, "shared").await;
        say(&carol, &elsewhere, "elsewhere").await;
    }
    let path = format!("{V1}/rooms/{room}/timestamp_to_event");
    let at = async |who: &TestUser, ts: i64, dir: &str| who.get(&format!("{path}?ts={ts}&dir={dir}")).await;
    for (ts, dir, expected) in [
        (start + 25_000, "f", 3),
        (start + 25_000, "b", 2),
        (start + 40_000, "f", 4),
        (start + 40_000, "b", 4),
        (start + 60_000, "f", 6),
        (start + 99_000, "b", 6),
        (start + 10_000, "f", 1),
    ] {
        let found = at(&alice, ts, dir).await.ok();
        assert_eq!(found["event_id"], sent[expected - 1], "{dir} from {ts}");
        assert_eq!(found["origin_server_ts"], start + i64::try_from(expected).expect("small") * 10_000);
    }
    at(&alice, start + 60_001, "f").await.fails(404, "M_NOT_FOUND");
    at(&alice, start - 1, "b").await.fails(404, "M_NOT_FOUND");
    // What bob sees of the time before he came is how the room began, before it said who may see what.
    assert_eq!(at(&bob, start + 1, "f").await.ok()["origin_server_ts"], start + 30_000);
    assert_eq!(at(&bob, start + 29_999, "b").await.ok()["origin_server_ts"], start);
    at(&carol, start, "f").await.fails(404, "M_NOT_FOUND");
    alice.get(&format!("{V1}/rooms/!none:localhost/timestamp_to_event?ts=1&dir=f")).await.fails(404, "M_NOT_FOUND");
    alice.get(&format!("{path}?ts=x&dir=f")).await.fails(400, "M_INVALID_PARAM");
    alice.get(&format!("{path}?dir=f")).await.fails(400, "M_MISSING_PARAM");
    alice.get(&format!("{path}?ts=1&dir=x")).await.fails(400, "M_INVALID_PARAM");
    server.anonymous().get(&format!("{path}?ts=1&dir=f")).await.fails(401, "M_MISSING_TOKEN");
}

#[tokio::test]
async fn members_at_a_place_are_those_of_then_and_of_no_later_time_than_ones_own() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await.with_user("carol").await;
    let (alice, bob, carol) = (server.user("alice"), server.user("bob"), server.user("carol"));
    let room = room(&alice, "shared").await;
    let token = alice.get(&format!("{V3}/sync")).await.ok()["next_batch"].as_str().expect("a token").to_owned();
    bob.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    let then = alice.get(&format!("{V3}/rooms/{room}/members?at={token}")).await.ok();
    assert_eq!(then["chunk"].as_array().map(Vec::len), Some(1));
    bob.post(&format!("{V3}/rooms/{room}/leave"), &json!({})).await.ok();
    carol.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    say(&carol, &room, "hello").await;
    let late = alice.get(&format!("{V3}/sync")).await.ok()["next_batch"].as_str().expect("a token").to_owned();
    say(&carol, &room, "again").await;
    let seen = bob.get(&format!("{V3}/rooms/{room}/members?at={late}")).await.ok();
    assert!(!seen.to_string().contains("@carol"), "she came after bob had left: {seen}");
    alice.get(&format!("{V3}/rooms/{room}/members?at=x")).await.fails(400, "M_INVALID_PARAM");
}
