//! What is noted of a room's graph beside its events, whatever the order in which they come.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use domicile_core::{
    clock::SECOND_MS,
    rng::{self, SeededRng},
};
use domicile_testkit::{
    server::{Settings, TestServer, TestUser},
    tap::{Answer, Tap, TapRoom},
};
use parking_lot::Mutex;
use ruma::{EventId, OwnedEventId};
use serde_json::{Value, json};

use crate::pair::V3;

/// A number below `below`.
fn below(random: &SeededRng, below: usize) -> usize {
    usize::try_from(u64::from_le_bytes(rng::bytes(random))).unwrap_or_default() % below
}

/// Serves single events of a branch that the tap's room does not know itself, and the room's state for each of them.
fn serve_branch(tap: &Tap, room: &TapRoom, branch: &Arc<Mutex<BTreeMap<OwnedEventId, Value>>>) {
    let (events, name) = (Arc::clone(branch), tap.name());
    tap.script("/_matrix/federation/v1/event/", move |heard| {
        let id = heard.path.rsplit('/').next().unwrap().replace("%24", "$");
        let found = <&EventId>::try_from(id.as_str()).ok().and_then(|id| events.lock().get(id).cloned());
        found.map_or_else(Answer::not_found, |event| {
            Answer::Json(json!({ "origin": name, "origin_server_ts": 1, "pdus": [event] }))
        })
    });
    tap.script("/_matrix/federation/v1/get_missing_events/", |_| Answer::Json(json!({ "events": [] })));
    let (state, chain) = (room.state_ids(), room.auth_chain_ids());
    tap.script("/_matrix/federation/v1/state_ids/", move |_| {
        Answer::Json(json!({ "pdu_ids": state, "auth_chain_ids": chain }))
    });
}

#[tokio::test]
async fn what_is_missing_is_noted_whatever_the_order_of_arrival() {
    for seed in 0..4 {
        let random = SeededRng::new(seed);
        let (tap, server) = (Tap::start().await, TestServer::start_federating().await.with_user("alice").await);
        let room = tap.room("11");
        let room_id = room.room_id();
        let alice = server.user("alice");
        alice.post(&format!("{V3}/join/{room_id}?via={}", tap.name()), &json!({})).await.ok();
        // The room goes on with branches that meet and part.
        let first = room.message("eve", "first");
        let (branch, mut ids) = (Arc::new(Mutex::new(BTreeMap::new())), vec![room.id_of(&first)]);
        branch.lock().insert(ids[0].clone(), first.clone());
        let mut events = vec![first];
        for number in 0..24 {
            let mut prevs: Vec<OwnedEventId> = (0..=below(&random, 3))
                .map(|_| ids[ids.len() - 1 - below(&random, ids.len().min(6))].clone())
                .collect();
            prevs.sort();
            prevs.dedup();
            let event = room.placed("eve", &format!("message {number}"), |place| {
                place.prev_events = prevs;
                place.depth = 100 + number;
            });
            let id = room.id_of(&event);
            branch.lock().insert(id.clone(), event.clone());
            ids.push(id);
            events.push(event);
        }
        serve_branch(&tap, &room, &branch);
        // In order for a while, then in any.
        for at in (9..events.len()).rev() {
            events.swap(at, 8 + below(&random, at - 7));
        }
        let count = i64::try_from(events.len()).unwrap();
        for (number, event) in events.into_iter().enumerate() {
            tap.send(&server, &format!("t{number}"), &[event], &[]).await.ok();
            let graphs = server.graphs().await;
            assert!(
                graphs.noted.iter().all(|id| graphs.missing.contains(id)),
                "seed {seed}: what is here is not missing"
            );
        }
        let mut graphs = server.graphs().await;
        for _ in 0..600 {
            if (graphs.waiting, graphs.messages) == (0, count) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            // A question that the machine was too slow for is asked again after a rest.
            server.clock.advance(SECOND_MS);
            graphs = server.graphs().await;
        }
        assert_eq!((graphs.waiting, graphs.messages), (0, count), "seed {seed}: all are here in the end");
        assert_eq!(graphs.noted, graphs.missing, "seed {seed}");
        // It comes with the first gap, if there is one.
        assert!(graphs.missing.len() <= 1, "seed {seed}: at most what was before the join");
    }
}

