//! What other servers tell beside events: messages to devices, typing, receipts, presence.

use std::time::Duration;

use domicile_core::clock::HOUR_MS;
use domicile_testkit::{
    server::{TestServer, TestUser},
    tap::{Answer, Heard, Tap},
};
use serde_json::{Value, json};

use crate::pair::{Pair, V3, begin, next, sync};

fn message(sender: &str, id: &str, to: &TestUser, device: &str, content: &Value) -> (&'static str, Value) {
    let content = json!({
        "sender": sender, "type": "org.example.key", "message_id": id, "messages": { to.id(): { device: content } },
    });
    ("m.direct_to_device", content)
}

async fn inbox(of: &TestUser, since: &str) -> Vec<Value> {
    let answer = sync(of, since).await;
    answer["to_device"]["events"].as_array().cloned().unwrap_or_default()
}

#[tokio::test]
async fn a_message_goes_to_another_server_once_and_arrives_once() {
    let pair = Pair::new().await;
    let second = pair.there.login("bob").await;
    let (first_since, second_since) = (begin(&pair.bob).await, begin(&second).await);
    let body = json!({ "messages": {
        pair.bob.id(): { "*": { "key": 1 } }, pair.alice.id(): { "*": { "key": 2 } }, "@eve:evil.example": { "X": { "key": 3 } },
    } });
    let own_since = begin(&pair.alice).await;
    for _ in 0..2 {
        pair.alice.put(&format!("{V3}/sendToDevice/org.example.key/t1"), &body).await.ok();
    }
    assert_eq!(inbox(&pair.alice, &own_since).await.len(), 1);
    let outgoing = pair.here.outgoing_edus().await;
    assert_eq!(outgoing.len(), 2, "one for each server, once: {outgoing:?}");
    let (_, kind, content) = outgoing.iter().find(|(server, ..)| *server == pair.far()).unwrap();
    assert_eq!(kind, "m.direct_to_device");
    assert!((13..=32).contains(&content["message_id"].as_str().unwrap().len()), "{content}");
    assert_eq!(content["messages"], json!({ pair.bob.id(): { "*": { "key": 1 } } }));
    // Delivered twice in one transaction, in another, and after a start.
    let here = pair.here.name().to_string();
    let edu = || ("m.direct_to_device", content.clone());
    pair.there.hear(&here, [edu(), edu()]).await;
    pair.there.hear(&here, [edu()]).await;
    let expected = json!({ "type": "org.example.key", "sender": pair.alice.id(), "content": { "key": 1 } });
    assert_eq!(inbox(&pair.bob, &first_since).await, std::slice::from_ref(&expected));
    assert_eq!(inbox(&second, &second_since).await, std::slice::from_ref(&expected));
    let Pair { there, bob, .. } = pair;
    let there = there.restart().await;
    there.hear(&here, [edu()]).await;
    let bob = there.with_token(&json!({
        "user_id": bob.id(), "device_id": bob.device_id, "access_token": bob.token.as_deref().unwrap(),
    }));
    assert_eq!(inbox(&bob, &first_since).await, [expected]);
}

#[tokio::test]
async fn a_transaction_that_is_repeated_delivers_once() {
    let pair = Pair::new().await;
    let since = begin(&pair.bob).await;
    let (kind, content) = message(pair.alice.id(), "a", &pair.bob, "*", &json!({ "key": 1 }));
    let body = json!({
        "origin": pair.here.name(), "origin_server_ts": 1, "pdus": [], "edus": [{ "edu_type": kind, "content": content }],
    });
    for transaction in ["t1", "t1", "t2"] {
        let path = format!("/_matrix/federation/v1/send/{transaction}");
        let request = pair.here.sign(&pair.there.name(), axum::http::Method::PUT, &path, Some(&body));
        assert_eq!(pair.there.anonymous().request(request).await.ok(), json!({ "pdus": {} }));
    }
    assert_eq!(inbox(&pair.bob, &since).await.len(), 1);
}

#[tokio::test]
async fn large_requests_are_cut_into_several_and_bounded() {
    let pair = Pair::new().await;
    let text = "x".repeat(25_000);
    let devices: serde_json::Map<String, Value> =
        (0..5).map(|number| (format!("D{number}"), json!({ "text": text }))).collect();
    let body = json!({ "messages": { pair.bob.id(): devices } });
    pair.alice.put(&format!("{V3}/sendToDevice/org.example.key/t1"), &body).await.ok();
    let outgoing = pair.here.outgoing_edus().await;
    assert_eq!(outgoing.len(), 3);
    let ids: std::collections::BTreeSet<&str> =
        outgoing.iter().filter_map(|(_, _, content)| content["message_id"].as_str()).collect();
    assert_eq!(ids.len(), 3, "each has an id of its own");
    let servers: serde_json::Map<String, Value> =
        (0..1_001).map(|number| (format!("@eve:s{number}.example"), json!({ "*": {} }))).collect();
    let body = json!({ "messages": servers });
    pair.alice.put(&format!("{V3}/sendToDevice/org.example.key/t2"), &body).await.fails(413, "M_TOO_LARGE");
    assert_eq!(pair.here.outgoing_edus().await.len(), 3);
}

