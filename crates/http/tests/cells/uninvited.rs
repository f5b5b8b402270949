//! Joins that no one invited: who tries is kept out and told of, who comes in by an invite that did not count is told of, and ordinary joins are not.

use domicile_core::clock::MINUTE_MS;
use domicile_testkit::{cluster::Cluster, server::TestUser};
use ruma::{CanonicalJsonObject, OwnedEventId, RoomVersionId};
use serde_json::{Value, json};

use crate::{
    V3,
    key_incidents::{noticed, told},
    moves::{foreign, rows},
    shared, shared_of,
    stolen::{raw, tell, transaction},
    told::notices,
    two, until,
};

/// The id of an event of a room of version 11.
fn id_of(event: &Value) -> OwnedEventId {
    let object: CanonicalJsonObject = serde_json::from_value(event.clone()).unwrap();
    let hash = ruma::signatures::reference_hash(&object, &RoomVersionId::V11.rules().unwrap()).unwrap();
    format!("${hash}").try_into().unwrap()
}

/// Those of some events that do not say this membership.
async fn without(cluster: &Cluster, ids: &Value, membership: &str) -> Vec<Value> {
    let mut left = Vec::new();
    for id in ids.as_array().unwrap() {
        let event = raw(cluster, "eu1", id.as_str().unwrap()).await;
        if event["content"]["membership"] != membership {
            left.push(id.clone());
        }
    }
    left
}