#[tokio::test]
async fn what_was_refused_may_be_named_in_the_same_transaction() {
    let (tap, server) = (Tap::start().await, TestServer::start_federating().await.with_user("alice").await);
    let room = tap.room("11");
    let alice = server.user("alice");
    alice.post(&format!("{V3}/join/{}?via={}", room.room_id(), tap.name()), &json!({})).await.ok();
    // Mallory is not in the room, and eve says that this allows her to write.
    let refused = room.placed("mallory", "let me in", |_| {});
    let refused_id = room.id_of(&refused);
    let named = room.placed("eve", "as mallory allows", |place| place.auth_events.push(refused_id.clone()));
    let named_id = room.id_of(&named);
    let answer = tap.send(&server, "both", &[refused, named], &[]).await.ok();
    for id in [&refused_id, &named_id] {
        assert!(answer["pdus"][id.as_str()]["error"].is_string(), "{id}: {answer}");
    }
    let good = room.message("eve", "nobody needs mallory for this");
    let good_id = room.id_of(&good);
    let answer = tap.send(&server, "good", &[good], &[]).await.ok();
    assert_eq!(answer["pdus"][good_id.as_str()], json!({}));
}

#[tokio::test]
async fn what_was_refused_and_comes_again_takes_nothing_else_with_it() {
    let (tap, server) = (Tap::start().await, TestServer::start_federating().await.with_user("alice").await);
    let room = tap.room("11");
    let (alice, room_id) = (server.user("alice"), room.room_id());
    alice.post(&format!("{V3}/join/{room_id}?via={}", tap.name()), &json!({})).await.ok();
    tap.send(&server, "t0", &[room.message("eve", "first")], &[]).await.ok();
    // It stands where the next event would, and it is on disk, but nobody remembers it.
    let refused = room.placed("mallory", "let me in", |_| {});
    let refused_id = room.id_of(&refused);
    let answer = tap.send(&server, "t1", std::slice::from_ref(&refused), &[]).await.ok();
    assert!(answer["pdus"][refused_id.as_str()]["error"].is_string(), "{answer}");
    let good = room.message("eve", "second");
    let good_id = room.id_of(&good);
    for txn in ["t2", "t3"] {
        let answer = tap.send(&server, txn, &[refused.clone(), good.clone()], &[]).await.ok();
        assert_eq!(answer["pdus"][good_id.as_str()], json!({}), "{txn}");
    }
    let page = alice.get(&format!("{V3}/rooms/{room_id}/messages?dir=b&limit=100")).await.ok();
    let bodies = page["chunk"].as_array().unwrap().iter().filter_map(|event| event["content"]["body"].as_str());
    assert_eq!(bodies.collect::<Vec<_>>(), ["second", "first"]);
}