#[tokio::test]
async fn a_server_that_fills_an_inbox_shuts_out_itself_only() {
    let pair = Pair::new().await;
    let evil = "@eve:evil.example";
    for round in 0..51 {
        let messages =
            (0..100).map(|number| message(evil, &format!("m{round}.{number}"), &pair.alice, "*", &json!({})));
        pair.here.hear("evil.example", messages).await;
    }
    assert_eq!(pair.here.inbox_of(pair.alice.id()).await, 5_000);
    let (kind, honest) = message(pair.bob.id(), "h", &pair.alice, "*", &json!({ "key": 1 }));
    pair.here.hear(&pair.far(), [(kind, honest)]).await;
    let own = json!({ "messages": { pair.alice.id(): { "*": { "key": 2 } } } });
    pair.alice.put(&format!("{V3}/sendToDevice/org.example.key/t1"), &own).await.ok();
    assert_eq!(pair.here.inbox_of(pair.alice.id()).await, 5_002);
}

#[tokio::test]
async fn messages_are_kept_in_order_and_forged_ones_passed_over() {
    let pair = Pair::new().await;
    let (alice, far) = (&pair.alice, pair.far());
    let since = begin(alice).await;
    let deep = (0..120).fold(json!(1), |inner, _| json!([inner]));
    let deep = json!({ "number": 66, "deep": deep });
    let mut torn = message(pair.bob.id(), "torn", alice, "*", &json!({}));
    torn.1["messages"] = json!([]);
    let edus = vec![
        message(pair.bob.id(), "a", alice, "*", &json!({ "number": 1 })),
        message("@eve:evil.example", "b", alice, "*", &json!({ "number": 66 })),
        message(pair.bob.id(), "c", alice, "NOBODYS", &json!({ "number": 66 })),
        message(pair.bob.id(), "d", alice, "*", &json!("no object")),
        torn,
        message(pair.bob.id(), "e", alice, &alice.device_id, &json!({ "number": 2 })),
        message(pair.bob.id(), "f", alice, "*", &deep),
        message(pair.bob.id(), "g", &pair.bob, "*", &json!({ "number": 66 })),
    ];
    pair.here.hear(&far, edus).await;
    pair.here.hear("evil.example", [message("@eve:evil.example", "a", alice, "*", &json!({ "number": 3 }))]).await;
    let numbers: Vec<Value> =
        inbox(alice, &since).await.into_iter().map(|event| event["content"]["number"].clone()).collect();
    assert_eq!(numbers, [1, 2, 3]);
    // At most 100 of a transaction are looked at.
    let since = begin(alice).await;
    let many =
        (0..150).map(|number| message(pair.bob.id(), &format!("m{number}"), alice, "*", &json!({ "number": number })));
    pair.here.hear(&far, many.collect::<Vec<_>>()).await;
    let first = sync(alice, &since).await;
    assert_eq!(first["to_device"]["events"].as_array().map(Vec::len), Some(100));
    assert_eq!(inbox(alice, &next(&first)).await.len(), 0);
}

#[tokio::test]
async fn the_ids_of_messages_are_forgotten_by_the_daily_job() {
    let pair = Pair::new().await;
    let since = begin(&pair.alice).await;
    let edu = || message(pair.bob.id(), "a", &pair.alice, "*", &json!({}));
    pair.here.hear(&pair.far(), [edu()]).await;
    pair.here.jobs.begin().await.unwrap();
    for (days, expected) in [(1, 1), (15, 2)] {
        pair.here.clock.advance(days * 86_400_000);
        while pair.here.jobs.run_due().await.unwrap() > 0 {}
        pair.here.hear(&pair.far(), [edu()]).await;
        assert_eq!(inbox(&pair.alice, &since).await.len(), expected, "after {days} days");
    }
}

fn ephemeral(answer: &Value, room: &str, kind: &str) -> Option<Value> {
    let events = answer["rooms"]["join"][room]["ephemeral"]["events"].as_array()?;
    Some(events.iter().find(|event| event["type"] == kind)?["content"].clone())
}

