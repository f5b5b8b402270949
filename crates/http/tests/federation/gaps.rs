//! What lies between the end of a room here and an event of another server is fetched whole, however few the other gives at once.

use std::{collections::BTreeMap, time::Duration};

use domicile_testkit::{
    server::TestServer,
    tap::{Answer, Tap},
};
use ruma::OwnedEventId;
use serde_json::{Value, json};

use crate::pair::V3;

/// Messages that the server does not hear of.
const MISSED: usize = 130;
/// Events that the other server gives at once.
const PAGE: usize = 20;

#[tokio::test]
async fn a_long_gap_is_filled_whole() {
    let (tap, server) = (Tap::start().await, TestServer::start_federating().await.with_user("alice").await);
    let room = tap.room("11");
    let alice = server.user("alice");
    alice.post(&format!("{V3}/join/{}?via={}", room.room_id(), tap.name()), &json!({})).await.ok();
    let first = room.message("eve", "first");
    let (mut last, mut chain) = (room.id_of(&first), BTreeMap::<String, Value>::new());
    tap.send(&server, "first", &[first], &[]).await.ok();
    let mut newest = Value::Null;
    for number in 0..=MISSED {
        newest = room.placed("eve", &format!("message {number}"), |place| {
            place.prev_events = vec![last];
            place.depth = 100 + i64::try_from(number).unwrap();
        });
        last = room.id_of(&newest);
        chain.insert(last.to_string(), newest.clone());
    }
    let before = move |id: &str| -> Option<(String, Value)> {
        let id = chain.get(id)?["prev_events"][0].as_str()?.to_owned();
        let event = chain.get(&id)?.clone();
        Some((id, event))
    };
    tap.script("/_matrix/federation/v1/get_missing_events/", move |heard| {
        let mut events = Vec::new();
        let mut from = heard.body["latest_events"][0].as_str().unwrap().to_owned();
        while events.len() < PAGE
            && let Some((id, event)) = before(&from)
        {
            events.push(event);
            from = id;
        }
        events.reverse();
        Answer::Json(json!({ "events": events }))
    });
    let newest_id: OwnedEventId = last;
    tap.send(&server, "newest", &[newest], &[]).await.ok();
    let messages = i64::try_from(MISSED + 2).unwrap();
    let mut graphs = server.graphs().await;
    for _ in 0..600 {
        if (graphs.waiting, graphs.messages) == (0, messages) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        graphs = server.graphs().await;
    }
    assert_eq!((graphs.waiting, graphs.messages), (0, messages), "everything up to {newest_id}");
    let path = format!("{V3}/rooms/{}/messages?dir=b&limit=1000", room.room_id());
    let past = alice.get(&path).await.ok();
    let bodies: Vec<&str> =
        past["chunk"].as_array().unwrap().iter().filter_map(|event| event["content"]["body"].as_str()).collect();
    assert_eq!(bodies.iter().filter(|body| body.starts_with("message ")).count(), MISSED + 1);
    assert_eq!((bodies[0], bodies[MISSED]), (format!("message {MISSED}").as_str(), "message 0"));
}
