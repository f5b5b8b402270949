//! Joins with and without members in the answer.

use std::time::Duration;

use axum::http::Method;
use domicile_testkit::{
    server::TestServer,
    tap::{Answer, Tap},
};
use serde_json::{Value, json};

use crate::{pair::V3, together};

const V2: &str = "/_matrix/federation/v2";

/// Types and state keys of events, in order.
fn told(events: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let events = events.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut told: Vec<String> =
        events.iter().map(|event| format!("{} {}", text(&event["type"]), text(&event["state_key"]))).collect();
    told.sort();
    told
}

/// A room of alice with two more members of her server and one of a third server.
async fn crowded(here: &TestServer, name: Option<&str>) -> String {
    let mut wanted = json!({ "preset": "public_chat", "room_version": "11" });
    if let Some(name) = name {
        wanted["name"] = name.into();
    }
    let room = together::room(&here.user("alice"), wanted).await;
    for user in ["carol", "dave"] {
        here.user(user).post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    }
    here.strangers(&room, &["@eve:third.example"], "join").await;
    room
}

/// What the server answers to the join of somebody of another server.
async fn joined(here: &TestServer, there: &TestServer, room: &str, user: &str, query: &str) -> Value {
    let path = format!("{}/make_join/{room}/@{user}:{}?ver=11", together::V1, there.name());
    let draft = together::get(there, here, &path).await.ok();
    let (event_id, event) = there.finish(&draft["event"], "11");
    let path = format!("{V2}/send_join/{room}/{event_id}{query}");
    together::ask(there, here, Method::PUT, &path, Some(&event)).await.ok()
}

#[tokio::test]
async fn a_server_that_asks_for_it_is_told_the_state_without_members() {
    let here =
        TestServer::start_federating().await.with_user("alice").await.with_user("carol").await.with_user("dave").await;
    let there = TestServer::start_federating().await;
    let mut servers = vec![here.name().to_string(), "third.example".to_owned()];
    servers.sort();
    let room = crowded(&here, Some("a name")).await;
    let whole = joined(&here, &there, &room, "bob", "").await;
    assert_eq!(whole.get("members_omitted"), None);
    assert_eq!(told(&whole["state"]).iter().filter(|event| event.starts_with("m.room.member")).count(), 4);

    let room = crowded(&here, Some("a name")).await;
    let part = joined(&here, &there, &room, "bob", "?omit_members=true").await;
    assert_eq!((&part["members_omitted"], &part["servers_in_room"]), (&json!(true), &json!(servers)));
    let (state, chain) = (told(&part["state"]), told(&part["auth_chain"]));
    assert!(state.contains(&"m.room.name ".to_owned()) && state.contains(&"m.room.create ".to_owned()), "{state:?}");
    assert!(!state.iter().any(|event| event.starts_with("m.room.member")), "the name says enough: {state:?}");
    assert_eq!(
        chain,
        [format!("m.room.member {}", here.user("alice").id())],
        "what allows it and is not told in the state"
    );

    let room = crowded(&here, None).await;
    let part = joined(&here, &there, &room, "bob", "?omit_members=true").await;
    let state = told(&part["state"]);
    assert_eq!(
        state.iter().filter(|event| event.starts_with("m.room.member")).count(),
        4,
        "their names stand for the room's"
    );
    // Who was here before is told their own last membership.
    let room = crowded(&here, Some("a name")).await;
    joined(&here, &there, &room, "bob", "").await;
    let part = joined(&here, &there, &room, "bob", "?omit_members=true").await;
    let bob = format!("m.room.member @bob:{}", there.name());
    assert!(told(&part["state"]).contains(&bob), "{part}");
}

#[tokio::test]
async fn what_is_said_while_somebody_enters_is_not_missed() {
    let (tap, server) = (Tap::start().await, TestServer::start_federating().await.with_user("alice").await);
    let room = tap.room("11");
    // The answer to the join takes some seconds to come.
    let entered = room.clone();
    tap.script(&format!("{V2}/send_join/"), move |heard| {
        let (_, told) = entered.answers();
        entered.take(&heard.body).expect("a join");
        let answer =
            json!({ "origin": "x", "event": heard.body, "state": told["pdus"], "auth_chain": told["auth_chain"] });
        Answer::Trickle(answer.to_string().into_bytes(), Duration::from_millis(1))
    });
    let alice = server.user("alice");
    let path = format!("{V3}/join/{}?via={}", room.room_id(), tap.name());
    let join = tokio::spawn(async move { alice.post(&path, &json!({})).await.ok() });
    while !tap.heard().iter().any(|heard| heard.path.contains("/send_join/")) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let said = room.message("eve", "welcome");
    assert!(!join.is_finished(), "she is still entering");
    tap.send(&server, "t1", &[said], &[]).await.ok();
    join.await.unwrap();
    let alice = server.user("alice");
    let page = alice.get(&format!("{V3}/rooms/{}/messages?dir=b&limit=1", room.room_id())).await.ok();
    assert_eq!(page["chunk"][0]["content"]["body"], "welcome", "{page}");
}