#[tokio::test]
async fn typing_of_members_is_seen() {
    let pair = Pair::new().await;
    let mut since = begin(&pair.alice).await;
    let typing =
        |user_id: &str, types: bool| ("m.typing", json!({ "room_id": pair.room, "user_id": user_id, "typing": types }));
    let far = pair.far();
    for (origin, user_id, types, expected) in [
        ("evil.example", pair.bob.id(), true, None),
        ("evil.example", "@eve:evil.example", true, None),
        (far.as_str(), pair.alice.id(), true, None),
        (far.as_str(), pair.bob.id(), true, Some(json!({ "user_ids": [pair.bob.id()] }))),
        (far.as_str(), pair.bob.id(), false, Some(json!({ "user_ids": [] }))),
    ] {
        pair.here.hear(origin, [typing(user_id, types), ("m.typing", json!({ "room_id": 5 }))]).await;
        let answer = sync(&pair.alice, &since).await;
        since = next(&answer);
        assert_eq!(ephemeral(&answer, &pair.room, "m.typing"), expected, "{origin} {user_id}");
    }
    // A room's server ACL holds for what passes, too.
    let path = format!("{V3}/rooms/{}/state/m.room.server_acl", pair.room);
    pair.alice.put(&path, &json!({ "allow": ["*"], "deny": ["127.0.0.1"] })).await.ok();
    let since = begin(&pair.alice).await;
    pair.here.hear(&pair.far(), [typing(pair.bob.id(), true)]).await;
    assert_eq!(ephemeral(&sync(&pair.alice, &since).await, &pair.room, "m.typing"), None);
}

#[tokio::test]
async fn a_receipt_comes_with_the_event_that_it_is_for() {
    let (tap, server) = (Tap::start().await, TestServer::start_federating().await.with_user("alice").await);
    let room = tap.room("11");
    let (alice, room_id) = (server.user("alice"), room.room_id());
    alice.post(&format!("{V3}/join/{room_id}?via={}", tap.name()), &json!({})).await.ok();
    let since = begin(&alice).await;
    let event = room.message("eve", "read by myself at once");
    let (event_id, eve) = (room.id_of(&event), tap.user("eve"));
    let read = json!({ eve.as_str(): { "event_ids": [event_id], "data": { "ts": 5 } } });
    let receipt = json!({ "edu_type": "m.receipt", "content": { room_id.as_str(): { "m.read": read } } });
    tap.send(&server, "t1", &[event], &[receipt]).await.ok();
    let expected = json!({ event_id.as_str(): { "m.read": { eve.as_str(): { "ts": 5 } } } });
    assert_eq!(ephemeral(&sync(&alice, &since).await, room_id.as_str(), "m.receipt"), Some(expected));
}