#[tokio::test]
async fn many_ends_are_tied_together_and_nobody_sees_it() {
    let settings = Settings { tells: true, ..Settings::default() };
    let (tap, server) = (Tap::start().await, TestServer::federating_with(settings).await.with_user("alice").await);
    let room = tap.room("11");
    let (alice, room_id) = (server.user("alice"), room.room_id());
    alice.post(&format!("{V3}/join/{room_id}?via={}", tap.name()), &json!({})).await.ok();
    let first = room.message("eve", "first");
    let named = vec![room.id_of(&first)];
    tap.send(&server, "t0", &[first], &[]).await.ok();
    let branches: Vec<Value> = (0..45)
        .map(|number| room.placed("eve", &format!("branch {number}"), |place| place.prev_events.clone_from(&named)))
        .collect();
    let ids: Vec<OwnedEventId> = branches.iter().map(|event| room.id_of(event)).collect();
    let answer = tap.send(&server, "t1", &branches, &[]).await.ok();
    assert!(answer["pdus"].as_object().unwrap().values().all(|answer| answer == &json!({})), "{answer}");
    let graphs = server.graphs().await;
    assert!(graphs.ends <= 11, "{} ends", graphs.ends);
    // What ties them comes from here, and names every branch once.
    let mut named: Vec<OwnedEventId> = Vec::new();
    for _ in 0..100 {
        let heard = tap.heard();
        let events = heard.iter().filter_map(|heard| heard.body["pdus"].as_array()).flatten();
        let ties = events.filter(|event| event["type"] == "org.matrix.dummy_event");
        named =
            ties.flat_map(|event| serde_json::from_value::<Vec<_>>(event["prev_events"].clone()).unwrap()).collect();
        if named.len() >= 40 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(named.len() >= 40, "{}", named.len());
    let untold = ids.iter().filter(|id| !named.contains(id)).count();
    assert!(untold <= 11, "{untold} are ends still");
    // Nobody sees them, and nobody has read the room by them.
    let filter = "%7B%22room%22%3A%7B%22timeline%22%3A%7B%22limit%22%3A100%7D%7D%7D";
    let shown = alice.get(&format!("{V3}/sync?timeout=0&filter={filter}")).await.ok();
    let shown = &shown["rooms"]["join"][room_id.as_str()];
    let types: Vec<&str> =
        shown["timeline"]["events"].as_array().unwrap().iter().filter_map(|event| event["type"].as_str()).collect();
    assert_eq!(types.iter().filter(|kind| **kind == "m.room.message").count(), 46, "{types:?}");
    assert!(!types.contains(&"org.matrix.dummy_event"));
    assert_eq!(shown["unread_notifications"]["notification_count"], 46);
    let page = alice.get(&format!("{V3}/rooms/{room_id}/messages?dir=b&limit=100")).await.ok();
    assert!(!page.to_string().contains("org.matrix.dummy_event"));
}

#[tokio::test]
async fn what_others_tell_beside_what_is_said_here_is_one_write() {
    let (tap, server) = (Tap::start().await, TestServer::start_federating().await.with_user("alice").await);
    let room = tap.room("11");
    let (alice, room_id) = (server.user("alice"), room.room_id());
    alice.post(&format!("{V3}/join/{room_id}?via={}", tap.name()), &json!({})).await.ok();
    let first = room.message("eve", "first");
    let mut named = room.id_of(&first);
    tap.send(&server, "t0", &[first], &[]).await.ok();
    // She writes while they do, and neither has heard of the other.
    let path = format!("{V3}/rooms/{room_id}/send/m.room.message/t1");
    alice.put(&path, &json!({ "msgtype": "m.text", "body": "meanwhile" })).await.ok();
    let mut events = Vec::new();
    for number in 0..50 {
        let event = room.placed("eve", &format!("there {number}"), |place| place.prev_events = vec![named.clone()]);
        named = room.id_of(&event);
        events.push(event);
    }
    let before = server.graphs().await;
    let answer = tap.send(&server, "t1", &events, &[]).await.ok();
    assert!(answer["pdus"].as_object().unwrap().values().all(|answer| answer == &json!({})), "{answer}");
    let after = server.graphs().await;
    assert_eq!((after.messages - before.messages, after.writes - before.writes), (50, 1));
    assert_eq!(after.ends, 2, "hers and the last of theirs");
}

#[tokio::test]
async fn what_others_tell_takes_turns_with_what_is_said_here() {
    let (tap, server) = (Tap::start().await, TestServer::start_federating().await.with_user("alice").await);
    let room = tap.room("11");
    let (alice, room_id) = (server.user("alice"), room.room_id());
    alice.post(&format!("{V3}/join/{room_id}?via={}", tap.name()), &json!({})).await.ok();
    let known = server.services.sender.rooms().get(&room_id).await.unwrap();
    // A hundred here stand in line before the first of the others comes.
    let (order, held) = (Arc::new(Mutex::new(Vec::new())), known.writer().await);
    let mut all = Vec::new();
    for number in 0..110 {
        let (order, known) = (Arc::clone(&order), Arc::clone(&known));
        all.push(tokio::spawn(async move {
            let is_told = number >= 100;
            let _writer = if is_told { known.writer_for_told().await } else { known.writer().await };
            order.lock().push(is_told);
            tokio::task::yield_now().await;
        }));
        tokio::task::yield_now().await;
    }
    drop(held);
    for one in all {
        one.await.unwrap();
    }
    let order = order.lock();
    let last = order.iter().rposition(|is_told| *is_told).unwrap();
    assert!(last < 25, "the last of ten was number {last}: {order:?}");
}

/// All pages of a room's past from its newest end, and how many they were.
async fn pages(by: &TestUser, room_id: &str, limit: usize) -> (Vec<String>, usize) {
    let (mut from, mut bodies, mut count) = (String::new(), Vec::new(), 0);
    loop {
        let page = by.get(&format!("{V3}/rooms/{room_id}/messages?dir=b&limit={limit}{from}")).await.ok();
        let chunk = page["chunk"].as_array().unwrap();
        bodies.extend(chunk.iter().filter_map(|event| event["content"]["body"].as_str().map(str::to_owned)));
        count += 1;
        assert!(count < 50, "the past has no end");
        match page["end"].as_str() {
            Some(end) => from = format!("&from={end}"),
            None => return (bodies, count),
        }
    }
}

#[tokio::test]
async fn a_gap_in_the_timeline_is_filled_for_who_pages_through_it() {
    let (tap, server) = (Tap::start().await, TestServer::start_federating().await.with_user("alice").await);
    let room = tap.room("11");
    let (alice, room_id) = (server.user("alice"), room.room_id());
    room.message("eve", "before we came");
    alice.post(&format!("{V3}/join/{room_id}?via={}", tap.name()), &json!({})).await.ok();
    tap.send(&server, "t1", &[room.message("eve", "first")], &[]).await.ok();
    // The tap is silent for a while; then it tells the newest only, and nothing of what lies between.
    let missed: Vec<String> = (0..30).map(|number| format!("missed {number}")).collect();
    for body in &missed {
        room.message("eve", body);
    }
    tap.script("/_matrix/federation/v1/get_missing_events/", |_| Answer::Json(json!({ "events": [] })));
    tap.send(&server, "t2", &[room.message("eve", "last")], &[]).await.ok();
    for _ in 0..1_500 {
        // With the one of before the join, which comes along.
        if server.graphs().await.messages == 3 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Nobody has what lies between: it is passed over, and what is older is shown.
    tap.script("/_matrix/federation/v1/backfill/", |_| {
        Answer::Json(json!({ "origin": "x", "origin_server_ts": 1, "pdus": [] }))
    });
    let page = alice.get(&format!("{V3}/rooms/{room_id}/messages?dir=b&limit=1")).await.ok();
    assert_eq!(page["chunk"][0]["content"]["body"], "last");
    let page = alice
        .get(&format!("{V3}/rooms/{room_id}/messages?dir=b&limit=1&from={}", page["end"].as_str().unwrap()))
        .await
        .ok();
    assert_eq!(page["chunk"][0]["content"]["body"], "first", "{page}");

    tap.tell_the_truth();
    let mut expected = vec!["last".to_owned()];
    expected.extend(missed.iter().rev().cloned());
    expected.extend(["first".to_owned(), "before we came".to_owned()]);
    assert_eq!(pages(&alice, room_id.as_str(), 7).await.0, expected);
    let asked = tap.heard().iter().filter(|heard| heard.path.contains("/backfill/")).count();
    assert_eq!(pages(&alice, room_id.as_str(), 100).await.0, expected, "the same again");
    let again = tap.heard().iter().filter(|heard| heard.path.contains("/backfill/")).count();
    assert_eq!(again, asked, "what is here is not fetched twice");
    // Where a timeline begins behind the gap, its `prev_batch` leads into it.
    let filter = "%7B%22room%22%3A%7B%22timeline%22%3A%7B%22limit%22%3A1%7D%7D%7D";
    let shown = alice.get(&format!("{V3}/sync?timeout=0&filter={filter}")).await.ok();
    let prev = shown["rooms"]["join"][room_id.as_str()]["timeline"]["prev_batch"].as_str().unwrap().to_owned();
    let page = alice.get(&format!("{V3}/rooms/{room_id}/messages?dir=b&limit=1&from={prev}")).await.ok();
    assert_eq!(page["chunk"][0]["content"]["body"], "missed 29");
    let id = page["chunk"][0]["event_id"].as_str().unwrap();
    let event = alice.get(&format!("{V3}/rooms/{room_id}/event/{id}")).await.ok();
    assert_eq!(event["content"]["body"], "missed 29");
}
