//! Somebody has a cell's key and all that is on its disk, or a key that they made up. What they can say is of that cell's people, and after it is
//! revoked nothing.

use axum::http::Method;
use domicile_testkit::cluster::{Cluster, Forger, Request};
use serde_json::{Value, json};

use crate::{read, say, state, two, until};

pub(crate) fn transaction(pdus: &[Value], edus: &[Value]) -> Value {
    json!({ "origin": "example.org", "origin_server_ts": 1, "pdus": pdus, "edus": edus })
}

/// A transaction of a forger, in the name of the cell `ru1`.
pub(crate) async fn tell(forger: &Forger, id: &str, body: &Value) -> Result<(u16, Value), String> {
    let path = format!("/_matrix/federation/v1/send/{id}");
    forger
        .ask(Request { origin: "ru1", serial: 2, number: None, method: Method::PUT, path: &path, body: Some(body) })
        .await
}

/// An event as cells have it.
pub(crate) async fn raw(cluster: &Cluster, cell: &str, event_id: &str) -> Value {
    let event_id = ruma::OwnedEventId::try_from(event_id).unwrap();
    let stored = cluster.cell(cell).services.sender.events().by_id(&event_id).await.unwrap().unwrap();
    serde_json::from_slice(stored.pdu.json()).unwrap()
}

