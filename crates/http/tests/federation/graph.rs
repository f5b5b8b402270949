//! What is noted of a room's graph beside its events, whatever the order in which they come.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use domicile_core::{
    clock::SECOND_MS,
    rng::{self, SeededRng},
};
use domicile_testkit::{
    server::TestServer,
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
        assert_eq!(graphs.missing.len(), 1, "seed {seed}: only what was before the join");
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