#[tokio::test]
async fn a_receipt_waits_for_its_event() {
    let (tap, server) = (Tap::start().await, TestServer::start_federating().await.with_user("alice").await);
    let room = tap.room("11");
    let (alice, room_id) = (server.user("alice"), room.room_id());
    alice.post(&format!("{V3}/join/{room_id}?via={}", tap.name()), &json!({})).await.ok();
    let since = begin(&alice).await;
    let (unheard, event) = (room.message("eve", "unheard"), room.message("eve", "read before it is here"));
    let (event_id, eve) = (room.id_of(&event), tap.user("eve"));
    let receipt = |event_id: &str, ts: i64| {
        let read = json!({ eve.as_str(): { "event_ids": [event_id], "data": { "ts": ts } } });
        json!({ "edu_type": "m.receipt", "content": { room_id.as_str(): { "m.read": read } } })
    };
    let seen = async |by: &TestUser| ephemeral(&sync(by, &since).await, room_id.as_str(), "m.receipt");
    // Before the event, and once more with it while it waits for the one that it names.
    tap.send(&server, "t1", &[], &[receipt(event_id.as_str(), 5)]).await.ok();
    let lost = |_: &Heard| Answer::Status(503, json!({ "errcode": "M_UNKNOWN", "error": "later" }));
    tap.script("/_matrix/federation/v1/get_missing_events/", lost);
    tap.script("/_matrix/federation/v1/state_ids/", lost);
    tap.send(&server, "t2", &[event], &[receipt(event_id.as_str(), 6)]).await.ok();
    assert_eq!(seen(&alice).await, None);
    // It waits across a restart.
    let server = server.restart().await;
    let alice = server.user("alice");
    tap.tell_the_truth();
    tap.send(&server, "t3", &[unheard], &[receipt("$nobody:knows", 7)]).await.ok();
    server.clock.advance(HOUR_MS);
    server.ingest.work_off_due().await.unwrap();
    let expected = json!({ event_id.as_str(): { "m.read": { eve.as_str(): { "ts": 6 } } } });
    for _ in 0..1_500 {
        if seen(&alice).await.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(seen(&alice).await, Some(expected), "and the newest one waits for an event that nobody knows");
}

#[tokio::test]
async fn receipts_of_members_are_seen() {
    let pair = Pair::new().await;
    let send = async |number: i64| {
        let path = format!("{V3}/rooms/{}/send/m.room.message/t{number}", pair.room);
        let sent = pair.alice.put(&path, &json!({ "msgtype": "m.text", "body": "hello" })).await.ok();
        sent["event_id"].as_str().unwrap().to_owned()
    };
    let (first, second) = (send(1).await, send(2).await);
    let receipt =
        |user_id: &str, event_id: &str, data: Value| json!({ user_id: { "event_ids": [event_id], "data": data } });
    let hear = async |origin: &str, room: &str, read: Value| {
        pair.here.hear(origin, [("m.receipt", json!({ room: { "m.read": read }, "!torn": 5 }))]).await;
    };
    let (far, bob) = (pair.far(), pair.bob.id());
    let mut since = begin(&pair.alice).await;
    let before = pair.here.contents().await;
    hear("evil.example", &pair.room, receipt(bob, &second, json!({ "ts": 5 }))).await;
    hear(&far, &pair.room, receipt(pair.alice.id(), &second, json!({ "ts": 5 }))).await;
    hear(&far, &pair.room, receipt(&format!("@stranger:{far}"), &second, json!({ "ts": 5 }))).await;
    hear(&far, &pair.room, receipt(bob, &second, json!({ "ts": 5, "thread_id": "no\u{0}thread" }))).await;
    hear(&far, "!elsewhere:localhost", receipt(bob, &second, json!({ "ts": 5 }))).await;
    hear(&far, &pair.room, json!([])).await;
    assert_eq!(before.difference(&pair.here.contents().await), "");
    for (event_id, data) in [
        (&first, json!({ "ts": 1_000 })),
        (&second, json!({ "ts": 2_000 })),
        (&first, json!({ "ts": 3_000, "thread_id": "main" })),
    ] {
        hear(&far, &pair.room, receipt(bob, event_id, data.clone())).await;
        let answer = sync(&pair.alice, &since).await;
        since = next(&answer);
        let expected = json!({ event_id.as_str(): { "m.read": { bob: data } } });
        assert_eq!(ephemeral(&answer, &pair.room, "m.receipt"), Some(expected), "{answer}");
    }
    // An older one changes nothing.
    hear(&far, &pair.room, receipt(bob, &first, json!({ "ts": 9_000 }))).await;
    assert_eq!(ephemeral(&sync(&pair.alice, &since).await, &pair.room, "m.receipt"), None);
}

#[tokio::test]
async fn presence_is_seen_by_those_who_share_a_room() {
    let pair = Pair::new().await;
    let path = format!("{V3}/presence/{}/status", pair.bob.id());
    let push = |updates: Value| [("m.presence", json!({ "push": updates }))];
    let update = |state: &str, idle_ms: i64| json!({ "user_id": pair.bob.id(), "presence": state, "last_active_ago": idle_ms, "status_msg": "tea" });
    pair.here.hear("evil.example", push(json!([update("online", 0)]))).await;
    assert_eq!(pair.alice.get(&path).await.ok()["presence"], "offline");
    let since = begin(&pair.alice).await;
    pair.here
        .hear(&pair.far(), push(json!([5, { "user_id": "@x" }, update("dancing", 0), update("online", 7_000)])))
        .await;
    let expected =
        json!({ "presence": "online", "status_msg": "tea", "last_active_ago": 7_000, "currently_active": true });
    assert_eq!(pair.alice.get(&path).await.ok(), expected);
    let answer = sync(&pair.alice, &since).await;
    let told = answer["presence"]["events"].as_array().cloned().unwrap_or_default();
    assert!(told.iter().any(|event| event["sender"] == pair.bob.id() && event["content"] == expected), "{answer}");
    // His server says when he falls idle; when it says nothing for long, he is gone.
    pair.here.clock.advance(10 * 60_000);
    assert_eq!(pair.alice.get(&path).await.ok()["presence"], "online");
    pair.here.hear(&pair.far(), push(json!([update("unavailable", 600_000)]))).await;
    assert_eq!(pair.alice.get(&path).await.ok()["presence"], "unavailable");
    pair.here.clock.advance(31 * 60_000);
    assert_eq!(pair.alice.get(&path).await.ok()["presence"], "offline");
    pair.here.hear(&pair.far(), push(json!([update("online", 0)]))).await;
    pair.here.hear(&pair.far(), push(json!([update("offline", 0)]))).await;
    assert_eq!(pair.alice.get(&path).await.ok()["presence"], "offline");
}