/// A room of version 11, in which alice and bob are.
pub(crate) async fn room(cluster: &Cluster) -> String {
    let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
    crate::shared_of(&alice, &bob, json!({ "room_version": "11" })).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_made_up_key_opens_nothing() {
    let cluster = two().await;
    let forger = cluster.forger(None, "eu1");
    let told = tell(&forger, "t1", &transaction(&[], &[])).await;
    assert!(told.is_err(), "the handshake itself is refused: {told:?}");
    // Nor does anything on the listeners for clients and other servers believe somebody who calls themselves a cell.
    let path = "/_matrix/federation/v1/event/$x";
    let request = axum::http::Request::builder().uri(path).header(
        "authorization",
        r#"X-Matrix origin="ru1.cell.invalid",destination="example.org",key="ed25519:x",sig="AAAA""#,
    );
    let answer = cluster.cell("eu1").anonymous().request(request.body(axum::body::Body::empty()).unwrap()).await;
    assert!(answer.status.is_client_error(), "{}", answer.status);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_key_speaks_for_its_own_people_only() {
    let cluster = two().await;
    let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
    let room = room(&cluster).await;
    let real = say(&bob, &room, "real").await;
    until("alice reads it", || async { read(&alice, &room).await == [real.clone()] }).await;
    let like = raw(&cluster, "eu1", &real).await;
    let forger = cluster.forger(Some("ru1"), "eu1");

    // In the name of another cell.
    let ask = |origin, serial| Request {
        origin,
        serial,
        number: None,
        method: Method::GET,
        path: "/_matrix/federation/v1/event/$x",
        body: None,
    };
    assert_eq!(forger.ask(ask("eu1", 2)).await.unwrap().0, 401);
    assert_eq!(forger.ask(ask("zz9", 2)).await.unwrap().0, 401);
    assert_eq!(forger.ask(ask("ru1", 9)).await.unwrap().0, 401, "documents too far apart");
    // In the name of a person of another cell: a message, typing, a message to devices, a leave.
    let (status, answer) = tell(&forger, "t1", &transaction(&[forger.event(&like, alice.id())], &[])).await.unwrap();
    assert_eq!(status, 200, "{answer}");
    assert!(answer["pdus"].as_object().unwrap().values().all(|told| told["error"].is_string()), "{answer}");
    let direct = json!({ "edu_type": "m.direct_to_device", "content": {
        "sender": alice.id(), "type": "m.forged", "message_id": "m1", "messages": { alice.id(): { &alice.device_id: {} } } } });
    tell(&forger, "t2", &transaction(&[], &[direct])).await.unwrap();
    let sync = alice.get(&format!("{}/sync", crate::V3)).await.ok();
    assert!(!sync["to_device"].to_string().contains("m.forged"), "{sync}");
    let path = format!("/_matrix/federation/v1/make_leave/{room}/{}", alice.id());
    let leave = Request { origin: "ru1", serial: 2, number: None, method: Method::GET, path: &path, body: None };
    assert_eq!(forger.ask(leave).await.unwrap().0, 403);
    assert_eq!(read(&alice, &room).await, std::slice::from_ref(&real));
    // It takes no name that is another's, and moves nobody.
    let wish = json!({ "user_id": alice.id() });
    let take = Request {
        origin: "ru1",
        serial: 2,
        number: None,
        method: Method::POST,
        path: "/_domicile/inner/v1/names/take",
        body: Some(&wish),
    };
    assert_eq!(forger.ask(take).await.unwrap().1["errcode"], "M_USER_IN_USE");
    // What it can say is of its own people: that is what was stolen.
    let own = forger.event(&like, bob.id());
    let (_, answer) = tell(&forger, "t3", &transaction(&[own], &[])).await.unwrap();
    assert!(answer["pdus"].as_object().unwrap().values().all(|told| told["error"].is_null()), "{answer}");
    assert_eq!(read(&alice, &room).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_counts_once() {
    let cluster = two().await;
    let forger = cluster.forger(Some("ru1"), "eu1");
    let body = transaction(&[], &[]);
    let again = |number| Request {
        origin: "ru1",
        serial: 2,
        number: Some(number),
        method: Method::PUT,
        path: "/_matrix/federation/v1/send/t1",
        body: Some(&body),
    };
    assert_eq!(forger.ask(again(7)).await.unwrap().0, 200);
    assert_eq!(forger.ask(again(7)).await.unwrap().0, 401);
    assert_eq!(forger.ask(again(6)).await.unwrap().0, 200, "requests may overtake each other");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_cell_is_heard_no_more() {
    let mut cluster = two().await;
    let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
    let room = room(&cluster).await;
    let real = say(&bob, &room, "real").await;
    until("alice reads it", || async { read(&alice, &room).await == [real.clone()] }).await;
    let like = raw(&cluster, "eu1", &real).await;
    let before = state(&alice, &room).await;
    Box::pin(cluster.revoke("ru1")).await;
    let alice = cluster.user("eu1", "alice");
    let forger = cluster.forger(Some("ru1"), "eu1");
    assert!(tell(&forger, "t1", &transaction(&[forger.event(&like, bob.id())], &[])).await.is_err());
    assert_eq!(state(&alice, &room).await, before, "the room lives on");
    assert_eq!(read(&alice, &room).await, std::slice::from_ref(&real), "and so does what was said before");
    say(&alice, &room, "alone").await;
    assert_eq!(read(&alice, &room).await.len(), 2);
    // Nor does it count what another would bring: an event with its signature alone, which nobody had before.
    let late = forger.event(&like, "@bob:example.org");
    let room_id = ruma::OwnedRoomId::try_from(room.as_str()).unwrap();
    let raw = serde_json::value::to_raw_value(&late).unwrap();
    let rules = ruma::RoomVersionId::V11.rules().unwrap();
    let verified = cluster.cell("eu1").ingest.verify_one(&rules, &room_id, raw).await.unwrap();
    assert!(verified.is_err(), "{verified:?}");
}

/// Whether a cell takes an event with these signatures under the deployment's name.
async fn takes(cluster: &Cluster, cell: &str, room: &str, event: &Value) -> bool {
    let room_id = ruma::OwnedRoomId::try_from(room).unwrap();
    let raw = serde_json::value::to_raw_value(event).unwrap();
    let rules = ruma::RoomVersionId::V11.rules().unwrap();
    cluster.cell(cell).ingest.verify_one(&rules, &room_id, raw).await.unwrap().is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_had_of_a_revoked_cell_lives_on_by_their_witness() {
    let cluster = Cluster::of(&["eu", "ru", "ch"]).await.with_user("eu1", "alice").await.with_user("ru1", "bob").await;
    let mut cluster = cluster.with_user("ch1", "carol").await;
    let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
    let room = room(&cluster).await;
    let said = [say(&bob, &room, "first").await, say(&bob, &room, "second").await];
    until("alice reads it", || async { read(&alice, &room).await == said }).await;
    let like = raw(&cluster, "eu1", &said[0]).await;

    Box::pin(cluster.revoke("ru1")).await;
    let (alice, carol) = (cluster.user("eu1", "alice"), cluster.user("ch1", "carol"));
    let invite = json!({ "user_id": carol.id() });
    alice.post(&format!("/_matrix/client/v3/rooms/{room}/invite"), &invite).await.ok();
    carol.post(&format!("/_matrix/client/v3/join/{room}"), &json!({})).await.ok();
    let members = carol.get(&format!("/_matrix/client/v3/rooms/{room}/joined_members")).await.ok();
    assert_eq!(members["joined"].as_object().unwrap().len(), 3, "bob's join is there: {members}");
    until("carol reads what bob had said", || async {
        let found = read(&carol, &room).await;
        said.iter().all(|id| found.contains(id))
    })
    .await;
    assert_eq!(raw(&cluster, "ch1", &said[0]).await["content"]["ciphertext"], "first", "all of it");
    let signatures = |event: &Value| event["signatures"]["example.org"].as_object().unwrap().len();
    assert_eq!(signatures(&like), 1);
    assert_eq!(signatures(&raw(&cluster, "ch1", &said[0]).await), 2, "with the signature of the cell that had it");

    // Both have to have signed: the key alone is a thief's, and a cell at work alone speaks for its own people only.
    let [thief, eu1] = ["ru1", "eu1"].map(|cell| cluster.forger(Some(cell), "ch1").event(&like, "@bob:example.org"));
    assert!(!takes(&cluster, "ch1", &room, &thief).await);
    assert!(!takes(&cluster, "ch1", &room, &eu1).await);
    let mut both = thief.clone();
    let witness = eu1["signatures"]["example.org"].as_object().unwrap();
    both["signatures"]["example.org"].as_object_mut().unwrap().extend(witness.clone());
    assert!(takes(&cluster, "ch1", &room, &both).await);
    for id in thief["signatures"]["example.org"].as_object().unwrap().keys().chain(witness.keys()) {
        let mut half = both.clone();
        half["signatures"]["example.org"][id] = "A".repeat(86).into();
        assert!(!takes(&cluster, "ch1", &room, &half).await, "a signature under {id} that is wrong");
    }
    let mut revoked_twice = thief.clone();
    let of_thief = thief["signatures"]["example.org"].clone();
    revoked_twice["signatures"]["example.org"]["ed25519:cell_0000000000000000"] =
        of_thief.as_object().unwrap().values().next().unwrap().clone();
    assert!(!takes(&cluster, "ch1", &room, &revoked_twice).await, "nobody's key is no witness");
}