/// The newest event of a type and a state key in a room, as the first cell has it.
async fn newest(cluster: &Cluster, by: &TestUser, room: &str, kind: &str, state_key: &str) -> Value {
    let state = by.get(&format!("{V3}/rooms/{room}/state")).await.ok();
    let found = state.as_array().unwrap().iter().find(|event| event["type"] == kind && event["state_key"] == state_key);
    raw(cluster, "eu1", found.unwrap()["event_id"].as_str().unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_tries_to_come_uninvited_is_kept_out_and_told_of() {
    let cluster = two().await.with_user("ru1", "eve").await;
    let [alice, bob, eve] =
        [("eu1", "alice"), ("ru1", "bob"), ("ru1", "eve")].map(|(cell, who)| cluster.user(cell, who));
    let room = shared_of(&alice, &bob, json!({ "room_version": "11" })).await;
    let forger = cluster.forger(Some("ru1"), "eu1");
    let mut like = newest(&cluster, &alice, &room, "m.room.member", bob.id()).await;
    like["state_key"] = eve.id().into();
    like["auth_events"] = without(&cluster, &like["auth_events"], "invite").await.into();
    let join = forger.event(&like, eve.id());
    for id in ["t1", "t2"] {
        tell(&forger, id, &transaction(std::slice::from_ref(&join), &[])).await.unwrap();
    }
    let found = noticed(&cluster, "eu1").await;
    assert_eq!(found.len(), 1, "{found:?}");
    let seen = (found[0].kind.as_str(), found[0].user_id.as_str(), &found[0].subject, found[0].times);
    assert_eq!(seen, ("uninvited_join", eve.id(), &room, 1), "an event counts once");
    assert_eq!((told(&cluster, "eu1").await, told(&cluster, "eu1").await), (1, 0));
    let read = notices(&alice).await;
    assert!(read.len() == 1 && read[0].contains(eve.id()) && read[0].contains("was not let in"), "{read:?}");
    let members = alice.get(&format!("{V3}/rooms/{room}/joined_members")).await.ok();
    assert!(members["joined"].get(eve.id()).is_none(), "{members}");
    // Again on the same day: noted, and told with the next notice.
    like["origin_server_ts"] = json!(5);
    tell(&forger, "t3", &transaction(&[forger.event(&like, eve.id())], &[])).await.unwrap();
    assert_eq!((noticed(&cluster, "eu1").await[0].times, told(&cluster, "eu1").await), (2, 0));
    assert_eq!(rows(&foreign(&cluster, "eu1").await), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_in_by_an_invite_that_did_not_count_is_told_of() {
    let cluster = two().await.with_user("ru1", "eve").await;
    let [alice, bob, eve] =
        [("eu1", "alice"), ("ru1", "bob"), ("ru1", "eve")].map(|(cell, who)| cluster.user(cell, who));
    let room = shared_of(&alice, &bob, json!({ "room_version": "11", "name": "Tea" })).await;
    let bobs = newest(&cluster, &alice, &room, "m.room.member", bob.id()).await;
    let (bobs_id, powers) = (id_of(&bobs), newest(&cluster, &alice, &room, "m.room.power_levels", "").await);
    let invite = newest(&cluster, &alice, &room, "m.room.join_rules", "").await;
    // From now on only alice invites.
    let mut levels = powers["content"].clone();
    levels["invite"] = json!(100);
    alice.put(&format!("{V3}/rooms/{room}/state/m.room.power_levels"), &levels).await.ok();
    let forger = cluster.forger(Some("ru1"), "eu1");
    let made = |mut like: Value, sender: &TestUser, membership: &str, prev: &[&OwnedEventId], auth: Vec<Value>| {
        like["type"] = "m.room.member".into();
        like["state_key"] = eve.id().into();
        like["content"] = json!({ "membership": membership });
        like["prev_events"] = json!(prev);
        like["auth_events"] = auth.into();
        forger.event(&like, sender.id())
    };
    // An invite as if it had been made before that, and a join by it.
    let allowed = without(&cluster, &bobs["auth_events"], "invite").await;
    let mut auth = allowed.clone();
    auth.retain(|id| *id != json!(id_of(&invite)));
    auth.push(json!(bobs_id));
    let back_dated = made(bobs.clone(), &bob, "invite", &[&bobs_id], auth);
    let mut auth = allowed;
    auth.push(json!(id_of(&back_dated)));
    let join = made(bobs.clone(), &eve, "join", &[&id_of(&back_dated)], auth);
    let (_, answer) = tell(&forger, "t1", &transaction(&[back_dated, join.clone()], &[])).await.unwrap();
    let found = noticed(&cluster, "eu1").await;
    assert_eq!(found.len(), 1, "{answer} {found:?}");
    assert_eq!((found[0].kind.as_str(), found[0].user_id.as_str()), ("uninvited_join", eve.id()));
    // A message that stands on the join and on what everybody has brings both branches together.
    let extremities = newest(&cluster, &alice, &room, "m.room.power_levels", "").await;
    let mut message = bobs.clone();
    let object = message.as_object_mut().unwrap();
    object.remove("state_key");
    message["type"] = "m.room.encrypted".into();
    message["content"] = crate::secret("together");
    message["prev_events"] = json!([id_of(&join), id_of(&extremities)]);
    let create = without(&cluster, &bobs["auth_events"], "invite").await;
    let create: Vec<Value> =
        create.into_iter().filter(|id| *id != json!(id_of(&invite)) && *id != json!(id_of(&powers))).collect();
    let mut auth = create;
    auth.extend([json!(id_of(&extremities)), json!(bobs_id)]);
    message["auth_events"] = auth.into();
    let (_, answer) = tell(&forger, "t2", &transaction(&[forger.event(&message, bob.id())], &[])).await.unwrap();
    assert!(answer["pdus"].as_object().unwrap().values().all(|told| told["error"].is_null()), "{answer}");
    let members = alice.get(&format!("{V3}/rooms/{room}/joined_members")).await.ok();
    let is_in = members["joined"].get(eve.id()).is_some();
    let found = noticed(&cluster, "eu1").await;
    assert_eq!((found.len(), found[0].times), (1, if is_in { 2 } else { 1 }), "{found:?}");
    assert_eq!(told(&cluster, "eu1").await, 1);
    let read = notices(&alice).await;
    let words = if is_in { "has come into the room \"Tea\"" } else { "tried to come into the room \"Tea\"" };
    assert!(read.iter().any(|text| text.contains(words)), "{is_in} {read:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_told_of_ordinary_joins() {
    let cluster = Cluster::with_flow(&["eu", "ru"], "allow").await;
    let cluster = cluster.with_user("eu1", "alice").await.with_user("ru1", "bob").await.with_user("ru1", "carl").await;
    let [alice, bob, carl] =
        [("eu1", "alice"), ("ru1", "bob"), ("ru1", "carl")].map(|(cell, who)| cluster.user(cell, who));
    // By an invite, also of somebody of the same cell; left and come back.
    let room = shared(&alice, &bob).await;
    bob.post(&format!("{V3}/rooms/{room}/invite"), &json!({ "user_id": carl.id() })).await.ok();
    carl.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    cluster.pass(1_000);
    carl.post(&format!("{V3}/rooms/{room}/leave"), &json!({})).await.ok();
    until("alice sees that he has gone", || async {
        let state = alice.get(&format!("{V3}/rooms/{room}/state/m.room.member/{}", carl.id())).await;
        state.json()["membership"] == "leave"
    })
    .await;
    cluster.pass(1_000);
    alice.post(&format!("{V3}/rooms/{room}/invite"), &json!({ "user_id": carl.id() })).await.ok();
    until("he is back", || async { carl.post(&format!("{V3}/join/{room}"), &json!({})).await.status.is_success() })
        .await;
    // As a member of another room, and by knocking.
    let restricted = json!({ "preset": "private_chat", "room_version": "11", "initial_state": [{
        "type": "m.room.join_rules", "state_key": "", "content": {
            "join_rule": "restricted", "allow": [{ "type": "m.room_membership", "room_id": room }] } }] });
    let made = alice.post(&format!("{V3}/createRoom"), &restricted).await.ok();
    let restricted = made["room_id"].as_str().unwrap();
    bob.post(&format!("{V3}/join/{restricted}?via=example.org"), &json!({})).await.ok();
    let knocking = json!({ "preset": "private_chat", "room_version": "11", "initial_state": [{
        "type": "m.room.join_rules", "state_key": "", "content": { "join_rule": "knock" } }] });
    let made = alice.post(&format!("{V3}/createRoom"), &knocking).await.ok();
    let knocked = made["room_id"].as_str().unwrap();
    bob.post(&format!("{V3}/knock/{knocked}?via=example.org"), &json!({})).await.ok();
    alice.post(&format!("{V3}/rooms/{knocked}/invite"), &json!({ "user_id": bob.id() })).await.ok();
    until("he is in", || async { bob.post(&format!("{V3}/join/{knocked}"), &json!({})).await.status.is_success() })
        .await;
    // Into an open room.
    let made = alice.post(&format!("{V3}/createRoom"), &json!({ "preset": "public_chat" })).await.ok();
    let open = made["room_id"].as_str().unwrap();
    bob.post(&format!("{V3}/join/{open}?via=example.org"), &json!({})).await.ok();
    for room in [room.as_str(), restricted, knocked, open] {
        until("alice sees him", || async {
            let members = alice.get(&format!("{V3}/rooms/{room}/joined_members")).await.ok();
            members["joined"].get(bob.id()).is_some()
        })
        .await;
    }
    // While the border was closed, too: the invite comes with the join, and much has happened.
    cluster.cut();
    let away = bob.post(&format!("{V3}/createRoom"), &json!({ "preset": "private_chat" })).await.ok();
    let away = away["room_id"].as_str().unwrap();
    bob.post(&format!("{V3}/rooms/{away}/invite"), &json!({ "user_id": carl.id() })).await.ok();
    // Of changes of one instant, any may be the last where they meet.
    cluster.pass(1_000);
    carl.post(&format!("{V3}/rooms/{room}/leave"), &json!({})).await.ok();
    cluster.pass(1_000);
    bob.post(&format!("{V3}/rooms/{room}/invite"), &json!({ "user_id": carl.id() })).await.ok();
    cluster.pass(1_000);
    carl.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    cluster.pass(1_000);
    let last = crate::say(&carl, &room, "back").await;
    crate::say(&alice, &room, "alone").await;
    cluster.heal();
    crate::say(&bob, &room, "healed").await;
    until("alice reads it", || async {
        cluster.pass(MINUTE_MS);
        crate::read(&alice, &room).await.contains(&last)
    })
    .await;
    for cell in ["eu1", "ru1"] {
        assert_eq!((told(&cluster, cell).await, noticed(&cluster, cell).await), (0, vec![]), "{cell}");
    }
}
